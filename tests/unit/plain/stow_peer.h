/* stow_peer.h - an archive that takes by STOW-RS, finds by QIDO-RS and misbehaves; included by the
 * one file of a test program. */
#ifndef RADPOST_TESTS_STOW_PEER_H
#define RADPOST_TESTS_STOW_PEER_H

#include "proto/base/text.h"
#include "proto/base/thread.h"
#include "proto/dicom/facts.h"
#include "proto/dicom/part10.h"
#include "proto/http/multipart_reader.h"
#include "proto/http/server.h"

#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

/* The archive: what it keeps, and how it misbehaves. */
static struct {
    struct http_server *server;
    struct gate gate;                     /* guards all below */
    char uids[256][65], studies[256][65]; /* what the data sets say */
    size_t n;
    unsigned requests, parts, repeats;
    bool answers_xml, is_silent; /* an answer that names nobody */
    bool is_mute;                /* an answer without a body */
    unsigned against;            /* 409 without one, so often: what is refused, alone */
    char refused[65];
    uint16_t reason;
    int status;         /* instead of an answer .. */
    unsigned status_n;  /* .. so many times */
    bool keeps_anyway;  /* what it answers so, it has kept */
    bool finds_nothing; /* and QIDO-RS */
} peer;

struct taking { /* one request */
    struct buf part;
    char uids[64][65], studies[64][65];
    size_t n;
};

static int
part_begin(void *user, const struct multipart_part *part, struct err *err)
{
    struct taking *t = user;

    (void)err;
    assert_string_equal(part->type, "application/dicom");
    buf_clear(&t->part);
    return 0;
}

static int
part_bytes(void *user, const uint8_t *bytes, size_t n, struct err *err)
{
    (void)err;
    buf_add(&((struct taking *)user)->part, bytes, n);
    return 0;
}

static int
part_end(void *user, struct err *err)
{
    struct dcm_facts *facts = mem_new(sizeof *facts);
    struct taking *t = user;
    struct dcm_part10 part10;
    int rc = -1;

    if (dcm_part10_parse(t->part.bytes, t->part.n, &part10, err) == 0 &&
        dcm_facts_read(t->part.bytes, t->part.n, false, facts, err) == 0) {
        text_copy(t->studies[t->n], 65, facts->is_study_made ? "" : facts->study_uid);
        text_copy(t->uids[t->n++], 65, part10.sop_instance);
        rc = 0;
    }
    free(facts);
    return rc;
}

/* Gate held. */
static void
keep(const char *uid, const char *study)
{
    for (size_t i = 0; i < peer.n; i++)
        if (strcmp(peer.uids[i], uid) == 0) {
            peer.repeats++;
            return;
        }
    text_copy(peer.studies[peer.n], 65, study);
    text_copy(peer.uids[peer.n++], 65, uid);
}

static bool
is_refused(const char *uid)
{
    return peer.refused[0] != '\0' && strcmp(peer.refused, uid) == 0;
}

static void
write_json(const struct taking *t, struct buf *out)
{
    for (int is_taken = 0; is_taken < 2; is_taken++) {
        const char *comma = "";

        buf_add_printf(out, "%s\"0008119%c\":{\"vr\":\"SQ\",\"Value\":[", is_taken ? "," : "{",
                       is_taken ? '9' : '8');
        for (size_t i = 0; i < t->n; i++)
            if (is_refused(t->uids[i]) == !is_taken) {
                buf_add_printf(out,
                               "%s{\"00081155\":{\"vr\":\"UI\",\"Value\":[\"%s\"]},\"00081197\":{"
                               "\"vr\":\"US\",\"Value\":[%u]}}",
                               comma, t->uids[i], peer.reason);
                comma = ",";
            }
        buf_add_text(out, "]}");
    }
    buf_add_text(out, "}");
}

static void
write_xml(const struct taking *t, struct buf *out)
{
    buf_add_text(out, "<NativeDicomModel><DicomAttribute tag=\"00081199\" vr=\"SQ\">");
    for (size_t i = 0; i < t->n; i++)
        buf_add_printf(out,
                       "<Item number=\"%zu\"><DicomAttribute tag=\"00081155\" vr=\"UI\"><Value "
                       "number=\"1\">%s</Value></DicomAttribute></Item>",
                       i + 1, t->uids[i]);
    buf_add_text(out, "</DicomAttribute></NativeDicomModel>");
}

