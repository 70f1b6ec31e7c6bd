/* routes.c - staff routes of reports: what a page reads and each step of a person. docs/openapi. */
#include "reader/compose/compose_own.h"

#include "proto/base/clock.h"
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
read_of(const struct http_request *req, int64_t *out, struct err *err)
{
    uint64_t n;

    if (text_to_u64(http_param(req, "read"), INT64_MAX, &n) < 0)
        return err_set(err, ERR_NOT_FOUND, "no such read");
    *out = (int64_t)n;
    return 0;
}

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
    if (read_of(req, &out->read, err) < 0 || json_parse(body, n, &out->doc, err) < 0)
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

static void
write_time(struct jsonw *w, const char *key, int64_t at_us)
{
    char text[40];

    if (at_us == 0) {
        jsonw_null(w, key);
        return;
    }
    clock_text(at_us, text);
    jsonw_text(w, key, text);
}

/* {login, name} of an account; null for nobody. */
static int
write_login(struct jsonw *w, struct pg_conn *conn, const char *key, const char *login,
            struct err *err)
{
    struct person person;

    if (login[0] == '\0') {
        jsonw_null(w, key);
        return 0;
    }
    if (people_find(conn, login, &person, err) < 0) {
        if (err->kind != ERR_NOT_FOUND)
            return -1;
        person.name[0] = '\0';
    }
    jsonw_object(w, key);
    jsonw_text(w, "login", login);
    jsonw_text(w, "name", person.name[0] != '\0' ? person.name : login);
    jsonw_end(w);
    return 0;
}

/* The page's words for a read's state. */
static const char *
state_word(const struct act *a)
{
    switch (a->row->state) {
    case READ_DRAFTED:
        return "draft";
    case READ_WRITTEN:
        return "written";
    case READ_REVIEWED:
        return "reviewed";
    case READ_PRELIMINARY:
        return "preliminary";
    case READ_SIGNED:
    case READ_AMENDED:
        return "signed";
    case READ_WITHDRAWN:
        return "withdrawn";
    default:
        return "none";
    }
}

/* What the caller could do now, as far as it depends on the state and on who they are. */
static void
write_may(struct jsonw *w, const struct act *a, unsigned rights, bool may_write, bool may_review)
{
    const enum read_state s = a->row->state;
    const bool is_mine = strcmp(a->row->claimed_by, a->person.login) == 0;
    const bool is_free = is_mine || a->row->claimed_by[0] == '\0';
    const bool is_drafting = (s == READ_CLAIMED && is_mine) ||
                             (s == READ_DRAFTED && (is_mine || (is_free && act_wrote(a))));
    const bool is_out =
        s == READ_SIGNED || s == READ_AMENDED || s == READ_WITHDRAWN || s == READ_PRELIMINARY;
    const bool is_second = may_review && is_free && !act_wrote(a);

    jsonw_object(w, "may");
    jsonw_bool(w, "write", may_write && is_drafting && is_free && (rights & MAY_WRITE) != 0);
    jsonw_bool(w, "review",
               is_second && (s == READ_WRITTEN || s == READ_PRELIMINARY || s == READ_REVIEWED));
    jsonw_bool(w, "sign", is_second && s == READ_REVIEWED);
    jsonw_bool(w, "amend", may_write && is_free && is_out && a->work.versions > 0);
    jsonw_bool(w, "withdraw", may_review && a->row->version > 0 && s != READ_WITHDRAWN);
    jsonw_bool(w, "preliminary",
               may_write && is_free && a->row->may_read_alone && a->work.finals == 0 &&
                   (s == READ_DRAFTED || s == READ_WRITTEN) && act_wrote(a) &&
                   (rights & MAY_SIGN_ALONE) != 0);
    jsonw_end(w);
}

static void
write_signer(struct jsonw *w, const char *key, const struct report_person *p)
{
    if (p->login[0] == '\0') {
        jsonw_null(w, key);
        return;
    }
    jsonw_object(w, key);
    jsonw_text(w, "login", p->login);
    jsonw_text(w, "name", p->name);
    jsonw_text(w, "licence", p->licence);
    jsonw_text(w, "organisation", p->organisation);
    jsonw_text(w, "organisation_name", p->organisation_name);
    jsonw_end(w);
}

