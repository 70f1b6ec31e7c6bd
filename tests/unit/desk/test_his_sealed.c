/* test_his_sealed.c - reports by HL7 over TLS to a HIS whose TLS nobody here wrote: openssl's
 * s_server in front of it. Its standard input stays open: at its end s_server hangs up on whoever
 * calls, openssl's own client too. */
#include "tests/support/authority.h"
#include "tests/support/his_peer.h"
#include "tests/support/his_world.h"
#include "tests/support/run_program.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static char dir[FOLDER_PATH_BYTES];

static int
group_setup(void **state)
{
    (void)state;
    folder_make("his-sealed", dir);
    return program_is_there("openssl") ? authority_make(dir) : 0;
}

static int
group_teardown(void **state)
{
    (void)state;
    folder_remove(dir);
    return 0;
}

struct row {
    const char *name;
    const char *certificate; /* of theirs */
    const char *shown;       /* of ours; NULL none */
    const char *options[6];  /* of s_server */
    enum his_peer_answer answer;
    enum his_state state; /* what comes of it */
    unsigned heard;       /* messages that reached the HIS */
    const char *trouble;  /* words in it */
};

static char paths[4][FOLDER_PATH_BYTES + 32];

static const char *
in_dir(unsigned i, const char *name, const char *end)
{
    snprintf(paths[i], sizeof paths[i], "%s/%s.%s", dir, name, end);
    return paths[i];
}

static void
open_world(void **state, const struct row *row)
{
    const char *options[16] = {"-cert", in_dir(0, row->certificate, "pem"), "-key",
                               in_dir(1, "s", "key")};
    struct err err;
    size_t n = 4;

    for (size_t i = 0; i < ARRAY_LEN(row->options) && row->options[i] != NULL; i++)
        options[n++] =
            strcmp(row->options[i], "CA") == 0 ? in_dir(2, "ca", "pem") : row->options[i];
    assert_int_equal(book_world_open(state), 0);
    his_peer_start_sealed(row->answer, options);
    his_world_begin();
    his.settings.hl7_tls_ca = in_dir(2, "ca", "pem");
    if (row->shown != NULL) {
        his.settings.hl7_tls_certificate = in_dir(3, row->shown, "pem");
        his.settings.hl7_tls_key = paths[1];
    }
    assert_int_equal(his_targets_read(&his.settings, &his.targets, &err), 0);
}

static void
report_goes(void **state, const struct row *row)
{
    struct his_delivery d;

    open_world(state, row);
    his_report(CLINIC_REPORT, 1, "");
    assert_true(his_step(HIS_HL7, NULL));

    d = his_delivery(HIS_HL7, 1, false);
    if (d.state != row->state || his_peer_count() != row->heard ||
        strstr(d.trouble, row->trouble) == NULL)
        fail_msg("%s: %s, heard %u, trouble \"%s\"", row->name, his_state_word(d.state),
                 his_peer_count(), d.trouble);
    if (d.state == HIS_DELIVERED)
        assert_string_equal(his_peer_last("PID", 1, 5, 2), "昞倈");
    assert_int_equal(his_world_close(state), 0);
}

#define VERIFIED "-Verify", "1", "-verify_return_error", "-CAfile", "CA"

