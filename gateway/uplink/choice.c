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
choice_note_size(struct choice *c, uint64_t received_bytes, uint64_t coded_bytes)
{
    if (received_bytes > 0)
        blend(&c->share, (double)coded_bytes / (double)received_bytes);
}

enum codec_coding
choice_make(const struct choice *c, const struct choice_case *now)
{
    double slowness = c->slowness > 0 ? c->slowness : 1;
    double share = c->share > 0 ? c->share : SHARE_AT_FIRST;
    double bytes = (double)now->bytes, images = now->waiting_images > 0 ? now->waiting_images : 1;
    double workers = images < now->workers ? images : now->workers;
    double encode_s = bytes / LAYERS_ENCODE_RATE * slowness;
    double work_s = encode_s + bytes / LAYERS_PROVE_RATE * slowness;
    double proofs_s = (double)now->waiting_proofs * bytes / FAST_PROVE_RATE * slowness;
    double rate = now->line_rate * (now->is_line_idle ? IDLE_HOPE : 1);
    double line_s, idle_s, coded_s, proved_s, layered_s, loss_s;

    if (rate <= 0 || workers <= 0)
        return CODEC_BEST;
    line_s = ((double)now->queued_bytes + images * bytes * share) / rate;
    /* the line has nothing to do before the first of them is coded */
    idle_s = encode_s - (double)now->queued_bytes / rate;
    layered_s = line_s + (idle_s > 0 ? idle_s : 0);
    /* or the coders end after the line would, and the last image follows then, or the last proof */
    coded_s = images * encode_s / workers + bytes * share / rate;
    proved_s = (images * work_s + proofs_s) / workers * COMPANY;
    if (layered_s < coded_s)
        layered_s = coded_s;
    if (layered_s < proved_s)
        layered_s = proved_s;
    loss_s = layered_s - line_s;
    return loss_s > LOSS_LEAST_S && loss_s > line_s / LOSS_PART ? CODEC_FAST : CODEC_BEST;
}
