/* doctor_database.c - can PostgreSQL write, and has its disk room? Both services stand still
 * without it, and each question to it is answered as ever. */
#include "deploy/cli/doctor.h"

#include "proto/pg/pg.h"

#include <stdlib.h>

static const uint64_t giga = 1 << 30;

void
doctor_examine_database(struct findings *f, const char *conninfo)
{
    struct pg_options options = {.conninfo = conninfo, .connections = 1};
    struct pg *pg = NULL;
    char *path = NULL;
    struct err err;

    if (pg_open(&options, &pg, &err) < 0 || pg_check_room(pg, &path, &err) < 0)
        finding(f, MARK_BAD, err.kind == ERR_FULL ? "database's disk" : "database", "%s", err.text);
    else
        finding(f, MARK_FINE, "database", "PostgreSQL answers, and a write was taken");
    if (path != NULL)
        check_disk(f, "database's disk", path, 5 * giga, giga);
    else if (pg != NULL)
        finding(f, MARK_FINE, "database's disk",
                "its room is not known here: PostgreSQL is on another machine, or this user lacks "
                "pg_read_all_settings");
    free(path);
    pg_close(&pg);
}
