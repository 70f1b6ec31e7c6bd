/* jls.c - the encoder of ITU-T T.87 annex A, NEAR = 0, one component. Names in capitals are the
 * standard's. */
#include "proto/codec/jls.h"

#include <stdlib.h>
#include <string.h>

#define ALWAYS_INLINE static inline __attribute__((always_inline))

enum {
    SOI = 0xFFD8,
    EOI = 0xFFD9,
    SOF_55 = 0xFFF7,
    LSE = 0xFFF8,
    SOS = 0xFFDA,
    CONTEXTS = 365, /* 9 * 9 * 9, mirrored */
    RESET = 64,
    BIAS_LEAST = -128,
    BIAS_MOST = 127,
    RUN_STEPS = 32,
    BITS_LEAST = 6,    /* widespread decoders know no less */
    DEFAULT_LEAST = 8, /* others: the thresholds are written, some decoders guess them wrong */
    DEFAULT_MOST = 12
};

/* A.2.1: the order of run lengths. */
static const uint8_t J[RUN_STEPS] = {0, 0, 0, 0, 1, 1, 1, 1, 2, 2, 2,  2,  3,  3,  3,  3,
                                     4, 4, 5, 5, 6, 6, 7, 7, 8, 9, 10, 11, 12, 13, 14, 15};

struct context {
    int32_t A, B, C, N;
};

struct run_context {
    int32_t A, N, Nn;
};

/* Bits go out high first; behind a byte FF the next one has seven (A.1). */
struct bits {
    uint64_t held; /* the low `n` bits */
    unsigned n;
    uint8_t *at, *end;
    bool was_ff;
};

struct encoder {
    int32_t bits, maxval, range, limit, T1, T2, T3;
    struct context contexts[CONTEXTS];
    struct run_context runs[2];
    unsigned run_step; /* RUNindex */
    int8_t *quantized; /* of a difference, at [maxval] for 0 */
    struct bits out;
};

static void set_thresholds(struct encoder *e, uint32_t bits);
static void begin(struct encoder *e);
static void load_row(const struct dcm_pixel_form *form, const uint8_t *frame, uint32_t y,
                     int32_t *row);
static void encode_row(struct encoder *e, const int32_t *above, const int32_t *row, int32_t cols);
static int32_t encode_run(struct encoder *e, const int32_t *above, const int32_t *row, int32_t at,
                          int32_t cols);
static void bits_flush(struct bits *b);

bool
jls_may_encode(const struct dcm_pixel_form *form)
{
    return form->samples == 1 && form->bits_stored >= BITS_LEAST &&
           ((form->bits_allocated == 8 && form->bits_stored <= 8) ||
            (form->bits_allocated == 16 && form->bits_stored > 8 && form->bits_stored <= 16));
}

/* Most that a row can take: LIMIT bits a sample, and a bit stuffed in each byte. */
static size_t
row_most(const struct encoder *e, const struct dcm_pixel_form *form)
{
    return ((size_t)form->cols + 1) * ((size_t)e->limit + RUN_STEPS) / 7 + 16;
}

int
jls_encode(const struct dcm_pixel_form *form, const uint8_t *frame, size_t n, struct buf *out,
           struct err *err)
{
    struct encoder *e = NULL;
    int32_t *rows = NULL, *above, *row;
    size_t frame_n, stride = (size_t)form->cols + 2;
    int rc = -1;

    if (!jls_may_encode(form) || pixels_frame_bytes(form, &frame_n, err) < 0 || frame_n != n)
        return err_set(err, ERR_REJECT, "JPEG-LS: pixels of a form that is not encoded");
    e = mem_new(sizeof *e);
    set_thresholds(e, form->bits_stored);
    begin(e);
    rows = mem_new(2 * stride * sizeof *rows);
    above = rows + 1;
    row = rows + stride + 1;
    jls_write_head(form, out);
    for (uint32_t y = 0; y < form->rows; y++) {
        size_t most = row_most(e, form);
        int32_t *other = above;

        e->out.at = buf_reserve(out, most);
        if (e->out.at == NULL) {
            (void)err_set(err, ERR_REJECT, "JPEG-LS: no room");
            goto out;
        }
        e->out.end = e->out.at + most;
        load_row(form, frame, y, row);
        row[-1] = above[0]; /* A.2.1: what lies beside the image */
        above[form->cols] = above[form->cols - 1];
        encode_row(e, above, row, (int32_t)form->cols);
        if (y + 1 == form->rows)
            bits_flush(&e->out);
        out->n += most - (size_t)(e->out.end - e->out.at);
        above = row;
        row = other;
    }
    buf_add_u8(out, EOI >> 8);
    buf_add_u8(out, EOI & 0xFF);
    rc = buf_is_over(out) ? err_set(err, ERR_REJECT, "JPEG-LS: no room") : 0;
out:
    free(rows);
    if (e != NULL)
        free(e->quantized);
    free(e);
    return rc;
}

