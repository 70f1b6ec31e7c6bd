/* fuzz_leaving.c - a stored file as it leaves: all of it can be read, and it says what it is known
 * by then, so that it would leave unchanged; and coming back it can be looked into. */
#include "proto/dicom/coerce.h"
#include "proto/dicom/dataset_digest.h"
#include "proto/dicom/leaving.h"

#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const struct dcm_known known = {"2.25.1", "2.25.22", "2.25.333"};

/* Opens the bytes; false: refused. */
static bool
leave(const uint8_t *bytes, size_t n, struct dcm_leaving *out)
{
    struct err err = {0};
    int fd = memfd_create("fuzz", MFD_CLOEXEC);

    CHECK(fd >= 0 && write(fd, bytes, n) == (ssize_t)n);
    if (dcm_leaving_open(out, fd, 0, n, &known, 0, &err) == 0)
        return true;
    close(fd);
    return false;
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct dcm_leaving first, second;
    struct err err = {0};
    static const uint8_t digest[32];
    uint8_t *bytes;
    bool was;

    if (size > 1 << 20 || !leave(data, size, &first))
        return 0;
    bytes = malloc(first.size + 1);
    CHECK(dcm_leaving_read(&first, bytes, first.size, 0, &err) == 0);
    CHECK(leave(bytes, first.size, &second));
    CHECK(!second.is_coerced && second.size == first.size);
    (void)!dcm_was_dataset(bytes, first.size, digest, &was, &err);
    dcm_leaving_close(&second);
    dcm_leaving_close(&first);
    free(bytes);
    return 0;
}
