/* doubts_api.c - the desk's routes and sections about whose images: what is odd, "A or B?", the
 * unmatched box, exams that came as several studies. */
#include "gateway/desk/api.h"
#include "gateway/desk/api_write.h"
#include "gateway/desk/book.h"
#include "gateway/desk/book_own.h"
#include "gateway/desk/desk.h"
#include "gateway/desk/doubts.h"
#include "proto/base/clock.h"
#include "proto/base/text.h"
#include "proto/model/doubts.h"

#include <stdlib.h>
#include <string.h>

int doubts_report(struct book *book, struct jsonw *w, struct err *err) MUST_CHECK;

enum { WORDS = 32 };
static const int64_t shown_us = INT64_C(14) * 86400 * 1000000;
/* What arrived later may not have been matched yet. */
static const int64_t matched_us = INT64_C(60) * 1000000;

static struct book *
book_of(const struct http_request *req)
{
    const struct api *api = http_user(req);

    return api->book;
}

/* ["id_check", ...] as the page showed them; words nobody knows are nothing. */
static int
read_words(const struct json *o, uint32_t *out, struct err *err)
{
    const struct json *list;

    *out = 0;
    if (json_list(o, "doubts", WORDS, &list, err) < 0)
        return -1;
    for (size_t i = 0; i < json_length(list); i++) {
        const char *word = json_as_text(json_at(list, i));

        if (word != NULL)
            *out |= doubt_of_word(word);
    }
    return 0;
}

static int
post_doubts(struct http_request *req, struct http_response *res, struct err *err)
{
    char reason[CLINIC_REASON_SIZE];
    struct json_doc *doc = NULL;
    uint64_t others = UINT64_MAX;
    uint32_t shown;
    int rc = -1;

    if (api_read_body(req, &doc, err) < 0 || read_words(json_root(doc), &shown, err) < 0 ||
        (json_find(json_root(doc), "others") != NULL &&
         json_u64(json_root(doc), "others", INT64_MAX, &others, err) < 0))
        goto out;
    if (!api_take_text(json_root(doc), "reason", reason, sizeof reason)) {
        err_set(err, ERR_REJECT, "reason: too long");
        goto out;
    }
    rc = book_doubt_confirm(book_of(req), http_param(req, "study"), shown, others, api_who(req),
                            reason, err);
    if (rc == 0)
        http_answer_empty(res, 204);
out:
    json_free(&doc);
    return rc;
}

/* Two people at once: the later one sees first what the other said, and who. */
static int
answer_meanwhile(const struct http_request *req, struct http_response *res, struct err *err)
{
    static const struct api_fault other = {"seen", "changed",
                                           "somebody has answered meanwhile: look again"};

    if (err->kind != ERR_CONFLICT)
        return -1;
    err_clear(err);
    api_answer_fault(req, res, 409, &other);
    return 0;
}

static int
post_answer(struct http_request *req, struct http_response *res, struct err *err)
{
    char registration[CLINIC_REGISTRATION_SIZE];
    const char *answer, *seen = NULL;
    struct json_doc *doc = NULL;
    uint64_t n;
    int rc = -1;

    if (text_to_u64(http_param(req, "n"), INT64_MAX, &n) < 0)
        return err_set(err, ERR_NOT_FOUND, "no such question");
    if (api_read_body(req, &doc, err) < 0 ||
        json_text(json_root(doc), "answer", 16, &answer, err) < 0 ||
        (json_find(json_root(doc), "seen") != NULL &&
         json_text(json_root(doc), "seen", 16, &seen, err) < 0))
        goto out;
    if ((strcmp(answer, "first") != 0 && strcmp(answer, "second") != 0) ||
        !api_take_text(json_root(doc), "registration", registration, sizeof registration)) {
        err_set(err, ERR_REJECT, "answer: first or second");
        goto out;
    }
    rc = book_correction_answer(book_of(req), (int64_t)n, strcmp(answer, "second") == 0,
                                registration, seen, api_who(req), err);
    if (rc == 0)
        http_answer_empty(res, 204);
    else
        rc = answer_meanwhile(req, res, err);
out:
    json_free(&doc);
    return rc;
}

