/* tool_codec - what coding costs and what first looks are worth, on real files: one JSON line a
 * file. tool_codec FILE...   Compressed files are made native first; those that cannot be coded say
 * why. Runs the workers' jobs in this very process, for its own processor time. */
#include "proto/base/jsonw.h"
#include "proto/codec/image_wire.h"
#include "proto/codec/job.h"
#include "proto/dicom/dcmtk/decode.h"
#include "proto/dicom/facts.h"

#include <fcntl.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

enum { BLOCK = 16 };

/* What a job wrote. */
struct made {
    struct wire_reply reply;
    uint8_t *out, *side;
    double cpu_s;
};

static double
cpu_s(void)
{
    struct timespec now;

    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &now);
    return (double)now.tv_sec + (double)now.tv_nsec / 1e9;
}

static uint8_t *
read_fd(int fd, uint64_t n)
{
    uint8_t *bytes = mem_new((size_t)n + 1);

    CHECK(pread(fd, bytes, (size_t)n, 0) == (ssize_t)n);
    return bytes;
}

static void
made_free(struct made *m)
{
    free(m->out);
    free(m->side);
    memset(m, 0, sizeof *m);
}

static int
run(int (*how)(struct job *, struct err *), const struct wire_request *request,
    const uint8_t *bytes, size_t n, const uint8_t *recipe, size_t recipe_n, const uint8_t *layout,
    size_t layout_n, struct made *out, struct err *err)
{
    struct job job = {.request = request, .bytes = bytes, .n = n, .reply = &out->reply};
    double begin = cpu_s();
    int rc;

    memset(out, 0, sizeof *out);
    job.recipe = recipe;
    job.recipe_n = recipe_n;
    job.layout = layout;
    job.layout_n = layout_n;
    job.out = memfd_create("out", MFD_CLOEXEC);
    job.out_side = memfd_create("side", MFD_CLOEXEC);
    rc = how(&job, err);
    out->cpu_s = cpu_s() - begin;
    if (rc == 0) {
        out->out = read_fd(job.out, out->reply.out_n);
        out->side = read_fd(job.out_side, out->reply.out_side_n);
    }
    close(job.out);
    close(job.out_side);
    return rc;
}

static int32_t
sample(const struct codec_image *image, size_t i)
{
    uint32_t v = image->bits_allocated == 8 ? image->pixels[i] : le16_read(image->pixels + 2 * i);
    unsigned spare = 32U - image->bits_stored;

    return image->is_signed ? (int32_t)(v << spare) >> spare : (int32_t)v;
}

static int
image_of(const uint8_t *bytes, size_t n, const struct made *coded, uint32_t frame, uint8_t layers,
         struct codec_image *out, struct err *err)
{
    struct wire_request request = {.job = JOB_FRAME, .frame = frame, .max_layers = layers};
    struct made made;
    const uint8_t *layout = coded != NULL ? coded->side + coded->reply.recipe_n : NULL;
    size_t layout_n = coded != NULL ? (size_t)(coded->reply.out_side_n - coded->reply.recipe_n) : 0;

    if (run(job_frame, &request, bytes, n, NULL, 0, layout, layout_n, &made, err) < 0)
        return -1;
    if (image_wire_read(made.side, (size_t)made.reply.out_side_n, out, err) < 0) {
        made_free(&made);
        return -1;
    }
    out->pixels = TAKE(made.out);
    out->pixels_n = (size_t)made.reply.out_n;
    made_free(&made);
    return 0;
}

struct errors {
    double squares, count, worst_block; /* RMSE of the worst block */
    int32_t worst;
};

static void
compare(const struct codec_image *a, const struct codec_image *b, struct errors *e)
{
    for (uint32_t y0 = 0; y0 < a->rows; y0 += BLOCK)
        for (uint32_t x0 = 0; x0 < a->cols; x0 += BLOCK) {
            double squares = 0, count = 0;

            for (uint32_t y = y0; y < a->rows && y < y0 + BLOCK; y++)
                for (uint32_t x = x0; x < a->cols && x < x0 + BLOCK; x++)
                    for (unsigned s = 0; s < a->samples; s++) {
                        size_t i = ((size_t)y * a->cols + x) * a->samples + s;
                        int32_t off = abs(sample(a, i) - sample(b, i));

                        squares += (double)off * off;
                        count++;
                        e->worst = off > e->worst ? off : e->worst;
                    }
            e->squares += squares;
            e->count += count;
            if (sqrt(squares / count) > e->worst_block)
                e->worst_block = sqrt(squares / count);
        }
}

/* Errors of the first k layers, over every `step`th frame. */
static int
measure_layer(struct jsonw *w, const char *name, const uint8_t *native, size_t native_n,
              const struct made *coded, uint8_t layers, uint32_t frames, struct err *err)
{
    struct errors e = {0};
    uint32_t step = frames > 8 ? frames / 8 : 1;

    for (uint32_t f = 1; f <= frames; f += step) {
        struct codec_image truth = {0}, seen = {0};
        int rc = image_of(native, native_n, NULL, f, 0, &truth, err);

        if (rc == 0)
            rc = image_of(coded->out, (size_t)coded->reply.out_n, coded, f, layers, &seen, err);
        if (rc == 0)
            compare(&truth, &seen, &e);
        codec_image_fini(&truth);
        codec_image_fini(&seen);
        if (rc < 0)
            return -1;
    }
    jsonw_object(w, name);
    jsonw_double(w, "rmse", sqrt(e.squares / e.count));
    jsonw_int(w, "max", e.worst);
    jsonw_double(w, "worst_block", e.worst_block);
    jsonw_end(w);
    return 0;
}

