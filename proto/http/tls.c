/* tls.c - the server's own certificate and key, and the CA it asks of clients: read at the start,
 * and again when they were replaced.
 * The library keeps what it was started with for all connections. So each connection is given ours
 * before its handshake; what one was given stays until the server ends. */
#include "proto/http/server_parts.h"

#include "proto/base/durable.h"
#include "proto/trust/digest.h"

#include <gnutls/gnutls.h>

#include <stdlib.h>
#include <string.h>

#define PEM_LIMIT 65536

static int
read_pem(const char *path, char **out, struct err *err)
{
    uint8_t *bytes;
    size_t n;

    if (path == NULL)
        return 0;
    if (durable_get_file(path, PEM_LIMIT, &bytes, &n, err) < 0)
        return -1;
    *out = (char *)bytes;
    return 0;
}

static gnutls_datum_t
datum(const char *pem)
{
    return (gnutls_datum_t){(unsigned char *)(uintptr_t)pem, (unsigned)strlen(pem)};
}

static int
make_credentials(struct http_tls *tls, struct err *err)
{
    gnutls_datum_t certificate = datum(tls->certificate), key = datum(tls->key), ca;
    int e;

    if (gnutls_certificate_allocate_credentials(&tls->credentials) < 0)
        return err_set(err, ERR_FATAL, "TLS cannot be set up");
    e = gnutls_certificate_set_x509_key_mem(tls->credentials, &certificate, &key,
                                            GNUTLS_X509_FMT_PEM);
    if (e < 0)
        return err_set(err, ERR_REJECT, "certificate and key do not serve: %s", gnutls_strerror(e));
    if (tls->client_ca == NULL)
        return 0;
    ca = datum(tls->client_ca);
    if (gnutls_certificate_set_x509_trust_mem(tls->credentials, &ca, GNUTLS_X509_FMT_PEM) < 1)
        return err_set(err, ERR_REJECT, "the CA of client certificates cannot be read");
    return 0;
}

static bool
is_same(const struct http_tls *a, const struct http_tls *b)
{
    return strcmp(a->certificate, b->certificate) == 0 && strcmp(a->key, b->key) == 0 &&
           (a->client_ca == NULL || strcmp(a->client_ca, b->client_ca) == 0);
}

int
http_tls_read(const struct http_server *server, const struct http_tls *last, struct http_tls **out,
              struct err *err)
{
    struct http_tls *tls = mem_new(sizeof *tls);
    int rc = -1;

    if (read_pem(server->certificate_file, &tls->certificate, err) < 0 ||
        read_pem(server->key_file, &tls->key, err) < 0 ||
        read_pem(server->client_ca_file, &tls->client_ca, err) < 0)
        goto out;
    if (last != NULL && is_same(tls, last))
        *out = NULL;
    else if (make_credentials(tls, err) < 0)
        goto out;
    else
        *out = TAKE(tls);
    rc = 0;
out:
    http_tls_free(&tls);
    return rc;
}

void
http_tls_free(struct http_tls **tls_at)
{
    struct http_tls *tls = TAKE(*tls_at);

    while (tls != NULL) {
        struct http_tls *older = tls->older;

        if (tls->credentials != NULL)
            gnutls_certificate_free_credentials(tls->credentials);
        if (tls->key != NULL)
            secret_wipe(tls->key, strlen(tls->key));
        free(tls->certificate);
        free(tls->key);
        free(tls->client_ca);
        free(tls);
        tls = older;
    }
}

void
http_tls_show(const struct http_tls *tls, struct MHD_Connection *mhd)
{
    const union MHD_ConnectionInfo *info =
        MHD_get_connection_info(mhd, MHD_CONNECTION_INFO_GNUTLS_SESSION);

    CHECK(info != NULL && info->tls_session != NULL);
    CHECK(gnutls_credentials_set(info->tls_session, GNUTLS_CRD_CERTIFICATE, tls->credentials) == 0);
}
