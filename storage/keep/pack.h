/* pack.h - a series' instances as one immutable file (docs/formats/pack.md, index.md).
 * Writing streams the same bytes to all stores at once; reading trusts nothing: the end, the index
 * and every member are checked. Threads: everything belongs to its owner. */
#ifndef RADPOST_STORAGE_KEEP_PACK_H
#define RADPOST_STORAGE_KEEP_PACK_H

#include "proto/base/buf.h"
#include "storage/keep/keep.h"

enum { PACK_END_BYTES = 64, PACK_PATH_SIZE = 192 };

/* One instance to be packed. Pointers live as long as the plan. */
struct pack_member {
    int64_t id;
    uint8_t object[32], pixels[32], dataset[32], received[32];
    uint64_t size;
    const char *sop_class, *sop_instance, *transfer_syntax, *received_syntax;
    const uint8_t *recipe, *layout;
    size_t recipe_n, layout_n;
    int64_t number, rows, columns, frames, bits_allocated;
    bool has_pixels, has_copy;
    const char *content_date, *content_time, *why, *way, *device, *landing;
    int64_t arrived_at_us;
    uint64_t at; /* out: offset of its bytes in the pack */
};

/* name, value, name, value ... of the study and the series: text facts. */
struct pack_fact {
    const char *name;
    const char *value;
};

struct pack_plan {
    const char *tenant;
    int64_t revision, stamp_us;
    bool is_quarantine;
    const struct pack_fact *study, *series;
    size_t study_n, series_n;
    struct pack_member *members;
    size_t count;
};

struct pack_made {
    uint8_t sha256[32];
    uint64_t size;
    char path[PACK_PATH_SIZE]; /* below each store: packs/TENANT/ab/HEX.zip */
};

/* Written in every store's tmp/, not durable yet. */
struct pack_draft {
    int fds[KEEP_COPIES]; /* -1: not there */
    char tmp[64];
    struct pack_made made;
};

/* Write one to be published. Landing files are verified on the way.
 * out     needs pack_publish() or pack_drop(); nothing is left of it on failure
 * errors  ERR_CONFLICT a landing file no longer has its hash in any copy */
int pack_write(const struct pack_plan *plan, const char *landing, const char *landing_copy,
               const char *const stores[KEEP_COPIES], struct pack_draft *out,
               struct err *err) MUST_CHECK;
/* Make several durable under their names, in one store after the other, side by side within each:
 * many small packs cost few syncs. Drafts are used up.
 * steps    NULL, or called after each durable step, for crash tests
 * out_why  one for each: ERR_NONE, it is in every store; else why not */
void pack_publish(struct pack_draft *const *drafts, size_t n, const char *const stores[KEEP_COPIES],
                  void (*on_step)(const char *step), struct err *out_why);
void pack_drop(const char *const stores[KEEP_COPIES], struct pack_draft *draft);

/* Read a copy whole, from the disk if the kernel lets us, and check everything: its SHA-256, the
 * end, the index, each member's SHA-256, and that it holds `count` instances (0: nobody knows).
 * errors  ERR_CONFLICT the bytes are not what was written; ERR_RETRY the disk */
int pack_verify(const char *path, const uint8_t sha256[32], size_t count,
                struct err *err) MUST_CHECK;

/* Move a copy that does not verify to the store's corrupt/. Not there is fine. */
void pack_set_aside(const char *store, const char *path);

/* ---- reading ---- */
struct pack_end {
    uint64_t index_at, index_size;
    uint8_t index_sha256[32];
};

/* errors  ERR_REJECT no pack, an unknown major version, broken */
int pack_end_read(const uint8_t bytes[PACK_END_BYTES], uint64_t file_size, struct pack_end *out,
                  struct err *err) MUST_CHECK;

struct pack_entry {
    uint8_t object[32];
    uint64_t at, size;
    char sop_instance[LINK_UID_SIZE];
};

struct pack_index {
    struct pack_entry *entries;
    size_t count;
};

/* errors  ERR_REJECT with the member that is wrong; entries lie within the file */
int pack_index_read(const uint8_t *bytes, size_t n, uint64_t file_size, struct pack_index *out,
                    struct err *err) MUST_CHECK;
void pack_index_free(struct pack_index *index);
/* The index as it lies in the file, verified against the end; the caller's (free). */
int pack_index_bytes(int fd, uint64_t file_size, uint8_t **out, size_t *out_n,
                     struct err *err) MUST_CHECK;

/* ---- reading all of it, for a catalog that does not know it ---- */
struct json_doc;
struct dcm_facts;

struct pack_again {
    struct json_doc *doc; /* its own, as all below */
    const char *tenant, *study, *series;
    /* what the rows of its study and its series said: the facts that a catalog keeps of them */
    struct dcm_facts *study_facts, *series_facts;
    int64_t revision;
    bool is_quarantine;
    uint64_t size;
    int fd;
    /* what the bytes do not say themselves: object, at, size, the digests, received_syntax, way,
     * device, why (NULL: none), recipe, layout, names; the rest is zero */
    struct pack_member *members;
    size_t count;
};

/* Verify a copy whole and read it. out needs pack_again_fini().
 * errors  as pack_verify */
int pack_read_again(const char *path, const uint8_t sha256[32], struct pack_again *out,
                    struct err *err) MUST_CHECK;
void pack_again_fini(struct pack_again *p);

#endif
