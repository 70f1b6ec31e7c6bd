/* devices_api.c - devices as JSON, and what an engineer does with them. */
#include "gateway/desk/devices_api.h"

#include "gateway/accept/accept.h"
#include "gateway/desk/book_own.h"
#include "gateway/desk/desk.h"

#include "proto/base/address.h"
#include "proto/base/text.h"
#include "proto/dicom/sopclass.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { UNSENT_SHOWN = 200 };

static struct accept *
accept_of(const struct http_request *req)
{
    const struct api *api = http_user(req);

    return api->options->accept;
}

/* Done, and the page shows it at once. */
static int
answer_done(const struct http_request *req, struct http_response *res)
{
    const struct api *api = http_user(req);

    book_changed(api->book);
    http_answer_empty(res, 204);
    return 0;
}

/* ---- as JSON ---- */

/* The list is freed. */
static void
write_list(struct jsonw *w, const char *key, void *list, size_t n, size_t row_bytes,
           void (*write_row)(struct jsonw *w, const void *row))
{
    jsonw_array(w, key);
    for (size_t i = 0; i < n; i++) {
        jsonw_object(w, NULL);
        write_row(w, (const char *)list + i * row_bytes);
        jsonw_end(w);
    }
    jsonw_end(w);
    free(list);
}

static void
write_device(struct jsonw *w, const void *row)
{
    const struct accept_device *d = row;
    const char *host;
    uint16_t port;

    jsonw_text(w, "ae", d->ae);
    jsonw_text(w, "name", d->name);
    jsonw_text(w, "address", d->address);
    jsonw_text(w, "called", d->called);
    jsonw_text(w, "security", d->security == ACCEPT_TLS ? "tls" : "plain");
    jsonw_text(w, "certificate", d->certificate_sha256);
    jsonw_text(w, "modality", d->modality);
    jsonw_text(w, "charset", d->charset);
    jsonw_uint(w, "pdu_bytes", d->pdu_bytes);
    jsonw_text(w, "host", d->host);
    jsonw_uint(w, "port", d->port);
    jsonw_bool(w, "names_no_address",
               (d->may & ACCEPT_MAY_COMMIT) && !accept_reports_to(d, &host, &port));
    jsonw_int(w, "last_seen_us", d->last_seen_us);
    jsonw_int(w, "last_store_us", d->last_store_us);
    jsonw_uint(w, "stored", d->stored);
    jsonw_uint(w, "open", d->open);
    jsonw_text(w, "last_address", d->last_address);
    jsonw_text(w, "last_certificate", d->last_certificate);
}

static const char *
refusal_word(enum accept_refusal why)
{
    static const char *const words[] = {
        [ACCEPT_CALLER_UNKNOWN] = "unknown",  [ACCEPT_CALLED_WRONG] = "called_wrong",
        [ACCEPT_TLS_WANTED] = "tls_wanted",   [ACCEPT_CERTIFICATE_DIFFERS] = "certificate_differs",
        [ACCEPT_STRANGER] = "stranger",       [ACCEPT_TLS_NO_CERTIFICATE] = "tls_no_certificate",
        [ACCEPT_TLS_NOT_NOW] = "tls_not_now", [ACCEPT_TLS_NOT_TRUSTED] = "tls_not_trusted"};

    return words[why];
}

static void
write_refused(struct jsonw *w, const void *row)
{
    const struct accept_refused *r = row;

    jsonw_text(w, "calling", r->calling);
    jsonw_text(w, "called", r->called);
    jsonw_text(w, "address", r->address);
    jsonw_text(w, "certificate", r->certificate_sha256);
    jsonw_text(w, "why", refusal_word(r->why));
    jsonw_bool(w, "is_called_wrong", r->is_called_wrong);
    jsonw_uint(w, "count", r->count);
    jsonw_int(w, "last_us", r->last_us);
}

static void
write_stranger(struct jsonw *w, const void *row)
{
    const struct accept_stranger *r = row;

    jsonw_text(w, "calling", r->calling);
    jsonw_text(w, "called", r->called);
    jsonw_text(w, "address", r->address);
    jsonw_text(w, "certificate", r->certificate_sha256);
    jsonw_int(w, "last_us", r->last_us);
    jsonw_uint(w, "instances", r->instances);
    jsonw_uint(w, "bytes", r->bytes);
}

