/* test_query.c - Query/Retrieve of what is still here, asked by DCMTK's findscu, getscu, movescu.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include <dirent.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#include "proto/base/durable.h"
#include "proto/codec/codec.h"
#include "proto/dicom/facts.h"
#include "tests/support/dimse_receiver.h"
#include "tests/support/serve_world.h"
#include "tests/support/run_program.h"

static struct serve_world world;
static char out[262144];

static void
fill(void)
{
    static const struct serve_image images[] = {
        {.study = "1.2.1", .series = "1.2.1.1", .sop_instance = "1.2.1.1.1", .number = 1},
        {.study = "1.2.1", .series = "1.2.1.1", .sop_instance = "1.2.1.1.2", .number = 2},
        {.study = "1.2.1", .series = "1.2.1.2", .sop_instance = "1.2.1.2.1", .modality = "SR"},
        {.study = "1.2.2",
         .series = "1.2.2.1",
         .sop_instance = "1.2.2.1.1",
         .patient_id = "P2",
         .name = "\xd5\xc5^\xc8\xfd",
         .character_set = "ISO_IR 100",
         .date = "20251231"},
    };

    for (size_t i = 0; i < ARRAY_LEN(images); i++)
        serve_world_put(&world, &images[i]);
    serve_world_inspect(&world);
    struct serve_image odd = {.study = "1.2.1", .series = "1.2.1.1", .sop_instance = "1.2.1.1.9"};
    struct err err = {0};
    uint64_t id = serve_world_put(&world, &odd);
    if (spool_set_quarantined(world.spool, id, "uid_conflict: test", &err) < 0)
        fail_msg("%s", err.text);
}

static int
begin(void **state)
{
    char devices[512];

    (void)state;
    dimse_receiver_start(0, (struct dimse_deadlines){0});
    snprintf(devices, sizeof devices,
             "CT1 *\nVIEWER * viewer may=query host=127.0.0.1 port=%s\n"
             "DEST * ws host=127.0.0.1 port=%s\nAWAY * ws host=127.0.0.1 port=1\n"
             "TWIN 127.0.0.9 ws may=query host=127.0.0.1 port=1\n"
             "TWIN * ws may=query host=127.0.0.1 port=%s\n",
             dimse_receiver_port(), dimse_receiver_port(), dimse_receiver_port());
    serve_world_make(&world, devices);
    fill();
    return 0;
}

static int
end(void **state)
{
    (void)state;
    dimse_receiver_stop();
    serve_world_remove(&world);
    return 0;
}

/* A DCMTK query or retrieval with keys; its exit code. */
static int
ask_as(const char *who, const char *program, const char *const *more)
{
    const char *argv[40] = {program, "-v", "-aet", who, "-aec", "RADPOST"};
    size_t n = 6;

    for (; *more != NULL && n < 36; more++)
        argv[n++] = *more;
    argv[n++] = "127.0.0.1";
    argv[n++] = serve_world_port(&world);
    return program_run(argv, NULL, out, sizeof out);
}

static size_t
count_of(const char *word)
{
    size_t n = 0;

    for (const char *at = out; (at = strstr(at, word)) != NULL; at += strlen(word))
        n++;
    return n;
}

#define K(key) "-k", key

static void
findscu_finds_studies_by_what_their_files_say(void **state)
{
    static const struct {
        const char *name, *key;
        size_t wanted;
    } rows[] = {
        {"all", "PatientID", 2},
        {"patient", "PatientID=P2", 1},
        {"wild card", "PatientID=P*", 2},
        {"nobody", "PatientID=P3", 0},
        {"name in Chinese, sent as GBK under a Latin-1 label", "PatientName=张*", 1},
        {"day", "StudyDate=20260102", 1},
        {"days", "StudyDate=20251201-20260101", 1},
        {"modality", "ModalitiesInStudy=SR", 1},
        {"study", "StudyInstanceUID=1.2.1", 1},
    };

    (void)state;
    if (!program_is_there("findscu"))
        skip();
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        const char *const keys[] = {"-S",
                                    K("QueryRetrieveLevel=STUDY"),
                                    K("SpecificCharacterSet=ISO_IR 192"),
                                    K("NumberOfStudyRelatedInstances"),
                                    K("PatientName"),
                                    K(rows[i].key),
                                    NULL};
        print_message("%s\n", rows[i].name);
        assert_int_equal(ask_as("VIEWER", "findscu", keys), 0);
        assert_int_equal(count_of("Find Response:"), rows[i].wanted);
        if (rows[i].wanted == 1 && strstr(rows[i].key, "P2") != NULL)
            assert_non_null(strstr(out, "张^三"));
    }
}

