/* book.c - registrations and what the technician does with them, each with its message. */
#include "gateway/desk/book_own.h"
#include "gateway/desk/doubts.h"
#include "gateway/desk/urgency.h"

#include "proto/base/clock.h"
#include "proto/base/durable.h"
#include "proto/base/log.h"
#include "proto/base/text.h"
#include "proto/trust/audit.h"
#include "proto/trust/digest.h"

#include <inttypes.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define LOG_EVENT LOG_EVENT_DECLARE
#include "gateway/desk/desk_events.def"
#undef LOG_EVENT

#define FILE_NAME "desk.db"

static const struct log_ctx ctx = {.stage = "gateway/desk"};

static int
open_book(const char *dir, const char *clinic_phone, bool *was_corrupt, struct book **out_book,
          struct err *err)
{
    struct book *book = mem_new(sizeof *book);
    char path[PATH_MAX];
    int rc = -1;

    gate_init(&book->gate);
    CHECK(pthread_mutex_init(&book->urgency, NULL) == 0);
    CHECK(pthread_mutex_init(&book->aside, NULL) == 0);
    book->change = 1;
    clock_name_boot(book);
    book->dir = mem_text(dir);
    book->clinic_phone = mem_text(clinic_phone);
    if (durable_mkdir(dir, err) < 0)
        goto out;
    snprintf(path, sizeof path, "%s/tmp", dir);
    if (durable_mkdir(path, err) < 0)
        goto out;
    snprintf(path, sizeof path, "%s/reports", dir);
    if (durable_mkdir(path, err) < 0 || db_open(dir, FILE_NAME, &book->db, was_corrupt, err) < 0)
        goto out;
    *out_book = TAKE(book);
    rc = 0;
out:
    if (rc < 0)
        err_context(err, "the desk's book");
    book_close(&book);
    return rc;
}

int
book_open(const char *dir, const char *clinic_phone, struct book **out_book, struct err *err)
{
    bool was_corrupt = false;

    if (open_book(dir, clinic_phone, &was_corrupt, out_book, err) < 0)
        return -1;
    if (was_corrupt)
        LOG(&ctx, DESK_FILE_CORRUPT);
    return 0;
}

int
book_open_beside(const char *dir, struct book **out_book, struct err *err)
{
    return open_book(dir, "", NULL, out_book, err);
}

void
book_close(struct book **book)
{
    struct book *old = TAKE(*book);

    if (old == NULL)
        return;
    db_close(&old->db);
    pthread_mutex_destroy(&old->aside);
    pthread_mutex_destroy(&old->urgency);
    gate_fini(&old->gate);
    free(old->clinic_phone);
    free(old->dir);
    free(old);
}

void
book_changed(struct book *book)
{
    gate_lock(&book->gate);
    book->change++;
    gate_wake(&book->gate);
    gate_unlock(&book->gate);
}

uint64_t
book_change(struct book *book)
{
    uint64_t change;

    gate_lock(&book->gate);
    change = book->change;
    gate_unlock(&book->gate);
    return change;
}

uint64_t
book_wait(struct book *book, uint64_t seen, int64_t wait_ms)
{
    uint64_t change;

    gate_lock(&book->gate);
    if (book->change == seen && wait_ms > 0)
        (void)gate_wait_ms(&book->gate, wait_ms);
    change = book->change;
    gate_unlock(&book->gate);
    return change;
}

int
setting_get(struct book *book, const char *key, char *out, size_t size, struct err *err)
{
    struct db_rows *rows = NULL;

    if (db_run(book->db, "setting_get", DB_ARGS(DB_TEXT(key)), &rows, err) < 0)
        return -1;
    text_copy(out, size, db_rows_count(rows) > 0 ? db_text(rows, 0, 0) : "");
    db_rows_free(&rows);
    return 0;
}

int
setting_set(struct book *book, const char *key, const char *value, struct err *err)
{
    return db_run(book->db, "setting_set", DB_ARGS(DB_TEXT(key), DB_TEXT(value)), NULL, err);
}

uint32_t
book_revision_after(uint32_t known)
{
    int64_t now_s = clock_wall_us() / 1000000;

    return now_s > known && now_s < UINT32_MAX ? (uint32_t)now_s : known + 1;
}

