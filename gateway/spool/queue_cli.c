/* queue_cli.c - radpost queue: what waits in a spool folder, in words. */
#include "gateway/spool/queue_cli.h"

#include "gateway/spool/queue_door.h"

#include "proto/base/clock.h"
#include "proto/base/durable.h"
#include "proto/base/folder.h"
#include "proto/base/text.h"
#include "proto/model/rejects.h"
#include "proto/trust/digest.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static const char usage[] =
    "radpost queue list DIR [WORD]      the entries of a gateway's spool, oldest first; WORD: a "
    "state,\n"
    "                                   a reason of quarantine, or paused\n"
    "radpost queue show DIR ID          one entry\n"
    "radpost queue export DIR ID FILE   its Part 10 file as it was received (FILE must be new)\n"
    "radpost queue verify DIR [ID]      read all bytes again and compare their digests\n"
    "radpost queue hold DIR WHICH       keep back: not sent until it is released\n"
    "radpost queue release DIR WHICH    what was held, or is quarantined: looked into anew\n"
    "radpost queue requeue DIR WHICH    offer to the centre again, also what is sealed\n"
    "radpost queue discard DIR WHICH --reason WORD\n"
    "                                   throw away what is quarantined: its bytes stay for\n"
    "                                   spool_keep_discarded and can be released until then\n"
    "DIR is the spool's folder; the gateway may be running (it is asked) or stopped (then as its\n"
    "own user).\n"
    "WHICH is an entry's number, or study:UID for all of a study but what was discarded:\n"
    "that is taken back by its number only.\n";

/* What a discard may be for. */
static void
print_reasons(void)
{
    const char *word;

    fputs("WORD of a discard is one of:", stderr);
    for (size_t i = 0; (word = reject_reason(i)) != NULL; i++)
        fprintf(stderr, " %s", word);
    fputs("\n", stderr);
}

static int
complain(const struct err *err)
{
    fprintf(stderr, "radpost queue: %s\n", err->text);
    return err_kind_exit(err->kind);
}

static int
list_entry(struct spool *sp, uint64_t id, struct err *err)
{
    struct spool_entry *e = NULL;
    char when[40];

    if (spool_load(sp, id, &e, err) < 0)
        return -1;
    clock_text(e->meta.received_at_us, when);
    printf("%8" PRIu64 "  %-11s  %s  %10" PRIu64 "  %-16s  %-4s %s\n", e->id,
           instance_state_word(e->state), when, e->size, e->meta.calling_ae,
           e->facts.modality[0] != '\0' ? e->facts.modality : "?", e->meta.sop_instance);
    spool_entry_free(&e);
    return 0;
}

static void
print_counts(struct spool *sp)
{
    uint64_t counts[INSTANCE_STATES];

    spool_counts(sp, counts);
    for (int s = 0; s < INSTANCE_STATES; s++)
        if (counts[s] > 0)
            printf("%8" PRIu64 "  %-11s  %s\n", counts[s],
                   instance_state_word((enum instance_state)s),
                   instance_state_meaning((enum instance_state)s));
}

static int
list(struct spool *sp, const char *word, struct err *err)
{
    struct spool_filter filter = {0};
    uint64_t *ids = NULL;
    size_t n = 0;
    int rc = 0, state;

    if (word != NULL) {
        state = instance_state_from_word(word);
        if (state >= 0)
            filter.states = INSTANCE_BIT(state);
        else if (quarantine_from_word(word) >= 0)
            filter.quarantine = word;
        else if (strcmp(word, "paused") == 0)
            filter.only_paused = true;
        else
            return err_set(err, ERR_REJECT, "there is no state or reason '%s'", word);
    }
    spool_list(sp, &filter, &ids, &n);
    for (size_t i = 0; i < n && rc == 0; i++)
        rc = list_entry(sp, ids[i], err);
    free(ids);
    if (rc == 0)
        print_counts(sp);
    return rc;
}

static void
print_hex(const char *name, const uint8_t sha256[32])
{
    char hex[65];

    hex_encode(sha256, 32, hex);
    printf("%-16s %s\n", name, hex);
}

