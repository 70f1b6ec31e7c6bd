/* upper.cc - ASC/DUL calls behind upper.h. Nothing of C++ passes out: each entry point catches
 * everything. DCMTK's DUL_AbortAssociation is not used: it reads on after its A-ABORT and takes the
 * type of a PDU it did not get; ours is sent by the transport. */
#include "proto/dicom/dcmtk/upper.h"
#include "proto/dicom/dcmtk/upper_transport.hpp"

#include <dcmtk/dcmnet/assoc.h>
#include <dcmtk/dcmnet/cond.h>
#include <dcmtk/dcmnet/dul.h>
#include <dcmtk/oflog/oflog.h>
#include <dcmtk/ofstd/ofstd.h>

extern "C" {
#include "proto/dicom/dimse_pdu.h"
}

#include <exception>
#include <memory>
#include <new>
#include <unistd.h>

struct upper_assoc {
    upper_wire wire;
    T_ASC_Association *asc = NULL;
};

/* The socket in hand goes to DCMTK by a global; its lock is held from setting it until DCMTK has
 * made a connection of it, in the same thread. */
static std::mutex handle_lock;
static thread_local upper_wire *wire_in_hand;
static thread_local bool handle_is_held;

static void
let_go_of_handle()
{
    if (!handle_is_held)
        return;
    dcmExternalSocketHandle.set(DCMNET_INVALID_SOCKET);
    handle_is_held = false;
    handle_lock.unlock();
}

class UpperLayer : public DcmTransportLayer
{
  public:
    DcmTransportConnection *
    createConnection(DcmNativeSocketType fd, OFBool) override
    {
        upper_wire *wire = wire_in_hand;
        wire_in_hand = NULL;
        let_go_of_handle();
        return wire ? new UpperConnection(fd, wire) : NULL;
    }
};

/* One network for all associations: it holds no state but our transport layer. */
static T_ASC_Network *
the_network()
{
    static T_ASC_Network *network = [] {
        T_ASC_Network *made = NULL;
        std::set_new_handler(mem_stop); /* as for our own memory: docs/decisions/memory.md */
        OFLog::configure(OFLogger::OFF_LOG_LEVEL);
        dcmDisableGethostbyaddr.set(OFTrue);
        dcmSocketSendTimeout.set(-1);
        dcmSocketReceiveTimeout.set(-1);
        dcmConnectionTimeout.set(10);
        handle_lock.lock();
        dcmExternalSocketHandle.set(STDERR_FILENO); /* else it opens a port of its own */
        if (ASC_initializeNetwork(NET_ACCEPTORREQUESTOR, 0, 30, &made).good())
            (void)ASC_setTransportLayer(made, new UpperLayer, 1);
        dcmExternalSocketHandle.set(DCMNET_INVALID_SOCKET);
        handle_lock.unlock();
        return made;
    }();
    return network;
}

static int
caught(struct err *err)
{
    try {
        throw;
    } catch (const std::exception &e) {
        return err_set(err, ERR_FATAL, "upper layer: %s", e.what());
    } catch (...) {
        return err_set(err, ERR_FATAL, "upper layer: unknown exception");
    }
}

/* What a failed DUL call means; the transport knows best. */
static upper_end
end_of(upper_assoc *assoc, const OFCondition &cond)
{
    upper_wire &wire = assoc->wire;

    if (wire.end != UPPER_OPEN)
        return wire.end;
    if (cond == DUL_PEERREQUESTEDRELEASE)
        return UPPER_RELEASED;
    if (cond == DUL_PEERABORTEDASSOCIATION)
        return UPPER_ABORTED;
    return UPPER_BROKEN;
}

static int
set_end_err(upper_assoc *assoc, upper_end end, const OFCondition &cond, struct err *err)
{
    const char *why = assoc->wire.why[0] ? assoc->wire.why : cond.text();

    if (end == UPPER_BROKEN)
        return err_set(err, ERR_REJECT, "protocol broken: %s", why);
    if (end == UPPER_ABORTED)
        return err_set(err, ERR_RETRY, "peer aborted");
    if (end == UPPER_RELEASED)
        return err_set(err, ERR_REJECT, "peer released");
    return err_set(err, ERR_RETRY, "%s", why);
}

