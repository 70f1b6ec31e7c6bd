/* test_door_data.c - every storable object there is through the clinic's door, byte for byte; and
 * everything malformed, which crashes nothing and costs no other instance. Nothing is converted on
 * the way: the sender puts the file's own data set on the wire, in the file's own syntax. */
#include "gateway/accept/accept.h"
#include "gateway/accept/devices.h"
#include "gateway/spool/spool.h"
#include "gateway/uplink/uplink.h"
#include "proto/base/clock.h"
#include "proto/base/durable.h"
#include "proto/base/log.h"
#include "proto/base/text.h"
#include "proto/codec/codec.h"
#include "proto/dicom/dimse.h"
#include "proto/dicom/facts.h"
#include "proto/dicom/part10.h"
#include "proto/dicom/sopclass.h"
#include "proto/model/quarantine.h"
#include "tests/support/folder.h"

#include <ftw.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <cmocka.h>

#define DATA "../shared/data"
enum { FILES = 2048, WAIT_MS = 120000, FILE_BYTES = 1 << 28 };

static char dir[FOLDER_PATH_BYTES];
static struct spool *spool;
static struct accept *door;
static char *paths[FILES];
static size_t paths_n;
static bool is_malformed_wanted;

static void
must(int rc, const struct err *err)
{
    if (rc < 0)
        fail_msg("%s", err->text);
}

static int
begin(void **state)
{
    struct spool_options options = {.segment_bytes = 16u << 20};
    static const char device[] = "OURS 127.0.0.1 the test itself\n";
    char folder[300], tmp[320];
    struct accept_options o = {.dir = folder, .address = "127.0.0.1"};
    struct err err = {0};

    (void)state;
    folder_make("door", dir);
    snprintf(folder, sizeof folder, "%s/spool", dir);
    must(spool_open(folder, &options, &spool, &err), &err);
    snprintf(folder, sizeof folder, "%s/accept", dir);
    snprintf(tmp, sizeof tmp, "%s/tmp", folder);
    must(durable_mkdir(folder, &err), &err);
    must(durable_mkdir(tmp, &err), &err);
    must(durable_put_file(folder, DEVICES_FILE, device, strlen(device), &err), &err);
    must(accept_open(&o, spool, &door, &err), &err);
    must(accept_listen(door, &err), &err);
    return 0;
}

static int
end(void **state)
{
    (void)state;
    accept_stop(&door);
    spool_close(&spool);
    folder_remove(dir);
    for (size_t i = 0; i < paths_n; i++)
        free(paths[i]);
    paths_n = 0;
    return 0;
}

static int
keep_path(const char *path, const struct stat *st, int kind, struct FTW *ftw)
{
    bool is_malformed = strstr(path, "/malformed/") != NULL;

    (void)st;
    (void)ftw;
    if (kind != FTW_F || is_malformed != is_malformed_wanted || paths_n == FILES)
        return 0;
    if (is_malformed && strstr(path, "/malformed/dicom-") == NULL &&
        strstr(path, "/malformed/own/dcm/") == NULL)
        return 0;
    paths[paths_n++] = mem_text(path);
    return 0;
}

static void
find_files(bool is_malformed)
{
    if (access(DATA, R_OK) < 0)
        skip();
    is_malformed_wanted = is_malformed;
    assert_int_equal(nftw(DATA, keep_path, 16, FTW_PHYS), 0);
    assert_true(paths_n > 0);
}

/* One object on an association of its own; -1: the peer or the road ended it. */
static int
send_object(const char *sop_class, const char *sop_instance, const char *syntax,
            const uint8_t *bytes, size_t n, uint16_t *out_status, struct err *err)
{
    const char *const syntaxes[] = {syntax};
    struct dimse_proposal proposal = {sop_class, syntaxes, 1, false};
    struct dimse_connect_options o = {
        .host = "127.0.0.1", .port = accept_port(door), .calling = "OURS", .called = "RADPOST"};
    struct dimse_command rq = {
        .context = 1, .field = DIMSE_C_STORE_RQ, .message_id = 1, .has_data = true};
    struct dimse_command rsp;
    struct dimse_assoc *assoc = NULL;
    int rc = -1;

    text_copy(rq.sop_class, sizeof rq.sop_class, sop_class);
    text_copy(rq.sop_instance, sizeof rq.sop_instance, sop_instance);
    if (dimse_connect(&o, &proposal, 1, &assoc, err) < 0 ||
        dimse_send_command(assoc, &rq, err) < 0 ||
        dimse_send_data(assoc, 1, bytes, n, true, err) < 0 ||
        dimse_next_command(assoc, &rsp, err) < 0)
        goto out;
    *out_status = rsp.status;
    rc = dimse_release(&assoc, err);
out:
    dimse_abort(&assoc);
    return rc;
}

