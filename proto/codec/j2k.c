/* j2k.c - OpenJPEG between native frames and codestreams held in memory. */
#include "proto/codec/j2k.h"

#include "proto/codec/codestream.h"

#include <openjpeg.h>

#include <stdlib.h>
#include <string.h>

#define MAX_DECOMPOSITIONS 5
#define MAX_TILES 65535
#define WORTH_ANOTHER_BYTES 8192
#define SPREAD_FROM_SAMPLES 65536 /* less is done before other processors have begun */
#define BYPASS_FROM_SAMPLES 2000000
#define BYPASS 1 /* annex D.6: the lowest planes of bits are written as they are */

static char comment_text[] = "Radpost";
static unsigned processors = 1;

/* OpenJPEG speaks by callbacks; its last word goes into the error. */
struct said {
    char text[160];
};

struct source {
    const uint8_t *bytes;
    size_t n;
    size_t at;
};

struct sink {
    struct buf *out;
    size_t begin;
    size_t at; /* counted from begin */
};

static opj_image_t *image_from_frame(const struct dcm_pixel_form *p, const uint8_t *frame);
static void set_parameters(opj_cparameters_t *with, const struct dcm_pixel_form *p, double guess,
                           const struct j2k_layers *layers);
static int encode_once(const struct dcm_pixel_form *p, const uint8_t *frame, double guess,
                       const struct j2k_layers *layers, struct buf *out, struct err *err);
static bool is_first_too_large(const struct j2k_layers *layers, const uint8_t *bytes, size_t n);
static opj_stream_t *sink_open(struct sink *sink);
static opj_stream_t *source_open(struct source *source);
static int check_shape(const struct dcm_pixel_form *p, const uint8_t *bytes, size_t n,
                       struct err *err);
static int frame_from_image(const struct dcm_pixel_form *p, const opj_image_t *image,
                            uint8_t *frame, struct err *err);
static int check_planes(const struct dcm_pixel_form *p, const opj_image_t *image, struct err *err);
static void hear(const char *text, void *user);
static void hear_nothing(const char *text, void *user);

static bool
is_transformed(const struct dcm_pixel_form *p)
{
    return strcmp(p->photometric, "RGB") == 0 && p->samples == 3;
}

/* Large frames are radiographs, whose lowest bits are noise: a fifth faster, and smaller. */
static unsigned
block_style(const struct dcm_pixel_form *p)
{
    return (uint64_t)p->cols * p->rows >= BYPASS_FROM_SAMPLES ? BYPASS : 0;
}

static unsigned
resolutions(const struct dcm_pixel_form *p)
{
    uint32_t least = p->cols < p->rows ? p->cols : p->rows;
    unsigned n = 1;

    while (n <= MAX_DECOMPOSITIONS && least >> n > 0)
        n++;
    return n;
}

void
j2k_set_processors(unsigned n)
{
    processors = n;
}

/* Threads of the library's own, for the time of this frame. Where they cannot be had it goes on
 * without. */
static void
spread(opj_codec_t *codec, const struct dcm_pixel_form *p)
{
    if (processors > 1 && (uint64_t)p->cols * p->rows * p->samples >= SPREAD_FROM_SAMPLES)
        (void)opj_codec_set_threads(codec, (int)processors);
}

int
j2k_encode(const struct dcm_pixel_form *p, const uint8_t *frame, size_t n,
           const struct j2k_layers *layers, struct buf *out, struct err *err)
{
    size_t begin = out->n;
    double guess = (double)pixels_guess_coded_bytes(p, frame, n);

    if (encode_once(p, frame, guess, layers, out, err) < 0)
        return -1;
    if (!is_first_too_large(layers, out->bytes + begin, out->n - begin))
        return 0;
    guess = (double)(out->n - begin); /* smooth beyond what was guessed: now it is known */
    out->n = begin;
    return encode_once(p, frame, guess, layers, out, err);
}

