/* dimse_command.c - command sets, read with every length checked and written in tag order. */
#include "proto/dicom/dimse_command.h"

#include "proto/base/limits.h"
#include "proto/base/text.h"

#include <string.h>

enum {
    TAG_GROUP_LENGTH = 0x0000,
    TAG_AFFECTED_CLASS = 0x0002,
    TAG_REQUESTED_CLASS = 0x0003,
    TAG_FIELD = 0x0100,
    TAG_MESSAGE_ID = 0x0110,
    TAG_RESPONDED_ID = 0x0120,
    TAG_MOVE_DESTINATION = 0x0600,
    TAG_PRIORITY = 0x0700,
    TAG_DATA_SET_TYPE = 0x0800,
    TAG_STATUS = 0x0900,
    TAG_COMMENT = 0x0902,
    TAG_ERROR_ID = 0x0903,
    TAG_AFFECTED_INSTANCE = 0x1000,
    TAG_REQUESTED_INSTANCE = 0x1001,
    TAG_EVENT_TYPE = 0x1002,
    TAG_ATTRIBUTES = 0x1005,
    TAG_ACTION_TYPE = 0x1008,
    TAG_REMAINING = 0x1020,
    TAG_COMPLETED = 0x1021,
    TAG_FAILED = 0x1022,
    TAG_WARNING = 0x1023,
    TAG_ORIGINATOR = 0x1030,
    TAG_ORIGINATOR_ID = 0x1031,
    NO_DATA_SET = 0x0101
};

static int read_element(uint16_t element, const uint8_t *value, size_t n,
                        struct dimse_command *command, struct err *err);
static void add_text(struct buf *out, uint16_t element, const char *text, char pad);
static void add_number(struct buf *out, uint16_t element, uint16_t value);

int
dimse_command_read(const uint8_t *bytes, size_t n, struct dimse_command *out_command,
                   struct err *err)
{
    struct dimse_command command = {.status = 0};
    bool has_field = false;
    size_t at = 0;

    if (n > LIMIT_COMMAND_BYTES)
        return err_set(err, ERR_REJECT, "command set of %zu bytes", n);
    while (at < n) {
        if (n - at < 8)
            return err_set(err, ERR_REJECT, "command set is cut inside an element");
        uint16_t group = le16_read(bytes + at);
        uint16_t element = le16_read(bytes + at + 2);
        uint32_t length = le32_read(bytes + at + 4);
        at += 8;
        if (group != 0)
            return err_set(err, ERR_REJECT, "command set holds group %04X", group);
        if (length > n - at)
            return err_set(err, ERR_REJECT, "command element %04X is longer than its set", element);
        if (element == TAG_FIELD)
            has_field = true;
        if (read_element(element, bytes + at, length, &command, err) < 0)
            return -1;
        at += length;
    }
    if (!has_field || command.field == DIMSE_END)
        return err_set(err, ERR_REJECT, "command set without Command Field");
    *out_command = command;
    return 0;
}

/* A text without its padding; one that does not fit or is no text stays empty. */
static void
copy_text(char *out, size_t out_size, const uint8_t *value, size_t n)
{
    while (n > 0 && (value[n - 1] == ' ' || value[n - 1] == 0))
        n--;
    while (n > 0 && *value == ' ') {
        value++;
        n--;
    }
    memset(out, 0, out_size);
    if (n >= out_size)
        return;
    for (size_t i = 0; i < n; i++)
        if (value[i] < 0x20 || value[i] > 0x7e)
            return;
    if (n > 0)
        memcpy(out, value, n);
}

/* false: something stands there, and it is no UID. */
static bool
copy_uid(char out[65], const uint8_t *value, size_t n)
{
    bool is_empty = true;

    for (size_t i = 0; i < n; i++)
        is_empty = is_empty && (value[i] == ' ' || value[i] == 0);
    copy_text(out, 65, value, n);
    if (!uid_is_valid(out, true))
        out[0] = 0;
    return is_empty || out[0] != 0;
}

