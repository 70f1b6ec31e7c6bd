/* test_import_media.c - what is scratched, broken off, elsewhere or pulled out of a stick or disc
 * costs itself, and is counted: nobody believes that all of it came. The directories are those of
 * dcmmkdir. */
#include "gateway/import/dicomdir.h"
#include "gateway/import/import.h"
#include "proto/base/durable.h"
#include "tests/support/import_disc.h"
#include "tests/support/import_world.h"

#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cmocka.h>

#define STUDY "1.2.3"
#define OTHER_STUDY "1.2.4"

enum { IMAGES = 5 };

static struct err err;
static ino_t sick;        /* of this file */
static off_t sick_beyond; /* nothing can be read from here on */
static char pulled[300];  /* while it is read this folder goes */

/* A scratch on a disc. */
ssize_t
pread(int fd, void *bytes, size_t n, off_t at)
{
    struct stat st;

    if (sick != 0 && fstat(fd, &st) == 0 && st.st_ino == sick && at + (off_t)n > sick_beyond) {
        if (pulled[0] != '\0') {
            char gone[320];

            snprintf(gone, sizeof gone, "%s.gone", pulled);
            assert_int_equal(rename(pulled, gone), 0);
            pulled[0] = '\0';
        }
        errno = EIO;
        return -1;
    }
    return (ssize_t)syscall(SYS_pread64, fd, bytes, n, at);
}

static void
path_of(unsigned number, char out[300])
{
    snprintf(out, 300, "%s/disc/IM/I%u", world_media, number);
}

static void
make_disc(void)
{
    import_disc_make(world_media, "disc", STUDY, 1, IMAGES);
}

static void
make_sick(unsigned number, off_t beyond)
{
    struct stat st;
    char path[300];

    path_of(number, path);
    assert_int_equal(stat(path, &st), 0);
    sick = st.st_ino;
    sick_beyond = beyond;
}

static int
setup(void **state)
{
    sick = 0;
    pulled[0] = '\0';
    return import_world_setup(state);
}

static void
images_that_cannot_be_read_are_missing_and_the_others_come(void **state)
{
    char path[300], to[320];
    struct import_taken taken;
    int fd;

    (void)state;
    make_disc();
    path_of(1, path);
    assert_int_equal(truncate(path, 0), 0); /* a copy to a stick that broke off */
    path_of(2, path);
    fd = open(path, O_WRONLY);
    assert_int_equal(pwrite(fd, (char[4096]){0}, 4096, 0), 4096);
    close(fd);
    path_of(3, path);
    snprintf(to, sizeof to, "%s/I3", world_media);
    assert_int_equal(rename(path, to), 0);
    assert_int_equal(symlink(to, path), 0);
    make_sick(4, 65536);
    world_begin();

    assert_int_equal(import_media(world_import, "disc", &taken, &err), 0);

    assert_int_equal(taken.sent, 1);
    assert_int_equal(taken.missing, 4);
    assert_int_equal(taken.unusable, 0);
    assert_false(taken.is_unchecked);
    assert_int_equal(taken.absent_n, 4);
    for (unsigned i = 0; i < 4; i++) {
        char instance[40];

        snprintf(instance, sizeof instance, STUDY ".9.%u", i + 1);
        assert_string_equal(taken.absent[i].study, STUDY);
        assert_string_equal(taken.absent[i].instance, instance);
    }
    import_taken_fini(&taken);
}

/* It stands in the inbox as unusable; that does not make the study whole. */
static void
an_image_of_which_half_is_there_is_missing(void **state)
{
    struct import_taken taken;
    char path[300];

    (void)state;
    make_disc();
    path_of(2, path);
    assert_int_equal(truncate(path, 70000), 0);
    world_begin();

    for (int round = 0; round < 2; round++) {
        assert_int_equal(import_media(world_import, "disc", &taken, &err), 0);
        assert_int_equal(taken.sent + taken.known, IMAGES - (round == 0));
        assert_int_equal(taken.missing, 1);
        assert_int_equal(taken.absent_n, 1);
        assert_string_equal(taken.absent[0].instance, STUDY ".9.2");
        import_taken_fini(&taken);
    }
}

static void
a_stick_that_is_pulled_out_is_not_taken_for_whole(void **state)
{
    struct import_taken taken;

    (void)state;
    make_disc();
    make_sick(3, 0);
    snprintf(pulled, sizeof pulled, "%s/disc/IM", world_media);
    world_begin();

    assert_int_equal(import_media(world_import, "disc", &taken, &err), 0);

    assert_in_range(taken.sent, 2, IMAGES - 1);
    assert_int_equal(taken.missing, IMAGES - taken.sent);
    assert_int_equal(taken.absent_n, taken.missing);
    import_taken_fini(&taken);
}

