/* his_out.c - a thread a target. */
#include "gateway/desk/his_out.h"

#include "gateway/desk/book_own.h"
#include "gateway/desk/his_report.h"
#include "proto/base/clock.h"
#include "proto/base/log.h"
#include "proto/base/thread.h"

#include <stdlib.h>
#include <string.h>

#define LOG_EVENT LOG_EVENT_DECLARE
#include "gateway/desk/desk_events.def"
#undef LOG_EVENT

enum {
    LOOK_MS = 2000,
    TARGET_FAILED = 2, /* tries in a row: one may be of what was sent, two are of the target */
    TEXTS = 13
};

struct worker {
    struct his_out *out;
    enum his_target target;
    bool is_started;
    pthread_t thread;
};

struct his_out {
    struct his_out_options o;
    char *texts[TEXTS]; /* copies of the settings */
    struct his_targets targets;
    struct gate gate;
    bool is_stopping; /* gate, as is asked */
    uint64_t asked;   /* grows when a person asks */
    struct worker workers[HIS_TARGETS];
};

static const struct log_ctx ctx = {.stage = "gateway/desk"};

/* What came of a try, into the book. said: the receipt, or the target's own words, never logged. */
static int
note(struct book *book, const struct his_delivery *d, int rc, const char *said,
     const struct err *why, int64_t wait_ms, bool *out_is_down, struct err *err)
{
    bool is_retried = rc < 0 && err_kind_is_retried(why->kind);

    *out_is_down = is_retried;
    if (rc == 0)
        LOG(&ctx, DESK_HIS_DELIVERED, F_WORD("target", his_target_word(d->target)),
            F_NUMBER("read", d->read), F_NUMBER("version", d->version));
    else if (!is_retried)
        LOG(&ctx, DESK_HIS_REFUSED, F_WORD("target", his_target_word(d->target)),
            F_NUMBER("read", d->read), F_NUMBER("version", d->version), F_ERR(why));
    else if (d->tries == 0)
        LOG(&ctx, DESK_HIS_WAITS, F_WORD("target", his_target_word(d->target)),
            F_NUMBER("read", d->read), F_NUMBER("version", d->version), F_ERR(why));
    if (rc == 0)
        return his_book_step(book, d->n, HIS_SAW_RECEIPT, said, 0, err);
    return his_book_failed(book, d->n, is_retried ? HIS_SAW_TROUBLE : HIS_SAW_REFUSAL, why->text,
                           said, wait_ms, err);
}

int
his_out_mend(struct book *book, enum his_target target, struct err *err)
{
    struct his_delivery *list = NULL;
    size_t n = 0;
    int rc = his_book_overtake(book, target, err);

    if (rc == 0)
        rc = his_book_held(book, target, &list, &n, err);

    for (size_t i = 0; rc == 0 && i < n; i++) {
        if (his_report_is_held(book, &list[i]))
            continue;
        rc = his_book_step(book, list[i].n, HIS_SAW_MENDED, "", 0, err);
        if (rc < 0 && err->kind == ERR_CONFLICT) { /* a person was faster */
            err_clear(err);
            rc = 0;
        }
    }
    free(list);
    return rc;
}

int
his_out_step(const struct his_targets *t, struct book *book, enum his_target target,
             int64_t wait_ms, bool *out_did, bool *out_is_down, struct err *err)
{
    struct his_delivery *d = mem_new(sizeof *d);
    char said[HIS_RECEIPT_SIZE] = "";
    struct err why = {0};
    int rc;

    *out_is_down = false;
    rc = his_book_due(book, target, out_did, d, err);
    if (rc < 0 || !*out_did)
        goto out;
    if (d->is_withdrawal ? !d->was_told : d->is_withdrawn)
        rc = his_book_step(book, d->n, HIS_SAW_OVERTAKEN, "", 0, err);
    else if (d->target != HIS_DICOM && his_report_is_held(book, d)) /* no try: nothing leaves */
        rc = note(book, d, err_set(&why, ERR_REJECT, HIS_ANOTHER_PATIENT), said, &why, wait_ms,
                  out_is_down, err);
    else if ((rc = his_book_trying(book, d->n, err)) == 0)
        rc = note(book, d, his_send(t, book, d, said, &why), said, &why, wait_ms, out_is_down, err);
    if (rc < 0 && err->kind == ERR_CONFLICT) { /* a person was faster: looked at anew */
        err_clear(err);
        rc = 0;
    }
out:
    free(d);
    return rc;
}

/* ---- the thread ---- */

static bool
is_stopping(struct his_out *out)
{
    bool is;

    gate_lock(&out->gate);
    is = out->is_stopping;
    gate_unlock(&out->gate);
    return is;
}

static uint64_t
asked(struct his_out *out)
{
    uint64_t n;

    gate_lock(&out->gate);
    n = out->asked;
    gate_unlock(&out->gate);
    return n;
}

/* What is owed since is owed; the newest of it, 0: it cannot be told. */
static int64_t
newest(struct worker *w)
{
    struct book *book = w->out->o.book;
    int64_t n = 0;
    bool is_new;
    struct err err;

    if (his_book_owe(book, 1u << w->target, &is_new, &err) < 0 ||
        his_book_newest(book, w->target, &n, &err) < 0)
        LOG(&ctx, DESK_STATE_FAILED, F_ERR(&err));
    return n;
}