static uint64_t
newest_entry(void)
{
    struct spool_filter filter = {.limit = 0};
    uint64_t *ids = NULL, id;
    size_t n = 0;

    spool_list(spool, &filter, &ids, &n);
    id = n > 0 ? ids[n - 1] : 0;
    free(ids);
    return id;
}

/* What lies in the spool behind the meta group is what was sent. */
static bool
left_as_it_was_sent(const uint8_t *dataset, size_t n)
{
    struct spool_bytes source;
    struct dcm_part10 p10;
    struct err err = {0};
    uint8_t *bytes;
    bool is;

    must(spool_source_received(spool, newest_entry(), &source, &err), &err);
    bytes = mem_new(source.size + 1);
    assert_int_equal(pread(source.fd, bytes, source.size, (off_t)source.offset), source.size);
    close(source.fd);
    must(dcm_part10_parse(bytes, source.size, &p10, &err), &err);
    is = source.size - p10.dataset_at == n && memcmp(bytes + p10.dataset_at, dataset, n) == 0;
    free(bytes);
    return is;
}

/* As senders do: by what the data set says, else by the meta group. */
static void
name_object(const uint8_t *bytes, size_t n, struct dcm_part10 *p10)
{
    struct dcm_facts *facts = mem_new(sizeof *facts);
    struct err ignored;

    if (dcm_facts_read(bytes, n, false, facts, &ignored) == 0) {
        text_copy(p10->sop_instance, sizeof p10->sop_instance, facts->sop_instance);
        if (facts->sop_class[0] != '\0')
            text_copy(p10->sop_class, sizeof p10->sop_class, facts->sop_class);
    }
    free(facts);
}

static void
every_storable_object_is_taken_and_leaves_byte_equal(void **state)
{
    size_t sent = 0;

    (void)state;
    find_files(false);
    for (size_t i = 0; i < paths_n; i++) {
        uint8_t *bytes = NULL;
        struct dcm_part10 p10;
        struct err err = {0};
        uint16_t status = 0xFFFF;
        size_t n = 0;

        must(durable_get_file(paths[i], FILE_BYTES, &bytes, &n, &err), &err);
        if (dcm_part10_parse(bytes, n, &p10, &err) == 0 &&
            strcmp(p10.sop_class, "1.2.840.10008.1.3.10") != 0) {
            name_object(bytes, n, &p10);
            if (send_object(p10.sop_class, p10.sop_instance, p10.transfer_syntax,
                            bytes + p10.dataset_at, n - p10.dataset_at, &status, &err) < 0)
                fail_msg("%s: %s", paths[i], err.text);
            if (status != 0)
                fail_msg("%s: status %04x", paths[i], status);
            if (!left_as_it_was_sent(bytes + p10.dataset_at, n - p10.dataset_at))
                fail_msg("%s: the data set was altered", paths[i]);
            sent++;
        }
        free(bytes);
    }
    print_message("%zu objects of %zu files\n", sent, paths_n);
    assert_true(sent > 300);
}

static const char good_study[] = "1.2.826.0.1.3680043.10.54.1";

static void
send_good(int number)
{
    uint8_t bytes[512];
    uint16_t status = 0xFFFF;
    struct err err = {0};
    char sop[80], uid[80];
    size_t n = 0;

    /* (0008,0016) (0008,0018) (0020,000D) (0020,000E), explicit little endian */
    snprintf(sop, sizeof sop, "%s.1.%d", good_study, number);
    for (int k = 0; k < 4; k++) {
        static const uint8_t tags[4][4] = {
            {8, 0, 0x16, 0}, {8, 0, 0x18, 0}, {0x20, 0, 0x0D, 0}, {0x20, 0, 0x0E, 0}};
        size_t length;

        snprintf(uid, sizeof uid, "%s",
                 k == 0   ? DCM_UID_CT_IMAGE
                 : k == 1 ? sop
                 : k == 2 ? good_study
                          : "1.2.826.0.1.3680043.10.54.1.1");
        length = strlen(uid) + strlen(uid) % 2;
        memcpy(bytes + n, tags[k], 4);
        memcpy(bytes + n + 4, "UI", 2);
        bytes[n + 6] = (uint8_t)length;
        bytes[n + 7] = 0;
        memset(bytes + n + 8, 0, length);
        memcpy(bytes + n + 8, uid, strlen(uid));
        n += 8 + length;
    }
    if (send_object(DCM_UID_CT_IMAGE, sop, DCM_UID_EXPLICIT_LE, bytes, n, &status, &err) < 0 ||
        status != 0)
        fail_msg("good instance %d: %s, %04x", number, err.text, status);
}

