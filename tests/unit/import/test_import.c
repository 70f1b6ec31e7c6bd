/* test_import.c - the inbox of files: what is whole is taken, what is bound is in the spool once.
 */
#include "gateway/import/import.h"

#include "gateway/import/import_own.h"
#include "proto/base/clock.h"
#include "proto/dicom/facts.h"
#include "proto/trust/digest.h"
#include "tests/support/import_files.h"
#include "tests/support/import_world.h"
#include "tests/support/run_program.h"
#include "tests/support/sample_image.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

enum { WAITING = 1u << IMPORT_WAITING, UNUSABLE = 1u << IMPORT_UNUSABLE };

static struct err err;

/* Append to a file of the drop folder and close it, as FTP does. */
static void
append(const char *name, const void *bytes, size_t n)
{
    char path[512];
    int fd;

    snprintf(path, sizeof path, "%s/%s", world_drop, name);
    fd = open(path, O_WRONLY | O_CREAT | O_APPEND, 0600);
    assert_true(fd >= 0);
    assert_int_equal(write(fd, bytes, n), n);
    close(fd);
}

static void
a_file_that_is_moved_in_waits_for_a_person(void **state)
{
    struct import_item item;

    (void)state;
    world_begin();
    world_pdf("one");
    world_drop_file(world_drop, "\xB2\xE2\xCA\xD4.pdf", &world_file); /* a name in GBK */
    world_wait(WAITING, 1, &item);

    assert_string_equal(item.name, "测试.pdf");
    assert_int_equal(item.facts.kind, WRAP_PDF);
    assert_int_equal(item.size, world_file.n);
    assert_int_equal(world_files("files"), 1);
    assert_int_equal(world_entries(NULL), 0);
    for (int i = 0; i < 100 && world_files("drop") > 0; i++)
        import_rescan(world_import); /* the original goes right after */
    assert_int_equal(world_files("drop"), 0);
}

static void
a_file_in_a_new_folder_is_found(void **state)
{
    char folder[512];

    (void)state;
    world_begin();
    world_pdf("below");
    snprintf(folder, sizeof folder, "%s/20261122", world_drop);
    assert_int_equal(mkdir(folder, 0700), 0);
    world_drop_file(folder, "a.pdf", &world_file);
    world_options.settle_ms = 1;
    import_rescan(world_import);
    /* the folder may be watched too late for this one: then it is seen to keep still */
    world_end();
    world_begin();
    world_wait(WAITING, 1, NULL);
}

static void
an_upload_is_taken_only_when_it_is_whole(void **state)
{
    size_t half;

    (void)state;
    world_begin();
    world_pdf("in two parts");
    half = world_file.n / 2;
    append("a.pdf", world_file.bytes, half);
    import_rescan(world_import);
    import_rescan(world_import);
    assert_int_equal(world_count(0), 0);
    assert_true(world_is_in_drop("a.pdf"));

    append("a.pdf", world_file.bytes + half, world_file.n - half);
    world_wait(WAITING, 1, NULL);
}

static void
names_of_uploads_under_way_are_left_alone(void **state)
{
    (void)state;
    world_options.settle_ms = 1;
    world_begin();
    world_pdf("under way");
    world_drop_file(world_drop, "a.pdf.part", &world_file);
    world_drop_file(world_drop, ".hidden.pdf", &world_file);
    import_rescan(world_import);
    import_rescan(world_import);
    assert_int_equal(world_count(0), 0);
}

static void
a_broken_off_upload_is_shown_in_the_end(void **state)
{
    struct import_item item;

    (void)state;
    world_options.partial_ms = 600000;
    clock_fake(INT64_C(1795000000000000), 1000);
    world_begin();
    world_pdf("broken off");
    append("a.pdf", world_file.bytes, world_file.n - 30);
    import_rescan(world_import);
    assert_int_equal(world_count(0), 0);

    clock_fake_advance(599000);
    import_rescan(world_import);
    assert_int_equal(world_count(0), 0);
    clock_fake_advance(2000);
    import_rescan(world_import);
    assert_int_equal(world_count(UNUSABLE), 1);
    clock_unfake();
    world_wait(UNUSABLE, 1, &item);
    assert_non_null(strstr(item.why, "ends early"));
    assert_int_equal(import_bind(world_import, item.id, &world_person, "desk", false, NULL, &err),
                     -1);
    assert_int_equal(err.kind, ERR_CONFLICT);
}

