/* commit_file.h - one commitment transaction, and how it stands on disk (docs/formats/serve.md).
 * Threads: pure functions; a transaction belongs to its owner. */
#ifndef RADPOST_SERVE_COMMIT_FILE_H
#define RADPOST_SERVE_COMMIT_FILE_H

#include "gateway/serve/commit_message.h"

/* The numbers are on disk. */
enum commit_state {
    COMMIT_OPEN = 1,    /* not every instance is decided */
    COMMIT_DECIDED = 2, /* the device is to be told */
    COMMIT_GIVEN_UP = 3 /* it could not be told; kept for people to see */
};

struct commit {
    uint64_t number; /* names its file; grows */
    enum commit_state state;
    char transaction[65];
    char ae[17];      /* who asked */
    char address[46]; /* from where */
    char called[17];  /* by which title it called us */
    int64_t asked_at_us;
    uint64_t grace_used_ms; /* of running time, while something was missing */
    uint64_t tried_ms;      /* of running time, since it was decided */
    uint32_t attempts;      /* to tell the device */
    char trouble[160];      /* why the last one failed; ours, no patient data */
    struct commit_ref *refs;
    size_t n;
};

#define COMMIT_FILE_BYTES (16u << 20)

void commit_free(struct commit **commit);
void commit_write(const struct commit *commit, struct buf *out);
/* errors  ERR_REJECT torn, rotten, or no such file; ERR_CONFLICT of a newer major version */
int commit_read(const uint8_t *bytes, size_t n, struct commit **out, struct err *err) MUST_CHECK;

#endif