static void
without_a_directory_what_cannot_be_read_is_unusable(void **state)
{
    struct import_taken taken;
    char path[300];

    (void)state;
    make_disc();
    snprintf(path, sizeof path, "%s/disc/DICOMDIR", world_media);
    assert_int_equal(unlink(path), 0);
    make_sick(2, 65536);
    world_begin();

    assert_int_equal(import_media(world_import, "disc", &taken, &err), 0);

    assert_int_equal(taken.sent, IMAGES - 1);
    assert_int_equal(taken.unusable, 1);
    assert_int_equal(taken.missing, 0);
    assert_int_equal(taken.absent_n, 0);
    import_taken_fini(&taken);
}

static void
a_directory_that_cannot_be_read_is_told_and_the_images_come(void **state)
{
    struct import_taken taken;
    char path[300];

    (void)state;
    make_disc();
    snprintf(path, sizeof path, "%s/disc/DICOMDIR", world_media);
    assert_int_equal(truncate(path, 700), 0);
    world_begin();

    assert_int_equal(import_media(world_import, "disc", &taken, &err), 0);

    assert_int_equal(taken.sent, IMAGES);
    assert_true(taken.is_unchecked);
    assert_int_equal(taken.missing, 0);
    import_taken_fini(&taken);
}

/* As copying programs leave a disc: names with .dcm, the DICOMDIR among the images, the images
 * moved up or beside its folder, and numbered anew. */
static void
an_image_under_another_name_has_come(void **state)
{
    static const struct {
        const char *name;
        const char *dicomdir; /* where it is then */
        const char *image;    /* the same, %u its number */
        unsigned more;        /* to its number, in a circle */
    } rows[] = {
        {"with .dcm", "DICOMDIR", "IM/I%u.dcm", 0},
        {"directory too deep", "IM/DICOMDIR", "IM/I%u", 0},
        {"moved up", "DICOMDIR", "I%u", 0},
        {"beside the directory's folder", "X/DICOMDIR", "IM/I%u", 0},
        {"numbered anew", "DICOMDIR", "IM/I%u", 1},
    };

    for (size_t i = 0; i < ARRAY_LEN(rows) * 2; i++) {
        unsigned gone = i % 2;
        char from[300], to[300], name[40];
        struct import_taken taken;

        assert_int_equal(setup(state), 0);
        make_disc();
        snprintf(to, sizeof to, "%s/disc/X", world_media);
        assert_int_equal(mkdir(to, 0700), 0);
        snprintf(from, sizeof from, "%s/disc/DICOMDIR", world_media);
        snprintf(to, sizeof to, "%s/disc/%s", world_media, rows[i / 2].dicomdir);
        assert_int_equal(rename(from, to), 0);
        for (unsigned k = 1; k <= IMAGES; k++) {
            path_of(k, from);
            snprintf(to, sizeof to, "%s.old", from);
            assert_int_equal(rename(from, to), 0);
        }
        for (unsigned k = 1; k <= IMAGES; k++) {
            path_of(k, to);
            snprintf(from, sizeof from, "%s.old", to);
            snprintf(name, sizeof name, rows[i / 2].image, (k - 1 + rows[i / 2].more) % IMAGES + 1);
            snprintf(to, sizeof to, "%s/disc/%s", world_media, name);
            assert_int_equal(gone && k == 2 ? unlink(from) : rename(from, to), 0);
        }
        world_begin();

        assert_int_equal(import_media(world_import, "disc", &taken, &err), 0);

        if (taken.sent != IMAGES - gone || taken.missing != gone)
            fail_msg("%s: sent %u, missing %u", rows[i / 2].name, (unsigned)taken.sent,
                     (unsigned)taken.missing);
        assert_int_equal(taken.absent_n, gone);
        if (gone)
            assert_string_equal(taken.absent[0].instance, STUDY ".9.2");
        import_taken_fini(&taken);
        assert_int_equal(import_world_teardown(state), 0);
    }
}

/* A second study, of which nothing comes, is no study that waits for the rest. */
static void
of_a_study_that_did_not_come_nothing_is_expected(void **state)
{
    struct import_taken taken;
    char path[300];

    (void)state;
    make_disc();
    import_disc_make(world_media, "disc", OTHER_STUDY, 6, 1);
    path_of(6, path);
    assert_int_equal(unlink(path), 0);
    path_of(2, path);
    assert_int_equal(unlink(path), 0);
    world_begin();

    assert_int_equal(import_media(world_import, "disc", &taken, &err), 0);

    assert_int_equal(taken.sent, IMAGES - 1);
    assert_int_equal(taken.missing, 2);
    assert_int_equal(taken.absent_n, 1);
    assert_string_equal(taken.absent[0].instance, STUDY ".9.2");
    import_taken_fini(&taken);
}

/* Whoever is unsure whether a disc was brought in puts it in again; mounted another way, perhaps.
 */