static void
a_bound_file_is_in_the_spool_with_the_persons_name(void **state)
{
    struct dcm_facts *facts = mem_new(sizeof *facts);
    struct import_item item;
    struct buf out;
    uint64_t entry;

    (void)state;
    world_begin();
    world_pdf("bound");
    world_drop_file(world_drop, "a.pdf", &world_file);
    world_wait(WAITING, 1, &item);
    world_bind(item.id);

    world_wait(1u << IMPORT_BOUND, 1, &item);
    assert_int_equal(world_entries(&entry), 1);
    assert_int_equal(item.entry, entry);
    buf_init(&out, 16 << 20);
    world_bytes(entry, &out);
    assert_int_equal(dcm_facts_read(out.bytes, out.n, false, facts, &err), 0);
    assert_string_equal(facts->patient_name, world_person.patient_name);
    assert_string_equal(facts->study_uid, world_person.study_uid);
    assert_string_equal(facts->sop_instance, item.sop_instance);
    assert_non_null(memmem(out.bytes, out.n, world_file.bytes, world_file.n));
    world_bind(item.id); /* said twice: nothing more */
    assert_int_equal(world_entries(NULL), 1);

    buf_fini(&out);
    free(facts);
}

static void
what_was_decided_lasts_over_a_restart(void **state)
{
    struct import_item before, after;

    (void)state;
    world_begin();
    world_pdf("lasting");
    world_drop_file(world_drop, "a%\n.pdf", &world_file);
    world_wait(WAITING, 1, &before);
    world_bind(before.id);
    assert_int_equal(import_find(world_import, before.id, &before, &err), 0);
    world_end();
    world_begin();

    assert_int_equal(import_find(world_import, before.id, &after, &err), 0);
    assert_memory_equal(&before, &after, sizeof before);
}

static void
the_same_file_again_is_the_same_item(void **state)
{
    struct import_item item;

    (void)state;
    world_options.settle_ms = 1;
    world_begin();
    world_pdf("again");
    world_drop_file(world_drop, "a.pdf", &world_file);
    world_wait(WAITING, 1, &item);
    world_bind(item.id);
    world_drop_file(world_drop, "b.pdf", &world_file);
    for (int i = 0; i < 1000 && world_is_in_drop("b.pdf"); i++)
        import_rescan(world_import);

    assert_false(world_is_in_drop("b.pdf"));
    assert_int_equal(world_count(0), 1);
    assert_int_equal(import_find(world_import, item.id, &item, &err), 0);
    assert_int_equal(item.again, 1);
    assert_int_equal(item.state, IMPORT_BOUND);
    assert_int_equal(world_entries(NULL), 1);
}

static void
instances_of_one_study_are_numbered(void **state)
{
    struct import_item item;

    (void)state;
    world_begin();
    for (int i = 0; i < 3; i++) {
        world_pdf(i == 0 ? "first" : i == 1 ? "second" : "third");
        world_drop_file(world_drop, "a.pdf", &world_file);
        world_wait(WAITING, 1, &item);
        world_bind(item.id);
        assert_int_equal(import_find(world_import, item.id, &item, &err), 0);
        assert_int_equal(item.number, i + 1);
    }
}

static void
another_persons_recording_is_not_bound_unless_one_is_sure(void **state)
{
    struct import_ecg e = {.leads = 2, .samples = 500, .hertz = 500};
    struct wrap_identity man = world_person;
    struct import_item item;
    bool is_other = false;

    (void)state;
    memcpy(man.sex, "M", 2);
    world_begin();
    buf_clear(&world_file);
    import_file_scp(&e, &world_file);
    world_drop_file(world_drop, "a.scp", &world_file);
    world_wait(WAITING, 1, &item);

    assert_int_equal(import_bind(world_import, item.id, &man, "desk", false, &is_other, &err), -1);
    assert_int_equal(err.kind, ERR_CONFLICT);
    assert_true(is_other);
    assert_int_equal(world_entries(NULL), 0);
    assert_int_equal(import_bind(world_import, item.id, &man, "desk", true, &is_other, &err), 0);
    assert_int_equal(world_entries(NULL), 1);
}