static void
print_inspection(const struct spool_entry *e)
{
    printf("%-16s %s\n%-16s %s\n%-16s %s\n", "study", e->facts.study_uid, "series",
           e->facts.series_uid, "modality", e->facts.modality);
    print_hex("pixels", e->facts.pixels_sha256);
    print_hex("data set", e->facts.dataset_sha256);
    printf("%-16s %u\n", "manifest", e->revision);
}

static int
show(struct spool *sp, uint64_t id, struct err *err)
{
    struct spool_entry *e = NULL;

    if (spool_load(sp, id, &e, err) < 0)
        return -1;
    printf("%-16s %" PRIu64 "\n%-16s %s (%s)\n", "entry", e->id, "state",
           instance_state_word(e->state), instance_state_meaning(e->state));
    printf("%-16s %s > %s, from %s\n%-16s %s\n%-16s %s\n%-16s %s\n", "sent", e->meta.calling_ae,
           e->meta.called_ae, e->meta.peer, "SOP class", e->meta.sop_class, "SOP instance",
           e->meta.sop_instance, "transfer syntax", e->meta.transfer_syntax);
    printf("%-16s %" PRIu64 " bytes\n", "received", e->size);
    print_hex("received file", e->received_sha256);
    if (e->is_coded)
        printf("%-16s %" PRIu64 " bytes\n", "coded", e->object_size);
    print_hex("object", e->object_sha256);
    if (e->is_inspected)
        print_inspection(e);
    if (e->why_not_coded[0] != '\0')
        printf("%-16s %s\n", "not coded", e->why_not_coded);
    if (e->last_error[0] != '\0')
        printf("%-16s %s\n", "trouble", e->last_error);
    for (int s = 0; s < INSTANCE_STATES; s++) {
        char when[40];

        if (e->state_at_us[s] == 0)
            continue;
        clock_text(e->state_at_us[s], when);
        printf("%-16s %s\n", instance_state_word((enum instance_state)s), when);
    }
    if (e->is_paused)
        printf("a person keeps it back: it is not sent\n");
    if (e->discard_reason[0] != '\0')
        printf("%-16s %s, by %s\n", "discarded for", e->discard_reason, e->discarded_by);
    if (!e->has_bytes)
        printf("its bytes were removed after it was %s\n", instance_state_word(e->state));
    if (e->is_lost)
        printf("the centre has lost it: %s\n", e->is_gone ? "for good, as somebody said at the desk"
                                                          : "send it again from the device");
    spool_entry_free(&e);
    return 0;
}

static int
copy(const struct spool_bytes *from, int to, struct err *err)
{
    uint8_t *chunk = mem_new(1 << 20);
    uint64_t at = 0;
    int rc = 0;

    while (rc == 0 && at < from->size) {
        uint64_t left = from->size - at;
        size_t n = left < 1 << 20 ? (size_t)left : 1 << 20;

        rc = durable_read_at(from->fd, chunk, n, from->offset + at, err);
        if (rc == 0)
            rc = durable_write(to, chunk, n, err);
        at += n;
    }
    free(chunk);
    return rc;
}

