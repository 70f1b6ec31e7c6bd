/* scp.c - SCP-ECG (EN 1064, ISO 11073-91064): sections 0 to 6.
 * Section 6 is either plain 16-bit numbers or Huffman code, of samples or of their first or second
 * differences; a reference beat that was subtracted (section 5) is put back where section 4 says.
 * Bimodal compression, which throws samples away, is refused in words. */
#include "proto/dicom/ecg/ecg.h"
#include "proto/dicom/ecg/scp_parts.h"

#include "proto/base/text.h"
#include "proto/dicom/charset.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { RECORD_HEAD = 6, SECTION_HEAD = 16, SECTIONS = 12, TAGS_MAX = 400 };

struct range {
    const uint8_t *bytes; /* NULL: not there */
    size_t n;
};

struct lead {
    uint32_t start, end; /* ones-based, inclusive */
    uint8_t id;
    size_t coded_n;
};

struct scp {
    struct range sections[SECTIONS]; /* contents */
    unsigned lead_count;
    struct lead leads[ECG_CHANNELS];
    uint32_t nanovolts, interval_us, difference;
    uint32_t factor, beat_factor; /* steps of the samples given in one of section 6, of 5 */
    bool is_coded, has_beats;
    struct scp_huffman huffman;
    struct scp_beats beats;
    struct ecg *ecg;
};

static int find_sections(const uint8_t *bytes, size_t n, struct scp *scp, struct err *err);
static void read_header(const struct range *section, struct ecg *ecg);
static int read_leads(struct scp *scp, struct err *err);
static int read_rhythm(struct scp *scp, struct err *err);

int
ecg_read_scp(const uint8_t *bytes, size_t n, struct ecg **out_ecg, struct err *err)
{
    struct scp *scp = mem_new(sizeof *scp);
    int rc = -1;

    scp->ecg = mem_new(sizeof *scp->ecg);
    if (find_sections(bytes, n, scp, err) < 0 || read_leads(scp, err) < 0 ||
        read_rhythm(scp, err) < 0)
        goto out;
    read_header(&scp->sections[1], scp->ecg);
    *out_ecg = TAKE(scp->ecg);
    rc = 0;
out:
    ecg_free(&scp->ecg);
    scp_beats_fini(&scp->beats);
    free(scp);
    return rc;
}

/* ---- the frame: record, pointers, checksums ---- */

static int
take_section(const uint8_t *record, size_t n, unsigned id, uint32_t length, uint32_t index,
             struct scp *scp, struct err *err)
{
    const uint8_t *s;

    if (id >= SECTIONS || length == 0)
        return 0;
    if (length < SECTION_HEAD || index < 1 + RECORD_HEAD || index - 1 > n ||
        length > n - (index - 1))
        return err_set(err, ERR_REJECT, "SCP-ECG: section %u lies outside the record", id);
    s = record + index - 1;
    if (le16_read(s + 2) != id || le32_read(s + 4) != length)
        return err_set(err, ERR_REJECT, "SCP-ECG: section %u is not where it should be", id);
    if (le16_read(s) != scp_crc(s + 2, length - 2))
        return err_set(err, ERR_REJECT, "SCP-ECG: section %u is damaged (its checksum disagrees)",
                       id);
    scp->sections[id] = (struct range){s + SECTION_HEAD, length - SECTION_HEAD};
    return 0;
}

static int
find_sections(const uint8_t *bytes, size_t n, struct scp *scp, struct err *err)
{
    struct scp_reader r;
    uint32_t size, length;

    if (n < RECORD_HEAD + SECTION_HEAD)
        return err_set(err, ERR_RETRY, "SCP-ECG: ends within its header");
    size = le32_read(bytes + 2);
    if (size < RECORD_HEAD + SECTION_HEAD)
        return err_set(err, ERR_REJECT, "SCP-ECG: a record of %u bytes", size);
    if (size > n)
        return err_set(err, ERR_RETRY, "SCP-ECG: ends early");
    if (le16_read(bytes) != scp_crc(bytes + 2, size - 2))
        return err_set(err, ERR_REJECT, "SCP-ECG: damaged (its checksum disagrees)");
    length = le32_read(bytes + RECORD_HEAD + 4);
    if (length < SECTION_HEAD || length > size - RECORD_HEAD)
        return err_set(err, ERR_REJECT, "SCP-ECG: section 0 lies outside the record");
    r = (struct scp_reader){.bytes = bytes + RECORD_HEAD, .n = length, .at = SECTION_HEAD};
    while (r.n - r.at >= 10) {
        uint32_t id = scp_read(&r, 2), section_n = scp_read(&r, 4), index = scp_read(&r, 4);

        if (id != 0 && take_section(bytes, size, id, section_n, index, scp, err) < 0)
            return -1;
    }
    if (scp->sections[3].bytes == NULL || scp->sections[6].bytes == NULL)
        return err_set(err, ERR_REJECT, "SCP-ECG: holds no recording (sections 3 and 6)");
    return 0;
}