int
jls_find_end(const uint8_t *bytes, size_t n, size_t *out_end, struct err *err)
{
    size_t end = n;

    if (n >= 4 && bytes[n - 1] == 0)
        end = n - 1;
    if (end < 4 || bytes[0] != SOI >> 8 || bytes[1] != (SOI & 0xFF) || bytes[end - 2] != EOI >> 8 ||
        bytes[end - 1] != (EOI & 0xFF))
        return err_set(err, ERR_REJECT, "JPEG-LS: a stream without its ends");
    *out_end = end;
    return 0;
}

static void
add_u16(struct buf *out, unsigned v)
{
    buf_add_u8(out, (uint8_t)(v >> 8));
    buf_add_u8(out, (uint8_t)v);
}

/* C.2: frame header, thresholds where they matter, scan header. */
void
jls_write_head(const struct dcm_pixel_form *form, struct buf *out)
{
    static const uint8_t component[] = {1, 1, 0x11, 0}; /* one, its id, not sub-sampled, - */
    static const uint8_t scan[] = {1, 1, 0, 0, 0, 0};   /* one, its id, -, NEAR 0, ILV 0, Al 0 */
    struct encoder e;

    set_thresholds(&e, form->bits_stored);
    add_u16(out, SOI);
    add_u16(out, SOF_55);
    add_u16(out, 2 + 5 + sizeof component);
    buf_add_u8(out, (uint8_t)e.bits);
    add_u16(out, form->rows);
    add_u16(out, form->cols);
    buf_add(out, component, sizeof component);
    if (e.bits < DEFAULT_LEAST || e.bits > DEFAULT_MOST) {
        add_u16(out, LSE);
        add_u16(out, 13);
        buf_add_u8(out, 1); /* preset coding parameters */
        add_u16(out, (unsigned)e.maxval);
        add_u16(out, (unsigned)e.T1);
        add_u16(out, (unsigned)e.T2);
        add_u16(out, (unsigned)e.T3);
        add_u16(out, RESET);
    }
    add_u16(out, SOS);
    add_u16(out, 2 + sizeof scan);
    buf_add(out, scan, sizeof scan);
}

/* C.2.4.1.1.1 */
static int32_t
clamp_threshold(int32_t v, int32_t least, int32_t maxval)
{
    return v > maxval || v < least ? least : v;
}

static int32_t
larger(int32_t a, int32_t b)
{
    return a > b ? a : b;
}

static int8_t
quantize(const struct encoder *e, int32_t d)
{
    int32_t size = abs(d);
    int8_t q = size == 0 ? 0 : size < e->T1 ? 1 : size < e->T2 ? 2 : size < e->T3 ? 3 : 4;

    return d < 0 ? (int8_t)-q : q;
}

static void
set_thresholds(struct encoder *e, uint32_t bits)
{
    e->bits = (int32_t)bits;
    e->maxval = (1 << e->bits) - 1;
    e->range = e->maxval + 1;
    e->limit = 2 * (e->bits + larger(8, e->bits));
    if (e->maxval >= 128) {
        int32_t factor = ((e->maxval < 4095 ? e->maxval : 4095) + 128) / 256;

        e->T1 = clamp_threshold(factor + 2, 1, e->maxval);
        e->T2 = clamp_threshold(factor * 4 + 3, e->T1, e->maxval);
        e->T3 = clamp_threshold(factor * 17 + 4, e->T2, e->maxval);
    } else {
        int32_t factor = 256 / e->range;

        e->T1 = clamp_threshold(larger(2, 3 / factor), 1, e->maxval);
        e->T2 = clamp_threshold(larger(3, 7 / factor), e->T1, e->maxval);
        e->T3 = clamp_threshold(larger(4, 21 / factor), e->T2, e->maxval);
    }
}

