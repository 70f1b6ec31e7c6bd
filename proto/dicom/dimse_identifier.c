/* dimse_identifier.c - an identifier's elements, top level only. */
#include "proto/dicom/dimse_identifier.h"

#include "proto/base/limits.h"
#include "proto/base/text.h"

#include <stdlib.h>
#include <string.h>

char *
dimse_identifier_text(const uint8_t *bytes, const struct dcm_element *e,
                      struct dcm_charset *charset)
{
    struct buf text;
    char *value;
    size_t n;

    buf_init(&text, LIMIT_IDENTIFIER_BYTES * 4);
    if (dcm_vr_has_charset(e->vr))
        dcm_charset_decode(charset, bytes + e->value_at, e->value_n, strcmp(e->vr, "PN") == 0,
                           &text);
    else
        buf_add(&text, bytes + e->value_at, e->value_n);
    value = mem_text(buf_is_over(&text) ? "" : buf_text(&text));
    buf_fini(&text);
    n = strlen(value);
    while (n > 0 && value[n - 1] == ' ')
        value[--n] = '\0';
    n = strspn(value, " ");
    memmove(value, value + n, strlen(value + n) + 1);
    return value;
}

static int
read_level(struct dimse_identifier *id, struct err *err)
{
    const char *level = dimse_identifier_value(id, TAG_RETRIEVE_LEVEL);

    if (strcmp(level, "STUDY") == 0)
        id->level = DIMSE_STUDY;
    else if (strcmp(level, "SERIES") == 0)
        id->level = DIMSE_SERIES;
    else if (strcmp(level, "IMAGE") == 0)
        id->level = DIMSE_IMAGE;
    else
        return err_set(err, ERR_REJECT, "Query/Retrieve Level is neither STUDY, SERIES nor IMAGE");
    return 0;
}

static int
add_key(struct dimse_identifier *id, const uint8_t *bytes, const struct dcm_element *e,
        struct dcm_charset *charset, struct err *err)
{
    struct dimse_key *key = &id->keys[id->n];

    if (id->n == DIMSE_KEYS)
        return err_set(err, ERR_REJECT, "identifier of more than %d keys", DIMSE_KEYS);
    key->tag = e->tag;
    key->is_sequence = e->event == DCM_SEQUENCE;
    key->value = key->is_sequence ? mem_text("") : dimse_identifier_text(bytes, e, charset);
    id->n++;
    return 0;
}

int
dimse_identifier_read(const uint8_t *bytes, size_t n, enum dcm_coding coding,
                      struct dimse_identifier *out, struct err *err)
{
    struct dcm_charset charset;
    struct dcm_walk walk;
    struct dcm_element e;

    *out = (struct dimse_identifier){.n = 0};
    dcm_charset_scan(&charset, bytes, n, coding, NULL, NULL);
    dcm_walk_init(&walk, bytes, n, coding, DCM_WALK_WHOLE);
    do {
        if (dcm_walk_next(&walk, &e, err) < 0)
            goto refused;
        if (e.depth > 0 || (e.event != DCM_ELEMENT && e.event != DCM_SEQUENCE))
            continue;
        if (add_key(out, bytes, &e, &charset, err) < 0)
            goto refused;
    } while (e.event != DCM_END);
    if (read_level(out, err) == 0)
        return 0;
refused:
    dimse_identifier_fini(out);
    return -1;
}

int
dimse_identifier_take(struct dimse_assoc *assoc, const struct dimse_command *rq,
                      struct dimse_identifier *out, uint16_t *out_status, struct err *why,
                      struct err *err)
{
    const struct dimse_context *context = dimse_context(assoc, rq->context);
    struct buf bytes;
    int rc = 0;

    *out_status = DIMSE_CLASS_DIFFERS;
    buf_init(&bytes, LIMIT_IDENTIFIER_BYTES);
    if (!rq->has_data)
        err_set(why, ERR_REJECT, "request without an identifier");
    else if ((rc = dimse_collect_data(assoc, &bytes, err)) < 0 && buf_is_over(&bytes)) {
        err_set(why, ERR_REJECT, "identifier of more than %llu bytes",
                (unsigned long long)LIMIT_IDENTIFIER_BYTES);
        rc = 0;
    } else if (rc == 0 && strcmp(rq->sop_class, context->abstract_syntax) != 0)
        err_set(why, ERR_REJECT, "SOP Class is not that of the presentation context");
    else if (rc == 0 && dimse_identifier_read(bytes.bytes, bytes.n,
                                              dimse_coding(assoc, rq->context), out, why) == 0)
        *out_status = DIMSE_SUCCESS;
    buf_fini(&bytes);
    return rc;
}

enum dcm_coding
dimse_coding(const struct dimse_assoc *assoc, uint8_t context)
{
    return strcmp(dimse_context(assoc, context)->transfer_syntax, DCM_UID_IMPLICIT_LE) == 0
               ? DCM_IMPLICIT_LE
               : DCM_EXPLICIT_LE;
}

void
dimse_identifier_fini(struct dimse_identifier *identifier)
{
    for (size_t i = 0; i < identifier->n; i++)
        free(identifier->keys[i].value);
    identifier->n = 0;
}

const char *
dimse_identifier_value(const struct dimse_identifier *identifier, uint32_t tag)
{
    for (size_t i = 0; i < identifier->n; i++)
        if (identifier->keys[i].tag == tag)
            return identifier->keys[i].value;
    return "";
}

size_t
dimse_uid_list(const char *value, char (**out_uids)[65])
{
    char(*uids)[65] = NULL;
    size_t count = 0;

    *out_uids = NULL;
    for (const char *at = value; *value != '\0'; at++) {
        size_t n = strcspn(at, "\\");
        uids = mem_grow(uids, (count + 1) * sizeof *uids);
        memset(uids[count], 0, sizeof *uids);
        if (n < sizeof *uids)
            memcpy(uids[count], at, n);
        if (!uid_is_valid(uids[count], true)) {
            free(uids);
            return 0;
        }
        count++;
        at += n;
        if (*at == '\0')
            break;
    }
    *out_uids = uids;
    return count;
}
