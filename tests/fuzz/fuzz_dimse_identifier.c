/* fuzz_dimse_identifier.c - hostile C-FIND, C-MOVE and C-GET identifiers in both codings. */
#include "proto/base/log.h"
#include "proto/dicom/dimse_identifier.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t n);

int
LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t n)
{
    static const enum dcm_coding codings[] = {DCM_IMPLICIT_LE, DCM_EXPLICIT_LE};

    log_set_fd(-1);
    for (size_t c = 0; c < ARRAY_LEN(codings); c++) {
        struct dimse_identifier id;
        struct err err;
        char(*uids)[65];

        if (dimse_identifier_read(bytes, n, codings[c], &id, &err) < 0)
            continue;
        CHECK(id.n <= DIMSE_KEYS);
        for (size_t i = 0; i < id.n; i++)
            CHECK(id.keys[i].value != NULL);
        size_t count = dimse_uid_list(dimse_identifier_value(&id, TAG_STUDY_UID), &uids);
        for (size_t i = 0; i < count; i++)
            CHECK(strlen(uids[i]) >= 1 && strlen(uids[i]) <= 64);
        free(uids);
        dimse_identifier_fini(&id);
    }
    return 0;
}
