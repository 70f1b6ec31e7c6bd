/* his_send.h - one delivery to one target, and its receipt: ORU^R01 by MLLP, SR and PDF by C-STORE,
 * files in a folder. What comes back decides: a receipt; ERR_RETRY and ERR_FULL the line, the disk
 * or the target's own trouble (tried again, for ever); others the target's refusal (a person has to
 * look). Errors hold nothing of a patient. Threads: any. */
#ifndef RADPOST_DESK_HIS_SEND_H
#define RADPOST_DESK_HIS_SEND_H

#include "gateway/desk/his_book.h"
#include "gateway/desk/his_settings.h"
#include "proto/hl7/hl7.h"

/* The settings, understood.
 * errors  ERR_REJECT an option, named */
struct his_targets {
    const struct his_settings *s; /* outlives it */
    unsigned bits;                /* a bit a target that is configured */
    char ae[17], dicom_host[256], hl7_host[256];
    uint16_t dicom_port, hl7_port;
    enum hl7_charset charset;
    bool folder_is_hl7;
};
int his_targets_read(const struct his_settings *s, struct his_targets *out,
                     struct err *err) MUST_CHECK;

/* d->target says which. said: the receipt; on failure the target's own words, if it gave any: they
 * may name a patient, and are for the desk alone. */
int his_send(const struct his_targets *t, struct book *book, const struct his_delivery *d,
             char said[HIS_RECEIPT_SIZE], struct err *err) MUST_CHECK;

/* The three of them. */
int his_send_hl7(const struct his_targets *t, struct book *book, const struct his_delivery *d,
                 char said[HIS_RECEIPT_SIZE], struct err *err) MUST_CHECK;
int his_send_dicom(const struct his_targets *t, struct book *book, const struct his_delivery *d,
                   char receipt[HIS_RECEIPT_SIZE], struct err *err) MUST_CHECK;
int his_send_folder(const struct his_targets *t, struct book *book, const struct his_delivery *d,
                    char receipt[HIS_RECEIPT_SIZE], struct err *err) MUST_CHECK;

/* The HL7 message of a delivery, in the set it goes in; control: at least 32 bytes, MSH-10. */
int his_hl7_message(const struct his_targets *t, struct book *book, const struct his_delivery *d,
                    char *out_control, struct buf *out, struct err *err) MUST_CHECK;

#endif
