/* dimse_listen.c - the port, the connections that have not yet asked, and a thread an association.
 *
 * One thread gathers the A-ASSOCIATE-RQ of every new connection by poll(); a connection that has
 * not delivered it whole by its deadline is closed, and the oldest gives way when there are
 * LIMIT_HALF_OPEN of them. So silent peers never hold a thread nor a place among the associations.
 * When all associations are taken, the longest silent one of the peer that holds the most gives way
 * to another peer's: one device that leaves its own open shuts out no other.
 * Invariant: a connection belongs to the gathering thread until its request is whole, then to its
 * association's thread. */
#include "proto/base/clock.h"
#include "proto/base/limits.h"
#include "proto/base/text.h"
#include "proto/base/thread.h"
#include "proto/dicom/dimse_assoc.h"
#include "proto/dicom/dimse_pdu.h"
#include "proto/dicom/dimse_places.h"
#include "proto/dicom/dimse_port.h"

#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>

enum { HALF_OPEN_COUNT = 256 }; /* LIMIT_HALF_OPEN; C arrays want a constant */
enum { CALLING_AT = 26 };       /* in an A-ASSOCIATE-RQ, PS3.8 9.3.2 */
enum { STILL_MS = 15000 };      /* an object that moves so little does not move */

struct half { /* a connection whose request is not whole */
    int fd;
    int64_t deadline_ms;
    struct dimse_peer peer;
    uint8_t *pdu;
    size_t n, wanted;
};

struct running {
    struct dimse_listener *listener;
    struct running *next;
    pthread_t thread;
    struct half from;
    uint8_t calling[PLACE_CALLING_BYTES]; /* as it stands in the request */
    struct dimse_assoc *assoc;            /* lock, as all below */
    bool is_served;                       /* it was let in and is not over */
    bool has_given_way;
    bool is_done;
};

struct dimse_listener {
    struct dimse_listener_options options;
    char address[46];
    uint16_t port;
    int listen_fd, wake_fd;
    pthread_t thread;
    struct half half[HALF_OPEN_COUNT];
    size_t half_count;
    struct gate gate;
    struct running *running;
    struct taken *taken; /* by dimse_listener_take(), newest first */
    size_t active;
    size_t leaving; /* of them, have given way */
    bool is_stopping;
};

struct taken {
    struct taken *next;
    int fd;
    struct dimse_peer peer;
};

static void *gather(void *arg);
static void *associate(void *arg);

static void
note(const struct dimse_listener *l, enum dimse_note what, const struct dimse_peer *peer,
     const struct err *err)
{
    if (l->options.note)
        l->options.note(what, peer, err, l->options.user);
}

int
dimse_listen(const struct dimse_listener_options *options, struct dimse_listener **out_listener,
             struct err *err)
{
    struct dimse_listener *l = mem_new(sizeof *l);

    CHECK(HALF_OPEN_COUNT == LIMIT_HALF_OPEN);
    l->options = *options;
    l->options.deadlines = dimse_deadlines_or_limits(&options->deadlines);
    if (l->options.max_associations == 0)
        l->options.max_associations = LIMIT_ASSOCIATIONS;
    text_copy(l->address, sizeof l->address, options->address ? options->address : "0.0.0.0");
    l->listen_fd = -1;
    l->wake_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    gate_init(&l->gate);
    if (l->wake_fd < 0) {
        err_sys(err, ERR_FATAL, "eventfd");
        goto failed;
    }
    if (dimse_port_open(l->address, options->port, &l->listen_fd, &l->port, err) < 0)
        goto failed;
    l->thread = thread_start("dimse-listen", gather, l);
    *out_listener = l;
    return 0;
failed:
    if (l->listen_fd >= 0)
        close(l->listen_fd);
    if (l->wake_fd >= 0)
        close(l->wake_fd);
    gate_fini(&l->gate);
    free(l);
    return -1;
}

uint16_t
dimse_listener_port(const struct dimse_listener *listener)
{
    return listener->port;
}

