/* doc_sr.c - a report as Basic Text SR (PS3.3 A.35.1), its tree like TID 2000 of PS3.16. */
#include "reader/compose/doc_parts.h"

#include "proto/dicom/part10.h"
#include "proto/trust/digest.h"

#include <stdlib.h>
#include <string.h>

#define SERIES_NUMBER 9901

/* A section of the document: a heading (CID 7001) and its text (CID 7002). */
struct section {
    struct doc_code heading, element;
    const char *text;
};

static void write_document(struct dcm_writer *w, const struct doc_report *r,
                           const struct doc_times *at);
static void write_verifier(struct dcm_writer *w, const struct doc_report *r,
                           const struct doc_times *at);
static void write_author(struct dcm_writer *w, const struct doc_person *p);
static void write_request(struct dcm_writer *w, const struct doc_report *r);
static void write_evidence(struct dcm_writer *w, const struct doc_report *r);
static void write_content(struct dcm_writer *w, const struct doc_report *r);
static void write_context(struct dcm_writer *w, const struct doc_report *r);
static void write_section(struct dcm_writer *w, const struct section *s);
static void item_begin(struct dcm_writer *w, const char *relationship, const char *type,
                       const struct doc_code *name);
static void item_end(struct dcm_writer *w);
static int by_series(const void *a, const void *b);

void
doc_uid(const void *seed, size_t n, const char *word, char out[DOC_UID_BYTES])
{
    uint8_t hash[DIGEST_BYTES];
    struct digest *d = digest_new();

    digest_add(d, "radpost document uid", 21);
    digest_add(d, word, strlen(word) + 1);
    digest_add(d, seed, n);
    digest_take(d, hash);
    digest_free(&d);
    digest_uid(hash, out);
}

int
doc_sr(const struct doc_report *report, struct buf *out, struct err *err)
{
    const struct doc_head head = {.sop_class = DOC_CLASS_SR,
                                  .modality = "SR",
                                  .series_description = "诊断报告 Diagnostic Report",
                                  .series_number = SERIES_NUMBER};
    struct doc_times at;
    struct dcm_writer w;

    if (doc_vet(report, err) < 0 ||
        part10_head(out, DOC_CLASS_SR, report->sop_instance, DOC_SYNTAX, NULL, err) < 0)
        return err_context(err, "SR");
    doc_times_make(report->signed_at_us, &at);
    dcm_write_init(&w, out, DCM_EXPLICIT_LE);
    doc_head_put(&w, report, &head, &at);
    write_document(&w, report, &at);
    write_content(&w, report);
    return buf_is_over(out) ? err_set(err, ERR_REJECT, "SR: longer than its limit") : 0;
}

/* SR Document General (PS3.3 C.17.2) and the head of the tree. */
static void
write_document(struct dcm_writer *w, const struct doc_report *r, const struct doc_times *at)
{
    bool is_verified = !r->is_preliminary;

    dcm_write_text(w, 0x0040A040, "CS", "CONTAINER");
    doc_code_put(w, 0x0040A043, doc_title(r));
    dcm_write_text(w, 0x0040A050, "CS", "SEPARATE");
    if (is_verified)
        write_verifier(w, r, at);
    write_author(w, &r->author);
    doc_predecessors_put(w, r, DOC_CLASS_SR);
    write_request(w, r);
    doc_empty_sequence(w, 0x0040A372); /* performed procedure: the clinic says it in words only */
    write_evidence(w, r);
    dcm_write_text(w, 0x0040A491, "CS", "COMPLETE");
    dcm_write_text(w, 0x0040A493, "CS", is_verified ? "VERIFIED" : "UNVERIFIED");
    dcm_write_text(w, 0x0040A496, "CS", is_verified ? "FINAL" : "PRELIMINARY");
    dcm_write_sequence_begin(w, 0x0040A504);
    dcm_write_item_begin(w);
    dcm_write_text(w, 0x00080105, "CS", "DCMR");
    dcm_write_text(w, 0x0040DB00, "CS", "2000");
    dcm_write_item_end(w);
    dcm_write_sequence_end(w);
}

static void
write_verifier(struct dcm_writer *w, const struct doc_report *r, const struct doc_times *at)
{
    struct doc_code licence;

    dcm_write_sequence_begin(w, 0x0040A073);
    dcm_write_item_begin(w);
    doc_text(w, 0x0040A027, "LO", r->reviewer.organisation, 64);
    dcm_write_text(w, 0x0040A030, "DT", at->moment);
    doc_text(w, 0x0040A075, "PN", r->reviewer.name, 64);
    doc_code_put(w, 0x0040A088, doc_licence(&r->reviewer, &licence) ? &licence : NULL);
    dcm_write_item_end(w);
    dcm_write_sequence_end(w);
}

static void
write_author(struct dcm_writer *w, const struct doc_person *p)
{
    struct doc_code licence;

    dcm_write_sequence_begin(w, 0x0040A078);
    dcm_write_item_begin(w);
    doc_text(w, 0x00080080, "LO", p->organisation, 64);
    doc_empty_sequence(w, 0x00080082);
    doc_code_put(w, 0x00401101, doc_licence(p, &licence) ? &licence : NULL);
    dcm_write_text(w, 0x0040A084, "CS", "PSN");
    doc_text(w, 0x0040A123, "PN", p->name, 64);
    dcm_write_item_end(w);
    dcm_write_sequence_end(w);
}

