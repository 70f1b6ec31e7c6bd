/* fuzz_import.c - a file of a device without DICOM: it is looked at, wrapped and drawn within its
 * bounds; what is wrapped is a DICOM file that our own reader takes. */
#include "proto/base/log.h"
#include "proto/base/zip.h"
#include "proto/dicom/ecg/scp_parts.h"
#include "proto/dicom/facts.h"
#include "proto/dicom/wrap.h"
#include "proto/dicom/wrap_parts.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

/* What a worker does with it, checksums made to fit so that what lies behind them is met too. */
static void
decode_png(const uint8_t *data, size_t n)
{
    struct buf file, pixels;
    struct png png;
    struct err err;

    if (wrap_sniff(data, n) != WRAP_PNG)
        return;
    buf_init(&file, n);
    buf_init(&pixels, 16 << 20);
    buf_add(&file, data, n);
    for (size_t at = 8; n - at >= 12;) {
        uint8_t *c = file.bytes + at;
        size_t length = (size_t)c[0] << 24 | (size_t)c[1] << 16 | (size_t)c[2] << 8 | c[3];
        uint32_t crc;

        if (length > n - at - 12)
            break;
        crc = zip_crc32(0, c + 4, length + 4);
        for (int i = 0; i < 4; i++)
            c[8 + length + i] = (uint8_t)(crc >> (24 - 8 * i));
        at += 12 + length;
    }
    if (png_read(file.bytes, n, &png, &err) == 0 && png.pixels_n <= 16 << 20 &&
        png_decode(&png, file.bytes, &pixels, &err) == 0 && pixels.n != png.pixels_n)
        abort();
    buf_fini(&file);
    buf_fini(&pixels);
}

static int
take(void *user, const void *bytes, size_t n, struct err *err)
{
    (void)err;
    buf_add(user, bytes, n);
    return 0;
}

static void
wrap(const uint8_t *data, size_t n)
{
    static const struct wrap_identity to = {.patient_id = "1", .study_uid = "2.25.1"};
    struct wrap_source source = {.bytes = data, .n = n, .number = 1};
    struct dcm_facts facts;
    struct wrap_plan plan;
    struct buf file;
    struct err err;

    if (wrap_plan_make(&to, &source, &plan, &err) < 0)
        return;
    if (plan.needs == WRAP_NEEDS_PIXELS) {
        wrap_plan_fini(&plan);
        return;
    }
    buf_init(&file, 64 << 20);
    if (wrap_plan_write(&plan, &source, take, &file, &err) < 0 ||
        (!buf_is_over(&file) && dcm_facts_read(file.bytes, file.n, false, &facts, &err) < 0))
        abort();
    buf_fini(&file);
    wrap_plan_fini(&plan);
}

static void
put_crc(uint8_t *at, size_t n)
{
    uint16_t crc = scp_crc(at + 2, n - 2);

    at[0] = (uint8_t)crc;
    at[1] = (uint8_t)(crc >> 8);
}

/* A record whose length and checksums fit, so that what lies behind them is met too. */
static void
read_sealed(const uint8_t *data, size_t n)
{
    uint8_t *copy;
    struct ecg *ecg = NULL;
    struct err err;

    if (wrap_sniff(data, n) != WRAP_SCP || n < 32)
        return;
    copy = mem_new(n);
    memcpy(copy, data, n);
    le32_write(copy + 2, (uint32_t)n);
    for (size_t i = 22; i + 10 <= n && i < 142; i += 10) {
        uint32_t length = le32_read(copy + i + 2), index = le32_read(copy + i + 6);

        if (index > 142 && length >= 16 && index - 1 + (uint64_t)length <= n)
            put_crc(copy + index - 1, length);
    }
    put_crc(copy, n);
    if (ecg_read_scp(copy, n, &ecg, &err) == 0)
        ecg_free(&ecg);
    free(copy);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
    struct wrap_facts facts;
    struct buf svg;
    const char *media;
    struct err err;

    log_set_fd(-1);
    buf_init(&svg, 1 << 20);
    if (wrap_look(data, n, &facts, &err) == 0)
        wrap(data, n);
    (void)!wrap_ecg_svg(data, n, &svg, &err);
    buf_clear(&svg);
    (void)!wrap_avi_still(data, n, &svg, &media, &err);
    decode_png(data, n);
    read_sealed(data, n);
    buf_fini(&svg);
    return 0;
}