static void
findscu_finds_series_and_images_and_never_what_is_put_aside(void **state)
{
    const char *const series[] = {"-P",
                                  K("QueryRetrieveLevel=SERIES"),
                                  K("StudyInstanceUID=1.2.1"),
                                  K("SeriesInstanceUID"),
                                  K("Modality"),
                                  K("SeriesNumber=7"),
                                  K("NumberOfSeriesRelatedInstances"),
                                  NULL};
    const char *const images[] = {"-S",
                                  K("QueryRetrieveLevel=IMAGE"),
                                  K("StudyInstanceUID=1.2.1"),
                                  K("SeriesInstanceUID=1.2.1.1"),
                                  K("SOPInstanceUID"),
                                  K("InstanceNumber"),
                                  K("Rows"),
                                  K("PatientID"),
                                  NULL};
    const char *const one[] = {"-S", K("QueryRetrieveLevel=IMAGE"), K("InstanceNumber=2"),
                               K("SOPInstanceUID"), NULL};
    const char *const patient[] = {"-P", K("QueryRetrieveLevel=PATIENT"), K("PatientID"), NULL};

    (void)state;
    if (!program_is_there("findscu"))
        skip();
    assert_int_equal(ask_as("VIEWER", "findscu", series), 0);
    assert_int_equal(count_of("Find Response:"), 2);
    assert_non_null(strstr(out, "[RADPOST"));
    assert_non_null(strstr(out, "ONLINE"));
    assert_int_equal(ask_as("VIEWER", "findscu", images), 0);
    assert_int_equal(count_of("Find Response:"), 2);
    assert_int_equal(count_of("US 512"), 2);
    assert_int_equal(count_of("[P1"), 2);
    assert_null(strstr(out, "1.2.1.1.9"));
    assert_int_equal(ask_as("VIEWER", "findscu", one), 0);
    assert_int_equal(count_of("Find Response:"), 1);
    assert_non_null(strstr(out, "[1.2.1.1.2"));
    (void)ask_as("VIEWER", "findscu", patient);
    assert_non_null(strstr(out, "DataSetDoesNotMatchSOPClass"));
}

static size_t
files_in(const char *path)
{
    DIR *d = opendir(path);
    size_t n = 0;

    for (struct dirent *e = readdir(d); e != NULL; e = readdir(d))
        n += e->d_name[0] != '.';
    closedir(d);
    return n;
}

static void
getscu_gets_what_is_here(void **state)
{
    char *dir = mem_printf("%s/got", world.dir);
    const char *const keys[] = {
        "-S", "-od", dir, K("QueryRetrieveLevel=STUDY"), K("StudyInstanceUID=1.2.1"), NULL};

    (void)state;
    if (!program_is_there("getscu"))
        skip();
    mkdir(dir, 0700);
    int rc = ask_as("VIEWER", "getscu", keys);
    if (rc != 0)
        print_message("%s", out);
    assert_int_equal(rc, 0);
    assert_int_equal(files_in(dir), 3);
    free(dir);
}

static void
movescu_moves_to_devices_that_say_where_they_listen(void **state)
{
    const char *const dest[] = {
        "-S", "-aem", "DEST", K("QueryRetrieveLevel=STUDY"), K("StudyInstanceUID=1.2.1"), NULL};
    const char *const series[] = {"-S",
                                  "-aem",
                                  "DEST",
                                  K("QueryRetrieveLevel=SERIES"),
                                  K("StudyInstanceUID=1.2.1"),
                                  K("SeriesInstanceUID=1.2.1.2"),
                                  NULL};
    const char *const nowhere[] = {
        "-S", "-aem", "CT1", K("QueryRetrieveLevel=STUDY"), K("StudyInstanceUID=1.2.1"), NULL};
    const char *const away[] = {
        "-S", "-aem", "AWAY", K("QueryRetrieveLevel=STUDY"), K("StudyInstanceUID=1.2.1"), NULL};

    (void)state;
    if (!program_is_there("movescu"))
        skip();
    assert_int_equal(ask_as("VIEWER", "movescu", dest), 0);
    assert_int_equal(dimse_receiver.stored, 3);
    assert_int_equal(ask_as("VIEWER", "movescu", series), 0);
    assert_int_equal(dimse_receiver.stored, 4);
    assert_string_equal(dimse_receiver.instance, "1.2.1.2.1");
    (void)ask_as("VIEWER", "movescu", nowhere);
    assert_non_null(strstr(out, "MoveDestinationUnknown"));
    (void)ask_as("VIEWER", "movescu", away);
    assert_non_null(strstr(out, "OutOfResourcesSubOperations"));
    assert_int_equal(dimse_receiver.stored, 4);
}