static void
a_report_reaches_a_his_whatever_tls_it_speaks(void **state)
{
    static const struct row rows[] = {
        {"TLS 1.3", "here", NULL, {NULL}, HIS_PEER_AA, HIS_DELIVERED, 1, ""},
        {"eight tickets behind the handshake",
         "here",
         NULL,
         {"-num_tickets", "8"},
         HIS_PEER_AA,
         HIS_DELIVERED,
         1,
         ""},
        {"no ticket", "here", NULL, {"-num_tickets", "0"}, HIS_PEER_AA, HIS_DELIVERED, 1, ""},
        {"TLS 1.2", "here", NULL, {"-tls1_2"}, HIS_PEER_AA, HIS_DELIVERED, 1, ""},
        {"small records",
         "here",
         NULL,
         {"-max_send_frag", "512"},
         HIS_PEER_AA,
         HIS_DELIVERED,
         1,
         ""},
        {"asks who we are, and we do not say",
         "here",
         NULL,
         {"-verify", "1"},
         HIS_PEER_AA,
         HIS_DELIVERED,
         1,
         ""},
        {"must know who we are", "here", "here", {VERIFIED}, HIS_PEER_AA, HIS_DELIVERED, 1, ""},
        {"must know who we are, in TLS 1.2",
         "here",
         "here",
         {VERIFIED, "-tls1_2"},
         HIS_PEER_AA,
         HIS_DELIVERED,
         1,
         ""},
    };

    if (!program_is_there("openssl"))
        skip();
    for (size_t i = 0; i < ARRAY_LEN(rows); i++)
        report_goes(state, &rows[i]);
}

static const struct row wrong_rows[] = {
    {"theirs is by a stranger",
     "stranger",
     NULL,
     {NULL},
     HIS_PEER_AA,
     HIS_WAITING,
     0,
     "certificate verify failed"},
    {"theirs is over",
     "old",
     NULL,
     {NULL},
     HIS_PEER_AA,
     HIS_WAITING,
     0,
     "certificate verify failed"},
    {"theirs is of another host",
     "far",
     NULL,
     {NULL},
     HIS_PEER_AA,
     HIS_WAITING,
     0,
     "certificate verify failed"},
    {"they want ours",
     "here",
     NULL,
     {VERIFIED},
     HIS_PEER_AA,
     HIS_WAITING,
     0,
     "certificate required"},
    {"they want ours, in TLS 1.2",
     "here",
     NULL,
     {VERIFIED, "-tls1_2"},
     HIS_PEER_AA,
     HIS_WAITING,
     0,
     "alert handshake failure"},
    {"they do not know ours",
     "here",
     "stranger",
     {VERIFIED},
     HIS_PEER_AA,
     HIS_WAITING,
     0,
     "unknown ca"},
    {"they hang up without an answer",
     "here",
     NULL,
     {NULL},
     HIS_PEER_HANGS_UP,
     HIS_WAITING,
     1,
     "hung up without an answer"},
};

/* It waits, and the desk is told why, so that a service engineer can mend it; once it is mended,
 * what waits goes by itself. */
static void
a_report_waits_while_certificates_are_wrong_and_no_other_his_hears_it(void **state)
{
    if (!program_is_there("openssl"))
        skip();
    for (size_t i = 0; i < ARRAY_LEN(wrong_rows); i++)
        report_goes(state, &wrong_rows[i]);
}

static void
many_versions_with_large_documents_go_one_after_another(void **state)
{
    static const struct row row = {.certificate = "here", .options = {"-num_tickets", "2"}};
    enum { VERSIONS = 30, LARGE = 700 << 10 };
    char *pdf = mem_new(LARGE + 1);

    if (!program_is_there("openssl"))
        skip();
    memset(pdf, 'x', LARGE);
    memcpy(pdf, "%PDF-1.4\n", 9);
    open_world(state, &row);
    for (uint32_t v = 1; v <= VERSIONS; v++) {
        his_report(v == 1 ? CLINIC_REPORT : CLINIC_AMENDED, v, "");
        if (v == VERSIONS)
            his_put(v, "", pdf, LARGE);
        assert_true(his_step(HIS_HL7, NULL));
        assert_int_equal(his_delivery(HIS_HL7, v, false).state, HIS_DELIVERED);
    }
    assert_int_equal(his_peer_count(), VERSIONS);
    assert_int_equal(his_world_close(state), 0);
    free(pdf);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_report_reaches_a_his_whatever_tls_it_speaks),
        cmocka_unit_test(a_report_waits_while_certificates_are_wrong_and_no_other_his_hears_it),
        cmocka_unit_test(many_versions_with_large_documents_go_one_after_another),
    };

    return cmocka_run_group_tests(tests, group_setup, group_teardown);
}
