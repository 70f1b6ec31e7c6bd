/* part10.c - preamble and meta group, read and written. */
#include "proto/dicom/part10.h"

#include "proto/base/text.h"
#include "proto/base/zip.h"
#include "proto/dicom/walk.h"
#include "proto/dicom/write.h"

#include <string.h>

enum { PREAMBLE_BYTES = 128, MAGIC_END = 132 };

_Static_assert(sizeof DCM_IMPLEMENTATION_UID <= 65, "PS3.5 9.1");
_Static_assert(sizeof DCM_IMPLEMENTATION_VERSION <= 17, "PS3.10 7.1: SH");

/* A value without its padding, zero-ended; what does not fit is cut. */
static void
copy_trimmed(char *out, size_t out_size, const uint8_t *value, size_t n)
{
    while (n > 0 && (value[n - 1] == '\0' || value[n - 1] == ' '))
        n--;
    while (n > 0 && *value == ' ') {
        value++;
        n--;
    }
    if (n >= out_size)
        n = out_size - 1;
    memcpy(out, value, n);
    out[n] = '\0';
    if (memchr(out, '\0', n) != NULL) /* a zero inside ends it */
        out[strlen(out)] = '\0';
}

static void
keep_meta(const struct dcm_element *e, const uint8_t *bytes, struct dcm_part10 *out)
{
    const uint8_t *value = bytes + e->value_at;

    switch (e->tag) {
    case 0x00020002:
        copy_trimmed(out->sop_class, sizeof out->sop_class, value, e->value_n);
        break;
    case 0x00020003:
        copy_trimmed(out->sop_instance, sizeof out->sop_instance, value, e->value_n);
        break;
    case 0x00020010:
        copy_trimmed(out->transfer_syntax, sizeof out->transfer_syntax, value, e->value_n);
        break;
    case 0x00020016:
        copy_trimmed(out->source_ae, sizeof out->source_ae, value, e->value_n);
        break;
    default:
        break;
    }
}

static bool
is_letter(uint8_t c)
{
    return c >= 'A' && c <= 'Z';
}

size_t
dcm_stray_meta(const uint8_t *dataset, size_t n)
{
    size_t at = 0;

    while (at < n && n - at >= 8 && le16_read(dataset + at) == 0x0002) {
        const uint8_t *p = dataset + at;
        const char vr[] = {(char)p[4], (char)p[5], '\0'};

        if (!is_letter(p[4]) || !is_letter(p[5])) /* a length, and of so many bytes none is */
            at += 8 + (size_t)le32_read(p + 4);
        else if (!dcm_vr_is_long(vr))
            at += 8 + (size_t)le16_read(p + 6);
        else
            at += 12 + (size_t)(n - at < 12 ? 0 : le32_read(p + 8));
    }
    return at;
}

int
dcm_part10_parse(const uint8_t *bytes, size_t n, struct dcm_part10 *out, struct err *err)
{
    struct dcm_part10 p = {0};
    struct dcm_walk walk;
    struct dcm_element e;
    size_t told_end = 0, stray;

    if (n < MAGIC_END || memcmp(bytes + PREAMBLE_BYTES, "DICM", 4) != 0)
        return err_set(err, ERR_REJECT, "not a DICOM file: no preamble with DICM");
    dcm_walk_init(&walk, bytes, n, DCM_EXPLICIT_LE, DCM_WALK_PREFIX);
    walk.at = MAGIC_END;
    for (;;) {
        p.meta_end = walk.at;
        if (walk.at == told_end && p.transfer_syntax[0] != '\0')
            break;
        if (n - walk.at < 8 || le16_read(bytes + walk.at) != 0x0002)
            break;
        if (dcm_walk_next(&walk, &e, err) < 0)
            return err_context(err, "meta group");
        if (e.event != DCM_ELEMENT)
            return err_set(err, ERR_REJECT, "meta group: broken or cut off");
        if (e.tag == 0x00020000 && e.header_at == MAGIC_END && e.value_n == 4)
            told_end = walk.at + (size_t)le32_read(bytes + e.value_at);
        keep_meta(&e, bytes, &p);
    }
    stray = dcm_stray_meta(bytes + p.meta_end, n - p.meta_end);
    if (stray > n - p.meta_end)
        return err_set(err, ERR_REJECT, "meta group: broken or cut off");
    p.dataset_at = p.meta_end + stray;
    if (p.transfer_syntax[0] == '\0')
        return err_set(err, ERR_REJECT, "meta group: no transfer syntax");
    p.syntax = dcm_syntax_find(p.transfer_syntax);
    if (p.syntax == NULL)
        p.syntax = dcm_syntax_unknown();
    *out = p;
    return 0;
}

int
dcm_part10_dataset(const uint8_t *bytes, size_t n, const struct dcm_part10 *part10,
                   struct buf *room, const uint8_t **out_bytes, size_t *out_n, struct err *err)
{
    size_t used, stray;

    if (!part10->syntax->is_deflated) {
        *out_bytes = bytes + part10->dataset_at;
        *out_n = n - part10->dataset_at;
        return 0;
    }
    buf_clear(room);
    if (zip_inflate_prefix(bytes + part10->dataset_at, n - part10->dataset_at, room, &used, err) <
        0)
        return err_context(err, "deflated data set");
    stray = room->n > 0 ? dcm_stray_meta(room->bytes, room->n) : 0;
    if (stray > room->n)
        stray = 0; /* no data set: the walk says so */
    *out_bytes = room->n > 0 ? room->bytes + stray : bytes + n;
    *out_n = room->n - stray;
    return 0;
}

int
part10_head(struct buf *out, const char *sop_class, const char *sop_instance,
            const char *transfer_syntax, const char *source_ae, struct err *err)
{
    static const uint8_t version[2] = {0, 1}, zeros[PREAMBLE_BYTES] = {0};
    struct dcm_writer w;
    size_t length_at;

    if (!uid_is_valid(sop_class, true) || !uid_is_valid(sop_instance, true) ||
        !uid_is_valid(transfer_syntax, true))
        return err_set(err, ERR_REJECT, "meta group: a UID is not valid");
    buf_add(out, zeros, sizeof zeros);
    buf_add_text(out, "DICM");
    dcm_write_init(&w, out, DCM_EXPLICIT_LE);
    dcm_write_u32(&w, 0x00020000, 0);
    length_at = out->n;
    dcm_write_bytes(&w, 0x00020001, "OB", version, sizeof version);
    dcm_write_text(&w, 0x00020002, "UI", sop_class);
    dcm_write_text(&w, 0x00020003, "UI", sop_instance);
    dcm_write_text(&w, 0x00020010, "UI", transfer_syntax);
    dcm_write_text(&w, 0x00020012, "UI", DCM_IMPLEMENTATION_UID);
    dcm_write_text(&w, 0x00020013, "SH", DCM_IMPLEMENTATION_VERSION);
    if (source_ae != NULL && source_ae[0] != '\0')
        dcm_write_text(&w, 0x00020016, "AE", source_ae);
    if (buf_is_over(out))
        return err_set(err, ERR_REJECT, "meta group: passes its limit");
    le32_write(out->bytes + length_at - 4, (uint32_t)(out->n - length_at));
    return 0;
}