static int
encode_once(const struct dcm_pixel_form *p, const uint8_t *frame, double guess,
            const struct j2k_layers *layers, struct buf *out, struct err *err)
{
    struct said said = {{0}};
    struct sink sink = {out, out->n, 0};
    opj_cparameters_t with;
    opj_codec_t *codec = opj_create_compress(OPJ_CODEC_J2K);
    opj_image_t *image = image_from_frame(p, frame);
    opj_stream_t *stream = sink_open(&sink);
    int rc = -1;

    CHECK(codec != NULL && image != NULL && stream != NULL);
    opj_set_error_handler(codec, hear, &said);
    opj_set_warning_handler(codec, hear_nothing, NULL);
    opj_set_info_handler(codec, hear_nothing, NULL);
    set_parameters(&with, p, guess, layers);
    if (!opj_setup_encoder(codec, &with, image)) {
        (void)err_set(err, ERR_FATAL, "set the encoder of JPEG 2000 up: %s", said.text);
        goto out;
    }
    spread(codec, p);
    if (!opj_start_compress(codec, image, stream) || !opj_encode(codec, stream) ||
        !opj_end_compress(codec, stream) || buf_is_over(out)) {
        (void)err_set(err, ERR_FATAL, "encode JPEG 2000: %s",
                      buf_is_over(out) ? "no room" : said.text);
        goto out;
    }
    rc = 0;
out:
    opj_stream_destroy(stream);
    opj_image_destroy(image);
    opj_destroy_codec(codec);
    return rc;
}

int
j2k_decode(const struct dcm_pixel_form *p, const uint8_t *bytes, size_t bytes_n, bool is_part,
           uint8_t *frame, size_t n, struct err *err)
{
    struct said said = {{0}};
    struct source source = {0};
    opj_dparameters_t with;
    opj_codec_t *codec = NULL;
    opj_image_t *image = NULL;
    opj_stream_t *stream = NULL;
    size_t at, frame_n;
    int rc = -1;

    if (pixels_frame_bytes(p, &frame_n, err) < 0)
        return -1;
    if (frame_n != n || !codestream_find(bytes, bytes_n, &at, &source.n))
        return err_set(err, ERR_REJECT, "JPEG 2000: no codestream");
    source.bytes = bytes + at;
    if (check_shape(p, source.bytes, source.n, err) < 0)
        return -1;
    codec = opj_create_decompress(OPJ_CODEC_J2K);
    stream = source_open(&source);
    CHECK(codec != NULL && stream != NULL);
    opj_set_error_handler(codec, hear, &said);
    opj_set_warning_handler(codec, hear_nothing, NULL);
    opj_set_info_handler(codec, hear_nothing, NULL);
    opj_set_default_decoder_parameters(&with);
    if (!opj_setup_decoder(codec, &with)) {
        (void)err_set(err, ERR_FATAL, "set the decoder of JPEG 2000 up: %s", said.text);
        goto out;
    }
    spread(codec, p);
    if (!opj_decoder_set_strict_mode(codec, !is_part) || !opj_read_header(stream, codec, &image) ||
        !opj_decode(codec, stream, image) || !opj_end_decompress(codec, stream)) {
        (void)err_set(err, ERR_REJECT, "decode JPEG 2000: %s", said.text);
        goto out;
    }
    rc = frame_from_image(p, image, frame, err);
out:
    opj_image_destroy(image);
    opj_stream_destroy(stream);
    opj_destroy_codec(codec);
    return rc;
}

static void
add_be(struct buf *out, uint32_t v, unsigned bytes)
{
    while (bytes-- > 0)
        buf_add_u8(out, (uint8_t)(v >> 8 * bytes));
}

/* Annex A.5.1, A.6.1, A.6.4, A.9.2. */
void
j2k_write_head(const struct dcm_pixel_form *p, unsigned layers, struct buf *out)
{
    unsigned decompositions = resolutions(p) - 1;
    uint32_t size[] = {p->cols, p->rows, 0, 0, p->cols, p->rows, 0, 0}; /* grid, tile, offsets */

    add_be(out, 0xFF4FFF51, 4);
    add_be(out, 38 + 3 * p->samples, 2);
    add_be(out, 0, 2);
    for (size_t i = 0; i < ARRAY_LEN(size); i++)
        add_be(out, size[i], 4);
    add_be(out, p->samples, 2);
    for (unsigned s = 0; s < p->samples; s++)
        add_be(out, (p->bits_stored - 1 + (p->is_signed ? 128 : 0)) << 16 | 0x0101, 3);
    add_be(out, 0xFF52, 2);
    add_be(out, 12, 2);
    add_be(out, 0, 2); /* no markers inside, LRCP */
    add_be(out, layers, 2);
    add_be(out, is_transformed(p), 1);
    add_be(out, decompositions, 1);
    add_be(out, 0x04040001 | block_style(p) << 8, 4); /* blocks of 64x64, reversible */
    add_be(out, 0xFF5C, 2);
    add_be(out, 3 + 3 * decompositions + 1, 2);
    add_be(out, 2 << 5, 1); /* two guard bits */
    add_be(out, p->bits_stored << 3, 1);
    for (unsigned d = 0; d < decompositions; d++) {
        add_be(out, (p->bits_stored + 1) << 3, 1);
        add_be(out, (p->bits_stored + 1) << 3, 1);
        add_be(out, (p->bits_stored + 2) << 3, 1);
    }
    add_be(out, 0xFF64, 2);
    add_be(out, 4 + (uint32_t)strlen(comment_text), 2);
    add_be(out, 1, 2);
    buf_add_text(out, comment_text);
}