static int
write_version(struct jsonw *w, const struct pg_rows *rows, size_t i, struct err *err)
{
    struct report_binds binds;
    struct report r = {0};
    const uint8_t *bytes;
    size_t n;

    bytes = pg_bytes(rows, i, 8, &n);
    if (canonical_read(bytes, n, &r, &binds, err) < 0)
        return -1;
    snprintf(r.verify_url, sizeof r.verify_url, "%s/v/%s", pg_text(rows, i, 5), r.token);
    jsonw_object(w, NULL);
    jsonw_uint(w, "version", r.version);
    jsonw_text(w, "state",
               report_standing_word(pg_int(rows, i, 6) != 0   ? REPORT_WITHDRAWN
                                    : pg_int(rows, i, 9) != 0 ? REPORT_AMENDED
                                                              : REPORT_VALID));
    jsonw_text(w, "kind", report_kind_word(r.kind));
    write_time(w, "signed_at", pg_int(rows, i, 2));
    write_signer(w, "author", &r.author);
    write_signer(w, "reviewer", &r.reviewer);
    jsonw_text(w, "reason", r.reason[0] != '\0' ? r.reason : NULL);
    jsonw_uint(w, "covers", r.covers);
    jsonw_uint(w, "revision", r.manifest_revision);
    jsonw_text(w, "exam", r.exam);
    jsonw_text(w, "findings", r.findings);
    jsonw_text(w, "impression", r.impression);
    write_time(w, "withdrawn_at", pg_int(rows, i, 6));
    jsonw_text(w, "withdrawn_reason", pg_int(rows, i, 6) != 0 ? pg_text(rows, i, 7) : NULL);
    jsonw_text(w, "verify_url", r.verify_url);
    jsonw_end(w);
    report_fini(&r);
    return 0;
}

static int
write_versions(struct jsonw *w, struct act *a, struct err *err)
{
    struct pg_rows *rows = NULL;
    int rc = 0;

    if (pg_run(a->conn, "report_versions", PG_ARGS(PG_INT(a->row->read_id)), &rows, err) < 0)
        return -1;
    jsonw_array(w, "versions");
    for (size_t i = 0; i < pg_rows_count(rows) && rc == 0; i++)
        rc = write_version(w, rows, i, err);
    jsonw_end(w);
    pg_rows_free(&rows);
    return rc;
}

static int
may_level(struct act *a, enum assign_level level, bool *out_may, struct err *err)
{
    *out_may = assign_may(a->conn, &a->person, a->row->read_id, level, err) == 0;
    return *out_may || err->kind == ERR_DENIED ? 0 : -1;
}

/* Drafts are for those who work on the read; others see what was signed. */
static void
write_texts(struct jsonw *w, const struct act *a, bool is_shown)
{
    const bool is_there = is_shown && a->work.exam != NULL;

    jsonw_text(w, "exam", is_there ? a->work.exam : "");
    jsonw_text(w, "findings", is_there ? a->work.findings : "");
    jsonw_text(w, "impression", is_there ? a->work.impression : "");
    jsonw_text(w, "returned_reason", is_there ? a->work.returned_reason : "");
    jsonw_text(w, "amend_reason", is_there ? a->work.amend_reason : "");
}

