/* wrap_set.c - elements in any order, and those of patient, study and series that every wrapped
 * instance has (PS3.3 C.7.1, C.7.2, C.7.3, C.7.5, C.12.1). */
#include "proto/dicom/wrap_parts.h"

#include "proto/base/text.h"
#include "proto/dicom/part10.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

void
wrap_set_init(struct wrap_set *s, size_t limit)
{
    *s = (struct wrap_set){.count = 0};
    buf_init(&s->bytes, limit);
}

void
wrap_set_fini(struct wrap_set *s)
{
    buf_fini(&s->bytes);
}

void
wrap_set_begin(struct wrap_set *s, uint32_t tag)
{
    CHECK(s->count < ARRAY_LEN(s->elements));
    s->elements[s->count] = (struct wrap_element){.tag = tag, .at = s->bytes.n};
    dcm_write_init(&s->w, &s->bytes, DCM_EXPLICIT_LE);
}

void
wrap_set_end(struct wrap_set *s)
{
    s->elements[s->count].n = s->bytes.n - s->elements[s->count].at;
    s->count++;
}

void
wrap_text(struct wrap_set *s, uint32_t tag, const char *vr, const char *text)
{
    wrap_set_begin(s, tag);
    dcm_write_text(&s->w, tag, vr, text);
    wrap_set_end(s);
}

void
wrap_u16(struct wrap_set *s, uint32_t tag, uint16_t v)
{
    wrap_set_begin(s, tag);
    dcm_write_u16(&s->w, tag, v);
    wrap_set_end(s);
}

void
wrap_u32(struct wrap_set *s, uint32_t tag, uint32_t v)
{
    wrap_set_begin(s, tag);
    dcm_write_u32(&s->w, tag, v);
    wrap_set_end(s);
}

void
wrap_empty_sequence(struct wrap_set *s, uint32_t tag)
{
    wrap_set_begin(s, tag);
    dcm_write_sequence_begin(&s->w, tag);
    dcm_write_sequence_end(&s->w);
    wrap_set_end(s);
}

static int
by_tag(const void *a, const void *b)
{
    const struct wrap_element *x = a, *y = b;

    return x->tag < y->tag ? -1 : x->tag > y->tag;
}

void
wrap_set_take(struct wrap_set *s, uint32_t from, uint32_t to, struct buf *out)
{
    if (buf_is_over(&s->bytes))
        return;
    qsort(s->elements, s->count, sizeof s->elements[0], by_tag);
    for (unsigned i = 0; i < s->count; i++) {
        const struct wrap_element *e = &s->elements[i];

        CHECK(i == 0 || e->tag != s->elements[i - 1].tag);
        if (e->tag >= from && e->tag < to)
            buf_add(out, s->bytes.bytes + e->at, e->n);
    }
}

static size_t
sign_size(const char *p)
{
    size_t n = 1;

    while ((p[n] & 0xC0) == 0x80)
        n++;
    return n;
}

void
wrap_words(struct dcm_writer *w, uint32_t tag, const char *vr, const char *text, size_t max)
{
    struct buf b;
    size_t count = 0;

    buf_init(&b, 1024);
    if (!text_is_utf8(text, strlen(text)))
        text = "";
    for (const char *p = text; *p != '\0' && count < max; p += sign_size(p), count++)
        if ((unsigned char)*p < 0x20 || *p == 0x7F)
            buf_add_u8(&b, ' ');
        else if (*p == '\\')
            buf_add_u8(&b, '/');
        else
            buf_add(&b, p, sign_size(p));
    dcm_write_bytes(w, tag, vr, b.n > 0 ? (const void *)b.bytes : "", b.n);
    buf_fini(&b);
}

void
wrap_code(struct dcm_writer *w, uint32_t tag, const char *value, const char *scheme,
          const char *meaning)
{
    dcm_write_sequence_begin(w, tag);
    dcm_write_item_begin(w);
    dcm_write_text(w, 0x00080100, "SH", value);
    dcm_write_text(w, 0x00080102, "SH", scheme);
    wrap_words(w, 0x00080104, "LO", meaning, 64);
    dcm_write_item_end(w);
    dcm_write_sequence_end(w);
}

static void
words(struct wrap_set *s, uint32_t tag, const char *vr, const char *text, size_t max)
{
    wrap_set_begin(s, tag);
    wrap_words(&s->w, tag, vr, text, max);
    wrap_set_end(s);
}

