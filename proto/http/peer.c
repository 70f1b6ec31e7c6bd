/* peer.c - who is at the other end of a TLS connection.
 * The library only asks for a client certificate; that it comes from our CA, is in its time and is
 * meant for clients is checked here, before anything else of a request. */
#include "proto/http/server_parts.h"

#include "proto/base/clock.h"
#include "proto/base/text.h"

#include <gnutls/gnutls.h>
#include <gnutls/x509.h>

#include <string.h>
#include <sys/socket.h>

struct reason {
    unsigned status;
    const char *words;
};

static const struct reason reasons[] = {
    {GNUTLS_CERT_EXPIRED, "The certificate's time is over."},
    {GNUTLS_CERT_NOT_ACTIVATED, "The certificate's time has not begun; is a clock wrong?"},
    {GNUTLS_CERT_SIGNER_NOT_FOUND, "The certificate is not signed by this centre's authority."},
    {GNUTLS_CERT_SIGNATURE_FAILURE, "The certificate is not signed by this centre's authority."},
    {GNUTLS_CERT_PURPOSE_MISMATCH, "The certificate is not meant for clients."},
};

static const char *
words_of(unsigned status)
{
    for (size_t i = 0; i < ARRAY_LEN(reasons); i++)
        if (status & reasons[i].status)
            return reasons[i].words;
    return "The certificate is not valid.";
}

/* A part of the subject that occurs exactly once. */
static int
read_part(gnutls_x509_crt_t crt, const char *oid, char *out, size_t size)
{
    size_t n = size;
    char twice[8];
    size_t twice_n = sizeof twice;

    if (gnutls_x509_crt_get_dn_by_oid(crt, oid, 0, 0, out, &n) < 0 || strlen(out) != n)
        return -1;
    return gnutls_x509_crt_get_dn_by_oid(crt, oid, 1, 0, twice, &twice_n) ==
                   GNUTLS_E_REQUESTED_DATA_NOT_AVAILABLE
               ? 0
               : -1;
}

static int
read_subject(gnutls_x509_crt_t crt, struct http_caller *out)
{
    char kind[17];
    uint8_t serial[32];
    size_t n = sizeof serial;

    if (read_part(crt, GNUTLS_OID_X520_ORGANIZATION_NAME, out->tenant, sizeof out->tenant) < 0 ||
        read_part(crt, GNUTLS_OID_X520_COMMON_NAME, out->device, sizeof out->device) < 0 ||
        read_part(crt, GNUTLS_OID_X520_ORGANIZATIONAL_UNIT_NAME, kind, sizeof kind) < 0 ||
        gnutls_x509_crt_get_serial(crt, serial, &n) < 0)
        return -1;
    if (strcmp(kind, "gateway") == 0)
        out->kind = HTTP_GATEWAY;
    else if (strcmp(kind, "reader") == 0)
        out->kind = HTTP_READER;
    else
        return -1;
    hex_encode(serial, n, out->serial_hex);
    out->not_after_us = (int64_t)gnutls_x509_crt_get_expiration_time(crt) * 1000000;
    return 0;
}

static void
read_certificate(struct http_conn *conn, const gnutls_datum_t *der)
{
    gnutls_x509_crt_t crt;

    conn->peer_state = HTTP_PEER_BAD;
    conn->peer_words = "The certificate does not name a tenant, a device and its kind.";
    if (gnutls_x509_crt_init(&crt) < 0)
        return;
    if (gnutls_x509_crt_import(crt, der, GNUTLS_X509_FMT_DER) == 0 &&
        read_subject(crt, &conn->certificate) == 0)
        conn->peer_state = HTTP_PEER_GOOD;
    gnutls_x509_crt_deinit(crt);
}

void
http_peer_settle(struct http_conn *conn, struct MHD_Connection *mhd)
{
    const union MHD_ConnectionInfo *info;
    const gnutls_datum_t *list;
    gnutls_typed_vdata_st purpose = {GNUTLS_DT_KEY_PURPOSE_OID, NULL, 0};
    unsigned n = 0, status = 0;

    if (conn->peer_state == HTTP_PEER_GOOD && clock_wall_us() > conn->certificate.not_after_us) {
        conn->peer_state = HTTP_PEER_BAD; /* its time ended while the connection was kept */
        conn->peer_words = words_of(GNUTLS_CERT_EXPIRED);
    }
    if (conn->peer_state != HTTP_PEER_UNSEEN)
        return;
    conn->peer_state = HTTP_PEER_NONE;
    info = MHD_get_connection_info(mhd, MHD_CONNECTION_INFO_GNUTLS_SESSION);
    if (info == NULL || info->tls_session == NULL)
        return;
    list = gnutls_certificate_get_peers(info->tls_session, &n);
    if (list == NULL || n == 0)
        return;
    purpose.data = (unsigned char *)(uintptr_t)GNUTLS_KP_TLS_WWW_CLIENT;
    if (gnutls_certificate_verify_peers(info->tls_session, &purpose, 1, &status) < 0 ||
        status != 0) {
        conn->peer_state = HTTP_PEER_BAD;
        conn->peer_words = words_of(status);
        return;
    }
    read_certificate(conn, &list[0]);
}

void
http_peer_send(struct MHD_Connection *mhd, int fd, const char *bytes, size_t n)
{
    const union MHD_ConnectionInfo *info =
        MHD_get_connection_info(mhd, MHD_CONNECTION_INFO_GNUTLS_SESSION);
    ssize_t k;

    /* A peer that does not take these few bytes at once gets none. */
    if (info != NULL && info->tls_session != NULL)
        k = gnutls_record_send(info->tls_session, bytes, n);
    else
        k = send(fd, bytes, n, MSG_NOSIGNAL | MSG_DONTWAIT);
    (void)k;
}
