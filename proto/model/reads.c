/* reads.c - the dispatcher over read_states.def. */
#include "proto/model/reads.h"

#include <string.h>

struct named {
    const char *word;
    const char *meaning;
};

struct row {
    enum read_state from;
    enum read_event event;
    enum read_state to;
    enum read_action action;
};

static const struct named states[] = {
#define STATE(name, word, meaning) [name] = {word, meaning},
#include "proto/model/read_states.def"
};

static const struct named events[] = {
#define EVENT(name, word, meaning) [name] = {word, meaning},
#include "proto/model/read_states.def"
#define NOTE(name, word, meaning) [name] = {word, meaning},
#include "proto/model/read_states.def"
};

static const struct row rows[] = {
#define ROW(from, event, to, action) {from, event, to, action},
#include "proto/model/read_states.def"
};

bool
read_next(enum read_state from, enum read_event event, enum read_state *out_to,
          enum read_action *out_action)
{
    for (size_t i = 0; i < ARRAY_LEN(rows); i++)
        if (rows[i].from == from && rows[i].event == event) {
            *out_to = rows[i].to;
            *out_action = rows[i].action;
            return true;
        }
    return false;
}

bool
read_event_is_note(enum read_event event)
{
    return event >= READ_NOTE_OPENED && event < READ_EVENTS;
}

const char *
read_state_word(enum read_state state)
{
    return (unsigned)state < READ_STATES ? states[state].word : "unknown";
}

const char *
read_state_meaning(enum read_state state)
{
    return (unsigned)state < READ_STATES ? states[state].meaning : "";
}

const char *
read_event_word(enum read_event event)
{
    return (unsigned)event < READ_EVENTS ? events[event].word : "unknown";
}

const char *
read_event_meaning(enum read_event event)
{
    return (unsigned)event < READ_EVENTS ? events[event].meaning : "";
}

static int
from_word(const struct named *list, size_t n, const char *word)
{
    for (size_t i = 0; i < n; i++)
        if (strcmp(list[i].word, word) == 0)
            return (int)i;
    return -1;
}

int
read_state_from_word(const char *word)
{
    return from_word(states, ARRAY_LEN(states), word);
}

int
read_event_from_word(const char *word)
{
    return from_word(events, ARRAY_LEN(events), word);
}
