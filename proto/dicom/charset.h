/* charset.h - bytes of a DICOM text value to UTF-8, by the rules of DESIGN "Text".
 * Devices in China declare Latin-1, or nothing, and send GBK or UTF-8. So the declared set is
 * believed only as far as it can be: the texts of a data set are looked at together, and one
 * reading is chosen for all of them:
 *
 *   declared UTF-8             UTF-8 if every text is, else as if nothing were declared
 *   declared GB18030, GBK      UTF-8 if every text is UTF-8 of Han, else GB18030
 *   declared with ISO 2022     by its escapes; a text with high bytes but no escapes: as below
 *                              when the initial set is ASCII or Latin-1
 *   nothing, ASCII, Latin-1,   UTF-8 if all texts are UTF-8 of Han; else GB18030 if all are Han by
 *   or a set nobody knows      it, one of them of GB 2312; else what was declared
 *   another single-byte set    what was declared (nobody sets a device to Cyrillic by accident)
 *   a profile of the device    that, whatever was declared
 *
 * Decoding comes before splitting at \ ^ =: 118 GBK characters end in a byte 5C. What cannot be
 * read becomes U+FFFD and the method says so. Vectors: ../shared/data/charsets, tests/unit/dicom.
 * Threads: any; conversions share descriptors behind a lock. */
#ifndef RADPOST_DICOM_CHARSET_H
#define RADPOST_DICOM_CHARSET_H

#include "proto/base/buf.h"
#include "proto/dicom/syntax.h"

enum dcm_text_method {
    DCM_TEXT_ASCII,    /* no byte of 0x80 or more, no escapes */
    DCM_TEXT_DECLARED, /* by Specific Character Set */
    DCM_TEXT_PROFILE,  /* by the device's profile */
    DCM_TEXT_UTF8,     /* found to be UTF-8 although something else was declared */
    DCM_TEXT_GB18030,  /* found to be GB18030 (or GBK) although something else was declared */
    DCM_TEXT_BROKEN    /* no reading fits: some characters were replaced */
};

const char *dcm_text_method_name(enum dcm_text_method method); /* "ascii", "declared", ... */

/* The profile to read by, of what devices.conf says of a device (docs/formats/devices.md): GBK for
 * an old console that labels it ISO_IR 100; none for one that only shows pinyin. */
const char *dcm_charset_of_device(const char *charset);

/* One data set's way of reading. */
struct dcm_charset {
    enum dcm_text_method method;
    uint8_t initial;  /* row of the table of sets: what holds before any escape */
    bool is_extended; /* ISO 2022 escapes may occur */
    bool is_free;     /* what was declared proves nothing */
    bool has_profile;
    /* evidence: of the texts with high bytes and without escapes */
    bool has_high, has_escapes, is_utf8, is_utf8_han, is_gb18030_han, has_gb2312;
};

/* Open every converter now, so that later no file is opened (sandboxed workers).
 * errors  ERR_FATAL the C library lacks one */
int dcm_charset_warm(struct err *err) MUST_CHECK;

/* Begin with (0008,0005) as it stands in the data set (n = 0: absent or empty) and the device's
 * profile ("GB18030", "ISO_IR 192", ...; NULL or "" = none). */
void dcm_charset_begin(struct dcm_charset *cs, const char *declared, size_t n, const char *profile);
/* Show it a text value of the data set; all first, then decode. */
void dcm_charset_look(struct dcm_charset *cs, const uint8_t *bytes, size_t n);
/* Choose; cs->method is set. */
void dcm_charset_choose(struct dcm_charset *cs);
/* All of the above for a data set or an item's content: finds its (0008,0005), looks at every text
 * of a standard attribute in it (items that declare a set of their own excepted), and chooses.
 * inherited is the enclosing choice, used when nothing is declared here; NULL at the top. Broken
 * data sets are looked at as far as they go. */
void dcm_charset_scan(struct dcm_charset *cs, const uint8_t *dataset, size_t n,
                      enum dcm_coding coding, const char *profile,
                      const struct dcm_charset *inherited);
/* Append the value as UTF-8; may raise cs->method to DCM_TEXT_BROKEN. Padding is kept. is_name: ^
 * and = end the effect of escapes as \ does (PS3.5 6.1.2.5.3). */
void dcm_charset_decode(struct dcm_charset *cs, const uint8_t *bytes, size_t n, bool is_name,
                        struct buf *out);

#endif
