/* link.h - what gateway and centre say to each other, as structs, JSON and framed bytes.
 * Both sides encode and decode by this module alone, so that it is fuzzed once. The conversation
 * (order, receipts, errors) is in docs/link-protocol.md.
 * Decoders meet bytes from outside: every length and count has a limit (limits.def), every UID is
 * checked, unknown members are let through (newer minor versions), missing ones refused.
 * Threads: nothing here keeps state; a reader belongs to its owner. */
#ifndef RADPOST_LINK_LINK_H
#define RADPOST_LINK_LINK_H

#include "proto/base/buf.h"
#include "proto/link/policy.h"
#include "proto/model/layout.h"

enum { LINK_UID_SIZE = 65, LINK_HASH_BYTES = 32, LINK_TROUBLE_SIZE = 161 };

#define LINK_PATH_ENROL "/link/v1/enrol"
#define LINK_PATH_OFFER "/link/v1/offer"
#define LINK_PATH_BUNDLE "/link/v1/bundle"
#define LINK_PATH_MANIFEST "/link/v1/manifest"
#define LINK_PATH_RECEIPTS "/link/v1/receipts"
#define LINK_PATH_PING "/link/v1/ping"

/* Of offers and bundles: Study Instance UIDs of emergencies that are on their way, a blank between
 * two. */
#define LINK_HEADER_STAT "Radpost-Stat"
enum { LINK_STAT_STUDIES = 16, LINK_STAT_SIZE = LINK_STAT_STUDIES * LINK_UID_SIZE };

/* One file a gateway wants to hand over. */
struct link_offer_object {
    uint8_t object[LINK_HASH_BYTES]; /* SHA-256 of the file to be archived */
    uint64_t size;
    char sop_instance[LINK_UID_SIZE], sop_class[LINK_UID_SIZE];
    char study[LINK_UID_SIZE], series[LINK_UID_SIZE];
    char transfer_syntax[LINK_UID_SIZE]; /* of the file to be archived */
    char received_syntax[LINK_UID_SIZE]; /* as the modality sent it */
    uint8_t pixels[LINK_HASH_BYTES], dataset[LINK_HASH_BYTES];
    uint8_t received[LINK_HASH_BYTES]; /* SHA-256 of the file as received */
    uint8_t *recipe;                   /* NULL: the file is as received */
    size_t recipe_n;
    uint8_t *layout; /* proto/model/layout.h; NULL: no first look */
    size_t layout_n;
};

struct link_offer {
    struct link_offer_object *objects;
    size_t count;
};

/* What the centre says about an object. */
enum link_state {
    LINK_WANTED,    /* send what is not in have */
    LINK_PARTIAL,   /* some bytes are durable: have */
    LINK_LOOKED,    /* the whole first look is durable: have */
    LINK_HELD,      /* whole, hash verified, catalogued */
    LINK_SEALED,    /* in every required copy, read back and verified */
    LINK_DUPLICATE, /* the same instance is already kept under another file; a receipt will come */
    LINK_CONFLICT,  /* the UID is taken by something else: send it, it is kept aside */
    LINK_QUARANTINED, /* whole and durable, but kept aside: it contradicts what is kept, or cannot
                         be read. No receipt comes: a person has to look. */
    LINK_BAD,         /* the whole file's hash disagreed, everything was dropped: send again */
    LINK_STATES
};

struct link_object_state {
    uint8_t object[LINK_HASH_BYTES];
    enum link_state state;
    struct range *have; /* sorted, merged */
    size_t have_n;
};

struct link_answer {
    struct link_object_state *objects;
    size_t count;
};

struct link_manifest_instance {
    char sop_instance[LINK_UID_SIZE];
    uint8_t object[LINK_HASH_BYTES], pixels[LINK_HASH_BYTES], dataset[LINK_HASH_BYTES];
};

/* An instance that a list of the same gateway named, and that is to be on none any more. */
struct link_manifest_left {
    char sop_instance[LINK_UID_SIZE];
    uint8_t object[LINK_HASH_BYTES];
};

struct link_manifest {
    char study[LINK_UID_SIZE];
    uint32_t revision; /* 1.. */
    int64_t closed_at_us;
    /* Instances that the study's devices say there are (MPPS, commitment), these and what has not
     * come; 0: nobody said. The same revision may be told again with a larger one. */
    uint32_t announced;
    struct link_manifest_instance *instances;
    size_t count;
    /* What its lists before named, and it neither names nor says to have left, stays listed: the
     * gateway may have forgotten it. false (an older gateway, storage's own list): it is gone. */
    bool names_left;
    struct link_manifest_left *left;
    size_t left_n;
};

