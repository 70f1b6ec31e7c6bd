/* stands.c - somebody who may review looked at the images that came after the signature: the report
 * stands. */
#include "reader/compose/compose_own.h"

#include "proto/base/clock.h"

static int
vet(struct act *a, int64_t base, const char *reason, struct err *err)
{
    if (a->work.versions == 0)
        return act_refuse(a, REFUSE_NO_REPORT, err);
    if (base != a->work.base) /* perhaps it was signed anew: not the version they saw */
        return act_refuse(a, REFUSE_STALE, err);
    if (!a->row->is_late || (a->row->state != READ_SIGNED && a->row->state != READ_AMENDED))
        return act_refuse(a, REFUSE_STATE, err);
    if (reason[0] != '\0' && !reason_is_fit(reason))
        return act_refuse(a, REFUSE_TEXT, err);
    return 0;
}

static int
advance(struct act *a, const char *reason, struct err *err)
{
    struct jsonw w;
    struct buf detail;
    int rc;

    buf_init(&detail, REPORT_TEXT_BYTES);
    jsonw_init(&w, &detail);
    jsonw_object(&w, NULL);
    jsonw_uint(&w, "version", a->row->version);
    jsonw_uint(&w, "images", a->row->instances);
    jsonw_text(&w, "reason", reason);
    jsonw_end(&w);
    rc = assign_advance(a->conn, a->row->read_id, a->person.login, READ_SAW_STANDS,
                        buf_text(&detail), err);
    buf_fini(&detail);
    return rc;
}

static int
note_audit(const struct act *a, struct err *err)
{
    if (a->c->audit == NULL)
        return 0;
    return audit_append(a->c->audit, err, AUDIT_REPORT_STANDS, A_UID("study", a->row->study),
                        A_WORD("tenant", a->row->tenant), A_WORD("of", a->person.org),
                        A_NUMBER("read", a->row->read_id), A_NUMBER("version", a->row->version),
                        A_NUMBER("covers", a->row->covered), A_NUMBER("images", a->row->instances),
                        A_WORD("by", a->person.login));
}

static int
keep(struct act *a, const char *reason, struct err *err)
{
    const char *by = a->person.name[0] != '\0' ? a->person.name : a->person.login;

    if (pg_run(a->conn, "report_looked",
               PG_ARGS(PG_INT(a->row->read_id), PG_INT(a->row->version), PG_INT(clock_wall_us()),
                       PG_TEXT(by), PG_TEXT(reason)),
               NULL, err) < 0 ||
        act_note(a, "stands", reason, err) < 0 || advance(a, reason, err) < 0 ||
        note_audit(a, err) < 0)
        return -1;
    return act_commit(a, err);
}

int
step_stands(struct compose *c, const struct http_caller *caller, int64_t read, int64_t base,
            const char *reason, struct act *out, struct err *err)
{
    const char *words = reason != NULL ? reason : "";
    struct late late = {0};
    int rc = -1;

    if (act_look(c, caller, read, ASSIGN_REVIEW, out, err) < 0 || vet(out, base, words, err) < 0 ||
        late_ask_signed(out, &late, err) < 0)
        goto out;
    act_end(out);
    if (act_begin(c, caller, read, ASSIGN_REVIEW, out, err) < 0 || vet(out, base, words, err) < 0)
        goto out;
    if (late_vet(out, &late, err) < 0) {
        if (out->why == REFUSE_LATE) /* perhaps they never looked at all */
            (void)act_refuse(out, REFUSE_UNSEEN, err);
        goto out;
    }
    rc = keep(out, words, err);
out:
    late_fini(&late);
    return rc;
}
