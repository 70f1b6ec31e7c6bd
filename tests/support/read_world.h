/* read_world.h - the reader's database with a small land in it, and an archive that tells what a
 * test tells it: for tests of reader/assign and of stages above it. */
#ifndef RADPOST_TESTS_READ_WORLD_H
#define RADPOST_TESTS_READ_WORLD_H

#include "proto/pg/pg.h"
#include "reader/archive/archive.h"
#include "reader/assign/assign.h"
#include "reader/people/people.h"
#include "tests/support/pg_cluster.h"

/* Organisations: province P > city C > county H (hospital), township T1, T2 below the county, and
 * another county H2 with township T9. Accounts: tech1 (T1), admin1 (T1), tech2 (T2), doc1, doc2
 * (doctors of H), rev1 (reviewer of H), super (supervisor of C), super2 (supervisor of H2), doc9
 * (doctor of H2). Agreement AG1: T1 invites H for CT and DX; AG2: T2 invites H for CT alone, its
 * night reader may read alone. */
struct read_world {
    struct pg_cluster *cluster;
    char *conninfo;
    struct pg *pg;
    struct assign *assign; /* without threads, for intake_step() and choose_round() */
};

/* A fresh database of that name. */
void read_world_open(struct read_world *w, struct pg_cluster *cluster, const char *database);
void read_world_close(struct read_world *w);
/* A copy of the database under a name, as a backup holds it; and the database is put back from it:
 * the world goes on in the copy. Whoever else uses w->pg has closed it, and takes the new one. */
void read_world_back_up(struct read_world *w, const char *name);
void read_world_put_back(struct read_world *w, const char *name);
/* Load this JSON; the test fails if it is refused. */
void read_world_load(struct read_world *w, const char *json);
void read_world_person(struct read_world *w, const char *login, struct person *out);

/* The archive closes a study's list; the facts are those of a plain CT unless changed. */
void read_world_closes(struct read_world *w, const char *tenant, const char *study,
                       uint32_t revision, uint64_t instances);
void read_world_tells(const char *tenant, const char *kind, const char *study, uint32_t revision,
                      uint64_t instances);
/* Facts of a study from now on; NULL modalities: the archive does not know it yet. */
void read_world_study(const char *study, const char *patient_id, const char *modalities);
/* Names the patient of a study from now on; "": the images name nobody. */
void read_world_names(const char *study, const char *name, const char *birth, const char *sex);
/* The Accession Number of a study from now on. */
void read_world_accession(const char *study, const char *accession);
/* The archive is set back to a backup: it has told its first n events only. */
void read_world_sets_back(size_t n);
/* What the next call of the archive answers, once: ERR_RETRY it is away. */
void read_world_fails(enum err_kind kind);
/* Take in all that was told, then choose readers. */
void read_world_settle(struct read_world *w);
/* The read of a study, the test fails if there is none. */
void read_world_read(struct read_world *w, const char *tenant, const char *study,
                     struct read_row *out);
/* One number of one row, or a change, from constant SQL. */
int64_t read_world_count(struct read_world *w, const char *sql);

#endif
