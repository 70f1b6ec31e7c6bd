/* dimse_match.h - attribute matching of queries (PS3.4 C.2.2.2), on texts in UTF-8.
 * An empty key, or one of asterisks only, asks nothing and is the caller's to pass over first
 * (dimse_key_asks). Pure functions. */
#ifndef RADPOST_DICOM_DIMSE_MATCH_H
#define RADPOST_DICOM_DIMSE_MATCH_H

#include "proto/base/base.h"

bool dimse_key_asks(const char *key);
/* One of the UIDs or codes between backslashes is this value, padding aside. */
bool dimse_match_list(const char *key, const char *value);
/* Single value and wild card matching: * any run, ? one character. */
bool dimse_match_text(const char *key, const char *value);
/* The same for person names: case does not count (of ASCII letters), empty components at the end
 * neither, and a key matches the whole name or one of its groups (alphabetic, ideographic,
 * phonetic). */
bool dimse_match_name(const char *key, const char *value);

/* A day or time, or a range of them, with both ends filled in or "": compare them as text with
 * values without trailing zeros. Times: 1200 begins at "12" and ends at "120059.999999". Days also
 * as 2026.01.31 (PS3.5 6.2, of old consoles), and a range of times may end at 24, 2400 or 240000.
 * False: not a value or range of this kind. */
struct dimse_range {
    char from[20], to[20];
};
bool dimse_range_read(const char *key, bool is_day, struct dimse_range *out);
/* A value that is absent or no day or time is in no range. */
bool dimse_range_holds(const struct dimse_range *range, bool is_day, const char *value);

#endif
