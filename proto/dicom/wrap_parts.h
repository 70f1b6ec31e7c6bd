/* wrap_parts.h - what the wrap_*.c share: a set of elements in any order, the attributes of
 * patient, study and series, and what each format's header says. Inside proto/dicom/wrap_*.c only.
 */
#ifndef RADPOST_DICOM_WRAP_PARTS_H
#define RADPOST_DICOM_WRAP_PARTS_H

#include "proto/dicom/ecg/ecg.h"
#include "proto/dicom/png.h"
#include "proto/dicom/wrap.h"
#include "proto/dicom/write.h"

#define WRAP_SYNTAX_PROGRESSIVE "1.2.840.10008.1.2.4.55" /* retired */
#define WRAP_CLASS_PDF "1.2.840.10008.5.1.4.1.1.104.1"
#define WRAP_CLASS_SC "1.2.840.10008.5.1.4.1.1.7"
#define WRAP_CLASS_SC_GREY "1.2.840.10008.5.1.4.1.1.7.2"
#define WRAP_CLASS_SC_COLOUR "1.2.840.10008.5.1.4.1.1.7.4"
#define WRAP_CLASS_VIDEO_ENDOSCOPIC "1.2.840.10008.5.1.4.1.1.77.1.1.1"
#define WRAP_CLASS_VIDEO_PHOTOGRAPHIC "1.2.840.10008.5.1.4.1.1.77.1.4.1"
#define WRAP_CLASS_ECG_12 "1.2.840.10008.5.1.4.1.1.9.1.1"
#define WRAP_CLASS_ECG_GENERAL "1.2.840.10008.5.1.4.1.1.9.1.2"

/* ---- elements, sorted when they are taken ---- */
struct wrap_set {
    struct buf bytes;
    struct dcm_writer w; /* of the element being written */
    unsigned count;
    struct wrap_element {
        uint32_t tag;
        size_t at, n;
    } elements[96];
};

void wrap_set_init(struct wrap_set *s, size_t limit);
void wrap_set_fini(struct wrap_set *s);
/* One element by s->w between them (a sequence with all of it). */
void wrap_set_begin(struct wrap_set *s, uint32_t tag);
void wrap_set_end(struct wrap_set *s);
void wrap_text(struct wrap_set *s, uint32_t tag, const char *vr, const char *text);
void wrap_u16(struct wrap_set *s, uint32_t tag, uint16_t v);
void wrap_u32(struct wrap_set *s, uint32_t tag, uint32_t v);
void wrap_empty_sequence(struct wrap_set *s, uint32_t tag);
/* Append those with from <= tag < to, in order. */
void wrap_set_take(struct wrap_set *s, uint32_t from, uint32_t to, struct buf *out);
/* At most max characters of UTF-8, without control characters, \ as /. For PN, LO, SH, inside
 * sequences too. */
void wrap_words(struct dcm_writer *w, uint32_t tag, const char *vr, const char *text, size_t max);
void wrap_code(struct dcm_writer *w, uint32_t tag, const char *value, const char *scheme,
               const char *meaning);

/* ---- SOP, patient, study, series ---- */
struct wrap_series {
    const char *sop_class, *transfer_syntax, *modality, *description;
    const char *key;           /* the series is of study and this */
    unsigned number;           /* Series Number */
    const char *at;            /* YYYYMMDDHHMMSS the file tells; "" the source's content time */
    const char *maker, *model; /* "" unknown */
};

/* Part 10 head into plan->head; the common elements into s.
 * errors  ERR_REJECT the identity has no valid study UID */
int wrap_common(const struct wrap_identity *identity, const struct wrap_source *source,
                const struct wrap_series *series, struct wrap_plan *plan, struct wrap_set *s,
                struct err *err) MUST_CHECK;
/* Encapsulated pixel data of one fragment: the rest of s, then element, empty offset table and the
 * fragment's header into plan->head; padding and delimiter into plan->tail. */
