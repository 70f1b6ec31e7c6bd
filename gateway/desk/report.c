/* report.c - the desk's state as JSON. */
#include "gateway/desk/report.h"

#include "gateway/accept/accept.h"
#include "gateway/desk/api.h"
#include "gateway/desk/api_write.h"
#include "gateway/desk/absences.h"
#include "gateway/desk/aside.h"
#include "gateway/desk/book.h"
#include "gateway/desk/doubts.h"
#include "gateway/desk/import_api.h"
#include "gateway/desk/devices_api.h"
#include "gateway/desk/lamps.h"
#include "gateway/desk/mpps.h"
#include "gateway/desk/orders_lamp.h"
#include "gateway/desk/parts_lamp.h"
#include "gateway/desk/urgency.h"
#include "gateway/plain/plain.h"
#include "gateway/serve/serve.h"
#include "proto/base/clock.h"
#include "proto/base/jsonw.h"
#include "proto/base/text.h"

#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

/* The sections of parts.def. */
#define ROUTES(part)
#define REPORT(part, right)                                                                        \
    extern int part##_report(struct book *, struct jsonw *, struct err *) MUST_CHECK;
#include "gateway/desk/parts.def"
#undef REPORT

enum { STUDIES_SHOWN = 200, STUDIES_TOLD = 5000 }; /* on the page; to a program that asks */
static const int64_t day_us = INT64_C(86400000000), owners_us = INT64_C(86400000000) * 14;

/* Everything the report is made of, read once. */
struct sources {
    struct serve *serve;         /* may be NULL */
    struct plain *plain;         /* may be NULL */
    struct orders_status orders; /* has_orders */
    bool has_orders;
    bool is_everything;                   /* asked for by a program */
    const char *stale;                    /* report_sources */
    const struct desk_troubles *troubles; /* likewise; may be NULL */
    int64_t now_us;
    struct uplink_status line;
    struct spool_health health;
    struct spool_unsealed unsealed;
    uint64_t counts[INSTANCE_STATES];
    struct accept_device *devices;
    size_t devices_n;
    char devices_trouble[ACCEPT_TROUBLE_BYTES];
    struct accept_refused *refused;
    size_t refused_n;
    struct spool_study *studies;
    size_t studies_n;
    struct book_study *owners; /* what is known about whose they are */
    size_t owners_n;
    struct mpps_study *steps; /* what devices say they made */
    size_t steps_n;
    struct mpps_study *missing; /* of which more is to come, by UID */
    size_t missing_n;
    struct book_absence *absences; /* of which some will not come, by UID */
    size_t absences_n;
    struct book_question *questions; /* "A or B?" */
    size_t questions_n;
    uint64_t answered; /* put aside, and answered */
    struct book_urgency *urgencies;
    size_t urgencies_n;
    struct uplink_progress *progress; /* of what is not all at the centre */
    size_t progress_n;
};

static void
begin_lamp(struct jsonw *w, const char *key, enum lamp lamp)
{
    jsonw_object(w, key);
    jsonw_text(w, "word", lamp_word(lamp));
    jsonw_text(w, "colour", lamp_colour(lamp));
}

static void
write_devices_lamp(struct jsonw *w, const struct sources *s)
{
    size_t heard = 0, lately = 0;

    for (size_t i = 0; i < s->devices_n; i++)
        heard += s->devices[i].last_store_us > s->now_us - day_us;
    for (size_t i = 0; i < s->refused_n; i++)
        lately += s->refused[i].last_us > s->now_us - day_us;
    begin_lamp(w, "devices",
               lamp_of_devices(s->devices_n, heard, lately, s->devices_trouble[0] != '\0'));
    jsonw_uint(w, "known", s->devices_n);
    jsonw_uint(w, "heard", heard);
    jsonw_uint(w, "refused", lately);
    jsonw_text(w, "trouble", s->devices_trouble);
    jsonw_end(w);
}

/* Where the clinic's own archives keep everything, nobody need enrol. */
static enum lamp
line_lamp(const struct sources *s)
{
    if (s->line.line == UPLINK_NOT_ENROLLED && s->plain != NULL && plain_is_all_archived(s->plain))
        return LAMP_LINE_UNUSED;
    return lamp_of_line(&s->line, s->now_us);
}

static void
write_line_lamp(struct jsonw *w, const struct sources *s)
{
    begin_lamp(w, "line", line_lamp(s));
    jsonw_text(w, "centre", s->line.centre);
    jsonw_int(w, "since_us", s->line.line_since_us);
    jsonw_int(w, "last_contact_us", s->line.last_contact_us);
    jsonw_uint(w, "bytes_per_s", s->line.bytes_per_s);
    jsonw_uint(w, "waiting", s->line.waiting_objects + s->line.uncoded);
    jsonw_uint(w, "waiting_bytes", s->health.waiting_bytes);
    jsonw_text(w, "trouble", s->line.trouble);
    jsonw_uint(w, "proofs_failed", s->line.proofs_failed);
    jsonw_bool(w, "is_table_wrong", s->line.is_table_wrong);
    if (s->line.lines_n > 1)
        lamp_write_lines(w, &s->line);
    jsonw_end(w);
}

