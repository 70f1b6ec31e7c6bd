/* proof.c - opening instances for whoever shows or sends them: nothing leaves that is not what was
 * kept.
 *
 * 1. A copy is handed out after all of the object's bytes in it were read and had its SHA-256; or,
 *    large and sent as it is, with a proof that sees them go and withholds the last ones.
 * 2. A copy that fails is said in the log, put in doubt (scrub.c mends it next), and the other one
 *    is taken. Nobody is given a copy that is known to be wrong.
 * 3. What is large is read for it once in PROOF_MS: those who ask for it meanwhile wait for the one
 *    who reads. A file that was made anew, or changed, is another file. */
#include "storage/keep/keep_own.h"

#include "proto/base/clock.h"
#include "proto/trust/digest.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { PROOF_MS = 600000, NOTES = 256 };
enum { EACH_TIME_BYTES = 4 << 20, AT_ONCE_BYTES = 64 << 20 };

enum verdict { VERDICT_NONE, VERDICT_GOING, VERDICT_GOOD, VERDICT_BAD };

/* Of one object in one file. */
struct note {
    uint8_t key[DIGEST_BYTES];
    enum verdict verdict;
    int64_t at_ms;
};

struct proofs {
    struct gate gate;
    struct note notes[NOTES];
};

struct keep_proof {
    struct keep *k;
    struct keep_place *place;
    int copy;
    uint8_t key[DIGEST_BYTES];
    struct digest *digest;
    uint64_t left;
};

struct proofs *
proofs_new(void)
{
    struct proofs *p = mem_new(sizeof *p);

    gate_init(&p->gate);
    return p;
}

void
proofs_free(struct proofs **proofs)
{
    struct proofs *p = TAKE(*proofs);

    if (p == NULL)
        return;
    gate_fini(&p->gate);
    free(p);
}

/* ---- what is known of a file; gate held ---- */

static struct note *
find(struct proofs *p, const uint8_t key[DIGEST_BYTES])
{
    for (size_t i = 0; i < NOTES; i++) {
        struct note *n = &p->notes[i];

        if (memcmp(n->key, key, DIGEST_BYTES) != 0)
            continue;
        if (n->verdict != VERDICT_GOING && clock_mono_ms() - n->at_ms >= PROOF_MS)
            n->verdict = VERDICT_NONE;
        return n;
    }
    return NULL;
}

/* Nobody is about to read these. */
static struct note *
oldest(struct proofs *p)
{
    struct note *old = NULL;

    for (size_t i = 0; i < NOTES; i++)
        if (p->notes[i].verdict != VERDICT_GOING && (old == NULL || p->notes[i].at_ms < old->at_ms))
            old = &p->notes[i];
    return old;
}

/* In the oldest's place; nowhere while so many are being read. */
static void
put(struct proofs *p, const uint8_t key[DIGEST_BYTES], enum verdict verdict)
{
    struct note *n = find(p, key);

    if (n == NULL)
        n = oldest(p);
    if (n == NULL)
        return;
    memcpy(n->key, key, DIGEST_BYTES);
    n->verdict = verdict;
    n->at_ms = clock_mono_ms();
    gate_wake(&p->gate);
}

/* What is known of it; GOING: the caller is to read it now, and to say what came of it. */
static enum verdict
ask(struct proofs *p, const uint8_t key[DIGEST_BYTES])
{
    enum verdict verdict;

    gate_lock(&p->gate);
    for (;;) {
        const struct note *n = find(p, key);

        verdict = n != NULL ? n->verdict : VERDICT_NONE;
        if (verdict != VERDICT_GOING)
            break;
        gate_wait(&p->gate);
    }
    if (verdict == VERDICT_NONE) {
        verdict = VERDICT_GOING;
        put(p, key, verdict);
    }
    gate_unlock(&p->gate);
    return verdict;
}

