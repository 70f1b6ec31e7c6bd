/* test_disks.c - mirrors are told from what only looks like one, in a /sys made up here. */
#include "proto/base/disks.h"

#include "tests/support/folder.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include <cmocka.h>

static char dir[FOLDER_PATH_BYTES];

static void
folder(const char *below)
{
    char path[512], *slash;

    snprintf(path, sizeof path, "%s/%s", dir, below);
    for (slash = path + strlen(dir) + 1; (slash = strchr(slash, '/')) != NULL; slash++) {
        *slash = '\0';
        mkdir(path, 0700);
        *slash = '/';
    }
    mkdir(path, 0700);
}

static void
word(const char *below, const char *text)
{
    char path[512], *slash;
    FILE *f;

    snprintf(path, sizeof path, "%s", below);
    slash = strrchr(path, '/');
    *slash = '\0';
    folder(path);
    snprintf(path, sizeof path, "%s/%s", dir, below);
    f = fopen(path, "w");
    assert_non_null(f);
    fprintf(f, "%s\n", text);
    fclose(f);
}

/* A link that names the device devices/TO from outside, as the kernel's are. */
static void
link_to(const char *from, const char *to)
{
    char path[512], target[512];

    snprintf(target, sizeof target, "%s/devices/%s", dir, to);
    snprintf(path, sizeof path, "%s/%s", dir, from);
    assert_int_equal(symlink(target, path), 0);
}

static void
disk(const char *name, unsigned number)
{
    char path[128];

    snprintf(path, sizeof path, "devices/%s/queue", name);
    folder(path);
    for (unsigned i = 1; i <= 2; i++) {
        snprintf(path, sizeof path, "devices/%s/%s%u/partition", name, name, i);
        word(path, i == 1 ? "1" : "2");
    }
    snprintf(path, sizeof path, "dev/block/8:%u", number);
    link_to(path, name);
    for (unsigned i = 1; i <= 2; i++) {
        char to[128];

        snprintf(path, sizeof path, "dev/block/8:%u", number + i);
        snprintf(to, sizeof to, "%s/%s%u", name, name, i);
        link_to(path, to);
    }
}

/* A device above these. */
static void
above(const char *name, const char *number, const char *const *below)
{
    char path[128];

    snprintf(path, sizeof path, "devices/virtual/%s/slaves", name);
    folder(path);
    for (size_t i = 0; below[i] != NULL; i++) {
        const char *slash = strrchr(below[i], '/');

        snprintf(path, sizeof path, "devices/virtual/%s/slaves/%s", name,
                 slash != NULL ? slash + 1 : below[i]);
        link_to(path, below[i]);
    }
    snprintf(path, sizeof path, "virtual/%s", name);
    {
        char from[64];

        snprintf(from, sizeof from, "dev/block/%s", number);
        link_to(from, path);
    }
}

static void
md(const char *name, const char *number, const char *level, const char *disks, const char *degraded,
   const char *const *below)
{
    char path[128];

    above(name, number, below);
    snprintf(path, sizeof path, "devices/virtual/%s/md/level", name);
    word(path, level);
    snprintf(path, sizeof path, "devices/virtual/%s/md/raid_disks", name);
    word(path, disks);
    snprintf(path, sizeof path, "devices/virtual/%s/md/degraded", name);
    word(path, degraded);
}

#define BELOW(...) ((const char *const[]){__VA_ARGS__, NULL})

