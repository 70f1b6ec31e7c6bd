/* fuzz_codec_job.c - a worker's jobs on whatever a request may bring: look into it, code it, prove
 * it, restore it, transcode it, give a frame of it. The sandbox is for what decoders do; our own
 * code around them must not need it.
 * Input: the job, flags, the lengths of recipe and layout (16 bits each), recipe, layout, file. */
#include "proto/base/log.h"
#include "proto/codec/image_wire.h"
#include "proto/codec/job.h"
#include "proto/dicom/dcmtk/decode.h"

#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t n);

/* Larger images only take longer. */
enum { HEAD = 6, SAMPLES_MOST = 1 << 13, FRAMES_MOST = 8 };

static int
memfd(const char *name)
{
    int fd = memfd_create(name, MFD_CLOEXEC);

    CHECK(fd >= 0);
    return fd;
}

static bool
is_small(const uint8_t *file, size_t n)
{
    const struct dcm_pixel_form *form;
    struct instance in = {0};
    struct err err = {0};
    bool is_so = true;

    if (instance_open(&in, file, n, &err) == 0) {
        form = &in.pixels.form;
        is_so = (uint64_t)form->rows * form->cols * form->samples <= SAMPLES_MOST &&
                form->frames <= FRAMES_MOST;
    }
    instance_close(&in);
    return is_so;
}

static void
run(const struct wire_request *request, const uint8_t *bytes, size_t n)
{
    static int out = -1, side = -1;
    struct wire_reply reply = {.magic = WIRE_MAGIC};
    struct job job = {.request = request, .n = n, .reply = &reply};

    if (out < 0) {
        out = memfd("out");
        side = memfd("side");
    }
    CHECK(ftruncate(out, 0) == 0 && ftruncate(side, 0) == 0);
    CHECK(lseek(out, 0, SEEK_SET) == 0 && lseek(side, 0, SEEK_SET) == 0);
    job.out = out;
    job.out_side = side;
    job.recipe = request->has_recipe ? bytes : NULL;
    job.recipe_n = request->recipe_n;
    job.layout = bytes + request->recipe_n;
    job.layout_n = request->layout_n;
    job.bytes = bytes + request->recipe_n + request->layout_n;
    job.n = n - request->recipe_n - request->layout_n;
    if (!is_small(job.bytes, job.n))
        return;
    if (job_table[request->job](&job, &reply.err) < 0)
        CHECK(reply.err.kind != 0 && reply.err.text[0] != 0);
    CHECK(memchr(reply.why_not, 0, sizeof reply.why_not) != NULL);
}

int
LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t n)
{
    static const char *const syntaxes[] = {"1.2.840.10008.1.2", "1.2.840.10008.1.2.1"};
    static bool is_warm;
    struct wire_request request = {.magic = WIRE_MAGIC};
    struct err err = {0};

    log_set_fd(-1);
    if (n < HEAD)
        return -1;
    if (!is_warm)
        CHECK(dcmtk_decode_warm(&err) == 0);
    is_warm = true;
    request.job = (enum wire_job)(JOB_INSPECT + bytes[0] % JOB_FRAME);
    request.has_recipe = bytes[1] & 1;
    request.is_not_decoded = bytes[1] & 2;
    request.coding = bytes[1] >> 2 & 1 ? CODEC_FAST : CODEC_LAYERS;
    request.max_layers = bytes[1] >> 3 & 3;
    request.frame = 1 + (bytes[1] >> 5);
    (void)snprintf(request.to, sizeof request.to, "%s", syntaxes[bytes[1] >> 7]);
    request.recipe_n = le16_read(bytes + 2);
    request.layout_n = le16_read(bytes + 4);
    if (request.recipe_n + request.layout_n > n - HEAD)
        return -1;
    run(&request, bytes + HEAD, n - HEAD);
    return 0;
}
