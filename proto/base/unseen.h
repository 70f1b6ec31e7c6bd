/* unseen.h - signs that nobody sees and that still tell one text from another. Pure functions. */
#ifndef RADPOST_BASE_UNSEEN_H
#define RADPOST_BASE_UNSEEN_H

#include "proto/base/base.h"

/* Bytes of the sign beyond ASCII that begins UTF-8 text and shows nothing: a blank of another kind
 * (no-break, ideographic ...; *out_is_blank), or one without any width, as copies from other
 * programs bring them (zero width blanks, byte order marks, marks of direction, selectors of a
 * glyph). 0: another sign. */
size_t unseen_bytes(const char *text, bool *out_is_blank);
/* In place: without such signs; blanks of other kinds as blanks, the ideographic one, which has its
 * place in Chinese text, as it is. None of them is left at the beginning or the end. */
void unseen_drop(char *text);

#endif