static void
write_request(struct dcm_writer *w, const struct doc_report *r)
{
    if (doc_said(r->accession)[0] == '\0' && doc_said(r->placer_order)[0] == '\0' &&
        doc_said(r->requested_id)[0] == '\0')
        return;
    dcm_write_sequence_begin(w, 0x0040A370);
    dcm_write_item_begin(w);
    doc_text(w, 0x00080050, "SH", r->accession, 16);
    doc_empty_sequence(w, 0x00081110);
    doc_uid_put(w, 0x0020000D, r->study);
    doc_text(w, 0x00321060, "LO", r->exam, 64);
    doc_empty_sequence(w, 0x00321064);
    doc_text(w, 0x00401001, "SH", r->requested_id, 16);
    doc_text(w, 0x00402016, "LO", r->placer_order, 64);
    dcm_write_text(w, 0x00402017, "LO", "");
    dcm_write_item_end(w);
    dcm_write_sequence_end(w);
}

/* The images that were read, all in this study, by series. */
static void
write_evidence(struct dcm_writer *w, const struct doc_report *r)
{
    const struct doc_image **sorted = mem_new(r->image_count * sizeof *sorted);

    for (size_t i = 0; i < r->image_count; i++)
        sorted[i] = &r->images[i];
    qsort(sorted, r->image_count, sizeof *sorted, by_series);
    dcm_write_sequence_begin(w, 0x0040A375);
    dcm_write_item_begin(w);
    dcm_write_sequence_begin(w, 0x00081115);
    for (size_t i = 0, end; i < r->image_count; i = end) {
        dcm_write_item_begin(w);
        dcm_write_sequence_begin(w, 0x00081199);
        for (end = i; end < r->image_count && strcmp(sorted[end]->series, sorted[i]->series) == 0;
             end++) {
            dcm_write_item_begin(w);
            doc_uid_put(w, 0x00081150, sorted[end]->sop_class);
            doc_uid_put(w, 0x00081155, sorted[end]->sop_instance);
            dcm_write_item_end(w);
        }
        dcm_write_sequence_end(w);
        doc_uid_put(w, 0x0020000E, sorted[i]->series);
        dcm_write_item_end(w);
    }
    dcm_write_sequence_end(w);
    doc_uid_put(w, 0x0020000D, r->study);
    dcm_write_item_end(w);
    dcm_write_sequence_end(w);
    free(sorted);
}

static void
write_content(struct dcm_writer *w, const struct doc_report *r)
{
    const struct section sections[] = {
        {{"121060", "DCM", "History"}, {"121060", "DCM", "History"}, r->history},
        {{"121064", "DCM", "Current Procedure Descriptions"},
         {"121065", "DCM", "Procedure Description"},
         r->exam},
        {{"121064", "DCM", "Current Procedure Descriptions"},
         {"121065", "DCM", "Procedure Description"},
         r->missing},
        {{"121070", "DCM", "Findings"}, {"121071", "DCM", "Finding"}, r->findings},
        {{"121072", "DCM", "Impressions"}, {"121073", "DCM", "Impression"}, r->impression},
        {{"55107-7", "LN", "Addendum"}, {"121106", "DCM", "Comment"}, r->reason},
    };

    dcm_write_sequence_begin(w, 0x0040A730);
    write_context(w, r);
    for (size_t i = 0; i < ARRAY_LEN(sections); i++)
        if (doc_said(sections[i].text)[0] != '\0')
            write_section(w, &sections[i]);
    dcm_write_sequence_end(w);
}

/* Language (TID 1204) and who observed (TID 1001, 1003). */
static void
write_context(struct dcm_writer *w, const struct doc_report *r)
{
    const struct doc_code chinese = {"zh-CN", "RFC5646", "Chinese (China)"},
                          person = {"121006", "DCM", "Person"};

    item_begin(w, "HAS CONCEPT MOD", "CODE",
               &(struct doc_code){"121049", "DCM", "Language of Content Item and Descendants"});
    doc_code_put(w, 0x0040A168, &chinese);
    item_end(w);
    item_begin(w, "HAS OBS CONTEXT", "CODE", &(struct doc_code){"121005", "DCM", "Observer Type"});
    doc_code_put(w, 0x0040A168, &person);
    item_end(w);
    item_begin(w, "HAS OBS CONTEXT", "PNAME",
               &(struct doc_code){"121008", "DCM", "Person Observer Name"});
    doc_text(w, 0x0040A123, "PN", r->author.name, 64);
    item_end(w);
    if (doc_said(r->author.organisation)[0] != '\0') {
        item_begin(w, "HAS OBS CONTEXT", "TEXT",
                   &(struct doc_code){"121009", "DCM", "Person Observer's Organization Name"});
        doc_long_text(w, 0x0040A160, r->author.organisation);
        item_end(w);
    }
}

static void
write_section(struct dcm_writer *w, const struct section *s)
{
    item_begin(w, "CONTAINS", "CONTAINER", &s->heading);
    dcm_write_text(w, 0x0040A050, "CS", "SEPARATE");
    dcm_write_sequence_begin(w, 0x0040A730);
    item_begin(w, "CONTAINS", "TEXT", &s->element);
    doc_long_text(w, 0x0040A160, s->text);
    item_end(w);
    dcm_write_sequence_end(w);
    item_end(w);
}

static void
item_begin(struct dcm_writer *w, const char *relationship, const char *type,
           const struct doc_code *name)
{
    dcm_write_item_begin(w);
    dcm_write_text(w, 0x0040A010, "CS", relationship);
    dcm_write_text(w, 0x0040A040, "CS", type);
    doc_code_put(w, 0x0040A043, name);
}

static void
item_end(struct dcm_writer *w)
{
    dcm_write_item_end(w);
}

static int
by_series(const void *a, const void *b)
{
    const struct doc_image *const *x = a, *const *y = b;
    int order = strcmp((*x)->series, (*y)->series);

    return order != 0 ? order : strcmp((*x)->sop_instance, (*y)->sop_instance);
}
