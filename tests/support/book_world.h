/* book_world.h - a desk's book in a folder of its own, and short words for what happens to it. */
#ifndef RADPOST_TESTS_BOOK_WORLD_H
#define RADPOST_TESTS_BOOK_WORLD_H

#include "gateway/desk/book.h"
#include "tests/support/folder.h"

extern char book_dir[FOLDER_PATH_BYTES];
extern struct book *book;

/* cmocka's setup and teardown; the clock may be faked in between. */
int book_world_open(void **state);
int book_world_close(void **state);
void reopen(void);

/* Register somebody with a phone. */
void person(const char *name, const char *citizen_id, const char *modality, char out[17]);
/* Valid until the next call. */
struct book_registration *found(const char *registration);
/* Messages that are due; clinic_ups_free(). */
size_t due(struct clinic_ups *out);
void receipt(const char *id, enum clinic_outcome outcome, const char *word);

#endif
