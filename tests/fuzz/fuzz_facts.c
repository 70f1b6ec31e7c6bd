/* fuzz_facts - facts of a file, whole and as a prefix, with and without a device's profile. */
#include "proto/base/log.h"
#include "proto/base/text.h"
#include "proto/dicom/facts.h"

#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t n);

int
LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t n)
{
    static struct dcm_facts facts;
    struct err err;

    log_set_fd(-1);
    for (int i = 0; i < 3; i++) {
        if (dcm_facts_read_as(bytes, n, i == 1, i == 2 ? "GB18030" : NULL, &facts, &err) < 0)
            continue;
        CHECK(text_is_utf8(facts.patient_name, strlen(facts.patient_name)));
        CHECK(text_is_utf8(facts.study_description, strlen(facts.study_description)));
        CHECK(text_is_utf8(facts.institution, strlen(facts.institution)));
        CHECK(uid_is_valid(facts.sop_instance, true));
        CHECK(i == 1 || uid_is_valid(facts.study_uid, true));
        CHECK(i == 1 || uid_is_valid(facts.series_uid, true));
    }
    return 0;
}
