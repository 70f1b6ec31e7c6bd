/* fuzz_link_offer.c - every JSON document of the link, from bytes a peer may send. The first byte
 * chooses which; what decodes must encode and decode again. */
#include "proto/base/log.h"
#include "proto/link/link.h"

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t n);

static void
offer_again(const uint8_t *bytes, size_t n)
{
    struct link_offer offer;
    struct err err;
    struct buf b;

    if (link_offer_decode(bytes, n, &offer, &err) < 0)
        return;
    buf_init(&b, 1 << 26);
    link_offer_encode(&offer, &b);
    link_offer_free(&offer);
    CHECK(link_offer_decode(b.bytes, b.n, &offer, &err) == 0);
    link_offer_free(&offer);
    buf_fini(&b);
}

static void
answer_again(const uint8_t *bytes, size_t n)
{
    struct link_answer answer;
    struct err err;
    struct buf b;

    if (link_answer_decode(bytes, n, &answer, &err) < 0)
        return;
    buf_init(&b, 1 << 26);
    link_answer_encode(&answer, &b);
    link_answer_free(&answer);
    CHECK(link_answer_decode(b.bytes, b.n, &answer, &err) == 0);
    link_answer_free(&answer);
    buf_fini(&b);
}

static void
ping_again(const struct link_ping *ping)
{
    struct link_ping again;
    struct err err = {0};
    struct buf text;

    buf_init(&text, 1 << 20);
    link_ping_encode(ping, &text);
    CHECK(link_ping_decode(text.bytes, text.n, &again, &err) == 0);
    CHECK(again.now_us == ping->now_us && again.policy.quiet_ms == ping->policy.quiet_ms &&
          again.policy.rates_n == ping->policy.rates_n);
    buf_fini(&text);
}

int
LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t n)
{
    struct link_manifest manifest;
    struct link_receipts receipts;
    struct link_ping ping;
    struct err err;

    log_set_fd(-1);
    if (n == 0)
        return 0;
    switch (bytes[0] % 5) {
    case 0:
        offer_again(bytes + 1, n - 1);
        break;
    case 1:
        answer_again(bytes + 1, n - 1);
        break;
    case 2:
        if (link_manifest_decode(bytes + 1, n - 1, &manifest, &err) == 0)
            link_manifest_free(&manifest);
        break;
    case 3:
        if (link_receipts_decode(bytes + 1, n - 1, &receipts, &err) == 0)
            link_receipts_free(&receipts);
        break;
    default:
        if (link_ping_decode(bytes + 1, n - 1, &ping, &err) == 0)
            ping_again(&ping);
        break;
    }
    return 0;
}
