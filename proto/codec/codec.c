/* codec.c - the calls of codec.h: put a job together, run it, take its results apart. */
#include "proto/codec/codec.h"

#include "proto/base/limits.h"
#include "proto/base/text.h"
#include "proto/codec/image_wire.h"
#include "proto/codec/pool.h"
#include "proto/dicom/facts.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

static struct wire_request ask(enum wire_job job, const struct codec_source *source);
static bool has_recipe(const struct codec_source *source);
static int run(struct codec_pool *pool, struct wire_request *request,
               const struct codec_source *source, const struct layout *layout,
               struct wire_reply *out_reply, int out_fds[2], bool *out_died,
               struct err *err) MUST_CHECK;
static int make_side(const struct codec_source *source, const struct layout *layout,
                     struct wire_request *request, int *out_fd, struct err *err) MUST_CHECK;
static int read_all(int fd, uint64_t n, uint64_t most, uint8_t **out, struct err *err) MUST_CHECK;
static int take_facts(int fd, uint64_t n, struct dcm_facts *out, struct err *err) MUST_CHECK;
static int take_side(const struct wire_reply *reply, int fd, struct codec_result *out,
                     struct err *err) MUST_CHECK;
static int run_to_file(struct codec_pool *pool, struct wire_request *request,
                       const struct codec_source *source, int *out_fd, uint64_t *out_size,
                       struct err *err) MUST_CHECK;
static void close_both(int fds[2]);

int
codec_inspect(struct codec_pool *pool, const struct codec_source *source,
              struct dcm_facts *out_facts, struct dcm_digests *out_digests, struct err *err)
{
    return codec_inspect_as(pool, source, NULL, out_facts, out_digests, err);
}

int
codec_inspect_as(struct codec_pool *pool, const struct codec_source *source, const char *profile,
                 struct dcm_facts *out_facts, struct dcm_digests *out_digests, struct err *err)
{
    struct wire_request request = ask(JOB_INSPECT, source);
    struct wire_reply reply;
    int fds[2] = {-1, -1};
    bool died;
    int rc;

    text_copy(request.profile, sizeof request.profile, profile != NULL ? profile : "");
    rc = run(pool, &request, source, NULL, &reply, fds, &died, err);
    /* hostile pixels are kept all the same: they are digested as they came */
    if (rc < 0 && died && !has_recipe(source)) {
        request.is_not_decoded = true;
        rc = run(pool, &request, source, NULL, &reply, fds, &died, err);
    }
    if (rc == 0 && out_facts != NULL)
        rc = take_facts(fds[1], reply.out_side_n, out_facts, err);
    close_both(fds);
    if (rc < 0)
        return err_context(err, "inspect");
    *out_digests = reply.digests;
    return 0;
}

int
codec_encode(struct codec_pool *pool, const struct codec_source *source,
             const struct codec_policy *policy, struct codec_result *out, struct err *err)
{
    struct wire_request request = ask(JOB_ENCODE, source);
    struct codec_result result = {.coded_fd = -1};
    struct wire_reply reply = {0};
    int fds[2] = {-1, -1};
    bool died;
    int rc = -1;

    if (policy != NULL)
        request.first_look_percent =
            policy->first_look_percent <= 90 ? policy->first_look_percent : 90;
    if (policy != NULL)
        request.coding = policy->coding;
    if (policy != NULL && policy->is_off)
        (void)strncpy(reply.why_not, "coding is switched off", sizeof reply.why_not - 1);
    else if (run(pool, &request, source, NULL, &reply, fds, &died, err) < 0)
        goto out;
    if (reply.why_not[0] != 0) {
        memcpy(result.why_not, reply.why_not, sizeof result.why_not);
        result.layout = layout_new_uncoded(source->size);
    } else {
        if (take_side(&reply, fds[1], &result, err) < 0)
            goto out;
        result.coded_fd = fds[0];
        result.coded_size = reply.out_n;
        result.made_by = reply.done_by;
        fds[0] = -1;
    }
    *out = result;
    rc = 0;
out:
    close_both(fds);
    return rc < 0 ? err_context(err, "encode") : 0;
}

void
codec_result_fini(struct codec_result *result)
{
    if (result->coded_fd >= 0)
        close(result->coded_fd);
    result->coded_fd = -1;
    free(result->recipe);
    result->recipe = NULL;
    layout_free(&result->layout);
}

