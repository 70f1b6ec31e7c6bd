/* authority.c - the authority that doctors' certificates come from: the one in the signer's folder,
 * if the database knows it. Where that folder is lost, or its disk is not mounted, another one
 * would be made, and reports signed under it: instead care goes on without signatures.
 *
 * 1. Nothing is signed under an authority that the database does not know. It knows what signed
 *    before, and what a person accepted; that of an older program as soon as it is seen.
 * 2. One is made where the database knows none and nothing was signed, or by a person's word.
 * 3. The file comes before the row: after a crash between them it is taken as it is.
 * 4. What is not there is asked for again by each signature: no restart is needed. */
#include "reader/compose/compose_own.h"

#include "proto/base/clock.h"
#include "proto/trust/ca.h"

#include <stdlib.h>
#include <string.h>

static const char ca_name[] = "Radpost signing CA";

enum found {
    FOUND_KNOWN,
    FOUND_FIRST,  /* there, and the database knows none yet */
    FOUND_NONE,   /* nor is any known, and nothing was signed: a new reader */
    FOUND_ANOTHER /* or none, where there was one */
};

/* What the folder has; zeros: nothing. */
static int
read_own(const char *dir, uint8_t out_sha256[DIGEST_BYTES], bool *out_is_there, struct err *err)
{
    struct ca_certificate ca = {0};
    char *path = mem_printf("%s/ca.pem", dir);
    int rc = ca_read_file(path, &ca, err);

    free(path);
    *out_is_there = rc == 0;
    memcpy(out_sha256, ca.sha256, DIGEST_BYTES);
    return rc < 0 && err->kind != ERR_NOT_FOUND ? -1 : 0;
}

static int
look(struct pg_conn *conn, const char *dir, enum found *out, struct err *err)
{
    uint8_t sha256[DIGEST_BYTES];
    struct pg_rows *rows = NULL;
    bool is_there;

    if (read_own(dir, sha256, &is_there, err) < 0 ||
        pg_run(conn, "authority_find", PG_ARGS(PG_BYTES(sha256, sizeof sha256)), &rows, err) < 0)
        return err_context(err, "signing authority in %s", dir);
    if (is_there && pg_truth(rows, 0, 0))
        *out = FOUND_KNOWN;
    else if (pg_truth(rows, 0, 1) || (!is_there && pg_truth(rows, 0, 2)))
        *out = FOUND_ANOTHER;
    else
        *out = is_there ? FOUND_FIRST : FOUND_NONE;
    pg_rows_free(&rows);
    return 0;
}

/* What a person reads: where it is, and what to do. */
static int
say_another(const char *dir, struct err *err)
{
    return err_set(err, ERR_CONFLICT,
                   "%s has not the authority that signed before: mount its disk, or put the folder "
                   "back from a backup, and signing goes on by itself. If it is lost for good, say "
                   "radpost-reader accept-authority LOGIN",
                   dir);
}

static int
put(struct pg_conn *conn, const struct signer *signer, const char *by, struct err *err)
{
    struct ca_certificate ca;

    if (ca_read(signer_ca_pem(signer), &ca, err) < 0)
        return -1;
    return pg_run(conn, "authority_put",
                  PG_ARGS(PG_BYTES(ca.sha256, DIGEST_BYTES), PG_INT(clock_wall_us()), PG_TEXT(by),
                          PG_BOOL(by[0] == '\0')),
                  NULL, err);
}

/* The command writes the row beside the service, which alone writes the audit. */
static int
note(struct compose *c, struct pg_conn *conn, struct err *err)
{
    struct pg_rows *rows = NULL;
    int rc = pg_run(conn, "authority_unnoted", PG_NO_ARGS, &rows, err);

    for (size_t i = 0; rc == 0 && i < pg_rows_count(rows); i++) {
        uint8_t sha256[DIGEST_BYTES];

        pg_copy_bytes(rows, i, 0, sha256, sizeof sha256);
        if (c->audit != NULL)
            rc = audit_append(c->audit, err, AUDIT_AUTHORITY_ACCEPTED,
                              A_HEX("ca", sha256, DIGEST_BYTES), A_WORD("by", pg_text(rows, i, 1)));
        if (rc == 0)
            rc = pg_run(conn, "authority_noted", PG_ARGS(PG_BYTES(sha256, sizeof sha256)), NULL,
                        err);
    }
    pg_rows_free(&rows);
    return rc;
}

static int
open_signer(struct compose *c, struct pg_conn *conn, struct signer **out, struct err *err)
{
    struct signer *signer = NULL;
    enum found found;

    if (look(conn, c->signer_dir, &found, err) < 0)
        return -1;
    if (found == FOUND_ANOTHER)
        return say_another(c->signer_dir, err);
    if (signer_open(c->signer_dir, found == FOUND_NONE ? ca_name : NULL, &signer, err) < 0)
        return -1;
    if ((found != FOUND_KNOWN && put(conn, signer, "", err) < 0) || note(c, conn, err) < 0) {
        signer_close(&signer);
        return -1;
    }
    *out = signer;
    return 0;
}

struct signer *
authority_signer(struct compose *c, struct pg_conn *conn, struct err *err)
{
    struct signer *signer;

    gate_lock(&c->signing);
    if (c->signer == NULL) {
        if (open_signer(c, conn, &c->signer, err) == 0 && c->is_unable)
            LOG(&compose_log, SIGNING_BACK);
        else if (c->signer == NULL && !c->is_unable)
            LOG(&compose_log, SIGNING_AWAY, F_ERR(err));
        c->is_unable = c->signer == NULL;
    }
    signer = c->signer;
    gate_unlock(&c->signing);
    return signer;
}

char *
authority_dir(const char *data_dir)
{
    return mem_printf("%s/signer", data_dir);
}

/* ---- the doctor, the command ---- */

int
compose_authority_look(struct pg *pg, const char *data_dir, struct err *err)
{
    char *dir = authority_dir(data_dir);
    struct pg_conn *conn = NULL;
    enum found found;
    int rc = -1;

    if (pg_get(pg, &conn, err) == 0 && look(conn, dir, &found, err) == 0)
        rc = found == FOUND_ANOTHER ? say_another(dir, err) : 0;
    pg_put(&conn);
    free(dir);
    return rc;
}

int
compose_authority_accept(struct pg *pg, const char *data_dir, const char *by, struct err *err)
{
    char *dir = authority_dir(data_dir);
    struct pg_conn *conn = NULL;
    struct signer *signer = NULL;
    enum found found;
    int rc = -1;

    if (!audit_is_login(by))
        err_set(err, ERR_REJECT, "a login is due, of letters, digits, '.', '_', '-', '@'");
    else if (pg_get(pg, &conn, err) < 0 || look(conn, dir, &found, err) < 0)
        goto out;
    else if (found != FOUND_ANOTHER)
        err_set(err, ERR_CONFLICT, "%s",
                found == FOUND_KNOWN
                    ? "it is the one that signed before: nothing is to be accepted"
                    : "nothing was signed yet: the service takes it, or makes one");
    else if (signer_open(dir, ca_name, &signer, err) == 0)
        rc = put(conn, signer, by, err);
out:
    signer_close(&signer);
    pg_put(&conn);
    free(dir);
    return rc < 0 ? err_context(err, "accept the signing authority") : 0;
}
