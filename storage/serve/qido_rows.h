/* qido_rows.h - matches of the catalog as DICOM JSON (PS3.18 annex F, 10.6.3.3), and a query for
 * it. Pure functions. */
#ifndef RADPOST_STORAGE_SERVE_QIDO_ROWS_H
#define RADPOST_STORAGE_SERVE_QIDO_ROWS_H

#include "proto/base/jsonw.h"
#include "proto/dicom/facts.h"
#include "storage/keep/keep.h"
#include "storage/serve/qido_query.h"

enum { QIDO_LIST_TEXT = 512 };

/* The path's UIDs, NULL where it has none, and texts made on the way. */
struct qido_ask {
    const char *study, *series; /* set before */
    const char *studies[QIDO_VALUES], *serieses[QIDO_VALUES], *instances[QIDO_VALUES];
    char modality[QIDO_LIST_TEXT], sex[QIDO_LIST_TEXT], body_part[QIDO_LIST_TEXT];
};

/* The catalog's query for a client's; what it points to lives in q and ask. Several codes are
 * joined by '\'. out_is_empty: it contradicts its own path, nothing can match.
 * errors  ERR_REJECT a key that the catalog cannot search by */
int qido_ask_catalog(const struct qido_query *q, const char *tenant, struct qido_ask *ask,
                     struct keep_query *out, bool *out_is_empty, struct err *err) MUST_CHECK;

/* One match. Attributes in ascending order; an empty one has its vr only, but (0008,0061) is left
 * out then, because OHIF's list dies of it.
 * base  the service's address, e.g. "http://127.0.0.1:8042/dicomweb" */
void qido_row_write(const struct qido_query *q, const struct keep_row *row, const char *base,
                    struct jsonw *w);

/* The text of an attribute of a match, NULL if it is no text. */
const char *qido_row_text(enum qido_name name, const struct keep_row *row);
/* A number of an attribute; false: not known. */
bool qido_row_number(enum qido_name name, const struct keep_row *row, int64_t *out);

#endif
