/* choose.c - which doctor a read goes to, and when it goes to another.
 * 1. Chosen is only who is on duty, licensed now, affiliated to the invited organisation and fit
 *    for all of the read's modalities; for a review, another than the author.
 * 2. Among those: not who let it go last, if there is another; who may only write before who may
 *    review too (reviewers are kept for reviewing); then who has the least to do.
 * 3. Nobody is found: the read waits, says why, and is looked at again.
 * Rounds may run in several processes at once: a read's state is checked under its lock. */
#include "reader/assign/assign_own.h"

#include "proto/base/clock.h"
#include "proto/base/text.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { LOOK_AGAIN_S = 15, WORDS = 512, DETAIL = 1024 };

/* A choice, with the words for it. */
struct choice {
    char login[65];
    char zh[WORDS], en[WORDS], detail[DETAIL];
};

/* The rows of a query that needs no transaction. */
int
choose_list(struct pg *pg, const char *query, const struct pg_arg *args, size_t count,
            struct pg_rows **out, struct err *err)
{
    return pg_ask(pg, query, args, count, out, err);
}

/* ---- choices ---- */
int
choose_rights(struct pg_conn *conn, const char *login, unsigned *out, struct err *err)
{
    struct person person;

    *out = 0;
    if (people_find(conn, login, &person, err) < 0)
        return err->kind == ERR_NOT_FOUND ? 0 : -1;
    if (!person.is_disabled)
        *out = people_rights(person.roles);
    return 0;
}

unsigned
choose_right_due(enum read_state state)
{
    return state == READ_WRITTEN || state == READ_REVIEWED || state == READ_PRELIMINARY ? MAY_REVIEW
                                                                                        : MAY_WRITE;
}

/* Words for the chosen candidate, row i of n who may. */
static void
put_words(const struct read_row *read, const struct pg_rows *rows, size_t i, size_t n,
          struct choice *out)
{
    bool is_review = choose_right_due(read->state) == MAY_REVIEW;
    long long load = (long long)pg_int(rows, i, 2);
    bool had_it = pg_truth(rows, i, 3);

    text_copy(out->login, sizeof out->login, pg_text(rows, i, 0));
    snprintf(out->zh, sizeof out->zh,
             "协议 %s 第 %u 版；执业证有效，含 %s；%s在班可选 %zu 人，待办 %lld 份%s%s",
             read->agreement, read->agreement_version, read->modalities,
             is_review ? "审核人（非书写者）；" : "", n, load,
             n > 1 && !had_it ? "，按待办最少选定" : "", had_it ? "；无他人可换" : "");
    snprintf(out->en, sizeof out->en,
             "agreement %s version %u; licence in force for %s; %s%zu on duty who may, %lld open "
             "reads%s%s",
             read->agreement, read->agreement_version, read->modalities,
             is_review ? "reviewer other than the author; " : "", n, load,
             n > 1 && !had_it ? ", chosen by least to do" : "",
             had_it ? "; nobody else to take it" : "");
}

static void
put_detail(struct choice *c, size_t n)
{
    struct buf b;
    struct jsonw w;

    buf_init(&b, DETAIL - 1);
    jsonw_init(&w, &b);
    jsonw_object(&w, NULL);
    jsonw_text(&w, "to", c->login);
    jsonw_uint(&w, "candidates", n);
    jsonw_text(&w, "reason", c->en);
    jsonw_end(&w);
    text_copy(c->detail, sizeof c->detail, buf_is_over(&b) ? "{}" : buf_text(&b));
    buf_fini(&b);
}

/* The best of the candidates who have the role. out_login "" when there is none. */
static int
pick(struct pg_conn *conn, const struct read_row *read, struct choice *out, struct err *err)
{
    struct pg_rows *rows = NULL;
    unsigned due = choose_right_due(read->state), has;
    size_t best = 0, able = 0;
    bool is_best_plain = false;
    int rc = -1;

    out->login[0] = '\0';
    if (pg_run(conn, "choose_candidates", PG_ARGS(PG_INT(read->read_id), PG_INT(clock_wall_us())),
               &rows, err) < 0)
        return -1;
    for (size_t i = 0; i < pg_rows_count(rows); i++) {
        bool is_plain;

        if (choose_rights(conn, pg_text(rows, i, 0), &has, err) < 0)
            goto out;
        if ((has & due) == 0)
            continue;
        /* who let it go last comes after all others, reviewers after who may only write */
        is_plain = due == MAY_WRITE && !pg_truth(rows, i, 3) && (has & MAY_REVIEW) == 0;
        if (able++ == 0 || (is_plain && !is_best_plain)) {
            best = i;
            is_best_plain = is_plain;
        }
    }
    if (able > 0) {
        put_words(read, rows, best, able, out);
        put_detail(out, able);
    }
    rc = 0;
out:
    pg_rows_free(&rows);
    return rc;
}

