/* archive_site.h - a clinic with a spool and an uplink, and a real archive to send to, all in the
 * test's process. cmocka tests. */
#ifndef RADPOST_TESTS_SUPPORT_ARCHIVE_SITE_H
#define RADPOST_TESTS_SUPPORT_ARCHIVE_SITE_H

#include "gateway/spool/spool.h"
#include "gateway/uplink/uplink.h"
#include "tests/support/archive_world.h"

enum { ARCHIVE_SITE_WAIT_MS = 40000 };

/* The test program's; made by archive_site_begin(). */
extern struct pg_cluster *archive_site_cluster;

struct archive_site {
    struct archive_world world;
    char folder[FOLDER_PATH_BYTES], spool_dir[256], link_dir[256], uplink_dir[256];
    struct spool *spool;
    struct uplink *up;
    char *backup;     /* conninfo of the older copy */
    uint8_t preamble; /* begins every file that comes: another one, the same images */
};

/* First thing in main(); false: the program ends with *out_status. */
bool archive_site_begin(int argc, char **argv, int *out_status);
void archive_site_end(void);

/* keep_sealed_ms: 0 = bytes go as soon as they are sealed; -1 = they stay. */
void archive_site_open(struct archive_site *s, const char *database, int64_t keep_sealed_ms);
void archive_site_close(struct archive_site *s);
/* The uplink, after it was stopped. */
void archive_site_start(struct archive_site *s);
/* A study of so many small images: STUDY.1 onwards, their pixels of the same numbers. */
void archive_site_receive(struct archive_site *s, const char *study, unsigned images);
/* One more: STUDY.NUMBER. */
void archive_site_receive_one(struct archive_site *s, const char *study, unsigned number);
/* Until so many entries are in this state, the archive doing what is due meanwhile. */
void archive_site_wait(struct archive_site *s, enum instance_state state, uint64_t count);
/* Until a comparison that began after this moment has ended; how it ended. */
struct uplink_reconciled archive_site_reconciled(struct archive_site *s, int64_t after_us);
/* A copy of its database, by this name. */
void archive_site_back_up(struct archive_site *s, const char *database, const char *name);
/* The copy takes the place of the database, or goes again; the disks beside it stay as they are.
 * When the archive was away: a comparison that begins later is with what is there now. */
int64_t archive_site_set(struct archive_site *s, bool is_back);

#endif
