/* fuzz_charset - up to the first zero byte what is declared, then a text: what comes out is UTF-8.
 */
#include "proto/base/log.h"
#include "proto/base/text.h"
#include "proto/dicom/charset.h"

#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t n);

int
LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t n)
{
    const uint8_t *end = n > 0 ? memchr(bytes, 0, n) : NULL;
    size_t declared_n = end != NULL ? (size_t)(end - bytes) : 0;
    const uint8_t *text = end != NULL ? end + 1 : bytes;
    size_t text_n = end != NULL ? n - declared_n - 1 : n;

    log_set_fd(-1);
    for (int i = 0; i < 4; i++) {
        struct dcm_charset cs;
        struct buf out;

        buf_init(&out, 1 << 20);
        dcm_charset_begin(&cs, (const char *)bytes, declared_n, i > 1 ? "ISO 2022 IR 58" : NULL);
        dcm_charset_look(&cs, text, text_n);
        dcm_charset_choose(&cs);
        dcm_charset_decode(&cs, text, text_n, i % 2 == 0, &out);
        CHECK(text_is_utf8(buf_text(&out), out.n));
        buf_fini(&out);
    }
    return 0;
}
