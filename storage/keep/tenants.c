/* tenants.c - tenants, application entities, tokens, enrolment codes, certificates. */
#include "storage/keep/keep_own.h"

#include "proto/base/clock.h"
#include "proto/base/text.h"

#include <string.h>

static const char code_letters[] =
    "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";

/* Codes are parts of paths and of certificates' subjects. */
static bool
code_is_good(const char *code)
{
    size_t n = strlen(code);

    return n >= 1 && n <= 32 && strspn(code, code_letters) == n && code[0] != '-';
}

/* Run a change that must touch exactly one row. */
static int
change_one(struct keep *k, const char *name, const struct pg_arg *args, size_t count,
           enum err_kind kind_if_none, const char *words_if_none, struct err *err)
{
    struct pg_rows *rows = NULL;
    int rc = -1;

    if (keep_run(k, name, args, count, &rows, err) < 0)
        goto out;
    if (pg_touched(rows) == 0) {
        err_set(err, kind_if_none, "%s", words_if_none);
        goto out;
    }
    rc = 0;
out:
    pg_rows_free(&rows);
    return rc;
}

int
keep_tenant_add(struct keep *k, const char *code, const char *name, struct err *err)
{
    if (!code_is_good(code))
        return err_set(err, ERR_REJECT,
                       "an organisation code is 1 to 32 of A-Z a-z 0-9 - _, not '%.40s'", code);
    if (!text_is_utf8(name, strlen(name)) || strlen(name) >= KEEP_NAME_SIZE)
        return err_set(err, ERR_REJECT, "an organisation's name is UTF-8 of at most %d bytes",
                       KEEP_NAME_SIZE - 1);
    return keep_run(k, "tenant_add", PG_ARGS(PG_TEXT(code), PG_TEXT(name), PG_INT(clock_wall_us())),
                    NULL, err);
}

int
tenant_number(struct keep *k, const char *code, int64_t *out, struct err *err)
{
    struct pg_rows *rows = NULL;

    if (keep_run(k, "tenant_find", PG_ARGS(PG_TEXT(code)), &rows, err) < 0)
        return -1;
    *out = pg_rows_count(rows) > 0 ? pg_int(rows, 0, 0) : 0;
    pg_rows_free(&rows);
    return 0;
}

int
keep_tenant_find(struct keep *k, const char *code, struct err *err)
{
    int64_t number;

    if (tenant_number(k, code, &number, err) < 0)
        return -1;
    return number != 0 ? 0 : err_set(err, ERR_NOT_FOUND, "there is no organisation '%.40s'", code);
}

/* PS3.5: up to 16 printable characters without backslash, not all blanks. */
static bool
ae_is_good(const char *ae)
{
    size_t n = strlen(ae);

    if (n == 0 || n > 16 || ae[0] == ' ' || ae[n - 1] == ' ')
        return false;
    for (size_t i = 0; i < n; i++)
        if (ae[i] < 32 || ae[i] > 126 || ae[i] == '\\')
            return false;
    return true;
}

int
keep_ae_add(struct keep *k, const struct keep_ae *ae, struct err *err)
{
    if (!ae_is_good(ae->ae))
        return err_set(err, ERR_REJECT, "an AE title is 1 to 16 printable characters");
    if (keep_tenant_find(k, ae->tenant, err) < 0)
        return -1;
    return change_one(k, "ae_add",
                      PG_ARGS(PG_TEXT(ae->tenant), PG_TEXT(ae->ae), PG_TEXT(ae->host),
                              PG_INT(ae->port), PG_INT(ae->rights)),
                      ERR_CONFLICT, "this AE title and address belong to another organisation",
                      err);
}

static int
read_ae(struct keep *k, const char *query, const char *a, const char *b, struct keep_ae *out,
        struct err *err)
{
    struct pg_rows *rows = NULL;
    int rc = -1;

    if (keep_run(k, query, PG_ARGS(PG_TEXT(a), PG_TEXT(b)), &rows, err) < 0)
        return -1;
    if (pg_rows_count(rows) == 0) {
        err_set(err, ERR_NOT_FOUND, "this AE title is not enrolled");
    } else {
        *out = (struct keep_ae){.port = (uint16_t)pg_int(rows, 0, 3),
                                .rights = (unsigned)pg_int(rows, 0, 4)};
        text_copy(out->tenant, sizeof out->tenant, pg_text(rows, 0, 0));
        text_copy(out->ae, sizeof out->ae, pg_text(rows, 0, 1));
        text_copy(out->host, sizeof out->host, pg_text(rows, 0, 2));
        rc = 0;
    }
    pg_rows_free(&rows);
    return rc;
}

int
keep_ae_find(struct keep *k, const char *ae, const char *host, struct keep_ae *out, struct err *err)
{
    if (!ae_is_good(ae)) /* may hold anything: it comes from a peer */
        return err_set(err, ERR_NOT_FOUND, "this AE title is not enrolled");
    return read_ae(k, "ae_find", ae, host, out, err);
}

int
keep_destination_find(struct keep *k, const char *tenant, const char *ae, struct keep_ae *out,
                      struct err *err)
{
    if (!ae_is_good(ae))
        return err_set(err, ERR_NOT_FOUND, "this AE title is not enrolled");
    return read_ae(k, "destination_find", tenant, ae, out, err);
}

int
keep_token_add(struct keep *k, const struct keep_token *token, char out_text[TOKEN_TEXT_BYTES],
               struct err *err)
{
    uint8_t sha256[DIGEST_BYTES];
    char text[TOKEN_TEXT_BYTES];

