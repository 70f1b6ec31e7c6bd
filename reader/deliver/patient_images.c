/* patient_images.c - an examination's images for its patient: rendered, and said not to be for
 * diagnosis. The list is asked of the archive by series and instance number and remembered for a
 * minute, so that number n means one image while somebody leafs through them. */
#include "reader/deliver/patient_own.h"

#include "proto/base/clock.h"
#include "proto/base/text.h"
#include "proto/http/json.h"
#include "proto/http/url.h"
#include "reader/archive/archive.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
    LISTS = 32,
    LIST_MS = 60000,
    IMAGES_MAX = 2000,
    LIST_BYTES = 32 << 20,
    JPEG_BYTES = 16 << 20
};
enum { VIEWPORT = 1024, QUALITY = 80, WINDOW_MAX = 48 };

static const char notice[] = "Not for diagnosis. 非诊断图像，不能用于诊断。";

struct image {
    char series[65], instance[65], label[160];
    int64_t series_number, number;
    uint32_t frame; /* from 1 */
};

struct list {
    char tenant[65], study[65];
    uint32_t revision, present; /* of the read: a late image makes a new list */
    int64_t made_ms;
    struct image *images;
    size_t count;
};

struct patient_images {
    struct gate gate;
    struct list lists[LISTS]; /* gate */
};

static int list_make(struct patient *p, const struct patient_exam *e, struct list *out,
                     struct err *err);
static int list_get(struct patient *p, const struct patient_exam *e, size_t n, struct image *out,
                    struct list *out_copy, struct err *err);
static void list_keep(struct patient_images *all, const struct list *list);
static int list_parse(const struct buf *body, struct list *out, struct err *err);
static void list_add(struct list *out, const struct json *instance);
static void list_label(struct list *list);
static const char *value_text(const struct json *instance, const char *tag);
static int64_t value_number(const struct json *instance, const char *tag);
static int by_place(const void *a, const void *b);
static int take_head(void *user, const struct archive_head *head, struct err *err);
static int take_bytes(void *user, const uint8_t *bytes, size_t n, struct err *err);
static int exam_with_images(struct patient *p, struct http_request *req, const char *what,
                            struct patient_exam *out, struct err *err);

struct patient_images *
images_new(void)
{
    struct patient_images *all = mem_new(sizeof *all);

    gate_init(&all->gate);
    return all;
}

void
images_free(struct patient_images **images)
{
    struct patient_images *all = TAKE(*images);

    if (all == NULL)
        return;
    for (size_t i = 0; i < LISTS; i++)
        free(all->lists[i].images);
    gate_fini(&all->gate);
    free(all);
}

int
patient_handle_images(struct http_request *req, struct http_response *res, struct err *err)
{
    struct patient *p = http_user(req);
    struct patient_exam e = {.row = NULL};
    struct list list = {.count = 0};
    struct jsonw w;
    struct buf b;
    int rc = -1;

    buf_init(&b, PATIENT_JSON_BYTES);
    jsonw_init(&w, &b);
    if (exam_with_images(p, req, "images", &e, err) < 0 || list_get(p, &e, 0, NULL, &list, err) < 0)
        goto out;
    jsonw_object(&w, NULL);
    jsonw_text(&w, "notice", notice);
    jsonw_bool(&w, "is_diagnostic", false);
    jsonw_array(&w, "images");
    for (size_t i = 0; i < list.count; i++) {
        jsonw_object(&w, NULL);
        jsonw_uint(&w, "n", i + 1);
        jsonw_text(&w, "label", list.images[i].label);
        jsonw_end(&w);
    }
    jsonw_end(&w);
    jsonw_end(&w);
    http_answer_buf(res, 200, "application/json", &b);
    rc = 0;
out:
    free(list.images);
    patient_exam_fini(&e);
    buf_fini(&b);
    return rc < 0 ? err_context(err, "images") : 0;
}

