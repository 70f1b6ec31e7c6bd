/* told.c - what is the same for many pings, read once for all of them. */
#include "storage/ingest/told.h"

#include "proto/base/clock.h"
#include "proto/base/text.h"
#include "proto/base/thread.h"
#include "proto/trust/audit.h"
#include "proto/trust/digest.h"
#include "storage/ingest/ingest_own.h"
#include "storage/keep/keep.h"

#include <stdlib.h>
#include <string.h>

enum { LOOK_MS = 3000 };

/* Of one clinic, or of all ("") that have none of their own. */
struct row {
    char code[KEEP_CODE_SIZE];
    int64_t set_at_us;
    struct link_policy policy;
    bool is_wrong;
};

struct wish {
    char code[KEEP_CODE_SIZE];
    int64_t at_us;
};

struct rows {
    struct row *rows;
    size_t n;
    struct wish *wishes;
    size_t wishes_n;
    uint64_t catalog; /* 0: not known yet */
    const struct rows *before;
    struct told *told;
};

struct told {
    struct keep *keep;
    struct audit *audit;
    struct gate gate; /* for all below */
    bool is_looking, has_looked, has_policies;
    int64_t looked_ms;
    struct rows now;
};

struct told *
told_new(struct keep *keep, struct audit *audit)
{
    struct told *t = mem_new(sizeof *t);

    t->keep = keep;
    t->audit = audit;
    gate_init(&t->gate);
    return t;
}

static void
rows_fini(struct rows *r)
{
    free(r->rows);
    free(r->wishes);
    *r = (struct rows){0};
}

void
told_free(struct told **told)
{
    struct told *t = TAKE(*told);

    if (t == NULL)
        return;
    rows_fini(&t->now);
    gate_fini(&t->gate);
    free(t);
}

static const struct row *
find(const struct rows *rows, const char *code)
{
    for (size_t i = 0; i < rows->n; i++)
        if (strcmp(rows->rows[i].code, code) == 0)
            return &rows->rows[i];
    return NULL;
}

/* That it is in force from now on lasts as long as the audit; nothing waits for this entry. */
static void
note_policy(struct told *t, const struct keep_policy *row)
{
    uint8_t sha256[DIGEST_BYTES];
    struct err err = {0};

    LOG(&ingest_log, INGEST_POLICY, F_WORD("tenant", row->code[0] != '\0' ? row->code : "all"));
    digest_bytes(row->text, strlen(row->text), sha256);
    if (t->audit != NULL && audit_append(t->audit, &err, AUDIT_POLICY_SET,
                                         A_WORD("tenant", row->code[0] != '\0' ? row->code : "all"),
                                         A_HEX("policy", sha256, sizeof sha256)) < 0)
        LOG(&ingest_log, INGEST_POLICY_UNNOTED, F_ERR(&err));
}

/* One that cannot be read leaves in force what was before, and is told once. */
static int
take_policy(void *user, const struct keep_policy *policy)
{
    struct rows *r = user;
    const struct row *before = find(r->before, policy->code);
    bool is_known = before != NULL && before->set_at_us == policy->set_at_us;
    struct row *row;
    struct err err = {0};

    r->rows = mem_grow(r->rows, (r->n + 1) * sizeof *r->rows);
    row = &r->rows[r->n++];
    *row = (struct row){.set_at_us = policy->set_at_us};
    if (before != NULL)
        *row = *before;
    row->set_at_us = policy->set_at_us;
    text_copy(row->code, sizeof row->code, policy->code);
    if (is_known)
        return 0;
    row->is_wrong = keep_policy_read(policy->text, &row->policy, &err) < 0;
    if (row->is_wrong)
        LOG(&ingest_log, INGEST_POLICY_WRONG, F_WORD("tenant", policy->code), F_ERR(&err));
    else if (r->told->has_policies) /* else the service has just started */
        note_policy(r->told, policy);
    return 0;
}

static int
take_wish(void *user, const char *code, int64_t at_us)
{
    struct rows *r = user;
    struct wish *w;

    r->wishes = mem_grow(r->wishes, (r->wishes_n + 1) * sizeof *r->wishes);
    w = &r->wishes[r->wishes_n++];
    *w = (struct wish){.at_us = at_us};
    text_copy(w->code, sizeof w->code, code);
    return 0;
}

/* One looks, the others go on with what is known. */
static bool
takes_look(struct told *t)
{
    int64_t now_ms = clock_mono_ms();
    bool is_mine;

    gate_lock(&t->gate);
    is_mine = !t->is_looking && (!t->has_looked || now_ms - t->looked_ms >= LOOK_MS);
    if (is_mine) {
        t->is_looking = t->has_looked = true;
        t->looked_ms = now_ms;
    }
    gate_unlock(&t->gate);
    return is_mine;
}

/* Only who looks changes what is known. PostgreSQL away: pings go on without. */
static void
look(struct told *t)
{
    struct rows r = {.before = &t->now, .told = t}, old = {0};
    struct err err = {0};
    bool is_read = keep_catalog_id(t->keep, &r.catalog, &err) == 0 &&
                   keep_each_policy(t->keep, take_policy, &r, &err) == 0 &&
                   keep_each_wish(t->keep, take_wish, &r, &err) == 0;

    gate_lock(&t->gate);
    t->is_looking = false;
    if (is_read) {
        old = t->now;
        t->now = r;
        t->has_policies = true;
    } else {
        old = r;
    }
    gate_unlock(&t->gate);
    rows_fini(&old);
}

void
told_fill(struct told *t, const char *tenant, struct link_ping *out)
{
    const struct row *row;

    if (takes_look(t))
        look(t);
    gate_lock(&t->gate);
    out->catalog = t->now.catalog;
    row = find(&t->now, tenant);
    if (row == NULL)
        row = find(&t->now, "");
    if (row != NULL)
        out->policy = row->policy;
    for (size_t i = 0; i < t->now.wishes_n; i++)
        if ((t->now.wishes[i].code[0] == '\0' || strcmp(t->now.wishes[i].code, tenant) == 0) &&
            t->now.wishes[i].at_us > out->reconcile_us)
            out->reconcile_us = t->now.wishes[i].at_us;
    gate_unlock(&t->gate);
}
