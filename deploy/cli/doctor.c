/* doctor.c - `radpost doctor`: is this machine's Radpost well? A line for each thing a person can
 * do something about. It reads the service's own configuration file and looks from outside; it
 * changes nothing. */
#include "deploy/cli/cli.h"

#include "deploy/cli/findings.h"
#include "gateway/desk/desk.h"
#include "gateway/gateway_config.h"
#include "gateway/spool/spool.h"
#include "gateway/uplink/uplink.h"
#include "proto/base/clock.h"
#include "proto/base/disks.h"
#include "proto/http/client.h"
#include "proto/link/enrol.h"
#include "proto/link/link.h"
#include "proto/trust/ca.h"
#include "storage/keep/keep.h"
#include "storage/storage_config.h"

#include <getopt.h>
#include <inttypes.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

enum {
    LATE_DAYS = 3,
    SOON_DAYS = 30,
    AUTHORITY_SOON_DAYS = 730, /* devices pin it: each needs a new code before */
    CLOCK_OFF_MS = 5000,
    CLOCK_WRONG_MS = 60000,
    PING_MS = 10000,
    LINES_MOST = 4,
    SCRUB_DAYS = 90
};
static const uint64_t giga = 1 << 30;
static const int64_t day_us = INT64_C(86400000000);

static const struct config_option gateway_options[] = {
#define OPT CONFIG_ROW
#define CONFIG_STRUCT struct gateway_config
#include "gateway/gateway_options.def"
#undef CONFIG_STRUCT
#undef OPT
};

static const struct config_option storage_options[] = {
#define OPT CONFIG_ROW
#define CONFIG_STRUCT struct storage_config
#include "storage/storage_options.def"
#undef CONFIG_STRUCT
#undef OPT
};

