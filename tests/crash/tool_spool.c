/* tool_spool.c - what the crash tests drive: a sender that says what it was told, and a judge.
 *
 *   tool_spool send DIR LEDGER FROM COUNT THREADS   open the spool, commit instances FROM.., walk
 * each on through its states; a refused one is sent again tool_spool judge DIR LEDGER open what is
 * left and hold it against the ledger tool_spool full DIR LEDGER BALLAST              commit until
 * the disk is full, remove BALLAST, go on
 *
 * The ledger gets a line, in one write, the moment something was told:
 *   begun N | acked N | refused N | reached N STATE
 * An instance's bytes follow from its number. acked: there once, byte for byte, and no state is
 * lost. refused: not there. Begun and neither: there once or not at all. */
#include "gateway/spool/spool.h"

#include "proto/base/durable.h"
#include "proto/base/text.h"
#include "proto/base/thread.h"
#include "proto/trust/digest.h"
#include "tests/support/forked.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <limits.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#define TRIES 3
#define MAX_INSTANCES 100000
#define CODED_BYTES 5000

struct sender {
    struct spool *sp;
    const char *ledger;
    uint64_t from, count, step;
    pthread_t thread;
    bool is_sure; /* everything was acknowledged */
};

struct told {
    bool is_begun, is_acked, is_refused;
    enum instance_state reached;
    unsigned found;
};

static const struct spool_options options = {.segment_bytes = 2 << 20, .keep_sealed_ms = -1};

static void
tell(const char *ledger, const char *word, uint64_t n, const char *more)
{
    char line[96];
    int fd = open(ledger, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC, 0600);
    int k = snprintf(line, sizeof line, "%s %" PRIu64 "%s%s\n", word, n, more[0] ? " " : "", more);

    if (fd < 0 || write(fd, line, (size_t)k) != k)
        abort();
    close(fd);
}

/* Every 16th does not fit into memory, every 48th has a segment of its own; every fourth is such
 * that the disk begins with it before its header is written, where one sender is alone. */
static size_t
size_of(uint64_t n)
{
    if (n % 4 == 2)
        return (64u << 10) + (n * 7919) % 400000;
    if (n % 48 == 7)
        return (16u << 20) + 4096 + n;
    if (n % 16 == 3)
        return (1u << 20) + 70000 + n;
    return 600 + (n * 7919) % 60000;
}

static uint8_t *
bytes_of(uint64_t n, size_t size)
{
    uint8_t *bytes = mem_new(size);
    uint64_t x = n * 0x9E3779B97F4A7C15u + 1;

    for (size_t i = 0; i < size; i++) {
        x = x * 6364136223846793005u + 1442695040888963407u;
        bytes[i] = (uint8_t)(x >> 56);
    }
    return bytes;
}

static int
commit_once(struct spool *sp, uint64_t n, uint64_t *out_id, struct err *err)
{
    struct spool_meta meta = {.sop_class = "1.2.840.10008.5.1.4.1.1.2", .calling_ae = "CT1"};
    struct spool_draft *draft = NULL;
    size_t size = size_of(n);
    uint8_t *bytes = bytes_of(n, size);
    int rc = -1;

    snprintf(meta.sop_instance, sizeof meta.sop_instance, "1.2.%" PRIu64, n);
    if (spool_draft_begin(sp, &meta, &draft, err) < 0)
        goto out;
    for (size_t at = 0, k; at < size; at += k) {
        k = size - at < (4u << 20) ? size - at : 4u << 20;
        if (spool_draft_write(draft, bytes + at, k, err) < 0)
            goto out;
    }
    rc = spool_commit(sp, &draft, out_id, err);
out:
    spool_draft_free(&draft);
    free(bytes);
    return rc;
}

static int
code(struct spool *sp, uint64_t id, uint64_t n, struct err *err)
{
    uint8_t *bytes = bytes_of(n + 1, CODED_BYTES);
    struct spool_coding c = {.fd = memfd_create("coded", MFD_CLOEXEC),
                             .size = CODED_BYTES,
                             .recipe = bytes,
                             .recipe_n = 100};
    int rc = -1;

    digest_bytes(bytes, CODED_BYTES, c.sha256);
    if (c.fd >= 0 && pwrite(c.fd, bytes, CODED_BYTES, 0) == CODED_BYTES)
        rc = spool_set_coded(sp, id, &c, err);
    if (c.fd >= 0)
        close(c.fd);
    free(bytes);
    return rc;
}

