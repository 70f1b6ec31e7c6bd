/* dimse_choose.c - which proposed contexts are taken, and in which of their transfer syntaxes. */
#include "proto/base/text.h"
#include "proto/dicom/dimse_assoc.h"
#include "proto/dicom/dimse_pdu.h"
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

/* Where the server's role is not wanted of a peer that takes the client's, too, the context is
 * taken without it: no role item in the answer leaves the default roles (PS3.7 D.3.3.4). */
static enum dimse_offer
offer_for(const struct dimse_listener_options *o, const struct pdu_context *c,
          bool *out_peer_is_scp)
{
    enum dimse_offer offer = DIMSE_NOT_OFFERED;

    *out_peer_is_scp = c->peer_is_scp;
    if (c->abstract_syntax[0] == 0)
        return offer;
    offer = o->offers(c->abstract_syntax, c->peer_is_scp, o->user);
    if (offer != DIMSE_NOT_OFFERED || !c->peer_is_scp || c->is_scp_only)
        return offer;
    *out_peer_is_scp = false;
    return o->offers(c->abstract_syntax, false, o->user);
}

size_t
dimse_answer_contexts(const struct dimse_listener_options *o, const struct pdu_associate *rq,
                      struct upper_answer *answers, struct dimse_assoc *assoc)
{
    for (size_t i = 0; i < rq->context_count; i++) {
        const struct pdu_context *c = &rq->contexts[i];
        const char *proposed[PDU_SYNTAXES];
        bool peer_is_scp = false;
        enum dimse_offer offer = offer_for(o, c, &peer_is_scp);
        for (size_t s = 0; s < c->syntax_count; s++)
            proposed[s] = c->syntaxes[s];
        int chosen = dimse_choose_syntax(offer, proposed, c->syntax_count);
        answers[i] =
            (struct upper_answer){.context = c->id, .refusal = offer == DIMSE_NOT_OFFERED ? 3 : 4};
        if (offer == DIMSE_NOT_OFFERED && o->not_offered && !c->is_scp_only &&
            c->abstract_syntax[0] != 0)
            o->not_offered(&assoc->peer, c->abstract_syntax, o->user);
        if (chosen < 0)
            continue;
        answers[i].transfer_syntax = c->syntaxes[chosen];
        answers[i].peer_is_scp = peer_is_scp;
        answers[i].is_scp_only = c->is_scp_only;
        struct dimse_context *agreed = &assoc->contexts[assoc->context_count++];
        agreed->id = c->id;
        agreed->peer_is_scp = peer_is_scp;
        text_copy(agreed->abstract_syntax, sizeof agreed->abstract_syntax, c->abstract_syntax);
        text_copy(agreed->transfer_syntax, sizeof agreed->transfer_syntax, c->syntaxes[chosen]);
    }
    return rq->context_count;
}
