/* clinic.c - the clinic's messages as JSON: one table says which kind has which member. */
#include "proto/link/clinic.h"

#include "proto/base/jsonw.h"
#include "proto/base/text.h"
#include "proto/http/json.h"
#include "proto/link/clinic_member.h"

#include <stdlib.h>
#include <string.h>

#define MEMBER(type, name, shape, due, kinds)                                                      \
    {                                                                                              \
#name, shape, due, kinds, offsetof(struct type, name), sizeof((struct type *)0)->name      \
    }
#define UP(name, shape, due, kinds) MEMBER(clinic_up, name, shape, due, kinds)
#define DOWN(name, shape, due, kinds) MEMBER(clinic_down, name, shape, due, kinds)
#define K(kind) (1u << CLINIC_##kind)
#define ALL (~0u)

#define MAY_NAME_NONE (K(CONFIRM) | K(ANSWER) | K(DOUBT) | K(STUDY_URGENT) | K(ABSENT))

static const struct clinic_member up_members[] = {
    UP(id, ID, IS_DUE, ALL),
    UP(at_us, TIME, IS_DUE, ALL),
    UP(registration, REGISTRATION, IS_DUE, ALL & ~MAY_NAME_NONE),
    UP(registration, REGISTRATION, MAY_BE_EMPTY, MAY_NAME_NONE),
    UP(identity, ID, MAY_BE_EMPTY, ALL & ~MAY_NAME_NONE),
    UP(revision, COUNT, IS_DUE, K(REGISTRATION) | K(DOUBT) | K(STUDY_URGENT) | K(ABSENT)),
    UP(name, LINE, IS_DUE, K(REGISTRATION)),
    UP(citizen_id, CITIZEN, MAY_BE_EMPTY, K(REGISTRATION)),
    UP(sex, SEX, MAY_BE_EMPTY, K(REGISTRATION) | K(DOUBT)),
    UP(birth, DAY, MAY_BE_EMPTY, K(REGISTRATION) | K(DOUBT)),
    UP(modality, WORD, MAY_BE_EMPTY, K(REGISTRATION)),
    UP(complaint, WORDS, MAY_BE_EMPTY, K(REGISTRATION)),
    UP(history, WORDS, MAY_BE_EMPTY, K(REGISTRATION)),
    UP(is_urgent, TRUTH, IS_DUE, K(REGISTRATION) | K(URGENT) | K(STUDY_URGENT)),
    UP(phone, PHONE, MAY_BE_EMPTY, K(REGISTRATION)),
    UP(clinic_phone, PHONE, MAY_BE_EMPTY, K(REGISTRATION)),
    UP(phone, PHONE, IS_DUE, K(PHONE_CODE) | K(PHONE_CHECK)),
    UP(study, UID, IS_DUE, K(ATTACH) | K(JOIN) | K(DOUBT) | K(STUDY_URGENT) | K(ABSENT)),
    UP(study, UID, MAY_BE_EMPTY, K(CONFIRM)),
    UP(reason, WORDS, MAY_BE_EMPTY,
       K(REGISTRATION) | K(URGENT) | K(DOUBT) | K(STUDY_URGENT) | K(ABSENT)),
    UP(name, LINE, MAY_BE_EMPTY, K(DOUBT)),
    UP(patient_id, LINE, MAY_BE_EMPTY, K(DOUBT)),
    UP(doubts, LINE, MAY_BE_EMPTY, K(DOUBT)),
    UP(is_confirmed, TRUTH, IS_DUE, K(DOUBT)),
    UP(is_corrected, TRUTH, IS_DUE, K(DOUBT)),
    UP(reason, WORDS, IS_DUE, K(ANSWER)),
    UP(code_sha256, HASH, IS_DUE, K(SLIP)),
    UP(otp, DIGITS, IS_DUE, K(PHONE_CHECK)),
    UP(read, NUMBER, IS_DUE, K(CONFIRM) | K(ANSWER)),
    UP(version, COUNT, IS_DUE, K(CONFIRM)),
    UP(call, ID, IS_DUE, K(ANSWER)),
    UP(outcome, WORD, IS_DUE, K(ANSWER)),
    UP(by, LINE, MAY_BE_EMPTY, K(ANSWER) | K(STUDY_URGENT) | K(ABSENT)),
    UP(images, COUNT, IS_DUE, K(ABSENT)),
    UP(absent, WORD, IS_DUE, K(ABSENT)),
};

