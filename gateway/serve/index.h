/* index.h - studies, series and instances that are here, with what their files say of them.
 * Made from the spool's entries when they have changed; the files of a study, a series or an
 * instance are read once, when somebody asks at that level, and only the attributes of
 * attributes.def are kept, in memory. Patient data: never logged.
 * Threads: none of its own; the caller has a lock. */
#ifndef RADPOST_SERVE_INDEX_H
#define RADPOST_SERVE_INDEX_H

#include "proto/dicom/dimse_identifier.h"

struct spool;

enum match_kind {
    MATCH_NOT, /* returned, not matched on */
    MATCH_TEXT,
    MATCH_NAME,
    MATCH_LIST,
    MATCH_DAY,
    MATCH_TIME,
    MATCH_NUMBER,
    MATCH_MODALITIES
};

enum attribute_name {
#define TEXT(name, tag, vr, level, match, field) ATTRIBUTE_##name,
#define NUMBER(name, tag, vr, level, match, field) ATTRIBUTE_##name,
#define OWN(name, tag, vr, level, match) ATTRIBUTE_##name,
#include "gateway/serve/attributes.def"
#undef TEXT
#undef NUMBER
#undef OWN
    ATTRIBUTES
};

struct attribute {
    enum attribute_name name;
    uint32_t tag;
    const char *vr;
    enum dimse_level level;
    enum match_kind match;
};
extern const struct attribute attributes[ATTRIBUTES];

struct index_item {
    uint64_t entry;
    char study[65], series[65], sop_instance[65], sop_class[65], transfer_syntax[65];
    char modality[17];
    bool has_bytes;           /* false: sealed and removed; counts, but cannot be sent */
    size_t series_n, study_n; /* at the first item of one: how many items follow with it */
    char *texts[3];           /* what was read for a level, at its first item; NULL: not yet */
};

/* Items are sorted by study, series, instance. */
struct index {
    uint64_t change; /* of the spool, when it was made; 0 = never */
    struct index_item *items;
    size_t n;
};

void index_free(struct index **index);
/* Bring it up to date. profile_of names a device's way with texts (charset.h), "" or NULL = none;
 * it is asked as files are read. */
void index_refresh(struct index *index, struct spool *spool);

typedef const char *(*index_profile)(const char *ae, const char *address, void *user);

/* One attribute of an item, as text; "" = not known. Reads the file the first time. room holds
 * what has to be put together. */
const char *index_text(struct index *index, struct spool *spool, size_t at,
                       const struct attribute *attribute, index_profile profile_of, void *user,
                       char room[256]);

/* First item behind the study or series that begins at this one. */
size_t index_next(const struct index *index, size_t at, enum dimse_level level);
/* Some of it can be sent; out_is_all: all of it can. */
bool index_is_here(const struct index *index, size_t at, enum dimse_level level, bool *out_is_all);

#endif
