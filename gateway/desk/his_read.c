/* his_read.c - which field is which member, and what is made of those that are more than text. */
#include "gateway/desk/his_read.h"

#include "gateway/desk/orders_fit.h"
#include "proto/base/text.h"
#include "proto/model/citizen_id.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { VALUE_BYTES = 513, FIELD_REPETITIONS = 16 };

#define AT(field) offsetof(struct order, field), sizeof(((struct order *)0)->field)

/* Where a member stands; of several the first that says something. */
static const struct source {
    const char *segment;
    unsigned field, component;
    size_t at, size;
} sources[] = {
    {"ORC", 2, 1, AT(placer)},       {"OBR", 2, 1, AT(placer)},
    {"IPC", 1, 1, AT(accession)},    {"OBR", 18, 1, AT(accession)},
    {"IPC", 2, 1, AT(procedure_id)}, {"OBR", 19, 1, AT(procedure_id)},
    {"IPC", 3, 1, AT(study)},        {"ZDS", 1, 1, AT(study)},
    {"IPC", 5, 1, AT(modality)},     {"OBR", 24, 1, AT(modality)},
    {"IPC", 9, 1, AT(station)},      {"OBR", 4, 2, AT(description)},
    {"OBR", 4, 5, AT(description)},  {"OBR", 44, 2, AT(description)},
    {"OBR", 4, 1, AT(code)},         {"OBR", 4, 3, AT(code_scheme)},
    {"OBR", 4, 2, AT(code_meaning)}, {"ORC", 17, 2, AT(department)},
    {"ORC", 17, 1, AT(department)},  {"PV1", 3, 1, AT(department)},
    {"OBR", 31, 2, AT(complaint)},   {"OBR", 31, 1, AT(complaint)},
    {"DG1", 3, 2, AT(complaint)},    {"DG1", 4, 1, AT(complaint)},
    {"OBR", 13, 1, AT(history)},
};

/* HL7 table 0074 where it has other words than DICOM. */
static const struct {
    const char *theirs, *ours;
} modalities[] = {{"RUS", "US"}, {"CUS", "US"}, {"OUS", "US"}, {"NMR", "MR"}, {"MRI", "MR"},
                  {"NMS", "NM"}, {"RX", "DX"},  {"XRC", "XA"}, {"EC", "ECG"}, {"RAD", ""}};

/* ---- reading ---- */

/* 0 would be the message's end. */
static size_t
head_end(const struct his_group *g)
{
    return g->first > 0 ? g->first : 1;
}

/* Segments of the patient and the visit stand before the first order. */
static int
find(const struct his_group *g, const char *segment)
{
    int i = hl7_find(g->m, segment, g->from, g->end);

    if (i < 0 && g->shared_end > 0)
        i = hl7_find(g->m, segment, g->orc, g->shared_end);
    return i >= 0 ? i : hl7_find(g->m, segment, 0, head_end(g));
}

const char *
his_get(const struct his_group *g, const char *segment, unsigned field, unsigned component,
        char *out, size_t size)
{
    int i = find(g, segment);

    out[0] = '\0';
    if (i >= 0)
        (void)hl7_get(g->m, (struct hl7_at){(size_t)i, field, 1, component, 1}, out, size);
    return out;
}

const char *
his_number(const struct his_group *g, char *out, size_t size)
{
    out[0] = '\0';
    if (g->shared_end == 0)
        his_get(g, "ORC", 2, 1, out, size);
    return out[0] != '\0' ? out : his_get(g, "OBR", 2, 1, out, size);
}

static bool
is_ascii(const char *text)
{
    for (; *text != '\0'; text++)
        if ((uint8_t)*text >= 0x80)
            return false;
    return true;
}

/* XPN or XCN at a component: family and given. Han stand together, Latin names are parted. */
static void
read_name(const struct his_group *g, struct hl7_at at, char *out, size_t size)
{
    char family[CLINIC_NAME_SIZE], given[CLINIC_NAME_SIZE], both[2 * CLINIC_NAME_SIZE + 1];

    (void)hl7_get(g->m, at, family, sizeof family);
    at.component++;
    (void)hl7_get(g->m, at, given, sizeof given);
    snprintf(both, sizeof both, "%s%s%s", family,
             family[0] != '\0' && given[0] != '\0' && is_ascii(family) ? "^" : "", given);
    for (char *p = both; *p != '\0'; p++)
        if (*p == '=' || *p == '\\' || *p == '\n')
            *p = ' ';
    if (!text_copy(out, size, both))
        while (!text_is_utf8(out, strlen(out))) /* cut at a whole character */
            out[strlen(out) - 1] = '\0';
}

