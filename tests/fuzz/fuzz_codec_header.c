/* fuzz_codec_header.c - codestream markers, cuts, and the coded file's own element: read within
 * their bytes, and what is cut is a stream with that many layers. */
#include "proto/codec/codestream.h"

#include "proto/base/log.h"
#include "proto/codec/codec.h"
#include "proto/codec/image_wire.h"
#include "proto/codec/job.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t n);

static void
cut(const uint8_t *bytes, size_t n, uint8_t layers)
{
    size_t ends[CODESTREAM_MAX_PARTS];
    struct codestream s;
    struct err err = {0};
    struct buf out;

    buf_init(&out, n + 2);
    if (codec_cut_codestream(bytes, n, layers, &out, &err) == 0) {
        CHECK(codestream_read_layers(out.bytes, out.n, 255, &s, ends, &err) == 0);
        CHECK(s.layers <= layers && ends[s.layers - 1] == out.n);
    }
    buf_fini(&out);
}

int
LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t n)
{
    size_t ends[CODESTREAM_MAX_PARTS], at, stream_n;
    struct codec_image image;
    struct layout *layout = NULL;
    struct codestream s;
    struct dcm_pixel_form form = {.rows = 16,
                                  .cols = 16,
                                  .samples = 1,
                                  .bits_allocated = 16,
                                  .bits_stored = 12,
                                  .high_bit = 11,
                                  .photometric = "MONOCHROME2"};
    struct err err = {0};

    log_set_fd(-1);
    if (n < 3)
        return 0;
    if (codestream_find(bytes, n, &at, &stream_n)) {
        CHECK(at <= n && stream_n <= n - at);
        if (codestream_read_layers(bytes + at, stream_n, 255, &s, ends, &err) == 0)
            CHECK(ends[s.layers - 1] <= stream_n);
        for (uint8_t k = 1; k < 5; k++)
            cut(bytes + at, stream_n, k);
    }
    form.frames = 1 + bytes[0] % 3U;
    if (coded_layout(bytes + 2, n - 2, bytes[0] % n, bytes[1] % n, &form,
                     bytes[1] & 1 ? CODEC_FAST : CODEC_LAYERS, &layout, &err) == 0) {
        CHECK(layout_check(layout, &err) == 0 && layout->file_size == n - 2);
        layout_free(&layout);
    }
    if (image_wire_read(bytes, n, &image, &err) == 0)
        codec_image_fini(&image);
    return 0;
}