/* Tags, each two words (VR AT); those past the table's end are passed over. */
static void
copy_attributes(struct dimse_command *command, const uint8_t *value, size_t n)
{
    command->attribute_count = 0;
    for (size_t at = 0; n - at >= 4 && command->attribute_count < DIMSE_ATTRIBUTES; at += 4)
        command->attributes[command->attribute_count++] =
            (uint32_t)le16_read(value + at) << 16 | le16_read(value + at + 2);
}

static int
read_element(uint16_t element, const uint8_t *value, size_t n, struct dimse_command *command,
             struct err *err)
{
    struct {
        uint16_t element;
        uint16_t *out;
    } numbers[] = {
        {TAG_FIELD, &command->field},
        {TAG_MESSAGE_ID, &command->message_id},
        {TAG_RESPONDED_ID, &command->responded_id},
        {TAG_PRIORITY, &command->priority},
        {TAG_STATUS, &command->status},
        {TAG_REMAINING, &command->remaining},
        {TAG_COMPLETED, &command->completed},
        {TAG_FAILED, &command->failed},
        {TAG_WARNING, &command->warning},
        {TAG_ORIGINATOR_ID, &command->move_originator_id},
        {TAG_ERROR_ID, &command->error_id},
        {TAG_EVENT_TYPE, &command->event_type_id},
        {TAG_ACTION_TYPE, &command->action_type_id},
    };

    for (size_t i = 0; i < ARRAY_LEN(numbers); i++) {
        if (numbers[i].element != element)
            continue;
        if (n != 2)
            return err_set(err, ERR_REJECT, "command element %04X of %zu bytes", element, n);
        *numbers[i].out = le16_read(value);
        if (element == TAG_COMPLETED)
            command->has_counts = true;
        return 0;
    }
    if (element == TAG_DATA_SET_TYPE) {
        if (n != 2)
            return err_set(err, ERR_REJECT, "Command Data Set Type of %zu bytes", n);
        command->has_data = le16_read(value) != NO_DATA_SET;
    } else if (element == TAG_AFFECTED_CLASS || element == TAG_REQUESTED_CLASS) {
        (void)copy_uid(command->sop_class, value, n);
    } else if (element == TAG_AFFECTED_INSTANCE || element == TAG_REQUESTED_INSTANCE) {
        command->has_wrong_instance = !copy_uid(command->sop_instance, value, n);
    } else if (element == TAG_MOVE_DESTINATION) {
        copy_text(command->move_destination, sizeof command->move_destination, value, n);
    } else if (element == TAG_ORIGINATOR) {
        copy_text(command->move_originator, sizeof command->move_originator, value, n);
    } else if (element == TAG_COMMENT) {
        copy_text(command->comment, sizeof command->comment, value, n);
    } else if (element == TAG_ATTRIBUTES) {
        if (n % 4 != 0)
            return err_set(err, ERR_REJECT, "Attribute Identifier List of %zu bytes", n);
        copy_attributes(command, value, n);
    }
    return 0;
}

/* PS3.7 10.3: these name what they ask for as "requested", all other messages as "affected". */
static bool
is_of_requested(uint16_t field)
{
    return field == DIMSE_N_GET_RQ || field == DIMSE_N_SET_RQ || field == DIMSE_N_ACTION_RQ ||
           field == DIMSE_N_DELETE_RQ;
}

static bool
has_priority(uint16_t field)
{
    return field == DIMSE_C_STORE_RQ || field == DIMSE_C_FIND_RQ || field == DIMSE_C_MOVE_RQ ||
           field == DIMSE_C_GET_RQ;
}

static void
add_counts(struct buf *out, const struct dimse_command *command)
{
    if (command->status == DIMSE_PENDING || command->status == DIMSE_CANCELLED)
        add_number(out, TAG_REMAINING, command->remaining);
    add_number(out, TAG_COMPLETED, command->completed);
    add_number(out, TAG_FAILED, command->failed);
    add_number(out, TAG_WARNING, command->warning);
}

