/* recover.c - what the disk says: journal, segments, and what follows where they disagree. */
#include "gateway/spool/internal.h"

#include "gateway/spool/log.h"

#include "proto/base/clock.h"
#include "proto/base/durable.h"
#include "proto/base/folder.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define LOOK_BYTES (1u << 20)
#define TRIES 3         /* of a file that the disk will not give */
#define ID_LEAP 1000000 /* past the ids that an unread segment may hold */

struct numbers {
    uint64_t *list;
    size_t n;
};

static int
by_number(const void *a, const void *b)
{
    const uint64_t *x = a, *y = b;

    return (*x > *y) - (*x < *y);
}

/* "00000000000000ab.seg": the number, or -1. */
static int
parse_name(const char *name, const char *suffix, uint64_t *out)
{
    uint64_t v = 0;

    if (strlen(name) != 16 + strlen(suffix) || strcmp(name + 16, suffix) != 0)
        return -1;
    for (int i = 0; i < 16; i++) {
        const char *digit = strchr("0123456789abcdef", name[i]);

        if (digit == NULL)
            return -1;
        v = v << 4 | (uint64_t)(digit - "0123456789abcdef");
    }
    *out = v;
    return 0;
}

static int
list_folder(struct spool *sp, const char *folder, const char *suffix, struct numbers *out,
            struct err *err)
{
    char path[PATH_MAX];
    const struct dirent *d;
    DIR *dir;
    int rc;

    *out = (struct numbers){0};
    snprintf(path, sizeof path, "%s/%s", sp->dir, folder);
    dir = opendir(path);
    if (dir == NULL)
        return err_sys(err, ERR_RETRY, "open folder %s", path);
    while ((rc = folder_next(dir, &d, err)) == 0 && d != NULL) {
        uint64_t number;

        if (d->d_name[0] == '.')
            continue;
        if (parse_name(d->d_name, suffix, &number) < 0 || number == 0) {
            LOG(&sp->log, SPOOL_STRANGE_FILE, F_WORD("file", d->d_name));
            continue;
        }
        out->list = mem_grow(out->list, (out->n + 1) * sizeof *out->list);
        out->list[out->n++] = number;
    }
    closedir(dir);
    if (rc < 0) {
        free(TAKE(out->list));
        return err_context(err, "%s", path);
    }
    if (out->n > 0)
        qsort(out->list, out->n, sizeof *out->list, by_number);
    return 0;
}

/* Leave a mark in corrupt/ that something of this name is damaged where it is, or move it there. */
static void
set_aside(struct spool *sp, const char *folder, const char *name, bool is_moved)
{
    char from[PATH_MAX], to[PATH_MAX];
    struct err err = {0};

    LOG(&sp->log, SPOOL_DAMAGED, F_WORD("file", name), F_WORD("moved", is_moved ? "yes" : "no"));
    if (sp->options.is_read_only)
        return;
    snprintf(from, sizeof from, "%s/%s/%s", sp->dir, folder, name);
    if (is_moved) {
        snprintf(to, sizeof to, "%s/corrupt/%s", sp->dir, name);
        if (rename(from, to) < 0)
            err_sys(&err, ERR_RETRY, "move to corrupt/");
    } else {
        static const char words[] = "damaged; still in its folder\n";

        snprintf(to, sizeof to, "corrupt/%s.note", name);
        if (durable_put_file(sp->dir, to, words, sizeof words - 1, &err) < 0)
            err_context(&err, "note");
    }
    if (err.kind != ERR_NONE)
        LOG(&sp->log, SPOOL_NOT_REMOVED, F_WORD("file", name), F_ERR(&err));
}

/* ---- journal ---- */

static int
replay_file(struct spool *sp, const char *path, struct journal_facts *facts,
            struct journal_replay *out, struct err *err)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    int rc;

    if (fd < 0 && errno == EIO)
        return err_sys(err, ERR_RETRY, "open journal");
    if (fd < 0) /* not its content: another owner's, too many files */
        return err_sys(err, ERR_DENIED, "open %s", path);
    rc = journal_replay(fd, &sp->ledger, facts, out, err);
    close(fd);
    return rc;
}

/* One journal into the ledger; *out_counts false: look at an older one. Applying a part of it twice
 * does no harm. ERR_DENIED: it may be good, and without it what was held back or thrown away would
 * go out. */
