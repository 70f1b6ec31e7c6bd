/* dimse_pdu.c - a strict reading of association PDUs.
 * Invariants: no byte outside [pdu, pdu + n) is read; every output text ends with a zero; counts
 * stay within their arrays. What passes here is well-formed; what DCMTK makes of it is bounded.
 * A title or a UID that is none costs no more than what it names. */
#include "proto/dicom/dimse_pdu.h"

#include "proto/base/limits.h"
#include "proto/base/text.h"

#include <stddef.h>
#include <string.h>

enum {
    ITEM_APPLICATION = 0x10,
    ITEM_CONTEXT_RQ = 0x20,
    ITEM_CONTEXT_AC = 0x21,
    ITEM_ABSTRACT = 0x30,
    ITEM_TRANSFER = 0x40,
    ITEM_USER = 0x50,
    ITEM_MAX_LENGTH = 0x51,
    ITEM_IMPLEMENTATION = 0x52,
    ITEM_ASYNC = 0x53,
    ITEM_ROLE = 0x54,
    ITEM_VERSION = 0x55,
    ITEM_EXTENDED = 0x56,
    ITEM_IDENTITY_RQ = 0x58,
    ITEM_NONE = 0xff, /* of no type that is known: read past */
    CALLED_AT = 10,
    CALLING_AT = 26,
    TITLE_BYTES = 16,
    UID_BYTES = 64,
    FIXED_BYTES = 68 /* version, reserved, titles, reserved */
};

struct range {
    const uint8_t *at;
    size_t n;
};

static int next_item(struct range *in, uint8_t *out_type, struct range *out_value, struct err *err);
static int read_context(uint8_t type, struct range in, struct pdu_associate *out, struct err *err);
static int read_user(struct range in, struct pdu_associate *out, struct err *err);
static int read_role(struct range in, struct pdu_associate *out, struct err *err);
static void copy_title(char out[17], const uint8_t in[16]);
static int copy_uid(char out[65], struct range in, struct err *err);

static uint16_t
be16(const uint8_t *p)
{
    return (uint16_t)(p[0] << 8 | p[1]);
}

static uint32_t
be32(const uint8_t *p)
{
    return (uint32_t)p[0] << 24 | (uint32_t)p[1] << 16 | (uint32_t)p[2] << 8 | p[3];
}

int
pdu_head_check(const uint8_t head[PDU_HEAD_BYTES], uint32_t max_data_bytes, uint32_t *out_length,
               struct err *err)
{
    uint32_t length = be32(head + 2);
    uint64_t most;

    switch (head[0]) {
    case PDU_ASSOCIATE_RQ:
    case PDU_ASSOCIATE_AC:
        most = LIMIT_ASSOCIATE_PDU_BYTES;
        break;
    case PDU_DATA:
        most = max_data_bytes;
        break;
    case PDU_ASSOCIATE_RJ:
    case PDU_RELEASE_RQ:
    case PDU_RELEASE_RP:
    case PDU_ABORT:
        most = 4;
        break;
    default:
        return err_set(err, ERR_REJECT, "PDU type %02XH", head[0]);
    }
    if (length > most || length < 4)
        return err_set(err, ERR_REJECT, "PDU of type %u has %u bytes", head[0], length);
    *out_length = length;
    return 0;
}

int
pdu_associate_read(const uint8_t *pdu, size_t n, struct pdu_associate *out, struct err *err)
{
    uint8_t type = 0;
    struct range value = {0}, rest;
    bool has_application = false, has_user = false;

    /* It is big, and mostly unused: of contexts only those that come are set. */
    memset(out, 0, offsetof(struct pdu_associate, contexts));
    if (n < PDU_HEAD_BYTES + FIXED_BYTES || be32(pdu + 2) != n - PDU_HEAD_BYTES)
        return err_set(err, ERR_REJECT, "association PDU of %zu bytes", n);
    if ((be16(pdu + 6) & 1) == 0)
        return err_set(err, ERR_REJECT, "association PDU of protocol version %u", be16(pdu + 6));
    copy_title(out->called, pdu + CALLED_AT);
    copy_title(out->calling, pdu + CALLING_AT);
    rest = (struct range){pdu + PDU_HEAD_BYTES + FIXED_BYTES, n - PDU_HEAD_BYTES - FIXED_BYTES};
    while (rest.n > 0) {
        if (next_item(&rest, &type, &value, err) < 0)
            return -1;
        if (type == ITEM_APPLICATION)
            has_application = true;
        if ((type == ITEM_CONTEXT_RQ || type == ITEM_CONTEXT_AC) &&
            read_context(type, value, out, err) < 0)
            return -1;
        if (type == ITEM_USER) {
            if (has_user)
                return err_set(err, ERR_REJECT, "two user information items");
            has_user = true;
            if (read_user(value, out, err) < 0)
                return -1;
        }
    }
    if (!has_application || !has_user || out->context_count == 0)
        return err_set(err, ERR_REJECT, "association PDU without %s",
                       !has_application ? "application context"
                       : !has_user      ? "user information"
                                        : "presentation context");
    return 0;
}

