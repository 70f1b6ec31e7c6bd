/* doctor_gateway.c - a gateway's ports, disk, queue, line, and what the centre says of it. */
#include "deploy/cli/doctor.h"

#include "gateway/accept/accept.h"
#include "gateway/desk/desk.h"
#include "gateway/plain/plain.h"
#include "gateway/spool/spool.h"
#include "gateway/uplink/uplink.h"
#include "proto/base/clock.h"
#include "proto/base/disks.h"
#include "proto/http/client.h"
#include "proto/link/enrol.h"
#include "proto/link/link.h"

#include <errno.h>
#include <inttypes.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { CLOCK_OFF_MS = 5000, CLOCK_WRONG_MS = 60000, PING_MS = 10000, LINES_MOST = 4 };
static const int64_t day_us = INT64_C(86400000000);

static void
check_clock(struct findings *f, int64_t offset_ms)
{
    int64_t off = llabs(offset_ms);

    finding(f,
            off > CLOCK_WRONG_MS ? MARK_BAD
            : off > CLOCK_OFF_MS ? MARK_LOOK
                                 : MARK_FINE,
            "clock", "%" PRId64 ".%01" PRId64 " s from the centre's", off / 1000, off % 1000 / 100);
}

static const char *
or_null(const char *text)
{
    return text[0] != '\0' ? text : NULL;
}

static int
ping(const struct enrol_identity *id, const char *enrolled, const struct uplink_way *way,
     int64_t *out_offset_ms, struct err *err)
{
    struct http_client_options options = {.base_url = way->url[0] != '\0' ? way->url : enrolled,
                                          .ca_file = id->ca,
                                          .certificate = id->certificate,
                                          .key = id->key,
                                          .proxy = or_null(way->proxy),
                                          .proxy_user = or_null(way->proxy_user),
                                          .source = or_null(way->source)};
    struct http_call call = {.method = "GET", .path = LINK_PATH_PING, .total_ms = PING_MS};
    struct http_client *client = NULL;
    struct http_reply reply;
    struct link_ping answer;
    int64_t before_us = clock_wall_us();
    int rc;

    if (http_client_new(&options, &client, err) < 0)
        return -1;
    rc = http_client_call(client, &call, &reply, err);
    if (rc == 0) {
        rc = http_reply_check(&reply, err);
        if (rc == 0)
            rc = link_ping_decode(reply.body.bytes, reply.body.n, &answer, err);
        http_reply_fini(&reply);
    }
    http_client_free(&client);
    if (rc == 0)
        *out_offset_ms = (answer.now_us - (before_us + clock_wall_us()) / 2) / 1000;
    return rc;
}

/* By each way of the table of lines, as the gateway goes, until the centre answers. */
static void
check_ways(struct findings *f, const char *lines, const struct enrol_identity *id, const char *url)
{
    struct uplink_way first, way;
    int64_t offset_ms = 0;
    struct err err = {0}, why = {0}; /* a way that is found clears its own */
    int rc = -1;

    for (unsigned n = 0; n < LINES_MOST && rc < 0; n++) {
        if (uplink_way(lines, n, &way, &err) < 0) {
            why = err;
            break;
        }
        if (n == 0)
            first = way;
        else if (memcmp(&way, &first, sizeof way) == 0)
            break; /* round again */
        rc = ping(id, url, &way, &offset_ms, &why);
    }
    if (rc < 0) {
        finding(f, MARK_BAD, "line", "%s", why.text);
        return;
    }
    if (way.url[0] != '\0')
        url = way.url;
    if (way.proxy[0] != '\0')
        finding(f, MARK_FINE, "line", "%s answers, by the proxy %s", url, way.proxy);
    else
        finding(f, MARK_FINE, "line", "%s answers", url);
    check_clock(f, offset_ms);
}

static void
check_tables(struct findings *f, const struct gateway_config *c)
{
    struct err err;

    char targets[PATH_MAX];

    if (accept_check_devices(c->data_dir, &err) < 0)
        finding(f, MARK_BAD, "table of devices", "%s", err.text);
    snprintf(targets, sizeof targets, "%s/targets.conf", c->data_dir);
    if (plain_check_targets(targets, &err) < 0)
        finding(f, MARK_BAD, "table of targets", "%s", err.text);
}