#define ABOUT_A_READ (ALL & ~(K(NOTICE) | K(ORDER)))
#define A_REPORT (K(REPORT) | K(AMENDED))
#define A_CALL (K(CRITICAL) | K(REPEAT))

static const struct clinic_member down_members[] = {
    DOWN(seq, NUMBER, IS_DUE, ALL),
    DOWN(id, ID, IS_DUE, ALL),
    DOWN(at_us, TIME, IS_DUE, ALL),
    DOWN(read, NUMBER, IS_DUE, ABOUT_A_READ),
    DOWN(read, NUMBER, MAY_BE_EMPTY, K(NOTICE)),
    DOWN(study, UID, IS_DUE, ABOUT_A_READ),
    DOWN(study, UID, MAY_BE_EMPTY, K(NOTICE)),
    DOWN(registration, REGISTRATION, MAY_BE_EMPTY, ALL),
    DOWN(patient, LINE, MAY_BE_EMPTY, ALL),
    DOWN(modality, WORD, MAY_BE_EMPTY, ALL),
    DOWN(state, WORD, IS_DUE, ABOUT_A_READ),
    DOWN(version, COUNT, IS_DUE, A_REPORT | K(WITHDRAWN) | K(LATE)),
    DOWN(is_preliminary, TRUTH, IS_DUE, A_REPORT),
    DOWN(signed_at_us, TIME, IS_DUE, A_REPORT),
    DOWN(author, LINE, MAY_BE_EMPTY, A_REPORT | A_CALL | K(URGENCY) | K(ORDER) | K(LATE)),
    DOWN(reviewer, LINE, MAY_BE_EMPTY, A_REPORT),
    DOWN(hospital, LINE, MAY_BE_EMPTY, A_REPORT | A_CALL | K(URGENCY) | K(ORDER)),
    DOWN(verify_url, LINE, MAY_BE_EMPTY, A_REPORT),
    DOWN(replaces, COUNT, MAY_BE_EMPTY, A_REPORT),
    DOWN(covers, COUNT, MAY_BE_EMPTY, A_REPORT | K(LATE)),
    DOWN(present, COUNT, MAY_BE_EMPTY, A_REPORT | K(LATE)),
    DOWN(looked_at_us, NUMBER, MAY_BE_EMPTY, K(LATE)),
    DOWN(reason, WORDS, MAY_BE_EMPTY, K(AMENDED) | K(WITHDRAWN) | K(NOTICE) | K(ORDER) | K(LATE)),
    DOWN(reason, WORDS, IS_DUE, A_CALL | K(URGENCY)),
    DOWN(is_on_preview, TRUTH, IS_DUE, K(CRITICAL)),
    DOWN(call, ID, IS_DUE, K(ANSWERED)),
    DOWN(outcome, WORD, IS_DUE, K(ANSWERED)),
    DOWN(outcome, WORD, MAY_BE_EMPTY, A_CALL),
    DOWN(answer, WORDS, MAY_BE_EMPTY, A_CALL | K(ANSWERED)),
    DOWN(answered_by, LINE, MAY_BE_EMPTY, A_CALL | K(ANSWERED)),
    DOWN(answered_at_us, NUMBER, MAY_BE_EMPTY, A_CALL | K(ANSWERED)),
    DOWN(urgency, WORD, IS_DUE, K(URGENCY)),
    DOWN(placer, LINE, IS_DUE, K(ORDER)),
    DOWN(is_cancelled, TRUTH, IS_DUE, K(ORDER)),
    DOWN(is_urgent, TRUTH, IS_DUE, K(ORDER)),
    DOWN(accession, LINE, MAY_BE_EMPTY, K(ORDER)),
    DOWN(patient_id, LINE, MAY_BE_EMPTY, K(ORDER)),
    DOWN(citizen_id, CITIZEN, MAY_BE_EMPTY, K(ORDER)),
    DOWN(sex, SEX, MAY_BE_EMPTY, K(ORDER)),
    DOWN(birth, DAY, MAY_BE_EMPTY, K(ORDER)),
    DOWN(phone, PHONE, MAY_BE_EMPTY, K(ORDER)),
    DOWN(station, LINE, MAY_BE_EMPTY, K(ORDER)),
    DOWN(scheduled_at_us, NUMBER, MAY_BE_EMPTY, K(ORDER)),
    DOWN(description, LINE, MAY_BE_EMPTY, K(ORDER)),
    DOWN(code, LINE, MAY_BE_EMPTY, K(ORDER)),
    DOWN(code_scheme, LINE, MAY_BE_EMPTY, K(ORDER)),
    DOWN(referring, LINE, MAY_BE_EMPTY, K(ORDER)),
    DOWN(department, LINE, MAY_BE_EMPTY, K(ORDER)),
    DOWN(complaint, WORDS, MAY_BE_EMPTY, K(ORDER)),
    DOWN(history, WORDS, MAY_BE_EMPTY, K(ORDER)),
};

