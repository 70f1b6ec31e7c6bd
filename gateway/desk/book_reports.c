/* book_reports.c - the reports that came to the desk: who has seen them, and their files. */
#include "gateway/desk/book_own.h"

#include "proto/base/clock.h"
#include "proto/base/durable.h"
#include "proto/base/text.h"
#include "proto/trust/digest.h"

#include <inttypes.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { PDF_BYTES = 32 << 20 };

static void
report_read(const struct db_rows *rows, size_t i, struct book_report *r)
{
    r->read = db_int(rows, i, 0);
    r->version = (uint32_t)db_int(rows, i, 1);
    r->is_preliminary = db_int(rows, i, 2) != 0;
    r->signed_at_us = db_int(rows, i, 3);
    text_copy(r->author, sizeof r->author, db_text(rows, i, 4));
    text_copy(r->reviewer, sizeof r->reviewer, db_text(rows, i, 5));
    text_copy(r->hospital, sizeof r->hospital, db_text(rows, i, 6));
    text_copy(r->verify_url, sizeof r->verify_url, db_text(rows, i, 7));
    r->covers = (uint32_t)db_int(rows, i, 8);
    r->present = (uint32_t)db_int(rows, i, 9);
    text_copy(r->standing, sizeof r->standing, db_text(rows, i, 10));
    r->superseded_by = (uint32_t)db_int(rows, i, 11);
    text_copy(r->reason, sizeof r->reason, db_text(rows, i, 12));
    r->received_at_us = db_int(rows, i, 13);
    r->confirmed_at_us = db_int(rows, i, 14);
    r->is_here = db_int(rows, i, 15) != 0;
    text_copy(r->study, sizeof r->study, db_text(rows, i, 16));
    text_copy(r->registration, sizeof r->registration, db_text(rows, i, 17));
    text_copy(r->patient, sizeof r->patient, db_text(rows, i, 18));
    text_copy(r->modality, sizeof r->modality, db_text(rows, i, 19));
    text_copy(r->state, sizeof r->state, db_text(rows, i, 20));
    r->replaces = (uint32_t)db_int(rows, i, 21);
    r->looked_at_us = db_int(rows, i, 22);
    text_copy(r->looked_by, sizeof r->looked_by, db_text(rows, i, 23));
    text_copy(r->looked_reason, sizeof r->looked_reason, db_text(rows, i, 24));
    r->printed_at_us = db_int(rows, i, 25);
}

int
book_reports_page(struct book *book, size_t skip, size_t limit, struct book_report **out,
                  size_t *out_n, struct err *err)
{
    struct db_rows *rows = NULL;
    int rc = db_ask(book->db, "report_list", DB_ARGS(DB_INT(limit), DB_INT(skip)), &rows, err);

    if (rc == 0) {
        *out_n = db_rows_count(rows);
        *out = mem_new((*out_n + 1) * sizeof **out);
        for (size_t i = 0; i < *out_n; i++)
            report_read(rows, i, &(*out)[i]);
    }
    db_rows_free(&rows);
    return rc;
}

int
book_reports(struct book *book, size_t limit, struct book_report **out, size_t *out_n,
             struct err *err)
{
    return book_reports_page(book, 0, limit, out, out_n, err);
}

int
book_report_counts(struct book *book, struct book_report_counts *out, struct err *err)
{
    struct db_rows *rows = NULL;

    if (db_ask(book->db, "report_counts", DB_NO_ARGS, &rows, err) < 0)
        return -1;
    *out = (struct book_report_counts){.all = (uint64_t)db_int(rows, 0, 0),
                                       .unconfirmed = (uint64_t)db_int(rows, 0, 1),
                                       .unprinted = (uint64_t)db_int(rows, 0, 2)};
    db_rows_free(&rows);
    return 0;
}

/* In a turn. */
static int
source(struct book *book, int64_t read, struct book_source *out, struct err *err)
{
    struct db_rows *rows = NULL;
    int rc = db_run(book->db, "read_source", DB_ARGS(DB_INT(read)), &rows, err);

    if (rc == 0 && db_rows_count(rows) == 0)
        rc = err_set(err, ERR_NOT_FOUND, "no such read");
    if (rc == 0) {
        out->number = db_int(rows, 0, 0);
        text_copy(out->study, sizeof out->study, db_text(rows, 0, 1));
    }
    db_rows_free(&rows);
    return rc;
}

int
book_read_source(struct book *book, int64_t read, struct book_source *out, struct err *err)
{
    int rc = db_begin(book->db, err);

    return rc < 0 ? -1 : db_end(book->db, source(book, read, out, err), err);
}

