/* clinic.h - what a clinic's desk and the reader say to each other, as structs and JSON.
 * Up: registrations, what study they belong to, urgency, slips, phones, confirmations. Down: how a
 * read stands, reports, what replaces or withdraws them, late images, orders. Each message has an
 * id of its own and is done exactly once, however often it is told; the conversation is in
 * docs/link-protocol.md, "Clinic". Which members a kind has: the tables in clinic.c.
 * Decoders meet bytes from outside: every text, number and count has a limit, unknown members are
 * let through, missing ones refused. Messages hold patient data: they are never logged, and errors
 * name a member, never its content.
 * Threads: nothing here keeps state. */
#ifndef RADPOST_LINK_CLINIC_H
#define RADPOST_LINK_CLINIC_H

#include "proto/base/buf.h"

enum {
    CLINIC_ID_SIZE = 37,           /* a random UUID, lower case */
    CLINIC_REGISTRATION_SIZE = 17, /* fits Accession Number and is a Patient ID: A-Z 0-9 - */
    CLINIC_UID_SIZE = 65,
    CLINIC_HASH_BYTES = 32,
    CLINIC_NAME_SIZE = 193, /* 64 signs of Chinese */
    CLINIC_PHONE_SIZE = 17, /* digits, perhaps a + before them */
    CLINIC_OTP_SIZE = 9,    /* digits */
    CLINIC_WORD_SIZE = 33,  /* lower case letters and _ */
    CLINIC_URL_SIZE = 257,
    CLINIC_REASON_SIZE = 601, /* of urgency, amendment, withdrawal: 200 signs */
    CLINIC_TEXT_SIZE = 6001,  /* history, complaint: 2000 signs */
    CLINIC_DOUBTS_SIZE = 257,
    CLINIC_MESSAGES = 64,        /* in one body */
    CLINIC_BODY_BYTES = 2 << 20, /* one body, either way */
};

#define CLINIC_PATH_UP "/link/v1/clinic/up" /* POST ?told=ID ups > receipts */
/* GET ?after=N&at=ID&told=ID&wait_s=25 > downs */
#define CLINIC_PATH_DOWN "/link/v1/clinic/down"
#define CLINIC_PATH_RECEIPTS "/link/v1/clinic/receipts" /* POST ids > 204 */
#define CLINIC_PATH_REPORTS "/link/v1/clinic/reports"   /* GET /{read}/{version} > PDF */
/* GET /{read}/{version}/sr, /pdf > the DICOM objects; /text > the signed report, JSON */
/* Header of the PDF's answer: its SHA-256 in hexadecimal. */
#define CLINIC_DIGEST_HEADER "X-Radpost-SHA256"
/* And the study that the read is about: numbers of reads come again after a restore. */
#define CLINIC_STUDY_HEADER "X-Radpost-Study"

enum clinic_up_kind {
    CLINIC_REGISTRATION, /* a person and what is asked; told again when something of it changed */
    CLINIC_ATTACH,       /* this study is of this registration */
    CLINIC_URGENT,       /* the registration is an emergency, or is none any more */
    CLINIC_SLIP,         /* a slip was printed: the digest of its code; an older one is dead */
    CLINIC_PHONE_CODE,   /* send a code to this phone */
    CLINIC_PHONE_CHECK,  /* the code that the person at the desk said */
    CLINIC_CONFIRM,      /* somebody at the clinic has the report in hand */
    CLINIC_ANSWER,       /* to a call: read back, or what becomes of the repeat */
    CLINIC_JOIN,         /* this study is of this registration, too: one exam came as several */
    CLINIC_DOUBT,        /* what is odd about whose images this study is, and what the desk says */
    CLINIC_STUDY_URGENT, /* this study is an emergency, or is none any more: the clinic says so */
    CLINIC_ABSENT,       /* so many images that a device announced of this study will not come */
    CLINIC_UP_KINDS
};

