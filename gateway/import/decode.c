/* decode.c - what cannot go as it is: a worker decodes it, and the pixels go into the spool.
 * Decoding gives the same bytes each time, so invariant 3 holds. */
#include "gateway/import/import_own.h"

#include "proto/base/durable.h"
#include "proto/base/text.h"
#include "proto/codec/codec.h"
#include "proto/dicom/syntax.h"

#include <sys/mman.h>
#include <unistd.h>

static int
into_fd(void *user, const void *bytes, size_t n, struct err *err)
{
    return n > 0 ? durable_write(*(int *)user, bytes, n, err) : 0;
}

/* The instance in its retired syntax, for eyes of a worker only.
 * out_fd  the caller closes */
static int
write_retired(const struct wrap_plan *plan, const struct wrap_source *source, int *out_fd,
              uint64_t *out_n, struct err *err)
{
    int fd = memfd_create("import-retired", MFD_CLOEXEC);
    off_t end;

    if (fd < 0)
        return err_sys(err, ERR_RETRY, "make room for a picture");
    if (wrap_plan_write(plan, source, into_fd, &fd, err) < 0)
        goto fail;
    end = lseek(fd, 0, SEEK_CUR);
    if (end < 0) {
        (void)err_sys(err, ERR_RETRY, "make room for a picture");
        goto fail;
    }
    *out_fd = fd;
    *out_n = (uint64_t)end;
    return 0;
fail:
    close(fd);
    return -1;
}

static int
decode(struct import *im, const struct wrap_plan *plan, const struct wrap_source *source,
       int source_fd, int *out_fd, struct err *err)
{
    struct codec_source from = {.fd = source_fd, .size = source->n};
    uint64_t size;
    int rc;

    if (plan->needs == WRAP_NEEDS_PIXELS)
        return codec_png(im->options.pool, &from, out_fd, &size, err);
    if (write_retired(plan, source, &from.fd, &from.size, err) < 0)
        return -1;
    rc = codec_transcode(im->options.pool, &from, DCM_UID_EXPLICIT_LE, out_fd, &size, err);
    close(from.fd);
    return rc;
}

/* The mapping is ours alone: what is written there goes into no file. */
static int
set_upright(const struct wrap_source *decoded, unsigned orientation, struct err *err)
{
    uint8_t *bytes = (uint8_t *)(uintptr_t)decoded->bytes;

    if (orientation <= 1 || decoded->n == 0)
        return 0;
    if (mprotect(bytes, decoded->n, PROT_READ | PROT_WRITE) < 0)
        return err_sys(err, ERR_RETRY, "turn a picture");
    return turn_picture(bytes, decoded->n, orientation, err);
}

int
decode_commit(struct import *im, struct wrap_facts *as, const struct wrap_plan *plan,
              const struct wrap_source *source, int source_fd, uint64_t *out_entry, struct err *err)
{
    bool is_instance = plan->needs == WRAP_NEEDS_NATIVE;
    struct wrap_source decoded = *source;
    int fd = -1, rc;

    if (im->options.pool == NULL)
        return err_set(err, ERR_REJECT, "nothing here decodes such a picture");
    if (decode(im, plan, source, source_fd, &fd, err) < 0)
        return -1;
    rc = map_begin(fd, &decoded.bytes, &decoded.n, err);
    close(fd);
    if (rc < 0)
        return -1;
    if (is_instance)
        text_copy(as->transfer_syntax, sizeof as->transfer_syntax, DCM_UID_EXPLICIT_LE);
    rc = is_instance ? set_upright(&decoded, plan->orientation, err) : 0;
    if (rc == 0)
        rc = bind_commit(im, as, is_instance ? NULL : plan, &decoded, out_entry, NULL, err);
    map_end(decoded.bytes, decoded.n);
    return rc;
}
