/* dose_read.c - dose attributes, and the measured values of a dose report's content tree. */
#include "gateway/desk/dose_read.h"

#include "proto/base/buf.h"
#include "proto/base/text.h"
#include "proto/dicom/part10.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const struct {
    const char *word, *unit;
    bool is_summed;
} kinds[] = {
#define DOSE_KIND(name, word, unit, is_summed) [name] = {word, unit, is_summed},
#include "gateway/desk/dose_kinds.def"
#undef DOSE_KIND
};

const char *
dose_kind_word(enum dose_kind kind)
{
    return kinds[kind].word;
}

const char *
dose_kind_unit(enum dose_kind kind)
{
    return kinds[kind].unit;
}

bool
dose_kind_is_summed(enum dose_kind kind)
{
    return kinds[kind].is_summed;
}

enum dose_kind
dose_kind_of(const char *word)
{
    for (int i = 0; i < DOSE_KINDS; i++)
        if (strcmp(kinds[i].word, word) == 0)
            return (enum dose_kind)i;
    return DOSE_KINDS;
}

void
dose_add(struct dose *dose, enum dose_kind kind, double value)
{
    static const double most = 1e12;

    if (!isfinite(value) || value < 0 || value > most)
        return;
    if (!dose->has[kind])
        dose->value[kind] = value;
    else if (kinds[kind].is_summed)
        dose->value[kind] += value;
    else if (value > dose->value[kind])
        dose->value[kind] = value;
    dose->has[kind] = true;
}

enum dose_class
dose_class_of(const char *sop_class)
{
#define STORAGE "1.2.840.10008.5.1.4.1.1."
    static const struct {
        const char *uid;
        enum dose_class is;
    } classes[] = {
        {STORAGE "1", DOSE_CLASS_IMAGE},      /* CR */
        {STORAGE "1.1", DOSE_CLASS_IMAGE},    /* DX for presentation */
        {STORAGE "1.2", DOSE_CLASS_IMAGE},    /* MG for presentation */
        {STORAGE "12.1", DOSE_CLASS_IMAGE},   /* XA */
        {STORAGE "12.2", DOSE_CLASS_IMAGE},   /* RF */
        {STORAGE "13.1.3", DOSE_CLASS_IMAGE}, /* breast tomosynthesis */
        {STORAGE "88.67", DOSE_CLASS_REPORT}, /* X-Ray Radiation Dose SR */
        {STORAGE "88.76", DOSE_CLASS_REPORT}, /* Enhanced X-Ray Radiation Dose SR */
        {STORAGE "88.22", DOSE_CLASS_REPORT}, /* Enhanced SR: dose reports of older devices */
        {STORAGE "88.33", DOSE_CLASS_REPORT}, /* Comprehensive SR: the same */
    };
#undef STORAGE
    for (size_t i = 0; i < ARRAY_LEN(classes); i++)
        if (strcmp(classes[i].uid, sop_class) == 0)
            return classes[i].is;
    return DOSE_CLASS_NONE;
}

/* ---- attributes ---- */

/* A decimal as devices write them; false: none. */
static bool
read_decimal(const uint8_t *bytes, size_t n, double *out)
{
    char text[40], *end;

    if (n == 0 || n >= sizeof text)
        return false;
    memcpy(text, bytes, n);
    text[n] = '\0';
    for (char *p = text; *p != '\0'; p++)
        if (strchr("0123456789+-.eE \\", *p) == NULL)
            return false;
    *out = strtod(text, &end);
    return end != text;
}

static bool
read_number(const uint8_t *value, const struct dcm_element *e, double *out)
{
    if (strcmp(e->vr, "US") == 0 && e->value_n >= 2)
        *out = le16_read(value);
    else if (strcmp(e->vr, "FD") == 0 && e->value_n >= 8) {
        uint64_t bits = le64_read(value);
        memcpy(out, &bits, sizeof *out);
    } else if (strcmp(e->vr, "FL") == 0 && e->value_n >= 4) {
        uint32_t bits = le32_read(value);
        float single;
        memcpy(&single, &bits, sizeof single);
        *out = (double)single;
    } else
        return read_decimal(value, e->value_n, out);
    return true;
}

