/* uplink_site.h - a clinic in the test's process: a spool, workers that code, and a centre to send
 * to. cmocka tests. */
#ifndef RADPOST_TESTS_SUPPORT_UPLINK_SITE_H
#define RADPOST_TESTS_SUPPORT_UPLINK_SITE_H

#include "gateway/uplink/uplink.h"
#include "proto/base/buf.h"
#include "proto/model/states.h"
#include "tests/support/fake_centre.h"
#include "tests/support/folder.h"

struct codec_pool;
struct spool;

enum { UPLINK_SITE_WAIT_MS = 120000 };

/* At the centre. */
#define UPLINK_SITE_THERE (INSTANCE_BIT(INSTANCE_HELD) | INSTANCE_BIT(INSTANCE_SEALED))

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
/* The same of a picture of our own (ct_picture.h); is_text_only: nothing of it has to be coded. */
uint64_t uplink_site_picture(struct uplink_site *s, const char *study, int number,
                             bool is_text_only);
/* The same, 1 to n. */
void uplink_site_pictures(struct uplink_site *s, const char *study, int n, bool is_text_only);
/* Until at least so many entries are in these states (INSTANCE_BIT()); false: they are not after
 * UPLINK_SITE_WAIT_MS, and how all stand was printed. */
bool uplink_site_wait(struct uplink_site *s, unsigned states, uint64_t least);

/* What the centre counted by now; what goes wrong there from now on, and nothing else. */
struct fake_counts uplink_site_counts(struct uplink_site *s);
void uplink_site_wish(struct uplink_site *s, struct fake_wishes wishes);

#endif