int
codec_prove(struct codec_pool *pool, const struct codec_source *coded,
            const struct codec_claim *claim, struct err *err)
{
    struct wire_request request = ask(JOB_PROVE, coded);
    struct wire_reply reply;
    int fds[2] = {-1, -1};
    bool died;
    int rc;

    request.expected = *claim->digests;
    request.not_by = claim->made_by;
    memcpy(request.received, claim->received_sha256, DIGEST_BYTES);
    rc = run(pool, &request, coded, claim->layout, &reply, fds, &died, err);
    close_both(fds);
    if (rc < 0 && died)
        err->kind = ERR_CONFLICT;
    return rc;
}

int
codec_restore(struct codec_pool *pool, const struct codec_source *coded, int *out_fd,
              uint64_t *out_size, struct err *err)
{
    struct wire_request request = ask(JOB_RESTORE, coded);

    return run_to_file(pool, &request, coded, out_fd, out_size, err);
}

int
codec_transcode(struct codec_pool *pool, const struct codec_source *source, const char *to,
                int *out_fd, uint64_t *out_size, struct err *err)
{
    struct wire_request request = ask(JOB_TRANSCODE, source);

    if (strlen(to) >= sizeof request.to)
        return err_set(err, ERR_REJECT, "transcode: no such syntax");
    memcpy(request.to, to, strlen(to));
    return run_to_file(pool, &request, source, out_fd, out_size, err);
}

int
codec_png(struct codec_pool *pool, const struct codec_source *png, int *out_fd, uint64_t *out_size,
          struct err *err)
{
    struct wire_request request = ask(JOB_PNG, png);

    return run_to_file(pool, &request, png, out_fd, out_size, err);
}

int
codec_frame(struct codec_pool *pool, const struct codec_source *source, uint32_t frame,
            uint8_t max_layers, const struct layout *layout, struct codec_image *out,
            struct err *err)
{
    struct wire_request request = ask(JOB_FRAME, source);
    struct codec_image image = {0};
    struct wire_reply reply;
    uint8_t *side = NULL;
    int fds[2] = {-1, -1};
    bool died;
    int rc = -1;

    if (max_layers > 0 && layout == NULL)
        return err_set(err, ERR_FATAL, "frame: a preview without its layout");
    request.frame = frame;
    request.max_layers = max_layers;
    if (run(pool, &request, source, max_layers > 0 ? layout : NULL, &reply, fds, &died, err) < 0)
        goto out;
    if (read_all(fds[1], reply.out_side_n, IMAGE_SIDE_MOST, &side, err) < 0 ||
        image_wire_read(side, (size_t)reply.out_side_n, &image, err) < 0 ||
        read_all(fds[0], reply.out_n, LIMIT_FRAME_BYTES, &image.pixels, err) < 0)
        goto out;
    image.pixels_n = (size_t)reply.out_n;
    if (image.pixels_n !=
        (uint64_t)image.cols * image.rows * image.samples * (image.bits_allocated / 8U)) {
        (void)err_set(err, ERR_REJECT, "codec worker: pixels of another size");
        goto out;
    }
    *out = image;
    memset(&image, 0, sizeof image);
    rc = 0;
out:
    codec_image_fini(&image);
    free(side);
    close_both(fds);
    return rc < 0 ? err_context(err, "frame %u", frame) : 0;
}

void
codec_image_fini(struct codec_image *image)
{
    free(image->pixels);
    free(image->modality_lut.values);
    free(image->voi_lut.values);
    for (int i = 0; i < 3; i++)
        free(image->palette[i].values);
    memset(image, 0, sizeof *image);
}

static struct wire_request
ask(enum wire_job job, const struct codec_source *source)
{
    struct wire_request request;

    memset(&request, 0, sizeof request);
    request.job = job;
    request.offset = source->offset;
    request.size = source->size;
    request.is_urgent = source->is_urgent;
    return request;
}

static bool
has_recipe(const struct codec_source *source)
{
    return source->recipe != NULL && source->recipe_n > 0;
}

static int
run(struct codec_pool *pool, struct wire_request *request, const struct codec_source *source,
    const struct layout *layout, struct wire_reply *out_reply, int out_fds[2], bool *out_died,
    struct err *err)
{
    int side = -1;
    int rc;

    *out_died = false;
    if (source->size > LIMIT_OBJECT_BYTES || source->recipe_n > LIMIT_RECIPE_BYTES)
        return err_set(err, ERR_REJECT, "an object of %llu bytes is over the limit",
                       (unsigned long long)source->size);
    if (make_side(source, layout, request, &side, err) < 0)
        return -1;
    rc = pool_run(pool, request, source->fd, side, out_reply, out_fds, out_died, err);
    if (side >= 0)
        close(side);
    return rc;
}

