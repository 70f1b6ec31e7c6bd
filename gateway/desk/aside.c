/* aside.c - put aside, thrown away: what the page shows, what the audit log is told.
 *
 * Three files cannot change at once: the spool, the book and the audit log. So the spool goes
 * first: it keeps durably who threw an image away, why and when, and the log follows it.
 *
 * 1. Every discard and every taking back is one entry of the log, whoever did it and whatever ends
 *    in between; nothing is in the log that was not done.
 * 2. The book says before an entry is written that it will be, and after it that it is. Where a
 *    crash left the first without the second, the log itself is asked: discarded_us names which.
 * 3. What a release makes the spool forget is kept before it: who takes it back in the book, a
 *    discard that `radpost queue` takes back in the spool's undone/. */
#include "gateway/desk/aside.h"

#include "gateway/desk/book_own.h"
#include "gateway/spool/spool.h"
#include "proto/base/clock.h"
#include "proto/model/quarantine.h"
#include "proto/trust/audit.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum { SHOWN = 200 };

/* ---- one at a time ---- */

enum step { NOTING, NOTED, TAKING }; /* schema_12.sql */

struct noted {
    uint64_t id;
    int64_t at_us;
};

/* A discard, and who did it. */
struct thrown {
    struct noted d;
    const char *instance, *reason, *by;
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

/* *out_is_there false: the book does not know of it. */
static int
get_step(struct book *book, const struct noted *d, bool *out_is_there, enum step *out_step,
         int64_t *out_since_us, struct err *err)
{
    struct db_rows *rows = NULL;

    if (db_ask(book->db, "discard_get", DB_ARGS(DB_INT(d->id), DB_INT(d->at_us)), &rows, err) < 0)
        return -1;
    *out_is_there = db_rows_count(rows) > 0;
    if (*out_is_there) {
        *out_step = (enum step)db_int(rows, 0, 0);
        *out_since_us = db_int(rows, 0, 1);
    }
    db_rows_free(&rows);
    return 0;
}

static int
set_step(struct book *book, const struct noted *d, enum step step, struct err *err)
{
    return db_ask(book->db, "discard_step",
                  DB_ARGS(DB_INT(d->id), DB_INT(d->at_us), DB_INT(step), DB_INT(clock_wall_us())),
                  NULL, err);
}

/* ---- the log ---- */

struct sought {
    const char *event;
    char words[96];
    bool is_found;
};

static int
seek(void *user, const char *json, size_t n)
{
    struct sought *s = user;

    s->is_found = memmem(json, n, s->event, strlen(s->event)) != NULL &&
                  memmem(json, n, s->words, strlen(s->words)) != NULL;
    return s->is_found ? -1 : 0;
}

/* An entry whose writing began then is in that day's file, or in the next one's. */
static int
is_in_log(struct audit *audit, const char *event, const struct noted *d, int64_t since_us,
          bool *out_is, struct err *err)
{
    struct sought s = {.event = event};

    *out_is = false;
    snprintf(s.words, sizeof s.words, "\"entry\":%" PRIu64 ",\"discarded_us\":%" PRId64 ",", d->id,
             d->at_us);
    for (int day = 0; day < 2 && audit != NULL && !s.is_found; day++) {
        time_t at = (time_t)(since_us / 1000000) + (time_t)day * 86400;
        char date[16];
        struct tm tm;

        gmtime_r(&at, &tm);
        strftime(date, sizeof date, "%Y-%m-%d", &tm);
        if (audit_day(audit, date, seek, &s, err) < 0 && err->kind != ERR_NOT_FOUND)
            return -1;
    }
    *out_is = s.is_found;
    return 0;
}

static int
audit_discard(struct audit *audit, const struct thrown *t, struct err *err)
{
    return audit == NULL
               ? 0
               : audit_append(audit, err, AUDIT_IMAGE_DISCARDED, A_UID("instance", t->instance),
                              A_NUMBER("entry", t->d.id), A_NUMBER("discarded_us", t->d.at_us),
                              A_WORD("reason", t->reason), A_WORD("by", t->by));
}

static int
audit_restore(struct audit *audit, const struct noted *d, const char *instance, const char *by,
              struct err *err)
{
    return audit == NULL ? 0
                         : audit_append(audit, err, AUDIT_IMAGE_RESTORED,
                                        A_UID("instance", instance), A_NUMBER("entry", d->id),
                                        A_NUMBER("discarded_us", d->at_us), A_WORD("by", by));
}

/* ---- thrown away ---- */

static int
put_in_book(struct book *book, const struct noted *d, struct err *err)
{
    int rc = db_begin(book->db, err);

    if (rc < 0)
        return -1;
    rc = db_run(book->db, "discard_drop_instance", DB_ARGS(DB_INT(d->id)), NULL, err);
    if (rc == 0)
        rc = db_run(book->db, "discard_step",
                    DB_ARGS(DB_INT(d->id), DB_INT(d->at_us), DB_INT(NOTED), DB_INT(0)), NULL, err);
    if (db_end(book->db, rc, err) < 0)
        return -1;
    book_changed(book);
    return 0;
}

/* Whoever did it. In its turn. */
static int
note(struct book *book, struct audit *audit, const struct thrown *t, struct err *err)
{
    bool is_there, is_told = false;
    enum step step = NOTING;
    int64_t since_us = 0;

    if (get_step(book, &t->d, &is_there, &step, &since_us, err) < 0)
        return -1;
    if (is_there && step != NOTING)
        return 0;
    if (is_there && is_in_log(audit, "IMAGE_DISCARDED", &t->d, since_us, &is_told, err) < 0)
        return -1;
    if (!is_there && db_ask(book->db, "discard_begin",
                            DB_ARGS(DB_INT(t->d.id), DB_INT(t->d.at_us), DB_TEXT(t->instance),
                                    DB_INT(clock_wall_us())),
                            NULL, err) < 0)
        return -1;
    if (is_there && !is_told && set_step(book, &t->d, NOTING, err) < 0)
        return -1;
    if (!is_told && audit_discard(audit, t, err) < 0)
        return -1;
    return put_in_book(book, &t->d, err);
}

static int
note_entry(struct book *book, struct audit *audit, const struct spool_entry *entry, struct err *err)
{
    const struct thrown t = {{entry->id, entry->state_at_us[INSTANCE_DISCARDED]},
                             entry->meta.sop_instance,
                             entry->discard_reason,
                             entry->discarded_by};

    return note(book, audit, &t, err);
}

int
aside_note_discards(struct spool *spool, struct book *book, struct audit *audit,
                    const char *sop_instance, struct err *err)
{
    struct spool_filter filter = {.sop_instance = sop_instance,
                                  .states = INSTANCE_BIT(INSTANCE_DISCARDED)};
    uint64_t *ids = NULL;
    size_t n = 0;
    int rc = 0;

    spool_list(spool, &filter, &ids, &n);
    for (size_t i = 0; i < n && rc == 0; i++) {
        struct spool_entry *entry = NULL;
        struct err gone;

        if (spool_look(spool, ids[i], &entry, &gone) == 0 && entry->state == INSTANCE_DISCARDED)
            rc = note_entry(book, audit, entry, err);
        spool_entry_free(&entry);
    }
    free(ids);
    return rc;
}

/* ---- taken back ---- */

/* What is noted and thrown away no more: told, then forgotten. In its turn. */
static int
take_back(struct spool *spool, struct book *book, struct audit *audit, const struct noted *d,
          const char *instance, const char *by, struct err *err)
{
    bool is_there, is_told = false;
    enum step step = NOTED;
    int64_t since_us = 0;

    if (get_step(book, d, &is_there, &step, &since_us, err) < 0 ||
        (step == TAKING && is_in_log(audit, "IMAGE_RESTORED", d, since_us, &is_told, err) < 0) ||
        (!is_told && set_step(book, d, TAKING, err) < 0) ||
        (!is_told && audit_restore(audit, d, instance, by, err) < 0) ||
        spool_undone_forget(spool, d->id, d->at_us, err) < 0 ||
        db_ask(book->db, "discard_forget", DB_ARGS(DB_INT(d->id), DB_INT(d->at_us)), NULL, err) < 0)
        return -1;
    book_changed(book);
    return 0;
}

static int
set_restored_by(struct book *book, const struct noted *d, const char *by, struct err *err)
{
    return db_ask(book->db, "discard_restored_by",
                  DB_ARGS(DB_INT(d->id), DB_INT(d->at_us), DB_TEXT(by)), NULL, err);
}

int
aside_restore(struct spool *spool, struct book *book, struct audit *audit,
              const struct spool_entry *entry, const char *by, struct err *err)
{
    const struct noted d = {entry->id, entry->state_at_us[INSTANCE_DISCARDED]};
    struct err later;

    if (note_entry(book, audit, entry, err) < 0 || set_restored_by(book, &d, by, err) < 0)
        return -1;
    if (spool_release(spool, entry->id, err) < 0) {
        if (set_restored_by(book, &d, "", &later) < 0)
            err_context(err, "still noted as taken back");
        return -1;
    }
    return take_back(spool, book, audit, &d, entry->meta.sop_instance, by, err);
}

/* One that the book says is thrown away: is it still, since then? A row of a program that kept
 * those of what was taken back, or of an image of a spool before this one, says nothing. */
static int
check_noted(struct aside_watch *watch, const struct db_rows *rows, size_t i, struct err *err)
{
    struct noted d = {(uint64_t)db_int(rows, i, 0), db_int(rows, i, 1)};
    const char *instance = db_text(rows, i, 2), *by = db_text(rows, i, 4);
    bool is_watched = db_int(rows, i, 3) != 0;
    struct spool_entry *entry = NULL;
    struct err gone;
    int rc = 0;

    if (spool_look(watch->spool, d.id, &entry, &gone) < 0)
        return 0;
    if (entry->state == INSTANCE_DISCARDED && entry->state_at_us[INSTANCE_DISCARDED] == d.at_us) {
        if (by[0] != '\0') /* it was not done */
            rc = set_restored_by(watch->book, &d, "", err);
        if (rc == 0 && !is_watched)
            rc = db_ask(watch->book->db, "discard_watch",
                        DB_ARGS(DB_INT(d.id), DB_INT(d.at_us), DB_TEXT(entry->meta.sop_instance)),
                        NULL, err);
    } else if (is_watched && strcmp(instance, entry->meta.sop_instance) == 0) {
        rc = take_back(watch->spool, watch->book, watch->audit, &d, instance,
                       by[0] != '\0' ? by : SPOOL_BY_QUEUE, err);
    } else {
        rc = db_ask(watch->book->db, "discard_forget", DB_ARGS(DB_INT(d.id), DB_INT(d.at_us)), NULL,
                    err);
    }
    spool_entry_free(&entry);
    return rc;
}

/* What was not taken back at the desk. In its turn. */
static int
note_restored(struct aside_watch *watch, struct err *err)
{
    struct db_rows *rows = NULL;
    int rc = db_ask(watch->book->db, "discard_all", DB_NO_ARGS, &rows, err);

    for (size_t i = 0; rc == 0 && i < db_rows_count(rows); i++)
        rc = check_noted(watch, rows, i, err);
    db_rows_free(&rows);
    return rc;
}

/* Discards that `radpost queue` took back, perhaps before they were seen here: noted, for
 * note_restored() to go on with. One that still stands was not taken back yet. In its turn. */
static int
note_undone(struct aside_watch *watch, size_t *out_n, struct err *err)
{
    struct spool_undone *list = NULL;
    size_t n = 0;
    int rc = spool_undone_list(watch->spool, &list, &n, err);

    *out_n = 0;
    for (size_t i = 0; rc == 0 && i < n; i++) {
        const struct spool_undone *u = &list[i];
        const struct thrown t = {{u->id, u->at_us}, u->instance, u->reason, u->by};
        struct spool_entry *entry = NULL;
        struct err gone;
        bool stands = spool_look(watch->spool, u->id, &entry, &gone) == 0 &&
                      entry->state == INSTANCE_DISCARDED &&
                      entry->state_at_us[INSTANCE_DISCARDED] == u->at_us;

        spool_entry_free(&entry);
        if (stands)
            continue;
        (*out_n)++;
        rc = note(watch->book, watch->audit, &t, err);
        if (rc == 0)
            rc = spool_undone_forget(watch->spool, u->id, u->at_us, err);
    }
    free(list);
    return rc;
}

/* Nobody takes anything back at the desk meanwhile. */
static int
note_taken_back(struct aside_watch *watch, bool has_gone, bool *out_is_any, struct err *err)
{
    size_t undone = 0;
    int rc;

    pthread_mutex_lock(&watch->book->aside);
    rc = note_undone(watch, &undone, err);
    if (rc == 0 && (has_gone || undone > 0))
        rc = note_restored(watch, err);
    pthread_mutex_unlock(&watch->book->aside);
    *out_is_any = has_gone || undone > 0;
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
        rc = note_entry(watch->book, watch->audit, entry, err);
    pthread_mutex_unlock(&watch->book->aside);
    spool_entry_free(&entry);
    return rc;
}

int
aside_watch_step(struct aside_watch *watch, bool *out_is_restored, struct err *err)
{
    struct noted *now = NULL;
    size_t n = list_discarded(watch->spool, &now), again = 0;
    bool is_any = false;
    int rc;

    for (size_t i = 0; i < n; i++)
        again += was_noted(watch, &now[i]);
    rc = note_taken_back(watch, again < watch->n || !watch->has_looked, &is_any, err);
    for (size_t i = 0; i < n && rc == 0; i++)
        if (!was_noted(watch, &now[i]))
            rc = note_one(watch, &now[i], err);
    if (rc == 0) { /* else all of it once more: the book knows what it has */
        *out_is_restored = is_any && watch->has_looked;
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
    int rc = db_ask(book->db, "aside_asked", DB_NO_ARGS, &questions, err);

    if (rc == 0) {
        write_list(spool, w, "aside", INSTANCE_QUARANTINED, keep_ms, questions);
        write_list(spool, w, "discarded", INSTANCE_DISCARDED, keep_ms, questions);
        spool_counts(spool, counts);
        jsonw_uint(w, "aside_n", counts[INSTANCE_QUARANTINED]);
    }
    db_rows_free(&questions);
    return rc;
}
