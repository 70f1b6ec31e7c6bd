/* leaving.c - a stored file and the few edits that make it what leaves.
 *
 * 1. Edits are in the order of the file and do not overlap.
 * 2. What is stored is never written. */
#include "proto/dicom/leaving.h"

#include "proto/base/durable.h"
#include "proto/base/limits.h"
#include "proto/base/zip.h"
#include "proto/dicom/coerce.h"
#include "proto/dicom/walk.h"

#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

enum { HEAD_BYTES = 65536, HEAD_MOST = 4 << 20, MAGIC_END = 132, LEVEL = 6 };

static const uint32_t TAG_META_LENGTH = 0x00020000, TAG_META_INSTANCE = 0x00020003;

/* ---- what is stored, and what leaves ---- */

int
leaving_read_stored(const struct dcm_leaving *l, void *bytes, size_t n, uint64_t at,
                    struct err *err)
{
    if (at > l->stored_n || n > l->stored_n - at)
        return err_set(err, ERR_REJECT, "a stored file ends too early");
    if (l->stored == NULL)
        return durable_read_at(l->fd, bytes, n, l->from + at, err);
    memcpy(bytes, l->stored + at, n);
    return 0;
}

int
leaving_edit(struct dcm_leaving *l, uint64_t at, uint64_t skip, size_t words_at, struct err *err)
{
    size_t i = l->edits_n;

    if (l->edits_n == DCM_EDITS || buf_is_over(&l->words))
        return err_set(err, ERR_REJECT, "more to change than is thought of");
    for (; i > 0; i--) { /* what is put in stands before what is left out there */
        const struct dcm_edit *before = &l->edits[i - 1];

        if (before->at < at || (before->at == at && before->skip <= skip))
            break;
        l->edits[i] = *before;
    }
    l->edits[i] = (struct dcm_edit){at, skip, words_at, l->words.n - words_at};
    l->edits_n++;
    l->size = l->size - skip + (l->words.n - words_at);
    l->is_coerced = true;
    return 0;
}

/* The part of [at, at + n) that lies in a run of run_n bytes beginning at run_at. */
static size_t
overlap(uint64_t run_at, uint64_t run_n, uint64_t at, size_t n)
{
    uint64_t left;

    if (at < run_at || at - run_at >= run_n)
        return 0;
    left = run_n - (at - run_at);
    return left < n ? (size_t)left : n;
}

/* Up to n bytes at `at`, from one run of stored bytes or of words. */
static int
read_run(const struct dcm_leaving *l, uint8_t *bytes, size_t n, uint64_t at, size_t *out_n,
         struct err *err)
{
    uint64_t stored_at = 0, run_at = 0;

    for (size_t i = 0; i <= l->edits_n; i++) {
        const struct dcm_edit *e = i < l->edits_n ? &l->edits[i] : NULL;
        uint64_t run_n = (e != NULL ? e->at : l->stored_n) - stored_at;

        *out_n = overlap(run_at, run_n, at, n);
        if (*out_n > 0)
            return leaving_read_stored(l, bytes, *out_n, stored_at + (at - run_at), err);
        if (e == NULL)
            break;
        run_at += run_n;
        *out_n = overlap(run_at, e->words_n, at, n);
        if (*out_n > 0) {
            memcpy(bytes, l->words.bytes + e->words_at + (at - run_at), *out_n);
            return 0;
        }
        run_at += e->words_n;
        stored_at = e->at + e->skip;
    }
    return err_set(err, ERR_REJECT, "read past what leaves");
}

int
dcm_leaving_read(const struct dcm_leaving *l, void *bytes, size_t n, uint64_t at, struct err *err)
{
    uint8_t *to = bytes;
    size_t got;

    for (; n > 0; n -= got, at += got, to += got)
        if (read_run(l, to, n, at, &got, err) < 0)
            return -1;
    return 0;
}

void
dcm_leaving_close(struct dcm_leaving *l)
{
    buf_fini(&l->words);
    if (l->fd >= 0)
        close(l->fd);
    *l = (struct dcm_leaving){.fd = -1};
}

/* ---- the meta group ---- */

static int
read_head(struct dcm_leaving *l, uint8_t **out_head, struct dcm_part10 *out, struct err *err)
{
    for (size_t room = HEAD_BYTES;; room *= 4) {
        size_t n = l->stored_n < room ? (size_t)l->stored_n : room;
        uint8_t *head = mem_new(n + 1);

        if (leaving_read_stored(l, head, n, 0, err) == 0 &&
            dcm_part10_parse(head, n, out, err) == 0) {
            *out_head = head;
            return 0;
        }
        free(head);
        if (err->kind != ERR_REJECT || n < room || room >= HEAD_MOST)
            return -1;
        err_clear(err);
    }
}

/* Where its length and its SOP Instance UID stand; header_n 0: nowhere. */
static int
walk_meta(const uint8_t *head, const struct dcm_part10 *p10, struct dcm_element *out_length,
          struct dcm_element *out_instance, size_t *out_place, struct err *err)
{
    struct dcm_walk walk;
    struct dcm_element e;