int
api_refuse_aside(const struct http_request *req, struct http_response *res, const char *study,
                 bool *out_is_refused, struct err *err)
{
    static const struct api_fault aside = {"study", "study_aside",
                                           "nothing is here of this study but what was put aside"};
    const struct api *api = http_user(req);

    if (book_study_is_aside(api->book, api->options->spool, study, out_is_refused, err) < 0)
        return -1;
    if (*out_is_refused)
        api_answer_fault(req, res, 409, &aside);
    return 0;
}

static int
post_join(struct http_request *req, struct http_response *res, struct err *err)
{
    char study[CLINIC_UID_SIZE];
    bool is_refused;

    if (api_read_study(req, study, err) < 0 ||
        api_refuse_aside(req, res, study, &is_refused, err) < 0)
        return -1;
    if (is_refused)
        return 0;
    if (book_join(book_of(req), http_param(req, "registration"), study, err) < 0)
        return -1;
    http_answer_empty(res, 204);
    return 0;
}

/* ---- sections of the state ---- */

static void
write_person(struct jsonw *w, const struct db_rows *rows, size_t i, int column)
{
    jsonw_text(w, "patient_id", db_text(rows, i, column));
    jsonw_text(w, "name", db_text(rows, i, column + 1));
    jsonw_text(w, "sex", db_text(rows, i, column + 2));
    jsonw_text(w, "birth", db_text(rows, i, column + 3));
}

/* Columns from the accession on. */
static void
write_exam(struct jsonw *w, const struct db_rows *rows, size_t i, int column)
{
    jsonw_text(w, "accession", db_text(rows, i, column));
    jsonw_text(w, "study_date", db_text(rows, i, column + 1));
    jsonw_text(w, "study_time", db_text(rows, i, column + 2));
    jsonw_text(w, "study_number", db_text(rows, i, column + 3));
    jsonw_text(w, "description", db_text(rows, i, column + 4));
}

static void
write_doubt(struct jsonw *w, const struct db_rows *rows, size_t i)
{
    uint32_t bits = (uint32_t)db_int(rows, i, 1), confirmed = (uint32_t)db_int(rows, i, 2);

    jsonw_object(w, NULL);
    jsonw_text(w, "study", db_text(rows, i, 0));
    doubts_json(w, "doubts", bits);
    /* a number that is no UID is of an older version: its images go under another by now */
    jsonw_bool(w, "may_attach", uid_is_valid(db_text(rows, i, 0), true));
    jsonw_bool(w, "is_open", doubts_that_hold(bits & ~confirmed) != 0);
    jsonw_text(w, "confirmed_by", db_text(rows, i, 3));
    jsonw_int(w, "confirmed_at_us", db_int(rows, i, 4));
    jsonw_text(w, "reason", db_text(rows, i, 5));
    jsonw_bool(w, "is_corrected", db_int(rows, i, 6) != 0);
    write_person(w, rows, i, 7);
    jsonw_text(w, "modality", db_text(rows, i, 11));
    jsonw_text(w, "accession", db_text(rows, i, 12));
    jsonw_int(w, "arrived_at_us", db_int(rows, i, 13));
    jsonw_text(w, "registration", db_text(rows, i, 14));
    jsonw_int(w, "others", db_int(rows, i, 15));
    if (db_text(rows, i, 14)[0] != '\0')
        jsonw_text(w, "read_state", db_text(rows, i, 19));
    else
        api_write_unmatched(w, db_text(rows, i, 16), db_text(rows, i, 17));
    jsonw_end(w);
}

