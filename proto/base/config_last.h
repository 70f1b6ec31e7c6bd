/* config_last.h - a configuration as it was at the last start without a mistake in it, kept in the
 * folder that the configuration itself names. One mistyped line then costs what it was to change,
 * and nothing else: all of the copy is in force, not the lines that can be read, so that what a
 * wrong line was to close or to seal stays so. Threads: as config.h. */
#ifndef RADPOST_BASE_CONFIG_LAST_H
#define RADPOST_BASE_CONFIG_LAST_H

#include "proto/base/config.h"

struct config_last {
    const struct config_option *options;
    size_t count;
    const char *file; /* what people write */
    const char *dir;  /* name of the option, of type PATH, whose folder has the copy */
    const char *copy; /* its name there */
};

/* Fill *config with what the copy says. The file must name the folder itself, once, and the copy
 * the same one: whoever mistyped that line is told. On failure nothing is kept. errors
 * ERR_NOT_FOUND, ERR_REJECT: there is none that could be used */
int config_last_read(const struct config_last *last, void *config, struct err *err) MUST_CHECK;
/* The file was read and the service has started by it: copied, durably, where it is another one. On
 * failure the copy of an older one is removed, for what it says may be wider than what was in force
 * since; that it could not be is in the error's text.
 * dir  the folder; has tmp/ */
int config_last_keep(const struct config_last *last, const char *dir, struct err *err) MUST_CHECK;

#endif
