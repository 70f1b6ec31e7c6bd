/* jpeg.c - a picture as baseline JPEG, by libjpeg. */
#include "proto/render/parts.h"

#include <stdio.h>

#include <jpeglib.h>

#include <setjmp.h>
#include <stdlib.h>

struct failure {
    struct jpeg_error_mgr manager; /* first: libjpeg hands it back */
    jmp_buf back;
    char text[JMSG_LENGTH_MAX];
};

static void fail(j_common_ptr common);
static void say_nothing(j_common_ptr common);

int
jpeg_write(const struct picture *p, unsigned quality, struct buf *out, struct err *err)
{
    struct jpeg_compress_struct jpeg = {0};
    struct failure failure;
    unsigned char *bytes = NULL;
    unsigned long n = 0;
    volatile int rc = -1;

    jpeg.err = jpeg_std_error(&failure.manager);
    failure.manager.error_exit = fail;
    failure.manager.output_message = say_nothing;
    if (setjmp(failure.back) != 0) {
        (void)err_set(err, ERR_FATAL, "JPEG: %s", failure.text);
        goto out;
    }
    jpeg_create_compress(&jpeg);
    jpeg_mem_dest(&jpeg, &bytes, &n);
    jpeg.image_width = p->cols;
    jpeg.image_height = p->rows;
    jpeg.input_components = (int)p->channels;
    jpeg.in_color_space = p->channels == 3 ? JCS_RGB : JCS_GRAYSCALE;
    jpeg_set_defaults(&jpeg);
    jpeg_set_quality(&jpeg, quality <= 100 ? (int)quality : 100, TRUE);
    jpeg_start_compress(&jpeg, TRUE);
    while (jpeg.next_scanline < jpeg.image_height) {
        JSAMPROW row = p->bytes + (size_t)jpeg.next_scanline * p->cols * p->channels;

        (void)jpeg_write_scanlines(&jpeg, &row, 1);
    }
    jpeg_finish_compress(&jpeg);
    buf_add(out, bytes, n);
    rc = buf_is_over(out) ? err_set(err, ERR_REJECT, "JPEG: over the limit") : 0;
out:
    jpeg_destroy_compress(&jpeg);
    free(bytes);
    return rc;
}

static void
fail(j_common_ptr common)
{
    struct failure *failure = (struct failure *)(void *)common->err;

    common->err->format_message(common, failure->text);
    longjmp(failure->back, 1);
}

static void
say_nothing(j_common_ptr common)
{
    (void)common;
}
