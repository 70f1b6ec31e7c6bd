/* quarantine.h - the words that begin the reason of every quarantine, from quarantine.def.
 * A reason reads "WORD" or "WORD: more", without patient data. Pure functions. */
#ifndef RADPOST_MODEL_QUARANTINE_H
#define RADPOST_MODEL_QUARANTINE_H

#include "proto/base/base.h"

#define QUARANTINE_WORD_BYTES 17

enum quarantine {
#define QUARANTINE(name, word, meaning) name,
#include "proto/model/quarantine.def"
#undef QUARANTINE
    QUARANTINES /* how many */
};

const char *quarantine_word(enum quarantine why);
const char *quarantine_meaning(enum quarantine why); /* for an operator */
/* Which word a reason begins with; QUARANTINE_OTHER when with none. */
enum quarantine quarantine_of(const char *reason);
/* -1 when there is no such word. */
int quarantine_from_word(const char *word);

#endif
