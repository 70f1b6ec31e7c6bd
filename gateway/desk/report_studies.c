/* report_studies.c - studies of the desk's state: which of them have a row, and what it says. */
#include "gateway/desk/report_studies.h"

#include "gateway/desk/absences.h"
#include "gateway/desk/api.h"
#include "gateway/desk/api_write.h"
#include "gateway/desk/book.h"
#include "gateway/desk/doubts.h"
#include "gateway/desk/lamps.h"
#include "gateway/desk/mpps.h"
#include "gateway/desk/report.h"
#include "gateway/desk/urgency.h"
#include "gateway/plain/plain.h"
#include "gateway/serve/serve.h"
#include "proto/base/text.h"

#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum { STUDIES_SHOWN = 200, STUDIES_TOLD = 5000 }; /* on the page; to a program that asks */
enum { LONGEST_SHOWN = 50 }; /* of them, when there are more: those that wait longest */
static const int64_t owners_us = INT64_C(86400000000) * 14;

struct row {
    const struct spool_study *study;
    bool is_safe;
};

struct report_studies {
    struct serve *serve; /* may be NULL */
    struct plain *plain; /* may be NULL */
    bool is_everything;  /* asked for by a program */
    bool may_know;       /* whose they are */
    struct spool_study *studies;
    size_t studies_n;
    struct row *rows; /* in their order; the last longest_n wait longest */
    size_t rows_n, longest_n;
    uint64_t older;            /* that are to have a row, and have none */
    struct book_study *owners; /* what is known about whose they are: by UID, as all but steps */
    size_t owners_n;
    struct book_study *old_owners; /* of older ones that have a row */
    size_t old_owners_n;
    struct mpps_study *steps; /* what devices say they made */
    size_t steps_n;
    struct mpps_study *missing; /* of which more is to come */
    size_t missing_n;
    struct book_absence *absences; /* of which some will not come */
    size_t absences_n;
    struct book_urgency *urgencies;
    size_t urgencies_n;
    struct book_question *questions; /* "A or B?" */
    size_t questions_n;
    struct uplink_progress *progress; /* of what is not all at the centre */
    size_t progress_n;
    uint64_t set_aside; /* images, and not answered */
};

static int
by_study(const void *key, const void *row)
{
    return strcmp(key, row);
}

static const void *
find(const void *rows, size_t n, size_t row_bytes, const char *study)
{
    return n == 0 ? NULL : bsearch(study, rows, n, row_bytes, by_study);
}

/* In a list whose rows begin with their study, by which they are in order. */
#define FIND(list, study) find(list, list##_n, sizeof *(list), study)
_Static_assert(offsetof(struct book_study, study) == 0, "FIND");
_Static_assert(offsetof(struct mpps_study, study) == 0, "FIND");
_Static_assert(offsetof(struct book_absence, study) == 0, "FIND");
_Static_assert(offsetof(struct book_urgency, study) == 0, "FIND");

/* ---- which ---- */

/* Announced by a step or by a request to commit, and not here. A request is in the book, too, a
 * moment later: the same images are not counted twice. */
static uint64_t
missing_of(const struct report_studies *s, const char *study)
{
    uint64_t asked = s->serve != NULL ? serve_expected(s->serve, study) : 0;
    const struct mpps_study *said = FIND(s->missing, study);

    return said != NULL && said->missing > asked ? said->missing : asked;
}

/* An emergency on its way. */
static bool
is_first(const struct report_studies *s, const struct row *row)
{
    const struct book_urgency *u = row->is_safe ? NULL : FIND(s->urgencies, row->study->study_uid);

    return u != NULL && u->is_stat;
}

static int64_t
midnight_us(int64_t now_us)
{
    time_t now = (time_t)(now_us / 1000000);
    struct tm tm;

    localtime_r(&now, &tm);
    tm.tm_hour = tm.tm_min = tm.tm_sec = 0;
    return (int64_t)mktime(&tm) * 1000000;
}

/* Today's and those that are not safe: emergencies on their way, then the others, each the newest
 * first. */
