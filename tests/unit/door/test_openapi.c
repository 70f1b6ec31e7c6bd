/* test_openapi.c - docs/openapi/reader.yaml lists the routes there are, for the listener they are
 * on and with the right they need, and no others. */
#include <setjmp.h>
#include <stdarg.h>
#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "proto/base/text.h"
#include "reader/assign/assign.h"
#include "reader/compose/compose.h"
#include "reader/deliver/deliver.h"
#include "reader/door/door.h"
#include "reader/people/people.h"

/* An operation of the file: "  /path:", below it "    get:", below that its marks. */
struct operation {
    char path[256], method[8], listeners[64], right[32], security[128];
    bool is_seen;
};

static struct operation operations[256];
static size_t operation_count;

static const struct {
    const char *name;
    unsigned bit;
} rights[] = {
#define MAY(name, roles, allows) {#name, name},
#include "reader/people/rights.def"
#undef MAY
};

static void
take_line(char *line)
{
    static char path[256];
    static bool is_in_paths;
    struct operation *o = operation_count > 0 ? &operations[operation_count - 1] : NULL;
    size_t n = strlen(line);

    if (line[0] != ' ')
        is_in_paths = strncmp(line, "paths:", 6) == 0;
    if (!is_in_paths)
        return;
    if (strncmp(line, "  /", 3) == 0) {
        assert_int_equal(line[n - 1], ':');
        snprintf(path, sizeof path, "%.*s", (int)(n - 3), line + 2);
    } else if (strncmp(line, "    ", 4) == 0 && line[4] != ' ' &&
               strncmp(line, "    parameters:", 15) != 0) {
        assert_true(operation_count < ARRAY_LEN(operations));
        o = &operations[operation_count++];
        text_copy(o->path, sizeof o->path, path);
        for (size_t i = 0; i < sizeof o->method - 1 && line[4 + i] != ':'; i++)
            o->method[i] = (char)toupper((uint8_t)line[4 + i]);
    } else if (o != NULL && strncmp(line, "      x-listener: ", 18) == 0) {
        text_copy(o->listeners, sizeof o->listeners, line + 18);
    } else if (o != NULL && strncmp(line, "      x-right: ", 15) == 0) {
        text_copy(o->right, sizeof o->right, line + 15);
    } else if (o != NULL && strncmp(line, "      security: ", 16) == 0) {
        text_copy(o->security, sizeof o->security, line + 16);
    }
}

static int
read_file(void **state)
{
    FILE *f = fopen("docs/openapi/reader.yaml", "r");
    char line[2000];

    (void)state;
    assert_non_null(f);
    while (fgets(line, sizeof line, f) != NULL) {
        line[strcspn(line, "\n")] = '\0';
        take_line(line);
    }
    fclose(f);
    return 0;
}

static struct operation *
find(const char *method, const char *path)
{
    for (size_t i = 0; i < operation_count; i++)
        if (strcmp(operations[i].method, method) == 0 && strcmp(operations[i].path, path) == 0)
            return &operations[i];
    return NULL;
}

static const char *
right_name(unsigned mask)
{
    for (size_t i = 0; i < ARRAY_LEN(rights); i++)
        if (rights[i].bit == mask)
            return rights[i].name;
    return "";
}

/* What the file should say of who may call. */
static const char *
security_of(const struct http_route *r)
{
    bool changes = strcmp(r->method, "GET") != 0;

    switch (r->callers) {
    case HTTP_STAFF:
        return changes ? "[{staff: [], word: []}]" : "[{staff: []}]";
    case HTTP_PATIENT:
        return changes ? "[{patient: [], word: []}]" : "[{patient: []}]";
    case HTTP_GATEWAY:
        return "[{gateway: []}]";
    default:
        return "[]";
    }
}

static void
check_table(const char *listener, struct http_table table)
{
    for (size_t i = 0; i < table.count; i++) {
        const struct http_route *r = &table.routes[i];
        struct operation *o = find(r->method, r->pattern);

        if (o == NULL)
            fail_msg("%s %s is not in docs/openapi/reader.yaml", r->method, r->pattern);
        if (strstr(o->listeners, listener) == NULL)
            fail_msg("%s %s: x-listener is %s, not %s", r->method, r->pattern, o->listeners,
                     listener);
        if (strcmp(o->security, security_of(r)) != 0)
            fail_msg("%s %s: security is %s, not %s", r->method, r->pattern, o->security,
                     security_of(r));
        if (r->callers == HTTP_STAFF && strcmp(o->right, right_name(r->rights)) != 0)
            fail_msg("%s %s: x-right is %s, not %s", r->method, r->pattern, o->right,
                     right_name(r->rights));
        o->is_seen = true;
    }
}

static void
the_file_lists_the_routes_there_are_and_no_others(void **state)
{
    (void)state;
    assert_true(operation_count > 50);
    check_table("staff", door_staff_table(NULL));
    check_table("staff", door_assets_table(NULL));
    check_table("staff", assign_table(NULL));
    check_table("staff", compose_table(NULL));
    check_table("staff", deliver_staff_table(NULL));
    check_table("patient", door_patient_table(NULL));
    check_table("patient", door_assets_table(NULL));
    check_table("patient", patient_table(NULL));
    check_table("link", deliver_link_table(NULL));
    for (size_t i = 0; i < operation_count; i++)
        if (!operations[i].is_seen)
            fail_msg("%s %s is in the file and nowhere else", operations[i].method,
                     operations[i].path);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_file_lists_the_routes_there_are_and_no_others),
    };

    return cmocka_run_group_tests(tests, read_file, NULL);
}
