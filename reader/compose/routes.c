/* routes.c - staff routes of reports: what a page reads and each step of a person. docs/openapi. */
#include "reader/compose/compose_own.h"

#include "proto/base/limits.h"
#include "proto/base/text.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define ANSWER_BYTES ((size_t)4 << 20)
#define BODY_BYTES (4 * REPORT_TEXT_BYTES)
#define SHOWN_BODY_BYTES ((size_t)2 << 20)

static const char json_type[] = "application/json";

/* ---- what comes in ---- */

static int
version_of(const struct http_request *req, unsigned *out, struct err *err)
{
    uint64_t n;

    if (text_to_u64(http_param(req, "version"), INT32_MAX, &n) < 0 || n == 0)
        return err_set(err, ERR_NOT_FOUND, "no such version");
    *out = (unsigned)n;
    return 0;
}

/* A step's body, and what any of them may say. */
struct said {
    struct json_doc *doc;
    const struct json *root;
    int64_t read, base;
    bool is_accepted;
    const char *reason;
    struct texts texts;
};

static int
listen_to(const struct http_request *req, struct said *out, struct err *err)
{
    size_t n;
    const uint8_t *body = http_body(req, &n);
    struct err ignored;

    *out = (struct said){.base = -1};
    if (assign_read_id(req, &out->read, err) < 0 || json_parse(body, n, &out->doc, err) < 0)
        return -1;
    out->root = json_root(out->doc);
    if (!json_is_object(out->root))
        return err_set(err, ERR_REJECT, "an object is due");
    out->base = json_as_int(json_find(out->root, "base"), -1);
    out->reason = json_as_text(json_find(out->root, "reason"));
    out->texts = (struct texts){json_as_text(json_find(out->root, "exam")),
                                json_as_text(json_find(out->root, "findings")),
                                json_as_text(json_find(out->root, "impression"))};
    if (json_truth(out->root, "accept", &out->is_accepted, &ignored) < 0)
        out->is_accepted = false;
    return 0;
}

static void
said_fini(struct said *s)
{
    json_free(&s->doc);
}

/* ---- what goes out ---- */

/* Words for people where there are some; else the kind's own sentence. */
static int
answer_refusal(struct act *a, const struct http_request *req, struct http_response *res,
               struct err *err)
{
    const struct refusal_words *why;
    struct jsonw w;
    struct buf out;

    if (a->why == REFUSE_NOTHING)
        return -1;
    why = refusal_words(a->why);
    buf_init(&out, ANSWER_BYTES);
    jsonw_init(&w, &out);
    jsonw_object(&w, NULL);
    jsonw_text(&w, "error", why->en);
    jsonw_text(&w, "error_zh", why->zh);
    jsonw_text(&w, "code", why->code);
    jsonw_text(&w, "id", http_id(req));
    if (a->why == REFUSE_LACKS)
        jsonw_uint(&w, "lacks", a->lacks);
    if (a->why == REFUSE_STALE && a->work.exam != NULL) {
        jsonw_object(&w, "current");
        jsonw_int(&w, "base", a->work.base);
        jsonw_text(&w, "exam", a->work.exam);
        jsonw_text(&w, "findings", a->work.findings);
        jsonw_text(&w, "impression", a->work.impression);
        jsonw_text(&w, "saved_by", a->work.saved_by);
        jsonw_time(&w, "saved_at", a->work.saved_at_us);
        jsonw_end(&w);
    }
    jsonw_end(&w);
    err_clear(err);
    http_answer_buf(res, why->status, json_type, &out);
    buf_fini(&out);
    return 0;
}

static void
answer_saved(struct act *a, struct http_response *res)
{
    struct jsonw w;
    struct buf out;

    buf_init(&out, 4096);
    jsonw_init(&w, &out);
    jsonw_object(&w, NULL);
    jsonw_int(&w, "base", a->work.base);
    jsonw_time(&w, "saved_at", a->work.saved_at_us);
    jsonw_end(&w);
    http_answer_buf(res, 200, json_type, &out);
    buf_fini(&out);
}

/* The report as it stands now, from a look of its own, which is kept before it is shown. */
static int
answer_report(struct compose *c, const struct http_request *req, int64_t read,
              struct http_response *res, struct err *err)
{
    struct act a;
    struct buf out;
    int rc = -1;

    buf_init(&out, (size_t)16 << 20);
    if (act_look(c, http_caller(req), read, ASSIGN_SEE, &a, err) == 0 &&
        act_seen(&a, "report", err) == 0 &&
        page_write_report(&a, http_caller(req)->rights, &out, err) == 0 &&
        pg_commit(a.conn, err) == 0) {
        http_answer_buf(res, 200, json_type, &out);
        rc = 0;
    }
    act_end(&a);
    buf_fini(&out);
    return rc;
}

/* ---- the routes ---- */

static int
get_report(struct http_request *req, struct http_response *res, struct err *err)
{
    int64_t read;

    if (assign_read_id(req, &read, err) < 0)
        return -1;
    return answer_report(http_user(req), req, read, res, err);
}