/* Nobody: say so and look again later. */
static int
leave(struct pg_conn *conn, const struct read_row *read, struct err *err)
{
    bool is_review = choose_right_due(read->state) == MAY_REVIEW;
    int64_t now = clock_wall_us();
    char zh[WORDS], en[WORDS];

    snprintf(zh, sizeof zh, "协议 %s 第 %u 版：现无在班且具 %s 资格的%s医师", read->agreement,
             read->agreement_version, read->modalities, is_review ? "另一位审核" : "");
    snprintf(en, sizeof en, "agreement %s version %u: nobody on duty who may %s %s now",
             read->agreement, read->agreement_version, is_review ? "review" : "read",
             read->modalities);
    return pg_run(conn, "choose_nobody",
                  PG_ARGS(PG_INT(read->read_id), PG_INT(now + LOOK_AGAIN_S * 1000000LL),
                          PG_TEXT(zh), PG_TEXT(en), PG_INT(now)),
                  NULL, err);
}

static int
choose_in(struct pg_conn *conn, int64_t read_id, bool *out_changed, struct err *err)
{
    struct read_row *read = mem_new(sizeof *read);
    struct choice choice;
    struct change change;
    struct pg_rows *rows = NULL;
    int rc = -1;

    /* locked first, so that what is read below still holds at the commit */
    if (pg_run(conn, "assign_lock", PG_ARGS(PG_INT(read_id)), &rows, err) < 0 ||
        assign_read_get(conn, read_id, read, err) < 0)
        goto out;
    if (read->assigned_to[0] != '\0' || read->claimed_by[0] != '\0') {
        rc = 0; /* another process, or a doctor, was faster */
        goto out;
    }
    if (pick(conn, read, &choice, err) < 0)
        goto out;
    if (choice.login[0] == '\0') {
        rc = leave(conn, read, err);
        goto out;
    }
    change = (struct change){.detail = choice.detail,
                             .login = choice.login,
                             .reason = choice.zh,
                             .reason_en = choice.en};
    rc = advance(conn, read_id, "system", READ_SAW_ASSIGN, &change, err);
    *out_changed |= rc == 0;
out:
    pg_rows_free(&rows);
    free(read);
    return rc;
}

static int
choose_one(struct pg *pg, int64_t read_id, bool *out_changed, struct err *err)
{
    struct pg_conn *conn = NULL;
    bool is_chosen = false;
    int rc = -1;

    if (pg_get(pg, &conn, err) == 0 && pg_begin(conn, err) == 0 &&
        choose_in(conn, read_id, &is_chosen, err) == 0 && pg_commit(conn, err) == 0)
        rc = 0;
    pg_put(&conn);
    if (rc == 0)
        *out_changed |= is_chosen;
    else if (err->kind == ERR_CONFLICT)
        rc = 0; /* it moved on meanwhile */
    return rc;
}

static int
choose_all(struct pg *pg, bool *out_changed, struct err *err)
{
    int64_t now_us = clock_wall_us();
    struct pg_rows *rows = NULL;
    int rc = 0;

    if (choose_list(pg, "choose_due",
                    PG_ARGS(PG_INT(now_us), PG_INT(now_us + LOOK_AGAIN_S * 1000000LL)), &rows,
                    err) < 0)
        return -1;
    for (size_t i = 0; i < pg_rows_count(rows) && rc == 0; i++)
        rc = choose_one(pg, pg_int(rows, i, 0), out_changed, err);
    pg_rows_free(&rows);
    return rc;
}

int
choose_round(struct pg *pg, unsigned what, bool *out_changed, struct err *err)
{
    *out_changed = false;
    if (upkeep_now(pg, out_changed, err) < 0)
        return -1;
    if ((what & CHOOSE_ACCOUNTS) && upkeep_accounts(pg, out_changed, err) < 0)
        return -1;
    if ((what & CHOOSE_AGREEMENTS) && upkeep_agreements(pg, out_changed, err) < 0)
        return -1;
    return choose_all(pg, out_changed, err);
}
