/* his_report.c - gathering a report, and its two written forms. */
#include "gateway/desk/his_report.h"

#include "gateway/desk/book_own.h"
#include "gateway/desk/his_told.h"
#include "proto/base/jsonw.h"
#include "proto/base/text.h"
#include "proto/dicom/pinyin.h"
#include "proto/http/json.h"
#include "proto/render/report_pdf.h"
#include "proto/trust/digest.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* ---- gathering ---- */

static const char replaces[] =
    "远程阅片中心恢复数据后重新签发，取代此前的报告。Signed anew after the "
    "centre's database was restored; it replaces the earlier report.";

static void
take_row(const struct db_rows *rows, struct his_report *r)
{
    r->version = (uint32_t)db_int(rows, 0, 0);
    r->is_preliminary = db_int(rows, 0, 1) != 0;
    r->signed_at_us = db_int(rows, 0, 2);
    (void)text_copy(r->author, sizeof r->author, db_text(rows, 0, 3));
    (void)text_copy(r->reviewer, sizeof r->reviewer, db_text(rows, 0, 4));
    (void)text_copy(r->hospital, sizeof r->hospital, db_text(rows, 0, 5));
    (void)text_copy(r->verify_url, sizeof r->verify_url, db_text(rows, 0, 6));
    r->covers = (uint32_t)db_int(rows, 0, 7);
    r->present = (uint32_t)db_int(rows, 0, 8);
    (void)text_copy(r->reason, sizeof r->reason, db_text(rows, 0, 10));
    (void)text_copy(r->study, sizeof r->study, db_text(rows, 0, 11));
    (void)text_copy(r->registration, sizeof r->registration, db_text(rows, 0, 12));
    (void)text_copy(r->patient, sizeof r->patient, db_text(rows, 0, 13));
    (void)text_copy(r->modality, sizeof r->modality, db_text(rows, 0, 14));
    r->is_correction = db_int(rows, 0, 15) != 0;
}

static int
get_row(struct book *book, const struct his_delivery *d, struct his_report *r, struct err *err)
{
    struct db_rows *rows = NULL;
    int rc = db_ask(book->db, "his_report_get", DB_ARGS(DB_INT(d->read), DB_INT(d->version)), &rows,
                    err);

    if (rc == 0 && db_rows_count(rows) == 0)
        rc = err_set(err, ERR_NOT_FOUND, "no such report");
    if (rc == 0)
        take_row(rows, r);
    db_rows_free(&rows);
    return rc;
}

/* What the target has of the study, perhaps of a read that a database signed which is gone: this
 * one goes in its place, and says why. */
static int
get_heard(struct book *book, const struct his_delivery *d, struct his_report *r, struct err *err)
{
    struct db_rows *rows = NULL;
    int rc = db_ask(book->db, "his_heard",
                    DB_ARGS(DB_TEXT(his_target_word(d->target)), DB_INT(d->read), DB_INT(d->n)),
                    &rows, err);

    r->filler = d->read;
    if (rc == 0 && db_rows_count(rows) > 0) {
        r->filler = db_int(rows, 0, 0);
        if (db_int(rows, 0, 1) != 0 && !r->is_correction && r->reason[0] == '\0')
            (void)text_copy(r->reason, sizeof r->reason, replaces);
        r->is_correction = r->is_correction || db_int(rows, 0, 1) != 0;
    }
    db_rows_free(&rows);
    return rc;
}

/* By the study that devices were told, else by the registration it is attached to. */
static int
get_order(struct book *book, struct his_report *r, struct err *err)
{
    int rc = -1;

    err_set(err, ERR_NOT_FOUND, "no order");
    if (r->study[0] != '\0')
        rc = order_find_study(book, r->study, &r->order, err);
    if (rc < 0 && err->kind == ERR_NOT_FOUND && r->registration[0] != '\0')
        rc = order_find(book, r->registration, &r->order, err);
    if (rc < 0 && err->kind != ERR_NOT_FOUND)
        return -1;
    r->has_order = rc == 0;
    err_clear(err);
    return 0;
}

static const char *
member(const struct his_report *r, const char *object, const char *key)
{
    const struct json *root = r->doc != NULL ? json_root(r->doc) : NULL;
    const char *text =
        json_as_text(json_find(object != NULL ? json_find(root, object) : root, key));

    return text != NULL ? text : "";
}