/* One step in an act of its own; then its answer. */
typedef int (*step_fn)(struct act *a, const struct said *s, struct err *err);

static int
step(struct http_request *req, struct http_response *res, enum assign_level level, step_fn run,
     bool is_save, struct err *err)
{
    struct compose *c = http_user(req);
    struct act a = {0};
    struct said s;
    int rc = -1;

    if (listen_to(req, &s, err) < 0)
        goto out;
    rc = act_begin(c, http_caller(req), s.read, level, &a, err);
    if (rc == 0)
        rc = run(&a, &s, err);
    if (rc < 0)
        rc = answer_refusal(&a, req, res, err);
    else if (is_save)
        answer_saved(&a, res);
    else {
        act_end(&a);
        rc = answer_report(c, req, s.read, res, err);
    }
out:
    act_end(&a);
    said_fini(&s);
    return rc;
}

static int
run_draft(struct act *a, const struct said *s, struct err *err)
{
    return step_draft(a, s->base, &s->texts, err);
}

static int
run_review(struct act *a, const struct said *s, struct err *err)
{
    return step_review(a, s->base, s->is_accepted, s->reason, &s->texts, err);
}

static int
run_amend(struct act *a, const struct said *s, struct err *err)
{
    return step_amend(a, s->base, s->reason, err);
}

static int
run_doubts(struct act *a, const struct said *s, struct err *err)
{
    return step_confirm_doubts(a, json_as_text(json_find(s->root, "doubts")),
                               json_as_int(json_find(s->root, "seen"), -1), s->reason, err);
}

static int
run_withdraw(struct act *a, const struct said *s, struct err *err)
{
    return step_withdraw(a, s->base, s->reason, err);
}

static int
put_draft(struct http_request *req, struct http_response *res, struct err *err)
{
    return step(req, res, ASSIGN_WRITE, run_draft, true, err);
}

static int
post_review(struct http_request *req, struct http_response *res, struct err *err)
{
    return step(req, res, ASSIGN_REVIEW, run_review, false, err);
}

static int
post_amend(struct http_request *req, struct http_response *res, struct err *err)
{
    return step(req, res, ASSIGN_WRITE, run_amend, false, err);
}

static int
post_withdraw(struct http_request *req, struct http_response *res, struct err *err)
{
    return step(req, res, ASSIGN_REVIEW, run_withdraw, false, err);
}

static int
post_doubts(struct http_request *req, struct http_response *res, struct err *err)
{
    return step(req, res, ASSIGN_WRITE, run_doubts, false, err);
}

/* Steps that begin their own act. */
enum own_step { STEP_WRITE, STEP_SIGN, STEP_PRELIMINARY, STEP_GONE, STEP_STANDS };

/* images: as the page showed them missing */
static int
run_gone(struct compose *c, const struct http_caller *caller, const struct said *s, struct act *a,
         struct err *err)
{
    uint64_t images;

    if (json_u64(s->root, "images", INT32_MAX, &images, err) < 0)
        return -1;
    return step_gone(c, caller, s->read, (uint32_t)images, s->reason, a, err);
}

/* lacks: so many have not come, as the page showed it; not said: none */
static int
run_sign(struct compose *c, const struct http_caller *caller, const struct said *s,
         enum report_kind kind, struct act *a, struct err *err)
{
    uint64_t lacks = 0;

    if (json_find(s->root, "lacks") != NULL &&
        json_u64(s->root, "lacks", INT32_MAX, &lacks, err) < 0)
        return -1;
    return step_sign(c, caller, s->read, s->base, kind, (uint32_t)lacks, a, err);
}

static int
run_own(struct compose *c, const struct http_caller *caller, const struct said *s,
        enum own_step which, struct act *a, struct err *err)
{
    if (which == STEP_WRITE)
        return step_write(c, caller, s->read, s->base, &s->texts, a, err);
    if (which == STEP_GONE)
        return run_gone(c, caller, s, a, err);
    if (which == STEP_STANDS)
        return step_stands(c, caller, s->read, s->base, s->reason, a, err);
    return run_sign(c, caller, s, which == STEP_SIGN ? REPORT_FINAL : REPORT_PRELIMINARY, a, err);
}

static int
own_step(struct http_request *req, struct http_response *res, enum own_step which, struct err *err)
{
    struct compose *c = http_user(req);
    struct act a = {0};
    struct said s;
    int rc = -1;

    if (listen_to(req, &s, err) < 0)
        goto out;
    rc = run_own(c, http_caller(req), &s, which, &a, err);
    if (rc < 0) {
        rc = answer_refusal(&a, req, res, err);
    } else {
        act_end(&a);
        rc = answer_report(c, req, s.read, res, err);
    }
out:
    act_end(&a);
    said_fini(&s);
    return rc;
}

static int
post_write(struct http_request *req, struct http_response *res, struct err *err)
{
    return own_step(req, res, STEP_WRITE, err);
}

