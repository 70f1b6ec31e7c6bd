/* test_negotiate.c - Accept headers as viewers really send them, against our offers. */
#include "storage/serve/negotiate.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#define EXPLICIT "1.2.840.10008.1.2.1"
#define IMPLICIT "1.2.840.10008.1.2"
#define J2K "1.2.840.10008.1.2.4.90"

static const struct media_offer instance_offers[] = {
    {"application/dicom", J2K, true, false},      {"application/dicom", EXPLICIT, true, true},
    {"application/dicom", IMPLICIT, true, false}, {"application/dicom", J2K, false, false},
    {"application/dicom", EXPLICIT, false, true}, {"application/dicom", IMPLICIT, false, false},
};
static const struct media_offer frame_offers[] = {
    {"image/jp2", J2K, true, false},
    {"application/octet-stream", J2K, true, false},
    {"application/octet-stream", EXPLICIT, true, true},
    {"application/octet-stream", EXPLICIT, false, true},
};
static const struct media_offer rendered_offers[] = {{"image/jpeg", NULL, false, true}};

#define ROWS(o) o, ARRAY_LEN(o)
static const struct {
    const char *name;
    const char *header;
    const char *parameter;
    const struct media_offer *offers;
    size_t n;
    int wanted; /* -1: 406 */
} wishes[] = {
    {"nothing asked", NULL, NULL, ROWS(instance_offers), 1},
    {"empty", "", "", ROWS(instance_offers), 1},
    {"any", "*/*", NULL, ROWS(instance_offers), 1},
    {"quoted", "multipart/related; type=\"application/dicom\"", NULL, ROWS(instance_offers), 1},
    {"as stored", "multipart/related; type=\"application/dicom\"; transfer-syntax=*", NULL,
     ROWS(instance_offers), 0},
    {"named, quoted", "multipart/related;type=\"application/dicom\";transfer-syntax=\"" J2K "\"",
     NULL, ROWS(instance_offers), 0},
    {"named, not ours", "multipart/related; type=application/dicom; transfer-syntax=1.2.3", NULL,
     ROWS(instance_offers), -1},
    {"implicit", "multipart/related; type=application/dicom; transfer-syntax=" IMPLICIT, NULL,
     ROWS(instance_offers), 2},
    {"single part", "application/dicom", NULL, ROWS(instance_offers), 4},
    {"single part as stored", "application/dicom; transfer-syntax=*", NULL, ROWS(instance_offers),
     3},
    {"q decides", "application/dicom;q=0.4, multipart/related;type=\"application/dicom\";q=0.5",
     NULL, ROWS(instance_offers), 1},
    {"q decides the other way",
     "application/dicom;q=0.6, multipart/related;type=\"application/dicom\";q=0.5", NULL,
     ROWS(instance_offers), 4},
    {"q zero forbids", "application/dicom;q=0, */*;q=0.1", NULL, ROWS(instance_offers), 1},
    {"parameter before header", "image/jpeg", "application/dicom", ROWS(instance_offers), 4},
    {"wrong type", "image/jpeg", NULL, ROWS(instance_offers), -1},
    {"json only", "application/dicom+json", NULL, ROWS(instance_offers), -1},
    {"capitals", "Multipart/Related; TYPE=\"Application/DICOM\"", NULL, ROWS(instance_offers), 1},
    {"cornerstone frames", "multipart/related; type=application/octet-stream; transfer-syntax=*",
     NULL, ROWS(frame_offers), 1},
    {"frames, native",
     "multipart/related; type=\"application/octet-stream\"; transfer-syntax=" EXPLICIT, NULL,
     ROWS(frame_offers), 2},
    {"frames, no syntax", "multipart/related; type=\"application/octet-stream\"", NULL,
     ROWS(frame_offers), 2},
    {"frames, image", "multipart/related; type=\"image/jp2\"; transfer-syntax=" J2K, NULL,
     ROWS(frame_offers), 0},
    {"frames, old dicomweb-client",
     "multipart/related; type=\"image/jp2\"; transfer-syntax=" J2K
     ", multipart/related; type=\"application/octet-stream\"; transfer-syntax=\"" EXPLICIT "\"",
     NULL, ROWS(frame_offers), 0},
    {"one frame, bare", "application/octet-stream", NULL, ROWS(frame_offers), 3},
    {"a browser's img",
     "image/jxl,image/avif,image/webp,image/apng,image/svg+xml,image/*,*/*;q=0.8", NULL,
     ROWS(rendered_offers), 0},
    {"png only", "image/png", NULL, ROWS(rendered_offers), -1},
    {"png or jpeg", "image/png, image/jpeg;q=0.5", NULL, ROWS(rendered_offers), 0},
};

static void
the_offer_is_the_one_the_client_meant(void **state)
{
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(wishes); i++) {
        struct media_list list;
        struct err err;
        int got;

        if (media_list_read(wishes[i].header, wishes[i].parameter, &list, &err) < 0)
            fail_msg("%s: not read: %s", wishes[i].name, err.text);
        got = media_choose(&list, wishes[i].offers, wishes[i].n);
        if (got != wishes[i].wanted)
            fail_msg("%s: wanted %d, got %d", wishes[i].name, wishes[i].wanted, got);
    }
}

static void
what_is_no_accept_header_is_refused(void **state)
{
    static const char *const rows[] = {
        "application",
        "application/",
        "/dicom",
        "a/b/c",
        "application/dicom; transfer-syntax=\"1.2",
        "application/dicom; transfer-syntax=",
        "application/dicom; transfer-syntax=../etc",
        "application/dicom; q=2",
        "application/dicom; q=0.1234",
        "application/dicom; q=1.5",
        "application/dicom text/html",
        "application/dicom; type=\"a\r\nb\"",
        "application/dicom; transfer-syntax="
        "1.2.3.4567890123456789012345678901234567890123456789012345678901234567890",
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct media_list list = {.n = 77};
        struct err err;

        if (media_list_read(rows[i], NULL, &list, &err) == 0)
            fail_msg("was read: %s", rows[i]);
        assert_int_equal(err.kind, ERR_REJECT);
        assert_int_equal(list.n, 77);
    }
}

static void
a_thousand_ranges_are_cut_short(void **state)
{
    char *header = mem_new(1000 * 12 + 1);
    struct media_list list;
    struct err err;

    (void)state;
    for (int i = 0; i < 1000; i++)
        memcpy(header + i * 12, "image/jpeg, ", 12);
    assert_int_equal(media_list_read(header, NULL, &list, &err), 0);
    assert_int_equal(list.n, NEGOTIATE_RANGES);
    free(header);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_offer_is_the_one_the_client_meant),
        cmocka_unit_test(what_is_no_accept_header_is_refused),
        cmocka_unit_test(a_thousand_ranges_are_cut_short),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
