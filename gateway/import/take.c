/* take.c - one file from outside into the inbox: copy, look, sidecar (invariants 1, 2 and 5). */
#include "gateway/import/import_own.h"

#include "gateway/spool/spool.h"
#include "proto/base/clock.h"
#include "proto/base/durable.h"
#include "proto/base/text.h"
#include "proto/dicom/charset.h"
#include "proto/model/doubts.h"
#include "proto/trust/digest.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

enum { CHUNK = 1 << 20 };

int
map_begin(int fd, const uint8_t **out_bytes, size_t *out_n, struct err *err)
{
    struct stat st;
    void *p;

    if (fstat(fd, &st) < 0)
        return err_sys(err, ERR_RETRY, "look at a file");
    if (st.st_size == 0) {
        *out_bytes = NULL;
        *out_n = 0;
        return 0;
    }
    p = mmap(NULL, (size_t)st.st_size, PROT_READ, MAP_PRIVATE, fd, 0);
    if (p == MAP_FAILED)
        return err_sys(err, ERR_RETRY, "map a file");
    *out_bytes = p;
    *out_n = (size_t)st.st_size;
    return 0;
}

void
map_end(const uint8_t *bytes, size_t n)
{
    if (bytes != NULL)
        munmap((void *)(uintptr_t)bytes, n);
}

/* Whatever bytes a name has, as UTF-8 without control characters. */
static void
name_to_text(const char *name, char *out, size_t size)
{
    struct dcm_charset cs;
    struct buf b;
    size_t n;

    buf_init(&b, 4096);
    dcm_charset_begin(&cs, NULL, 0, NULL);
    dcm_charset_look(&cs, (const uint8_t *)name, strlen(name));
    dcm_charset_choose(&cs);
    dcm_charset_decode(&cs, (const uint8_t *)name, strlen(name), false, &b);
    n = b.n < size ? b.n : size - 1;
    memcpy(out, b.n > 0 ? (const char *)b.bytes : "", n);
    out[n] = '\0';
    while (n > 0 && !text_is_utf8(out, n)) /* cut at a sign */
        out[--n] = '\0';
    for (char *p = out; *p != '\0'; p++)
        if ((unsigned char)*p < 0x20 || *p == 0x7F)
            *p = ' ';
    buf_fini(&b);
}

/* Copy it whole into tmp/NAME; what changed meanwhile is not whole. */
static int
copy_in(struct import *im, int from, const char *tmp, struct import_item *item, int *out_fd,
        bool *out_is_still, bool *out_is_unreadable, struct err *err)
{
    struct digest *d = digest_new();
    uint8_t *chunk = mem_new(CHUNK);
    struct stat before, after;
    uint64_t at = 0;
    int fd = -1, rc = -1;

    if (fstat(from, &before) < 0) {
        (void)err_sys(err, ERR_RETRY, "look at the file");
        goto out;
    }
    if (!S_ISREG(before.st_mode) || (uint64_t)before.st_size > im->options.max_bytes) {
        (void)err_set(err, ERR_REJECT, "not a file, or larger than import_max");
        goto out;
    }
    if (spool_disk_with(im->options.spool, 2 * (uint64_t)before.st_size) == SPOOL_DISK_REFUSE) {
        (void)err_set(err, ERR_FULL, "no room for it and for the instance it becomes");
        goto out;
    }
    if (durable_create(im->dir, tmp, &fd, err) < 0)
        goto out;
    for (;;) {
        ssize_t k = pread(from, chunk, CHUNK, (off_t)at);

        if (k < 0 && errno == EINTR)
            continue;
        if (k < 0) {
            *out_is_unreadable = true;
            (void)err_sys(err, ERR_RETRY, "read the file");
            goto out;
        }
        if (k == 0 || at > (uint64_t)before.st_size)
            break;
        digest_add(d, chunk, (size_t)k);
        if (durable_write(fd, chunk, (size_t)k, err) < 0)
            goto out;
        at += (uint64_t)k;
    }
    digest_take(d, item->sha256);
    item->size = at;
    item->file_at_us = before.st_mtim.tv_sec > 0 ? before.st_mtim.tv_sec * INT64_C(1000000) : 0;
    *out_is_still = fstat(from, &after) == 0 && after.st_size == before.st_size &&
                    after.st_mtim.tv_sec == before.st_mtim.tv_sec &&
                    after.st_mtim.tv_nsec == before.st_mtim.tv_nsec &&
                    at == (uint64_t)after.st_size;
    *out_fd = fd;
    fd = -1;
    rc = 0;
out:
    if (fd >= 0)
        close(fd);
    free(chunk);
    digest_free(&d);
    return rc;
}