static int
post_sign(struct http_request *req, struct http_response *res, struct err *err)
{
    return own_step(req, res, STEP_SIGN, err);
}

static int
post_preliminary(struct http_request *req, struct http_response *res, struct err *err)
{
    return own_step(req, res, STEP_PRELIMINARY, err);
}

static int
post_shown(struct http_request *req, struct http_response *res, struct err *err)
{
    struct act a = {0};
    struct said s;
    int rc = -1;

    if (listen_to(req, &s, err) < 0 ||
        act_look(http_user(req), http_caller(req), s.read, ASSIGN_SEE, &a, err) < 0 ||
        shown_put(&a, json_find(s.root, "opened"), json_find(s.root, "instances"), err) < 0)
        goto out;
    http_answer_empty(res, 204);
    rc = 0;
out:
    act_end(&a);
    said_fini(&s);
    return rc;
}

static int
post_gone(struct http_request *req, struct http_response *res, struct err *err)
{
    return own_step(req, res, STEP_GONE, err);
}

static int
post_stands(struct http_request *req, struct http_response *res, struct err *err)
{
    return own_step(req, res, STEP_STANDS, err);
}

typedef int (*make_fn)(struct compose *c, int64_t read, unsigned version, struct buf *out,
                       struct err *err);

/* A file of a signed version, for who may see the read; that it was taken out is on record. */
static int
hand_out(struct http_request *req, struct http_response *res, make_fn make, const char *type,
         const char *ending, struct err *err)
{
    struct compose *c = http_user(req);
    char disposition[96];
    struct act a = {0};
    unsigned version;
    struct buf out;
    int64_t read;
    int rc = -1;

    buf_init(&out, (size_t)128 << 20);
    if (assign_read_id(req, &read, err) < 0 || version_of(req, &version, err) < 0 ||
        act_look(c, http_caller(req), read, ASSIGN_SEE, &a, err) < 0 ||
        act_seen(&a, ending, err) < 0 || pg_commit(a.conn, err) < 0)
        goto out;
    pg_put(&a.conn);
    if (make(c, read, version, &out, err) < 0)
        goto out;
    if (c->audit != NULL &&
        audit_append(c->audit, err, AUDIT_REPORT_EXPORTED, A_UID("study", a.row->study),
                     A_WORD("tenant", a.row->tenant), A_WORD("of", a.person.org),
                     A_NUMBER("read", read), A_NUMBER("version", version), A_WORD("as", ending),
                     A_WORD("by", a.person.login)) < 0)
        goto out;
    snprintf(disposition, sizeof disposition, "%s; filename=\"report-%lld-%u.%s\"",
             strcmp(ending, "pdf") == 0 ? "inline" : "attachment", (long long)read, version,
             ending);
    http_answer_header(res, "Content-Disposition", disposition);
    http_answer_buf(res, 200, type, &out);
    rc = 0;
out:
    act_end(&a);
    buf_fini(&out);
    return rc;
}

static int
get_pdf(struct http_request *req, struct http_response *res, struct err *err)
{
    return hand_out(req, res, compose_pdf, "application/pdf", "pdf", err);
}

static int
get_evidence(struct http_request *req, struct http_response *res, struct err *err)
{
    return hand_out(req, res, compose_evidence, "application/zip", "zip", err);
}

#define READ "/api/v1/reads/{read}"
#define STAFF(method, path, right, limit, handle)                                                  \
    {                                                                                              \
        method, READ path, HTTP_STAFF, right, limit, handle, NULL, NULL, NULL, HTTP_NO_STORE       \
    }

const struct http_route compose_routes[] = {
    STAFF("GET", "/report", MAY_SEE_REPORTS, 0, get_report),
    STAFF("PUT", "/draft", MAY_WRITE, BODY_BYTES, put_draft),
    STAFF("POST", "/write", MAY_WRITE, BODY_BYTES, post_write),
    STAFF("POST", "/review", MAY_REVIEW, BODY_BYTES, post_review),
    STAFF("POST", "/sign", MAY_REVIEW, BODY_BYTES, post_sign),
    STAFF("POST", "/preliminary", MAY_SIGN_ALONE, BODY_BYTES, post_preliminary),
    STAFF("POST", "/amend", MAY_WRITE, BODY_BYTES, post_amend),
    STAFF("POST", "/withdraw", MAY_REVIEW, BODY_BYTES, post_withdraw),
    STAFF("POST", "/doubts", MAY_WRITE, BODY_BYTES, post_doubts),
    STAFF("POST", "/gone", MAY_WRITE, BODY_BYTES, post_gone),
    STAFF("POST", "/stands", MAY_REVIEW, BODY_BYTES, post_stands),
    STAFF("POST", "/shown", MAY_SEE_IMAGES, SHOWN_BODY_BYTES, post_shown),
    STAFF("GET", "/report/{version}/pdf", MAY_SEE_REPORTS, 0, get_pdf),
    STAFF("GET", "/report/{version}/evidence", MAY_EXPORT, 0, get_evidence),
};
const size_t compose_route_count = ARRAY_LEN(compose_routes);