static int
receive(upper_assoc *assoc, struct err *err)
{
    handle_lock.lock();
    handle_is_held = true;
    dcmExternalSocketHandle.set(assoc->wire.fd);
    wire_in_hand = &assoc->wire;
    OFCondition cond =
        ASC_receiveAssociation(the_network(), &assoc->asc, (long)assoc->wire.limits.pdu_bytes);
    wire_in_hand = NULL;
    let_go_of_handle();
    /* DUL takes a connection that closes before its request for a success. */
    if (cond.bad() || assoc->wire.end != UPPER_OPEN)
        return set_end_err(assoc, end_of(assoc, cond), cond, err);
    return 0;
}

int
upper_receive(int fd, const uint8_t *pdu, size_t n, const struct upper_limits *limits,
              struct upper_assoc **out_assoc, struct err *err)
{
    upper_assoc *assoc = NULL;

    try {
        if (!the_network())
            throw std::exception();
        assoc = new upper_assoc;
        assoc->wire.fd = fd;
        assoc->wire.limits = *limits;
        assoc->wire.wait_ms = limits->idle_ms;
        assoc->wire.put_back(pdu, n);
        if (receive(assoc, err) < 0) {
            upper_abort(assoc, true);
            upper_free(&assoc);
            return -1;
        }
    } catch (...) {
        let_go_of_handle();
        if (assoc)
            upper_free(&assoc);
        else
            (void)::close(fd);
        return caught(err);
    }
    *out_assoc = assoc;
    return 0;
}

static void
name_ourselves(T_ASC_Parameters *params, const struct upper_identity *identity)
{
    OFStandard::strlcpy(params->ourImplementationClassUID, identity->implementation_uid,
                        sizeof params->ourImplementationClassUID);
    OFStandard::strlcpy(params->ourImplementationVersionName, identity->implementation_version,
                        sizeof params->ourImplementationVersionName);
}

static OFCondition
answer_context(T_ASC_Parameters *params, const struct upper_answer *a)
{
    T_ASC_SC_ROLE role = !a->peer_is_scp  ? ASC_SC_ROLE_DEFAULT
                         : a->is_scp_only ? ASC_SC_ROLE_SCP
                                          : ASC_SC_ROLE_SCUSCP;

    if (!a->transfer_syntax)
        return ASC_refusePresentationContext(params, a->context, (T_ASC_P_ResultReason)a->refusal);
    return ASC_acceptPresentationContext(params, a->context, a->transfer_syntax, role, OFTrue);
}

int
upper_accept(struct upper_assoc *assoc, const struct upper_identity *identity,
             const struct upper_answer *answers, size_t count, struct err *err)
{
    try {
        T_ASC_Parameters *params = assoc->asc->params;
        OFCondition cond = EC_Normal;
        name_ourselves(params, identity);
        for (size_t i = 0; i < count && cond.good(); i++)
            cond = answer_context(params, &answers[i]);
        if (cond.good())
            cond = ASC_acknowledgeAssociation(assoc->asc);
        if (cond.bad())
            return set_end_err(assoc, end_of(assoc, cond), cond, err);
        return 0;
    } catch (...) {
        return caught(err);
    }
}

void
upper_reject(struct upper_assoc *assoc, bool is_transient, uint8_t reason)
{
    try {
        T_ASC_RejectParameters rj = {
            is_transient ? ASC_RESULT_REJECTEDTRANSIENT : ASC_RESULT_REJECTEDPERMANENT,
            ASC_SOURCE_SERVICEUSER, (T_ASC_RejectParametersReason)(0x0100 | reason)};
        (void)ASC_rejectAssociation(assoc->asc, &rj); /* the peer may be gone: nothing to tell */
    } catch (...) {
        assoc->wire.close();
    }
}

