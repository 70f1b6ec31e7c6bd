/* fuzz_clinic.c - the clinic's messages, slips and citizen numbers from bytes a peer or a person
 * may send. The first byte chooses which; what decodes must encode to something that decodes to the
 * same bytes again. */
#include "proto/base/log.h"
#include "proto/link/clinic.h"
#include "proto/model/citizen_id.h"
#include "proto/model/slip.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t n);

#define AGAIN(name)                                                                                \
    static void name##_again(const uint8_t *bytes, size_t n)                                       \
    {                                                                                              \
        struct clinic_##name first, second;                                                        \
        struct buf a, b;                                                                           \
        struct err err;                                                                            \
                                                                                                   \
        if (clinic_##name##_decode(bytes, n, &first, &err) < 0)                                    \
            return;                                                                                \
        buf_init(&a, 1 << 26);                                                                     \
        buf_init(&b, 1 << 26);                                                                     \
        clinic_##name##_encode(&first, &a);                                                        \
        if (a.n <= CLINIC_BODY_BYTES) {                                                            \
            CHECK(clinic_##name##_decode(a.bytes, a.n, &second, &err) == 0);                       \
            clinic_##name##_encode(&second, &b);                                                   \
            CHECK(a.n == b.n && memcmp(a.bytes, b.bytes, a.n) == 0);                               \
            clinic_##name##_free(&second);                                                         \
        }                                                                                          \
        clinic_##name##_free(&first);                                                              \
        buf_fini(&a);                                                                              \
        buf_fini(&b);                                                                              \
    }

AGAIN(ups)
AGAIN(receipts)
AGAIN(downs)
AGAIN(ids)

/* What is taken can be sent. */
static void
ordered(const uint8_t *bytes, size_t n)
{
    struct clinic_down *order = mem_new(sizeof *order), *again = mem_new(sizeof *again);
    struct err err;
    struct buf json;

    buf_init(&json, 1 << 26);
    if (clinic_order_decode(bytes, n, order, &err) == 0) {
        clinic_id_new(order->id);
        order->at_us = 1;
        clinic_down_encode(order, &json);
        CHECK(json.n > CLINIC_BODY_BYTES ||
              clinic_down_decode(json.bytes, json.n, again, &err) == 0);
    }
    buf_fini(&json);
    free(order);
    free(again);
}

static void
typed(const uint8_t *bytes, size_t n)
{
    char *text = mem_new(n + 1), phone[CLINIC_PHONE_SIZE];
    char slip[SLIP_TEXT_BYTES], again[SLIP_TEXT_BYTES];
    struct citizen_id id, id_again;
    struct err err;

    memcpy(text, bytes, n);
    if (slip_read(text, slip, &err) == 0)
        CHECK(slip_read(slip, again, &err) == 0 && strcmp(slip, again) == 0);
    if (citizen_id_read(text, "", &id) == CITIZEN_ID_FINE)
        CHECK(citizen_id_read(id.text, "", &id_again) == CITIZEN_ID_FINE &&
              strcmp(id.birth, id_again.birth) == 0);
    if (clinic_phone_read(text, phone, &err) == 0)
        CHECK(clinic_phone_read(phone, phone, &err) == 0);
    free(text);
}

int
LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t n)
{
    static void (*const parsers[])(const uint8_t *, size_t) = {
        ups_again, receipts_again, downs_again, ids_again, typed, ordered};

    log_set_fd(-1);
    if (n > 0)
        parsers[bytes[0] % ARRAY_LEN(parsers)](bytes + 1, n - 1);
    return 0;
}
