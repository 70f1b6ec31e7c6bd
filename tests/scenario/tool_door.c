/* tool_door DIR - the gateway's DICOM door and spool alone, told what to do by lines on its input:
 *     window MS | close | enrol AE ADDRESS CERTIFICATE|- | remove AE ADDRESS
 *     strangers | refused | unsent | counts | seen AE
 * Each is answered by lines and a last one "ok" or "failed: why". First of all it says
 *     listening PORT TLS_PORT FINGERPRINT */
#include "gateway/accept/accept.h"
#include "gateway/spool/spool.h"
#include "proto/base/durable.h"
#include "proto/base/text.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static struct spool *spool;
static struct accept *door;

static int
enrol(char *words[], struct err *err)
{
    struct accept_device d = {.may = 0};

    if (!text_copy(d.ae, sizeof d.ae, words[1]) ||
        !text_copy(d.address, sizeof d.address, words[2]) ||
        (strcmp(words[3], "-") != 0 &&
         !text_copy(d.certificate_sha256, sizeof d.certificate_sha256, words[3])))
        return err_set(err, ERR_REJECT, "too long");
    return accept_put_device(door, &d, err);
}

static void
print_strangers(void)
{
    struct accept_stranger *rows = NULL;
    size_t n;

    accept_list_strangers(door, &rows, &n);
    for (size_t i = 0; i < n; i++)
        printf("%s %s %s %s %llu\n", rows[i].calling, rows[i].called, rows[i].address,
               rows[i].certificate_sha256[0] ? rows[i].certificate_sha256 : "plain",
               (unsigned long long)rows[i].instances);
    free(rows);
}

static void
print_refused(void)
{
    static const char *const words[] = {"unknown", "called", "tls", "certificate"};
    struct accept_refused *rows = NULL;
    size_t n;

    accept_list_refused(door, &rows, &n);
    for (size_t i = 0; i < n; i++)
        printf("%s %s %s %s %llu\n", rows[i].calling, rows[i].called, rows[i].address,
               words[rows[i].why], (unsigned long long)rows[i].count);
    free(rows);
}

static void
print_unsent(void)
{
    struct accept_unsent *rows = NULL;
    uint64_t more;
    size_t n;

    accept_list_unsent(door, &rows, &n, &more);
    for (size_t i = 0; i < n; i++)
        printf("%s %s %04X\n", rows[i].ae, rows[i].sop_instance, rows[i].status);
    free(rows);
}

static void
print_counts(void)
{
    uint64_t counts[INSTANCE_STATES];

    spool_counts(spool, counts);
    printf("received %llu quarantined %llu\n", (unsigned long long)counts[INSTANCE_RECEIVED],
           (unsigned long long)counts[INSTANCE_QUARANTINED]);
}

static int
print_seen(const char *ae, struct err *err)
{
    struct accept_device d;

    if (!accept_find_device(door, ae, NULL, &d))
        return err_set(err, ERR_NOT_FOUND, "no such device");
    printf("%s %s stored %llu\n", d.ae, d.security == ACCEPT_TLS ? "tls" : "plain",
           (unsigned long long)d.stored);
    return 0;
}

static int
obey(char *words[], size_t n, struct err *err)
{
    uint64_t ms = 0;
    const char *verb = words[0];

    if (n == 2 && strcmp(verb, "window") == 0 && text_to_u64(words[1], 86400000, &ms) == 0)
        accept_window_open(door, (int64_t)ms);
    else if (n == 1 && strcmp(verb, "close") == 0)
        accept_window_close(door);
    else if (n == 4 && strcmp(verb, "enrol") == 0)
        return enrol(words, err);
    else if (n == 3 && strcmp(verb, "remove") == 0)
        return accept_remove_device(door, words[1], words[2], err);
    else if (n == 1 && strcmp(verb, "strangers") == 0)
        print_strangers();
    else if (n == 1 && strcmp(verb, "refused") == 0)
        print_refused();
    else if (n == 1 && strcmp(verb, "unsent") == 0)
        print_unsent();
    else if (n == 1 && strcmp(verb, "counts") == 0)
        print_counts();
    else if (n == 2 && strcmp(verb, "seen") == 0)
        return print_seen(words[1], err);
    else
        return err_set(err, ERR_REJECT, "not understood");
    return 0;
}

static size_t
split(char *line, char *words[4])
{
    size_t n = 0;

    line[strcspn(line, "\n")] = '\0';
    for (char *at = line; *at != '\0' && n < 4;) {
        words[n++] = at;
        at += strcspn(at, " ");
        if (*at != '\0')
            *at++ = '\0';
    }
    return n;
}

static int
run(const char *dir, struct err *err)
{
    char *door_dir = mem_printf("%s/accept", dir), *spool_dir = mem_printf("%s/spool", dir);
    struct spool_options keep = {.segment_bytes = 4u << 20};
    struct accept_options options = {
        .dir = door_dir, .address = "127.0.0.1", .called = "RADPOST", .has_tls = true};
    char line[512], digest[65], *words[4];
    int rc = -1;

    if (durable_mkdir(dir, err) < 0 || spool_open(spool_dir, &keep, &spool, err) < 0 ||
        accept_open(&options, spool, &door, err) < 0 || accept_listen(door, err) < 0)
        goto out;
    accept_tls_fingerprint(door, digest);
    printf("listening %u %u %s\n", accept_port(door), accept_tls_port(door), digest);
    fflush(stdout);
    while (fgets(line, sizeof line, stdin)) {
        struct err why = {0};
        size_t n = split(line, words);
        if (n == 0)
            continue;
        if (obey(words, n, &why) < 0)
            printf("failed: %s\n", why.text);
        else
            puts("ok");
        fflush(stdout);
    }
    rc = 0;
out:
    accept_stop(&door);
    spool_close(&spool);
    free(spool_dir);
    free(door_dir);
    return rc;
}

int
main(int argc, char **argv)
{
    struct err err = {0};

    signal(SIGPIPE, SIG_IGN);
    if (argc != 2) {
        fputs("tool_door DIR\n", stderr);
        return 64;
    }
    if (run(argv[1], &err) == 0)
        return 0;
    fprintf(stderr, "tool_door: %s\n", err.text);
    return err_kind_exit(err.kind);
}