static int
replay_one(struct spool *sp, uint64_t number, struct journal_facts *facts, bool *out_counts,
           bool *out_is_damaged, struct err *why)
{
    struct journal_replay replay = {0};
    struct err err = {0};
    char path[PATH_MAX];
    int rc = -1;

    snprintf(path, sizeof path, "%s/journal/%016" PRIx64 ".jnl", sp->dir, number);
    for (int i = 0; i < TRIES && rc < 0 && err.kind != ERR_REJECT && err.kind != ERR_DENIED; i++)
        rc = replay_file(sp, path, facts, &replay, &err);
    if (rc < 0 && err.kind == ERR_DENIED) {
        *why = err;
        return -1;
    }
    if (rc < 0)
        LOG(&sp->log, SPOOL_UNREADABLE, F_NUMBER("journal", number), F_ERR(&err));
    *out_counts = rc == 0;
    *out_is_damaged = rc < 0 || replay.is_damaged;
    return 0;
}

static int
replay_journals(struct spool *sp, struct journal_facts *facts, struct err *err)
{
    struct numbers journals;
    bool is_done = false;
    int rc = 0;

    if (list_folder(sp, "journal", ".jnl", &journals, err) < 0)
        return -1;
    for (size_t i = journals.n; rc == 0 && i-- > 0 && !is_done;) {
        bool is_damaged = false;
        char name[64];

        rc = replay_one(sp, journals.list[i], facts, &is_done, &is_damaged, err);
        snprintf(name, sizeof name, "%016" PRIx64 ".jnl", journals.list[i]);
        if (is_damaged)
            set_aside(sp, "journal", name, true);
    }
    sp->next_journal = journals.n > 0 ? journals.list[journals.n - 1] + 1 : 1;
    if (facts->next_segment > sp->next_segment)
        sp->next_segment = facts->next_segment;
    for (size_t i = 0; i < facts->cuts_n; i++) /* an old CUT must never meet a new segment */
        if (facts->cuts[i].segment >= sp->next_segment && facts->cuts[i].segment < UINT64_MAX / 2)
            sp->next_segment = facts->cuts[i].segment + 1;
    free(journals.list);
    return rc;
}

/* ---- segments ---- */

static uint64_t
cut_of(const struct journal_facts *facts, uint64_t number)
{
    uint64_t cut = SPOOL_UNCUT;

    for (size_t i = 0; i < facts->cuts_n; i++)
        if (facts->cuts[i].segment == number && facts->cuts[i].offset < cut)
            cut = facts->cuts[i].offset;
    return cut;
}

/* The entry whose received bytes are told to lie there; NULL: none. Slow, for the strange case. */
static struct entry *
find_place(struct spool *sp, uint64_t number, uint64_t offset)
{
    for (size_t i = 0; i < sp->ledger.n; i++) {
        const struct place *p = &sp->ledger.entries[i]->r.received;

        if (p->segment == number && p->offset == offset)
            return sp->ledger.entries[i];
    }
    return NULL;
}

static bool
is_at(const struct entry *e, uint64_t number, uint64_t offset)
{
    return e != NULL && e->r.received.segment == number && e->r.received.offset == offset;
}

/* A record of an id that another record has already (a journal was lost, a file came back) is an
 * instance all the same: it gets an id of its own. */
static void
take_received(struct spool *sp, uint64_t number, const struct segment_record *s)
{
    struct entry *e = ledger_find(&sp->ledger, s->id);
    struct record r;

    if (e != NULL && !is_at(e, number, s->offset))
        e = find_place(sp, number, s->offset);
    if (e == NULL) {
        ledger_record_receive(&sp->ledger, s, number, &r);
        if (ledger_find(&sp->ledger, s->id) != NULL || s->id == 0 || s->id >= UINT64_MAX / 2)
            r.id = sp->ledger.next_id;
        e = ledger_put(&sp->ledger, &r);
    }
    e->is_received_seen = true;
}

static void
take_coded(struct spool *sp, uint64_t number, const struct segment_record *s)
{
    struct entry *e = ledger_find(&sp->ledger, s->id);

    if (e != NULL && e->r.coded.segment == number && e->r.coded.offset == s->offset)
        e->is_coded_seen = true;
}

/* Where the last block of a stretch that is not all zeros ends; from, if there is none. What cannot
 * be read is not known to be zeros. */