static const struct clinic_member receipt_members[] = {
    MEMBER(clinic_receipt, id, ID, IS_DUE, ALL),
    MEMBER(clinic_receipt, word, WORD, MAY_BE_EMPTY, ALL),
};

struct family {
    const struct clinic_member *members;
    size_t count;
    const char *const *words; /* of the kinds */
    int kinds;
    const char *kind_key;
    size_t kind_offset; /* of an enum */
    bool is_open;       /* a newer peer may know more kinds: they are passed over */
};

static const char *const up_words[CLINIC_UP_KINDS] = {
    [CLINIC_REGISTRATION] = "registration",
    [CLINIC_ATTACH] = "attach",
    [CLINIC_URGENT] = "urgent",
    [CLINIC_SLIP] = "slip",
    [CLINIC_PHONE_CODE] = "phone_code",
    [CLINIC_PHONE_CHECK] = "phone_check",
    [CLINIC_CONFIRM] = "confirm",
    [CLINIC_ANSWER] = "answer",
    [CLINIC_JOIN] = "join",
    [CLINIC_DOUBT] = "doubt",
    [CLINIC_STUDY_URGENT] = "study_urgent",
    [CLINIC_ABSENT] = "absent",
};
static const char *const down_words[CLINIC_DOWN_KINDS] = {
    [CLINIC_READ_STATE] = "read_state",
    [CLINIC_REPORT] = "report",
    [CLINIC_AMENDED] = "amended",
    [CLINIC_WITHDRAWN] = "withdrawn",
    [CLINIC_LATE] = "late",
    [CLINIC_NOTICE] = "notice",
    [CLINIC_CRITICAL] = "critical",
    [CLINIC_REPEAT] = "repeat",
    [CLINIC_URGENCY] = "urgency",
    [CLINIC_ORDER] = "order",
    [CLINIC_ANSWERED] = "answered",
};
static const char *const outcome_words[CLINIC_OUTCOMES] = {
    [CLINIC_DONE] = "done",
    [CLINIC_REFUSED] = "refused",
};

static const struct family up_family = {up_members, ARRAY_LEN(up_members),
                                        up_words,   CLINIC_UP_KINDS,
                                        "kind",     offsetof(struct clinic_up, kind),
                                        false};