static void
write_unsent(struct jsonw *w, const void *row)
{
    const struct accept_unsent *r = row;
    char status[8];

    snprintf(status, sizeof status, "%04X", r->status);
    jsonw_text(w, "ae", r->ae);
    jsonw_text(w, "address", r->address);
    jsonw_text(w, "instance", r->sop_instance);
    jsonw_text(w, "status", status);
    jsonw_text(w, "why", r->why);
    jsonw_int(w, "last_us", r->last_us);
    jsonw_uint(w, "count", r->count);
}

static void
write_unoffered(struct jsonw *w, const void *row)
{
    const struct accept_unoffered *r = row;

    jsonw_text(w, "ae", r->ae);
    jsonw_text(w, "address", r->address);
    jsonw_text(w, "class", r->sop_class);
    jsonw_int(w, "last_us", r->last_us);
    jsonw_uint(w, "count", r->count);
}

static void
write_window(struct accept *accept, struct jsonw *w)
{
    struct accept_window window;

    accept_window_state(accept, &window);
    jsonw_object(w, "window");
    jsonw_int(w, "left_ms", window.left_ms);
    jsonw_uint(w, "instances", window.instances);
    jsonw_uint(w, "bytes", window.bytes);
    jsonw_uint(w, "quota_bytes", window.quota_bytes);
    jsonw_end(w);
}

void
devices_write(struct accept *accept, struct jsonw *w)
{
    struct accept_device *devices = NULL;
    struct accept_refused *refused = NULL;
    struct accept_stranger *strangers = NULL;
    struct accept_unsent *unsent = NULL;
    struct accept_unoffered *unoffered = NULL;
    uint64_t more = 0;
    size_t n = 0, shown;

    accept_list_devices(accept, &devices, &n);
    write_list(w, "devices", devices, n, sizeof *devices, write_device);
    accept_list_refused(accept, &refused, &n);
    write_list(w, "refused", refused, n, sizeof *refused, write_refused);
    write_window(accept, w);
    accept_list_strangers(accept, &strangers, &n);
    write_list(w, "strangers", strangers, n, sizeof *strangers, write_stranger);
    accept_list_unsent(accept, &unsent, &n, &more);
    shown = n < UNSENT_SHOWN ? n : UNSENT_SHOWN;
    write_list(w, "unsent", unsent, shown, sizeof *unsent, write_unsent);
    jsonw_uint(w, "unsent_more", more + (n - shown));
    accept_list_unoffered(accept, &unoffered, &n);
    write_list(w, "unoffered", unoffered, n, sizeof *unoffered, write_unoffered);
}

/* ---- what an engineer does ---- */

/* The members a page gives; those it leaves out stay as they are. False: one is too long. */
static bool
take_texts(const struct json *o, struct accept_device *d)
{
    const struct {
        const char *key;
        char *to;
        size_t size;
    } texts[] = {
        {"name", d->name, sizeof d->name},
        {"called", d->called, sizeof d->called},
        {"modality", d->modality, sizeof d->modality},
        {"charset", d->charset, sizeof d->charset},
        {"host", d->host, sizeof d->host},
        {"certificate", d->certificate_sha256, sizeof d->certificate_sha256},
    };

    for (size_t i = 0; i < ARRAY_LEN(texts); i++)
        if (json_find(o, texts[i].key) != NULL &&
            !api_take_text(o, texts[i].key, texts[i].to, texts[i].size))
            return false;
    return true;
}

/* PS3.3 C.7.3.1.1.1: what storage classes are usually of, and what devices call themselves beside.
 */
static bool
is_modality(const char *word, size_t n)
{
    static const char *const more[] = {"DR", "PX", "RG", "BMD", "BDUS", "OCT", "IVUS",
                                       "TG", "DG", "BI", "LP",  "OSS",  "ST",  "LS"};
    const struct dcm_sop_class *c;

    for (size_t i = 0; i < ARRAY_LEN(more); i++)
        if (strlen(more[i]) == n && memcmp(more[i], word, n) == 0)
            return true;
    for (size_t i = 0; (c = dcm_sop_class_at(i)) != NULL; i++)
        if (strlen(c->modality) == n && memcmp(c->modality, word, n) == 0)
            return true;
    return false;
}

/* Of another word no order is: the device's worklist would be empty, and nobody told why. */
static int
check_modality(const char *list, struct err *err)
{
    for (const char *at = list; *at != '\0';) {
        size_t n = strcspn(at, "+, ");

        if (n > 0 && !is_modality(at, n))
            return err_set(err, ERR_REJECT, "modality: DICOM has no '%.*s'; CT, DX+CR ...", (int)n,
                           at);
        at += n + (at[n] != '\0');
    }
    return 0;
}

