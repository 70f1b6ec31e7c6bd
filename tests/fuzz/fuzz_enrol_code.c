/* fuzz_enrol_code.c - codes, tokens and rights as people and programs type them. */
#include "proto/base/log.h"
#include "proto/trust/token.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t n);

int
LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t n)
{
    char *text = mem_new(n + 1), words[128];
    uint8_t pin[CODE_PIN_BYTES], sha256[DIGEST_BYTES], again[DIGEST_BYTES];
    unsigned rights, same;
    struct err err;

    log_set_fd(-1);
    memcpy(text, bytes, n);
    if (code_read(text, pin, sha256, &err) == 0)
        CHECK(code_read(text, pin, again, &err) == 0 && memcmp(sha256, again, DIGEST_BYTES) == 0);
    else
        CHECK(err.kind == ERR_REJECT);
    if (token_digest(text, sha256, &err) == 0)
        CHECK(strlen(text) == TOKEN_TEXT_BYTES - 2);
    if (rights_parse(text, &rights, &err) == 0) {
        rights_text(rights, words);
        CHECK(rights_parse(words, &same, &err) == 0 && same == rights);
    }
    free(text);
    return 0;
}