/* ---- the message that goes with each ---- */

static int
name_identity(struct book *book, struct clinic_up *up, struct err *err)
{
    struct db_rows *rows = NULL;

    if (db_run(book->db, "registration_identity", DB_ARGS(DB_TEXT(up->registration)), &rows, err) <
        0)
        return -1;
    text_copy(up->identity, sizeof up->identity,
              db_rows_count(rows) > 0 ? db_text(rows, 0, 0) : "");
    db_rows_free(&rows);
    return 0;
}

int
outbox_add(struct book *book, struct clinic_up *up, struct err *err)
{
    struct clinic_up again;
    struct buf json;
    int rc;

    if (name_identity(book, up, err) < 0)
        return -1;
    clinic_id_new(up->id);
    up->at_us = clock_wall_us();
    buf_init(&json, CLINIC_BODY_BYTES);
    clinic_up_encode(up, &json);
    /* What the reader would refuse is refused here, where somebody can put it right. */
    rc = clinic_up_decode(json.bytes, json.n, &again, err);
    if (rc == 0)
        rc = db_run(book->db, "outbox_add",
                    DB_ARGS(DB_TEXT(up->id), DB_TEXT(clinic_up_word(up->kind)),
                            DB_TEXT(up->registration), DB_TEXT(buf_text(&json)), DB_INT(up->at_us)),
                    NULL, err);
    buf_fini(&json);
    return rc;
}

static int
tell_registration(struct book *book, const struct book_registration *r, struct err *err)
{
    struct clinic_up up = {
        .kind = CLINIC_REGISTRATION, .revision = r->revision, .is_urgent = r->is_urgent};

    text_copy(up.registration, sizeof up.registration, r->registration);
    text_copy(up.name, sizeof up.name, r->name);
    text_copy(up.citizen_id, sizeof up.citizen_id, r->citizen_id);
    text_copy(up.sex, sizeof up.sex, r->sex);
    text_copy(up.birth, sizeof up.birth, r->birth);
    text_copy(up.phone, sizeof up.phone, r->phone);
    text_copy(up.clinic_phone, sizeof up.clinic_phone, book->clinic_phone);
    text_copy(up.modality, sizeof up.modality, r->modality);
    text_copy(up.complaint, sizeof up.complaint, r->complaint);
    text_copy(up.history, sizeof up.history, r->history);
    text_copy(up.reason, sizeof up.reason, r->reason);
    return outbox_add(book, &up, err);
}

/* ---- registrations ---- */

void
registration_read(const struct db_rows *rows, size_t i, struct book_registration *r)
{
    memset(r, 0, sizeof *r);
    text_copy(r->registration, sizeof r->registration, db_text(rows, i, 0));
    r->at_us = db_int(rows, i, 1);
    r->changed_at_us = db_int(rows, i, 2);
    r->revision = (uint32_t)db_int(rows, i, 3);
    text_copy(r->name, sizeof r->name, db_text(rows, i, 4));
    text_copy(r->citizen_id, sizeof r->citizen_id, db_text(rows, i, 5));
    text_copy(r->sex, sizeof r->sex, db_text(rows, i, 6));
    text_copy(r->birth, sizeof r->birth, db_text(rows, i, 7));
    text_copy(r->phone, sizeof r->phone, db_text(rows, i, 8));
    r->is_phone_verified = db_int(rows, i, 9) != 0;
    text_copy(r->modality, sizeof r->modality, db_text(rows, i, 10));
    text_copy(r->complaint, sizeof r->complaint, db_text(rows, i, 11));
    text_copy(r->history, sizeof r->history, db_text(rows, i, 12));
    r->is_urgent = db_int(rows, i, 13) != 0;
    text_copy(r->reason, sizeof r->reason, db_text(rows, i, 14));
    text_copy(r->study, sizeof r->study, db_text(rows, i, 15));
    text_copy(r->attached_by, sizeof r->attached_by, db_text(rows, i, 16));
    r->slip_at_us = db_int(rows, i, 17);
    text_copy(r->read_state, sizeof r->read_state, db_text(rows, i, 18));
    r->waiting = (uint32_t)db_int(rows, i, 19);
    text_copy(r->refused, sizeof r->refused, db_text(rows, i, 20));
    text_copy(r->phone_word, sizeof r->phone_word, db_text(rows, i, 21));
}