/* Cheap consoles share a title: the images go to the one that asks for them. */
static void
who_names_itself_gets_it_and_not_its_namesake(void **state)
{
    const char *const self[] = {
        "-S", "-aem", "TWIN", K("QueryRetrieveLevel=STUDY"), K("StudyInstanceUID=1.2.1"), NULL};

    unsigned before = dimse_receiver.stored;

    (void)state;
    if (!program_is_there("movescu"))
        skip();
    assert_int_equal(ask_as("TWIN", "movescu", self), 0);
    assert_int_equal(dimse_receiver.stored, before + 3);
}

/* Under which study the gateway has it; the caller's. */
static char *
made_study(const char *sop_instance)
{
    struct spool_filter filter = {.sop_instance = sop_instance};
    struct spool_entry *entry = NULL;
    struct err err = {0};
    uint64_t *ids = NULL;
    size_t n = 0;
    char *study;

    spool_list(world.spool, &filter, &ids, &n);
    assert_int_equal(n, 1);
    if (spool_load(world.spool, ids[0], &entry, &err) < 0)
        fail_msg("%s", err.text);
    study = mem_text(entry->facts.study_uid);
    assert_memory_equal(study, "2.25.", 5);
    spool_entry_free(&entry);
    free(ids);
    return study;
}

/* What cannot be used as a study leaves under the made one that it was asked for by, by C-GET and
 * C-MOVE, and where it is decoded. */
static void
what_stands_under_a_made_number_leaves_under_it(void **state)
{
    static const struct serve_image odd = {.study = "1.2.abc",
                                           .series = "US 1",
                                           .sop_instance = "1.2.7.1.1",
                                           .patient_id = "T0017842"};
    char *dir = mem_printf("%s/got-odd", world.dir), *key, *study;
    struct dcm_facts *facts = mem_new(sizeof *facts);
    struct err err = {0};
    uint8_t *bytes = NULL;
    size_t n = 0;

    (void)state;
    if (!program_is_there("getscu") || !program_is_there("movescu"))
        skip();
    serve_world_put(&world, &odd);
    serve_world_inspect(&world);
    study = made_study("1.2.7.1.1");
    key = mem_printf("StudyInstanceUID=%s", study);
    for (int is_implicit = 0; is_implicit < 2; is_implicit++) {
        const char *const get[] = {is_implicit ? "+xi" : "+xe",   "-S", "-od", dir,
                                   K("QueryRetrieveLevel=STUDY"), "-k", key,   NULL};
        char *path = mem_printf("%s/CT.1.2.7.1.1", dir);

        mkdir(dir, 0700);
        assert_int_equal(ask_as("VIEWER", "getscu", get), 0);
        if (durable_get_file(path, 1 << 20, &bytes, &n, &err) < 0 ||
            dcm_facts_read(bytes, n, false, facts, &err) < 0)
            fail_msg("%s", err.text);
        assert_string_equal(facts->study_uid, study);
        assert_false(facts->is_study_made || facts->is_series_made);
        assert_string_equal(facts->sop_instance, "1.2.7.1.1");
        free(bytes);
        free(path);
    }
    const char *const move[] = {"-S", "-aem", "DEST", K("QueryRetrieveLevel=STUDY"),
                                "-k", key,    NULL};
    assert_int_equal(ask_as("VIEWER", "movescu", move), 0);
    assert_string_equal(dimse_receiver.instance, "1.2.7.1.1");
    assert_non_null(memmem(dimse_receiver.last.bytes, dimse_receiver.last.n, study, strlen(study)));
    free(facts);
    free(study);
    free(key);
    free(dir);
}

