/* wrap_avi.c - what an AVI film (RIFF) says: one stream of pictures, each a JPEG (MJPEG) or an
 * uncompressed bitmap, as ultrasound and endoscopy carts write them. Only lengths and headers are
 * read: every chunk inside its list, every list inside the file, so that a broken-off upload is
 * told from a whole film. OpenDML's further RIFF parts (AVIX) belong to it; indexes are not
 * needed; sound stays behind in the source. An empty frame stands for the one before it: eight
 * bytes for a whole picture, so what they may add is bounded by what the file holds. */
#include "proto/dicom/wrap_parts.h"

#include "proto/base/limits.h"

#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { CHUNKS_MAX = 4000000, STREAMS_MAX = 16, DEPTH_MAX = 3, HEAD = 8, BITMAP_HEAD = 40 };

struct chunk {
    char id[4];
    char list[4]; /* kind of a RIFF or LIST; zeros of others */
    const uint8_t *at;
    size_t n;
};

struct avi {
    const uint8_t *whole;
    unsigned chunks, streams, video; /* video: number of its stream, streams = none yet */
    bool is_video, has_video, has_header, has_movie;
    uint32_t frame_us;    /* of the file's header */
    uint32_t scale, rate; /* of the stream */
    uint8_t handler[4];
    uint32_t room;
    uint64_t bytes,
        repeated_bytes; /* of pictures that are there; of those that empty ones repeat */
    struct wrap_avi out;
};

static bool
is(const char id[4], const char *word)
{
    return memcmp(id, word, 4) == 0;
}

/* The next chunk of a range; its pad byte goes with it.
 * errors  ERR_RETRY it reaches past the range */
static int
next_chunk(struct avi *a, const uint8_t **at, size_t *n, struct chunk *out, struct err *err)
{
    size_t size;

    if (++a->chunks > CHUNKS_MAX)
        return err_set(err, ERR_REJECT, "AVI: too many chunks");
    if (*n < HEAD)
        return err_set(err, ERR_RETRY, "AVI: ends early");
    memset(out, 0, sizeof *out);
    memcpy(out->id, *at, 4);
    size = le32_read(*at + 4);
    if (size > *n - HEAD)
        return err_set(err, ERR_RETRY, "AVI: ends early");
    out->at = *at + HEAD;
    out->n = size;
    if (is(out->id, "RIFF") || is(out->id, "LIST")) {
        if (size < 4)
            return err_set(err, ERR_REJECT, "AVI: a list without a kind");
        memcpy(out->list, out->at, 4);
        out->at += 4;
        out->n -= 4;
    }
    size += HEAD;
    size += size % 2 != 0 && size < *n;
    *at += size;
    *n -= size;
    return 0;
}

/* ---- headers ---- */

static void
read_stream_head(struct avi *a, const struct chunk *c)
{
    a->is_video = c->n >= 28 && memcmp(c->at, "vids", 4) == 0;
    if (!a->is_video || a->has_video)
        return;
    memcpy(a->handler, c->at + 4, 4);
    a->scale = le32_read(c->at + 20);
    a->rate = le32_read(c->at + 24);
}

static int
refuse_codec(const uint8_t code[4], struct err *err)
{
    char word[5] = "";

    for (int i = 0; i < 4 && isalnum(code[i]); i++) {
        word[i] = (char)code[i];
        word[i + 1] = '\0';
    }
    return err_set(err, ERR_REJECT,
                   "AVI: the film is coded as %s; export it as MP4 (H.264), or as AVI with MJPEG",
                   word[0] != '\0' ? word : "something rare");
}

/* Colours of an 8-bit film; grey when each is. */
static int
read_palette(struct avi *a, const struct chunk *c, struct err *err)
{
    uint32_t head = le32_read(c->at), used = le32_read(c->at + 32);

    if (used == 0)
        used = 256;
    if (used > 256 || head > c->n || c->n - head < 4 * (size_t)used)
        return err_set(err, ERR_REJECT, "AVI: 8 bits without their colours");
    a->out.is_grey = true;
    for (uint32_t i = 0; i < used; i++) {
        const uint8_t *p = c->at + head + 4 * (size_t)i;

        a->out.palette[i][0] = p[2];
        a->out.palette[i][1] = p[1];
        a->out.palette[i][2] = p[0];
        a->out.is_grey = a->out.is_grey && p[0] == p[1] && p[1] == p[2];
    }
    return 0;
}