static int
setup(void **state)
{
    (void)state;
    folder_make("disks", dir);
    folder("dev/block");
    disk("sda", 0);
    disk("sdb", 16);
    disk("sdc", 32);
    md("md0", "9:0", "raid1", "2", "0", BELOW("sda/sda1", "sdb/sdb1"));
    md("md1", "9:1", "raid1", "2", "1", BELOW("sda/sda1"));
    md("md2", "9:2", "raid1", "2", "0", BELOW("sda/sda1", "sda/sda2"));
    md("md3", "9:3", "raid0", "2", "0", BELOW("sda", "sdb"));
    md("md4", "9:4", "raid5", "3", "0", BELOW("sda", "sdb", "sdc"));
    md("md5", "9:5", "raid1", "3", "0", BELOW("sda", "sdb", "sdc"));
    md("md6", "9:6", "container", "2", "0", BELOW("sda", "sdb"));
    md("md7", "9:7", "raid6", "5", "1", BELOW("sda", "sdb", "sdc"));
    above("dm-0", "253:0", BELOW("virtual/md0"));
    word("devices/virtual/dm-0/dm/name", "crypt");
    above("dm-1", "253:1", BELOW("virtual/dm-0"));
    word("devices/virtual/dm-1/dm/name", "vg-spool");
    above("dm-2", "253:2", BELOW("sda", "sdb"));
    word("devices/virtual/dm-2/dm/name", "vg-two");
    above("dm-3", "253:3", BELOW("sda/sda1"));
    word("devices/virtual/dm-3/dm/name", "crypt-a");
    above("dm-4", "253:4", BELOW("sda/sda2"));
    word("devices/virtual/dm-4/dm/name", "crypt-a2");
    above("dm-5", "253:5", BELOW("sdb/sdb1"));
    word("devices/virtual/dm-5/dm/name", "crypt-b");
    md("md8", "9:8", "raid1", "2", "0", BELOW("virtual/dm-3", "virtual/dm-4"));
    md("md9", "9:9", "raid1", "2", "0", BELOW("virtual/dm-3", "virtual/dm-5"));
    md("md10", "9:10", "raid5", "3", "0", BELOW("sda/sda1", "sda/sda2", "sdb/sdb1"));
    md("md11", "9:11", "raid10", "4", "0", BELOW("sda/sda1", "sda/sda2", "sdb/sdb1", "sdb/sdb2"));
    md("md12", "9:12", "raid1", "2", "0", BELOW("sda/sda1", "sda/sda2", "sdb/sdb1"));
    md("md13", "9:13", "raid1", "2", "0", BELOW("sda/sda1", "virtual/dm-2"));
    above("loop0", "7:0", BELOW(NULL));
    word("devices/virtual/loop0/loop/backing_file", "/a/file");
    return 0;
}

static int
teardown(void **state)
{
    (void)state;
    folder_remove(dir);
    return 0;
}

static void
a_mirror_is_what_survives_a_disk(void **state)
{
    static const struct {
        const char *name;
        unsigned major, minor;
        bool is_known;
        unsigned copies;
        bool is_degraded;
        const char *word;
    } rows[] = {
        {"a disk, or a controller's mirror", 8, 0, false, 0, false, "RAID controller"},
        {"its partition", 8, 1, false, 0, false, "sda: the system shows one disk"},
        {"a mirror of partitions", 9, 0, true, 2, false, "raid1 of 2, on 2 disks"},
        {"a mirror without its half", 9, 1, true, 1, true, "missing"},
        {"a mirror on one disk", 9, 2, true, 1, false, "on 1 disk"},
        {"stripes", 9, 3, true, 1, false, "raid0"},
        {"parity", 9, 4, true, 2, false, "raid5"},
        {"a mirror of three", 9, 5, true, 3, false, "raid1 of 3"},
        {"a RAID of another kind", 9, 6, false, 0, false, "not known"},
        {"two parities, one disk gone", 9, 7, true, 2, true, "raid6"},
        {"encryption over a mirror", 253, 0, true, 2, false, "md0"},
        {"LVM over encryption over a mirror", 253, 1, true, 2, false, "md0"},
        {"a mirror of two volumes on one disk", 9, 8, true, 1, false, "on 1 disk"},
        {"a mirror over encryption", 9, 9, true, 2, false, "on 2 disks"},
        {"parity, two members on one disk", 9, 10, true, 1, false, "raid5"},
        {"mirrored stripes, pairs on one disk", 9, 11, true, 1, false, "raid10"},
        {"a mirror on one disk, its spare on another", 9, 12, true, 1, false, "raid1"},
        {"a mirror over what lies on several", 9, 13, false, 0, false, "what are not disks"},
        {"LVM over two disks", 253, 2, false, 0, false, "several devices"},
        {"a file as a disk", 7, 0, false, 0, false, "file"},
        {"btrfs or a network", 0, 41, false, 0, false, "btrfs"},
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct disks d;

        disks_look(dir, rows[i].major, rows[i].minor, &d);

        if (d.is_known != rows[i].is_known || d.copies != rows[i].copies ||
            d.is_degraded != rows[i].is_degraded || strstr(d.words, rows[i].word) == NULL)
            fail_msg("%s: known %d, copies %u, degraded %d: %s", rows[i].name, d.is_known, d.copies,
                     d.is_degraded, d.words);
    }
}

static void
what_this_machine_has_is_said_in_words(void **state)
{
    struct disks d;

    (void)state;
    disks_of(dir, &d);
    assert_true(d.words[0] != '\0');
    disks_of("/proc", &d);
    assert_false(d.is_known);
    disks_of("/not/there", &d);
    assert_false(d.is_known);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_mirror_is_what_survives_a_disk),
        cmocka_unit_test(what_this_machine_has_is_said_in_words),
    };

    return cmocka_run_group_tests(tests, setup, teardown);
}