int
registration_get(struct book *book, const char *registration, struct book_registration *out,
                 struct err *err)
{
    struct db_rows *rows = NULL;
    int rc = 0;

    if (db_run(book->db, "registration_get", DB_ARGS(DB_TEXT(registration)), &rows, err) < 0)
        return -1;
    if (db_rows_count(rows) == 0)
        rc = err_set(err, ERR_NOT_FOUND, "no such registration");
    else
        registration_read(rows, 0, out);
    db_rows_free(&rows);
    return rc;
}

/* Letters of this program's start: two desks of a clinic, a desk that began anew, or one whose file
 * was set back to a copy never give the same number. Without vowels, 0, 1, I, L, O. */
static const char *
tag_get(struct book *book)
{
    static const char letters[] = "23456789BCDFGHJKMNPQRSTVWXYZ";
    uint8_t random[sizeof book->tag - 1];

    if (book->tag[0] != '\0')
        return book->tag;
    random_bytes(random, sizeof random);
    for (size_t i = 0; i < sizeof random; i++)
        book->tag[i] = letters[random[i] % (sizeof letters - 1)];
    return book->tag;
}

/* 261122K7MR001: the day here, the desk's letters, how many today. The day never goes back, even
 * when the clock does: the numbers of a day to come are given already. */
static int
number_next(struct book *book, int64_t now_us, char out[CLINIC_REGISTRATION_SIZE], struct err *err)
{
    char day[16], last[32];
    time_t now = (time_t)(now_us / 1000000);
    uint64_t n = 0;
    struct tm tm;

    localtime_r(&now, &tm);
    snprintf(day, sizeof day, "%02d%02d%02d", tm.tm_year % 100, tm.tm_mon + 1, tm.tm_mday);
    if (setting_get(book, "number", last, sizeof last, err) < 0)
        return -1;
    if (strlen(last) > 6 && strncmp(last, day, 6) > 0)
        snprintf(day, sizeof day, "%.6s", last);
    if (strncmp(last, day, 6) == 0 && text_to_u64(last + 6, 999999, &n) < 0)
        return err_set(err, ERR_FATAL, "the last number cannot be read");
    snprintf(last, sizeof last, "%s%" PRIu64, day, n + 1);
    snprintf(out, CLINIC_REGISTRATION_SIZE, "%s%s%03" PRIu64, day, tag_get(book), n + 1);
    return setting_set(book, "number", last, err);
}

int
registration_add(struct book *book, struct book_registration *r, struct err *err)
{
    char identity[CLINIC_ID_SIZE];

    if (clock_follow(book, err) < 0)
        return -1;
    clinic_id_new(identity);
    r->at_us = clock_wall_us();
    r->revision = 1;
    if (number_next(book, r->at_us, r->registration, err) < 0 ||
        db_run(book->db, "registration_add",
               DB_ARGS(DB_TEXT(r->registration), DB_INT(r->at_us), DB_TEXT(r->name),
                       DB_TEXT(r->citizen_id), DB_TEXT(r->sex), DB_TEXT(r->birth),
                       DB_TEXT(r->phone), DB_TEXT(r->modality), DB_TEXT(r->complaint),
                       DB_TEXT(r->history), DB_INT(r->is_urgent), DB_TEXT(r->reason),
                       DB_TEXT(identity)),
               NULL, err) < 0 ||
        (r->is_urgent && urgency_note_by(book, r->registration, r->urgent_by, false, err) < 0))
        return -1;
    return tell_registration(book, r, err);
}

int
book_register(struct book *book, const struct book_registration *r,
              char out_registration[CLINIC_REGISTRATION_SIZE], struct err *err)
{
    struct book_registration *own = mem_new(sizeof *own);
    int rc;

    *own = *r;
    rc = db_begin(book->db, err);
    if (rc == 0) {
        rc = registration_add(book, own, err);
        if (rc == 0)
            rc = order_of_registration(book, own, err);
        rc = db_end(book->db, rc, err);
    }
    if (rc == 0) {
        text_copy(out_registration, CLINIC_REGISTRATION_SIZE, own->registration);
        book_changed(book);
    }
    free(own);
    return rc;
}