static void
begin(struct encoder *e)
{
    for (size_t i = 0; i < CONTEXTS; i++)
        e->contexts[i] = (struct context){.A = larger(2, (e->range + 32) / 64), .N = 1};
    for (size_t i = 0; i < 2; i++)
        e->runs[i] = (struct run_context){.A = larger(2, (e->range + 32) / 64), .N = 1};
    e->quantized = mem_new(2 * (size_t)e->range);
    for (int32_t d = -e->maxval; d <= e->maxval; d++)
        e->quantized[d + e->maxval] = quantize(e, d);
}

static void
load_row(const struct dcm_pixel_form *form, const uint8_t *frame, uint32_t y, int32_t *row)
{
    int32_t mask = (1 << form->bits_stored) - 1;
    size_t cell = form->bits_allocated / 8;
    const uint8_t *at = frame + (size_t)y * form->cols * cell;

    if (cell == 1)
        for (size_t x = 0; x < form->cols; x++)
            row[x] = at[x] & mask;
    else
        for (size_t x = 0; x < form->cols; x++)
            row[x] = (at[2 * x] | at[2 * x + 1] << 8) & mask;
}

static inline void
emit(struct bits *b)
{
    while (b->n >= (b->was_ff ? 7U : 8U)) {
        uint8_t byte;

        b->n -= b->was_ff ? 7 : 8;
        byte = (uint8_t)(b->was_ff ? b->held >> b->n & 0x7F : b->held >> b->n);
        *b->at++ = byte;
        b->was_ff = byte == 0xFF;
    }
}

static inline bool
has_ff(uint32_t word)
{
    return ((~word - 0x01010101U) & word & 0x80808080U) != 0;
}

/* n at most 32; what is held before is less than that. */
static inline void
put(struct bits *b, uint32_t value, unsigned n)
{
    uint32_t word;

    b->held = b->held << n | value;
    b->n += n;
    if (b->n < 32)
        return;
    word = (uint32_t)(b->held >> (b->n - 32));
    if (b->was_ff || has_ff(word)) {
        emit(b);
        return;
    }
    word = __builtin_bswap32(word);
    memcpy(b->at, &word, sizeof word);
    b->at += sizeof word;
    b->n -= 32;
}

static void
bits_flush(struct bits *b)
{
    unsigned spare;

    emit(b);
    spare = (b->was_ff ? 7U : 8U) - b->n;
    if (b->n > 0 || b->was_ff) {
        b->held <<= spare;
        b->n += spare;
        emit(b);
    }
}

/* A.5.3: a unary part, then k bits; past the limit the value as it is. */
ALWAYS_INLINE void
put_golomb(const struct encoder *e, struct bits *out, unsigned k, uint32_t mapped, int32_t limit)
{
    uint32_t high = mapped >> k;
    uint32_t most = (uint32_t)(limit - e->bits - 1);

    if (high < most && high + k < 32) {
        put(out, 1U << k | (mapped & ((1U << k) - 1)), high + 1 + k);
        return;
    }
    if (high < most) {
        for (; high > 24; high -= 24)
            put(out, 0, 24);
        put(out, 1, high + 1);
        put(out, mapped & ((1U << k) - 1), k);
        return;
    }
    for (high = most; high > 24; high -= 24)
        put(out, 0, 24);
    put(out, 1, high + 1);
    put(out, (mapped - 1) & (uint32_t)e->maxval, (unsigned)e->bits);
}

/* A.4.5, for a RANGE of 2 to the power of bits: the sign is what the highest of them says. */
static inline int32_t
reduce(const struct encoder *e, int32_t error)
{
    unsigned spare = 32U - (unsigned)e->bits;

    return (int32_t)((uint32_t)error << spare) >> spare;
}

/* A.5.1: the least k for which N * 2^k is no less than A. N is at least 1. */
static inline unsigned
golomb_k(int32_t A, int32_t N)
{
    int k = __builtin_clz((uint32_t)N) - __builtin_clz((uint32_t)A | 1);

    if (k < 0)
        return 0;
    return (unsigned)k + (N << k < A);
}

/* A.6 */
static inline void
learn(struct context *context, int32_t error)
{
    struct context c = *context;

    c.B += error;
    c.A += abs(error);
    if (c.N == RESET) {
        c.A >>= 1;
        c.B >>= 1;
        c.N >>= 1;
    }
    c.N++;
    if (c.B <= -c.N) {
        c.B += c.N;
        c.C -= c.C > BIAS_LEAST;
        c.B = c.B <= -c.N ? 1 - c.N : c.B;
    } else if (c.B > 0) {
        c.B -= c.N;
        c.C += c.C < BIAS_MOST;
        c.B = c.B > 0 ? 0 : c.B;
    }
    *context = c;
}

