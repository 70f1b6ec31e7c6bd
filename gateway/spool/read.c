/* read.c - the beginning of an entry's file, in memory. */
#include "gateway/spool/spool.h"

#include "proto/base/durable.h"
#include "proto/base/base.h"

#include <stdlib.h>
#include <unistd.h>

int
spool_read_received(struct spool *sp, uint64_t id, size_t most, uint8_t **out_bytes, size_t *out_n,
                    bool *out_is_all, struct err *err)
{
    struct spool_bytes source;
    uint8_t *bytes;
    size_t n;
    int rc;

    if (spool_source_received(sp, id, &source, err) < 0)
        return -1;
    n = source.size < most ? (size_t)source.size : most;
    bytes = mem_new(n + 1);
    rc = durable_read_at(source.fd, bytes, n, source.offset, err);
    close(source.fd);
    if (rc < 0) {
        free(bytes);
        return err_set(err, ERR_RETRY, "the instance could not be read");
    }
    *out_bytes = bytes;
    *out_n = n;
    if (out_is_all != NULL)
        *out_is_all = n == source.size;
    return 0;
}
