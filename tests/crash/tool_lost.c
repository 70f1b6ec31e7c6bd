/* tool_lost.c - what the crash grid drives where the centre has lost what it sealed.
 *
 *   tool_lost make DIR           two images sealed, their bytes gone; of the second a copy is here
 *   tool_lost go DIR LEDGER      mark both as lost, send the first again, seal what came in their
 * place; begun anew it goes on tool_lost judge DIR LEDGER   hold what is left against what was told
 *
 * The ledger gets a line, in one write, the moment something was told: lost N | again N | sealed N.
 * lost: never as safe from then on until it came again. again: a duplicate of what came. sealed:
 * that is sealed, and its bytes are here. */
#include "gateway/spool/spool.h"

#include "proto/trust/digest.h"
#include "tests/support/forked.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { IMAGES = 2, BYTES = 3000, TRIES = 3 };

static struct err err;

static struct spool *
open_spool(const char *dir, int64_t keep_sealed_ms)
{
    struct spool_options options = {.segment_bytes = 1 << 20, .keep_sealed_ms = keep_sealed_ms};
    struct spool *sp = NULL;

    for (int try = 0; try < TRIES; try++)
        if (spool_open(dir, &options, &sp, &err) == 0)
            return sp;
    fprintf(stderr, "%s\n", err.text);
    exit(1);
}

static void
name_of(int n, char out[65])
{
    snprintf(out, 65, "1.2.%d", n);
}

static int
commit_one(struct spool *sp, int n, uint64_t *out_id)
{
    struct spool_meta meta = {.sop_class = "1.2.840.10008.5.1.4.1.1.2", .calling_ae = "CT1"};
    struct spool_draft *draft = NULL;
    uint8_t bytes[BYTES];
    int rc = -1;

    memset(bytes, 'a' + n, sizeof bytes);
    name_of(n, meta.sop_instance);
    if (spool_draft_begin(sp, &meta, &draft, &err) == 0 &&
        spool_draft_write(draft, bytes, sizeof bytes, &err) == 0)
        rc = spool_commit(sp, &draft, out_id, &err);
    spool_draft_free(&draft);
    return rc;
}

static int
inspect(struct spool *sp, uint64_t id)
{
    struct spool_inspection facts = {.study_uid = "1.9", .series_uid = "1.9.1", .modality = "CT"};

    return spool_set_inspected(sp, id, &facts, &err);
}

static int
seal(struct spool *sp, uint64_t id)
{
    return spool_set_uncoded(sp, id, "drawn", &err) < 0 ? -1 : spool_set_sealed(sp, id, 1, &err);
}

static int
make(const char *dir)
{
    struct spool *sp = open_spool(dir, 0);
    uint64_t ids[IMAGES], copy;

    for (int n = 0; n < IMAGES; n++)
        if (commit_one(sp, n, &ids[n]) < 0 || inspect(sp, ids[n]) < 0 || seal(sp, ids[n]) < 0)
            return 1;
    spool_close(&sp);
    sp = open_spool(dir, 0);
    if (spool_collect_garbage(sp) == 0 || commit_one(sp, 1, &copy) < 0 || inspect(sp, copy) < 0 ||
        spool_set_duplicate(sp, copy, ids[1], &err) < 0)
        return 1;
    spool_close(&sp);
    return 0;
}

/* ---- the entries of an image ---- */

struct image {
    struct spool_entry *first, *other; /* what was sealed, and what came after it; NULL: nothing */
};

static void
image_free(struct image *image)
{
    spool_entry_free(&image->first);
    spool_entry_free(&image->other);
}

/* False: one cannot be looked at. */
static bool
image_look(struct spool *sp, int n, struct image *out)
{
    char name[65];
    struct spool_filter filter = {.sop_instance = name};
    uint64_t *ids = NULL;
    size_t ids_n = 0;
    bool is_whole;

    *out = (struct image){NULL, NULL};
    name_of(n, name);
    spool_list(sp, &filter, &ids, &ids_n);
    is_whole = ids_n >= 1 && ids_n <= 2 && spool_look(sp, ids[0], &out->first, &err) == 0 &&
               (ids_n == 1 || spool_look(sp, ids[1], &out->other, &err) == 0);
    free(ids);
    return is_whole;
}

static void
tell(const char *ledger, const char *word, int n)
{
    char line[32];
    int fd = open(ledger, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC, 0600);
    int k = snprintf(line, sizeof line, "%s %d\n", word, n);

    if (fd < 0 || write(fd, line, (size_t)k) != k)
        abort();
    close(fd);
}

/* ---- go ---- */

