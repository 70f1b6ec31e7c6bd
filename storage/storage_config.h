/* storage_config.h - the archive's options as a struct; rows in storage_options.def. */
#ifndef RADPOST_STORAGE_CONFIG_H
#define RADPOST_STORAGE_CONFIG_H

#include "proto/base/config.h"

struct storage_config {
#define OPT CONFIG_FIELD
#include "storage/storage_options.def"
#undef OPT
};

#endif
