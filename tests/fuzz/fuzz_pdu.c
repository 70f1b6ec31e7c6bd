/* fuzz_pdu.c - a hostile stream of PDUs: what a peer may write to the DICOM port, PDU by PDU. */
#include "proto/base/log.h"
#include "proto/dicom/dimse_command.h"
#include "proto/dicom/dimse_pdu.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t n);

static void
check_mended(uint8_t *pdu, size_t n, struct pdu_associate *a)
{
    char called[17], calling[17];
    size_t contexts = a->context_count;
    struct err err;

    memcpy(called, a->called, sizeof called);
    memcpy(calling, a->calling, sizeof calling);
    pdu_associate_mend(pdu, n, a);
    CHECK(pdu_associate_read(pdu, n, a, &err) == 0 && a->context_count == contexts);
    CHECK(strcmp(called, a->called) == 0 && strcmp(calling, a->calling) == 0);
}

static void
look(uint8_t *pdu, size_t n, struct pdu_associate *a)
{
    struct err err;

    if (pdu[0] == PDU_DATA && pdu_data_check(pdu, n, &err) == 0) {
        struct dimse_command command;
        if (n > 12 && dimse_command_read(pdu + 12, n - 12, &command, &err) == 0)
            CHECK(command.field != DIMSE_END);
    }
    if (pdu[0] != PDU_ASSOCIATE_RQ && pdu[0] != PDU_ASSOCIATE_AC)
        return;
    if (pdu_associate_read(pdu, n, a, &err) < 0)
        return;
    CHECK(a->context_count >= 1 && a->context_count <= 128);
    CHECK(a->called[0] != 0 && strlen(a->called) <= 16);
    CHECK(a->calling[0] != 0 && strlen(a->calling) <= 16);
    for (size_t i = 0; i < a->context_count; i++) {
        CHECK(a->contexts[i].id % 2 == 1 && a->contexts[i].syntax_count <= PDU_SYNTAXES);
        CHECK(strlen(a->contexts[i].abstract_syntax) <= 64);
    }
    if (pdu[0] == PDU_ASSOCIATE_RQ)
        check_mended(pdu, n, a);
}

int
LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t n)
{
    struct pdu_associate *a = mem_new(sizeof *a);
    struct err err;
    uint32_t length;

    log_set_fd(-1);
    while (n >= PDU_HEAD_BYTES && pdu_head_check(bytes, 131072, &length, &err) == 0 &&
           length <= n - PDU_HEAD_BYTES) {
        size_t whole = PDU_HEAD_BYTES + (size_t)length;
        uint8_t *exact = mem_new(whole); /* the sanitizer watches its end */
        memcpy(exact, bytes, whole);
        look(exact, whole, a);
        free(exact);
        bytes += whole;
        n -= whole;
    }
    free(a);
    return 0;
}
