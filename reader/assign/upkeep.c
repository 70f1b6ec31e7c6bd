/* upkeep.c - what ends by itself: leases, duty, licences, accounts, agreements.
 * What a list says is checked again under the read's lock before anything is taken from anybody. */
#include "reader/assign/assign_own.h"

#include "proto/base/clock.h"
#include "proto/base/text.h"

#include <stdio.h>
#include <string.h>

enum { DETAIL = 256, BATCH = 200 };

/* Does the read still stand as the list said? login has the lease (READ_SAW_LAPSE), or was chosen
 * and has not opened it (READ_SAW_UNASSIGN, READ_SAW_DISAGREE: login NULL). */
static int
still_stands(struct pg_conn *conn, int64_t read_id, enum read_event event, const char *login,
             bool is_over, bool *out, struct err *err)
{
    struct pg_rows *rows = NULL;
    const char *claimed;

    if (pg_run(conn, "assign_lock", PG_ARGS(PG_INT(read_id)), &rows, err) < 0)
        return -1;
    *out = pg_rows_count(rows) > 0;
    if (*out) {
        claimed = pg_text(rows, 0, 2);
        if (event == READ_SAW_LAPSE)
            *out =
                strcmp(claimed, login) == 0 && (!is_over || pg_int(rows, 0, 3) <= clock_wall_us());
        else
            *out = claimed[0] == '\0' && (login == NULL || strcmp(pg_text(rows, 0, 9), login) == 0);
    }
    pg_rows_free(&rows);
    return 0;
}

/* One event in a transaction of its own, if the read still stands so. */
static int
move_one(struct pg *pg, int64_t read_id, enum read_event event, const char *login, bool is_over,
         const struct change *change, bool *out_changed, struct err *err)
{
    struct pg_conn *conn = NULL;
    bool stands = false;
    int rc = -1;

    if (pg_get(pg, &conn, err) < 0 || pg_begin(conn, err) < 0 ||
        still_stands(conn, read_id, event, login, is_over, &stands, err) < 0)
        goto out;
    if (stands &&
        (advance(conn, read_id, "system", event, change, err) < 0 || pg_commit(conn, err) < 0))
        goto out;
    *out_changed |= stands;
    rc = 0;
out:
    pg_put(&conn);
    return rc < 0 && err->kind == ERR_CONFLICT ? 0 : rc;
}

/* ---- leases that ended, doctors who may not any more ---- */
static int
lapse_all(struct pg *pg, bool *out_changed, struct err *err)
{
    static const struct change over = {.detail = "{\"cause\":\"time\"}",
                                       .reason = "上一位医生的租约已到期",
                                       .reason_en = "the lease before ended"};
    static const struct change lost = {.detail = "{\"cause\":\"right\"}",
                                       .reason = "上一位医生的执业或协议资格已失效",
                                       .reason_en = "the doctor before lost licence or agreement"};
    int64_t now_us = clock_wall_us();
    struct pg_rows *rows = NULL;
    int rc = 0;

    if (choose_list(pg, "choose_ahead", PG_ARGS(PG_INT(now_us), PG_INT(clock_even_ms() * 1000)),
                    NULL, err) < 0 ||
        choose_list(pg, "choose_lapsed", PG_ARGS(PG_INT(now_us)), &rows, err) < 0)
        return -1;
    for (size_t i = 0; i < pg_rows_count(rows) && rc == 0; i++) {
        bool is_over = strcmp(pg_text(rows, i, 1), "time") == 0;

        rc = move_one(pg, pg_int(rows, i, 0), READ_SAW_LAPSE, pg_text(rows, i, 2), is_over,
                      is_over ? &over : &lost, out_changed, err);
    }
    pg_rows_free(&rows);
    return rc;
}

static int
unassign_misfits(struct pg *pg, bool *out_changed, struct err *err)
{
    static const struct change off = {.detail = "{\"cause\":\"duty\"}",
                                      .reason = "原医生已下班",
                                      .reason_en = "the chosen doctor is off duty"};
    static const struct change lost = {.detail = "{\"cause\":\"right\"}",
                                       .reason = "原医生的执业或协议资格已失效",
                                       .reason_en = "the chosen doctor lost licence or agreement"};
    struct pg_rows *rows = NULL;
    int rc = 0;

    if (choose_list(pg, "choose_misfits", PG_ARGS(PG_INT(clock_wall_us())), &rows, err) < 0)
        return -1;
    for (size_t i = 0; i < pg_rows_count(rows) && rc == 0; i++) {
        bool is_off = strcmp(pg_text(rows, i, 1), "duty") == 0;

        rc = move_one(pg, pg_int(rows, i, 0), READ_SAW_UNASSIGN, pg_text(rows, i, 2), false,
                      is_off ? &off : &lost, out_changed, err);
    }
    pg_rows_free(&rows);
    return rc;
}