static const struct family down_family = {down_members, ARRAY_LEN(down_members),
                                          down_words,   CLINIC_DOWN_KINDS,
                                          "kind",       offsetof(struct clinic_down, kind),
                                          true};
static const struct family receipt_family = {receipt_members,
                                             ARRAY_LEN(receipt_members),
                                             outcome_words,
                                             CLINIC_OUTCOMES,
                                             "outcome",
                                             offsetof(struct clinic_receipt, outcome),
                                             false};

static int
find_word(const char *const *words, int count, const char *word)
{
    for (int i = 0; i < count; i++)
        if (strcmp(words[i], word) == 0)
            return i;
    return -1;
}

const char *
clinic_up_word(enum clinic_up_kind kind)
{
    CHECK(kind < CLINIC_UP_KINDS);
    return up_words[kind];
}

const char *
clinic_down_word(enum clinic_down_kind kind)
{
    CHECK(kind < CLINIC_DOWN_KINDS);
    return down_words[kind];
}

const char *
clinic_outcome_word(enum clinic_outcome outcome)
{
    CHECK(outcome < CLINIC_OUTCOMES);
    return outcome_words[outcome];
}

int
clinic_up_kind_of(const char *word)
{
    return find_word(up_words, CLINIC_UP_KINDS, word);
}

int
clinic_down_kind_of(const char *word)
{
    return find_word(down_words, CLINIC_DOWN_KINDS, word);
}

static void
write_message(struct jsonw *w, const struct family *f, const void *message)
{
    unsigned kind;

    memcpy(&kind, (const char *)message + f->kind_offset, sizeof kind);
    CHECK(kind < (unsigned)f->kinds);
    jsonw_object(w, NULL);
    jsonw_text(w, f->kind_key, f->words[kind]);
    for (size_t i = 0; i < f->count; i++)
        if (f->members[i].kinds & 1u << kind)
            clinic_member_write(w, &f->members[i], (const char *)message + f->members[i].offset);
    jsonw_end(w);
}

static int
read_message(const struct json *o, const struct family *f, void *out, struct err *err)
{
    const char *word;
    int kind;

    if (json_text(o, f->kind_key, CLINIC_WORD_SIZE - 1, &word, err) < 0)
        return -1;
    kind = find_word(f->words, f->kinds, word);
    if (kind < 0)
        return err_set(err, ERR_REJECT, "%s: an unknown one", f->kind_key);
    memcpy((char *)out + f->kind_offset, &kind, sizeof kind);
    for (size_t i = 0; i < f->count; i++)
        if (f->members[i].kinds & 1u << kind &&
            clinic_member_read(o, &f->members[i], (char *)out + f->members[i].offset, err) < 0)
            return err_context(err, "%s", f->words[kind]);
    return 0;
}

static int
open_doc(const uint8_t *bytes, size_t n, struct json_doc **out_doc, struct err *err)
{
    if (n > CLINIC_BODY_BYTES)
        return err_set(err, ERR_REJECT, "longer than %d bytes", CLINIC_BODY_BYTES);
    return json_parse(bytes, n, out_doc, err);
}

static void
write_list(struct jsonw *w, const char *key, const struct family *f, const void *messages,
           size_t count, size_t each)
{
    jsonw_array(w, key);
    for (size_t i = 0; i < count; i++)
        write_message(w, f, (const char *)messages + i * each);
    jsonw_end(w);
}

/* A kind that only a newer peer knows. */
static bool
is_passed_over(const struct json *o, const struct family *f)
{
    const char *word = json_as_text(json_find(o, f->kind_key));

    return f->is_open && word != NULL && strlen(word) < CLINIC_WORD_SIZE && clinic_is_word(word) &&
           find_word(f->words, f->kinds, word) < 0;
}

