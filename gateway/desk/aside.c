/* aside.c - put aside, thrown away: what the page shows, what the audit log is told. */
#include "gateway/desk/aside.h"

#include "gateway/desk/book_own.h"
#include "gateway/spool/spool.h"
#include "proto/model/quarantine.h"
#include "proto/trust/audit.h"

#include <stdlib.h>
#include <string.h>

enum { SHOWN = 200 };

/* ---- the audit of what was not done here ---- */

struct noted {
    uint64_t id;
    int64_t at_us;
};

struct aside_watch {
    struct spool *spool;
    struct book *book;
    struct audit *audit;
    struct noted *noted; /* by id */
    size_t n;
    bool has_looked; /* noted is what was thrown away at the last look */
};

struct aside_watch *
aside_watch_new(struct spool *spool, struct book *book, struct audit *audit)
{
    struct aside_watch *watch = mem_new(sizeof *watch);

    *watch = (struct aside_watch){.spool = spool, .book = book, .audit = audit};
    return watch;
}

void
aside_watch_free(struct aside_watch **watch)
{
    struct aside_watch *old = TAKE(*watch);

    if (old == NULL)
        return;
    free(old->noted);
    free(old);
}

static int
run_in_book(struct book *book, const char *name, const struct db_arg *args, size_t args_n,
            struct db_rows **out_rows, struct err *err)
{
    int rc = db_begin(book->db, err);

    return rc < 0 ? -1 : db_end(book->db, db_run(book->db, name, args, args_n, out_rows, err), err);
}

static int
is_in_book(struct book *book, const char *query, const struct db_arg *args, size_t args_n,
           bool *out, struct err *err)
{
    struct db_rows *rows = NULL;
    int rc = run_in_book(book, query, args, args_n, &rows, err);

    if (rc == 0)
        *out = db_int(rows, 0, 0) > 0;
    db_rows_free(&rows);
    return rc;
}

static int
put_in_book(struct book *book, const struct spool_entry *entry, const struct noted *d,
            struct err *err)
{
    int rc = db_begin(book->db, err);

    if (rc < 0)
        return -1;
    rc = db_run(book->db, "discard_drop_instance", DB_ARGS(DB_INT(d->id)), NULL, err);
    if (rc == 0)
        rc = db_run(book->db, "discard_audited_drop", DB_ARGS(DB_INT(d->id)), NULL, err);
    if (rc == 0)
        rc = db_run(book->db, "discard_note",
                    DB_ARGS(DB_INT(d->id), DB_INT(d->at_us), DB_TEXT(entry->meta.sop_instance)),
                    NULL, err);
    if (db_end(book->db, rc, err) < 0)
        return -1;
    book_changed(book);
    return 0;
}

static int
audit_discard(struct audit *audit, const struct spool_entry *entry, const char *reason,
              const char *by, struct err *err)
{
    return audit == NULL ? 0
                         : audit_append(audit, err, AUDIT_IMAGE_DISCARDED,
                                        A_UID("instance", entry->meta.sop_instance),
                                        A_NUMBER("entry", entry->id), A_WORD("reason", reason),
                                        A_WORD("by", by));
}

int
aside_audit_discard(struct book *book, struct audit *audit, const struct spool_entry *entry,
                    const char *reason, const char *by, struct err *err)
{
    if (audit_discard(audit, entry, reason, by, err) < 0)
        return -1;
    return run_in_book(book, "discard_audited_add",
                       DB_ARGS(DB_INT(entry->id), DB_TEXT(entry->meta.sop_instance), DB_TEXT(by)),
                       NULL, err);
}

/* Whoever did it: at the desk, too, a duplicate may go that came after the log was written. */
static int
note(struct aside_watch *watch, const struct spool_entry *entry, const struct noted *d,
     struct err *err)
{
    bool is_known = false, is_audited = false;

    if (is_in_book(watch->book, "discard_is_noted", DB_ARGS(DB_INT(d->id), DB_INT(d->at_us)),
                   &is_known, err) < 0)
        return -1;
    if (is_known)
        return 0;
    if (is_in_book(
            watch->book, "discard_is_audited",
            DB_ARGS(DB_INT(d->id), DB_TEXT(entry->meta.sop_instance), DB_TEXT(entry->discarded_by)),
            &is_audited, err) < 0)
        return -1;
    if (!is_audited &&
        audit_discard(watch->audit, entry, entry->discard_reason, entry->discarded_by, err) < 0)
        return -1;
    return put_in_book(watch->book, entry, d, err);
}

/* ---- taken back ---- */

