/* absences.h - the words of absent_reasons.def: why an image will not come.
 * Pure functions. */
#ifndef RADPOST_MODEL_ABSENCES_H
#define RADPOST_MODEL_ABSENCES_H

#include "proto/base/base.h"

#define ABSENCE_WORD_BYTES 17

/* Is this word one of them? NULL is none. */
bool absence_is_reason(const char *word);
/* What it means, in Chinese, for a report's readers; "" for a word that is none of them. */
const char *absence_words(const char *word);
/* With this one it has to be said in words. */
#define ABSENCE_OTHER "other"
/* Was here, and is not any more. */
#define ABSENCE_LOST "lost"

#endif