struct link_receipt {
    uint64_t seq;
    uint8_t object[LINK_HASH_BYTES];
    char sop_instance[LINK_UID_SIZE], study[LINK_UID_SIZE];
    enum link_state state; /* LINK_SEALED */
    uint8_t pack[LINK_HASH_BYTES];
    uint32_t copies;
    int64_t at_us;
};

struct link_receipts {
    uint64_t next; /* ask with after=next */
    /* The centre does not know the receipt that was asked after: it was set back to an older state.
     * next is its newest one; there are no receipts in this answer. */
    bool is_cursor_lost;
    struct link_receipt *receipts;
    size_t count;
};

struct link_ping {
    int64_t now_us;
    uint64_t catalog;     /* another number: the centre's catalog may be another one; 0: not told */
    int64_t reconcile_us; /* compare again if the last began before; 0: not asked for */
    struct link_policy policy;
    /* decoding: what is wrong with the policy, which is empty then; the rest of the answer counts
     */
    char policy_trouble[LINK_TROUBLE_SIZE];
};

const char *link_state_name(enum link_state state);

/* Encoders append JSON to out; decoders fill *out, to be freed by its free function.
 * errors  ERR_REJECT with the member that is wrong */
void link_offer_encode(const struct link_offer *offer, struct buf *out);
int link_offer_decode(const uint8_t *bytes, size_t n, struct link_offer *out,
                      struct err *err) MUST_CHECK;
void link_offer_free(struct link_offer *offer);

void link_answer_encode(const struct link_answer *answer, struct buf *out);
int link_answer_decode(const uint8_t *bytes, size_t n, struct link_answer *out,
                       struct err *err) MUST_CHECK;
/* What is said of this object; NULL: nothing. It lives as long as the answer. */
const struct link_object_state *link_answer_find(const struct link_answer *answer,
                                                 const uint8_t object[LINK_HASH_BYTES]);
void link_answer_free(struct link_answer *answer);

void link_manifest_encode(const struct link_manifest *manifest, struct buf *out);
int link_manifest_decode(const uint8_t *bytes, size_t n, struct link_manifest *out,
                         struct err *err) MUST_CHECK;
void link_manifest_free(struct link_manifest *manifest);

void link_receipts_encode(const struct link_receipts *receipts, struct buf *out);
int link_receipts_decode(const uint8_t *bytes, size_t n, struct link_receipts *out,
                         struct err *err) MUST_CHECK;
void link_receipts_free(struct link_receipts *receipts);

void link_ping_encode(const struct link_ping *ping, struct buf *out);
int link_ping_decode(const uint8_t *bytes, size_t n, struct link_ping *out,
                     struct err *err) MUST_CHECK;

/* Bundles: magic "RPB1", pieces, an all-zero piece header as the end.
 *     piece: object[32] offset u64le size u32le flags u8 [raw_size u32le] crc32 u32le bytes[size]
 * flags 1: the bytes are raw deflate of raw_size bytes. crc32 is over the bytes as they travel. */
void link_bundle_begin(struct buf *out);
/* Deflates when it saves something and may_deflate. n is at most LIMIT_BUNDLE_PIECE_BYTES. */
int link_bundle_add(struct buf *out, const uint8_t object[LINK_HASH_BYTES], uint64_t offset,
                    const uint8_t *bytes, size_t n, bool may_deflate, struct err *err) MUST_CHECK;
void link_bundle_end(struct buf *out);

struct link_piece {
    uint8_t object[LINK_HASH_BYTES];
    uint64_t offset;
    const uint8_t *bytes; /* inflated; valid during the call */
    size_t n;
};

typedef int (*link_on_piece)(void *user, const struct link_piece *piece, struct err *err);

/* Takes a bundle as it arrives, in chunks of any size; holds one piece at a time. */
struct link_bundle_reader {
    struct buf held; /* bytes of the piece that is not whole yet */
    struct buf raw;  /* an inflated piece */
    uint64_t taken;
    bool has_magic, is_ended;
};

void link_bundle_reader_init(struct link_bundle_reader *r);
void link_bundle_reader_fini(struct link_bundle_reader *r);
/* errors  ERR_REJECT frame, crc, length, bytes after the end; and what on_piece says */
int link_bundle_reader_feed(struct link_bundle_reader *r, const uint8_t *bytes, size_t n,
                            link_on_piece on_piece, void *user, struct err *err) MUST_CHECK;
/* The whole bundle came: its end piece was seen. */
bool link_bundle_reader_is_whole(const struct link_bundle_reader *r);

#endif
