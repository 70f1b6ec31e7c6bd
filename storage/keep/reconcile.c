/* reconcile.c - what the catalog has, told so that a gateway can compare it with what it believes;
 * and how such comparisons ended. */
#include "storage/keep/keep_own.h"

#include "proto/base/clock.h"
#include "proto/base/text.h"
#include "proto/link/reconcile.h"
#include "storage/keep/landing.h"

#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

enum { ASIDE_PAGE = 1000 };
static const int64_t day_us = INT64_C(86400000000);

/* Rows of reconcile_day and reconcile_studies. */
static void
take_study(const struct pg_rows *rows, size_t i, struct link_study *out)
{
    text_copy(out->study, sizeof out->study, pg_text(rows, i, 0));
    out->day = link_day_of(pg_int(rows, i, 1));
    out->revision = (uint32_t)pg_int(rows, i, 2);
    out->objects = (uint64_t)pg_int(rows, i, 3);
    out->sealed = (uint64_t)pg_int(rows, i, 4);
    pg_copy_bytes(rows, i, 5, out->sha256, sizeof out->sha256);
}

/* One day as the catalog has it. */
static int
reckon_day(struct keep *k, const struct keep_sender *sender, int64_t day, struct link_day *out,
           struct err *err)
{
    struct link_study *studies;
    struct pg_rows *rows = NULL;
    struct link_days days;
    int64_t tenant;
    size_t n;

    if (tenant_number(k, sender->tenant, &tenant, err) < 0 ||
        keep_run(k, "reconcile_day",
                 PG_ARGS(PG_INT(tenant), PG_TEXT(sender->device), PG_INT(day * day_us),
                         PG_INT((day + 1) * day_us)),
                 &rows, err) < 0)
        return -1;
    n = pg_rows_count(rows);
    studies = mem_new((n + 1) * sizeof *studies);
    for (size_t i = 0; i < n; i++)
        take_study(rows, i, &studies[i]);
    link_days_reckon(studies, n, &days);
    *out = days.count > 0 ? days.days[0] : (struct link_day){.day = day};
    link_days_free(&days);
    free(studies);
    pg_rows_free(&rows);
    return 0;
}

int
keep_reconcile_days(struct keep *k, const struct keep_sender *sender, const struct link_days *asked,
                    struct link_days *out, struct err *err)
{
    struct link_days differ = {mem_new((asked->count + 1) * sizeof *differ.days), 0};

    for (size_t i = 0; i < asked->count; i++) {
        struct link_day *day = &differ.days[differ.count];

        if (reckon_day(k, sender, asked->days[i].day, day, err) < 0) {
            link_days_free(&differ);
            return err_context(err, "reconcile days");
        }
        differ.count += !link_day_is_same(day, &asked->days[i]);
    }
    *out = differ;
    return 0;
}

/* What the catalog says of a study that was asked about; zeros: it has no list of it. */
static struct link_study
find_study(const struct pg_rows *rows, const struct link_study *asked)
{
    struct link_study found = {.day = asked->day};

    text_copy(found.study, sizeof found.study, asked->study);
    for (size_t i = 0; i < pg_rows_count(rows); i++)
        if (strcmp(pg_text(rows, i, 0), asked->study) == 0) {
            take_study(rows, i, &found);
            break;
        }
    return found;
}