static void
check_line(struct findings *f, const struct gateway_config *c)
{
    struct enrol_identity id;
    char dir[PATH_MAX], lines[PATH_MAX], url[256] = "";
    struct err err;

    snprintf(lines, sizeof lines, "%s%s", c->link_lines[0] != '\0' ? c->link_lines : c->data_dir,
             c->link_lines[0] != '\0' ? "" : "/lines.conf");
    if (uplink_check_lines(lines, &err) <
        0) /* costs no image, but what was meant is not in force */
        finding(f, MARK_BAD, "table of lines", "%s", err.text);
    snprintf(dir, sizeof dir, "%s/link", c->data_dir);
    if (enrol_load(dir, &id, &err) < 0) {
        finding(f, MARK_BAD, "enrolment", "%s",
                err.kind == ERR_NOT_FOUND ? "not enrolled: radpost-gateway enrol URL CODE"
                                          : err.text);
        return;
    }
    finding(f, MARK_FINE, "enrolment", "device %s of %s", id.device, id.tenant);
    check_days(f, "certificate", DOCTOR_SOON_DAYS, id.not_after_us);
    if (c->link_url[0] != '\0')
        snprintf(url, sizeof url, "%s", c->link_url);
    else if (!enrol_address(&id, "link_url", url, sizeof url))
        finding(f, MARK_BAD, "line", "the centre's address is not known: set link_url");
    if (url[0] != '\0')
        check_ways(f, lines, &id, url);
    enrol_identity_fini(&id);
}

/* Compared with the centre, and what it wants of us. */
static void
check_centre(struct findings *f, const char *data_dir)
{
    struct uplink_reconciled last;
    struct link_policy policy;
    char dir[PATH_MAX];
    struct err err = {0};
    int64_t days;

    snprintf(dir, sizeof dir, "%s/uplink", data_dir);
    if (uplink_last_reconciled(dir, &last, &err) < 0) {
        finding(f, err.kind == ERR_NOT_FOUND ? MARK_FINE : MARK_LOOK, "compared", "%s",
                err.kind == ERR_NOT_FOUND ? "not compared with the centre yet" : err.text);
    } else {
        days = (clock_wall_us() - last.at_us) / day_us;
        finding(f,
                last.lost > 0                                    ? MARK_BAD
                : last.different > 0 || days >= DOCTOR_LATE_DAYS ? MARK_LOOK
                                                                 : MARK_FINE,
                "compared",
                "with the centre %" PRId64 " days ago: %" PRIu64 " objects, %" PRIu64
                " different, %" PRIu64 " repaired, %" PRIu64 " lost",
                days, last.objects, last.different, last.repaired, last.lost);
    }
    if (uplink_policy_load(dir, &policy, &err) < 0)
        return; /* it wants nothing, or was not heard yet */
    if (link_version_is_older(RADPOST_VERSION, policy.least_version))
        finding(f, MARK_BAD, "version", "%s; the centre wants %s at least", RADPOST_VERSION,
                policy.least_version);
    else if (link_version_is_older(RADPOST_VERSION, policy.upgrade_version))
        finding(f, MARK_LOOK, "version", "%s; the centre asks for %s", RADPOST_VERSION,
                policy.upgrade_version);
}

static void
check_queue(struct findings *f, const char *data_dir)
{
    struct spool_options look = {.is_read_only = true};
    struct spool_health health;
    struct spool *spool = NULL;
    uint64_t counts[INSTANCE_STATES];
    char dir[PATH_MAX];
    struct err err;

    snprintf(dir, sizeof dir, "%s/spool", data_dir);
    if (spool_open(dir, &look, &spool, &err) < 0) {
        finding(f, MARK_BAD, "queue", "%s", err.text);
        return;
    }
    spool_health(spool, &health);
    spool_counts(spool, counts);
    finding(f, MARK_FINE, "queue", "%" PRIu64 " instances wait (%.1f MB)", health.waiting,
            (double)health.waiting_bytes / 1e6);
    if (counts[INSTANCE_QUARANTINED] > 0)
        finding(f, MARK_LOOK, "set aside", "%" PRIu64 " instances: radpost queue list",
                counts[INSTANCE_QUARANTINED]);
    if (health.corrupt_files > 0)
        finding(f, MARK_BAD, "broken", "%" PRIu64 " files in %s/corrupt", health.corrupt_files,
                dir);
    spool_close(&spool);
}

/* A file that an option names. */
static void
check_readable(struct findings *f, const char *what, const char *path)
{
    if (path[0] != '\0' && access(path, R_OK) < 0)
        finding(f, MARK_BAD, what, "%s: %s", path, strerror(errno));
}