struct clinic_up {
    char id[CLINIC_ID_SIZE];
    enum clinic_up_kind kind;
    int64_t at_us;
    char registration[CLINIC_REGISTRATION_SIZE]; /* may be "": MAY_NAME_NONE of clinic.c */
    /* of the registration, in each message that must have one: drawn when it was made, so that a
     * number given twice is known to be; "": made by an older desk */
    char identity[CLINIC_ID_SIZE];
    /* REGISTRATION */
    uint32_t revision; /* 1..; a lower one than is known changes nothing */
    char name[CLINIC_NAME_SIZE];
    char citizen_id[19]; /* "": has none */
    char sex[2];         /* "M" "F" "O", or "" */
    char birth[9];       /* YYYYMMDD or "" */
    char modality[17];   /* asked for; "": not said */
    char complaint[CLINIC_TEXT_SIZE], history[CLINIC_TEXT_SIZE];
    bool is_urgent;                       /* and URGENT, STUDY_URGENT */
    char phone[CLINIC_PHONE_SIZE];        /* the patient's; and PHONE_CODE, PHONE_CHECK */
    char clinic_phone[CLINIC_PHONE_SIZE]; /* where the doctor reaches the clinic; "" */
    /* ATTACH, JOIN, DOUBT, STUDY_URGENT and ABSENT (with their revision, and by); CONFIRM: of the
     * read that is meant, "" an older desk */
    char study[CLINIC_UID_SIZE];
    /* REGISTRATION, URGENT, STUDY_URGENT, DOUBT, ABSENT; ANSWER: the words read back, or why not */
    char reason[CLINIC_REASON_SIZE];
    /* SLIP */
    uint8_t code_sha256[CLINIC_HASH_BYTES];
    /* PHONE_CHECK */
    char otp[CLINIC_OTP_SIZE];
    /* CONFIRM */
    int64_t read; /* and ANSWER */
    uint32_t version;
    /* ANSWER */
    char call[CLINIC_ID_SIZE];      /* id of the CRITICAL or REPEAT message */
    char outcome[CLINIC_WORD_SIZE]; /* "read_back" "will_repeat" "cannot_repeat" */
    char by[CLINIC_NAME_SIZE];      /* who at the clinic */
    /* DOUBT, with its revision; name, sex and birth too: whose they are, when the images say it
     * wrongly (is_corrected) */
    char doubts[CLINIC_DOUBTS_SIZE]; /* words of proto/model/doubts.def, parted by blanks */
    bool is_confirmed;               /* somebody at the desk has looked at all of them */
    bool is_corrected;
    char patient_id[65];
    /* ABSENT */
    uint32_t images;               /* 0: none any more */
    char absent[CLINIC_WORD_SIZE]; /* why: a word of proto/model/absent_reasons.def */
};

struct clinic_ups {
    struct clinic_up *messages;
    size_t count;
};

/* What became of a message. One that has no receipt in the answer is sent again. */
enum clinic_outcome {
    CLINIC_DONE,
    CLINIC_REFUSED, /* will not be done: a person has to look */
    CLINIC_OUTCOMES
};

struct clinic_receipt {
    char id[CLINIC_ID_SIZE];
    enum clinic_outcome outcome;
    /* why, or what came of it: "" "sent" "verified" "wrong" "expired" "locked" "too_many"
     * "unknown_registration" "conflict" "not_possible" */
    char word[CLINIC_WORD_SIZE];
};

struct clinic_receipts {
    struct clinic_receipt *receipts;
    size_t count;
    bool is_told_lost; /* nothing was done: the database never had the message last told */
};

enum clinic_down_kind {
    CLINIC_READ_STATE, /* a read of the clinic's stands so now */
    CLINIC_REPORT,     /* a signed (or preliminary) report is there to be fetched */
    CLINIC_AMENDED,    /* a newer version replaces one */
    CLINIC_WITHDRAWN,  /* a version counts no longer, and nothing replaces it yet */
    CLINIC_LATE,       /* an image arrived that the report does not cover; told again, with
                        * looked_at_us, when a doctor looked at it and the report stands */
    CLINIC_NOTICE,     /* words for the technician */
    CLINIC_CRITICAL,   /* a finding that somebody at the clinic must hear now, and read back */
    CLINIC_REPEAT,     /* images are to be made again, with the reason */
    CLINIC_URGENCY,    /* the reader needs a study sooner: it may raise, only the clinic lowers */
    CLINIC_ORDER,      /* an examination that another institution registered for this clinic */
    CLINIC_ANSWERED,   /* somebody at the clinic, perhaps at another desk, answered a call */
    CLINIC_DOWN_KINDS
};

