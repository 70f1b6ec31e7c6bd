/* fuzz_walk - the walker, the meta group, frames and digests, on bytes from anywhere. The first
 * byte picks the coding and the flags; bytes with a preamble are read as a file too. */
#include "proto/base/log.h"
#include "proto/dicom/dataset_digest.h"
#include "proto/dicom/frames.h"
#include "proto/dicom/walk.h"

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t n);

static void
walk(const uint8_t *bytes, size_t n, enum dcm_coding coding, unsigned flags, bool skips)
{
    struct dcm_walk w;
    struct dcm_element e;
    struct err err;
    int depth = 0;

    dcm_walk_init(&w, bytes, n, coding, flags);
    while (dcm_walk_next(&w, &e, &err) == 0 && e.event != DCM_END) {
        bool begins = e.event == DCM_SEQUENCE || e.event == DCM_ITEM || e.event == DCM_FRAGMENTS;
        bool ends =
            e.event == DCM_SEQUENCE_END || e.event == DCM_ITEM_END || e.event == DCM_FRAGMENTS_END;

        depth += begins ? 1 : ends ? -1 : 0;
        CHECK(depth >= 0 && e.header_at <= n && e.header_n <= n - e.header_at);
        CHECK(e.value_at <= n && e.value_n <= n - e.value_at);
        if (skips && begins)
            (void)dcm_walk_skip(&w);
    }
}

static void
read_file(const uint8_t *bytes, size_t n)
{
    struct dcm_pixels pixels = {0};
    struct dcm_part10 p10;
    struct buf room, frame;
    const uint8_t *dataset;
    uint8_t digest[32];
    bool is_decoded;
    struct err err;
    size_t dataset_n;

    if (dcm_part10_parse(bytes, n, &p10, &err) < 0)
        return;
    buf_init(&room, 1 << 22);
    buf_init(&frame, 1 << 20);
    if (dcm_part10_dataset(bytes, n, &p10, &room, &dataset, &dataset_n, &err) == 0 &&
        dcm_pixels_find(dataset, dataset_n, &p10, &pixels, &err) == 0) {
        (void)!dcm_pixels_coded_frame(&pixels, dataset, 1, &frame, &err);
        if (pixels.is_whole && pixels.frames_bytes < 1 << 20) {
            uint8_t *to = mem_new((size_t)pixels.frames_bytes + 1);

            dcm_pixels_to_canonical(&pixels, dataset, to);
            free(to);
        }
    }
    if (!p10.syntax->is_deflated) {
        (void)!dcm_dataset_digest(bytes, n, digest, &err);
        (void)!dcm_pixels_digest(bytes, n, NULL, NULL, digest, &is_decoded, &err);
    }
    dcm_pixels_fini(&pixels);
    buf_fini(&frame);
    buf_fini(&room);
}

int
LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t n)
{
    log_set_fd(-1);
    read_file(bytes, n);
    if (n > 132 && bytes[128] == 'D') /* a seed file: walk what is behind its preamble */
        walk(bytes + 132, n - 132, DCM_EXPLICIT_LE, DCM_WALK_PREFIX, false);
    if (n > 0)
        walk(bytes + 1, n - 1, (enum dcm_coding)(bytes[0] % 3), bytes[0] >> 2 & 3,
             (bytes[0] & 16) != 0);
    return 0;
}