static void
device_without_the_right_is_told_so(void **state)
{
    const char *const keys[] = {"-S", K("QueryRetrieveLevel=STUDY"), K("PatientID"), NULL};

    (void)state;
    if (!program_is_there("findscu"))
        skip();
    (void)ask_as("CT1", "findscu", keys);
    assert_int_equal(count_of("Find Response:"), 0);
    assert_non_null(strstr(out, "0x124"));
}

/* Sealed and removed: it is neither found as an image nor passed over in silence. */
static void
what_is_gone_from_here_makes_a_retrieval_partial(void **state)
{
    const char *const dest[] = {
        "-S", "-aem", "DEST", K("QueryRetrieveLevel=STUDY"), K("StudyInstanceUID=1.2.3"), NULL};
    const char *const images[] = {"-S", K("QueryRetrieveLevel=IMAGE"), K("StudyInstanceUID=1.2.3"),
                                  K("SOPInstanceUID"), NULL};
    const char *const study[] = {"-S", K("QueryRetrieveLevel=STUDY"), K("StudyInstanceUID=1.2.3"),
                                 NULL};
    struct serve_image first = {.study = "1.2.3", .series = "1.2.3.1", .sop_instance = "1.2.3.1.1"};
    struct serve_image second = {
        .study = "1.2.3", .series = "1.2.3.1", .sop_instance = "1.2.3.1.2"};
    char *segments = mem_printf("%s/spool", world.dir);
    struct spool_options gone = {.segment_bytes = 4u << 20, .keep_sealed_ms = 0};
    struct err err = {0};

    (void)state;
    if (!program_is_there("movescu"))
        skip();
    serve_world_put(&world, &first);
    serve_world_seal(&world); /* all that is there: their segment may go */
    serve_world_close(&world);
    struct spool *sp = NULL;
    if (spool_open(segments, &gone, &sp, &err) < 0)
        fail_msg("%s", err.text);
    uint64_t *ids = NULL;
    size_t n = 0;
    struct spool_filter aside = {.states = INSTANCE_BIT(INSTANCE_QUARANTINED)};
    spool_list(sp, &aside, &ids, &n);
    assert_int_equal(n, 1); /* it keeps the segment: let it go on first */
    if (spool_release(sp, ids[0], &err) < 0)
        fail_msg("%s", err.text);
    free(ids);
    spool_close(&sp);
    serve_world_open(&world);
    serve_world_seal(&world);
    serve_world_close(&world);
    if (spool_open(segments, &gone, &sp, &err) < 0)
        fail_msg("%s", err.text);
    assert_true(spool_collect_garbage(sp) > 0);
    spool_close(&sp);
    serve_world_open(&world);
    serve_world_put(&world, &second);
    serve_world_inspect(&world);

    unsigned before = dimse_receiver.stored;
    assert_int_equal(ask_as("VIEWER", "findscu", images), 0);
    assert_int_equal(count_of("Find Response:"), 1);
    assert_non_null(strstr(out, "[ONLINE"));
    assert_int_equal(ask_as("VIEWER", "findscu", study), 0);
    assert_non_null(strstr(out, "[NEARLINE"));
    (void)ask_as("VIEWER", "movescu", dest);
    assert_int_equal(dimse_receiver.stored, before + 1);
    assert_non_null(strstr(out, "SubOperationsCompleteOneOrMoreFailures"));
    free(segments);
}

int
main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(findscu_finds_studies_by_what_their_files_say),
        cmocka_unit_test(findscu_finds_series_and_images_and_never_what_is_put_aside),
        cmocka_unit_test(getscu_gets_what_is_here),
        cmocka_unit_test(movescu_moves_to_devices_that_say_where_they_listen),
        cmocka_unit_test(who_names_itself_gets_it_and_not_its_namesake),
        cmocka_unit_test(what_stands_under_a_made_number_leaves_under_it),
        cmocka_unit_test(device_without_the_right_is_told_so),
        cmocka_unit_test(what_is_gone_from_here_makes_a_retrieval_partial),
    };
    int status;

    if (codec_worker_main_if_asked(argc, argv, &status))
        return status;
    return cmocka_run_group_tests(tests, begin, end);
}
