/* pixels.c - cleanliness and compressibility of native frames. */
#include "proto/codec/pixels.h"

#include "proto/base/buf.h"
#include "proto/base/limits.h"

#include <endian.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#define ACTIVITY_CLASSES 64
#define GUESS_ROWS 128 /* about so many are enough */

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

static uint16_t
word_at(const uint8_t *bytes, size_t i)
{
    uint16_t v;

    memcpy(&v, bytes + 2 * i, sizeof v);
    return le16toh(v);
}

static bool
are_words_short(const uint8_t *bytes, size_t n, unsigned bits)
{
    uint16_t all = 0;

    for (size_t i = 0; i < n; i++)
        all |= word_at(bytes, i);
    return all >> bits == 0;
}

static bool
are_words_extended(const uint8_t *bytes, size_t n, unsigned spare)
{
    uint16_t off = 0;

    for (size_t i = 0; i < n; i++) {
        uint16_t v = word_at(bytes, i);

        off |= v ^ (uint16_t)((int16_t)(uint16_t)(v << spare) >> spare);
    }
    return off == 0;
}

bool
pixels_are_clean(const struct dcm_pixel_form *p, const uint8_t *bytes, size_t n)
{
    unsigned spare = p->bits_allocated - p->bits_stored;

    if (spare == 0)
        return true;
    /* a difference is kept, not looked for: so that the compiler may take many at once */
    if (p->bits_allocated == 8) {
        uint8_t off = 0;

        for (size_t i = 0; i < n; i++) {
            uint8_t shifted = (uint8_t)(bytes[i] << spare);

            off |=
                bytes[i] ^ (p->is_signed ? (uint8_t)((int8_t)shifted >> spare) : shifted >> spare);
        }
        return off == 0;
    }
    return p->is_signed ? are_words_extended(bytes, n / 2, spare)
                        : are_words_short(bytes, n / 2, p->bits_stored);
}

/* Residuals by what the neighbours differ by. */
struct residuals {
    double sums[ACTIVITY_CLASSES];
    size_t counts[ACTIVITY_CLASSES];
};

/* One row of n samples under the one before it; both begin with a copy of their first sample and
 * end with one of their last. */
static void
add_row(struct residuals *r, const int32_t *before, const int32_t *row, size_t n)
{
    for (size_t x = 2; x <= n; x++) {
        unsigned c = activity_class(row[x - 1], before[x], before[x - 1], before[x + 1]);

        r->sums[c] += abs(row[x] - median_edge(row[x - 1], before[x], before[x - 1]));
        r->counts[c]++;
    }
}

static void
read_row(const struct dcm_pixel_form *p, const uint8_t *frame, size_t y, unsigned plane,
         int32_t *out)
{
    size_t first = y * p->cols;

    if (p->samples == 1 && p->bits_allocated == 16 && !p->is_signed)
        for (size_t x = 0; x < p->cols; x++)
            out[x + 1] = le16_read(frame + (first + x) * 2);
    else if (p->samples == 1 && p->bits_allocated == 16)
        for (size_t x = 0; x < p->cols; x++)
            out[x + 1] = (int16_t)le16_read(frame + (first + x) * 2);
    else
        for (size_t x = 0; x < p->cols; x++)
            out[x + 1] = sample_at(p, frame, first + x, plane);
    out[0] = out[1];
    out[p->cols + 1] = out[p->cols];
}

size_t
pixels_guess_coded_bytes(const struct dcm_pixel_form *p, const uint8_t *frame, size_t n)
{
    size_t step = p->rows / GUESS_ROWS + 1, looked_at = 0;
    int32_t *before, *row;
    double bits = 0;

    if (p->cols < 2 || p->rows < 2)
        return n;
    before = mem_new((p->cols + 2) * sizeof *before);
    row = mem_new((p->cols + 2) * sizeof *row);
    for (unsigned plane = 0; plane < p->samples; plane++) {
        struct residuals r = {{0}, {0}};

        for (size_t y = 1; y < p->rows; y += step) {
            read_row(p, frame, y - 1, plane, before);
            read_row(p, frame, y, plane, row);
            add_row(&r, before, row, p->cols);
            looked_at += p->cols;
        }
        for (unsigned c = 0; c < ACTIVITY_CLASSES; c++)
            if (r.counts[c] > 0)
                bits += (double)r.counts[c] * geometric_bits(r.sums[c] / (double)r.counts[c]);
    }
    free(row);
    free(before);
    bits *= (double)p->cols * p->rows * p->samples / (double)looked_at;
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
