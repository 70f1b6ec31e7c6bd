/* judge.c - SOP Class and Instance UID of command, data set and presentation context. */
#include "gateway/accept/judge.h"

#include "proto/base/text.h"
#include "proto/dicom/dimse_command.h"
#include "proto/dicom/part10.h"
#include "proto/dicom/walk.h"

#include <string.h>

enum { TAG_SOP_CLASS = 0x00080016, TAG_SOP_INSTANCE = 0x00080018 };

/* Leaves out[] alone when the value is no UID. */
static void
take_uid(char out[65], const uint8_t *value, size_t n)
{
    char uid[65] = "";

    while (n > 0 && (value[n - 1] == 0 || value[n - 1] == ' '))
        n--;
    if (n == 0 || n > 64)
        return;
    memcpy(uid, value, n);
    if (strlen(uid) == n && uid_is_valid(uid, true))
        text_copy(out, 65, uid);
}

/* As the first elements say them; "" where they do not, or cannot be read. */
static void
peek_uids(const char *transfer_syntax, const uint8_t *head, size_t n, char out_class[65],
          char out_instance[65])
{
    const struct dcm_syntax *syntax = dcm_syntax_find(transfer_syntax);
    struct dcm_walk walk;
    struct dcm_element e = {0};
    struct err ignored = {0};
    size_t stray;

    out_class[0] = out_instance[0] = 0;
    if (!syntax)
        syntax = dcm_syntax_unknown();
    if (syntax->is_deflated)
        return;
    if ((stray = dcm_stray_meta(head, n)) >= n)
        return;
    head += stray;
    dcm_walk_init(&walk, head, n - stray, syntax->coding, DCM_WALK_PREFIX);
    while (dcm_walk_next(&walk, &e, &ignored) == 0 && e.event != DCM_END) {
        if (e.depth > 0 || e.event != DCM_ELEMENT)
            continue;
        if (e.tag > TAG_SOP_INSTANCE || e.value_n != e.length)
            return;
        if (e.tag == TAG_SOP_CLASS)
            take_uid(out_class, head + e.value_at, e.value_n);
        if (e.tag == TAG_SOP_INSTANCE)
            take_uid(out_instance, head + e.value_at, e.value_n);
    }
}

/* A command whose class is not that of its presentation context is believed if the data set is of
 * that class; one without a class means what was agreed on. */
uint16_t
judge_instance(const char *abstract_syntax, const uint8_t *head, size_t n, struct spool_meta *meta,
               struct err *why)
{
    char sop_class[65], sop_instance[65];

    if (n == 0) {
        err_set(why, ERR_REJECT, "data set is empty");
        return DIMSE_CANNOT_UNDERSTAND;
    }
    peek_uids(meta->transfer_syntax, head, n, sop_class, sop_instance);
    if (sop_class[0] == 0)
        text_copy(sop_class, sizeof sop_class, abstract_syntax);
    if (meta->sop_class[0] == 0)
        text_copy(meta->sop_class, sizeof meta->sop_class, sop_class);
    if (meta->sop_instance[0] == 0)
        text_copy(meta->sop_instance, sizeof meta->sop_instance, sop_instance);
    if (meta->sop_instance[0] == 0) {
        err_set(why, ERR_REJECT, "no usable SOP Instance UID");
        return DIMSE_CANNOT_UNDERSTAND;
    }
    if (strcmp(meta->sop_class, sop_class) != 0) {
        err_set(why, ERR_REJECT, "Affected SOP Class is not that of the data set");
        return DIMSE_CLASS_DIFFERS;
    }
    if (sop_instance[0] != 0 && strcmp(meta->sop_instance, sop_instance) != 0) {
        err_set(why, ERR_REJECT, "Affected SOP Instance is not that of the data set");
        return DIMSE_CLASS_DIFFERS;
    }
    return DIMSE_SUCCESS;
}