static T_ASC_Parameters *
make_params(const struct upper_call *rq)
{
    T_ASC_Parameters *params = NULL;
    std::string address = std::string(rq->host) + ":" + std::to_string(rq->port);

    if (ASC_createAssociationParameters(&params, (long)rq->limits->pdu_bytes).bad())
        throw std::bad_alloc();
    name_ourselves(params, rq->identity);
    (void)ASC_setTransportLayerType(params, OFFalse);
    (void)ASC_setAPTitles(params, rq->calling, rq->called, NULL);
    (void)ASC_setPresentationAddresses(params, "localhost", address.c_str());
    for (size_t i = 0; i < rq->count; i++) {
        const struct upper_proposal *p = &rq->proposals[i];
        std::vector<const char *> syntaxes(p->transfer_syntaxes,
                                           p->transfer_syntaxes + p->transfer_syntax_count);
        (void)ASC_addPresentationContext(params, p->context, p->abstract_syntax, syntaxes.data(),
                                         (int)syntaxes.size(),
                                         p->we_are_scp ? ASC_SC_ROLE_SCP : ASC_SC_ROLE_DEFAULT);
    }
    return params;
}

static int
set_refusal(upper_assoc *assoc, T_ASC_Parameters *params, const OFCondition &cond, struct err *err)
{
    T_ASC_RejectParameters rj = {};

    if (cond == DUL_ASSOCIATIONREJECTED) {
        (void)ASC_getRejectParameters(params, &rj);
        return err_set(err, rj.result == ASC_RESULT_REJECTEDTRANSIENT ? ERR_RETRY : ERR_DENIED,
                       "association rejected (%d, %d, %d)", (int)rj.result, (int)rj.source,
                       (int)rj.reason & 0xff);
    }
    if (assoc->wire.end == UPPER_BROKEN)
        return set_end_err(assoc, UPPER_BROKEN, cond, err);
    if (assoc->wire.secure_err.kind != ERR_NONE) {
        *err = assoc->wire.secure_err;
        return -1;
    }
    return err_set(err, ERR_RETRY, "no association: %s",
                   assoc->wire.why[0] ? assoc->wire.why : cond.text());
}

int
upper_request(const struct upper_call *rq, struct upper_assoc **out_assoc,
              struct upper_agreed *out_agreed, size_t *out_agreed_count, struct err *err)
{
    std::unique_ptr<upper_assoc> assoc;

    try {
        T_ASC_Network *network = the_network();
        T_ASC_PresentationContext pc;
        size_t agreed = 0;
        if (!network)
            throw std::exception();
        assoc.reset(new upper_assoc);
        assoc->wire.limits = *rq->limits;
        assoc->wire.wait_ms = rq->limits->associate_ms;
        if (rq->secure)
            assoc->wire.secure = *rq->secure;
        T_ASC_Parameters *params = make_params(rq);
        wire_in_hand = &assoc->wire;
        OFCondition cond =
            ASC_requestAssociation(network, params, &assoc->asc, NULL, NULL, DUL_NOBLOCK, 30);
        wire_in_hand = NULL;
        if (cond.bad() || assoc->wire.end != UPPER_OPEN) {
            set_refusal(assoc.get(), params, cond, err);
            if (!assoc->asc)
                (void)ASC_destroyAssociationParameters(&params);
            upper_assoc *raw = assoc.release();
            upper_free(&raw);
            return -1;
        }
        for (size_t i = 0; i < rq->count; i++) {
            const struct upper_proposal *p = &rq->proposals[i];
            if (ASC_findAcceptedPresentationContext(params, p->context, &pc).bad())
                continue;
            /* a role that was not confirmed is the default one; some confirm both roles, though the
             * server's alone was proposed */
            if (p->we_are_scp && pc.acceptedRole != ASC_SC_ROLE_SCP &&
                pc.acceptedRole != ASC_SC_ROLE_SCUSCP)
                continue;
            out_agreed[agreed].context = p->context;
            OFStandard::strlcpy(out_agreed[agreed].transfer_syntax, pc.acceptedTransferSyntax, 65);
            agreed++;
        }
        *out_agreed_count = agreed;
        *out_assoc = assoc.release();
        return 0;
    } catch (...) {
        wire_in_hand = NULL;
        return caught(err);
    }
}