static int
write_report(struct act *a, unsigned rights, struct buf *out, struct err *err)
{
    const bool is_in_work = a->row->state != READ_SIGNED && a->row->state != READ_AMENDED &&
                            a->row->state != READ_WITHDRAWN;
    bool may_write, may_review;
    struct jsonw w;

    if (may_level(a, ASSIGN_WRITE, &may_write, err) < 0 ||
        may_level(a, ASSIGN_REVIEW, &may_review, err) < 0)
        return -1;
    jsonw_init(&w, out);
    jsonw_object(&w, NULL);
    jsonw_int(&w, "read", a->row->read_id);
    jsonw_uint(&w, "version", a->work.versions + (is_in_work ? 1 : 0));
    jsonw_text(&w, "state", state_word(a));
    jsonw_text(&w, "kind",
               report_kind_word(!is_in_work && a->row->is_preliminary ? REPORT_PRELIMINARY
                                                                      : REPORT_FINAL));
    write_texts(&w, a, may_write || may_review);
    /* late images put a written version back to its author, whatever was said of it before */
    if (write_login(&w, a->conn, "author", a->work.author, err) < 0 ||
        write_login(&w, a->conn, "reviewer", a->row->state == READ_DRAFTED ? "" : a->work.reviewer,
                    err) < 0 ||
        write_login(&w, a->conn, "saved_by", a->work.saved_by, err) < 0)
        return -1;
    jsonw_int(&w, "base", a->work.base);
    write_time(&w, "saved_at", a->work.saved_at_us);
    jsonw_uint(&w, "revision", a->row->revision);
    jsonw_uint(&w, "present", a->row->instances);
    if (a->row->version > 0)
        jsonw_uint(&w, "covered", a->row->covered);
    else
        jsonw_null(&w, "covered");
    jsonw_bool(&w, "is_late", a->row->is_late);
    write_may(&w, a, rights, may_write, may_review);
    if (write_versions(&w, a, err) < 0)
        return -1;
    jsonw_end(&w);
    return 0;
}

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
    if (a->why == REFUSE_STALE && a->work.exam != NULL) {
        jsonw_object(&w, "current");
        jsonw_int(&w, "base", a->work.base);
        jsonw_text(&w, "exam", a->work.exam);
        jsonw_text(&w, "findings", a->work.findings);
        jsonw_text(&w, "impression", a->work.impression);
        jsonw_text(&w, "saved_by", a->work.saved_by);
        write_time(&w, "saved_at", a->work.saved_at_us);
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
    write_time(&w, "saved_at", a->work.saved_at_us);
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
    if (act_look(c, http_caller(req), read, &a, err) == 0 && act_seen(&a, "report", err) == 0 &&
        write_report(&a, http_caller(req)->rights, &out, err) == 0 && pg_commit(a.conn, err) == 0) {
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

    if (read_of(req, &read, err) < 0)
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
run_write(struct act *a, const struct said *s, struct err *err)
{
    return step_write(a, s->base, &s->texts, err);
}

static int
run_review(struct act *a, const struct said *s, struct err *err)
{
    return step_review(a, s->base, s->is_accepted, s->reason, &s->texts, err);
}

static int
run_amend(struct act *a, const struct said *s, struct err *err)
{
    return step_amend(a, s->reason, err);
}

static int
run_withdraw(struct act *a, const struct said *s, struct err *err)
{
    return step_withdraw(a, s->reason, err);
}

static int
put_draft(struct http_request *req, struct http_response *res, struct err *err)
{
    return step(req, res, ASSIGN_WRITE, run_draft, true, err);
}

static int
post_write(struct http_request *req, struct http_response *res, struct err *err)
{
    return step(req, res, ASSIGN_WRITE, run_write, false, err);
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
sign(struct http_request *req, struct http_response *res, enum report_kind kind, struct err *err)
{
    struct compose *c = http_user(req);
    struct act a = {0};
    struct said s;
    int rc = -1;

    if (listen_to(req, &s, err) < 0)
        goto out;
    rc = step_sign(c, http_caller(req), s.read, s.base, kind, &a, err);
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
post_sign(struct http_request *req, struct http_response *res, struct err *err)
{
    return sign(req, res, REPORT_FINAL, err);
}

static int
post_preliminary(struct http_request *req, struct http_response *res, struct err *err)
{
    return sign(req, res, REPORT_PRELIMINARY, err);
}

static int
post_shown(struct http_request *req, struct http_response *res, struct err *err)
{
    struct act a = {0};
    struct said s;
    int rc = -1;

    if (listen_to(req, &s, err) < 0 ||
        act_look(http_user(req), http_caller(req), s.read, &a, err) < 0 ||
        shown_put(&a, json_find(s.root, "opened"), json_find(s.root, "instances"), err) < 0)
        goto out;
    http_answer_empty(res, 204);
    rc = 0;
out:
    act_end(&a);
    said_fini(&s);
    return rc;
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
    if (read_of(req, &read, err) < 0 || version_of(req, &version, err) < 0 ||
        act_look(c, http_caller(req), read, &a, err) < 0 || act_seen(&a, ending, err) < 0 ||
        pg_commit(a.conn, err) < 0)
        goto out;
    pg_put(&a.conn);
    if (make(c, read, version, &out, err) < 0)
        goto out;
    if (c->audit != NULL &&
        audit_append(c->audit, err, AUDIT_REPORT_EXPORTED, A_UID("study", a.row->study),
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
    STAFF("POST", "/shown", MAY_SEE_IMAGES, SHOWN_BODY_BYTES, post_shown),
    STAFF("GET", "/report/{version}/pdf", MAY_SEE_REPORTS, 0, get_pdf),
    STAFF("GET", "/report/{version}/evidence", MAY_EXPORT, 0, get_evidence),
};
const size_t compose_route_count = ARRAY_LEN(compose_routes);
