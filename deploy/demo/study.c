/* study.c - tags around the pixels: PS3.3 A.3 (CT Image), A.26 (Digital X-Ray). */
#include "deploy/demo/study.h"

#include "deploy/demo/chest.h"
#include "deploy/demo/head.h"
#include "proto/base/clock.h"
#include "proto/dicom/part10.h"
#include "proto/dicom/write.h"
#include "proto/trust/digest.h"

#include <iconv.h>
#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define CT_IMAGE "1.2.840.10008.5.1.4.1.1.2"
#define DX_IMAGE "1.2.840.10008.5.1.4.1.1.1.1"
#define LOWEST_MM (-40.0)

/* A file being written: its writer and the character set of its texts. */
struct page {
    struct dcm_writer w;
    const char *charset; /* as (0008,0005) and as iconv name it */
    const char *iconv_name;
};

/* PS3.5 B.2: 2.25. and a 128-bit number in decimal. */
static void
uid_of(uint64_t high, uint64_t low, char out[65])
{
    unsigned __int128 v = (unsigned __int128)high << 64 | low;
    char digits[40];
    int n = 0, at = 5;

    do {
        digits[n++] = (char)('0' + (int)(v % 10));
        v /= 10;
    } while (v != 0);
    memcpy(out, "2.25.", 5);
    while (n > 0)
        out[at++] = digits[--n];
    out[at] = '\0';
}

static void
uid_new(const struct study *s, uint64_t what, char out[65])
{
    struct noise fixed = {s->seed ^ what * 0xD1B54A32D192ED03u};
    uint64_t words[2] = {0, 0};

    if (s->is_fixed) {
        words[0] = noise_u64(&fixed);
        words[1] = noise_u64(&fixed);
    } else {
        random_bytes(words, sizeof words);
    }
    uid_of(words[0], words[1], out);
}

void
study_init(struct study *s, bool is_fixed, uint64_t seed)
{
    time_t now = is_fixed ? 1782000000 : (time_t)(clock_wall_us() / 1000000);
    struct tm tm;

    memset(s, 0, sizeof *s);
    s->is_fixed = is_fixed;
    s->seed = seed;
    if (!is_fixed)
        random_bytes(&s->seed, sizeof s->seed);
    localtime_r(&now, &tm);
    strftime(s->date, sizeof s->date, "%Y%m%d", &tm);
    strftime(s->time, sizeof s->time, "%H%M%S", &tm);
    uid_new(s, 1, s->ct_study);
    uid_new(s, 2, s->ct_series);
    uid_new(s, 3, s->ct_frame);
    uid_new(s, 4, s->dx_study);
    uid_new(s, 5, s->dx_series);
}

/* A text of ours, in the file's character set. */
static void
put_words(struct page *p, uint32_t tag, const char *utf8)
{
    char room[256], *to = room, *from = (char *)(uintptr_t)utf8;
    size_t from_n = strlen(utf8), to_n = sizeof room - 1;
    iconv_t cd = iconv_open(p->iconv_name, "UTF-8");

    CHECK(cd != (iconv_t)-1); /* libc's own tables */
    CHECK(iconv(cd, &from, &from_n, &to, &to_n) != (size_t)-1);
    iconv_close(cd);
    dcm_write_bytes(&p->w, tag, NULL, room, (size_t)(to - room));
}

static void
put(struct page *p, uint32_t tag, const char *text)
{
    dcm_write_text(&p->w, tag, NULL, text);
}

__attribute__((format(printf, 3, 4))) static void
put_number(struct page *p, uint32_t tag, const char *format, ...)
{
    char text[128];
    va_list args;

    va_start(args, format);
    vsnprintf(text, sizeof text, format, args);
    va_end(args);
    put(p, tag, text);
}

/* What every image says: general study, series, equipment, patient (groups 0008 and 0010). */
struct words {
    const char *image_type, *sop_class, *sop_instance, *accession, *modality;
    const char *study_words, *series_words, *station;
};

static void
put_identity(struct page *p, const struct study *s, const struct words *words)
{
    put(p, 0x00080005, p->charset);
    put(p, 0x00080008, words->image_type);
    put(p, 0x00080016, words->sop_class);
    put(p, 0x00080018, words->sop_instance);
    for (uint32_t tag = 0x00080020; tag <= 0x00080023; tag++)
        put(p, tag, s->date);
    for (uint32_t tag = 0x00080030; tag <= 0x00080033; tag++)
        put(p, tag, s->time);
    put(p, 0x00080050, words->accession);
    put(p, 0x00080060, words->modality);
    if (strcmp(words->modality, "DX") == 0)
        put(p, 0x00080068, "FOR PRESENTATION");
    put(p, 0x00080070, "Radpost");
    put_words(p, 0x00080080, "演示镇卫生院");
    put(p, 0x00080090, "");
    put(p, 0x00081010, words->station);
    put_words(p, 0x00081030, words->study_words);
    put_words(p, 0x0008103E, words->series_words);
    put(p, 0x00081090, "DEMO PHANTOM");
}