/* ---- agreements ---- */
int
choose_agree(struct pg_conn *conn, int64_t read_id, struct err *err)
{
    struct change change = {0};
    struct pg_rows *rows = NULL;
    char code[ASSIGN_CODE], detail[DETAIL];
    int rc = 0;

    if (pg_run(conn, "choose_agreement", PG_ARGS(PG_INT(read_id), PG_INT(clock_wall_us())), &rows,
               err) < 0)
        return -1;
    if (pg_rows_count(rows) > 0) {
        text_copy(code, sizeof code, pg_text(rows, 0, 0)); /* vetted by load: letters and digits */
        change.agreement = code;
        change.agreement_version = pg_int(rows, 0, 1);
        change.detail = detail;
        snprintf(detail, sizeof detail, "{\"agreement\":\"%s\",\"version\":%lld}", code,
                 (long long)change.agreement_version);
        rc = advance(conn, read_id, "system", READ_SAW_AGREE, &change, err);
    }
    pg_rows_free(&rows);
    return rc;
}

static int
agree_one(struct pg *pg, int64_t read_id, bool *out_changed, struct err *err)
{
    struct pg_conn *conn = NULL;
    struct pg_rows *rows = NULL;
    int rc = -1;

    if (pg_get(pg, &conn, err) < 0 || pg_begin(conn, err) < 0)
        goto out;
    if (choose_agree(conn, read_id, err) < 0 && err->kind != ERR_CONFLICT)
        goto out;
    if (pg_run(conn, "assign_lock", PG_ARGS(PG_INT(read_id)), &rows, err) < 0 ||
        pg_commit(conn, err) < 0)
        goto out;
    if (pg_rows_count(rows) > 0 && pg_truth(rows, 0, 7))
        *out_changed = true;
    rc = 0;
out:
    pg_rows_free(&rows);
    pg_put(&conn);
    return rc;
}

/* Each of a query's reads, in batches, until there are none: work() changes what the query finds.
 */
static int
each(struct pg *pg, const char *query,
     int (*work)(struct pg *pg, int64_t read_id, bool *out_changed, struct err *err),
     bool *out_changed, struct err *err)
{
    bool goes_on;

    do {
        struct pg_rows *rows = NULL;
        bool has_moved = false;
        int rc = 0;

        if (choose_list(pg, query, PG_ARGS(PG_INT(clock_wall_us())), &rows, err) < 0)
            return -1;
        for (size_t i = 0; i < pg_rows_count(rows) && rc == 0; i++)
            rc = work(pg, pg_int(rows, i, 0), &has_moved, err);
        goes_on = pg_rows_count(rows) == BATCH && has_moved;
        *out_changed |= has_moved;
        pg_rows_free(&rows);
        if (rc < 0)
            return -1;
    } while (goes_on);
    return 0;
}

static int
disagree_one(struct pg *pg, int64_t read_id, bool *out_changed, struct err *err)
{
    static const struct change gone = {.reason = "原协议或其版本已不再适用",
                                       .reason_en =
                                           "its agreement's version is no longer in force"};

    return move_one(pg, read_id, READ_SAW_DISAGREE, NULL, false, &gone, out_changed, err);
}

/* ---- accounts that were disabled or lost their role ---- */
static int
unassign_all_of(struct pg *pg, const char *login, bool *out_changed, struct err *err)
{
    static const struct change gone = {.detail = "{\"cause\":\"account\"}",
                                       .reason = "原医生的账号已停用或角色已变更",
                                       .reason_en = "the chosen doctor's account is closed"};
    struct pg_rows *rows = NULL;
    struct pg_conn *conn = NULL;
    unsigned has = 0;
    int rc = -1;

    if (pg_get(pg, &conn, err) == 0)
        rc = choose_rights(conn, login, &has, err);
    pg_put(&conn);
    if (rc < 0 || (has & (MAY_WRITE | MAY_REVIEW)) == (MAY_WRITE | MAY_REVIEW))
        return rc;
    if (choose_list(pg, "choose_of_assignee", PG_ARGS(PG_TEXT(login)), &rows, err) < 0)
        return -1;
    for (size_t i = 0; i < pg_rows_count(rows) && rc == 0; i++) {
        enum read_state state = (enum read_state)read_state_from_word(pg_text(rows, i, 1));

        if ((choose_right_due(state) & has) == 0)
            rc = move_one(pg, pg_int(rows, i, 0), READ_SAW_UNASSIGN, login, false, &gone,
                          out_changed, err);
    }
    pg_rows_free(&rows);
    return rc;
}

static int
sweep_accounts(struct pg *pg, bool *out_changed, struct err *err)
{
    struct pg_rows *rows = NULL;
    int rc = 0;

    if (choose_list(pg, "choose_assignees", PG_NO_ARGS, &rows, err) < 0)
        return -1;
    for (size_t i = 0; i < pg_rows_count(rows) && rc == 0; i++)
        rc = unassign_all_of(pg, pg_text(rows, i, 0), out_changed, err);
    pg_rows_free(&rows);
    return rc;
}

int
upkeep_now(struct pg *pg, bool *out_changed, struct err *err)
{
    return lapse_all(pg, out_changed, err) < 0 ? -1 : unassign_misfits(pg, out_changed, err);
}

int
upkeep_agreements(struct pg *pg, bool *out_changed, struct err *err)
{
    if (each(pg, "choose_agreed", disagree_one, out_changed, err) < 0)
        return -1;
    return each(pg, "choose_unagreed", agree_one, out_changed, err);
}

int
upkeep_accounts(struct pg *pg, bool *out_changed, struct err *err)
{
    return sweep_accounts(pg, out_changed, err);
}