static uint64_t
data_end(int fd, uint64_t from, uint64_t to)
{
    static const uint8_t zeros[SEGMENT_BLOCK];
    uint8_t *chunk = mem_new(LOOK_BYTES);
    uint64_t end = from;
    struct err ignored;

    for (uint64_t at = from; at < to; at += LOOK_BYTES) {
        size_t n = to - at < LOOK_BYTES ? (size_t)(to - at) : LOOK_BYTES;
        bool is_read = durable_read_at(fd, chunk, n, at, &ignored) == 0;

        for (size_t i = 0, k; i < n; i += k) {
            k = n - i < SEGMENT_BLOCK ? n - i : SEGMENT_BLOCK;
            if (!is_read || memcmp(chunk + i, zeros, k) != 0)
                end = at + i + k;
        }
    }
    free(chunk);
    return end;
}

/* Where what was written ends: behind it all is as it was reserved. Reserved and never written are
 * holes to SEEK_DATA; where a file system does not tell them apart, all is read. */
static uint64_t
written_end(int fd, uint64_t from, uint64_t size)
{
    uint64_t end = from, at = from;

    while (at < size) {
        off_t data = lseek(fd, (off_t)at, SEEK_DATA), hole;
        uint64_t found;

        if (data < 0 && errno == ENXIO)
            break;
        hole = data < 0 ? -1 : lseek(fd, data, SEEK_HOLE);
        if (data < 0 || hole <= data) { /* it cannot tell */
            data = (off_t)at;
            hole = (off_t)size;
        }
        found = data_end(fd, (uint64_t)data, (uint64_t)hole);
        end = found > (uint64_t)data ? found : end;
        at = (uint64_t)hole;
    }
    return end;
}

/* Give back what was reserved and never filled. What is left of a torn end stays, and so does what
 * lies behind: records that were synced look just like it when their headers cannot be read
 * (invariant 9). Behind the last byte that is not zero there is no record: each ends with a mark.
 */
static void
trim(struct spool *sp, int fd, uint64_t number, const struct segment_walk *walk)
{
    off_t size = lseek(fd, 0, SEEK_END);
    uint64_t end;

    if (sp->options.is_read_only || walk->damaged > 0 || walk->header.is_own || walk->is_closed ||
        size <= (off_t)walk->seen_end)
        return;
    end = written_end(fd, walk->seen_end, (uint64_t)size);
    if (end > walk->seen_end)
        LOG(&sp->log, SPOOL_TAIL_KEPT, F_NUMBER("segment", number),
            F_NUMBER("bytes", end - walk->seen_end));
    if (ftruncate(fd, (off_t)end) < 0)
        LOG(&sp->log, SPOOL_NOT_REMOVED, F_NUMBER("segment", number));
}

/* The id of a void record is not given out anew: should the journal with its CUT be lost one day,
 * the two would be taken for one. */
static void
never_again(struct spool *sp, uint64_t id)
{
    if (id >= sp->ledger.next_id && id < UINT64_MAX / 2)
        sp->ledger.next_id = id + 1;
}

static void
take_walk(struct spool *sp, struct segment *s, int fd, const struct segment_walk *walk)
{
    char name[64];

    for (size_t i = 0; i < walk->n; i++) {
        if (walk->records[i].offset >= s->cut) {
            never_again(sp, walk->records[i].id);
            continue;
        }
        if (walk->records[i].kind == SEGMENT_RECEIVED)
            take_received(sp, s->number, &walk->records[i]);
        else
            take_coded(sp, s->number, &walk->records[i]);
    }
    if (walk->torn > 0)
        LOG(&sp->log, SPOOL_TAIL_TORN, F_NUMBER("segment", s->number),
            F_NUMBER("records", walk->torn));
    s->has_damage = walk->damaged > 0;
    snprintf(name, sizeof name, "%016" PRIx64 ".seg", s->number);
    if (s->has_damage)
        set_aside(sp, "segments", name, false);
    trim(sp, fd, s->number, walk);
}

static int
walk_file(struct spool *sp, uint64_t number, int *out_fd, struct segment_walk *out, struct err *err)
{
    char path[PATH_MAX];
    int fd, rc;

    segment_path(sp, number, path, sizeof path);
    fd = open(path, (sp->options.is_read_only ? O_RDONLY : O_RDWR) | O_CLOEXEC);
    if (fd < 0)
        return err_sys(err, ERR_RETRY, "open segment");
    rc = segment_read(fd, out, err);
    if (rc == 0 && out->header.number != number) {
        segment_walk_fini(out);
        rc = err_set(err, ERR_REJECT, "the segment's number is not that of its name");
    }
    if (rc < 0)
        close(fd);
    else
        *out_fd = fd;
    return rc;
}