static void
put_patient(struct page *p)
{
    put_words(p, 0x00100010, "Yanshi^Huanzhe=演示^患者");
    put(p, 0x00100020, "DEMO-000001");
    put(p, 0x00100021, "RADPOST-DEMO");
    put(p, 0x00100030, "19620517");
    put(p, 0x00100040, "F");
    put(p, 0x00101010, "064Y");
    put_words(p, 0x00104000, "虚构的患者，由程序生成的模体图像，不是任何人");
}

static void
put_pixel_format(struct page *p, uint16_t rows, uint16_t columns, double spacing, uint16_t bits)
{
    dcm_write_u16(&p->w, 0x00280002, 1);
    put(p, 0x00280004, "MONOCHROME2");
    dcm_write_u16(&p->w, 0x00280010, rows);
    dcm_write_u16(&p->w, 0x00280011, columns);
    put_number(p, 0x00280030, "%.3f\\%.3f", spacing, spacing);
    dcm_write_u16(&p->w, 0x00280100, 16);
    dcm_write_u16(&p->w, 0x00280101, bits);
    dcm_write_u16(&p->w, 0x00280102, (uint16_t)(bits - 1));
    dcm_write_u16(&p->w, 0x00280103, 0);
}

static void
put_pixels(struct page *p, const uint16_t *values, size_t count)
{
    uint8_t *bytes = mem_new(2 * count);

    for (size_t i = 0; i < count; i++) {
        bytes[2 * i] = (uint8_t)values[i];
        bytes[2 * i + 1] = (uint8_t)(values[i] >> 8);
    }
    dcm_write_bytes(&p->w, 0x7FE00010, "OW", bytes, 2 * count);
    free(bytes);
}

static void
put_ct_exposure(struct page *p)
{
    put(p, 0x00180015, "HEAD");
    put_number(p, 0x00180050, "%.1f", HEAD_THICKNESS_MM);
    put(p, 0x00180060, "120");
    put(p, 0x00180090, "250");
    put_words(p, 0x00181030, "头颅平扫");
    put_number(p, 0x00181100, "%.2f", HEAD_SIZE * HEAD_SPACING_MM);
    put(p, 0x00181120, "0");
    put(p, 0x00181130, "142");
    put(p, 0x00181140, "CW");
    put(p, 0x00181150, "1000");
    put(p, 0x00181151, "260");
    put(p, 0x00181152, "260");
    put(p, 0x00181210, "H31s");
    put(p, 0x00185100, "HFS");
}

static void
put_ct_place(struct page *p, const struct study *s, int slice, double z_mm)
{
    double corner = -(HEAD_SIZE / 2 - 0.5) * HEAD_SPACING_MM;

    put(p, 0x0020000D, s->ct_study);
    put(p, 0x0020000E, s->ct_series);
    put(p, 0x00200010, "1");
    put(p, 0x00200011, "2");
    put(p, 0x00200012, "1");
    put_number(p, 0x00200013, "%d", slice + 1);
    put_number(p, 0x00200032, "%.3f\\%.3f\\%.3f", corner, corner - 4.0, z_mm);
    put(p, 0x00200037, "1\\0\\0\\0\\1\\0");
    put(p, 0x00200052, s->ct_frame);
    put(p, 0x00201040, "");
    put_number(p, 0x00201041, "%.3f", z_mm);
}

/* Begin the file and the writer behind its head. */
static int
page_begin(struct page *p, struct buf *out, const char *sop_class, const char *sop_instance,
           const char *charset, struct err *err)
{
    p->charset = charset;
    p->iconv_name = strcmp(charset, "GB18030") == 0 ? "GB18030" : "UTF-8";
    if (part10_head(out, sop_class, sop_instance, DCM_UID_EXPLICIT_LE, "RADPOST_DEMO", err) < 0)
        return -1;
    dcm_write_init(&p->w, out, DCM_EXPLICIT_LE);
    return 0;
}

static int
page_end(const struct buf *out, struct err *err)
{
    return buf_is_over(out) ? err_set(err, ERR_FATAL, "the file is longer than its buffer") : 0;
}

