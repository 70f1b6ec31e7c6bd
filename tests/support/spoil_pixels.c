/* spoil_pixels.c - off by one, a bit less, swapped, shifted: what a proof has to find. */
#include "tests/support/spoil_pixels.h"

#include <stdlib.h>
#include <string.h>

static uint32_t
get(const struct dcm_pixel_form *form, const uint8_t *frame, size_t i)
{
    return form->bits_allocated == 8 ? frame[i] : le16_read(frame + 2 * i);
}

static void
set(const struct dcm_pixel_form *form, uint8_t *frame, size_t i, uint32_t value)
{
    unsigned spare = 32 - form->bits_stored;

    if (form->is_signed)
        value = (uint32_t)((int32_t)(value << spare) >> spare);
    else
        value = value << spare >> spare;
    frame[form->bits_allocated == 8 ? i : 2 * i] = (uint8_t)value;
    if (form->bits_allocated == 16)
        frame[2 * i + 1] = (uint8_t)(value >> 8);
}

static void
spoil_near(const struct dcm_pixel_form *form, uint8_t *frame, size_t n,
           unsigned how) /* NEAR=1, 2, 3 */
{
    uint32_t step = 2 * (how + 1) + 1;

    for (size_t i = 0; i < n; i++)
        set(form, frame, i, (get(form, frame, i) + how + 1) / step * step);
}

static void
spoil_one(const struct dcm_pixel_form *form, uint8_t *frame, size_t n,
          unsigned how) /* one sample by one */
{
    size_t i = how == 0 ? 0 : how == 1 ? n - 1 : n * how / 13;

    set(form, frame, i, get(form, frame, i) + 1);
}

static void
spoil_bit(const struct dcm_pixel_form *form, uint8_t *frame, size_t n,
          unsigned how) /* a bit plane is lost */
{
    for (size_t i = 0; i < n; i++)
        set(form, frame, i, get(form, frame, i) & ~(1U << how % form->bits_stored));
}

static void
spoil_shift(const struct dcm_pixel_form *form, uint8_t *frame, size_t n, unsigned how)
{
    for (size_t i = 0; i < n; i++)
        set(form, frame, i, how == 0 ? get(form, frame, i) >> 1 : get(form, frame, i) << how);
}

static void
spoil_level(const struct dcm_pixel_form *form, uint8_t *frame, size_t n,
            unsigned how) /* signed as unsigned */
{
    for (size_t i = 0; i < n; i++)
        set(form, frame, i, get(form, frame, i) ^ 1U << (form->bits_stored - 1 - how));
}

static void
spoil_invert(const struct dcm_pixel_form *form, uint8_t *frame, size_t n, unsigned how)
{
    (void)how;
    for (size_t i = 0; i < n; i++) /* MONOCHROME1 for MONOCHROME2 */
        set(form, frame, i, ~get(form, frame, i));
}

static void
spoil_bytes(const struct dcm_pixel_form *form, uint8_t *frame, size_t n,
            unsigned how) /* big endian */
{
    size_t step = how + 2, all = n * form->bits_allocated / 8;

    for (size_t i = 0; i + step <= all; i += step) {
        uint8_t first = frame[i];

        frame[i] = frame[i + step - 1];
        frame[i + step - 1] = first;
    }
}

static void
spoil_rows(const struct dcm_pixel_form *form, uint8_t *frame, size_t n, unsigned how)
{
    size_t row = n / form->rows * form->bits_allocated / 8, at = row * how;

    memmove(frame + at, frame + at + row, row); /* one is there twice */
}

static void
spoil_mirror(const struct dcm_pixel_form *form, uint8_t *frame, size_t n, unsigned how)
{
    for (size_t i = 0; i < n / 2; i++) {
        size_t other = how == 0 ? n - 1 - i : i + n / 2;
        uint32_t a = get(form, frame, i), b = get(form, frame, other);

        set(form, frame, i, b);
        set(form, frame, other, a);
    }
}

static void
spoil_shifted(const struct dcm_pixel_form *form, uint8_t *frame, size_t n,
              unsigned how) /* an odd length */
{
    size_t all = n * form->bits_allocated / 8;

    memmove(frame, frame + how + 1, all - how - 1);
}

static void
spoil_end(const struct dcm_pixel_form *form, uint8_t *frame, size_t n, unsigned how)
{
    set(form, frame, n - 1 - how, 0);
    set(form, frame, n - 2 - how, 1);
}

static void
spoil_planes(const struct dcm_pixel_form *form, uint8_t *frame, size_t n, unsigned how)
{
    uint8_t *copy = mem_new(n);

    memcpy(copy, frame, n);
    for (size_t i = 0; i < n / 3; i++)
        for (size_t s = 0; s < 3; s++) /* planes for pixels, and the other way about */
            if (how == 0)
                frame[i * 3 + s] = copy[s * (n / 3) + i];
            else
                frame[s * (n / 3) + i] = copy[i * 3 + s];
    free(copy);
    (void)form;
}

static void
spoil_colours(const struct dcm_pixel_form *form, uint8_t *frame, size_t n, unsigned how)
{
    static const unsigned orders[][3] = {{2, 1, 0}, {1, 0, 2}, {0, 2, 1}, {1, 2, 0}, {2, 0, 1}};

    (void)form;
    for (size_t i = 0; i < n / 3; i++) {
        uint8_t was[3] = {frame[i * 3], frame[i * 3 + 1], frame[i * 3 + 2]};

        for (size_t s = 0; s < 3; s++)
            frame[i * 3 + s] = was[orders[how][s]];
    }
}

static void
spoil_grey(const struct dcm_pixel_form *form, uint8_t *frame, size_t n,
           unsigned how) /* a lossy transform */
{
    (void)form;
    for (size_t i = 0; i < n / 3; i++)
        frame[i * 3 + how] = (uint8_t)((frame[i * 3] + frame[i * 3 + 1] + frame[i * 3 + 2]) / 3);
}

const struct spoiling spoilings[] = {
    {"NEAR", spoil_near, 3, false, false},
    {"one sample off by one", spoil_one, 12, false, false},
    {"a lost bit plane", spoil_bit, 6, false, false},
    {"shifted bits", spoil_shift, 3, false, false},
    {"another zero", spoil_level, 2, false, false},
    {"inverted", spoil_invert, 1, false, false},
    {"swapped bytes", spoil_bytes, 2, false, true},
    {"a row twice", spoil_rows, 4, false, false},
    {"mirrored or cut in two", spoil_mirror, 2, false, false},
    {"an odd length", spoil_shifted, 3, false, false},
    {"another end", spoil_end, 3, false, false},
    {"planes", spoil_planes, 2, true, false},
    {"colours", spoil_colours, 5, true, false},
    {"greyed", spoil_grey, 3, true, false},
};

const size_t spoilings_n = ARRAY_LEN(spoilings);
