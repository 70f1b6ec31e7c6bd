/* notes.c - rejected images, printed reports. */
#include "gateway/desk/notes.h"

#include "gateway/desk/book_own.h"
#include "proto/base/clock.h"
#include "proto/base/text.h"
#include "proto/model/rejects.h"

#include <string.h>

enum { REJECTS_SHOWN = 200, PRINTS_SHOWN = 400, IMAGES_MOST = 1000 };
static const int64_t month_us = INT64_C(31) * 86400 * 1000000;

int
notes_reject(struct book *book, const char *study, const char *reason, unsigned images,
             const char *words, const char *by, struct err *err)
{
    int rc;

    if (!reject_is_reason(reason))
        return err_set(err, ERR_REJECT, "reason: one of the list is due");
    if (db_begin(book->db, err) < 0)
        return -1;
    rc = db_run(book->db, "reject_add",
                DB_ARGS(DB_TEXT(study), DB_TEXT(reason), DB_INT(images), DB_TEXT(words),
                        DB_TEXT(by), DB_INT(clock_wall_us())),
                NULL, err);
    if (db_end(book->db, rc, err) < 0)
        return -1;
    book_changed(book);
    return 0;
}

static int
print_in(struct book *book, int64_t read, uint32_t version, const char *by, struct err *err)
{
    if (db_run(book->db, "print_add",
               DB_ARGS(DB_INT(read), DB_INT(version), DB_TEXT(by), DB_INT(clock_wall_us())), NULL,
               err) < 0)
        return -1;
    return db_touched(book->db) == 1 ? 0 : err_set(err, ERR_NOT_FOUND, "no such report");
}

int
notes_printed(struct book *book, int64_t read, uint32_t version, const char *by, struct err *err)
{
    if (db_begin(book->db, err) < 0 ||
        db_end(book->db, print_in(book, read, version, by, err), err) < 0)
        return -1;
    book_changed(book);
    return 0;
}

int
notes_unprinted(struct book *book, int64_t read, uint32_t version, struct err *err)
{
    int rc = db_begin(book->db, err);

    if (rc < 0)
        return -1;
    rc = db_run(book->db, "print_back", DB_ARGS(DB_INT(read), DB_INT(version)), NULL, err);
    if (rc == 0 && db_touched(book->db) == 0)
        rc = err_set(err, ERR_NOT_FOUND, "this report was not opened to be printed");
    if (db_end(book->db, rc, err) < 0)
        return -1;
    book_changed(book);
    return 0;
}

/* ---- as JSON ---- */

static int
write_rejects(struct book *book, struct jsonw *w, struct err *err)
{
    int64_t since_us = clock_wall_us() - month_us;
    struct db_rows *rows = NULL;

    if (db_run(book->db, "reject_list", DB_ARGS(DB_INT(since_us), DB_INT(REJECTS_SHOWN)), &rows,
               err) < 0)
        return -1;
    jsonw_array(w, "rejects");
    for (size_t i = 0; i < db_rows_count(rows); i++) {
        jsonw_object(w, NULL);
        jsonw_int(w, "number", db_int(rows, i, 0));
        jsonw_text(w, "study", db_text(rows, i, 1));
        jsonw_text(w, "registration", db_text(rows, i, 2));
        jsonw_text(w, "reason", db_text(rows, i, 3));
        jsonw_int(w, "images", db_int(rows, i, 4));
        jsonw_text(w, "words", db_text(rows, i, 5));
        jsonw_text(w, "by", db_text(rows, i, 6));
        jsonw_int(w, "at_us", db_int(rows, i, 7));
        jsonw_end(w);
    }
    jsonw_end(w);
    db_rows_free(&rows);
    if (db_run(book->db, "reject_counts", DB_ARGS(DB_INT(since_us)), &rows, err) < 0)
        return -1;
    jsonw_object(w, "reject_counts");
    for (size_t i = 0; i < db_rows_count(rows); i++)
        jsonw_int(w, db_text(rows, i, 0), db_int(rows, i, 1));
    jsonw_end(w);
    db_rows_free(&rows);
    return 0;
}

