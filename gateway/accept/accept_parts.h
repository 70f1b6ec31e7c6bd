/* accept_parts.h - what the files of this stage share: the door itself. Not for other stages. */
#ifndef RADPOST_ACCEPT_PARTS_H
#define RADPOST_ACCEPT_PARTS_H

#include "gateway/accept/accept.h"
#include "gateway/accept/devices.h"
#include "gateway/accept/refused.h"
#include "proto/base/log.h"
#include "proto/base/thread.h"

#include <sys/stat.h>

struct post {
    struct post *next;
    accept_post_fn run;
    void *user;
};

/* An association that is being served. */
struct live {
    struct live *next;
    uint64_t number;
    struct dimse_assoc *assoc;
    struct accept_device device; /* a copy; is_stranger: made up from what it said of itself */
    bool is_stranger;
    struct post *posts; /* in order */
};

struct accept {
    struct spool *spool;
    struct dimse_listener *listener;
    struct accept_options options; /* texts are ours */
    char *devices_path;
    const char *called;               /* "" = any */
    struct accept_service **services; /* fixed once it listens */
    size_t service_count;
    struct gate gate; /* guards all below */
    struct devices devices;
    struct stat devices_seen; /* zeros: no file */
    struct refused refused;
    struct live *live;
};

extern const struct log_ctx accept_ctx;

/* table.c; locked, all of them */
int table_read(struct accept *a, struct err *err) MUST_CHECK;
void table_refresh(struct accept *a); /* the same; a mistake is logged, the old table stays */
void table_keep_refused(struct accept *a);

/* services.c */
const struct accept_service *service_of(const struct accept *a, const char *abstract_syntax);
void services_fini(struct accept *a);
void live_begin(struct accept *a, struct live *l);
/* Out of the list; posts that did not run are told so, the services too. */
void live_end(struct accept *a, struct live *l);
/* Run what was posted. -1: the association is over. */
int live_run_posts(struct accept *a, struct live *l, const struct log_ctx *ctx,
                   struct err *err) MUST_CHECK;

#endif
