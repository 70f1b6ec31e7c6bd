/* tool_digests - our own digests of Part 10 files, one JSON line a file, for comparison with the
 * judge (tests/support/digests.py), which shares no code with this. Decodes JPEG, JPEG-LS and RLE
 * by DCMTK; other codings' pixels are left to the codec's tests. */
#include "proto/base/durable.h"
#include "proto/base/jsonw.h"
#include "proto/dicom/dataset_digest.h"
#include "proto/dicom/dcmjson.h"
#include "proto/dicom/dcmtk/decode.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static int
decode(void *user, const struct dcm_pixels *p, const uint8_t *coded, size_t n, struct buf *out,
       struct err *err)
{
    const struct dcm_pixel_form *f = &p->form;
    struct dcmtk_frame frame = {p->syntax->uid, f->rows,           f->cols,
                                f->samples,     f->bits_allocated, f->bits_stored,
                                f->high_bit,    f->is_signed,      f->photometric};

    (void)user;
    if (p->syntax->codec != DCM_CODEC_RLE && p->syntax->codec != DCM_CODEC_JPEG &&
        p->syntax->codec != DCM_CODEC_JPEGLS)
        return err_set(err, ERR_NOT_FOUND, "no decoder here");
    return dcmtk_decode_frame(&frame, coded, n, out, NULL, err);
}

static void
print_file(const char *path)
{
    uint8_t *bytes = NULL, pixels[32], dataset[32];
    struct dcm_part10 p10;
    bool is_decoded = false;
    struct jsonw w;
    struct buf line;
    struct err err;
    size_t n = 0;

    buf_init(&line, 1 << 16);
    jsonw_init(&w, &line);
    jsonw_object(&w, NULL);
    jsonw_text(&w, "file", path);
    if (durable_get_file(path, 1u << 30, &bytes, &n, &err) < 0 ||
        dcm_part10_parse(bytes, n, &p10, &err) < 0 ||
        dcm_dataset_digest(bytes, n, dataset, &err) < 0 ||
        dcm_pixels_digest(bytes, n, decode, NULL, pixels, &is_decoded, &err) < 0) {
        jsonw_text(&w, "error", err.text);
    } else {
        jsonw_text(&w, "syntax", p10.transfer_syntax);
        jsonw_hex(&w, "pixels", pixels, sizeof pixels);
        jsonw_hex(&w, "dataset", dataset, sizeof dataset);
        jsonw_bool(&w, "decoded", is_decoded);
    }
    jsonw_end(&w);
    puts(buf_text(&line));
    buf_fini(&line);
    free(bytes);
}

static void
print_json(const char *path)
{
    static const struct dcm_json_options options = {"bulk", 1024, NULL, false, NULL};
    uint8_t *bytes = NULL;
    struct jsonw w;
    struct buf line;
    struct err err;
    size_t n = 0;

    buf_init(&line, 1u << 28);
    jsonw_init(&w, &line);
    if (durable_get_file(path, 1u << 30, &bytes, &n, &err) < 0 ||
        dcm_json_write(bytes, n, &options, &w, &err) < 0) {
        buf_clear(&line);
        jsonw_init(&w, &line);
        jsonw_object(&w, NULL);
        jsonw_text(&w, "error", err.text);
        jsonw_end(&w);
    }
    puts(buf_text(&line));
    buf_fini(&line);
    free(bytes);
}

int
main(int argc, char **argv)
{
    bool is_json = argc > 1 && strcmp(argv[1], "--json") == 0;

    for (int i = is_json ? 2 : 1; i < argc; i++)
        (is_json ? print_json : print_file)(argv[i]);
    return 0;
}
