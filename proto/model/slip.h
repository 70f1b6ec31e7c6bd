/* slip.h - the code on the patient's slip: what opens the patient page, together with the phone.
 *
 *     K7M2-4XJ9-0B6Z-TQ3D      15 letters of 5 random bits (75 bits) and one check letter,
 * in Crockford's base 32. The check letter is a sum over GF(32) with a weight of its own for each
 * place: every single wrong letter and every two letters that changed places are noticed before
 * anything is asked of a server. Only slip_digest() of a code leaves the clinic, so neither a
 * database nor a log of the centre holds anything that opens a page.
 * Threads: pure functions. */
#ifndef RADPOST_MODEL_SLIP_H
#define RADPOST_MODEL_SLIP_H

#include "proto/trust/digest.h"

enum { SLIP_LETTERS = 16, SLIP_TEXT_BYTES = 20 }; /* with three hyphens and the zero */
enum { SLIP_TYPED_BYTES = 96 };                   /* more than this nobody types */

/* A fresh code, as it is printed. */
void slip_new(char out_text[SLIP_TEXT_BYTES]);
/* What somebody typed, as it was printed: case, hyphens, blanks and full-width forms do not matter,
 * I and L are read as 1, O as 0.
 * errors  ERR_REJECT with words for the one who types; they never hold the code */
int slip_read(const char *typed, char out_text[SLIP_TEXT_BYTES], struct err *err) MUST_CHECK;
/* SHA-256 of "radpost.slip/1:" and the 16 letters without hyphens. text is from slip_new() or
 * slip_read(). */
void slip_digest(const char text[SLIP_TEXT_BYTES], uint8_t out_sha256[DIGEST_BYTES]);

#endif