/* UIDs that are too long, among the items in `in`: an empty one, and an item of no type. */
static void
empty_long_uids(uint8_t *pdu, struct range in)
{
    struct range value = {0};
    uint8_t type = 0;
    struct err err;

    while (in.n > 0 && next_item(&in, &type, &value, &err) == 0) {
        if (value.n <= UID_BYTES ||
            (type != ITEM_ABSTRACT && type != ITEM_TRANSFER && type != ITEM_IMPLEMENTATION))
            continue;
        size_t rest = value.n - 4;
        const uint8_t no_type[] = {ITEM_NONE, 0, (uint8_t)(rest >> 8), (uint8_t)rest};
        uint8_t *at = pdu + (value.at - pdu);
        at[-2] = at[-1] = 0;
        memcpy(at, no_type, sizeof no_type);
    }
}

void
pdu_associate_mend(uint8_t *pdu, size_t n, const struct pdu_associate *read)
{
    struct range value = {0},
                 rest = {pdu + PDU_HEAD_BYTES + FIXED_BYTES, n - PDU_HEAD_BYTES - FIXED_BYTES};
    uint8_t type = 0;
    struct err err;

    memset(pdu + CALLED_AT, ' ', 2 * TITLE_BYTES);
    memcpy(pdu + CALLED_AT, read->called, strlen(read->called));
    memcpy(pdu + CALLING_AT, read->calling, strlen(read->calling));
    while (rest.n > 0 && next_item(&rest, &type, &value, &err) == 0) {
        if (type == ITEM_CONTEXT_RQ)
            empty_long_uids(pdu, (struct range){value.at + 4, value.n - 4});
        if (type == ITEM_USER)
            empty_long_uids(pdu, value);
    }
}

int
pdu_data_check(const uint8_t *pdu, size_t n, struct err *err)
{
    size_t at = PDU_HEAD_BYTES;

    if (n <= PDU_HEAD_BYTES)
        return err_set(err, ERR_REJECT, "data PDU without a PDV");
    while (at < n) {
        if (n - at < 6)
            return err_set(err, ERR_REJECT, "data PDU is cut inside a PDV");
        uint32_t length = be32(pdu + at);
        if (length < 2 || length > n - at - 4)
            return err_set(err, ERR_REJECT, "PDV of %u bytes in a PDU of %zu", length, n);
        at += 4 + (size_t)length;
    }
    return 0;
}

size_t
pdu_pdv_bytes(const uint8_t *pdv)
{
    return 4 + (size_t)be32(pdv);
}

static int
next_item(struct range *in, uint8_t *out_type, struct range *out_value, struct err *err)
{
    if (in->n < 4)
        return err_set(err, ERR_REJECT, "association item is cut");
    size_t length = be16(in->at + 2);
    if (length > in->n - 4)
        return err_set(err, ERR_REJECT, "association item %02XH is longer than its parent",
                       in->at[0]);
    *out_type = in->at[0];
    *out_value = (struct range){in->at + 4, length};
    in->at += 4 + length;
    in->n -= 4 + length;
    return 0;
}

static int
read_context(uint8_t type, struct range in, struct pdu_associate *out, struct err *err)
{
    struct pdu_context *c;
    struct range value = {0};
    bool is_answer = type == ITEM_CONTEXT_AC, has_abstract = false, has_transfer = false;
    uint8_t item = 0;

    if (in.n < 4)
        return err_set(err, ERR_REJECT, "presentation context is cut");
    if (out->context_count == ARRAY_LEN(out->contexts))
        return err_set(err, ERR_REJECT, "more than %zu presentation contexts",
                       ARRAY_LEN(out->contexts));
    if ((in.at[0] & 1) == 0)
        return err_set(err, ERR_REJECT, "presentation context id %u is even", in.at[0]);
    for (size_t i = 0; i < out->context_count; i++)
        if (out->contexts[i].id == in.at[0])
            return err_set(err, ERR_REJECT, "presentation context id %u twice", in.at[0]);
    c = &out->contexts[out->context_count];
    memset(c, 0, offsetof(struct pdu_context, syntaxes));
    c->id = in.at[0];
    in = (struct range){in.at + 4, in.n - 4};
    while (in.n > 0) {
        if (next_item(&in, &item, &value, err) < 0)
            return -1;
        has_abstract = has_abstract || item == ITEM_ABSTRACT;
        has_transfer = has_transfer || item == ITEM_TRANSFER;
        if (item == ITEM_ABSTRACT && copy_uid(c->abstract_syntax, value, err) < 0 && is_answer)
            return -1;
        if (item != ITEM_TRANSFER || c->syntax_count == PDU_SYNTAXES)
            continue;
        if (copy_uid(c->syntaxes[c->syntax_count], value, err) < 0 && is_answer)
            return -1;
        if (c->syntaxes[c->syntax_count][0] != 0)
            c->syntax_count++;
    }
    if (!is_answer && (!has_transfer || !has_abstract))
        return err_set(err, ERR_REJECT, "presentation context %u proposes nothing", c->id);
    out->context_count++;
    return 0;
}