/* Parts that a gateway does without at its start, and never an image (docs/install.md). */
static void
check_parts(struct findings *f, const struct gateway_config *c)
{
    char audit[PATH_MAX];

    if (c->dicom_tls) {
        check_readable(f, "DICOM over TLS", c->dicom_tls_certificate);
        check_readable(f, "DICOM over TLS", c->dicom_tls_key);
        check_readable(f, "DICOM over TLS", c->dicom_tls_ca);
    }
    if (c->dicom_tls && c->dicom_tls_port != 0)
        check_port(f, "DICOM over TLS", c->dicom_address, c->dicom_tls_port);
    check_readable(f, "import folder", c->import_dir);
    snprintf(audit, sizeof audit, "%s/desk/audit", c->data_dir);
    if (access(audit, F_OK) == 0)
        check_audit(f, audit);
}

/* What whoever opens the page for the first time compares. */
static void
check_desk(struct findings *f, const struct gateway_config *c)
{
    char dir[PATH_MAX], fingerprint[96];
    struct err err;

    if (!c->desk_tls)
        return;
    if (c->desk_certificate[0] != '\0') {
        check_readable(f, "desk page", c->desk_certificate);
        check_readable(f, "desk page", c->desk_key);
        return;
    }
    snprintf(dir, sizeof dir, "%s/desk", c->data_dir);
    if (desk_fingerprint(dir, fingerprint, &err) < 0)
        finding(f, MARK_LOOK, "desk page", "%s", err.text);
    else
        finding(f, MARK_FINE, "desk page", "certificate SHA-256 %s", fingerprint);
}

/* Beyond this machine without TLS: anybody on the way can read it. */
static void
check_sealed(struct findings *f, const char *what, const char *host, bool is_tls)
{
    bool is_here = strncmp(host, "127.", 4) == 0 || strcmp(host, "localhost") == 0;

    if (is_tls)
        finding(f, MARK_FINE, what, "over TLS");
    else if (!is_here)
        finding(f, MARK_LOOK, what, "without TLS (docs/hl7.md)");
}

/* Our port for the orders of the HIS, and its port for our reports. */
static void
check_hl7(struct findings *f, const struct gateway_config *c)
{
    const char *colon = strrchr(c->his_hl7, ':');
    char host[256];

    if (c->hl7_in && c->hl7_port != 0) {
        check_port(f, "HL7 orders", c->hl7_address, c->hl7_port);
        check_sealed(f, "HL7 orders", c->hl7_address, c->hl7_tls_ca[0] != '\0');
    }
    if (colon == NULL || (size_t)(colon - c->his_hl7) >= sizeof host)
        return;
    snprintf(host, sizeof host, "%.*s", (int)(colon - c->his_hl7), c->his_hl7);
    check_port(f, "HL7 reports", host, strtol(colon + 1, NULL, 10));
    check_sealed(f, "HL7 reports", host,
                 c->his_hl7_tls_ca[0] != '\0' || c->his_hl7_tls_pin[0] != '\0');
}

/* spool_disks is a number somebody typed in: what a device is told may rest on it. */
static void
check_mirror(struct findings *f, const struct gateway_config *c)
{
    bool is_promised = strcmp(c->commit_when, "durable") == 0;
    char dir[PATH_MAX];
    struct disks disks;

    snprintf(dir, sizeof dir, "%s/spool", c->data_dir);
    disks_of(dir, &disks);
    if (disks.is_known && disks.copies < (unsigned)c->spool_disks)
        finding(f, is_promised || disks.is_degraded ? MARK_BAD : MARK_LOOK, "mirror",
                "spool_disks = %u, but the queue is on %s%s", (unsigned)c->spool_disks, disks.words,
                is_promised ? ", and devices are told it is durable here" : "");
    else if (!disks.is_known && c->spool_disks > 1)
        finding(f, MARK_LOOK, "mirror", "spool_disks = %u; unknown whether that is so: %s",
                (unsigned)c->spool_disks, disks.words);
    else
        finding(f, disks.is_degraded ? MARK_BAD : MARK_FINE, "mirror", "%s%s",
                disks.is_known ? "" : "one disk, as far as can be seen: ", disks.words);
}

void
doctor_examine_gateway(struct findings *f, const struct gateway_config *c)
{
    check_port(f, "DICOM port", c->dicom_address, c->dicom_port);
    check_tables(f, c);
    check_port(f, "desk", c->desk_address, c->desk_port);
    check_desk(f, c);
    check_hl7(f, c);
    check_parts(f, c);
    check_disk(f, "disk", c->data_dir, c->spool_warn_free, c->spool_refuse_free);
    check_mirror(f, c);
    check_zone(f);
    check_line(f, c);
    check_queue(f, c->data_dir);
    check_centre(f, c->data_dir);
}