static int
audit_restore(struct audit *audit, const struct spool_entry *entry, const char *by, struct err *err)
{
    return audit == NULL ? 0
                         : audit_append(audit, err, AUDIT_IMAGE_RESTORED,
                                        A_UID("instance", entry->meta.sop_instance),
                                        A_NUMBER("entry", entry->id), A_WORD("by", by));
}

int
aside_restore(struct spool *spool, struct book *book, struct audit *audit,
              const struct spool_entry *entry, const char *by, struct err *err)
{
    const int64_t at_us = entry->state_at_us[INSTANCE_DISCARDED];
    struct err later;

    /* what is not in the book any more was taken back at the desk */
    if (audit_restore(audit, entry, by, err) < 0 ||
        run_in_book(book, "discard_audited_drop", DB_ARGS(DB_INT(entry->id)), NULL, err) < 0 ||
        run_in_book(book, "discard_forget", DB_ARGS(DB_INT(entry->id), DB_INT(at_us)), NULL, err) <
            0)
        return -1;
    if (spool_release(spool, entry->id, err) < 0) {
        if (run_in_book(
                book, "discard_note",
                DB_ARGS(DB_INT(entry->id), DB_INT(at_us), DB_TEXT(entry->meta.sop_instance)), NULL,
                &later) < 0)
            err_context(err, "not noted again");
        return -1;
    }
    book_changed(book);
    return 0;
}

/* One that the book says is thrown away: is it still, since then? A row of a program that kept
 * those of what was taken back, or of an image of a spool before this one, says nothing. */
static int
check_noted(struct aside_watch *watch, const struct db_rows *rows, size_t i, struct err *err)
{
    struct noted d = {(uint64_t)db_int(rows, i, 0), db_int(rows, i, 1)};
    const char *instance = db_text(rows, i, 2);
    bool is_watched = db_int(rows, i, 3) != 0;
    struct spool_entry *entry = NULL;
    struct err gone;
    int rc = 0;

    if (spool_look(watch->spool, d.id, &entry, &gone) < 0)
        return 0;
    if (entry->state != INSTANCE_DISCARDED || entry->state_at_us[INSTANCE_DISCARDED] != d.at_us) {
        if (is_watched && strcmp(instance, entry->meta.sop_instance) == 0)
            rc = audit_restore(watch->audit, entry, SPOOL_BY_QUEUE, err);
        if (rc == 0)
            rc = run_in_book(watch->book, "discard_forget", DB_ARGS(DB_INT(d.id), DB_INT(d.at_us)),
                             NULL, err);
    } else if (!is_watched) {
        rc = run_in_book(watch->book, "discard_watch",
                         DB_ARGS(DB_INT(d.id), DB_INT(d.at_us), DB_TEXT(entry->meta.sop_instance)),
                         NULL, err);
    }
    spool_entry_free(&entry);
    return rc;
}

/* What was not taken back at the desk; nobody does it there meanwhile. */
static int
note_restored(struct aside_watch *watch, struct err *err)
{
    struct db_rows *rows = NULL;
    int rc;

    pthread_mutex_lock(&watch->book->aside);
    rc = run_in_book(watch->book, "discard_all", DB_NO_ARGS, &rows, err);
    for (size_t i = 0; rc == 0 && i < db_rows_count(rows); i++)
        rc = check_noted(watch, rows, i, err);
    pthread_mutex_unlock(&watch->book->aside);
    db_rows_free(&rows);
    return rc;
}

/* ---- a look ---- */

/* What is thrown away, by id. */
static size_t
list_discarded(struct spool *spool, struct noted **out)
{
    struct spool_filter filter = {.states = INSTANCE_BIT(INSTANCE_DISCARDED)};
    uint64_t *ids = NULL;
    size_t n = 0, kept = 0;

    spool_list(spool, &filter, &ids, &n);
    *out = mem_new((n + 1) * sizeof **out);
    for (size_t i = 0; i < n; i++) {
        struct spool_entry *entry = NULL;
        struct err gone;

        if (spool_look(spool, ids[i], &entry, &gone) == 0 && entry->state == INSTANCE_DISCARDED)
            (*out)[kept++] = (struct noted){ids[i], entry->state_at_us[INSTANCE_DISCARDED]};
        spool_entry_free(&entry);
    }
    free(ids);
    return kept;
}

static bool
was_noted(const struct aside_watch *watch, const struct noted *d)
{
    size_t from = 0, to = watch->n;

    while (from < to) {
        size_t middle = from + (to - from) / 2;

        if (watch->noted[middle].id < d->id)
            from = middle + 1;
        else
            to = middle;
    }
    return from < watch->n && watch->noted[from].id == d->id &&
           watch->noted[from].at_us == d->at_us;
}

