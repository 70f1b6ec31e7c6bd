/* disks.c - /sys/dev/block/MAJOR:MINOR and what lies below: Linux's Documentation/ABI (sysfs-block,
 * sysfs-block-dm) and Documentation/admin-guide/md.rst. */
#include "proto/base/disks.h"

#include "proto/base/text.h"

#include <dirent.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

enum { DEPTH_MOST = 8, BELOW_MOST = 32 };

static void
unknown(struct disks *out, const char *device, const char *why)
{
    *out = (struct disks){.is_known = false};
    snprintf(out->words, sizeof out->words, "%.40s: %s", device, why);
}

static bool
has(const char *folder, const char *name)
{
    char path[PATH_MAX];

    return snprintf(path, sizeof path, "%s/%s", folder, name) < (int)sizeof path &&
           access(path, F_OK) == 0;
}

/* A line of a file below a device; "" when there is none. */
static void
read_word(const char *folder, const char *name, char *out, size_t n)
{
    char path[PATH_MAX];
    FILE *f = NULL;

    out[0] = '\0';
    if (snprintf(path, sizeof path, "%s/%s", folder, name) < (int)sizeof path)
        f = fopen(path, "re");
    if (f == NULL)
        return;
    if (fgets(out, (int)n, f) == NULL)
        out[0] = '\0';
    fclose(f);
    out[strcspn(out, "\n")] = '\0';
}

static unsigned
read_count(const char *folder, const char *name)
{
    char word[32];
    uint64_t v = 0;

    read_word(folder, name, word, sizeof word);
    return text_to_u64(word, 1000, &v) == 0 ? (unsigned)v : 0;
}

static const char *
last_name(const char *path)
{
    const char *slash = strrchr(path, '/');

    return slash != NULL ? slash + 1 : path;
}

/* The devices below it, as whole paths; how many. */
static size_t
list_below(const char *device, char below[BELOW_MOST][PATH_MAX])
{
    char path[PATH_MAX];
    struct dirent *d;
    size_t n = 0;
    DIR *dir;

    if (snprintf(path, sizeof path, "%s/slaves", device) >= (int)sizeof path)
        return 0;
    dir = opendir(path);
    while (dir != NULL && n < BELOW_MOST && (d = readdir(dir)) != NULL) {
        char link[PATH_MAX];

        if (d->d_name[0] != '.' &&
            snprintf(link, sizeof link, "%s/%s", path, d->d_name) < (int)sizeof link &&
            realpath(link, below[n]) != NULL)
            n++;
    }
    if (dir != NULL)
        closedir(dir);
    return n;
}

/* A partition's disk: the folder above it. */
static void
to_disk(char device[PATH_MAX])
{
    char *slash = strrchr(device, '/');

    if (has(device, "partition") && slash != NULL)
        *slash = '\0';
}

/* A mapper of one device: what that is. */
static void
step_down(char device[PATH_MAX], bool *out_is_mapped)
{
    char(*below)[PATH_MAX] = mem_new(BELOW_MOST * sizeof *below);

    *out_is_mapped = has(device, "dm") && list_below(device, below) == 1;
    if (*out_is_mapped)
        memcpy(device, below[0], PATH_MAX);
    free(below);
}

/* Down to its disk; false: below it is something else (RAID, several devices, a file). */
static bool
to_bottom(char device[PATH_MAX])
{
    bool is_mapped = true;

    for (int depth = 0; is_mapped && depth < DEPTH_MOST; depth++) {
        to_disk(device);
        step_down(device, &is_mapped);
    }
    return !has(device, "md") && !has(device, "dm") && !has(device, "loop");
}

/* Two partitions, or volumes, of one disk mirror nothing. 0: one is on no disk that is known. */
static unsigned
count_different(char below[BELOW_MOST][PATH_MAX], size_t n)
{
    unsigned different = 0;

    for (size_t i = 0; i < n; i++) {
        size_t k = 0;

        if (!to_bottom(below[i]))
            return 0;
        while (k < i && strcmp(below[k], below[i]) != 0)
            k++;
        different += k == i;
    }
    return different;
}

static void
look_md(const char *device, struct disks *out)
{
    static const struct {
        const char *level;
        unsigned copies; /* 0: as many as disks */
    } levels[] = {{"raid1", 0}, {"raid10", 2}, {"raid4", 2}, {"raid5", 2},
                  {"raid6", 3}, {"raid0", 1},  {"linear", 1}};
    char(*below)[PATH_MAX] = mem_new(BELOW_MOST * sizeof *below);
    unsigned wanted = read_count(device, "md/raid_disks"), missing, different;
    size_t i = 0, n = list_below(device, below);
    char level[32];

    read_word(device, "md/level", level, sizeof level);
    missing = read_count(device, "md/degraded");
    different = count_different(below, n);
    free(below);
    while (i < ARRAY_LEN(levels) && strcmp(levels[i].level, level) != 0)
        i++;
    if (i == ARRAY_LEN(levels) || different == 0) {
        unknown(out, last_name(device),
                "a RAID of a kind that is not known here, or of what are not disks");
        return;
    }
    *out = (struct disks){.is_known = true, .is_degraded = missing > 0};
    out->copies = levels[i].copies == 0 ? wanted : levels[i].copies;
    out->copies = out->copies > missing ? out->copies - missing : 1;
    if (out->copies > different)
        out->copies = different;
    /* Members on one disk go together; only a whole mirror without spares is sure to keep one. */
    if (different < n && (levels[i].copies != 0 || missing > 0 || n > wanted))
        out->copies = 1;
    snprintf(out->words, sizeof out->words, "%.40s, %s of %u, on %u %s%s", last_name(device), level,
             wanted, different, different == 1 ? "disk" : "disks",
             missing > 0 ? ", one of them missing" : "");
}

void
disks_look(const char *sys, unsigned major, unsigned minor, struct disks *out)
{
    char path[PATH_MAX], device[PATH_MAX], name[32];

    snprintf(name, sizeof name, "%u:%u", major, minor);
    if (snprintf(path, sizeof path, "%s/dev/block/%s", sys, name) >= (int)sizeof path ||
        realpath(path, device) == NULL) {
        unknown(out, name, "no block device (btrfs, ZFS, a network or a container)");
        return;
    }
    if (to_bottom(device))
        unknown(out, last_name(device),
                "the system shows one disk; a RAID controller's mirror is not seen from here");
    else if (has(device, "md"))
        look_md(device, out);
    else if (has(device, "dm"))
        unknown(out, last_name(device), "a device mapper over several devices");
    else
        unknown(out, last_name(device), "a file that is used as a disk");
}

void
disks_of(const char *path, struct disks *out)
{
    struct stat st;

    if (stat(path, &st) < 0)
        unknown(out, path, "is not there");
    else
        disks_look("/sys", major(st.st_dev), minor(st.st_dev), out);
}