/* ---- section 1: whose, when, by what ---- */

/* A text of the recorder's: whatever set it is in, as UTF-8 without control characters. */
static void
take_text(const uint8_t *bytes, size_t n, char *out, size_t size)
{
    struct dcm_charset cs;
    struct buf b;
    size_t k = 0;

    while (k < n && bytes[k] != 0)
        k++;
    buf_init(&b, 4096);
    dcm_charset_begin(&cs, NULL, 0, NULL);
    dcm_charset_look(&cs, bytes, k);
    dcm_charset_choose(&cs);
    dcm_charset_decode(&cs, bytes, k, false, &b);
    for (size_t i = 0; i < b.n; i++)
        if (b.bytes[i] < 0x20 || b.bytes[i] == 0x7F)
            b.bytes[i] = ' ';
    while (b.n > 0 && b.bytes[b.n - 1] == ' ')
        b.n--;
    if (!buf_is_over(&b) && text_is_utf8((const char *)b.bytes, b.n) && b.n < size)
        text_copy(out, size, buf_text(&b));
    buf_fini(&b);
}

/* Tag 14: who made the machine; its strings follow a fixed part of 36 bytes, each ended by 0. */
static void
take_device(const uint8_t *v, size_t n, struct ecg *ecg)
{
    static const size_t fixed = 36;
    size_t at = fixed;
    struct {
        char *out;
        size_t size;
    } strings[] = {{NULL, 0}, /* revision of the analysing program */
                   {ecg->serial, sizeof ecg->serial},
                   {ecg->software, sizeof ecg->software},
                   {NULL, 0}, /* revision of the SCP implementation */
                   {ecg->maker, sizeof ecg->maker}};

    if (n < fixed)
        return;
    take_text(v + 8, 6, ecg->model, sizeof ecg->model);
    for (size_t i = 0; i < ARRAY_LEN(strings) && at < n; i++) {
        size_t k = 0;

        while (at + k < n && v[at + k] != 0)
            k++;
        if (strings[i].out != NULL)
            take_text(v + at, k, strings[i].out, strings[i].size);
        at += k + 1;
    }
}

static bool
is_date(unsigned year, unsigned month, unsigned day)
{
    return year >= 1850 && year <= 9999 && month >= 1 && month <= 12 && day >= 1 && day <= 31;
}

static void
take_tag(unsigned tag, const uint8_t *v, size_t n, struct ecg *ecg, char first[97])
{
    if (tag == 0)
        take_text(v, n, ecg->name, sizeof ecg->name);
    else if (tag == 1)
        take_text(v, n, first, 97);
    else if (tag == 2)
        take_text(v, n, ecg->id, sizeof ecg->id);
    else if (tag == 5 && n >= 4 && is_date(le16_read(v), v[2], v[3]))
        snprintf(ecg->birth, sizeof ecg->birth, "%04u%02u%02u", le16_read(v) % 10000u, v[2] % 100u,
                 v[3] % 100u);
    else if (tag == 8 && n >= 1 && (v[0] == 1 || v[0] == 2))
        text_copy(ecg->sex, sizeof ecg->sex, v[0] == 1 ? "M" : "F");
    else if (tag == 14)
        take_device(v, n, ecg);
    else if (tag == 25 && n >= 4 && is_date(le16_read(v), v[2], v[3]))
        snprintf(ecg->at, 9, "%04u%02u%02u", le16_read(v) % 10000u, v[2] % 100u, v[3] % 100u);
    else if (tag == 27 && n >= 2 && le16_read(v) != 0)
        ecg_decimal(le16_read(v) / 100.0, ecg->filter_low);
    else if (tag == 28 && n >= 2 && le16_read(v) != 0)
        ecg_decimal(le16_read(v), ecg->filter_high);
}

