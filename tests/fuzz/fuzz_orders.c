/* fuzz_orders.c - orders from programs: JSON, lines, tables, in any bytes. */
#include "gateway/desk/orders_json.h"
#include "proto/base/log.h"
#include "proto/base/text.h"

#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t n);

static int
each(void *user, const struct order *order, bool is_cancelled, struct err *err)
{
    unsigned *count = user;

    (void)is_cancelled;
    CHECK(memchr(order->name, '\0', sizeof order->name) != NULL);
    CHECK(memchr(order->placer, '\0', sizeof order->placer) != NULL);
    CHECK(memchr(order->history, '\0', sizeof order->history) != NULL);
    return ++*count % 3 == 0 ? err_set(err, ERR_REJECT, "every third") : 0;
}

int
LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t n)
{
    struct orders_tally tally;
    unsigned count = 0;
    struct err err;

    log_set_fd(-1);
    if (orders_read(bytes, n, "http", each, &count, &tally, &err) == 0)
        CHECK(tally.taken + tally.refused >= count);
    return 0;
}