/* A segment that does not open: aside if it is none, left alone if the disk would not give it.
 * Whatever it held may come back one day: its ids are not given out again. */
static void
give_up_segment(struct spool *sp, uint64_t number, const struct err *err)
{
    char name[64];

    LOG(&sp->log, SPOOL_UNREADABLE, F_NUMBER("segment", number), F_ERR(err));
    snprintf(name, sizeof name, "%016" PRIx64 ".seg", number);
    if (err->kind == ERR_REJECT)
        set_aside(sp, "segments", name, true);
    else
        segment_add(sp, number)->is_unreadable = true;
    sp->ledger.next_id += ID_LEAP;
}

static void
read_segment(struct spool *sp, uint64_t number, const struct journal_facts *facts)
{
    struct segment_walk walk = {0};
    struct err err = {0};
    struct segment *s;
    int fd = -1, rc = -1;

    for (int i = 0; i < TRIES && rc < 0 && err.kind != ERR_REJECT; i++)
        rc = walk_file(sp, number, &fd, &walk, &err);
    if (rc < 0) {
        give_up_segment(sp, number, &err);
        return;
    }
    s = segment_add(sp, number);
    s->cut = cut_of(facts, number);
    take_walk(sp, s, fd, &walk);
    segment_walk_fini(&walk);
    close(fd);
}

static int
read_segments(struct spool *sp, const struct journal_facts *facts, struct err *err)
{
    struct numbers segments;

    if (list_folder(sp, "segments", ".seg", &segments, err) < 0)
        return -1;
    for (size_t i = 0; i < segments.n; i++)
        read_segment(sp, segments.list[i], facts);
    if (segments.n > 0 && segments.list[segments.n - 1] >= sp->next_segment)
        sp->next_segment = segments.list[segments.n - 1] + 1;
    free(segments.list);
    return 0;
}

/* ---- where they disagree ---- */

static bool
is_there(struct spool *sp, const struct place *p, bool is_seen)
{
    struct segment *s = p->segment != 0 ? segment_find(sp, p->segment) : NULL;

    return s != NULL && (is_seen || s->is_unreadable);
}

static void
reconcile(struct spool *sp, struct entry *e)
{
    bool has_received = is_there(sp, &e->r.received, e->is_received_seen);
    bool has_coded = is_there(sp, &e->r.coded, e->is_coded_seen);
    bool is_coded_lost = e->r.coded.segment != 0 && !has_coded;
    struct record r = e->r;

    if (has_received && !is_coded_lost)
        return;
    if (!has_received)
        r.received.segment = 0;
    if (is_coded_lost)
        r.coded = (struct place){0};
    if (!record_is_done(&r)) {
        LOG(&sp->log, SPOOL_BYTES_MISSING, F_NUMBER("entry_id", r.id),
            F_WORD("state", instance_state_word(r.state)),
            F_WORD("missing", has_received ? "coded" : "received"));
        if (has_received && r.is_inspected && r.state != INSTANCE_QUARANTINED) {
            r.state = INSTANCE_INSPECTED; /* it can be coded again, and comes out the same */
        } else if (!has_received && !has_coded && r.state == INSTANCE_HELD) {
            r.last_error = ledger_word(&sp->ledger, "its bytes are only at the centre");
        } else if (!has_received && !has_coded && r.state != INSTANCE_QUARANTINED) {
            r.state = INSTANCE_QUARANTINED;
            r.last_error =
                ledger_word(&sp->ledger, "damaged: its bytes are missing from the spool");
            r.at_us[r.state] = clock_wall_us();
        }
    } else if (is_coded_lost && e->r.coded.object_size > 0) {
        r.coded = e->r.coded; /* keep what the manifest needs: size and digest */
        r.coded.segment = 0;
    }
    ledger_put(&sp->ledger, &r);
}

int
recover(struct spool *sp, struct err *err)
{
    struct journal_facts facts = {0};
    int rc = -1;

    if (replay_journals(sp, &facts, err) < 0 || read_segments(sp, &facts, err) < 0)
        goto out;
    for (size_t i = 0; i < sp->ledger.n; i++)
        reconcile(sp, sp->ledger.entries[i]);
    for (size_t i = 0; i < sp->ledger.studies_n; i++)
        sp->ledger.studies[i]->moved_ms = clock_mono_ms();
    rc = 0;
out:
    journal_facts_fini(&facts);
    return rc;
}