/* Elements 0000,1000 to 0000,1031. */
static void
add_objects(struct buf *out, const struct dimse_command *command)
{
    bool is_requested = is_of_requested(command->field);

    add_text(out, is_requested ? TAG_REQUESTED_INSTANCE : TAG_AFFECTED_INSTANCE,
             command->sop_instance, 0);
    if (command->event_type_id != 0)
        add_number(out, TAG_EVENT_TYPE, command->event_type_id);
    if (command->attribute_count > 0) {
        buf_add_le16(out, 0);
        buf_add_le16(out, TAG_ATTRIBUTES);
        buf_add_le32(out, 4u * command->attribute_count);
    }
    for (size_t i = 0; i < command->attribute_count; i++) {
        buf_add_le16(out, (uint16_t)(command->attributes[i] >> 16));
        buf_add_le16(out, (uint16_t)command->attributes[i]);
    }
    if (command->action_type_id != 0)
        add_number(out, TAG_ACTION_TYPE, command->action_type_id);
    if (command->has_counts)
        add_counts(out, command);
    if (command->move_originator[0] != 0) {
        add_text(out, TAG_ORIGINATOR, command->move_originator, ' ');
        add_number(out, TAG_ORIGINATOR_ID, command->move_originator_id);
    }
}

void
dimse_command_write(const struct dimse_command *command, struct buf *out)
{
    bool is_response = (command->field & 0x8000) != 0;
    size_t start = out->n;

    buf_add_le16(out, 0);
    buf_add_le16(out, TAG_GROUP_LENGTH);
    buf_add_le32(out, 4);
    buf_add_le32(out, 0);
    add_text(out, is_of_requested(command->field) ? TAG_REQUESTED_CLASS : TAG_AFFECTED_CLASS,
             command->sop_class, 0);
    add_number(out, TAG_FIELD, command->field);
    if (!is_response && command->field != DIMSE_C_CANCEL_RQ)
        add_number(out, TAG_MESSAGE_ID, command->message_id);
    if (is_response || command->field == DIMSE_C_CANCEL_RQ)
        add_number(out, TAG_RESPONDED_ID, command->responded_id);
    add_text(out, TAG_MOVE_DESTINATION, command->move_destination, ' ');
    if (has_priority(command->field))
        add_number(out, TAG_PRIORITY, command->priority);
    add_number(out, TAG_DATA_SET_TYPE, command->has_data ? 0x0001 : NO_DATA_SET);
    if (is_response) {
        add_number(out, TAG_STATUS, command->status);
        add_text(out, TAG_COMMENT, command->comment, ' ');
        if (command->error_id != 0)
            add_number(out, TAG_ERROR_ID, command->error_id);
    }
    add_objects(out, command);
    if (!buf_is_over(out))
        le32_write(out->bytes + start + 8, (uint32_t)(out->n - start - 12));
}

struct dimse_command
dimse_answer(const struct dimse_command *request, uint16_t status)
{
    struct dimse_command answer = {
        .context = request->context,
        .field = (uint16_t)(request->field | 0x8000),
        .responded_id = request->message_id,
        .status = status,
        .event_type_id = request->event_type_id,
        .action_type_id = request->action_type_id,
    };

    memcpy(answer.sop_class, request->sop_class, sizeof answer.sop_class);
    memcpy(answer.sop_instance, request->sop_instance, sizeof answer.sop_instance);
    return answer;
}

static void
add_text(struct buf *out, uint16_t element, const char *text, char pad)
{
    size_t n = strlen(text);

    if (n == 0)
        return;
    buf_add_le16(out, 0);
    buf_add_le16(out, element);
    buf_add_le32(out, (uint32_t)(n + (n & 1)));
    buf_add(out, text, n);
    if (n & 1)
        buf_add(out, &pad, 1);
}

static void
add_number(struct buf *out, uint16_t element, uint16_t value)
{
    buf_add_le16(out, 0);
    buf_add_le16(out, element);
    buf_add_le32(out, 2);
    buf_add_le16(out, value);
}
