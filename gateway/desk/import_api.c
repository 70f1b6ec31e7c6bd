/* import_api.c - the inbox of files at the desk. */
#include "gateway/desk/import_api.h"

#include "gateway/desk/book.h"
#include "gateway/desk/doubts.h"
#include "gateway/desk/desk.h"
#include "gateway/desk/import_whose.h"
#include "gateway/desk/orders.h"
#include "proto/base/text.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

enum {
    LISTED = 500,
    LIST_BYTES = 4 << 20,
    SVG_BYTES = 8 << 20,
    SVG_SOURCE = 64 << 20,
    STILL_BYTES = 16 << 20,
    STILL_SOURCE = 512 << 20
};
enum { POLL_MAX_MS = 30000, POLL_STEP_MS = 1000 };
#define OPEN_STATES (1u << IMPORT_WAITING | 1u << IMPORT_BINDING | 1u << IMPORT_UNUSABLE)

static struct import *
import_of(const struct http_request *req)
{
    const struct api *api = http_user(req);

    return api->options->import;
}

/* A gateway without the stage (tests) has no such routes. */
static int
due_import(const struct http_request *req, struct import **out, struct err *err)
{
    *out = import_of(req);
    return *out != NULL ? 0 : err_set(err, ERR_NOT_FOUND, "nothing is imported here");
}

static const char *
who(const struct http_request *req)
{
    const struct http_caller *caller = http_caller(req);

    return caller != NULL && caller->device[0] != '\0' ? caller->device : "desk";
}

/* ---- what lies there ---- */

static void
write_said(struct jsonw *w, const struct wrap_facts *f)
{
    jsonw_object(w, "said");
    jsonw_text(w, "name", f->said_name);
    jsonw_text(w, "id", f->said_id);
    jsonw_text(w, "birth", f->said_birth);
    jsonw_text(w, "sex", f->said_sex);
    jsonw_text(w, "at", f->said_at);
    jsonw_end(w);
    jsonw_text(w, "device", f->device);
    jsonw_text(w, "modality", f->modality);
    jsonw_uint(w, "cols", f->cols);
    jsonw_uint(w, "rows", f->rows);
    jsonw_uint(w, "frames", f->frames);
    jsonw_uint(w, "channels", f->channels);
    jsonw_uint(w, "seconds", f->seconds);
    jsonw_text(w, "study", f->study_uid);
}

static void
write_bound(struct jsonw *w, const struct import_item *item)
{
    jsonw_text(w, "by", item->by);
    jsonw_text(w, "reason", item->reason);
    if (item->state != IMPORT_BOUND && item->state != IMPORT_BINDING) {
        jsonw_null(w, "bound");
        return;
    }
    jsonw_object(w, "bound");
    jsonw_text(w, "name", item->identity.patient_name);
    jsonw_text(w, "patient_id", item->identity.patient_id);
    jsonw_text(w, "accession", item->identity.accession);
    jsonw_text(w, "study", item->identity.study_uid);
    jsonw_end(w);
}

static void
write_item(struct jsonw *w, const struct import_item *item)
{
    jsonw_object(w, NULL);
    jsonw_text(w, "id", item->id);
    jsonw_text(w, "group", item->group);
    jsonw_text(w, "state", import_state_word(item->state));
    jsonw_text(w, "kind", wrap_kind_word(item->facts.kind));
    jsonw_text(w, "name", item->name);
    jsonw_uint(w, "size", item->size);
    jsonw_int(w, "file_us", item->file_at_us);
    jsonw_int(w, "taken_us", item->taken_at_us);
    jsonw_int(w, "changed_us", item->changed_at_us);
    jsonw_uint(w, "again", item->again);
    jsonw_text(w, "why", item->why);
    jsonw_bool(w, "has_source", item->has_source);
    write_said(w, &item->facts);
    write_bound(w, item);
    jsonw_text(w, "sop_instance", item->sop_instance);
    jsonw_bool(w, "is_sealed", item->sealed_at_us != 0);
    jsonw_end(w);
}