int
patient_handle_image(struct http_request *req, struct http_response *res, struct err *err)
{
    struct patient *p = http_user(req);
    const char *window = http_query(req, "window"), *name = http_param(req, "name");
    size_t digits = strspn(name, "0123456789");
    struct patient_exam e = {.row = NULL};
    struct archive_picture picture;
    char number[24];
    struct image image;
    struct buf b;
    uint64_t n;
    int rc = -1;

    buf_init(&b, JPEG_BYTES);
    (void)snprintf(number, sizeof number, "%.*s", digits < 9 ? (int)digits : 9, name);
    if (strcmp(name + digits, ".jpg") != 0 || text_to_u64(number, IMAGES_MAX, &n) < 0 || n == 0) {
        (void)err_set(err, ERR_NOT_FOUND, "no image of that name");
        goto out;
    }
    if (window != NULL &&
        (strlen(window) > WINDOW_MAX || strspn(window, "0123456789.,-+eE") != strlen(window))) {
        (void)err_set(err, ERR_REJECT, "window: centre,width");
        goto out;
    }
    if (exam_with_images(p, req, "images", &e, err) < 0 ||
        list_get(p, &e, (size_t)n, &image, NULL, err) < 0)
        goto out;
    picture = (struct archive_picture){.tenant = e.session.tenant,
                                       .study = e.session.study,
                                       .series = image.series,
                                       .sop_instance = image.instance,
                                       .frame = image.frame,
                                       .viewport = VIEWPORT,
                                       .quality = QUALITY,
                                       .window = window};
    if (archive_rendered(p->o.archive, &picture, &b, err) < 0)
        goto out;
    http_answer_header(res, "Radpost-Notice", "Not for diagnosis.");
    http_answer_buf(res, 200, "image/jpeg", &b);
    rc = 0;
out:
    patient_exam_fini(&e);
    buf_fini(&b);
    return rc < 0 ? err_context(err, "image") : 0;
}

/* Images are shown with a report that stands, and noted as looked at. */
static int
exam_with_images(struct patient *p, struct http_request *req, const char *what,
                 struct patient_exam *out, struct err *err)
{
    struct pg_conn *conn = NULL;
    int rc = -1;

    if (pg_get(p->o.pg, &conn, err) < 0 || patient_exam_get(conn, req, out, err) < 0)
        goto out;
    if ((!out->has_report && !out->is_held) || p->o.archive == NULL) {
        (void)err_set(err, ERR_NOT_FOUND, "no report stands: no images yet");
        goto out;
    }
    rc = patient_look(p, conn, out, what, err);
out:
    pg_put(&conn);
    return rc;
}

/* One image of the list (out, n from 1), or a copy of all of it (out_copy). */
static int
list_get(struct patient *p, const struct patient_exam *e, size_t n, struct image *out,
         struct list *out_copy, struct err *err)
{
    struct patient_images *all = p->images;
    struct list fresh = {.count = 0};
    const struct list *found = NULL;
    int rc = 0;

    gate_lock(&all->gate);
    for (int pass = 0; found == NULL && pass < 2 && rc == 0; pass++) {
        if (pass == 1) {
            gate_unlock(&all->gate);
            rc = list_make(p, e, &fresh, err);
            gate_lock(&all->gate);
            if (rc == 0)
                list_keep(all, &fresh);
        }
        for (size_t i = 0; i < LISTS && rc == 0; i++)
            if (strcmp(all->lists[i].tenant, e->session.tenant) == 0 &&
                strcmp(all->lists[i].study, e->session.study) == 0 &&
                all->lists[i].revision == e->row->revision &&
                all->lists[i].present == e->row->whole &&
                clock_mono_ms() - all->lists[i].made_ms < LIST_MS)
                found = &all->lists[i];
    }
    if (rc == 0 && found != NULL && out_copy != NULL) {
        *out_copy = *found;
        out_copy->images = mem_new((found->count + 1) * sizeof *found->images);
        memcpy(out_copy->images, found->images, found->count * sizeof *found->images);
    }
    if (rc == 0 && out != NULL && (found == NULL || n > found->count))
        rc = err_set(err, ERR_NOT_FOUND, "there are fewer images");
    else if (rc == 0 && out != NULL)
        *out = found->images[n - 1];
    gate_unlock(&all->gate);
    return rc;
}

/* In place of the oldest. The list's memory goes with it. */
static void
list_keep(struct patient_images *all, const struct list *list)
{
    struct list *oldest = &all->lists[0];

    for (size_t i = 0; i < LISTS; i++) {
        if (strcmp(all->lists[i].tenant, list->tenant) == 0 &&
            strcmp(all->lists[i].study, list->study) == 0) {
            oldest = &all->lists[i];
            break;
        }
        if (all->lists[i].made_ms < oldest->made_ms)
            oldest = &all->lists[i];
    }
    free(oldest->images);
    *oldest = *list;
}