static void
gather(struct report_studies *s, int64_t now_us)
{
    int64_t since_us = s->is_everything ? INT64_MIN : midnight_us(now_us);
    struct row *all = mem_new((s->studies_n + 1) * sizeof *all);
    size_t n = 0;

    for (size_t i = s->studies_n; i-- > 0;) {
        const struct spool_study *study = &s->studies[i];
        bool is_safe = study_word_of(study, missing_of(s, study->study_uid)) == STUDY_SAFE;

        if (!is_safe || study->last_arrival_us >= since_us)
            all[n++] = (struct row){study, is_safe};
    }
    s->rows = mem_new((n + 1) * sizeof *s->rows);
    for (int round = 0; round < 2; round++)
        for (size_t i = 0; i < n; i++)
            if (is_first(s, &all[i]) == (round == 0))
                s->rows[s->rows_n++] = all[i];
    free(all);
}

/* With more than there is room for, those in between have no row: neither new, nor what waits
 * longest, and that is what somebody has to look after. */
static void
choose(struct report_studies *s)
{
    size_t most = s->is_everything ? STUDIES_TOLD : STUDIES_SHOWN;
    struct row longest[LONGEST_SHOWN];

    if (s->rows_n <= most)
        return;
    for (size_t i = s->rows_n; s->longest_n < LONGEST_SHOWN && i + s->longest_n >= most; i--)
        if (!s->rows[i - 1].is_safe)
            longest[s->longest_n++] = s->rows[i - 1];
    memcpy(s->rows + most - s->longest_n, longest, s->longest_n * sizeof *longest);
    s->older = s->rows_n - most;
    s->rows_n = most;
}

/* ---- what is known of them ---- */

/* Nothing of it was ever here but what was put aside and answered, and nothing is to come. */
static bool
is_over(const struct report_studies *s, const struct spool_study *study, uint64_t answered)
{
    return answered > 0 && study->total == 0 && study->open_associations == 0 && study->lost == 0 &&
           study->gone == 0 && missing_of(s, study->study_uid) == 0;
}

/* What was put aside and answered counts no more; an open question holds all of its studies. */
static void
settle(struct report_studies *s, struct spool *spool)
{
    uint64_t counts[INSTANCE_STATES], answered = 0;
    size_t n = 0;

    for (size_t i = 0; i < s->studies_n; i++) {
        uint64_t *aside = &s->studies[i].counts[INSTANCE_QUARANTINED], before = *aside;
        bool is_open;

        doubts_settle_study(s->questions, s->questions_n, &s->studies[i], &is_open);
        answered += before - *aside;
        if (is_open && *aside == 0)
            *aside = 1; /* of its other study */
        if (is_open || !is_over(s, &s->studies[i], before - *aside))
            s->studies[n++] = s->studies[i];
    }
    s->studies_n = n;
    spool_counts(spool, counts);
    if (counts[INSTANCE_QUARANTINED] > answered)
        s->set_aside = counts[INSTANCE_QUARANTINED] - answered;
}

static const struct book_study *
find_owner(const struct report_studies *s, const char *study)
{
    const struct book_study *o = FIND(s->owners, study);

    return o != NULL ? o : FIND(s->old_owners, study);
}

/* What has waited for longer than the book was asked about is not nobody's for that. */
static int
read_old_owners(struct report_studies *s, struct book *book, struct err *err)
{
    const char **studies = mem_new((s->rows_n + 1) * sizeof(const char *));
    size_t n = 0;
    int rc = 0;

    for (size_t i = 0; i < s->rows_n; i++)
        if (find_owner(s, s->rows[i].study->study_uid) == NULL)
            studies[n++] = s->rows[i].study->study_uid;
    if (n > 0)
        rc = book_studies_named(book, studies, n, &s->old_owners, &s->old_owners_n, err);
    free(studies);
    return rc;
}

static int
read_book(struct report_studies *s, struct book *book, struct spool *spool, int64_t now_us,
          struct err *err)
{
    int64_t since_us = now_us - owners_us;

    if (book == NULL)
        return 0;
    if (s->may_know && book_studies(book, since_us, &s->owners, &s->owners_n, err) < 0)
        return -1;
    return mpps_studies(book, since_us, &s->steps, &s->steps_n, err) < 0 ||
                   mpps_missing(book, &s->missing, &s->missing_n, err) < 0 ||
                   book_urgencies(book, since_us, &s->urgencies, &s->urgencies_n, err) < 0 ||
                   book_absences(book, &s->absences, &s->absences_n, err) < 0 ||
                   book_questions(book, spool, &s->questions, &s->questions_n, err) < 0
               ? -1
               : 0;
}

