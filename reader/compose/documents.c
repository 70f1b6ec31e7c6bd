/* documents.c - what a signed version looks like elsewhere: PDF, SR, Encapsulated PDF; made once,
 * kept, and stored into the archive until it says they are there.
 *
 *     report_version.stored_at_us = 0   written by the signature's own transaction: they are due
 *     report_document                   made: from now on the same bytes, whatever happens
 *     archive_stow                      stored, or there already: both are success
 *     stored_at_us > 0                  done, and told in the read's log; 0 again when the archive
 *                                       says that it has lost them
 *
 * Killed between any two of these, the next start goes on from the row. The UIDs come from the
 * canonical report's digest, so two readers of one database make the same objects. */
#include "reader/compose/compose_own.h"

#include "proto/base/clock.h"
#include "proto/base/text.h"
#include "proto/render/report_pdf.h"
#include "reader/compose/doc.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define DOCUMENT_BYTES ((size_t)32 << 20)
#define MISSING_BYTES ((size_t)8192)

enum { WAIT_FIRST_MS = 1000, WAIT_MOST_MS = 60000, LOOK_MS = 30000 };

int (*compose_fetch_facts)(struct archive *, const char *, const char *, struct archive_study *,
                           struct err *) = archive_study_facts;
int (*compose_stow)(struct archive *, const char *, const char *, const struct archive_file *,
                    size_t, struct err *) = archive_stow;

/* ---- the PDF ---- */

int
documents_pdf(const struct report *r, bool is_now, struct buf *out, struct err *err)
{
    char name[385], number[24];
    struct buf missing;
    int rc;
    struct pdf_report p = {.reading_hospital = r->hospital_name,
                           .clinic = r->clinic_name,
                           .patient_name = name,
                           .patient_sex = r->patient_sex,
                           .patient_age = r->patient_age,
                           .patient_birth = r->patient_birth,
                           .patient_id = r->patient_id,
                           .report_number = number,
                           .accession = r->accession,
                           .modality = r->modality,
                           .exam = r->exam,
                           .study_date = r->study_date,
                           .study_time = r->study_time,
                           .complaint = r->complaint,
                           .history = r->history,
                           .findings = r->findings,
                           .impression = r->impression,
                           .author = r->author.name,
                           .author_licence = r->author.licence,
                           .reviewer = r->reviewer.name,
                           .reviewer_licence = r->reviewer.licence,
                           .written_at_us = r->written_at_us,
                           .signed_at_us = r->signed_at_us,
                           .version = r->version,
                           .is_preliminary = r->kind == REPORT_PRELIMINARY,
                           .reason = r->reason,
                           .covers = r->covers,
                           .present = is_now ? r->present : r->covers,
                           .looked_at_us = is_now ? r->looked_at_us : 0,
                           .looked_by = r->looked_by,
                           .verify_url = r->verify_url};

    buf_init(&missing, MISSING_BYTES);
    report_missing(r, &missing);
    p.missing = buf_text(&missing);
    report_pdf_person_name(r->patient_name, name, sizeof name);
    snprintf(number, sizeof number, "%lld", (long long)r->read);
    if (is_now && r->standing == REPORT_WITHDRAWN) {
        p.is_withdrawn = true;
        p.reason = r->withdrawn_reason;
    }
    p.is_superseded = is_now && r->standing == REPORT_AMENDED;
    rc = report_pdf(&p, out, NULL, err);
    buf_fini(&missing);
    return rc;
}

/* ---- the DICOM objects ---- */

/* What a document is made from, and what it needs to live as long. */
struct making {
    struct report report;
    struct archive_study facts;
    struct manifest manifest;
    struct doc_image *images;
    struct doc_predecessor *before;
    char (*uids)[2][DOC_UID_BYTES];
    struct buf missing;
    size_t before_count;
    struct doc_report doc;
};

static int
load_before(struct pg_conn *conn, struct making *m, struct err *err)
{
    struct pg_rows *rows = NULL;

    if (pg_run(conn, "report_versions", PG_ARGS(PG_INT(m->report.read)), &rows, err) < 0)
        return -1;
    m->before = mem_new((pg_rows_count(rows) + 1) * sizeof *m->before);
    m->uids = mem_new((pg_rows_count(rows) + 1) * sizeof *m->uids);
    for (size_t i = 0; i < pg_rows_count(rows); i++) {
        size_t k = m->before_count, n;
        const uint8_t *sha256 = pg_bytes(rows, i, 3, &n);

        if (pg_int(rows, i, 0) >= (int64_t)m->report.version)
            continue; /* newest first */
        doc_uid(sha256, n, "sr-series", m->uids[k][0]);
        doc_uid(sha256, n, "sr", m->uids[k][1]);
        m->before[k] = (struct doc_predecessor){m->uids[k][0], m->uids[k][1]};
        m->before_count++;
    }
    pg_rows_free(&rows);
    return 0;
}