/* BITMAPINFOHEADER: size, width, height, planes, bits, compression ... */
static int
read_format(struct avi *a, const struct chunk *c, struct err *err)
{
    static const uint8_t none[4] = {0, 0, 0, 0};
    int32_t height;
    const uint8_t *code;

    if (c->n < BITMAP_HEAD || le32_read(c->at) < BITMAP_HEAD)
        return err_set(err, ERR_REJECT, "AVI: broken picture format");
    code = c->at + 16;
    height = (int32_t)le32_read(c->at + 8);
    a->out.is_top_down = height < 0;
    a->out.cols = le32_read(c->at + 4);
    a->out.rows = height < 0 ? 0u - (uint32_t)height : (uint32_t)height;
    a->out.bits = le16_read(c->at + 14);
    if (a->out.cols == 0 || a->out.rows == 0 || a->out.cols > UINT16_MAX ||
        a->out.rows > UINT16_MAX)
        return err_set(err, ERR_REJECT, "AVI: pictures of no sensible size");
    a->out.is_jpeg = memcmp(code, "MJPG", 4) == 0 || memcmp(code, "mjpg", 4) == 0 ||
                     memcmp(code, "JPEG", 4) == 0 || memcmp(code, "jpeg", 4) == 0;
    if (a->out.is_jpeg)
        return 0;
    if (memcmp(code, none, 4) != 0)
        return refuse_codec(code, err);
    if (a->out.bits == 8)
        return read_palette(a, c, err);
    if (a->out.bits != 24 && a->out.bits != 32)
        return err_set(err, ERR_REJECT, "AVI: bitmaps of %u bits; export it as MP4 (H.264)",
                       a->out.bits);
    return 0;
}

static int
read_stream(struct avi *a, const struct chunk *list, struct err *err)
{
    const uint8_t *at = list->at;
    size_t n = list->n;
    struct chunk c;

    if (a->streams >= STREAMS_MAX)
        return err_set(err, ERR_REJECT, "AVI: too many streams");
    a->is_video = false;
    while (n >= HEAD) {
        if (next_chunk(a, &at, &n, &c, err) < 0)
            return err_set(err, ERR_REJECT, "AVI: a broken stream header");
        if (is(c.id, "strh"))
            read_stream_head(a, &c);
        if (!is(c.id, "strf") || !a->is_video)
            continue;
        if (a->has_video)
            return err_set(err, ERR_REJECT, "AVI: more than one film in it");
        if (read_format(a, &c, err) < 0)
            return -1;
        a->has_video = true;
        a->video = a->streams;
    }
    a->streams++;
    return 0;
}

static int
read_headers(struct avi *a, const struct chunk *list, struct err *err)
{
    const uint8_t *at = list->at;
    size_t n = list->n;
    struct chunk c;

    if (a->has_header)
        return err_set(err, ERR_REJECT, "AVI: more than one header");
    a->has_header = true;
    while (n >= HEAD) {
        if (next_chunk(a, &at, &n, &c, err) < 0)
            return err_set(err, ERR_REJECT, "AVI: a broken header");
        if (is(c.id, "avih") && c.n >= 4)
            a->frame_us = le32_read(c.at);
        if (is(c.list, "strl") && read_stream(a, &c, err) < 0)
            return -1;
    }
    if (!a->has_video)
        return err_set(err, ERR_REJECT, "AVI: no film in it");
    return 0;
}

