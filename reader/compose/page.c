/* page.c - a report as its page has it: the version at hand, what the caller may do with it, every
 * version that was signed. */
#include "reader/compose/compose_own.h"

#include <stdio.h>
#include <string.h>

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
    jsonw_bool(w, "stands",
               may_review && a->row->is_late && (s == READ_SIGNED || s == READ_AMENDED));
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

/* Somebody looked at what came after this version was signed: it stands. */
static void
write_looked(struct jsonw *w, const struct pg_rows *rows, size_t i)
{
    if (pg_int(rows, i, 10) == 0) {
        jsonw_null(w, "looked");
        return;
    }
    jsonw_object(w, "looked");
    jsonw_time(w, "at", pg_int(rows, i, 10));
    jsonw_text(w, "by", pg_text(rows, i, 11));
    jsonw_text(w, "reason", pg_text(rows, i, 12));
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
    jsonw_time(w, "signed_at", pg_int(rows, i, 2));
    write_signer(w, "author", &r.author);
    write_signer(w, "reviewer", &r.reviewer);
    jsonw_text(w, "reason", r.reason[0] != '\0' ? r.reason : NULL);
    jsonw_uint(w, "covers", r.covers);
    jsonw_uint(w, "revision", r.manifest_revision);
    jsonw_text(w, "exam", r.exam);
    jsonw_text(w, "findings", r.findings);
    jsonw_text(w, "impression", r.impression);
    jsonw_time(w, "withdrawn_at", pg_int(rows, i, 6));
    jsonw_text(w, "withdrawn_reason", pg_int(rows, i, 6) != 0 ? pg_text(rows, i, 7) : NULL);
    jsonw_text(w, "verify_url", r.verify_url);
    write_looked(w, rows, i);
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

int
page_write_report(struct act *a, unsigned rights, struct buf *out, struct err *err)
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
    jsonw_time(&w, "saved_at", a->work.saved_at_us);
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