/* ---- the gateway ---- */

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
ping(const struct enrol_identity *id, const char *url, const struct uplink_way *way,
     int64_t *out_offset_ms, struct err *err)
{
    struct http_client_options options = {.base_url = url,
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
    struct err err = {0};
    int rc = -1;

    for (unsigned n = 0; n < LINES_MOST && rc < 0; n++) {
        if (uplink_way(lines, n, &way, &err) < 0)
            break;
        if (n == 0)
            first = way;
        else if (memcmp(&way, &first, sizeof way) == 0)
            break; /* round again */
        rc = ping(id, url, &way, &offset_ms, &err);
    }
    if (rc < 0) {
        finding(f, MARK_BAD, "line", "%s", err.text);
        return;
    }
    if (way.proxy[0] != '\0')
        finding(f, MARK_FINE, "line", "%s answers, by the proxy %s", url, way.proxy);
    else
        finding(f, MARK_FINE, "line", "%s answers", url);
    check_clock(f, offset_ms);
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
    check_days(f, "certificate", SOON_DAYS, id.not_after_us);
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
                last.lost > 0                             ? MARK_BAD
                : last.different > 0 || days >= LATE_DAYS ? MARK_LOOK
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

/* What whoever opens the page for the first time compares. */
static void
check_desk(struct findings *f, const struct gateway_config *c)
{
    char dir[PATH_MAX], fingerprint[96];
    struct err err;

    if (!c->desk_tls || c->desk_certificate[0] != '\0')
        return;
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

/* Days of worklists and of pages are local: by UTC a morning in China is still yesterday. */
static void
check_zone(struct findings *f)
{
    static const char *const western[] = {"GMT", "WET", "+00"}; /* people live there */
    time_t now = (time_t)(clock_wall_us() / 1000000);
    bool is_somewhere;
    struct tm tm;
    char off[8];

    tzset();
    localtime_r(&now, &tm);
    is_somewhere = tm.tm_gmtoff != 0;
    for (size_t i = 0; i < ARRAY_LEN(western); i++)
        is_somewhere = is_somewhere || strcmp(tm.tm_zone, western[i]) == 0;
    strftime(off, sizeof off, "%z", &tm);
    if (is_somewhere)
        finding(f, MARK_FINE, "time zone", "%s, %s", tm.tm_zone, off);
    else
        finding(f, MARK_LOOK, "time zone",
                "%s: the first hours of a day bear the day before in worklists and on pages",
                tm.tm_zone);
}

static void
examine_gateway(struct findings *f, const struct gateway_config *c)
{
    check_port(f, "DICOM port", c->dicom_address, c->dicom_port);
    check_port(f, "desk", c->desk_address, c->desk_port);
    check_desk(f, c);
    check_hl7(f, c);
    check_disk(f, "disk", c->data_dir, c->spool_warn_free, c->spool_refuse_free);
    check_mirror(f, c);
    check_zone(f);
    check_line(f, c);
    check_queue(f, c->data_dir);
    check_centre(f, c->data_dir);
}

/* ---- the archive ---- */

static void
check_copies(struct findings *f, const struct keep_health *h)
{
    int64_t days = (clock_wall_us() - h->oldest_check_us) / day_us;

    finding(f, MARK_FINE, "instances",
            "%" PRIu64 " sealed in %" PRIu64 " packs, %" PRIu64 " on their way", h->sealed,
            h->packs, h->unsealed);
    if (h->quarantined > 0)
        finding(f, MARK_LOOK, "set aside", "%" PRIu64 " instances: radpost aside show",
                h->quarantined);
    if (h->doubted > 0)
        finding(f, MARK_BAD, "copies",
                "%" PRIu64
                " copies of packs are damaged or gone and not made anew yet: KEEP_COPY_... "
                "in the log says which store",
                h->doubted);
    if (h->packs == 0)
        finding(f, MARK_FINE, "last check", "no packs yet");
    else
        finding(f, days > SCRUB_DAYS ? MARK_LOOK : MARK_FINE, "last check",
                "every copy was read back within %" PRId64 " days", days + 1);
}

struct compared {
    uint64_t gateways, late, lost;
};

static int
count_compared(void *user, const struct keep_reconciled *row)
{
    struct compared *c = user;

    c->gateways++;
    c->late += row->at_us > 0 && clock_wall_us() - row->at_us >= LATE_DAYS * day_us;
    c->lost += row->lost;
    return 0;
}

static int
count_missing(void *user, const struct keep_lost *row)
{
    *(uint64_t *)user += row->is_missing;
    return 0;
}

static void
check_gateways(struct findings *f, struct keep *keep)
{
    struct compared c = {0};
    uint64_t missing = 0;
    struct err err;

    if (keep_each_reconciled(keep, NULL, count_compared, &c, &err) < 0 ||
        keep_each_lost(keep, NULL, count_missing, &missing, &err) < 0) {
        finding(f, MARK_BAD, "compared", "%s", err.text);
        return;
    }
    finding(f,
            c.lost > 0   ? MARK_BAD
            : c.late > 0 ? MARK_LOOK
                         : MARK_FINE,
            "compared",
            "%" PRIu64 " gateways, %" PRIu64 " not within %d days; %" PRIu64 " objects lost%s",
            c.gateways, c.late, LATE_DAYS, c.lost, c.lost > 0 ? ": radpost reconcile show" : "");
    if (missing > 0)
        finding(f, MARK_BAD, "missing",
                "%" PRIu64 " images went before they were packed: radpost reconcile show", missing);
}

static void
check_database(struct findings *f, const struct storage_config *c)
{
    struct keep *keep = NULL;
    struct keep_health health;
    struct err err;

    if (keep_open_catalog(c->pg_conninfo, &keep, &err) < 0 ||
        keep_health_get(keep, &health, &err) < 0) {
        finding(f, MARK_BAD, "database", "%s", err.text);
    } else {
        finding(f, MARK_FINE, "database", "PostgreSQL answers");
        check_copies(f, &health);
        check_gateways(f, keep);
    }
    keep_close(&keep);
}

static void
check_certificate_file(struct findings *f, const char *what, int64_t soon_days,
                       const char *data_dir, const char *name)
{
    struct ca_certificate certificate;
    char path[PATH_MAX];
    struct err err;

    snprintf(path, sizeof path, "%s/%s", data_dir, name);
    if (ca_read_file(path, &certificate, &err) < 0)
        finding(f, MARK_BAD, what, "%s", err.text);
    else
        check_days(f, what, soon_days, certificate.not_after_us);
}

static void
check_folder(struct findings *f, const char *what, const char *own, const char *data_dir,
             const char *name, uint64_t warn_bytes, uint64_t bad_bytes)
{
    char path[PATH_MAX];

    if (own[0] != '\0')
        snprintf(path, sizeof path, "%s", own);
    else
        snprintf(path, sizeof path, "%s/%s", data_dir, name);
    check_disk(f, what, path, warn_bytes, bad_bytes);
}

static void
examine_storage(struct findings *f, const struct storage_config *c)
{
    char audit[PATH_MAX];

    check_port(f, "link port", c->link_address, c->link_port);
    check_port(f, "DICOMweb port", c->web_address, c->web_port);
    check_port(f, "DICOM port", c->dicom_address, c->dicom_port);
    check_certificate_file(f, "CA certificate", AUTHORITY_SOON_DAYS, c->data_dir, "ca/ca.pem");
    check_certificate_file(f, "server certificate", SOON_DAYS, c->data_dir, "server/server.pem");
    check_folder(f, "landing disk", c->landing, c->data_dir, "landing", c->landing_warn_free,
                 c->landing_refuse_free);
    check_folder(f, "second landing disk", c->landing_copy, c->data_dir, "landing-copy",
                 c->landing_warn_free, c->landing_refuse_free);
    check_folder(f, "first store", c->store_a, c->data_dir, "store-a", 20 * giga, giga);
    check_folder(f, "second store", c->store_b, c->data_dir, "store-b", 20 * giga, giga);
    check_database(f, c);
    snprintf(audit, sizeof audit, "%s/audit", c->data_dir);
    check_audit(f, audit);
}

/* ---- whose configuration is it? ---- */

enum whose { WHOSE_UNSAID, WHOSE_GATEWAY, WHOSE_ARCHIVE };

static bool
has_folder(const char *data_dir, const char *name)
{
    char path[PATH_MAX];

    snprintf(path, sizeof path, "%s/%s", data_dir, name);
    return access(path, F_OK) == 0;
}

/* A short file fits both: then the folders tell. */
static int
tell_by_folders(const char *data_dir, enum whose *out, struct err *err)
{
    bool is_gateway = has_folder(data_dir, "spool"), is_archive = has_folder(data_dir, "ca");

    if (is_gateway == is_archive)
        return err_set(
            err, ERR_REJECT,
            "this file fits a gateway and an archive, and %s does not tell which has run "
            "there: say --as gateway or --as archive",
            data_dir);
    *out = is_gateway ? WHOSE_GATEWAY : WHOSE_ARCHIVE;
    return 0;
}

/* Each knows options that the other does not. */
static int
examine(const char *file, enum whose whose, struct findings *f, struct err *err)
{
    struct gateway_config gateway = {0};
    struct storage_config storage = {0};
    struct err wrong[2] = {{0}, {0}}; /* as a gateway's, as an archive's */
    bool is_gateway =
        config_read(gateway_options, ARRAY_LEN(gateway_options), file, &gateway, &wrong[0]) == 0;
    bool is_archive =
        config_read(storage_options, ARRAY_LEN(storage_options), file, &storage, &wrong[1]) == 0;
    int rc = 0;

    if (whose == WHOSE_UNSAID && is_gateway && is_archive)
        rc = tell_by_folders(gateway.data_dir, &whose, err);
    else if (whose == WHOSE_UNSAID)
        whose = is_archive ? WHOSE_ARCHIVE : WHOSE_GATEWAY;
    if (rc == 0 && (whose == WHOSE_GATEWAY ? is_gateway : is_archive)) {
        if (whose == WHOSE_GATEWAY)
            examine_gateway(f, &gateway);
        else
            examine_storage(f, &storage);
    } else if (rc == 0) {
        *err = wrong[whose == WHOSE_ARCHIVE];
        rc = err->kind == ERR_NOT_FOUND
                 ? -1
                 : err_context(err, "the doctor reads gateway.conf and storage.conf");
    }
    if (is_gateway)
        config_fini(gateway_options, ARRAY_LEN(gateway_options), &gateway);
    if (is_archive)
        config_fini(storage_options, ARRAY_LEN(storage_options), &storage);
    return rc;
}

static int
usage(void)
{
    fputs("radpost doctor --config FILE [--as gateway|archive]\n"
          "FILE is gateway.conf or storage.conf; --as where it could be either's.\n"
          "Run it as the user of the service. Exit: 0 well, 1 something is bad.\n",
          stderr);
    return 64;
}

int
cli_doctor(int argc, char **argv)
{
    static const struct option options[] = {{"config", required_argument, NULL, 'c'},
                                            {"as", required_argument, NULL, 'a'},
                                            {NULL, 0, NULL, 0}};
    struct findings findings = {0};
    enum whose whose = WHOSE_UNSAID;
    const char *file = NULL;
    struct err err;
    int c;

    while ((c = getopt_long(argc, argv, "", options, NULL)) != -1)
        if (c == 'c')
            file = optarg;
        else if (c == 'a' && strcmp(optarg, "gateway") == 0)
            whose = WHOSE_GATEWAY;
        else if (c == 'a' && strcmp(optarg, "archive") == 0)
            whose = WHOSE_ARCHIVE;
        else
            return usage();
    if (file == NULL || optind != argc)
        return usage();
    if (examine(file, whose, &findings, &err) < 0)
        return cli_fail(&err);
    if (findings.bads > 0)
        printf("%zu bad, %zu worth a look  %zu 处有故障，%zu 处要看一看\n", findings.bads,
               findings.looks, findings.bads, findings.looks);
    else
        puts(findings.looks > 0 ? "well, with something worth a look  正常，有要看一看的"
                                : "all is well  一切正常");
    return findings.bads > 0 ? 1 : 0;
}
