/* test_gateway_options.c - what a site's configuration said before an update still starts. */
#include "gateway/gateway_config.h"
#include "tests/support/folder.h"

#include "proto/base/durable.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

static const struct config_option options[] = {
#define OPT CONFIG_ROW
#define CONFIG_STRUCT struct gateway_config
#include "gateway/gateway_options.def"
#undef CONFIG_STRUCT
#undef OPT
};

static void
nought_days_of_imported_files_are_read_as_before(void **state)
{
    static const char text[] = "import_keep = 0ms\n";
    char dir[FOLDER_PATH_BYTES], tmp[FOLDER_PATH_BYTES + 8], file[FOLDER_PATH_BYTES + 16];
    struct gateway_config config = {0};
    struct err err = {0};

    (void)state;
    folder_make("options", dir);
    snprintf(tmp, sizeof tmp, "%s/tmp", dir);
    snprintf(file, sizeof file, "%s/gateway.conf", dir);
    assert_int_equal(durable_mkdir(tmp, &err), 0);
    assert_int_equal(durable_put_file(dir, "gateway.conf", text, sizeof text - 1, &err), 0);

    if (config_read(options, ARRAY_LEN(options), file, &config, &err) < 0)
        fail_msg("%s", err.text);
    assert_int_equal(config.import_keep, 0); /* the import takes it for its default */
    config_fini(options, ARRAY_LEN(options), &config);
    folder_remove(dir);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(nought_days_of_imported_files_are_read_as_before),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
