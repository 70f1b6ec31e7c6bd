/* facts.c - what a study is, from QIDO-RS, and of what is on its way from the heads of its files.
 */
#include "reader/archive/archive_own.h"

#include "proto/base/text.h"
#include "proto/http/url.h"

#include <stdio.h>
#include <string.h>

enum { ROWS_BYTES = 16 << 20, SERIES_MOST = 1000, STUDIES_MOST = 1000 };

/* An attribute's values (PS3.18 F.2), NULL when it has none. */
static const struct json *
values(const struct json *row, const char *tag)
{
    return json_find(json_find(row, tag), "Value");
}

/* Texts join their values by '\'; what does not fit is cut at a value. */
static void
take_text(const struct json *row, const char *tag, char *out, size_t size)
{
    const struct json *list = values(row, tag);
    size_t k = 0;

    out[0] = '\0';
    for (size_t i = 0; i < json_length(list); i++) {
        const char *text = json_as_text(json_at(list, i));

        if (text == NULL || k + 1 + strlen(text) >= size)
            continue;
        k += (size_t)snprintf(out + k, size - k, "%s%s", k > 0 ? "\\" : "", text);
    }
}

/* The first value, its groups joined by '=' as in DICOM. */
static void
take_name(const struct json *row, const char *tag, char *out, size_t size)
{
    static const char *const groups[] = {"Alphabetic", "Ideographic", "Phonetic"};
    const struct json *name = json_at(values(row, tag), 0);
    size_t k = 0, due = 0;

    out[0] = '\0';
    for (size_t g = 0; g < ARRAY_LEN(groups); g++) {
        const char *text = json_as_text(json_find(name, groups[g]));

        if (text != NULL && text[0] != '\0' && k + due + strlen(text) < size) {
            k += (size_t)snprintf(out + k, size - k, "%.*s%s", (int)due, "==", text);
            due = 0;
        }
        due++;
    }
}

static uint32_t
number(const struct json *row, const char *tag)
{
    int64_t n = json_as_int(json_at(values(row, tag), 0), 0);

    return n > 0 && n <= UINT32_MAX ? (uint32_t)n : 0;
}

/* Of documents about the images, not of images or waveforms. */
static bool
is_document(const char *modality, size_t n)
{
    static const char *const words[] = {"SR", "KO", "PR", "DOC"};

    for (size_t i = 0; i < ARRAY_LEN(words); i++)
        if (strlen(words[i]) == n && memcmp(words[i], modality, n) == 0)
            return true;
    return false;
}

static void
add_modality(struct archive_study *s, const char *modality, size_t n)
{
    size_t k = strlen(s->modalities);

    for (const char *p = s->modalities; *p != '\0';) {
        size_t m = strcspn(p, "\\");

        if (m == n && memcmp(p, modality, n) == 0)
            return;
        p += m + (p[m] != '\0');
    }
    if (n > 0 && k + 1 + n < sizeof s->modalities)
        snprintf(s->modalities + k, sizeof s->modalities - k, "%s%.*s", k > 0 ? "\\" : "", (int)n,
                 modality);
}

static void
take_study(const struct json *row, struct archive_study *s)
{
    char all[sizeof s->modalities];

    *s = (struct archive_study){0};
    take_text(row, "0020000D", s->study, sizeof s->study);
    take_text(row, "00100020", s->patient_id, sizeof s->patient_id);
    take_text(row, "00100021", s->issuer, sizeof s->issuer);
    take_name(row, "00100010", s->patient_name, sizeof s->patient_name);
    take_text(row, "00100040", s->sex, sizeof s->sex);
    take_text(row, "00100030", s->birth_date, sizeof s->birth_date);
    take_text(row, "00101010", s->age, sizeof s->age);
    take_text(row, "00080020", s->study_date, sizeof s->study_date);
    take_text(row, "00080030", s->study_time, sizeof s->study_time);
    take_text(row, "00080050", s->accession, sizeof s->accession);
    take_text(row, "00200010", s->study_id, sizeof s->study_id);
    take_text(row, "00081030", s->description, sizeof s->description);
    take_name(row, "00080090", s->referring, sizeof s->referring);
    take_text(row, "00080061", all, sizeof all);
    for (const char *p = all; *p != '\0';) {
        size_t n = strcspn(p, "\\");

        if (!is_document(p, n))
            add_modality(s, p, n);
        p += n + (p[n] != '\0');
    }
    s->series = number(row, "00201206");
    s->instances = number(row, "00201208");
}

