/* rejects.c - the words of reject_reasons.def. */
#include "proto/model/rejects.h"

#include <string.h>

static const char *const reasons[] = {
#define REASON(word, meaning) #word,
#include "proto/model/reject_reasons.def"
#undef REASON
};

bool
reject_is_reason(const char *word)
{
    for (size_t i = 0; word != NULL && i < ARRAY_LEN(reasons); i++)
        if (strcmp(reasons[i], word) == 0)
            return true;
    return false;
}

const char *
reject_reason(size_t n)
{
    return n < ARRAY_LEN(reasons) ? reasons[n] : NULL;
}
