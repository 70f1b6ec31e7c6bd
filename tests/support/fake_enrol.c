/* fake_enrol.c - see fake_enrol.h. */
#include "tests/support/fake_enrol.h"

#include "proto/base/text.h"

static int
burn(void *user, const uint8_t code[DIGEST_BYTES], const uint8_t key[DIGEST_BYTES],
     struct ca_subject *out, struct err *err)
{
    (void)user, (void)code, (void)key, (void)err;
    *out = (struct ca_subject){.tenant = ""};
    text_copy(out->tenant, sizeof out->tenant, "T1");
    text_copy(out->device, sizeof out->device, "g1");
    text_copy(out->kind, sizeof out->kind, "gateway");
    return 0;
}

static int
issued(void *user, const struct ca_certificate *certificate, bool is_renewal, const char *peer,
       struct err *err)
{
    (void)user, (void)certificate, (void)is_renewal, (void)peer, (void)err;
    return 0;
}

void
fake_enrol_init(struct enrol_server *out, struct ca *ca, const char *const *addresses)
{
    *out = (struct enrol_server){.ca = ca, .addresses = addresses, .burn = burn, .issued = issued};
}
