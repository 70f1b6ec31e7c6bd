/* dimse_choose.c - which of the transfer syntaxes proposed in one context is taken. */
#include "proto/dicom/dimse_assoc.h"
#include "proto/dicom/syntax.h"

#include <string.h>

enum { LOSSY = 4 }; /* this rank and those after it */

/* Smaller is better. Lossy syntaxes and unknown ones come last: taken only where nothing that
 * keeps the pixels is offered beside them. */
static int
rank_syntax(const char *uid)
{
    const struct dcm_syntax *syntax = dcm_syntax_find(uid);

    if (strcmp(uid, DCM_UID_EXPLICIT_LE) == 0)
        return 0;
    if (strcmp(uid, DCM_UID_IMPLICIT_LE) == 0)
        return 1;
    if (!syntax)
        return 5;
    if (syntax->codec == DCM_CODEC_NATIVE)
        return 2;
    return syntax->is_lossless_proven ? 3 : LOSSY;
}

int
dimse_choose_syntax(enum dimse_offer offer, const char *const *proposed, size_t count)
{
    int best = -1, best_rank = offer == DIMSE_PLAIN_SYNTAX ? 2 : 6;

    if (offer == DIMSE_NOT_OFFERED)
        return -1;
    if (offer == DIMSE_THEIR_SYNTAX && count > 0 && rank_syntax(proposed[0]) >= LOSSY)
        return 0;
    for (size_t i = 0; i < count; i++) {
        int rank = rank_syntax(proposed[i]);
        if (rank < best_rank) {
            best = (int)i;
            best_rank = rank;
        }
    }
    return best;
}
