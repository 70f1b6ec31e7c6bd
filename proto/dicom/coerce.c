/* coerce.c - study and series by which an instance is known, into its data set:
 * docs/formats/made-uid.md.
 *
 * 1. A data set that says what it is known by is not changed, and read no further than that.
 * 2. Elements of the top level are passed over by their lengths: only their headers are read. */
#include "proto/dicom/coerce.h"

#include "proto/base/limits.h"
#include "proto/dicom/emit.h"
#include "proto/dicom/made_uid.h"
#include "proto/dicom/walk.h"

#include <stdlib.h>
#include <string.h>
#include <time.h>

enum { WINDOW = 65536, WINDOW_MOST = 64 << 20, RAW_MOST = 1024, TWICE_MOST = 3 };

static const uint32_t TAG_LENGTH_TO_END = 0x00080001, TAG_STUDY = 0x0020000D,
                      TAG_SERIES = 0x0020000E, TAG_ORIGINALS = 0x04000561, UNDEFINED = 0xFFFFFFFF;

/* An element of the top level; offsets are of the file. */
struct top {
    uint32_t tag, length;
    bool is_sequence; /* SQ, or UN of undefined length */
    char written_vr[3];
    uint64_t at, value_at, end;
};

/* The top level, element by element, through a window on the file. */
struct scan {
    const struct dcm_leaving *l;
    enum dcm_coding coding;
    uint64_t at; /* of the next element */
    uint8_t *bytes;
    uint64_t bytes_at;
    size_t n, room;
};

/* A UID that may have to be replaced. */
struct number {
    uint32_t tag;
    const char *known;
    bool is_own; /* what was said can be used */
    char own[DCM_UID_BYTES];
    uint8_t raw[RAW_MOST]; /* what was said, as it lies there */
    size_t raw_n, trimmed_n;
    struct top there[TWICE_MOST];
    size_t there_n;
    uint64_t place; /* where one would stand; 0: further on */
};

struct coercion {
    struct dcm_leaving *out;
    struct scan scan;
    struct number numbers[2];
    struct top originals; /* tag 0: none */
    uint64_t originals_place;
    struct top stale[3]; /* lengths that would not be true any more */
    size_t stale_n;
    int64_t now_us;
};

/* ---- the top level ---- */

/* At least n bytes from the next element on, as far as there are. */
static int
load(struct scan *s, size_t n, struct err *err)
{
    uint64_t left = s->l->stored_n - s->at;

    if (n > left)
        n = (size_t)left;
    if (n > s->room) {
        free(s->bytes);
        s->bytes = mem_new(n);
        s->room = n;
    }
    s->n = 0;
    if (leaving_read_stored(s->l, s->bytes, n, s->at, err) < 0)
        return -1;
    s->bytes_at = s->at;
    s->n = n;
    return 0;
}

/* To the end of a sequence of undefined length. */
static int
walk_through(struct dcm_walk *walk, bool *out_is_whole, struct err *err)
{
    struct dcm_element e;

    do {
        if (dcm_walk_next(walk, &e, err) < 0)
            return -1;
        *out_is_whole =
            e.depth == 0 && (e.event == DCM_SEQUENCE_END || e.event == DCM_FRAGMENTS_END);
    } while (!*out_is_whole && e.event != DCM_END);
    return 0;
}

enum seen { SEEN_END, SEEN_ONE, SEEN_TOO_LITTLE };