static int
take_numbers(const struct json *o, struct accept_device *d, struct err *err)
{
    uint64_t pdu = d->pdu_bytes, port = d->port;

    if ((json_find(o, "pdu_bytes") != NULL && json_u64(o, "pdu_bytes", 131072, &pdu, err) < 0) ||
        (json_find(o, "port") != NULL && json_u64(o, "port", UINT16_MAX, &port, err) < 0))
        return -1;
    d->pdu_bytes = (uint32_t)pdu;
    d->port = (uint16_t)port;
    return 0;
}

/* {ae, address, ...}: enrols a device, or changes the one of this title and address. */
static int
put_device(struct accept *accept, const struct json *o, struct err *err)
{
    struct accept_device d = {0}, known;

    if (!api_take_text(o, "ae", d.ae, sizeof d.ae) || d.ae[0] == '\0' ||
        !api_take_text(o, "address", d.address, sizeof d.address) || d.address[0] == '\0')
        return err_set(err, ERR_REJECT, "ae and address are due");
    /* in the spelling of devices.conf, else the row is not found and its pin written over */
    (void)address_normal(d.address, d.address);
    if (accept_find_device(accept, d.ae, d.address, &known) &&
        strcmp(known.address, d.address) == 0)
        d = known;
    if (!take_texts(o, &d))
        return err_set(err, ERR_REJECT, "a text is too long");
    if ((json_find(o, "modality") != NULL && check_modality(d.modality, err) < 0) ||
        take_numbers(o, &d, err) < 0)
        return -1;
    return accept_put_device(accept, &d, err);
}

static int
post_device(struct http_request *req, struct http_response *res, struct err *err)
{
    struct json_doc *doc = NULL;
    int rc;

    if (api_read_body(req, &doc, err) < 0)
        return -1;
    rc = put_device(accept_of(req), json_root(doc), err);
    if (rc == 0) {
        rc = answer_done(req, res);
    } else if (err->kind == ERR_REJECT) {
        struct api_fault fault = {"device", "device", err->text};

        api_answer_fault(req, res, 400, &fault);
        rc = 0;
    }
    json_free(&doc);
    return rc;
}

typedef int (*pair_fn)(struct accept *accept, const char *first, const char *second,
                       struct err *err);

/* A body of two texts that name a row. */
static int
post_pair(struct http_request *req, struct http_response *res, const char *first_key,
          const char *second_key, pair_fn act, struct err *err)
{
    struct json_doc *doc = NULL;
    char first[80], second[80];
    int rc;

    if (api_read_body(req, &doc, err) < 0)
        return -1;
    rc = api_take_text(json_root(doc), first_key, first, sizeof first) &&
                 api_take_text(json_root(doc), second_key, second, sizeof second)
             ? act(accept_of(req), first, second, err)
             : err_set(err, ERR_REJECT, "%s, %s: too long", first_key, second_key);
    if (rc == 0)
        rc = answer_done(req, res);
    json_free(&doc);
    return rc;
}

static int
post_remove(struct http_request *req, struct http_response *res, struct err *err)
{
    return post_pair(req, res, "ae", "address", accept_remove_device, err);
}

static int
post_forget(struct http_request *req, struct http_response *res, struct err *err)
{
    return post_pair(req, res, "calling", "address", accept_forget_refused, err);
}

static int
post_forget_unsent(struct http_request *req, struct http_response *res, struct err *err)
{
    return post_pair(req, res, "ae", "instance", accept_forget_unsent, err);
}

static int
post_window(struct http_request *req, struct http_response *res, struct err *err)
{
    struct json_doc *doc = NULL;
    bool is_open = false;
    int rc;

    if (api_read_body(req, &doc, err) < 0)
        return -1;
    rc = json_truth(json_root(doc), "is_open", &is_open, err);
    json_free(&doc);
    if (rc < 0)
        return -1;
    if (is_open)
        accept_window_open(accept_of(req), ACCEPT_WINDOW_MS);
    else
        accept_window_close(accept_of(req));
    return answer_done(req, res);
}

const struct http_route devices_routes[] = {
    DESK_POST("/desk/v1/devices", DESK_ENGINEER, post_device),
    DESK_POST("/desk/v1/devices/remove", DESK_ENGINEER, post_remove),
    DESK_POST("/desk/v1/devices/forget", DESK_ENGINEER, post_forget),
    DESK_POST("/desk/v1/devices/window", DESK_ENGINEER, post_window),
    DESK_POST("/desk/v1/unsent/forget", DESK_ENGINEER, post_forget_unsent),
};
const size_t devices_route_count = ARRAY_LEN(devices_routes);