size_t
dimse_listener_associations(struct dimse_listener *listener)
{
    gate_lock(&listener->gate);
    size_t n = listener->active;
    gate_unlock(&listener->gate);
    return n;
}

static void
wake(struct dimse_listener *l)
{
    uint64_t one = 1;

    /* Full means that it is awake already. */
    if (write(l->wake_fd, &one, sizeof one) < 0)
        CHECK(errno == EAGAIN);
}

/* Take one that is through (or any, when all are waited for) out of the list. */
static struct running *
take_done(struct dimse_listener *l, bool is_any)
{
    struct running *taken = NULL;

    gate_lock(&l->gate);
    for (struct running **at = &l->running; *at; at = &(*at)->next) {
        if (!is_any && !(*at)->is_done)
            continue;
        taken = *at;
        *at = taken->next;
        break;
    }
    gate_unlock(&l->gate);
    return taken;
}

/* Join threads that are through; all of them when stopping. */
static void
reap(struct dimse_listener *l, bool wait_for_all)
{
    struct running *r;

    while ((r = take_done(l, wait_for_all)) != NULL) {
        thread_join(r->thread);
        free(r);
    }
}

void
dimse_listener_free(struct dimse_listener **listener)
{
    struct dimse_listener *l = *listener;

    if (!l)
        return;
    *listener = NULL;
    gate_lock(&l->gate);
    l->is_stopping = true;
    for (struct running *r = l->running; r; r = r->next)
        if (r->assoc)
            upper_shut(r->assoc->upper);
    gate_unlock(&l->gate);
    wake(l);
    thread_join(l->thread);
    reap(l, true);
    close(l->listen_fd);
    close(l->wake_fd);
    gate_fini(&l->gate);
    free(l);
}

static void
drop_half(struct dimse_listener *l, size_t i)
{
    if (l->half[i].fd >= 0)
        close(l->half[i].fd);
    free(l->half[i].pdu);
    l->half_count--;
    memmove(&l->half[i], &l->half[i + 1], (l->half_count - i) * sizeof l->half[0]);
}

/* A connection more, at the table's end: its oldest gives way when it is full. */
static void
add_half(struct dimse_listener *l, int fd, const struct dimse_peer *peer)
{
    if (l->half_count == HALF_OPEN_COUNT) {
        note(l, DIMSE_NOTE_SILENT, &l->half[0].peer, NULL);
        drop_half(l, 0);
    }
    struct half *h = &l->half[l->half_count++];
    *h = (struct half){.fd = fd, .peer = *peer, .wanted = PDU_HEAD_BYTES};
    h->deadline_ms = clock_mono_ms() + l->options.deadlines.associate_ms;
    h->pdu = mem_new(PDU_HEAD_BYTES);
}

void
dimse_listener_take(struct dimse_listener *l, int fd, const char *address, uint16_t port,
                    const char *fingerprint)
{
    struct taken *t = mem_new(sizeof *t);

    t->fd = fd;
    t->peer.port = port;
    text_copy(t->peer.address, sizeof t->peer.address, address);
    text_copy(t->peer.fingerprint, sizeof t->peer.fingerprint, fingerprint ? fingerprint : "");
    gate_lock(&l->gate);
    t->next = l->taken;
    l->taken = t;
    gate_unlock(&l->gate);
    wake(l);
}

static void
accept_taken(struct dimse_listener *l)
{
    gate_lock(&l->gate);
    struct taken *taken = TAKE(l->taken);
    gate_unlock(&l->gate);
    for (struct taken *next; taken; taken = next) {
        next = taken->next;
        add_half(l, taken->fd, &taken->peer);
        free(taken);
    }
}

/* The new ones; oldest first in the table. false: no descriptor was to be had. */
static bool
accept_new(struct dimse_listener *l)
{
    for (int i = 0; i < 64; i++) {
        struct dimse_peer peer = {.port = 0};
        int fd = dimse_port_accept(l->listen_fd, &peer);
        if (fd < 0)
            return errno != EMFILE && errno != ENFILE && errno != ENOBUFS && errno != ENOMEM;
        add_half(l, fd, &peer);
    }
    return true;
}