static void
put_times(struct wrap_set *s, const struct wrap_identity *to, const struct wrap_source *source,
          const struct wrap_series *series)
{
    char date[9], time[7];

    text_copy(date, sizeof date, series->at[0] != '\0' ? series->at : source->content_date);
    text_copy(time, sizeof time, series->at[0] != '\0' ? series->at + 8 : source->content_time);
    wrap_text(s, 0x00080012, "DA", source->made_date);
    wrap_text(s, 0x00080013, "TM", source->made_time);
    wrap_text(s, 0x00080020, "DA", to->study_date);
    wrap_text(s, 0x00080023, "DA", date);
    wrap_text(s, 0x00080030, "TM", to->study_time);
    wrap_text(s, 0x00080033, "TM", time);
}

static void
put_patient(struct wrap_set *s, const struct wrap_identity *to)
{
    words(s, 0x00080050, "SH", to->accession, 16);
    words(s, 0x00080080, "LO", to->institution, 64);
    words(s, 0x00080090, "PN", to->referring, 64);
    words(s, 0x00081030, "LO", to->study_description, 64);
    words(s, 0x00100010, "PN", to->patient_name, 64);
    words(s, 0x00100020, "LO", to->patient_id, 64);
    wrap_text(s, 0x00100030, "DA", to->birth);
    wrap_text(s, 0x00100040, "CS", to->sex);
    wrap_text(s, 0x0020000D, "UI", to->study_uid);
    words(s, 0x00200010, "SH", to->study_id, 16);
}

static int
vet(const struct wrap_identity *to, struct err *err)
{
    if (!uid_is_valid(to->study_uid, false))
        return err_set(err, ERR_REJECT, "no study to bind to");
    if (to->patient_id[0] == '\0')
        return err_set(err, ERR_REJECT, "no patient to bind to");
    return 0;
}

int
wrap_common(const struct wrap_identity *identity, const struct wrap_source *source,
            const struct wrap_series *series, struct wrap_plan *plan, struct wrap_set *s,
            struct err *err)
{
    char number[16];

    if (vet(identity, err) < 0)
        return -1;
    text_copy(plan->sop_class, sizeof plan->sop_class, series->sop_class);
    text_copy(plan->transfer_syntax, sizeof plan->transfer_syntax, series->transfer_syntax);
    wrap_instance_uid(identity->study_uid, source->sha256, plan->sop_instance);
    wrap_uid("radpost import series", identity->study_uid, series->key, plan->series_uid);
    if (part10_head(&plan->head, plan->sop_class, plan->sop_instance, plan->transfer_syntax, NULL,
                    err) < 0)
        return -1;
    put_times(s, identity, source, series);
    put_patient(s, identity);
    wrap_text(s, 0x00080005, "CS", "ISO_IR 192");
    wrap_text(s, 0x00080016, "UI", plan->sop_class);
    wrap_text(s, 0x00080018, "UI", plan->sop_instance);
    wrap_text(s, 0x00080060, "CS", series->modality);
    words(s, 0x00080070, "LO", series->maker, 64);
    if (series->model[0] != '\0')
        words(s, 0x00081090, "LO", series->model, 64);
    words(s, 0x0008103E, "LO", series->description, 64);
    wrap_text(s, 0x0020000E, "UI", plan->series_uid);
    snprintf(number, sizeof number, "%u", series->number);
    wrap_text(s, 0x00200011, "IS", number);
    snprintf(number, sizeof number, "%u", source->number);
    wrap_text(s, 0x00200013, "IS", number);
    return 0;
}

int
wrap_one_fragment(struct wrap_set *s, size_t n, struct wrap_plan *plan, struct err *err)
{
    static const uint8_t element[] = {0xE0, 0x7F, 0x10, 0x00, 'O',  'B',  0,    0,
                                      0xFF, 0xFF, 0xFF, 0xFF, 0xFE, 0xFF, 0x00, 0xE0,
                                      0,    0,    0,    0,    0xFE, 0xFF, 0x00, 0xE0};
    static const uint8_t delimiter[] = {0xFE, 0xFF, 0xDD, 0xE0, 0, 0, 0, 0};

    if (n > UINT32_MAX - 2)
        return err_set(err, ERR_REJECT, "longer than a fragment can be (4 GiB)");
    wrap_set_take(s, 0, 0x7FE00010, &plan->head);
    buf_add(&plan->head, element, sizeof element);
    buf_add_le32(&plan->head, (uint32_t)(n + n % 2));
    if (n % 2 != 0)
        buf_add_u8(&plan->tail, 0);
    buf_add(&plan->tail, delimiter, sizeof delimiter);
    plan->has_body = true;
    return 0;
}
