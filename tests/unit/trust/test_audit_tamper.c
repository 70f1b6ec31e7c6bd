/* test_audit_tamper.c - whatever is done to the log is found, and nothing else is. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <inttypes.h>
#include <unistd.h>

#include <cmocka.h>

#include "proto/base/buf.h"
#include "proto/base/clock.h"
#include "proto/base/text.h"
#include "tests/support/audit_log.h"

#define TAMPERINGS 1000
#define FILES 3
#define LINES_LIMIT 200

/* Three days of a log, in lines. */
struct log_text {
    char *lines[LINES_LIMIT];
    int file_of[LINES_LIMIT];
    int count;
    char names[FILES][32];
};

static void
build_log(const char *dir)
{
    struct audit *audit;

    clock_fake(AUDIT_LOG_START_US, 1000);
    audit = audit_log_open(dir);
    for (int day = 0; day < FILES; day++) {
        for (int i = 0; i < 4; i++)
            audit_log_append(audit, day * 10 + i);
        if (day == 1) { /* a restart in the middle */
            audit_close(&audit);
            audit = audit_log_open(dir);
        }
        if (day + 1 < FILES) {
            clock_fake(AUDIT_LOG_START_US + (day + 1) * AUDIT_LOG_DAY_US, 1000);
            audit_log_append(audit, 999); /* ends the day */
        }
    }
    audit_close(&audit);
    clock_unfake();
}

static void
read_log(const char *dir, struct log_text *t)
{
    t->count = 0;
    for (int f = 0; f < FILES; f++) {
        char *text, *p;
        size_t n;

        snprintf(t->names[f], sizeof t->names[f], "log/2026-11-%02d.log", 21 + f);
        text = audit_log_read(audit_log_in(dir, t->names[f]), &n);
        for (p = text; *p != '\0'; p += strlen(t->lines[t->count - 1])) {
            t->file_of[t->count] = f;
            t->lines[t->count++] = mem_printf("%.*s", (int)(strchr(p, '\n') - p + 1), p);
            assert_true(t->count < LINES_LIMIT);
        }
        free(text);
    }
}

static void
write_log(const char *dir, const struct log_text *t)
{
    for (int f = 0; f < FILES; f++) {
        struct buf b;

        buf_init(&b, 1 << 20);
        for (int i = 0; i < t->count; i++)
            if (t->file_of[i] == f && t->lines[i] != NULL)
                buf_add_text(&b, t->lines[i]);
        audit_log_write(audit_log_in(dir, t->names[f]), b.bytes != NULL ? b.bytes : (uint8_t *)"",
                        b.n);
        buf_fini(&b);
    }
}

/* From line `from` on, hash the chain anew, as one who knows the format would. */
static void
hash_anew(struct log_text *t, int from)
{
    uint8_t before[DIGEST_BYTES] = {0};
    uint64_t n = 0;

    for (int i = 0; i < t->count; i++) {
        char hex[DIGEST_HEX_BYTES], *json;
        struct digest *d;

        if (t->lines[i] == NULL)
            continue;
        if (strncmp(t->lines[i], "radpost-audit", 13) == 0) {
            if (i >= from) {
                free(t->lines[i]);
                digest_text(before, hex);
                t->lines[i] = mem_printf("radpost-audit 1 after %" PRIu64 " %s\n", n, hex);
            }
            continue;
        }
        n++;
        json = t->lines[i] + 65;
        if (i < from) {
            assert_int_equal(hex_decode((snprintf(hex, sizeof hex, "%.64s", t->lines[i]), hex),
                                        before, DIGEST_BYTES),
                             0);
            continue;
        }
        json = mem_printf("{\"n\":%" PRIu64 "%s", n, strchr(json, ','));
        d = digest_new();
        digest_add(d, before, DIGEST_BYTES);
        digest_add(d, json, strlen(json) - 1);
        digest_take(d, before);
        digest_free(&d);
        digest_text(before, hex);
        free(t->lines[i]);
        t->lines[i] = mem_printf("%s %s", hex, json);
        free(json);
    }
}

enum tampering { EDIT, DROP, INSERT, SWAP, CUT, CUT_BYTES, REWRITE, FORGE_END, KINDS };

static const char *const tampering_names[] = {"edit", "drop",      "insert",  "swap",
                                              "cut",  "cut bytes", "rewrite", "forge the end"};