/* Believed only when the digest agrees: what is not leaves no file behind. */
static int
export_file(struct spool *sp, uint64_t id, const char *path, struct err *err)
{
    struct spool_entry *e = NULL;
    struct spool_bytes from = {.fd = -1};
    uint8_t sha256[32];
    int to = -1, rc = -1;

    if (spool_load(sp, id, &e, err) < 0 || spool_source_received(sp, id, &from, err) < 0)
        goto out;
    to = open(path, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    if (to < 0) {
        err_sys(err, errno == EEXIST ? ERR_CONFLICT : ERR_RETRY, "%s", path);
        goto out;
    }
    if (copy(&from, to, err) < 0 || durable_sync(to, err) < 0 ||
        digest_file(to, 0, e->size, sha256, err) < 0)
        goto out;
    if (memcmp(sha256, e->received_sha256, 32) != 0) {
        err_set(err, ERR_CONFLICT, "%s: the bytes disagree with the digest taken on arrival", path);
        goto out;
    }
    rc = 0;
out:
    if (to >= 0)
        close(to);
    if (to >= 0 && rc < 0 && unlink(path) < 0)
        err_context(err, "%s stays and must not be used", path);
    if (from.fd >= 0)
        close(from.fd);
    spool_entry_free(&e);
    return rc;
}

/* ---- verify ---- */

struct tally {
    uint64_t good, bad, gone;
};

/* One object's bytes against the digest that is kept. */
static void
verify_bytes(struct tally *t, const struct spool_entry *e, const char *what,
             const struct spool_bytes *at, const uint8_t want[32])
{
    uint8_t got[32];
    struct err err = {0};

    if (digest_file(at->fd, at->offset, at->size, got, &err) == 0 && memcmp(got, want, 32) == 0) {
        t->good++;
        return;
    }
    t->bad++;
    printf("%8" PRIu64 "  %-8s  %s  %s\n", e->id, what, e->meta.sop_instance,
           err.kind != ERR_NONE ? err.text : "the bytes are not those of the digest");
}

static void
verify_entry(struct spool *sp, struct tally *t, uint64_t id)
{
    struct spool_entry *e = NULL;
    struct spool_bytes at = {.fd = -1};
    struct err err = {0};

    if (spool_load(sp, id, &e, &err) < 0) {
        t->bad++;
        printf("%8" PRIu64 "  %s\n", id, err.text);
        return;
    }
    if (spool_source_received(sp, id, &at, &err) == 0) {
        verify_bytes(t, e, "received", &at, e->received_sha256);
        close(at.fd);
    } else if (e->has_bytes || (e->state != INSTANCE_SEALED && e->state != INSTANCE_DUPLICATE &&
                                e->state != INSTANCE_DISCARDED)) {
        t->bad++;
        printf("%8" PRIu64 "  %-8s  %s  %s\n", id, "received", e->meta.sop_instance, err.text);
    } else {
        t->gone++;
    }
    if (e->is_coded && spool_source_object(sp, id, &at, &err) == 0) {
        verify_bytes(t, e, "coded", &at, e->object_sha256);
        close(at.fd);
    }
    spool_entry_free(&e);
}

static int
verify(struct spool *sp, const char *which, struct err *err)
{
    struct spool_filter filter = {0};
    struct tally t = {0};
    uint64_t *ids = NULL, one = 0;
    size_t n = 0;

    if (which != NULL && text_to_u64(which, UINT64_MAX, &one) < 0)
        return err_set(err, ERR_REJECT, "'%s' is no entry's number", which);
    if (which != NULL)
        verify_entry(sp, &t, one);
    else
        spool_list(sp, &filter, &ids, &n);
    for (size_t i = 0; i < n; i++)
        verify_entry(sp, &t, ids[i]);
    free(ids);
    printf("%" PRIu64 " objects as they came, %" PRIu64 " not, %" PRIu64
           " entries sealed or discarded long ago without bytes\n",
           t.good, t.bad, t.gone);
    if (t.bad > 0)
        return err_set(err, ERR_CONFLICT, "%" PRIu64 " objects are damaged", t.bad);
    return 0;
}

/* ---- hold, release, requeue, discard ---- */

/* The entries that WHICH names; free. What was thrown away is no longer of its study: only its own
 * number names it. */
static int
find(const char *dir, const char *which, uint64_t **out_ids, size_t *out_n, struct err *err)
{
    struct spool_options options = {.is_read_only = true};
    struct spool_filter filter = {.states = INSTANCE_ANY & ~INSTANCE_BIT(INSTANCE_DISCARDED)};
    struct spool *sp = NULL;
    uint64_t one;

    if (strncmp(which, "study:", 6) != 0) {
        if (text_to_u64(which, UINT64_MAX, &one) < 0)
            return err_set(err, ERR_REJECT, "'%s' is neither a number nor study:UID", which);
        *out_ids = mem_new(sizeof **out_ids);
        **out_ids = one;
        *out_n = 1;
        return 0;
    }
    if (spool_open(dir, &options, &sp, err) < 0)
        return -1;
    filter.study_uid = which + 6;
    spool_list(sp, &filter, out_ids, out_n);
    spool_close(&sp);
    if (*out_n == 0)
        return err_set(err, ERR_NOT_FOUND, "there is no such study");
    return 0;
}

/* Ask the gateway, or, when none runs, do it here: sp is opened at the first need. */
static int
act_once(const char *dir, const char *word, uint64_t id, const char *reason, struct spool **sp,
         struct err *err)
{
    struct spool_options options = {.keep_sealed_ms = -1};

    bool is_running = false;

    if (*sp == NULL) {
        if (queue_door_ask(dir, word, id, reason, &is_running, err) == 0)
            return 0;
        if (is_running || folder_vet_owner(dir, err) < 0 || spool_open(dir, &options, sp, err) < 0)
            return -1;
    }
    return queue_act(*sp, word, id, reason, err);
}

static int
act(const char *dir, const char *word, const char *which, const char *reason, struct err *err)
{
    struct spool *sp = NULL;
    uint64_t *ids = NULL;
    size_t n = 0, done = 0;
    struct err first = {0};

    if (find(dir, which, &ids, &n, err) < 0) {
        (void)complain(err);
        return -1;
    }
    for (size_t i = 0; i < n; i++) {
        struct err why = {0};

        if (act_once(dir, word, ids[i], reason, &sp, &why) == 0) {
            done++;
            continue;
        }
        fprintf(stderr, "radpost queue: %s\n", why.text);
        first = first.kind == ERR_NONE ? why : first;
    }
    printf("%s: %zu of %zu entries\n", word, done, n);
    spool_close(&sp);
    free(ids);
    if (done < n)
        *err = first;
    return done == n ? 0 : -1;
}

/* ---- words ---- */

static int
run(struct spool *sp, int argc, char **argv, struct err *err)
{
    uint64_t id;

    if (strcmp(argv[1], "list") == 0)
        return list(sp, argc > 3 ? argv[3] : NULL, err);
    if (strcmp(argv[1], "verify") == 0)
        return verify(sp, argc > 3 ? argv[3] : NULL, err);
    if (text_to_u64(argv[3], UINT64_MAX, &id) < 0)
        return err_set(err, ERR_REJECT, "'%s' is no entry's number", argv[3]);
    if (strcmp(argv[1], "show") == 0)
        return show(sp, id, err);
    return export_file(sp, id, argv[4], err);
}

static bool
is_understood(int argc, char **argv)
{
    static const struct {
        const char *word;
        int least, most;
    } rows[] = {{"list", 3, 4}, {"show", 4, 4},    {"export", 5, 5},  {"verify", 3, 4},
                {"hold", 4, 4}, {"release", 4, 4}, {"requeue", 4, 4}, {"discard", 6, 6}};

    for (size_t i = 0; argc >= 3 && i < ARRAY_LEN(rows); i++)
        if (strcmp(argv[1], rows[i].word) == 0)
            return argc >= rows[i].least && argc <= rows[i].most &&
                   (argc < 6 || strcmp(argv[4], "--reason") == 0);
    return false;
}

static bool
is_act(const char *word)
{
    return strcmp(word, "hold") == 0 || strcmp(word, "release") == 0 ||
           strcmp(word, "requeue") == 0 || strcmp(word, "discard") == 0;
}

static bool
is_spool(const char *dir)
{
    char journal[PATH_MAX];

    snprintf(journal, sizeof journal, "%s/journal", dir);
    return access(journal, F_OK) == 0;
}

int
queue_cli(int argc, char **argv)
{
    struct spool_options options = {.is_read_only = true};
    struct spool *sp = NULL;
    struct err err = {0};
    int rc;

    if (!is_understood(argc, argv)) {
        fputs(usage, stderr);
        print_reasons();
        return 2;
    }
    if (argc == 6 && !reject_is_reason(argv[5])) {
        fprintf(stderr, "radpost queue: '%s' is no reason\n", argv[5]);
        print_reasons();
        return 2;
    }
    if (access(argv[2], R_OK | X_OK) < 0) {
        err_sys(&err, ERR_NOT_FOUND, "%s", argv[2]);
        return complain(&err);
    }
    if (!is_spool(argv[2])) {
        err_set(&err, ERR_NOT_FOUND, "%s is no spool: DIR is the folder spool in data_dir",
                argv[2]);
        return complain(&err);
    }
    if (is_act(argv[1]))
        return act(argv[2], argv[1], argv[3], argc == 6 ? argv[5] : NULL, &err) < 0
                   ? err_kind_exit(err.kind)
                   : 0;
    if (spool_open(argv[2], &options, &sp, &err) < 0)
        return complain(&err);
    rc = run(sp, argc, argv, &err);
    spool_close(&sp);
    return rc < 0 ? complain(&err) : 0;
}