static struct doc_person
doc_person_of(const struct report_person *p)
{
    return (struct doc_person){p->name, p->licence, p->organisation_name, p->organisation};
}

static void
fill_doc(struct making *m)
{
    const struct report *r = &m->report;

    m->images = mem_new((m->manifest.count + 1) * sizeof *m->images);
    for (size_t i = 0; i < m->manifest.count; i++)
        m->images[i] =
            (struct doc_image){m->manifest.images[i].series, m->manifest.images[i].sop_class,
                               m->manifest.images[i].sop_instance};
    report_missing(r, &m->missing);
    /* the identity the study has, also where the report names the one the clinic registered: under
     * another one the archive would set the documents aside */
    m->doc = (struct doc_report){.study = r->study,
                                 .patient_id = m->facts.patient_id,
                                 .issuer = m->facts.issuer,
                                 .patient_name = r->patient_name,
                                 .patient_birth = r->patient_birth,
                                 .patient_sex = r->patient_sex,
                                 .study_date = r->study_date,
                                 .study_time = r->study_time,
                                 .study_id = m->facts.study_id,
                                 .accession = r->accession,
                                 .study_description = r->description,
                                 .referring = m->facts.referring,
                                 .modality = r->modality,
                                 .clinic = r->clinic_name,
                                 .version = r->version,
                                 .is_preliminary = r->kind == REPORT_PRELIMINARY,
                                 .predecessors = m->before,
                                 .predecessor_count = m->before_count,
                                 .reason = r->reason[0] != '\0' ? r->reason : NULL,
                                 .exam = r->exam,
                                 .history = r->history,
                                 .findings = r->findings,
                                 .impression = r->impression,
                                 .missing = buf_text(&m->missing),
                                 .author = doc_person_of(&r->author),
                                 .reviewer = doc_person_of(&r->reviewer),
                                 .written_at_us = r->written_at_us,
                                 .signed_at_us = r->signed_at_us,
                                 .images = m->images,
                                 .image_count = m->manifest.count};
}

static int
keep(struct pg_conn *conn, const struct report *r, const char *kind, const struct doc_report *doc,
     const struct buf *bytes, struct err *err)
{
    return pg_run(conn, "document_add",
                  PG_ARGS(PG_INT(r->read), PG_INT(r->version), PG_TEXT(kind), PG_TEXT(doc->series),
                          PG_TEXT(doc->sop_instance), PG_BYTES(bytes->bytes, bytes->n)),
                  NULL, err);
}

static int
make_both(struct pg_conn *conn, struct making *m, struct err *err)
{
    char series[2][DOC_UID_BYTES], instance[2][DOC_UID_BYTES];
    struct doc_pdf inside = {.sr_sop_instance = instance[0]};
    struct buf pdf, sr, object;
    int rc = -1;

    for (int i = 0; i < 2; i++) {
        doc_uid(m->report.sha256, DIGEST_BYTES, i == 0 ? "sr-series" : "pdf-series", series[i]);
        doc_uid(m->report.sha256, DIGEST_BYTES, i == 0 ? "sr" : "pdf", instance[i]);
    }
    buf_init(&pdf, DOCUMENT_BYTES);
    buf_init(&sr, DOCUMENT_BYTES);
    buf_init(&object, DOCUMENT_BYTES);
    m->doc.series = series[0];
    m->doc.sop_instance = instance[0];
    if (doc_sr(&m->doc, &sr, err) < 0 || keep(conn, &m->report, "sr", &m->doc, &sr, err) < 0 ||
        documents_pdf(&m->report, false, &pdf, err) < 0)
        goto out;
    inside.bytes = pdf.bytes;
    inside.n = pdf.n;
    m->doc.series = series[1];
    m->doc.sop_instance = instance[1];
    if (doc_pdf_dicom(&m->doc, &inside, &object, err) < 0 ||
        keep(conn, &m->report, "pdf", &m->doc, &object, err) < 0)
        goto out;
    rc = 0;
out:
    buf_fini(&object);
    buf_fini(&sr);
    buf_fini(&pdf);
    return rc;
}

