/* his_dicom.c - a report to the clinic's PACS: SR and Encapsulated PDF by C-STORE, as they are in
 * the archive. A withdrawal goes as one more Encapsulated PDF in the study: the report's, stamped
 * on every page that it counts no longer. Sent twice, an object has the same UID. */
#include "gateway/desk/his_send.h"

#include "gateway/desk/his_report.h"
#include "proto/base/clock.h"
#include "proto/base/text.h"
#include "proto/dicom/convert.h"
#include "proto/dicom/dimse.h"
#include "proto/dicom/facts.h"
#include "proto/dicom/part10.h"
#include "proto/dicom/wrap.h"
#include "proto/trust/digest.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define SR_CLASS "1.2.840.10008.5.1.4.1.1.88.11"
#define PDF_CLASS "1.2.840.10008.5.1.4.1.1.104.1"
#define OBJECT_BYTES ((size_t)64 << 20)

/* A Part 10 file in explicit little endian. */
struct object {
    const char *word; /* for the receipt */
    uint8_t *bytes;
    size_t n;
};

/* ---- what goes ---- */

static void
time_words(int64_t at_us, char date[9], char time_of_day[7])
{
    time_t at = (time_t)(at_us / 1000000);
    struct tm tm;

    localtime_r(&at, &tm);
    if (strftime(date, 9, "%Y%m%d", &tm) == 0 || strftime(time_of_day, 7, "%H%M%S", &tm) == 0)
        date[0] = time_of_day[0] = '\0';
}

/* Whose: as the version's own SR says, so that it files beside it; else as the clinic knows. */
static int
whose(struct book *book, const struct his_delivery *d, const struct his_report *r,
      struct wrap_identity *w, struct err *err)
{
    struct dcm_facts *facts = mem_new(sizeof *facts);
    const struct order *o = &r->order;
    uint8_t *sr = NULL;
    size_t n = 0;
    bool has_facts = his_document_get(book, d->read, d->version, "sr", &sr, &n, err) == 0 &&
                     dcm_facts_read(sr, n, false, facts, err) == 0;

    err_clear(err);
    memset(w, 0, sizeof *w);
    (void)text_copy(w->study_uid, sizeof w->study_uid, r->study);
    (void)text_copy(w->patient_id, sizeof w->patient_id,
                    has_facts ? facts->patient_id : o->patient_id);
    (void)text_copy(w->patient_name, sizeof w->patient_name,
                    has_facts ? facts->patient_name : o->name);
    (void)text_copy(w->birth, sizeof w->birth, has_facts ? facts->birth_date : o->birth);
    (void)text_copy(w->sex, sizeof w->sex, has_facts ? facts->sex : o->sex);
    (void)text_copy(w->accession, sizeof w->accession, has_facts ? facts->accession : o->accession);
    (void)text_copy(w->study_id, sizeof w->study_id, has_facts ? facts->study_id : "");
    (void)text_copy(w->study_date, sizeof w->study_date, has_facts ? facts->study_date : "");
    (void)text_copy(w->study_time, sizeof w->study_time, has_facts ? facts->study_time : "");
    (void)text_copy(w->study_description, sizeof w->study_description,
                    has_facts ? facts->study_description : o->description);
    free(sr);
    free(facts);
    return w->patient_id[0] != '\0' ? 0
                                    : err_set(err, ERR_REJECT, "whose report it is is not known");
}

static int
wrap_withdrawn(const struct his_report *r, const struct wrap_identity *w, struct object *out,
               struct err *err)
{
    struct wrap_source source = {.bytes = r->pdf, .n = r->pdf_n, .number = r->version};
    struct wrap_plan plan;
    struct buf file;

