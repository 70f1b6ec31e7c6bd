/* dimse_command.h - the command sets of DIMSE-C messages: implicit little endian, group 0000.
 * Pure functions. DICOM: PS3.7 6.3, 9.3, E. */
#ifndef RADPOST_DICOM_DIMSE_COMMAND_H
#define RADPOST_DICOM_DIMSE_COMMAND_H

#include "proto/base/buf.h"

enum dimse_field {
    DIMSE_END = 0, /* not of the standard: the peer released the association */
    DIMSE_C_STORE_RQ = 0x0001,
    DIMSE_C_STORE_RSP = 0x8001,
    DIMSE_C_GET_RQ = 0x0010,
    DIMSE_C_GET_RSP = 0x8010,
    DIMSE_C_FIND_RQ = 0x0020,
    DIMSE_C_FIND_RSP = 0x8020,
    DIMSE_C_MOVE_RQ = 0x0021,
    DIMSE_C_MOVE_RSP = 0x8021,
    DIMSE_C_ECHO_RQ = 0x0030,
    DIMSE_C_ECHO_RSP = 0x8030,
    DIMSE_C_CANCEL_RQ = 0x0FFF
};

enum dimse_status {
    DIMSE_SUCCESS = 0x0000,
    DIMSE_NO_SUCH_CLASS = 0x0122,
    DIMSE_NOT_AUTHORIZED = 0x0124,
    DIMSE_UNRECOGNIZED_OPERATION = 0x0211,
    DIMSE_OUT_OF_RESOURCES = 0xA700,
    DIMSE_CANNOT_COUNT = 0xA701,
    DIMSE_CANNOT_SEND = 0xA702,
    DIMSE_DESTINATION_UNKNOWN = 0xA801,
    DIMSE_CLASS_DIFFERS = 0xA900,
    DIMSE_SOME_FAILED = 0xB000,
    DIMSE_CANNOT_UNDERSTAND = 0xC000,
    DIMSE_CANCELLED = 0xFE00,
    DIMSE_PENDING = 0xFF00
};

struct dimse_command {
    uint8_t context; /* presentation context id */
    uint16_t field;  /* enum dimse_field, or one we do not know */
    uint16_t message_id;
    uint16_t responded_id; /* responses and C-CANCEL: the message they belong to */
    uint16_t priority;
    uint16_t status; /* responses */
    bool has_data;   /* a data set follows */
    bool has_counts; /* the four numbers of sub-operations are there */
    uint16_t remaining, completed, failed, warning;
    char sop_class[65];    /* affected or requested; "" = absent or unusable */
    char sop_instance[65]; /* the same */
    char move_destination[17];
    char move_originator[17];
    uint16_t move_originator_id;
    char comment[65];
};

/* Read a whole command set. The context is the caller's to fill.
 * errors  ERR_REJECT: cut, wrong lengths, no Command Field */
int dimse_command_read(const uint8_t *bytes, size_t n, struct dimse_command *out_command,
                       struct err *err) MUST_CHECK;
/* Add the command set, group length first. */
void dimse_command_write(const struct dimse_command *command, struct buf *out);
/* The answer to a request: response field, ids, class and instance; status as given, no data. */
struct dimse_command dimse_answer(const struct dimse_command *request, uint16_t status);

#endif