/* As its own object if it says one, else as a CT of a number of ours. */
static void
send_bad(size_t number, const uint8_t *bytes, size_t n)
{
    struct dcm_part10 p10;
    struct err err = {0};
    uint16_t status;
    char sop[65];

    snprintf(sop, sizeof sop, "1.2.826.0.1.3680043.10.54.2.%zu", number);
    if (n == 0)
        return;
    if (dcm_part10_parse(bytes, n, &p10, &err) == 0 && n > p10.dataset_at &&
        uid_is_valid(p10.sop_class, true) && uid_is_valid(p10.transfer_syntax, true))
        (void)send_object(p10.sop_class, sop, p10.transfer_syntax, bytes + p10.dataset_at,
                          n - p10.dataset_at, &status, &err);
    else
        (void)send_object(DCM_UID_CT_IMAGE, sop, DCM_UID_EXPLICIT_LE, bytes, n, &status, &err);
}

static bool
is_all_looked_into(void)
{
    uint64_t counts[INSTANCE_STATES];

    spool_counts(spool, counts);
    return counts[INSTANCE_RECEIVED] + counts[INSTANCE_INSPECTED] == 0;
}

static void
assert_good_ones_go_on(int count)
{
    struct spool_filter filter = {.study_uid = good_study};
    uint64_t *ids = NULL;
    size_t n = 0;

    spool_list(spool, &filter, &ids, &n);
    assert_int_equal(n, count);
    for (size_t i = 0; i < n; i++) {
        struct spool_entry *entry = NULL;
        struct err err = {0};

        must(spool_load(spool, ids[i], &entry, &err), &err);
        assert_int_not_equal(entry->state, INSTANCE_QUARANTINED);
        spool_entry_free(&entry);
    }
    free(ids);
}

static void
what_is_malformed_crashes_nothing_and_costs_no_other_instance(void **state)
{
    int64_t until;
    char link_dir[300];
    struct uplink_options o = {.link_dir = link_dir,
                               .connections = 1,
                               .coders = 2,
                               .bundle_bytes = 65536,
                               .backoff_ms = 20,
                               .backoff_max_ms = 100,
                               .stall_ms = 5000,
                               .quiet_ms = 300,
                               .look_hold_ms = 30000,
                               .recheck_ms = 3600000};
    struct codec_pool *pool = NULL;
    struct uplink *up = NULL;
    struct err err = {0};
    uint64_t seen = 0;
    int good = 0;

    (void)state;
    find_files(true);
    snprintf(link_dir, sizeof link_dir, "%s/link", dir);
    must(codec_pool_new(2, &pool, &err), &err);
    must(uplink_start(&o, spool, pool, &up, &err), &err);
    for (size_t i = 0; i < paths_n; i++) {
        uint8_t *bytes = NULL;
        size_t n = 0;

        if (i % 16 == 0)
            send_good(++good);
        must(durable_get_file(paths[i], FILE_BYTES, &bytes, &n, &err), &err);
        send_bad(i, bytes, n);
        free(bytes);
    }
    send_good(++good);
    until = clock_mono_ms() + WAIT_MS;
    while (!is_all_looked_into() && clock_mono_ms() < until)
        seen = spool_wait(spool, seen, 200);
    assert_true(is_all_looked_into());
    assert_good_ones_go_on(good);
    print_message("%zu malformed files, %d good ones beside\n", paths_n, good);
    uplink_stop(&up);
    codec_pool_free(&pool);
}

int
main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(every_storable_object_is_taken_and_leaves_byte_equal, begin,
                                        end),
        cmocka_unit_test_setup_teardown(
            what_is_malformed_crashes_nothing_and_costs_no_other_instance, begin, end),
    };
    int status;

    if (codec_worker_main_if_asked(argc, argv, &status))
        return status;
    log_set_fd(-1);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