static int
measure_coding(struct jsonw *w, const char *name, enum codec_coding coding, const uint8_t *native,
               size_t n, const struct dcm_digests *digests, struct made *out, struct err *err)
{
    struct wire_request request = {.job = JOB_ENCODE, .coding = coding};
    struct made proof;

    if (run(job_encode, &request, native, n, NULL, 0, NULL, 0, out, err) < 0)
        return -1;
    if (out->reply.why_not[0] != 0)
        return 0;
    request.job = JOB_PROVE;
    request.expected = *digests;
    memcpy(request.received, digests->file, DIGEST_BYTES);
    if (run(job_prove, &request, out->out, (size_t)out->reply.out_n, out->side,
            (size_t)out->reply.recipe_n, NULL, 0, &proof, err) < 0)
        return -1;
    jsonw_object(w, name);
    jsonw_uint(w, "bytes", out->reply.out_n);
    jsonw_double(w, "encode_s", out->cpu_s);
    jsonw_double(w, "prove_s", proof.cpu_s);
    jsonw_end(w);
    made_free(&proof);
    return 0;
}

static int
measure(struct jsonw *w, const uint8_t *bytes, size_t n, struct err *err)
{
    struct wire_request request = {.job = JOB_TRANSCODE, .to = "1.2.840.10008.1.2.1"};
    struct made native, seen = {0}, layered = {0}, fast = {0};
    struct layout *layout = NULL;
    const struct dcm_facts *facts;
    int rc = -1;

    if (run(job_transcode, &request, bytes, n, NULL, 0, NULL, 0, &native, err) < 0)
        return -1;
    n = (size_t)native.reply.out_n;
    if (run(job_inspect, &request, native.out, n, NULL, 0, NULL, 0, &seen, err) < 0)
        goto out;
    facts = (const struct dcm_facts *)(const void *)seen.side;
    jsonw_text(w, "modality", facts->modality);
    jsonw_uint(w, "raw", n);
    jsonw_double(w, "inspect_s", seen.cpu_s);
    if (measure_coding(w, "layers", CODEC_LAYERS, native.out, n, &seen.reply.digests, &layered,
                       err) < 0)
        goto out;
    jsonw_text(w, "why_not", layered.reply.why_not);
    if (layered.reply.why_not[0] != 0) {
        rc = 0;
        goto out;
    }
    if (measure_coding(w, "fast", CODEC_FAST, native.out, n, &seen.reply.digests, &fast, err) < 0 ||
        layout_read(layered.side + layered.reply.recipe_n,
                    (size_t)(layered.reply.out_side_n - layered.reply.recipe_n), &layout, err) < 0)
        goto out;
    jsonw_bool(w, "is_fast",
               fast.reply.why_not[0] == 0 && fast.reply.out_side_n - fast.reply.recipe_n < 40);
    jsonw_uint(w, "frames", layout->frames);
    jsonw_uint(w, "header", layout->header_end);
    jsonw_uint(w, "look", layout_first_look_bytes(layout));
    rc = measure_layer(w, "first", native.out, n, &layered, 1, layout->frames, err);
    if (rc == 0 && layout->layers > 2)
        rc = measure_layer(w, "second", native.out, n, &layered, 2, layout->frames, err);
out:
    layout_free(&layout);
    made_free(&fast);
    made_free(&layered);
    made_free(&seen);
    made_free(&native);
    return rc;
}

static void
measure_file(const char *path)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    struct err err = {0};
    uint8_t *bytes = NULL;
    struct jsonw w;
    struct buf line;
    struct stat st;

    buf_init(&line, 1U << 16);
    jsonw_init(&w, &line);
    jsonw_object(&w, NULL);
    jsonw_text(&w, "file", path);
    if (fd < 0 || fstat(fd, &st) < 0)
        (void)err_sys(&err, ERR_NOT_FOUND, "open");
    else
        bytes = read_fd(fd, (uint64_t)st.st_size);
    if (bytes == NULL || measure(&w, bytes, (size_t)st.st_size, &err) < 0) {
        buf_clear(&line);
        jsonw_init(&w, &line);
        jsonw_object(&w, NULL);
        jsonw_text(&w, "file", path);
        jsonw_text(&w, "error", err.text);
    }
    jsonw_end(&w);
    puts(buf_text(&line));
    buf_fini(&line);
    free(bytes);
    if (fd >= 0)
        close(fd);
}

int
main(int argc, char **argv)
{
    struct err err = {0};

    if (dcmtk_decode_warm(&err) < 0) {
        fprintf(stderr, "%s\n", err.text);
        return 1;
    }
    for (int i = 1; i < argc; i++)
        measure_file(argv[i]);
    return 0;
}
