/* place.c - where the desk may be reached, and with what certificate. */
#include "gateway/desk/place.h"

#include "gateway/desk/desk.h"
#include "proto/base/durable.h"
#include "proto/base/text.h"
#include "proto/trust/ca.h"

#include <arpa/inet.h>
#include <ifaddrs.h>
#include <net/if.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

/* The box runs for years without anybody who could renew it. */
enum { CERTIFICATE_DAYS = 3650, NAMES_MOST = 12 };

bool
place_is_loopback(const char *address)
{
    return strncmp(address, "127.", 4) == 0 || strcmp(address, "::1") == 0;
}

int
place_fingerprint(const char *certificate, char out[96], struct err *err)
{
    struct ca_certificate c;
    size_t n = 0;

    if (ca_read_file(certificate, &c, err) < 0)
        return -1;
    for (size_t i = 0; i < sizeof c.sha256; i++)
        n += (size_t)snprintf(out + n, 96 - n, "%s%02X", i > 0 ? ":" : "", c.sha256[i]);
    return 0;
}

static void
add_name(char names[CA_NAMES_SIZE], const char *name)
{
    size_t n = strlen(names);

    if (name[0] != '\0' && n + strlen(name) + 2 < CA_NAMES_SIZE)
        snprintf(names + n, CA_NAMES_SIZE - n, "%s%s", n > 0 ? "," : "", name);
}

/* Listening everywhere: every address of this machine, as far as they go into a certificate. */
static void
add_addresses(char names[CA_NAMES_SIZE])
{
    struct ifaddrs *list = NULL;
    int count = 0;

    if (getifaddrs(&list) < 0)
        return;
    for (const struct ifaddrs *a = list; a != NULL && count < NAMES_MOST; a = a->ifa_next) {
        char text[INET_ADDRSTRLEN];

        if (a->ifa_addr == NULL || a->ifa_addr->sa_family != AF_INET ||
            (a->ifa_flags & IFF_LOOPBACK) ||
            inet_ntop(AF_INET, &((const struct sockaddr_in *)(const void *)a->ifa_addr)->sin_addr,
                      text, sizeof text) == NULL)
            continue;
        add_name(names, text);
        count++;
    }
    freeifaddrs(list);
}

static void
find_names(const struct desk_options *o, char names[CA_NAMES_SIZE])
{
    names[0] = '\0';
    if (o->hosts != NULL)
        add_name(names, o->hosts);
    if (strcmp(o->address, "0.0.0.0") == 0 || strcmp(o->address, "::") == 0)
        add_addresses(names);
    else
        add_name(names, o->address);
    if (strcmp(o->address, "127.0.0.1") != 0)
        add_name(names, "127.0.0.1");
    add_name(names, "localhost");
}

/* Left alone as long as it names what is due; see ca_make_server(). */
static int
make_own(const struct desk_options *o, struct place *out, struct err *err)
{
    char dir[PATH_MAX], names[CA_NAMES_SIZE];
    struct ca *ca = NULL;
    int rc = -1;

    snprintf(dir, sizeof dir, "%s/tls", o->dir);
    find_names(o, names);
    if (durable_mkdir(o->dir, err) < 0 || ca_create(dir, "Radpost desk", err) < 0 ||
        ca_open(dir, &ca, err) < 0 || ca_make_server(ca, dir, names, CERTIFICATE_DAYS, err) < 0)
        goto out;
    snprintf(out->certificate, sizeof out->certificate, "%.4000s/server.pem", dir);
    snprintf(out->key, sizeof out->key, "%.4000s/server.key", dir);
    rc = 0;
out:
    ca_close(&ca);
    return rc < 0 ? err_context(err, "the desk's certificate") : 0;
}

int
place_find(const struct desk_options *o, struct place *out, struct err *err)
{
    bool has_certificate = o->certificate != NULL && o->certificate[0] != '\0';
    bool has_key = o->key != NULL && o->key[0] != '\0';

    *out = (struct place){0};
    if (!o->is_tls && !place_is_loopback(o->address))
        return err_set(err, ERR_REJECT,
                       "desk_address %s: the desk's page shows patients' names, so beyond this "
                       "machine it is served over TLS only: set desk_tls = yes; or keep it on "
                       "127.0.0.1 and let a proxy of yours stand before it (desk_hosts)",
                       o->address);
    if (has_certificate != has_key)
        return err_set(err, ERR_REJECT, "desk_certificate and desk_key: one without the other");
    if (!o->is_tls)
        return 0;
    if (has_certificate) {
        text_copy(out->certificate, sizeof out->certificate, o->certificate);
        text_copy(out->key, sizeof out->key, o->key);
    } else if (make_own(o, out, err) < 0) {
        return -1;
    }
    return place_fingerprint(out->certificate, out->fingerprint, err);
}
