/* pg_cluster.h - a private PostgreSQL for one test program: unix socket only, fsync on, gone when
 * the program is. initdb refuses root: then it runs as "postgres". */
#ifndef RADPOST_TESTS_PG_CLUSTER_H
#define RADPOST_TESTS_PG_CLUSTER_H

struct pg_cluster;

/* NULL when PostgreSQL is not installed (the test is skipped); any other trouble ends the test. */
struct pg_cluster *pg_cluster_start(void);
const char *pg_cluster_conninfo(const struct pg_cluster *c);
/* Stop at once, as a power cut of the server would; and start again on the same data. */
void pg_cluster_stop(struct pg_cluster *c);
void pg_cluster_restart(struct pg_cluster *c);
/* A fresh, empty database in the cluster; *out is the caller's conninfo (free). */
char *pg_cluster_database(struct pg_cluster *c, const char *name);
/* A copy of a database nobody is connected to, as a backup of it holds it. */
char *pg_cluster_copy(struct pg_cluster *c, const char *from, const char *name);
void pg_cluster_remove(struct pg_cluster **c);

#endif
