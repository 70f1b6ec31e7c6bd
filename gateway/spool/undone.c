/* undone.c - discards that were taken back, until somebody noted them: docs/formats/spool.md. */
#include "gateway/spool/internal.h"
#include "gateway/spool/log.h"

#include "proto/base/durable.h"
#include "proto/base/folder.h"
#include "proto/base/text.h"
#include "proto/base/zip.h"

#include <errno.h>
#include <inttypes.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define FOLDER "undone"
#define MAGIC "radpost-undone 1 "
enum { LINE_BYTES = 512, FIELDS = 5 };

static void
name_of(uint64_t id, int64_t at_us, char out[64])
{
    snprintf(out, 64, FOLDER "/%" PRIu64 "-%" PRId64, id, at_us);
}

int
spool_undone_put(struct spool *sp, const struct spool_entry *e, struct err *err)
{
    const int64_t at_us = e->state_at_us[INSTANCE_DISCARDED];
    char name[64], words[LINE_BYTES - 64], line[LINE_BYTES];
    char *folder = mem_printf("%s/" FOLDER, sp->dir);
    int rc;

    name_of(e->id, at_us, name);
    snprintf(words, sizeof words, "%" PRIu64 "\t%" PRId64 "\t%s\t%s\t%s", e->id, at_us,
             e->meta.sop_instance, e->discard_reason, e->discarded_by);
    snprintf(line, sizeof line, MAGIC "%08" PRIx32 " %s\n", zip_crc32(0, words, strlen(words)),
             words);
    rc = durable_mkdir(folder, err);
    if (rc == 0)
        rc = durable_put_file(sp->dir, name, line, strlen(line), err);
    free(folder);
    return rc < 0 ? err_context(err, "keep what is taken back") : 0;
}

static bool
understand(char *line, size_t n, const char *name, struct spool_undone *out)
{
    char own[64], *words = line + strlen(MAGIC) + 9, *end;
    const char *field[FIELDS];
    uint64_t at_us;

    if (n < strlen(MAGIC) + 10 || strncmp(line, MAGIC, strlen(MAGIC)) != 0 || line[n - 1] != '\n')
        return false;
    line[n - 1] = '\0';
    if (strtoul(line + strlen(MAGIC), &end, 16) != zip_crc32(0, words, strlen(words)) ||
        end + 1 != words)
        return false;
    for (size_t i = 0; i < FIELDS; i++)
        if ((field[i] = strsep(&words, "\t")) == NULL)
            return false;
    *out = (struct spool_undone){0};
    if (text_to_u64(field[0], UINT64_MAX, &out->id) < 0 ||
        text_to_u64(field[1], INT64_MAX, &at_us) < 0 ||
        !text_copy(out->instance, sizeof out->instance, field[2]) ||
        !text_copy(out->reason, sizeof out->reason, field[3]) ||
        !text_copy(out->by, sizeof out->by, field[4]))
        return false;
    out->at_us = (int64_t)at_us;
    name_of(out->id, out->at_us, own);
    return strcmp(own, name) == 0;
}

/* *out_is_good false: it was moved away. Gone meanwhile is an error like another. */
static int
read_one(struct spool *sp, const char *name, struct spool_undone *out, bool *out_is_good,
         struct err *err)
{
    char from[PATH_MAX], to[PATH_MAX];
    uint8_t *bytes = NULL;
    size_t n = 0;

    snprintf(from, sizeof from, "%s/%s", sp->dir, name);
    if (durable_get_file(from, LINE_BYTES, &bytes, &n, err) < 0 && err->kind != ERR_REJECT)
        return -1;
    *out_is_good = bytes != NULL && understand((char *)bytes, n, name, out);
    free(bytes);
    if (*out_is_good)
        return 0;
    snprintf(to, sizeof to, "%s/corrupt/" FOLDER "-%s", sp->dir, strrchr(name, '/') + 1);
    if (rename(from, to) < 0)
        return err_sys(err, ERR_RETRY, "move to corrupt/");
    LOG(&sp->log, SPOOL_DAMAGED, F_WORD("file", name), F_WORD("moved", "yes"));
    return 0;
}

static int
by_time(const void *a, const void *b)
{
    const struct spool_undone *x = a, *y = b;

    return x->at_us < y->at_us ? -1 : x->at_us > y->at_us;
}

int
spool_undone_list(struct spool *sp, struct spool_undone **out, size_t *out_n, struct err *err)
{
    char *folder = mem_printf("%s/" FOLDER, sp->dir);
    DIR *dir = opendir(folder);
    struct spool_undone *list = NULL;
    size_t n = 0;
    int rc = dir != NULL || errno == ENOENT ? 0 : err_sys(err, ERR_RETRY, FOLDER);

    while (rc == 0 && dir != NULL) {
        const struct dirent *d;
        char name[NAME_MAX + sizeof FOLDER + 1];
        bool is_good = false;

        rc = folder_next(dir, &d, err);
        if (rc < 0 || d == NULL)
            break;
        if (d->d_name[0] == '.')
            continue;
        snprintf(name, sizeof name, FOLDER "/%s", d->d_name);
        list = mem_grow(list, (n + 1) * sizeof *list);
        rc = read_one(sp, name, &list[n], &is_good, err);
        n += is_good;
    }
    if (dir != NULL)
        closedir(dir);
    free(folder);
    if (rc < 0) {
        free(list);
        return -1;
    }
    if (n > 0)
        qsort(list, n, sizeof *list, by_time);
    *out = list;
    *out_n = n;
    return 0;
}

int
spool_undone_forget(struct spool *sp, uint64_t id, int64_t at_us, struct err *err)
{
    char name[64];

    name_of(id, at_us, name);
    return durable_remove(sp->dir, name, err);
}