static void
write_lamps(struct jsonw *w, const struct sources *s)
{
    jsonw_object(w, "lamps");
    if (s->troubles != NULL)
        parts_lamp_write(w, s->troubles);
    write_devices_lamp(w, s);
    lamp_write_targets(w, s->plain);
    write_line_lamp(w, s);
    begin_lamp(w, "disk", lamp_of_disk(&s->health));
    jsonw_uint(w, "free_bytes", s->health.free_bytes);
    jsonw_int(w, "used_percent", s->health.used_percent);
    if (s->health.days_left >= 0)
        jsonw_int(w, "days_left", s->health.days_left);
    jsonw_uint(w, "bytes_today", s->health.bytes_today);
    jsonw_uint(w, "corrupt_files", s->health.corrupt_files);
    jsonw_end(w);
    begin_lamp(w, "clock", lamp_of_clock(&s->line, s->now_us));
    jsonw_int(w, "here_us", s->now_us);
    jsonw_bool(w, "is_cut_off", clock_cuts_off(&s->line, s->now_us));
    if (s->line.has_clock_offset)
        jsonw_int(w, "offset_ms", s->line.clock_offset_ms);
    jsonw_end(w);
    begin_lamp(w, "centre",
               lamp_of_centre(&s->line, s->health.lost, s->unsealed.since_us, s->now_us));
    jsonw_uint(w, "unsealed", s->unsealed.studies);
    jsonw_int(w, "unsealed_since_us", s->unsealed.since_us);
    jsonw_int(w, "at_us", s->line.reconciled.at_us);
    jsonw_uint(w, "objects", s->line.reconciled.objects);
    jsonw_uint(w, "different", s->line.reconciled.different);
    jsonw_uint(w, "repaired", s->line.reconciled.repaired);
    jsonw_uint(w, "lost", s->health.lost);
    jsonw_end(w);
    begin_lamp(w, "version", lamp_of_version(&s->line));
    jsonw_text(w, "here", RADPOST_VERSION);
    jsonw_text(w, "wanted", s->line.upgrade_version);
    jsonw_text(w, "text", s->line.upgrade_text);
    jsonw_text(w, "url", s->line.upgrade_url);
    jsonw_end(w);
    begin_lamp(w, "certificate", lamp_of_certificate(&s->line, s->stale != NULL));
    jsonw_text(w, "of", s->stale != NULL ? s->stale : "");
    if (s->line.certificate_days != INT_MIN)
        jsonw_int(w, "days", s->line.certificate_days);
    jsonw_end(w);
    if (s->has_orders)
        orders_lamp_write(w, &s->orders, s->now_us);
    jsonw_end(w);
}

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
write_owner(struct jsonw *w, const struct sources *s, const char *study)
{
    for (size_t i = 0; i < s->owners_n; i++) {
        const struct book_study *o = &s->owners[i];

        if (strcmp(o->study, study) != 0)
            continue;
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
        return;
    }
}

static int
by_study(const void *key, const void *row)
{
    return strcmp(key, ((const struct book_urgency *)row)->study);
}

static const struct book_urgency *
urgency_of(const struct sources *s, const char *study)
{
    return s->urgencies_n == 0
               ? NULL
               : bsearch(study, s->urgencies, s->urgencies_n, sizeof *s->urgencies, by_study);
}

static int
by_missing(const void *key, const void *row)
{
    return strcmp(key, ((const struct mpps_study *)row)->study);
}

static const struct mpps_study *
find_missing(const struct sources *s, const char *study)
{
    return s->missing_n == 0
               ? NULL
               : bsearch(study, s->missing, s->missing_n, sizeof *s->missing, by_missing);
}

/* Announced by a step or by a request to commit, and not here. A request is in the book, too, a
 * moment later: the same images are not counted twice. */
static uint64_t
missing_of(const struct sources *s, const char *study)
{
    uint64_t asked = s->serve != NULL ? serve_expected(s->serve, study) : 0;
    const struct mpps_study *said = find_missing(s, study);

    return said != NULL && said->missing > asked ? said->missing : asked;
}

/* Only where a device said how many there are: else the number is unknown. */
static void
write_expected(struct jsonw *w, const struct sources *s, const char *study, uint64_t missing)
{
    jsonw_uint(w, "missing", missing);
    for (size_t i = 0; i < s->steps_n; i++)
        if (s->steps[i].expected > 0 && strcmp(s->steps[i].study, study) == 0) {
            jsonw_uint(w, "expected", s->steps[i].expected);
            return;
        }
}

