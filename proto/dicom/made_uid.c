/* made_uid.c - numbers for studies and series whose own cannot be used: docs/formats/made-uid.md.
 *
 * 1. Never two people in one study: what does not say whose it is stands alone, and a person joins
 *    it. A study in two is a nuisance; two people in one is a danger.
 * 2. Nothing that lists of words, character sets, limits or clocks may change has a say: gateway
 *    and centre may be of different ages. */
#include "proto/dicom/made_uid.h"

#include "proto/base/buf.h"
#include "proto/base/text.h"
#include "proto/trust/digest.h"

#include <string.h>

enum { UID_MOST = 64, RAW_MOST = 1024, OWN_LEAST = 6, PERSON_MOST = 64, PERSON_DIGITS = 3 };

static const struct {
    uint32_t tag;
    size_t at;
} parts[] = {
#define PART(tag, member)                                                                          \
    {                                                                                              \
        tag, offsetof(struct dcm_said, member)                                                     \
    }
    PART(0x00080018, instance),
    PART(0x00080020, study_date),
    PART(0x00080050, accession),
    PART(0x00080060, modality),
    PART(0x0008103E, series_description),
    PART(0x00100010, name),
    PART(0x00100020, patient_id),
    PART(0x00100021, issuer),
    PART(0x00100030, birth),
    PART(0x0020000D, study),
    PART(0x0020000E, series),
    PART(0x00200010, study_id),
    PART(0x00200011, series_number),
#undef PART
};

/* ---- what a value says ---- */

static struct dcm_raw
trim(const uint8_t *value, size_t n)
{
    while (n > 0 && (value[n - 1] == ' ' || value[n - 1] == '\0'))
        n--;
    while (n > 0 && *value == ' ') {
        value++;
        n--;
    }
    return (struct dcm_raw){value, n < RAW_MOST ? n : RAW_MOST};
}

static bool
take_uid(const struct dcm_raw *raw, char out[UID_MOST + 1])
{
    char uid[UID_MOST + 1];

    if (raw->n == 0 || raw->n > UID_MOST || memchr(raw->at, '\0', raw->n) != NULL)
        return false;
    memcpy(uid, raw->at, raw->n);
    uid[raw->n] = '\0';
    if (!uid_is_valid(uid, true))
        return false;
    memcpy(out, uid, raw->n + 1);
    return true;
}

static size_t
count_digits(const struct dcm_raw *raw)
{
    unsigned seen = 0;

    for (size_t i = 0; i < raw->n; i++)
        if (raw->at[i] >= '0' && raw->at[i] <= '9')
            seen |= 1u << (raw->at[i] - '0');
    return (size_t)__builtin_popcount(seen);
}

/* No UID, and a number all the same: not "", "NONE" or "US 1", which every study may say. */
static bool
is_own_number(const struct dcm_raw *raw)
{
    return raw->n >= OWN_LEAST && count_digits(raw) > 0;
}

/* 123456: typed by who had no number. */
static bool
is_counted(const struct dcm_raw *raw)
{
    for (size_t i = 1; i < raw->n; i++)
        if (raw->at[i] != raw->at[i - 1] + 1)
            return false;
    return true;
}

static bool
is_person_number(const struct dcm_raw *raw)
{
    if (raw->n < OWN_LEAST || raw->n > PERSON_MOST || is_counted(raw))
        return false;
    for (size_t i = 0; i < raw->n; i++)
        if (raw->at[i] <= ' ' || raw->at[i] > '~')
            return false;
    return count_digits(raw) >= PERSON_DIGITS;
}

static bool
is_named(const struct dcm_raw *name)
{
    for (size_t i = 0; i < name->n; i++)
        if (strchr(" ^=", name->at[i]) == NULL) /* a zero is found, too */
            return true;
    return false;
}

/* ---- made of ---- */

/* Words with their lengths, so that no two lists of them are the same bytes. */
static void
make(const char *domain, const struct dcm_raw *words, size_t n, char out[65])
{
    struct digest *d = digest_new();
    uint8_t hash[DIGEST_BYTES], size[4];

    digest_add(d, domain, strlen(domain) + 1);
    for (size_t i = 0; i < n; i++) {
        le32_write(size, (uint32_t)words[i].n);
        digest_add(d, size, sizeof size);
        digest_add(d, words[i].at, words[i].n);
    }
    digest_take(d, hash);
    digest_free(&d);
    digest_uid(hash, out);
}

void
dcm_said_note(struct dcm_said *said, uint32_t tag, const uint8_t *value, size_t n)
{
    for (size_t i = 0; i < ARRAY_LEN(parts); i++)
        if (parts[i].tag == tag) {
            struct dcm_raw raw = trim(value, n);

            memcpy((char *)said + parts[i].at, &raw, sizeof raw);
        }
}

bool
dcm_said_study(const struct dcm_said *said, char out[65])
{
    return take_uid(&said->study, out);
}

bool
dcm_said_series(const struct dcm_said *said, char out[65])
{
    return take_uid(&said->series, out);
}

void
dcm_make_study_uid(const struct dcm_said *said, char out[65])
{
    bool is_person = is_person_number(&said->patient_id), is_name = is_named(&said->name);
    const struct dcm_raw by_number[] = {said->study, said->patient_id,
                                        is_person ? (struct dcm_raw){0} : said->name};
    const struct dcm_raw by_person[] = {said->patient_id, said->issuer,     said->name,
                                        said->birth,      said->study_date, said->accession,
                                        said->study_id,   said->modality};

    char series[UID_MOST + 1];

    if (is_own_number(&said->study) && (is_person || is_name))
        make("radpost study by number", by_number, ARRAY_LEN(by_number), out);
    else if (is_person && is_name && said->study_date.n > 0)
        make("radpost study by person and day", by_person, ARRAY_LEN(by_person), out);
    else if (take_uid(&said->series, series))
        make("radpost study by series", &said->series, 1, out);
    else
        make("radpost study by instance", &said->instance, 1, out);
}

void
dcm_make_series_uid(const struct dcm_said *said, const char *study, char out[65])
{
    const struct dcm_raw of = {(const uint8_t *)study, strlen(study)};
    const struct dcm_raw by_number[] = {of, said->series};
    const struct dcm_raw by_words[] = {of, said->modality, said->series_number,
                                       said->series_description};

    if (is_own_number(&said->series))
        make("radpost series by number", by_number, ARRAY_LEN(by_number), out);
    else
        make("radpost series by words", by_words, ARRAY_LEN(by_words), out);
}
