/* canonical.c - the bytes that are signed, and reading them back: docs/formats/report.md.
 * Members are sorted by name, no blanks, UTF-8, as proto/base/jsonw writes them. */
#include "reader/compose/compose_own.h"

#include "proto/base/limits.h"
#include "proto/base/text.h"

#include <stdlib.h>
#include <string.h>

#define REPORT_FORMAT "radpost.report/1"
#define MANIFEST_FORMAT "radpost.manifest/1"
#define WITHDRAWAL_FORMAT "radpost.withdrawal/1"

/* ---- the manifest ---- */

static int
by_sop_instance(const void *a, const void *b)
{
    return strcmp(((const struct manifest_image *)a)->sop_instance,
                  ((const struct manifest_image *)b)->sop_instance);
}

static const char *
text_or_nothing(const struct json *o, const char *key)
{
    const char *text = json_as_text(json_find(o, key));

    return text != NULL ? text : "";
}

/* Ours say nothing of wholeness: nothing else is signed. */
static bool
is_whole(const struct json *o)
{
    bool is = true;
    struct err ignored;

    return json_find(o, "is_whole") == NULL ||
           (json_truth(o, "is_whole", &is, &ignored) == 0 && is);
}

static int
read_image(const struct json *o, struct manifest_image *out, struct err *err)
{
    *out = (struct manifest_image){.sop_instance = text_or_nothing(o, "sop_instance"),
                                   .sop_class = text_or_nothing(o, "sop_class"),
                                   .series = text_or_nothing(o, "series"),
                                   .is_proved = is_whole(o) &&
                                                strlen(text_or_nothing(o, "pixels")) == 64 &&
                                                strlen(text_or_nothing(o, "dataset")) == 64};
    if (!uid_is_valid(out->sop_instance, true))
        return err_set(err, ERR_REJECT, "a manifest's instance without a UID");
    return 0;
}

static void
write_manifest(const struct json *root, struct manifest *m)
{
    const struct json *list = json_find(root, "instances");
    struct jsonw w;

    jsonw_init(&w, &m->canonical);
    jsonw_object(&w, NULL);
    jsonw_text(&w, "closed_at", text_or_nothing(root, "closed_at"));
    jsonw_text(&w, "format", MANIFEST_FORMAT);
    jsonw_array(&w, "instances");
    for (size_t i = 0; i < m->count; i++) {
        const struct json *o = json_at(list, i);

        jsonw_object(&w, NULL);
        jsonw_text(&w, "dataset", text_or_nothing(o, "dataset"));
        jsonw_text(&w, "pixels", text_or_nothing(o, "pixels"));
        jsonw_text(&w, "series", text_or_nothing(o, "series"));
        jsonw_text(&w, "sop_class", text_or_nothing(o, "sop_class"));
        jsonw_text(&w, "sop_instance", text_or_nothing(o, "sop_instance"));
        jsonw_end(&w);
    }
    jsonw_end(&w);
    jsonw_uint(&w, "revision", m->revision);
    jsonw_text(&w, "study", text_or_nothing(root, "study"));
    jsonw_end(&w);
    digest_bytes(m->canonical.bytes, m->canonical.n, m->sha256);
}

static int
read_images(const struct json *list, struct manifest *m, struct err *err)
{
    m->count = json_length(list);
    m->images = mem_new((m->count + 1) * sizeof *m->images);
    for (size_t i = 0; i < m->count; i++) {
        if (read_image(json_at(list, i), &m->images[i], err) < 0)
            return -1;
        if (i > 0 && by_sop_instance(&m->images[i - 1], &m->images[i]) >= 0)
            return err_set(err, ERR_REJECT, "a manifest that is not in order");
    }
    return 0;
}

int
manifest_read(const void *json, size_t n, struct manifest *out, struct err *err)
{
    struct manifest m = {0};
    const struct json *list;
    uint64_t revision;
    int rc = -1;

    buf_init(&m.canonical, ARCHIVE_MANIFEST_BYTES);
    if (json_parse(json, n, &m.doc, err) < 0 ||
        json_u64(json_root(m.doc), "revision", UINT32_MAX, &revision, err) < 0 ||
        json_list(json_root(m.doc), "instances", LIMIT_MANIFEST_INSTANCES, &list, err) < 0 ||
        read_images(list, &m, err) < 0)
        goto out;
    m.revision = (uint32_t)revision;
    write_manifest(json_root(m.doc), &m);
    *out = m;
    m = (struct manifest){0};
    rc = 0;
out:
    if (rc < 0)
        err_context(err, "image manifest");
    manifest_fini(&m);
    return rc;
}

