/* wrap_jpeg.c - a JPEG as Secondary Capture, its bytes as they are (PS3.3 A.8.1, PS3.5 8.2.1); a
 * progressive one, whose syntax is retired, to be made native by whoever has a decoder, and one
 * that lies on its side or is mirrored (EXIF), which no DICOM attribute says, to be turned then.
 * Only markers are read (ITU-T T.81 annex B). Colours: JFIF says YCbCr; an Adobe marker says which;
 * else component ids R G B say RGB, and anything else is YCbCr, as every decoder takes it. */
#include "proto/dicom/wrap_parts.h"

#include "proto/dicom/syntax.h"

#include <stdio.h>
#include <string.h>

#define SYNTAX_EXTENDED "1.2.840.10008.1.2.4.51"

struct jpeg {
    struct wrap_jpeg out;
    bool has_frame, has_scan, has_jfif, has_exif;
    int adobe; /* transform, -1 no marker */
    uint8_t ids[4];
};

static int
read_frame(struct jpeg *j, unsigned marker, const uint8_t *p, size_t n, struct err *err)
{
    unsigned count;

    if (n < 6 || n < 6 + 3 * (size_t)p[5])
        return err_set(err, ERR_REJECT, "JPEG: broken frame header");
    if (j->has_frame)
        return err_set(err, ERR_REJECT, "JPEG: more than one frame");
    if (marker < 0xC0 || marker > 0xC2)
        return err_set(err, ERR_REJECT,
                       "JPEG: of a rare kind (marker FF%02X); save it as a baseline JPEG", marker);
    if (p[0] != 8)
        return err_set(err, ERR_REJECT, "JPEG: %u bits; save it with 8", p[0]);
    j->out.rows = (uint32_t)(p[1] << 8 | p[2]);
    j->out.cols = (uint32_t)(p[3] << 8 | p[4]);
    count = p[5];
    if (j->out.rows == 0 || j->out.cols == 0 || (count != 1 && count != 3))
        return err_set(err, ERR_REJECT,
                       count == 4 ? "JPEG: colours for print (CMYK); save it as RGB"
                                  : "JPEG: no picture size, or %u colours",
                       count);
    for (unsigned i = 0; i < count; i++)
        j->ids[i] = p[6 + 3 * i];
    j->out.components = count;
    j->out.transfer_syntax = marker == 0xC0   ? DCM_UID_JPEG_BASELINE
                             : marker == 0xC1 ? SYNTAX_EXTENDED
                                              : WRAP_SYNTAX_PROGRESSIVE;
    j->has_frame = true;
    return 0;
}

static unsigned
number_at(const uint8_t *p, unsigned n, bool is_little)
{
    unsigned v = 0;

    for (unsigned i = 0; i < n; i++)
        v = v << 8 | p[is_little ? n - 1 - i : i];
    return v;
}

/* Orientation of the first directory of an EXIF segment (TIFF 6.0; CIPA DC-008 4.6.4). */
static unsigned
read_orientation(const uint8_t *p, size_t n)
{
    bool is_little;
    size_t at, count;

    if (n < 14 || memcmp(p, "Exif\0\0", 6) != 0)
        return 1;
    p += 6;
    n -= 6;
    is_little = memcmp(p, "II", 2) == 0;
    if ((!is_little && memcmp(p, "MM", 2) != 0) || number_at(p + 2, 2, is_little) != 42)
        return 1;
    at = number_at(p + 4, 4, is_little);
    if (at > n - 2)
        return 1;
    count = number_at(p + at, 2, is_little);
    for (at += 2; count-- > 0 && n - at >= 12; at += 12)
        if (number_at(p + at, 2, is_little) == 0x0112 && number_at(p + at + 2, 2, is_little) == 3) {
            unsigned v = number_at(p + at + 8, 2, is_little);

            return v >= 1 && v <= 8 ? v : 1;
        }
    return 1;
}

static const char *
photometric_of(const struct jpeg *j)
{
    bool is_rgb =
        !j->has_jfif && (j->adobe == 0 || (j->adobe < 0 && memcmp(j->ids, "RGB", 3) == 0));

    if (j->out.components == 1)
        return "MONOCHROME2";
    /* also for 4:4:4: how chroma is sampled, the stream says itself */
    return is_rgb ? "RGB" : "YBR_FULL_422";
}

/* Behind a scan's header: coded bytes up to the next marker that is neither stuffing nor restart.
 */
static size_t
skip_scan(const uint8_t *bytes, size_t n, size_t at)
{
    for (; at + 1 < n; at++) {
        if (bytes[at] != 0xFF)
            continue;
        if (bytes[at + 1] != 0x00 && bytes[at + 1] != 0xFF &&
            (bytes[at + 1] < 0xD0 || bytes[at + 1] > 0xD7))
            return at;
    }
    return n;
}

