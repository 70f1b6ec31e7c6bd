/* archive_world.h - a whole storage in the test's process, reached over mutual TLS, and a reader
 * enrolled at it. For tests of what a reader asks of the archive. */
#ifndef RADPOST_TESTS_ARCHIVE_WORLD_H
#define RADPOST_TESTS_ARCHIVE_WORLD_H

#include "proto/http/server.h"
#include "tests/support/vault.h"

struct ca;
struct codec_pool;
struct ingest;
struct serve;

struct archive_world {
    struct vault vault; /* its keep has no working thread: keep_work() packs and closes */
    struct ca *ca;
    char ca_dir[200], tls_dir[200];
    char identity[200]; /* folder of the reader's: device reader-1 of clinic-a, on 127.0.0.1 */
    char url[64];
    const char *addresses[3]; /* told at enrolment */
    struct ingest *ingest;
    struct serve *serve;
    struct codec_pool *pool;
    struct http_server *server;
    uint16_t port;
};

/* pool: for rendered pictures and frames, and for what comes coded; NULL: neither may be asked. */
void archive_world_open(struct archive_world *w, struct pg_cluster *cluster, const char *database,
                        struct codec_pool *pool);
void archive_world_close(struct archive_world *w);
/* The storage is gone, and back at the same address. */
void archive_world_cut(struct archive_world *w);
void archive_world_heal(struct archive_world *w);
/* The storage ends, and begins anew at the same address; between the two a test may put another
 * database in its place (vault.options.conninfo). */
void archive_world_stop(struct archive_world *w);
void archive_world_start(struct archive_world *w);
/* Enrol another device; dir is made. names: "" for a gateway. */
void archive_world_enrol(struct archive_world *w, const char *kind, const char *tenant,
                         const char *device, const char *names, const char *dir);

#endif
