/* config_last.c - read and write the copy. */
#include "proto/base/config_last.h"

#include "proto/base/durable.h"
#include "proto/base/text.h"

#include <stdlib.h>
#include <string.h>

enum { CONFIG_BYTES = 1 << 20 };

/* What the copy says of the folder it lies in. */
static const char *
folder_of(const struct config_last *last, const void *config)
{
    for (size_t i = 0; i < last->count; i++)
        if (strcmp(last->options[i].name, last->dir) == 0)
            return *(char *const *)(const void *)((const char *)config + last->options[i].offset);
    return "";
}

int
config_last_read(const struct config_last *last, void *config, struct err *err)
{
    char *dir = NULL, *copy = NULL;
    int rc = -1;

    if (config_find_path(last->file, last->dir, &dir, err) < 0)
        return -1;
    copy = mem_printf("%s/%s", dir, last->copy);
    if (config_read_copy(last->options, last->count, copy, last->file, config, err) == 0) {
        rc = strcmp(folder_of(last, config), dir) == 0
                 ? 0
                 : err_set(err, ERR_REJECT, "%s is of another %s", copy, last->dir);
        if (rc < 0)
            config_fini(last->options, last->count, config);
    }
    free(copy);
    free(dir);
    return rc;
}

int
config_last_keep(const struct config_last *last, const char *dir, struct err *err)
{
    char *copy = mem_printf("%s/%s", dir, last->copy);
    uint8_t *now = NULL, *kept = NULL;
    size_t n = 0, kept_n = 0;
    struct err none;
    int rc = durable_get_file(last->file, CONFIG_BYTES, &now, &n, err);

    if (rc == 0 && (durable_get_file(copy, CONFIG_BYTES, &kept, &kept_n, &none) < 0 ||
                    kept_n != n || memcmp(now, kept, n) != 0))
        rc = durable_put_file(dir, last->copy, now, n, err);
    if (rc < 0 && durable_remove(dir, last->copy, &none) < 0)
        err_context(err, "an older copy stays (%s)", none.text);
    free(kept);
    free(now);
    free(copy);
    return rc;
}
