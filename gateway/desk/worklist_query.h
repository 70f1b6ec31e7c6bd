/* worklist_query.h - what a device asks of its worklist, and whether an order is what it asks for
 * (PS3.4 K.4.1.1, C.2.2.2): single values, * and ?, ranges, nothing at all; names also by their
 * pinyin, in any case. A query belongs to its owner. Pure functions. */
#ifndef RADPOST_DESK_WORKLIST_QUERY_H
#define RADPOST_DESK_WORKLIST_QUERY_H

#include "gateway/desk/orders.h"
#include "proto/dicom/charset_encode.h"
#include "proto/dicom/syntax.h"

enum worklist_value {
#define VALUE(name) name,
#include "gateway/desk/worklist_keys.def"
    WL_VALUES
};

struct worklist_key { /* a row of worklist_keys.def */
    uint32_t sequence, inner, tag;
    char vr[3];
    enum worklist_value value;
};

extern const struct worklist_key worklist_keys[];
extern const size_t worklist_key_count;

enum { WORKLIST_ASKED = 256, WORKLIST_MODALITY_SIZE = 17 };

struct worklist_query {
    struct {
        uint32_t sequence, inner, tag;
        bool is_sequence;
        char *value; /* UTF-8, without padding */
    } asked[WORKLIST_ASKED];
    size_t n;
    bool is_partly;  /* keys were asked that nothing here knows, or that cannot be read */
    uint32_t unread; /* the first day or time that cannot be read, and counts as not asked; 0 */
    bool has_declared;
    enum dcm_shows declared; /* the Chinese set that the request itself is in */
};

/* Who asks: what its row allows and can show. */
struct worklist_asker {
    const char *ae;       /* its own title */
    const char *modality; /* "CT", "DX+CR"; "" = any */
    enum dcm_shows shows;
};

/* profile: how the device writes (charset.h); "" none.
 * errors  ERR_REJECT not a data set, too many keys, sequences too deep */
int worklist_query_read(const uint8_t *bytes, size_t n, enum dcm_coding coding, const char *profile,
                        struct worklist_query *out, struct err *err) MUST_CHECK;
void worklist_query_fini(struct worklist_query *query);
/* "" where it was not asked. */
const char *worklist_query_value(const struct worklist_query *query, uint32_t sequence,
                                 uint32_t tag);
/* May this row be in the answer? Its sequence was asked whole, or the row itself. */
bool worklist_query_asks(const struct worklist_query *query, const struct worklist_key *key);

/* The value as UTF-8, "" not known. */
void worklist_value(const struct order *order, const struct worklist_query *query,
                    const struct worklist_asker *asker, enum worklist_value which, char *out,
                    size_t size);
/* Is it done with, though nobody said so? Its images came a while ago; it was begun yesterday. */
bool worklist_is_stale(const struct order *order, int64_t now_us);
/* Is the order for this device, and what it asks for? Times as of now_us: a stale one is shown only
 * to who asks for it by a number. */
bool worklist_matches(const struct order *order, const struct worklist_query *query,
                      const struct worklist_asker *asker, int64_t now_us);
/* Between which times orders can match at all. */
void worklist_window(const struct worklist_query *query, int64_t now_us, int64_t *out_from_us,
                     int64_t *out_to_us);

#endif
