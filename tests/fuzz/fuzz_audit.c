/* fuzz_audit.c - the verifier over files that may be anything: byte 0 says whether HEAD is replaced
 * or a day's file added. Nobody guesses a signature, so it never calls them good. */
#include "proto/base/clock.h"
#include "proto/base/durable.h"
#include "proto/base/log.h"
#include "proto/trust/audit.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t n);

static char folder[64];
static uint8_t *head;
static size_t head_n;

static void
remove_file(const char *name)
{
    char path[128];

    snprintf(path, sizeof path, "%s/%s", folder, name);
    unlink(path);
}

static void
remove_folder(void)
{
    static const char *const files[] = {
        "HEAD", "signer.pem",         "signer.key",        "patient.key",
        "lock", "log/1970-01-01.log", "log/1970-01-02.log"};
    static const char *const folders[] = {"tmp", "log", "heads", "corrupt", ""};
    char path[128];

    for (size_t i = 0; i < ARRAY_LEN(files); i++)
        remove_file(files[i]);
    for (size_t i = 0; i < ARRAY_LEN(folders); i++) {
        snprintf(path, sizeof path, "%s/%s", folder, folders[i]);
        rmdir(path);
    }
}

static void
make_folder(void)
{
    struct audit *audit = NULL;
    struct err err;
    char path[128];

    snprintf(folder, sizeof folder, "%s", "/dev/shm/radpost-fuzz-audit-XXXXXX");
    CHECK(mkdtemp(folder) != NULL);
    clock_fake(0, 0);
    CHECK(audit_open(folder, "fuzz", &audit, &err) == 0);
    audit_close(&audit);
    clock_unfake();
    snprintf(path, sizeof path, "%s/HEAD", folder);
    CHECK(durable_get_file(path, 1 << 20, &head, &head_n, &err) == 0);
    atexit(remove_folder);
}

static void
put(const char *name, const uint8_t *bytes, size_t n)
{
    char path[128];
    int fd;

    snprintf(path, sizeof path, "%s/%s", folder, name);
    fd = open(path, O_WRONLY | O_CREAT | O_TRUNC, 0600);
    CHECK(fd >= 0 && write(fd, bytes, n) == (ssize_t)n);
    close(fd);
}

int
LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t n)
{
    struct audit_verdict v;
    struct err err;

    log_set_fd(-1);
    if (folder[0] == '\0')
        make_folder();
    if (n == 0)
        return 0;
    put(bytes[0] & 1 ? "HEAD" : "log/1970-01-02.log", bytes + 1, n - 1);
    CHECK(audit_verify(folder, NULL, NULL, &v, &err) < 0);
    remove_file("log/1970-01-02.log");
    put("HEAD", head, head_n);
    return 0;
}
