/* qido.c - QIDO-RS: studies, series and instances (PS3.18 10.6). */
#include "storage/serve/qido_query.h"
#include "storage/serve/qido_rows.h"
#include "storage/serve/serve_core.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { ANSWER_MOST = 64 << 20, PARAMETERS_MOST = 256 };

struct search {
    const struct qido_query *q;
    struct jsonw w;
    struct buf rows;
    char base[SERVE_URL];
    uint64_t count;
    bool has_more;
};

static int
on_row(void *user, const struct keep_row *row)
{
    struct search *search = user;

    /* One more was asked for than will be answered, to know whether there are more. */
    if (search->count == search->q->limit) {
        search->has_more = true;
        return 1;
    }
    search->count++;
    qido_row_write(search->q, row, search->base, &search->w);
    return buf_is_over(&search->rows) ? 1 : 0;
}

static int
read_query(struct http_request *req, enum qido_level level, const struct serve_target *target,
           struct qido_query *out, struct err *err)
{
    struct qido_parameter parameters[PARAMETERS_MOST];
    size_t n = http_query_count(req);

    if (n > PARAMETERS_MOST)
        return err_set(err, ERR_REJECT, "query: too many parameters");
    for (size_t i = 0; i < n; i++)
        http_query_at(req, i, &parameters[i].name, &parameters[i].value);
    return qido_query_read(level, target->study != NULL, target->series != NULL, parameters, n, out,
                           err);
}

/* A patient id that was asked for as a whole goes into the audit log, as a keyed hash. */
static const char *
asked_patient(const struct keep_query *k)
{
    return k->patient_id != NULL && strpbrk(k->patient_id, "*?") == NULL ? k->patient_id : NULL;
}

static void
answer_rows(struct http_response *res, struct search *search)
{
    const struct qido_query *q = search->q;

    if (q->wants_fuzzy)
        http_answer_header(res, "Warning",
                           "299 radpost \"The fuzzymatching parameter is not supported. Only "
                           "literal matching has been performed.\"");
    else if (search->has_more)
        http_answer_header(res, "Warning",
                           "299 radpost \"There are additional results that can be requested.\"");
    if (search->count == 0)
        http_answer_empty(res, 204);
    else
        http_answer_buf(res, 200, "application/dicom+json", &search->rows);
}

static int
search_catalog(struct serve *s, struct http_request *req, const struct serve_target *target,
               const struct qido_query *q, struct search *search, struct err *err)
{
    static const char *const levels[] = {"study", "series", "instance"};
    struct qido_ask *ask = mem_new(sizeof *ask);
    struct keep_query k;
    bool is_empty = false;
    int rc = -1;

    ask->study = target->study;
    ask->series = target->series;
    if (qido_ask_catalog(q, target->tenant, ask, &k, &is_empty, err) < 0)
        goto out;
    jsonw_init(&search->w, &search->rows);
    jsonw_array(&search->w, NULL);
    if (!is_empty && keep_find(s->options.keep, &k, on_row, search, err) < 0)
        goto out;
    jsonw_end(&search->w);
    rc = serve_note_search(s, req, target->tenant, levels[q->level], target->study,
                           asked_patient(&k), search->count, err);
out:
    free(ask);
    return rc;
}

static int
search(struct http_request *req, struct http_response *res, enum qido_level level, struct err *err)
{
    static const struct media_offer offers[] = {
        {"application/dicom+json", NULL, false, true},
        {"application/json", NULL, false, true},
    };
    struct serve *s = http_user(req);
    struct serve_target target;
    struct qido_query q = {.n_filters = 0};
    struct search found = {.q = &q};
    int offer, rc = -1;

    buf_init(&found.rows, ANSWER_MOST);
    serve_base(s, req, found.base);
    if (serve_target_read(req, &target, err) < 0)
        goto out;
    if (read_query(req, level, &target, &q, err) < 0) {
        /* Its words name parameters, never values: the client may read them. */
        http_answer_refusal(res, 400, err->text);
        rc = 0;
        goto out;
    }
    if (serve_negotiate(req, res, offers, ARRAY_LEN(offers), &offer, err) < 0)
        goto out;
    rc = offer < 0 ? 0 : search_catalog(s, req, &target, &q, &found, err);
    if (rc == 0 && offer >= 0)
        answer_rows(res, &found);
out:
    qido_query_fini(&q);
    buf_fini(&found.rows);
    return serve_end(s, res, rc);
}

int
qido_studies(struct http_request *req, struct http_response *res, struct err *err)
{
    return search(req, res, QIDO_STUDY, err);
}

int
qido_series(struct http_request *req, struct http_response *res, struct err *err)
{
    return search(req, res, QIDO_SERIES, err);
}

int
qido_instances(struct http_request *req, struct http_response *res, struct err *err)
{
    return search(req, res, QIDO_INSTANCE, err);
}