static opj_image_t *
image_from_frame(const struct dcm_pixel_form *p, const uint8_t *frame)
{
    opj_image_cmptparm_t components[4];
    size_t count = (size_t)p->cols * p->rows;
    opj_image_t *image;

    memset(components, 0, sizeof components);
    for (unsigned s = 0; s < p->samples; s++)
        components[s] = (opj_image_cmptparm_t){.dx = 1,
                                               .dy = 1,
                                               .w = p->cols,
                                               .h = p->rows,
                                               .prec = p->bits_stored,
                                               .sgnd = p->is_signed};
    image = opj_image_create(p->samples, components,
                             p->samples == 3 ? OPJ_CLRSPC_SRGB : OPJ_CLRSPC_GRAY);
    if (image == NULL)
        return NULL;
    image->x1 = p->cols;
    image->y1 = p->rows;
    for (unsigned s = 0; s < p->samples; s++) {
        OPJ_INT32 *to = image->comps[s].data;

        for (size_t i = 0; i < count; i++) {
            size_t at = i * p->samples + s;

            if (p->bits_allocated == 8) {
                to[i] = p->is_signed ? (int8_t)frame[at] : frame[at];
            } else {
                uint16_t v = (uint16_t)(frame[at * 2] | frame[at * 2 + 1] << 8);

                to[i] = p->is_signed ? (int16_t)v : v;
            }
        }
    }
    return image;
}

static void
set_parameters(opj_cparameters_t *with, const struct dcm_pixel_form *p, double guess,
               const struct j2k_layers *layers)
{
    double raw = (double)p->cols * p->rows * p->samples * p->bits_stored / 8;

    opj_set_default_encoder_parameters(with);
    with->cp_comment = comment_text;
    with->cp_disto_alloc = 1;
    with->prog_order = OPJ_LRCP;
    with->tp_on = 1;
    with->tp_flag = 'L';
    with->irreversible = 0;
    with->mode = block_style(p);
    with->tcp_mct = is_transformed(p);
    with->numresolution = (int)resolutions(p);
    with->tcp_numlayers = layers->n;
    for (unsigned k = 0; k + 1 < layers->n; k++) {
        double rate = raw / (guess * layers->permille[k] / 1000.0);

        with->tcp_rates[k] = (float)(rate > 1.0 ? rate : 1.0 + (layers->n - k) * 0.01);
    }
    with->tcp_rates[layers->n - 1] = 0; /* all that is left: lossless */
}

/* By half more than it may take, of a stream where that matters. */
static bool
is_first_too_large(const struct j2k_layers *layers, const uint8_t *bytes, size_t n)
{
    size_t ends[CODESTREAM_MAX_PARTS];
    struct codestream s;
    struct err ignored = {0};

    if (layers->n < 2 || n < WORTH_ANOTHER_BYTES ||
        codestream_read_layers(bytes, n, CODESTREAM_MAX_PARTS, &s, ends, &ignored) < 0)
        return false;
    return ends[0] > n * layers->permille[0] * 3 / 2000;
}

static OPJ_SIZE_T
sink_write(void *bytes, OPJ_SIZE_T n, void *user)
{
    struct sink *sink = user;
    size_t have = sink->out->n - sink->begin;
    size_t over = sink->at < have ? have - sink->at : 0;

    if (over > n)
        over = n;
    if (over > 0)
        memcpy(sink->out->bytes + sink->begin + sink->at, bytes, over);
    buf_add(sink->out, (uint8_t *)bytes + over, n - over);
    if (buf_is_over(sink->out))
        return (OPJ_SIZE_T)-1;
    sink->at += n;
    return n;
}

static OPJ_OFF_T
sink_skip(OPJ_OFF_T n, void *user)
{
    struct sink *sink = user;

    if (n < 0 || (size_t)n > sink->out->n - sink->begin - sink->at)
        return -1;
    sink->at += (size_t)n;
    return n;
}

static OPJ_BOOL
sink_seek(OPJ_OFF_T at, void *user)
{
    struct sink *sink = user;

    if (at < 0 || (size_t)at > sink->out->n - sink->begin)
        return OPJ_FALSE;
    sink->at = (size_t)at;
    return OPJ_TRUE;
}

