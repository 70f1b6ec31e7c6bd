/* import_own.h - what the import stage's files share. */
#ifndef RADPOST_IMPORT_IMPORT_OWN_H
#define RADPOST_IMPORT_IMPORT_OWN_H

#include "gateway/import/import.h"

#include "proto/base/log.h"
#include "proto/base/thread.h"

#include <limits.h>

#define LOG_EVENT LOG_EVENT_DECLARE
#include "gateway/import/import_events.def"
#undef LOG_EVENT

enum import_event {
    IMPORT_SAW_BIND,
    IMPORT_SAW_COMMIT,
    IMPORT_SAW_TROUBLE,
    IMPORT_SAW_DISCARD,
    IMPORT_SAW_REOPEN,
    IMPORT_SAW_LOSS
};

/* False: the table does not list the pair. */
bool import_next(enum import_state from, enum import_event event, enum import_state *out_to);

struct watch; /* watch.c */

struct import {
    struct import_options options; /* its texts point to the ones below */
    char dir[PATH_MAX - 300], drop_dir[PATH_MAX - 300], media_dir[PATH_MAX - 300];
    bool is_drop_ours; /* below dir */
    struct gate work;  /* one at a time changes files and sidecars; taken before gate */
    struct gate gate;  /* the list below, and change */
    struct import_item **items;
    size_t count, room;
    uint64_t change;
    struct import_left left;                 /* gate */
    char drop_trouble[IMPORT_TROUBLE_BYTES]; /* gate */
    struct watch *watch;
};

static const struct log_ctx import_ctx __attribute__((unused)) = {.stage = "gateway/import"};

/* import.c: the drop folder, if it is not there. */
int import_make_drop(struct import *im, struct err *err) MUST_CHECK;

/* ---- items.c: sidecars ---- */

/* The text of a sidecar, and back. errors of read: ERR_REJECT */
void item_write(const struct import_item *item, struct buf *out);
int item_read(const uint8_t *bytes, size_t n, struct import_item *out, struct err *err) MUST_CHECK;
/* Read all; what is broken goes to corrupt/. Removes what nobody names. */
int items_load(struct import *im, struct err *err) MUST_CHECK;
/* Write the sidecar, then let the list say the same. Within work. */
int items_save(struct import *im, const struct import_item *item, struct err *err) MUST_CHECK;
/* A copy; false: no such id. */
bool items_get(struct import *im, const char *id, struct import_item *out);
/* Ids of the item, or of those of a group that are in these states; free(*out). */
size_t items_members(struct import *im, const char *id, unsigned states,
                     char (**out)[IMPORT_ID_SIZE]);
/* Forget an item whose time has come: sidecar and source. */
int items_forget(struct import *im, const char *id, struct err *err) MUST_CHECK;
/* "files/SHA256", below dir. */
void item_file(const struct import_item *item, char out[80]);

/* ---- take.c: from outside into the inbox ---- */
enum take_outcome { TAKE_DONE, TAKE_SENT, TAKE_KNOWN, TAKE_UNUSABLE, TAKE_NOT_WHOLE, TAKE_IGNORED };

struct taken_file {
    enum take_outcome outcome;
    bool is_unreadable;      /* the file itself, when take_file() failed: not our disk */
    bool is_cut;             /* it ends early */
    bool was_there;          /* TAKE_SENT: before, these very bytes */
    char id[IMPORT_ID_SIZE]; /* of its item; "": none */
    char instance[65];       /* SOP Instance UID of a whole DICOM file; "": none */
};

/* Copy an open file in, look at it, write its sidecar. Takes work. A cut file that lies where it
 * lay, under its name and its time, is not counted again.
 * is_last  what is not whole is taken as unusable
 * errors   ERR_FULL, ERR_RETRY: try later */
int take_file(struct import *im, int fd, const char *name, bool is_media, bool is_last,
              struct taken_file *out, struct err *err) MUST_CHECK;
/* The file of a cut item grew and was taken: if it begins with the item's bytes, the item is
 * thrown away. Takes work. */
int take_rest(struct import *im, const char *id, int fd, struct err *err) MUST_CHECK;
/* A file of files/ without a sidecar becomes an item. name: its digest in hexadecimal. */
int take_orphan(struct import *im, const char *name, struct err *err) MUST_CHECK;

/* ---- bind.c: from the inbox into the spool ---- */
/* A Part 10 file into the spool, unless it has it already.
 * plan           NULL: the source as it is
 * out_was_there  it had these very bytes; may be NULL */
int bind_commit(struct import *im, const struct wrap_facts *as, const struct wrap_plan *plan,
                const struct wrap_source *source, uint64_t *out_entry, bool *out_was_there,
                struct err *err) MUST_CHECK;
/* The same for a plan that needs a decoder (decode.c); as->transfer_syntax becomes what it is then.
 * source_fd  the source's file
 * errors     ERR_REJECT it cannot be decoded */
int decode_commit(struct import *im, struct wrap_facts *as, const struct wrap_plan *plan,
                  const struct wrap_source *source, int source_fd, uint64_t *out_entry,
                  struct err *err) MUST_CHECK;
/* A Part 10 file of one native picture of 8 bits is turned in its place. orientation: EXIF's, 2..8.
 * errors  ERR_REJECT it is none */
int turn_picture(uint8_t *part10, size_t n, unsigned orientation, struct err *err) MUST_CHECK;
/* Do again what was decided and is not done; note what is sealed; remove what is due. Takes work.
 */
void bind_end_open(struct import *im);
void bind_keep(struct import *im);

/* A file of ours as memory; bytes NULL when it is empty. munmap by map_end(). */
int map_begin(int fd, const uint8_t **out_bytes, size_t *out_n, struct err *err) MUST_CHECK;
void map_end(const uint8_t *bytes, size_t n);

/* ---- watch.c: the drop folder ---- */
int watch_start(struct import *im, struct err *err) MUST_CHECK;
void watch_stop(struct import *im);
void watch_scan(struct import *im);
/* Visit regular files below a folder, no links followed, at most depth 12 and 100,000 files.
 * fd: -1 where what is there cannot be opened, a folder or a file; visit returns false to stop. */
typedef bool (*visit_fn)(void *user, int fd, const char *relative);
void walk_files(const char *root, visit_fn visit, void *user);

#endif
