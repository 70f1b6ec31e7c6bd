/* sample_image.c - a disc on a ramp with a little noise, the same each time. */
#include "tests/support/sample_image.h"

#include "proto/dicom/part10.h"
#include "proto/dicom/write.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

static struct sample
with_defaults(const struct sample *s)
{
    struct sample d = *s;

    d.cols = d.cols != 0 ? d.cols : 48;
    d.rows = d.rows != 0 ? d.rows : 40;
    d.frames = d.frames != 0 ? d.frames : 1;
    d.samples = d.samples != 0 ? d.samples : 1;
    d.bits_allocated = d.bits_allocated != 0 ? d.bits_allocated : 16;
    d.bits_stored = d.bits_stored != 0       ? d.bits_stored
                    : d.bits_allocated == 16 ? 12
                                             : d.bits_allocated;
    d.high_bit = d.high_bit != 0 ? d.high_bit : d.bits_stored - 1;
    d.photometric = d.photometric != NULL ? d.photometric : d.samples == 3 ? "RGB" : "MONOCHROME2";
    return d;
}

/* In 0..1, but for noise. */
static double
scene(const struct sample *d, uint32_t frame, uint32_t sample, uint32_t x, uint32_t y)
{
    double dx = x - d->cols / 2.0, dy = y - d->rows / 2.0;
    double v = 0.2 + 0.3 * x / d->cols + 0.1 * sample;

    return dx * dx + dy * dy < d->cols * 3.0 + 5 * frame ? v + 0.3 : v;
}

static uint32_t
value_at(const struct sample *d, uint32_t *noise, uint32_t frame, uint32_t sample, uint32_t x,
         uint32_t y)
{
    uint32_t most = d->bits_stored >= 32 ? UINT32_MAX : (1U << d->bits_stored) - 1;
    double v = scene(d, frame, sample, x, y) * most;

    *noise = *noise * 1664525U + 1013904223U;
    if (d->is_noise)
        return (*noise >> 8) & most;
    v += (double)(*noise >> 24) / 256 * most / 50;
    if (d->is_signed) /* around zero, in two's complement of all allocated bits */
        return (uint32_t)(int32_t)(v - most / 2.0);
    return (uint32_t)v & most;
}

static void
put(struct buf *out, const struct sample *d, uint32_t v)
{
    for (uint32_t b = 0; b < d->bits_allocated; b += 8)
        buf_add_u8(out, (uint8_t)(v >> b));
}

void
sample_pixels(const struct sample *sample, struct buf *out)
{
    struct sample d = with_defaults(sample);
    uint32_t noise = 7, outer = d.is_by_plane ? d.samples : 1,
             inner = d.is_by_plane ? 1 : d.samples;

    for (uint32_t f = 0; f < d.frames; f++)
        for (uint32_t p = 0; p < outer; p++)
            for (uint32_t y = 0; y < d.rows; y++)
                for (uint32_t x = 0; x < d.cols; x++)
                    for (uint32_t s = 0; s < inner; s++) {
                        uint32_t v = value_at(&d, &noise, f, p + s, x, y);

                        if (d.has_padding && !d.is_padding_unused && x + y < 12)
                            v = (uint32_t)d.padding;
                        if (d.has_dirty_bits && x == 5 && y == 5)
                            v ^= 1U << (d.bits_allocated - 1);
                        put(out, &d, v);
                    }
}