int wrap_one_fragment(struct wrap_set *s, size_t n, struct wrap_plan *plan,
                      struct err *err) MUST_CHECK;

/* ---- formats ---- */
struct wrap_jpeg {
    uint32_t cols, rows;
    unsigned components;
    const char *photometric;
    const char *transfer_syntax;
    size_t scan_at; /* its first scan's marker */
    size_t end;     /* behind its end mark */
    bool has_tables;
    unsigned orientation; /* EXIF: 1 upright .. 8; 1 where it says nothing */
};
int wrap_jpeg_read(const uint8_t *bytes, size_t n, struct wrap_jpeg *out,
                   struct err *err) MUST_CHECK;

struct wrap_video {
    uint32_t cols, rows, frames;
    double frame_ms;
    const char *transfer_syntax;
};
int wrap_video_read(const uint8_t *bytes, size_t n, struct wrap_video *out,
                    struct err *err) MUST_CHECK;
/* An AVC decoder configuration record (ISO/IEC 14496-15 5.2.4): profile, level, picture size. */
int wrap_avc_read(const uint8_t *bytes, size_t n, struct wrap_video *out,
                  struct err *err) MUST_CHECK;

/* A film of pictures, each a range of the file. */
struct wrap_avi {
    uint32_t cols, rows, frames;
    double frame_ms;
    bool is_jpeg;
    struct wrap_jpeg jpeg; /* the first */
    unsigned bits;         /* of a bitmap: 8, 24, 32 */
    bool is_top_down, is_grey;
    uint8_t palette[256][3]; /* of 8 bits: RGB */
    struct wrap_frame {
        size_t at;
        uint32_t n;
        uint32_t tables_at; /* JPEG without Huffman tables: where they are due; 0 it has them */
    } * list;
};
int wrap_avi_read(const uint8_t *bytes, size_t n, struct wrap_avi *out, struct err *err) MUST_CHECK;
void wrap_avi_fini(struct wrap_avi *avi);
size_t wrap_avi_stride(const struct wrap_avi *avi);
/* The pixel data's content, frame by frame. */
int wrap_avi_write(const struct wrap_avi *avi, const uint8_t *file, wrap_sink_fn sink, void *user,
                   struct err *err) MUST_CHECK;

int wrap_pdf_read(const uint8_t *bytes, size_t n, struct err *err) MUST_CHECK;
int wrap_ecg_read(enum wrap_kind kind, const uint8_t *bytes, size_t n, struct ecg **out,
                  struct err *err) MUST_CHECK;

int wrap_pdf_plan(const struct wrap_identity *identity, const struct wrap_source *source,
                  struct wrap_plan *plan, struct wrap_set *s, struct err *err) MUST_CHECK;
int wrap_jpeg_plan(const struct wrap_identity *identity, const struct wrap_source *source,
                   struct wrap_plan *plan, struct wrap_set *s, struct err *err) MUST_CHECK;
int wrap_video_plan(const struct wrap_identity *identity, const struct wrap_source *source,
                    struct wrap_plan *plan, struct wrap_set *s, struct err *err) MUST_CHECK;
int wrap_png_plan(const struct wrap_identity *identity, const struct wrap_source *source,
                  struct wrap_plan *plan, struct wrap_set *s, struct err *err) MUST_CHECK;
int wrap_avi_plan(const struct wrap_identity *identity, const struct wrap_source *source,
                  struct wrap_plan *plan, struct wrap_set *s, struct err *err) MUST_CHECK;
/* The class that allows it all (PS3.3 A.34.3.4, A.34.4.4).
 * errors  ERR_REJECT none does */
int wrap_ecg_class(const struct ecg *e, const char **out, struct err *err) MUST_CHECK;
int wrap_ecg_plan(const struct wrap_identity *identity, const struct wrap_source *source,
                  enum wrap_kind kind, struct wrap_plan *plan, struct wrap_set *s,
                  struct err *err) MUST_CHECK;

#endif
