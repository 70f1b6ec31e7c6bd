/* import_files.h - files as devices without DICOM make them, of nobody: electrocardiographs'
 * exports after the public structure of EN 1064 and HL7 aECG, PDF, JPEG. The judge of what is read
 * back: the samples follow from lead and time alone. */
#ifndef RADPOST_TESTS_SUPPORT_IMPORT_FILES_H
#define RADPOST_TESTS_SUPPORT_IMPORT_FILES_H

#include "proto/base/buf.h"

enum import_scp_code { SCP_PLAIN, SCP_DEFAULT_TABLE, SCP_OWN_TABLE };

struct import_ecg {
    unsigned leads;   /* of I II V1..V6 III aVR aVL aVF */
    uint32_t samples; /* each */
    unsigned hertz;
    enum import_scp_code code;
    unsigned difference;    /* 0 1 2 */
    const char *first_name; /* bytes as they stand; NULL none */
    unsigned beat_steps;    /* 0 none; else a reference beat is subtracted, in steps of so many */
};

/* Sample i of a lead: a beat of some 900 ms with noise, within +-3000. */
int16_t import_sample(unsigned lead, uint32_t i);
/* Lead numbers (MDC partition 2) in the files' order. */
extern const unsigned import_leads[12];

void import_file_scp(const struct import_ecg *e, struct buf *out);
/* Write the checksums of a record anew after something in it was changed. */
void import_scp_seal(uint8_t *record, size_t n);
void import_file_aecg(const struct import_ecg *e, struct buf *out);
void import_file_pdf(const char *words, struct buf *out);

enum import_jpeg { JPEG_GREY, JPEG_COLOUR_420, JPEG_COLOUR_444, JPEG_RGB, JPEG_PROGRESSIVE };
void import_file_jpeg(enum import_jpeg kind, unsigned cols, unsigned rows, struct buf *out);

#endif