    digest_bytes(r->pdf, r->pdf_n, source.sha256);
    time_words(r->signed_at_us, source.content_date, source.content_time);
    time_words(r->signed_at_us, source.made_date, source.made_time);
    if (wrap_plan_make(w, &source, &plan, err) < 0)
        return err_context(err, "the withdrawn report");
    buf_init(&file, OBJECT_BYTES);
    buf_add(&file, plan.head.bytes, plan.head.n);
    buf_add(&file, r->pdf, r->pdf_n);
    buf_add(&file, plan.tail.bytes, plan.tail.n);
    wrap_plan_fini(&plan);
    out->word = "PDF (withdrawn)";
    out->bytes = buf_take(&file, &out->n);
    buf_fini(&file);
    return 0;
}

static int
get_withdrawn(struct book *book, const struct his_delivery *d, struct object *out, struct err *err)
{
    struct his_report *r = mem_new(sizeof *r);
    struct wrap_identity *w = mem_new(sizeof *w);
    int rc = -1;

    if (his_report_get(book, d, true, r, err) == 0) {
        rc = whose(book, d, r, w, err);
        if (rc == 0)
            rc = wrap_withdrawn(r, w, out, err);
        his_report_fini(r);
    }
    free(w);
    free(r);
    return rc;
}

/* out has two places. */
static int
get_objects(struct book *book, const struct his_delivery *d, struct object *out, size_t *out_n,
            struct err *err)
{
    if (d->is_withdrawal) {
        *out_n = 1;
        return get_withdrawn(book, d, &out[0], err);
    }
    out[0].word = "SR";
    out[1].word = "PDF";
    *out_n = 2;
    if (his_document_get(book, d->read, d->version, "sr", &out[0].bytes, &out[0].n, err) < 0)
        return -1;
    return his_document_get(book, d->read, d->version, "pdf", &out[1].bytes, &out[1].n, err);
}

/* ---- sending ---- */

static int
send_dataset(struct dimse_assoc *assoc, const struct dimse_context *context, const struct object *o,
             const struct dcm_part10 *file, struct err *err)
{
    const struct dcm_change same = {.transfer_syntax = DCM_UID_IMPLICIT_LE};
    struct buf head, tail;
    struct dcm_part10 at;
    int rc = -1;

    if (strcmp(context->transfer_syntax, DCM_UID_IMPLICIT_LE) != 0)
        return dimse_send_data(assoc, context->id, o->bytes + file->dataset_at,
                               o->n - file->dataset_at, true, err);
    buf_init(&head, OBJECT_BYTES);
    buf_init(&tail, OBJECT_BYTES);
    if (dcm_rewrite(o->bytes, o->n, &same, DCM_IMPLICIT_LE, &head, &tail, err) == 0 &&
        dcm_part10_parse(head.bytes, head.n, &at, err) == 0) {
        buf_add(&head, tail.bytes, tail.n);
        rc = dimse_send_data(assoc, context->id, head.bytes + at.dataset_at, head.n - at.dataset_at,
                             true, err);
    }
    buf_fini(&tail);
    buf_fini(&head);
    return rc;
}

/* PS3.4 B.2.3: what cannot be now, and what never will be. */
static int
judge(const struct object *o, uint16_t status, struct err *err)
{
    bool is_warning = (status & 0xF000) == 0xB000 || status == DIMSE_ATTRIBUTES_IGNORED ||
                      status == DIMSE_VALUE_OUT_OF_RANGE;
    bool is_retried = (status & 0xFF00) == 0xA700 || status == DIMSE_PROCESSING_FAILURE ||
                      status == DIMSE_RESOURCE_LIMITATION;

    if (status == DIMSE_SUCCESS || is_warning || status == DIMSE_DUPLICATE_INSTANCE)
        return 0;
    return err_set(err, is_retried ? ERR_RETRY : ERR_REJECT, "the PACS answered the %s with %04XH",
                   o->word, status);
}

static int
store(struct dimse_assoc *assoc, const struct object *o, uint16_t message_id, uint16_t *out_status,
      struct err *err)
{
    const struct dimse_context *context;
    struct dimse_command rq = {
        .field = DIMSE_C_STORE_RQ, .message_id = message_id, .has_data = true};
    struct dimse_command rsp;
    struct dcm_part10 file;

