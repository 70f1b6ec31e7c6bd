/* report.c - the desk's state as JSON. */
#include "gateway/desk/report.h"

#include "gateway/accept/accept.h"
#include "gateway/desk/api.h"
#include "gateway/desk/api_write.h"
#include "gateway/desk/aside.h"
#include "gateway/desk/book.h"
#include "gateway/desk/import_api.h"
#include "gateway/desk/devices_api.h"
#include "gateway/desk/lamps.h"
#include "gateway/desk/orders_lamp.h"
#include "gateway/desk/parts_lamp.h"
#include "gateway/desk/report_studies.h"
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

static const int64_t day_us = INT64_C(86400000000);

/* Everything the report is made of, read once. */
struct sources {
    struct plain *plain;         /* may be NULL */
    struct orders_status orders; /* has_orders */
    bool has_orders;
    const char *stale;                    /* report_sources */
    const struct desk_troubles *troubles; /* likewise; may be NULL */
    int64_t now_us;
    struct uplink_status line;
    struct spool_health health;
    struct spool_unsealed unsealed;
    struct accept_device *devices;
    size_t devices_n;
    char devices_trouble[ACCEPT_TROUBLE_BYTES];
    struct accept_refused *refused;
    size_t refused_n;
    struct report_studies *studies;
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
    report_studies_write(s->studies, &w);
    if (from->options->serve != NULL) {
        jsonw_object(&w, "commitment");
        serve_report(from->options->serve, &w);
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

int
report_write(const struct report_sources *sources, uint64_t change, struct buf *out,
             struct err *err)
{
    const struct desk_options *o = sources->options;
    struct sources s = {.plain = o->plain,
                        .stale = sources->stale,
                        .troubles = sources->troubles,
                        .now_us = clock_wall_us()};
    int rc = orders_lamp_read(sources->orders, sources->book, &s.orders, &s.has_orders, err);

    uplink_status(o->uplink, &s.line);
    spool_health(o->spool, &s.health);
    spool_unsealed(o->spool, &s.unsealed);
    accept_list_devices(o->accept, &s.devices, &s.devices_n);
    accept_table_trouble(o->accept, s.devices_trouble);
    accept_list_refused(o->accept, &s.refused, &s.refused_n);
    if (rc == 0)
        rc = report_studies_read(sources, s.now_us, &s.studies, err);
    if (rc == 0)
        rc = write_all(sources, &s, change, out, err);
    report_studies_free(&s.studies);
    free(s.refused);
    free(s.devices);
    return rc;
}