void
dose_take_element(struct dose *dose, const uint8_t *dataset, const struct dcm_element *e)
{
    static const struct {
        uint32_t tag;
        enum dose_kind kind;
        double factor; /* from the attribute's unit */
    } attributes[] = {
        {0x0018115E, DOSE_DAP, 100},                                        /* dGy.cm2 */
        {0x00189345, DOSE_CTDI, 1},                                         /* mGy */
        {0x00400300, DOSE_FLUORO, 1},                                       /* s */
        {0x00400301, DOSE_EXPOSURES, 1},  {0x00400302, DOSE_ENTRANCE, 100}, /* dGy */
        {0x00408302, DOSE_ENTRANCE, 1},                                     /* mGy */
        {0x00400316, DOSE_GLANDULAR, 100}                                   /* organ dose, dGy */
    };
    double value;

    if (e->event != DCM_ELEMENT)
        return;
    for (size_t i = 0; i < ARRAY_LEN(attributes); i++)
        if (attributes[i].tag == e->tag && read_number(dataset + e->value_at, e, &value))
            dose_add(dose, attributes[i].kind, value * attributes[i].factor);
}

int
dose_read_attributes(const uint8_t *dataset, size_t n, enum dcm_coding coding, struct dose *out,
                     struct err *err)
{
    struct dose dose = {.has = {false}};
    struct dcm_walk walk;
    struct dcm_element e;

    dcm_walk_init(&walk, dataset, n, coding, DCM_WALK_PREFIX | DCM_WALK_STOP_AT_PIXELS);
    do {
        if (dcm_walk_next(&walk, &e, err) < 0)
            return -1;
        /* of the image itself; of single exposures only what has no total */
        if (e.depth == 0 || e.tag == 0x00189345)
            dose_take_element(&dose, dataset, &e);
    } while (e.event != DCM_END);
    *out = dose;
    return 0;
}

/* ---- reports ---- */

static const struct {
    const char *code; /* scheme DCM */
    enum dose_kind kind;
} concepts[] = {
    {"113722", DOSE_DAP},       /* Dose Area Product Total */
    {"113725", DOSE_REFERENCE}, /* Dose (RP) Total */
    {"113730", DOSE_FLUORO},    /* Total Fluoro Time */
    {"113731", DOSE_EXPOSURES}, /* Total Number of Radiographic Frames */
    {"111637", DOSE_GLANDULAR}, /* Accumulated Average Glandular Dose */
    {"113813", DOSE_DLP},       /* CT Dose Length Product Total */
    {"113830", DOSE_CTDI},      /* Mean CTDIvol, of each acquisition */
};

static const struct {
    const char *unit; /* UCUM */
    enum dose_kind kind;
    double factor;
} units[] = {
    {"Gy.m2", DOSE_DAP, 1e7},     {"dGy.cm2", DOSE_DAP, 100},      {"cGy.cm2", DOSE_DAP, 10},
    {"mGy.cm2", DOSE_DAP, 1},     {"Gy.cm2", DOSE_DAP, 1000},      {"uGy.m2", DOSE_DAP, 10},
    {"Gy", DOSE_REFERENCE, 1000}, {"mGy", DOSE_REFERENCE, 1},      {"uGy", DOSE_REFERENCE, 1e-3},
    {"mGy", DOSE_GLANDULAR, 1},   {"dGy", DOSE_GLANDULAR, 100},    {"Gy", DOSE_GLANDULAR, 1000},
    {"mGy", DOSE_CTDI, 1},        {"mGy.cm", DOSE_DLP, 1},         {"mGycm", DOSE_DLP, 1},
    {"s", DOSE_FLUORO, 1},        {"min", DOSE_FLUORO, 60},        {"{counts}", DOSE_EXPOSURES, 1},
    {"1", DOSE_EXPOSURES, 1},     {"no units", DOSE_EXPOSURES, 1}, {"{frames}", DOSE_EXPOSURES, 1},
};

/* One content item while the walk is inside it; depth: of its elements. */
struct item {
    char concept[17], unit[17], chosen[17];
    char uid[65];
    double value;
    bool has_value;
};

