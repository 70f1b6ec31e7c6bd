/* codec_pending.c - what is not built yet says so. */
#include "proto/codec/codec.h"
#include "proto/render/render.h"

#include <stdlib.h>

#define PENDING return err_set(err, ERR_FATAL, "codec: not built yet")

bool
codec_worker_main_if_asked(int argc, char **argv, int *out_status)
{
    (void)argc, (void)argv, (void)out_status;
    return false;
}
int
codec_pool_new(unsigned count, struct codec_pool **out, struct err *err)
{
    (void)count, (void)out;
    PENDING;
}
void
codec_pool_free(struct codec_pool **pool)
{
    *pool = NULL;
}
int
codec_inspect(struct codec_pool *p, const struct codec_source *s, struct dcm_facts *f,
              struct dcm_digests *d, struct err *err)
{
    (void)p, (void)s, (void)f, (void)d;
    PENDING;
}
int
codec_encode(struct codec_pool *p, const struct codec_source *s, const struct codec_policy *policy,
             struct codec_result *out, struct err *err)
{
    (void)p, (void)s, (void)policy, (void)out;
    PENDING;
}
void
codec_result_fini(struct codec_result *result)
{
    (void)result;
}
int
codec_prove(struct codec_pool *p, const struct codec_source *s, const struct dcm_digests *e,
            const uint8_t r[DIGEST_BYTES], struct err *err)
{
    (void)p, (void)s, (void)e, (void)r;
    PENDING;
}
int
codec_restore(struct codec_pool *p, const struct codec_source *s, int *fd, uint64_t *n,
              struct err *err)
{
    (void)p, (void)s, (void)fd, (void)n;
    PENDING;
}
int
codec_transcode(struct codec_pool *p, const struct codec_source *s, const char *to, int *fd,
                uint64_t *n, struct err *err)
{
    (void)p, (void)s, (void)to, (void)fd, (void)n;
    PENDING;
}
int
codec_frame(struct codec_pool *p, const struct codec_source *s, uint32_t frame, uint8_t layers,
            const struct layout *layout, struct codec_image *out, struct err *err)
{
    (void)p, (void)s, (void)frame, (void)layers, (void)layout, (void)out;
    PENDING;
}
void
codec_image_fini(struct codec_image *image)
{
    (void)image;
}
int
codec_cut_codestream(const uint8_t *bytes, size_t n, uint8_t layers, struct buf *out,
                     struct err *err)
{
    (void)bytes, (void)n, (void)layers, (void)out;
    PENDING;
}
int
render_jpeg(const struct codec_image *image, const struct render_options *options, struct buf *out,
            struct err *err)
{
    (void)image, (void)options, (void)out;
    PENDING;
}
void
render_preview_words(unsigned received, unsigned expected, char out[RENDER_WORDS_BYTES])
{
    (void)received, (void)expected;
    out[0] = 0;
}