static int
by_absence(const void *key, const void *row)
{
    return strcmp(key, ((const struct book_absence *)row)->study);
}

static const struct book_absence *
find_absence(const struct sources *s, const char *study)
{
    return s->absences_n == 0
               ? NULL
               : bsearch(study, s->absences, s->absences_n, sizeof *s->absences, by_absence);
}

/* What will not come, as somebody said; words may name a patient. */
static void
write_absence(struct jsonw *w, const struct sources *s, const char *study)
{
    const struct book_absence *a = find_absence(s, study);

    if (a == NULL)
        return;
    jsonw_object(w, "absent");
    jsonw_uint(w, "images", a->images);
    jsonw_text(w, "reason", a->reason);
    jsonw_int(w, "at_us", a->at_us);
    if (s->owners != NULL) {
        jsonw_text(w, "words", a->words);
        jsonw_text(w, "by", a->by);
    }
    jsonw_end(w);
}

/* Not at the centre: then "safe" says that this archive was asked and has it; or one whose line is
 * wrong by now, if it is not at the centre since before. */
static void
write_kept_at(struct jsonw *w, const struct sources *s, const struct spool_study *study)
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
write_urgency(struct jsonw *w, const struct sources *s, const char *study)
{
    const struct book_urgency *u = urgency_of(s, study);

    jsonw_bool(w, "is_stat", u != NULL && u->is_stat);
    if (u == NULL || s->owners == NULL)
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
write_progress(struct jsonw *w, const struct sources *s, const char *study)
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
write_study(struct jsonw *w, const struct sources *s, const struct spool_study *study)
{
    uint64_t missing = missing_of(s, study->study_uid);
    enum study_word word = study_word_of(study, missing);
    const struct mpps_study *said = find_missing(s, study->study_uid);
    const struct book_absence *absence = find_absence(s, study->study_uid);

    jsonw_object(w, NULL);
    jsonw_text(w, "study", study->study_uid);
    jsonw_bool(w, "may_attach", uid_is_valid(study->study_uid, true));
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

static int64_t
midnight_us(int64_t now_us)
{
    time_t now = (time_t)(now_us / 1000000);
    struct tm tm;

    localtime_r(&now, &tm);
    tm.tm_hour = tm.tm_min = tm.tm_sec = 0;
    return (int64_t)mktime(&tm) * 1000000;
}

static bool
is_first(const struct sources *s, const struct spool_study *study, bool is_safe)
{
    const struct book_urgency *u = is_safe ? NULL : urgency_of(s, study->study_uid);

    return u != NULL && u->is_stat;
}

static void
write_studies(struct jsonw *w, const struct sources *s)
{
    int64_t since_us = s->is_everything ? INT64_MIN : midnight_us(s->now_us);
    size_t shown = 0, older = 0, most = s->is_everything ? STUDIES_TOLD : STUDIES_SHOWN;

    jsonw_array(w, "studies");
    for (int round = 0; round < 2; round++) /* emergencies on their way first */
        for (size_t i = s->studies_n; i-- > 0;) {
            const struct spool_study *study = &s->studies[i];
            bool is_safe = study_word_of(study, missing_of(s, study->study_uid)) == STUDY_SAFE;

            if (is_first(s, study, is_safe) != (round == 0) ||
                (study->last_arrival_us < since_us && is_safe))
                continue;
            if (shown < most) {
                write_study(w, s, study);
                shown++;
            } else {
                older++;
            }
        }
    jsonw_end(w);
    jsonw_uint(w, "older", older);
    jsonw_uint(w, "set_aside", s->counts[INSTANCE_QUARANTINED] - s->answered);
}

static const char *
clinic_name(const struct desk_options *options, const struct sources *s)
{
    const char *name = options->clinic_name;

    return name != NULL && name[0] != '\0' ? name : s->line.tenant;
}

static int
write_parts(const struct report_sources *from, struct jsonw *w, struct err *err)
{
    static const struct {
        unsigned right;
        int (*report)(struct book *, struct jsonw *, struct err *);
    } parts[] = {
#define REPORT(part, right) {right, part##_report},
#include "gateway/desk/parts.def"
#undef REPORT
        {0, NULL},
    };

    for (size_t i = 0; parts[i].report != NULL; i++)
        if ((from->rights & parts[i].right) && parts[i].report(from->book, w, err) < 0)
            return -1;
    return 0;
}

static int64_t
keep_discarded_ms(const struct desk_options *options)
{
    return options->keep_discarded_ms > 0 ? options->keep_discarded_ms : 30 * (day_us / 1000);
}

static int
write_all(const struct report_sources *from, struct sources *s, uint64_t change, struct buf *out,
          struct err *err)
{
    struct jsonw w;

    jsonw_init(&w, out);
    jsonw_object(&w, NULL);
    jsonw_uint(&w, "change", change);
    jsonw_int(&w, "now_us", s->now_us);
    jsonw_text(&w, "tenant", s->line.tenant);
    jsonw_text(&w, "clinic", clinic_name(from->options, s));
    jsonw_text(&w, "gateway", s->line.device);
    jsonw_text(&w, "page_certificate", from->fingerprint != NULL ? from->fingerprint : "");
    write_lamps(&w, s);
    devices_write(from->options->accept, &w);
    write_studies(&w, s);
    if (s->serve != NULL) {
        jsonw_object(&w, "commitment");
        serve_report(s->serve, &w);
        jsonw_end(&w);
    }
    if (s->plain != NULL)
        plain_report(s->plain, &w);
    import_api_counts(from->options->import, &w);
    if (from->book != NULL && (from->rights & DESK_WORK) &&
        aside_write(from->options->spool, from->book, keep_discarded_ms(from->options), &w, err) <
            0)
        return -1;
    if (from->book != NULL && (api_write_state(from->book, from->link, from->rights, &w, err) < 0 ||
                               write_parts(from, &w, err) < 0))
        return -1;
    jsonw_end(&w);
    return 0;
}

/* What was put aside and answered counts no more; an open question holds all of its studies. */
static void
settle_studies(struct sources *s)
{
    for (size_t i = 0; i < s->studies_n; i++) {
        uint64_t before = s->studies[i].counts[INSTANCE_QUARANTINED];
        bool is_open;

        doubts_settle_study(s->questions, s->questions_n, &s->studies[i], &is_open);
        s->answered += before - s->studies[i].counts[INSTANCE_QUARANTINED];
        if (is_open && s->studies[i].counts[INSTANCE_QUARANTINED] == 0)
            s->studies[i].counts[INSTANCE_QUARANTINED] = 1; /* of its other study */
    }
    if (s->answered > s->counts[INSTANCE_QUARANTINED])
        s->answered = s->counts[INSTANCE_QUARANTINED];
}

static void
keep_progress(void *user, const struct uplink_progress *progress)
{
    struct sources *s = user;

    s->progress = mem_grow(s->progress, (s->progress_n + 1) * sizeof *s->progress);
    s->progress[s->progress_n++] = *progress;
}

int
report_write(const struct report_sources *sources, uint64_t change, struct buf *out,
             struct err *err)
{
    const struct desk_options *o = sources->options;
    struct sources s = {.serve = o->serve,
                        .plain = o->plain,
                        .stale = sources->stale,
                        .troubles = sources->troubles,
                        .is_everything = sources->is_everything,
                        .now_us = clock_wall_us()};
    int rc = orders_lamp_read(sources->orders, sources->book, &s.orders, &s.has_orders, err);

    uplink_status(o->uplink, &s.line);
    spool_health(o->spool, &s.health);
    spool_unsealed(o->spool, &s.unsealed);
    spool_counts(o->spool, s.counts);
    accept_list_devices(o->accept, &s.devices, &s.devices_n);
    accept_table_trouble(o->accept, s.devices_trouble);
    accept_list_refused(o->accept, &s.refused, &s.refused_n);
    spool_studies(o->spool, &s.studies, &s.studies_n);
    if (rc == 0 && sources->book != NULL && (sources->rights & DESK_WORK))
        rc = book_studies(sources->book, s.now_us - owners_us, &s.owners, &s.owners_n, err);
    if (rc == 0 && sources->book != NULL &&
        (mpps_studies(sources->book, s.now_us - owners_us, &s.steps, &s.steps_n, err) < 0 ||
         mpps_missing(sources->book, &s.missing, &s.missing_n, err) < 0 ||
         book_urgencies(sources->book, s.now_us - owners_us, &s.urgencies, &s.urgencies_n, err) <
             0 ||
         book_absences(sources->book, &s.absences, &s.absences_n, err) < 0 ||
         book_questions(sources->book, o->spool, &s.questions, &s.questions_n, err) < 0))
        rc = -1;
    uplink_each_progress(o->uplink, keep_progress, &s);
    settle_studies(&s);
    book_date_studies(s.owners, s.owners_n, s.studies, s.studies_n, s.now_us);
    if (rc == 0)
        rc = write_all(sources, &s, change, out, err);
    free(s.progress);
    free(s.urgencies);
    free(s.questions);
    free(s.absences);
    free(s.missing);
    free(s.steps);
    free(s.owners);
    free(s.studies);
    free(s.refused);
    free(s.devices);
    return rc;
}
