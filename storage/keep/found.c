/* found.c - what came without a gateway, was answered "stored", and is not in the catalog: the
 * catalog was set back to a backup, or a crash came between file and row. Nobody will send it
 * again, so it is taken in from where it lies.
 *
 * 1. Only files in landing-copy/whole, which has nothing of gateways (they offer theirs again), and
 *    only whole ones: of either copy that has the hash of its name.
 * 2. Taking in is what a sender's storing does: of what is kept already it makes nothing twice.
 *    What was written just now is on its way to its row and is left alone.
 * 3. Whether a reader made it is told by the maker that its documents name, and its class allows:
 *    then it opens no list. What devices send of the same classes is listed like their images.
 * 4. A walk goes on over many turns: packing, cleaning and the end of the program wait for one file
 *    at most. */
#include "storage/keep/keep_own.h"

#include "proto/base/clock.h"
#include "proto/base/folder.h"
#include "proto/base/text.h"
#include "proto/trust/digest.h"
#include "storage/keep/landing_file.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { BATCH = 100, HEX = 64, ENDING = 4, HEAD_BYTES = 65536 };
enum { TURN_FILES = 100, TURN_MS = 2000, EVERY_MS = 3600000, AGAIN_MS = 60000, YOUNG_S = 300 };

struct names {
    char tenants[BATCH][KEEP_CODE_SIZE];
    uint8_t objects[BATCH][32];
    size_t n;
};

/* Through the folder once. */
struct found_walk {
    DIR *folder;
    struct names names;
    struct pg_rows *rows; /* of these names the unknown ones; NULL: read on */
    size_t at;            /* the next of them */
    int64_t pause_ms;     /* before the next walk */
    uint64_t unowned;
    char unowned_tenant[KEEP_CODE_SIZE]; /* the first one's */
};

/* TENANT-HEX.dcm; other names are nobody's that we know, and stay. */
static void
note_name(struct names *all, const char *file)
{
    size_t n = strlen(file), tenant_n = n - HEX - ENDING - 1;
    char hex[HEX + 1];

    if (n < HEX + ENDING + 2 || tenant_n >= KEEP_CODE_SIZE || file[tenant_n] != '-' ||
        strcmp(file + n - ENDING, ".dcm") != 0)
        return;
    memcpy(hex, file + tenant_n + 1, HEX);
    hex[HEX] = '\0';
    if (hex_decode(hex, all->objects[all->n], 32) < 0)
        return;
    memcpy(all->tenants[all->n], file, tenant_n);
    all->tenants[all->n++][tenant_n] = '\0';
}

/* A copy that is what its name says; -1: there is none. */
static int
open_good(struct keep *k, const char *name, const uint8_t object[32], uint64_t *out_size)
{
    const char *const dirs[] = {k->landing_copy, k->landing};

    for (size_t i = 0; i < ARRAY_LEN(dirs); i++) {
        char path[PATH_MAX];
        uint8_t found[32];
        struct err unread;
        struct stat st;
        int fd;

        snprintf(path, sizeof path, "%s/%s", dirs[i], name);
        fd = open(path, O_RDONLY | O_CLOEXEC);
        if (fd >= 0 && fstat(fd, &st) == 0 &&
            digest_file(fd, 0, (uint64_t)st.st_size, found, &unread) == 0 &&
            memcmp(found, object, sizeof found) == 0) {
            *out_size = (uint64_t)st.st_size;
            return fd;
        }
        if (fd >= 0)
            close(fd);
    }
    return -1;
}

/* Does it name the maker that the reader's documents name? They are explicit little endian, and
 * say it before what is long in them. */
static bool
is_from_reader(int fd)
{
    static const char maker[] = "\x08\x00\x70\x00LO\x08\x00Radpost ";
    uint8_t *head = mem_new(HEAD_BYTES);
    ssize_t n = pread(fd, head, HEAD_BYTES, 0);
    bool is = n > 0 && memmem(head, (size_t)n, maker, sizeof maker - 1) != NULL;

    free(head);
    return is;
}

static int
store_again(struct keep *k, const char *tenant, int fd, uint64_t size, struct keep_stored *out,
            struct err *err)
{
    struct keep_incoming in = {.tenant = tenant, .fd = fd, .size = size, .way = KEEP_WAY_READER};

    if (is_from_reader(fd)) {
        if (keep_store_direct(k, &in, out, err) == 0)
            return 0;
        if (err->kind != ERR_REJECT) /* else it is no document */
            return -1;
    }
    in.way = "C-STORE";
    return keep_store_direct(k, &in, out, err);
}

/* Written just now, or gone: whoever stores or cleans it is at it. A clock that was set back does
 * not hide it for longer. */
static bool
is_left_alone(struct found_walk *w, const struct keep *k, const char *name)
{
    char path[PATH_MAX];
    struct stat st;
    int64_t age_s;

    snprintf(path, sizeof path, "%s/%s", k->landing_copy, name);
    if (stat(path, &st) < 0)
        return errno == ENOENT;
    age_s = clock_wall_us() / 1000000 - (int64_t)st.st_mtim.tv_sec;
    if (age_s <= -YOUNG_S || age_s >= YOUNG_S)
        return false;
    if (w->pause_ms > YOUNG_S * 1000)
        w->pause_ms = YOUNG_S * 1000;
    return true;
}