/* The desk lists so many of them only. */
static void
what_waits_is_listed_before_what_was_decided_later(void **state)
{
    struct import_item waiting, *list;
    size_t n;

    (void)state;
    world_begin();
    world_pdf("waits");
    world_drop_file(world_drop, "waits.pdf", &world_file);
    world_wait(WAITING, 1, &waiting);
    for (int i = 0; i < 3; i++) {
        struct import_item later;
        char name[16];

        snprintf(name, sizeof name, "%d.pdf", i);
        world_pdf(name);
        world_drop_file(world_drop, name, &world_file);
        world_wait(WAITING, 2, &later);
        assert_string_not_equal(later.id, waiting.id);
        assert_int_equal(import_discard(world_import, later.id, "重复", "desk", &err), 0);
    }

    import_list(world_import, 0, &list, &n);
    assert_int_equal(n, 4);
    assert_string_equal(list[0].id, waiting.id);
    assert_int_equal(list[1].state, IMPORT_DISCARDED);
    free(list);
}

static void
throwing_away_needs_a_reason_and_can_be_undone(void **state)
{
    struct import_item item;

    (void)state;
    world_begin();
    world_pdf("thrown away");
    world_drop_file(world_drop, "a.pdf", &world_file);
    world_wait(WAITING, 1, &item);

    assert_int_equal(import_discard(world_import, item.id, "  ", "desk", &err), -1);
    assert_int_equal(err.kind, ERR_REJECT);
    assert_int_equal(import_discard(world_import, item.id, "重复", "desk", &err), 0);
    assert_int_equal(import_bind(world_import, item.id, &world_person, "desk", false, NULL, &err),
                     -1);
    assert_int_equal(err.kind, ERR_CONFLICT);
    assert_int_equal(import_reopen(world_import, item.id, "desk", &err), 0);
    world_bind(item.id);
    assert_int_equal(import_discard(world_import, item.id, "重复", "desk", &err), -1);
    assert_int_equal(err.kind, ERR_CONFLICT);
}

static void
a_damaged_sidecar_is_set_aside_and_its_file_waits_again(void **state)
{
    struct import_item item;
    char path[600];
    FILE *f;

    (void)state;
    world_begin();
    world_pdf("damaged");
    world_drop_file(world_drop, "a.pdf", &world_file);
    world_wait(WAITING, 1, &item);
    world_end();
    snprintf(path, sizeof path, "%s/items/%s.item", world_dir, item.id);
    f = fopen(path, "r+b");
    assert_non_null(f);
    fseek(f, 100, SEEK_SET);
    fputc('#', f);
    fclose(f);
    world_begin();

    assert_int_equal(world_files("corrupt"), 1);
    assert_int_equal(import_find(world_import, item.id, &item, &err), 0);
    assert_int_equal(item.state, IMPORT_WAITING);
    world_bind(item.id);
}

/* Every byte of a sidecar is covered by its end. */
static void
a_sidecar_with_any_byte_changed_is_refused(void **state)
{
    struct import_item *item = mem_new(sizeof *item), *back = mem_new(sizeof *back);
    struct buf b;

    (void)state;
    digest_bytes("x", 1, item->sha256);
    for (int i = 0; i < 16; i++)
        snprintf(item->id + 2 * i, 3, "%02x", item->sha256[i]);
    item->identity = world_person;
    snprintf(item->name, sizeof item->name, "%s", "50%\t\x7F.pdf");
    buf_init(&b, 32 << 10);
    item_write(item, &b);
    assert_int_equal(item_read(b.bytes, b.n, back, &err), 0);
    assert_memory_equal(item, back, sizeof *item);
    for (size_t i = 0; i < b.n; i++) {
        b.bytes[i] ^= 1;
        if (item_read(b.bytes, b.n, back, &err) == 0)
            fail_msg("byte %zu", i);
        b.bytes[i] ^= 1;
        if (item_read(b.bytes, i, back, &err) == 0)
            fail_msg("cut at %zu", i);
    }
    buf_fini(&b);
    free(item);
    free(back);
}

static void
links_and_pipes_are_left_alone(void **state)
{
    char path[512];

    (void)state;
    world_options.settle_ms = 1;
    world_begin();
    snprintf(path, sizeof path, "%s/link.pdf", world_drop);
    assert_int_equal(symlink("/etc/hostname", path), 0);
    snprintf(path, sizeof path, "%s/pipe.pdf", world_drop);
    assert_int_equal(mkfifo(path, 0600), 0);
    import_rescan(world_import);
    assert_int_equal(world_count(0), 0);
    assert_true(world_is_in_drop("link.pdf"));
}

