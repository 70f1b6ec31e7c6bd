/* doc_parts.c - what a report's DICOM objects have in common. */
#include "reader/compose/doc_parts.h"

#include "proto/base/text.h"
#include "proto/dicom/part10.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define TEXT_MAX ((size_t)1 << 20) /* of one long text */
#define LICENCE_MAX 16             /* SH */

static int vet_uid(const char *uid, const char *name, struct err *err);
static int vet_text(const char *text, const char *name, struct err *err);
static size_t character_size(const char *p);

int
doc_vet(const struct doc_report *r, struct err *err)
{
    const struct {
        const char *name, *text;
    } texts[] = {
        {"patient id", r->patient_id},
        {"issuer", r->issuer},
        {"patient name", r->patient_name},
        {"birth date", r->patient_birth},
        {"sex", r->patient_sex},
        {"study date", r->study_date},
        {"study time", r->study_time},
        {"study id", r->study_id},
        {"accession", r->accession},
        {"description", r->study_description},
        {"referring", r->referring},
        {"clinic", r->clinic},
        {"reason", r->reason},
        {"exam", r->exam},
        {"history", r->history},
        {"findings", r->findings},
        {"impression", r->impression},
        {"author", r->author.name},
        {"reviewer", r->reviewer.name},
        {"hospital", r->reviewer.organisation},
        {"hospital", r->author.organisation},
        {"placer", r->placer_order},
        {"requested id", r->requested_id},
    };

    if (vet_uid(r->study, "study", err) < 0 || vet_uid(r->series, "series", err) < 0 ||
        vet_uid(r->sop_instance, "instance", err) < 0)
        return -1;
    for (size_t i = 0; i < ARRAY_LEN(texts); i++)
        if (vet_text(texts[i].text, texts[i].name, err) < 0)
            return -1;
    if (r->image_count == 0)
        return err_set(err, ERR_REJECT, "no image was read");
    for (size_t i = 0; i < r->image_count; i++)
        if (vet_uid(r->images[i].series, "image's series", err) < 0 ||
            vet_uid(r->images[i].sop_class, "image's class", err) < 0 ||
            vet_uid(r->images[i].sop_instance, "image", err) < 0)
            return -1;
    for (size_t i = 0; i < r->predecessor_count; i++)
        if (vet_uid(r->predecessors[i].series, "predecessor's series", err) < 0 ||
            vet_uid(r->predecessors[i].sop_instance, "predecessor", err) < 0)
            return -1;
    if (doc_said(r->author.name)[0] == '\0')
        return err_set(err, ERR_REJECT, "nobody wrote it");
    if (doc_said(r->reviewer.name)[0] == '\0' && !r->is_preliminary)
        return err_set(err, ERR_REJECT, "a final report without a reviewer");
    if (doc_said(r->findings)[0] == '\0' && doc_said(r->impression)[0] == '\0')
        return err_set(err, ERR_REJECT, "neither findings nor impression");
    return 0;
}

void
doc_times_make(int64_t at_us, struct doc_times *out)
{
    time_t at = (time_t)(at_us / 1000000);
    long minutes;
    struct tm tm = {0};

    (void)localtime_r(&at, &tm);
    minutes = labs(tm.tm_gmtoff) / 60;
    (void)strftime(out->date, sizeof out->date, "%Y%m%d", &tm);
    (void)strftime(out->time, sizeof out->time, "%H%M%S", &tm);
    (void)snprintf(out->zone, sizeof out->zone, "%c%02ld%02ld", tm.tm_gmtoff < 0 ? '-' : '+',
                   minutes / 60 % 15, minutes % 60);
    (void)snprintf(out->moment, sizeof out->moment, "%s%s%s", out->date, out->time, out->zone);
}

const char *
doc_said(const char *text)
{
    return text != NULL ? text : "";
}

void
doc_text(struct dcm_writer *w, uint32_t tag, const char *vr, const char *text, size_t max)
{
    char *room = mem_text(doc_said(text));
    size_t n = 0, count = 0;

    for (const char *p = room; *p != '\0' && count < max; count++) {
        size_t size = character_size(p);

        memmove(room + n, p, size);
        if ((unsigned char)*p < 0x20)
            room[n] = ' ';
        else if (*p == '\\')
            room[n] = '/';
        n += size;
        p += size;
    }
    dcm_write_bytes(w, tag, vr, room, n);
    free(room);
}

void
doc_long_text(struct dcm_writer *w, uint32_t tag, const char *text)
{
    struct buf b;

    buf_init(&b, 2 * TEXT_MAX);
    for (const char *p = doc_said(text); *p != '\0'; p++)
        if (*p == '\n' || (*p == '\r' && p[1] != '\n'))
            buf_add(&b, "\r\n", 2);
        else if ((unsigned char)*p >= 0x20 || *p == '\t')
            buf_add_u8(&b, (uint8_t)*p);
    dcm_write_bytes(w, tag, "UT", b.bytes != NULL ? (const void *)b.bytes : "", b.n);
    buf_fini(&b);
}

void
doc_uid_put(struct dcm_writer *w, uint32_t tag, const char *uid)
{
    dcm_write_text(w, tag, "UI", uid);
}

void
doc_code_put(struct dcm_writer *w, uint32_t tag, const struct doc_code *code)
{
    dcm_write_sequence_begin(w, tag);
    if (code != NULL) {
        dcm_write_item_begin(w);
        dcm_write_text(w, 0x00080100, "SH", code->value);
        dcm_write_text(w, 0x00080102, "SH", code->scheme);
        doc_text(w, 0x00080104, "LO", code->meaning, 64);
        dcm_write_item_end(w);
    }
    dcm_write_sequence_end(w);
}

