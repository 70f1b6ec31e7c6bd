/* choice.c - with layers, when is the last byte there; and how long would the line alone take? */
#include "gateway/uplink/choice.h"

/* MB of a CT's pixels a second of one core (tests/bench/layers). */
#define LAYERS_ENCODE_RATE 14e6
#define LAYERS_PROVE_RATE 24e6
#define FAST_ENCODE_RATE 75e6
#define FAST_PROVE_RATE 57e6
#define SHARE_AT_FIRST 0.25
#define NEW_PART 0.1       /* of each new figure in the mean */
#define SLOWNESS_MOST 50.0 /* a machine that was asleep says nothing */
#define IDLE_HOPE 2.0      /* times what it has shown, of a line that had nothing to send */
#define COMPANY 1.4        /* so much more a whole queue takes: what is coded is sent, too */
#define LOSS_LEAST_S 0.3   /* less than that nobody notices */
#define LOSS_PART 6        /* nor a sixth of the whole, for the sake of a first look */
#define LARGE_BYTES 4e6    /* X-rays; noise in their low bits: */
#define LARGE_MORE 0.12    /* so much more of them in JPEG-LS, */
#define TOGETHER_PART 0.6  /* and so much of the time when one is alone and has all processors */
#define BACK_PART 0.4      /* of the line's time layers may take to be gone back to in a queue */

static double
rate_of(enum codec_coding coding, bool is_proof)
{
    if (coding == CODEC_FAST)
        return is_proof ? FAST_PROVE_RATE : FAST_ENCODE_RATE;
    return is_proof ? LAYERS_PROVE_RATE : LAYERS_ENCODE_RATE;
}

static void
blend(double *mean, double now)
{
    *mean = *mean <= 0 ? now : *mean + (now - *mean) * NEW_PART;
}

void
choice_note_job(struct choice *c, enum codec_coding coding, bool is_proof, uint64_t bytes,
                double seconds)
{
    double slowness = seconds * rate_of(coding, is_proof) / ((double)bytes + 1);

    blend(&c->slowness, slowness < SLOWNESS_MOST ? slowness : SLOWNESS_MOST);
}

void
choice_note_aside(struct choice *c, double seconds)
{
    blend(&c->aside_s, seconds);
}

void
choice_note_size(struct choice *c, uint64_t received_bytes, uint64_t coded_bytes)
{
    if (received_bytes > 0)
        blend(&c->share, (double)coded_bytes / (double)received_bytes);
}

/* With layers: when the last byte is there, and when the last image is proved. */
struct layered {
    double last_s, proved_s;
};

static struct layered
foresee(const struct choice *c, const struct choice_case *now, double line_s, double rate)
{
    double slowness = c->slowness > 0 ? c->slowness : 1;
    double share = c->share > 0 ? c->share : SHARE_AT_FIRST;
    double bytes = (double)now->bytes, images = (double)now->waiting_images;
    double workers = images < now->workers ? images : now->workers;
    double encode_s = bytes / LAYERS_ENCODE_RATE * slowness;
    double work_s = encode_s + bytes / LAYERS_PROVE_RATE * slowness + c->aside_s;
    double proofs_s = (double)now->waiting_proofs * bytes / FAST_PROVE_RATE * slowness;
    double idle_s, coded_s;
    struct layered l;

    if (c->slowness <= 0 && workers > now->processors) /* no job has shown yet what sharing costs */
        workers = now->processors > 0 ? now->processors : 1;
    if (now->waiting_images == 1 && now->processors > 1 && bytes >= LARGE_BYTES) {
        encode_s *= TOGETHER_PART;
        work_s *= TOGETHER_PART;
    }
    idle_s = encode_s - (double)now->queued_bytes / rate;
    coded_s = images * (encode_s + c->aside_s) / workers + bytes * share / rate;
    l.proved_s = (images * work_s + proofs_s) / workers * COMPANY;
    /* the line has nothing to do before the first of them is coded */
    l.last_s = line_s + (idle_s > 0 ? idle_s : 0);
    /* or the coders end after the line would, and the last image follows then, or the last proof */
    if (l.last_s < coded_s)
        l.last_s = coded_s;
    if (l.last_s < l.proved_s)
        l.last_s = l.proved_s;
    return l;
}

/* What X-rays in JPEG-LS take beyond line_s. */
static double
fast_more(const struct choice *c, const struct choice_case *now, double share, double rate)
{
    double bytes = (double)now->bytes, slowness = c->slowness > 0 ? c->slowness : 1;

    return (double)now->waiting_images * bytes * share * LARGE_MORE / rate +
           bytes / FAST_ENCODE_RATE * slowness;
}

enum codec_coding
choice_make(struct choice *c, const struct choice_case *asked)
{
    struct choice_case now = *asked;
    double share = c->share > 0 ? c->share : SHARE_AT_FIRST;
    double rate = now.line_rate * (now.is_line_idle ? IDLE_HOPE : 1);
    struct layered layered;
    double line_s, loss_s;
    bool is_fast;

    if (now.waiting_images == 0)
        now.waiting_images = 1;
    if (now.waiting_images <= now.workers)
        c->is_fast = false;
    if (rate <= 0 || now.workers == 0 || (now.is_first && now.bytes < LARGE_BYTES))
        return CODEC_BEST; /* a small one's look costs the queue next to nothing */
    line_s =
        ((double)now.queued_bytes + (double)now.waiting_images * (double)now.bytes * share) / rate;
    layered = foresee(c, &now, line_s, rate);
    loss_s = layered.last_s - line_s;
    if ((double)now.bytes >= LARGE_BYTES)
        loss_s -= fast_more(c, &now, share, rate);
    is_fast = (loss_s > LOSS_LEAST_S && loss_s > line_s / LOSS_PART) ||
              /* looks of some of a study's images are little use: not without room to spare */
              (c->is_fast && layered.proved_s > line_s * BACK_PART);
    c->is_fast = is_fast;
    return is_fast ? CODEC_FAST : CODEC_BEST;
}
