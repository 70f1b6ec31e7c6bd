/* ecg.h - an electrocardiogram as a recorder exported it: HL7 aECG (XML) or SCP-ECG (EN 1064).
 * Samples are kept as the integers of the file, with the units they stand for: value = sample *
 * sensitivity + baseline, in microvolt or millivolt as the file has it. Nothing is filtered,
 * resampled, nor are missing leads computed.
 * Limits: ECG_GROUPS multiplex groups of at most ECG_CHANNELS leads and ECG_SAMPLES samples.
 * Outside bytes: aECG by expat with any DOCTYPE refused (so no entity is ever expanded), depth and
 * text limited; SCP-ECG by reads that know where their section ends, its CRCs checked.
 * Threads: pure; a recording belongs to its owner. */
#ifndef RADPOST_DICOM_ECG_ECG_H
#define RADPOST_DICOM_ECG_ECG_H

#include "proto/base/buf.h"

enum { ECG_GROUPS = 5, ECG_CHANNELS = 24, ECG_SAMPLES = 1 << 20 };

enum ecg_unit { ECG_UV, ECG_MV };

struct ecg_channel {
    uint16_t lead;        /* of ISO/IEEE 11073-10101, "MDC 2:lead"; 0 = unspecified */
    char label[17];       /* "I", "aVR", "V1" */
    char sensitivity[17]; /* a DS: units of one step */
    char baseline[17];    /* a DS: units of sample 0 */
    enum ecg_unit unit;
    int16_t *samples; /* group's count of them */
};

struct ecg_group {
    bool is_derived; /* an averaged beat, not what was recorded */
    unsigned channel_count;
    uint32_t sample_count;
    char frequency[17]; /* a DS, Hz */
    double hertz;
    double offset_ms; /* of its first sample, after the recording's begin */
    struct ecg_channel channels[ECG_CHANNELS];
};

struct ecg {
    char name[193], id[65], birth[9], sex[2]; /* of the patient as the recorder was told; UTF-8 */
    char at[15];                              /* YYYYMMDDHHMMSS, local; "" */
    char maker[65], model[65], serial[65], software[65];
    char filter_low[17], filter_high[17]; /* DS, Hz; "" */
    unsigned group_count;
    struct ecg_group groups[ECG_GROUPS];
};

/* *out_ecg is the caller's (ecg_free).
 * errors  ERR_RETRY the file ends early; ERR_REJECT in words for a person */
int ecg_read_aecg(const uint8_t *bytes, size_t n, struct ecg **out_ecg, struct err *err) MUST_CHECK;
int ecg_read_scp(const uint8_t *bytes, size_t n, struct ecg **out_ecg, struct err *err) MUST_CHECK;
void ecg_free(struct ecg **ecg);

/* Words of a lead: PS3.16 CID 3001. NULL when the number is not in it. */
const char *ecg_lead_label(uint16_t lead);   /* "aVR" */
const char *ecg_lead_meaning(uint16_t lead); /* "aVR, augmented voltage, right" */
uint16_t ecg_lead_by_mdc(const char *name);  /* "MDC_ECG_LEAD_AVR" > 62; 0 unknown */
/* The shortest decimal that reads back as v, at most 16 characters (then the nearest). */
void ecg_decimal(double v, char out[17]);
/* Room for a group's samples; NULL past the limits. */
int16_t *ecg_samples_new(uint32_t count);

#endif
