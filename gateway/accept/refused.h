/* refused.h - the durable list of callers that were refused, for the desk to enrol or to block.
 * DIR/refused.tsv, one caller a line: first and last time (UTC microseconds), how often, whether
 * only the called title was wrong, calling, called, address; parted by tabs. At most REFUSED_MAX;
 * then the one refused longest ago goes. Counts are written at most once a minute.
 * Threads: a list belongs to its owner. */
#ifndef RADPOST_ACCEPT_REFUSED_H
#define RADPOST_ACCEPT_REFUSED_H

#include "gateway/accept/accept.h"

#define REFUSED_FILE "refused.tsv"
#define REFUSED_MAX 200

struct refused {
    struct accept_refused rows[REFUSED_MAX];
    size_t n;
    int64_t written_us;
    bool is_dirty;
};

/* A file that is not there is an empty list; lines that cannot be read are left out and counted. */
int refused_read(const char *dir, struct refused *out, size_t *out_bad, struct err *err) MUST_CHECK;
/* Count a refusal; is_due: it should be written now. */
void refused_add(struct refused *list, const struct dimse_peer *peer, bool is_called_wrong,
                 int64_t now_us, bool *out_is_due);
void refused_forget(struct refused *list, const char *calling, const char *address);
int refused_write(const char *dir, struct refused *list, int64_t now_us,
                  struct err *err) MUST_CHECK;

#endif
