/* orders_fit.c - what a source says of an order, made fit. */
#include "gateway/desk/orders_fit.h"

#include "proto/base/text.h"
#include "proto/model/citizen_id.h"

#include <string.h>

static bool
is_made_of(const char *text, const char *signs)
{
    return text[strspn(text, signs)] == '\0';
}

static bool
is_plain_ascii(const char *text)
{
    for (; *text != '\0'; text++)
        if (*text < 0x20 || *text > 0x7E || *text == '\\')
            return false;
    return true;
}

#define UPPER "ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789"
#define LOWER "abcdefghijklmnopqrstuvwxyz"

int
order_check(const struct order *o, struct err *err)
{
    if (o->source[0] == '\0' || !is_made_of(o->source, LOWER "_0123456789"))
        return err_set(err, ERR_REJECT, "source: a word is due");
    if (o->placer[0] == '\0' || !is_plain_ascii(o->placer))
        return err_set(err, ERR_REJECT, "placer: the source's own number is due, ASCII");
    if (o->name[0] == '\0' || strpbrk(o->name, "\r\n=\\") != NULL)
        return err_set(err, ERR_REJECT, "name: one line is due");
    if (!is_plain_ascii(o->accession) || !is_plain_ascii(o->patient_id))
        return err_set(err, ERR_REJECT, "accession and patient_id: ASCII without backslashes");
    if (!is_plain_ascii(o->procedure_id) || !is_plain_ascii(o->code) ||
        !is_plain_ascii(o->code_scheme) || !is_plain_ascii(o->station))
        return err_set(err, ERR_REJECT, "procedure_id, code, code_scheme and station: ASCII");
    if (!is_made_of(o->modality, UPPER))
        return err_set(err, ERR_REJECT, "modality: DX, CT, MR, US ... or nothing");
    if (!is_plain_ascii(o->pinyin))
        return err_set(err, ERR_REJECT, "pinyin: ASCII");
    if (o->study[0] != '\0' && !uid_is_valid(o->study, true))
        return err_set(err, ERR_REJECT, "study: not a UID");
    return 0;
}

void
order_tidy(struct order *o)
{
    char phone[CLINIC_PHONE_SIZE];
    struct citizen_id id;
    struct err ignored;

    if (citizen_id_read(o->citizen_id, "", &id) == CITIZEN_ID_FINE) {
        (void)text_copy(o->citizen_id, sizeof o->citizen_id, id.text);
        (void)text_copy(o->birth, sizeof o->birth, o->birth[0] != '\0' ? o->birth : id.birth);
        if (o->sex[0] == '\0')
            o->sex[0] = id.sex;
    } else {
        o->citizen_id[0] = '\0';
    }
    if (!citizen_id_is_day(o->birth))
        o->birth[0] = '\0';
    if (strchr("MFO", o->sex[0]) == NULL)
        o->sex[0] = '\0';
    if (o->phone[0] != '\0' && clinic_phone_read(o->phone, phone, &ignored) == 0)
        (void)text_copy(o->phone, sizeof o->phone, phone);
    else
        o->phone[0] = '\0';
}

void
order_give_reason(struct order *o)
{
    const char *words = strcmp(o->source, "centre") == 0
                            ? "中心标为加急，未注明原因 / marked urgent by the centre"
                            : "医院信息系统标为加急，未注明原因 / marked urgent by the HIS";

    if (o->is_urgent && o->reason[0] == '\0')
        (void)text_copy(o->reason, sizeof o->reason, words);
}
