/* sender.c - one connection: a request whose body is made while it is sent, then its answer.
 *
 *     a piece may go > the request begins > piece, piece, ... each chosen when the one before has
 * left > nothing more, or enough > end piece > the answer is noted
 *
 * A piece is what its connection carries in about a fifth of a second, so what overtakes waits no
 * longer than that. While this connection waits for its answer the others carry on. */
#include "gateway/uplink/parts.h"

#include "proto/base/clock.h"
#include "proto/base/durable.h"
#include "proto/base/limits.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum {
    MAX_PIECES = 1024,   /* of a request */
    MAX_OBJECTS = 400,   /* the centre's limit is LIMIT_BUNDLE_OBJECTS */
    LEAST_PIECE = 16384, /* bytes */
    FIRST_PIECE = 65536, /* while the line's speed is not known */
    MOST_PIECE = 262144, /* bytes */
    PIECES_A_SECOND = 5, /* of one connection */
    ENDING = 4,          /* pieces of each connection before everything has gone */
    UNSENT_PART = 4,     /* of a piece: so much may wait in the kernel behind what is on its way */
    ANSWERED_MS = 700,   /* so long an answer counts of a line that stands still */
    LINGER_MS = 60,      /* an open request waits so long for more */
    REQUEST_MS = 3000,   /* after so long it ends, so that its objects are known to be held; */
    REQUEST_MORE_MS = 2000, /* up to so much later: not all wait for their answers at once */
    HANG_UP_MS = 20000,     /* an unused connection */
    COMING_MS = 5000,       /* what was begun to be coded so long ago will be sent */
    REFUSED_WAIT_MS = 5000, /* all objects of the request are asked for anew, one by one */
    REFUSED_ALONE_MS = 200,
    REFUSED_TIMES = 2 /* alone */
};

struct stream {
    struct talk talk;
    struct up_line *line;
    unsigned number; /* of the line's senders */
    struct plan_piece first;
    struct plan_piece *sent;
    size_t n, objects;
    size_t rests; /* in a row at its end */
    bool has_looks;
    uint64_t bytes;
    int64_t until_ms;
    bool is_wanted; /* the connection, before there is anything to send */
    bool is_ended;
    struct buf out; /* the frame on its way */
    uint8_t *room;
    struct spool_bytes from;
    uint64_t open_id;
    uint8_t open_object[LINK_HASH_BYTES]; /* an entry whose coding is given up has another */
};

/* Gate held. */
static uint64_t
piece_size(struct up_line *line)
{
    uint64_t speed = meter_read(&line->meter, clock_mono_ms());
    uint64_t size, left;

    if (line->bucket.rate > 0 && (speed == 0 || line->bucket.rate < speed))
        speed = line->bucket.rate;
    if (speed == 0)
        return FIRST_PIECE;
    size = speed / PIECES_A_SECOND / line->crowd.n;
    /* the last bytes, and an emergency's last, go by all connections, so that they end together */
    left = plan_left(line->up->plan, ENDING * size * line->crowd.n);
    if (size > left / ENDING / line->crowd.n)
        size = left / ENDING / line->crowd.n;
    return size < LEAST_PIECE ? LEAST_PIECE : size > MOST_PIECE ? MOST_PIECE : size;
}

/* Gate held. Are the connections that may stream enough? Looked at with each piece. */
static void
look_at_crowd(struct up_line *line, int64_t now)
{
    uint64_t rate = line->bucket.rate, speed = meter_read(&line->meter, now);
    bool is_capped = (rate > 0 && speed >= rate - rate / 8) || ease_is_on(&line->ease, now);
    unsigned before = line->crowd.n;

    crowd_look(&line->crowd, line->sent_bytes,
               line->streaming >= before && !line->has_starved && !is_capped, now);
    line->has_starved = false;
    if (line->crowd.n > before)
        gate_wake(&line->up->gate);
}

/* Gate held. What is being coded will want a connection: opening it costs several round trips. */
static bool
should_open(const struct stream *s, int64_t now)
{
    const struct uplink *up = s->line->up;

    /* as many again as may stream: they go on while the first wait for the answer to their looks */
    return s->talk.client == NULL && s->number < 2 * s->line->crowd.n && up->coming_ms > 0 &&
           now - up->coming_ms < COMING_MS;
}