struct uids {
    char (*all)[65];
    size_t n;
};

struct tree {
    struct uids events, follows;
    char date[9], time[15];
    struct item items[DCM_DEPTH_MAX + 1]; /* by depth */
    uint32_t path[DCM_DEPTH_MAX + 1];     /* sequence that holds each depth's elements */
};

static void
take_text(const uint8_t *bytes, size_t n, char out[17])
{
    while (n > 0 && (bytes[n - 1] == ' ' || bytes[n - 1] == '\0'))
        n--;
    if (n > 16)
        n = 0;
    memcpy(out, bytes, n);
    out[n] = '\0';
}

/* Digits and a dot; "" where it is anything else. */
static void
take_digits(const uint8_t *bytes, size_t n, char *out, size_t size)
{
    size_t k = 0;

    while (k < n && k + 1 < size && ((bytes[k] >= '0' && bytes[k] <= '9') || bytes[k] == '.')) {
        out[k] = (char)bytes[k];
        k++;
    }
    out[k] = '\0';
}

static void
take_uid(const uint8_t *bytes, size_t n, char out[65])
{
    out[0] = '\0';
    while (n > 0 && (bytes[n - 1] == ' ' || bytes[n - 1] == '\0'))
        n--;
    if (n >= 65)
        return;
    memcpy(out, bytes, n);
    out[n] = '\0';
    if (!uid_is_valid(out, true))
        out[0] = '\0';
}

/* One more than the limit is kept, so that it shows. */
static void
add_uid(struct uids *uids, const char *uid)
{
    if (uid[0] == '\0' || uids->n > DOSE_PARTS_MAX)
        return;
    if (uids->all == NULL)
        uids->all = mem_new((DOSE_PARTS_MAX + 1) * sizeof *uids->all);
    text_copy(uids->all[uids->n++], 65, uid);
}

static void
take_item(struct dose_report *out, struct tree *t, const struct item *item)
{
    if (strcmp(item->concept, "113705") == 0 && strcmp(item->chosen, "113014") == 0)
        out->is_of_study = true; /* Scope of Accumulation (CID 10000): Study */
    if (strcmp(item->concept, "113769") == 0)
        add_uid(&t->events, item->uid); /* Irradiation Event UID */
    for (size_t i = 0; i < ARRAY_LEN(concepts); i++)
        for (size_t u = 0; item->has_value && u < ARRAY_LEN(units); u++)
            if (strcmp(concepts[i].code, item->concept) == 0 && units[u].kind == concepts[i].kind &&
                strcmp(units[u].unit, item->unit) == 0)
                dose_add(&out->dose, concepts[i].kind, item->value * units[u].factor);
}

#define TAG_CONTENT 0x0040A730u
#define TAG_CONCEPT 0x0040A043u
#define TAG_CHOSEN 0x0040A168u
#define TAG_MEASURED 0x0040A300u
#define TAG_UNITS 0x004008EAu

/* Of the whole: when it was made, and by which device. */
static void
take_head(struct tree *t, const uint8_t *value, const struct dcm_element *e,
          struct dose_report *out)
{
    size_t n = strlen(out->device);

    switch (e->tag) {
    case 0x00080023:
        take_digits(value, e->value_n, t->date, sizeof t->date);
        break;
    case 0x00080033:
        take_digits(value, e->value_n, t->time, sizeof t->time);
        break;
    case 0x00080070:
    case 0x00081010:
    case 0x00081090:
    case 0x00181000:
        for (size_t i = 0; i < e->value_n && i < 64 && n + 2 < sizeof out->device; i++)
            if (value[i] > ' ')
                out->device[n++] = value[i] < 0x7F ? (char)value[i] : '?';
        if (n + 1 < sizeof out->device) /* a tag may stand there over and over */
            out->device[n] = ' ';
        break;
    default:
        break;
    }
}

