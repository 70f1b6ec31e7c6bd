/* config.c - read a configuration file by its table of options. */
#include "proto/base/config.h"

#include "proto/base/text.h"

#include <ini.h>

#include <errno.h>
#include <inttypes.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct unit {
    const char *name;
    uint64_t factor;
};

static const struct unit duration_units[] = {
    {"ms", 1}, {"s", 1000}, {"m", 60000}, {"h", 3600000}, {"d", 86400000}, {NULL, 0},
};
static const struct unit size_units[] = {
    {"B", 1},  {"KiB", 1024}, {"MiB", 1048576}, {"GiB", 1073741824}, {"TiB", 1099511627776},
    {NULL, 0},
};

struct reading {
    const struct config_option *options;
    size_t count;
    char *config;
    const char *path;
    bool *is_set;
    int line;
    struct err *err;
};

/* "30s" by a table of units. */
static int
parse_unit(const char *text, const struct unit *units, int64_t *out)
{
    size_t digits = strspn(text, "0123456789");
    char number[20];
    uint64_t v;

    if (digits == 0 || digits >= sizeof number)
        return -1;
    memcpy(number, text, digits);
    number[digits] = '\0';
    for (const struct unit *u = units; u->name != NULL; u++)
        if (strcmp(text + digits, u->name) == 0) {
            if (text_to_u64(number, (uint64_t)INT64_MAX / u->factor, &v) < 0)
                return -1;
            *out = (int64_t)(v * u->factor);
            return 0;
        }
    return -1;
}

/* The number behind a DURATION, SIZE, NUMBER or TRUTH. */
static int
parse_number(enum config_type type, const char *text, int64_t *out)
{
    uint64_t v;

    switch (type) {
    case CONFIG_DURATION:
        return parse_unit(text, duration_units, out);
    case CONFIG_SIZE:
        return parse_unit(text, size_units, out);
    case CONFIG_TRUTH:
        *out = strcmp(text, "yes") == 0;
        return *out || strcmp(text, "no") == 0 ? 0 : -1;
    case CONFIG_NUMBER:
    default:
        if (text_to_u64(text, INT64_MAX, &v) < 0)
            return -1;
        *out = (int64_t)v;
        return 0;
    }
}

static const char *
type_words(enum config_type type)
{
    static const char *const words[] = {
        [CONFIG_DURATION] = "a duration with its unit (ms s m h d)",
        [CONFIG_SIZE] = "a size with its unit (B KiB MiB GiB TiB)",
        [CONFIG_NUMBER] = "a whole number",
        [CONFIG_TRUTH] = "yes or no",
        [CONFIG_TEXT] = "text",
        [CONFIG_PATH] = "a path",
    };

    return words[type];
}

static int
check_range(const struct config_option *o, int64_t v, struct err *err)
{
    int64_t bound;

    if (o->type == CONFIG_TRUTH)
        return 0;
    if (o->min[0] != '\0' && parse_number(o->type, o->min, &bound) == 0 && v < bound)
        return err_set(err, ERR_REJECT, "%s: below its least value %s", o->name, o->min);
    if (o->max[0] != '\0' && parse_number(o->type, o->max, &bound) == 0 && v > bound)
        return err_set(err, ERR_REJECT, "%s: above its greatest value %s", o->name, o->max);
    return 0;
}

static char *
place_path(const char *file, const char *value)
{
    const char *slash = file != NULL ? strrchr(file, '/') : NULL;

    if (value[0] == '/' || value[0] == '\0' || slash == NULL)
        return mem_text(value);
    return mem_printf("%.*s/%s", (int)(slash - file), file, value);
}

static int
set_option(const struct config_option *o, const char *file, const char *value, char *config,
           struct err *err)
{
    char *at = config + o->offset;
    int64_t v;

    if (o->type == CONFIG_TEXT || o->type == CONFIG_PATH) {
        char *text = o->type == CONFIG_PATH ? place_path(file, value) : mem_text(value);

        free(*(char **)(void *)at);
        *(char **)(void *)at = text;
        return 0;
    }
    if (parse_number(o->type, value, &v) < 0)
        return err_set(err, ERR_REJECT, "%s: '%s' is not %s", o->name, value, type_words(o->type));
    if (check_range(o, v, err) < 0)
        return -1;
    if (o->type == CONFIG_TRUTH)
        *(bool *)at = v != 0;
    else
        *(int64_t *)(void *)at = v;
    return 0;
}