static void
a_dicom_file_without_identity_waits_and_keeps_its_bytes(void **state)
{
    struct sample image = {.instance = 7};
    struct import_item item;
    struct buf out;
    uint64_t entry;
    char *patient;

    (void)state;
    world_begin();
    buf_clear(&world_file);
    sample_image(&image, &world_file);
    patient = memmem(world_file.bytes, world_file.n, "T1", 2);
    assert_non_null(patient);
    memcpy(patient, "1 ", 2); /* what consoles put in when they have nothing */
    world_drop_file(world_drop, "a", &world_file);
    world_wait(WAITING, 1, &item);
    assert_int_equal(item.facts.kind, WRAP_DICOM);
    assert_string_not_equal(item.group, item.id);
    world_bind(item.group);

    assert_int_equal(world_entries(&entry), 1);
    buf_init(&out, 16 << 20);
    world_bytes(entry, &out);
    assert_int_equal(out.n, world_file.n);
    assert_memory_equal(out.bytes, world_file.bytes, out.n);
    buf_fini(&out);
}

#define MEDIA "../shared/data/media"

static void
a_disc_with_dicomdir_goes_to_the_spool_once(void **state)
{
    char script[700], said[4096];
    struct import_taken first, second;
    struct import_media *list;
    size_t n;

    (void)state;
    if (access(MEDIA "/DICOMDIR", R_OK) < 0)
        skip();
    snprintf(script, sizeof script,
             "mkdir %s/disc && cp -r " MEDIA
             "/* %s/disc/ && chmod -R u+w %s/disc && rm %s/disc/98892003/MR2/4950 && "
             "echo readme > %s/disc/README.TXT",
             world_media, world_media, world_media, world_media, world_media);
    assert_int_equal(
        program_run((const char *const[]){"sh", "-c", script, NULL}, NULL, said, sizeof said), 0);
    world_begin();

    import_list_media(world_import, &list, &n);
    assert_int_equal(n, 1);
    assert_string_equal(list[0].name, "disc");
    assert_true(list[0].has_dicomdir);
    free(list);
    assert_int_equal(import_media(world_import, "disc", &first, &err), 0);
    assert_int_equal(import_media(world_import, "disc", &second, &err), 0);
    assert_int_equal(first.missing, 1);
    assert_int_equal(first.unusable, 0);
    assert_int_equal(first.sent + first.taken, 30);
    assert_int_equal(second.taken, 0);

    assert_int_equal(world_entries(NULL), first.sent);
    assert_int_equal(import_media(world_import, "../media/disc", &second, &err), -1);
    assert_int_equal(err.kind, ERR_NOT_FOUND);
    import_taken_fini(&first);
    import_taken_fini(&second);
}

static void
every_state_is_left_by_its_arrows_only(void **state)
{
    static const struct {
        enum import_state from;
        enum import_event event;
        bool is_listed;
    } rows[] = {
        {IMPORT_WAITING, IMPORT_SAW_BIND, true},    {IMPORT_UNUSABLE, IMPORT_SAW_BIND, false},
        {IMPORT_BOUND, IMPORT_SAW_DISCARD, false},  {IMPORT_BOUND, IMPORT_SAW_BIND, false},
        {IMPORT_DISCARDED, IMPORT_SAW_BIND, false}, {IMPORT_WAITING, IMPORT_SAW_COMMIT, false},
        {IMPORT_BINDING, IMPORT_SAW_DISCARD, false}};

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        enum import_state to;

        assert_int_equal(import_next(rows[i].from, rows[i].event, &to), rows[i].is_listed);
    }
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, import_world_setup, import_world_teardown)

int
main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(a_file_that_is_moved_in_waits_for_a_person),
        TEST(a_file_in_a_new_folder_is_found),
        TEST(an_upload_is_taken_only_when_it_is_whole),
        TEST(names_of_uploads_under_way_are_left_alone),
        TEST(a_broken_off_upload_is_shown_in_the_end),
        TEST(a_bound_file_is_in_the_spool_with_the_persons_name),
        TEST(what_was_decided_lasts_over_a_restart),
        TEST(the_same_file_again_is_the_same_item),
        TEST(instances_of_one_study_are_numbered),
        TEST(another_persons_recording_is_not_bound_unless_one_is_sure),
        TEST(what_waits_is_listed_before_what_was_decided_later),
        TEST(throwing_away_needs_a_reason_and_can_be_undone),
        TEST(a_damaged_sidecar_is_set_aside_and_its_file_waits_again),
        TEST(a_sidecar_with_any_byte_changed_is_refused),
        TEST(links_and_pipes_are_left_alone),
        TEST(a_dicom_file_without_identity_waits_and_keeps_its_bytes),
        TEST(a_disc_with_dicomdir_goes_to_the_spool_once),
        TEST(every_state_is_left_by_its_arrows_only),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