/* Locked. How long the peer has been silent; -1: it is our turn, or an object is under way. */
static int64_t
silence_of(const struct running *r, int64_t now_ms)
{
    int64_t turn_ms = atomic_load(&r->assoc->turn_ms);

    if (turn_ms == 0)
        return -1;
    if (atomic_load(&r->assoc->is_in_object) && now_ms - turn_ms < STILL_MS)
        return -1;
    return now_ms - turn_ms;
}

/* Locked. All places are taken: whose association ends for the newcomer? NULL: nobody's. Only where
 * all were let in: who is asked about now, and turned away maybe, takes nobody's place. */
static struct running *
choose_leaver(const struct dimse_listener *l, const struct running *newcomer)
{
    const struct place own = {newcomer->from.peer.address, newcomer->calling, -1};
    struct running **all = mem_new((l->active + 1) * sizeof(struct running *)), *leaver = NULL;
    struct place *held = mem_new((l->active + 1) * sizeof *held);
    int64_t now_ms = clock_mono_ms();
    size_t n = 0;
    int i;

    for (struct running *r = l->running; r; r = r->next) {
        if (!r->is_served || r->has_given_way)
            continue;
        all[n] = r;
        held[n++] = (struct place){r->from.peer.address, r->calling, silence_of(r, now_ms)};
    }
    i = n >= l->options.max_associations ? place_to_end(held, n, &own, n) : -1;
    if (i >= 0)
        leaver = all[i];
    free(held);
    free(all);
    return leaver;
}

/* A place for the newcomer; false: there is none. out_gone: who gave way; untouched: nobody */
static bool
take_place(struct dimse_listener *l, struct running *r, struct dimse_peer *out_gone)
{
    bool is_full;

    gate_lock(&l->gate);
    is_full = l->active - l->leaving >= l->options.max_associations;
    if (is_full && l->active < 2 * l->options.max_associations) {
        struct running *leaver = choose_leaver(l, r);

        if (leaver) {
            *out_gone = leaver->assoc->peer;
            leaver->has_given_way = true;
            l->leaving++;
            upper_shut(leaver->assoc->upper);
            is_full = false;
        }
    }
    if (!is_full) {
        l->active++;
        r->next = l->running;
        l->running = r;
    }
    gate_unlock(&l->gate);
    return !is_full;
}

/* Not now (PS3.8 9.3.4: 2, 3, 2). */
static void
turn_away(struct dimse_listener *l, size_t i)
{
    note(l, DIMSE_NOTE_FULL, &l->half[i].peer, NULL);
    dimse_port_refuse(l->half[i].fd, PDU_ASSOCIATE_RJ, 2, 3, 2);
    l->half[i].fd = -1;
    drop_half(l, i);
}

/* Its request is whole: a thread, or the answer that there is none. */
static void
start(struct dimse_listener *l, size_t i)
{
    struct running *r = mem_new(sizeof *r);
    struct dimse_peer gone = {.port = 0};

    r->listener = l;
    r->from = l->half[i];
    if (r->from.n >= CALLING_AT + PLACE_CALLING_BYTES)
        memcpy(r->calling, r->from.pdu + CALLING_AT, PLACE_CALLING_BYTES);
    if (!take_place(l, r, &gone)) {
        turn_away(l, i);
        free(r);
        return;
    }
    if (gone.calling[0] != 0)
        note(l, DIMSE_NOTE_GAVE_WAY, &gone, NULL);
    l->half[i].fd = -1;
    l->half[i].pdu = NULL;
    drop_half(l, i);
    r->thread = thread_start("dimse-assoc", associate, r);
}

/* For a request of this length: most are short, and of long ones there is room for some. */
static bool
has_room(const struct dimse_listener *l, size_t length)
{
    for (size_t i = 0; i < l->half_count; i++)
        length += l->half[i].wanted;
    return length <= LIMIT_HALF_OPEN_BYTES;
}

