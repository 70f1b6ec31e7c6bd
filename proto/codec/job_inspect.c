/* job_inspect.c - facts and digests; proof; restoring: whatever looks at what was received. */
#include "proto/codec/job.h"

#include "proto/base/limits.h"
#include "proto/codec/eligible.h"
#include "proto/dicom/convert.h"
#include "proto/dicom/dataset_digest.h"
#include "proto/dicom/facts.h"

#include <stdlib.h>
#include <string.h>

static int digest_received(const struct job *job, struct dcm_digests *out, struct err *err);
static int pixels_of(const struct job *job, enum pixels_from *out_kind, struct err *err);
static int decode_for_digest(void *user, const struct dcm_pixels *pixels, const uint8_t *coded,
                             size_t coded_n, struct buf *out, struct err *err);
static int prove_digests(const struct job *job, const struct buf *received,
                         const struct buf *pixels, struct err *err);
static int coding_of(const struct job *job, enum codec_coding *out, struct err *err);
static int prove_layout(const struct job *job, const struct layout *layout, struct err *err);
static int prove_file(const struct job *job, const struct buf *received, struct err *err);

int
job_inspect(struct job *job, struct err *err)
{
    struct dcm_digests *digests = &job->reply->digests;
    struct dcm_facts *facts = mem_new(sizeof *facts);
    struct buf received, pixels;
    const uint8_t *bytes = job->bytes;
    size_t n = job->n;
    int rc = -1;

    buf_init(&received, LIMIT_OBJECT_BYTES);
    buf_init(&pixels, LIMIT_CODED_PIXELS_BYTES);
    if (job->recipe != NULL) {
        if (coded_restore(job->bytes, job->n, job->recipe, job->recipe_n, &received, &pixels, err) <
            0)
            goto out;
        bytes = received.bytes;
        n = received.n;
        digest_bytes(pixels.bytes, pixels.n, digests->pixels);
        digests->pixels_from = PIXELS_NATIVE;
    }
    if (dcm_facts_read_as(bytes, n, false, job->request->profile, facts, err) < 0 ||
        dcm_dataset_digest(bytes, n, digests->dataset, err) < 0 ||
        dcm_rest_digest(bytes, n, digests->rest, err) < 0)
        goto out;
    if (job->recipe == NULL && digest_received(job, digests, err) < 0)
        goto out;
    digest_bytes(job->bytes, job->n, digests->file);
    rc = job_write(job->out_side, facts, sizeof *facts, &job->reply->out_side_n, err);
out:
    free(facts);
    buf_fini(&pixels);
    buf_fini(&received);
    return rc;
}

int
job_restore(struct job *job, struct err *err)
{
    struct buf received, pixels;
    int rc = -1;

    if (job->recipe == NULL)
        return err_set(err, ERR_REJECT, "restore: no recipe");
    buf_init(&received, LIMIT_OBJECT_BYTES);
    buf_init(&pixels, LIMIT_CODED_PIXELS_BYTES);
    if (coded_restore(job->bytes, job->n, job->recipe, job->recipe_n, &received, &pixels, err) == 0)
        rc = job_write(job->out, received.bytes, received.n, &job->reply->out_n, err);
    buf_fini(&pixels);
    buf_fini(&received);
    return rc;
}

int
job_prove(struct job *job, struct err *err)
{
    struct buf received, pixels;
    int rc = -1;

    if (job->recipe == NULL)
        return err_set(err, ERR_CONFLICT, "prove: no recipe");
    buf_init(&received, LIMIT_OBJECT_BYTES);
    buf_init(&pixels, LIMIT_CODED_PIXELS_BYTES);
    if (coded_restore(job->bytes, job->n, job->recipe, job->recipe_n, &received, &pixels, err) ==
            0 &&
        prove_digests(job, &received, &pixels, err) == 0)
        rc = prove_file(job, &received, err);
    if (rc < 0) {
        err->kind = ERR_CONFLICT;
        err_context(err, "prove the coded file");
    }
    buf_fini(&pixels);
    buf_fini(&received);
    return rc;
}

static int
digest_received(const struct job *job, struct dcm_digests *out, struct err *err)
{
    bool is_decoded = false;

    if (dcm_pixels_digest(job->bytes, job->n,
                          job->request->is_not_decoded ? NULL : decode_for_digest, NULL,
                          out->pixels, &is_decoded, err) < 0 ||
        pixels_of(job, &out->pixels_from, err) < 0)
        return -1;
    if (out->pixels_from == PIXELS_DECODED && !is_decoded)
        out->pixels_from = PIXELS_FRAMES;
    return 0;
}