int
upper_next_pdv(struct upper_assoc *assoc, int64_t idle_ms, struct upper_pdv *out_pdv,
               enum upper_end *out_end, struct err *err)
{
    try {
        DUL_PDV pdv;
        DUL_PDVLIST list = {};
        DUL_ASSOCIATIONKEY **key = &assoc->asc->DULassociation;
        assoc->wire.wait_ms = idle_ms;
        /* Other PDUs that do not belong here are answered by DUL with A-ABORT and success. */
        OFCondition cond = DUL_ReadPDVs(key, &list, DUL_BLOCK, 0);
        /* The transport gives it one PDV a PDU: DUL_NextPDV never has to find another. */
        if (cond != DUL_PDATAPDUARRIVED || DUL_NextPDV(key, &pdv).bad()) {
            *out_end = end_of(assoc, cond);
            if (*out_end == UPPER_RELEASED)
                (void)ASC_acknowledgeRelease(assoc->asc);
            return set_end_err(assoc, *out_end, cond, err);
        }
        out_pdv->context = pdv.presentationContextID;
        out_pdv->is_command = pdv.pdvType == DUL_COMMANDPDV;
        out_pdv->is_last = pdv.lastPDV;
        out_pdv->bytes = (const uint8_t *)pdv.data;
        out_pdv->n = pdv.fragmentLength;
        return 0;
    } catch (...) {
        *out_end = UPPER_BROKEN;
        return caught(err);
    }
}

bool
upper_has_input(struct upper_assoc *assoc)
{
    return assoc->wire.has_input();
}

int
upper_wait(struct upper_assoc *assoc, int64_t idle_ms, bool *out_is_woken, enum upper_end *out_end,
           struct err *err)
{
    try {
        if (assoc->wire.wait(idle_ms, out_is_woken))
            return 0;
        *out_end = assoc->wire.end;
        return set_end_err(assoc, *out_end, EC_Normal, err);
    } catch (...) {
        *out_end = UPPER_BROKEN;
        return caught(err);
    }
}

void
upper_wake(struct upper_assoc *assoc)
{
    assoc->wire.wake();
}

int
upper_send_pdv(struct upper_assoc *assoc, const struct upper_pdv *pdv, struct err *err)
{
    try {
        DUL_PDV one = {};
        DUL_PDVLIST list = {};
        one.fragmentLength = pdv->n;
        one.presentationContextID = pdv->context;
        one.pdvType = pdv->is_command ? DUL_COMMANDPDV : DUL_DATASETPDV;
        one.lastPDV = pdv->is_last;
        one.data = (void *)pdv->bytes;
        list.count = 1;
        list.pdv = &one;
        OFCondition cond = DUL_WritePDVs(&assoc->asc->DULassociation, &list);
        if (cond.bad())
            return set_end_err(assoc, end_of(assoc, cond), cond, err);
        return 0;
    } catch (...) {
        return caught(err);
    }
}

int
upper_release(struct upper_assoc *assoc, struct err *err)
{
    try {
        assoc->wire.wait_ms = assoc->wire.limits.pdu_ms;
        OFCondition cond = ASC_releaseAssociation(assoc->asc);
        if (cond.bad() || assoc->wire.end != UPPER_OPEN)
            return set_end_err(assoc, end_of(assoc, cond), cond, err);
        return 0;
    } catch (...) {
        return caught(err);
    }
}

void
upper_abort(struct upper_assoc *assoc, bool by_provider)
{
    uint8_t pdu[10] = {PDU_ABORT, 0, 0, 0, 0, 4, 0, 0, (uint8_t)(by_provider ? 2 : 0), 0};

    try {
        if (assoc->wire.end == UPPER_OPEN && assoc->wire.fd >= 0) {
            assoc->wire.out.clear();
            (void)assoc->wire.write(pdu, sizeof pdu); /* a peer that is gone cannot be told */
        }
    } catch (...) {
        assoc->wire.close();
    }
}

void
upper_shut(struct upper_assoc *assoc)
{
    assoc->wire.shut();
}

void
upper_free(struct upper_assoc **assoc)
{
    if (!*assoc)
        return;
    try {
        if ((*assoc)->asc) {
            (void)ASC_destroyAssociation(&(*assoc)->asc);
        }
        (*assoc)->wire.close();
        delete *assoc;
    } catch (...) {
        (*assoc)->wire.close();
    }
    *assoc = NULL;
}