int
registration_change(struct book *book, const struct book_registration *r, struct err *err)
{
    struct book_registration *now = mem_new(sizeof *now);
    int rc = -1;

    if (registration_get(book, r->registration, now, err) < 0 ||
        db_run(book->db, "registration_change",
               DB_ARGS(DB_TEXT(r->registration), DB_INT(clock_wall_us()), DB_TEXT(r->name),
                       DB_TEXT(r->citizen_id), DB_TEXT(r->sex), DB_TEXT(r->birth),
                       DB_TEXT(r->phone), DB_TEXT(r->modality), DB_TEXT(r->complaint),
                       DB_TEXT(r->history), DB_INT(r->is_urgent), DB_TEXT(r->reason)),
               NULL, err) < 0 ||
        (r->is_urgent && urgency_note_by(book, r->registration, r->urgent_by, false, err) < 0) ||
        registration_get(book, r->registration, now, err) < 0 ||
        order_follow_name(book, now, err) < 0)
        goto out;
    rc = tell_registration(book, now, err);
out:
    free(now);
    return rc;
}

int
book_find(struct book *book, const char *registration, struct book_registration *out,
          struct err *err)
{
    int rc = db_begin(book->db, err);

    return rc < 0 ? -1 : db_end(book->db, registration_get(book, registration, out, err), err);
}

int
book_name_of(struct book *book, const char *login, char out[CLINIC_NAME_SIZE], struct err *err)
{
    struct db_rows *rows = NULL;

    if (db_run(book->db, "account_name", DB_ARGS(DB_TEXT(login)), &rows, err) < 0)
        return -1;
    text_copy(out, CLINIC_NAME_SIZE,
              db_rows_count(rows) > 0 && db_text(rows, 0, 0)[0] != '\0' ? db_text(rows, 0, 0)
                                                                        : login);
    db_rows_free(&rows);
    return 0;
}

/* ---- what is done with one: a change and its message in one turn ---- */

/* The registration, then what to do with it. */
static int
with_registration(struct book *book, const char *registration,
                  int (*act)(struct book *, const struct book_registration *, void *, struct err *),
                  void *user, struct err *err)
{
    struct book_registration *r = mem_new(sizeof *r);
    int rc = db_begin(book->db, err);

    if (rc == 0) {
        rc = registration_get(book, registration, r, err);
        if (rc == 0)
            rc = act(book, r, user, err);
        rc = db_end(book->db, rc, err);
    }
    if (rc == 0)
        book_changed(book);
    free(r);
    return rc;
}

/* Of one that was urgent its studies to come, too; of another one those that are. */
int
registration_say_urgent(struct book *book, const struct book_registration *r, bool is_urgent,
                        const char *reason, struct audit *audit, const char *by, struct err *err)
{
    struct clinic_up up = {.kind = CLINIC_URGENT, .is_urgent = is_urgent};

    text_copy(up.registration, sizeof up.registration, r->registration);
    text_copy(up.reason, sizeof up.reason, reason);
    if ((is_urgent || r->is_urgent) &&
        (db_run(book->db, is_urgent ? "registration_urgent" : "registration_lower",
                DB_ARGS(DB_TEXT(r->registration), DB_TEXT(up.reason), DB_INT(clock_wall_us())),
                NULL, err) < 0 ||
         urgency_note_by(book, r->registration, by, true, err) < 0 ||
         outbox_add(book, &up, err) < 0))
        return -1;
    if (urgency_of_registration(book, r->registration, is_urgent, up.reason, by, err) < 0)
        return -1;
    return audit == NULL
               ? 0
               : audit_append(audit, err, AUDIT_URGENCY_CHANGED,
                              A_WORD("registration", r->registration),
                              A_WORD("urgency", is_urgent ? "stat" : "routine"), A_WORD("by", by));
}

struct urgent_act {
    bool is_urgent;
    const char *reason, *by;
    struct audit *audit;
};

static int
act_urgent(struct book *book, const struct book_registration *r, void *user, struct err *err)
{
    const struct urgent_act *act = user;

    return registration_say_urgent(book, r, act->is_urgent, act->reason, act->audit, act->by, err);
}

