/* serve_core.c - who asks, for which clinic, and noting it. */
#include "storage/serve/serve_core.h"

#include "proto/base/clock.h"
#include "proto/base/text.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#define LOG_EVENT LOG_EVENT_DECLARE
#include "storage/serve/serve_events.def"
#undef LOG_EVENT

static bool
is_code(const char *text)
{
    size_t n = strlen(text);

    return n > 0 && n < KEEP_CODE_SIZE &&
           strspn(text, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_") == n;
}

static int
read_tenant(struct http_request *req, char out[KEEP_CODE_SIZE], struct err *err)
{
    const struct http_caller *caller = http_caller(req);
    const char *named = http_header(req, "Radpost-Tenant");

    if (!(caller->rights & RIGHT_ALL_TENANTS)) {
        /* Naming another clinic is as good as asking for what is not there. */
        if (named != NULL && strcmp(named, caller->tenant) != 0)
            return err_set(err, ERR_NOT_FOUND, "a tenant of its own only");
        named = caller->tenant;
    }
    if (named == NULL)
        return err_set(err, ERR_REJECT, "no Radpost-Tenant header");
    if (!is_code(named) || !text_copy(out, KEEP_CODE_SIZE, named))
        return err_set(err, ERR_NOT_FOUND, "no such tenant");
    return 0;
}

static const char *
path_uid(struct http_request *req, const char *name)
{
    char pattern[32];

    snprintf(pattern, sizeof pattern, "{%s}", name);
    return strstr(http_route(req)->pattern, pattern) != NULL ? http_param(req, name) : NULL;
}

int
serve_target_read(struct http_request *req, struct serve_target *out, struct err *err)
{
    struct serve_target target = {.study = path_uid(req, "study"),
                                  .series = path_uid(req, "series"),
                                  .instance = path_uid(req, "instance")};
    const char *uids[] = {target.study, target.series, target.instance};

    if (read_tenant(req, target.tenant, err) < 0)
        return -1;
    for (size_t i = 0; i < ARRAY_LEN(uids); i++)
        if (uids[i] != NULL && !uid_is_valid(uids[i], true))
            return err_set(err, ERR_NOT_FOUND, "a path without a UID");
    *out = target;
    return 0;
}

/* Letters of an address without a query. */
static bool
is_base(const char *text)
{
    size_t n = strlen(text);

    return n > 0 && n < SERVE_URL / 2 &&
           strspn(text, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_.:/[]") ==
               n;
}

void
serve_base(struct serve *s, const struct http_request *req, char out[SERVE_URL])
{
    /* A reader hands our answers on: links in them are to lead its pages to it. */
    const char *told =
        http_caller(req)->kind == HTTP_READER ? http_header(req, "Radpost-Base") : NULL;

    if (told != NULL && is_base(told))
        snprintf(out, SERVE_URL, "%s", told);
    else if (s->public_url[0] != '\0')
        snprintf(out, SERVE_URL, "%s", s->public_url);
    else
        snprintf(out, SERVE_URL, "%s/dicomweb", http_origin(req));
}

/* Was this noted in the last five minutes? */
static bool
is_recent(struct serve *s, const uint8_t key[32])
{
    int64_t now = clock_mono_ms();
    bool found = false;

    gate_lock(&s->gate);
    for (size_t i = 0; i < SERVE_RECENT; i++) {
        const struct serve_recent *r = &s->recent[i];

        if (r->at_ms != 0 && now - r->at_ms < SERVE_RECENT_MS && memcmp(r->key, key, 32) == 0)
            found = true;
    }
    gate_unlock(&s->gate);
    return found;
}

/* In the oldest's place. */
static void
remember(struct serve *s, const uint8_t key[32])
{
    struct serve_recent *oldest = &s->recent[0];

    gate_lock(&s->gate);
    for (size_t i = 0; i < SERVE_RECENT; i++)
        if (s->recent[i].at_ms < oldest->at_ms)
            oldest = &s->recent[i];
    memcpy(oldest->key, key, 32);
    oldest->at_ms = clock_mono_ms();
    gate_unlock(&s->gate);
}

int
serve_note(struct serve *s, struct http_request *req, const struct serve_target *target,
           enum serve_way way, uint64_t instances, struct err *err)
{
    static const char *const words[] = {"objects", "metadata", "pixels", "preview"};
    const struct http_caller *caller = http_caller(req);
    uint8_t key[32];
    char text[512];

    snprintf(text, sizeof text, "%s %s %s %s %s %s", words[way], target->tenant, caller->tenant,
             caller->device, target->study, way == SERVE_OBJECTS ? http_id(req) : "");
    digest_bytes(text, strlen(text), key);
    if (s->options.audit == NULL || is_recent(s, key))
        return 0;
    if (audit_append(s->options.audit, err,
                     way == SERVE_PREVIEW ? AUDIT_PREVIEWED : AUDIT_RETRIEVED,
                     A_WORD("tenant", target->tenant), A_UID("study", target->study),
                     A_WORD("by", caller->device), A_WORD("of", caller->tenant),
                     A_WORD("what", words[way]), A_WORD("peer", http_peer(req)),
                     A_NUMBER("instances", instances), A_WORD("request", http_id(req))) < 0)
        return err_context(err, "note a retrieval");
    /* Only what was kept counts as noted. */
    remember(s, key);
    if (way == SERVE_OBJECTS)
        LOG(&s->log, SERVE_RETRIEVED, F_UID("study", target->study), F_WORD("of", target->tenant),
            F_NUMBER("instances", instances));
    return 0;
}

int
serve_note_search(struct serve *s, struct http_request *req, const char *tenant, const char *level,
                  const char *study, const char *patient_id, uint64_t matches, struct err *err)
{
    const struct http_caller *caller = http_caller(req);
    struct audit_field fields[] = {
        A_WORD("tenant", tenant),         A_WORD("by", caller->device),
        A_WORD("of", caller->tenant),     A_WORD("level", level),
        A_NUMBER("matches", matches),     A_WORD("peer", http_peer(req)),
        A_WORD("request", http_id(req)),  {AUDIT_FIELD_END, 0, 0, 0, 0, 0},
        {AUDIT_FIELD_END, 0, 0, 0, 0, 0}, {AUDIT_FIELD_END, 0, 0, 0, 0, 0},
    };
    size_t n = ARRAY_LEN(fields) - 3;

    if (s->options.audit == NULL)
        return 0;
    if (study != NULL)
        fields[n++] = A_UID("study", study);
    if (patient_id != NULL)
        fields[n++] = A_PATIENT("patient", "", patient_id);
    if (audit_append_fields(s->options.audit, AUDIT_QUERIED, fields, err) < 0)
        return err_context(err, "note a search");
    LOG(&s->log, SERVE_SEARCHED, F_WORD("level", level), F_NUMBER("matches", matches));
    return 0;
}

static int
take_place(void *user, const struct keep_place *place, struct err *err)
{
    struct keep_place **out = user;

    (void)err;
    if (*out == NULL)
        *out = keep_place_copy(place);
    return 0;
}

void
serve_write_gone(struct jsonw *w, const struct keep_gone *gone)
{
    char at[40];

    if (gone->images == 0)
        return;
    clock_text(gone->at_us, at);
    jsonw_object(w, "gone");
    jsonw_uint(w, "images", gone->images);
    jsonw_text(w, "reason", gone->reason);
    jsonw_text(w, "by", gone->by);
    jsonw_text(w, "at", at);
    jsonw_end(w);
}

int
serve_place(struct serve *s, const struct serve_target *target, struct keep_place **out,
            struct err *err)
{
    struct keep_place *place = NULL;

    if (keep_instances(s->options.keep, target->tenant, target->study, target->series,
                       target->instance, take_place, &place, err) < 0) {
        keep_place_free(&place);
        return err_context(err, "instance %s", target->instance);
    }
    if (place == NULL)
        return err_set(err, ERR_NOT_FOUND, "instance %s", target->instance);
    *out = place;
    return 0;
}

int
serve_source(struct serve *s, const struct keep_place *place, int *out_fd, struct codec_source *out,
             struct err *err)
{
    if (keep_open_place(s->options.keep, place, out_fd, err) < 0)
        return err_context(err, "open instance %s", place->sop_instance);
    *out = (struct codec_source){.fd = *out_fd,
                                 .offset = place->offset,
                                 .size = place->size,
                                 .recipe = place->recipe,
                                 .recipe_n = place->recipe_n};
    return 0;
}

int
serve_map_open(int fd, uint64_t offset, uint64_t size, struct serve_map *out, struct err *err)
{
    uint64_t from = offset & ~(uint64_t)(sysconf(_SC_PAGESIZE) - 1);
    struct stat st;
    size_t n;
    void *base;

    /* A file that ends early would raise SIGBUS. */
    if (fstat(fd, &st) < 0)
        return err_sys(err, ERR_RETRY, "look at a stored file");
    if (size == 0 || (uint64_t)st.st_size < offset || (uint64_t)st.st_size - offset < size)
        return err_set(err, ERR_FATAL, "a stored file is shorter than it was");
    n = (size_t)(offset - from + size);
    base = mmap(NULL, n, PROT_READ, MAP_PRIVATE, fd, (off_t)from);
    if (base == MAP_FAILED)
        return err_sys(err, ERR_RETRY, "map a stored file");
    *out = (struct serve_map){
        .base = base, .base_n = n, .at = (uint8_t *)base + (offset - from), .n = (size_t)size};
    return 0;
}

void
serve_map_close(struct serve_map *map)
{
    if (map->base != NULL)
        munmap(map->base, map->base_n);
    *map = (struct serve_map){0};
}

int
serve_negotiate(struct http_request *req, struct http_response *res,
                const struct media_offer *offers, size_t n, int *out_index, struct err *err)
{
    struct media_list list;
    int chosen;

    if (media_list_read(http_header(req, "Accept"), http_query(req, "accept"), &list, err) < 0) {
        *out_index = -1;
        http_answer_refusal(res, 400, "The Accept header is not a list of media types.");
        return 0;
    }
    chosen = media_choose(&list, offers, n);
    if (chosen < 0)
        http_answer_refusal(res, 406, "None of the accepted media types is offered for this.");
    *out_index = chosen;
    return 0;
}

static void
tag_text(const uint8_t *object, const char *tag, char out[128])
{
    char hex[33];

    hex_encode(object, 16, hex);
    snprintf(out, 128, "\"%s-%s\"", hex, tag);
}

bool
serve_is_unchanged(struct http_request *req, struct http_response *res, const uint8_t *object,
                   const char *tag)
{
    const char *held = http_header(req, "If-None-Match");
    char text[128];

    tag_text(object, tag, text);
    if (held == NULL || strstr(held, text) == NULL)
        return false;
    serve_tag(res, object, tag);
    http_answer_empty(res, 304);
    return true;
}

void
serve_tag(struct http_response *res, const uint8_t *object, const char *tag)
{
    char text[128];

    tag_text(object, tag, text);
    http_answer_header(res, "ETag", text);
    http_answer_header(res, "Cache-Control", "private, max-age=300");
    http_answer_header(res, "Vary", "Accept, Authorization, Radpost-Tenant");
}

int
serve_say_damaged(struct http_response *res, int rc, const struct err *err)
{
    if (rc == 0 || err->kind != ERR_FATAL || err->sys != EIO)
        return rc;
    http_answer_refusal(res, 500,
                        "It is kept, but no copy of it is good; whoever runs the archive is told.");
    return 0;
}

int
serve_end(struct serve *s, struct http_response *res, int rc)
{
    if (s->cors_origin[0] != '\0') {
        http_answer_header(res, "Access-Control-Allow-Origin", s->cors_origin);
        http_answer_header(res, "Access-Control-Expose-Headers",
                           "Content-Length, Content-Range, ETag, Retry-After, Warning");
    }
    return rc;
}