static int
make(struct compose *c, struct pg_conn *conn, int64_t read, unsigned version, struct err *err)
{
    struct making *m = mem_new(sizeof *m);
    int rc = -1;

    buf_init(&m->missing, MISSING_BYTES);
    if (compose_report_get(conn, read, version, &m->report, err) < 0 ||
        manifest_read(m->report.manifest, m->report.manifest_n, &m->manifest, err) < 0 ||
        load_before(conn, m, err) < 0 ||
        compose_fetch_facts(c->archive, m->report.tenant, m->report.study, &m->facts, err) < 0)
        goto out;
    fill_doc(m);
    rc = make_both(conn, m, err);
out:
    free(m->images);
    free(m->before);
    free(m->uids);
    buf_fini(&m->missing);
    manifest_fini(&m->manifest);
    report_fini(&m->report);
    free(m);
    return rc;
}

/* ---- the job ---- */

static int
find_documents(struct pg_conn *conn, int64_t read, unsigned version, struct pg_rows **out_rows,
               struct err *err)
{
    return pg_run(conn, "documents_find", PG_ARGS(PG_INT(read), PG_INT(version)), out_rows, err);
}

/* Of a version that was signed, or ERR_NOT_FOUND. */
static int
add_signed_text(struct pg_conn *conn, int64_t read, unsigned version, bool is_wanted,
                struct buf *out, struct err *err)
{
    struct report r = {0};

    if (compose_report_get(conn, read, version, &r, err) < 0)
        return -1;
    if (is_wanted)
        buf_add(out, r.canonical, r.canonical_n);
    report_fini(&r);
    return 0;
}

int
compose_document(struct compose *compose, int64_t read, unsigned version, const char *kind,
                 struct buf *out, struct err *err)
{
    bool is_text = strcmp(kind, "text") == 0;
    struct pg_conn *conn = NULL;
    struct pg_rows *rows = NULL;
    int rc = -1;

    if (pg_get(compose->pg, &conn, err) < 0 ||
        add_signed_text(conn, read, version, is_text, out, err) < 0 ||
        find_documents(conn, read, version, &rows, err) < 0)
        goto out;
    rc = is_text ? 0 : err_set(err, ERR_NOT_FOUND, "the version's objects are not made yet");
    for (size_t i = 0; i < pg_rows_count(rows) && rc < 0; i++)
        if (strcmp(pg_text(rows, i, 0), kind) == 0) {
            size_t n;
            const uint8_t *bytes = pg_bytes(rows, i, 3, &n);

            buf_add(out, bytes, n);
            err_clear(err);
            rc = 0;
        }
out:
    pg_rows_free(&rows);
    pg_put(&conn);
    return rc;
}

int
compose_documents_missing(struct pg_conn *conn, int64_t read_id, struct err *err)
{
    struct pg_rows *rows = NULL;
    int64_t versions;

    if (pg_run(conn, "documents_missing", PG_ARGS(PG_INT(read_id)), &rows, err) < 0)
        return -1;
    versions = pg_touched(rows);
    pg_rows_free(&rows);
    if (versions > 0)
        LOG(&compose_log, REPORT_MISSING, F_NUMBER("read", read_id),
            F_NUMBER("versions", versions));
    return 0;
}

/* The rows there are, made first if need be. */
static int
have_documents(struct compose *c, struct pg_conn *conn, int64_t read, unsigned version,
               struct pg_rows **out_rows, struct err *err)
{
    if (find_documents(conn, read, version, out_rows, err) < 0)
        return -1;
    if (pg_rows_count(*out_rows) == 2)
        return 0;
    pg_rows_free(out_rows);
    if (pg_begin(conn, err) < 0 || make(c, conn, read, version, err) < 0 ||
        pg_commit(conn, err) < 0)
        return -1;
    return find_documents(conn, read, version, out_rows, err);
}

