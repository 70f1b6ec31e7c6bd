/* pack_read.c - a series' instances as one immutable file: reading and verifying. */
#include "storage/keep/pack.h"

#include "proto/base/durable.h"
#include "proto/base/limits.h"
#include "proto/base/text.h"
#include "proto/base/zip.h"
#include "proto/http/json.h"
#include "proto/trust/digest.h"
#include "storage/keep/keep_own.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

int
pack_end_read(const uint8_t bytes[PACK_END_BYTES], uint64_t file_size, struct pack_end *out,
              struct err *err)
{
    struct pack_end end;

    if (memcmp(bytes, "RADPOSTX", 8) != 0)
        return err_set(err, ERR_REJECT, "no pack: its end is missing");
    if (le32_read(bytes + 60) != zip_crc32(0, bytes, 60))
        return err_set(err, ERR_REJECT, "the pack's end is broken");
    if (le16_read(bytes + 8) != 1)
        return err_set(err, ERR_REJECT, "a pack of version %u", le16_read(bytes + 8));
    end.index_at = le64_read(bytes + 12);
    end.index_size = le64_read(bytes + 20);
    memcpy(end.index_sha256, bytes + 28, 32);
    if (end.index_size > LIMIT_INDEX_BYTES || end.index_at > file_size ||
        end.index_size > file_size - end.index_at)
        return err_set(err, ERR_REJECT, "the pack's index lies outside it");
    *out = end;
    return 0;
}

static int
read_entry(const struct json *o, uint64_t file_size, struct pack_entry *e, struct err *err)
{
    const char *uid;

    if (json_hex(o, "file", e->object, 32, err) < 0 ||
        json_u64(o, "at", file_size, &e->at, err) < 0 ||
        json_u64(o, "size", file_size, &e->size, err) < 0 ||
        json_text(o, "sop_instance", LINK_UID_SIZE - 1, &uid, err) < 0)
        return -1;
    if (e->size > file_size - e->at)
        return err_set(err, ERR_REJECT, "an instance lies outside the pack");
    if (!uid_is_valid(uid, true))
        return err_set(err, ERR_REJECT, "sop_instance: no UID");
    text_copy(e->sop_instance, sizeof e->sop_instance, uid);
    return 0;
}

int
pack_index_read(const uint8_t *bytes, size_t n, uint64_t file_size, struct pack_index *out,
                struct err *err)
{
    struct pack_index index = {NULL, 0};
    struct json_doc *doc = NULL;
    const struct json *list;
    const char *format;
    int rc = -1;

    if (json_parse(bytes, n, &doc, err) < 0 ||
        json_text(json_root(doc), "format", 64, &format, err) < 0 ||
        json_list(json_root(doc), "instances", LIMIT_MANIFEST_INSTANCES, &list, err) < 0)
        goto out;
    if (strncmp(format, "radpost-pack-index 1.", 21) != 0) {
        err_set(err, ERR_REJECT, "an index of another version");
        goto out;
    }
    index.entries = mem_new((json_length(list) + 1) * sizeof *index.entries);
    index.count = json_length(list);
    for (size_t i = 0; i < index.count; i++)
        if (read_entry(json_at(list, i), file_size, &index.entries[i], err) < 0) {
            err_context(err, "instance %zu", i);
            goto out;
        }
    *out = index;
    index.entries = NULL;
    rc = 0;
out:
    if (rc < 0)
        err_context(err, "index");
    free(index.entries);
    json_free(&doc);
    return rc;
}

void
pack_index_free(struct pack_index *index)
{
    free(index->entries);
    *index = (struct pack_index){NULL, 0};
}

/* A kind that tells disk trouble (try again) from wrong bytes. */
static int
wrong(struct err *err)
{
    if (err->kind == ERR_REJECT)
        err->kind = ERR_CONFLICT;
    return -1;
}

