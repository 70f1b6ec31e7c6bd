/* gateways.c - how the clinics' gateways stand, for those above them: when each desk called last,
 * and what of its box does not run. A gateway whose desk could not begin calls no more.
 * Two boxes with one certificate (a disk was copied) call in turns, each by the number that it drew
 * at its start. One box that starts again never says an old number again, by whichever line it
 * calls; a call of before the start that comes late makes two turns, at most. */
#include "reader/deliver/clinic.h"

#include "proto/base/clock.h"
#include "proto/base/jsonw.h"
#include "reader/people/people.h"

#include <string.h>

enum { PARTS_BYTES = 256, BOX_HEX = 16, TURNS = 4, ANSWER_BYTES = 4 << 20 };
static const int64_t listed_us = INT64_C(30) * 86400 * 1000000;
static const int64_t doubled_us = INT64_C(600000000); /* since the last turn */

/* Words of a newer gateway's, too. */
static bool
are_words(const char *parts)
{
    size_t n = strlen(parts);

    return n < PARTS_BYTES && strspn(parts, "abcdefghijklmnopqrstuvwxyz0123456789_,") == n;
}

static bool
is_box(const char *box)
{
    return strlen(box) == BOX_HEX && strspn(box, "0123456789abcdef") == BOX_HEX;
}

void
clinic_heard(struct deliver *d, const struct clinic_sender *sender, const char *parts,
             const char *box)
{
    struct pg_rows *rows = NULL;
    struct err later; /* the next call notes it; a database that is full or away says so itself */

    if (pg_ask(d->o.pg, "clinic_gateway_heard",
               PG_ARGS(PG_TEXT(sender->tenant), PG_TEXT(sender->device),
                       PG_TEXT(parts != NULL && are_words(parts) ? parts : NULL),
                       PG_INT(clock_wall_us()), PG_TEXT(box != NULL && is_box(box) ? box : "")),
               &rows, &later) < 0)
        return;
    if (pg_rows_count(rows) > 0 && pg_int(rows, 0, 0) == TURNS && pg_truth(rows, 0, 1))
        LOG(&deliver_log, CLINIC_TWO_BOXES, F_WORD("tenant", sender->tenant),
            F_WORD("device", sender->device));
    pg_rows_free(&rows);
}

static void
put_parts(struct jsonw *w, const char *parts)
{
    jsonw_array(w, "parts");
    while (*parts != '\0') {
        size_t n = strcspn(parts, ",");

        jsonw_text_n(w, NULL, parts, n);
        parts += n + (parts[n] == ',');
    }
    jsonw_end(w);
}

static void
put_gateway(struct jsonw *w, const struct pg_rows *rows, size_t i)
{
    jsonw_object(w, NULL);
    jsonw_text(w, "clinic", pg_text(rows, i, 0));
    jsonw_text(w, "clinic_name", pg_text(rows, i, 1));
    jsonw_text(w, "device", pg_text(rows, i, 2));
    if (pg_is_null(rows, i, 3))
        jsonw_null(w, "parts");
    else
        put_parts(w, pg_text(rows, i, 3));
    jsonw_time(w, "heard_at", pg_int(rows, i, 4));
    jsonw_bool(w, "is_doubled", pg_truth(rows, i, 5));
    jsonw_end(w);
}

int
clinic_gateways_write(struct deliver *d, struct pg_conn *conn, const struct person *who,
                      struct buf *out, struct err *err)
{
    int64_t now_us = clock_wall_us();
    struct pg_rows *rows = NULL;
    struct jsonw w;

    if (pg_run(conn, "clinic_gateway_list",
               PG_ARGS(PG_TEXT(who->org), PG_INT(now_us - listed_us), PG_INT(TURNS),
                       PG_INT(now_us - doubled_us)),
               &rows, err) < 0)
        return -1;
    jsonw_init(&w, out);
    jsonw_object(&w, NULL);
    jsonw_bool(&w, "is_database_full", pg_is_full(d->o.pg));
    jsonw_array(&w, "items");
    for (size_t i = 0; i < pg_rows_count(rows); i++)
        put_gateway(&w, rows, i);
    jsonw_end(&w);
    jsonw_end(&w);
    pg_rows_free(&rows);
    return 0;
}

int
clinic_get_gateways(struct http_request *req, struct http_response *res, struct err *err)
{
    struct deliver *d = http_user(req);
    struct pg_conn *conn = NULL;
    struct person who;
    struct buf json;
    int rc = -1;

    buf_init(&json, ANSWER_BYTES);
    if (pg_get(d->o.pg, &conn, err) == 0 &&
        people_of_caller(conn, http_caller(req), &who, err) == 0 &&
        clinic_gateways_write(d, conn, &who, &json, err) == 0) {
        http_answer_buf(res, 200, "application/json", &json);
        rc = 0;
    }
    pg_put(&conn);
    buf_fini(&json);
    return rc;
}