int
keep_reconcile_studies(struct keep *k, const struct keep_sender *sender,
                       const struct link_studies *asked, struct link_studies *out, struct err *err)
{
    struct link_studies differ = {mem_new((asked->count + 1) * sizeof *differ.studies), 0};
    const char **uids = mem_new((asked->count + 1) * sizeof *uids);
    struct pg_rows *rows = NULL;
    int64_t tenant;
    char *list;
    int rc;

    for (size_t i = 0; i < asked->count; i++)
        uids[i] = asked->studies[i].study;
    list = pg_array_text(uids, asked->count);
    rc = tenant_number(k, sender->tenant, &tenant, err);
    if (rc == 0)
        rc = keep_run(k, "reconcile_studies",
                      PG_ARGS(PG_INT(tenant), PG_TEXT(sender->device), PG_TEXT(list)), &rows, err);
    for (size_t i = 0; i < asked->count && rc == 0; i++) {
        struct link_study found = find_study(rows, &asked->studies[i]);

        if (!link_study_is_same(&found, &asked->studies[i]))
            differ.studies[differ.count++] = found;
    }
    pg_rows_free(&rows);
    free(list);
    free(uids);
    if (rc < 0) {
        link_studies_free(&differ);
        return err_context(err, "reconcile studies");
    }
    *out = differ;
    return 0;
}

bool
landing_is_there(const struct keep *k, const char *path)
{
    const char *const folders[] = {k->landing, k->landing_copy};
    char at[PATH_MAX];
    struct stat st;

    for (size_t i = 0; i < ARRAY_LEN(folders); i++) {
        snprintf(at, sizeof at, "%s/%s", folders[i], path);
        if (stat(at, &st) == 0 || errno != ENOENT)
            return true; /* a disk that does not answer has not lost it */
    }
    return false;
}

static enum link_state
state_of(const struct keep *k, const struct pg_rows *rows, size_t i, bool *out_is_file_gone)
{
    if (!pg_truth(rows, i, 1))
        return LINK_WANTED;
    if (pg_truth(rows, i, 3))
        return pg_truth(rows, i, 2)   ? LINK_QUARANTINED
               : pg_truth(rows, i, 5) ? LINK_SEALED
                                      : LINK_HELD; /* found, and not each copy read back yet */
    if (landing_is_there(k, pg_text(rows, i, 4)))
        return pg_truth(rows, i, 2) ? LINK_QUARANTINED : LINK_HELD;
    *out_is_file_gone = true;
    return LINK_WANTED;
}

static int
look_at_objects(struct keep *k, const struct keep_sender *sender, const char *list,
                const struct link_objects *asked, struct link_answer *out, bool *out_is_file_gone,
                struct err *err)
{
    struct pg_rows *rows = NULL;

    *out_is_file_gone = false;
    if (keep_run(k, "reconcile_objects", PG_ARGS(PG_TEXT(sender->tenant), PG_TEXT(list)), &rows,
                 err) < 0)
        return -1;
    *out = (struct link_answer){mem_new((asked->count + 1) * sizeof *out->objects), 0};
    for (size_t i = 0; i < pg_rows_count(rows) && i < asked->count; i++)
        landing_tell(&out->objects[out->count++], asked->objects[i],
                     state_of(k, rows, i, out_is_file_gone), NULL);
    pg_rows_free(&rows);
    return 0;
}

int
keep_reconcile_objects(struct keep *k, const struct keep_sender *sender,
                       const struct link_objects *asked, struct link_answer *out, struct err *err)
{
    char *list = pg_array_bytes(asked->objects[0], LINK_HASH_BYTES, asked->count);
    bool is_file_gone;
    int rc = look_at_objects(k, sender, list, asked, out, &is_file_gone, err);

    if (rc == 0 && is_file_gone) { /* or sealed since, and cleaned away: then a second look knows */
        link_answer_free(out);
        rc = look_at_objects(k, sender, list, asked, out, &is_file_gone, err);
    }
    free(list);
    return rc < 0 ? err_context(err, "reconcile objects") : 0;
}