static int
take_line(struct reading *r, const char *section, const char *name, const char *value)
{
    if (section[0] != '\0')
        return err_set(r->err, ERR_REJECT, "[%s]: sections are not used", section);
    for (size_t i = 0; i < r->count; i++) {
        if (strcmp(r->options[i].name, name) != 0)
            continue;
        if (r->is_set[i])
            return err_set(r->err, ERR_REJECT, "%s: given twice", name);
        r->is_set[i] = true;
        return set_option(&r->options[i], r->path, value, r->config, r->err);
    }
    return err_set(r->err, ERR_REJECT, "%s: there is no such option", name);
}

static int
on_line(void *user, const char *section, const char *name, const char *value)
{
    struct reading *r = user;

    if (r->err->kind != ERR_NONE)
        return 0;
    return take_line(r, section, name, value) == 0;
}

int
config_read(const struct config_option *options, size_t count, const char *path, void *config,
            struct err *err)
{
    return config_read_copy(options, count, path, path, config, err);
}

int
config_read_copy(const struct config_option *options, size_t count, const char *copy,
                 const char *path, void *config, struct err *err)
{
    struct reading r = {options, count, config, path, mem_new(count), 0, err};
    int rc = -1;

    err_clear(err);
    for (size_t i = 0; i < count; i++)
        if (set_option(&options[i], path, options[i].by_default, config, err) < 0)
            goto out;
    if (copy != NULL) {
        int line = ini_parse(copy, on_line, &r);

        if (line < 0) {
            err_sys(err, ERR_NOT_FOUND, "%s", copy);
            goto out;
        }
        if (line > 0) {
            if (err->kind == ERR_NONE)
                err_set(err, ERR_REJECT, "this line is no 'option = value'");
            err_context(err, "%s:%d", copy, line);
            goto out;
        }
    }
    rc = 0;
out:
    if (rc < 0)
        config_fini(options, count, config);
    free(r.is_set);
    return rc;
}

struct finding {
    const char *path, *name;
    char *found;
    unsigned times;
};

static int
on_find(void *user, const char *section, const char *name, const char *value)
{
    struct finding *f = user;

    if (section[0] != '\0' || strcmp(name, f->name) != 0)
        return 1;
    f->times++;
    free(f->found);
    f->found = place_path(f->path, value);
    return 1;
}

int
config_find_path(const char *path, const char *name, char **out, struct err *err)
{
    struct finding f = {.path = path, .name = name};

    if (ini_parse(path, on_find, &f) < 0) {
        free(f.found);
        return err_sys(err, ERR_NOT_FOUND, "%s", path);
    }
    if (f.times != 1) {
        free(f.found);
        return err_set(err, ERR_NOT_FOUND, "%s does not say %s once", path, name);
    }
    *out = f.found;
    return 0;
}

void
config_fini(const struct config_option *options, size_t count, void *config)
{
    for (size_t i = 0; i < count; i++)
        if (options[i].type == CONFIG_TEXT || options[i].type == CONFIG_PATH) {
            char **at = (char **)(void *)((char *)config + options[i].offset);

            free(*at);
            *at = NULL;
        }
}

void
config_print_help(const char *usage, const struct config_option *options, size_t count)
{
    printf("%s\nOptions of the configuration file (name = value, a line each):\n", usage);
    for (size_t i = 0; i < count; i++)
        printf("  %s = %s\n      %s Takes %s%s%s%s%s.%s\n", options[i].name, options[i].by_default,
               options[i].help, type_words(options[i].type), options[i].min[0] ? ", least " : "",
               options[i].min, options[i].max[0] ? ", greatest " : "", options[i].max,
               options[i].change == CONFIG_RELOAD ? "" : " Needs a restart.");
}

static void
print_number(enum config_type type, int64_t v)
{
    const struct unit *units = type == CONFIG_DURATION ? duration_units : size_units;
    const struct unit *best = units;

    if (type == CONFIG_NUMBER) {
        printf("%" PRId64 "\n", v);
        return;
    }
    for (const struct unit *u = units; u->name != NULL; u++)
        if (v != 0 && (uint64_t)v % u->factor == 0)
            best = u;
    printf("%" PRIu64 "%s\n", (uint64_t)v / best->factor, best->name);
}

void
config_print(const struct config_option *options, size_t count, const void *config)
{
    for (size_t i = 0; i < count; i++) {
        const char *at = (const char *)config + options[i].offset;

        printf("%s = ", options[i].name);
        if (options[i].type == CONFIG_TEXT || options[i].type == CONFIG_PATH)
            printf("%s\n", *(char *const *)(const void *)at);
        else if (options[i].type == CONFIG_TRUTH)
            printf("%s\n", *(const bool *)at ? "yes" : "no");
        else
            print_number(options[i].type, *(const int64_t *)(const void *)at);
    }
}
