/* ingest.c - the stage's life, who may speak on the link, and enrolment. */
#include "storage/ingest/ingest.h"

#include "storage/ingest/ingest_own.h"

#include "proto/base/durable.h"
#include "proto/base/folder.h"
#include "proto/trust/audit.h"
#include "storage/keep/keep.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

const struct log_ctx ingest_log = {.stage = "storage/ingest"};

/* Parts of requests that ended with the process were never acknowledged. */
static int
empty_folder(const char *path, struct err *err)
{
    DIR *dir = opendir(path);
    const struct dirent *entry;
    int rc;

    if (dir == NULL)
        return err_sys(err, ERR_FATAL, "open %s", path);
    while ((rc = folder_next(dir, &entry, err)) == 0 && entry != NULL)
        if (entry->d_type == DT_REG)
            unlinkat(dirfd(dir), entry->d_name, 0);
    closedir(dir);
    return rc;
}

static int
burn_code(void *user, const uint8_t code_sha256[DIGEST_BYTES],
          const uint8_t key_sha256[DIGEST_BYTES], struct ca_subject *out_subject, struct err *err)
{
    struct ingest *ingest = user;

    return keep_code_burn(ingest->options.keep, code_sha256, key_sha256, out_subject, err);
}

/* The device row and the audit's entry come first; without them no certificate leaves. */
static int
note_certificate(void *user, const struct ca_certificate *certificate, bool is_renewal,
                 const char *peer, struct err *err)
{
    struct ingest *ingest = user;
    const struct ca_subject *subject = &certificate->subject;

    if (keep_certificate_add(ingest->options.keep, certificate, err) < 0)
        return -1;
    if (ingest->options.audit != NULL &&
        audit_append(ingest->options.audit, err, is_renewal ? AUDIT_RENEWED : AUDIT_ENROLLED,
                     A_WORD("tenant", subject->tenant), A_WORD("device", subject->device),
                     A_WORD("kind", subject->kind), A_WORD("serial", certificate->serial_hex),
                     A_WORD("peer", peer)) < 0)
        return -1;
    LOG(&ingest_log, INGEST_ENROLLED, F_WORD("tenant", subject->tenant),
        F_WORD("device", subject->device), F_WORD("peer", peer));
    return 0;
}

static int
find_names(void *user, const char *serial_hex, char out[CA_NAMES_SIZE], struct err *err)
{
    struct ingest *ingest = user;

    return keep_certificate_names(ingest->options.keep, serial_hex, out, err);
}

int
ingest_new(const struct ingest_options *options, struct ingest **out_ingest, struct err *err)
{
    struct ingest *ingest;

    if (durable_mkdir(options->spool_dir, err) < 0 || empty_folder(options->spool_dir, err) < 0)
        return -1;
    ingest = mem_new(sizeof *ingest);
    ingest->options = *options;
    ingest->told = told_new(options->keep, options->audit);
    ingest->spool_dir = mem_text(options->spool_dir);
    ingest->enrol = (struct enrol_server){.ca = options->ca,
                                          .addresses = options->addresses,
                                          .user = ingest,
                                          .burn = burn_code,
                                          .issued = note_certificate,
                                          .names = find_names};
    *out_ingest = ingest;
    return 0;
}

void
ingest_free(struct ingest **ingest)
{
    if (*ingest == NULL)
        return;
    told_free(&(*ingest)->told);
    free((*ingest)->spool_dir);
    free(*ingest);
    *ingest = NULL;
}

struct http_table
ingest_enrol_table(struct ingest *ingest)
{
    return enrol_table(&ingest->enrol);
}

int
ingest_authorise(void *user, const char *bearer, struct http_caller *caller, struct err *err)
{
    struct ingest *ingest = user;

    (void)bearer;
    if (caller->kind == HTTP_TOKEN)
        return err_set(err, ERR_DENIED, "the link takes certificates only");
    if (keep_certificate_check(ingest->options.keep, caller->serial_hex, caller->tenant,
                               caller->device, err) < 0)
        return -1;
    caller->rights = caller->kind == HTTP_GATEWAY ? KEEP_GATEWAY_RIGHTS : KEEP_READER_RIGHTS;
    return 0;
}
