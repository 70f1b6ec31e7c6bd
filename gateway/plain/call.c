/* call.c - an association with a target, over TLS where it asks for that. */
#include "gateway/plain/parts.h"

#include "proto/dicom/dimse.h"
#include "proto/trust/tls_call.h"

static int
wrap(void *user, int fd, int *out_fd, struct err *err)
{
    return tls_call_wrap(user, fd, out_fd, err);
}

int
plain_associate(struct talk *t, const struct target_entity *to,
                const struct dimse_proposal *proposals, size_t n, struct dimse_assoc **out,
                struct err *err)
{
    const struct target *conf = t->way->conf;
    struct tls_call_options tls = {.host = to->host,
                                   .ca = conf->ca,
                                   .pin = conf->pin,
                                   .certificate = conf->certificate,
                                   .key = conf->key};
    struct dimse_connect_options options = {.host = to->host,
                                            .port = to->port,
                                            .called = to->ae,
                                            .calling =
                                                conf->as[0] != '\0' ? conf->as : t->way->plain->ae};

    if (conf->is_tls && tls_call_new(&tls, &t->tls, err) < 0)
        return -1;
    if (conf->is_tls) {
        options.secure = wrap;
        options.secure_user = t->tls;
    }
    if (dimse_connect(&options, proposals, n, out, err) < 0) {
        struct err why;

        if (tls_call_end(&t->tls, &why) < 0)
            return err_set(err, err->kind, "%s", why.text);
        return -1;
    }
    talk_set_assoc(t, *out);
    return 0;
}

void
plain_hang_up(struct talk *t, struct dimse_assoc **assoc, bool is_in_order)
{
    struct err end = {0};

    talk_set_assoc(t, NULL);
    if (*assoc != NULL && is_in_order && dimse_release(assoc, &end) < 0)
        err_clear(&end); /* everything was answered before */
    dimse_abort(assoc);
    tls_call_free(&t->tls);
}