/* The next element, if the window shows enough of it. */
static int
look(struct scan *s, struct top *out, enum seen *out_seen, struct err *err)
{
    uint64_t left = s->l->stored_n - s->at, off = s->at - s->bytes_at;
    size_t n = s->at >= s->bytes_at && off < s->n ? s->n - (size_t)off : 0;
    bool is_whole = true, is_end;
    struct dcm_walk walk;
    struct dcm_element e;

    *out_seen = left == 0 ? SEEN_END : SEEN_TOO_LITTLE;
    if (left == 0 || n == 0 || (n < 12 && n < left))
        return 0;
    dcm_walk_init(&walk, s->bytes + off, n, s->coding,
                  DCM_WALK_STOP_AT_PIXELS | (n < left ? DCM_WALK_PREFIX : DCM_WALK_WHOLE));
    if (dcm_walk_next(&walk, &e, err) < 0)
        return -1;
    is_end = walk.is_at_pixels || (e.event == DCM_END && n == left); /* padding is all there is */
    *out_seen = is_end ? SEEN_END : SEEN_ONE;
    if (is_end)
        return 0;
    *out = (struct top){.tag = e.tag, .length = e.length, .at = s->at};
    out->is_sequence = e.event == DCM_SEQUENCE;
    memcpy(out->written_vr, e.written_vr, sizeof out->written_vr);
    out->value_at = out->at + e.header_n;
    out->end = out->value_at + e.length;
    if (e.length == UNDEFINED && e.event != DCM_END) {
        if (walk_through(&walk, &is_whole, err) < 0)
            return -1;
        out->end = out->at + walk.at;
    }
    if (!is_whole)
        *out_seen = SEEN_TOO_LITTLE;
    else if (out->end > s->l->stored_n)
        return err_set(err, ERR_REJECT, "data set: an element reaches past the end");
    return 0;
}

/* A sequence too large to look for its end is the end, behind the last place that matters. */
static int
next_top(struct scan *s, struct top *out, bool *out_is_end, struct err *err)
{
    enum seen seen;

    for (size_t room = WINDOW;; room *= 4) {
        if (look(s, out, &seen, err) < 0)
            return -1;
        *out_is_end = seen == SEEN_END;
        if (seen == SEEN_ONE)
            s->at = out->end;
        if (seen != SEEN_TOO_LITTLE)
            return 0;
        *out_is_end = room > WINDOW_MOST && out->tag > TAG_ORIGINALS;
        if (*out_is_end)
            return 0;
        if (room > WINDOW_MOST)
            return err_set(err, ERR_REJECT, "data set: a sequence too large to look for its end");
        if (load(s, room, err) < 0)
            return -1;
    }
}

/* ---- what it says ---- */

static int
note_number(struct coercion *c, struct number *number, const struct top *t, struct err *err)
{
    bool is_value = t->length != UNDEFINED && !t->is_sequence;
    struct dcm_said said = {0};

    if (number->there_n == TWICE_MOST)
        return err_set(err, ERR_REJECT, "data set: (%04X,%04X) stands there again and again",
                       t->tag >> 16, t->tag & 0xFFFF);
    number->there[number->there_n++] = *t;
    number->raw_n = !is_value ? 0 : t->length < RAW_MOST ? t->length : RAW_MOST;
    if (leaving_read_stored(c->out, number->raw, number->raw_n, t->value_at, err) < 0)
        return -1;
    dcm_said_note(&said, t->tag, number->raw, number->raw_n);
    number->trimmed_n = t->tag == TAG_STUDY ? said.study.n : said.series.n;
    number->is_own = t->tag == TAG_STUDY ? dcm_said_study(&said, number->own)
                                         : dcm_said_series(&said, number->own);
    return 0;
}

static bool
is_as_known(const struct number *number)
{
    return number->known[0] == '\0' || (number->is_own && strcmp(number->own, number->known) == 0);
}

static int
note_top(struct coercion *c, const struct top *t, struct err *err)
{
    for (size_t i = 0; i < ARRAY_LEN(c->numbers); i++) {
        struct number *number = &c->numbers[i];

        if (t->tag == number->tag && note_number(c, number, t, err) < 0)
            return -1;
        if (t->tag > number->tag && number->place == 0)
            number->place = t->at;
    }
    if (t->tag == TAG_ORIGINALS)
        c->originals = *t;
    if (t->tag > TAG_ORIGINALS && c->originals_place == 0)
        c->originals_place = t->at;
    if ((t->tag == TAG_LENGTH_TO_END || t->tag == (TAG_STUDY & 0xFFFF0000) ||
         t->tag == (TAG_ORIGINALS & 0xFFFF0000)) &&
        c->stale_n < ARRAY_LEN(c->stale))
        c->stale[c->stale_n++] = *t;
    return 0;
}