void
doc_empty_sequence(struct dcm_writer *w, uint32_t tag)
{
    doc_code_put(w, tag, NULL);
}

const struct doc_code *
doc_title(const struct doc_report *r)
{
    static const struct doc_code imaging = {"18748-4", "LN", "Diagnostic imaging study"},
                                 ecg = {"11524-6", "LN", "EKG study"};

    return strcmp(doc_said(r->modality), "ECG") == 0 ? &ecg : &imaging;
}

bool
doc_licence(const struct doc_person *p, struct doc_code *out)
{
    const char *licence = doc_said(p->licence);

    if (licence[0] == '\0' || strlen(licence) > LICENCE_MAX || strpbrk(licence, "\\\r\n\t") != NULL)
        return false;
    *out = (struct doc_code){licence, "99RADPOST", p->name};
    return true;
}

void
doc_head_put(struct dcm_writer *w, const struct doc_report *r, const struct doc_head *head,
             const struct doc_times *at)
{
    const struct doc_person *by =
        r->reviewer.name != NULL && r->reviewer.name[0] != '\0' ? &r->reviewer : &r->author;
    char number[16];

    dcm_write_text(w, 0x00080005, "CS", "ISO_IR 192");
    dcm_write_text(w, 0x00080012, "DA", at->date);
    dcm_write_text(w, 0x00080013, "TM", at->time);
    doc_uid_put(w, 0x00080016, head->sop_class);
    doc_uid_put(w, 0x00080018, r->sop_instance);
    dcm_write_text(w, 0x00080020, "DA", doc_said(r->study_date));
    dcm_write_text(w, 0x00080023, "DA", at->date);
    if (head->conversion != NULL) /* an encapsulated document */
        dcm_write_text(w, 0x0008002A, "DT", "");
    dcm_write_text(w, 0x00080030, "TM", doc_said(r->study_time));
    dcm_write_text(w, 0x00080033, "TM", at->time);
    doc_text(w, 0x00080050, "SH", r->accession, 16);
    dcm_write_text(w, 0x00080060, "CS", head->modality);
    if (head->conversion != NULL)
        dcm_write_text(w, 0x00080064, "CS", head->conversion);
    dcm_write_text(w, 0x00080070, "LO", "Radpost");
    doc_text(w, 0x00080080, "LO", by->organisation, 64);
    doc_text(w, 0x00080090, "PN", r->referring, 192);
    dcm_write_text(w, 0x00080201, "SH", at->zone);
    doc_text(w, 0x00081030, "LO", r->study_description, 64);
    doc_text(w, 0x0008103E, "LO", head->series_description, 64);
    dcm_write_text(w, 0x00081090, "LO", "Radpost reader");
    if (head->conversion == NULL)
        doc_empty_sequence(w, 0x00081111); /* type 2 in SR, and never empty elsewhere */
    doc_text(w, 0x00100010, "PN", r->patient_name, 192);
    doc_text(w, 0x00100020, "LO", r->patient_id, 64);
    if (doc_said(r->issuer)[0] != '\0')
        doc_text(w, 0x00100021, "LO", r->issuer, 64);
    dcm_write_text(w, 0x00100030, "DA", doc_said(r->patient_birth));
    dcm_write_text(w, 0x00100040, "CS", doc_said(r->patient_sex));
    dcm_write_text(w, 0x00181020, "LO", RADPOST_VERSION);
    doc_uid_put(w, 0x0020000D, r->study);
    doc_uid_put(w, 0x0020000E, r->series);
    doc_text(w, 0x00200010, "SH", r->study_id, 16);
    (void)snprintf(number, sizeof number, "%d", head->series_number);
    dcm_write_text(w, 0x00200011, "IS", number);
    (void)snprintf(number, sizeof number, "%u", r->version);
    dcm_write_text(w, 0x00200013, "IS", number);
}

void
doc_predecessors_put(struct dcm_writer *w, const struct doc_report *r, const char *sop_class)
{
    if (r->predecessor_count == 0)
        return;
    dcm_write_sequence_begin(w, 0x0040A360);
    dcm_write_item_begin(w);
    dcm_write_sequence_begin(w, 0x00081115);
    for (size_t i = 0; i < r->predecessor_count; i++) {
        dcm_write_item_begin(w);
        dcm_write_sequence_begin(w, 0x00081199);
        dcm_write_item_begin(w);
        doc_uid_put(w, 0x00081150, sop_class);
        doc_uid_put(w, 0x00081155, r->predecessors[i].sop_instance);
        dcm_write_item_end(w);
        dcm_write_sequence_end(w);
        doc_uid_put(w, 0x0020000E, r->predecessors[i].series);
        dcm_write_item_end(w);
    }
    dcm_write_sequence_end(w);
    doc_uid_put(w, 0x0020000D, r->study);
    dcm_write_item_end(w);
    dcm_write_sequence_end(w);
}

static int
vet_uid(const char *uid, const char *name, struct err *err)
{
    return uid != NULL && uid_is_valid(uid, true) ? 0
                                                  : err_set(err, ERR_REJECT, "%s: not a UID", name);
}

static int
vet_text(const char *text, const char *name, struct err *err)
{
    size_t n = strlen(doc_said(text));

    if (n > TEXT_MAX)
        return err_set(err, ERR_REJECT, "%s: %zu bytes", name, n);
    return text_is_utf8(doc_said(text), n) ? 0 : err_set(err, ERR_REJECT, "%s: not UTF-8", name);
}

/* Of vetted UTF-8. */
static size_t
character_size(const char *p)
{
    unsigned char c = (unsigned char)*p;

    return c < 0x80 ? 1 : c < 0xE0 ? 2 : c < 0xF0 ? 3 : 4;
}
