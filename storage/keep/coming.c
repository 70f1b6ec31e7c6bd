/* coming.c - what a study is of which not all is whole yet: the head of one file of each series
 * says it, read as that of a whole file is.
 *
 * 1. A series with a first look to come is waited for: it is here in seconds, and who is to read
 *    the study hangs on all its series.
 * 2. What may be put aside when it is whole decides nothing: a file under other numbers than it was
 *    offered, of another patient, or of a number that the catalog has. */
#include "storage/keep/keep_own.h"
#include "storage/keep/landing_file.h"

#include "proto/base/durable.h"
#include "proto/model/layout.h"

#include <stdlib.h>
#include <string.h>

enum { HEAD_MOST = 1 << 20, SERIES_MOST = 1000 };

enum { C_OBJECT, C_SIZE, C_SERIES, C_INSTANCE, C_LAYOUT, C_IS_LOOKED, C_PATIENT, C_ISSUER };

enum said { SAID_NOTHING, SAID_FACTS, SAID_LATER };

struct heads {
    struct keep *k;
    const char *tenant, *study;
    const struct pg_rows *rows;
    uint8_t *bytes; /* HEAD_MOST */
};

/* The durable bytes that the file begins with, at most HEAD_MOST of them; what the disk does not
 * give is none: that is told where it lands, and others wait for the answer. */
static size_t
read_bytes(const struct heads *h, size_t i)
{
    uint64_t size = (uint64_t)pg_int(h->rows, i, C_SIZE), n = 0;
    struct landing_file file;
    uint8_t object[32];
    struct err unread;

    pg_copy_bytes(h->rows, i, C_OBJECT, object, sizeof object);
    if (landing_file_open(h->k->landing, h->tenant, object, size, &file, &unread) < 0)
        return 0;
    if (file.have.n > 0 && file.have.at[0].from == 0)
        n = file.have.at[0].to < HEAD_MOST ? file.have.at[0].to : HEAD_MOST;
    if (n > 0 && durable_read_at(file.fd, h->bytes, (size_t)n, 0, &unread) < 0)
        n = 0;
    landing_file_close(&file);
    return (size_t)n;
}

/* One that cannot be read as what was offered says nothing. */
static bool
read_head(const struct heads *h, size_t i, struct dcm_facts *out)
{
    uint64_t size = (uint64_t)pg_int(h->rows, i, C_SIZE);
    size_t n = read_bytes(h, i);
    struct err unreadable;

    return n > 0 && dcm_facts_read(h->bytes, n, n < size, out, &unreadable) == 0 &&
           strcmp(out->study_uid, h->study) == 0 &&
           strcmp(out->series_uid, pg_text(h->rows, i, C_SERIES)) == 0 &&
           strcmp(out->sop_instance, pg_text(h->rows, i, C_INSTANCE)) == 0;
}

static bool
has_look_to_come(const struct heads *h, size_t i)
{
    struct layout *layout = NULL;
    struct err unreadable;
    const uint8_t *bytes;
    size_t n;
    bool is;

    bytes = pg_bytes(h->rows, i, C_LAYOUT, &n);
    is = bytes != NULL && !pg_truth(h->rows, i, C_IS_LOOKED) &&
         layout_read(bytes, n, &layout, &unreadable) == 0 && layout->layers > 0;
    layout_free(&layout);
    return is;
}

/* The first head that can be read, of the rows [from, to). */
static enum said
read_series(const struct heads *h, size_t from, size_t to, struct dcm_facts *out)
{
    bool is_due = false;

    for (size_t i = from; i < to; i++) {
        if (read_head(h, i, out))
            return SAID_FACTS;
        is_due = is_due || has_look_to_come(h, i);
    }
    return is_due ? SAID_LATER : SAID_NOTHING;
}

/* What the catalog has of the study says whose it is; else what all heads agree on. */
static enum said
judge(const struct heads *h, const struct keep_coming *others, const struct dcm_facts *one)
{
    const char *patient_id = one->patient_id, *issuer = one->issuer;
    bool is_in_catalog = !pg_is_null(h->rows, 0, C_PATIENT);

    if (is_in_catalog) {
        patient_id = pg_text(h->rows, 0, C_PATIENT);
        issuer = pg_text(h->rows, 0, C_ISSUER);
    } else if (others->count > 0) {
        patient_id = others->facts[0].patient_id;
        issuer = others->facts[0].issuer;
    }
    if (strcmp(one->patient_id, patient_id) == 0 && strcmp(one->issuer, issuer) == 0)
        return SAID_FACTS;
    return is_in_catalog ? SAID_NOTHING : SAID_LATER;
}

static size_t
end_of_series(const struct heads *h, size_t from)
{
    size_t to = from + 1;

    while (to < pg_rows_count(h->rows) &&
           strcmp(pg_text(h->rows, to, C_SERIES), pg_text(h->rows, from, C_SERIES)) == 0)
        to++;
    return to;
}

static void
read_all(const struct heads *h, struct keep_coming *out)
{
    size_t n = pg_rows_count(h->rows);

    for (size_t from = 0, to; from < n && out->count < SERIES_MOST; from = to) {
        struct dcm_facts *one;
        enum said said;

        to = end_of_series(h, from);
        out->facts = mem_grow(out->facts, (out->count + 1) * sizeof *out->facts);
        one = &out->facts[out->count];
        said = read_series(h, from, to, one);
        if (said == SAID_FACTS)
            said = judge(h, out, one);
        if (said == SAID_LATER) {
            out->count = 0;
            return;
        }
        out->count += said == SAID_FACTS;
    }
}

int
keep_coming_get(struct keep *k, const char *tenant, const char *study, struct keep_coming *out,
                struct err *err)
{
    struct heads h = {.k = k, .tenant = tenant, .study = study};
    struct pg_rows *rows = NULL;

    if (keep_run(k, "landing_heads", PG_ARGS(PG_TEXT(tenant), PG_TEXT(study)), &rows, err) < 0)
        return err_context(err, "what is coming of study %s", study);
    h.rows = rows;
    h.bytes = mem_new(HEAD_MOST);
    *out = (struct keep_coming){NULL, 0};
    read_all(&h, out);
    free(h.bytes);
    pg_rows_free(&rows);
    return 0;
}

void
keep_coming_fini(struct keep_coming *coming)
{
    free(coming->facts);
    *coming = (struct keep_coming){NULL, 0};
}