static void
keep_progress(void *user, const struct uplink_progress *progress)
{
    struct report_studies *s = user;

    s->progress = mem_grow(s->progress, (s->progress_n + 1) * sizeof *s->progress);
    s->progress[s->progress_n++] = *progress;
}

int
report_studies_read(const struct report_sources *from, int64_t now_us, struct report_studies **out,
                    struct err *err)
{
    const struct desk_options *o = from->options;
    struct report_studies *s = mem_new(sizeof *s);
    int rc;

    s->serve = o->serve;
    s->plain = o->plain;
    s->is_everything = from->is_everything;
    s->may_know = from->book != NULL && (from->rights & DESK_WORK) != 0;
    spool_studies(o->spool, &s->studies, &s->studies_n);
    rc = read_book(s, from->book, o->spool, now_us, err);
    if (rc == 0) {
        uplink_each_progress(o->uplink, keep_progress, s);
        settle(s, o->spool);
        book_date_studies(s->owners, s->owners_n, s->studies, s->studies_n, now_us);
        gather(s, now_us);
        choose(s);
        rc = s->may_know ? read_old_owners(s, from->book, err) : 0;
    }
    if (rc < 0)
        report_studies_free(&s);
    else
        *out = s;
    return rc;
}

void
report_studies_free(struct report_studies **studies)
{
    struct report_studies *s = TAKE(*studies);

    if (s == NULL)
        return;
    free(s->progress);
    free(s->questions);
    free(s->urgencies);
    free(s->absences);
    free(s->missing);
    free(s->steps);
    free(s->old_owners);
    free(s->owners);
    free(s->rows);
    free(s->studies);
    free(s);
}

/* ---- as JSON ---- */

static void
write_differs(struct jsonw *w, const struct book_differs *differs)
{
    jsonw_array(w, "differs");
    if (differs->name)
        jsonw_text(w, NULL, "name");
    if (differs->sex)
        jsonw_text(w, NULL, "sex");
    if (differs->birth)
        jsonw_text(w, NULL, "birth");
    jsonw_end(w);
}

/* Whose it is, as registered and as the images say. */
static void
write_owner(struct jsonw *w, const struct report_studies *s, const char *study)
{
    const struct book_study *o = find_owner(s, study);

    if (o == NULL)
        return;
    jsonw_text(w, "registration", o->registration);
    jsonw_object(w, "patient");
    jsonw_text(w, "name", o->name);
    jsonw_text(w, "id", o->patient_id);
    jsonw_text(w, "sex", o->sex);
    jsonw_text(w, "birth", o->birth);
    jsonw_text(w, "accession", o->accession);
    write_differs(w, &o->differs);
    jsonw_end(w);
    if (o->registration[0] == '\0')
        api_write_unmatched(w, o->unmatched, o->near);
    jsonw_text(w, "read_state", o->read_state);
}

/* Only where a device said how many there are: else the number is unknown. */
static void
write_expected(struct jsonw *w, const struct report_studies *s, const char *study, uint64_t missing)
{
    const struct mpps_study *said = FIND(s->missing, study);

    jsonw_uint(w, "missing", missing);
    if (said != NULL) { /* however long ago */
        jsonw_uint(w, "expected", said->expected);
        return;
    }
    for (size_t i = 0; i < s->steps_n; i++)
        if (s->steps[i].expected > 0 && strcmp(s->steps[i].study, study) == 0) {
            jsonw_uint(w, "expected", s->steps[i].expected);
            return;
        }
}

/* What will not come, as somebody said; words may name a patient. */
static void
write_absence(struct jsonw *w, const struct report_studies *s, const char *study)
{
    const struct book_absence *a = FIND(s->absences, study);

    if (a == NULL)
        return;
    jsonw_object(w, "absent");
    jsonw_uint(w, "images", a->images);
    jsonw_text(w, "reason", a->reason);
    jsonw_int(w, "at_us", a->at_us);
    if (s->may_know) {
        jsonw_text(w, "words", a->words);
        jsonw_text(w, "by", a->by);
    }
    jsonw_end(w);
}

/* Not at the centre: then "safe" says that this archive was asked and has it; or one whose line is
 * wrong by now, if it is not at the centre since before. */