    dcm_walk_init(&walk, head, p10->meta_end, DCM_EXPLICIT_LE, DCM_WALK_WHOLE);
    walk.at = MAGIC_END;
    *out_place = 0;
    for (;;) {
        if (dcm_walk_next(&walk, &e, err) < 0)
            return -1;
        if (e.event == DCM_ELEMENT && e.tag == TAG_META_LENGTH && e.value_n == 4)
            *out_length = e;
        if (e.event == DCM_ELEMENT && e.tag == TAG_META_INSTANCE)
            *out_instance = e;
        if (*out_place == 0 && (e.event == DCM_END || e.tag > TAG_META_INSTANCE))
            *out_place = e.header_at;
        if (e.event == DCM_END)
            return 0;
    }
}

/* The meta group says the SOP Instance UID that the data set says. */
static int
coerce_meta(struct dcm_leaving *l, const uint8_t *head, const struct dcm_part10 *p10,
            const char *sop_instance, struct err *err)
{
    struct dcm_element length = {0}, old = {0};
    uint64_t before = l->size;
    size_t place, at = l->words.n;

    if (sop_instance[0] == '\0' || strcmp(p10->sop_instance, sop_instance) == 0)
        return 0;
    if (walk_meta(head, p10, &length, &old, &place, err) < 0)
        return -1;
    if (old.header_n != 0 &&
        leaving_edit(l, old.header_at, old.header_n + old.value_n, at, err) < 0)
        return -1;
    coerce_put_value(&l->words, DCM_EXPLICIT_LE, TAG_META_INSTANCE, "UI", sop_instance,
                     strlen(sop_instance));
    if (leaving_edit(l, place, 0, at, err) < 0)
        return -1;
    l->dataset_at += l->size - before;
    if (length.header_n == 0)
        return 0;
    at = l->words.n;
    buf_add_le32(&l->words, (uint32_t)(l->dataset_at - (length.value_at + 4)));
    return leaving_edit(l, length.value_at, 4, at, err);
}

/* ---- deflated: the data set has to be made again ---- */

/* The first n stored bytes, what is behind the meta group inflated. */
static int
inflate_stored(const struct dcm_leaving *l, size_t n, size_t dataset_at, struct buf *plain,
               struct err *err)
{
    uint8_t *bytes = mem_new(n + 1);
    size_t used;
    int rc;

    rc = leaving_read_stored(l, bytes, n, 0, err);
    if (rc == 0) {
        buf_add(plain, bytes, dataset_at);
        rc = zip_inflate_prefix(bytes + dataset_at, n - dataset_at, plain, &used, err);
    }
    free(bytes);
    return rc;
}

static struct dcm_leaving
leaving_of(const struct buf *plain, size_t dataset_at)
{
    struct dcm_leaving l = {.fd = -1,
                            .stored = plain->bytes,
                            .stored_n = plain->n,
                            .size = plain->n,
                            .dataset_at = dataset_at};

    buf_init(&l.words, COERCE_WORDS_MOST);
    return l;
}

/* Its beginning says what it is known by: nothing has to be made. */
static bool
is_inflated_as_known(const struct dcm_leaving *l, size_t dataset_at, const struct dcm_known *known)
{
    size_t n = dataset_at + HEAD_BYTES;
    struct dcm_leaving beginning;
    struct err err = {0};
    struct buf plain;
    bool is;

    buf_init(&plain, dataset_at + HEAD_BYTES);
    if (inflate_stored(l, l->stored_n < n ? (size_t)l->stored_n : n, dataset_at, &plain, &err) < 0)
        err_clear(&err); /* it is cut off, mostly */
    beginning = leaving_of(&plain, dataset_at);
    is = coerce_dataset(&beginning, dataset_at, DCM_EXPLICIT_LE, known, 0, &err) == 0 &&
         !beginning.is_coerced;
    dcm_leaving_close(&beginning);
    buf_fini(&plain);
    return is;
}

/* A file of memory instead of the stored one: preamble and meta group, the rest deflated. */
static int
replace_stored(struct dcm_leaving *l, const uint8_t *bytes, size_t n, size_t dataset_at,
               struct err *err)
{
    struct buf made;
    int rc = -1, fd = -1;

    buf_init(&made, LIMIT_COERCED_DEFLATED_BYTES);
    buf_add(&made, bytes, dataset_at);
    if (zip_deflate(bytes + dataset_at, n - dataset_at, LEVEL, &made, err) < 0)
        goto out;
    if ((made.n - dataset_at) % 2 != 0) /* PS3.5 A.5 */
        buf_add_u8(&made, 0);
    if ((fd = memfd_create("leaving", MFD_CLOEXEC)) < 0) {
        (void)err_sys(err, ERR_RETRY, "make a file of memory");
        goto out;
    }
    if (durable_write_at(fd, made.bytes, made.n, 0, err) < 0)
        goto out;
    close(l->fd);
    l->fd = fd;
    fd = -1;
    l->from = l->edits_n = 0;
    l->stored_n = l->size = made.n;
    l->dataset_at = dataset_at;
    l->is_coerced = true;
    rc = 0;
out:
    if (fd >= 0)
        close(fd);
    buf_fini(&made);
    return rc;
}

