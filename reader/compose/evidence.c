/* evidence.c - a signed version with everything that proves it, as one ZIP file. */
#include "reader/compose/compose_own.h"

#include "proto/base/zipfile.h"

#include <stdlib.h>
#include <string.h>

/* The CA that a signature verifies against: its own, which is not today's where the signer's folder
 * was lost since, or where another reader signed. One that cannot be read is not good by any. */
static char *
ca_of(struct compose *c, struct pg_conn *conn, const void *cms, size_t n)
{
    const struct signer *today;
    struct err unreadable;
    char *pem = NULL;

    if (cms_issuer_pem(cms, n, &pem, &unreadable) == 0)
        return pem;
    today = authority_signer(c, conn, &unreadable);
    return mem_text(today != NULL ? signer_ca_pem(today) : "");
}

/* The notice of its withdrawal, if there is one; and its CA, where that is another one. */
static int
add_withdrawal(struct compose *c, struct zipfile *z, struct pg_conn *conn, const struct report *r,
               const char *ca, struct err *err)
{
    static const char *const names[] = {"withdrawal.json", "withdrawal.p7s"};
    struct pg_rows *rows = NULL;

    if (pg_run(conn, "report_withdrawal", PG_ARGS(PG_INT(r->read), PG_INT(r->version)), &rows,
               err) < 0)
        return -1;
    for (int i = 0; pg_rows_count(rows) > 0 && i < 2; i++) {
        size_t n;
        const uint8_t *bytes = pg_bytes(rows, 0, i, &n);

        zipfile_add(z, names[i], bytes, n);
        if (i == 1) {
            char *own = ca_of(c, conn, bytes, n);

            if (strcmp(own, ca) != 0)
                zipfile_add(z, "withdrawal-ca.pem", own, strlen(own));
            free(own);
        }
    }
    pg_rows_free(&rows);
    return 0;
}

static int
add_all(struct compose *c, struct pg_conn *conn, const struct report *r, const struct buf *pdf,
        struct buf *out, struct err *err)
{
    char *ca = ca_of(c, conn, r->cms, r->cms_n);
    struct zipfile z;
    int rc;

    zipfile_init(&z, out);
    zipfile_add(&z, "report.json", r->canonical, r->canonical_n);
    zipfile_add(&z, "manifest.json", r->manifest, r->manifest_n);
    zipfile_add(&z, "agreement.json", r->agreement_json, r->agreement_n);
    zipfile_add(&z, "signature.p7s", r->cms, r->cms_n);
    zipfile_add(&z, "signing-ca.pem", ca, strlen(ca));
    zipfile_add(&z, "report.pdf", pdf->bytes, pdf->n);
    rc = add_withdrawal(c, &z, conn, r, ca, err);
    zipfile_end(&z);
    free(ca);
    return rc;
}

int
compose_evidence(struct compose *c, int64_t read, unsigned version, struct buf *out,
                 struct err *err)
{
    struct pg_conn *conn = NULL;
    struct report r = {0};
    struct buf pdf;
    int rc = -1;

    buf_init(&pdf, (size_t)32 << 20);
    if (pg_get(c->pg, &conn, err) < 0 || compose_report_get(conn, read, version, &r, err) < 0 ||
        documents_pdf(&r, true, &pdf, err) < 0 || add_all(c, conn, &r, &pdf, out, err) < 0)
        goto out;
    rc = buf_is_over(out) ? err_set(err, ERR_FATAL, "evidence of %zu bytes", out->n) : 0;
out:
    if (rc < 0)
        err_context(err, "evidence of read %lld", (long long)read);
    report_fini(&r);
    pg_put(&conn);
    buf_fini(&pdf);
    return rc;
}

int
compose_pdf(struct compose *c, int64_t read, unsigned version, struct buf *out, struct err *err)
{
    struct pg_conn *conn = NULL;
    struct report r = {0};
    int rc = -1;

    if (pg_get(c->pg, &conn, err) == 0 && compose_report_get(conn, read, version, &r, err) == 0)
        rc = documents_pdf(&r, true, out, err);
    if (rc < 0)
        err_context(err, "PDF of read %lld", (long long)read);
    report_fini(&r);
    pg_put(&conn);
    return rc;
}
