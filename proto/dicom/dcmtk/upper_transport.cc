/* upper_transport.cc - whole PDUs in and out of a socket, under deadlines.
 * Invariants: bytes reach DCMTK only from a PDU that is whole and passed dimse_pdu.h; a data PDU
 * reaches it as so many PDUs of one PDV; a PDU leaves in one write; after the first failure nothing
 * more is read or written. */
#include "proto/dicom/dcmtk/upper_transport.hpp"

extern "C" {
#include "proto/base/clock.h"
#include "proto/base/limits.h"
#include "proto/dicom/dimse_pdu.h"
}

#include <dcmtk/dcmnet/cond.h>

#include <cerrno>
#include <cstdio>
#include <cstring>
#include <memory>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <stdexcept>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>

/* Room beside the PDU that is awaited: for what comes with it. */
static const size_t BESIDE_BYTES = 16384;

bool
upper_wire::fail(upper_end how, const char *text)
{
    if (end == UPPER_OPEN) {
        end = how;
        snprintf(why, sizeof why, "%s", text);
        if (how == UPPER_BROKEN || how == UPPER_LATE) {
            /* PS3.8 9.3.8: source 2 provider, reason 6 invalid parameter; source 0 user */
            const uint8_t source = how == UPPER_BROKEN ? 2 : 0;
            const uint8_t reason = how == UPPER_BROKEN ? 6 : 0;
            const uint8_t abort_pdu[10] = {PDU_ABORT, 0, 0, 0, 0, 4, 0, 0, source, reason};
            if (::send(fd, abort_pdu, sizeof abort_pdu, MSG_DONTWAIT | MSG_NOSIGNAL) < 0)
                end = UPPER_CLOSED;
        }
    }
    return false;
}

/* Wait until the socket is ready; false when the deadline passed. */
static bool
wait_ready(int fd, short what, int64_t deadline_ms)
{
    for (;;) {
        int64_t left = deadline_ms - clock_mono_ms();
        struct pollfd p = {fd, what, 0};
        if (left <= 0)
            return false;
        int n = poll(&p, 1, left > 60000 ? 60000 : (int)left);
        if (n > 0)
            return true;
        if (n < 0 && errno != EINTR)
            return true; /* the read or write will say what is wrong */
    }
}

bool
upper_wire::receive_some(int64_t deadline_ms)
{
    int one = 1;

    if (fd < 0)
        return fail(UPPER_CLOSED, "connection is closed");
    for (;;) {
        (void)setsockopt(fd, IPPROTO_TCP, TCP_QUICKACK, &one, sizeof one);
        ssize_t n = recv(fd, in.get() + to, room - to, MSG_DONTWAIT);
        if (n > 0) {
            to += (size_t)n;
            return true;
        }
        if (n == 0)
            return fail(UPPER_CLOSED, "peer closed the connection");
        if (errno == EINTR)
            continue;
        if (errno != EAGAIN)
            return fail(UPPER_CLOSED, strerror(errno));
        if (!wait_ready(fd, POLLIN, deadline_ms))
            return fail(UPPER_LATE, to > from ? "PDU not whole within its deadline"
                                              : "silent until the deadline");
    }
}

/* Memory is touched only as far as it is needed: most associations are small. */
void
upper_wire::make_room(size_t wanted)
{
    if (room - from >= wanted + BESIDE_BYTES)
        return;
    std::unique_ptr<uint8_t[]> grown;
    size_t grown_room = room;
    if (grown_room < wanted + BESIDE_BYTES) {
        grown_room = wanted + BESIDE_BYTES;
        grown.reset(new uint8_t[grown_room]);
    }
    uint8_t *target = grown ? grown.get() : in.get();
    if (to > from)
        memmove(target, in.get() + from, to - from);
    if (grown)
        in = std::move(grown);
    room = grown_room;
    to -= from;
    from = 0;
}

void
upper_wire::put_back(const uint8_t *pdu, size_t n)
{
    make_room(n);
    memcpy(in.get(), pdu, n);
    to = whole = n;
}

bool
upper_wire::receive(size_t wanted, int64_t deadline_ms)
{
    make_room(wanted);
    while (to - from < wanted)
        if (!receive_some(deadline_ms))
            return false;
    return true;
}