/* An element at its depth d: concept code and value of the content item it belongs to. */
static void
take_element(struct tree *t, const uint8_t *dataset, const struct dcm_element *e)
{
    const uint8_t *value = dataset + e->value_at;
    char uid[65];
    int d = e->depth;

    if (d >= 1 && e->tag == 0x0040A124 && t->path[d] == TAG_CONTENT)
        take_uid(value, e->value_n, t->items[d].uid);
    if (d >= 2 && e->tag == 0x00080100 && t->path[d] == TAG_CHOSEN && t->path[d - 1] == TAG_CONTENT)
        take_text(value, e->value_n, t->items[d - 1].chosen);
    if (d == 3 && e->tag == 0x00081155 && t->path[1] == 0x0040A360) { /* Predecessor Documents */
        take_uid(value, e->value_n, uid);
        add_uid(&t->follows, uid);
    }
    if (d >= 2 && e->tag == 0x00080100 && t->path[d] == TAG_CONCEPT &&
        t->path[d - 1] == TAG_CONTENT)
        take_text(value, e->value_n, t->items[d - 1].concept);
    if (d >= 2 && e->tag == 0x0040A30A && t->path[d] == TAG_MEASURED)
        t->items[d - 1].has_value = read_number(value, e, &t->items[d - 1].value);
    if (d >= 3 && e->tag == 0x00080100 && t->path[d] == TAG_UNITS && t->path[d - 1] == TAG_MEASURED)
        take_text(value, e->value_n, t->items[d - 2].unit);
}

static int
by_text(const void *a, const void *b)
{
    return strcmp(a, b);
}

static void
put_parts(struct tree *t, struct dose_report *out)
{
    size_t n = 0;

    if (t->events.n + t->follows.n > DOSE_PARTS_MAX)
        return;
    if (t->events.n > 0)
        qsort(t->events.all, t->events.n, sizeof *t->events.all, by_text);
    for (size_t i = 0; i < t->events.n; i++)
        if (n == 0 || strcmp(t->events.all[n - 1], t->events.all[i]) != 0)
            memmove(t->events.all[n++], t->events.all[i], sizeof *t->events.all);
    if (n + t->follows.n == 0)
        return;
    out->parts = mem_new((n + t->follows.n) * sizeof *out->parts);
    if (n > 0)
        memcpy(out->parts, t->events.all, n * sizeof *out->parts);
    if (t->follows.n > 0)
        memcpy(out->parts + n, t->follows.all, t->follows.n * sizeof *out->parts);
    out->event_n = n;
    out->part_n = n + t->follows.n;
}

void
dose_report_fini(struct dose_report *report)
{
    free(report->parts);
    *report = (struct dose_report){.parts = NULL};
}

int
dose_read_report(const uint8_t *dataset, size_t n, enum dcm_coding coding, struct dose_report *out,
                 struct err *err)
{
    struct tree *t = mem_new(sizeof *t);
    struct dose_report report = {.parts = NULL};
    struct dcm_walk walk;
    struct dcm_element e;
    int rc = -1;

    dcm_walk_init(&walk, dataset, n, coding, DCM_WALK_WHOLE);
    do {
        if (dcm_walk_next(&walk, &e, err) < 0)
            goto out;
        if (e.event == DCM_SEQUENCE && e.depth < DCM_DEPTH_MAX)
            t->path[e.depth + 1] = e.tag;
        else if (e.event == DCM_ITEM && e.depth < DCM_DEPTH_MAX &&
                 t->path[e.depth + 1] == TAG_CONTENT)
            t->items[e.depth + 1] = (struct item){.has_value = false};
        else if (e.event == DCM_ELEMENT && e.depth == 0)
            take_head(t, dataset + e.value_at, &e, &report);
        else if (e.event == DCM_ELEMENT)
            take_element(t, dataset, &e);
        else if (e.event == DCM_ITEM_END && e.depth < DCM_DEPTH_MAX &&
                 t->path[e.depth + 1] == TAG_CONTENT)
            take_item(&report, t, &t->items[e.depth + 1]);
    } while (e.event != DCM_END);
    if (strlen(t->date) == 8)
        snprintf(report.made_at, sizeof report.made_at, "%s%s", t->date, t->time);
    put_parts(t, &report);
    *out = report;
    rc = 0;
out:
    free(t->events.all);
    free(t->follows.all);
    free(t);
    return rc;
}
