/* states.h - the states of an instance and the arrows between them, from instance_states.def.
 * Pure functions. */
#ifndef RADPOST_MODEL_STATES_H
#define RADPOST_MODEL_STATES_H

#include "proto/base/base.h"

enum instance_state {
#define STATE(name, word, meaning) name,
#include "proto/model/instance_states.def"
    INSTANCE_STATES /* how many */
};

enum instance_event {
#define EVENT(name, number) name = number,
#include "proto/model/instance_states.def"
};

/* A set of states: INSTANCE_BIT(INSTANCE_CODED) | INSTANCE_BIT(INSTANCE_PLAIN). */
#define INSTANCE_BIT(state) (1u << (state))
#define INSTANCE_ANY ((1u << INSTANCE_STATES) - 1)
/* Never on a study's list: kept aside, thrown away, or a copy of another. */
#define INSTANCE_UNLISTED                                                                          \
    (INSTANCE_BIT(INSTANCE_QUARANTINED) | INSTANCE_BIT(INSTANCE_DUPLICATE) |                       \
     INSTANCE_BIT(INSTANCE_DISCARDED))

/* Where an event leads from a state; false when the pair is not in the table. */
bool instance_next(enum instance_state from, enum instance_event event,
                   enum instance_state *out_to) MUST_CHECK;
const char *instance_state_word(enum instance_state state);
/* What the state means, for an operator. */
const char *instance_state_meaning(enum instance_state state);
/* -1 when there is no such word. */
int instance_state_from_word(const char *word);

#endif
