/* door_world.h - the clinic's DICOM door over a real spool in a folder of the test's own, and a
 * device that calls it. */
#ifndef RADPOST_TESTS_DOOR_WORLD_H
#define RADPOST_TESTS_DOOR_WORLD_H

#include "gateway/accept/accept.h"
#include "gateway/spool/spool.h"
#include "tests/support/folder.h"

struct door_world {
    char dir[FOLDER_PATH_BYTES];
    struct spool *spool;
    struct accept *door;
    struct accept_options options; /* of the next door; dir, address and called are set */
    void (*add_services)(struct door_world *w); /* before it listens; may be NULL */
    char *accept_dir;
};

/* Folder, spool with these options (NULL: small segments), devices.conf with this text. The door is
 * opened by door_open(). */
void door_begin(struct door_world *w, const struct spool_options *spool, const char *devices);
void door_end(struct door_world *w);
void door_open(struct door_world *w);
/* Power off and on: door and spool closed and opened again. */
void door_restart(struct door_world *w);
void door_put_file(struct door_world *w, const char *name, const char *text);

/* Ask for CT storage (context 1), verification (3) and the classes given (5, 7 ...); NULL-ended. */
int door_connect(struct door_world *w, const char *calling, const char *called,
                 const char *const *classes, struct dimse_assoc **out, struct err *err) MUST_CHECK;
/* A small object; the status answered. */
uint16_t door_store(struct dimse_assoc *assoc, const char *sop_instance);
/* One association that stores one object; the status, 0xFFFF when it was not let in. */
uint16_t door_store_as(struct door_world *w, const char *calling, const char *sop_instance);
/* Entries of the spool in a state. */
uint64_t door_count(struct door_world *w, enum instance_state state);
void door_enrol(struct door_world *w, const char *ae, const char *address);

#endif