static int
get_text(struct book *book, const struct his_delivery *d, struct his_report *r, struct err *err)
{
    int rc = his_document_get(book, d->read, d->version, "text", &r->text, &r->text_n, err);

    if (rc < 0 && r->is_withdrawal && err->kind == ERR_RETRY) {
        err_clear(err); /* it is told without */
        rc = 0;
    } else if (rc == 0) {
        rc = json_parse(r->text, r->text_n, &r->doc, err);
    }
    r->exam = member(r, NULL, "exam");
    r->findings = member(r, NULL, "findings");
    r->impression = member(r, NULL, "impression");
    return rc;
}

/* The study was attached to one patient's order, and what was signed names another. A withdrawal is
 * told all the same: what it takes back may be there. */
static bool
is_of_another(const struct his_report *r)
{
    const struct order *o = &r->order;
    const struct book_owner owner = {.registration = o->registration,
                                     .citizen_id = o->citizen_id,
                                     .patient_id = o->patient_id,
                                     .pinyin = o->pinyin,
                                     .who = {o->name, o->sex, o->birth}};
    char name[CLINIC_NAME_SIZE];
    const struct book_said said = {
        .patient_id = member(r, "patient", "id"),
        .accession = member(r, "study", "accession"),
        .who = {name, member(r, "patient", "sex"), member(r, "patient", "birth")}};
    bool is_open;

    report_pdf_person_name(member(r, "patient", "name"), name, sizeof name);
    return r->has_order && !r->is_withdrawal && book_is_anothers(&said, &owner, &is_open);
}

int
his_report_get(struct book *book, const struct his_delivery *d, bool has_pdf,
               struct his_report *out, struct err *err)
{
    *out = (struct his_report){.read = d->read, .is_withdrawal = d->is_withdrawal};
    if (get_row(book, d, out, err) == 0 && get_heard(book, d, out, err) == 0 &&
        get_order(book, out, err) == 0 &&
        (!d->is_withdrawal || his_told_get(book, d, out, err) == 0) &&
        get_text(book, d, out, err) == 0 &&
        (!has_pdf || book_pdf_get(book, d->read, d->version, &out->pdf, &out->pdf_n, err) == 0)) {
        if (d->is_confirmed || !is_of_another(out))
            return 0;
        (void)err_set(err, ERR_REJECT, HIS_ANOTHER_PATIENT);
    }
    his_report_fini(out);
    return -1;
}

bool
his_report_is_held(struct book *book, const struct his_delivery *d)
{
    struct his_report *r = mem_new(sizeof *r);
    struct err err;
    bool is_held = his_report_get(book, d, false, r, &err) < 0 && err.kind == ERR_REJECT &&
                   strcmp(err.text, HIS_ANOTHER_PATIENT) == 0;

    his_report_fini(r);
    free(r);
    return is_held;
}

void
his_report_fini(struct his_report *r)
{
    json_free(&r->doc);
    free(r->text);
    free(r->pdf);
    r->text = r->pdf = NULL;
}

const char *
his_report_status(const struct his_report *r)
{
    return r->is_withdrawal || r->is_correction ? "C" : r->is_preliminary ? "P" : "F";
}

void
his_report_name(const struct his_report *r, char out[64])
{
    snprintf(out, 64, "report-%" PRId64 "-v%" PRIu32 "%s", r->read, r->version,
             r->is_withdrawal ? "-withdrawn" : "");
}

/* ---- who it is about, in both forms ---- */

struct about {
    const char *id, *citizen_id, *name, *sex, *birth, *accession, *placer, *description;
};

static const char *
first_of(const char *a, const char *b)
{
    return a[0] != '\0' ? a : b;
}

/* What the clinic knows of its patient goes before what the images say. */
static struct about
about(const struct his_report *r)
{
    const struct order *o = &r->order;

    return (struct about){
        .id = first_of(o->patient_id, member(r, "patient", "id")),
        .citizen_id = o->citizen_id,
        .name = first_of(o->name, first_of(r->patient, member(r, "patient", "name"))),
        .sex = first_of(o->sex, member(r, "patient", "sex")),
        .birth = first_of(o->birth, member(r, "patient", "birth")),
        .accession = first_of(o->accession, member(r, "study", "accession")),
        .placer = strcmp(o->source, "hl7") == 0 ? o->placer : "",
        .description =
            first_of(r->exam, first_of(o->description, member(r, "study", "description"))),
    };
}

