/* orders_member.c - one member of an order, by a table, as other programs write it. */
#include "gateway/desk/orders_fit.h"
#include "gateway/desk/orders_own.h"
#include "proto/base/text.h"

#include <math.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

/* NUMBER: half of one is another, so that a longer one is refused; WORDS are cut; what is left over
 * (ASIDE) is left out when it does not fit, as docs/orders.md says. */
enum kind {
    NUMBER,
    WORDS,
    ASIDE,
    ACTION,
    BIRTH,
    MODALITY,
    SCHEDULED,
    URGENT,
    KILOGRAMS,
    CENTIMETRES
};

#define AT(field) offsetof(struct order, field), sizeof(((struct order *)0)->field)
static const struct member {
    const char *name;
    enum kind kind;
    size_t at, size;
} members[] = {
    {"placer", NUMBER, AT(placer)},
    {"action", ACTION, 0, 0},
    {"accession", NUMBER, AT(accession)},
    {"patient_id", NUMBER, AT(patient_id)},
    {"name", WORDS, AT(name)},
    {"pinyin", ASIDE, AT(pinyin)},
    {"citizen_id", ASIDE, AT(citizen_id)},
    {"sex", ASIDE, AT(sex)},
    {"birth", BIRTH, AT(birth)},
    {"phone", ASIDE, AT(phone)},
    {"weight_kg", KILOGRAMS, 0, 0},
    {"height_cm", CENTIMETRES, 0, 0},
    {"modality", MODALITY, AT(modality)},
    {"station", NUMBER, AT(station)},
    {"scheduled", SCHEDULED, 0, 0},
    {"procedure_id", NUMBER, AT(procedure_id)},
    {"description", WORDS, AT(description)},
    {"code", ASIDE, AT(code)},
    {"code_scheme", ASIDE, AT(code_scheme)},
    {"code_meaning", WORDS, AT(code_meaning)},
    {"study", NUMBER, AT(study)},
    {"referring", WORDS, AT(referring)},
    {"department", WORDS, AT(department)},
    {"urgent", URGENT, 0, 0},
    {"reason", WORDS, AT(reason)},
    {"complaint", WORDS, AT(complaint)},
    {"history", WORDS, AT(history)},
};

/* A measure in thousandths: "61.5" kilograms, "172" centimetres. */
static bool
read_measure(const char *text, double factor, double most, uint32_t *out)
{
    char *end;
    double v;

    if (text[0] == '\0')
        return true;
    v = strtod(text, &end);
    if (*end != '\0' || !isfinite(v) || v < 0 || v > most)
        return false;
    *out = (uint32_t)(v * factor + 0.5);
    return true;
}

/* As people, JSON and SQL clients write it. */
static bool
read_truth(const char *text, bool *out)
{
    static const char *const yes[] = {"true", "t", "yes", "y", "1", "是"}, *const no[] = {
                                                                               "",   "false", "f",
                                                                               "no", "n",     "0",
                                                                               "否"};
    for (size_t i = 0; i < ARRAY_LEN(yes); i++)
        if (strcasecmp(text, yes[i]) == 0) {
            *out = true;
            return true;
        }
    for (size_t i = 0; i < ARRAY_LEN(no); i++)
        if (strcasecmp(text, no[i]) == 0) {
            *out = false;
            return true;
        }
    return false;
}

/* Without blanks around and control characters; long texts keep their line ends. */
static bool
copy_text(char *out, size_t size, const char *text)
{
    size_t n = 0;

    text += strspn(text, " \t\r\n");
    for (; *text != '\0' && n + 1 < size; text++)
        out[n++] =
            (uint8_t)*text >= 0x20 || (*text == '\n' && size == CLINIC_TEXT_SIZE) ? *text : ' ';
    while (n > 0 && (out[n - 1] == ' ' || out[n - 1] == '\n'))
        n--;
    out[n] = '\0';
    return *text == '\0';
}

/* Sexes as HIS write them: GB/T 2261.1 and words. */
static const char *
sex_word(const char *text)
{
    static const char *const words[][2] = {{"1", "M"}, {"2", "F"}, {"男", "M"}, {"女", "F"},
                                           {"m", "M"}, {"f", "F"}, {"0", ""},   {"9", ""}};

    for (size_t i = 0; i < ARRAY_LEN(words); i++)
        if (strcmp(words[i][0], text) == 0)
            return words[i][1];
    return text;
}

/* Words that do not fit end at a whole character. */
static void
cut(char *text)
{
    while (!text_is_utf8(text, strlen(text)))
        text[strlen(text) - 1] = '\0';
}

/* "ct" is CT; a department in words is none: every device is told. */
static bool
read_modality(const char *text, char *out, size_t size)
{
    bool is_fine = copy_text(out, size, text);

    is_fine = order_modality_mend(out) && is_fine;
    if (!is_fine)
        out[0] = '\0';
    return is_fine;
}

/* False: it does not fit; out is what is left of it, or "". */
static bool
set_text(struct orders_reading *r, const struct member *m, const char *text)
{
    char *out = (char *)&r->order + m->at;

    if (m->kind == BIRTH)
        return order_day_read(text, out) || text[0] == '\0';
    if (m->kind == MODALITY)
        return read_modality(text, out, m->size);
    if (copy_text(out, m->size, m->at == offsetof(struct order, sex) ? sex_word(text) : text))
        return true;
    if (m->kind == WORDS)
        cut(out);
    else
        out[0] = '\0';
    return false;
}

static bool
set_member(struct orders_reading *r, const struct member *m, const char *text)
{
    switch (m->kind) {
    case ACTION:
        r->is_cancelled = strcmp(text, "cancel") == 0;
        return r->is_cancelled || text[0] == '\0' || strcmp(text, "put") == 0;
    case SCHEDULED:
        return text[0] == '\0' || order_time_read(text, &r->order.scheduled_at_us);
    case URGENT:
        return read_truth(text, &r->order.is_urgent);
    case KILOGRAMS:
        return read_measure(text, 1000, 700, &r->order.weight_g);
    case CENTIMETRES:
        return read_measure(text, 10, 300, &r->order.height_mm);
    default:
        return set_text(r, m, text);
    }
}

int
orders_member_set(struct orders_reading *r, const char *name, const char *text, struct err *err)
{
    const struct member *m = members, *end = members + ARRAY_LEN(members);

    while (m < end && strcmp(m->name, name) != 0)
        m++;
    if (m == end || set_member(r, m, text) || m->kind == ASIDE || m->kind == BIRTH)
        return 0;
    if (m->kind == NUMBER || m->kind == ACTION)
        return err_set(err, ERR_REJECT, "%s: too long, or not of its kind", name);
    if (r->flaw.kind == ERR_NONE)
        (void)err_set(&r->flaw, ERR_REJECT,
                      m->kind == WORDS ? "%s: too long; cut"
                                       : "%s: cannot be read; the order is taken without it",
                      name);
    return 0;
}

const char *
orders_member_at(const char *text)
{
    size_t n = strspn(text, "abcdefghijklmnopqrstuvwxyz_");

    for (size_t i = 0; i < ARRAY_LEN(members); i++)
        if (strlen(members[i].name) == n && memcmp(members[i].name, text, n) == 0)
            return members[i].name;
    return "";
}
