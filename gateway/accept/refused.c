/* refused.c - who was refused, how often, and when last. */
#include "gateway/accept/refused.h"

#include "proto/base/durable.h"
#include "proto/base/text.h"

#include <stdlib.h>
#include <string.h>

enum { MINUTE_US = 60 * 1000 * 1000, FIELDS = 7, FILE_BYTES = REFUSED_MAX * 256 };

static bool
parse_line(char *line, struct accept_refused *out)
{
    char *fields[FIELDS] = {NULL};
    size_t n = 0;
    uint64_t first, last, is_wrong;

    for (char *at = line; at && n < FIELDS; n++) {
        fields[n] = at;
        at = strchr(at, '\t');
        if (at)
            *at++ = 0;
    }
    *out = (struct accept_refused){.count = 0};
    if (n != FIELDS || text_to_u64(fields[0], INT64_MAX, &first) < 0 ||
        text_to_u64(fields[1], INT64_MAX, &last) < 0 ||
        text_to_u64(fields[2], UINT64_MAX, &out->count) < 0 ||
        text_to_u64(fields[3], 1, &is_wrong) < 0)
        return false;
    out->first_us = (int64_t)first;
    out->last_us = (int64_t)last;
    out->is_called_wrong = is_wrong == 1;
    return text_copy(out->calling, sizeof out->calling, fields[4]) &&
           text_copy(out->called, sizeof out->called, fields[5]) &&
           text_copy(out->address, sizeof out->address, fields[6]);
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

static size_t
place_for(struct refused *list)
{
    size_t oldest = 0;

    if (list->n < REFUSED_MAX)
        return list->n++;
    for (size_t i = 1; i < list->n; i++)
        if (list->rows[i].last_us < list->rows[oldest].last_us)
            oldest = i;
    return oldest;
}

void
refused_add(struct refused *list, const struct dimse_peer *peer, bool is_called_wrong,
            int64_t now_us, bool *out_is_due)
{
    struct accept_refused *row = NULL;
    bool is_new = false;

    for (size_t i = 0; i < list->n && !row; i++)
        if (strcmp(list->rows[i].calling, peer->calling) == 0 &&
            strcmp(list->rows[i].called, peer->called) == 0 &&
            strcmp(list->rows[i].address, peer->address) == 0)
            row = &list->rows[i];
    if (!row) {
        is_new = list->n < REFUSED_MAX;
        row = &list->rows[place_for(list)];
        *row = (struct accept_refused){.first_us = now_us};
        text_copy(row->calling, sizeof row->calling, peer->calling);
        text_copy(row->called, sizeof row->called, peer->called);
        text_copy(row->address, sizeof row->address, peer->address);
    }
    row->is_called_wrong = is_called_wrong;
    row->last_us = now_us;
    row->count++;
    list->is_dirty = true;
    *out_is_due = is_new || now_us - list->written_us >= MINUTE_US;
}

void
refused_forget(struct refused *list, const char *calling, const char *address)
{
    size_t kept = 0;

    for (size_t i = 0; i < list->n; i++) {
        struct accept_refused *row = &list->rows[i];
        if (strcmp(row->calling, calling) == 0 && !row->is_called_wrong &&
            (strcmp(address, "*") == 0 || strcmp(row->address, address) == 0)) {
            list->is_dirty = true;
            continue;
        }
        list->rows[kept++] = *row;
    }
    list->n = kept;
}

int
refused_write(const char *dir, struct refused *list, int64_t now_us, struct err *err)
{
    struct buf text;
    int rc;

    buf_init(&text, FILE_BYTES);
    for (size_t i = 0; i < list->n; i++) {
        const struct accept_refused *row = &list->rows[i];
        buf_add_printf(&text, "%lld\t%lld\t%llu\t%d\t%s\t%s\t%s\n", (long long)row->first_us,
                       (long long)row->last_us, (unsigned long long)row->count,
                       row->is_called_wrong, row->calling, row->called, row->address);
    }
    rc = durable_put_file(dir, REFUSED_FILE, text.bytes, text.n, err);
    if (rc == 0) {
        list->is_dirty = false;
        list->written_us = now_us;
    }
    buf_fini(&text);
    return rc;
}
