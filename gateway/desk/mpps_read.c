/* mpps_read.c - one walk over a performed procedure step. */
#include "gateway/desk/mpps_read.h"

#include "proto/base/text.h"
#include "proto/dicom/charset.h"

#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#define TAG_STEPS 0x00400270u  /* Scheduled Step Attributes Sequence */
#define TAG_SERIES 0x00400340u /* Performed Series Sequence */
#define TAG_IMAGES 0x00081140u /* Referenced Image Sequence */
#define TAG_OTHERS 0x00400220u /* Referenced Non-Image Composite SOP Instance Sequence */
#define TAG_REASON 0x00400281u /* PPS Discontinuation Reason Code Sequence */
#define TAG_STATE 0x00400252u
#define TAG_INSTANCE 0x00081155u
#define TAG_SERIES_UID 0x0020000Eu

static const char *const words[MPPS_STATES] = {"", "IN PROGRESS", "COMPLETED", "DISCONTINUED"};

const char *
mpps_state_word(enum mpps_state state)
{
    return words[state];
}

enum mpps_state
mpps_state_of(const char *word)
{
    for (int i = 1; i < MPPS_STATES; i++)
        if (strcmp(words[i], word) == 0)
            return (enum mpps_state)i;
    return MPPS_NONE;
}

struct reader {
    struct mpps_said *said;
    const uint8_t *dataset;
    struct dcm_charset charset;
    uint32_t path[3];   /* sequences around depth 1, 2 */
    size_t series_from; /* first instance of the performed series it is in */
    char series[65];    /* its UID stands behind its images: "" before */
};

/* The value as UTF-8 without padding; what is longer than its field is left out. */
static void
take(struct reader *r, const struct dcm_element *e, char *out, size_t size)
{
    struct buf text;
    const char *at;
    size_t n;

    buf_init(&text, 4096);
    if (dcm_vr_has_charset(e->vr))
        dcm_charset_decode(&r->charset, r->dataset + e->value_at, e->value_n, false, &text);
    else
        buf_add(&text, r->dataset + e->value_at, e->value_n);
    at = buf_is_over(&text) ? "" : buf_text(&text);
    at += strspn(at, " ");
    n = strlen(at);
    while (n > 0 && at[n - 1] == ' ')
        n--;
    if (n >= size)
        n = 0;
    memcpy(out, at, n);
    out[n] = '\0';
    buf_fini(&text);
}

static void
take_step(struct reader *r, const struct dcm_element *e)
{
    struct mpps_said *s = r->said;
    size_t i = s->step_n - 1;

    if (e->tag == 0x0020000D)
        take(r, e, s->steps[i].study, sizeof s->steps[i].study);
    else if (e->tag == 0x00080050)
        take(r, e, s->steps[i].accession, sizeof s->steps[i].accession);
    else if (e->tag == 0x00401001)
        take(r, e, s->steps[i].procedure_id, sizeof s->steps[i].procedure_id);
    else if (e->tag == 0x00400009)
        take(r, e, s->steps[i].step_id, sizeof s->steps[i].step_id);
}

static int
take_instance(struct reader *r, const struct dcm_element *e, struct err *err)
{
    struct mpps_said *s = r->said;
    char uid[65];

    take(r, e, uid, sizeof uid);
    if (!uid_is_valid(uid, true))
        return 0; /* not a thing that could arrive */
    if (s->instance_n == MPPS_INSTANCES)
        return err_set(err, ERR_REJECT, "more than %d referenced instances", MPPS_INSTANCES);
    if ((s->instance_n & (s->instance_n - 1)) == 0) {
        size_t room = s->instance_n == 0 ? 1 : 2 * s->instance_n;

        s->instances = mem_grow(s->instances, room * sizeof *s->instances);
        s->series = mem_grow(s->series, room * sizeof *s->series);
    }
    memcpy(s->series[s->instance_n], r->series, sizeof r->series);
    memcpy(s->instances[s->instance_n++], uid, sizeof uid);
    return 0;
}

static void
take_series(struct reader *r, const struct dcm_element *e)
{
    if (r->series[0] != '\0')
        return;
    take(r, e, r->series, sizeof r->series);
    if (!uid_is_valid(r->series, true))
        r->series[0] = '\0';
    for (size_t i = r->series_from; r->series[0] != '\0' && i < r->said->instance_n; i++)
        memcpy(r->said->series[i], r->series, sizeof r->series);
}

