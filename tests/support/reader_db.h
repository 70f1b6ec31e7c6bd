/* reader_db.h - the reader's database for a test: a private PostgreSQL with all its migrations and
 * queries, and accounts of two organisations. */
#ifndef RADPOST_TESTS_READER_DB_H
#define RADPOST_TESTS_READER_DB_H

#include "proto/pg/pg.h"
#include "reader/people/people.h"
#include "tests/support/pg_cluster.h"

#define READER_DB_PASSWORD "demo-password"

struct reader_db {
    struct pg_cluster *cluster;
    char *conninfo;
    struct pg *pg; /* NULL: PostgreSQL is not installed, skip */
};

void reader_db_start(struct reader_db *db);
void reader_db_stop(struct reader_db *db);
/* A demo account with READER_DB_PASSWORD. */
void reader_db_account(struct reader_db *db, const char *login, const char *org, unsigned roles);

#endif