/* One random tampering; false if it came to nothing (two equal lines swapped). */
static bool
tamper(struct log_text *t, enum tampering kind)
{
    int i = (int)audit_log_draw((unsigned)t->count), j = (int)audit_log_draw((unsigned)t->count), k;
    char *line = t->lines[i], *copy;
    size_t at = audit_log_draw((unsigned)strlen(line));

    switch (kind) {
    case EDIT:
        copy = mem_text(line);
        copy[at] = (char)(copy[at] ^ (1 << audit_log_draw(7)));
        if (copy[at] == '\0')
            copy[at] = 'x';
        free(line);
        t->lines[i] = copy;
        return true;
    case DROP:
        free(line);
        t->lines[i] = NULL;
        return true;
    case INSERT:
        t->lines[i] = mem_printf("%s%s", line, t->lines[j]);
        free(line);
        return true;
    case SWAP:
        t->lines[i] = t->lines[j];
        t->lines[j] = line;
        return i != j;
    case CUT:
        for (k = i; k < t->count; k++) {
            free(t->lines[k]);
            t->lines[k] = NULL;
        }
        return true;
    case CUT_BYTES:
        line[at] = '\0';
        for (k = i + 1; k < t->count; k++) {
            free(t->lines[k]);
            t->lines[k] = NULL;
        }
        return true;
    case REWRITE: /* drop or edit an entry, then make every hash fit again */
        if (strncmp(line, "radpost-audit", 13) == 0)
            return false;
        t->lines[i] = NULL;
        if (audit_log_draw(2) == 0) {
            t->lines[i] = mem_text(line);
            t->lines[i][strlen(line) - 4] ^= 1;
        }
        free(line);
        hash_anew(t, i);
        return true;
    case FORGE_END: /* one more entry with the right hash */
        i = t->count - 1;
        line = t->lines[i];
        t->lines[t->count] = mem_text(t->lines[i - 2]);
        t->file_of[t->count++] = FILES - 1;
        hash_anew(t, t->count - 1);
        return line != NULL;
    default:
        return false;
    }
}

static void
free_log(struct log_text *t)
{
    for (int i = 0; i < t->count; i++)
        free(t->lines[i]);
}

static void
a_thousand_tamperings_are_found_and_no_good_log_is_blamed(void **state)
{
    int found[KINDS] = {0}, done = 0;

    (void)state;
    build_log("t");
    audit_log_is_good("t");
    while (done < TAMPERINGS) {
        static struct log_text before, after;
        struct audit_verdict v;
        struct err err = {0};
        enum tampering kind = (enum tampering)(done % KINDS);

        read_log("t", &before);
        read_log("t", &after);
        if (tamper(&after, kind)) {
            write_log("t", &after);
            if (audit_log_verify("t", &v, &err) != ERR_CONFLICT)
                fail_msg("tampering %d (%s) was not found", done, tampering_names[kind]);
            assert_true(v.bad_entry > 0);
            found[kind]++;
            write_log("t", &before);
            done++;
        }
        free_log(&after);
        free_log(&before);
        if (done % 100 == 0)
            audit_log_is_good("t");
    }
    for (int k = 0; k < KINDS; k++)
        assert_true(found[k] >= TAMPERINGS / KINDS);
}

static void
the_first_bad_entry_is_named(void **state)
{
    static struct log_text t;
    struct audit_verdict v;
    struct err err = {0};
    char number[16];

    (void)state;
    build_log("n");
    read_log("n", &t);
    t.lines[7][80] ^= 1; /* line 0 is the header: entry 7 */
    write_log("n", &t);
    assert_int_equal(audit_log_verify("n", &v, &err), ERR_CONFLICT);
    assert_int_equal(v.bad_entry, 7);
    assert_int_equal(v.entries, 6);
    assert_string_equal(v.bad_place, "2026-11-21.log line 8");
    snprintf(number, sizeof number, "entry 7");
    assert_non_null(strstr(err.text, number));
    free_log(&t);
}

static void
a_head_that_left_the_house_binds_the_key_holder(void **state)
{
    char head[300], gone[300];
    struct audit_verdict v;
    struct audit *audit;
    struct err err = {0};
    uint8_t signer[DIGEST_BYTES];

    (void)state;
    build_log("h");
    snprintf(head, sizeof head, "%s/supervisor.head", audit_log_folder);
    snprintf(gone, sizeof gone, "%s", audit_log_in("h", "heads/2026-11-21.head"));
    assert_int_equal(rename(gone, head), 0);
    assert_int_equal(audit_verify(audit_log_in("h", ""), NULL, head, &v, &err), 0);
    memcpy(signer, v.signer, sizeof signer);
    assert_int_equal(audit_verify(audit_log_in("h", ""), signer, head, &v, &err), 0);
    signer[0] ^= 1;
    assert_int_equal(audit_verify(audit_log_in("h", ""), signer, NULL, &v, &err), -1);
    assert_int_equal(err.kind, ERR_CONFLICT);

    /* The service's owner begins anew with the same key, as if nothing had been. */
    folder_remove(audit_log_in("h", "log"));
    folder_remove(audit_log_in("h", "heads"));
    unlink(audit_log_in("h", "HEAD"));
    clock_fake(AUDIT_LOG_START_US, 1000);
    audit = audit_log_open("h");
    for (int i = 0; i < 30; i++)
        audit_log_append(audit, i);
    audit_close(&audit);
    clock_unfake();
    audit_log_is_good("h");
    assert_int_equal(audit_verify(audit_log_in("h", ""), NULL, head, &v, &err), -1);
    assert_int_equal(err.kind, ERR_CONFLICT);
}