static int
write_prints(struct book *book, struct jsonw *w, struct err *err)
{
    struct db_rows *rows = NULL;

    if (db_run(book->db, "print_list", DB_ARGS(DB_INT(PRINTS_SHOWN)), &rows, err) < 0)
        return -1;
    jsonw_array(w, "printed");
    for (size_t i = 0; i < db_rows_count(rows); i++) {
        jsonw_object(w, NULL);
        jsonw_int(w, "read", db_int(rows, i, 0));
        jsonw_int(w, "version", db_int(rows, i, 1));
        jsonw_int(w, "at_us", db_int(rows, i, 2));
        jsonw_int(w, "times", db_int(rows, i, 3));
        jsonw_end(w);
    }
    jsonw_end(w);
    db_rows_free(&rows);
    return 0;
}

int
notes_report(struct book *book, struct jsonw *w, struct err *err)
{
    int rc;

    if (db_begin(book->db, err) < 0)
        return -1;
    rc = write_rejects(book, w, err) < 0 ? -1 : write_prints(book, w, err);
    return db_end(book->db, rc, err);
}

/* ---- routes ---- */

static int
post_reject(struct http_request *req, struct http_response *res, struct err *err)
{
    static const struct api_fault due = {"reason", "reject", "a reason of the list is due"};
    const struct api *api = http_user(req);
    const char *study = http_param(req, "study");
    char reason[32], words[CLINIC_REASON_SIZE];
    struct json_doc *doc = NULL;
    uint64_t images = 1;
    int rc = -1;

    if (!uid_is_valid(study, true))
        return err_set(err, ERR_NOT_FOUND, "no such study");
    if (api_read_body(req, &doc, err) < 0 ||
        json_u64(json_root(doc), "images", IMAGES_MOST, &images, err) < 0)
        goto out;
    if (!api_take_text(json_root(doc), "reason", reason, sizeof reason) ||
        !api_take_text(json_root(doc), "words", words, sizeof words) || images == 0 ||
        !reject_is_reason(reason) || (strcmp(reason, "other") == 0 && words[0] == '\0')) {
        api_answer_fault(req, res, 400, &due);
        rc = 0;
        goto out;
    }
    rc = notes_reject(api->book, study, reason, (unsigned)images, words, http_caller(req)->device,
                      err);
    if (rc == 0)
        http_answer_empty(res, 204);
out:
    json_free(&doc);
    return rc;
}

/* {read} and {version} of the path. */
static int
report_of(const struct http_request *req, int64_t *out_read, uint32_t *out_version, struct err *err)
{
    uint64_t read, version;

    if (text_to_u64(http_param(req, "read"), INT64_MAX, &read) < 0 ||
        text_to_u64(http_param(req, "version"), UINT32_MAX, &version) < 0)
        return err_set(err, ERR_NOT_FOUND, "no such report");
    *out_read = (int64_t)read;
    *out_version = (uint32_t)version;
    return 0;
}

static int
post_printed(struct http_request *req, struct http_response *res, struct err *err)
{
    const struct api *api = http_user(req);
    uint32_t version;
    int64_t read;

    if (report_of(req, &read, &version, err) < 0 ||
        notes_printed(api->book, read, version, http_caller(req)->device, err) < 0)
        return -1;
    http_answer_empty(res, 204);
    return 0;
}

static int
post_unprinted(struct http_request *req, struct http_response *res, struct err *err)
{
    const struct api *api = http_user(req);
    uint32_t version;
    int64_t read;

    if (report_of(req, &read, &version, err) < 0 ||
        notes_unprinted(api->book, read, version, err) < 0)
        return -1;
    http_answer_empty(res, 204);
    return 0;
}

const struct http_route notes_routes[] = {
    DESK_POST("/desk/v1/studies/{study}/rejects", DESK_WORK, post_reject),
    DESK_POST("/desk/v1/reports/{read}/{version}/printed", DESK_WORK, post_printed),
    DESK_POST("/desk/v1/reports/{read}/{version}/unprinted", DESK_WORK, post_unprinted),
};
const size_t notes_route_count = ARRAY_LEN(notes_routes);