static void
write_counts(struct jsonw *w, struct import *import)
{
    static const enum import_state states[] = {IMPORT_WAITING, IMPORT_BINDING, IMPORT_UNUSABLE};
    struct import_left left;
    struct import_item *list;
    size_t n;

    import_list(import, OPEN_STATES, &list, &n);
    for (size_t i = 0; i < ARRAY_LEN(states); i++) {
        uint64_t count = 0;

        for (size_t k = 0; k < n; k++)
            count += list[k].state == states[i];
        jsonw_uint(w, import_state_word(states[i]), count);
    }
    free(list);
    import_left_now(import, &left);
    jsonw_uint(w, "too_large", left.too_large);
    jsonw_uint(w, "no_room", left.no_room);
}

void
import_api_counts(struct import *import, struct jsonw *w)
{
    if (import == NULL)
        return;
    jsonw_object(w, "imports");
    write_counts(w, import);
    jsonw_end(w);
}

/* A bit for ?state=WORD, all of them without. */
static int
states_asked(const struct http_request *req, unsigned *out, struct err *err)
{
    const char *word = http_query(req, "state");

    *out = 0;
    for (int i = 0; word != NULL && i < IMPORT_STATES; i++)
        if (strcmp(word, import_state_word((enum import_state)i)) == 0)
            *out = 1u << i;
    return word == NULL || *out != 0 ? 0 : err_set(err, ERR_REJECT, "no such state");
}

/* ?since=N&wait_s=S: not before something changed. */
static uint64_t
wait_for_change(const struct http_request *req, struct import *import)
{
    const char *since_text = http_query(req, "since"), *wait_text = http_query(req, "wait_s");
    uint64_t since = 0, wait_s = 0, now = import_wait(import, 0, 0);

    if (since_text == NULL || wait_text == NULL ||
        text_to_u64(since_text, UINT64_MAX, &since) < 0 ||
        text_to_u64(wait_text, POLL_MAX_MS / 1000, &wait_s) < 0)
        return now;
    for (uint64_t ms = 0; now == since && ms < wait_s * 1000 && !http_is_gone(req);
         ms += POLL_STEP_MS)
        now = import_wait(import, since, POLL_STEP_MS);
    return now;
}

static int
get_imports(struct http_request *req, struct http_response *res, struct err *err)
{
    struct import_item *list;
    struct import *import;
    unsigned states;
    struct jsonw w;
    struct buf json;
    size_t n;

    if (due_import(req, &import, err) < 0 || states_asked(req, &states, err) < 0)
        return -1;
    buf_init(&json, LIST_BYTES);
    jsonw_init(&w, &json);
    jsonw_object(&w, NULL);
    jsonw_uint(&w, "change", wait_for_change(req, import));
    write_counts(&w, import);
    import_list(import, states, &list, &n);
    jsonw_uint(&w, "total", n);
    jsonw_array(&w, "items");
    for (size_t i = 0; i < n && i < LISTED; i++)
        write_item(&w, &list[i]);
    free(list);
    jsonw_end(&w);
    jsonw_end(&w);
    http_answer_buf(res, 200, "application/json", &json);
    buf_fini(&json);
    return 0;
}

static int
get_source(struct http_request *req, struct http_response *res, struct err *err)
{
    struct import_item *item = mem_new(sizeof *item);
    struct import *import;
    int rc = -1, fd;
    uint64_t size;

    if (due_import(req, &import, err) == 0 &&
        import_find(import, http_param(req, "id"), item, err) == 0 &&
        import_source(import, item->id, &fd, &size, err) == 0) {
        http_answer_file(res, 200, wrap_kind_media(item->facts.kind), fd, 0, size);
        rc = 0;
    }
    free(item);
    return rc;
}