static void
open_connection(struct stream *s)
{
    struct link_ping answer;
    int64_t asked_us, told_us;
    struct err err = {0};
    bool is_open;

    gate_lock(&s->line->up->gate);
    is_open = warm_borrow(&s->talk);
    gate_unlock(&s->line->up->gate);
    if (!is_open && talk_ping(&s->talk, &answer, &asked_us, &told_us, &err) < 0)
        return; /* the line was told */
}

/* Gate held. */
static unsigned
count_still(const struct up_line *line)
{
    const struct uplink *up = line->up;
    unsigned n = 0;

    for (size_t i = 0; i < up->talks_n; i++)
        n += up->talks[i]->line == line && up->talks[i]->is_streaming && up->talks[i]->is_still;
    return n;
}

/* Gate held. */
static bool
try_piece(struct stream *s, struct plan_piece *out, int64_t now, int64_t *out_wait_ms)
{
    struct up_line *line = s->line;

    *out_wait_ms = -1;
    if (s->n == 0 && !room_is_open(&line->up->to_end)) {
        *out_wait_ms = room_wait_ms(&line->up->to_end, HANG_UP_MS);
        return false;
    }
    if (!s->talk.is_streaming && !crowd_has_place(&line->crowd, line->streaming, count_still(line),
                                                  now - line->answered_ms < ANSWERED_MS))
        return false;
    if (!s->talk.is_streaming && line->warm > 0 && talk_is_cold(&s->talk))
        return false; /* an open connection takes it at once, this one only in three round trips */
    if ((s->n == 0 ? plan_take(line->up->plan, piece_size(line), out, 1, now, out_wait_ms)
                   : plan_take_more(line->up->plan, &s->sent[s->n - 1], piece_size(line), out, 1,
                                    now, out_wait_ms)) == 0) {
        line->has_starved = true;
        line->starved_ms = now;
        return false;
    }
    if (s->n == 0)
        room_try(&line->up->to_end);
    if (!s->talk.is_streaming)
        line->streaming++;
    s->talk.is_streaming = true;
    if (plan_is_stat(line->up->plan, out->id))
        ease_end(&line->ease); /* an emergency that was coded long ago wants all of it, too */
    look_at_crowd(line, now);
    return true;
}

/* Wait for a piece that may go, and for this connection's turn; false: none until then, or the line
 * does not serve any more, or stopping. */
static bool
take_piece(struct stream *s, struct plan_piece *out, int64_t until_ms)
{
    struct uplink *up = s->line->up;
    bool is_there = false, is_warm = !s->talk.is_streaming && !talk_is_cold(&s->talk);
    int64_t wait_ms, now;

    s->is_wanted = false;
    gate_lock(&up->gate);
    s->line->warm += is_warm;
    while (!up->is_stopping && line_is_serving(s->line)) {
        now = clock_mono_ms();
        is_there = try_piece(s, out, now, &wait_ms);
        s->is_wanted = !is_there && should_open(s, now);
        if (is_there || now >= until_ms || s->is_wanted)
            break;
        if (wait_ms < 0 || wait_ms > until_ms - now)
            wait_ms = until_ms - now;
        gate_wait_ms(&up->gate, wait_ms + 1);
    }
    s->line->warm -= is_warm;
    if (is_warm)
        gate_wake(&up->gate); /* those that are not open need not wait for this one any more */
    gate_unlock(&up->gate);
    return is_there;
}

/* The body is all sent, or will not be: another connection may send one. */
static void
end_streaming(struct stream *s)
{
    struct uplink *up = s->line->up;

    gate_lock(&up->gate);
    if (s->talk.is_streaming) {
        s->line->streaming--;
        gate_wake(&up->gate);
    }
    s->talk.is_streaming = false;
    gate_unlock(&up->gate);
}

static void
put_back(struct uplink *up, const struct plan_piece *piece)
{
    gate_lock(&up->gate);
    plan_put_back(up->plan, piece);
    gate_wake(&up->gate);
    gate_unlock(&up->gate);
}

static void
give_back(struct uplink *up, const struct plan_piece *pieces, size_t n)
{
    gate_lock(&up->gate);
    plan_failed(up->plan, pieces, n);
    up->news++;
    gate_wake(&up->gate);
    gate_unlock(&up->gate);
}

static void
drop_stale(struct uplink *up, const struct plan_piece *piece)
{
    gate_lock(&up->gate);
    plan_drop_stale(up->plan, piece);
    up->news++; /* the feeder finds the entry again */
    gate_wake(&up->gate);
    gate_unlock(&up->gate);
}