struct clinic_down {
    uint64_t seq; /* grows, with gaps; a lower one never appears after a higher one was shown */
    char id[CLINIC_ID_SIZE];
    enum clinic_down_kind kind;
    int64_t at_us;
    int64_t read; /* 0: NOTICE about no read */
    char study[CLINIC_UID_SIZE];
    char registration[CLINIC_REGISTRATION_SIZE]; /* "": the study is attached to none */
    char patient[CLINIC_NAME_SIZE];
    char modality[17];
    char state[CLINIC_WORD_SIZE]; /* the read's state afterwards: word of read_states.def */
    /* REPORT, AMENDED, WITHDRAWN, LATE: which version it is about */
    uint32_t version;
    /* REPORT, AMENDED */
    uint32_t replaces; /* 0: none; REPORT: the preliminary one */
    bool is_preliminary;
    int64_t signed_at_us;
    char author[CLINIC_NAME_SIZE], reviewer[CLINIC_NAME_SIZE], hospital[CLINIC_NAME_SIZE];
    char verify_url[CLINIC_URL_SIZE];
    /* REPORT, AMENDED, LATE: images the report covers, and there are */
    uint32_t covers, present;
    /* LATE: author looked at all that came, and the report stands (reason: a word about it, or "");
     * 0: nobody did */
    int64_t looked_at_us;
    /* AMENDED, WITHDRAWN, NOTICE; CRITICAL, REPEAT: what is said, by author of hospital */
    char reason[CLINIC_REASON_SIZE];
    bool is_on_preview; /* CRITICAL: seen on images that were not whole yet */
    /* ANSWERED: which call, and as ANSWER said; CRITICAL, REPEAT told late: outcome "" none yet */
    char call[CLINIC_ID_SIZE], outcome[CLINIC_WORD_SIZE];
    char answer[CLINIC_REASON_SIZE], answered_by[CLINIC_NAME_SIZE];
    int64_t answered_at_us;
    /* URGENCY: "urgent" or "stat"; reason, author and hospital say why and who */
    char urgency[CLINIC_WORD_SIZE];
    /* ORDER: patient, modality and reason (of the urgency) above; a placer told again with other
     * words replaces what it said before, is_cancelled takes it back */
    char placer[65]; /* the centre's own number of it */
    bool is_cancelled, is_urgent;
    char accession[17], patient_id[65], citizen_id[19], sex[2], birth[9];
    char phone[CLINIC_PHONE_SIZE];
    char station[17];        /* AE title of the one device that may see it; "": any */
    int64_t scheduled_at_us; /* 0: now */
    char description[257];   /* of the procedure, as people read it */
    char code[17], code_scheme[17];
    char referring[CLINIC_NAME_SIZE], department[257];
    char complaint[CLINIC_TEXT_SIZE], history[CLINIC_TEXT_SIZE];
};

struct clinic_downs {
    struct clinic_down *messages;
    size_t count;
    uint64_t next;                     /* ask with after=next */
    char patient_url[CLINIC_URL_SIZE]; /* of the patient page, for slips; "": not said */
    size_t passed_over;                /* decoded: of kinds that this version does not know */
    bool is_cursor_lost; /* the database never had what the cursor stands at: on from next */
    bool is_told_lost;   /* nor the message that it gave the last receipt of */
};

struct clinic_ids {
    char (*ids)[CLINIC_ID_SIZE];
    size_t count;
};

const char *clinic_up_word(enum clinic_up_kind kind);     /* "registration" ... */
const char *clinic_down_word(enum clinic_down_kind kind); /* "read_state" ... */
const char *clinic_outcome_word(enum clinic_outcome outcome);
/* -1 when there is no such word. */
int clinic_up_kind_of(const char *word);
int clinic_down_kind_of(const char *word);

/* A fresh message id. */
void clinic_id_new(char out[CLINIC_ID_SIZE]);
bool clinic_id_is_valid(const char *id);
bool clinic_registration_is_valid(const char *registration);
bool clinic_phone_is_valid(const char *phone);
/* A phone number as typed, to digits with perhaps a + before them (5 to 15 digits).
 * errors  ERR_REJECT */
int clinic_phone_read(const char *typed, char out[CLINIC_PHONE_SIZE], struct err *err) MUST_CHECK;

/* Encoders append JSON to out; decoders fill *out, to be freed by its free function.
 * errors  ERR_REJECT with the member that is wrong */
void clinic_ups_encode(const struct clinic_ups *ups, struct buf *out);
int clinic_ups_decode(const uint8_t *bytes, size_t n, struct clinic_ups *out,
                      struct err *err) MUST_CHECK;
void clinic_ups_free(struct clinic_ups *ups);

void clinic_receipts_encode(const struct clinic_receipts *receipts, struct buf *out);
int clinic_receipts_decode(const uint8_t *bytes, size_t n, struct clinic_receipts *out,
                           struct err *err) MUST_CHECK;
void clinic_receipts_free(struct clinic_receipts *receipts);

void clinic_downs_encode(const struct clinic_downs *downs, struct buf *out);
int clinic_downs_decode(const uint8_t *bytes, size_t n, struct clinic_downs *out,
                        struct err *err) MUST_CHECK;
void clinic_downs_free(struct clinic_downs *downs);

void clinic_ids_encode(const struct clinic_ids *ids, struct buf *out);
int clinic_ids_decode(const uint8_t *bytes, size_t n, struct clinic_ids *out,
                      struct err *err) MUST_CHECK;
void clinic_ids_free(struct clinic_ids *ids);

/* One message as a JSON object of its own: what outboxes keep. */
void clinic_up_encode(const struct clinic_up *up, struct buf *out);
int clinic_up_decode(const uint8_t *bytes, size_t n, struct clinic_up *out,
                     struct err *err) MUST_CHECK;
void clinic_down_encode(const struct clinic_down *down, struct buf *out);
int clinic_down_decode(const uint8_t *bytes, size_t n, struct clinic_down *out,
                       struct err *err) MUST_CHECK;
/* An ORDER as an institution writes it: the members of that kind but who sends it, when and under
 * which number (docs/link-protocol.md, "Clinic"); sets kind. errors  ERR_REJECT */
int clinic_order_decode(const uint8_t *bytes, size_t n, struct clinic_down *out,
                        struct err *err) MUST_CHECK;

#endif
