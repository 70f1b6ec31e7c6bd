/* clinic_down.c - a clinic's messages after a number, that its desk has them, and whether this
 * database is the one that the desk knows. */
#include "reader/deliver/clinic.h"

#include "proto/base/clock.h"
#include "proto/base/text.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* A message as it was kept. One that cannot be read is passed over and reported: the rest of the
 * clinic's must not wait behind it. */
static void
take_row(const struct pg_rows *rows, size_t i, struct clinic_downs *io)
{
    struct clinic_down *m = &io->messages[io->count];
    const char *body = pg_text(rows, i, 1);
    struct err why;

    io->next = (uint64_t)pg_int(rows, i, 0);
    if (clinic_down_decode((const uint8_t *)body, strlen(body), m, &why) < 0) {
        LOG(&deliver_log, CLINIC_DOWN_UNREADABLE, F_NUMBER("seq", io->next), F_ERR(&why));
        return;
    }
    m->seq = io->next;
    if (m->kind == CLINIC_CRITICAL || m->kind == CLINIC_REPEAT)
        clinic_copy_answer(m, rows, i, 2);
    io->count++;
}

int
clinic_downs_after(struct deliver *d, const char *tenant, uint64_t after,
                   struct clinic_downs *out_downs, struct err *err)
{
    struct clinic_downs downs = {.next = after};
    struct pg_rows *rows = NULL;

    if (pg_ask(d->o.pg, "clinic_down_after",
               PG_ARGS(PG_TEXT(tenant), PG_INT(after), PG_INT(CLINIC_MESSAGES)), &rows, err) < 0)
        return -1;
    text_copy(downs.patient_url, sizeof downs.patient_url, d->patient_url);
    downs.messages = mem_new((pg_rows_count(rows) + 1) * sizeof *downs.messages);
    for (size_t i = 0; i < pg_rows_count(rows); i++)
        take_row(rows, i, &downs);
    *out_downs = downs;
    pg_rows_free(&rows);
    return 0;
}

int
clinic_cursor_check(struct deliver *d, const struct clinic_sender *sender, uint64_t after,
                    const char *at, struct clinic_downs *io_downs, struct err *err)
{
    struct pg_rows *rows = NULL;

    if (after == 0)
        return 0;
    if (at[0] != '\0' && !clinic_id_is_valid(at))
        return err_set(err, ERR_REJECT, "at: a message's id is due, or nothing");
    if (pg_ask(
            d->o.pg, "clinic_down_known",
            PG_ARGS(PG_TEXT(sender->tenant), PG_INT(after), PG_TEXT(at), PG_TEXT(sender->device)),
            &rows, err) < 0)
        return -1;
    if (!pg_truth(rows, 0, 0)) {
        io_downs->is_cursor_lost = true;
        io_downs->next = (uint64_t)pg_int(rows, 0, 1);
        LOG(&deliver_log, CLINIC_CURSOR_LOST, F_WORD("tenant", sender->tenant),
            F_WORD("device", sender->device), F_NUMBER("cursor", after),
            F_NUMBER("next", io_downs->next));
    }
    pg_rows_free(&rows);
    return 0;
}

int
clinic_told_check(struct deliver *d, const struct clinic_sender *sender, const char *told,
                  bool *out_is_lost, struct err *err)
{
    struct pg_rows *rows = NULL;

    *out_is_lost = false;
    if (told == NULL || told[0] == '\0')
        return 0;
    if (!clinic_id_is_valid(told))
        return err_set(err, ERR_REJECT, "told: a message's id is due, or nothing");
    if (pg_ask(d->o.pg, "clinic_up_known", PG_ARGS(PG_TEXT(sender->tenant), PG_TEXT(told)), &rows,
               err) < 0)
        return -1;
    *out_is_lost = !pg_truth(rows, 0, 0);
    pg_rows_free(&rows);
    if (*out_is_lost)
        LOG(&deliver_log, CLINIC_TOLD_LOST, F_WORD("tenant", sender->tenant),
            F_WORD("device", sender->device));
    return 0;
}

/* The report is at the clinic: its first device has it. */
static int
note_arrival(struct pg_conn *conn, const struct clinic_sender *sender, const char *id,
             struct err *err)
{
    char actor[80], detail[80];
    struct pg_rows *rows = NULL;
    int rc = 0;

    if (pg_run(conn, "clinic_taken_report", PG_ARGS(PG_TEXT(sender->tenant), PG_TEXT(id)), &rows,
               err) < 0)
        return -1;
    if (pg_rows_count(rows) > 0) {
        snprintf(actor, sizeof actor, "desk:%s", sender->device);
        snprintf(detail, sizeof detail, "{\"version\":%lld,\"how\":\"received\"}",
                 (long long)pg_int(rows, 0, 1));
        rc = assign_note(conn, pg_int(rows, 0, 0), actor, READ_NOTE_DELIVERED, detail, err);
    }
    pg_rows_free(&rows);
    return rc;
}

int
clinic_take(struct deliver *d, const struct clinic_sender *sender, const struct clinic_ids *ids,
            struct err *err)
{
    struct pg_conn *conn = NULL;
    struct pg_rows *rows = NULL;
    int rc = -1;

    if (pg_get(d->o.pg, &conn, err) < 0 || pg_begin(conn, err) < 0)
        goto out;
    for (size_t i = 0; i < ids->count; i++) {
        bool is_new;

        if (pg_run(conn, "clinic_taken_put",
                   PG_ARGS(PG_TEXT(sender->tenant), PG_TEXT(sender->device), PG_TEXT(ids->ids[i]),
                           PG_INT(clock_wall_us())),
                   &rows, err) < 0)
            goto out;
        is_new = pg_touched(rows) > 0;
        pg_rows_free(&rows);
        if (is_new && note_arrival(conn, sender, ids->ids[i], err) < 0)
            goto out;
    }
    rc = pg_commit(conn, err);
out:
    pg_rows_free(&rows);
    pg_put(&conn);
    return rc;
}
