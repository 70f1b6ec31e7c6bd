/* admin_gateways.c - what the operator wants of gateways, how they stand, and what of theirs was
 * put aside. */
#include "proto/base/clock.h"
#include "proto/base/durable.h"
#include "proto/base/limits.h"
#include "proto/base/text.h"
#include "storage/keep/admin_own.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* ---- policy ---- */

static const char *
code_of(const struct admin *a)
{
    return a->words.org != NULL ? a->words.org : "";
}

int
run_policy_set(struct admin *a, struct err *err)
{
    uint8_t *bytes = NULL;
    size_t n;
    int rc;

    if (a->words.file == NULL)
        return err_set(err, ERR_REJECT, "--file is missing");
    if (durable_get_file(a->words.file, LIMIT_POLICY_BYTES, &bytes, &n, err) < 0)
        return -1;
    rc = keep_policy_set(a->keep, code_of(a), (const char *)bytes, err);
    free(bytes);
    return rc;
}

static int
print_policy(void *user, const struct keep_policy *row)
{
    const struct admin *a = user;
    struct link_policy ignored;
    struct err err = {0};
    char when[40];

    if (a->words.org != NULL && strcmp(row->code, a->words.org) != 0)
        return 0;
    clock_text(row->set_at_us, when);
    printf("%s, since %s:%s\n%s\n", row->code[0] != '\0' ? row->code : "all clinics", when,
           keep_policy_read(row->text, &ignored, &err) < 0 ? " CANNOT BE READ" : "", row->text);
    return 0;
}

int
run_policy_show(struct admin *a, struct err *err)
{
    return keep_each_policy(a->keep, print_policy, a, err);
}

int
run_policy_clear(struct admin *a, struct err *err)
{
    return keep_policy_clear(a->keep, code_of(a), err);
}

/* ---- comparisons ---- */

/* A list has an end; what a gateway forgot stays listed until it is here. */
struct lost {
    uint64_t told, listed;
};

static int
print_reconciled(void *user, const struct keep_reconciled *row)
{
    struct lost *lost = user;
    char when[40] = "never";

    if (row->at_us > 0)
        clock_text(row->at_us, when);
    printf("%s %s: compared %s, %" PRIu64 " studies, %" PRIu64 " objects; different %" PRIu64
           ", repaired %" PRIu64 ", lost %" PRIu64 "\n",
           row->tenant, row->device, when, row->studies, row->objects, row->different,
           row->repaired, row->lost);
    lost->told += row->lost;
    return 0;
}

static int
print_lost(void *user, const struct keep_lost *row)
{
    struct lost *lost = user;
    char hex[2 * sizeof row->object + 1], when[40];

    hex_encode(row->object, sizeof row->object, hex);
    clock_text(row->since_us, when);
    printf("%s %s %s: study %s, instance %s, object %s, told %s%s\n",
           row->is_aside     ? "ASIDE"
           : row->is_missing ? "MISSING"
                             : "LOST",
           row->tenant, row->device, row->study, row->sop_instance, hex, when,
           row->is_aside     ? "; it came back, into quarantine: nothing is to be searched for"
           : row->is_missing ? "; its bytes are here no more, who sent it is asked for it"
                             : "");
    lost->listed += !row->is_aside;
    return 0;
}

int
run_reconcile_show(struct admin *a, struct err *err)
{
    struct lost lost = {0};

    if (keep_each_reconciled(a->keep, a->words.org, print_reconciled, &lost, err) < 0 ||
        keep_each_lost(a->keep, a->words.org, print_lost, &lost, err) < 0)
        return -1;
    fflush(stdout);
    if (lost.told + lost.listed > 0)
        return err_set(err, ERR_CONFLICT,
                       "%" PRIu64 " objects are missing here, and their gateways have forgotten "
                       "them, or did not bring them yet: look in backups, on other disks, on the "
                       "devices",
                       lost.told > lost.listed ? lost.told : lost.listed);
    return 0;
}

int
run_reconcile_now(struct admin *a, struct err *err)
{
    return keep_reconcile_wish(a->keep, code_of(a), err);
}

/* ---- what was put aside ---- */

static int
print_aside(void *user, const struct keep_aside *row)
{
    const struct admin *a = user;
    const struct storage_config *c = &a->config;
    const char *own = row->pack[0] != '\0' ? c->store_a : c->landing;
    char hex[2 * sizeof row->object + 1], when[40];

    if (row->rejected_at_us != 0 && !a->words.is_all)
        return 0;
    hex_encode(row->object, sizeof row->object, hex);
    clock_text(row->arrived_at_us, when);
    printf("%s: study %s, instance %s: %s; by %s from %s, %s\n    ", row->tenant, row->study,
           row->sop_instance, row->why, row->way, row->device[0] != '\0' ? row->device : "unknown",
           when);
    if (own[0] != '\0')
        printf("%s", own);
    else
        printf("%s/%s", c->data_dir, row->pack[0] != '\0' ? "store-a" : "landing");
    if (row->pack[0] != '\0')
        printf("/%s dicom/%s.dcm\n", row->pack, hex);
    else
        printf("/%s, in no pack yet\n", row->landing);
    if (row->rejected_at_us != 0) {
        clock_text(row->rejected_at_us, when);
        printf("    REJECTED by %s, %s: %s\n", row->rejected_by, when, row->reason);
    }
    return 0;
}

/* Where the bytes are: unzip -p PACK MEMBER gives them back. */
int
run_aside_show(struct admin *a, struct err *err)
{
    return keep_each_aside(a->keep, a->words.org, print_aside, a, err);
}

/* The service, not this command, writes the audit. */
int
run_aside_reject(struct admin *a, struct err *err)
{
    const struct words *w = &a->words;
    uint8_t object[32];

    if (w->org == NULL || w->object == NULL || w->reason == NULL || w->by == NULL)
        return err_set(err, ERR_REJECT, "--org, --object, --reason and --by are due");
    if (strlen(w->object) != 2 * sizeof object || hex_decode(w->object, object, sizeof object) < 0)
        return err_set(err, ERR_REJECT, "--object: 64 hexadecimal digits, as aside show has them");
    if (keep_aside_reject(a->keep, w->org, object, w->reason, w->by, err) < 0)
        return -1;
    puts("rejected, as soon as the archive's service has it in the audit; the bytes stay");
    return 0;
}
