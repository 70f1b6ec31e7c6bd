/* fuzz_hl7.c - HL7 messages from bytes a peer may send: orders are made of them; every field of
 * every segment is read into a short and a long place, what is read is UTF-8 and, written again,
 * reads the same; an answer to anything is a message. The first byte chooses the profile. */
#include "gateway/desk/his_read.h"
#include "proto/base/log.h"
#include "proto/base/text.h"
#include "proto/hl7/hl7.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t n);

enum { LONG = 4096, FIELDS = 24, SEGMENTS = 32, TEXT = 1 << 20 };

static void
write_again(const char *text)
{
    struct buf first, wire;
    struct hl7_message *m = NULL;
    struct hl7_writer w;
    struct err err;
    char *again = mem_new(2 * LONG);

    buf_init(&first, TEXT);
    buf_init(&wire, TEXT);
    hl7_write_init(&w, &first);
    hl7_put_head(&w, &(struct hl7_head){.code = "ORU", .charset = HL7_UTF8, .version = "2.5.1"});
    hl7_segment(&w, "NTE");
    hl7_put(&w, 3, 1, text);
    hl7_segment_end(&w);
    CHECK(hl7_encode(HL7_UTF8, &first, &wire, &err) == 0);
    CHECK(hl7_parse(wire.bytes, wire.n, NULL, &m, &err) == 0);
    CHECK(hl7_get_of(m, "NTE", 3, 1, again, 2 * LONG));
    CHECK(strcmp(text, "\"\"") == 0 || strcmp(again, text) == 0);
    hl7_free(&m);
    buf_fini(&wire);
    buf_fini(&first);
    free(again);
}

static void
read_all(const struct hl7_message *m)
{
    char small[9], *text = mem_new(LONG);

    for (size_t s = 0; s < hl7_count(m) && s < SEGMENTS; s++) {
        CHECK(strlen(hl7_name(m, s)) == 3);
        for (unsigned f = 1; f < FIELDS; f++)
            for (unsigned r = 1; r <= hl7_repetitions(m, s, f) && r < 4; r++)
                for (unsigned c = 1; c < 4; c++) {
                    (void)hl7_get(m, (struct hl7_at){s, f, r, c, 0}, text, LONG);
                    CHECK(text_is_utf8(text, strlen(text)));
                    (void)hl7_get(m, (struct hl7_at){s, f, r, c, 2}, small, sizeof small);
                    CHECK(text_is_utf8(small, strlen(small)));
                    if (f == 3 && c == 1 && r == 1)
                        write_again(text);
                }
    }
    free(text);
}

/* Whatever an order is made of, its words are UTF-8 and end within their places. */
static void
read_orders(const struct hl7_message *m)
{
    struct order *o = mem_new(sizeof *o);
    struct err err;

    int first = hl7_find(m, "ORC", 0, 0);

    for (int at = first, n = 0; at >= 0 && n < SEGMENTS; n++) {
        int next = hl7_find(m, "ORC", (size_t)at + 1, 0);
        size_t end = next >= 0 ? (size_t)next : hl7_count(m);
        int obr = hl7_find(m, "OBR", (size_t)at, end);
        int further =
            obr >= 0 && (size_t)obr + 1 < end ? hl7_find(m, "OBR", (size_t)obr + 1, end) : -1;
        struct his_group g = {.m = m, .first = (size_t)first, .from = (size_t)at, .end = end};

        if (further >= 0) {
            g.from = (size_t)further;
            g.orc = (size_t)at;
            g.shared_end = (size_t)obr;
        }

        if (his_order_read(&g, o, &err) == 0 && his_schedule_read(&g, o, &err) == 0) {
            CHECK(text_is_utf8(o->name, strlen(o->name)));
            CHECK(text_is_utf8(o->history, strlen(o->history)));
            CHECK(text_is_utf8(o->referring, strlen(o->referring)));
            CHECK(strlen(o->patient_id) < sizeof o->patient_id);
        }
        at = next;
    }
    free(o);
}

int
LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t n)
{
    static const char *const profiles[] = {NULL, "GB18030", "ISO_IR 192", ""};
    struct hl7_message *m = NULL, *answer = NULL;
    struct buf out;
    struct err err;

    log_set_fd(-1);
    if (n == 0)
        return 0;
    if (hl7_parse(bytes + 1, n - 1, profiles[bytes[0] % ARRAY_LEN(profiles)], &m, &err) == 0) {
        read_all(m);
        read_orders(m);
    }
    buf_init(&out, TEXT);
    hl7_write_answer(m, &(struct hl7_answer){.code = "AE", .error = "207", .place = "ORC^1^1"},
                     &out);
    CHECK(hl7_parse(out.bytes, out.n, NULL, &answer, &err) == 0 && hl7_count(answer) == 3);
    hl7_free(&answer);
    hl7_free(&m);
    buf_fini(&out);
    return 0;
}
