/* scp_parts.h - reads of SCP-ECG that know where their section ends; the Huffman code of section 2.
 * Inside proto/dicom/ecg only. */
#ifndef RADPOST_DICOM_ECG_SCP_PARTS_H
#define RADPOST_DICOM_ECG_SCP_PARTS_H

#include "proto/base/err.h"

/* A range that is read from its begin; past the end every read is 0 and is_over says so. */
struct scp_reader {
    const uint8_t *bytes;
    size_t n, at;
    bool is_over;
};

uint32_t scp_read(struct scp_reader *r, unsigned bytes); /* little endian, 1 to 4 */
const uint8_t *scp_skip(struct scp_reader *r, size_t n); /* where they begin; NULL past the end */
/* CRC-CCITT of EN 1064: x16 + x12 + x5 + 1, begun with ones. */
uint16_t scp_crc(const uint8_t *bytes, size_t n);

enum { SCP_TABLES = 8, SCP_CODES = 64 };

struct scp_code {
    uint8_t prefix_bits, bits;
    bool is_value; /* else: go on with the table that base names */
    int16_t base;
    uint32_t prefix; /* first bit highest */
};

struct scp_huffman {
    unsigned table_count;
    struct {
        unsigned count;
        struct scp_code codes[SCP_CODES];
    } tables[SCP_TABLES];
};

void scp_huffman_default(struct scp_huffman *h);
/* Section 2's content.
 * errors  ERR_REJECT */
int scp_huffman_read(struct scp_reader *r, struct scp_huffman *out, struct err *err) MUST_CHECK;
/* count numbers of the stream.
 * errors  ERR_REJECT it ends early, or has a code that no table knows */
int scp_huffman_decode(const struct scp_huffman *h, const uint8_t *bytes, size_t n, int32_t *out,
                       uint32_t count, struct err *err) MUST_CHECK;

/* First (1) or second (2) differences back to what they are of, in place.
 * errors  ERR_REJECT a sample does not fit 16 bits */
int scp_undo_difference(int32_t *v, uint32_t count, unsigned order, struct err *err) MUST_CHECK;

/* The average beat that was taken away from a recording, and where. */
struct scp_beats {
    uint32_t nanovolts, interval_us; /* of a step, of a sample */
    uint32_t fiducial, count;        /* ones-based; samples of the beat */
    uint32_t zone_count;
    struct scp_zone {
        uint32_t start, fiducial, end; /* samples of the recording, ones-based, inclusive */
    } * zones;
    int32_t *samples[24]; /* by lead */
};

/* Contents of sections 4 and 5; huffman NULL: plain. Fini also after a failure.
 * errors  ERR_REJECT */
int scp_beats_read(struct scp_reader *section4, struct scp_reader *section5,
                   const struct scp_huffman *huffman, unsigned leads, struct scp_beats *out,
                   struct err *err) MUST_CHECK;
void scp_beats_fini(struct scp_beats *beats);
/* Put it back into a lead whose first value is sample `start`; a step of the beat counts factor. */
void scp_beats_add(const struct scp_beats *beats, unsigned lead, uint32_t start, uint32_t factor,
                   int32_t *values, uint32_t count);

#endif
