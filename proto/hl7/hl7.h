/* hl7.h - HL7 v2.x messages in their ER7 form, read and written.
 * Reading: the bytes become UTF-8 first and are cut up afterwards (118 GBK characters end in the
 * byte of \, others in those of ^ and |). What MSH-18 declares is believed as far as charset.h
 * believes it; undeclared text that is UTF-8 is UTF-8, else GB18030 if it is Chinese by that.
 * Separators are those of MSH-1 and MSH-2. Escapes \F\ \S\ \T\ \R\ \E\ and \X..\ (bytes in the
 * message's own set) are undone, \.br\ is a line end, other formatting is left out; a lone
 * backslash stays. "" (two quotes) reads as nothing. Segments end with CR; LF is let through.
 * Limits: LIMIT_HL7_*. Errors name a segment and a field, never their content.
 * Threads: a message may be read by several. HL7 v2.5.1 chapter 2. */
#ifndef RADPOST_HL7_HL7_H
#define RADPOST_HL7_HL7_H

#include "proto/base/buf.h"

struct hl7_message;

/* profile: how to read whatever is declared ("GB18030", "ISO_IR 192"); NULL or "": by the above.
 * errors  ERR_REJECT no MSH, separators that are none, too long, a zero byte */
int hl7_parse(const uint8_t *bytes, size_t n, const char *profile, struct hl7_message **out,
              struct err *err) MUST_CHECK;
void hl7_free(struct hl7_message **m);

size_t hl7_count(const struct hl7_message *m);
const char *hl7_name(const struct hl7_message *m, size_t segment); /* "PID" */
/* The first segment of that name at or after from, and before the end (0: the message's); -1. */
int hl7_find(const struct hl7_message *m, const char *name, size_t from, size_t end);

/* Where something stands; what is 0 counts as 1. MSH-1 is field 1 of the segment MSH. */
struct hl7_at {
    size_t segment;
    unsigned field, repetition, component, sub;
};
/* Repetitions of a field; 0: it is not there or empty. */
unsigned hl7_repetitions(const struct hl7_message *m, size_t segment, unsigned field);
/* UTF-8 with line ends as \n and no other control characters; "" when it is not there. False: it
 * was cut, at a whole character. */
bool hl7_get(const struct hl7_message *m, struct hl7_at at, char *out, size_t size);
/* The same of the first segment of a name. */
bool hl7_get_of(const struct hl7_message *m, const char *name, unsigned field, unsigned component,
                char *out, size_t size);

/* ---- writing ---- */

enum hl7_charset { HL7_UTF8, HL7_GB18030, HL7_CHARSETS };

const char *hl7_charset_word(enum hl7_charset charset); /* of MSH-18 */
/* "UTF-8", "GB18030"; false: neither. */
bool hl7_charset_of(const char *word, enum hl7_charset *out);

/* Fields go from left to right; what lies between is left empty. */
struct hl7_writer {
    struct buf *out; /* UTF-8 */
    unsigned field, repetition, component;
    unsigned first; /* MSH: its first field is the separator itself */
};
void hl7_write_init(struct hl7_writer *w, struct buf *out);
void hl7_segment(struct hl7_writer *w, const char *name);
/* Escaped; \n becomes \.br\. NULL and "" only move on. */
void hl7_put(struct hl7_writer *w, unsigned field, unsigned component, const char *text);
void hl7_put_again(struct hl7_writer *w, unsigned field, unsigned repetition, unsigned component,
                   const char *text);
void hl7_put_number(struct hl7_writer *w, unsigned field, unsigned component, uint64_t v);
/* YYYYMMDDHHMMSS+ZZZZ in the process's own time; 0: nothing. */
void hl7_put_time(struct hl7_writer *w, unsigned field, unsigned component, int64_t at_us);
void hl7_segment_end(struct hl7_writer *w);
/* The same message in the set it goes in.
 * errors  ERR_REJECT past out's limit; ERR_FATAL the C library lacks the set */
int hl7_encode(enum hl7_charset charset, const struct buf *utf8, struct buf *out,
               struct err *err) MUST_CHECK;

/* MSH as every message of ours begins. */
struct hl7_head {
    const char *our_application, *our_facility;
    const char *application, *facility; /* whom it is for */
    const char *code, *event, *structure;
    const char *control;    /* MSH-10 */
    const char *processing; /* "P" */
    const char *version;    /* "2.5.1" */
    enum hl7_charset charset;
    int64_t at_us;
};
void hl7_put_head(struct hl7_writer *w, const struct hl7_head *head);

/* ---- answers ---- */

struct hl7_answer {
    const char *code;     /* "AA" "AE" "AR" */
    const char *error;    /* of table 0357: "207" ...; NULL: none */
    const char *sentence; /* what is wrong, ASCII; NULL: nothing */
    const char *place;    /* ERR-2: "ORC^1^1"; NULL: nowhere */
    const char *our_application, *our_facility;
    const char *control; /* of the answer */
    int64_t at_us;
};
/* ACK to a message; to NULL: one that could not be read. ASCII. */
void hl7_write_answer(const struct hl7_message *to, const struct hl7_answer *answer,
                      struct buf *out);

#endif
