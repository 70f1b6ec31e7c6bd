/* scp_beats.c - reference beats of SCP-ECG (EN 1064 5.7, 5.8): section 4 says where the average
 * beat of section 5 was taken away from the recording before it was coded, and what lies where. */
#include "proto/dicom/ecg/ecg.h"
#include "proto/dicom/ecg/scp_parts.h"

#include <stdlib.h>

enum { BEAT_SAMPLES = 1 << 16 };

/* Section 4: the beat's length in ms, its fiducial point, and a zone for each QRS. */
static int
read_zones(struct scp_reader *r, struct scp_beats *b, uint32_t *out_ms, struct err *err)
{
    uint32_t count, behind = 0;

    *out_ms = scp_read(r, 2);
    b->fiducial = scp_read(r, 2);
    count = scp_read(r, 2);
    if (r->is_over || *out_ms == 0 || b->fiducial == 0 || count == 0 || count > (r->n - r->at) / 14)
        return err_set(err, ERR_REJECT, "SCP-ECG: section 4 does not say where beats are");
    b->zones = mem_new(count * sizeof *b->zones);
    for (uint32_t i = 0; i < count; i++) {
        uint32_t type = scp_read(r, 2);
        struct scp_zone z;

        z.start = scp_read(r, 4);
        z.fiducial = scp_read(r, 4);
        z.end = scp_read(r, 4);
        if (type != 0) /* of another kind than the average: nothing was taken away */
            continue;
        if (z.start <= behind || z.end < z.start || z.end - z.start >= BEAT_SAMPLES)
            return err_set(err, ERR_REJECT,
                           "SCP-ECG: beat %u of no sensible length, or over another", i + 1);
        behind = z.end;
        b->zones[b->zone_count++] = z;
    }
    return 0;
}

static int
read_beat(struct scp_reader *r, size_t n, const struct scp_huffman *huffman, unsigned difference,
          uint32_t count, int32_t *out, struct err *err)
{
    const uint8_t *bytes = scp_skip(r, n);

    if (bytes == NULL || (huffman == NULL && n < 2 * (size_t)count))
        return err_set(err, ERR_REJECT, "SCP-ECG: section 5 ends within a beat");
    if (huffman != NULL && scp_huffman_decode(huffman, bytes, n, out, count, err) < 0)
        return -1;
    for (uint32_t i = 0; huffman == NULL && i < count; i++)
        out[i] = (int16_t)(bytes[2 * i] | bytes[2 * i + 1] << 8);
    return scp_undo_difference(out, count, difference, err);
}

int
scp_beats_read(struct scp_reader *section4, struct scp_reader *section5,
               const struct scp_huffman *huffman, unsigned leads, struct scp_beats *b,
               struct err *err)
{
    size_t coded_n[ECG_CHANNELS];
    uint32_t ms, difference;

    if (section4->bytes == NULL || section5->bytes == NULL || leads > ECG_CHANNELS)
        return err_set(err, ERR_REJECT,
                       "SCP-ECG: a reference beat was subtracted and is not there (sections 4, 5)");
    if (read_zones(section4, b, &ms, err) < 0)
        return -1;
    b->nanovolts = scp_read(section5, 2);
    b->interval_us = scp_read(section5, 2);
    difference = scp_read(section5, 1);
    (void)scp_read(section5, 1);
    if (b->nanovolts == 0 || b->interval_us == 0 || difference > 2)
        return err_set(err, ERR_REJECT, "SCP-ECG: section 5 does not say what its samples are");
    b->count = (ms * 1000 + b->interval_us / 2) / b->interval_us;
    if (b->count == 0 || b->count > BEAT_SAMPLES || b->fiducial > b->count)
        return err_set(err, ERR_REJECT, "SCP-ECG: a reference beat of %u samples", b->count);
    for (unsigned i = 0; i < leads; i++)
        coded_n[i] = scp_read(section5, 2);
    for (unsigned i = 0; i < leads; i++) {
        b->samples[i] = mem_new(b->count * sizeof *b->samples[i]);
        if (read_beat(section5, coded_n[i], huffman, difference, b->count, b->samples[i], err) < 0)
            return -1;
    }
    return 0;
}

void
scp_beats_fini(struct scp_beats *b)
{
    free(TAKE(b->zones));
    for (unsigned i = 0; i < ECG_CHANNELS; i++)
        free(TAKE(b->samples[i]));
}

/* Past 32 bits it stays past 16, and is refused as such. */
static int32_t
sum_of(int32_t value, int32_t step, uint32_t factor)
{
    int64_t sum = value + (int64_t)step * factor;

    return sum > INT32_MAX ? INT32_MAX : sum < INT32_MIN ? INT32_MIN : (int32_t)sum;
}

void
scp_beats_add(const struct scp_beats *b, unsigned lead, uint32_t start, uint32_t factor,
              int32_t *values, uint32_t count)
{
    uint64_t lead_end = (uint64_t)start + count;

    for (uint32_t k = 0; k < b->zone_count; k++) {
        const struct scp_zone *z = &b->zones[k];
        uint64_t from = z->start > start ? z->start : start;
        uint64_t to = (uint64_t)z->end + 1 < lead_end ? (uint64_t)z->end + 1 : lead_end;

        for (uint64_t s = from; s < to; s++) {
            /* both ones-based: the beat's fiducial point lies upon the QRS's */
            int64_t j = (int64_t)s - z->fiducial + b->fiducial - 1;

            if (j >= 0 && j < b->count)
                values[s - start] = sum_of(values[s - start], b->samples[lead][j], factor);
        }
    }
}
