/* dimse_pdu.h - what is looked at in PDUs before DCMTK's upper layer sees them.
 * Pure functions over whole PDUs, head included. DICOM: PS3.8 9.3. */
#ifndef RADPOST_DICOM_DIMSE_PDU_H
#define RADPOST_DICOM_DIMSE_PDU_H

#include "proto/base/err.h"

#define PDU_HEAD_BYTES 6
#define PDU_SYNTAXES 50 /* proposed in one context; DCMTK keeps no more */

enum pdu_type {
    PDU_ASSOCIATE_RQ = 1,
    PDU_ASSOCIATE_AC,
    PDU_ASSOCIATE_RJ,
    PDU_DATA,
    PDU_RELEASE_RQ,
    PDU_RELEASE_RP,
    PDU_ABORT
};

struct pdu_context {
    uint8_t id;
    bool peer_is_scp; /* role selection: the requestor takes the server's part too or only */
    bool is_scp_only;
    char abstract_syntax[65]; /* "" = it cannot be read */
    size_t syntax_count;      /* of those that are UIDs; more than PDU_SYNTAXES are left out */
    char syntaxes[PDU_SYNTAXES][65];
};

struct pdu_associate {
    char called[17]; /* to its first zero, without outer spaces, "?" for each character that is none
                        of an AE title; "?" where nothing is left */
    char calling[17];
    uint32_t max_pdu;
    char implementation_uid[65]; /* "" = there is none, or it cannot be read */
    char implementation_version[17];
    size_t context_count;
    struct pdu_context contexts[128];
};

/* Type and length of a PDU from its six bytes: -1 where no PDU of that type may be so long. */
int pdu_head_check(const uint8_t head[PDU_HEAD_BYTES], uint32_t max_data_bytes,
                   uint32_t *out_length, struct err *err) MUST_CHECK;
/* A whole A-ASSOCIATE-RQ or -AC: every item inside its parent, ids odd and once. It is big: on the
 * heap. errors ERR_REJECT */
int pdu_associate_read(const uint8_t *pdu, size_t n, struct pdu_associate *out,
                       struct err *err) MUST_CHECK;
/* Take out of a request that was read what DCMTK would end the association for: the titles become
 * those that were read, UIDs of more than 64 bytes empty ones. No length of an item's parent
 * changes.
 */
void pdu_associate_mend(uint8_t *pdu, size_t n, const struct pdu_associate *read);
/* PDVs add up to their PDU. */
int pdu_data_check(const uint8_t *pdu, size_t n, struct err *err) MUST_CHECK;
/* Bytes of a PDV with its length field; its PDU was checked. */
size_t pdu_pdv_bytes(const uint8_t *pdv);

#endif
