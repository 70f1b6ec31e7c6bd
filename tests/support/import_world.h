/* import_world.h - an inbox of files and a spool in a folder of their own. cmocka tests. */
#ifndef RADPOST_TESTS_SUPPORT_IMPORT_WORLD_H
#define RADPOST_TESTS_SUPPORT_IMPORT_WORLD_H

#include "gateway/import/import.h"
#include "gateway/spool/spool.h"

extern struct spool *world_spool;
extern struct import *world_import;
extern struct import_options world_options;
extern struct spool_options world_spool_options; /* of the next begin */
extern char world_drop[256], world_media[256], world_dir[256], world_spool_dir[256];
extern const struct wrap_identity world_person;
extern struct buf world_file; /* of 16 MiB at most: the test's to fill and to drop */

/* Folders; watching is by inotify alone unless the options say else. */
int import_world_setup(void **state);
int import_world_teardown(void **state);
void world_begin(void);
void world_end(void); /* both may be repeated: a restart */

/* A PDF of these words in world_file. */
void world_pdf(const char *words);
/* The item is the world's person's. */
void world_bind(const char *id);
/* Write a file whole under another name, then rename it in. name may hold folders that exist. */
void world_drop_file(const char *folder, const char *name, const struct buf *bytes);
bool world_is_in_drop(const char *name);
/* Wait until so many items are in these states; the newest. */
void world_wait(unsigned states, size_t n, struct import_item *out);
size_t world_count(unsigned states);
/* Entries of the spool; *out_id the last. */
size_t world_entries(uint64_t *out_id);
void world_bytes(uint64_t entry, struct buf *out);
size_t world_files(const char *folder); /* below world_dir */

#endif
