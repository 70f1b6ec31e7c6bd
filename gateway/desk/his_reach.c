/* his_reach.c - a stream to the clinic's HIS. */
#include "gateway/desk/his_reach.h"

#include "proto/hl7/mllp.h"
#include "proto/trust/tls_call.h"

#include <fcntl.h>
#include <unistd.h>

static bool
has_text(const char *text)
{
    return text != NULL && text[0] != '\0';
}

static int
shake_hands(const struct tls_call_options *o, int fd, struct his_reached *r, struct err *err)
{
    int flags;

    if (tls_call_new(o, &r->call, err) < 0) {
        close(fd);
        return -1;
    }
    if (tls_call_wrap(r->call, fd, &r->fd, err) < 0) {
        r->fd = -1;
        return -1;
    }
    flags = fcntl(r->fd, F_GETFL);
    if (flags < 0 || fcntl(r->fd, F_SETFL, flags | O_NONBLOCK) < 0)
        return err_sys(err, ERR_RETRY, "HL7 over TLS");
    return 0;
}

int
his_reach(const struct his_settings *s, const char *host, uint16_t port, int64_t limit_ms,
          struct his_reached *out, struct err *err)
{
    const struct tls_call_options o = {.host = host,
                                       .ca = s->hl7_tls_ca,
                                       .pin = s->hl7_tls_pin,
                                       .certificate = s->hl7_tls_certificate,
                                       .key = s->hl7_tls_key,
                                       .handshake_ms = limit_ms};
    struct his_reached r = {.fd = -1};
    int fd = -1;

    if (mllp_connect(host, port, limit_ms, &fd, err) < 0)
        return -1;
    if (!has_text(o.ca) && !has_text(o.pin)) {
        r.fd = fd;
    } else if (shake_hands(&o, fd, &r, err) < 0) {
        his_leave(&r, NULL);
        return err_context(err, "HL7 over TLS");
    }
    *out = r;
    return 0;
}

void
his_leave(struct his_reached *reached, struct err *why)
{
    struct err unheard;

    if (reached->fd >= 0)
        close(reached->fd);
    reached->fd = -1;
    if (tls_call_end(&reached->call, why != NULL ? why : &unheard) < 0 && why != NULL)
        err_context(why, "HL7 over TLS");
}
