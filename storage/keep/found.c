/* found.c - what came without a gateway, was answered "stored", and is not in the catalog: the
 * catalog was set back to a backup, or a crash came between file and row. Nobody will send it
 * again, so it is taken in from where it lies.
 *
 * 1. Only files in landing-copy/whole, which has nothing of gateways (they offer theirs again), and
 *    only whole ones: of either copy that has the hash of its name.
 * 2. Taking in is what a sender's storing does: of what is kept already it makes nothing twice, and
 *    a sender that stores it at this moment comes before or after.
 * 3. Whether a reader made it is told by its class: then it opens no list. */
#include "storage/keep/keep_own.h"

#include "proto/base/text.h"
#include "proto/trust/digest.h"
#include "storage/keep/landing_file.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { BATCH = 512, HEX = 64, ENDING = 4 };

struct names {
    char tenants[BATCH][KEEP_CODE_SIZE];
    uint8_t objects[BATCH][32];
    size_t n;
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

static int
store_again(struct keep *k, const char *tenant, int fd, uint64_t size, struct keep_stored *out,
            struct err *err)
{
    struct keep_incoming in = {.tenant = tenant, .fd = fd, .size = size, .way = KEEP_WAY_READER};

    if (keep_store_direct(k, &in, out, err) == 0)
        return 0;
    if (err->kind != ERR_REJECT) /* else it is no document: an image */
        return -1;
    in.way = "C-STORE";
    return keep_store_direct(k, &in, out, err);
}

static int
take_in(struct keep *k, const char *tenant, const uint8_t object[32], struct err *err)
{
    struct log_ctx ctx = keep_log;
    char name[LANDING_NAME_SIZE];
    struct keep_stored stored;
    uint64_t size;
    int fd, rc;

    ctx.tenant = tenant;
    landing_whole_name(tenant, object, name);
    fd = open_good(k, name, object, &size);
    if (fd < 0)
        return err_set(err, ERR_CONFLICT, "no copy of landing file %s has its hash", name);
    rc = store_again(k, tenant, fd, size, &stored, err);
    close(fd);
    if (rc == 0)
        LOG(&ctx, KEEP_FOUND, F_UID("study", stored.study), F_UID("instance", stored.sop_instance));
    return rc;
}

/* The first trouble is told; the others are taken in nevertheless. */
static int
take_unknown(struct keep *k, const struct names *all, struct err *err)
{
    const char **tenants = mem_new((all->n + 1) * sizeof *tenants);
    char *codes, *objects;
    struct pg_rows *rows = NULL;
    int rc;

    for (size_t i = 0; i < all->n; i++)
        tenants[i] = all->tenants[i];
    codes = pg_array_text(tenants, all->n);
    objects = pg_array_bytes(all->objects[0], 32, all->n);
    rc = keep_run(k, "objects_unknown", PG_ARGS(PG_TEXT(codes), PG_TEXT(objects)), &rows, err);
    for (size_t i = 0; i < pg_rows_count(rows); i++) {
        uint8_t object[32];
        struct err later;

        pg_copy_bytes(rows, i, 1, object, sizeof object);
        if (take_in(k, pg_text(rows, i, 0), object, rc == 0 ? err : &later) < 0)
            rc = -1;
    }
    pg_rows_free(&rows);
    free(codes);
    free(objects);
    free(tenants);
    return rc;
}

int
found_take_in(struct keep *k, struct err *err)
{
    struct names *all = mem_new(sizeof *all);
    const struct dirent *e = NULL;
    char path[PATH_MAX];
    DIR *folder;
    int rc = 0;

    snprintf(path, sizeof path, "%s/whole", k->landing_copy);
    folder = opendir(path);
    if (folder == NULL)
        rc = err_sys(err, ERR_RETRY, "open folder %s", path);
    while (folder != NULL && (e = readdir(folder)) != NULL) {
        struct err later;

        note_name(all, e->d_name);
        if (all->n < BATCH)
            continue;
        if (take_unknown(k, all, rc == 0 ? err : &later) < 0)
            rc = -1;
        all->n = 0;
    }
    if (all->n > 0) {
        struct err later;

        if (take_unknown(k, all, rc == 0 ? err : &later) < 0)
            rc = -1;
    }
    if (folder != NULL)
        closedir(folder);
    free(all);
    return rc < 0 ? err_context(err, "look for what the catalog lost") : 0;
}
