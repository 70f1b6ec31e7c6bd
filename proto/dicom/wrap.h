/* wrap.h - files of devices that speak no DICOM, as DICOM instances.
 * Three questions of a file's bytes, answered without decoding a pixel:
 *
 *     wrap_look    what is it, is it whole, what does it say of itself (bounds of every header)
 *     wrap_plan    the instance it becomes for this patient and study: what to write before and
 *                  behind the file's own pictures, which are never re-encoded (an ECG is written
 *                  anew, its samples and their units kept exactly; a bitmap's rows are turned
 * round) wrap_uid     UIDs that follow from what they stand for: the same file bound to the same
 * study is the same instance, however often a crash makes us begin again
 *
 *     PDF             Encapsulated PDF                        explicit little endian
 *     JPEG            Secondary Capture                       JPEG baseline, extended (8 bit)
 *     MP4 with H.264  Video Photographic, Video Endoscopic    MPEG-4 AVC/H.264 HP 4.1, 4.2
 *     aECG, SCP-ECG   12-Lead ECG Waveform, General ECG       explicit little endian
 *     DICOM           goes as it is; nothing is wrapped
 *     PNG             the same                                explicit little endian
 *     progressive     the same, to be made native; any that EXIF says lies or is mirrored, too
 *     AVI of JPEGs    Multi-frame True Color or Grayscale SC  JPEG baseline, extended (8 bit)
 *     AVI of bitmaps  the same                                explicit little endian
 *     other AVI, QuickTime, CMYK JPEG, fragmented MP4, H.265   refused in words
 *
 * Patient data: never logged; err texts name parts of a format, never their content.
 * DICOM: PS3.3 A.8.1, A.32.7, A.34.3, A.34.4, A.45.1; PS3.5 8.2.1, 8.2.7. Threads: pure. */
#ifndef RADPOST_DICOM_WRAP_H
#define RADPOST_DICOM_WRAP_H

#include "proto/base/buf.h"

enum wrap_kind {
    WRAP_UNKNOWN,
    WRAP_DICOM,
    WRAP_DICOMDIR,
    WRAP_PDF,
    WRAP_JPEG,
    WRAP_PNG,
    WRAP_MP4,
    WRAP_AVI,
    WRAP_AECG,
    WRAP_SCP,
    WRAP_KINDS
};

const char *wrap_kind_word(enum wrap_kind kind);  /* "pdf" "jpeg" "scp_ecg" ... */
const char *wrap_kind_media(enum wrap_kind kind); /* "application/pdf" ... */
bool wrap_kind_read(const char *word, enum wrap_kind *out);

/* What a file says of itself, for the person who says whose it is. UTF-8, printable. */
struct wrap_facts {
    enum wrap_kind kind;
    char said_name[193], said_id[65], said_birth[9], said_sex[2]; /* "" = nothing */
    char said_at[15];    /* YYYYMMDDHHMMSS of the recording, "" = nothing */
    char device[97];     /* maker and model */
    char modality[17];   /* what such a file usually is: ECG; "" = nothing */
    char study_uid[65];  /* DICOM */
    char series_uid[65]; /* DICOM */
    bool is_uid_made;    /* DICOM: study or series of its own cannot be used (made_uid.h) */
    char sop_class[65];  /* DICOM */
    char sop_instance[65];
    char transfer_syntax[65];
    uint32_t cols, rows, frames, channels;
    uint32_t seconds; /* of an ECG or a video, rounded */
};

/* Kind by the first bytes alone (any number of them). */
enum wrap_kind wrap_sniff(const uint8_t *bytes, size_t n);
/* Look at a whole file.
 * errors  ERR_RETRY it ends early: perhaps the rest is still coming
 *         ERR_REJECT it can never be taken; the text says why in words for a person */
int wrap_look(const uint8_t *bytes, size_t n, struct wrap_facts *out, struct err *err) MUST_CHECK;

/* Whose, and which examination. UTF-8; a person chose it. */
struct wrap_identity {
    char patient_id[65], patient_name[193], birth[9], sex[2]; /* "M" "F" "O" or "" */
    char accession[17], study_uid[65], study_id[17];
    char study_date[9], study_time[7];
    char study_description[193], referring[193], institution[193];
    char modality[17]; /* of the order; "" = not said */
};

/* The file, and the little that is decided when it is bound. */
struct wrap_source {
    const uint8_t *bytes;
    size_t n;
    uint8_t sha256[32];
    char content_date[9], content_time[7]; /* when the file tells no time of its own */
    char made_date[9], made_time[7];       /* of the wrapping */
    unsigned number;                       /* Instance Number, 1.. */
};

struct wrap_avi;

/* The instance: head, then the source's bytes if has_body or its film's pictures, then tail: a
 * Part 10 file. */
struct wrap_plan {
    char sop_class[65], sop_instance[65], transfer_syntax[65], series_uid[65];
    struct buf head, tail;
    bool has_body;
    struct wrap_avi *film; /* NULL none */
    enum wrap_needs {
        WRAP_NEEDS_NOTHING,
        WRAP_NEEDS_NATIVE, /* of a retired syntax: codec_transcode, what comes is the instance */
        WRAP_NEEDS_PIXELS  /* codec_png: wrap_plan_write's source then holds the pixels */
    } needs;
    unsigned orientation; /* of a picture to be made native: as EXIF has it, to be turned by; 1 */
    size_t pixels_n;
};

typedef int (*wrap_sink_fn)(void *user, const void *bytes, size_t n, struct err *err);

/* errors  ERR_REJECT as wrap_look(), or the identity lacks a study UID */
int wrap_plan_make(const struct wrap_identity *identity, const struct wrap_source *source,
                   struct wrap_plan *out, struct err *err) MUST_CHECK;
void wrap_plan_fini(struct wrap_plan *plan);
/* Give the instance to a sink, piece by piece in order; any number of times, the same bytes. At
 * most some hundred KiB are held beside plan and source.
 * source  the plan's
 * errors  the sink's */
int wrap_plan_write(const struct wrap_plan *plan, const struct wrap_source *source,
                    wrap_sink_fn sink, void *user, struct err *err) MUST_CHECK;

/* 2.25.N, N the first 122 bits (RFC 9562 8) of SHA-256 over the words, each ended by a zero. */
void wrap_uid(const char *what, const char *first, const char *second, char out[65]);
/* The SOP Instance UID that plan_make gives. */
void wrap_instance_uid(const char *study_uid, const uint8_t sha256[32], char out[65]);

/* A picture of an ECG's first group for the inbox: SVG, sixty pixels a second of recording.
 * errors  ERR_REJECT as wrap_look(); ERR_NOT_FOUND it is no ECG */
int wrap_ecg_svg(const uint8_t *bytes, size_t n, struct buf *out, struct err *err) MUST_CHECK;

/* An AVI film's first picture for the inbox: its JPEG, or a BMP.
 * out_media  "image/jpeg" or "image/bmp"
 * errors     ERR_REJECT as wrap_look(); ERR_NOT_FOUND it is no AVI */
int wrap_avi_still(const uint8_t *bytes, size_t n, struct buf *out, const char **out_media,
                   struct err *err) MUST_CHECK;

#endif
