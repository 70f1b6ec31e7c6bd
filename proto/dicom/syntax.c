/* syntax.c - the table of transfer syntaxes. */
#include "proto/dicom/syntax.h"

#include <string.h>

static const struct dcm_syntax rows[] = {
#define SYNTAX(uid, name, coding, codec, deflated, encapsulated, lossless)                         \
    {uid, name, coding, codec, deflated, encapsulated, lossless},
#include "proto/dicom/syntax.def"
#undef SYNTAX
};

static const struct dcm_syntax unknown = {"",   "",   DCM_EXPLICIT_LE, DCM_CODEC_UNKNOWN, false,
                                          true, false};

const struct dcm_syntax *
dcm_syntax_find(const char *uid)
{
    for (size_t i = 0; i < ARRAY_LEN(rows); i++)
        if (strcmp(rows[i].uid, uid) == 0)
            return &rows[i];
    return NULL;
}

const struct dcm_syntax *
dcm_syntax_unknown(void)
{
    return &unknown;
}

const struct dcm_syntax *
dcm_syntax_at(size_t i)
{
    return i < ARRAY_LEN(rows) ? &rows[i] : NULL;
}
