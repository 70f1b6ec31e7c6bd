/* absences.c - the words of absent_reasons.def. */
#include "proto/model/absences.h"

#include <string.h>

bool
absence_is_reason(const char *word)
{
    static const char *const reasons[] = {
#define REASON(word, meaning, zh) #word,
#include "proto/model/absent_reasons.def"
#undef REASON
    };

    for (size_t i = 0; word != NULL && i < ARRAY_LEN(reasons); i++)
        if (strcmp(reasons[i], word) == 0)
            return true;
    return false;
}

const char *
absence_words(const char *word)
{
    static const struct {
        const char *word, *zh;
    } reasons[] = {
#define REASON(word, meaning, zh) {#word, zh},
#include "proto/model/absent_reasons.def"
#undef REASON
    };

    for (size_t i = 0; i < ARRAY_LEN(reasons); i++)
        if (strcmp(reasons[i].word, word) == 0)
            return reasons[i].zh;
    return "";
}