    if (dcm_part10_parse(o->bytes, o->n, &file, err) < 0)
        return -1;
    context = dimse_context_for(assoc, file.sop_class, DCM_UID_EXPLICIT_LE);
    if (context == NULL)
        context = dimse_context_for(assoc, file.sop_class, DCM_UID_IMPLICIT_LE);
    if (context == NULL)
        return err_set(err, ERR_REJECT, "the PACS does not take the %s's class", o->word);
    rq.context = context->id;
    (void)text_copy(rq.sop_class, sizeof rq.sop_class, file.sop_class);
    (void)text_copy(rq.sop_instance, sizeof rq.sop_instance, file.sop_instance);
    if (dimse_send_command(assoc, &rq, err) < 0 ||
        send_dataset(assoc, context, o, &file, err) < 0 || dimse_next_command(assoc, &rsp, err) < 0)
        return -1;
    if (rsp.field != DIMSE_C_STORE_RSP || rsp.responded_id != message_id)
        return err_set(err, ERR_RETRY, "something else than the answer to the C-STORE");
    if (rsp.has_data && dimse_skip_data(assoc, err) < 0)
        return -1;
    *out_status = rsp.status;
    return judge(o, rsp.status, err);
}

/* An association that is refused is the PACS's settings: mended there, it goes on by itself. */
static int
call(const struct his_targets *t, struct dimse_assoc **out, struct err *err)
{
    static const char *const plain[] = {DCM_UID_EXPLICIT_LE, DCM_UID_IMPLICIT_LE};
    static const char *const implicit[] = {DCM_UID_IMPLICIT_LE};
    const struct dimse_proposal proposals[] = {
        {SR_CLASS, plain, ARRAY_LEN(plain), false},
        {PDF_CLASS, plain, ARRAY_LEN(plain), false},
        {SR_CLASS, implicit, ARRAY_LEN(implicit), false},
        {PDF_CLASS, implicit, ARRAY_LEN(implicit), false},
    };
    const struct dimse_connect_options to = {.host = t->dicom_host,
                                             .port = t->dicom_port,
                                             .calling = t->s->dicom_calling,
                                             .called = t->ae};
    int rc = dimse_connect(&to, proposals, ARRAY_LEN(proposals), out, err);

    if (rc < 0)
        err->kind = ERR_RETRY;
    return rc;
}

static int
send_all(const struct his_targets *t, const struct object *objects, size_t n,
         char receipt[HIS_RECEIPT_SIZE], struct err *err)
{
    struct dimse_assoc *assoc = NULL;
    struct err end = {0};
    size_t said = 0;
    int rc = call(t, &assoc, err);

    for (size_t i = 0; i < n && rc == 0; i++) {
        uint16_t status = 0;

        rc = store(assoc, &objects[i], (uint16_t)(i + 1), &status, err);
        if (rc == 0 && said < HIS_RECEIPT_SIZE)
            said += (size_t)snprintf(receipt + said, HIS_RECEIPT_SIZE - said, "%s%s %04XH",
                                     i > 0 ? ", " : "", objects[i].word, status);
    }
    if (rc == 0 && dimse_release(&assoc, &end) < 0)
        err_clear(&end); /* it has answered: how it hangs up does not matter */
    dimse_abort(&assoc);
    return rc;
}

int
his_send_dicom(const struct his_targets *t, struct book *book, const struct his_delivery *d,
               char receipt[HIS_RECEIPT_SIZE], struct err *err)
{
    struct object objects[2] = {{.n = 0}};
    size_t n = 0;
    int rc = get_objects(book, d, objects, &n, err);

    if (rc == 0)
        rc = send_all(t, objects, n, receipt, err);
    for (size_t i = 0; i < ARRAY_LEN(objects); i++)
        free(objects[i].bytes);
    return rc;
}
