/* act.c - one step of one person on one read: who they are, what they may, the row that is locked
 * until it is done. */
#include "reader/compose/compose_own.h"

#include "proto/base/clock.h"
#include "proto/base/text.h"

#include <stdlib.h>
#include <string.h>

static const struct refusal_words words[REFUSALS] = {
#define REFUSAL(name, status, code, en, zh) [name] = {status, code, en, zh},
#include "reader/compose/refusals.def"
#undef REFUSAL
};

const struct refusal_words *
refusal_words(enum refusal why)
{
    CHECK(why > REFUSE_NOTHING && why < REFUSALS);
    return &words[why];
}

int
act_refuse(struct act *a, enum refusal why, struct err *err)
{
    a->why = why;
    return err_set(err, words[why].status == 403 ? ERR_DENIED : ERR_CONFLICT, "refused: %s",
                   words[why].code);
}

/* A person who may see the read but not do this is told why it is so. */
static int
vet_person(struct act *a, const struct http_caller *caller, int64_t read, enum assign_level level,
           struct err *err)
{
    if (people_of_caller(a->conn, caller, &a->person, err) < 0)
        return -1;
    if (assign_may(a->conn, &a->person, read, level, err) == 0)
        return 0;
    if (err->kind == ERR_DENIED)
        a->why = REFUSE_LICENCE;
    return -1;
}

static int
open_act(struct compose *c, const struct http_caller *caller, int64_t read, enum assign_level level,
         struct act *out, struct err *err)
{
    *out = (struct act){.c = c};
    out->row = mem_new(sizeof *out->row);
    if (pg_get(c->pg, &out->conn, err) < 0 || pg_begin(out->conn, err) < 0)
        return -1;
    return vet_person(out, caller, read, level, err);
}

int
act_begin(struct compose *c, const struct http_caller *caller, int64_t read,
          enum assign_level level, struct act *out, struct err *err)
{
    if (open_act(c, caller, read, level, out, err) < 0 ||
        pg_run(out->conn, "work_make", PG_ARGS(PG_INT(read)), NULL, err) < 0 ||
        work_get(out->conn, read, true, &out->work, err) < 0 ||
        assign_lock_read(out->conn, read, err) < 0)
        return -1;
    return assign_read_get(out->conn, read, out->row, err); /* after the locks: not older */
}

int
act_look(struct compose *c, const struct http_caller *caller, int64_t read, enum assign_level level,
         struct act *out, struct err *err)
{
    if (open_act(c, caller, read, level, out, err) < 0 ||
        assign_read_get(out->conn, read, out->row, err) < 0)
        return -1;
    if (work_get(out->conn, read, false, &out->work, err) == 0)
        return 0;
    return err->kind == ERR_NOT_FOUND ? 0 : -1;
}

int
act_seen(struct act *a, const char *what, struct err *err)
{
    bool is_new;

    return people_look_put(a->conn, &a->person, a->row->tenant, a->row->study, what, &is_new, err);
}

int
act_commit(struct act *a, struct err *err)
{
    if (pg_commit(a->conn, err) < 0)
        return -1;
    if (a->c->assign != NULL)
        assign_wake(a->c->assign);
    return 0;
}

void
act_end(struct act *a)
{
    pg_put(&a->conn);
    work_fini(&a->work);
    free(a->row);
    a->row = NULL;
}

int
act_vet(struct act *a, int64_t base, struct err *err)
{
    if (a->row->claimed_by[0] != '\0' && strcmp(a->row->claimed_by, a->person.login) != 0)
        return act_refuse(a, REFUSE_LEASE, err);
    if (base != a->work.base)
        return act_refuse(a, REFUSE_STALE, err);
    return 0;
}

bool
act_wrote(const struct act *a)
{
    const char *at = a->work.writers;
    size_t n = strlen(a->person.login);

    if (strcmp(a->work.author, a->person.login) == 0)
        return true;
    while (at != NULL && *at != '\0') {
        size_t line = strcspn(at, "\n");

        if (line == n && memcmp(at, a->person.login, n) == 0)
            return true;
        at += line + (at[line] == '\n');
    }
    return false;
}

int
act_note(struct act *a, const char *action, const char *reason, struct err *err)
{
    return pg_run(a->conn, "history_add",
                  PG_ARGS(PG_INT(a->row->read_id), PG_INT(clock_wall_us()),
                          PG_TEXT(a->person.login), PG_TEXT(action), PG_TEXT(reason)),
                  NULL, err);
}

/* Line breaks and tabs are all the control there is. */
static bool
is_fit(const char *text)
{
    size_t n;

    if (text == NULL)
        return true;
    n = strlen(text);
    if (n > REPORT_TEXT_BYTES || !text_is_utf8(text, n))
        return false;
    for (size_t i = 0; i < n; i++)
        if (((uint8_t)text[i] < 0x20 && text[i] != '\n' && text[i] != '\t' && text[i] != '\r') ||
            text[i] == 0x7F)
            return false;
    return true;
}

bool
texts_are_fit(const struct texts *t)
{
    return is_fit(t->exam) && is_fit(t->findings) && is_fit(t->impression);
}

bool
reason_is_fit(const char *reason)
{
    return reason != NULL && reason[strspn(reason, " \t\r\n")] != '\0' &&
           strlen(reason) <= REASON_BYTES && is_fit(reason);
}
