/* dimse_command.h - the command sets of DIMSE-C and DIMSE-N messages: implicit little endian,
 * group 0000. Pure functions. DICOM: PS3.7 6.3, 9.3, 10.3, C, E. */
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
    DIMSE_N_EVENT_REPORT_RQ = 0x0100,
    DIMSE_N_EVENT_REPORT_RSP = 0x8100,
    DIMSE_N_GET_RQ = 0x0110,
    DIMSE_N_GET_RSP = 0x8110,
    DIMSE_N_SET_RQ = 0x0120,
    DIMSE_N_SET_RSP = 0x8120,
    DIMSE_N_ACTION_RQ = 0x0130,
    DIMSE_N_ACTION_RSP = 0x8130,
    DIMSE_N_CREATE_RQ = 0x0140,
    DIMSE_N_CREATE_RSP = 0x8140,
    DIMSE_N_DELETE_RQ = 0x0150,
    DIMSE_N_DELETE_RSP = 0x8150,
    DIMSE_C_CANCEL_RQ = 0x0FFF
};

enum dimse_status {
    DIMSE_SUCCESS = 0x0000,
    DIMSE_NO_SUCH_ATTRIBUTE = 0x0105,
    DIMSE_INVALID_VALUE = 0x0106,      /* of an attribute */
    DIMSE_ATTRIBUTES_IGNORED = 0x0107, /* a warning: some were not understood, and listed */
    DIMSE_PROCESSING_FAILURE = 0x0110,
    DIMSE_DUPLICATE_INSTANCE = 0x0111, /* N-CREATE of one that is there */
    DIMSE_NO_SUCH_INSTANCE = 0x0112,
    DIMSE_NO_SUCH_EVENT = 0x0113,
    DIMSE_NO_SUCH_ARGUMENT = 0x0114,
    DIMSE_INVALID_ARGUMENT = 0x0115,
    DIMSE_VALUE_OUT_OF_RANGE = 0x0116, /* a warning */
    DIMSE_INVALID_INSTANCE = 0x0117,   /* its UID breaks the rules of UIDs */
    DIMSE_CLASS_UNKNOWN = 0x0118,
    DIMSE_CLASS_CONFLICT = 0x0119, /* the instance is of another SOP class */
    DIMSE_MISSING_ATTRIBUTE = 0x0120,
    DIMSE_MISSING_VALUE = 0x0121, /* of an attribute that needs one */
    DIMSE_NO_SUCH_CLASS = 0x0122, /* SOP class not supported */
    DIMSE_NO_SUCH_ACTION = 0x0123,
    DIMSE_NOT_AUTHORIZED = 0x0124,
    DIMSE_DUPLICATE_INVOCATION = 0x0210,
    DIMSE_UNRECOGNIZED_OPERATION = 0x0211,
    DIMSE_MISTYPED_ARGUMENT = 0x0212,
    DIMSE_RESOURCE_LIMITATION = 0x0213,
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

/* Of an Attribute Identifier List; more than these are not read, and not needed by any service. */
#define DIMSE_ATTRIBUTES 64

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
    char sop_class[65];      /* affected or requested (the writer takes the element that the field
                                asks for); "" = absent or unusable */
    char sop_instance[65];   /* the same */
    bool has_wrong_instance; /* one stands there, and is unusable */
    uint16_t event_type_id;  /* N-EVENT-REPORT; 0 = absent */
    uint16_t action_type_id; /* N-ACTION; 0 = absent */
    uint16_t error_id;       /* N responses: a number of the sender's own; 0 = absent */
    uint16_t attribute_count;
    uint32_t attributes[DIMSE_ATTRIBUTES]; /* N-GET: which; 0107H and 0105H: which were not */
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
/* The answer to a request: response field, ids, class and instance, event or action type; status
 * as given, no data. */
struct dimse_command dimse_answer(const struct dimse_command *request, uint16_t status);

#endif