void
manifest_fini(struct manifest *m)
{
    free(m->images);
    json_free(&m->doc);
    buf_fini(&m->canonical);
    *m = (struct manifest){0};
}

const struct manifest_image *
manifest_find(const struct manifest *m, const char *sop_instance)
{
    struct manifest_image key = {.sop_instance = sop_instance};

    if (m->count == 0)
        return NULL;
    return bsearch(&key, m->images, m->count, sizeof key, by_sop_instance);
}

/* ---- the report ---- */

static void
write_person(struct jsonw *w, const char *key, const struct report_person *p)
{
    if (p->login[0] == '\0') {
        jsonw_null(w, key);
        return;
    }
    jsonw_object(w, key);
    jsonw_text(w, "licence", p->licence);
    jsonw_text(w, "login", p->login);
    jsonw_text(w, "name", p->name);
    jsonw_text(w, "organisation", p->organisation);
    jsonw_text(w, "organisation_name", p->organisation_name);
    jsonw_end(w);
}

static void
write_code_name(struct jsonw *w, const char *key, const char *code, const char *name)
{
    jsonw_object(w, key);
    jsonw_text(w, "code", code);
    jsonw_text(w, "name", name);
    jsonw_end(w);
}

static void
write_patient(struct jsonw *w, const struct report *r)
{
    jsonw_object(w, "patient");
    jsonw_text(w, "age", r->patient_age);
    jsonw_text(w, "birth", r->patient_birth);
    jsonw_text(w, "id", r->patient_id);
    jsonw_text(w, "issuer", r->issuer);
    jsonw_text(w, "name", r->patient_name);
    jsonw_text(w, "sex", r->patient_sex);
    jsonw_end(w);
}

static void
write_study(struct jsonw *w, const struct report *r)
{
    jsonw_object(w, "study");
    jsonw_text(w, "accession", r->accession);
    jsonw_text(w, "date", r->study_date);
    jsonw_text(w, "description", r->description);
    jsonw_text(w, "modality", r->modality);
    jsonw_text(w, "time", r->study_time);
    jsonw_text(w, "uid", r->study);
    jsonw_end(w);
}

static void
write_predecessor(struct jsonw *w, const struct report *r)
{
    if (r->predecessor == 0) {
        jsonw_null(w, "predecessor");
        return;
    }
    jsonw_object(w, "predecessor");
    jsonw_hex(w, "sha256", r->predecessor_sha256, DIGEST_BYTES);
    jsonw_uint(w, "version", r->predecessor);
    jsonw_end(w);
}

static void
write_shown(struct jsonw *w, const struct report_binds *binds)
{
    jsonw_object(w, "shown");
    jsonw_time(w, "first_at", binds->shown_first_us);
    jsonw_uint(w, "images", binds->shown);
    jsonw_time(w, "last_at", binds->shown_last_us);
    jsonw_end(w);
}

/* Only where somebody said so: other reports are what they were. */
static void
write_absent(struct jsonw *w, const struct report *r)
{
    bool is_any = false;

    for (size_t i = 0; i < REPORT_ABSENT; i++) {
        if (r->absent[i].images == 0)
            continue;
        if (!is_any)
            jsonw_array(w, "absent");
        is_any = true;
        jsonw_object(w, NULL);
        jsonw_text(w, "by", r->absent[i].by);
        jsonw_uint(w, "images", r->absent[i].images);
        jsonw_text(w, "reason", r->absent[i].reason);
        jsonw_text(w, "words", r->absent[i].words);
        jsonw_end(w);
    }
    if (is_any)
        jsonw_end(w);
}

