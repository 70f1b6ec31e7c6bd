/* states.c - the dispatcher over instance_states.def. */
#include "proto/model/states.h"

#include <string.h>

struct state {
    const char *word;
    const char *meaning;
};

struct row {
    enum instance_state from;
    enum instance_event event;
    enum instance_state to;
};

static const struct state states[] = {
#define STATE(name, word, meaning) [name] = {word, meaning},
#include "proto/model/instance_states.def"
};

static const struct row rows[] = {
#define ROW(from, event, to, action) {from, event, to},
#include "proto/model/instance_states.def"
};

bool
instance_next(enum instance_state from, enum instance_event event, enum instance_state *out_to)
{
    for (size_t i = 0; i < ARRAY_LEN(rows); i++)
        if (rows[i].from == from && rows[i].event == event) {
            *out_to = rows[i].to;
            return true;
        }
    return false;
}

const char *
instance_state_word(enum instance_state state)
{
    return (unsigned)state < INSTANCE_STATES ? states[state].word : "unknown";
}

const char *
instance_state_meaning(enum instance_state state)
{
    return (unsigned)state < INSTANCE_STATES ? states[state].meaning : "";
}

int
instance_state_from_word(const char *word)
{
    for (int i = 0; i < INSTANCE_STATES; i++)
        if (strcmp(states[i].word, word) == 0)
            return i;
    return -1;
}