static enum verdict
look(struct proofs *p, const uint8_t key[DIGEST_BYTES])
{
    const struct note *n;
    enum verdict verdict;

    gate_lock(&p->gate);
    n = find(p, key);
    verdict = n != NULL ? n->verdict : VERDICT_NONE;
    gate_unlock(&p->gate);
    return verdict;
}

static void
tell(struct proofs *p, const uint8_t key[DIGEST_BYTES], enum verdict verdict)
{
    gate_lock(&p->gate);
    put(p, key, verdict);
    gate_unlock(&p->gate);
}

/* ---- one copy ---- */

/* The object in this very file; errors: it is too short. */
static int
name_file(const struct keep_place *place, int fd, uint8_t out_key[DIGEST_BYTES], struct err *err)
{
    struct stat st;
    char hex[DIGEST_HEX_BYTES], text[256];

    if (fstat(fd, &st) < 0)
        return err_sys(err, ERR_RETRY, "look at a stored file");
    if ((uint64_t)st.st_size < place->offset || (uint64_t)st.st_size - place->offset < place->size)
        return err_set(err, ERR_CONFLICT, "the file is shorter than it was");
    digest_text(place->object, hex);
    snprintf(text, sizeof text, "%s %" PRIu64 " %ju %ju %jd.%09ld %jd.%09ld", hex, place->offset,
             (uintmax_t)st.st_dev, (uintmax_t)st.st_ino, (intmax_t)st.st_mtim.tv_sec,
             st.st_mtim.tv_nsec, (intmax_t)st.st_ctim.tv_sec, st.st_ctim.tv_nsec);
    digest_bytes(text, strlen(text), out_key);
    return 0;
}

static int
not_its_name(struct err *err)
{
    return err_set(err, ERR_CONFLICT, "its SHA-256 is not its name");
}

static int
read_all(const struct keep_place *place, int fd, struct err *err)
{
    uint8_t found[DIGEST_BYTES];

    if (digest_file(fd, place->offset, place->size, found, err) < 0) {
        if (err->kind == ERR_REJECT)
            err->kind = ERR_CONFLICT; /* shorter than it just was */
        return -1;
    }
    return memcmp(found, place->object, DIGEST_BYTES) == 0 ? 0 : not_its_name(err);
}

static int
prove(struct keep *k, const struct keep_place *place, int fd, const uint8_t key[DIGEST_BYTES],
      struct err *err)
{
    enum verdict verdict;
    int rc;

    if (place->size <= EACH_TIME_BYTES)
        return read_all(place, fd, err);
    verdict = ask(k->proofs, key);
    if (verdict == VERDICT_GOOD)
        return 0;
    if (verdict == VERDICT_BAD)
        return not_its_name(err);
    rc = read_all(place, fd, err);
    /* A disk that cannot be read says nothing of the bytes. */
    tell(k->proofs, key,
         rc == 0                     ? VERDICT_GOOD
         : err->kind == ERR_CONFLICT ? VERDICT_BAD
                                     : VERDICT_NONE);
    return rc;
}

static struct keep_proof *
proof_new(struct keep *k, const struct keep_place *place, int copy, const uint8_t key[DIGEST_BYTES])
{
    struct keep_proof *p = mem_new(sizeof *p);

    p->k = k;
    p->place = keep_place_copy(place);
    p->copy = copy;
    memcpy(p->key, key, sizeof p->key);
    p->digest = digest_new();
    p->left = place->size;
    return p;
}

/* out_proof NULL: it has to be proven now. */
static int
open_copy(struct keep *k, const struct keep_place *place, int copy, int *out_fd,
          struct keep_proof **out_proof, struct err *err)
{
    uint8_t key[DIGEST_BYTES];
    int fd = open(place->paths[copy], O_RDONLY | O_CLOEXEC), rc = -1;

    if (fd < 0)
        return err_sys(err, ERR_RETRY, "open copy %d", copy + 1);
    if (name_file(place, fd, key, err) < 0)
        goto out;
    if (out_proof == NULL) {
        rc = prove(k, place, fd, key, err);
        goto out;
    }
    switch (look(k->proofs, key)) {
    case VERDICT_BAD:
        (void)not_its_name(err);
        goto out;
    case VERDICT_GOOD:
        *out_proof = NULL;
        break;
    default:
        *out_proof = proof_new(k, place, copy, key);
    }
    rc = 0;
out:
    if (rc == 0)
        *out_fd = fd;
    else
        close(fd);
    return rc;
}

