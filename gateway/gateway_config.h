/* gateway_config.h - the gateway's options as a struct; rows in gateway_options.def. */
#ifndef RADPOST_GATEWAY_CONFIG_H
#define RADPOST_GATEWAY_CONFIG_H

#include "proto/base/config.h"

struct gateway_config {
#define OPT CONFIG_FIELD
#include "gateway/gateway_options.def"
#undef OPT
};

#endif