static int
step_once(struct spool *sp, uint64_t id, uint64_t n, enum instance_state to, struct err *err)
{
    struct spool_inspection facts = {.study_uid = "1.9", .series_uid = "1.9.1", .modality = "CT"};

    switch (to) {
    case INSTANCE_INSPECTED:
        return spool_set_inspected(sp, id, &facts, err);
    case INSTANCE_CODED:
        return code(sp, id, n, err);
    case INSTANCE_LOOKED:
        return spool_set_looked(sp, id, 0, err);
    case INSTANCE_HELD:
        return spool_set_held(sp, id, n, err);
    case INSTANCE_QUARANTINED:
        return spool_set_quarantined(sp, id, "other: drawn", err);
    case INSTANCE_DISCARDED:
        return spool_discard(sp, id, "other", "crash test", err);
    default:
        return spool_set_sealed(sp, id, n, err);
    }
}

/* Which are thrown away instead. */
static bool
is_rubbish(uint64_t n)
{
    return n % 6 == 0;
}

/* As far as the number says; a failed arrow is tried again, as the uplink does. */
static bool
walk_states(struct sender *s, uint64_t id, uint64_t n)
{
    static const enum instance_state way[] = {INSTANCE_INSPECTED, INSTANCE_CODED, INSTANCE_LOOKED,
                                              INSTANCE_HELD, INSTANCE_SEALED};
    static const enum instance_state out[] = {INSTANCE_QUARANTINED, INSTANCE_DISCARDED};
    uint64_t steps = is_rubbish(n) ? ARRAY_LEN(out) : n % (ARRAY_LEN(way) + 1);
    struct err err = {0};

    for (uint64_t i = 0; i < steps; i++) {
        enum instance_state to = is_rubbish(n) ? out[i] : way[i];
        int rc = -1;

        for (int try = 0; try < TRIES && rc < 0; try++)
            rc = step_once(s->sp, id, n, to, &err);
        if (rc < 0) {
            fprintf(stderr, "instance %" PRIu64 ": %s\n", n, err.text);
            return false;
        }
        tell(s->ledger, "reached", n, instance_state_word(to));
    }
    return true;
}

static bool
send_one(struct sender *s, uint64_t n)
{
    struct err err = {0};
    uint64_t id = 0;

    for (int try = 0; try < TRIES; try++) {
        tell(s->ledger, "begun", n, "");
        if (commit_once(s->sp, n, &id, &err) == 0) {
            tell(s->ledger, "acked", n, "");
            return walk_states(s, id, n);
        }
        tell(s->ledger, "refused", n, "");
    }
    fprintf(stderr, "instance %" PRIu64 ": %s\n", n, err.text);
    return false;
}

static void *
send_some(void *arg)
{
    struct sender *s = arg;

    s->is_sure = true;
    for (uint64_t n = s->from; n < s->from + s->count; n += s->step)
        s->is_sure = send_one(s, n) && s->is_sure;
    return NULL;
}

/* One failure of the disk may stop an opening, not the next one. */
static struct spool *
open_spool(const char *dir)
{
    struct spool *sp = NULL;
    struct err err;

    for (int try = 0; try < TRIES; try++)
        if (spool_open(dir, &options, &sp, &err) == 0)
            return sp;
    fprintf(stderr, "%s\n", err.text);
    exit(1);
}

static int
send_all(const char *dir, const char *ledger, uint64_t from, uint64_t count, uint64_t threads)
{
    struct sender senders[16] = {0};
    struct spool *sp = open_spool(dir);
    bool is_sure = true;

    for (uint64_t i = 0; i < threads; i++) {
        senders[i] = (struct sender){.sp = sp,
                                     .ledger = ledger,
                                     .from = from + i,
                                     .count = count > i ? count - i : 0,
                                     .step = threads};
        senders[i].thread = thread_start("sender", send_some, &senders[i]);
    }
    for (uint64_t i = 0; i < threads; i++) {
        thread_join(senders[i].thread);
        is_sure = is_sure && senders[i].is_sure;
    }
    spool_close(&sp);
    return is_sure ? 0 : 1;
}

/* ---- the judge ---- */

static void
read_ledger(const char *path, struct told *told)
{
    char line[128], word[32], state[32];
    FILE *f = fopen(path, "r");
    uint64_t n;

    if (f == NULL)
        return; /* nothing was told */
    while (fgets(line, sizeof line, f) != NULL) {
        int k = sscanf(line, "%31s %" SCNu64 " %31s", word, &n, state);

        if (k < 2 || n >= MAX_INSTANCES)
            continue;
        if (strcmp(word, "begun") == 0) {
            told[n].is_begun = true;
            told[n].is_refused = false;
        } else if (strcmp(word, "acked") == 0) {
            told[n].is_acked = true;
        } else if (strcmp(word, "refused") == 0) {
            told[n].is_refused = true;
        } else if (strcmp(word, "reached") == 0 && k == 3) {
            int reached = instance_state_from_word(state);

            if (reached >= 0)
                told[n].reached = (enum instance_state)reached;
        }
    }
    fclose(f);
}