static int
finish(struct compose *c, struct pg_conn *conn, int64_t read, unsigned version, struct err *err)
{
    struct pg_rows *rows = NULL;
    char detail[64];
    bool is_first;

    snprintf(detail, sizeof detail, "{\"version\":%u}", version);
    if (pg_begin(conn, err) < 0 ||
        pg_run(conn, "documents_stored",
               PG_ARGS(PG_INT(read), PG_INT(version), PG_INT(clock_wall_us())), &rows, err) < 0)
        return -1;
    is_first = pg_touched(rows) > 0;
    pg_rows_free(&rows);
    if (is_first && assign_note(conn, read, "system", READ_NOTE_STORED, detail, err) < 0)
        return -1;
    if (pg_commit(conn, err) < 0)
        return -1;
    if (c->assign != NULL)
        assign_wake(c->assign);
    return 0;
}

static int
store(struct compose *c, struct pg_conn *conn, int64_t read, unsigned version, struct err *err)
{
    struct archive_file files[2] = {0};
    struct pg_rows *rows = NULL;
    struct report r = {0};
    int rc = -1;

    if (have_documents(c, conn, read, version, &rows, err) < 0 ||
        compose_report_get(conn, read, version, &r, err) < 0)
        goto out;
    for (size_t i = 0; i < pg_rows_count(rows) && i < ARRAY_LEN(files); i++)
        files[i].bytes = pg_bytes(rows, i, 3, &files[i].n);
    if (compose_stow(c->archive, r.tenant, r.study, files, pg_rows_count(rows), err) < 0)
        goto out;
    rc = finish(c, conn, read, version, err);
    if (rc == 0)
        LOG(&compose_log, REPORT_STORED, F_NUMBER("read", read), F_NUMBER("version", version));
out:
    report_fini(&r);
    pg_rows_free(&rows);
    return rc;
}

static void
note_failure(struct compose *c, int64_t read, unsigned version, const struct err *why)
{
    struct err err;

    if (err_kind_is_retried(why->kind))
        LOG(&compose_log, REPORT_NOT_STORED, F_NUMBER("read", read), F_NUMBER("version", version),
            F_ERR(why));
    else
        LOG(&compose_log, REPORT_REFUSED, F_NUMBER("read", read), F_NUMBER("version", version),
            F_ERR(why));
    if (pg_ask(c->pg, "documents_failed", PG_ARGS(PG_INT(read), PG_INT(version)), NULL, &err) < 0)
        LOG(&compose_log, REPORT_NOT_STORED, F_ERR(&err));
}

/* A connection of its own for each: what one breaks, the next does not have. */
static int
store_one(struct compose *c, int64_t read, unsigned version, struct err *err)
{
    struct pg_conn *conn = NULL;
    int rc = -1;

    if (pg_get(c->pg, &conn, err) == 0)
        rc = store(c, conn, read, version, err);
    pg_put(&conn);
    if (rc < 0) {
        err_context(err, "store version %u of read %lld", version, (long long)read);
        note_failure(c, read, version, err);
    }
    return rc;
}

static bool
is_ending(struct compose *c)
{
    bool is;

    gate_lock(&c->gate);
    is = c->is_ending;
    gate_unlock(&c->gate);
    return is;
}

int
documents_settle(struct compose *c, unsigned *out_left, struct err *err)
{
    struct pg_rows *rows = NULL;
    unsigned left = 0;

    if (pg_ask(c->pg, "documents_due", PG_NO_ARGS, &rows, err) < 0)
        return -1;
    for (size_t i = 0; i < pg_rows_count(rows) && !is_ending(c); i++) {
        struct err one;

        if (store_one(c, pg_int(rows, i, 0), (unsigned)pg_int(rows, i, 1), &one) < 0)
            left++;
    }
    *out_left = left;
    pg_rows_free(&rows);
    return 0;
}

void
documents_wake(struct compose *c)
{
    gate_lock(&c->gate);
    c->has_work = true;
    gate_wake(&c->gate);
    gate_unlock(&c->gate);
}

void *
documents_run(void *compose)
{
    struct compose *c = compose;
    int64_t wait_ms = WAIT_FIRST_MS;
    struct err err;

    while (!is_ending(c)) {
        unsigned left = 0;
        bool is_done = documents_settle(c, &left, &err) == 0 && left == 0;

        wait_ms = is_done                      ? LOOK_MS
                  : wait_ms == LOOK_MS         ? WAIT_FIRST_MS
                  : wait_ms * 2 < WAIT_MOST_MS ? wait_ms * 2
                                               : WAIT_MOST_MS;
        gate_lock(&c->gate);
        if (!c->has_work && !c->is_ending)
            gate_wait_ms(&c->gate, wait_ms);
        c->has_work = false;
        gate_unlock(&c->gate);
    }
    return NULL;
}
