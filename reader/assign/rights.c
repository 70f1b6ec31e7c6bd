/* rights.c - whose read somebody may see, write, review (assign.h, rights). The rules that need the
 * tables are SQL functions: read_is_seen(), doctor_fits() in migrations/0002_assign.sql. */
#include "reader/assign/assign_own.h"

#include "proto/base/clock.h"
#include "proto/base/text.h"

#include <string.h>

void
seer_of(const struct person *person, struct seer *out)
{
    unsigned roles = person->roles;

    out->own = roles & (ROLE_TECHNICIAN | ROLE_ADMINISTRATOR) ? person->org : NULL;
    out->login = roles & (ROLE_DOCTOR | ROLE_REVIEWER) ? person->login : NULL;
    out->above = roles & ROLE_SUPERVISOR ? person->org : NULL;
}

/* The first column of the first row as a truth; false without a row. */
static int
ask(struct pg_conn *conn, const char *query, const struct pg_arg *args, size_t count, bool *out,
    struct err *err)
{
    struct pg_rows *rows = NULL;

    if (pg_run(conn, query, args, count, &rows, err) < 0)
        return -1;
    *out = pg_rows_count(rows) > 0 && pg_truth(rows, 0, 0);
    pg_rows_free(&rows);
    return 0;
}

int
assign_may(struct pg_conn *conn, const struct person *person, int64_t read_id,
           enum assign_level level, struct err *err)
{
    struct seer seer;
    unsigned right = level == ASSIGN_REVIEW ? MAY_REVIEW : MAY_WRITE;
    bool is_seen, fits;

    seer_of(person, &seer);
    if (ask(conn, "assign_may_see",
            PG_ARGS(PG_INT(read_id), PG_TEXT(seer.own), PG_TEXT(seer.login), PG_TEXT(seer.above)),
            &is_seen, err) < 0)
        return -1;
    if (!is_seen)
        return err_set(err, ERR_NOT_FOUND, "no such read");
    if (level == ASSIGN_SEE)
        return 0;
    if ((people_rights(person->roles) & right) == 0)
        return err_set(err, ERR_DENIED, "the role does not allow it");
    if (ask(conn, "assign_fits",
            PG_ARGS(PG_INT(read_id), PG_TEXT(person->login), PG_INT(clock_wall_us())), &fits,
            err) < 0)
        return -1;
    if (!fits)
        return err_set(err, ERR_DENIED, "licence, modality or agreement does not cover it");
    return 0;
}

int
assign_may_see_study(struct pg_conn *conn, const struct person *person, const char *study,
                     char out_tenant[ASSIGN_CODE], bool *out_is_whole, struct err *err)
{
    struct pg_rows *rows = NULL;
    struct seer seer;
    int rc = -1;

    seer_of(person, &seer);
    if (pg_run(conn, "assign_see_study",
               PG_ARGS(PG_TEXT(study), PG_TEXT(seer.own), PG_TEXT(seer.login), PG_TEXT(seer.above)),
               &rows, err) < 0)
        return -1;
    if (pg_rows_count(rows) == 0) {
        err_set(err, ERR_NOT_FOUND, "no such study");
    } else if (pg_rows_count(rows) > 1 && pg_truth(rows, 0, 1) == pg_truth(rows, 1, 1)) {
        err_set(err, ERR_CONFLICT, "clinics %s and %s both have a study %s: which one is not said",
                pg_text(rows, 0, 0), pg_text(rows, 1, 0), study);
    } else {
        text_copy(out_tenant, ASSIGN_CODE, pg_text(rows, 0, 0));
        *out_is_whole = pg_truth(rows, 0, 2);
        rc = 0;
    }
    pg_rows_free(&rows);
    return rc;
}

int
assign_holds(struct pg_conn *conn, const struct person *person, int64_t read_id, struct err *err)
{
    struct pg_rows *rows = NULL;
    bool is_held;

    if (pg_run(conn, "assign_holder", PG_ARGS(PG_INT(read_id)), &rows, err) < 0)
        return -1;
    is_held = pg_rows_count(rows) > 0 && strcmp(pg_text(rows, 0, 0), person->login) == 0 &&
              pg_int(rows, 0, 1) > clock_wall_us();
    pg_rows_free(&rows);
    if (!is_held)
        return err_set(err, ERR_CONFLICT, "the read is not under the caller's lease");
    return 0;
}
