/* refused.c - who was refused, how often, and when last. */
#include "gateway/accept/refused.h"

#include "proto/base/durable.h"
#include "proto/base/text.h"

#include <stdlib.h>
#include <string.h>

enum {
    SECOND_US = 1000 * 1000,
    MINUTE_US = 60 * SECOND_US,
    FIELDS_LEAST = 7,
    FIELDS = 8,
    FILE_BYTES = REFUSED_MAX * 320
};

static bool
parse_line(char *line, struct accept_refused *out)
{
    char *fields[FIELDS] = {NULL};
    size_t n = 0;
    uint64_t first, last, why;

    for (char *at = line; at && n < FIELDS; n++) {
        fields[n] = at;
        at = strchr(at, '\t');
        if (at)
            *at++ = 0;
    }
    *out = (struct accept_refused){.count = 0};
    if (n < FIELDS_LEAST || text_to_u64(fields[0], INT64_MAX, &first) < 0 ||
        text_to_u64(fields[1], INT64_MAX, &last) < 0 ||
        text_to_u64(fields[2], UINT64_MAX, &out->count) < 0 ||
        text_to_u64(fields[3], ACCEPT_TLS_NOT_TRUSTED, &why) < 0)
        return false;
    out->first_us = (int64_t)first;
    out->last_us = (int64_t)last;
    out->why = (enum accept_refusal)why;
    out->is_called_wrong = out->why == ACCEPT_CALLED_WRONG;
    return text_copy(out->calling, sizeof out->calling, fields[4]) &&
           text_copy(out->called, sizeof out->called, fields[5]) &&
           text_copy(out->address, sizeof out->address, fields[6]) &&
           text_copy(out->certificate_sha256, sizeof out->certificate_sha256,
                     n == FIELDS ? fields[7] : "");
}

int
refused_read(const char *dir, struct refused *out, size_t *out_bad, struct err *err)
{
    char *path = mem_printf("%s/%s", dir, REFUSED_FILE);
    uint8_t *bytes = NULL;
    size_t n = 0;
    struct err missing = {0};
    int rc = 0;

    *out_bad = 0;
    *out = (struct refused){.n = 0};
    if (durable_get_file(path, FILE_BYTES, &bytes, &n, &missing) < 0) {
        if (missing.kind != ERR_NOT_FOUND) {
            *err = missing;
            rc = -1;
        }
        goto out;
    }
    for (char *at = (char *)bytes; at && *at && out->n < REFUSED_MAX;) {
        char *end = strchr(at, '\n');
        if (end)
            *end++ = 0;
        if (parse_line(at, &out->rows[out->n]))
            out->n++;
        else
            (*out_bad)++;
        at = end;
    }
out:
    free(bytes);
    free(path);
    return rc;
}

/* Strangers have left images here: they give way last. */
static bool
goes_before(const struct accept_refused *a, const struct accept_refused *b)
{
    if ((a->why == ACCEPT_STRANGER) != (b->why == ACCEPT_STRANGER))
        return b->why == ACCEPT_STRANGER;
    return a->last_us < b->last_us;
}

static size_t
place_for(struct refused *list)
{
    size_t first = 0;

    if (list->n < REFUSED_MAX)
        return list->n++;
    for (size_t i = 1; i < list->n; i++)
        if (goes_before(&list->rows[i], &list->rows[first]))
            first = i;
    return first;
}

const struct accept_refused *
refused_find(const struct refused *list, const struct dimse_peer *peer)
{
    for (size_t i = 0; i < list->n; i++) {
        const struct accept_refused *row = &list->rows[i];
        if (strcmp(row->calling, peer->calling) == 0 && strcmp(row->called, peer->called) == 0 &&
            strcmp(row->address, peer->address) == 0 &&
            strcmp(row->certificate_sha256, peer->fingerprint) == 0)
            return row;
    }
    return NULL;
}

size_t
refused_strangers(const struct refused *list)
{
    size_t n = 0;

    for (size_t i = 0; i < list->n; i++)
        n += list->rows[i].why == ACCEPT_STRANGER;
    return n;
}

void
refused_add(struct refused *list, const struct dimse_peer *peer, enum accept_refusal why,
            int64_t now_us, bool *out_is_due)
{
    const struct accept_refused *known = refused_find(list, peer);
    struct accept_refused *row = known ? &list->rows[known - list->rows] : NULL;
    bool is_new = row ? why == ACCEPT_STRANGER && row->why != why
                      : why == ACCEPT_STRANGER || list->n < REFUSED_MAX;

    if (!row) {
        row = &list->rows[place_for(list)];
        *row = (struct accept_refused){.first_us = now_us};
        text_copy(row->calling, sizeof row->calling, peer->calling);
        text_copy(row->called, sizeof row->called, peer->called);
        text_copy(row->address, sizeof row->address, peer->address);
        text_copy(row->certificate_sha256, sizeof row->certificate_sha256, peer->fingerprint);
    }
    if (row->why != ACCEPT_STRANGER) /* what it left here is still to be settled */
        row->why = why;
    row->is_called_wrong = row->why == ACCEPT_CALLED_WRONG;
    row->last_us = now_us;
    row->count++;
    list->is_dirty = true;
    /* who floods us with names costs one write a second */
    int64_t rest_us = !is_new ? MINUTE_US : why == ACCEPT_STRANGER ? 0 : SECOND_US;
    *out_is_due = now_us - list->written_us >= rest_us || now_us < list->written_us;
}

size_t
refused_forget(struct refused *list,
               bool (*is_gone)(const struct accept_refused *row, const void *user),
               const void *user)
{
    size_t kept = 0, gone;

    for (size_t i = 0; i < list->n; i++)
        if (!is_gone(&list->rows[i], user))
            list->rows[kept++] = list->rows[i];
    gone = list->n - kept;
    list->n = kept;
    list->is_dirty = list->is_dirty || gone > 0;
    return gone;
}

int
refused_write(const char *dir, struct refused *list, int64_t now_us, struct err *err)
{
    struct buf text;
    int rc;

    buf_init(&text, FILE_BYTES);
    for (size_t i = 0; i < list->n; i++) {
        const struct accept_refused *row = &list->rows[i];
        buf_add_printf(&text, "%lld\t%lld\t%llu\t%d\t%s\t%s\t%s\t%s\n", (long long)row->first_us,
                       (long long)row->last_us, (unsigned long long)row->count, (int)row->why,
                       row->calling, row->called, row->address, row->certificate_sha256);
    }
    rc = durable_put_file(dir, REFUSED_FILE, text.bytes, text.n, err);
    if (rc == 0) {
        list->is_dirty = false;
        list->written_us = now_us;
    }
    buf_fini(&text);
    return rc;
}
