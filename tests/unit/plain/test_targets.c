/* test_targets.c - claims of gateway/plain/targets.h. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include <stdio.h>

#include "gateway/plain/targets.h"
#include "tests/support/folder.h"

static int
parse(const char *text, struct targets *out, struct err *err)
{
    *out = (struct targets){NULL, 0};
    return targets_parse(text, strlen(text), out, err);
}

static void
a_line_says_where_and_how(void **state)
{
    static const char text[] =
        "# archives\n\n"
        "pacs  dicom  \"OLD PACS@10.0.0.5:104\"  devices=\"CT1,US CART 2\" modalities=CT,DX "
        "instead-of-centre=yes connections=2 rate=2MiB as=TOWNSHIP query=QR@pacs.local:11112\r\n"
        "cloud\tstow\thttps://archive.example/dicom-web/ ca=/etc/ca.pem token=/etc/token "
        "verify=none\n"
        "six dicom SIX@[fe80::1]:104\n"
        "safe dicom SAFE@pacs:2762 tls=yes "
        "pin=AB:CDcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcd\n";
    struct targets t;
    struct err err = {0};

    (void)state;
    assert_int_equal(parse(text, &t, &err), 0);

    assert_int_equal(t.n, 4);
    assert_string_equal(t.rows[0].entity.ae, "OLD PACS");
    assert_string_equal(t.rows[0].entity.host, "10.0.0.5");
    assert_int_equal(t.rows[0].entity.port, 104);
    assert_true(t.rows[0].is_archive);
    assert_int_equal(t.rows[0].connections, 2);
    assert_int_equal(t.rows[0].rate_bytes, 2 << 20);
    assert_string_equal(t.rows[0].as, "TOWNSHIP");
    assert_string_equal(t.rows[0].query.host, "pacs.local");
    assert_int_equal(t.rows[1].kind, TARGET_STOW);
    assert_string_equal(t.rows[1].url, "https://archive.example/dicom-web");
    assert_true(t.rows[1].is_unverified);
    assert_int_equal(t.rows[1].connections, 1);
    assert_string_equal(t.rows[2].entity.host, "fe80::1");
    assert_true(t.rows[3].is_tls);
    assert_memory_equal(t.rows[3].pin, "abcdcdcd", 8);
    targets_fini(&t);
}

static void
a_mistake_names_its_line(void **state)
{
    static const struct {
        const char *name, *line, *says;
    } rows[] = {
        {"no kind", "pacs", "neither dicom nor stow"},
        {"kind", "pacs ftp X@h:1", "neither dicom nor stow"},
        {"capital name", "PACS dicom X@h:104", "a name is"},
        {"name with a slash", "../x dicom X@h:104", "a name is"},
        {"no address", "pacs dicom", "no address"},
        {"no port", "pacs dicom X@h", "AE@host:port"},
        {"port 0", "pacs dicom X@h:0", "AE@host:port"},
        {"port too large", "pacs dicom X@h:65536", "AE@host:port"},
        {"no title", "pacs dicom @h:104", "AE@host:port"},
        {"title too long", "pacs dicom ABCDEFGHIJKLMNOPQ@h:104", "AE@host:port"},
        {"bare IPv6", "pacs dicom X@fe80::1:104", "AE@host:port"},
        {"unknown setting", "pacs dicom X@h:104 speed=9", "unknown setting speed"},
        {"no =", "pacs dicom X@h:104 yes", "unknown setting yes"},
        {"twice", "pacs dicom X@h:104 as=A as=B", "as= is there twice"},
        {"empty value", "pacs dicom X@h:104 as= connections=1", "as= has no value"},
        {"truth", "pacs dicom X@h:104 instead-of-centre=maybe", "no usable value"},
        {"unended quote", "pacs dicom X@h:104 devices=\"A,B", "no usable value"},
        {"empty list", "pacs dicom X@h:104 devices=A,,B", "no usable value"},
        {"connections", "pacs dicom X@h:104 connections=5", "no usable value"},
        {"rate without unit", "pacs dicom X@h:104 rate=1000", "no usable value"},
        {"rate too small", "pacs dicom X@h:104 rate=100B", "no usable value"},
        {"of the other kind", "pacs dicom X@h:104 token=/a", "token= is not for this kind"},
        {"relative path", "web stow http://h/dw token=a", "no usable value"},
        {"address", "web stow ftp://h/dw", "an address is"},
        {"query in it", "web stow http://h/dw?a=1", "an address is"},
        {"https without ca", "web stow https://h/dw", "https needs ca="},
        {"certificate alone", "web stow http://h certificate=/a", "go together"},
        {"tls with nobody", "pacs dicom X@h:104 tls=yes", "tls=yes needs"},
        {"ca without tls", "pacs dicom X@h:104 ca=/a", "are for tls=yes"},
        {"pin", "pacs dicom X@h:104 tls=yes pin=abcd", "no usable value"},
        {"tls of the other kind", "web stow http://h tls=yes", "tls= is not for this kind"},
        {"never safe", "pacs dicom X@h:104 instead-of-centre=yes verify=none", "safe to delete"},
    };
    struct targets t;

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        char text[256] = "first dicom A@b:1\n";
        struct err err = {0};

        strncat(text, rows[i].line, sizeof text - strlen(text) - 1);
        if (parse(text, &t, &err) == 0 || strncmp(err.text, "line 2: ", 8) != 0 ||
            strstr(err.text, rows[i].says) == NULL)
            fail_msg("%s: wanted \"%s\", got \"%s\"", rows[i].name, rows[i].says, err.text);
    }
}

static void
a_name_is_there_once_and_there_are_at_most_eight(void **state)
{
    struct targets t;
    struct err err = {0};

    (void)state;
    assert_int_equal(parse("a dicom A@b:1\na dicom C@d:1\n", &t, &err), -1);
    assert_non_null(strstr(err.text, "there twice"));
    assert_int_equal(parse("a dicom A@b:1\nb dicom A@b:1\nc dicom A@b:1\nd dicom A@b:1\n"
                           "e dicom A@b:1\nf dicom A@b:1\ng dicom A@b:1\nh dicom A@b:1\n"
                           "i dicom A@b:1\n",
                           &t, &err),
                     -1);
    assert_non_null(strstr(err.text, "line 9"));
}

static void
the_first_archive_that_takes_it_keeps_it(void **state)
{
    static const char text[] = "copy dicom A@b:1 modalities=CT\n"
                               "xa dicom B@b:1 devices=XA1 instead-of-centre=yes\n"
                               "rest dicom C@b:1 instead-of-centre=yes modalities=CT,US\n";
    struct targets t;
    struct err err = {0};

    (void)state;
    assert_int_equal(parse(text, &t, &err), 0);

    assert_ptr_equal(targets_archive(&t, "XA1", "CT"), &t.rows[1]);
    assert_ptr_equal(targets_archive(&t, "CT1", "CT"), &t.rows[2]);
    assert_null(targets_archive(&t, "MR1", "MR"));
    assert_true(target_takes(&t.rows[0], "XA1", "CT"));
    assert_false(target_takes(&t.rows[0], "XA1", "C"));
    assert_false(target_takes(&t.rows[0], "XA1", ""));
    targets_fini(&t);
}

static void
no_file_is_no_targets(void **state)
{
    struct targets t = {.n = 7};
    struct err err = {0};

    (void)state;
    assert_int_equal(targets_read("/nowhere/targets.conf", &t, &err), 0);
    assert_int_equal(t.n, 0);
    assert_int_equal(err.kind, ERR_NONE);
}

/* After a start: what a wrong line's images are is known as far as it can be. */
static void
a_line_with_a_mistake_still_says_whose_images_wait(void **state)
{
    static const struct {
        const char *name, *line, *called, *device; /* called: of the row */
        bool is_archive;
    } rows[] = {
        {"setting", "pacs dicom X@h:1 conections=2 devices=A,B", "pacs", "B", false},
        {"before it", "pacs dicom X@h:1 instead-of-centre=yes a=1 devices=\"A B,C\"", "pacs", "A B",
         true},
        {"other spelling", "pacs dicom X@h:1 instead-of-center=yes", "pacs", "ANY", true},
        {"a letter short", "pacs dicom X@h:1 insted-of-centre=yes", "pacs", "ANY", true},
        {"a capital", "pacs dicom X@h:1 Instead-of-centre=yes devices=A", "pacs", "A", true},
        {"quoted", "pacs dicom X@h:1 \"instead-of-centre=yes\"", "pacs", "ANY", true},
        {"drawn together", "pacs dicom X@h:1 INSTEADOFCENTER=YES", "pacs", "ANY", true},
        {"hardly a word", "pacs dicom X@h:1 intead-of-cetre=yes", "pacs", "ANY", true},
        {"after another", "pacs dicom X@h:1 a=1 insted-of-centre=yes", "pacs", "ANY", true},
        {"a host's name", "centre dicom X@center.local:1 conections=2", "centre", "ANY", false},
        {"a root's name", "pacs stow https://the-data-centre.example/?a=1 rate=1MiB", "pacs", "ANY",
         false},
        {"a device's name", "pacs dicom X@h:1 a=1 devices=CT-CENTRE", "pacs", "CT-CENTRE", false},
        {"said no", "pacs dicom X@h:1 instead-of-centre=no a=1", "pacs", "ANY", false},
        {"half a list", "pacs dicom X@h:1 devices=A,,B", "pacs", "ANY", false},
        {"no port", "pacs dicom X@h instead-of-centre=yes devices=A", "pacs", "A", true},
        {"no name", "PACS dicom X@h:1", "line_2", "ANY", false},
        {"twice", "ok dicom X@h:1", "line_2", "ANY", false},
    };
    char dir[FOLDER_PATH_BYTES], path[FOLDER_PATH_BYTES + 16];

    (void)state;
    folder_make("targets", dir);
    snprintf(path, sizeof path, "%s/t", dir);
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        FILE *f = fopen(path, "w");
        struct targets t;
        struct err err = {0};

        assert_non_null(f);
        fprintf(f, "\xEF\xBB\xBFok dicom OK@h:1\n%s\n", rows[i].line);
        fclose(f);
        print_message("%s\n", rows[i].name);
        assert_int_equal(targets_read(path, &t, &err), -1);
        assert_non_null(strstr(err.text, "line 2: "));
        assert_int_equal(t.n, 2);
        assert_string_equal(t.rows[0].wrong, "");
        assert_non_null(strstr(t.rows[1].wrong, "line 2: "));
        assert_string_equal(t.rows[1].name, rows[i].called);
        assert_int_equal(t.rows[1].is_archive, rows[i].is_archive);
        assert_true(target_takes(&t.rows[1], rows[i].device, "CT"));
        assert_int_equal(target_takes(&t.rows[1], "OTHER", "CT"),
                         strcmp(rows[i].device, "ANY") == 0);
        targets_fini(&t);
    }
    folder_remove(dir);
}