/* ---- HL7 ---- */

static void
put_patient(struct hl7_writer *w, const struct his_report *r)
{
    const struct about a = about(r);
    char parted[CLINIC_NAME_SIZE + 8];
    const char *given;

    hl7_segment(w, "PID");
    hl7_put(w, 1, 1, "1");
    hl7_put_again(w, 3, 1, 1, a.id);
    if (a.citizen_id[0] != '\0') {
        hl7_put_again(w, 3, 2, 1, a.citizen_id);
        hl7_put_again(w, 3, 2, 5, "NNCHN");
    }
    pinyin_part(a.name, parted, sizeof parted);
    given = strchr(parted, '^');
    if (given != NULL)
        parted[given - parted] = '\0';
    hl7_put(w, 5, 1, parted);
    hl7_put(w, 5, 2, given != NULL ? given + 1 : "");
    hl7_put(w, 5, 7, "L");
    hl7_put(w, 7, 1, a.birth);
    hl7_put(w, 8, 1, first_of(a.sex, "U"));
    hl7_segment_end(w);
}

static void
put_order(struct hl7_writer *w, const struct his_report *r)
{
    const struct about a = about(r);
    const struct order *o = &r->order;
    char filler[32], study_time[40];

    snprintf(filler, sizeof filler, "R%" PRId64, r->filler);
    hl7_segment(w, "ORC");
    hl7_put(w, 1, 1, "RE");
    hl7_put(w, 2, 1, a.placer);
    hl7_put(w, 3, 1, filler);
    hl7_segment_end(w);
    hl7_segment(w, "OBR");
    hl7_put(w, 1, 1, "1");
    hl7_put(w, 2, 1, a.placer);
    hl7_put(w, 3, 1, filler);
    hl7_put(w, 4, 1, o->code);
    hl7_put(w, 4, 2, first_of(a.description, first_of(r->modality, "-")));
    hl7_put(w, 4, 3, o->code_scheme);
    snprintf(study_time, sizeof study_time, "%.8s%.6s", member(r, "study", "date"),
             member(r, "study", "time"));
    hl7_put(w, 7, 1, study_time);
    hl7_put(w, 16, 2, o->referring);
    hl7_put(w, 18, 1, a.accession);
    hl7_put(w, 19, 1, o->procedure_id);
    hl7_put_time(w, 22, 1, r->signed_at_us);
    hl7_put(w, 24, 1, r->modality);
    hl7_put(w, 25, 1, his_report_status(r));
    hl7_put(w, 31, 2, o->complaint);
    hl7_put(w, 32, 2, first_of(r->reviewer, r->author));
    hl7_segment_end(w);
}

struct result {
    const char *type, *code, *name, *scheme, *value;
};

/* An OBX but for its value when that is not text: then value NULL, and OBX-5 is the caller's. */
static void
begin_result(struct hl7_writer *w, unsigned number, const struct result *x)
{
    hl7_segment(w, "OBX");
    hl7_put_number(w, 1, 1, number);
    hl7_put(w, 2, 1, x->type);
    hl7_put(w, 3, 1, x->code);
    hl7_put(w, 3, 2, x->name);
    hl7_put(w, 3, 3, x->scheme);
    hl7_put(w, 4, 1, "1");
    hl7_put(w, 5, 1, x->value);
}

static void
end_result(struct hl7_writer *w, const struct his_report *r)
{
    hl7_put(w, 11, 1, r->is_withdrawal ? "W" : his_report_status(r));
    hl7_put_time(w, 14, 1, r->signed_at_us);
    hl7_put(w, 15, 2, r->hospital);
    hl7_put(w, 16, 2, r->author);
    hl7_segment_end(w);
}

/* The PDF as it is: base64 has no sign that HL7 escapes. */
static void
put_pdf(struct hl7_writer *w, unsigned number, const struct his_report *r)
{
    const struct result x = {"ED", "18748-4", "Diagnostic imaging study", "LN", NULL};
    size_t n = 0;
    char *text = base64_encode(r->pdf, r->pdf_n, &n);

    begin_result(w, number, &x);
    hl7_put(w, 5, 2, "application");
    hl7_put(w, 5, 3, "pdf");
    hl7_put(w, 5, 4, "Base64");
    buf_add_u8(w->out, '^');
    w->component = 5;
    buf_add(w->out, text, n);
    free(text);
    end_result(w, r);
}