/* A.5.2: 0, -1, 1, -2, 2 ... are numbered from 0. */
static inline uint32_t
number_of(int32_t error)
{
    return (uint32_t)error << 1 ^ (uint32_t)(error >> 31);
}

/* A.4 and A.5: one sample in its context. `mirror` is -1 or 0, and x ^ -1 - -1 is -x: the sign is
 * as good as random, so that nothing should be guessed from it. */
ALWAYS_INLINE void
encode_sample(struct encoder *e, struct bits *out, int32_t q, int32_t predicted, int32_t sample)
{
    int32_t mirror = q >> 31, error, inverse;
    struct context *c = &e->contexts[(q ^ mirror) - mirror];
    unsigned k = golomb_k(c->A, c->N);

    predicted += (c->C ^ mirror) - mirror;
    predicted = predicted < 0 ? 0 : predicted > e->maxval ? e->maxval : predicted;
    error = reduce(e, ((sample - predicted) ^ mirror) - mirror);
    inverse = -(int32_t)(k == 0 && 2 * c->B <= -c->N);
    put_golomb(e, out, k, number_of(error ^ inverse), e->limit);
    learn(c, error);
}

/* The median edge detector. */
static inline int32_t
predict(int32_t a, int32_t b, int32_t c)
{
    int32_t low = a < b ? a : b, high = a < b ? b : a;

    return c >= high ? low : c <= low ? high : a + b - c;
}

/* The bits are kept in a variable of its own here, which no byte that is written can be. */
static void
encode_row(struct encoder *e, const int32_t *above, const int32_t *row, int32_t cols)
{
    const int8_t *quantized = e->quantized + e->maxval;
    struct bits out = e->out;

    for (int32_t x = 0; x < cols;) {
        int32_t a = row[x - 1], b = above[x], c = above[x - 1], d = above[x + 1];
        int32_t q = (quantized[d - b] * 9 + quantized[b - c]) * 9 + quantized[c - a];

        if (q != 0) {
            encode_sample(e, &out, q, predict(a, b, c), row[x]);
            x++;
        } else {
            e->out = out;
            x += encode_run(e, above, row, x, cols);
            out = e->out;
        }
    }
    e->out = out;
}

/* A.7.2: the sample that ends a run. */
static void
encode_run_end(struct encoder *e, int32_t a, int32_t b, int32_t sample)
{
    bool is_flat = a == b; /* RItype */
    struct run_context *c = &e->runs[is_flat];
    int32_t error = is_flat ? sample - a : a > b ? b - sample : sample - b;
    int32_t least = is_flat ? c->A + (c->N >> 1) : c->A;
    int32_t mapped;
    unsigned k = golomb_k(least, c->N);
    bool is_odd;

    error = reduce(e, error);
    is_odd = error > 0 ? k == 0 && 2 * c->Nn < c->N : error < 0 && (k != 0 || 2 * c->Nn >= c->N);
    mapped = 2 * abs(error) - (is_flat ? 1 : 0) - (is_odd ? 1 : 0);
    put_golomb(e, &e->out, k, (uint32_t)mapped, e->limit - J[e->run_step] - 1);
    if (error < 0)
        c->Nn++;
    c->A += (mapped + 1 - (is_flat ? 1 : 0)) >> 1;
    if (c->N == RESET) {
        c->A >>= 1;
        c->N >>= 1;
        c->Nn >>= 1;
    }
    c->N++;
}

/* A.7.1; how many samples were coded. */
static int32_t
encode_run(struct encoder *e, const int32_t *above, const int32_t *row, int32_t at, int32_t cols)
{
    int32_t a = row[at - 1], n = 0, left;

    while (at + n < cols && row[at + n] == a)
        n++;
    for (left = n; left >= 1 << J[e->run_step];) {
        put(&e->out, 1, 1);
        left -= 1 << J[e->run_step];
        if (e->run_step < RUN_STEPS - 1)
            e->run_step++;
    }
    if (at + n == cols) {
        if (left > 0)
            put(&e->out, 1, 1);
        return n;
    }
    put(&e->out, (uint32_t)left, 1U + J[e->run_step]); /* a zero bit first */
    encode_run_end(e, a, above[at + n], row[at + n]);
    if (e->run_step > 0)
        e->run_step--;
    return n + 1;
}
