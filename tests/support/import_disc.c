/* import_disc.c - see import_disc.h. */
#include "tests/support/import_disc.h"

#include "tests/support/run_program.h"
#include "tests/support/vault.h"

#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <unistd.h>

#include <cmocka.h>

static void
run(const char *script)
{
    char said[4096];

    if (program_run((const char *const[]){"sh", "-c", script, NULL}, NULL, said, sizeof said) != 0)
        fail_msg("%s", said);
}

static void
make_image(const char *path, const char *study, unsigned number)
{
    char series[64], instance[72];
    struct slice s = {.study = study,
                      .series = series,
                      .instance = instance,
                      .patient_id = "P-1",
                      .patient_name = "Li^Si",
                      .number = number,
                      .noise = number,
                      .rows = 256};
    struct buf file;
    int fd;

    snprintf(series, sizeof series, "%s.9", study);
    snprintf(instance, sizeof instance, "%s.9.%u", study, number);
    slice_make(&s, &file);
    fd = open(path, O_WRONLY | O_CREAT | O_TRUNC, 0600);
    assert_true(fd >= 0);
    assert_int_equal(write(fd, file.bytes, file.n), file.n);
    close(fd);
    buf_fini(&file);
}

void
import_disc_make(const char *media, const char *name, const char *study, unsigned first, unsigned n)
{
    char script[1024];

    snprintf(script, sizeof script, "mkdir -p %s/%s/IM", media, name);
    run(script);
    for (unsigned i = first; i < first + n; i++) {
        char path[512];

        snprintf(path, sizeof path, "%s/%s/IM/I%u", media, name, i);
        make_image(path, study, i);
        snprintf(script, sizeof script,
                 "cd %s/%s && dcmmkdir --general-purpose +I $(test -e DICOMDIR && echo +A) +id . "
                 "+D DICOMDIR IM/I%u",
                 media, name, i);
        run(script);
    }
}
