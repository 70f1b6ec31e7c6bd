/* tool_spool_load DIR COUNT BYTES THREADS - figures of the spool: commits a second by so many
 * associations at once, syncs they took, and how long the folder takes to open again. */
#include "gateway/spool/spool.h"

#include "proto/base/clock.h"
#include "proto/base/text.h"

#include <inttypes.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>

#define MAX_THREADS 64

struct sender {
    struct spool *sp;
    uint64_t from, count, bytes;
    pthread_t thread;
    int64_t slowest_ms;
};

static void *
send_some(void *arg)
{
    struct sender *s = arg;
    uint8_t *bytes = mem_new(s->bytes);
    struct spool_meta meta = {.calling_ae = "LOAD"};
    struct spool_draft *draft = NULL;
    struct err err = {0};
    uint64_t id;

    for (uint64_t i = 0; i < s->count; i++) {
        int64_t began = clock_mono_ms();

        snprintf(meta.sop_instance, sizeof meta.sop_instance, "1.2.%" PRIu64, s->from + i);
        if (spool_draft_begin(s->sp, &meta, &draft, &err) < 0 ||
            spool_draft_write(draft, bytes, s->bytes, &err) < 0 ||
            spool_commit(s->sp, &draft, &id, &err) < 0) {
            fprintf(stderr, "%s\n", err.text);
            spool_draft_free(&draft);
            exit(1);
        }
        began = clock_mono_ms() - began;
        s->slowest_ms = began > s->slowest_ms ? began : s->slowest_ms;
    }
    free(bytes);
    return NULL;
}

static void
send_all(struct spool *sp, uint64_t count, uint64_t bytes, uint64_t threads)
{
    struct sender senders[MAX_THREADS] = {0};
    int64_t began = clock_mono_ms(), slowest = 0, took;
    struct spool_health health;

    for (uint64_t i = 0; i < threads; i++) {
        senders[i] =
            (struct sender){.sp = sp, .from = i * count, .count = count / threads, .bytes = bytes};
        if (pthread_create(&senders[i].thread, NULL, send_some, &senders[i]) != 0)
            abort();
    }
    for (uint64_t i = 0; i < threads; i++) {
        pthread_join(senders[i].thread, NULL);
        slowest = senders[i].slowest_ms > slowest ? senders[i].slowest_ms : slowest;
    }
    took = clock_mono_ms() - began + 1;
    spool_health(sp, &health);
    printf("%" PRIu64 " commits of %" PRIu64 " bytes by %" PRIu64 " threads in %" PRId64
           " ms: %" PRIu64 " a second, %" PRIu64 " syncs, slowest %" PRId64 " ms\n",
           health.commits, bytes, threads, took, health.commits * 1000 / (uint64_t)took,
           health.syncs, slowest);
}

int
main(int argc, char **argv)
{
    struct spool_options options = {.keep_sealed_ms = -1};
    uint64_t count, bytes, threads;
    struct spool *sp = NULL;
    struct spool_health health;
    struct err err = {0};
    int64_t began;

    if (argc != 5 || text_to_u64(argv[2], 10000000, &count) < 0 ||
        text_to_u64(argv[3], 1 << 30, &bytes) < 0 || bytes == 0 ||
        text_to_u64(argv[4], MAX_THREADS, &threads) < 0 || threads == 0) {
        fprintf(stderr, "usage: tool_spool_load DIR COUNT BYTES THREADS\n");
        return 2;
    }
    for (int round = 0; round < 2; round++) {
        began = clock_mono_ms();
        if (spool_open(argv[1], &options, &sp, &err) < 0) {
            fprintf(stderr, "%s\n", err.text);
            return 1;
        }
        spool_health(sp, &health);
        printf("opened with %" PRIu64 " entries in %" PRId64 " ms\n", health.entries,
               clock_mono_ms() - began);
        if (round == 0)
            send_all(sp, count, bytes, threads);
        spool_close(&sp);
    }
    return 0;
}