static int
list_make(struct patient *p, const struct patient_exam *e, struct list *out, struct err *err)
{
    struct buf body;
    char path[256];
    int rc = -1;

    *out = (struct list){
        .revision = e->row->revision, .present = e->row->whole, .made_ms = clock_mono_ms()};
    (void)text_copy(out->tenant, sizeof out->tenant, e->session.tenant);
    (void)text_copy(out->study, sizeof out->study, e->session.study);
    (void)snprintf(path, sizeof path, "/dicomweb/studies/%s/instances?limit=%d", out->study,
                   IMAGES_MAX);
    buf_init(&body, LIST_BYTES);
    if (archive_fetch(p->o.archive,
                      &(struct archive_request){
                          .tenant = out->tenant,
                          .path = path,
                          .headers = (const char *const[]){"Accept: application/dicom+json", NULL},
                          .on_head = take_head,
                          .on_bytes = take_bytes,
                          .user = &body},
                      err) == 0)
        rc = body.n == 0 ? 0 : list_parse(&body, out, err);
    buf_fini(&body);
    if (rc < 0)
        free(TAKE(out->images));
    return rc < 0 ? err_context(err, "list of images") : 0;
}

static int
take_head(void *user, const struct archive_head *head, struct err *err)
{
    (void)user;
    if (head->status == 200 || head->status == 204)
        return 0;
    return err_set(err, head->status >= 500 ? ERR_RETRY : ERR_NOT_FOUND, "the archive said %d",
                   head->status);
}

static int
take_bytes(void *user, const uint8_t *bytes, size_t n, struct err *err)
{
    struct buf *body = user;

    buf_add(body, bytes, n);
    return buf_is_over(body) ? err_set(err, ERR_REJECT, "the archive's list is too long") : 0;
}

static int
list_parse(const struct buf *body, struct list *out, struct err *err)
{
    struct json_doc *doc = NULL;
    size_t count;

    if (json_parse(body->bytes, body->n, &doc, err) < 0)
        return -1;
    count = json_length(json_root(doc));
    out->images = mem_new((IMAGES_MAX + 1) * sizeof *out->images);
    for (size_t i = 0; i < count; i++)
        list_add(out, json_at(json_root(doc), i));
    json_free(&doc);
    qsort(out->images, out->count, sizeof *out->images, by_place);
    list_label(out);
    return 0;
}

/* What has rows is a picture; reports, waveforms and the like have none. */
static void
list_add(struct list *out, const struct json *instance)
{
    const char *availability = value_text(instance, "00080056");
    int64_t frames = value_number(instance, "00280008");
    struct image image = {.frame = 1};

    if (value_number(instance, "00280010") <= 0 ||
        (availability[0] != '\0' && strcmp(availability, "ONLINE") != 0))
        return;
    (void)text_copy(image.series, sizeof image.series, value_text(instance, "0020000E"));
    (void)text_copy(image.instance, sizeof image.instance, value_text(instance, "00080018"));
    image.series_number = value_number(instance, "00200011");
    image.number = value_number(instance, "00200013");
    (void)text_copy(image.label, sizeof image.label, value_text(instance, "0008103E"));
    for (int64_t f = 1; f <= (frames > 1 ? frames : 1) && out->count < IMAGES_MAX; f++) {
        image.frame = (uint32_t)f;
        out->images[out->count++] = image;
    }
}

/* "description 3/30" by place in the series. */
static void
list_label(struct list *list)
{
    for (size_t i = 0, end; i < list->count; i = end) {
        for (end = i;
             end < list->count && strcmp(list->images[end].series, list->images[i].series) == 0;)
            end++;
        for (size_t k = i; k < end; k++) {
            char *label = list->images[k].label;
            size_t n = strnlen(label, 100);

            while (n > 0 && !text_is_utf8(label, n))
                n--;
            (void)snprintf(label + n, sizeof list->images[k].label - n, "%s%zu/%zu",
                           n > 0 ? " " : "", k - i + 1, end - i);
        }
    }
}

/* DICOM JSON: {"00080018":{"vr":"UI","Value":["1.2"]}} */
static const char *
value_text(const struct json *instance, const char *tag)
{
    const char *text = json_as_text(json_at(json_find(json_find(instance, tag), "Value"), 0));

    return text != NULL ? text : "";
}

static int64_t
value_number(const struct json *instance, const char *tag)
{
    const struct json *v = json_at(json_find(json_find(instance, tag), "Value"), 0);
    const char *text = json_as_text(v);

    return text != NULL ? strtoll(text, NULL, 10) : (int64_t)json_as_double(v, 0);
}

static int
by_place(const void *a, const void *b)
{
    const struct image *x = a, *y = b;
    int order;

    if (x->series_number != y->series_number)
        return x->series_number < y->series_number ? -1 : 1;
    order = strcmp(x->series, y->series);
    if (order != 0)
        return order;
    if (x->number != y->number)
        return x->number < y->number ? -1 : 1;
    order = strcmp(x->instance, y->instance);
    return order != 0 ? order : (x->frame > y->frame) - (x->frame < y->frame);
}