static void
write_kept_at(struct jsonw *w, const struct report_studies *s, const struct spool_study *study)
{
    char archive[33];

    if (s->plain == NULL)
        return;
    if (!plain_archive_name(s->plain, study->calling_ae, study->modality, archive))
        jsonw_bool(w, "is_target_wrong", true);
    if (archive[0] != '\0')
        jsonw_text(w, "kept_at", archive);
}

/* Who said that it is an emergency, and why: of a patient, so only for who may know. */
static void
write_urgency(struct jsonw *w, const struct report_studies *s, const char *study)
{
    const struct book_urgency *u = FIND(s->urgencies, study);

    jsonw_bool(w, "is_stat", u != NULL && u->is_stat);
    if (u == NULL || !s->may_know)
        return;
    jsonw_object(w, "urgency");
    jsonw_text(w, "reason", u->reason);
    jsonw_text(w, "by", u->by);
    jsonw_text(w, "side", u->side);
    jsonw_int(w, "at_us", u->at_us);
    jsonw_end(w);
}

/* Not there: all of it is at the centre. */
static void
write_progress(struct jsonw *w, const struct report_studies *s, const char *study)
{
    for (size_t i = 0; i < s->progress_n; i++) {
        const struct uplink_progress *p = &s->progress[i];

        if (strcmp(p->study, study) != 0)
            continue;
        jsonw_object(w, "progress");
        jsonw_uint(w, "objects", p->objects);
        jsonw_uint(w, "looked", p->looked);
        jsonw_uint(w, "held", p->held);
        jsonw_uint(w, "sealed", p->sealed);
        jsonw_uint(w, "bytes_all", p->bytes_all);
        jsonw_bool(w, "is_estimate", p->is_estimate);
        jsonw_uint(w, "bytes_there", p->bytes_there);
        jsonw_int(w, "seconds_left", p->seconds_left);
        jsonw_text(w, "line", p->line);
        jsonw_end(w);
        return;
    }
}

static void
write_study(struct jsonw *w, const struct report_studies *s, const struct spool_study *study)
{
    uint64_t missing = missing_of(s, study->study_uid);
    enum study_word word = study_word_of(study, missing);
    const struct mpps_study *said = FIND(s->missing, study->study_uid);
    const struct book_absence *absence = FIND(s->absences, study->study_uid);

    jsonw_object(w, NULL);
    jsonw_text(w, "study", study->study_uid);
    jsonw_bool(w, "may_attach",
               uid_is_valid(study->study_uid, true) &&
                   !doubts_study_is_aside(s->questions, s->questions_n, study));
    jsonw_text(w, "device", study->calling_ae);
    jsonw_text(w, "modality", study->modality);
    jsonw_text(w, "body_part", study->body_part);
    jsonw_int(w, "first_arrival_us", study->first_arrival_us);
    jsonw_int(w, "last_arrival_us", study->last_arrival_us);
    jsonw_uint(w, "total", study->total);
    jsonw_uint(w, "bytes", study->bytes);
    jsonw_uint(w, "revision", study->revision);
    jsonw_bool(w, "is_closed", study->revision > 0 && study->unlisted + study->leaving == 0);
    write_kept_at(w, s, study);
    write_expected(w, s, study->study_uid, missing);
    write_absence(w, s, study->study_uid);
    jsonw_int(w, "missing_turn",
              (said != NULL      ? said->turn
               : absence != NULL ? absence->turn
                                 : 0) +
                  (int64_t)study->lost_mark);
    write_owner(w, s, study->study_uid);
    write_urgency(w, s, study->study_uid);
    write_progress(w, s, study->study_uid);
    jsonw_text(w, "word", study_word_text(word));
    jsonw_bool(w, "is_safe_to_delete", word == STUDY_SAFE);
    jsonw_uint(w, "lost", study->lost);
    jsonw_uint(w, "gone", study->gone);
    jsonw_object(w, "counts");
    for (int i = 0; i < INSTANCE_STATES; i++)
        jsonw_uint(w, instance_state_word((enum instance_state)i), study->counts[i]);
    jsonw_end(w);
    jsonw_end(w);
}

void
report_studies_write(const struct report_studies *s, struct jsonw *w)
{
    jsonw_array(w, "studies");
    for (size_t i = 0; i < s->rows_n; i++)
        write_study(w, s, s->rows[i].study);
    jsonw_end(w);
    jsonw_uint(w, "longest", s->longest_n);
    jsonw_uint(w, "older", s->older);
    jsonw_uint(w, "set_aside", s->set_aside);
}
