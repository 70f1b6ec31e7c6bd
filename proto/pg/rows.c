/* rows.c - the values of a query's answer. */
#include "proto/pg/pg.h"
#include "proto/pg/pg_own.h"

#include "proto/base/text.h"

#include <stdlib.h>
#include <string.h>

enum { OID_BOOL = 16, OID_BYTEA = 17, OID_NAME = 19, OID_INT8 = 20, OID_INT2 = 21, OID_INT4 = 23 };
enum { OID_TEXT = 25, OID_BPCHAR = 1042, OID_VARCHAR = 1043 };

void
pg_rows_free(struct pg_rows **rows)
{
    struct pg_rows *r = TAKE(*rows);

    if (r == NULL)
        return;
    PQclear(r->result);
    free(r);
}

size_t
pg_rows_count(const struct pg_rows *rows)
{
    return (size_t)PQntuples(rows->result);
}

bool
pg_is_null(const struct pg_rows *rows, size_t row, int column)
{
    CHECK(row < pg_rows_count(rows) && column < PQnfields(rows->result));
    return PQgetisnull(rows->result, (int)row, column);
}

/* The bytes of a value whose type is one of the three; NULL for SQL NULL. */
static const uint8_t *
value_of(const struct pg_rows *rows, size_t row, int column, const int types[4], size_t *out_n)
{
    int type;

    CHECK(row < pg_rows_count(rows) && column >= 0 && column < PQnfields(rows->result));
    type = (int)PQftype(rows->result, column);
    CHECK(type == types[0] || type == types[1] || type == types[2] || type == types[3]);
    *out_n = (size_t)PQgetlength(rows->result, (int)row, column);
    if (PQgetisnull(rows->result, (int)row, column))
        return NULL;
    return (const uint8_t *)PQgetvalue(rows->result, (int)row, column);
}

int64_t
pg_int(const struct pg_rows *rows, size_t row, int column)
{
    static const int types[4] = {OID_INT8, OID_INT4, OID_INT2, OID_INT2};
    size_t n;
    const uint8_t *p = value_of(rows, row, column, types, &n);
    uint64_t v;

    if (p == NULL)
        return 0;
    v = p[0] & 0x80 ? UINT64_MAX : 0; /* big-endian, signed */
    for (size_t i = 0; i < n; i++)
        v = v << 8 | p[i];
    return (int64_t)v;
}

const char *
pg_text(const struct pg_rows *rows, size_t row, int column)
{
    static const int types[4] = {OID_TEXT, OID_VARCHAR, OID_NAME, OID_BPCHAR};
    size_t n;
    const uint8_t *p = value_of(rows, row, column, types, &n);

    return p == NULL ? "" : (const char *)p; /* libpq ends every value with a zero */
}

const uint8_t *
pg_bytes(const struct pg_rows *rows, size_t row, int column, size_t *out_n)
{
    static const int types[4] = {OID_BYTEA, OID_BYTEA, OID_BYTEA, OID_BYTEA};
    const uint8_t *p = value_of(rows, row, column, types, out_n);

    if (p == NULL)
        *out_n = 0;
    return p;
}

bool
pg_truth(const struct pg_rows *rows, size_t row, int column)
{
    static const int types[4] = {OID_BOOL, OID_BOOL, OID_BOOL, OID_BOOL};
    size_t n;
    const uint8_t *p = value_of(rows, row, column, types, &n);

    return p != NULL && p[0] != 0;
}

bool
pg_copy_bytes(const struct pg_rows *rows, size_t row, int column, void *out, size_t n)
{
    size_t have;
    const uint8_t *p = pg_bytes(rows, row, column, &have);

    if (p == NULL || have != n) {
        memset(out, 0, n);
        return false;
    }
    memcpy(out, p, n);
    return true;
}

int64_t
pg_touched(const struct pg_rows *rows)
{
    uint64_t n;

    return text_to_u64(PQcmdTuples(rows->result), INT64_MAX, &n) < 0 ? 0 : (int64_t)n;
}