static int
take_in(struct found_walk *w, struct keep *k, const char *tenant, const uint8_t object[32],
        struct err *err)
{
    struct log_ctx ctx = keep_log;
    char name[LANDING_NAME_SIZE];
    struct keep_stored stored;
    uint64_t size;
    int fd, rc;

    ctx.tenant = tenant;
    landing_whole_name(tenant, object, name);
    if (is_left_alone(w, k, name))
        return 0;
    fd = open_good(k, name, object, &size);
    if (fd < 0)
        return err_set(err, ERR_CONFLICT, "no copy of landing file %s has its hash", name);
    rc = store_again(k, tenant, fd, size, &stored, err);
    close(fd);
    if (rc == 0 && stored.outcome != KEEP_DUPLICATE)
        LOG(&ctx, KEEP_FOUND, F_UID("study", stored.study), F_UID("instance", stored.sop_instance));
    return rc;
}

static int
ask_unknown(struct found_walk *w, struct keep *k, struct err *err)
{
    const struct names *all = &w->names;
    const char *tenants[BATCH];
    char *codes, *objects;
    int rc;

    for (size_t i = 0; i < all->n; i++)
        tenants[i] = all->tenants[i];
    codes = pg_array_text(tenants, all->n);
    objects = pg_array_bytes(all->objects[0], 32, all->n);
    rc = keep_run(k, "objects_unknown", PG_ARGS(PG_TEXT(codes), PG_TEXT(objects)), &w->rows, err);
    free(codes);
    free(objects);
    return rc;
}

/* The next names. out_is_end: there are none. */
static int
read_on(struct found_walk *w, struct keep *k, bool *out_is_end, struct err *err)
{
    const struct dirent *e = NULL;
    int rc = 0;

    w->names.n = 0;
    w->at = 0;
    while (w->names.n < BATCH && (rc = folder_next(w->folder, &e, err)) == 0 && e != NULL)
        note_name(&w->names, e->d_name);
    if (rc < 0)
        return -1;
    *out_is_end = w->names.n == 0;
    return *out_is_end ? 0 : ask_unknown(w, k, err);
}

static int
take_next(struct found_walk *w, struct keep *k, struct err *err)
{
    size_t i = w->at++;
    const char *tenant = pg_text(w->rows, i, 0);
    uint8_t object[32];

    pg_copy_bytes(w->rows, i, 1, object, sizeof object);
    if (!pg_truth(w->rows, i, 2)) {
        if (w->unowned++ == 0)
            text_copy(w->unowned_tenant, sizeof w->unowned_tenant, tenant);
        return 0;
    }
    if (take_in(w, k, tenant, object, err) == 0)
        return 0;
    if (err->kind == ERR_RETRY || err->kind == ERR_FULL)
        w->pause_ms = AGAIN_MS;
    return -1;
}

/* A turn's part. The first trouble is told; the others are taken in nevertheless. */
static int
walk_on(struct found_walk *w, struct keep *k, bool *out_is_end, struct err *err)
{
    int64_t until_ms = clock_mono_ms() + TURN_MS;
    int rc = 0, taken = 0;

    *out_is_end = false;
    while (taken < TURN_FILES && clock_mono_ms() < until_ms && !keep_is_closing(k)) {
        struct err later;

        if (w->rows == NULL) {
            if (read_on(w, k, out_is_end, rc == 0 ? err : &later) < 0) {
                w->pause_ms = AGAIN_MS;
                *out_is_end = true;
                return -1;
            }
            if (*out_is_end)
                break;
        } else if (w->at == pg_rows_count(w->rows)) {
            pg_rows_free(&w->rows);
        } else {
            taken++;
            if (take_next(w, k, rc == 0 ? err : &later) < 0)
                rc = -1;
        }
    }
    return rc;
}

static int
begin_walk(struct keep *k, struct err *err)
{
    char path[PATH_MAX];
    DIR *folder;

    snprintf(path, sizeof path, "%s/whole", k->landing_copy);
    folder = opendir(path);
    if (folder == NULL) {
        k->found_at_ms = clock_mono_ms() + AGAIN_MS;
        return err_sys(err, ERR_RETRY, "open folder %s", path);
    }
    k->found = mem_new(sizeof *k->found);
    k->found->folder = folder;
    k->found->pause_ms = EVERY_MS;
    return 0;
}

static void
end_walk(struct keep *k)
{
    const struct found_walk *w = k->found;
    struct log_ctx ctx = keep_log;

    ctx.tenant = w->unowned_tenant;
    if (w->unowned > 0)
        LOG(&ctx, KEEP_FOUND_UNOWNED, F_NUMBER("objects", w->unowned));
    k->found_at_ms = clock_mono_ms() + w->pause_ms;
    found_stop(k);
}

void
found_stop(struct keep *k)
{
    if (k->found == NULL)
        return;
    closedir(k->found->folder);
    pg_rows_free(&k->found->rows);
    free(k->found);
    k->found = NULL;
}

int
found_take_in(struct keep *k, struct err *err)
{
    struct err why; /* said already (disks.c) */
    bool is_end;
    int rc;

    if (k->found == NULL &&
        (k->found_at_ms > clock_mono_ms() || disk_check(k, KEEP_LANDING_COPY, &why) < 0))
        return 0;
    if (k->found == NULL && begin_walk(k, err) < 0)
        return err_context(err, "look for what the catalog lost");
    rc = walk_on(k->found, k, &is_end, err);
    if (is_end)
        end_walk(k);
    else
        keep_wake(k, true); /* at once */
    return rc < 0 ? err_context(err, "look for what the catalog lost") : 0;
}
