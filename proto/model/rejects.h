/* rejects.h - the words of reject_reasons.def: why an image is not good enough, or is thrown away.
 * Pure functions. */
#ifndef RADPOST_MODEL_REJECTS_H
#define RADPOST_MODEL_REJECTS_H

#include "proto/base/base.h"

#define REJECT_WORD_BYTES 17

/* Is this word one of them? NULL is none. */
bool reject_is_reason(const char *word);
/* Each in turn, from 0; NULL past the last. */
const char *reject_reason(size_t n);

#endif