static void
close_source(struct stream *s)
{
    if (s->from.fd >= 0)
        close(s->from.fd);
    s->from.fd = -1;
}

/* ERR_CONFLICT: since the plan took it, its coding was given up; what is there now is another
 * object. */
static int
open_source(struct stream *s, const struct plan_piece *piece, struct err *err)
{
    struct spool *spool = s->line->up->spool;
    struct spool_entry *entry = NULL;
    int rc = -1;

    close_source(s);
    /* in this order: never is anything coded again, so what is coded now was so when it was opened
     */
    if (spool_source_object(spool, piece->id, &s->from, err) < 0 ||
        spool_load(spool, piece->id, &entry, err) < 0)
        goto out;
    if (memcmp(entry->object_sha256, piece->object, sizeof piece->object) != 0) {
        err_set(err, ERR_CONFLICT, "it goes as another object");
        goto out;
    }
    s->open_id = piece->id;
    memcpy(s->open_object, piece->object, sizeof s->open_object);
    rc = 0;
out:
    if (rc < 0)
        close_source(s);
    spool_entry_free(&entry);
    return rc;
}

static int
frame_piece(struct stream *s, const struct plan_piece *piece, struct err *err)
{
    if ((s->from.fd < 0 || s->open_id != piece->id ||
         memcmp(s->open_object, piece->object, sizeof s->open_object) != 0) &&
        open_source(s, piece, err) < 0)
        return -1;
    if (piece->offset > s->from.size || piece->n > s->from.size - piece->offset)
        return err_set(err, ERR_FATAL, "a range beyond the end of its file");
    if (durable_read_at(s->from.fd, s->room, (size_t)piece->n, s->from.offset + piece->offset,
                        err) < 0)
        return -1;
    return link_bundle_add(&s->out, piece->object, piece->offset, s->room, (size_t)piece->n,
                           piece->may_deflate, err);
}

/* Its frame is in s->out; one that cannot be read stays here and is told. */
static bool
add_piece(struct stream *s, const struct plan_piece *piece)
{
    struct err err = {0};

    if (frame_piece(s, piece, &err) < 0) {
        close_source(s);
        if (err.kind == ERR_CONFLICT)
            drop_stale(s->line->up, piece);
        else
            settle_unreadable(s->line->up, piece->id, &err);
        return false;
    }
    if (s->n == 0 || s->sent[s->n - 1].id != piece->id)
        s->objects++;
    s->has_looks = s->has_looks || piece->is_look;
    s->rests = piece->is_look ? 0 : s->rests + 1;
    s->sent[s->n++] = *piece;
    s->bytes += piece->n;
    talk_keep_short(&s->talk, piece->n / UNSENT_PART);
    return true;
}

static bool
is_enough(const struct stream *s)
{
    return s->n == MAX_PIECES || s->objects >= MAX_OBJECTS ||
           s->bytes + MOST_PIECE > s->line->up->o.bundle_bytes || clock_mono_ms() >= s->until_ms;
}

/* No more looks after these: an answer soon tells that they are there. Single rests come between
 * looks as their share. */
static bool
ends_looks(const struct stream *s, const struct plan_piece *next)
{
    return s->has_looks && s->rests > 0 && !next->is_look;
}

/* talk_next_fn: the magic with the first piece, pieces, the end. */
static int
next_bytes(void *user, const uint8_t **out_bytes, size_t *out_n, struct err *err)
{
    struct stream *s = user;
    struct plan_piece piece = s->first;
    bool has_piece = s->n == 0 && !s->is_ended;

    (void)err;
    buf_clear(&s->out);
    if (has_piece)
        link_bundle_begin(&s->out);
    while (!s->is_ended) {
        if (!has_piece && !is_enough(s) && take_piece(s, &piece, clock_mono_ms() + LINGER_MS)) {
            has_piece = !ends_looks(s, &piece);
            if (!has_piece)
                put_back(s->line->up, &piece);
        }
        if (!has_piece) {
            link_bundle_end(&s->out);
            s->is_ended = true;
            end_streaming(s);
        } else if (add_piece(s, &piece)) {
            break;
        }
        has_piece = false;
    }
    *out_bytes = s->out.bytes;
    *out_n = s->out.n;
    return 0;
}