static int
read_segment(struct jpeg *j, unsigned marker, const uint8_t *p, size_t n, struct err *err)
{
    if (marker >= 0xC0 && marker <= 0xCF && marker != 0xC4 && marker != 0xC8 && marker != 0xCC)
        return read_frame(j, marker, p, n, err);
    if (marker == 0xE0 && n >= 5 && memcmp(p, "JFIF", 5) == 0)
        j->has_jfif = true;
    else if (marker == 0xE1 && n >= 6 && memcmp(p, "Exif", 5) == 0 && !j->has_exif) {
        j->has_exif = true;
        j->out.orientation = read_orientation(p, n);
    } else if (marker == 0xC4)
        j->out.has_tables = true;
    else if (marker == 0xEE && n >= 12 && memcmp(p, "Adobe", 5) == 0)
        j->adobe = p[11];
    else if (marker == 0xDA) {
        if (!j->has_frame)
            return err_set(err, ERR_REJECT, "JPEG: a scan before its frame");
        j->has_scan = true;
    }
    return 0;
}

int
wrap_jpeg_read(const uint8_t *bytes, size_t n, struct wrap_jpeg *out, struct err *err)
{
    struct jpeg j = {.adobe = -1, .out.orientation = 1};
    size_t at = 2;

    if (n < 4 || bytes[0] != 0xFF || bytes[1] != 0xD8)
        return err_set(err, ERR_REJECT, "JPEG: does not begin as one");
    for (;;) {
        unsigned marker;
        size_t length;

        if (at < n && bytes[at] != 0xFF)
            return err_set(err, ERR_REJECT, "JPEG: no marker where one is due");
        while (at < n && bytes[at] == 0xFF) /* fill bytes */
            at++;
        if (at >= n)
            return err_set(err, ERR_RETRY, "JPEG: ends early");
        marker = bytes[at++];
        if (marker == 0xD9)
            break;
        if (marker == 0x01 || (marker >= 0xD0 && marker <= 0xD8))
            continue;
        if (n - at < 2)
            return err_set(err, ERR_RETRY, "JPEG: ends early");
        if (marker == 0xDA && !j.has_scan)
            j.out.scan_at = at - 2;
        length = (size_t)(bytes[at] << 8 | bytes[at + 1]);
        if (length < 2)
            return err_set(err, ERR_REJECT, "JPEG: a segment of no length");
        if (length > n - at)
            return err_set(err, ERR_RETRY, "JPEG: ends early");
        if (read_segment(&j, marker, bytes + at + 2, length - 2, err) < 0)
            return -1;
        at += length;
        if (marker == 0xDA)
            at = skip_scan(bytes, n, at);
    }
    if (!j.has_scan)
        return err_set(err, ERR_REJECT, "JPEG: holds no picture");
    j.out.photometric = photometric_of(&j);
    j.out.end = at;
    *out = j.out;
    return 0;
}

/* Decoded bytes to coded bytes, two decimals (PS3.3 C.7.6.1.1.5.2). */
static void
put_lossy(struct wrap_set *s, const struct wrap_jpeg *j, size_t n)
{
    char ratio[17];

    snprintf(ratio, sizeof ratio, "%.2f", (double)j->cols * j->rows * j->components / (double)n);
    wrap_text(s, 0x00282110, "CS", "01");
    wrap_text(s, 0x00282112, "DS", ratio);
    wrap_text(s, 0x00282114, "CS", "ISO_10918_1");
}

int
wrap_jpeg_plan(const struct wrap_identity *identity, const struct wrap_source *source,
               struct wrap_plan *plan, struct wrap_set *s, struct err *err)
{
    struct wrap_series series = {.sop_class = WRAP_CLASS_SC,
                                 .modality = identity->modality[0] ? identity->modality : "OT",
                                 .description = "导入的图片",
                                 .key = "jpeg",
                                 .number = 9502,
                                 .at = "",
                                 .maker = "",
                                 .model = ""};
    struct wrap_jpeg j;

    if (wrap_jpeg_read(source->bytes, source->n, &j, err) < 0)
        return -1;
    series.transfer_syntax = j.transfer_syntax;
    if (wrap_common(identity, source, &series, plan, s, err) < 0)
        return -1;
    wrap_text(s, 0x00080008, "CS", "DERIVED\\SECONDARY");
    wrap_text(s, 0x00080064, "CS", "DI");
    wrap_text(s, 0x00200020, "CS", "");
    if (strcmp(series.modality, "ECG") != 0 && strcmp(series.modality, "EPS") != 0)
        wrap_text(s, 0x00200060, "CS", ""); /* not known; of a heart there is none */
    wrap_u16(s, 0x00280002, (uint16_t)j.components);
    wrap_text(s, 0x00280004, "CS", j.photometric);
    if (j.components > 1)
        wrap_u16(s, 0x00280006, 0);
    wrap_u16(s, 0x00280010, (uint16_t)j.rows);
    wrap_u16(s, 0x00280011, (uint16_t)j.cols);
    wrap_u16(s, 0x00280100, 8);
    wrap_u16(s, 0x00280101, 8);
    wrap_u16(s, 0x00280102, 7);
    wrap_u16(s, 0x00280103, 0);
    wrap_text(s, 0x00280301, "CS", "YES"); /* it may name the patient */
    put_lossy(s, &j, source->n);
    plan->orientation = j.orientation;
    if (strcmp(j.transfer_syntax, WRAP_SYNTAX_PROGRESSIVE) == 0 || j.orientation != 1)
        plan->needs = WRAP_NEEDS_NATIVE;
    return wrap_one_fragment(s, source->n, plan, err);
}