/* The messages of o[key], as fresh memory of count times each. */
static int
read_list(const struct json *o, const char *key, const struct family *f, size_t each,
          void **out_messages, size_t *out_count, struct err *err)
{
    const struct json *list;
    size_t count = 0;
    char *messages;

    if (json_list(o, key, CLINIC_MESSAGES, &list, err) < 0)
        return -1;
    messages = mem_new((json_length(list) + 1) * each);
    for (size_t i = 0; i < json_length(list); i++) {
        if (is_passed_over(json_at(list, i), f))
            continue;
        if (read_message(json_at(list, i), f, messages + count++ * each, err) < 0) {
            free(messages);
            return err_context(err, "message %zu", i);
        }
    }
    *out_messages = messages;
    *out_count = count;
    return 0;
}

void
clinic_ups_encode(const struct clinic_ups *ups, struct buf *out)
{
    struct jsonw w;

    jsonw_init(&w, out);
    jsonw_object(&w, NULL);
    write_list(&w, "messages", &up_family, ups->messages, ups->count, sizeof *ups->messages);
    jsonw_end(&w);
}

int
clinic_ups_decode(const uint8_t *bytes, size_t n, struct clinic_ups *out, struct err *err)
{
    struct json_doc *doc = NULL;
    void *messages;
    int rc = -1;

    if (open_doc(bytes, n, &doc, err) == 0)
        rc = read_list(json_root(doc), "messages", &up_family, sizeof *out->messages, &messages,
                       &out->count, err);
    if (rc == 0)
        out->messages = messages;
    json_free(&doc);
    return rc;
}

void
clinic_ups_free(struct clinic_ups *ups)
{
    free(ups->messages);
    *ups = (struct clinic_ups){.count = 0};
}

void
clinic_receipts_encode(const struct clinic_receipts *receipts, struct buf *out)
{
    struct jsonw w;

    jsonw_init(&w, out);
    jsonw_object(&w, NULL);
    if (receipts->is_told_lost)
        jsonw_bool(&w, "is_told_lost", true);
    write_list(&w, "receipts", &receipt_family, receipts->receipts, receipts->count,
               sizeof *receipts->receipts);
    jsonw_end(&w);
}

/* Left out: false. */
static int
read_flag(const struct json *root, const char *name, bool *out, struct err *err)
{
    *out = false;
    return json_find(root, name) == NULL ? 0 : json_truth(root, name, out, err);
}

int
clinic_receipts_decode(const uint8_t *bytes, size_t n, struct clinic_receipts *out, struct err *err)
{
    struct clinic_receipts read = {.count = 0};
    struct json_doc *doc = NULL;
    void *receipts;
    int rc = -1;

    if (open_doc(bytes, n, &doc, err) == 0 &&
        read_flag(json_root(doc), "is_told_lost", &read.is_told_lost, err) == 0)
        rc = read_list(json_root(doc), "receipts", &receipt_family, sizeof *out->receipts,
                       &receipts, &read.count, err);
    if (rc == 0) {
        read.receipts = receipts;
        *out = read;
    }
    json_free(&doc);
    return rc;
}

void
clinic_receipts_free(struct clinic_receipts *receipts)
{
    free(receipts->receipts);
    *receipts = (struct clinic_receipts){.count = 0};
}

void
clinic_downs_encode(const struct clinic_downs *downs, struct buf *out)
{
    struct jsonw w;

    jsonw_init(&w, out);
    jsonw_object(&w, NULL);
    jsonw_uint(&w, "next", downs->next);
    jsonw_text(&w, "patient_url", downs->patient_url);
    if (downs->is_cursor_lost)
        jsonw_bool(&w, "is_cursor_lost", true);
    if (downs->is_told_lost)
        jsonw_bool(&w, "is_told_lost", true);
    write_list(&w, "messages", &down_family, downs->messages, downs->count,
               sizeof *downs->messages);
    jsonw_end(&w);
}

