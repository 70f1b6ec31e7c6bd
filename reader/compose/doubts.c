/* doubts.c - a doctor confirms whose images these are. */
#include "reader/compose/compose_own.h"

#include <string.h>

int
step_confirm_doubts(struct act *a, const char *doubts, int64_t seen, const char *reason,
                    struct err *err)
{
    if (!reason_is_fit(reason))
        return act_refuse(a, REFUSE_REASON, err);
    if (doubts == NULL || strcmp(doubts, a->row->doubts) != 0) /* others were told meanwhile */
        return act_refuse(a, REFUSE_STALE, err);
    if (seen != a->row->doubts_revision) /* the same words, of other people */
        return act_refuse(a, REFUSE_DOUBTS_ANEW, err);
    if (!read_has_open_doubts(a->row))
        return act_refuse(a, REFUSE_STATE, err);
    if (assign_doubt_confirm(a->conn, a->row, a->person.login, reason, err) < 0 ||
        act_note(a, "doubts", reason, err) < 0)
        return -1;
    if (a->c->audit != NULL &&
        audit_append(a->c->audit, err, AUDIT_DOUBT_CONFIRMED, A_UID("study", a->row->study),
                     A_WORD("tenant", a->row->tenant), A_WORD("of", a->person.org),
                     A_NUMBER("read", a->row->read_id), A_NUMBER("revision", seen),
                     A_WORD("by", a->person.login)) < 0)
        return -1;
    return act_commit(a, err);
}