static void
a_broken_chain_is_set_aside_and_told(void **state)
{
    static struct log_text t;
    struct audit_verdict v;
    struct audit *audit;
    struct err err = {0};

    (void)state;
    build_log("b");
    read_log("b", &t);
    free(t.lines[t.count - 1]); /* the last entries are gone, though HEAD signs them */
    t.lines[t.count - 1] = NULL;
    write_log("b", &t);
    free_log(&t);

    audit = audit_log_open("b");
    audit_log_append(audit, 1);
    audit_close(&audit);
    assert_int_equal(audit_log_verify("b", &v, &err), ERR_CONFLICT);
    assert_int_equal(v.bad_entry, 0);
    assert_true(v.entries > 3);
    assert_non_null(strstr(err.text, "corrupt/chain-"));
}

/* One bad sector of a file of 241 or 32 bytes kept the desk, and with it every image, from
 * starting.
 */
static void
a_rotten_key_is_set_aside_with_its_log_and_another_one_begins(void **state)
{
    static const struct {
        const char *log, *key;
        const char *bytes; /* NULL: it is gone */
    } rows[] = {{"k1", "signer.key", ""},
                {"k2", "signer.key", "-----BEGIN PRIVATE KEY-----\n"},
                {"k3", "signer.key", NULL},
                {"k4", "patient.key", "short"},
                {"k5", "patient.key", NULL}};

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        bool is_signer = strcmp(rows[i].key, "signer.key") == 0;
        char path[300], moved[300];
        uint8_t was[DIGEST_BYTES];
        struct audit_verdict v;
        struct audit *audit;
        struct err err = {0};

        build_log(rows[i].log);
        assert_int_equal(audit_log_verify(rows[i].log, &v, &err), 0);
        memcpy(was, v.signer, sizeof was);
        snprintf(path, sizeof path, "%s", audit_log_in(rows[i].log, rows[i].key));
        if (rows[i].bytes == NULL)
            assert_int_equal(unlink(path), 0);
        else
            audit_log_write(path, rows[i].bytes, strlen(rows[i].bytes));

        audit = audit_log_open(rows[i].log);
        audit_log_append(audit, 1);
        audit_close(&audit);
        assert_int_equal(audit_log_verify(rows[i].log, &v, &err), ERR_CONFLICT);
        assert_non_null(strstr(err.text, "corrupt/chain-"));
        assert_int_equal(memcmp(was, v.signer, sizeof was) == 0, !is_signer);
        assert_int_equal(
            audit_log_says(audit_log_in(rows[i].log, "log"), "AUDIT_RECOVERED", "keys"), 1);

        /* what was written stays as it is, with the public half that it was signed by */
        snprintf(path, sizeof path, "%s", strstr(err.text, "corrupt/chain-"));
        snprintf(moved, sizeof moved, "%s", audit_log_in(rows[i].log, path));
        snprintf(path, sizeof path, "%s-was", audit_log_in(rows[i].log, ""));
        assert_int_equal(rename(moved, path), 0);
        audit_log_is_good(rows[i].log);
        snprintf(moved, sizeof moved, "%s/HEAD", path);
        assert_int_equal(access(moved, F_OK), 0);
        snprintf(moved, sizeof moved, "%s/signer.pem", path);
        assert_int_equal(access(moved, F_OK) == 0, is_signer);
    }
}

static void
the_command_tells_good_from_bad(void **state)
{
    char dir[300];
    char audit_word[] = "audit", verify_word[] = "verify", fly[] = "fly";
    char *good[] = {audit_word, verify_word, dir, NULL}, *bad[] = {audit_word, fly, NULL};
    static struct log_text t;

    (void)state;
    build_log("cli");
    snprintf(dir, sizeof dir, "%s", audit_log_in("cli", ""));
    assert_int_equal(audit_cli(3, good), 0);
    assert_int_equal(audit_cli(2, bad), 64);
    read_log("cli", &t);
    t.lines[3][70] ^= 1;
    write_log("cli", &t);
    free_log(&t);
    assert_int_equal(audit_cli(3, good), err_kind_exit(ERR_CONFLICT));
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_thousand_tamperings_are_found_and_no_good_log_is_blamed),
        cmocka_unit_test(the_first_bad_entry_is_named),
        cmocka_unit_test(a_head_that_left_the_house_binds_the_key_holder),
        cmocka_unit_test(a_broken_chain_is_set_aside_and_told),
        cmocka_unit_test(a_rotten_key_is_set_aside_with_its_log_and_another_one_begins),
        cmocka_unit_test(the_command_tells_good_from_bad),
    };

    return cmocka_run_group_tests(tests, audit_log_start, audit_log_stop);
}