/* Have a whole PDU at the front, looked at. */
bool
upper_wire::next_pdu()
{
    struct err err = {};
    uint32_t length = 0;

    if (from == to && !receive(1, clock_mono_ms() + wait_ms))
        return false;
    int64_t deadline = clock_mono_ms() + limits.pdu_ms;
    if (!receive(PDU_HEAD_BYTES, deadline))
        return false;
    if (pdu_head_check(in.get() + from, limits.pdu_bytes, &length, &err) < 0)
        return fail(UPPER_BROKEN, err.text);
    size_t n = PDU_HEAD_BYTES + (size_t)length;
    if (!receive(n, deadline))
        return false;
    const uint8_t *pdu = in.get() + from;
    if (pdu[0] == PDU_DATA && pdu_data_check(pdu, n, &err) < 0)
        return fail(UPPER_BROKEN, err.text);
    if (pdu[0] == PDU_ASSOCIATE_RQ || pdu[0] == PDU_ASSOCIATE_AC) {
        std::unique_ptr<pdu_associate> parsed(new pdu_associate);
        if (pdu_associate_read(pdu, n, parsed.get(), &err) < 0)
            return fail(UPPER_BROKEN, err.text);
    }
    whole = n;
    if (pdu[0] == PDU_DATA) {
        from += PDU_HEAD_BYTES;
        rest = length;
        make_pdu_of_pdv();
    }
    return true;
}

/* The PDV at the front of `rest` becomes a PDU of its own: DUL_NextPDV finds the third and later
 * PDVs of a PDU at the wrong place, so DCMTK is never given two. The head takes the place of six
 * bytes that are behind us: the PDU's own head, or the end of the PDV that was handed on before (of
 * six bytes at least). */
void
upper_wire::make_pdu_of_pdv()
{
    size_t n = pdu_pdv_bytes(in.get() + from);
    const uint8_t head[PDU_HEAD_BYTES] = {
        PDU_DATA, 0, (uint8_t)(n >> 24), (uint8_t)(n >> 16), (uint8_t)(n >> 8), (uint8_t)n};

    CHECK(from >= PDU_HEAD_BYTES && n <= rest);
    from -= PDU_HEAD_BYTES;
    memcpy(in.get() + from, head, sizeof head);
    whole = PDU_HEAD_BYTES + n;
    rest -= n;
}

ssize_t
upper_wire::read(void *bytes, size_t n)
{
    if (end == UPPER_OPEN && whole == 0 && rest > 0)
        make_pdu_of_pdv();
    if (end != UPPER_OPEN || (whole == 0 && !next_pdu()))
        return end == UPPER_CLOSED ? 0 : -1;
    if (n > whole)
        n = whole;
    memcpy(bytes, in.get() + from, n);
    from += n;
    whole -= n;
    if (from == to)
        from = to = 0;
    return (ssize_t)n;
}

bool
upper_wire::has_input()
{
    struct pollfd p = {fd, POLLIN, 0};

    return from < to || fd < 0 || poll(&p, 1, 0) > 0;
}

upper_wire::upper_wire() : wake_fd(eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK))
{
    if (wake_fd < 0)
        throw std::runtime_error("no eventfd");
}

upper_wire::~upper_wire()
{
    if (wake_fd >= 0)
        (void)::close(wake_fd);
}

void
upper_wire::wake()
{
    uint64_t one = 1;

    CHECK(::write(wake_fd, &one, sizeof one) == sizeof one || errno == EAGAIN);
}

bool
upper_wire::wait(int64_t idle_ms, bool *out_is_woken)
{
    int64_t deadline = clock_mono_ms() + idle_ms;
    uint64_t count;

    *out_is_woken = false;
    for (;;) {
        int64_t left = from < to || fd < 0 ? 0 : deadline - clock_mono_ms();
        struct pollfd p[2] = {{wake_fd, POLLIN, 0}, {fd, POLLIN, 0}};
        int n = poll(p, 2, left > 60000 ? 60000 : left > 0 ? (int)left : 0);
        if (n < 0)
            CHECK(errno == EINTR || errno == ENOMEM);
        *out_is_woken =
            n > 0 && p[0].revents != 0 && ::read(wake_fd, &count, sizeof count) == sizeof count;
        if (*out_is_woken || (n > 0 && p[1].revents != 0) || from < to || fd < 0)
            return true;
        if (clock_mono_ms() >= deadline)
            return fail(UPPER_LATE, "silent until the deadline");
    }
}

