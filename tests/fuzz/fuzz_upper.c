/* fuzz_upper.c - what a peer writes into an association, through DCMTK's upper layer: the PDVs that
 * come out are those of a plain walk over the stream, whatever stands in it, until one of them ends
 * it. */
#include "proto/base/log.h"
#include "proto/dicom/dcmtk/upper.h"
#include "proto/dicom/dimse_pdu.h"

#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t n);

/* Verification, implicit little endian. */
static const uint8_t request[] = "\1\0\0\0\0\x9b\0\1\0\0ANY             FUZZ            "
                                 "\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0"
                                 "\x10\0\0\x15"
                                 "1.2.840.10008.3.1.1.1"
                                 "\x20\0\0\x2e\1\0\0\0\x30\0\0\x11"
                                 "1.2.840.10008.1.1"
                                 "\x40\0\0\x11"
                                 "1.2.840.10008.1.2"
                                 "\x50\0\0\x08\x51\0\0\4\0\0\x40\0";
static const struct upper_limits limits = {1000, 1000, 1000, 16384};

struct walk {
    const uint8_t *bytes;
    size_t at, n, pdu_end;
};

/* Stands it before a PDV of a data PDU that is whole and good? */
static bool
walk_has_pdv(struct walk *w)
{
    struct err err;
    uint32_t length;

    if (w->at < w->pdu_end)
        return true;
    if (w->n - w->at < PDU_HEAD_BYTES || w->bytes[w->at] != PDU_DATA ||
        pdu_head_check(w->bytes + w->at, limits.pdu_bytes, &length, &err) < 0 ||
        length > w->n - w->at - PDU_HEAD_BYTES ||
        pdu_data_check(w->bytes + w->at, PDU_HEAD_BYTES + (size_t)length, &err) < 0)
        return false;
    w->at += PDU_HEAD_BYTES;
    w->pdu_end = w->at + length;
    return true;
}

static void
check_pdv(struct walk *w, const struct upper_pdv *pdv)
{
    CHECK(walk_has_pdv(w));
    const uint8_t *own = w->bytes + w->at;
    CHECK(pdv->n == pdu_pdv_bytes(own) - 6 && pdv->context == own[4]);
    CHECK(pdv->is_command == ((own[5] & 1) != 0) && pdv->is_last == ((own[5] & 2) != 0));
    CHECK(memcmp(pdv->bytes, own + 6, pdv->n) == 0);
    w->at += pdu_pdv_bytes(own);
}

static struct upper_assoc *
associate(int fd)
{
    static const struct upper_identity identity = {"1.2.3", "FUZZED"};
    static const struct upper_answer answer = {.context = 1,
                                               .transfer_syntax = "1.2.840.10008.1.2"};
    struct upper_assoc *assoc = NULL;
    struct err err;

    CHECK(upper_receive(fd, request, sizeof request - 1, &limits, &assoc, &err) == 0);
    CHECK(upper_accept(assoc, &identity, &answer, 1, &err) == 0);
    return assoc;
}

int
LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t n)
{
    struct upper_pdv pdv;
    enum upper_end end;
    struct err err;
    int pair[2];

    log_set_fd(-1);
    CHECK(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair) == 0);
    struct upper_assoc *assoc = associate(pair[1]);
    ssize_t sent = n > 0 ? send(pair[0], bytes, n, MSG_DONTWAIT) : 0;
    CHECK(sent >= 0 && shutdown(pair[0], SHUT_WR) == 0);
    struct walk walk = {.bytes = bytes, .n = (size_t)sent};
    while (upper_next_pdv(assoc, limits.idle_ms, &pdv, &end, &err) == 0)
        check_pdv(&walk, &pdv);
    CHECK(end != UPPER_OPEN && end != UPPER_LATE && !walk_has_pdv(&walk));
    upper_free(&assoc);
    close(pair[0]);
    return 0;
}
