/* book_find.c - registrations in lists, and the one that somebody at the desk looks for. */
#include "gateway/desk/book_own.h"

#include "proto/base/text.h"
#include "proto/model/slip.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>

enum { TOTAL_COLUMN = 22 }; /* behind those of a registration */

static struct book_registration *
take_rows(const struct db_rows *rows, size_t *out_n)
{
    size_t n = db_rows_count(rows);
    struct book_registration *list = mem_new((n + 1) * sizeof *list);

    for (size_t i = 0; i < n; i++)
        registration_read(rows, i, &list[i]);
    *out_n = n;
    return list;
}

int
book_registrations(struct book *book, size_t limit, struct book_registration **out, size_t *out_n,
                   size_t *out_total, struct err *err)
{
    struct db_rows *rows = NULL, *count = NULL;
    int rc = db_begin(book->db, err);

    if (rc == 0) {
        rc = db_run(book->db, "registration_count", NULL, 0, &count, err);
        if (rc == 0)
            rc = db_run(book->db, "registration_list", DB_ARGS(DB_INT(limit), DB_INT(limit)), &rows,
                        err);
        rc = db_end(book->db, rc, err);
    }
    if (rc == 0) {
        *out_total = (size_t)db_int(count, 0, 0);
        *out = take_rows(rows, out_n);
    }
    db_rows_free(&count);
    db_rows_free(&rows);
    return rc;
}

/* What a scanner reads off a slip ends in # and the code. */
static void
digest_of_slip(const char *text, char out[DIGEST_HEX_BYTES])
{
    const char *mark = strrchr(text, '#');
    uint8_t sha256[DIGEST_BYTES];
    char code[SLIP_TEXT_BYTES];
    struct err ignored; /* most of what is looked for is no code */

    out[0] = '\0';
    if (slip_read(mark != NULL ? mark + 1 : text, code, &ignored) == 0) {
        slip_digest(code, sha256);
        digest_text(sha256, out);
    }
}

int
book_search(struct book *book, const struct book_search *search, struct book_registration **out,
            size_t *out_n, size_t *out_total, struct err *err)
{
    char *small = mem_text(search->text), *bare = mem_text(search->text), *end = bare;
    char slip[DIGEST_HEX_BYTES];
    struct db_rows *rows = NULL;
    int rc;

    digest_of_slip(search->text, slip);
    for (char *at = small; *at != '\0'; at++) {
        *at = (char)tolower((uint8_t)*at);
        if (*at != ' ' && *at != '^')
            *end++ = *at;
    }
    *end = '\0';
    rc = db_ask(book->db, "registration_search",
                DB_ARGS(DB_TEXT(small), DB_TEXT(bare), DB_TEXT(slip), DB_INT(search->limit),
                        DB_INT(search->skip)),
                &rows, err);
    if (rc == 0) {
        *out_total = db_rows_count(rows) > 0 ? (size_t)db_int(rows, 0, TOTAL_COLUMN) : 0;
        *out = take_rows(rows, out_n);
    }
    db_rows_free(&rows);
    free(bare);
    free(small);
    return rc;
}
