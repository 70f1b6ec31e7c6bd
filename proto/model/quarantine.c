/* quarantine.c - the words of quarantine.def. */
#include "proto/model/quarantine.h"

#include <string.h>

static const struct {
    const char *word;
    const char *meaning;
} words[] = {
#define QUARANTINE(name, word, meaning) [name] = {word, meaning},
#include "proto/model/quarantine.def"
#undef QUARANTINE
};

const char *
quarantine_word(enum quarantine why)
{
    return words[(unsigned)why < QUARANTINES ? why : QUARANTINE_OTHER].word;
}

const char *
quarantine_meaning(enum quarantine why)
{
    return words[(unsigned)why < QUARANTINES ? why : QUARANTINE_OTHER].meaning;
}

enum quarantine
quarantine_of(const char *reason)
{
    size_t n = strcspn(reason, ": ");

    for (int i = 0; i < QUARANTINES; i++)
        if (strlen(words[i].word) == n && memcmp(words[i].word, reason, n) == 0)
            return (enum quarantine)i;
    return QUARANTINE_OTHER;
}

int
quarantine_from_word(const char *word)
{
    for (int i = 0; i < QUARANTINES; i++)
        if (strcmp(words[i].word, word) == 0)
            return i;
    return -1;
}