void
canonical_report(const struct report *r, const struct report_binds *binds, struct buf *out)
{
    struct jsonw w;

    jsonw_init(&w, out);
    jsonw_object(&w, NULL);
    write_absent(&w, r);
    jsonw_object(&w, "agreement");
    jsonw_text(&w, "code", r->agreement);
    jsonw_hex(&w, "sha256", binds->agreement_sha256, DIGEST_BYTES);
    jsonw_text(&w, "version", r->agreement_version);
    jsonw_end(&w);
    write_person(&w, "author", &r->author);
    write_code_name(&w, "clinic", r->tenant, r->clinic_name);
    jsonw_text(&w, "exam", r->exam);
    jsonw_text(&w, "findings", r->findings);
    jsonw_text(&w, "format", REPORT_FORMAT);
    write_code_name(&w, "hospital", r->hospital, r->hospital_name);
    jsonw_text(&w, "impression", r->impression);
    jsonw_text(&w, "kind", report_kind_word(r->kind));
    jsonw_object(&w, "manifest");
    jsonw_uint(&w, "instances", r->covers);
    jsonw_uint(&w, "revision", r->manifest_revision);
    jsonw_hex(&w, "sha256", binds->manifest_sha256, DIGEST_BYTES);
    jsonw_end(&w);
    write_patient(&w, r);
    write_predecessor(&w, r);
    jsonw_int(&w, "read", r->read);
    jsonw_text(&w, "reason", r->reason[0] != '\0' ? r->reason : NULL);
    jsonw_object(&w, "request");
    jsonw_text(&w, "complaint", r->complaint);
    jsonw_text(&w, "history", r->history);
    jsonw_end(&w);
    write_person(&w, "reviewer", &r->reviewer);
    write_shown(&w, binds);
    jsonw_time(&w, "signed_at", r->signed_at_us);
    write_study(&w, r);
    jsonw_text(&w, "token", r->token);
    jsonw_uint(&w, "version", r->version);
    jsonw_time(&w, "written_at", r->written_at_us);
    jsonw_end(&w);
}

void
canonical_withdrawal(const struct report *r, const struct report_person *by, const char *reason,
                     int64_t at_us, struct buf *out)
{
    struct jsonw w;

    jsonw_init(&w, out);
    jsonw_object(&w, NULL);
    jsonw_time(&w, "at", at_us);
    write_person(&w, "by", by);
    jsonw_text(&w, "format", WITHDRAWAL_FORMAT);
    jsonw_int(&w, "read", r->read);
    jsonw_text(&w, "reason", reason);
    jsonw_object(&w, "report");
    jsonw_hex(&w, "sha256", r->sha256, DIGEST_BYTES);
    jsonw_uint(&w, "version", r->version);
    jsonw_end(&w);
    jsonw_end(&w);
}

/* ---- and back ---- */

/* Follows what is due; remembers that something was not. */
struct reading {
    bool is_bad;
};

static void
take(struct reading *g, const struct json *o, const char *key, char *out, size_t size)
{
    const char *text = json_as_text(json_find(o, key));

    g->is_bad = g->is_bad || text == NULL || !text_copy(out, size, text);
}

static char *
take_long(struct reading *g, const struct json *o, const char *key)
{
    const char *text = json_as_text(json_find(o, key));

    g->is_bad = g->is_bad || text == NULL;
    return mem_text(text != NULL ? text : "");
}

static uint32_t
take_number(struct reading *g, const struct json *o, const char *key)
{
    uint64_t n = 0;
    struct err ignored;

    g->is_bad = g->is_bad || json_u64(o, key, UINT32_MAX, &n, &ignored) < 0;
    return (uint32_t)n;
}

static void
take_hash(struct reading *g, const struct json *o, uint8_t out[DIGEST_BYTES])
{
    struct err ignored;

    g->is_bad = g->is_bad || json_hex(o, "sha256", out, DIGEST_BYTES, &ignored) < 0;
}

static void
take_person(struct reading *g, const struct json *o, bool may_be_null, struct report_person *out)
{
    if (json_is_null(o)) {
        g->is_bad = g->is_bad || !may_be_null;
        return;
    }
    take(g, o, "licence", out->licence, sizeof out->licence);
    take(g, o, "login", out->login, sizeof out->login);
    take(g, o, "name", out->name, sizeof out->name);
    take(g, o, "organisation", out->organisation, sizeof out->organisation);
    take(g, o, "organisation_name", out->organisation_name, sizeof out->organisation_name);
}