/* Counts and modalities of what is read, from its series. */
static void
add_series(const struct json *rows, struct archive_study *s)
{
    for (size_t i = 0; i < json_length(rows); i++) {
        const struct json *row = json_at(rows, i);
        char modality[32];

        take_text(row, "00080060", modality, sizeof modality);
        if (is_document(modality, strlen(modality)))
            continue;
        add_modality(s, modality, strlen(modality));
        s->series++;
        s->instances += number(row, "00201209");
        if (s->body_part[0] == '\0')
            take_text(row, "00180015", s->body_part, sizeof s->body_part);
        if (s->institution[0] == '\0')
            take_text(row, "00080080", s->institution, sizeof s->institution);
    }
}

int
archive_study_facts(struct archive *archive, const char *tenant, const char *study,
                    struct archive_study *out, struct err *err)
{
    struct json_doc *studies = NULL, *series = NULL;
    struct archive_study s;
    char path[ARCHIVE_PATH];
    int rc = -1;

    if (archive_check_uid(study, err) < 0)
        return -1;
    snprintf(path, sizeof path, "/dicomweb/studies?StudyInstanceUID=%s&includefield=all", study);
    if (archive_get_json(archive, tenant, path, ROWS_BYTES, &studies, err) < 0)
        goto out;
    if (studies == NULL || json_length(json_root(studies)) == 0) {
        err_set(err, ERR_NOT_FOUND, "nothing of the study is whole yet");
        goto out;
    }
    take_study(json_at(json_root(studies), 0), &s);
    snprintf(path, sizeof path,
             "/dicomweb/studies/%s/series?includefield=BodyPartExamined,InstitutionName&limit=%d",
             study, SERIES_MOST);
    if (archive_get_json(archive, tenant, path, ROWS_BYTES, &series, err) < 0)
        goto out;
    s.series = s.instances = 0;
    s.modalities[0] = '\0';
    add_series(series != NULL ? json_root(series) : NULL, &s);
    *out = s;
    rc = 0;
out:
    json_free(&studies);
    json_free(&series);
    return rc < 0 ? err_context(err, "facts of study %s", study) : 0;
}

int
archive_study_coming(struct archive *archive, const char *tenant, const char *study,
                     struct archive_study *out, struct err *err)
{
    struct json_doc *coming = NULL;
    struct archive_study s;
    char path[ARCHIVE_PATH];
    bool is_known = archive_study_facts(archive, tenant, study, &s, err) == 0;

    if ((!is_known && err->kind != ERR_NOT_FOUND) || archive_check_uid(study, err) < 0)
        return -1;
    snprintf(path, sizeof path, "/archive/v1/studies/%s/coming", study);
    if (archive_get_json(archive, tenant, path, ROWS_BYTES, &coming, err) < 0 &&
        err->kind != ERR_NOT_FOUND) /* an archive older than this reader has no such route */
        return err_context(err, "what is coming of study %s", study);
    if (coming == NULL && !is_known)
        return err_set(err, ERR_NOT_FOUND, "nothing of study %s says what it is yet", study);
    if (!is_known)
        take_study(json_at(json_find(json_root(coming), "studies"), 0), &s);
    if (coming != NULL)
        add_series(json_find(json_root(coming), "series"), &s);
    json_free(&coming);
    *out = s;
    return 0;
}

int
archive_patient_studies(struct archive *archive, const char *tenant, const char *patient_id,
                        const char *issuer, uint32_t limit, archive_on_study on_study, void *user,
                        struct err *err)
{
    struct json_doc *doc = NULL;
    struct buf path;
    uint32_t told = 0;
    int rc;

    if (patient_id[0] == '\0')
        return 0;
    buf_init(&path, 4096);
    buf_add_text(&path, "/dicomweb/studies?includefield=all&PatientID=");
    url_encode(&path, patient_id);
    buf_add_printf(&path, "&limit=%d", STUDIES_MOST);
    rc = archive_get_json(archive, tenant, buf_text(&path), ROWS_BYTES, &doc, err);
    buf_fini(&path);
    for (size_t i = 0; rc == 0 && doc != NULL && told < limit && i < json_length(json_root(doc));
         i++) {
        struct archive_study s;

        /* Asked with wildcards and without issuer: both are compared here. */
        take_study(json_at(json_root(doc), i), &s);
        if (strcmp(s.patient_id, patient_id) != 0 || strcmp(s.issuer, issuer) != 0)
            continue;
        told++;
        if (on_study(user, &s) != 0)
            break;
    }
    json_free(&doc);
    return rc < 0 ? err_context(err, "studies of a patient") : 0;
}