static void
a_file_that_cannot_be_read_is_a_target_of_everything(void **state)
{
    char dir[FOLDER_PATH_BYTES];
    struct targets t;
    struct err err = {0};

    (void)state;
    folder_make("targets", dir);
    assert_int_equal(targets_read(dir, &t, &err), -1); /* a folder is none */

    assert_int_equal(t.n, 1);
    assert_true(targets_archive(&t, "CT1", "CT") == &t.rows[0]);
    assert_string_equal(t.rows[0].wrong,
                        "targets.conf cannot be read: it is no file, or too large");
    targets_fini(&t);
    folder_remove(dir);
}

/* Windows' Notepad calls it "Unicode": every line was wrong, and none seemed to be instead. */
static void
a_file_in_utf_16_is_a_target_of_everything(void **state)
{
    static const char line[] = "pacs dicom X@h:1 instead-of-centre=yes\n";
    char dir[FOLDER_PATH_BYTES], path[FOLDER_PATH_BYTES + 16];
    struct err err = {0};
    struct targets t;
    FILE *f;

    (void)state;
    folder_make("targets", dir);
    snprintf(path, sizeof path, "%s/t", dir);
    f = fopen(path, "w");
    assert_non_null(f);
    fprintf(f, "\xFF\xFE");
    for (size_t i = 0; line[i] != '\0'; i++)
        fprintf(f, "%c%c", line[i], '\0');
    fclose(f);

    assert_int_equal(targets_read(path, &t, &err), -1);

    assert_int_equal(err.kind, ERR_REJECT);
    assert_non_null(strstr(err.text, "UTF-8"));
    assert_int_equal(t.n, 1);
    assert_true(targets_archive(&t, "CT1", "CT") == &t.rows[0]);
    assert_string_equal(t.rows[0].wrong,
                        "targets.conf cannot be read: it is no text: save it as UTF-8");
    targets_fini(&t);
    folder_remove(dir);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_line_says_where_and_how),
        cmocka_unit_test(a_mistake_names_its_line),
        cmocka_unit_test(a_name_is_there_once_and_there_are_at_most_eight),
        cmocka_unit_test(the_first_archive_that_takes_it_keeps_it),
        cmocka_unit_test(no_file_is_no_targets),
        cmocka_unit_test(a_line_with_a_mistake_still_says_whose_images_wait),
        cmocka_unit_test(a_file_that_cannot_be_read_is_a_target_of_everything),
        cmocka_unit_test(a_file_in_utf_16_is_a_target_of_everything),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