/* Read on; false: the connection is no longer in the table. */
static bool
advance(struct dimse_listener *l, size_t i)
{
    struct half *h = &l->half[i];
    struct err err = {0};
    uint32_t length;

    for (;;) {
        ssize_t n = recv(h->fd, h->pdu + h->n, h->wanted - h->n, MSG_DONTWAIT);
        if (n < 0 && (errno == EAGAIN || errno == EINTR))
            return true;
        if (n <= 0) { /* gone before it asked: nothing to tell, nobody to tell it */
            drop_half(l, i);
            return false;
        }
        h->n += (size_t)n;
        if (h->n < h->wanted)
            continue;
        if (h->wanted > PDU_HEAD_BYTES) {
            start(l, i);
            return false;
        }
        if (h->pdu[0] != PDU_ASSOCIATE_RQ || pdu_head_check(h->pdu, 0, &length, &err) < 0) {
            note(l, DIMSE_NOTE_MALFORMED, &h->peer, err.kind ? &err : NULL);
            dimse_port_refuse(h->fd, PDU_ABORT, 0, 2, h->pdu[0] > PDU_ABORT ? 1 : 2);
            h->fd = -1;
            drop_half(l, i);
            return false;
        }
        if (length > LIMIT_ASSOCIATE_SHORT_BYTES && !has_room(l, length)) {
            turn_away(l, i);
            return false;
        }
        h->wanted = PDU_HEAD_BYTES + (size_t)length;
        h->pdu = mem_grow(h->pdu, h->wanted);
    }
}

static void
drop_late(struct dimse_listener *l)
{
    int64_t now_ms = clock_mono_ms();

    for (size_t i = l->half_count; i-- > 0;) {
        if (l->half[i].deadline_ms > now_ms)
            continue;
        note(l, DIMSE_NOTE_SILENT, &l->half[i].peer, NULL);
        drop_half(l, i);
    }
}

static int
wait_of(const struct dimse_listener *l, bool is_starved)
{
    int64_t left_ms = is_starved ? 200 : 60000, now_ms = clock_mono_ms();

    for (size_t i = 0; i < l->half_count; i++)
        if (l->half[i].deadline_ms - now_ms < left_ms)
            left_ms = l->half[i].deadline_ms - now_ms;
    return left_ms < 0 ? 0 : (int)left_ms;
}

static void *
gather(void *arg)
{
    struct dimse_listener *l = arg;
    struct pollfd fds[HALF_OPEN_COUNT + 2];
    bool is_starved = false, is_stopping = false;
    uint64_t count;

    while (!is_stopping) {
        size_t n = l->half_count;
        fds[0] = (struct pollfd){l->wake_fd, POLLIN, 0};
        fds[1] = (struct pollfd){is_starved ? -1 : l->listen_fd, POLLIN, 0};
        for (size_t i = 0; i < n; i++)
            fds[2 + i] = (struct pollfd){l->half[i].fd, POLLIN, 0};
        if (poll(fds, 2 + n, wait_of(l, is_starved)) < 0)
            CHECK(errno == EINTR || errno == ENOMEM);
        is_starved = false;
        if (fds[0].revents && read(l->wake_fd, &count, sizeof count) < 0)
            CHECK(errno == EAGAIN);
        for (size_t i = n; i-- > 0;)
            if (fds[2 + i].revents)
                (void)advance(l, i);
        drop_late(l);
        if (fds[1].revents)
            is_starved = !accept_new(l);
        accept_taken(l);
        reap(l, false);
        gate_lock(&l->gate);
        is_stopping = l->is_stopping;
        gate_unlock(&l->gate);
    }
    accept_taken(l);
    while (l->half_count > 0)
        drop_half(l, l->half_count - 1);
    return NULL;
}