/* The written name, and the one in letters if both are told. */
static void
read_patient_name(const struct his_group *g, size_t pid, struct order *o)
{
    unsigned n = hl7_repetitions(g->m, pid, 5);

    for (unsigned r = 1; r <= n && r <= FIELD_REPETITIONS; r++) {
        char name[CLINIC_NAME_SIZE];

        read_name(g, (struct hl7_at){pid, 5, r, 1, 1}, name, sizeof name);
        if (name[0] == '\0')
            continue;
        if (is_ascii(name) && o->pinyin[0] == '\0')
            (void)text_copy(o->pinyin, sizeof o->pinyin, name);
        else if (!is_ascii(name) && o->name[0] == '\0')
            (void)text_copy(o->name, sizeof o->name, name);
    }
    if (o->name[0] == '\0') {
        (void)text_copy(o->name, sizeof o->name, o->pinyin);
        o->pinyin[0] = '\0';
    }
}

static bool
take_citizen_id(const char *text, struct order *o)
{
    struct citizen_id id;

    if (citizen_id_read(text, "", &id) != CITIZEN_ID_FINE || id.is_old)
        return false;
    (void)text_copy(o->citizen_id, sizeof o->citizen_id, id.text);
    return true;
}

static void
read_patient_ids(const struct his_group *g, size_t pid, struct order *o)
{
    unsigned n = hl7_repetitions(g->m, pid, 3);
    char text[VALUE_BYTES];

    for (unsigned r = 1; r <= n && r <= FIELD_REPETITIONS; r++) {
        bool is_whole = hl7_get(g->m, (struct hl7_at){pid, 3, r, 1, 1}, text, sizeof text);

        if (take_citizen_id(text, o) || text[0] == '\0')
            continue;
        if (o->patient_id[0] == '\0' && is_whole && strlen(text) < sizeof o->patient_id)
            (void)text_copy(o->patient_id, sizeof o->patient_id, text);
    }
    (void)hl7_get(g->m, (struct hl7_at){pid, 19, 1, 1, 1}, text, sizeof text);
    if (o->citizen_id[0] == '\0')
        (void)take_citizen_id(text, o);
}

static void
read_sex(const char *text, struct order *o)
{
    static const struct {
        const char *theirs, *ours;
    } words[] = {{"M", "M"}, {"F", "F"}, {"O", "O"},  {"A", "O"},
                 {"1", "M"}, {"2", "F"}, {"男", "M"}, {"女", "F"}};

    for (size_t i = 0; i < ARRAY_LEN(words); i++)
        if (strcmp(words[i].theirs, text) == 0)
            (void)text_copy(o->sex, sizeof o->sex, words[i].ours);
}

static void
read_patient(const struct his_group *g, size_t pid, struct order *o)
{
    char text[VALUE_BYTES];

    read_patient_name(g, pid, o);
    read_patient_ids(g, pid, o);
    read_sex(his_get(g, "PID", 8, 1, text, sizeof text), o);
    (void)order_day_read(his_get(g, "PID", 7, 1, text, sizeof text), o->birth); /* "" where not */
    for (unsigned field = 13; field <= 14 && o->phone[0] == '\0'; field++)
        for (unsigned c = 1; c <= 12 && o->phone[0] == '\0'; c += 11) {
            struct err ignored;

            his_get(g, "PID", field, c, text, sizeof text);
            if (text[0] != '\0' && clinic_phone_read(text, o->phone, &ignored) < 0)
                o->phone[0] = '\0';
        }
}

int
his_schedule_read(const struct his_group *g, struct order *o, struct err *err)
{
    static const struct {
        const char *segment;
        unsigned field, component;
    } times[] = {{"TQ1", 7, 1}, {"OBR", 36, 1}, {"OBR", 27, 4}, {"ORC", 7, 4}};
    char text[VALUE_BYTES];
    size_t bad = ARRAY_LEN(times);

    for (size_t i = ARRAY_LEN(times); i-- > 0;) {
        his_get(g, times[i].segment, times[i].field, times[i].component, text, sizeof text);
        if (text[0] != '\0' && !order_time_read(text, &o->scheduled_at_us))
            bad = i;
    }
    if (o->scheduled_at_us != 0 || bad == ARRAY_LEN(times))
        return 0;
    return err_set(err, ERR_REJECT, "%s-%u.%u: a time that cannot be read", times[bad].segment,
                   times[bad].field, times[bad].component);
}

static void
read_urgency(const struct his_group *g, struct order *o)
{
    static const struct {
        const char *segment;
        unsigned field, component;
    } urgencies[] = {{"TQ1", 9, 1}, {"OBR", 27, 6}, {"ORC", 7, 6}, {"OBR", 5, 1}};
    char text[VALUE_BYTES];

    for (size_t i = 0; i < ARRAY_LEN(urgencies); i++) {
        his_get(g, urgencies[i].segment, urgencies[i].field, urgencies[i].component, text,
                sizeof text);
        /* S: stat, A: as soon as possible, C: call back at once; others are routine */
        if (text[0] == 'S' || strcmp(text, "A") == 0 || strncmp(text, "急", strlen("急")) == 0)
            o->is_urgent = true;
    }
    if (o->is_urgent)
        (void)text_copy(o->reason, sizeof o->reason, "STAT (HIS)");
}