static int
take_element(struct reader *r, const struct dcm_element *e, struct err *err)
{
    struct mpps_said *s = r->said;
    static const struct {
        uint32_t tag;
        size_t at, size;
    } patient[] = {
        {0x00100010, offsetof(struct mpps_said, name), sizeof s->name},
        {0x00100020, offsetof(struct mpps_said, patient_id), sizeof s->patient_id},
        {0x00100030, offsetof(struct mpps_said, birth), sizeof s->birth},
        {0x00100040, offsetof(struct mpps_said, sex), sizeof s->sex},
    };
    char word[17];

    for (size_t i = 0; i < ARRAY_LEN(patient); i++)
        if (e->depth == 0 && e->tag == patient[i].tag)
            take(r, e, (char *)s + patient[i].at, patient[i].size);
    if (e->depth == 0 && e->tag == TAG_STATE) {
        take(r, e, word, sizeof word);
        s->has_state = true;
        s->state = mpps_state_of(word);
    } else if (e->depth == 0 && e->tag == 0x00080060) {
        take(r, e, s->modality, sizeof s->modality);
    } else if (e->depth == 1 && r->path[0] == TAG_STEPS && s->step_n > 0) {
        take_step(r, e);
    } else if (e->depth == 1 && r->path[0] == TAG_REASON && e->tag == 0x00080104) {
        take(r, e, s->reason, sizeof s->reason);
    } else if (e->depth == 1 && r->path[0] == TAG_REASON && e->tag == 0x00080100) {
        take(r, e, s->reason_code, sizeof s->reason_code);
    } else if (e->depth == 1 && r->path[0] == TAG_SERIES && e->tag == TAG_SERIES_UID) {
        take_series(r, e);
    } else if (e->depth == 2 && r->path[0] == TAG_SERIES && e->tag == TAG_INSTANCE &&
               (r->path[1] == TAG_IMAGES || r->path[1] == TAG_OTHERS)) {
        return take_instance(r, e, err);
    }
    return 0;
}

static int
take_event(struct reader *r, const struct dcm_element *e, struct err *err)
{
    struct mpps_said *s = r->said;

    if (e->event == DCM_SEQUENCE && e->depth < 2) {
        r->path[e->depth] = e->tag;
        s->has_series = s->has_series || (e->depth == 0 && e->tag == TAG_SERIES);
    }
    if (e->event == DCM_ITEM && e->depth == 0 && r->path[0] == TAG_STEPS) {
        if (s->step_n == MPPS_STEPS)
            return err_set(err, ERR_REJECT, "more than %d scheduled steps", MPPS_STEPS);
        s->has_steps = true;
        s->step_n++;
    }
    if (e->event == DCM_ITEM && e->depth == 0 && r->path[0] == TAG_SERIES) {
        r->series_from = s->instance_n;
        r->series[0] = '\0';
    }
    return e->event == DCM_ELEMENT ? take_element(r, e, err) : 0;
}

int
mpps_read(const uint8_t *dataset, size_t n, enum dcm_coding coding, const char *profile,
          struct mpps_said *out, struct err *err)
{
    struct reader r = {.said = out, .dataset = dataset};
    struct dcm_walk walk;
    struct dcm_element e;

    memset(out, 0, sizeof *out);
    dcm_charset_scan(&r.charset, dataset, n, coding, profile[0] != '\0' ? profile : NULL, NULL);
    dcm_walk_init(&walk, dataset, n, coding, DCM_WALK_WHOLE);
    do {
        if (dcm_walk_next(&walk, &e, err) < 0 || take_event(&r, &e, err) < 0)
            goto refused;
    } while (e.event != DCM_END);
    if (dose_read_attributes(dataset, n, coding, &out->dose, err) < 0)
        goto refused;
    return 0;
refused:
    mpps_said_fini(out);
    return -1;
}

void
mpps_said_fini(struct mpps_said *said)
{
    free(said->instances);
    free(said->series);
    said->instances = NULL;
    said->series = NULL;
    said->instance_n = 0;
}
