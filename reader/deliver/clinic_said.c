/* clinic_said.c - what a desk says about a study, whether or not it is a registration's. */
#include "reader/deliver/clinic_up.h"

#include <stdio.h>

void
clinic_actor(const struct doing *w, char out[ACTOR_BYTES])
{
    snprintf(out, ACTOR_BYTES, "desk:%s", w->sender->device);
}

int
clinic_do_doubt(struct doing *w, struct err *err)
{
    const struct clinic_up *up = w->up;
    char actor[ACTOR_BYTES];

    clinic_actor(w, actor);
    return assign_doubt_put(w->conn,
                            &(struct read_doubt){.tenant = w->sender->tenant,
                                                 .study = up->study,
                                                 .doubts = up->doubts,
                                                 .reason = up->reason,
                                                 .actor = actor,
                                                 .revision = up->revision,
                                                 .is_confirmed = up->is_confirmed,
                                                 .is_corrected = up->is_corrected,
                                                 .patient_name = up->name,
                                                 .patient_id = up->patient_id,
                                                 .sex = up->sex,
                                                 .birth = up->birth},
                            err);
}

int
clinic_do_study_urgent(struct doing *w, struct err *err)
{
    const struct clinic_up *up = w->up;
    char actor[ACTOR_BYTES];

    clinic_actor(w, actor);
    return assign_study_urgency(w->conn, w->sender->tenant, up->study, up->revision,
                                &(struct read_urgency){.actor = actor,
                                                       .by = up->by,
                                                       .org = w->sender->tenant,
                                                       .reason = up->reason,
                                                       .is_emergency = up->is_urgent,
                                                       .is_clinics = true},
                                err);
}

int
clinic_do_absent(struct doing *w, struct err *err)
{
    const struct clinic_up *up = w->up;
    char actor[ACTOR_BYTES];

    clinic_actor(w, actor);
    return assign_study_absent(w->conn,
                               &(struct read_absence){.tenant = w->sender->tenant,
                                                      .study = up->study,
                                                      .reason = up->absent,
                                                      .words = up->reason,
                                                      .by = up->by,
                                                      .actor = actor,
                                                      .revision = up->revision,
                                                      .images = up->images,
                                                      .at_us = up->at_us},
                               err);
}
