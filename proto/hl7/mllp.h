/* mllp.h - HL7's frames on a stream: 0B, the message, 1C 0D (Minimal Lower Layer Protocol).
 * No byte of a character in UTF-8 or GB18030 is one of these. Every wait has a deadline; bytes
 * between frames are let through up to LIMIT_HL7_NOISE_BYTES. To end a wait from another thread,
 * shut the socket down.
 * Threads: a stream belongs to one. */
#ifndef RADPOST_HL7_MLLP_H
#define RADPOST_HL7_MLLP_H

#include "proto/base/buf.h"

struct mllp {
    int fd; /* the owner's */
    struct buf in;
    size_t at;    /* of in, looked at */
    size_t noise; /* bytes outside of any frame that the last read passed over, line ends apart */
};

/* limit_bytes: the longest message taken. */
void mllp_init(struct mllp *m, int fd, size_t limit_bytes);
void mllp_fini(struct mllp *m);
/* One message, added to out. idle_ms until it begins, message_ms from there to its end.
 * errors  ERR_NOT_FOUND the peer ended between two messages; ERR_RETRY a deadline, a lost
 *         connection; ERR_REJECT no frame, or too long a one */
int mllp_read(struct mllp *m, int64_t idle_ms, int64_t message_ms, struct buf *out,
              struct err *err) MUST_CHECK;
/* errors  ERR_RETRY */
int mllp_write(struct mllp *m, const void *bytes, size_t n, int64_t limit_ms,
               struct err *err) MUST_CHECK;

/* A listening socket. address: numeric. port 0: any free one.
 * errors  ERR_REJECT the address; ERR_RETRY the port is taken */
int mllp_listen(const char *address, uint16_t port, int *out_fd, uint16_t *out_port,
                struct err *err) MUST_CHECK;
/* errors  ERR_RETRY it cannot be reached within limit_ms */
int mllp_connect(const char *host, uint16_t port, int64_t limit_ms, int *out_fd,
                 struct err *err) MUST_CHECK;

#endif