static int
verify_whole(int fd, uint64_t size, const uint8_t sha256[32], struct err *err)
{
    uint8_t found[32];

    if (digest_file(fd, 0, size, found, err) < 0)
        return wrong(err);
    if (memcmp(found, sha256, 32) != 0)
        return err_set(err, ERR_CONFLICT, "its SHA-256 is not its name");
    return 0;
}

int
pack_index_bytes(int fd, uint64_t size, uint8_t **out, size_t *out_n, struct err *err)
{
    uint8_t end_bytes[PACK_END_BYTES], found[32], *bytes = NULL;
    struct pack_end end;
    int rc = -1;

    if (size < PACK_END_BYTES)
        return err_set(err, ERR_CONFLICT, "too short for a pack");
    if (durable_read_at(fd, end_bytes, sizeof end_bytes, size - PACK_END_BYTES, err) < 0 ||
        pack_end_read(end_bytes, size, &end, err) < 0)
        return -1;
    bytes = mem_new((size_t)end.index_size + 1);
    if (durable_read_at(fd, bytes, (size_t)end.index_size, end.index_at, err) < 0)
        goto out;
    digest_bytes(bytes, (size_t)end.index_size, found);
    if (memcmp(found, end.index_sha256, 32) != 0) {
        err_set(err, ERR_CONFLICT, "its index is not the one it was sealed with");
        goto out;
    }
    *out = TAKE(bytes);
    *out_n = (size_t)end.index_size;
    rc = 0;
out:
    free(bytes);
    return rc;
}

static int
read_index(int fd, uint64_t size, struct pack_index *out, struct err *err)
{
    uint8_t *bytes;
    size_t n;
    int rc;

    if (pack_index_bytes(fd, size, &bytes, &n, err) < 0)
        return -1;
    rc = pack_index_read(bytes, n, size, out, err);
    free(bytes);
    return rc;
}

static int
verify_members(int fd, const struct pack_index *index, struct err *err)
{
    for (size_t i = 0; i < index->count; i++) {
        const struct pack_entry *e = &index->entries[i];
        uint8_t found[32];

        if (digest_file(fd, e->at, e->size, found, err) < 0)
            return wrong(err);
        if (memcmp(found, e->object, 32) != 0)
            return err_set(err, ERR_CONFLICT, "instance %s is not its hash", e->sop_instance);
    }
    return 0;
}

int
pack_verify(const char *path, const uint8_t sha256[32], size_t count, struct err *err)
{
    struct pack_index index = {NULL, 0};
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    struct stat st;
    int rc = -1;

    if (fd < 0)
        return err_sys(err, ERR_RETRY, "open %s", path);
    if (fstat(fd, &st) < 0) {
        err_sys(err, ERR_RETRY, "stat %s", path);
        goto out;
    }
    /* It was synced: let the kernel forget its pages, so that the disk itself is asked. */
    (void)posix_fadvise(fd, 0, 0, POSIX_FADV_DONTNEED);
    if (verify_whole(fd, (uint64_t)st.st_size, sha256, err) < 0)
        goto out;
    if (read_index(fd, (uint64_t)st.st_size, &index, err) < 0) {
        wrong(err);
        goto out;
    }
    if (count != 0 && index.count != count) {
        err_set(err, ERR_CONFLICT, "it holds %zu instances, not %zu", index.count, count);
        goto out;
    }
    rc = verify_members(fd, &index, err);
out:
    if (rc < 0)
        err_context(err, "verify %s", path);
    pack_index_free(&index);
    close(fd);
    return rc;
}

void
pack_set_aside(const char *store, const char *path)
{
    char from[PATH_MAX], to[PATH_MAX];
    const char *slash = strrchr(path, '/');

    CHECK(slash != NULL);
    snprintf(from, sizeof from, "%s/%s", store, path);
    snprintf(to, sizeof to, "%s/corrupt/%s", store, slash + 1);
    if (rename(from, to) < 0 && errno != ENOENT) {
        struct err err;

        err_sys(&err, ERR_RETRY, "move %s to corrupt/", from);
        LOG(&keep_log, KEEP_PACK_FAILED, F_ERR(&err));
    }
}