static int wrong;

static void
blame(uint64_t n, const char *what)
{
    printf("instance %" PRIu64 ": %s\n", n, what);
    wrong++;
}

static bool
holds(const struct spool_bytes *at, const uint8_t *want, size_t n)
{
    uint8_t *got = mem_new(n);
    struct err err;
    bool is_equal = at->size == n && durable_read_at(at->fd, got, n, at->offset, &err) == 0 &&
                    memcmp(got, want, n) == 0;

    free(got);
    close(at->fd);
    return is_equal;
}

static void
judge_bytes(struct spool *sp, const struct spool_entry *e, uint64_t n)
{
    uint8_t *want = bytes_of(n, size_of(n));
    struct spool_bytes at;
    struct err err;

    if (spool_source_received(sp, e->id, &at, &err) < 0 || !holds(&at, want, size_of(n)))
        blame(n, "its bytes are not those that were sent");
    free(want);
    if (!e->is_coded)
        return;
    want = bytes_of(n + 1, CODED_BYTES);
    if (spool_source_object(sp, e->id, &at, &err) < 0 || !holds(&at, want, CODED_BYTES))
        blame(n, "its coded bytes are not those that were made");
    if (e->recipe_n != 100 || memcmp(e->recipe, want, 100) != 0)
        blame(n, "its recipe is not the one that was made");
    free(want);
}

static void
judge_entry(struct spool *sp, uint64_t id, struct told *told)
{
    struct spool_entry *e = NULL;
    struct err err;
    uint64_t n;

    if (spool_load(sp, id, &e, &err) < 0) {
        printf("entry %" PRIu64 ": %s\n", id, err.text);
        wrong++;
        return;
    }
    if (sscanf(e->meta.sop_instance, "1.2.%" SCNu64, &n) != 1 || n >= MAX_INSTANCES) {
        blame(id, "nobody sent this one");
    } else {
        told[n].found++;
        if (e->state == INSTANCE_QUARANTINED && !is_rubbish(n))
            blame(n, e->last_error);
        else if (e->state < told[n].reached)
            blame(n, "it has fallen back behind a state that was reported");
        judge_bytes(sp, e, n);
    }
    spool_entry_free(&e);
}

static void
judge_told(uint64_t n, const struct told *t)
{
    if (t->is_acked && t->found == 0)
        blame(n, "LOST: it was acknowledged and is not there");
    if (t->found > 1)
        blame(n, "it is there more than once");
    if (!t->is_acked && t->is_refused && t->found > 0)
        blame(n, "it was refused and came back");
    if (!t->is_begun && t->found > 0)
        blame(n, "nobody sent this one");
}

static int
judge(const char *dir, const char *ledger)
{
    struct told *told = mem_new(MAX_INSTANCES * sizeof *told);
    struct spool *sp = open_spool(dir);
    struct spool_filter all = {0};
    struct spool_health health;
    uint64_t *ids = NULL, id, acked = 0;
    struct err err = {0};
    size_t n = 0;

    read_ledger(ledger, told);
    spool_list(sp, &all, &ids, &n);
    for (size_t i = 0; i < n; i++)
        judge_entry(sp, ids[i], told);
    for (uint64_t i = 0; i < MAX_INSTANCES - 1; i++) { /* the last one is the judge's own */
        judge_told(i, &told[i]);
        acked += told[i].is_acked;
    }
    spool_health(sp, &health);
    if (health.corrupt_files > 0)
        blame(0, "something was called damaged");
    if (commit_once(sp, MAX_INSTANCES - 1, &id, &err) < 0)
        blame(0, "the spool does not go on");
    spool_close(&sp);
    printf("%zu entries, %" PRIu64 " acknowledged, %d wrong\n", n, acked, wrong);
    free(ids);
    free(told);
    return wrong > 0;
}

/* What lies there, whoever sent it; wrong when it is not what was received. */
static int
sums(const char *dir)
{
    struct spool *sp = open_spool(dir);
    struct spool_filter all = {0};
    uint64_t *ids = NULL;
    size_t n = 0;

    spool_list(sp, &all, &ids, &n);
    for (size_t i = 0; i < n; i++) {
        struct spool_entry *e = NULL;
        struct spool_bytes at = {.fd = -1};
        uint8_t sha256[32] = {0};
        char hex[65];
        struct err err;

        if (spool_load(sp, ids[i], &e, &err) < 0 ||
            spool_source_received(sp, ids[i], &at, &err) < 0 ||
            digest_file(at.fd, at.offset, at.size, sha256, &err) < 0 ||
            memcmp(sha256, e->received_sha256, 32) != 0)
            blame(ids[i], "its bytes are not those that were received");
        hex_encode(sha256, 32, hex);
        printf("%s %s\n", e != NULL ? e->meta.sop_instance : "?", hex);
        if (at.fd >= 0)
            close(at.fd);
        spool_entry_free(&e);
    }
    free(ids);
    spool_close(&sp);
    return wrong > 0;
}

