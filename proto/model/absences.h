/* absences.h - the words of absent_reasons.def: why an image that a device announced will not come.
 * Pure functions. */
#ifndef RADPOST_MODEL_ABSENCES_H
#define RADPOST_MODEL_ABSENCES_H

#include "proto/base/base.h"

#define ABSENCE_WORD_BYTES 17

/* Is this word one of them? NULL is none. */
bool absence_is_reason(const char *word);
/* With this one it has to be said in words. */
#define ABSENCE_OTHER "other"

#endif
