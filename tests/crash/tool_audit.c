/* tool_audit.c - a service that keeps an audit log, for crash tests.
 *     tool_audit send DIR LEDGER FIRST COUNT THREADS   append, and tell the ledger of each entry
 * kept tool_audit judge DIR LEDGER                      start again; all that was told is there,
 * and the log is good send ends with 0 also when the log ended early: that is told to nobody. */
#include "proto/base/durable.h"
#include "proto/base/log.h"
#include "proto/base/text.h"
#include "proto/base/thread.h"
#include "proto/trust/audit.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { THREADS_MAX = 16, NUMBERS = 100000, FILE_LIMIT = 64 << 20 };

struct sender {
    struct audit *audit;
    const char *ledger;
    uint64_t first, count;
    pthread_t thread;
};

static bool is_kept[NUMBERS];

static void
tell(const char *ledger, uint64_t n)
{
    char line[32];
    int fd = open(ledger, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC, 0600);
    int k = snprintf(line, sizeof line, "%" PRIu64 "\n", n);

    CHECK(fd >= 0 && write(fd, line, (size_t)k) == k);
    close(fd);
}

static void *
append_all(void *arg)
{
    struct sender *s = arg;

    for (uint64_t n = s->first; n < s->first + s->count; n++) {
        struct err err = {0};

        if (audit_append(s->audit, &err, AUDIT_RETRIEVED, A_NUMBER("kept", n)) == 0)
            tell(s->ledger, n);
        else
            fprintf(stderr, "%s\n", err.text);
    }
    return NULL;
}

static int
send_all(const char *dir, const char *ledger, uint64_t first, uint64_t count, uint64_t threads)
{
    struct sender senders[THREADS_MAX];
    struct audit *audit = NULL;
    struct err err = {0};

    if (audit_open(dir, "crash", &audit, &err) < 0) {
        fprintf(stderr, "%s\n", err.text);
        return err.kind == ERR_CONFLICT ? 1 : 0;
    }
    for (uint64_t i = 0; i < threads; i++) {
        senders[i] = (struct sender){audit, ledger, first + i * count, count, 0};
        senders[i].thread = thread_start("append", append_all, &senders[i]);
    }
    for (uint64_t i = 0; i < threads; i++)
        thread_join(senders[i].thread);
    audit_close(&audit);
    return 0;
}

static void
note_kept(const char *text)
{
    static const char key[] = "\"kept\":";

    while ((text = strstr(text, key)) != NULL) {
        uint64_t n;

        text += sizeof key - 1;
        n = strtoull(text, NULL, 10);
        if (n < NUMBERS)
            is_kept[n] = true;
    }
}

static int
read_log(const char *dir)
{
    char path[600];
    DIR *d;
    struct dirent *entry;

    snprintf(path, sizeof path, "%s/log", dir);
    d = opendir(path);
    while (d != NULL && (entry = readdir(d)) != NULL) {
        uint8_t *bytes;
        size_t n;
        struct err err;

        if (entry->d_name[0] == '.')
            continue;
        snprintf(path, sizeof path, "%s/log/%.100s", dir, entry->d_name);
        if (durable_get_file(path, FILE_LIMIT, &bytes, &n, &err) < 0) {
            printf("%s\n", err.text);
            closedir(d);
            return -1;
        }
        note_kept((const char *)bytes);
        free(bytes);
    }
    if (d != NULL)
        closedir(d);
    return 0;
}

static int
judge(const char *dir, const char *ledger)
{
    struct audit *audit = NULL;
    struct audit_verdict v;
    struct err err = {0};
    char line[32];
    FILE *told = fopen(ledger, "r");
    int lost = 0;

    if (audit_open(dir, "crash", &audit, &err) < 0) {
        printf("does not open: %s\n", err.text);
        return 1;
    }
    audit_close(&audit);
    if (audit_verify(dir, NULL, NULL, &v, &err) < 0) {
        printf("false alarm: %s\n", err.text);
        return 1;
    }
    if (read_log(dir) < 0)
        return 1;
    while (told != NULL && fgets(line, sizeof line, told) != NULL) {
        uint64_t n = strtoull(line, NULL, 10);

        if (n >= NUMBERS || is_kept[n])
            continue;
        printf("LOST entry %" PRIu64 "\n", n);
        lost++;
    }
    if (told != NULL)
        fclose(told);
    return lost > 0;
}

static uint64_t
number(const char *text)
{
    uint64_t n;

    CHECK(text_to_u64(text, NUMBERS, &n) == 0);
    return n;
}

int
main(int argc, char **argv)
{
    log_set_fd(-1);
    if (argc == 7 && strcmp(argv[1], "send") == 0 && number(argv[6]) <= THREADS_MAX)
        return send_all(argv[2], argv[3], number(argv[4]), number(argv[5]), number(argv[6]));
    if (argc == 4 && strcmp(argv[1], "judge") == 0)
        return judge(argv[2], argv[3]);
    fprintf(stderr, "usage: tool_audit send DIR LEDGER FIRST COUNT THREADS | judge DIR LEDGER\n");
    return 2;
}
