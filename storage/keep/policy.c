/* policy.c - what the operator wants of gateways, as rows. Only what can be read back is written.
 */
#include "storage/keep/keep_own.h"

#include "proto/base/clock.h"
#include "proto/base/limits.h"
#include "proto/http/json.h"

#include <string.h>

int
keep_policy_read(const char *text, struct link_policy *out, struct err *err)
{
    struct json_doc *doc = NULL;
    int rc = -1;

    if (strlen(text) > LIMIT_POLICY_BYTES)
        return err_set(err, ERR_REJECT, "a policy has %d bytes at most", (int)LIMIT_POLICY_BYTES);
    if (json_parse(text, strlen(text), &doc, err) < 0)
        return err_context(err, "policy");
    if (!json_is_object(json_root(doc)))
        err_set(err, ERR_REJECT, "policy: an object is due");
    else
        rc = link_policy_read(json_root(doc), out, err);
    json_free(&doc);
    return rc;
}

static int
check_code(struct keep *k, const char *code, struct err *err)
{
    return code[0] == '\0' ? 0 : keep_tenant_find(k, code, err);
}

int
keep_policy_set(struct keep *k, const char *code, const char *text, struct err *err)
{
    struct link_policy ignored;

    if (keep_policy_read(text, &ignored, err) < 0 || check_code(k, code, err) < 0)
        return -1;
    return keep_run(k, "policy_set", PG_ARGS(PG_TEXT(code), PG_TEXT(text), PG_INT(clock_wall_us())),
                    NULL, err);
}

int
keep_policy_clear(struct keep *k, const char *code, struct err *err)
{
    struct pg_rows *rows = NULL;
    int rc = keep_run(k, "policy_clear", PG_ARGS(PG_TEXT(code)), &rows, err);

    if (rc == 0 && pg_touched(rows) == 0)
        rc = err_set(err, ERR_NOT_FOUND, "there is no such policy");
    pg_rows_free(&rows);
    return rc;
}

int
keep_each_policy(struct keep *k, keep_on_policy on_row, void *user, struct err *err)
{
    struct pg_rows *rows = NULL;

    if (keep_run(k, "policies", PG_NO_ARGS, &rows, err) < 0)
        return -1;
    for (size_t i = 0; i < pg_rows_count(rows); i++) {
        const struct keep_policy row = {.code = pg_text(rows, i, 0),
                                        .text = pg_text(rows, i, 1),
                                        .set_at_us = pg_int(rows, i, 2)};

        if (on_row(user, &row) != 0)
            break;
    }
    pg_rows_free(&rows);
    return 0;
}

int
keep_reconcile_wish(struct keep *k, const char *code, struct err *err)
{
    if (check_code(k, code, err) < 0)
        return -1;
    return keep_run(k, "reconcile_wish", PG_ARGS(PG_TEXT(code), PG_INT(clock_wall_us())), NULL,
                    err);
}

int
keep_each_wish(struct keep *k, keep_on_wish on_row, void *user, struct err *err)
{
    struct pg_rows *rows = NULL;

    if (keep_run(k, "reconcile_wishes", PG_NO_ARGS, &rows, err) < 0)
        return -1;
    for (size_t i = 0; i < pg_rows_count(rows); i++)
        if (on_row(user, pg_text(rows, i, 0), pg_int(rows, i, 1)) != 0)
            break;
    pg_rows_free(&rows);
    return 0;
}