int
book_urgent(struct book *book, const char *registration, bool is_urgent, const char *reason,
            struct audit *audit, const char *by, struct err *err)
{
    struct urgent_act act = {is_urgent, reason, by, audit};

    return with_registration(book, registration, act_urgent, &act, err);
}

int
registration_attach(struct book *book, const struct book_registration *r, const char *study,
                    const char *by, struct err *err)
{
    struct clinic_up up = {.kind = CLINIC_ATTACH};

    if (strcmp(r->study, study) == 0)
        return 0;
    if (r->study[0] != '\0' && strcmp(by, "hand") != 0)
        return err_set(err, ERR_CONFLICT, "the registration has another study");
    text_copy(up.registration, sizeof up.registration, r->registration);
    text_copy(up.study, sizeof up.study, study);
    if (db_run(book->db, "registration_detach_study",
               DB_ARGS(DB_TEXT(study), DB_TEXT(r->registration), DB_INT(clock_wall_us())), NULL,
               err) < 0 ||
        db_run(
            book->db, "registration_attach",
            DB_ARGS(DB_TEXT(r->registration), DB_TEXT(study), DB_TEXT(by), DB_INT(clock_wall_us())),
            NULL, err) < 0 ||
        db_run(book->db, "registration_part", DB_ARGS(DB_TEXT(study)), NULL, err) < 0 ||
        outbox_add(book, &up, err) < 0)
        return -1;
    if (r->study[0] != '\0' && doubts_detached(book, r->study, err) < 0)
        return -1;
    return doubts_attached(book, study, err);
}

static int
act_attach(struct book *book, const struct book_registration *r, void *user, struct err *err)
{
    const char *const *study_by = user;

    return registration_attach(book, r, study_by[0], study_by[1], err);
}

int
book_attach(struct book *book, const char *registration, const char *study, const char *by,
            struct err *err)
{
    const char *study_by[] = {study, by};

    return with_registration(book, registration, act_attach, study_by, err);
}

static int
act_slip(struct book *book, const struct book_registration *r, void *user, struct err *err)
{
    struct clinic_up up = {.kind = CLINIC_SLIP};
    char hex[DIGEST_HEX_BYTES];

    text_copy(up.registration, sizeof up.registration, r->registration);
    memcpy(up.code_sha256, user, sizeof up.code_sha256);
    digest_text(user, hex);
    if (db_run(book->db, "registration_slip",
               DB_ARGS(DB_TEXT(r->registration), DB_INT(clock_wall_us()), DB_TEXT(hex)), NULL,
               err) < 0)
        return -1;
    return outbox_add(book, &up, err);
}

int
book_slip(struct book *book, const char *registration, const uint8_t code_sha256[CLINIC_HASH_BYTES],
          struct err *err)
{
    uint8_t own[CLINIC_HASH_BYTES];

    memcpy(own, code_sha256, sizeof own);
    return with_registration(book, registration, act_slip, own, err);
}

struct phone_act {
    const char *otp;
    char *id;
};

static int
act_phone(struct book *book, const struct book_registration *r, void *user, struct err *err)
{
    const struct phone_act *act = user;
    struct clinic_up up = {.kind = act->otp == NULL ? CLINIC_PHONE_CODE : CLINIC_PHONE_CHECK};

    if (r->phone[0] == '\0')
        return err_set(err, ERR_REJECT, "the registration has no phone");
    text_copy(up.registration, sizeof up.registration, r->registration);
    text_copy(up.phone, sizeof up.phone, r->phone);
    if (act->otp != NULL && !text_copy(up.otp, sizeof up.otp, act->otp))
        return err_set(err, ERR_REJECT, "a code has at most %d digits", CLINIC_OTP_SIZE - 1);
    if (outbox_add(book, &up, err) < 0)
        return -1;
    text_copy(act->id, CLINIC_ID_SIZE, up.id);
    return 0;
}

int
book_phone(struct book *book, const char *registration, const char *otp,
           char out_id[CLINIC_ID_SIZE], struct err *err)
{
    struct phone_act act = {otp, out_id};

    return with_registration(book, registration, act_phone, &act, err);
}
