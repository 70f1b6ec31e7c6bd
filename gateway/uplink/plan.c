/* plan.c - two rows of the same jobs: by id for finding, by their order for offering
 * (plan_offer.c), for taking (plan_take.c) and for telling how far they are (plan_far.c). */
#include "gateway/uplink/plan_own.h"

#include <stdlib.h>
#include <string.h>

enum { SHARE_OF_STAT = 90, SMALL_BYTES = 65536, POKE_BYTES = 16, END_BYTES = 4096, JOIN_MS = 2000 };

struct plan *
plan_new(int64_t look_hold_ms)
{
    struct plan *plan = mem_new(sizeof *plan);

    plan->look_hold_ms = look_hold_ms;
    plan->stat_percent = SHARE_OF_STAT;
    return plan;
}

void
plan_set_share(struct plan *plan, unsigned stat_percent)
{
    CHECK(stat_percent >= 1 && stat_percent <= 100);
    plan->stat_percent = stat_percent;
}

static void
job_free(struct job *job)
{
    ranges_fini(&job->look);
    ranges_fini(&job->way);
    ranges_fini(&job->todo_look);
    ranges_fini(&job->todo_rest);
    ranges_fini(&job->kept);
    free(job->order);
    free(job);
}

void
plan_free(struct plan **plan)
{
    struct plan *p = TAKE(*plan);

    if (p == NULL)
        return;
    for (size_t i = 0; i < p->n; i++)
        job_free(p->by_id[i]);
    for (size_t i = 0; i < p->studies_n; i++)
        free(p->studies[i]);
    free(p->by_id);
    free(p->by_due);
    free(p->studies);
    free(p);
}