static void
take_people(struct reading *g, const struct json *root, struct report *r)
{
    const struct json *clinic = json_find(root, "clinic"), *hospital = json_find(root, "hospital");
    const struct json *patient = json_find(root, "patient");

    take(g, clinic, "code", r->tenant, sizeof r->tenant);
    take(g, clinic, "name", r->clinic_name, sizeof r->clinic_name);
    take(g, hospital, "code", r->hospital, sizeof r->hospital);
    take(g, hospital, "name", r->hospital_name, sizeof r->hospital_name);
    take(g, patient, "age", r->patient_age, sizeof r->patient_age);
    take(g, patient, "birth", r->patient_birth, sizeof r->patient_birth);
    take(g, patient, "id", r->patient_id, sizeof r->patient_id);
    take(g, patient, "issuer", r->issuer, sizeof r->issuer);
    take(g, patient, "name", r->patient_name, sizeof r->patient_name);
    take(g, patient, "sex", r->patient_sex, sizeof r->patient_sex);
    take_person(g, json_find(root, "author"), false, &r->author);
    take_person(g, json_find(root, "reviewer"), true, &r->reviewer);
}

static void
take_study(struct reading *g, const struct json *root, struct report *r)
{
    const struct json *study = json_find(root, "study"), *request = json_find(root, "request");

    take(g, study, "accession", r->accession, sizeof r->accession);
    take(g, study, "date", r->study_date, sizeof r->study_date);
    take(g, study, "description", r->description, sizeof r->description);
    take(g, study, "modality", r->modality, sizeof r->modality);
    take(g, study, "time", r->study_time, sizeof r->study_time);
    take(g, study, "uid", r->study, sizeof r->study);
    r->complaint = take_long(g, request, "complaint");
    r->history = take_long(g, request, "history");
    r->exam = take_long(g, root, "exam");
    r->findings = take_long(g, root, "findings");
    r->impression = take_long(g, root, "impression");
}

static void
take_binds(struct reading *g, const struct json *root, struct report *r, struct report_binds *b)
{
    const struct json *agreement = json_find(root, "agreement");
    const struct json *manifest = json_find(root, "manifest");
    const struct json *before = json_find(root, "predecessor");

    take(g, agreement, "code", r->agreement, sizeof r->agreement);
    take(g, agreement, "version", r->agreement_version, sizeof r->agreement_version);
    take_hash(g, agreement, b->agreement_sha256);
    r->covers = take_number(g, manifest, "instances");
    r->manifest_revision = take_number(g, manifest, "revision");
    take_hash(g, manifest, b->manifest_sha256);
    b->shown = take_number(g, json_find(root, "shown"), "images");
    if (!json_is_null(before)) {
        r->predecessor = take_number(g, before, "version");
        take_hash(g, before, r->predecessor_sha256);
    }
}

static void
take_absent(struct reading *g, const struct json *list, struct report *r)
{
    g->is_bad = g->is_bad || json_length(list) > REPORT_ABSENT;
    for (size_t i = 0; i < json_length(list) && !g->is_bad; i++) {
        const struct json *o = json_at(list, i);
        struct report_absent *a = &r->absent[i];

        take(g, o, "by", a->by, sizeof a->by);
        a->images = take_number(g, o, "images");
        take(g, o, "reason", a->reason, sizeof a->reason);
        take(g, o, "words", a->words, sizeof a->words);
    }
}

int
canonical_read(const void *json, size_t n, struct report *out, struct report_binds *out_binds,
               struct err *err)
{
    struct json_doc *doc = NULL;
    struct report r = {0};
    struct report_binds b = {0};
    struct reading g = {0};
    const struct json *root;
    char word[32] = "", kind[32] = "";
    int rc = -1;

    if (json_parse(json, n, &doc, err) < 0)
        return err_context(err, "a kept report");
    root = json_root(doc);
    take(&g, root, "format", word, sizeof word);
    take(&g, root, "kind", kind, sizeof kind);
    take(&g, root, "token", r.token, sizeof r.token);
    take(&g, root, "signed_at", b.signed_at, sizeof b.signed_at);
    take_people(&g, root, &r);
    take_study(&g, root, &r);
    take_binds(&g, root, &r, &b);
    take_absent(&g, json_find(root, "absent"), &r);
    r.read = json_as_int(json_find(root, "read"), 0);
    r.version = take_number(&g, root, "version");
    r.reason =
        json_is_null(json_find(root, "reason")) ? mem_text("") : take_long(&g, root, "reason");
    r.kind = strcmp(kind, "preliminary") == 0 ? REPORT_PRELIMINARY : REPORT_FINAL;
    if (g.is_bad || strcmp(word, REPORT_FORMAT) != 0) {
        err_set(err, ERR_FATAL, "what was kept is no report of this form");
        report_fini(&r);
        goto out;
    }
    digest_bytes(json, n, r.sha256);
    *out = r;
    *out_binds = b;
    rc = 0;
out:
    json_free(&doc);
    return rc;
}