/* Nobody takes it back at the desk meanwhile; what was is no longer to be noted. */
static int
note_one(struct aside_watch *watch, const struct noted *d, struct err *err)
{
    struct spool_entry *entry = NULL;
    struct err gone;
    int rc = 0;

    pthread_mutex_lock(&watch->book->aside);
    if (spool_look(watch->spool, d->id, &entry, &gone) == 0 && entry->state == INSTANCE_DISCARDED &&
        entry->state_at_us[INSTANCE_DISCARDED] == d->at_us)
        rc = note(watch, entry, d, err);
    pthread_mutex_unlock(&watch->book->aside);
    spool_entry_free(&entry);
    return rc;
}

int
aside_watch_step(struct aside_watch *watch, bool *out_is_restored, struct err *err)
{
    struct noted *now = NULL;
    size_t n = list_discarded(watch->spool, &now), again = 0;
    int rc = 0;

    for (size_t i = 0; i < n; i++)
        again += was_noted(watch, &now[i]);
    if (again < watch->n || !watch->has_looked)
        rc = note_restored(watch, err);
    for (size_t i = 0; i < n && rc == 0; i++)
        if (!was_noted(watch, &now[i]))
            rc = note_one(watch, &now[i], err);
    if (rc == 0) { /* else all of it once more: the book knows what it has */
        *out_is_restored = again < watch->n;
        free(watch->noted);
        watch->noted = TAKE(now);
        watch->n = n;
        watch->has_looked = true;
    }
    free(now);
    return rc;
}

/* ---- the page ---- */

/* What is asked about it: 0 nothing, 1 answered, 2 open. rows by entry. */
static int
asked(const struct db_rows *rows, uint64_t id)
{
    size_t from = 0, to = db_rows_count(rows);

    while (from < to) {
        size_t middle = from + (to - from) / 2;
        uint64_t entry = (uint64_t)db_int(rows, middle, 0);

        if (entry == id)
            return db_int(rows, middle, 1) != 0 ? 2 : 1;
        if (entry < id)
            from = middle + 1;
        else
            to = middle;
    }
    return 0;
}

static void
write_entry(struct jsonw *w, const struct spool_entry *e, int question)
{
    jsonw_uint(w, "entry", e->id);
    jsonw_text(w, "device", e->meta.calling_ae);
    jsonw_text(w, "modality", e->facts.modality);
    jsonw_text(w, "body_part", e->facts.body_part);
    jsonw_text(w, "study", e->facts.study_uid);
    jsonw_uint(w, "bytes", e->size);
    jsonw_int(w, "received_at_us", e->meta.received_at_us);
    jsonw_text(w, "why", quarantine_word(quarantine_of(e->last_error)));
    jsonw_bool(w, "is_asked", question == 2);
    jsonw_bool(w, "is_answered", question == 1);
}

static void
write_list(struct spool *spool, struct jsonw *w, const char *key, enum instance_state state,
           int64_t keep_ms, const struct db_rows *questions)
{
    struct spool_filter filter = {.states = INSTANCE_BIT(state)};
    uint64_t *ids = NULL;
    size_t n = 0, shown = 0;

    spool_list(spool, &filter, &ids, &n);
    jsonw_array(w, key);
    for (size_t i = n; i-- > 0 && shown < SHOWN;) {
        struct spool_entry *e = NULL;
        struct err gone;

        if (spool_look(spool, ids[i], &e, &gone) < 0)
            continue;
        if (state != INSTANCE_DISCARDED || e->has_bytes) {
            jsonw_object(w, NULL);
            write_entry(w, e, asked(questions, e->id));
            if (state == INSTANCE_DISCARDED) {
                jsonw_text(w, "reason", e->discard_reason);
                jsonw_text(w, "by", e->discarded_by);
                jsonw_int(w, "at_us", e->state_at_us[state]);
                jsonw_int(w, "until_us", e->state_at_us[state] + keep_ms * 1000);
            }
            jsonw_end(w);
            shown++;
        }
        spool_entry_free(&e);
    }
    jsonw_end(w);
    free(ids);
}

int
aside_write(struct spool *spool, struct book *book, int64_t keep_ms, struct jsonw *w,
            struct err *err)
{
    uint64_t counts[INSTANCE_STATES];
    struct db_rows *questions = NULL;
    int rc = db_begin(book->db, err);

    if (rc == 0)
        rc = db_end(book->db, db_run(book->db, "aside_asked", DB_NO_ARGS, &questions, err), err);
    if (rc == 0) {
        write_list(spool, w, "aside", INSTANCE_QUARANTINED, keep_ms, questions);
        write_list(spool, w, "discarded", INSTANCE_DISCARDED, keep_ms, questions);
        spool_counts(spool, counts);
        jsonw_uint(w, "aside_n", counts[INSTANCE_QUARANTINED]);
    }
    db_rows_free(&questions);
    return rc;
}
