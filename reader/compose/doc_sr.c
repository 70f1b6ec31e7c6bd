/* doc_sr.c - a report as Basic Text SR. */
#include "reader/compose/doc.h"

#include "proto/trust/digest.h"

#include <string.h>

void
doc_uid(const void *seed, size_t n, const char *word, char out[DOC_UID_BYTES])
{
    uint8_t hash[DIGEST_BYTES];
    struct digest *d = digest_new();
    char digits[48];
    size_t at = sizeof digits;

    digest_add(d, "radpost document uid", 21);
    digest_add(d, word, strlen(word) + 1);
    digest_add(d, seed, n);
    digest_take(d, hash);
    digest_free(&d);
    /* 128 bits shaped as a name-based UUID (version 8: of our own making), in decimal. */
    hash[6] = (uint8_t)((hash[6] & 0x0F) | 0x80);
    hash[8] = (uint8_t)((hash[8] & 0x3F) | 0x80);
    digits[--at] = '\0';
    for (bool is_zero = false; !is_zero;) {
        unsigned rest = 0;

        is_zero = true;
        for (int i = 0; i < 16; i++) {
            rest = rest << 8 | hash[i];
            hash[i] = (uint8_t)(rest / 10);
            rest %= 10;
            is_zero = is_zero && hash[i] == 0;
        }
        digits[--at] = (char)('0' + rest);
    }
    memcpy(out, "2.25.", 5);
    memcpy(out + 5, digits + at, sizeof digits - at);
}

int
doc_sr(const struct doc_report *report, struct buf *out, struct err *err)
{
    (void)report;
    (void)out;
    return err_set(err, ERR_FATAL, "SR: not built yet");
}