    token_new(text, sha256);
    if (change_one(k, "token_add",
                   PG_ARGS(PG_TEXT(token->tenant), PG_BYTES(sha256, sizeof sha256),
                           PG_TEXT(token->name), PG_INT(token->rights), PG_INT(clock_wall_us())),
                   ERR_NOT_FOUND, "there is no such organisation: radpost org add makes one",
                   err) < 0)
        return -1;
    memcpy(out_text, text, sizeof text);
    secret_wipe(text, sizeof text);
    return 0;
}

int
keep_token_find(struct keep *k, const char *text, struct keep_token *out, struct err *err)
{
    uint8_t sha256[DIGEST_BYTES];
    struct pg_rows *rows = NULL;
    int rc = -1;

    if (token_digest(text, sha256, err) < 0 ||
        keep_run(k, "token_find", PG_ARGS(PG_BYTES(sha256, sizeof sha256)), &rows, err) < 0)
        return -1;
    if (pg_rows_count(rows) == 0) {
        err_set(err, ERR_DENIED, "the token is not known or withdrawn");
    } else {
        text_copy(out->tenant, sizeof out->tenant, pg_text(rows, 0, 0));
        text_copy(out->name, sizeof out->name, pg_text(rows, 0, 1));
        out->rights = (unsigned)pg_int(rows, 0, 2);
        rc = 0;
    }
    pg_rows_free(&rows);
    return rc;
}

int
keep_token_revoke(struct keep *k, const char *tenant, const char *name, struct err *err)
{
    return change_one(k, "token_revoke",
                      PG_ARGS(PG_TEXT(tenant), PG_TEXT(name), PG_INT(clock_wall_us())),
                      ERR_NOT_FOUND, "there is no such token", err);
}

int
keep_code_add(struct keep *k, const uint8_t code_sha256[32], const struct ca_subject *subject,
              int64_t expires_at_us, struct err *err)
{
    return change_one(
        k, "code_add",
        PG_ARGS(PG_TEXT(subject->tenant), PG_BYTES(code_sha256, 32), PG_TEXT(subject->device),
                PG_TEXT(subject->kind), PG_INT(expires_at_us), PG_TEXT(subject->names)),
        ERR_NOT_FOUND, "there is no such organisation: radpost org add makes one", err);
}

int
keep_code_burn(struct keep *k, const uint8_t code_sha256[32], const uint8_t key_sha256[32],
               struct ca_subject *out, struct err *err)
{
    struct pg_rows *rows = NULL;
    int rc = -1;

    if (keep_run(
            k, "code_burn",
            PG_ARGS(PG_BYTES(code_sha256, 32), PG_BYTES(key_sha256, 32), PG_INT(clock_wall_us())),
            &rows, err) < 0)
        return -1;
    if (pg_rows_count(rows) == 0) {
        err_set(err, ERR_DENIED, "the code is unknown, used or too old");
    } else {
        text_copy(out->tenant, sizeof out->tenant, pg_text(rows, 0, 0));
        text_copy(out->device, sizeof out->device, pg_text(rows, 0, 1));
        text_copy(out->kind, sizeof out->kind, pg_text(rows, 0, 2));
        text_copy(out->names, sizeof out->names, pg_text(rows, 0, 3));
        rc = 0;
    }
    pg_rows_free(&rows);
    return rc;
}

int
keep_certificate_add(struct keep *k, const struct ca_certificate *c, struct err *err)
{
    return keep_run(k, "certificate_add",
                    PG_ARGS(PG_TEXT(c->subject.tenant), PG_TEXT(c->serial_hex),
                            PG_TEXT(c->subject.device), PG_TEXT(c->subject.kind),
                            PG_BYTES(c->sha256, DIGEST_BYTES), PG_INT(c->not_after_us),
                            PG_INT(clock_wall_us()), PG_TEXT(c->subject.names)),
                    NULL, err);
}

int
keep_certificate_names(struct keep *k, const char *serial_hex, char out[CA_NAMES_SIZE],
                       struct err *err)
{
    struct pg_rows *rows = NULL;

    if (keep_run(k, "certificate_names", PG_ARGS(PG_TEXT(serial_hex)), &rows, err) < 0)
        return -1;
    out[0] = '\0';
    if (pg_rows_count(rows) > 0)
        text_copy(out, CA_NAMES_SIZE, pg_text(rows, 0, 0));
    pg_rows_free(&rows);
    return 0;
}

int
keep_certificate_check(struct keep *k, const char *serial_hex, const char *tenant,
                       const char *device, struct err *err)
{
    struct pg_rows *rows = NULL;
    int rc = 0;

    if (keep_run(
            k, "certificate_check",
            PG_ARGS(PG_TEXT(serial_hex), PG_TEXT(tenant), PG_TEXT(device), PG_INT(clock_wall_us())),
            &rows, err) < 0)
        return -1;
    if (pg_rows_count(rows) == 0)
        rc = err_set(err, ERR_DENIED, "the certificate is not known or revoked");
    pg_rows_free(&rows);
    return rc;
}

int
keep_device_revoke(struct keep *k, const char *tenant, const char *device, struct err *err)
{
    return change_one(k, "device_revoke",
                      PG_ARGS(PG_TEXT(tenant), PG_TEXT(device), PG_INT(clock_wall_us())),
                      ERR_NOT_FOUND, "there is no such device with a certificate", err);
}
