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

#endif