static bool
is_unmatched(const struct db_rows *rows, size_t i)
{
    uint32_t open = (uint32_t)db_int(rows, i, 1) & ~(uint32_t)db_int(rows, i, 2);
    bool needs_nobody = db_int(rows, i, 18) != 0;

    return (needs_nobody ? doubts_that_hold(open) : open) != 0 && db_text(rows, i, 14)[0] == '\0';
}

static void
write_doubts(struct jsonw *w, const struct db_rows *rows, const struct db_rows *nobodys)
{
    jsonw_array(w, "doubts");
    for (size_t i = 0; i < db_rows_count(rows); i++)
        write_doubt(w, rows, i);
    jsonw_end(w);
    jsonw_array(w, "unmatched");
    for (size_t i = 0; i < db_rows_count(rows); i++)
        if (is_unmatched(rows, i))
            write_doubt(w, rows, i);
    for (size_t i = 0; i < db_rows_count(nobodys); i++)
        if (uid_is_valid(db_text(nobodys, i, 0), true))
            write_doubt(w, nobodys, i);
    jsonw_end(w);
}

static void
write_corrections(struct jsonw *w, const struct db_rows *rows)
{
    jsonw_array(w, "corrections");
    for (size_t i = 0; i < db_rows_count(rows); i++) {
        jsonw_object(w, NULL);
        jsonw_int(w, "n", db_int(rows, i, 0));
        jsonw_object(w, "first");
        jsonw_text(w, "study", db_text(rows, i, 1));
        write_person(w, rows, i, 3);
        write_exam(w, rows, i, 18);
        jsonw_int(w, "came_at_us", db_int(rows, i, 16));
        jsonw_end(w);
        jsonw_object(w, "second");
        jsonw_text(w, "study", db_text(rows, i, 2));
        write_person(w, rows, i, 7);
        write_exam(w, rows, i, 23);
        jsonw_int(w, "came_at_us", db_int(rows, i, 17));
        jsonw_end(w);
        jsonw_int(w, "asked_at_us", db_int(rows, i, 11));
        jsonw_text(w, "answer", db_text(rows, i, 12));
        jsonw_text(w, "answered_by", db_text(rows, i, 13));
        jsonw_int(w, "answered_at_us", db_int(rows, i, 14));
        jsonw_int(w, "images", db_int(rows, i, 15));
        jsonw_end(w);
    }
    jsonw_end(w);
}

int
doubts_report(struct book *book, struct jsonw *w, struct err *err)
{
    int64_t now_us = clock_wall_us(), since_us = now_us - shown_us;
    struct db_rows *doubts = NULL, *nobodys = NULL, *corrections = NULL;
    int rc = db_begin(book->db, err);

    if (rc == 0) {
        rc = db_run(book->db, "doubt_list",
                    DB_ARGS(DB_INT(since_us), DB_INT(doubts_that_hold(UINT32_MAX))), &doubts, err);
        if (rc == 0)
            rc = db_run(book->db, "nobody_list",
                        DB_ARGS(DB_INT(since_us), DB_INT(now_us - matched_us)), &nobodys, err);
        if (rc == 0)
            rc = db_run(book->db, "correction_list", DB_ARGS(DB_INT(since_us)), &corrections, err);
        rc = db_end(book->db, rc, err);
    }
    if (rc == 0) {
        write_doubts(w, doubts, nobodys);
        write_corrections(w, corrections);
    }
    db_rows_free(&corrections);
    db_rows_free(&nobodys);
    db_rows_free(&doubts);
    return rc;
}

const struct http_route doubts_routes[] = {
    DESK_POST("/desk/v1/studies/{study}/doubts", DESK_WORK, post_doubts),
    DESK_POST("/desk/v1/corrections/{n}/answer", DESK_WORK, post_answer),
    DESK_POST("/desk/v1/registrations/{registration}/join", DESK_WORK, post_join),
};
const size_t doubts_route_count = ARRAY_LEN(doubts_routes);