bool
upper_wire::flush()
{
    int64_t deadline = clock_mono_ms() + limits.pdu_ms;
    size_t at = 0;

    while (at < out.size()) {
        ssize_t n =
            fd < 0 ? -1 : ::send(fd, out.data() + at, out.size() - at, MSG_DONTWAIT | MSG_NOSIGNAL);
        if (n > 0) {
            at += (size_t)n;
        } else if (fd < 0 || (errno != EAGAIN && errno != EINTR)) {
            return fail(UPPER_CLOSED, fd < 0 ? "connection is closed" : strerror(errno));
        } else if (errno == EAGAIN && !wait_ready(fd, POLLOUT, deadline)) {
            return fail(UPPER_LATE, "peer does not read");
        }
    }
    out.clear();
    return true;
}

/* DCMTK hands over a PDU's head and body one after the other; they leave together. */
ssize_t
upper_wire::write(const void *bytes, size_t n)
{
    const uint8_t *p = (const uint8_t *)bytes;

    if (end != UPPER_OPEN)
        return -1;
    out.insert(out.end(), p, p + n);
    if (out.size() < PDU_HEAD_BYTES)
        return (ssize_t)n;
    size_t body = (size_t)out[2] << 24 | (size_t)out[3] << 16 | (size_t)out[4] << 8 | out[5];
    if (out.size() < PDU_HEAD_BYTES + body)
        return (ssize_t)n;
    return flush() ? (ssize_t)n : -1;
}

void
upper_wire::shut()
{
    std::lock_guard<std::mutex> guard(lock);
    if (fd >= 0)
        (void)shutdown(fd, SHUT_RDWR);
}

void
upper_wire::close()
{
    std::lock_guard<std::mutex> guard(lock);
    if (fd >= 0)
        (void)::close(fd);
    fd = -1;
}

bool
upper_wire::make_secure()
{
    int raw, made = -1;

    {
        std::lock_guard<std::mutex> guard(lock);
        raw = fd;
        fd = -1; /* another's from now on */
    }
    if (secure.wrap(secure.user, raw, &made, &secure_err) < 0)
        return fail(UPPER_CLOSED, secure_err.text);
    std::lock_guard<std::mutex> guard(lock);
    fd = made;
    return true;
}

UpperConnection::UpperConnection(DcmNativeSocketType fd, upper_wire *wire_of_assoc)
    : DcmTransportConnection(fd), wire(wire_of_assoc)
{
    int one = 1;

    wire->fd = fd;
    (void)setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
}

UpperConnection::~UpperConnection()
{
    wire->close();
}

OFCondition
UpperConnection::serverSideHandshake()
{
    return EC_Normal;
}

OFCondition
UpperConnection::clientSideHandshake()
{
    if (!wire->secure.wrap)
        return EC_Normal;
    bool is_secure = wire->make_secure();
    setSocket(wire->fd);
    return is_secure ? EC_Normal : DUL_NETWORKCLOSED;
}

OFCondition
UpperConnection::renegotiate(const char *)
{
    return EC_Normal;
}

ssize_t
UpperConnection::read(void *bytes, size_t n)
{
    return wire->read(bytes, n);
}

ssize_t
UpperConnection::write(void *bytes, size_t n)
{
    return wire->write(bytes, n);
}

void
UpperConnection::close()
{
    wire->close();
    setSocket(-1);
}

void
UpperConnection::closeTransportConnection()
{
    close();
}

unsigned long
UpperConnection::getPeerCertificateLength()
{
    return 0;
}

unsigned long
UpperConnection::getPeerCertificate(void *, unsigned long)
{
    return 0;
}

/* read() keeps the deadlines itself and never waits past them. */
OFBool
UpperConnection::networkDataAvailable(int)
{
    return OFTrue;
}

OFBool
UpperConnection::isTransparentConnection()
{
    return OFFalse;
}

OFString &
UpperConnection::dumpConnectionParameters(OFString &text)
{
    text = "plain TCP";
    return text;
}