/* Where an id is, or would be. */
static size_t
place_of_id(const struct plan *plan, uint64_t id)
{
    size_t low = 0, high = plan->n;

    while (low < high) {
        size_t middle = low + (high - low) / 2;

        if (plan->by_id[middle]->id < id)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

static bool
goes_before(const struct job *a, const struct job *b)
{
    if (a->study->urgency != b->study->urgency)
        return a->study->urgency > b->study->urgency;
    return a->due != b->due ? a->due < b->due : a->id < b->id;
}

static size_t
place_of_due(const struct plan *plan, const struct job *job)
{
    size_t low = 0, high = plan->n;

    while (low < high) {
        size_t middle = low + (high - low) / 2;

        if (goes_before(plan->by_due[middle], job))
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

struct job *
plan_find(const struct plan *plan, uint64_t id)
{
    size_t i = place_of_id(plan, id);

    return i < plan->n && plan->by_id[i]->id == id ? plan->by_id[i] : NULL;
}

bool
plan_has(const struct plan *plan, uint64_t id)
{
    return plan_find(plan, id) != NULL;
}

static struct study *
study_find(const struct plan *plan, const char *uid)
{
    for (size_t i = 0; i < plan->studies_n; i++)
        if (strcmp(plan->studies[i]->uid, uid) == 0)
            return plan->studies[i];
    return NULL;
}

static struct study *
study_get(struct plan *plan, const char *uid, int64_t now_ms)
{
    struct study *study = study_find(plan, uid);

    if (study != NULL)
        return study;
    if (plan->studies_n == plan->studies_room) {
        plan->studies_room = plan->studies_room == 0 ? 16 : 2 * plan->studies_room;
        plan->studies = mem_grow(plan->studies, plan->studies_room * sizeof *plan->studies);
    }
    study = mem_new(sizeof *study);
    memcpy(study->uid, uid, strnlen(uid, sizeof study->uid - 1));
    study->since_ms = now_ms;
    study->is_told = true;
    plan->studies[plan->studies_n++] = study;
    return study;
}

static void
study_put(struct plan *plan, struct study *study)
{
    /* A study whose news nobody has fetched yet stays for plan_next_looked(). */
    if (study->jobs > 0 || !study->is_told)
        return;
    for (size_t i = 0; i < plan->studies_n; i++)
        if (plan->studies[i] == study)
            plan->studies[i] = plan->studies[--plan->studies_n];
    free(study);
}

static void
insert(struct job **row, size_t n, size_t at, struct job *job)
{
    memmove(row + at + 1, row + at, (n - at) * sizeof *row);
    row[at] = job;
}

/* The moment counts, not when somebody asks: rests may go from now on. */
static void
study_check_looked(struct study *study)
{
    bool is_looked = study->unlooked == 0 && !study->is_more_expected;

    if (is_looked && !study->is_looked)
        study->sent_when_looked = study->sent_bytes;
    study->is_looked = is_looked;
}

/* A small one goes whole. The head of a larger one says whose study it is, to who waits for that:
 * one of a study will do, and nothing waits for it. */
static void
look_plain(struct job *job)
{
    if (job->size <= SMALL_BYTES) {
        ranges_add(&job->look, 0, job->size);
        return;
    }
    if (job->study->objects == 0)
        ranges_add(&job->look, 0, SMALL_BYTES);
    job->is_looked = true;
}

void
plan_add(struct plan *plan, const struct plan_object *object, int64_t now_ms)
{
    struct job *job;

    CHECK(!plan_has(plan, object->id));
    if (plan->n == plan->room) {
        plan->room = plan->room == 0 ? 64 : 2 * plan->room;
        plan->by_id = mem_grow(plan->by_id, plan->room * sizeof(struct job *));
        plan->by_due = mem_grow(plan->by_due, plan->room * sizeof(struct job *));
    }
    job = mem_new(sizeof *job);
    job->id = object->id;
    memcpy(job->object, object->object, sizeof job->object);
    job->size = object->size;
    job->due = object->due;
    job->is_looked = object->is_looked;
    job->may_deflate = object->may_deflate;
    job->is_unproved = object->is_unproved;
    job->since_ms = now_ms;
    for (size_t i = 0; i < object->look_n; i++)
        ranges_add(&job->look, object->look[i].from, object->look[i].to);
    if (object->look_n > 1) {
        job->order = mem_new(object->look_n * sizeof *job->order);
        memcpy(job->order, object->look, object->look_n * sizeof *job->order);
        job->order_n = object->look_n;
    }
    job->study = study_get(plan, object->study, now_ms);
    if (object->look_n == 0)
        look_plain(job);
    if (job->look.n == 0)
        job->is_looked = true;
    job->study->jobs++;
    job->study->objects++;
    job->study->object_bytes += job->size;
    if (!job->is_looked) {
        job->study->unlooked++;
        job->study->is_told = false;
        job->is_awaited = now_ms < plan->join_ms && job->id <= plan->join_id;
        plan->awaited += job->is_awaited ? 1 : 0;
    }
    study_check_looked(job->study);
    insert(plan->by_id, plan->n, place_of_id(plan, job->id), job);
    insert(plan->by_due, plan->n, place_of_due(plan, job), job);
    plan->n++;
    if (job->study->urgency != object->urgency)
        plan_set_urgency(plan, job->study->uid, object->urgency);
}

static int
by_order(const void *a, const void *b)
{
    const struct job *const *x = a, *const *y = b;

    return goes_before(*x, *y) ? -1 : goes_before(*y, *x) ? 1 : 0;
}

void
plan_set_urgency(struct plan *plan, const char *study_uid, int urgency)
{
    struct study *study = study_find(plan, study_uid);

    if (study == NULL || study->urgency == urgency)
        return;
    study->urgency = urgency;
    qsort(plan->by_due, plan->n, sizeof *plan->by_due, by_order);
}

static void
job_is_looked(struct job *job)
{
    if (job->is_looked)
        return;
    job->is_looked = true;
    job->study->unlooked--;
    study_check_looked(job->study);
}

/* The centre said something of it; is_there: its look is not to be waited for any more. */
static void
job_is_heard(struct plan *plan, struct job *job, bool is_there)
{
    if (!job->is_awaited)
        return;
    plan->has_heard = true;
    if (!is_there)
        return;
    job->is_awaited = false;
    plan->awaited--;
}

void
plan_drop(struct plan *plan, uint64_t id)
{
    struct job *job = plan_find(plan, id);
    size_t i;

    if (job == NULL)
        return;
    job_is_looked(job);
    job_is_heard(plan, job, true);
    i = place_of_id(plan, id);
    memmove(plan->by_id + i, plan->by_id + i + 1, (plan->n - i - 1) * sizeof(struct job *));
    i = place_of_due(plan, job);
    CHECK(plan->by_due[i] == job);
    memmove(plan->by_due + i, plan->by_due + i + 1, (plan->n - i - 1) * sizeof(struct job *));
    plan->n--;
    job->study->jobs--;
    study_put(plan, job->study);
    plan->sending -= job->phase == PHASE_SENDING ? 1 : 0;
    job_free(job);
}

void
plan_expect_more(struct plan *plan, const char *study_uid, bool is_expected)
{
    struct study *study = study_find(plan, study_uid);

    if (study == NULL)
        return;
    study->is_more_expected = is_expected;
    study_check_looked(study);
}

void
plan_enter(struct plan *plan, struct job *job, enum phase phase)
{
    plan->sending += (phase == PHASE_SENDING ? 1u : 0u);
    plan->sending -= (job->phase == PHASE_SENDING ? 1u : 0u);
    job->phase = phase;
}

/* Of an unproved one, its end. */
static void
keep_back(struct job *job)
{
    uint64_t end = job->size > END_BYTES ? job->size - END_BYTES : 0;
    struct ranges go = {0};

    ranges_clear(&job->kept);
    if (!job->is_unproved)
        return;
    ranges_add_all(&job->kept, &job->todo_look);
    ranges_add_all(&job->kept, &job->todo_rest);
    ranges_remove(&job->kept, 0, end);
    ranges_add(&go, end, job->size);
    ranges_remove_all(&job->todo_look, &go);
    ranges_remove_all(&job->todo_rest, &go);
    ranges_fini(&go);
}

void
plan_proved(struct plan *plan, uint64_t id)
{
    struct job *job = plan_find(plan, id);
    struct ranges rest = {0};

    if (job == NULL)
        return;
    job->is_unproved = false;
    ranges_add_all(&rest, &job->kept);
    ranges_remove_all(&rest, &job->look);
    ranges_remove_all(&job->kept, &rest);
    ranges_add_all(&job->todo_look, &job->kept);
    job->order_at = 0;
    ranges_add_all(&job->todo_rest, &rest);
    ranges_clear(&job->kept);
    ranges_fini(&rest);
}

uint64_t
plan_next_unproved(const struct plan *plan, const uint64_t *taken, size_t taken_n,
                   int64_t *out_since_ms)
{
    uint64_t id = 0;

    for (size_t i = 0; i < plan->n; i++) {
        const struct job *job = plan->by_due[i];
        bool is_taken = false;

        for (size_t k = 0; k < taken_n && job->is_unproved; k++)
            is_taken = is_taken || taken[k] == job->id;
        if (!job->is_unproved || is_taken)
            continue;
        if (id == 0 || job->since_ms < *out_since_ms)
            *out_since_ms = job->since_ms;
        id = id == 0 ? job->id : id;
    }
    return id;
}

/* What is to be sent, given what the centre has and what is on the way. */
static void
reckon(struct job *job, const struct range *have, size_t have_n)
{
    ranges_clear(&job->todo_look);
    ranges_clear(&job->todo_rest);
    job->order_at = 0;
    ranges_add_all(&job->todo_look, &job->look);
    ranges_add(&job->todo_rest, 0, job->size);
    ranges_remove_all(&job->todo_rest, &job->look);
    job->there = 0;
    for (size_t i = 0; i < have_n; i++) {
        job->there += have[i].to > have[i].from ? have[i].to - have[i].from : 0;
        ranges_remove(&job->todo_look, have[i].from, have[i].to);
        ranges_remove(&job->todo_rest, have[i].from, have[i].to);
    }
    ranges_remove_all(&job->todo_look, &job->way);
    ranges_remove_all(&job->todo_rest, &job->way);
    /* it has every byte and yet does not say held (it fell over in between): its last bytes again
     * make it look */
    keep_back(job);
    if (job->todo_look.n == 0 && job->todo_rest.n == 0 && job->way.n == 0 && job->kept.n == 0)
        ranges_add(&job->todo_rest, job->size > POKE_BYTES ? job->size - POKE_BYTES : 0, job->size);
}

void
plan_offered(struct plan *plan, uint64_t id, const struct link_object_state *answer)
{
    struct job *job = plan_find(plan, id);

    if (job == NULL)
        return;
    plan_enter(plan, job, PHASE_SENDING);
    job->behind = 0;
    if (answer->state == LINK_LOOKED)
        job_is_looked(job);
    reckon(job, answer->have, answer->have_n);
    job_is_heard(plan, job, job->is_looked || job->todo_look.n == 0);
}

bool
plan_is_offered(const struct plan *plan, uint64_t id)
{
    const struct job *job = plan_find(plan, id);

    return job != NULL && job->phase == PHASE_SENDING && !job->is_unproved;
}

void
plan_hold_rests(struct plan *plan, uint64_t last_id, int64_t now_ms)
{
    plan->heard_ms = now_ms;
    plan->join_ms = now_ms + JOIN_MS; /* who adds soon waited for the line, too: it was coded */
    plan->join_id = last_id;
    plan->awaited = 0;
    for (size_t i = 0; i < plan->n; i++) {
        struct job *job = plan->by_id[i];

        job->is_awaited = !job->is_looked;
        plan->awaited += job->is_awaited ? 1 : 0;
    }
}

void
plan_doubt(struct plan *plan)
{
    for (size_t i = 0; i < plan->n; i++)
        plan_enter(plan, plan->by_id[i], PHASE_NEW);
}

/* NULL also when the entry has gone on as another object since: its coding was given up. */
static struct job *
job_of_piece(const struct plan *plan, const struct plan_piece *piece)
{
    struct job *job = plan_find(plan, piece->id);

    return job != NULL && memcmp(job->object, piece->object, sizeof job->object) == 0 ? job : NULL;
}

void
plan_drop_stale(struct plan *plan, const struct plan_piece *piece)
{
    if (job_of_piece(plan, piece) != NULL)
        plan_drop(plan, piece->id);
}

void
plan_put_back(struct plan *plan, const struct plan_piece *piece)
{
    struct job *job = job_of_piece(plan, piece);
    uint64_t end = piece->offset + piece->n;

    if (job == NULL)
        return;
    ranges_remove(&job->way, piece->offset, end);
    job->order_at = 0;
    if (job->phase == PHASE_SENDING) /* else its offer reckons anew */
        ranges_add(piece->is_look ? &job->todo_look : &job->todo_rest, piece->offset, end);
    job->study->sent_bytes -= piece->n;
}

void
plan_failed(struct plan *plan, const struct plan_piece *pieces, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        struct job *job = job_of_piece(plan, &pieces[i]);

        if (job == NULL)
            continue;
        ranges_remove(&job->way, pieces[i].offset, pieces[i].offset + pieces[i].n);
        plan_enter(plan, job, PHASE_NEW);
    }
}

unsigned
plan_refused(struct plan *plan, const struct plan_piece *pieces, size_t n)
{
    struct job *job = n > 0 ? plan_find(plan, pieces[0].id) : NULL;
    bool is_alone = job != NULL;

    for (size_t i = 0; i < n; i++) {
        struct job *other = plan_find(plan, pieces[i].id);

        is_alone = is_alone && pieces[i].id == pieces[0].id;
        if (other != NULL)
            other->is_suspect = true;
    }
    plan_failed(plan, pieces, n);
    return is_alone ? ++job->refused : 0;
}

void
plan_arrived(struct plan *plan, const struct plan_piece *pieces, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        struct job *job = job_of_piece(plan, &pieces[i]);

        if (job == NULL)
            continue;
        ranges_remove(&job->way, pieces[i].offset, pieces[i].offset + pieces[i].n);
        job->there += pieces[i].n;
        job->is_suspect = false;
        job->refused = 0;
    }
}

unsigned
plan_answered(struct plan *plan, uint64_t id, const struct link_object_state *answer)
{
    struct job *job = plan_find(plan, id);

    if (job == NULL)
        return 0;
    if (answer->state == LINK_LOOKED)
        job_is_looked(job);
    job_is_heard(plan, job, job->is_looked || job->todo_look.n == 0);
    if (answer->state == LINK_BAD) {
        if (job->phase == PHASE_SENDING) /* each open request is told of the same one */
            job->bad++;
        job->there = 0;
        plan_enter(plan, job, PHASE_NEW);
    } else if (job->phase == PHASE_SENDING && job->way.n == 0 && job->todo_look.n == 0 &&
               job->todo_rest.n == 0 && job->kept.n == 0) {
        /* all was sent, yet it is not held: what the centre says it has decides. While the end is
         * kept back an answer may be older than another's pieces; the end's own answer tells */
        reckon(job, answer->have, answer->have_n);
    }
    return job->bad;
}

bool
plan_next_looked(struct plan *plan, struct plan_looked *out)
{
    for (size_t i = 0; i < plan->studies_n; i++) {
        struct study *study = plan->studies[i];

        if (study->is_told || !study->is_looked)
            continue;
        memcpy(out->study, study->uid, sizeof out->study);
        out->objects = study->objects;
        out->sent_bytes = study->sent_when_looked;
        out->object_bytes = study->object_bytes;
        study->is_told = true;
        study_put(plan, study);
        return true;
    }
    return false;
}
