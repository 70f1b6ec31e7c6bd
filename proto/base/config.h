/* config.h - one table row an option: struct field, parser, default, range, --help, --print-config.
 *
 * <daemon>_options.def holds   OPT(field, TYPE, default, min, max, RELOAD|RESTART, help)
 * TYPE      C type of the field   written as
 * DURATION  int64_t (ms)          "250ms" "30s" "5m" "12h" "7d": a unit is due
 * SIZE      uint64_t (bytes)      "64KiB" "16MiB" "2GiB" "0B": a unit is due
 * NUMBER    int64_t               "42"
 * TRUTH     bool                  "yes" "no"
 * TEXT      const char *          anything; min and max are lengths ("" = no bound)
 * PATH      const char *          relative to the folder of the configuration file
 *
 *     struct gateway_config {
 *     #define OPT CONFIG_FIELD
 *     #include "gateway/gateway_options.def"
 *     #undef OPT
 *     };
 *     static const struct config_option options[] = {
 *     #define OPT CONFIG_ROW
 *     #define CONFIG_STRUCT struct gateway_config
 *     ...
 * The file is INI without sections: "field = value", # comments. Unknown or repeated keys, bare
 * numbers and values out of range stop the start, with line and key. Threads: read once at start;
 * then constant. */
#ifndef RADPOST_BASE_CONFIG_H
#define RADPOST_BASE_CONFIG_H

#include "proto/base/err.h"

enum config_type {
    CONFIG_DURATION,
    CONFIG_SIZE,
    CONFIG_NUMBER,
    CONFIG_TRUTH,
    CONFIG_TEXT,
    CONFIG_PATH
};
enum config_change { CONFIG_RELOAD, CONFIG_RESTART };

struct config_option {
    const char *name;
    enum config_type type;
    const char *by_default;
    const char *min;
    const char *max;
    enum config_change change;
    const char *help;
    size_t offset;
};

#define CONFIG_C_DURATION int64_t
#define CONFIG_C_SIZE uint64_t
#define CONFIG_C_NUMBER int64_t
#define CONFIG_C_TRUTH bool
#define CONFIG_C_TEXT char *
#define CONFIG_C_PATH char *
#define CONFIG_FIELD(field, type, def, min, max, change, help) CONFIG_C_##type field;
#define CONFIG_ROW(field, type, def, min, max, change, help)                                       \
    {#field, CONFIG_##type, def, min, max, CONFIG_##change, help, offsetof(CONFIG_STRUCT, field)},

/* Fill *config: defaults, then the file (NULL: none). On failure nothing is kept.
 * errors  ERR_REJECT with "FILE:LINE: key: what is wrong", ERR_NOT_FOUND */
int config_read(const struct config_option *options, size_t count, const char *path, void *config,
                struct err *err) MUST_CHECK;
/* The same of a copy of the file at path: relative paths count from that one's folder. */
int config_read_copy(const struct config_option *options, size_t count, const char *copy,
                     const char *path, void *config, struct err *err) MUST_CHECK;
/* What a file says of one option of type PATH, whatever is wrong with its other lines; the
 * caller's (free). errors  ERR_NOT_FOUND it does not say, or says it twice */
int config_find_path(const char *path, const char *name, char **out, struct err *err) MUST_CHECK;
void config_fini(const struct config_option *options, size_t count, void *config);
/* --help (the usage, then each option) and --print-config, to standard output. */
void config_print_help(const char *usage, const struct config_option *options, size_t count);
void config_print(const struct config_option *options, size_t count, const void *config);

#endif