/* One arrow further, as uplink and device would; *out_is_done: there is none any more. */
static int
step(struct spool *sp, const char *ledger, int n, bool *out_is_done)
{
    struct image image;
    uint64_t id;
    size_t released;
    int rc = 0;

    *out_is_done = false;
    if (!image_look(sp, n, &image)) {
        rc = -1;
    } else if (image.first->state == INSTANCE_SEALED &&
               (image.other == NULL || image.other->state == INSTANCE_DUPLICATE) &&
               !(image.first->is_lost && image.other == NULL)) {
        rc = spool_set_lost(sp, image.first->id, &released, &err);
        if (rc == 0)
            tell(ledger, "lost", n);
    } else if (image.other == NULL) {
        rc = commit_one(sp, n, &id);
    } else if (image.other->state == INSTANCE_RECEIVED) {
        rc = inspect(sp, image.other->id);
    } else if (image.first->state == INSTANCE_SEALED) {
        rc = spool_set_again(sp, image.first->id, image.other->id, &err);
        if (rc == 0)
            tell(ledger, "again", n);
    } else if (image.other->state == INSTANCE_INSPECTED) {
        rc = spool_set_uncoded(sp, image.other->id, "drawn", &err);
    } else if (image.other->state == INSTANCE_PLAIN) {
        rc = spool_set_sealed(sp, image.other->id, 2, &err);
        if (rc == 0)
            tell(ledger, "sealed", n);
    } else {
        *out_is_done = true;
    }
    image_free(&image);
    return rc;
}

static int
go(const char *dir, const char *ledger)
{
    struct spool *sp = open_spool(dir, -1);
    unsigned failed = 0;

    for (int n = 0; n < IMAGES && failed < TRIES;) {
        bool is_done;

        if (step(sp, ledger, n, &is_done) < 0)
            failed++;
        else
            n += is_done;
    }
    spool_close(&sp);
    if (failed == TRIES)
        fprintf(stderr, "%s\n", err.text);
    return failed == TRIES;
}

/* ---- judge ---- */

static int
blame(int n, const char *what)
{
    printf("image %d: %s\n", n, what);
    return 1;
}

static bool
was_told(const char *ledger, const char *word, int n)
{
    char line[64], wanted[64];
    FILE *f = fopen(ledger, "r");
    bool was = false;

    snprintf(wanted, sizeof wanted, "%s %d\n", word, n);
    while (f != NULL && fgets(line, sizeof line, f) != NULL)
        was = was || strcmp(line, wanted) == 0;
    if (f != NULL)
        fclose(f);
    return was;
}

static int
judge_image(const struct image *image, const char *ledger, int n)
{
    const struct spool_entry *first = image->first, *other = image->other;
    bool is_copy = first->state == INSTANCE_DUPLICATE;

    if (is_copy && (other == NULL || first->twin_of != other->id || first->is_lost))
        return blame(n, "it rests on what did not come in its place");
    if (!is_copy && first->state != INSTANCE_SEALED)
        return blame(n, "it is neither sealed nor a duplicate");
    if (was_told(ledger, "lost", n) && !is_copy && !first->is_lost)
        return blame(n, "it was called lost, and is taken for safe");
    if (was_told(ledger, "lost", n) && other != NULL && other->state == INSTANCE_DUPLICATE)
        return blame(n, "its copy rests on what is lost");
    if (was_told(ledger, "again", n) && !is_copy)
        return blame(n, "it has no place any more in what came again");
    if (was_told(ledger, "sealed", n) && other->state != INSTANCE_SEALED)
        return blame(n, "what came again has fallen back");
    return other != NULL && !other->has_bytes ? blame(n, "what came again has lost its bytes") : 0;
}

static int
judge(const char *dir, const char *ledger)
{
    struct spool *sp = open_spool(dir, -1);
    int wrong = 0;

    for (int n = 0; n < IMAGES; n++) {
        struct image image;

        wrong += image_look(sp, n, &image) ? judge_image(&image, ledger, n)
                                           : blame(n, "it is not there, or too often");
        image_free(&image);
    }
    spool_close(&sp);
    return wrong > 0;
}

static int
run(int argc, char **argv)
{
    if (argc == 3 && strcmp(argv[1], "make") == 0)
        return make(argv[2]);
    if (argc == 4 && strcmp(argv[1], "go") == 0)
        return go(argv[2], argv[3]);
    if (argc == 4 && strcmp(argv[1], "judge") == 0)
        return judge(argv[2], argv[3]);
    fprintf(stderr, "tool_lost make DIR | go DIR LEDGER | judge DIR LEDGER\n");
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