/* What wrap_look says, into the item. *out_is_whole false: it ends early. */
static int
look(int fd, struct import_item *item, bool *out_is_whole, struct err *err)
{
    const uint8_t *bytes;
    struct err why;
    size_t n;

    if (map_begin(fd, &bytes, &n, err) < 0)
        return -1;
    *out_is_whole = true;
    item->state = IMPORT_WAITING;
    if (wrap_look(bytes, n, &item->facts, &why) < 0) {
        item->facts.kind = wrap_sniff(bytes, n);
        item->state = IMPORT_UNUSABLE;
        text_copy(item->why, sizeof item->why, why.text);
        *out_is_whole = why.kind != ERR_RETRY;
    }
    map_end(bytes, n);
    return 0;
}

static void
name_item(struct import_item *item)
{
    uint8_t hash[DIGEST_BYTES];
    struct buf b;

    hex_encode(item->sha256, 16, item->id);
    text_copy(item->group, sizeof item->group, item->id);
    if (item->facts.kind != WRAP_DICOM || item->facts.study_uid[0] == '\0')
        return;
    buf_init(&b, 1024);
    buf_add(&b, item->facts.study_uid, strlen(item->facts.study_uid) + 1);
    buf_add_text(&b, item->facts.said_id);
    digest_bytes(b.bytes, b.n, hash);
    hex_encode(hash, 16, item->group);
    buf_fini(&b);
}

/* A DICOM file that says whose it is goes its way without a person. */
static bool
is_usable(const struct wrap_facts *f)
{
    struct doubts_seen seen = {.patient_id = f->said_id,
                               .sex = f->said_sex,
                               .birth = f->said_birth,
                               .study_date = "",
                               .study_uid = f->study_uid,
                               .series_uid = f->series_uid,
                               .is_uid_made = f->is_uid_made,
                               .is_old_welcome = true};

    return f->kind == WRAP_DICOM && f->said_name[0] != '\0' &&
           (doubts_of_instance(&seen) & (DOUBT_NO_PATIENT | DOUBT_BAD_UID)) == 0;
}

static int
send_as_is(struct import *im, int fd, const struct wrap_facts *facts, bool *out_was_there,
           struct err *err)
{
    struct wrap_source source = {.n = 0};
    uint64_t entry;
    int rc;

    if (map_begin(fd, &source.bytes, &source.n, err) < 0)
        return -1;
    rc = bind_commit(im, facts, NULL, &source, &entry, out_was_there, err);
    map_end(source.bytes, source.n);
    if (rc == 0 && !*out_was_there)
        LOG(&import_ctx, IMPORT_SENT, F_NUMBER("entry", entry), F_BYTES(source.n));
    return rc;
}

/* The same bytes are here: what was thrown away waits again, anything else is only counted. */
static int
note_again(struct import *im, struct import_item *known, int *fd, const char *tmp, struct err *err)
{
    char to[80];

    known->again++;
    known->changed_at_us = clock_wall_us();
    if (known->state == IMPORT_DISCARDED || known->state == IMPORT_UNUSABLE) {
        item_file(known, to);
        if (!known->has_source && durable_publish(fd, im->dir, tmp, to, err) < 0)
            return -1;
        known->has_source = true;
        if (known->state == IMPORT_DISCARDED)
            known->state = known->why[0] != '\0' ? IMPORT_UNUSABLE : IMPORT_WAITING;
    }
    LOG(&import_ctx, IMPORT_AGAIN, F_WORD("state", import_state_word(known->state)));
    return items_save(im, known, err);
}

static int
keep_item(struct import *im, struct import_item *item, int *fd, const char *tmp,
          struct taken_file *out, struct err *err)
{
    struct import_item *known = mem_new(sizeof *known);
    char to[80];
    int rc = -1;

    memcpy(out->id, item->id, sizeof out->id);
    if (items_get(im, item->id, known)) {
        out->outcome = TAKE_KNOWN;
        rc = out->is_cut && known->file_at_us == item->file_at_us &&
                     strcmp(known->name, item->name) == 0
                 ? 0 /* it never went */
                 : note_again(im, known, fd, tmp, err);
        goto out;
    }
    item_file(item, to);
    if (durable_publish(fd, im->dir, tmp, to, err) < 0)
        goto out;
    item->has_source = true;
    item->taken_at_us = item->changed_at_us = clock_wall_us();
    if (items_save(im, item, err) < 0)
        goto out;
    out->outcome = item->state == IMPORT_UNUSABLE ? TAKE_UNUSABLE : TAKE_DONE;
    if (item->state == IMPORT_UNUSABLE)
        LOG(&import_ctx, IMPORT_CANNOT_USE, F_WORD("kind", wrap_kind_word(item->facts.kind)),
            F_BYTES(item->size));
    else
        LOG(&import_ctx, IMPORT_TAKEN, F_WORD("kind", wrap_kind_word(item->facts.kind)),
            F_BYTES(item->size));
    rc = 0;
out:
    free(known);
    return rc;
}