/* Weight in kilograms and height in centimetres or metres, as LOINC names them. */
static void
read_measures(const struct his_group *g, size_t from, size_t end, struct order *o)
{
    char code[VALUE_BYTES], value[VALUE_BYTES], unit[VALUE_BYTES];

    for (int i = hl7_find(g->m, "OBX", from, end); i >= 0;
         i = hl7_find(g->m, "OBX", (size_t)i + 1, end)) {
        double v;

        (void)hl7_get(g->m, (struct hl7_at){(size_t)i, 3, 1, 1, 1}, code, sizeof code);
        (void)hl7_get(g->m, (struct hl7_at){(size_t)i, 5, 1, 1, 1}, value, sizeof value);
        (void)hl7_get(g->m, (struct hl7_at){(size_t)i, 6, 1, 1, 1}, unit, sizeof unit);
        v = strtod(value, NULL);
        if ((strcmp(code, "3141-9") == 0 || strcmp(code, "29463-7") == 0) && v > 0 && v < 500)
            o->weight_g = (uint32_t)((strcmp(unit, "g") == 0 ? v : v * 1000) + 0.5);
        if ((strcmp(code, "3137-7") == 0 || strcmp(code, "8302-2") == 0) && v > 0 && v < 300)
            o->height_mm = (uint32_t)((strcmp(unit, "m") == 0 ? v * 1000 : v * 10) + 0.5);
        if ((size_t)i + 1 >= end)
            break;
    }
}

static void
read_notes(const struct his_group *g, size_t from, size_t end, struct order *o)
{
    char text[VALUE_BYTES];
    size_t n = strlen(o->history);

    for (int i = hl7_find(g->m, "NTE", from, end); i >= 0;
         i = hl7_find(g->m, "NTE", (size_t)i + 1, end)) {
        (void)hl7_get(g->m, (struct hl7_at){(size_t)i, 3, 1, 1, 1}, text, sizeof text);
        if (text[0] != '\0' && n + strlen(text) + 2 < sizeof o->history)
            n += (size_t)snprintf(o->history + n, sizeof o->history - n, "%s%s", n > 0 ? "\n" : "",
                                  text);
        if ((size_t)i + 1 >= end)
            break;
    }
}

static void
read_words(const struct his_group *g, struct order *o)
{
    if (g->shared_end > 0)
        read_notes(g, g->orc, g->shared_end, o);
    read_notes(g, g->from, g->end, o);
    for (unsigned k = 0; k < 3 && o->referring[0] == '\0'; k++) {
        static const struct {
            const char *segment;
            unsigned field;
        } places[] = {{"OBR", 16}, {"ORC", 12}, {"PV1", 8}};
        int i = find(g, places[k].segment);

        if (i >= 0)
            read_name(g, (struct hl7_at){(size_t)i, places[k].field, 1, 2, 1}, o->referring,
                      sizeof o->referring);
    }
}

static void
mend_modality(struct order *o)
{
    (void)order_modality_mend(o->modality); /* a department in words: any */
    for (size_t i = 0; i < ARRAY_LEN(modalities); i++)
        if (strcmp(modalities[i].theirs, o->modality) == 0)
            (void)text_copy(o->modality, sizeof o->modality, modalities[i].ours);
}

/* A code that fits no device is left out with its scheme: the words remain. */
static void
mend_code(struct order *o, bool is_code_cut)
{
    if (is_code_cut || o->code[0] == '\0' || o->code_scheme[0] == '\0' || !is_ascii(o->code) ||
        !is_ascii(o->code_scheme))
        o->code[0] = o->code_scheme[0] = o->code_meaning[0] = '\0';
}

int
his_order_read(const struct his_group *g, struct order *o, struct err *err)
{
    bool is_code_cut = false;
    int pid = hl7_find(g->m, "PID", 0, head_end(g));

    memset(o, 0, sizeof *o);
    (void)text_copy(o->source, sizeof o->source, HIS_SOURCE);
    for (size_t i = 0; i < ARRAY_LEN(sources); i++) {
        const struct source *s = &sources[i];
        char *out = (char *)o + s->at;
        bool is_others = g->shared_end > 0 && s->at == offsetof(struct order, placer) &&
                         strcmp(s->segment, "ORC") == 0; /* the first OBR's number */
        int segment = out[0] == '\0' && !is_others ? find(g, s->segment) : -1;

        if (segment < 0 ||
            hl7_get(g->m, (struct hl7_at){(size_t)segment, s->field, 1, s->component, 1}, out,
                    s->size))
            continue;
        if (s->at == offsetof(struct order, code) || s->at == offsetof(struct order, code_scheme))
            is_code_cut = true;
        else if (s->size <= ORDER_PLACER_SIZE) /* numbers: half of one is another */
            return err_set(err, ERR_REJECT, "%s-%u: longer than %zu characters", s->segment,
                           s->field, s->size - 1);
    }
    mend_code(o, is_code_cut);
    mend_modality(o);
    if (pid >= 0)
        read_patient(g, (size_t)pid, o);
    read_urgency(g, o);
    read_measures(g, 0, head_end(g), o);
    read_measures(g, g->from, g->end, o);
    read_words(g, o);
    return 0;
}