/* Recipe and layout in one memfd; none if there is neither. */
static int
make_side(const struct codec_source *source, const struct layout *layout,
          struct wire_request *request, int *out_fd, struct err *err)
{
    struct buf side;
    int fd = -1, rc = -1;

    buf_init(&side, LIMIT_OBJECT_BYTES);
    request->has_recipe = has_recipe(source);
    request->recipe_n = has_recipe(source) ? source->recipe_n : 0;
    if (has_recipe(source))
        buf_add(&side, source->recipe, source->recipe_n);
    if (layout != NULL) {
        layout_write(layout, &side);
        request->layout_n = side.n - request->recipe_n;
    }
    if (side.n > 0) {
        if ((fd = pool_memfd("codec-side", err)) < 0)
            goto out;
        if (write(fd, side.bytes, side.n) != (ssize_t)side.n) {
            (void)err_sys(err, ERR_RETRY, "write the recipe for a worker");
            goto out;
        }
    }
    *out_fd = fd;
    fd = -1;
    rc = 0;
out:
    if (fd >= 0)
        close(fd);
    buf_fini(&side);
    return rc;
}

static int
read_all(int fd, uint64_t n, uint64_t most, uint8_t **out, struct err *err)
{
    uint8_t *bytes;
    size_t at = 0;

    if (n > most)
        return err_set(err, ERR_REJECT, "codec worker: %llu bytes are over the limit",
                       (unsigned long long)n);
    bytes = mem_new((size_t)n + 1);
    while (at < n) {
        ssize_t got = pread(fd, bytes + at, (size_t)n - at, (off_t)at);

        if (got < 0 && errno == EINTR)
            continue;
        if (got <= 0) {
            free(bytes);
            return err_sys(err, ERR_RETRY, "read a worker's result");
        }
        at += (size_t)got;
    }
    *out = bytes;
    return 0;
}

/* Texts end where their fields end, whatever the worker wrote. */
static int
take_facts(int fd, uint64_t n, struct dcm_facts *out, struct err *err)
{
    uint8_t *bytes = NULL;

    if (n != sizeof *out)
        return err_set(err, ERR_REJECT, "codec worker: no facts");
    if (read_all(fd, n, sizeof *out, &bytes, err) < 0)
        return -1;
    memcpy(out, bytes, sizeof *out);
    free(bytes);
#define TEXT_FACT(name, tag, size, kind) out->name[sizeof out->name - 1] = 0;
#define NUMBER_FACT(name, tag, missing)
#include "proto/dicom/facts.def"
#undef TEXT_FACT
#undef NUMBER_FACT
    out->transfer_syntax[sizeof out->transfer_syntax - 1] = 0;
    if (out->text_method > DCM_TEXT_BROKEN)
        return err_set(err, ERR_REJECT, "codec worker: no sound facts");
    return 0;
}

static int
take_side(const struct wire_reply *reply, int fd, struct codec_result *out, struct err *err)
{
    uint8_t *bytes = NULL;
    int rc = -1;

    if (reply->recipe_n > LIMIT_RECIPE_BYTES)
        return err_set(err, ERR_REJECT, "codec worker: the recipe is over the limit");
    if (read_all(fd, reply->out_side_n, LIMIT_OBJECT_BYTES, &bytes, err) < 0)
        return -1;
    if (layout_read(bytes + reply->recipe_n, (size_t)(reply->out_side_n - reply->recipe_n),
                    &out->layout, err) < 0)
        goto out;
    if (out->layout->file_size != reply->out_n) {
        layout_free(&out->layout);
        (void)err_set(err, ERR_REJECT, "codec worker: the layout is of another file");
        goto out;
    }
    out->recipe_n = (size_t)reply->recipe_n;
    out->recipe = TAKE(bytes);
    rc = 0;
out:
    free(bytes);
    return rc;
}

static int
run_to_file(struct codec_pool *pool, struct wire_request *request,
            const struct codec_source *source, int *out_fd, uint64_t *out_size, struct err *err)
{
    struct wire_reply reply;
    int fds[2] = {-1, -1};
    bool died;

    if (run(pool, request, source, NULL, &reply, fds, &died, err) < 0)
        return err_context(err, request->job == JOB_RESTORE ? "restore"
                                : request->job == JOB_PNG   ? "decode"
                                                            : "transcode");
    *out_fd = fds[0];
    *out_size = reply.out_n;
    fds[0] = -1;
    close_both(fds);
    return 0;
}

static void
close_both(int fds[2])
{
    for (int i = 0; i < 2; i++) {
        if (fds[i] >= 0)
            close(fds[i]);
        fds[i] = -1;
    }
}
