/* reader_config.h - the reader's options as a struct; rows in reader_options.def. */
#ifndef RADPOST_READER_CONFIG_H
#define RADPOST_READER_CONFIG_H

#include "proto/base/config.h"

struct reader_config {
#define OPT CONFIG_FIELD
#include "reader/reader_options.def"
#undef OPT
};

#endif
