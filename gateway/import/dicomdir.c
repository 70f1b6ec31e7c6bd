/* dicomdir.c - see dicomdir.h. Records lie one behind another, each with the offsets of the next
 * beside it and of the first below it; of which study a file is only these say. */
#include "gateway/import/dicomdir.h"

#include "proto/base/text.h"
#include "proto/dicom/part10.h"
#include "proto/dicom/walk.h"

#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { LEVELS_MAX = 8 };

enum tag {
    TAG_NEXT = 0x00041400,
    TAG_LOWER = 0x00041420,
    TAG_FILE_ID = 0x00041500,
    TAG_INSTANCE = 0x00041511,
    TAG_STUDY = 0x0020000D
};

struct record {
    uint64_t at, next, lower; /* offsets in the file; 0: none */
    char study[65];
    char name[DICOMDIR_NAME_SIZE], instance[65];
    bool is_seen; /* by who follows the offsets, which may run in a circle */
};

struct records {
    struct record *all; /* by `at` */
    size_t n, room;
};

/* ---- names ---- */

/* '\\' or '/' parts components. False: it is none we could find. */
static bool
fold(const char *text, size_t n, char out[DICOMDIR_NAME_SIZE])
{
    size_t k = 0;

    while (n > 0 && (text[n - 1] == ' ' || text[n - 1] == '\0'))
        n--;
    for (size_t i = 0; i < n; i++) {
        bool is_parted = text[i] == '\\' || text[i] == '/';

        if (text[i] == ';') { /* a version, up to the end of the component */
            while (i + 1 < n && text[i + 1] != '\\' && text[i + 1] != '/')
                i++;
            continue;
        }
        if (is_parted && k > 0 && out[k - 1] == '.')
            k--;
        if (k + 1 >= DICOMDIR_NAME_SIZE)
            return false;
        out[k++] = is_parted ? '/' : (char)toupper((unsigned char)text[i]);
    }
    if (k > 0 && out[k - 1] == '.')
        k--;
    out[k] = '\0';
    return k > 0;
}

/* ---- records ---- */

static void
take_uid(const uint8_t *value, size_t n, char out[65])
{
    out[0] = '\0';
    while (n > 0 && (value[n - 1] == '\0' || value[n - 1] == ' '))
        n--;
    if (n >= 65)
        return;
    memcpy(out, value, n);
    out[n] = '\0';
    if (!uid_is_valid(out, true))
        out[0] = '\0';
}

static uint32_t
offset_of(const uint8_t *value, size_t n)
{
    return n != 4 ? 0
                  : (uint32_t)value[0] | (uint32_t)value[1] << 8 | (uint32_t)value[2] << 16 |
                        (uint32_t)value[3] << 24;
}

static void
take_element(struct record *r, uint32_t tag, const uint8_t *value, size_t n)
{
    switch (tag) {
    case TAG_NEXT:
        r->next = offset_of(value, n);
        break;
    case TAG_LOWER:
        r->lower = offset_of(value, n);
        break;
    case TAG_STUDY:
        take_uid(value, n, r->study);
        break;
    case TAG_INSTANCE:
        take_uid(value, n, r->instance);
        break;
    case TAG_FILE_ID:
        if (!fold((const char *)value, n, r->name))
            r->name[0] = '\0';
        break;
    default:
        break;
    }
}

static int
read_records(const uint8_t *bytes, size_t n, struct records *out, struct err *err)
{
    struct dcm_part10 part10;
    struct dcm_element e;
    struct dcm_walk walk;

    if (dcm_part10_parse(bytes, n, &part10, err) < 0)
        return -1;
    if (part10.syntax->is_deflated)
        return err_set(err, ERR_REJECT, "a deflated directory");
    bytes += part10.dataset_at;
    dcm_walk_init(&walk, bytes, n - part10.dataset_at, part10.syntax->coding, DCM_WALK_WHOLE);
    while (dcm_walk_next(&walk, &e, err) == 0) {
        if (e.event == DCM_END)
            return 0;
        if (e.event == DCM_ITEM && e.depth == 0) {
            if (out->n == DICOMDIR_FILES_MAX)
                return err_set(err, ERR_REJECT, "a directory of too many records");
            if (out->n == out->room) {
                out->room = out->room == 0 ? 256 : 2 * out->room;
                out->all = mem_grow(out->all, out->room * sizeof *out->all);
            }
            out->all[out->n++] = (struct record){.at = part10.dataset_at + e.header_at};
        } else if (e.event == DCM_ELEMENT && e.depth == 1 && out->n > 0) {
            take_element(&out->all[out->n - 1], e.tag, bytes + e.value_at, e.value_n);
        }
    }
    return -1;
}