static int
read_user(struct range in, struct pdu_associate *out, struct err *err)
{
    struct range value = {0};
    uint8_t item = 0;

    while (in.n > 0) {
        if (next_item(&in, &item, &value, err) < 0)
            return -1;
        if (item == ITEM_MAX_LENGTH) {
            if (value.n != 4)
                return err_set(err, ERR_REJECT, "maximum length item of %zu bytes", value.n);
            out->max_pdu = be32(value.at);
        } else if (item == ITEM_IMPLEMENTATION) {
            (void)copy_uid(out->implementation_uid, value, err); /* "" then: for people only */
        } else if (item == ITEM_VERSION) {
            if (value.n > 16)
                return err_set(err, ERR_REJECT, "implementation version of %zu bytes", value.n);
            for (size_t i = 0; i < value.n; i++)
                out->implementation_version[i] =
                    value.at[i] >= 0x20 && value.at[i] < 0x7f ? (char)value.at[i] : '?';
        } else if (item == ITEM_ASYNC) {
            if (value.n != 4)
                return err_set(err, ERR_REJECT, "asynchronous window item of %zu bytes", value.n);
        } else if (item == ITEM_ROLE) {
            if (read_role(value, out, err) < 0)
                return -1;
        } else if (item == ITEM_EXTENDED) {
            if (value.n < 2 || be16(value.at) > value.n - 2)
                return err_set(err, ERR_REJECT, "extended negotiation lies about its length");
        } else if (item == ITEM_IDENTITY_RQ) {
            size_t first;
            if (value.n < 6 || (first = be16(value.at + 2)) > value.n - 6 ||
                be16(value.at + 4 + first) > value.n - 6 - first)
                return err_set(err, ERR_REJECT, "user identity lies about its length");
        }
    }
    return 0;
}

static int
read_role(struct range in, struct pdu_associate *out, struct err *err)
{
    char uid[65];

    if (in.n < 4 || be16(in.at) != in.n - 4)
        return err_set(err, ERR_REJECT, "role selection lies about its length");
    if (copy_uid(uid, (struct range){in.at + 2, in.n - 4}, err) < 0 || uid[0] == 0)
        return 0; /* of no context */
    for (size_t i = 0; i < out->context_count; i++) {
        if (strcmp(out->contexts[i].abstract_syntax, uid) != 0)
            continue;
        out->contexts[i].peer_is_scp = in.at[in.n - 1] != 0;
        out->contexts[i].is_scp_only = in.at[in.n - 1] != 0 && in.at[in.n - 2] == 0;
    }
    return 0;
}

/* Some devices copy their title into memory that was never set: it ends at its first zero. */
static void
copy_title(char out[17], const uint8_t in[TITLE_BYTES])
{
    const uint8_t *zero = memchr(in, 0, TITLE_BYTES);
    size_t from = 0, to = zero ? (size_t)(zero - in) : TITLE_BYTES;

    memset(out, 0, 17);
    while (from < to && in[from] == ' ')
        from++;
    while (to > from && in[to - 1] == ' ')
        to--;
    for (size_t i = from; i < to; i++)
        out[i - from] = in[i] >= 0x20 && in[i] <= 0x7e && in[i] != '\\' ? (char)in[i] : '?';
    if (from == to)
        out[0] = '?';
}

static int
copy_uid(char out[65], struct range in, struct err *err)
{
    memset(out, 0, 65);
    while (in.n > 0 && (in.at[in.n - 1] == 0 || in.at[in.n - 1] == ' '))
        in.n--;
    if (in.n > UID_BYTES)
        return err_set(err, ERR_REJECT, "UID of %zu characters", in.n);
    for (size_t i = 0; i < in.n; i++)
        if ((in.at[i] < '0' || in.at[i] > '9') && in.at[i] != '.')
            return err_set(err, ERR_REJECT, "UID with character %02XH", in.at[i]);
    if (in.n > 0)
        memcpy(out, in.at, in.n);
    return 0;
}
