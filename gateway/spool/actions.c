/* actions.c - what each arrow of instance_states.def changes in an entry. */
#include "gateway/spool/internal.h"

#include "proto/base/text.h"

#include <string.h>

typedef void (*action_fn)(struct spool *sp, struct record *r, const struct news *news);

/* The file that goes is another one by now than a list may have named. */
static void
change_object(struct record *r)
{
    if (r->stale < r->revision)
        r->stale = r->revision;
}

static void
drop_coding(struct record *r)
{
    if (r->coded.object_size != 0)
        change_object(r);
    r->coded = (struct place){0};
}

static void
take_facts(struct spool *sp, struct record *r, const struct news *news)
{
    const struct spool_inspection *f = news->facts;
    struct ledger *l = &sp->ledger;

    r->is_inspected = true;
    r->study_uid = ledger_word(l, f->study_uid);
    r->series_uid = ledger_word(l, f->series_uid);
    r->modality = ledger_word(l, f->modality);
    r->study_date = ledger_word(l, f->study_date);
    r->study_time = ledger_word(l, f->study_time);
    r->body_part = ledger_word(l, f->body_part);
    r->station = ledger_word(l, f->station);
    r->frames = f->frames;
    memcpy(r->pixels_sha256, f->pixels_sha256, 32);
    memcpy(r->dataset_sha256, f->dataset_sha256, 32);
    r->doubts = f->doubts;
    memcpy(r->identity_sha256, f->identity_sha256, 32);
    memcpy(r->rest_sha256, f->rest_sha256, 32);
}

static void
take_coding(struct spool *sp, struct record *r, const struct news *news)
{
    const struct study *s = ledger_study(&sp->ledger, r->study_uid);

    if (s != NULL && s->acked_revision >= r->revision) /* told as received, released since */
        change_object(r);
    r->coded.object_size = news->coding->size;
    r->coded.recipe_n = (uint32_t)news->coding->recipe_n;
    r->coded.layout_n = (uint32_t)news->coding->layout_n;
    memcpy(r->coded.sha256, news->coding->sha256, 32);
}

static void
take_why_not_coded(struct spool *sp, struct record *r, const struct news *news)
{
    char why[sizeof((struct spool_entry *)0)->why_not_coded];

    text_copy(why, sizeof why, news->why);
    r->why_not_coded = ledger_word(&sp->ledger, why);
    drop_coding(r);
}

static void
take_why(struct spool *sp, struct record *r, const struct news *news)
{
    char why[sizeof((struct spool_entry *)0)->last_error];

    text_copy(why, sizeof why, news->why);
    r->last_error = ledger_word(&sp->ledger, why);
}

static void
take_receipt(struct spool *sp, struct record *r, const struct news *news)
{
    (void)sp;
    if (news->receipt_seq > r->receipt_seq)
        r->receipt_seq = news->receipt_seq;
}

static void
take_recall(struct spool *sp, struct record *r, const struct news *news)
{
    (void)sp;
    (void)news;
    if (r->coded.segment == 0) /* the coding went before the received bytes: those go */
        drop_coding(r);
    r->at_us[INSTANCE_LOOKED] = r->at_us[INSTANCE_HELD] = r->at_us[INSTANCE_SEALED] = 0;
}

/* A duplicate goes coded: it repeats nothing any more. */
static void
take_coded_alone(struct spool *sp, struct record *r, const struct news *news)
{
    take_recall(sp, r, news);
    r->twin_of = 0;
}

static void
take_discard(struct spool *sp, struct record *r, const struct news *news)
{
    char by[sizeof((struct spool_entry *)0)->discarded_by];

    text_copy(by, sizeof by, news->by);
    r->discard_reason = ledger_word(&sp->ledger, news->why);
    r->discarded_by = ledger_word(&sp->ledger, by);
}

/* As it came; only that it was received stays known, and that a person wanted it in spite of an
 * earlier discard. */
static void
take_release(struct spool *sp, struct record *r, const struct news *news)
{
    int64_t received_at_us = r->at_us[INSTANCE_RECEIVED];

    (void)sp;
    (void)news;
    if (r->state == INSTANCE_DISCARDED || quarantine_of(r->last_error) == QUARANTINE_DISCARDED)
        r->is_wanted = true;
    r->discard_reason = r->discarded_by = "";
    memset(r->at_us, 0, sizeof r->at_us);
    r->at_us[INSTANCE_RECEIVED] = received_at_us;
    r->is_inspected = false;
    drop_coding(r);
    r->why_not_coded = r->last_error = "";
    r->twin_of = 0;
}

static void
take_twin(struct spool *sp, struct record *r, const struct news *news)
{
    (void)sp;
    r->twin_of = news->twin_of;
}

void
action_take(struct spool *sp, enum instance_event event, const struct news *news, struct record *r)
{
    static const struct {
        enum instance_state from;
        enum instance_event event;
        action_fn action;
    } rows[] = {
#define ROW(from, event, to, action) {from, event, action},
#include "proto/model/instance_states.def"
    };

    for (size_t i = 0; i < ARRAY_LEN(rows); i++)
        if (rows[i].from == r->state && rows[i].event == event) {
            rows[i].action(sp, r, news);
            return;
        }
}
