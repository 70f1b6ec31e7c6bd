/* upper_transport.hpp - the transport connection that carries an association (C++, this folder's
 * own). Whole PDUs under deadlines; see upper.h. */
#ifndef RADPOST_DICOM_DCMTK_UPPER_TRANSPORT_HPP
#define RADPOST_DICOM_DCMTK_UPPER_TRANSPORT_HPP

#include "proto/dicom/dcmtk/upper.h"

#include <dcmtk/config/osconfig.h>
#include <dcmtk/dcmnet/dcmlayer.h>
#include <dcmtk/dcmnet/dcmtrans.h>

#include <memory>
#include <mutex>
#include <vector>

/* Outlives DCMTK's connection object, which DCMTK deletes as it likes. */
struct upper_wire {
    std::mutex lock; /* guards fd against upper_shut() */
    int fd = -1;
    upper_limits limits = {};
    int64_t wait_ms = 0; /* for the first byte of the next PDU */
    upper_end end = UPPER_OPEN;
    char why[160] = "";
    std::unique_ptr<uint8_t[]> in; /* [from, to) has been received and not been handed on */
    size_t room = 0, from = 0, to = 0;
    size_t whole = 0; /* of those, bytes of the PDU at the front that was looked at */
    size_t rest = 0;  /* behind it, bytes of more PDVs that came in the same PDU */
    std::vector<uint8_t> out;
    int wake_fd = -1;
    upper_secure secure = {}; /* wrap NULL: plain */
    struct err secure_err = {};

    upper_wire();
    ~upper_wire();
    /* An A-ASSOCIATE-RQ that was read, and looked at, before there was an association. */
    void put_back(const uint8_t *pdu, size_t n);
    bool has_input();
    bool wait(int64_t idle_ms, bool *out_is_woken);
    void wake();
    bool make_secure();
    ssize_t read(void *bytes, size_t n);
    ssize_t write(const void *bytes, size_t n);
    bool flush();
    void shut();
    void close();

  private:
    bool next_pdu();
    void make_pdu_of_pdv();
    void make_room(size_t wanted);
    bool receive(size_t wanted, int64_t deadline_ms);
    bool receive_some(int64_t deadline_ms);
    bool fail(upper_end how, const char *text);
};

class UpperConnection : public DcmTransportConnection
{
  public:
    UpperConnection(DcmNativeSocketType fd, upper_wire *wire_of_assoc);
    ~UpperConnection() override;
    OFCondition serverSideHandshake() override;
    OFCondition clientSideHandshake() override;
    OFCondition renegotiate(const char *) override;
    ssize_t read(void *bytes, size_t n) override;
    ssize_t write(void *bytes, size_t n) override;
    void close() override;
    void closeTransportConnection() override;
    unsigned long getPeerCertificateLength() override;
    unsigned long getPeerCertificate(void *, unsigned long) override;
    OFBool networkDataAvailable(int) override;
    OFBool isTransparentConnection() override;
    OFString &dumpConnectionParameters(OFString &text) override;

  private:
    upper_wire *wire;
};

#endif