static void
read_header(const struct range *section, struct ecg *ecg)
{
    struct scp_reader r = {.bytes = section->bytes, .n = section->n};
    char first[97] = "", time[7] = "";

    for (unsigned i = 0; section->bytes != NULL && i < TAGS_MAX; i++) {
        unsigned tag = scp_read(&r, 1), n = scp_read(&r, 2);
        const uint8_t *v = scp_skip(&r, n);

        if (tag == 255 || v == NULL)
            break;
        take_tag(tag, v, n, ecg, first);
        if (tag == 26 && n >= 3 && v[0] < 24 && v[1] < 60 && v[2] < 60)
            snprintf(time, sizeof time, "%02u%02u%02u", v[0] % 24u, v[1] % 60u, v[2] % 60u);
    }
    if (ecg->at[0] != '\0' && time[0] != '\0')
        memcpy(ecg->at + 8, time, sizeof time);
    else
        ecg->at[0] = '\0';
    if (first[0] != '\0') {
        size_t n = strlen(ecg->name);

        snprintf(ecg->name + n, sizeof ecg->name - n, "%s%s", n > 0 ? " " : "", first);
    }
}

/* ---- sections 3 and 6: leads and samples ---- */

static int
read_leads(struct scp *scp, struct err *err)
{
    struct scp_reader r = {.bytes = scp->sections[3].bytes, .n = scp->sections[3].n};
    unsigned flags;

    scp->lead_count = scp_read(&r, 1);
    flags = scp_read(&r, 1);
    if (scp->lead_count == 0 || scp->lead_count > ECG_CHANNELS)
        return err_set(err, ERR_REJECT, "SCP-ECG: %u leads", scp->lead_count);
    scp->has_beats = (flags & 1) != 0;
    for (unsigned i = 0; i < scp->lead_count; i++) {
        struct lead *l = &scp->leads[i];

        l->start = scp_read(&r, 4);
        l->end = scp_read(&r, 4);
        l->id = (uint8_t)scp_read(&r, 1);
        if (r.is_over || l->start == 0 || l->end < l->start || l->end - l->start >= ECG_SAMPLES)
            return err_set(err, ERR_REJECT, "SCP-ECG: lead %u of no sensible length", i + 1);
    }
    return 0;
}

static int
read_rhythm_head(struct scp *scp, struct scp_reader *r, struct err *err)
{
    unsigned bimodal;

    scp->nanovolts = scp_read(r, 2);
    scp->interval_us = scp_read(r, 2);
    scp->difference = scp_read(r, 1);
    bimodal = scp_read(r, 1);
    if (scp->nanovolts == 0 || scp->interval_us == 0 || scp->difference > 2)
        return err_set(err, ERR_REJECT, "SCP-ECG: section 6 does not say what its samples are");
    if (bimodal != 0)
        return err_set(err, ERR_REJECT,
                       "SCP-ECG: bimodal compression loses samples; set the recorder to export "
                       "without it, or to export PDF or aECG");
    for (unsigned i = 0; i < scp->lead_count; i++)
        scp->leads[i].coded_n = scp_read(r, 2);
    scp->is_coded = scp->sections[2].bytes != NULL;
    if (scp->is_coded) {
        struct scp_reader tables = {.bytes = scp->sections[2].bytes, .n = scp->sections[2].n};

        return scp_huffman_read(&tables, &scp->huffman, err);
    }
    return 0;
}

static uint32_t
common_divisor(uint32_t a, uint32_t b)
{
    while (b != 0) {
        uint32_t rest = a % b;

        a = b;
        b = rest;
    }
    return a;
}

/* The beat may be written in other steps than the recording: then both count in what divides
 * them. */
static int
read_beats(struct scp *scp, struct err *err)
{
    struct scp_reader four = {.bytes = scp->sections[4].bytes, .n = scp->sections[4].n};
    struct scp_reader five = {.bytes = scp->sections[5].bytes, .n = scp->sections[5].n};
    uint32_t step;

    scp->factor = scp->beat_factor = 1;
    if (!scp->has_beats)
        return 0;
    if (scp_beats_read(&four, &five, scp->is_coded ? &scp->huffman : NULL, scp->lead_count,
                       &scp->beats, err) < 0)
        return -1;
    if (scp->beats.interval_us != scp->interval_us)
        return err_set(err, ERR_REJECT,
                       "SCP-ECG: its reference beat has another sampling rate; set the recorder to "
                       "export without compression, or to export PDF or aECG");
    step = common_divisor(scp->nanovolts, scp->beats.nanovolts);
    scp->factor = scp->nanovolts / step;
    scp->beat_factor = scp->beats.nanovolts / step;
    scp->nanovolts = step;
    return 0;
}

