/* uplink_site.h - a clinic in the test's process: a spool, workers that code, and a centre to send
 * to. cmocka tests. */
#ifndef RADPOST_TESTS_SUPPORT_UPLINK_SITE_H
#define RADPOST_TESTS_SUPPORT_UPLINK_SITE_H

#include "gateway/uplink/uplink.h"
#include "proto/base/buf.h"
#include "tests/support/fake_centre.h"
#include "tests/support/folder.h"

struct codec_pool;
struct spool;

struct uplink_site {
    char folder[FOLDER_PATH_BYTES];
    char spool_dir[256], link_dir[256], centre_dir[256];
    struct spool *spool;
    struct codec_pool *pool;
    struct fake_centre *centre;
    struct uplink *up; /* NULL until the test starts one */
    struct uplink_options options;
};

/* name: of its folder. The options are those of a short way, the test's to change before start. */
void uplink_site_open(struct uplink_site *s, const char *name, unsigned workers);
void uplink_site_start(struct uplink_site *s);
void uplink_site_close(struct uplink_site *s);
/* A CT image arrives, as these bytes; the entry. */
uint64_t uplink_site_receive(struct uplink_site *s, const char *study, int number,
                             const struct buf *bytes);

#endif