/* Until the time is over, a person asks for something, or one more is owed than the last: the
 * trouble may be of those alone that failed, and the others need not wait for them. */
static void
rest(struct worker *w, int64_t last, int64_t wait_ms)
{
    struct book *book = w->out->o.book;
    int64_t until_ms = clock_mono_ms() + wait_ms, left_ms;
    uint64_t before = asked(w->out), seen = book_change(book);

    while (!is_stopping(w->out) && asked(w->out) == before && newest(w) <= last &&
           (left_ms = until_ms - clock_mono_ms()) > 0)
        seen = book_wait(book, seen, left_ms);
}

void
his_out_wake(struct his_out *out)
{
    if (out == NULL)
        return;
    gate_lock(&out->gate);
    out->asked++;
    gate_unlock(&out->gate);
    book_changed(out->o.book); /* they wait for its news */
}

static void *
run(void *arg)
{
    struct worker *w = arg;
    struct his_out *out = w->out;
    struct book *book = out->o.book;
    int64_t wait_ms = out->o.retry_ms;
    unsigned failed = 0; /* in a row */
    uint64_t owed = 0;

    while (!is_stopping(out)) {
        bool did = false, is_down = false, is_new = false;
        uint64_t seen = book_change(book);
        int64_t last = newest(w);
        struct err err = {0};
        int rc = 0;

        if (seen != owed) /* nothing is owed that no change has brought */
            rc = his_book_owe(book, 1u << w->target, &is_new, &err);
        if (rc == 0 && seen != owed)
            rc = his_out_mend(book, w->target, &err);
        owed = rc == 0 ? seen : 0;
        if (rc == 0)
            rc = his_out_step(&out->targets, book, w->target, wait_ms, &did, &is_down, &err);
        if (rc < 0) {
            LOG(&ctx, DESK_STATE_FAILED, F_ERR(&err));
            rest(w, last, out->o.retry_ms);
        } else if (is_down && ++failed >= TARGET_FAILED) {
            rest(w, last, wait_ms);
            wait_ms = wait_ms * 2 < out->o.retry_max_ms ? wait_ms * 2 : out->o.retry_max_ms;
        } else if (did && !is_down) {
            failed = 0;
            wait_ms = out->o.retry_ms;
        } else if (!did) {
            (void)book_wait(book, seen, LOOK_MS);
        }
    }
    return NULL;
}

/* ---- start and stop ---- */

/* The configuration's texts may go before us. */
static void
keep_settings(struct his_out *out)
{
    struct his_settings *own = &out->o.settings;
    const char **const texts[] = {
        &own->dicom,           &own->dicom_calling,       &own->hl7,          &own->hl7_charset,
        &own->hl7_application, &own->hl7_facility,        &own->our_facility, &own->hl7_tls_ca,
        &own->hl7_tls_pin,     &own->hl7_tls_certificate, &own->hl7_tls_key,  &own->folder,
        &own->folder_format,
    };

    for (size_t i = 0; i < ARRAY_LEN(texts); i++)
        *texts[i] = out->texts[i] = mem_text(*texts[i] != NULL ? *texts[i] : "");
    _Static_assert(ARRAY_LEN(texts) == TEXTS, "each is freed");
}

int
his_out_start(const struct his_out_options *options, struct his_out **out, struct err *err)
{
    struct his_out *new = mem_new(sizeof *new);
    bool is_new;
    int rc = -1;

    gate_init(&new->gate);
    new->o = *options;
    keep_settings(new);
    if (his_targets_read(&new->o.settings, &new->targets, err) < 0)
        goto out;
    rc = 0;
    if (new->targets.bits == 0)
        goto out;
    /* before the line to the reader brings the next one: what is here now is before the target */
    rc = his_book_owe(options->book, new->targets.bits, &is_new, err);
    if (rc < 0)
        goto out;
    for (int t = 0; t < HIS_TARGETS; t++)
        if (new->targets.bits & 1u << t) {
            static const char *const names[HIS_TARGETS] = {"desk-his-dicom", "desk-his-hl7",
                                                           "desk-his-folder"};

            new->workers[t] = (struct worker){new, (enum his_target)t, true, 0};
            new->workers[t].thread = thread_start(names[t], run, &new->workers[t]);
        }
    *out = TAKE(new);
out:
    his_out_stop(&new);
    return rc;
}

void
his_out_stop(struct his_out **out)
{
    struct his_out *old = TAKE(*out);

    if (old == NULL)
        return;
    gate_lock(&old->gate);
    old->is_stopping = true;
    gate_wake(&old->gate);
    gate_unlock(&old->gate);
    book_changed(old->o.book); /* who waits for its news is to end */
    for (size_t t = 0; t < HIS_TARGETS; t++)
        if (old->workers[t].is_started)
            thread_join(old->workers[t].thread);
    gate_fini(&old->gate);
    for (size_t i = 0; i < ARRAY_LEN(old->texts); i++)
        free(old->texts[i]);
    free(old);
}