static void
put_results(struct hl7_writer *w, const struct his_report *r)
{
    char *withdrawn = r->is_withdrawal ? mem_printf("本报告已撤回 WITHDRAWN：%s", r->reason) : NULL;
    char version[16];
    const struct result results[] = {
        {"FT", "55111-9", "Current imaging procedure descriptions", "LN",
         r->is_withdrawal ? "" : r->exam},
        {"FT", "59776-5", "Procedure findings", "LN", r->is_withdrawal ? withdrawn : r->findings},
        {"FT", "19005-8", "Radiology Imaging study [Impression]", "LN",
         r->is_withdrawal ? withdrawn : r->impression},
        {"ST", "110180", "Study Instance UID", "DCM", r->study},
        {"ST", "VERSION", "Report version", "99RADPOST", version},
        {"ST", "VERIFY", "Verification page", "99RADPOST", r->verify_url},
    };
    unsigned number = 0;

    snprintf(version, sizeof version, "%" PRIu32, r->version);
    for (size_t i = 0; i < ARRAY_LEN(results); i++) {
        if (results[i].value[0] == '\0')
            continue;
        begin_result(w, ++number, &results[i]);
        end_result(w, r);
    }
    if (r->pdf != NULL)
        put_pdf(w, ++number, r);
    free(withdrawn);
}

void
his_report_hl7(const struct his_report *r, const struct hl7_head *head, struct buf *out)
{
    struct hl7_writer w;

    hl7_write_init(&w, out);
    hl7_put_head(&w, head);
    put_patient(&w, r);
    put_order(&w, r);
    if (r->reason[0] != '\0') { /* of the amendment or the withdrawal */
        hl7_segment(&w, "NTE");
        hl7_put(&w, 1, 1, "1");
        hl7_put(&w, 2, 1, "L");
        hl7_put(&w, 3, 1, r->reason);
        hl7_segment_end(&w);
    }
    put_results(&w, r);
}

/* ---- JSON ---- */

static void
write_patient(struct jsonw *w, const struct his_report *r)
{
    const struct about a = about(r);

    jsonw_object(w, "patient");
    jsonw_text(w, "id", a.id);
    jsonw_text(w, "citizen_id", a.citizen_id);
    jsonw_text(w, "name", a.name);
    jsonw_text(w, "sex", a.sex);
    jsonw_text(w, "birth", a.birth);
    jsonw_end(w);
}

void
his_report_json(const struct his_report *r, const char *pdf_name, struct buf *out)
{
    const struct about a = about(r);
    uint8_t sha256[DIGEST_BYTES];
    struct jsonw w;

    jsonw_init(&w, out);
    jsonw_object(&w, NULL);
    jsonw_text(&w, "format", "radpost.returned/1");
    jsonw_text(&w, "event", r->is_withdrawal ? "withdrawn" : "report");
    jsonw_text(&w, "status", his_report_status(r));
    jsonw_int(&w, "read", r->read);
    jsonw_uint(&w, "version", r->version);
    jsonw_text(&w, "registration", r->registration);
    jsonw_text(&w, "placer", a.placer);
    jsonw_int(&w, "first_read", r->filler);
    jsonw_text(&w, "accession", a.accession);
    jsonw_text(&w, "study", r->study);
    jsonw_text(&w, "modality", r->modality);
    write_patient(&w, r);
    jsonw_int(&w, "signed_at_us", r->signed_at_us);
    jsonw_text(&w, "author", r->author);
    jsonw_text(&w, "reviewer", r->reviewer);
    jsonw_text(&w, "hospital", r->hospital);
    jsonw_text(&w, "exam", a.description);
    jsonw_text(&w, "findings", r->is_withdrawal ? "" : r->findings);
    jsonw_text(&w, "impression", r->is_withdrawal ? "" : r->impression);
    jsonw_text(&w, "reason", r->reason);
    jsonw_text(&w, "verify_url", r->verify_url);
    jsonw_uint(&w, "images_covered", r->covers);
    jsonw_uint(&w, "images_present", r->present);
    if (r->pdf != NULL && pdf_name != NULL) {
        digest_bytes(r->pdf, r->pdf_n, sha256);
        jsonw_text(&w, "pdf", pdf_name);
        jsonw_hex(&w, "pdf_sha256", sha256, sizeof sha256);
    }
    jsonw_end(&w);
    buf_add_u8(out, '\n');
}