/* Said, and mended next. What is on the landing is packed from its other copy, or asked for again.
 */
static void
doubt(struct keep *k, const struct keep_place *place, int copy, const struct err *why)
{
    bool is_there = why->kind != ERR_RETRY;
    struct err err;

    if (!place->is_sealed) {
        if (missing_doubt(k, place, &err) < 0)
            LOG(&keep_log, KEEP_WORK_FAILED, F_ERR(&err)); /* found again when it is packed */
        return;
    }
    if (is_there)
        LOG(&keep_log, KEEP_COPY_BAD, F_UID("instance", place->sop_instance),
            F_NUMBER("store", copy + 1), F_ERR(why));
    else
        LOG(&keep_log, KEEP_COPY_MISSING, F_UID("instance", place->sop_instance), F_ERR(why));
    if (keep_run(k, "copy_doubt",
                 PG_ARGS(PG_INT(place->pack), PG_INT(copy), PG_INT(clock_wall_us())), NULL,
                 &err) < 0)
        LOG(&keep_log, KEEP_WORK_FAILED, F_ERR(&err)); /* said again by the next who asks */
    else
        keep_wake(k, true);
}

static int
open_good(struct keep *k, const struct keep_place *place, int *out_fd,
          struct keep_proof **out_proof, struct err *err)
{
    bool is_damaged = false;

    for (int copy = 0; copy < KEEP_COPIES; copy++) {
        struct err why;

        if (place->paths[copy][0] == '\0')
            continue;
        if (open_copy(k, place, copy, out_fd, out_proof, &why) == 0)
            return 0;
        doubt(k, place, copy, &why);
        is_damaged = is_damaged || why.kind == ERR_CONFLICT;
    }
    if (is_damaged) {
        errno = EIO;
        return err_sys(err, ERR_FATAL, "open instance %s: no copy is good", place->sop_instance);
    }
    /* Sealed and cleaned up since the place was looked up: it will be found by looking again. */
    return err_set(err, ERR_RETRY, "open instance %s: no copy is there", place->sop_instance);
}

/* ---- public ---- */

int
keep_open_place(struct keep *k, const struct keep_place *place, int *out_fd, struct err *err)
{
    return open_good(k, place, out_fd, NULL, err);
}

int
keep_open_stream(struct keep *k, const struct keep_place *place, int *out_fd,
                 struct keep_proof **out_proof, struct err *err)
{
    *out_proof = NULL;
    return open_good(k, place, out_fd, place->size > AT_ONCE_BYTES ? out_proof : NULL, err);
}

int
keep_proof_see(struct keep_proof *p, const uint8_t *bytes, size_t n, struct err *err)
{
    uint8_t found[DIGEST_BYTES];
    int rc = -1;

    CHECK(n <= p->left);
    if (n > 0) {
        digest_add(p->digest, bytes, n);
        p->left -= n;
        if (p->left > 0)
            return 0;
        digest_take(p->digest, found);
        rc = memcmp(found, p->place->object, sizeof found) == 0 ? 0 : not_its_name(err);
    }
    /* Whatever it was: the next one gets the other copy. */
    tell(p->k->proofs, p->key, rc == 0 ? VERDICT_GOOD : VERDICT_BAD);
    if (rc < 0) {
        doubt(p->k, p->place, p->copy, err);
        err_context(err, "copy %d of instance %s", p->copy + 1, p->place->sop_instance);
    }
    return rc;
}

void
keep_proof_free(struct keep_proof **proof)
{
    struct keep_proof *p = TAKE(*proof);

    if (p == NULL)
        return;
    digest_free(&p->digest);
    keep_place_free(&p->place);
    free(p);
}