int
clinic_downs_decode(const uint8_t *bytes, size_t n, struct clinic_downs *out, struct err *err)
{
    static const struct clinic_member url =
        MEMBER(clinic_downs, patient_url, LINE, MAY_BE_EMPTY, ALL);
    struct clinic_downs downs = {.count = 0};
    struct json_doc *doc = NULL;
    void *messages;
    int rc = -1;

    if (open_doc(bytes, n, &doc, err) < 0 ||
        json_u64(json_root(doc), "next", INT64_MAX, &downs.next, err) < 0 ||
        clinic_member_read(json_root(doc), &url, downs.patient_url, err) < 0 ||
        read_flag(json_root(doc), "is_cursor_lost", &downs.is_cursor_lost, err) < 0 ||
        read_flag(json_root(doc), "is_told_lost", &downs.is_told_lost, err) < 0 ||
        read_list(json_root(doc), "messages", &down_family, sizeof *downs.messages, &messages,
                  &downs.count, err) < 0)
        goto out;
    downs.messages = messages;
    downs.passed_over = json_length(json_find(json_root(doc), "messages")) - downs.count;
    *out = downs;
    rc = 0;
out:
    json_free(&doc);
    return rc;
}

void
clinic_downs_free(struct clinic_downs *downs)
{
    free(downs->messages);
    *downs = (struct clinic_downs){.count = 0};
}

void
clinic_up_encode(const struct clinic_up *up, struct buf *out)
{
    struct jsonw w;

    jsonw_init(&w, out);
    write_message(&w, &up_family, up);
}

void
clinic_down_encode(const struct clinic_down *down, struct buf *out)
{
    struct jsonw w;

    jsonw_init(&w, out);
    write_message(&w, &down_family, down);
}

static int
decode_one(const uint8_t *bytes, size_t n, const struct family *f, void *out, struct err *err)
{
    struct json_doc *doc = NULL;
    int rc = -1;

    if (open_doc(bytes, n, &doc, err) == 0)
        rc = read_message(json_root(doc), f, out, err);
    json_free(&doc);
    return rc;
}

int
clinic_up_decode(const uint8_t *bytes, size_t n, struct clinic_up *out, struct err *err)
{
    *out = (struct clinic_up){.at_us = 0};
    return decode_one(bytes, n, &up_family, out, err);
}

int
clinic_down_decode(const uint8_t *bytes, size_t n, struct clinic_down *out, struct err *err)
{
    *out = (struct clinic_down){.at_us = 0};
    return decode_one(bytes, n, &down_family, out, err);
}

/* What the sender says of itself and of the message is not the institution's to say. */
static bool
is_of_envelope(const struct clinic_member *member)
{
    static const size_t envelope[] = {
        offsetof(struct clinic_down, seq),          offsetof(struct clinic_down, id),
        offsetof(struct clinic_down, at_us),        offsetof(struct clinic_down, author),
        offsetof(struct clinic_down, registration), offsetof(struct clinic_down, hospital)};

    for (size_t i = 0; i < ARRAY_LEN(envelope); i++)
        if (member->offset == envelope[i])
            return true;
    return false;
}

int
clinic_order_decode(const uint8_t *bytes, size_t n, struct clinic_down *out, struct err *err)
{
    struct json_doc *doc = NULL;
    int rc = -1;

    *out = (struct clinic_down){.kind = CLINIC_ORDER};
    if (open_doc(bytes, n, &doc, err) < 0)
        return -1;
    for (size_t i = 0; i < ARRAY_LEN(down_members); i++)
        if (down_members[i].kinds & K(ORDER) && !is_of_envelope(&down_members[i]) &&
            clinic_member_read(json_root(doc), &down_members[i],
                               (char *)out + down_members[i].offset, err) < 0)
            goto out;
    if (out->placer[0] == '\0' || (!out->is_cancelled && out->patient[0] == '\0'))
        (void)err_set(err, ERR_REJECT, "placer and patient are due");
    else if (out->is_urgent && out->reason[0] == '\0')
        (void)err_set(err, ERR_REJECT, "reason: why it is urgent");
    else
        rc = 0;
out:
    json_free(&doc);
    return rc;
}