static void
what_is_here_already_is_not_said_to_be_sent(void **state)
{
    char path[300], to[300];
    struct import_taken taken;

    (void)state;
    make_disc();
    snprintf(path, sizeof path, "%s/disc/DICOMDIR", world_media);
    snprintf(to, sizeof to, "%s/disc/Dicomdir", world_media);
    assert_int_equal(rename(path, to), 0);
    path_of(1, path);
    assert_int_equal(unlink(path), 0);
    world_begin();

    for (unsigned round = 0; round < 2; round++) {
        assert_int_equal(import_media(world_import, "disc", &taken, &err), 0);
        assert_int_equal(taken.sent, round == 0 ? IMAGES - 1 : 0);
        assert_int_equal(taken.known, round == 0 ? 0 : IMAGES - 1);
        assert_int_equal(taken.missing, 1);
        assert_int_equal(taken.absent_n, 1);
        import_taken_fini(&taken);
    }
}

static void
names_are_found_as_discs_show_them(void **state)
{
    static const char *const shown[] = {"IM/I1", "im/i1", "IM/I1;1", "Im/I1.;1"};
    struct dicomdir d;
    uint8_t *bytes;
    char path[300];
    size_t n;

    (void)state;
    make_disc();
    snprintf(path, sizeof path, "%s/disc/DICOMDIR", world_media);
    assert_int_equal(durable_get_file(path, 1 << 20, &bytes, &n, &err), 0);
    assert_int_equal(dicomdir_read(bytes, n, &d, &err), 0);

    assert_int_equal(d.n, IMAGES);
    for (size_t i = 0; i < ARRAY_LEN(shown); i++) {
        const struct dicomdir_file *f = dicomdir_find(&d, shown[i]);

        if (f == NULL)
            fail_msg("%s is not found", shown[i]);
        assert_string_equal(f->study, STUDY);
        assert_string_equal(f->instance, STUDY ".9.1");
    }
    assert_null(dicomdir_find(&d, "I1"));
    assert_null(dicomdir_find(&d, ""));
    dicomdir_fini(&d);
    for (size_t cut = 0; cut < n; cut += 7) { /* whatever is there of it, nothing is overread */
        uint8_t *part = mem_new(cut + 1);

        memcpy(part, bytes, cut);
        if (dicomdir_read(part, cut, &d, &err) == 0)
            dicomdir_fini(&d);
        free(part);
    }
    free(bytes);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, import_world_teardown)

/* A stick onto which somebody copied two discs, one of them as ISO 9660 names its files: the rest
 * of a disc is its viewer's, what lies beside them is not. */
static void
a_disc_in_a_folder_of_a_stick_counts_by_its_own_directory(void **state)
{
    struct import_taken taken;
    struct import_media *list;
    char path[300], to[320];
    size_t n;

    (void)state;
    import_disc_make(world_media, "stick/CD1", STUDY, 1, IMAGES);
    import_disc_make(world_media, "stick/old/CD2", OTHER_STUDY, 1, 3);
    snprintf(path, sizeof path, "%s/stick/CD1/DICOMDIR", world_media);
    snprintf(to, sizeof to, "%s/stick/CD1/Dicomdir.;1", world_media);
    assert_int_equal(rename(path, to), 0);
    snprintf(path, sizeof path, "%s/stick/CD1/IM/I3", world_media);
    assert_int_equal(unlink(path), 0);
    snprintf(path, sizeof path, "%s/stick/dicomdir", world_media); /* a folder is none */
    assert_int_equal(mkdir(path, 0700), 0);
    snprintf(path, sizeof path, "%s/stick", world_media);
    world_pdf("an ECG");
    world_drop_file(path, "ecg.pdf", &world_file);
    snprintf(path, sizeof path, "%s/stick/CD1", world_media);
    world_pdf("how to use the viewer");
    world_drop_file(path, "readme.pdf", &world_file);
    world_begin();

    import_list_media(world_import, &list, &n);
    assert_int_equal(n, 1);
    assert_true(list[0].has_dicomdir);
    free(list);
    assert_int_equal(import_media(world_import, "stick", &taken, &err), 0);

    assert_int_equal(taken.sent, IMAGES - 1 + 3);
    assert_int_equal(taken.taken, 1);
    assert_int_equal(taken.missing, 1);
    assert_false(taken.is_unchecked);
    assert_int_equal(taken.absent_n, 1);
    assert_string_equal(taken.absent[0].study, STUDY);
    assert_string_equal(taken.absent[0].instance, STUDY ".9.3");
    import_taken_fini(&taken);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(images_that_cannot_be_read_are_missing_and_the_others_come),
        TEST(an_image_of_which_half_is_there_is_missing),
        TEST(a_stick_that_is_pulled_out_is_not_taken_for_whole),
        TEST(without_a_directory_what_cannot_be_read_is_unusable),
        TEST(a_directory_that_cannot_be_read_is_told_and_the_images_come),
        TEST(of_a_study_that_did_not_come_nothing_is_expected),
        TEST(what_is_here_already_is_not_said_to_be_sent),
        TEST(names_are_found_as_discs_show_them),
        cmocka_unit_test(an_image_under_another_name_has_come),
        TEST(a_disc_in_a_folder_of_a_stick_counts_by_its_own_directory),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
