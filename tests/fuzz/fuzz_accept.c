/* fuzz_accept.c - hostile Accept headers: read, and the choice stays among the offers. */
#include "storage/serve/negotiate.h"

#include "proto/base/log.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t n);

int
LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t n)
{
    static const struct media_offer offers[] = {
        {"application/dicom", "1.2.840.10008.1.2.4.90", true, false},
        {"application/dicom", "1.2.840.10008.1.2.1", true, true},
        {"application/octet-stream", "1.2.840.10008.1.2.1", false, true},
        {"image/jpeg", NULL, false, true},
    };
    char *text = mem_new(n + 1);
    struct media_list list;
    struct err err;

    log_set_fd(-1);
    memcpy(text, bytes, n);
    if (media_list_read(text, NULL, &list, &err) == 0) {
        CHECK(list.n >= 1 && list.n <= NEGOTIATE_RANGES);
        for (size_t i = 0; i < list.n; i++)
            CHECK(list.ranges[i].q_milli >= 0 && list.ranges[i].q_milli <= 1000);
        CHECK(media_choose(&list, offers, ARRAY_LEN(offers)) < (int)ARRAY_LEN(offers));
    }
    free(text);
    return 0;
}
