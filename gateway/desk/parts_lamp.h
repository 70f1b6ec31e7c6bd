/* parts_lamp.h - parts of this gateway that do not run although they are to: each costs itself, and
 * never an image. A red lamp while there is one. Threads: any. */
#ifndef RADPOST_DESK_PARTS_LAMP_H
#define RADPOST_DESK_PARTS_LAMP_H

#include "proto/base/jsonw.h"

enum desk_part {
#define PART(name, word, sentence) name,
#include "gateway/desk/gateway_parts.def"
#undef PART
    DESK_PARTS
};

enum { PART_TROUBLE_BYTES = 320, PART_WORDS_BYTES = 160 };

/* Of each part what is the matter, for operators; "": nothing. */
struct desk_troubles {
    char of[DESK_PARTS][PART_TROUBLE_BYTES];
};

const char *desk_part_word(enum desk_part part);
/* The words of those that do not run, a comma between two; "": all run. */
void parts_words(const struct desk_troubles *troubles, char out[PART_WORDS_BYTES]);
/* Nothing while there is nothing to be said. */
void parts_lamp_write(struct jsonw *w, const struct desk_troubles *troubles);

#endif