/* false: refused or broken; the peer was told. */
static bool
establish(struct dimse_listener *l, struct dimse_assoc *assoc, const struct pdu_associate *rq)
{
    struct upper_answer answers[DIMSE_CONTEXTS];
    struct err err = {0};
    enum dimse_admission admission = l->options.admit(&assoc->peer, l->options.user);

    if (admission != DIMSE_ADMITTED) {
        note(l, DIMSE_NOTE_REFUSED, &assoc->peer, NULL);
        upper_reject(assoc->upper, admission == DIMSE_NOT_NOW,
                     admission == DIMSE_NOT_NOW          ? 1
                     : admission == DIMSE_CALLED_UNKNOWN ? 7
                                                         : 3);
        assoc->is_over = true;
        return false;
    }
    size_t n = dimse_answer_contexts(&l->options, rq, answers, assoc);
    if (upper_accept(assoc->upper, &dimse_identity, answers, n, &err) < 0) {
        note(l, DIMSE_NOTE_MALFORMED, &assoc->peer, &err);
        return false;
    }
    return true;
}

static void
run_association(struct running *r, const struct pdu_associate *rq, struct dimse_assoc *assoc)
{
    struct dimse_listener *l = r->listener;

    gate_lock(&l->gate);
    r->assoc = assoc;
    bool is_stopping = l->is_stopping;
    gate_unlock(&l->gate);
    if (!is_stopping && establish(l, assoc, rq)) {
        gate_lock(&l->gate);
        r->is_served = true;
        gate_unlock(&l->gate);
        l->options.serve(assoc, l->options.user);
    }
    if (!assoc->is_over)
        upper_abort(assoc->upper, false);
    gate_lock(&l->gate);
    r->assoc = NULL;
    r->is_served = false;
    gate_unlock(&l->gate);
    upper_free(&assoc->upper);
}

static uint32_t
pdu_bytes_for(const struct dimse_listener *l, const struct dimse_peer *peer)
{
    uint32_t wanted = l->options.pdu_bytes ? l->options.pdu_bytes(peer, l->options.user) : 0;

    if (wanted == 0 || wanted > LIMIT_PDU_BYTES)
        return LIMIT_PDU_BYTES;
    return wanted < LIMIT_PDU_BYTES_LEAST ? LIMIT_PDU_BYTES_LEAST : wanted;
}

static void *
associate(void *arg)
{
    struct running *r = arg;
    struct dimse_listener *l = r->listener;
    struct dimse_assoc *assoc = mem_new(sizeof *assoc);
    struct pdu_associate *rq = mem_grow(NULL, sizeof *rq);
    struct upper_limits limits = dimse_upper_limits(&l->options.deadlines);
    struct err err = {0};

    assoc->peer = r->from.peer;
    assoc->number = dimse_next_number();
    assoc->deadlines = l->options.deadlines;
    if (pdu_associate_read(r->from.pdu, r->from.n, rq, &err) < 0) {
        note(l, DIMSE_NOTE_MALFORMED, &assoc->peer, &err);
        dimse_port_refuse(r->from.fd, PDU_ABORT, 0, 2, 6);
    } else {
        memcpy(assoc->peer.calling, rq->calling, sizeof rq->calling);
        memcpy(assoc->peer.called, rq->called, sizeof rq->called);
        memcpy(assoc->peer.implementation_uid, rq->implementation_uid, 65);
        memcpy(assoc->peer.implementation_version, rq->implementation_version, 17);
        limits.pdu_bytes = pdu_bytes_for(l, &assoc->peer);
        pdu_associate_mend(r->from.pdu, r->from.n, rq);
        int rc = upper_receive(r->from.fd, r->from.pdu, r->from.n, &limits, &assoc->upper, &err);
        free(TAKE(r->from.pdu)); /* the association may last for hours */
        if (rc < 0)
            note(l, DIMSE_NOTE_MALFORMED, &assoc->peer, &err);
        else
            run_association(r, rq, assoc);
    }
    free(r->from.pdu);
    free(rq);
    free(assoc);
    gate_lock(&l->gate);
    l->active--;
    l->leaving -= r->has_given_way;
    r->is_done = true;
    gate_unlock(&l->gate);
    wake(l);
    return NULL;
}
