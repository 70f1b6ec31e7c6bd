/* fuzz_recipe - a file converted and restored (what is convertible must come back byte for byte),
 * and a recipe from outside followed over a coded file from outside: its checksum is made right
 * first, or nothing would get past it. */
#include "proto/base/log.h"
#include "proto/base/zip.h"
#include "proto/dicom/convert.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t n);

static int
to_nowhere(void *user, const void *bytes, size_t n, struct err *err)
{
    size_t *given = user;

    (void)bytes;
    *given += n;
    return *given > (64u << 20) ? err_set(err, ERR_REJECT, "over") : 0;
}

/* dcm_convert tries its recipe backwards itself. */
static void
convert(const uint8_t *bytes, size_t n)
{
    static const struct dcm_change changes[] = {{"1.2.840.10008.1.2.4.90", NULL, true},
                                                {"1.2.840.10008.1.2.4.90", "YBR_RCT", true}};
    struct dcm_converted c;
    struct buf head, tail;
    struct err err;

    for (size_t i = 0; i < ARRAY_LEN(changes); i++) {
        dcm_converted_init(&c);
        (void)!dcm_convert(bytes, n, &changes[i], &c, &err);
        dcm_converted_fini(&c);
        buf_init(&head, 1 << 22);
        buf_init(&tail, 1 << 22);
        (void)!dcm_rewrite(bytes, n, &changes[i], i == 0 ? DCM_EXPLICIT_LE : DCM_IMPLICIT_LE, &head,
                           &tail, &err);
        buf_fini(&tail);
        buf_fini(&head);
    }
}

/* Two bytes of length, that much recipe, then the coded file. */
static void
follow(const uint8_t *bytes, size_t n)
{
    struct dcm_recipe_sizes sizes;
    size_t recipe_n, given = 0;
    uint8_t *recipe, *pixels;
    struct err err;

    if (n < 2)
        return;
    recipe_n = le16_read(bytes);
    if (recipe_n > n - 2 || recipe_n < 8)
        return;
    recipe = mem_new(recipe_n);
    memcpy(recipe, bytes + 2, recipe_n);
    le32_write(recipe + recipe_n - 4, zip_crc32(0, recipe, recipe_n - 4));
    if (dcm_recipe_read_sizes(recipe, recipe_n, &sizes, &err) == 0 && sizes.pixels_n < 1 << 20) {
        pixels = mem_new((size_t)sizes.pixels_n + 1);
        (void)!dcm_restore(bytes + 2 + recipe_n, n - 2 - recipe_n, recipe, recipe_n, pixels,
                           (size_t)sizes.pixels_n, to_nowhere, &given, &err);
        free(pixels);
    }
    free(recipe);
}

int
LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t n)
{
    log_set_fd(-1);
    convert(bytes, n);
    follow(bytes, n);
    return 0;
}
