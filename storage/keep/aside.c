/* aside.c - what was put aside, and a person's word that it is settled. The operator's command
 * writes it beside the service, which alone writes the audit: it is in force once it stands there.
 * The bytes stay in their pack, served to nobody; who sends the same file again is answered as
 * before. */
#include "storage/keep/keep_own.h"

#include "proto/base/clock.h"

#include <string.h>

enum { LOOK_MS = 1000 };

int
keep_aside_reject(struct keep *k, const char *tenant, const uint8_t object[32], const char *reason,
                  const char *by, struct err *err)
{
    struct pg_rows *rows = NULL;
    bool is_done;

    if (!audit_is_login(by))
        return err_set(err, ERR_REJECT,
                       "by: a login is due, of letters, digits, '.', '_', '-', '@'");
    if (reason[0] == '\0' || strlen(reason) >= KEEP_GONE_REASON)
        return err_set(err, ERR_REJECT, "a reason is due, of %d bytes at most",
                       KEEP_GONE_REASON - 1);
    if (keep_run(k, "aside_reject",
                 PG_ARGS(PG_TEXT(tenant), PG_BYTES(object, 32), PG_TEXT(reason), PG_TEXT(by),
                         PG_INT(clock_wall_us())),
                 &rows, err) < 0)
        return -1;
    is_done = pg_touched(rows) > 0;
    pg_rows_free(&rows);
    return is_done
               ? 0
               : err_set(err, ERR_NOT_FOUND,
                         "nothing of this name is aside in this organisation, or it is settled");
}

/* One that cannot be noted waits, and what comes behind it. */
static int
note_one(struct keep *k, const struct pg_rows *rows, size_t i, struct err *err)
{
    uint8_t object[32];

    pg_copy_bytes(rows, i, 1, object, sizeof object);
    if (k->audit != NULL &&
        audit_append(k->audit, err, AUDIT_ASIDE_REJECTED, A_WORD("tenant", pg_text(rows, i, 0)),
                     A_UID("study", pg_text(rows, i, 2)), A_UID("instance", pg_text(rows, i, 3)),
                     A_HEX("file", object, 32), A_WORD("by", pg_text(rows, i, 4))) < 0)
        return -1;
    return keep_run(
        k, "aside_noted",
        PG_ARGS(PG_TEXT(pg_text(rows, i, 0)), PG_BYTES(object, 32), PG_INT(clock_wall_us())), NULL,
        err);
}

int
aside_note(struct keep *k, struct err *err)
{
    struct pg_rows *rows = NULL;
    int rc = 0;

    if (k->aside_at_ms > clock_mono_ms())
        return 0;
    if (keep_run(k, "aside_unnoted", PG_NO_ARGS, &rows, err) < 0)
        return -1;
    for (size_t i = 0; i < pg_rows_count(rows) && rc == 0; i++)
        rc = note_one(k, rows, i, err);
    pg_rows_free(&rows);
    k->aside_at_ms = clock_mono_ms() + LOOK_MS;
    return rc < 0 ? err_context(err, "note what was rejected") : 0;
}