/* What is to be done with a whole copy in tmp/. */
static int
settle(struct import *im, struct import_item *item, bool is_media, int *fd, const char *tmp,
       struct taken_file *out, struct err *err)
{
    if (item->facts.kind == WRAP_DICOMDIR || (is_media && item->facts.kind == WRAP_UNKNOWN)) {
        out->outcome = TAKE_IGNORED;
        return 0;
    }
    name_item(item);
    if (item->state == IMPORT_WAITING && is_usable(&item->facts)) {
        out->outcome = TAKE_SENT;
        return send_as_is(im, *fd, &item->facts, &out->was_there, err);
    }
    return keep_item(im, item, fd, tmp, out, err);
}

int
take_file(struct import *im, int fd, const char *name, bool is_media, bool is_last,
          struct taken_file *out, struct err *err)
{
    static const char tmp[] = "taking"; /* one at a time: work is held */
    struct import_item *item = mem_new(sizeof *item);
    char path[PATH_MAX];
    bool is_still = false, is_whole = false;
    int copy = -1, rc = -1;

    gate_lock(&im->work);
    snprintf(path, sizeof path, "%s/tmp/%s", im->dir, tmp);
    unlink(path);
    name_to_text(name, item->name, sizeof item->name);
    *out = (struct taken_file){.outcome = TAKE_NOT_WHOLE};
    if (copy_in(im, fd, tmp, item, &copy, &is_still, &out->is_unreadable, err) < 0 ||
        look(copy, item, &is_whole, err) < 0)
        goto out;
    out->is_cut = !is_whole;
    if (is_whole && item->facts.kind == WRAP_DICOM)
        text_copy(out->instance, sizeof out->instance, item->facts.sop_instance);
    rc = is_still && (is_whole || is_last) ? settle(im, item, is_media, &copy, tmp, out, err) : 0;
out:
    if (copy >= 0)
        close(copy);
    unlink(path);
    gate_unlock(&im->work);
    free(item);
    return rc;
}

/* Are the first bytes of it the item's? */
static int
begins_with(int fd, const struct import_item *item, bool *out, struct err *err)
{
    uint8_t *chunk = mem_new(CHUNK), sha256[DIGEST_BYTES];
    struct digest *d = digest_new();
    uint64_t at = 0;
    ssize_t k = 1;

    while (at < item->size && k > 0) {
        uint64_t left = item->size - at;

        k = pread(fd, chunk, left < CHUNK ? (size_t)left : CHUNK, (off_t)at);
        if (k < 0 && errno == EINTR)
            k = 1;
        else if (k > 0)
            digest_add(d, chunk, (size_t)k), at += (uint64_t)k;
    }
    digest_take(d, sha256);
    digest_free(&d);
    free(chunk);
    if (k < 0)
        return err_sys(err, ERR_RETRY, "read what grew");
    *out = at == item->size && memcmp(sha256, item->sha256, sizeof sha256) == 0;
    return 0;
}

int
take_rest(struct import *im, const char *id, int fd, struct err *err)
{
    struct import_item *item = mem_new(sizeof *item);
    bool is_it = false;
    int rc = 0;

    gate_lock(&im->work);
    if (items_get(im, id, item) && item->state == IMPORT_UNUSABLE)
        rc = begins_with(fd, item, &is_it, err);
    if (is_it && import_next(item->state, IMPORT_SAW_DISCARD, &item->state)) {
        item->by[0] = '\0';
        text_copy(item->reason, sizeof item->reason, "its rest came");
        item->since_age_ms = 0;
        item->changed_at_us = clock_wall_us();
        rc = items_save(im, item, err);
    }
    gate_unlock(&im->work);
    free(item);
    return rc;
}

int
take_orphan(struct import *im, const char *name, struct err *err)
{
    struct import_item *item = mem_new(sizeof *item);
    char path[PATH_MAX];
    struct stat st;
    bool is_whole;
    int rc = -1, fd;

    snprintf(path, sizeof path, "%s/files/%s", im->dir, name);
    fd = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
    if (fd < 0 || fstat(fd, &st) < 0) {
        (void)err_sys(err, ERR_RETRY, "open a file without a sidecar");
        goto out;
    }
    item->size = (uint64_t)st.st_size;
    item->file_at_us = st.st_mtim.tv_sec > 0 ? st.st_mtim.tv_sec * INT64_C(1000000) : 0;
    if (hex_decode(name, item->sha256, DIGEST_BYTES) < 0) {
        rc = 0; /* not ours */
        goto out;
    }
    if (look(fd, item, &is_whole, err) < 0)
        goto out;
    name_item(item);
    item->has_source = true;
    item->taken_at_us = item->changed_at_us = clock_wall_us();
    rc = items_save(im, item, err);
out:
    if (fd >= 0)
        close(fd);
    free(item);
    return rc;
}