static void
write_dataset(struct dcm_writer *w, const struct sample *d, const char *uid)
{
    char frames[16];

    (void)snprintf(frames, sizeof frames, "%u", d->frames);
    dcm_write_text(w, 0x00080016, NULL, "1.2.840.10008.5.1.4.1.1.7");
    dcm_write_text(w, 0x00080018, NULL, uid);
    dcm_write_text(w, 0x00080060, NULL, "OT");
    dcm_write_text(w, 0x00100010, NULL, "Nobody^Test");
    dcm_write_text(w, 0x00100020, NULL, "T1");
    dcm_write_text(w, 0x0020000D, NULL, "2.25.1001");
    dcm_write_text(w, 0x0020000E, NULL, "2.25.1002");
    dcm_write_u16(w, 0x00280002, (uint16_t)d->samples);
    dcm_write_text(w, 0x00280004, NULL, d->photometric);
    if (d->samples > 1)
        dcm_write_u16(w, 0x00280006, d->is_by_plane);
    if (d->frames > 1)
        dcm_write_text(w, 0x00280008, NULL, frames);
    dcm_write_u16(w, 0x00280010, (uint16_t)d->rows);
    dcm_write_u16(w, 0x00280011, (uint16_t)d->cols);
    dcm_write_u16(w, 0x00280100, (uint16_t)d->bits_allocated);
    dcm_write_u16(w, 0x00280101, (uint16_t)d->bits_stored);
    dcm_write_u16(w, 0x00280102, (uint16_t)d->high_bit);
    dcm_write_u16(w, 0x00280103, d->is_signed);
    if (d->has_padding) /* US or SS by the sign of the pixels: the same two bytes */
        dcm_write_bytes(w, 0x00280120, d->is_signed ? "SS" : "US",
                        (uint8_t[]){(uint8_t)d->padding, (uint8_t)(d->padding >> 8)}, 2);
    if (d->padding_limit != 0)
        dcm_write_bytes(w, 0x00280121, d->is_signed ? "SS" : "US",
                        (uint8_t[]){(uint8_t)d->padding_limit, (uint8_t)(d->padding_limit >> 8)},
                        2);
    if (d->has_overlay_inside) {
        dcm_write_u16(w, 0x60000100, 16);
        dcm_write_u16(w, 0x60000102, 15);
    }
}

void
sample_image(const struct sample *sample, struct buf *out)
{
    struct sample d = with_defaults(sample);
    struct dcm_writer w;
    struct buf pixels;
    struct err err = {0};
    char uid[40];

    (void)snprintf(uid, sizeof uid, "2.25.2000.%u", d.instance + 1);
    CHECK(part10_head(out, "1.2.840.10008.5.1.4.1.1.7", uid,
                      d.is_implicit ? DCM_UID_IMPLICIT_LE : DCM_UID_EXPLICIT_LE, "TEST",
                      &err) == 0);
    dcm_write_init(&w, out, d.is_implicit ? DCM_IMPLICIT_LE : DCM_EXPLICIT_LE);
    write_dataset(&w, &d, uid);
    buf_init(&pixels, 1U << 30);
    sample_pixels(sample, &pixels);
    if (d.is_cut_short)
        pixels.n -= 2;
    if (d.has_float_pixels)
        dcm_write_bytes(&w, 0x7FE00008, "OF", pixels.bytes, pixels.n);
    else
        dcm_write_bytes(&w, 0x7FE00010, d.bits_allocated > 8 || d.is_implicit ? "OW" : "OB",
                        pixels.bytes, pixels.n);
    buf_fini(&pixels);
    if (d.has_signature) {
        dcm_write_sequence_begin(&w, 0xFFFAFFFA);
        dcm_write_item_begin(&w);
        dcm_write_text(&w, 0x04000100, "UI", "2.25.77");
        dcm_write_item_end(&w);
        dcm_write_sequence_end(&w);
    }
    CHECK(!buf_is_over(out));
}

void
sample_capsule(const struct sample *sample, const char *transfer_syntax, const uint8_t *stream,
               size_t n, struct buf *out)
{
    static const uint8_t head[] = {0xE0, 0x7F, 0x10, 0,    'O', 'B', 0, 0, 0xFF, 0xFF, 0xFF, 0xFF,
                                   0xFE, 0xFF, 0,    0xE0, 0,   0,   0, 0, 0xFE, 0xFF, 0,    0xE0};
    static const uint8_t end[] = {0xFE, 0xFF, 0xDD, 0xE0, 0, 0, 0, 0};
    struct sample d = with_defaults(sample);
    struct dcm_writer w;
    struct err err = {0};

    CHECK(part10_head(out, "1.2.840.10008.5.1.4.1.1.7", "2.25.2000.9", transfer_syntax, "TEST",
                      &err) == 0);
    dcm_write_init(&w, out, DCM_EXPLICIT_LE);
    write_dataset(&w, &d, "2.25.2000.9");
    buf_add(out, head, sizeof head);
    buf_add_le32(out, (uint32_t)(n + n % 2));
    buf_add(out, stream, n);
    if (n % 2 != 0)
        buf_add_u8(out, 0);
    buf_add(out, end, sizeof end);
    CHECK(!buf_is_over(out));
}

int
sample_fd(const void *bytes, size_t n)
{
    int fd = memfd_create("sample", MFD_CLOEXEC);

    CHECK(fd >= 0);
    CHECK(n == 0 || write(fd, bytes, n) == (ssize_t)n);
    return fd;
}
