/* reads.h - the states of a read and the arrows between them, from read_states.def.
 * Pure functions. */
#ifndef RADPOST_MODEL_READS_H
#define RADPOST_MODEL_READS_H

#include "proto/base/base.h"

enum read_state {
#define STATE(name, word, meaning) name,
#include "proto/model/read_states.def"
    READ_STATES /* how many */
};

/* Changes of state, then notes: lines of the log that change none. */
enum read_event {
#define EVENT(name, word, meaning) name,
#include "proto/model/read_states.def"
#define NOTE(name, word, meaning) name,
#include "proto/model/read_states.def"
    READ_EVENTS /* how many */
};

/* What reader/assign does beside the change of state. */
enum read_action {
    take_agreement, /* agreement and due time */
    drop_agreement,
    take_reader, /* the chosen doctor and the reason */
    drop_reader,
    take_lease,    /* the actor has it */
    drop_lease,    /* nobody has it, nobody is chosen: it is assigned anew */
    take_author,   /* the actor writes, and has it */
    pass_on,       /* the author's lease ends; another doctor is to be chosen */
    take_reviewer, /* the actor reviewed, and has it until it is signed */
    give_back,     /* the author is chosen again; nobody has it */
    take_late,     /* marked: images came late */
    drop_late,     /* marked no more: they were looked at */
    give_back_late,
    let_go /* nobody has it, nobody is chosen */
};

#define READ_BIT(state) (1u << (state))

/* Where an event leads from a state; false when the pair is not in the table. */
bool read_next(enum read_state from, enum read_event event, enum read_state *out_to,
               enum read_action *out_action) MUST_CHECK;
bool read_event_is_note(enum read_event event);
const char *read_state_word(enum read_state state);
const char *read_state_meaning(enum read_state state);
const char *read_event_word(enum read_event event);
const char *read_event_meaning(enum read_event event);
/* -1 when there is no such word. */
int read_state_from_word(const char *word);
int read_event_from_word(const char *word);

#endif
