/* negotiate.h - which representation a client of DICOMweb gets: Accept headers against our offers.
 * Media ranges as RFC 9110 12.5.1 spells them, with the DICOM parameters of PS3.18 8.7.3:
 *     multipart/related; type="application/dicom"; transfer-syntax=*; q=0.9
 * Parameters may be quoted or not: OHIF leaves the quotes out. Pure functions, no state. */
#ifndef RADPOST_STORAGE_SERVE_NEGOTIATE_H
#define RADPOST_STORAGE_SERVE_NEGOTIATE_H

#include "proto/base/err.h"

enum { NEGOTIATE_RANGES = 32, NEGOTIATE_TYPE = 80, NEGOTIATE_SYNTAX = 65 };

/* One media range of the header. */
struct media_range {
    char type[NEGOTIATE_TYPE]; /* "multipart/related", "image/jpeg", "image/" + "*", lower case */
    char related[NEGOTIATE_TYPE];  /* the part's type of a multipart/related; "" if not given */
    char syntax[NEGOTIATE_SYNTAX]; /* transfer-syntax: a UID, "*", or "" if not given */
    int q_milli;                   /* 0..1000 */
};

struct media_list {
    struct media_range ranges[NEGOTIATE_RANGES];
    size_t n;
};

/* What we could send, best first as far as we are concerned. */
struct media_offer {
    const char *type;   /* of the body, or of each part */
    const char *syntax; /* transfer syntax UID, NULL where none applies */
    bool is_multipart;  /* multipart/related around it */
    bool is_default;    /* sent for a range that names no transfer syntax */
};

/* Read an Accept header and the accept= query parameter (either may be NULL); the parameter, where
 * given, comes in the header's place (PS3.18 8.3.3.1). Nothing given: one range "any". Ranges past
 * NEGOTIATE_RANGES and parameters that mean nothing here are passed over.
 * errors  ERR_REJECT not of the grammar */
int media_list_read(const char *header, const char *parameter, struct media_list *out,
                    struct err *err) MUST_CHECK;

/* Index of the offer to send: the highest q wins, among equals the client's more specific range,
 * then the earlier range, then the earlier offer. A q of 0 forbids. -1: nothing fits (answer 406).
 */
int media_choose(const struct media_list *list, const struct media_offer *offers, size_t n);

#endif