static int
export_one(struct spool *sp, uint64_t id, const char *to)
{
    struct spool_entry *e = NULL;
    struct spool_bytes at = {.fd = -1};
    char path[PATH_MAX];
    uint8_t *bytes = NULL;
    struct err err;
    int fd = -1, rc = -1;

    if (spool_load(sp, id, &e, &err) == 0 && spool_source_received(sp, id, &at, &err) == 0) {
        snprintf(path, sizeof path, "%s/%s.dcm", to, e->meta.sop_instance);
        bytes = mem_new(at.size);
        fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
        if (fd >= 0 && durable_read_at(at.fd, bytes, at.size, at.offset, &err) == 0)
            rc = durable_write(fd, bytes, at.size, &err);
    }
    if (fd >= 0)
        close(fd);
    if (at.fd >= 0)
        close(at.fd);
    free(bytes);
    spool_entry_free(&e);
    return rc;
}

static int
export_all(const char *dir, const char *to)
{
    struct spool *sp = open_spool(dir);
    struct spool_filter all = {0};
    uint64_t *ids = NULL;
    size_t n = 0;

    spool_list(sp, &all, &ids, &n);
    for (size_t i = 0; i < n; i++)
        if (export_one(sp, ids[i], to) < 0)
            blame(ids[i], "cannot be exported");
    free(ids);
    spool_close(&sp);
    return wrong > 0;
}

/* ---- a full disk ---- */

/* Commit one and note what was told. */
static int
note_one(struct spool *sp, const char *ledger, uint64_t n, uint64_t *out_id, struct err *err)
{
    int rc;

    tell(ledger, "begun", n, "");
    rc = commit_once(sp, n, out_id, err);
    tell(ledger, rc == 0 ? "acked" : "refused", n, "");
    return rc;
}

static int
fill(const char *dir, const char *ledger, const char *ballast)
{
    struct sender s = {.sp = open_spool(dir), .ledger = ledger};
    struct err err = {0};
    uint64_t n = 0, id = 0, refused = 0;
    bool is_sure;

    /* small ones may still fit where a large one did not: on until 20 in a row do not */
    for (; n < 5000 && refused < 20; n++)
        if (note_one(s.sp, ledger, n, &id, &err) == 0)
            refused = 0;
        else if (refused++ == 0 && err.kind != ERR_FULL)
            return 1;
    printf("after %" PRIu64 " instances: %s (%04XH)\n", n, err.text, err_kind_dimse(err.kind));
    if (err.kind != ERR_FULL || id == 0)
        return 1;
    if (unlink(ballast) < 0)
        return 1;
    is_sure = send_one(&s, n + 1) && send_one(&s, n + 5);
    if (step_once(s.sp, id, n, INSTANCE_INSPECTED, &err) < 0)
        is_sure = false;
    spool_close(&s.sp);
    return is_sure ? 0 : 1;
}

static int
run(int argc, char **argv)
{
    uint64_t numbers[3];

    if (argc == 7 && strcmp(argv[1], "send") == 0) {
        for (int i = 0; i < 3; i++)
            if (text_to_u64(argv[4 + i], i == 2 ? 16 : MAX_INSTANCES, &numbers[i]) < 0)
                return 2;
        return send_all(argv[2], argv[3], numbers[0], numbers[1], numbers[2]);
    }
    if (argc == 4 && strcmp(argv[1], "judge") == 0)
        return judge(argv[2], argv[3]);
    if (argc == 3 && strcmp(argv[1], "sums") == 0)
        return sums(argv[2]);
    if (argc == 4 && strcmp(argv[1], "export") == 0)
        return export_all(argv[2], argv[3]);
    if (argc == 5 && strcmp(argv[1], "full") == 0)
        return fill(argv[2], argv[3], argv[4]);
    fprintf(stderr, "tool_spool send DIR LEDGER FROM COUNT THREADS | judge DIR LEDGER | sums DIR | "
                    "full DIR LEDGER BALLAST\n");
    return 2;
}

/* OpenSSL reads its files once a process. */
static void
warm(void)
{
    uint8_t sha256[32];

    digest_bytes("", 0, sha256);
}

int
main(int argc, char **argv)
{
    return forked_run(argc, argv, run, warm);
}
