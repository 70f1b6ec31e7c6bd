/* orders_sources.h - orders that are fetched: files that a program leaves in a folder, and what a
 * command of the clinic's prints (a view of the HIS by its own SQL client, a page of the centre by
 * curl ...). A file goes once its orders are durable; one that cannot be read is moved to failed/
 * with the reason beside it. The command runs without a shell, is given ORDERS_COMMAND_MS, and may
 * be run again at any time: orders come once (orders.h). In words: docs/orders.md.
 * Threads: one of its own. */
#ifndef RADPOST_DESK_ORDERS_SOURCES_H
#define RADPOST_DESK_ORDERS_SOURCES_H

#include "proto/base/err.h"

#include <stddef.h>
#include <stdint.h>

struct book;
struct orders_sources;

enum { ORDERS_COMMAND_MS = 60000 };

struct orders_sources_options {
    struct book *book;   /* outlives it */
    const char *folder;  /* "" or NULL: none; made with failed/ */
    const char *command; /* program and arguments, parted by blanks; "" or NULL: none */
    int64_t every_ms;    /* how often the command runs */
};

/* With neither folder nor command *out is NULL. A folder that is not there is trouble until it is.
 */
void orders_sources_start(const struct orders_sources_options *options,
                          struct orders_sources **out);
void orders_sources_stop(struct orders_sources **sources);

/* Which step of a round failed. */
enum orders_trouble {
#define TROUBLE(name, word, meaning) name,
#include "gateway/desk/orders_troubles.def"
    ORDERS_TROUBLES
};
const char *orders_trouble_word(enum orders_trouble trouble);

/* How fetching goes, for the desk's lamp; nothing of a patient. */
struct orders_status {
    int64_t good_us; /* when a round last went as it should; 0: none yet since the start */
    enum orders_trouble trouble;
    int64_t trouble_us;                      /* since when, without a good round between; 0 none */
    char why[320];                           /* of the trouble, for operators */
    unsigned taken, refused, flagged, place; /* of the command's last list: orders_json.h */
    char member[24];
    size_t aside; /* files that stand in the folder's failed/ */
    /* orders_lamp.h: messages over HL7 that were not done, and that nobody has seen */
    uint64_t hl7_orders, hl7_others;
};
/* NULL: nothing is fetched, and all is 0. */
void orders_sources_status(struct orders_sources *sources, struct orders_status *out);

/* A folder, and what was seen there: a file is taken when it kept still for ORDERS_STILL_MS between
 * two looks, by this machine's monotonic clock. Its own date counts for nothing: the HIS's clock
 * may be ahead or behind. */
struct orders_folder;
enum { ORDERS_STILL_MS = 1000 };
struct orders_folder *orders_folder_new(const char *path);
void orders_folder_free(struct orders_folder **folder);

/* One round of each, for the thread and for tests; *out_taken adds up.
 * errors  ERR_RETRY, ERR_FULL the book; ERR_REJECT, ERR_RETRY the command failed, said why */
int orders_from_folder(struct book *book, struct orders_folder *folder, unsigned *out_taken,
                       struct err *err) MUST_CHECK;
int orders_from_command(struct book *book, const char *command, int64_t limit_ms,
                        unsigned *out_taken, struct err *err) MUST_CHECK;
/* Files in failed/ that nobody has taken away. */
size_t orders_folder_aside(const struct orders_folder *folder);

#endif
