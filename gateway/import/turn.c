/* turn.c - a decoded picture set upright, as EXIF says it lies. */
#include "gateway/import/import_own.h"

#include "proto/dicom/frames.h"
#include "proto/dicom/walk.h"

#include <stdlib.h>
#include <string.h>

enum { TAG_ROWS = 0x00280010, TAG_COLUMNS = 0x00280011 };

/* Each pixel to where it is seen. Orientations: CIPA DC-008 4.6.4, which row and column of what is
 * seen the first row and column are. */
static void
move_pixels(const uint8_t *from, uint8_t *to, const struct dcm_pixel_form *form,
            unsigned orientation)
{
    bool swaps = orientation >= 5;
    bool is_from_right = orientation == 2 || orientation == 3 || orientation >= 7;
    bool is_from_below =
        orientation == 3 || orientation == 4 || orientation == 6 || orientation == 7;
    size_t cols = swaps ? form->rows : form->cols, rows = swaps ? form->cols : form->rows;

    for (size_t y = 0; y < rows; y++)
        for (size_t x = 0; x < cols; x++) {
            size_t col = swaps ? y : x, row = swaps ? x : y;

            col = is_from_right ? form->cols - 1 - col : col;
            row = is_from_below ? form->rows - 1 - row : row;
            memcpy(to, from + (row * form->cols + col) * form->samples, form->samples);
            to += form->samples;
        }
}

/* Rows and Columns change places. */
static int
swap_size(uint8_t *dataset, size_t n, const struct dcm_pixels *px, struct err *err)
{
    struct dcm_walk walk;
    struct dcm_element e;

    dcm_walk_init(&walk, dataset, n, px->coding, DCM_WALK_STOP_AT_PIXELS);
    do {
        if (dcm_walk_next(&walk, &e, err) < 0)
            return -1;
        if (e.event == DCM_ELEMENT && e.depth == 0 && e.value_n == 2 &&
            (e.tag == TAG_ROWS || e.tag == TAG_COLUMNS)) {
            uint32_t v = e.tag == TAG_ROWS ? px->form.cols : px->form.rows;

            dataset[e.value_at] = (uint8_t)v;
            dataset[e.value_at + 1] = (uint8_t)(v >> 8);
        }
    } while (e.event != DCM_END);
    return 0;
}

int
turn_picture(uint8_t *part10, size_t n, unsigned orientation, struct err *err)
{
    struct dcm_part10 head;
    struct dcm_pixels px = {.tag = 0};
    uint8_t *as_decoded = NULL;
    int rc = -1;

    if (dcm_part10_parse(part10, n, &head, err) < 0)
        return -1;
    part10 += head.dataset_at;
    n -= head.dataset_at;
    if (dcm_pixels_find(part10, n, &head, &px, err) < 0)
        goto out;
    if (px.is_encapsulated || !px.is_whole || px.form.frames != 1 || px.form.bits_allocated != 8 ||
        px.form.is_planar ||
        px.frames_bytes != (uint64_t)px.form.rows * px.form.cols * px.form.samples) {
        err_set(err, ERR_REJECT, "a decoded picture of a form that cannot be turned");
        goto out;
    }
    as_decoded = mem_new((size_t)px.frames_bytes);
    memcpy(as_decoded, part10 + px.value_at, (size_t)px.frames_bytes);
    move_pixels(as_decoded, part10 + px.value_at, &px.form, orientation);
    rc = orientation >= 5 ? swap_size(part10, n, &px, err) : 0;
out:
    free(as_decoded);
    dcm_pixels_fini(&px);
    return rc;
}
