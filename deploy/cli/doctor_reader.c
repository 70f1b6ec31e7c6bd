/* doctor_reader.c - the reading service's pages, certificate, database, and its way to the archive.
 */
#include "deploy/cli/doctor.h"

#include "proto/link/enrol.h"
#include "proto/pg/pg.h"
#include "reader/archive/archive.h"
#include "reader/compose/compose.h"

#include <limits.h>
#include <stdio.h>
#include <sys/stat.h>

static const uint64_t giga = 1 << 30;

/* A study that nobody has: that there is none is an answer. */
static void
check_archive(struct findings *f, const char *dir, const char *tenant, const char *url)
{
    struct archive *archive = NULL;
    struct archive_standing standing;
    struct err err;

    if (archive_open(dir, url, &archive, &err) < 0 ||
        (archive_standing_get(archive, tenant, "1.2.3", &standing, &err) < 0 &&
         err.kind != ERR_NOT_FOUND))
        finding(f, MARK_BAD, "archive", "%s", err.text);
    else
        finding(f, MARK_FINE, "archive", "%s answers", url);
    archive_close(&archive);
}

static bool
is_anothers(const char *data_dir, const char *path)
{
    struct stat all, one;

    return stat(data_dir, &all) == 0 && stat(path, &one) == 0 && all.st_uid != one.st_uid;
}

static void
check_identity(struct findings *f, const struct reader_config *c)
{
    struct enrol_identity id;
    char dir[PATH_MAX], url[256] = "";
    struct err err;

    snprintf(dir, sizeof dir, "%s/link", c->data_dir);
    if (enrol_load(dir, &id, &err) < 0) {
        finding(f, MARK_BAD, "reader's enrolment", "%s",
                err.kind == ERR_NOT_FOUND ? "not enrolled: radpost-reader enrol URL CODE"
                                          : err.text);
        return;
    }
    if (is_anothers(c->data_dir, dir))
        finding(f, MARK_BAD, "reader's enrolment",
                "%s is of another user than %s: the service cannot read it. chown -R it to that "
                "user",
                dir, c->data_dir);
    else
        finding(f, MARK_FINE, "reader's enrolment", "%s of %s", id.device, id.tenant);
    check_days(f, "certificate", DOCTOR_SOON_DAYS, id.not_after_us);
    if (c->storage_url[0] != '\0')
        snprintf(url, sizeof url, "%s", c->storage_url);
    else if (!enrol_address(&id, "link_url", url, sizeof url))
        finding(f, MARK_BAD, "archive", "its address is not known: set storage_url");
    if (url[0] != '\0')
        check_archive(f, dir, id.tenant, url);
    enrol_identity_fini(&id);
}

static void
check_database(struct findings *f, const struct reader_config *c)
{
    static const char *const queries[] = {COMPOSE_QUERIES, NULL};
    struct pg_options options = {.conninfo = c->pg_conninfo,
                                 .query_files = queries,
                                 .migrations = "reader/migrations/",
                                 .is_guest = true,
                                 .connections = 1};
    struct pg *pg = NULL;
    struct err err;

    if (pg_open(&options, &pg, &err) < 0) {
        finding(f, MARK_BAD, "database", "%s", err.text);
    } else {
        doctor_examine_database(f, c->pg_conninfo);
        if (compose_authority_look(pg, c->data_dir, &err) < 0)
            finding(f, MARK_BAD, "signing keys", "%s", err.text);
        else
            finding(f, MARK_FINE, "signing keys", "in %s/signer", c->data_dir);
    }
    pg_close(&pg);
}

void
doctor_examine_reader(struct findings *f, const struct reader_config *c)
{
    char audit[PATH_MAX];

    check_port(f, "staff pages' port", c->staff_address, c->staff_port);
    check_port(f, "patients' page's port", c->patient_address, c->patient_port);
    check_port(f, "reader's port", c->link_address, c->link_port);
    check_disk(f, "disk", c->data_dir, 5 * giga, giga);
    check_zone(f);
    check_identity(f, c);
    check_database(f, c);
    snprintf(audit, sizeof audit, "%s/audit", c->data_dir);
    check_audit(f, audit);
}