static int
answer_svg(struct http_response *res, int fd, uint64_t size, struct err *err)
{
    uint8_t *bytes = NULL;
    struct buf svg;
    int rc = -1;
    size_t n = 0;

    buf_init(&svg, SVG_BYTES);
    if (size > SVG_SOURCE) {
        (void)err_set(err, ERR_NOT_FOUND, "too large for a picture");
        goto out;
    }
    bytes = mem_new(size + 1);
    while (n < size) {
        ssize_t k = pread(fd, bytes + n, size - n, (off_t)n);

        if (k <= 0) {
            (void)err_sys(err, ERR_RETRY, "read the file");
            goto out;
        }
        n += (size_t)k;
    }
    if (wrap_ecg_svg(bytes, n, &svg, err) < 0)
        goto out;
    http_answer_buf(res, 200, "image/svg+xml", &svg);
    rc = 0;
out:
    free(bytes);
    buf_fini(&svg);
    return rc;
}

/* A film's first picture; the file is mapped, a film may be long. */
static int
answer_still(struct http_response *res, int fd, uint64_t size, struct err *err)
{
    const char *media = NULL;
    struct buf still;
    void *bytes;
    int rc;

    if (size == 0 || size > STILL_SOURCE)
        return err_set(err, ERR_NOT_FOUND, "too large for a picture");
    bytes = mmap(NULL, size, PROT_READ, MAP_PRIVATE, fd, 0);
    if (bytes == MAP_FAILED)
        return err_sys(err, ERR_RETRY, "map the file");
    buf_init(&still, STILL_BYTES);
    rc = wrap_avi_still(bytes, size, &still, &media, err);
    if (rc == 0)
        http_answer_buf(res, 200, media, &still);
    buf_fini(&still);
    munmap(bytes, size);
    return rc;
}

static int
get_preview(struct http_request *req, struct http_response *res, struct err *err)
{
    struct import_item *item = mem_new(sizeof *item);
    struct import *import;
    int rc = -1, fd = -1;
    uint64_t size;

    if (due_import(req, &import, err) < 0 ||
        import_find(import, http_param(req, "id"), item, err) < 0 ||
        import_source(import, item->id, &fd, &size, err) < 0)
        goto out;
    if (item->facts.kind == WRAP_JPEG || item->facts.kind == WRAP_PNG) {
        http_answer_file(res, 200, wrap_kind_media(item->facts.kind), fd, 0, size);
        fd = -1;
        rc = 0;
    } else if (item->facts.kind == WRAP_AVI) {
        rc = answer_still(res, fd, size, err);
    } else {
        rc = answer_svg(res, fd, size, err);
    }
out:
    if (fd >= 0)
        close(fd);
    free(item);
    return rc;
}

/* ---- whose ---- */

/* What was bound now counts as the registration's images; a study that came before stays its own.
 * Images that a device sends are told to their registration by their numbers; a file's own study
 * is not (DICOM without identity), so it is said here. */
static const char *
study_of(const struct import_item *item)
{
    return item->facts.kind == WRAP_DICOM ? item->facts.study_uid : item->identity.study_uid;
}

static int
attach(struct book *book, struct import *import, const char *id, const struct order *order,
       unsigned *out_bound, struct err *err)
{
    struct import_item *list;
    unsigned bound = 0;
    size_t n;
    int rc = 0;

    import_list(import, 1u << IMPORT_BOUND, &list, &n);
    for (size_t i = 0; i < n; i++) {
        if (strcmp(list[i].id, id) != 0 && strcmp(list[i].group, id) != 0)
            continue;
        bound++;
        /* the registration's first study, or one more of it */
        if (rc == 0 && uid_is_valid(study_of(&list[i]), true))
            rc = book_join(book, order->registration, study_of(&list[i]), err);
    }
    free(list);
    *out_bound = bound;
    return rc;
}

/* why: the file's own fault, for whoever exports it anew; it names no patient. */
static void
answer_bad(const struct http_request *req, struct http_response *res, const char *why)
{
    struct buf json;
    struct jsonw w;

    buf_init(&json, 4096);
    jsonw_init(&w, &json);
    jsonw_object(&w, NULL);
    jsonw_text(&w, "error", "this file cannot be bound");
    jsonw_text(&w, "field", "id");
    jsonw_text(&w, "word", "cannot_wrap");
    jsonw_text(&w, "why", why);
    jsonw_text(&w, "id", http_id(req));
    jsonw_end(&w);
    http_answer_buf(res, 400, "application/json", &json);
    buf_fini(&json);
}

