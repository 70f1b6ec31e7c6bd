/* seen.c - reading and writing seen.tsv. */
#include "gateway/accept/seen.h"

#include "proto/base/durable.h"
#include "proto/base/text.h"

#include <stdlib.h>
#include <string.h>

enum { FIELDS = 7 };

static bool
read_line(char *line, struct devices *devices)
{
    char *f[FIELDS] = {NULL};
    uint64_t seen, stored_at, stored;
    size_t n = 0;

    for (char *at = line; at && n < FIELDS; n++) {
        f[n] = at;
        at = strchr(at, '\t');
        if (at)
            *at++ = '\0';
    }
    struct accept_device *d = n == FIELDS ? devices_at(devices, f[0], f[1]) : NULL;
    if (!d || text_to_u64(f[2], INT64_MAX, &seen) < 0 ||
        text_to_u64(f[3], INT64_MAX, &stored_at) < 0 || text_to_u64(f[4], UINT64_MAX, &stored) < 0)
        return false;
    d->last_seen_us = (int64_t)seen;
    d->last_store_us = (int64_t)stored_at;
    d->stored = stored;
    return text_copy(d->last_address, sizeof d->last_address, f[5]) &&
           text_copy(d->last_certificate, sizeof d->last_certificate, f[6]);
}

int
seen_read(const char *dir, struct devices *devices, struct err *err)
{
    char *path = mem_printf("%s/%s", dir, SEEN_FILE);
    uint8_t *bytes = NULL;
    size_t n = 0;
    int rc = 0;

    if (durable_get_file(path, SEEN_BYTES, &bytes, &n, err) < 0) {
        rc = err->kind == ERR_NOT_FOUND ? 0 : -1;
        if (rc == 0)
            err_clear(err);
    }
    for (char *at = (char *)bytes; at && *at != '\0';) {
        char *end = strchr(at, '\n');
        if (end)
            *end++ = '\0';
        (void)read_line(at, devices);
        at = end;
    }
    free(bytes);
    free(path);
    return rc;
}

void
seen_format(const struct devices *devices, struct buf *out)
{
    for (size_t i = 0; i < devices->n; i++) {
        const struct accept_device *d = &devices->rows[i];
        if (d->last_seen_us != 0)
            buf_add_printf(out, "%s\t%s\t%lld\t%lld\t%llu\t%s\t%s\n", d->ae, d->address,
                           (long long)d->last_seen_us, (long long)d->last_store_us,
                           (unsigned long long)d->stored, d->last_address, d->last_certificate);
    }
}

int
seen_write(const char *dir, const struct buf *text, struct err *err)
{
    return durable_put_file(dir, SEEN_FILE, text->bytes, text->n, err);
}