int
study_ct_slice(const struct study *s, int slice, int count, struct buf *out, struct err *err)
{
    size_t n = (size_t)HEAD_SIZE * HEAD_SIZE;
    double z_mm = LOWEST_MM + 150.0 * slice / count;
    struct noise noise = {s->seed ^ (uint64_t)(slice + 1) * 0xA24BAED4963EE407u};
    struct words words = {"ORIGINAL\\PRIMARY\\AXIAL",
                          CT_IMAGE,
                          "",
                          "DEMO-CT-1",
                          "CT",
                          "头颅CT平扫",
                          "轴位 5mm 脑窗",
                          "DEMOCT1"};
    float *hu = mem_new(n * sizeof *hu);
    uint16_t *values = mem_new(n * sizeof *values);
    char sop_instance[65];
    struct page p;
    int rc = -1;

    uid_new(s, 1000 + (uint64_t)slice, sop_instance);
    words.sop_instance = sop_instance;
    if (page_begin(&p, out, CT_IMAGE, sop_instance, "GB18030", err) < 0)
        goto out;
    head_slice(z_mm, &noise, hu);
    for (size_t i = 0; i < n; i++)
        values[i] = (uint16_t)fmin(fmax(lround((double)hu[i]) + 1024.0, 0.0), 4095.0);
    put_identity(&p, s, &words);
    put_patient(&p);
    put_ct_exposure(&p);
    put_ct_place(&p, s, slice, z_mm);
    put_pixel_format(&p, HEAD_SIZE, HEAD_SIZE, HEAD_SPACING_MM, 12);
    put(&p, 0x00281050, "40");
    put(&p, 0x00281051, "80");
    put(&p, 0x00281052, "-1024");
    put(&p, 0x00281053, "1");
    put(&p, 0x00281054, "HU");
    put_pixels(&p, values, n);
    rc = page_end(out, err);
out:
    free(values);
    free(hu);
    return rc;
}

static void
put_code(struct page *p, uint32_t sequence, const char *value, const char *meaning)
{
    dcm_write_sequence_begin(&p->w, sequence);
    dcm_write_item_begin(&p->w);
    put(p, 0x00080100, value);
    put(p, 0x00080102, "SCT");
    put(p, 0x00080104, meaning);
    dcm_write_item_end(&p->w);
    dcm_write_sequence_end(&p->w);
}

static void
put_dx_exposure(struct page *p)
{
    put(p, 0x00180015, "CHEST");
    put(p, 0x00180060, "120");
    put(p, 0x00181110, "1800");
    put(p, 0x00181111, "1750");
    put(p, 0x00181150, "8");
    put(p, 0x00181152, "3");
    put_number(p, 0x00181164, "%.3f\\%.3f", CHEST_SPACING_MM, CHEST_SPACING_MM);
    put(p, 0x00181508, "");
    put(p, 0x00185101, "PA");
    put(p, 0x00187004, "SCINTILLATOR");
}

static void
put_dx_place(struct page *p, const struct study *s)
{
    put(p, 0x0020000D, s->dx_study);
    put(p, 0x0020000E, s->dx_series);
    put(p, 0x00200010, "2");
    put(p, 0x00200011, "1");
    put(p, 0x00200013, "1");
    put(p, 0x00200020, "L\\F");
    put(p, 0x00200062, "U");
}

int
study_chest(const struct study *s, struct buf *out, struct err *err)
{
    size_t n = (size_t)CHEST_ROWS * CHEST_COLUMNS;
    struct noise noise = {s->seed ^ 0x9FB21C651E98DF25u};
    struct words words = {"ORIGINAL\\PRIMARY", DX_IMAGE, "",       "DEMO-DX-1", "DX",
                          "胸部正位",          "后前位", "DEMODR1"};
    uint16_t *values = mem_new(n * sizeof *values);
    char sop_instance[65];
    struct page p;
    int rc = -1;

    uid_new(s, 6, sop_instance);
    words.sop_instance = sop_instance;
    if (page_begin(&p, out, DX_IMAGE, sop_instance, "ISO_IR 192", err) < 0)
        goto out;
    chest_picture(&noise, values);
    put_identity(&p, s, &words);
    put_code(&p, 0x00082218, "43799004", "Thorax");
    put_patient(&p);
    put_dx_exposure(&p);
    put_dx_place(&p, s);
    put_pixel_format(&p, CHEST_ROWS, CHEST_COLUMNS, CHEST_SPACING_MM, 14);
    put(&p, 0x00280301, "NO");
    put(&p, 0x00281040, "LOG");
    dcm_write_bytes(&p.w, 0x00281041, "SS", "\xff\xff", 2);
    put(&p, 0x00281050, "8000");
    put(&p, 0x00281051, "14000");
    put(&p, 0x00281052, "0");
    put(&p, 0x00281053, "1");
    put(&p, 0x00281054, "US");
    put(&p, 0x00282110, "00");
    dcm_write_sequence_begin(&p.w, 0x00400555);
    dcm_write_sequence_end(&p.w);
    put_code(&p, 0x00540220, "399348003", "postero-anterior");
    put(&p, 0x20500020, "IDENTITY");
    put_pixels(&p, values, n);
    rc = page_end(out, err);
out:
    free(values);
    return rc;
}