/* What was told as lost before, is not any more, and is here, came back. */
static int
put_lost(struct pg_conn *conn, const struct keep_sender *sender, const struct link_reconciled *done,
         int64_t now_us, struct err *err)
{
    uint8_t *hashes = mem_new(done->count * LINK_HASH_BYTES + 1);
    const char **sops = mem_new((done->count + 1) * sizeof *sops);
    const char **studies = mem_new((done->count + 1) * sizeof *studies);
    char *objects, *sop_list, *study_list;
    int rc = -1;

    for (size_t i = 0; i < done->count; i++) {
        memcpy(hashes + i * LINK_HASH_BYTES, done->list[i].object, LINK_HASH_BYTES);
        sops[i] = done->list[i].sop_instance;
        studies[i] = done->list[i].study;
    }
    objects = pg_array_bytes(hashes, LINK_HASH_BYTES, done->count);
    sop_list = pg_array_text(sops, done->count);
    study_list = pg_array_text(studies, done->count);
    if (pg_run(conn, "lost_forget",
               PG_ARGS(PG_TEXT(sender->tenant), PG_TEXT(sender->device), PG_TEXT(objects)), NULL,
               err) == 0)
        rc = pg_run(conn, "lost_put",
                    PG_ARGS(PG_TEXT(sender->tenant), PG_TEXT(sender->device), PG_TEXT(objects),
                            PG_TEXT(sop_list), PG_TEXT(study_list), PG_INT(now_us)),
                    NULL, err);
    free(objects);
    free(sop_list);
    free(study_list);
    free(hashes);
    free(sops);
    free(studies);
    return rc;
}

int
keep_reconciled(struct keep *k, const struct keep_sender *sender,
                const struct link_reconciled *done, struct err *err)
{
    int64_t now_us = clock_wall_us();
    struct pg_conn *conn = NULL;
    int rc = -1;

    if (pg_get(k->pg, &conn, err) < 0)
        return -1;
    if (pg_begin(conn, err) == 0 &&
        pg_run(conn, "reconciled_put",
               PG_ARGS(PG_TEXT(sender->tenant), PG_TEXT(sender->device), PG_INT(now_us),
                       PG_INT(done->days), PG_INT(done->studies), PG_INT(done->objects),
                       PG_INT(done->different), PG_INT(done->repaired), PG_INT(done->lost)),
               NULL, err) == 0 &&
        put_lost(conn, sender, done, now_us, err) == 0)
        rc = pg_commit(conn, err);
    pg_put(&conn);
    if (rc == 0 && k->audit != NULL && (done->repaired > 0 || done->lost > 0))
        rc = audit_append(k->audit, err, AUDIT_RECONCILED, A_WORD("tenant", sender->tenant),
                          A_WORD("device", sender->device), A_NUMBER("different", done->different),
                          A_NUMBER("repaired", done->repaired), A_NUMBER("lost", done->lost));
    return rc < 0 ? err_context(err, "note a comparison") : 0;
}

int
keep_each_reconciled(struct keep *k, const char *tenant, keep_on_reconciled on_row, void *user,
                     struct err *err)
{
    struct pg_rows *rows = NULL;

    if (keep_run(k, "reconciled_list",
                 PG_ARGS(tenant != NULL ? PG_TEXT(tenant) : PG_NULL, PG_INT(clock_wall_us())),
                 &rows, err) < 0)
        return -1;
    for (size_t i = 0; i < pg_rows_count(rows); i++) {
        struct keep_reconciled row = {.tenant = pg_text(rows, i, 0),
                                      .device = pg_text(rows, i, 1),
                                      .at_us = pg_int(rows, i, 2),
                                      .days = (uint64_t)pg_int(rows, i, 3),
                                      .studies = (uint64_t)pg_int(rows, i, 4),
                                      .objects = (uint64_t)pg_int(rows, i, 5),
                                      .different = (uint64_t)pg_int(rows, i, 6),
                                      .repaired = (uint64_t)pg_int(rows, i, 7),
                                      .lost = (uint64_t)pg_int(rows, i, 8)};

        if (on_row(user, &row) != 0)
            break;
    }
    pg_rows_free(&rows);
    return 0;
}