/* Of a report that the reader knows no more, nobody there is told. */
static int
confirm(struct book *book, int64_t read, uint32_t version, struct err *err)
{
    struct clinic_up up = {.kind = CLINIC_CONFIRM, .version = version};
    struct db_rows *rows = NULL;
    struct book_source from;
    size_t found;

    if (db_run(book->db, "report_get", DB_ARGS(DB_INT(read), DB_INT(version)), &rows, err) < 0)
        return -1;
    found = db_rows_count(rows);
    db_rows_free(&rows);
    if (found == 0)
        return err_set(err, ERR_NOT_FOUND, "no such report");
    if (source(book, read, &from, err) < 0 ||
        db_run(book->db, "report_confirm",
               DB_ARGS(DB_INT(read), DB_INT(version), DB_INT(clock_wall_us())), NULL, err) < 0)
        return -1;
    up.read = from.number;
    text_copy(up.study, sizeof up.study, from.study);
    return db_touched(book->db) == 0 || from.number == 0 ? 0 : outbox_add(book, &up, err);
}

int
book_confirm(struct book *book, int64_t read, uint32_t version, struct err *err)
{
    int rc = db_begin(book->db, err);

    if (rc == 0)
        rc = db_end(book->db, confirm(book, read, version, err), err);
    if (rc == 0)
        book_changed(book);
    return rc;
}

int
book_pdf_due(struct book *book, bool *out_is_due, int64_t *out_read, uint32_t *out_version,
             struct err *err)
{
    struct db_rows *rows = NULL;
    int rc = db_ask(book->db, "report_pdf_due", DB_ARGS(DB_INT(clock_wall_us())), &rows, err);

    if (rc == 0) {
        *out_is_due = db_rows_count(rows) > 0;
        *out_read = *out_is_due ? db_int(rows, 0, 0) : 0;
        *out_version = *out_is_due ? (uint32_t)db_int(rows, 0, 1) : 0;
    }
    db_rows_free(&rows);
    return rc;
}

static void
pdf_name(int64_t read, uint32_t version, char out[64])
{
    snprintf(out, 64, "reports/%" PRId64 "-%" PRIu32 ".pdf", read, version);
}

int
book_pdf_put(struct book *book, int64_t read, uint32_t version, const void *bytes, size_t n,
             const uint8_t sha256[CLINIC_HASH_BYTES], struct err *err)
{
    uint8_t own[DIGEST_BYTES];
    char name[64], hex[DIGEST_HEX_BYTES];

    digest_bytes(bytes, n, own);
    if (memcmp(own, sha256, sizeof own) != 0)
        return err_set(err, ERR_REJECT, "the PDF's SHA-256 is not what the reader says");
    pdf_name(read, version, name);
    digest_text(own, hex);
    if (durable_put_file(book->dir, name, bytes, n, err) < 0 ||
        db_ask(book->db, "report_pdf_put",
               DB_ARGS(DB_INT(read), DB_INT(version), DB_TEXT(hex), DB_INT(n)), NULL, err) < 0)
        return -1;
    book_changed(book);
    return 0;
}

int
book_pdf_failed(struct book *book, int64_t read, uint32_t version, struct err *err)
{
    return db_ask(book->db, "report_pdf_failed",
                  DB_ARGS(DB_INT(read), DB_INT(version), DB_INT(clock_wall_us())), NULL, err);
}

/* Its digest as it is kept; "" the file is not here. */
static int
pdf_digest(struct book *book, int64_t read, uint32_t version, char out[DIGEST_HEX_BYTES],
           struct err *err)
{
    struct db_rows *rows = NULL;
    int rc = db_ask(book->db, "report_get", DB_ARGS(DB_INT(read), DB_INT(version)), &rows, err);

    if (rc == 0 && db_rows_count(rows) == 0)
        rc = err_set(err, ERR_NOT_FOUND, "no such report");
    if (rc == 0)
        text_copy(out, DIGEST_HEX_BYTES, db_text(rows, 0, 0));
    db_rows_free(&rows);
    return rc;
}

int
book_pdf_get(struct book *book, int64_t read, uint32_t version, uint8_t **out_bytes, size_t *out_n,
             struct err *err)
{
    char name[64], path[PATH_MAX], hex[DIGEST_HEX_BYTES], own_hex[DIGEST_HEX_BYTES] = "";
    uint8_t own[DIGEST_BYTES], *bytes = NULL;
    size_t n = 0;

    if (pdf_digest(book, read, version, hex, err) < 0)
        return -1;
    if (hex[0] == '\0')
        return err_set(err, ERR_RETRY, "the report's file is not here yet");
    pdf_name(read, version, name);
    snprintf(path, sizeof path, "%s/%s", book->dir, name);
    if (durable_get_file(path, PDF_BYTES, &bytes, &n, err) == 0) {
        digest_bytes(bytes, n, own);
        digest_text(own, own_hex);
    }
    if (strcmp(hex, own_hex) == 0) {
        *out_bytes = bytes;
        *out_n = n;
        return 0;
    }
    /* A replaced file may be here a moment before its row: the next look finds both. */
    free(bytes);
    if (db_ask(book->db, "report_pdf_lost", DB_ARGS(DB_INT(read), DB_INT(version)), NULL, err) < 0)
        return -1;
    book_changed(book);
    return err_set(err, ERR_RETRY, "the report's file changed on this disk; it is fetched anew");
}
