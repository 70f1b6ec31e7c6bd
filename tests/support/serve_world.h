/* serve_world.h - a clinic's door in one process: spool, accept and serve in a folder of their own,
 * on a free port of loopback; what has come is looked into and sealed when the test says so, in the
 * place of uplink and centre. cmocka tests. */
#ifndef RADPOST_TESTS_SUPPORT_SERVE_WORLD_H
#define RADPOST_TESTS_SUPPORT_SERVE_WORLD_H

#include "gateway/accept/accept.h"
#include "gateway/serve/serve.h"
#include "gateway/spool/spool.h"
#include "tests/support/folder.h"

struct codec_pool;

struct serve_world {
    char dir[FOLDER_PATH_BYTES];
    struct spool *spool;
    struct accept *door;
    struct serve *serve;
    struct serve_options options; /* of serve: grace, retries ... */
    struct codec_pool *pool;      /* may be NULL: nothing is decoded */
    uint64_t refuse_free_bytes;   /* of the spool */
};

/* A fresh folder with this devices.conf; options hold as they are set before. */
void serve_world_make(struct serve_world *w, const char *devices);
void serve_world_devices(struct serve_world *w, const char *devices);
void serve_world_open(struct serve_world *w); /* again after _close: a restart */
void serve_world_close(struct serve_world *w);
void serve_world_remove(struct serve_world *w);
const char *serve_world_port(struct serve_world *w); /* as text */

struct serve_image {
    const char *study, *series, *sop_instance, *sop_class; /* NULL: CT */
    const char *name; /* as it stands in the file, character_set of it; NULL: "Nobody" */
    const char *character_set;
    const char *patient_id, *date, *modality;
    const char *issuer; /* of the patient_id; NULL none */
    int number;
};

/* Commit an instance as if device CT1 had sent it; its entry. */
uint64_t serve_world_put(struct serve_world *w, const struct serve_image *image);
uint64_t serve_world_put_file(struct serve_world *w, const char *path);
/* Look into everything received; what has no study is put aside. */
void serve_world_inspect(struct serve_world *w);
/* The same, and the centre seals all of it. Not of cmocka: for tools, too. */
void serve_world_seal(struct serve_world *w);

#endif