static int
take_samples(const struct scp *scp, unsigned lead, int32_t *values, uint32_t count, int16_t *out,
             struct err *err)
{
    if (scp_undo_difference(values, count, scp->difference, err) < 0)
        return -1;
    for (uint32_t i = 0; i < count; i++)
        values[i] *= (int32_t)scp->factor; /* 16 bits each: fits */
    if (scp->has_beats)
        scp_beats_add(&scp->beats, lead, scp->leads[lead].start, scp->beat_factor, values, count);
    for (uint32_t i = 0; i < count; i++) {
        if (values[i] < INT16_MIN || values[i] > INT16_MAX)
            return err_set(err, ERR_REJECT, "SCP-ECG: sample %u does not fit 16 bits", i);
        out[i] = (int16_t)values[i];
    }
    return 0;
}

static int
read_samples(const struct scp *scp, unsigned lead, struct scp_reader *r, int16_t *out,
             struct err *err)
{
    const struct lead *l = &scp->leads[lead];
    const uint8_t *bytes = scp_skip(r, l->coded_n);
    uint32_t count = l->end - l->start + 1;
    int32_t *values;
    int rc = 0;

    if (bytes == NULL)
        return err_set(err, ERR_REJECT, "SCP-ECG: section 6 ends within a lead");
    if (!scp->is_coded && l->coded_n < 2 * (size_t)count)
        return err_set(err, ERR_REJECT, "SCP-ECG: a lead has fewer samples than section 3 says");
    values = mem_new(count * sizeof *values);
    if (scp->is_coded)
        rc = scp_huffman_decode(&scp->huffman, bytes, l->coded_n, values, count, err);
    for (uint32_t i = 0; !scp->is_coded && i < count; i++)
        values[i] = (int16_t)le16_read(bytes + 2 * (size_t)i);
    if (rc == 0)
        rc = take_samples(scp, lead, values, count, out, err);
    free(values);
    return rc;
}

/* The group of leads recorded over this stretch; a new one if there is none yet. */
static struct ecg_group *
group_of(struct scp *scp, const struct lead *l, uint32_t first)
{
    struct ecg *e = scp->ecg;
    double offset_ms = (double)(l->start - first) * scp->interval_us / 1000.0;
    uint32_t count = l->end - l->start + 1;
    struct ecg_group *g;

    for (unsigned i = 0; i < e->group_count; i++)
        if (e->groups[i].sample_count == count && e->groups[i].offset_ms == offset_ms)
            return &e->groups[i];
    if (e->group_count == ECG_GROUPS)
        return NULL;
    g = &e->groups[e->group_count++];
    g->sample_count = count;
    g->offset_ms = offset_ms;
    g->hertz = 1e6 / scp->interval_us;
    ecg_decimal(g->hertz, g->frequency);
    return g;
}

static int
read_rhythm(struct scp *scp, struct err *err)
{
    struct scp_reader r = {.bytes = scp->sections[6].bytes, .n = scp->sections[6].n};
    uint32_t first = UINT32_MAX;

    if (read_rhythm_head(scp, &r, err) < 0 || read_beats(scp, err) < 0)
        return -1;
    for (unsigned i = 0; i < scp->lead_count; i++)
        first = scp->leads[i].start < first ? scp->leads[i].start : first;
    for (unsigned i = 0; i < scp->lead_count; i++) {
        const struct lead *l = &scp->leads[i];
        struct ecg_group *g = group_of(scp, l, first);
        struct ecg_channel *c;
        const char *label = ecg_lead_label(l->id);

        if (g == NULL)
            return err_set(err, ERR_REJECT, "SCP-ECG: leads of more than %d lengths", ECG_GROUPS);
        c = &g->channels[g->channel_count++];
        c->lead = label != NULL ? l->id : 0;
        snprintf(c->label, sizeof c->label, label != NULL ? "%s" : "%s %u",
                 label != NULL ? label : "SCP", l->id);
        ecg_decimal(scp->nanovolts / 1000.0, c->sensitivity);
        memcpy(c->baseline, "0", 2);
        c->samples = ecg_samples_new(g->sample_count);
        if (read_samples(scp, i, &r, c->samples, err) < 0)
            return -1;
    }
    return 0;
}
