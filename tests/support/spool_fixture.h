/* spool_fixture.h - a spool in a folder of its own, instances that follow from a number. cmocka
 * tests. */
#ifndef RADPOST_TESTS_SUPPORT_SPOOL_FIXTURE_H
#define RADPOST_TESTS_SUPPORT_SPOOL_FIXTURE_H

#include "gateway/spool/spool.h"
#include "tests/support/folder.h"

#include <pthread.h>

struct spool_fixture {
    char dir[FOLDER_PATH_BYTES];
    struct spool_options options;
    struct spool *sp;
};

/* cmocka's setup and teardown: segments of 1 MiB, nothing sealed is removed. */
int spool_fixture_setup(void **state);
int spool_fixture_teardown(void **state);
void fixture_reopen(struct spool_fixture *f);
/* n bytes that differ from seed to seed; free. */
uint8_t *fixture_bytes(size_t n, unsigned seed);
/* Commit them as SOP instance 1.2.3.SEED; the id. */
uint64_t fixture_put(struct spool_fixture *f, size_t n, unsigned seed, uint64_t association);
void fixture_assert_bytes(struct spool_fixture *f, uint64_t id, size_t n, unsigned seed);
enum instance_state fixture_state_of(struct spool_fixture *f, uint64_t id);
void fixture_inspect(struct spool_fixture *f, uint64_t id, const char *study);
/* Study and instance that come to the centre as they are: held, and on its list; is_sealed: safe.
 */
void fixture_put_at_centre(struct spool_fixture *f, unsigned seed, const char *study,
                           bool is_sealed);
void fixture_code(struct spool_fixture *f, uint64_t id, size_t n, unsigned seed);
/* Another thread lets a copy come to rest on what it repeats; it may be refused. */
struct fixture_twin {
    struct spool *sp;
    uint64_t first, copy;
    pthread_t thread;
};
void fixture_twin_begin(void *twin); /* nth_lock.h */
/* But for the segment that is being got ready. */
size_t fixture_files_in(struct spool_fixture *f, const char *folder);

#endif