/* Where the pixels lie; encapsulated ones are taken for decoded. */
static int
pixels_of(const struct job *job, enum pixels_from *out_kind, struct err *err)
{
    struct instance in = {0};
    int rc = instance_open(&in, job->bytes, job->n, err);

    if (rc == 0 && in.pixels.tag == 0)
        *out_kind = PIXELS_NONE;
    else if (rc == 0)
        *out_kind = in.pixels.is_encapsulated ? PIXELS_DECODED : PIXELS_NATIVE;
    instance_close(&in);
    return rc;
}

static int
decode_for_digest(void *user, const struct dcm_pixels *pixels, const uint8_t *coded, size_t coded_n,
                  struct buf *out, struct err *err)
{
    (void)user;
    return instance_decode(pixels, coded, coded_n, out, NULL, err);
}

static int
prove_digests(const struct job *job, const struct buf *received, const struct buf *pixels,
              struct err *err)
{
    uint8_t digest[DIGEST_BYTES];

    digest_bytes(received->bytes, received->n, digest);
    if (memcmp(digest, job->request->received, DIGEST_BYTES) != 0)
        return err_set(err, ERR_CONFLICT, "the restored file is not the received one");
    digest_bytes(pixels->bytes, pixels->n, digest);
    if (memcmp(digest, job->request->expected.pixels, DIGEST_BYTES) != 0)
        return err_set(err, ERR_CONFLICT, "the decoded pixels differ");
    if (dcm_dataset_digest(received->bytes, received->n, digest, err) < 0)
        return -1;
    if (memcmp(digest, job->request->expected.dataset, DIGEST_BYTES) != 0)
        return err_set(err, ERR_CONFLICT, "the restored data set differs");
    return 0;
}

static int
coding_of(const struct job *job, enum codec_coding *out, struct err *err)
{
    struct dcm_part10 part10;

    if (dcm_part10_parse(job->bytes, job->n, &part10, err) < 0)
        return -1;
    if (strcmp(part10.transfer_syntax, DCM_UID_JPEGLS_LOSSLESS) == 0)
        *out = CODEC_FAST;
    else if (strcmp(part10.transfer_syntax, DCM_UID_J2K_LOSSLESS) == 0)
        *out = CODEC_LAYERS;
    else
        return err_set(err, ERR_CONFLICT, "it is in no syntax that we code in");
    return 0;
}

static int
prove_layout(const struct job *job, const struct layout *layout, struct err *err)
{
    struct buf written;
    bool is_same;

    if (job->layout_n == 0)
        return 0;
    buf_init(&written, LIMIT_OBJECT_BYTES);
    layout_write(layout, &written);
    is_same = written.n == job->layout_n && memcmp(written.bytes, job->layout, job->layout_n) == 0;
    buf_fini(&written);
    return is_same ? 0 : err_set(err, ERR_CONFLICT, "its layout is another one");
}

/* What of the coded file the restored one does not come from: it must be what we would write. */
static int
prove_file(const struct job *job, const struct buf *received, struct err *err)
{
    struct instance in = {0};
    struct dcm_converted again;
    struct dcm_change change;
    struct layout *layout = NULL;
    enum codec_coding coding;
    int rc = -1;

    dcm_converted_init(&again);
    if (coding_of(job, &coding, err) < 0 ||
        instance_open(&in, received->bytes, received->n, err) < 0)
        goto out;
    change = eligible_change(&in.pixels.form, coding);
    if (dcm_convert(received->bytes, received->n, &change, &again, err) < 0)
        goto out;
    if (again.head.n > job->n || again.tail.n > job->n - again.head.n ||
        memcmp(again.head.bytes, job->bytes, again.head.n) != 0 ||
        (again.tail.n > 0 &&
         memcmp(again.tail.bytes, job->bytes + job->n - again.tail.n, again.tail.n) != 0) ||
        again.recipe.n != job->recipe_n ||
        memcmp(again.recipe.bytes, job->recipe, job->recipe_n) != 0) {
        (void)err_set(err, ERR_CONFLICT, "its data set is not what the received one becomes");
        goto out;
    }
    if (coded_layout(job->bytes, job->n, again.head.n, again.tail.n, &in.pixels.form, coding,
                     &layout, err) == 0)
        rc = prove_layout(job, layout, err);
out:
    layout_free(&layout);
    dcm_converted_fini(&again);
    instance_close(&in);
    return rc;
}
