/* limits.h - the one table of limits that everything from outside meets; see limits.def. */
#ifndef RADPOST_BASE_LIMITS_H
#define RADPOST_BASE_LIMITS_H

#include "proto/base/base.h"

#define LIMIT(name, value, why) static const uint64_t name __attribute__((unused)) = value;
#include "proto/base/limits.def"
#undef LIMIT

#endif