static bool
is_all_as_known(const struct coercion *c)
{
    return is_as_known(&c->numbers[0]) && is_as_known(&c->numbers[1]);
}

/* Up to the pixel data; not as far where all is as it should be. What is broken behind the last
 * place that matters does not matter. */
static int
survey(struct coercion *c, struct err *err)
{
    struct top t = {0};
    bool is_end;

    while (!(t.tag > TAG_SERIES && is_all_as_known(c))) {
        bool is_past = t.tag > TAG_ORIGINALS;

        if (next_top(&c->scan, &t, &is_end, err) < 0) {
            if (!is_past)
                return -1;
            err_clear(err);
            return 0;
        }
        if (is_end)
            break;
        if (note_top(c, &t, err) < 0)
            return -1;
    }
    return 0;
}

/* ---- what leaves instead ---- */

static void
put_header(struct buf *out, enum dcm_coding coding, uint32_t tag, const char *vr, uint32_t n)
{
    size_t at = out->n;
    bool is_long = tag >> 16 == 0xFFFE || dcm_vr_is_long(vr);
    uint8_t *p;

    emit_header(out, coding == DCM_EXPLICIT_BE ? DCM_EXPLICIT_LE : coding, tag, vr, n);
    if (coding != DCM_EXPLICIT_BE || buf_is_over(out))
        return;
    p = out->bytes + at;
    p[0] = (uint8_t)(tag >> 24);
    p[1] = (uint8_t)(tag >> 16);
    p[2] = (uint8_t)(tag >> 8);
    p[3] = (uint8_t)tag;
    p = out->bytes + out->n;
    for (unsigned i = 0, word = is_long ? 4 : 2; i < word; i++)
        p[-1 - (int)i] = (uint8_t)(n >> 8 * i);
}

void
coerce_put_value(struct buf *out, enum dcm_coding coding, uint32_t tag, const char *vr,
                 const void *value, size_t n)
{
    put_header(out, coding, tag, vr, (uint32_t)(n + n % 2));
    buf_add(out, value, n);
    if (n % 2 != 0)
        buf_add_u8(out, strcmp(vr, "UI") == 0 || strcmp(vr, "OB") == 0 ? 0 : ' ');
}

/* A sequence with one item; the item's bytes are inner's. */
static void
put_sequence(struct buf *out, enum dcm_coding coding, uint32_t tag, const struct buf *inner)
{
    put_header(out, coding, tag, "SQ", (uint32_t)inner->n + 8);
    put_header(out, coding, 0xFFFEE000, "", (uint32_t)inner->n);
    buf_add(out, inner->bytes, inner->n);
}

static void
put_tag(struct buf *out, enum dcm_coding coding, uint32_t tag, uint32_t value)
{
    uint8_t le[] = {(uint8_t)(value >> 16), (uint8_t)(value >> 24), (uint8_t)value,
                    (uint8_t)(value >> 8)};
    uint8_t be[] = {le[1], le[0], le[3], le[2]};

    coerce_put_value(out, coding, tag, "AT", coding == DCM_EXPLICIT_BE ? be : le, sizeof le);
}

/* Values as they were; what is no UID cannot stand as one, and stands as bytes (C.12.1.1.9). */
static void
put_previous(const struct coercion *c, enum dcm_coding coding, struct buf *out)
{
    struct buf modified, odd, one;

    buf_init(&modified, COERCE_WORDS_MOST);
    buf_init(&odd, COERCE_WORDS_MOST);
    buf_init(&one, COERCE_WORDS_MOST);
    for (size_t i = 0; i < ARRAY_LEN(c->numbers); i++) {
        const struct number *number = &c->numbers[i];

        if (is_as_known(number))
            continue;
        coerce_put_value(&modified, coding, number->tag, "UI", number->own,
                         number->is_own ? strlen(number->own) : 0);
        if (number->is_own || number->trimmed_n == 0)
            continue;
        buf_clear(&one);
        coerce_put_value(&one, coding, 0x04000552, "OB", number->raw, number->raw_n);
        put_tag(&one, coding, 0x00720026, number->tag);
        put_header(&odd, coding, 0xFFFEE000, "", (uint32_t)one.n);
        buf_add(&odd, one.bytes, one.n);
    }
    put_sequence(out, coding, 0x04000550, &modified);
    if (odd.n > 0) {
        put_header(out, coding, 0x04000551, "SQ", (uint32_t)odd.n);
        buf_add(out, odd.bytes, odd.n);
    }
    buf_fini(&one);
    buf_fini(&odd);
    buf_fini(&modified);
}

