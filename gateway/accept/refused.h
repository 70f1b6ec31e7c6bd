/* refused.h - the durable list of callers that are not enrolled: refused, or let in as strangers
 * while the installation window was open; for the desk to enrol.
 * DIR/refused.tsv, one caller a line: docs/formats/devices.md. At most REFUSED_MAX; then the one
 * refused longest ago goes, strangers last. Counts are written at most once a minute.
 * Threads: a list belongs to its owner. */
#ifndef RADPOST_ACCEPT_REFUSED_H
#define RADPOST_ACCEPT_REFUSED_H

#include "gateway/accept/accept.h"

#define REFUSED_FILE "refused.tsv"
#define REFUSED_MAX 200
#define REFUSED_STRANGERS_MAX 50 /* more are not let in */
struct refused {
    struct accept_refused rows[REFUSED_MAX];
    size_t n;
    int64_t written_us;
    bool is_dirty;
};

/* A file that is not there is an empty list; lines that cannot be read are left out and counted. */
int refused_read(const char *dir, struct refused *out, size_t *out_bad, struct err *err) MUST_CHECK;
/* Count a refusal (or a stranger); is_due: it should be written now. */
void refused_add(struct refused *list, const struct dimse_peer *peer, enum accept_refusal why,
                 int64_t now_us, bool *out_is_due);
/* The row of this very caller; NULL. */
const struct accept_refused *refused_find(const struct refused *list,
                                          const struct dimse_peer *peer);
size_t refused_strangers(const struct refused *list);
/* Take out the rows that is_gone says; how many. */
size_t refused_forget(struct refused *list,
                      bool (*is_gone)(const struct accept_refused *row, const void *user),
                      const void *user);
int refused_write(const char *dir, struct refused *list, int64_t now_us,
                  struct err *err) MUST_CHECK;

#endif