static opj_stream_t *
sink_open(struct sink *sink)
{
    opj_stream_t *stream = opj_stream_default_create(OPJ_FALSE);

    if (stream == NULL)
        return NULL;
    opj_stream_set_write_function(stream, sink_write);
    opj_stream_set_skip_function(stream, sink_skip);
    opj_stream_set_seek_function(stream, sink_seek);
    opj_stream_set_user_data(stream, sink, NULL);
    return stream;
}

static OPJ_SIZE_T
source_read(void *bytes, OPJ_SIZE_T n, void *user)
{
    struct source *source = user;
    size_t left = source->n - source->at;

    if (left == 0)
        return (OPJ_SIZE_T)-1;
    if (n > left)
        n = left;
    memcpy(bytes, source->bytes + source->at, n);
    source->at += n;
    return n;
}

static OPJ_OFF_T
source_skip(OPJ_OFF_T n, void *user)
{
    struct source *source = user;

    if (n < 0 || (size_t)n > source->n - source->at)
        return -1;
    source->at += (size_t)n;
    return n;
}

static OPJ_BOOL
source_seek(OPJ_OFF_T at, void *user)
{
    struct source *source = user;

    if (at < 0 || (size_t)at > source->n)
        return OPJ_FALSE;
    source->at = (size_t)at;
    return OPJ_TRUE;
}

static opj_stream_t *
source_open(struct source *source)
{
    opj_stream_t *stream = opj_stream_default_create(OPJ_TRUE);

    if (stream == NULL)
        return NULL;
    opj_stream_set_read_function(stream, source_read);
    opj_stream_set_skip_function(stream, source_skip);
    opj_stream_set_seek_function(stream, source_seek);
    opj_stream_set_user_data(stream, source, NULL);
    opj_stream_set_user_data_length(stream, source->n);
    return stream;
}

/* Before OpenJPEG allocates: the stream's size is the data set's, which met its limit. */
static int
check_shape(const struct dcm_pixel_form *p, const uint8_t *bytes, size_t n, struct err *err)
{
    struct codestream s;

    if (codestream_read(bytes, n, &s, err) < 0)
        return -1;
    if (s.cols != p->cols || s.rows != p->rows || s.components != p->samples || !s.is_uniform ||
        s.precision > p->bits_allocated || s.precision > 16 || s.tiles > MAX_TILES)
        return err_set(err, ERR_REJECT,
                       "JPEG 2000: %ux%u, %u components of %u bits, %llu tiles; the data set says "
                       "%ux%u, %u of %u",
                       s.cols, s.rows, s.components, s.precision, (unsigned long long)s.tiles,
                       p->cols, p->rows, p->samples, p->bits_allocated);
    return 0;
}

static int
frame_from_image(const struct dcm_pixel_form *p, const opj_image_t *image, uint8_t *frame,
                 struct err *err)
{
    size_t count = (size_t)p->cols * p->rows;

    if (check_planes(p, image, err) < 0)
        return -1;
    for (unsigned s = 0; s < p->samples; s++) {
        const opj_image_comp_t *from = &image->comps[s];
        unsigned spare = 32 - from->prec;
        bool is_extended = p->is_signed && !from->sgnd;

        for (size_t i = 0; i < count; i++) {
            size_t at = i * p->samples + s;
            int32_t v = from->data[i];

            if (is_extended) /* some encoders call signed samples unsigned */
                v = (int32_t)((uint32_t)v << spare) >> spare;
            frame[p->bits_allocated == 8 ? at : at * 2] = (uint8_t)v;
            if (p->bits_allocated != 8)
                frame[at * 2 + 1] = (uint8_t)((uint32_t)v >> 8);
        }
    }
    return 0;
}

static int
check_planes(const struct dcm_pixel_form *p, const opj_image_t *image, struct err *err)
{
    if (image == NULL || image->numcomps != p->samples ||
        (p->bits_allocated != 8 && p->bits_allocated != 16))
        return err_set(err, ERR_REJECT, "decode JPEG 2000: another shape came out");
    for (unsigned s = 0; s < p->samples; s++)
        if (image->comps[s].w != p->cols || image->comps[s].h != p->rows ||
            image->comps[s].data == NULL || image->comps[s].prec == 0 || image->comps[s].prec > 32)
            return err_set(err, ERR_REJECT, "decode JPEG 2000: another shape came out");
    return 0;
}

static void
hear(const char *text, void *user)
{
    struct said *said = user;
    size_t n = strcspn(text, "\n");

    if (n >= sizeof said->text)
        n = sizeof said->text - 1;
    memcpy(said->text, text, n);
    said->text[n] = 0;
}

static void
hear_nothing(const char *text, void *user)
{
    (void)text;
    (void)user;
}