static void
put_item(const struct coercion *c, enum dcm_coding coding, struct buf *out)
{
    time_t now = (time_t)(c->now_us / 1000000);
    char when[32];
    struct tm tm;

    gmtime_r(&now, &tm);
    strftime(when, sizeof when, "%Y%m%d%H%M%S+0000", &tm);
    put_previous(c, coding, out);
    coerce_put_value(out, coding, 0x04000562, "DT", when, strlen(when));
    coerce_put_value(out, coding, 0x04000563, "LO", DCM_IMPLEMENTATION_VERSION,
                     strlen(DCM_IMPLEMENTATION_VERSION));
    coerce_put_value(out, coding, 0x04000564, "LO", "", 0);
    coerce_put_value(out, coding, 0x04000565, "CS", "COERCE", 6);
}

/* One more item behind those that are there. */
static int
extend_originals(struct coercion *c, const struct buf *item, struct err *err)
{
    const struct top *t = &c->originals;
    struct buf *words = &c->out->words;
    uint64_t n = (uint64_t)t->length + item->n;
    size_t at = words->n;

    if (t->length == UNDEFINED) {
        buf_add(words, item->bytes, item->n);
        return leaving_edit(c->out, t->end - 8, 0, at, err);
    }
    if (n >= UNDEFINED)
        return err_set(err, ERR_REJECT, "(0400,0561) takes no more");
    if (c->scan.coding == DCM_EXPLICIT_BE)
        n = __builtin_bswap32((uint32_t)n);
    buf_add_le32(words, (uint32_t)n);
    if (leaving_edit(c->out, t->value_at - 4, 4, at, err) < 0)
        return -1;
    at = words->n;
    buf_add(words, item->bytes, item->n);
    return leaving_edit(c->out, t->end, 0, at, err);
}

static int
say_originals(struct coercion *c, struct err *err)
{
    const struct top *t = &c->originals;
    bool is_unknown = strcmp(t->written_vr, "UN") == 0; /* its items are implicit, PS3.5 6.2.2 */
    enum dcm_coding coding = is_unknown ? DCM_IMPLICIT_LE : c->scan.coding;
    struct buf content, item;
    size_t at = c->out->words.n;
    int rc;

    if (t->tag != 0 && !t->is_sequence && !is_unknown)
        return err_set(err, ERR_REJECT, "(0400,0561) is no sequence");
    buf_init(&content, COERCE_WORDS_MOST);
    buf_init(&item, COERCE_WORDS_MOST);
    put_item(c, coding, &content);
    if (t->tag == 0) {
        put_sequence(&c->out->words, coding, TAG_ORIGINALS, &content);
        rc = leaving_edit(c->out, c->originals_place != 0 ? c->originals_place : c->scan.at, 0, at,
                          err);
    } else {
        put_header(&item, coding, 0xFFFEE000, "", (uint32_t)content.n);
        buf_add(&item, content.bytes, content.n);
        rc = extend_originals(c, &item, err);
    }
    buf_fini(&item);
    buf_fini(&content);
    return rc;
}

static int
replace_number(struct coercion *c, const struct number *number, struct err *err)
{
    struct buf *words = &c->out->words;
    size_t at;

    for (size_t i = 0; i < number->there_n; i++)
        if (leaving_edit(c->out, number->there[i].at, number->there[i].end - number->there[i].at,
                         words->n, err) < 0)
            return -1;
    at = words->n;
    coerce_put_value(words, c->scan.coding, number->tag, "UI", number->known,
                     strlen(number->known));
    return leaving_edit(c->out, number->place != 0 ? number->place : c->scan.at, 0, at, err);
}

