/* pixels.c - cleanliness and compressibility of native frames. */
#include "proto/codec/pixels.h"

#include "proto/base/limits.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#define ACTIVITY_CLASSES 64

static int32_t sample_at(const struct dcm_pixel_form *p, const uint8_t *frame, size_t pixel,
                         unsigned plane);
static int median_edge(int w, int n, int nw);
static unsigned activity_class(int w, int n, int nw, int ne);
static double geometric_bits(double mean);

int
pixels_frame_bytes(const struct dcm_pixel_form *p, size_t *out_n, struct err *err)
{
    uint64_t n;

    if (p->cols == 0 || p->rows == 0 || p->cols > UINT16_MAX || p->rows > UINT16_MAX ||
        p->samples == 0 || p->samples > 4 || (p->bits_allocated != 8 && p->bits_allocated != 16) ||
        p->bits_stored == 0 || p->bits_stored > p->bits_allocated)
        return err_set(err, ERR_REJECT, "pixels: %ux%u of %u samples of %u bits in %u", p->cols,
                       p->rows, p->samples, p->bits_stored, p->bits_allocated);
    n = (uint64_t)p->cols * p->rows * p->samples * (p->bits_allocated / 8);
    if (n > LIMIT_FRAME_BYTES)
        return err_set(err, ERR_REJECT, "pixels: a frame of %llu bytes is over the limit",
                       (unsigned long long)n);
    *out_n = (size_t)n;
    return 0;
}

bool
pixels_are_clean(const struct dcm_pixel_form *p, const uint8_t *bytes, size_t n)
{
    unsigned spare = p->bits_allocated - p->bits_stored;

    if (spare == 0)
        return true;
    if (p->bits_allocated == 8) {
        for (size_t i = 0; i < n; i++) {
            uint8_t shifted = (uint8_t)(bytes[i] << spare);

            if (bytes[i] != (p->is_signed ? (uint8_t)((int8_t)shifted >> spare) : shifted >> spare))
                return false;
        }
        return true;
    }
    for (size_t i = 0; i + 1 < n; i += 2) {
        uint16_t v = (uint16_t)(bytes[i] | bytes[i + 1] << 8);
        uint16_t shifted = (uint16_t)(v << spare);

        if (v != (p->is_signed ? (uint16_t)((int16_t)shifted >> spare) : shifted >> spare))
            return false;
    }
    return true;
}

size_t
pixels_guess_coded_bytes(const struct dcm_pixel_form *p, const uint8_t *frame, size_t n)
{
    double bits = 0;

    if (p->cols < 2 || p->rows < 2)
        return n;
    for (unsigned plane = 0; plane < p->samples; plane++) {
        double sums[ACTIVITY_CLASSES] = {0};
        size_t counts[ACTIVITY_CLASSES] = {0};

        for (size_t y = 1; y < p->rows; y++) {
            size_t row = y * p->cols;
            int nw = sample_at(p, frame, row - p->cols, plane);
            int w = sample_at(p, frame, row, plane);
            int north = sample_at(p, frame, row - p->cols + 1, plane);

            for (size_t x = 1; x < p->cols; x++) {
                size_t east = x + 1 < p->cols ? 1 : 0;
                int ne = sample_at(p, frame, row - p->cols + x + east, plane);
                int here = sample_at(p, frame, row + x, plane);
                unsigned c = activity_class(w, north, nw, ne);

                sums[c] += abs(here - median_edge(w, north, nw));
                counts[c]++;
                nw = north, north = ne, w = here;
            }
        }
        for (unsigned c = 0; c < ACTIVITY_CLASSES; c++)
            if (counts[c] > 0)
                bits += (double)counts[c] * geometric_bits(sums[c] / (double)counts[c]);
    }
    return (size_t)(bits / 8) + 1;
}

/* Colour is decorrelated as the reversible transform does it: G, R - G, B - G. */
static int32_t
sample_at(const struct dcm_pixel_form *p, const uint8_t *frame, size_t pixel, unsigned plane)
{
    static const unsigned order[3] = {1, 0, 2};
    unsigned samples = p->samples;
    int32_t v[3] = {0};

    if (samples == 3 && p->bits_allocated == 8) {
        const uint8_t *at = frame + pixel * 3;

        return plane == 0 ? at[1] : at[order[plane]] - at[1];
    }
    if (p->bits_allocated == 8)
        return p->is_signed ? (int8_t)frame[pixel * samples + plane]
                            : frame[pixel * samples + plane];
    for (unsigned s = 0; s < samples && s < 3; s++) {
        const uint8_t *at = frame + (pixel * samples + s) * 2;
        uint16_t word = (uint16_t)(at[0] | at[1] << 8);

        v[s] = p->is_signed ? (int16_t)word : word;
    }
    if (samples != 3)
        return v[plane < 3 ? plane : 0];
    return plane == 0 ? v[1] : v[order[plane]] - v[1];
}

static int
median_edge(int w, int n, int nw)
{
    int low = w < n ? w : n, high = w < n ? n : w;

    if (nw >= high)
        return low;
    return nw <= low ? high : w + n - nw;
}

/* Two classes an octave of what the neighbours differ by. */
static unsigned
activity_class(int w, int n, int nw, int ne)
{
    unsigned a = (unsigned)abs(w - nw) + (unsigned)abs(nw - n) + (unsigned)abs(n - ne);
    unsigned octave = 31U - (unsigned)__builtin_clz(a + 1);
    unsigned half = octave > 0 ? (a + 1) >> (octave - 1) & 1 : 0;

    return (octave * 2 + half) % ACTIVITY_CLASSES;
}

/* Entropy of a geometric magnitude of this mean, and of its sign when it is not zero. */
static double
geometric_bits(double mean)
{
    if (mean <= 0)
        return 0;
    return (mean + 1) * log2(mean + 1) - mean * log2(mean) + mean / (mean + 1);
}