int
keep_each_lost(struct keep *k, const char *tenant, keep_on_lost on_row, void *user, struct err *err)
{
    struct pg_rows *rows = NULL;
    int64_t number = 0;

    if ((tenant != NULL && tenant_number(k, tenant, &number, err) < 0) ||
        keep_run(k, "lost_list", PG_ARGS(tenant != NULL ? PG_INT(number) : PG_NULL), &rows, err) <
            0)
        return -1;
    for (size_t i = 0; i < pg_rows_count(rows); i++) {
        struct keep_lost row = {.tenant = pg_text(rows, i, 0),
                                .device = pg_text(rows, i, 1),
                                .sop_instance = pg_text(rows, i, 3),
                                .study = pg_text(rows, i, 4),
                                .since_us = pg_int(rows, i, 5),
                                .is_aside = pg_truth(rows, i, 6),
                                .is_missing = pg_truth(rows, i, 7)};

        pg_copy_bytes(rows, i, 2, row.object, sizeof row.object);
        if (on_row(user, &row) != 0)
            break;
    }
    pg_rows_free(&rows);
    return 0;
}

/* False: nothing was left to tell, or the callback has enough. */
static bool
give_aside(const struct pg_rows *rows, keep_on_aside on_row, void *user, int64_t *after)
{
    for (size_t i = 0; i < pg_rows_count(rows); i++) {
        struct keep_aside row = {.tenant = pg_text(rows, i, 0),
                                 .study = pg_text(rows, i, 1),
                                 .sop_instance = pg_text(rows, i, 2),
                                 .why = pg_text(rows, i, 4),
                                 .way = pg_text(rows, i, 5),
                                 .device = pg_text(rows, i, 6),
                                 .arrived_at_us = pg_int(rows, i, 7),
                                 .pack = pg_text(rows, i, 8),
                                 .landing = pg_text(rows, i, 9),
                                 .rejected_by = pg_text(rows, i, 11),
                                 .reason = pg_text(rows, i, 12),
                                 .rejected_at_us = pg_int(rows, i, 13)};

        pg_copy_bytes(rows, i, 3, row.object, sizeof row.object);
        if (on_row(user, &row) != 0)
            return false;
        *after = pg_int(rows, i, 10);
    }
    return pg_rows_count(rows) > 0;
}

int
keep_each_aside(struct keep *k, const char *tenant, keep_on_aside on_row, void *user,
                struct err *err)
{
    int64_t after = 0, number = 0;
    bool is_more = true;

    if (tenant != NULL && tenant_number(k, tenant, &number, err) < 0)
        return -1;
    while (is_more) {
        struct pg_rows *rows = NULL;

        if (keep_run(k, "aside_list",
                     PG_ARGS(tenant != NULL ? PG_INT(number) : PG_NULL, PG_INT(after),
                             PG_INT(ASIDE_PAGE)),
                     &rows, err) < 0)
            return -1;
        is_more = give_aside(rows, on_row, user, &after);
        pg_rows_free(&rows);
    }
    return 0;
}

int
keep_receipt_is_known(struct keep *k, const struct keep_sender *sender, uint64_t seq,
                      const uint8_t at[8], bool *out_is_known, uint64_t *out_last, struct err *err)
{
    struct pg_rows *rows = NULL;
    int64_t tenant;

    if (seq > INT64_MAX)
        return err_set(err, ERR_REJECT, "no such cursor");
    if (tenant_number(k, sender->tenant, &tenant, err) < 0 ||
        keep_run(k, "receipt_is_known",
                 PG_ARGS(PG_INT(tenant), PG_TEXT(sender->device), PG_INT(seq), PG_BYTES(at, 8)),
                 &rows, err) < 0)
        return -1;
    *out_is_known = pg_truth(rows, 0, 0);
    *out_last = (uint64_t)pg_int(rows, 0, 1);
    pg_rows_free(&rows);
    return 0;
}

int
keep_catalog_id(struct keep *k, uint64_t *out, struct err *err)
{
    struct pg_rows *rows = NULL;

    if (keep_run(k, "catalog_id", PG_NO_ARGS, &rows, err) < 0)
        return -1;
    *out = (uint64_t)pg_int(rows, 0, 0);
    pg_rows_free(&rows);
    return 0;
}