/* Gate held. */
static void
answer(struct http_response *res, const struct taking *t, bool is_bad)
{
    struct buf body;

    buf_init(&body, 1 << 20);
    if (is_bad)
        http_answer_empty(res, peer.status);
    else if (peer.is_mute && t->n == 1 && is_refused(t->uids[0])) {
        peer.against++;
        http_answer_empty(res, 409);
    } else if (peer.is_mute)
        http_answer_empty(res, 200);
    else if (peer.is_silent)
        http_answer_bytes(res, 200, "application/dicom+json", "{}", 2);
    else if (peer.answers_xml) {
        write_xml(t, &body);
        http_answer_buf(res, 200, "application/dicom+xml", &body);
    } else {
        write_json(t, &body);
        http_answer_buf(res, peer.refused[0] != '\0' ? 409 : 200, "application/dicom+json", &body);
    }
    buf_fini(&body);
}

static int
post_studies(struct http_request *req, struct http_response *res, struct err *err)
{
    static const struct multipart_events events = {part_begin, part_bytes, part_end};
    struct multipart_reader *reader = NULL;
    struct taking *t = mem_new(sizeof *t);
    const uint8_t *body;
    char type[64];
    bool is_bad;
    size_t n;
    int rc;

    buf_init(&t->part, 64 << 20);
    body = http_body(req, &n);
    rc = multipart_reader_new(http_header(req, "Content-Type"), &events, t, type, &reader, err);
    if (rc == 0)
        rc = multipart_reader_feed(reader, body, n, err);
    if (rc == 0)
        rc = multipart_reader_finish(reader, err);
    gate_lock(&peer.gate);
    peer.requests++;
    peer.parts += (unsigned)t->n;
    is_bad = peer.status_n > 0;
    peer.status_n -= is_bad;
    for (size_t i = 0; i < t->n && rc == 0; i++)
        if (!is_refused(t->uids[i]) && (!is_bad || peer.keeps_anyway))
            keep(t->uids[i], t->studies[i]);
    if (rc == 0)
        answer(res, t, is_bad);
    gate_unlock(&peer.gate);
    multipart_reader_free(&reader);
    buf_fini(&t->part);
    free(t);
    return rc;
}

/* Of the study in the path; pages of at most seven, whatever was asked for. */
static int
get_instances(struct http_request *req, struct http_response *res, struct err *err)
{
    const char *wanted = http_query(req, "SOPInstanceUID"), *at = http_query(req, "offset");
    uint64_t from = 0;
    unsigned given = 0;
    struct buf body;

    (void)err;
    if (at != NULL)
        assert_int_equal(text_to_u64(at, 100000, &from), 0);
    buf_init(&body, 1 << 20);
    buf_add_text(&body, "[");
    gate_lock(&peer.gate);
    for (size_t i = (size_t)from; i < peer.n && given < 7 && !peer.finds_nothing; i++)
        if (strcmp(http_param(req, "study"), peer.studies[i]) == 0 &&
            (wanted == NULL || strcmp(wanted, peer.uids[i]) == 0))
            buf_add_printf(&body, "%s{\"00080018\":{\"vr\":\"UI\",\"Value\":[\"%s\"]}}",
                           given++ > 0 ? "," : "", peer.uids[i]);
    gate_unlock(&peer.gate);
    buf_add_text(&body, "]");
    if (given == 0)
        http_answer_empty(res, 204);
    else
        http_answer_buf(res, 200, "application/dicom+json", &body);
    buf_fini(&body);
    return 0;
}

static const struct http_route routes[] = {
    {.method = "POST",
     .pattern = "/dw/studies",
     .callers = HTTP_ANYONE,
     .body_limit = 64 << 20,
     .handle = post_studies},
    {.method = "GET",
     .pattern = "/dw/studies/{study}/series/{series}/instances",
     .callers = HTTP_ANYONE,
     .handle = get_instances},
};

#endif
