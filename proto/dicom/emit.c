/* emit.c - walked elements in another coding. */
#include "proto/dicom/emit.h"

#include <string.h>

static const uint32_t UNDEFINED = 0xFFFFFFFF;

void
emit_init(struct emitter *m, struct buf *out, enum dcm_coding coding)
{
    CHECK(coding != DCM_EXPLICIT_BE);
    m->out = out;
    m->coding = coding;
    m->top = 0;
}

/* A short VR cannot say a long value (PS3.5 6.2.2 note 4). */
static const char *
emit_vr(const char *vr, size_t length)
{
    return length > 0xFFFE && !dcm_vr_is_long(vr) ? "UN" : vr;
}

void
emit_header(struct buf *out, enum dcm_coding coding, uint32_t tag, const char *vr, uint32_t length)
{
    buf_add_le16(out, (uint16_t)(tag >> 16));
    buf_add_le16(out, (uint16_t)tag);
    if (coding == DCM_IMPLICIT_LE || tag >> 16 == 0xFFFE) {
        buf_add_le32(out, length);
        return;
    }
    vr = emit_vr(vr, length);
    buf_add(out, vr, 2);
    if (dcm_vr_is_long(vr)) {
        buf_add_le16(out, 0);
        buf_add_le32(out, length);
    } else {
        buf_add_le16(out, (uint16_t)length);
    }
}

void
emit_value(struct buf *out, const struct dcm_element *e, const uint8_t *value)
{
    unsigned word = e->coding == DCM_EXPLICIT_BE ? dcm_vr_word(e->vr) : 1;
    size_t whole = e->value_n - e->value_n % word;
    uint8_t *to;

    if (word == 1) {
        buf_add(out, value, e->value_n);
        return;
    }
    to = buf_reserve(out, e->value_n);
    if (to == NULL)
        return;
    for (size_t i = 0; i < whole; i += word)
        for (unsigned k = 0; k < word; k++)
            to[i + k] = value[i + word - 1 - k];
    memcpy(to + whole, value + whole, e->value_n - whole);
    out->n += e->value_n;
}

static void
open_container(struct emitter *m, const struct dcm_element *e, const char *vr)
{
    emit_header(m->out, m->coding, e->tag, vr, e->length);
    m->length_at[m->top++] = e->length == UNDEFINED ? SIZE_MAX : m->out->n - 4;
}

static int
close_container(struct emitter *m, const struct dcm_element *e, struct err *err)
{
    size_t at, n;

    CHECK(m->top > 0);
    at = m->length_at[--m->top];
    if (at == SIZE_MAX) {
        emit_header(m->out, m->coding, e->tag, "", 0);
        return 0;
    }
    if (buf_is_over(m->out))
        return 0;
    n = m->out->n - at - 4;
    if (n >= UNDEFINED)
        return err_set(err, ERR_REJECT, "convert: a sequence of more than 32 bits");
    le32_write(m->out->bytes + at, (uint32_t)n);
    return 0;
}

static int
emit_fragments(struct emitter *m, const struct dcm_element *e, const uint8_t *dataset,
               struct err *err)
{
    if (m->coding == DCM_IMPLICIT_LE)
        return err_set(err, ERR_REJECT, "convert: encapsulated pixels have no implicit form");
    if (e->event == DCM_FRAGMENT) {
        emit_header(m->out, m->coding, e->tag, "", (uint32_t)(e->value_n + e->value_n % 2));
        buf_add(m->out, dataset + e->value_at, e->value_n);
        if (e->value_n % 2 != 0)
            buf_add_u8(m->out, 0);
        return 0;
    }
    open_container(m, e, e->vr);
    return 0;
}

int
emit_event(struct emitter *m, const struct dcm_element *e, const uint8_t *dataset, struct err *err)
{
    switch (e->event) {
    case DCM_ELEMENT:
        emit_header(m->out, m->coding, e->tag, e->vr, (uint32_t)(e->value_n + e->value_n % 2));
        emit_value(m->out, e, dataset + e->value_at);
        if (e->value_n % 2 != 0)
            buf_add_u8(m->out, dcm_vr_is_text(emit_vr(e->vr, e->value_n)) ? ' ' : 0);
        return 0;
    case DCM_SEQUENCE:
        open_container(m, e, "SQ");
        return 0;
    case DCM_ITEM:
        open_container(m, e, "");
        return 0;
    case DCM_ITEM_END:
    case DCM_SEQUENCE_END:
    case DCM_FRAGMENTS_END:
        return close_container(m, e, err);
    case DCM_FRAGMENTS:
    case DCM_FRAGMENT:
        return emit_fragments(m, e, dataset, err);
    case DCM_END:
        return 0;
    }
    return 0;
}