static int
change(struct coercion *c, struct err *err)
{
    for (size_t i = 0; i < c->stale_n; i++)
        if (leaving_edit(c->out, c->stale[i].at, c->stale[i].end - c->stale[i].at, c->out->words.n,
                         err) < 0)
            return -1;
    for (size_t i = 0; i < ARRAY_LEN(c->numbers); i++)
        if (!is_as_known(&c->numbers[i]) && replace_number(c, &c->numbers[i], err) < 0)
            return -1;
    return say_originals(c, err);
}

/* ---- where it ends ---- */

/* Tag and length of eight bytes (a fragment's), or of a header with a long VR; false: they are not
 * there. */
static bool
read_header(const struct scan *s, size_t n, uint32_t *out_tag, uint32_t *out_length)
{
    bool is_big = s->coding == DCM_EXPLICIT_BE;
    struct err ignored = {0};
    uint8_t h[12];

    if (leaving_read_stored(s->l, h, n, s->at, &ignored) < 0)
        return false;
    *out_tag = is_big ? (uint32_t)h[0] << 24 | (uint32_t)h[1] << 16 | (uint32_t)h[2] << 8 | h[3]
                      : (uint32_t)le16_read(h) << 16 | le16_read(h + 2);
    *out_length = le32_read(h + n - 4);
    if (is_big)
        *out_length = __builtin_bswap32(*out_length);
    return true;
}

/* Past the pixel data, of which only headers are read; false: there is none, or it is broken. */
static bool
pass_pixels(struct scan *s)
{
    size_t header_n = s->coding == DCM_IMPLICIT_LE ? 8 : 12;
    uint32_t tag, length;

    if (!read_header(s, header_n, &tag, &length) || tag >> 16 != 0x7FE0)
        return false;
    s->at += header_n;
    if (length != UNDEFINED) {
        s->at += length;
        return s->at <= s->l->stored_n;
    }
    for (uint64_t i = 0; i < LIMIT_DATASET_ELEMENTS; i++) {
        if (!read_header(s, 8, &tag, &length))
            return false;
        s->at += 8;
        if (tag == 0xFFFEE0DD)
            return true;
        if (tag != 0xFFFEE000 || length == UNDEFINED || length > s->l->stored_n - s->at)
            return false;
        s->at += length;
    }
    return false;
}

uint64_t
coerce_find_end(const struct dcm_leaving *l, uint64_t dataset_at, enum dcm_coding coding)
{
    struct scan s = {.l = l, .coding = coding, .at = dataset_at};
    struct top t = {0};
    struct err ignored = {0};
    uint64_t end = l->stored_n;
    bool is_end = false, is_past_pixels = false;

    while (next_top(&s, &t, &is_end, &ignored) == 0) {
        if (!is_end)
            continue;
        if (l->stored_n - s.at < 8) /* all zero, or the walk would say so */
            end = s.at;
        else if (!is_past_pixels && (is_past_pixels = pass_pixels(&s)))
            continue;
        break;
    }
    free(s.bytes);
    return end;
}

int
coerce_dataset(struct dcm_leaving *l, uint64_t dataset_at, enum dcm_coding coding,
               const struct dcm_known *known, int64_t now_us, struct err *err)
{
    struct coercion *c = mem_new(sizeof *c);
    int rc;

    c->out = l;
    c->now_us = now_us;
    c->scan = (struct scan){.l = l, .coding = coding, .at = dataset_at};
    c->numbers[0].tag = TAG_STUDY;
    c->numbers[0].known = known->study;
    c->numbers[1].tag = TAG_SERIES;
    c->numbers[1].known = known->series;
    rc = is_all_as_known(c) ? 0 : survey(c, err);
    if (rc == 0 && !is_all_as_known(c))
        rc = change(c, err);
    free(c->scan.bytes);
    free(c);
    return rc;
}
