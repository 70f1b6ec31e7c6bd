/* tool_import_files.c - files of devices without DICOM, for scenarios and as seeds:
 *   tool_import_files DIR [small]   cart.scp cart.xml letter.pdf photo.jpg grey.jpg */
#include "tests/support/import_files.h"

#include <stdio.h>
#include <string.h>

static int
keep(const char *dir, const char *name, struct buf *b)
{
    char path[512];
    FILE *f;
    int rc;

    snprintf(path, sizeof path, "%s/%s", dir, name);
    f = fopen(path, "wb");
    rc = f != NULL && fwrite(b->bytes, 1, b->n, f) == b->n && fclose(f) == 0 ? 0 : -1;
    if (rc < 0)
        fprintf(stderr, "cannot write %s\n", path);
    buf_clear(b);
    return rc;
}

int
main(int argc, char **argv)
{
    bool is_small = argc == 3 && strcmp(argv[2], "small") == 0;
    struct import_ecg e = {.leads = is_small ? 2 : 12,
                           .samples = is_small ? 60 : 5000,
                           .hertz = 500,
                           .difference = 2,
                           .code = is_small ? SCP_OWN_TABLE : SCP_DEFAULT_TABLE,
                           .first_name = "\xB2\xE2\xCA\xD4"};
    unsigned side = is_small ? 16 : 480;
    struct buf b;
    int rc;

    if (argc < 2) {
        fprintf(stderr, "tool_import_files DIR [small]\n");
        return 2;
    }
    buf_init(&b, 16 << 20);
    import_file_scp(&e, &b);
    rc = keep(argv[1], "cart.scp", &b);
    import_file_aecg(&e, &b);
    rc |= keep(argv[1], "cart.xml", &b);
    import_file_pdf("Spirometry of nobody", &b);
    rc |= keep(argv[1], "letter.pdf", &b);
    import_file_jpeg(JPEG_COLOUR_420, side, side, &b);
    rc |= keep(argv[1], "photo.jpg", &b);
    import_file_jpeg(JPEG_GREY, side, side, &b);
    rc |= keep(argv[1], "grey.jpg", &b);
    buf_fini(&b);
    return rc == 0 ? 0 : 1;
}