/* The centre says of each object that it was sent how it stands now. */
static bool
names_all(const struct link_answer *answer, const struct plan_piece *pieces, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        bool is_same =
            i > 0 && memcmp(pieces[i].object, pieces[i - 1].object, LINK_HASH_BYTES) == 0;

        if (!is_same && link_answer_find(answer, pieces[i].object) == NULL)
            return false;
    }
    return true;
}

static void
note_answer(struct uplink *up, const struct plan_piece *pieces, size_t n,
            const struct link_answer *answer)
{
    gate_lock(&up->gate);
    plan_arrived(up->plan, pieces, n);
    gate_unlock(&up->gate);
    for (size_t k = 0; k < answer->count; k++) {
        uint64_t told = 0; /* an entry's pieces mostly are in a row; said twice changes nothing */

        for (size_t i = 0; i < n; i++) {
            if (pieces[i].id == told ||
                memcmp(pieces[i].object, answer->objects[k].object, LINK_HASH_BYTES) != 0)
                continue;
            told = pieces[i].id;
            settle_object(up, told, &answer->objects[k], false);
        }
    }
}

/* The centre's own word against what was sent: whatever is refused again when it is alone is put
 * aside with that word, the others go on. */
static void
note_refusal(struct stream *s, const struct err *err)
{
    struct uplink *up = s->line->up;
    char why[sizeof err->text + 16];
    unsigned times;

    gate_lock(&up->gate);
    times = plan_refused(up->plan, s->sent, s->n);
    up->news++;
    gate_wake(&up->gate);
    gate_unlock(&up->gate);
    if (times < REFUSED_TIMES)
        return;
    snprintf(why, sizeof why, "refused: %s", err->text);
    settle_quarantine(up, s->sent[0].id, why);
}

static void
send_request(struct stream *s)
{
    struct uplink *up = s->line->up;
    struct link_answer answer = {0};
    struct err err = {0};
    int rc;

    s->n = s->objects = s->rests = 0;
    s->has_looks = false;
    s->bytes = 0;
    s->is_ended = false;
    s->until_ms = clock_mono_ms() + REQUEST_MS + (int64_t)(up_chance() * REQUEST_MORE_MS);
    rc = talk_bundle(&s->talk, next_bytes, s, &answer, &err);
    end_streaming(s);
    close_source(s);
    if (rc == 0 && !names_all(&answer, s->sent, s->n)) { /* else they would lie for ever */
        link_answer_free(&answer);
        (void)err_set(&err, ERR_RETRY, "no word of some that were sent");
        rc = talk_not_understood(&s->talk, "a bundle", &err);
    }
    if (rc == 0) {
        room_found(up, &up->to_end, true);
        note_answer(up, s->sent, s->n, &answer);
        link_answer_free(&answer);
        return;
    }
    if (s->n == 0) /* it did not even begin */
        give_back(up, &s->first, 1);
    if (s->n > 0 && (err.kind == ERR_REJECT || err.kind == ERR_CONFLICT))
        note_refusal(s, &err);
    else
        give_back(up, s->sent, s->n);
    if (!err_kind_is_retried(err.kind) && err.kind != ERR_DENIED) {
        LOG(&uplink_log, UPLINK_CALL_REFUSED, F_ERR(&err));
        up_rest(up, s->objects == 1 ? REFUSED_ALONE_MS : REFUSED_WAIT_MS);
    }
}

void *
sender_run(void *arg)
{
    struct up_line *line = arg;
    struct uplink *up = line->up;
    struct stream *s = mem_new(sizeof *s);

    s->line = line;
    s->from.fd = -1;
    s->sent = mem_new(MAX_PIECES * sizeof *s->sent);
    s->room = mem_new(MOST_PIECE);
    buf_init(&s->out, 2 * MOST_PIECE);
    talk_init(&s->talk, up, line, up->o.stall_ms);
    s->talk.is_bulk = true;
    gate_lock(&up->gate);
    s->number = line->begun++;
    gate_unlock(&up->gate);
    while (line_wait_serving(line, s->number)) {
        s->n = 0; /* a new request */
        if (take_piece(s, &s->first, clock_mono_ms() + HANG_UP_MS))
            send_request(s);
        else if (s->is_wanted)
            open_connection(s);
        else
            talk_hang_up(&s->talk);
    }
    talk_fini(&s->talk);
    buf_fini(&s->out);
    free(s->room);
    free(s->sent);
    free(s);
    return NULL;
}