static int
coerce_deflated(struct dcm_leaving *l, const uint8_t *head, const struct dcm_part10 *p10,
                const struct dcm_known *known, int64_t now_us, struct err *err)
{
    struct dcm_leaving inflated;
    struct buf plain;
    uint8_t *bytes = NULL;
    int rc = -1;

    if (is_inflated_as_known(l, p10->dataset_at, known))
        return coerce_meta(l, head, p10, known->sop_instance, err);
    if (l->stored_n > LIMIT_COERCED_DEFLATED_BYTES)
        return err_set(err, ERR_REJECT, "deflated, and too large to be changed");
    buf_init(&plain, LIMIT_COERCED_DEFLATED_BYTES);
    rc = inflate_stored(l, (size_t)l->stored_n, p10->dataset_at, &plain, err);
    inflated = leaving_of(&plain, p10->dataset_at);
    if (rc == 0)
        rc = coerce_dataset(&inflated, p10->dataset_at, DCM_EXPLICIT_LE, known, now_us, err);
    if (rc == 0)
        rc = coerce_meta(&inflated, head, p10, known->sop_instance, err);
    if (rc == 0) {
        bytes = mem_new((size_t)inflated.size + 1);
        rc = dcm_leaving_read(&inflated, bytes, (size_t)inflated.size, 0, err);
    }
    if (rc == 0)
        rc = replace_stored(l, bytes, (size_t)inflated.size, (size_t)inflated.dataset_at, err);
    free(bytes);
    dcm_leaving_close(&inflated);
    buf_fini(&plain);
    return rc;
}

/* ---- the whole ---- */

/* Readers take what follows the meta group for more of it, its transfer syntax too. */
static int
leave_stray_out(struct dcm_leaving *l, const struct dcm_part10 *p10, struct err *err)
{
    if (p10->dataset_at == p10->meta_end)
        return 0;
    l->dataset_at = p10->meta_end;
    return leaving_edit(l, p10->meta_end, p10->dataset_at - p10->meta_end, l->words.n, err);
}

/* Some readers take them for an element that is torn off, and the file for broken. Where the data
 * set ends need not be looked for when the last byte is no zero, nor behind compressed pixels. */
static int
leave_padding_out(struct dcm_leaving *l, const struct dcm_part10 *p10, struct err *err)
{
    static const uint8_t delimiter[] = {0xFE, 0xFF, 0xDD, 0xE0, 0, 0, 0, 0};
    uint64_t left = l->stored_n - p10->dataset_at, end;
    size_t n = left < sizeof delimiter ? (size_t)left : sizeof delimiter;
    uint8_t tail[sizeof delimiter];

    if (leaving_read_stored(l, tail, n, l->stored_n - n, err) < 0)
        return -1;
    if (n == 0 || tail[n - 1] != 0 || (n == sizeof tail && memcmp(tail, delimiter, n) == 0))
        return 0;
    end = coerce_find_end(l, p10->dataset_at, p10->syntax->coding);
    return end == l->stored_n ? 0 : leaving_edit(l, end, l->stored_n - end, l->words.n, err);
}

static int
coerce(struct dcm_leaving *l, const struct dcm_known *known, int64_t now_us, struct err *err)
{
    struct dcm_part10 p10;
    uint8_t *head;
    int rc;

    if (read_head(l, &head, &p10, err) < 0)
        return -1;
    l->dataset_at = p10.dataset_at;
    memcpy(l->transfer_syntax, p10.transfer_syntax, sizeof l->transfer_syntax);
    if (p10.syntax->is_deflated)
        rc = coerce_deflated(l, head, &p10, known, now_us, err);
    else if ((rc = leave_stray_out(l, &p10, err)) == 0 &&
             (rc = leave_padding_out(l, &p10, err)) == 0)
        rc = coerce_dataset(l, p10.dataset_at, p10.syntax->coding, known, now_us, err);
    if (rc == 0 && !p10.syntax->is_deflated)
        rc = coerce_meta(l, head, &p10, known->sop_instance, err);
    free(head);
    return rc;
}

int
dcm_leaving_open(struct dcm_leaving *out, int fd, uint64_t from, uint64_t size,
                 const struct dcm_known *known, int64_t now_us, struct err *err)
{
    struct dcm_leaving l = {.fd = fd, .from = from, .stored_n = size, .size = size};

    buf_init(&l.words, COERCE_WORDS_MOST);
    if (coerce(&l, known, now_us, err) < 0) {
        l.fd = -1; /* the caller's */
        dcm_leaving_close(&l);
        return err_context(err, "instance as it leaves");
    }
    *out = l;
    return 0;
}
