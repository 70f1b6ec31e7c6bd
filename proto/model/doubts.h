/* doubts.h - what is odd about whose images these are: the table doubts.def, and what one instance
 * alone can tell. Nothing here keeps or logs what a patient is called. Threads: pure functions. */
#ifndef RADPOST_MODEL_DOUBTS_H
#define RADPOST_MODEL_DOUBTS_H

#include "proto/base/buf.h"
#include "proto/base/jsonw.h"

enum doubt {
#define DOUBT(name, bit, word, holds, en, zh) name = 1u << (bit),
#include "proto/model/doubts.def"
#undef DOUBT
};

enum { DOUBT_WORDS_BYTES = 257 }; /* all words, parted by blanks */

/* "id_check" ...; NULL when the bit (exactly one) is not in the table. */
const char *doubt_word(uint32_t bit);
/* The bit of a word, 0 when there is none. */
uint32_t doubt_of_word(const char *word);
/* Those of the bits (of the words, parted by blanks) that signing waits for. Words nobody knows
 * hold. */
uint32_t doubts_that_hold(uint32_t doubts);
bool doubts_words_hold(const char *words);
/* Of these words, is one that holds not among the confirmed ones? */
bool doubts_are_open(const char *words, const char *confirmed);
/* "id_check id_sex" in the order of the table, and back; unknown words are left out of bits. */
void doubts_write(uint32_t doubts, char out[DOUBT_WORDS_BYTES]);
uint32_t doubts_read(const char *words);
/* "KEY": ["id_check", ...] */
void doubts_json(struct jsonw *w, const char *key, uint32_t doubts);

/* What one instance says, as UTF-8. */
struct doubts_seen {
    const char *patient_id, *sex, *birth, *study_date, *study_uid, *series_uid;
    bool is_uid_made; /* study_uid or series_uid: the file's own cannot be used (made_uid.h) */
    bool is_text_broken;
    bool is_old_welcome; /* imported: an old exam is nothing odd */
    int64_t now_us;      /* when it arrived, by a clock that is believed; 0: none is */
};

/* The doubts that need no other instance: ID_CHECK, ID_SEX, ID_BIRTH, STUDY_DATE, STUDY_OLD,
 * NO_PATIENT, BAD_UID, MADE_UID, TEXT. A citizen number is looked for in Patient ID: 15 or 18 signs
 * of its form; numbers of other forms are the clinic's own and say nothing. Without a clock that is
 * believed only dates that no clock could make right are doubted (before 1990, after 2090). */
uint32_t doubts_of_instance(const struct doubts_seen *seen);
/* "", "1", "0000", "unknown", "test", "无名氏" ...: what consoles and people put in when they have
 * nothing. */
bool doubts_is_placeholder(const char *patient_id);

#endif
