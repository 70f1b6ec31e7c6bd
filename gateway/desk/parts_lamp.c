/* parts_lamp.c - which parts do not run, as the desk's state tells it. */
#include "gateway/desk/parts_lamp.h"

#include "gateway/desk/lamps.h"

#include <stdio.h>

const char *
desk_part_word(enum desk_part part)
{
    static const char *const words[] = {
#define PART(name, word, sentence) [name] = word,
#include "gateway/desk/gateway_parts.def"
#undef PART
    };

    CHECK((size_t)part < ARRAY_LEN(words));
    return words[part];
}

void
parts_words(const struct desk_troubles *troubles, char out[PART_WORDS_BYTES])
{
    size_t n = 0;

    out[0] = '\0';
    for (enum desk_part p = 0; p < DESK_PARTS; p++)
        if (troubles->of[p][0] != '\0')
            n += (size_t)snprintf(out + n, PART_WORDS_BYTES - n, "%s%s", n > 0 ? "," : "",
                                  desk_part_word(p));
    CHECK(n < PART_WORDS_BYTES);
}

void
parts_lamp_write(struct jsonw *w, const struct desk_troubles *troubles)
{
    bool is_open = false;

    for (enum desk_part p = 0; p < DESK_PARTS; p++) {
        if (troubles->of[p][0] == '\0')
            continue;
        if (!is_open) {
            jsonw_object(w, "parts");
            jsonw_text(w, "word", lamp_word(LAMP_PARTS_AWAY));
            jsonw_text(w, "colour", lamp_colour(LAMP_PARTS_AWAY));
            jsonw_array(w, "parts");
            is_open = true;
        }
        jsonw_object(w, NULL);
        jsonw_text(w, "part", desk_part_word(p));
        jsonw_text(w, "trouble", troubles->of[p]);
        jsonw_end(w);
    }
    if (is_open) {
        jsonw_end(w);
        jsonw_end(w);
    }
}
