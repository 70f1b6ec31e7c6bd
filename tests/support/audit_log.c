/* audit_log.c - audit logs of the tests' own, to be read, spoilt and checked. */
#include "tests/support/audit_log.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <dirent.h>
#include <fcntl.h>
#include <unistd.h>

#include <cmocka.h>

#include "proto/base/clock.h"
#include "proto/base/durable.h"
#include "proto/base/log.h"

char audit_log_folder[FOLDER_PATH_BYTES];

int
audit_log_start(void **state)
{
    (void)state;
    log_set_fd(-1);
    folder_make("audit", audit_log_folder);
    return 0;
}

int
audit_log_stop(void **state)
{
    (void)state;
    clock_unfake();
    folder_remove(audit_log_folder);
    return 0;
}

char *
audit_log_in(const char *dir, const char *name)
{
    static char path[4][300];
    static int i;

    i = (i + 1) % 4;
    snprintf(path[i], sizeof path[i], "%s/%s%s%s", audit_log_folder, dir,
             name[0] != '\0' ? "/" : "", name);
    return path[i];
}

struct audit *
audit_log_open(const char *dir)
{
    struct audit *audit = NULL;
    struct err err = {0};

    if (audit_open(audit_log_in(dir, ""), "test", &audit, &err) < 0)
        fail_msg("%s", err.text);
    return audit;
}

void
audit_log_append(struct audit *audit, int i)
{
    struct err err = {0};

    if (audit_append(audit, &err, AUDIT_RETRIEVED, A_UID("study", "1.2.3"), A_NUMBER("i", i),
                     A_WORD("by", "VIEWER")) < 0)
        fail_msg("%s", err.text);
}

/* 0 or the kind of the error. */
int
audit_log_verify(const char *dir, struct audit_verdict *out, struct err *err)
{
    return audit_verify(audit_log_in(dir, ""), NULL, NULL, out, err) < 0 ? (int)err->kind : 0;
}

void
audit_log_is_good(const char *dir)
{
    struct audit_verdict v;
    struct err err = {0};

    if (audit_log_verify(dir, &v, &err) != 0)
        fail_msg("false alarm: %s", err.text);
}

char *
audit_log_read(const char *path, size_t *out_n)
{
    uint8_t *bytes = NULL;
    struct err err = {0};

    if (durable_get_file(path, 1 << 20, &bytes, out_n, &err) < 0)
        fail_msg("%s", err.text);
    return (char *)bytes;
}

void
audit_log_write(const char *path, const void *bytes, size_t n)
{
    int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC, 0600);
    struct err err = {0};

    assert_true(fd >= 0);
    assert_int_equal(durable_write(fd, bytes, n, &err), 0);
    close(fd);
}

unsigned
audit_log_says(const char *folder, const char *event, const char *word)
{
    DIR *log = opendir(folder);
    unsigned n = 0;

    assert_non_null(log);
    for (struct dirent *e = readdir(log); e != NULL; e = readdir(log)) {
        char path[512], line[1024];
        FILE *f;

        snprintf(path, sizeof path, "%s/%s", folder, e->d_name);
        f = e->d_type == DT_REG ? fopen(path, "re") : NULL;
        while (f != NULL && fgets(line, sizeof line, f) != NULL)
            n += strstr(line, event) != NULL && strstr(line, word) != NULL;
        if (f != NULL)
            fclose(f);
    }
    closedir(log);
    return n;
}

unsigned
audit_log_draw(unsigned below)
{
    static uint32_t x = 2463534242u; /* xorshift: the same tamperings each time */

    x ^= x << 13;
    x ^= x >> 17;
    x ^= x << 5;
    return x % below;
}
