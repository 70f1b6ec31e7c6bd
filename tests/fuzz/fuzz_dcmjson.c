/* fuzz_dcmjson - DICOM JSON of a file, and bulk values by the paths it gave out; RLE frames beside.
 */
#include "proto/base/log.h"
#include "proto/base/text.h"
#include "proto/dicom/dcmjson.h"
#include "proto/dicom/rle.h"

#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t n);

static void
write_json(const uint8_t *bytes, size_t n, const struct dcm_json_options *options)
{
    const uint8_t *value;
    struct jsonw w;
    struct buf out;
    struct err err;
    size_t value_n;

    buf_init(&out, 1 << 22);
    jsonw_init(&w, &out);
    if (dcm_json_write(bytes, n, options, &w, &err) == 0) {
        const char *at = buf_text(&out);

        CHECK(text_is_utf8(at, out.n));
        for (int i = 0; i < 4 && (at = strstr(at, "\"BulkDataURI\":\"/b/")) != NULL; i++) {
            char path[600];
            size_t k = 0;

            for (at += 18; *at != '"' && *at != '\0' && k < sizeof path - 1; at++)
                path[k++] = *at;
            path[k] = '\0';
            if (dcm_json_bulk(bytes, n, path, &value, &value_n, &err) == 0)
                CHECK(value >= bytes && value_n <= n && value <= bytes + n - value_n);
        }
    }
    buf_fini(&out);
}

int
LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t n)
{
    static const struct dcm_json_options rows[] = {
        {.bulk_prefix = "/b", .inline_bytes = 16, .study = "1.2", .series = "1.2.1"},
        {.inline_bytes = 1 << 16,
         .profile = "GB18030",
         .is_prefix = true,
         .transfer_syntax = "1.2.3"}};
    struct buf frame;
    struct err err;

    log_set_fd(-1);
    for (size_t i = 0; i < ARRAY_LEN(rows); i++)
        write_json(bytes, n, &rows[i]);
    buf_init(&frame, 1 << 16);
    (void)!dcm_rle_decode(bytes, n, 64, n % 3 + 1, n / 3 % 2 + 1, &frame, &err);
    buf_fini(&frame);
    return 0;
}