static int
answer_trouble(struct http_request *req, struct http_response *res, bool is_other, struct err *err)
{
    static const struct api_fault other = {
        "id", "other_person", "the file names another sex or birth date than this registration"};
    static const struct api_fault busy = {"id", "not_waiting", "this file does not wait any more"};

    if (err->kind == ERR_CONFLICT)
        api_answer_fault(req, res, 409, is_other ? &other : &busy);
    else if (err->kind == ERR_REJECT)
        answer_bad(req, res, err->text);
    else
        return -1;
    return 0;
}

static int
post_bind(struct http_request *req, struct http_response *res, struct err *err)
{
    const struct api *api = http_user(req);
    struct order *order = mem_new(sizeof *order);
    const char *id = http_param(req, "id");
    struct wrap_identity identity;
    struct json_doc *doc = NULL;
    struct import *import;
    bool is_other = false, is_sure = false;
    unsigned bound = 0;
    struct buf json;
    int rc = -1;

    if (due_import(req, &import, err) < 0 || api_read_body(req, &doc, err) < 0 ||
        (json_find(json_root(doc), "is_sure") != NULL &&
         json_truth(json_root(doc), "is_sure", &is_sure, err) < 0) ||
        import_whose(api, json_root(doc), order, &identity, err) < 0)
        goto out;
    if (import_bind(import, id, &identity, who(req), is_sure, &is_other, err) < 0) {
        rc = answer_trouble(req, res, is_other, err);
        goto out;
    }
    if (attach(api->book, import, id, order, &bound, err) < 0)
        goto out;
    buf_init(&json, 128);
    buf_add_printf(&json, "{\"bound\":%u}", bound);
    http_answer_buf(res, 200, "application/json", &json);
    buf_fini(&json);
    rc = 0;
out:
    json_free(&doc);
    free(order);
    return rc;
}

static int
post_discard(struct http_request *req, struct http_response *res, struct err *err)
{
    static const struct api_fault due = {"reason", "reason", "a reason is due"};
    char reason[IMPORT_WHY_SIZE];
    struct json_doc *doc = NULL;
    struct import *import;
    int rc = -1;

    if (due_import(req, &import, err) < 0 || api_read_body(req, &doc, err) < 0)
        goto out;
    rc = 0;
    if (!api_take_text(json_root(doc), "reason", reason, sizeof reason) || reason[0] == '\0')
        api_answer_fault(req, res, 400, &due);
    else if (import_discard(import, http_param(req, "id"), reason, who(req), err) == 0)
        http_answer_empty(res, 204);
    else
        rc = answer_trouble(req, res, false, err);
out:
    json_free(&doc);
    return rc;
}

static int
post_reopen(struct http_request *req, struct http_response *res, struct err *err)
{
    struct import *import;

    if (due_import(req, &import, err) < 0)
        return -1;
    if (import_reopen(import, http_param(req, "id"), who(req), err) < 0)
        return answer_trouble(req, res, false, err);
    http_answer_empty(res, 204);
    return 0;
}

static int
post_rescan(struct http_request *req, struct http_response *res, struct err *err)
{
    struct import *import;

    if (due_import(req, &import, err) < 0)
        return -1;
    import_rescan(import);
    http_answer_empty(res, 204);
    return 0;
}

const struct http_route import_api_routes[] = {
    DESK_GET("/desk/v1/imports", DESK_WORK, get_imports),
    DESK_GET("/desk/v1/imports/{id}/source", DESK_WORK, get_source),
    DESK_GET("/desk/v1/imports/{id}/preview", DESK_WORK, get_preview),
    DESK_POST("/desk/v1/imports/rescan", DESK_WORK, post_rescan),
    DESK_POST("/desk/v1/imports/{id}/bind", DESK_WORK, post_bind),
    DESK_POST("/desk/v1/imports/{id}/discard", DESK_WORK, post_discard),
    DESK_POST("/desk/v1/imports/{id}/reopen", DESK_WORK, post_reopen),
};
const size_t import_api_route_count = ARRAY_LEN(import_api_routes);
