/* write.c - small data sets. */
#include "proto/dicom/write.h"

#include <string.h>

static const uint32_t UNDEFINED = 0xFFFFFFFF;

void
dcm_write_init(struct dcm_writer *w, struct buf *out, enum dcm_coding coding)
{
    CHECK(coding != DCM_EXPLICIT_BE);
    *w = (struct dcm_writer){.out = out, .coding = coding};
}

static void
write_tag(struct dcm_writer *w, uint32_t tag)
{
    buf_add_le16(w->out, (uint16_t)(tag >> 16));
    buf_add_le16(w->out, (uint16_t)tag);
}

static void
write_header(struct dcm_writer *w, uint32_t tag, const char *vr, uint32_t length)
{
    if (w->depth == 0) {
        CHECK(tag > w->last_tag || w->last_tag == 0);
        w->last_tag = tag;
    }
    write_tag(w, tag);
    if (w->coding == DCM_IMPLICIT_LE) {
        buf_add_le32(w->out, length);
        return;
    }
    if (!dcm_vr_is_long(vr) && length > 0xFFFE)
        vr = "UN"; /* PS3.5 6.2.2 note 4 */
    buf_add(w->out, vr, 2);
    if (dcm_vr_is_long(vr)) {
        buf_add_le16(w->out, 0);
        buf_add_le32(w->out, length);
    } else {
        buf_add_le16(w->out, (uint16_t)length);
    }
}

void
dcm_write_bytes(struct dcm_writer *w, uint32_t tag, const char *vr, const void *bytes, size_t n)
{
    CHECK(n < UNDEFINED - 1);
    if (vr == NULL)
        vr = dcm_dict_vr(tag, false);
    write_header(w, tag, vr, (uint32_t)(n + n % 2));
    buf_add(w->out, bytes, n);
    if (n % 2 != 0)
        buf_add_u8(w->out, dcm_vr_is_text(vr) ? ' ' : 0);
}

void
dcm_write_text(struct dcm_writer *w, uint32_t tag, const char *vr, const char *text)
{
    dcm_write_bytes(w, tag, vr, text, strlen(text));
}

void
dcm_write_u16(struct dcm_writer *w, uint32_t tag, uint16_t v)
{
    uint8_t p[2] = {(uint8_t)v, (uint8_t)(v >> 8)};

    dcm_write_bytes(w, tag, "US", p, sizeof p);
}

void
dcm_write_u32(struct dcm_writer *w, uint32_t tag, uint32_t v)
{
    uint8_t p[4];

    le32_write(p, v);
    dcm_write_bytes(w, tag, "UL", p, sizeof p);
}

void
dcm_write_tag(struct dcm_writer *w, uint32_t tag, uint32_t v)
{
    uint8_t p[4];

    le32_write(p, v >> 16 | v << 16);
    dcm_write_bytes(w, tag, "AT", p, sizeof p);
}

void
dcm_write_sequence_begin(struct dcm_writer *w, uint32_t tag)
{
    write_header(w, tag, "SQ", UNDEFINED);
    w->depth++;
}

void
dcm_write_item_begin(struct dcm_writer *w)
{
    CHECK(w->depth > 0);
    write_tag(w, 0xFFFEE000);
    buf_add_le32(w->out, UNDEFINED);
}

void
dcm_write_item_end(struct dcm_writer *w)
{
    write_tag(w, 0xFFFEE00D);
    buf_add_le32(w->out, 0);
}

void
dcm_write_sequence_end(struct dcm_writer *w)
{
    CHECK(w->depth > 0);
    w->depth--;
    write_tag(w, 0xFFFEE0DD);
    buf_add_le32(w->out, 0);
}

void
dcm_write_command_begin(struct dcm_writer *w, struct buf *out)
{
    dcm_write_init(w, out, DCM_IMPLICIT_LE);
    dcm_write_u32(w, 0x00000000, 0);
    w->group_length_at = out->n - 4;
    w->last_tag = 0;
}

void
dcm_write_command_end(struct dcm_writer *w)
{
    if (buf_is_over(w->out))
        return;
    le32_write(w->out->bytes + w->group_length_at, (uint32_t)(w->out->n - w->group_length_at - 4));
}
