/* doctor_archive.c - the archive's ports, certificates, disks, copies, and its gateways. */
#include "deploy/cli/doctor.h"

#include "proto/base/clock.h"
#include "proto/trust/ca.h"
#include "storage/keep/keep.h"

#include <inttypes.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>

enum {
    AUTHORITY_SOON_DAYS = 730, /* devices pin it: each needs a new code before */
    SCRUB_DAYS = 90
};
static const uint64_t giga = 1 << 30;
static const int64_t day_us = INT64_C(86400000000);

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
    c->late += row->at_us > 0 && clock_wall_us() - row->at_us >= DOCTOR_LATE_DAYS * day_us;
    c->lost += row->lost;
    return 0;
}

struct missing {
    uint64_t images;
    char tenant[KEEP_CODE_SIZE], study[LINK_UID_SIZE]; /* the first one's */
    bool is_more;                                      /* of other studies, too */
};

static int
count_missing(void *user, const struct keep_lost *row)
{
    struct missing *m = user;

    if (!row->is_missing)
        return 0;
    if (m->images++ == 0) {
        snprintf(m->tenant, sizeof m->tenant, "%s", row->tenant);
        snprintf(m->study, sizeof m->study, "%s", row->study);
    }
    m->is_more =
        m->is_more || strcmp(m->study, row->study) != 0 || strcmp(m->tenant, row->tenant) != 0;
    return 0;
}

static void
check_gateways(struct findings *f, struct keep *keep)
{
    struct compared c = {0};
    struct missing missing = {0};
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
            c.gateways, c.late, DOCTOR_LATE_DAYS, c.lost,
            c.lost > 0 ? ": radpost reconcile show" : "");
    if (missing.images > 0)
        finding(f, MARK_BAD, "missing",
                "%" PRIu64 " images are here no more: study %s of %s%s: radpost reconcile show",
                missing.images, missing.study, missing.tenant,
                missing.is_more ? ", and others" : "");
}

static void
folder_of(const char *own, const char *data_dir, const char *name, char out[PATH_MAX])
{
    if (own[0] != '\0')
        snprintf(out, PATH_MAX, "%s", own);
    else
        snprintf(out, PATH_MAX, "%s/%s", data_dir, name);
}

/* Is each on the disk that it was? */
static void
check_marks(struct findings *f, struct keep *keep, const struct storage_config *c)
{
    const struct {
        const char *what, *own, *name;
    } all[KEEP_DISKS] = {
        [KEEP_STORE_A] = {"first store", c->store_a, "store-a"},
        [KEEP_STORE_B] = {"second store", c->store_b, "store-b"},
        [KEEP_LANDING_COPY] = {"second landing disk", c->landing_copy, "landing-copy"},
        [KEEP_DATA_DIR] = {"data_dir's disk", c->data_dir, ""},
    };

    for (enum keep_disk disk = 0; disk < KEEP_DISKS; disk++) {
        char path[PATH_MAX];
        struct err err;

        folder_of(all[disk].own, c->data_dir, all[disk].name, path);
        if (keep_disk_look(keep, disk, path, &err) < 0)
            finding(f, MARK_BAD, all[disk].what, "%s", err.text);
    }
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
        doctor_examine_database(f, c->pg_conninfo);
        check_copies(f, &health);
        check_marks(f, keep, c);
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

    folder_of(own, data_dir, name, path);
    check_disk(f, what, path, warn_bytes, bad_bytes);
}

void
doctor_examine_archive(struct findings *f, const struct storage_config *c)
{
    char audit[PATH_MAX];

    check_port(f, "link port", c->link_address, c->link_port);
    check_port(f, "DICOMweb port", c->web_address, c->web_port);
    check_port(f, "DICOM port", c->dicom_address, c->dicom_port);
    check_certificate_file(f, "CA certificate", AUTHORITY_SOON_DAYS, c->data_dir, "ca/ca.pem");
    check_certificate_file(f, "server certificate", DOCTOR_SOON_DAYS, c->data_dir,
                           "server/server.pem");
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