static struct record *
record_at(const struct records *r, uint64_t at)
{
    size_t low = 0, high = r->n;

    while (low < high) {
        size_t middle = low + (high - low) / 2;

        if (r->all[middle].at < at)
            low = middle + 1;
        else
            high = middle;
    }
    return low < r->n && r->all[low].at == at ? &r->all[low] : NULL;
}

/* What lies below a study is of it. */
static void
mark_below(const struct records *r, uint64_t at, const char *study, int level)
{
    struct record *one;

    while (at != 0 && level < LEVELS_MAX && (one = record_at(r, at)) != NULL && !one->is_seen) {
        one->is_seen = true;
        memcpy(one->study, study, sizeof one->study);
        mark_below(r, one->lower, study, level + 1);
        at = one->next;
    }
}

/* ---- files ---- */

static int
by_name(const void *a, const void *b)
{
    return strcmp(((const struct dicomdir_file *)a)->name, ((const struct dicomdir_file *)b)->name);
}

static int
by_instance(const void *a, const void *b)
{
    return strcmp((*(struct dicomdir_file *const *)a)->instance,
                  (*(struct dicomdir_file *const *)b)->instance);
}

static void
list_instances(struct dicomdir *out)
{
    out->by_instance = mem_new((out->n + 1) * sizeof(struct dicomdir_file *));
    for (size_t i = 0; i < out->n; i++)
        if (out->files[i].instance[0] != '\0')
            out->by_instance[out->by_instance_n++] = &out->files[i];
    qsort(out->by_instance, out->by_instance_n, sizeof(struct dicomdir_file *), by_instance);
}

static void
list_files(const struct records *r, struct dicomdir *out)
{
    size_t kept = 0;

    out->files = mem_new((r->n + 1) * sizeof *out->files);
    for (size_t i = 0; i < r->n; i++) {
        struct dicomdir_file *f = &out->files[out->n];

        if (r->all[i].name[0] == '\0')
            continue;
        memcpy(f->name, r->all[i].name, sizeof f->name);
        memcpy(f->instance, r->all[i].instance, sizeof f->instance);
        if (r->all[i].is_seen)
            memcpy(f->study, r->all[i].study, sizeof f->study);
        out->n++;
    }
    qsort(out->files, out->n, sizeof *out->files, by_name);
    for (size_t i = 0; i < out->n; i++)
        if (kept == 0 || strcmp(out->files[kept - 1].name, out->files[i].name) != 0)
            out->files[kept++] = out->files[i];
    out->n = kept;
    list_instances(out);
}

int
dicomdir_read(const uint8_t *bytes, size_t n, struct dicomdir *out, struct err *err)
{
    struct records records = {.n = 0};
    int rc;

    *out = (struct dicomdir){.n = 0};
    rc = read_records(bytes, n, &records, err);
    if (rc == 0) {
        for (size_t i = 0; i < records.n; i++)
            if (records.all[i].study[0] != '\0' && !records.all[i].is_seen)
                mark_below(&records, records.all[i].lower, records.all[i].study, 0);
        list_files(&records, out);
    }
    free(records.all);
    return rc;
}

void
dicomdir_fini(struct dicomdir *d)
{
    free(d->files);
    free(d->by_instance);
    *d = (struct dicomdir){.n = 0};
}

struct dicomdir_file *
dicomdir_find(const struct dicomdir *d, const char *relative)
{
    struct dicomdir_file key;

    if (d->n == 0 || !fold(relative, strlen(relative), key.name))
        return NULL;
    return bsearch(&key, d->files, d->n, sizeof *d->files, by_name);
}

size_t
dicomdir_find_instance(const struct dicomdir *d, const char *instance,
                       struct dicomdir_file *const **out)
{
    size_t low = 0, high = d->by_instance_n, n = 0;

    while (low < high) {
        size_t middle = low + (high - low) / 2;

        if (strcmp(d->by_instance[middle]->instance, instance) < 0)
            low = middle + 1;
        else
            high = middle;
    }
    while (low + n < d->by_instance_n && strcmp(d->by_instance[low + n]->instance, instance) == 0)
        n++;
    *out = d->by_instance + low;
    return n;
}