/* The stream's rate, else the file's; from a frame in ten seconds to a thousand a second. */
static int
settle_rate(struct avi *a, struct err *err)
{
    double ms = a->scale != 0 && a->rate != 0 ? 1000.0 * a->scale / a->rate : a->frame_us / 1000.0;

    if (ms < 1 || ms > 10000)
        return err_set(err, ERR_REJECT,
                       "AVI: does not say how fast it runs; export it as MP4 (H.264)");
    a->out.frame_ms = ms;
    return 0;
}

/* ---- frames ---- */

/* A JPEG from its begin to its end mark; all of one form. */
static int
check_jpeg(struct avi *a, struct wrap_frame *f, struct err *err)
{
    const uint8_t *p = a->whole + f->at;
    struct wrap_jpeg j;
    bool is_first = a->out.frames == 0, is_half;

    if (wrap_jpeg_read(p, f->n, &j, err) < 0) {
        err->kind = ERR_REJECT;
        return err_context(err, "AVI: picture %u", a->out.frames + 1);
    }
    if (strcmp(j.transfer_syntax, WRAP_SYNTAX_PROGRESSIVE) == 0)
        return err_set(err, ERR_REJECT, "AVI: of progressive JPEGs; export it as MP4 (H.264)");
    is_half = j.cols == a->out.cols && j.rows < a->out.rows && j.rows * 2 >= a->out.rows - 1;
    if (is_half || (f->n - j.end >= 2 && memcmp(p + j.end, "\xFF\xD8", 2) == 0))
        return err_set(err, ERR_REJECT,
                       "AVI: interlaced (two half pictures a frame); export it as MP4 (H.264)");
    if (!is_first && (j.cols != a->out.jpeg.cols || j.rows != a->out.jpeg.rows ||
                      strcmp(j.photometric, a->out.jpeg.photometric) != 0 ||
                      strcmp(j.transfer_syntax, a->out.jpeg.transfer_syntax) != 0))
        return err_set(err, ERR_REJECT, "AVI: picture %u is of another kind than the first",
                       a->out.frames + 1);
    if (is_first)
        a->out.jpeg = j;
    f->n = (uint32_t)j.end;
    f->tables_at = j.has_tables ? 0 : (uint32_t)j.scan_at;
    return 0;
}

static int
add_frame(struct avi *a, const struct chunk *c, struct err *err)
{
    struct wrap_avi *out = &a->out;
    struct wrap_frame f = {.at = (size_t)(c->at - a->whole), .n = (uint32_t)c->n};

    if (out->frames >= LIMIT_FRAMES)
        return err_set(err, ERR_REJECT, "AVI: more than %llu pictures",
                       (unsigned long long)LIMIT_FRAMES);
    if (c->n == 0 && out->frames == 0)
        return 0;
    if (c->n == 0) {
        f = out->list[out->frames - 1];
        a->repeated_bytes += f.n;
    } else if (out->is_jpeg) {
        if (check_jpeg(a, &f, err) < 0)
            return -1;
    } else if (c->n < wrap_avi_stride(out) * (size_t)out->rows) {
        return err_set(err, ERR_REJECT, "AVI: picture %u is too short", out->frames + 1);
    }
    if (c->n > 0)
        a->bytes += f.n;
    if (out->frames == a->room) {
        struct wrap_frame *more;

        a->room = a->room > 0 ? a->room * 2 : 64;
        more = mem_new(a->room * sizeof *more);
        if (out->frames > 0)
            memcpy(more, out->list, out->frames * sizeof *more);
        free(out->list);
        out->list = more;
    }
    out->list[out->frames++] = f;
    return 0;
}

/* "00dc", "00db": pictures of stream 00. */
static int
take_data(struct avi *a, const struct chunk *c, struct err *err)
{
    unsigned char tens = (unsigned char)c->id[0], ones = (unsigned char)c->id[1];

    if (!isdigit(tens) || !isdigit(ones) || (tens - '0') * 10u + (ones - '0') != a->video)
        return 0;
    if (c->id[2] == 'p' && c->id[3] == 'c')
        return err_set(err, ERR_REJECT, "AVI: its colours change; export it as MP4 (H.264)");
    if (c->id[2] != 'd' || (c->id[3] != 'c' && c->id[3] != 'b'))
        return 0;
    return add_frame(a, c, err);
}

