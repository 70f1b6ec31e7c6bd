/* ct_picture.h - a small CT of our own making. cmocka tests; include after cmocka.h. */
#ifndef RADPOST_TESTS_SUPPORT_CT_PICTURE_H
#define RADPOST_TESTS_SUPPORT_CT_PICTURE_H

#include "proto/dicom/part10.h"
#include "proto/dicom/write.h"

#define CT_IMAGE "1.2.840.10008.5.1.4.1.1.2"
enum { SIDE = 96 };

/* A CT of smooth blobs and noise; the same numbers give the same file. */
static inline void
picture(struct buf *out, const char *study, int number, bool is_text_only)
{
    static const char series[] = "1.2.826.0.1.3680043.8.498.2";
    struct err err = {0};
    struct dcm_writer w;
    uint8_t pixels[2 * SIDE * SIDE];
    unsigned seed = (unsigned)number;
    char sop[65], text[16];

    snprintf(sop, sizeof sop, "%s.%d", study, number);
    snprintf(text, sizeof text, "%d", number);
    assert_int_equal(0, part10_head(out, CT_IMAGE, sop, DCM_UID_EXPLICIT_LE, NULL, &err));
    dcm_write_init(&w, out, DCM_EXPLICIT_LE);
    dcm_write_text(&w, 0x00080016, NULL, CT_IMAGE);
    dcm_write_text(&w, 0x00080018, NULL, sop);
    dcm_write_text(&w, 0x00080060, NULL, "CT");
    dcm_write_sequence_begin(&w, 0x00082218); /* before the study's UID, as radiographs have it */
    dcm_write_item_begin(&w);
    dcm_write_text(&w, 0x00080104, NULL, "Chest");
    dcm_write_item_end(&w);
    dcm_write_sequence_end(&w);
    dcm_write_text(&w, 0x00100020, NULL, "T-1");
    dcm_write_text(&w, 0x0020000D, NULL, study);
    dcm_write_text(&w, 0x0020000E, NULL, series);
    dcm_write_text(&w, 0x00200013, NULL, text);
    if (is_text_only)
        return;
    for (int i = 0; i < SIDE * SIDE; i++) {
        int v = 900 + (i % SIDE) * 6 + rand_r(&seed) % 40;

        pixels[2 * i] = (uint8_t)v;
        pixels[2 * i + 1] = (uint8_t)(v >> 8);
    }
    dcm_write_u16(&w, 0x00280002, 1);
    dcm_write_text(&w, 0x00280004, NULL, "MONOCHROME2");
    dcm_write_u16(&w, 0x00280010, SIDE);
    dcm_write_u16(&w, 0x00280011, SIDE);
    dcm_write_u16(&w, 0x00280100, 16);
    dcm_write_u16(&w, 0x00280101, 12);
    dcm_write_u16(&w, 0x00280102, 11);
    dcm_write_u16(&w, 0x00280103, 0);
    dcm_write_bytes(&w, 0x7FE00010, "OW", pixels, sizeof pixels);
}

#endif
