/* lines.h - the lines of a gateway to its centre as somebody wrote them down: lines.conf.
 * Format: docs/formats/lines.md. Strict: a mistake names its line and nothing of the file counts,
 * but for whoever has no other table (lines_read_good). Pure but for those that read. */
#ifndef RADPOST_UPLINK_LINES_H
#define RADPOST_UPLINK_LINES_H

#include "gateway/uplink/hours.h"

enum {
    LINES_MAX = 4,
    LINE_NAME_BYTES = 33,
    LINE_TEXT_BYTES = 256,
    LINE_RANK_MAX = 9,
    LINE_CONNECTIONS_MAX = 16,
    LINES_FILE_BYTES = 65536
};

struct line_settings {
    char name[LINE_NAME_BYTES];
    unsigned rank;                    /* 1..9; the least that works carries the images */
    unsigned connections;             /* 1..16; 0: link_connections */
    char url[LINE_TEXT_BYTES];        /* of the centre over this line; "": as enrolled */
    char proxy[LINE_TEXT_BYTES];      /* http://host:port; "": none */
    char proxy_user[LINE_TEXT_BYTES]; /* file that holds user:password; "": none */
    char source[64]; /* name of an interface, or an address of ours; "": the routes decide */
    bool has_rate;   /* else link_rate */
    struct hours rate;
};

struct lines {
    struct line_settings at[LINES_MAX];
    size_t n;
};

/* path: of the file, for relative names in it and for the words of an error.
 * errors  ERR_REJECT "FILE:LINE: what is wrong" */
int lines_parse(const char *path, const uint8_t *bytes, size_t n, struct lines *out,
                struct err *err) MUST_CHECK;
/* errors  ERR_NOT_FOUND there is none, ERR_REJECT */
int lines_read(const char *path, struct lines *out, struct err *err) MUST_CHECK;
/* The same, and *out is set in any case: with a mistake to the lines that have none, perhaps none.
 */
int lines_read_good(const char *path, struct lines *out, struct err *err) MUST_CHECK;
/* What a proxy wants to hear: the file's one line, user:password.
 * errors  ERR_REJECT it cannot be read, or is not such a line */
int lines_read_user(const char *path, char out[LINE_TEXT_BYTES], struct err *err) MUST_CHECK;

#endif