/* movi, and the rec lists inside it. */
static int
read_movie(struct avi *a, const struct chunk *list, int depth, struct err *err)
{
    const uint8_t *at = list->at;
    size_t n = list->n;
    struct chunk c;
    int rc = 0;

    if (!a->has_header)
        return err_set(err, ERR_REJECT, "AVI: pictures before their header");
    a->has_movie = true;
    while (rc == 0 && n >= HEAD) {
        if (next_chunk(a, &at, &n, &c, err) < 0)
            return err_set(err, ERR_REJECT, "AVI: a chunk reaches past its list");
        if (is(c.list, "rec ") && depth < DEPTH_MAX)
            rc = read_movie(a, &c, depth + 1, err);
        else if (c.list[0] == '\0')
            rc = take_data(a, &c, err);
    }
    return rc;
}

static int
read_part(struct avi *a, const struct chunk *riff, struct err *err)
{
    const uint8_t *at = riff->at;
    size_t n = riff->n;
    struct chunk c;

    while (n >= HEAD) {
        if (next_chunk(a, &at, &n, &c, err) < 0)
            return err_set(err, ERR_REJECT, "AVI: a chunk reaches past its part");
        if (is(c.list, "hdrl") && read_headers(a, &c, err) < 0)
            return -1;
        if (is(c.list, "movi") && read_movie(a, &c, 0, err) < 0)
            return -1;
    }
    return 0;
}

/* A recorder that lost its power leaves the lengths it began with: 0. */
static int
vet_whole(const uint8_t *bytes, size_t n, struct err *err)
{
    if (n < HEAD + 4)
        return err_set(err, ERR_RETRY, "AVI: ends early");
    if (le32_read(bytes + 4) < 4)
        return err_set(err, ERR_RETRY, "AVI: was never finished by its recorder");
    return 0;
}

/* A recorder that drops frames repeats some; a film that is nothing else would fill the disk. */
static int
vet_repeats(const struct avi *a, struct err *err)
{
    if (a->repeated_bytes <= LIMIT_AVI_REPEATED_BYTES ||
        a->repeated_bytes / LIMIT_AVI_REPEATED_TIMES <= a->bytes)
        return 0;
    return err_set(err, ERR_REJECT,
                   "AVI: nearly all its pictures are empty; export it as MP4 (H.264)");
}

int
wrap_avi_read(const uint8_t *bytes, size_t n, struct wrap_avi *out, struct err *err)
{
    struct avi *a = mem_new(sizeof *a);
    const uint8_t *at = bytes;
    size_t left = n;
    int rc = vet_whole(bytes, n, err);
    struct chunk c;

    a->whole = bytes;
    while (rc == 0 && left >= HEAD) {
        rc = next_chunk(a, &at, &left, &c, err);
        if (rc == 0 && is(c.id, "RIFF"))
            rc = read_part(a, &c, err);
        else if (rc == 0)
            break; /* what follows is not of the film */
    }
    if (rc == 0 && (!a->has_movie || a->out.frames == 0))
        rc = err_set(err, ERR_REJECT, "AVI: no pictures in it");
    if (rc == 0)
        rc = vet_repeats(a, err);
    if (rc == 0)
        rc = settle_rate(a, err);
    if (rc == 0 && a->out.is_jpeg) { /* a JPEG knows its size best */
        a->out.cols = a->out.jpeg.cols;
        a->out.rows = a->out.jpeg.rows;
    }
    if (rc == 0)
        *out = a->out;
    else
        free(a->out.list);
    free(a);
    return rc;
}

void
wrap_avi_fini(struct wrap_avi *avi)
{
    free(TAKE(avi->list));
}

/* A bitmap's rows begin at multiples of four bytes. */
size_t
wrap_avi_stride(const struct wrap_avi *avi)
{
    return ((size_t)avi->cols * avi->bits + 31) / 32 * 4;
}
