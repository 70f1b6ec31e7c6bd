/* tool_gateways.c - many gateways at one storage: each has a tenant and a certificate of its own
 * and hangs in the receipts long poll; some send at a time, all they can, an exam each in turns,
 * over a connection that stays. Rounds are finished, so that the turns say nothing about the
 * spread: it tells how the storage deals with those that send at once. Prints how the bytes are
 * spread, what a waiting gateway costs in memory and a landed GB in processor time. tool_gateways
 * STORAGE-PROGRAM [--gateways N] [--sending K] [--seconds S] [--spread PERCENT] Fails when a
 * gateway's bytes are further from the median than the spread (10). */
#include "proto/base/clock.h"
#include "proto/base/log.h"
#include "proto/base/thread.h"
#include "proto/http/client.h"
#include "proto/link/enrol.h"
#include "proto/link/link.h"
#include "proto/trust/ca.h"
#include "tests/support/process_cost.h"
#include "tests/support/vault.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>
#include <cmocka.h> /* what tests/support needs */

enum {
    GATEWAYS_MOST = 4000,
    ENROLLERS = 4,
    ROWS = 256,
    INSTANCES = 2,
    WAIT_S = 25,
    DONE_S = 180,
    BETWEEN_MS = 10
};

struct gateway {
    unsigned number;
    char tenant[16], dir[200];
    struct enrol_identity id;
    _Atomic uint64_t bytes, held, receipts;
    _Atomic uint64_t errors;
    unsigned studies;
};

static struct gateway *gateways;
static unsigned count = 1000, sending = 100, seconds = 600, spread = 10;
static char url[64], base[FOLDER_PATH_BYTES];
static _Atomic bool is_listening_over;
static _Atomic unsigned to_enrol;
static struct ca *ca;
static struct keep *catalog;

static void
must(int rc, const struct err *err, const char *what)
{
    if (rc >= 0)
        return;
    fprintf(stderr, "tool_gateways: %s: %s\n", what, err->text);
    exit(1);
}

/* ---- the storage ---- */

static uint16_t
free_port(void)
{
    struct sockaddr_in at = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t n = sizeof at;
    int fd = socket(AF_INET, SOCK_STREAM, 0);

    if (fd < 0 || bind(fd, (struct sockaddr *)&at, n) < 0 ||
        getsockname(fd, (struct sockaddr *)&at, &n) < 0)
        exit(1);
    close(fd);
    return ntohs(at.sin_port);
}

static pid_t
start_storage(const char *program, const char *conninfo)
{
    char config[300], log[300];
    uint16_t port = free_port();
    FILE *f;
    pid_t pid;

    snprintf(url, sizeof url, "https://127.0.0.1:%u", port);
    snprintf(config, sizeof config, "%s/storage.conf", base);
    snprintf(log, sizeof log, "%s/storage.log", base);
    f = fopen(config, "w");
    if (f == NULL)
        exit(1);
    fprintf(f,
            "data_dir = %s/data\npg_conninfo = %s\nlink_address = 127.0.0.1\nlink_port = %u\n"
            "web_port = %u\ndicom_port = %u\nlanding_keep = 1s\n",
            base, conninfo, port, free_port(), free_port());
    fclose(f);
    pid = fork();
    if (pid == 0) {
        int fd = open(log, O_WRONLY | O_CREAT | O_TRUNC, 0600);

        dup2(fd, 1);
        dup2(fd, 2);
        execl(program, program, "--config", config, (char *)NULL);
        _exit(127);
    }
    return pid;
}

static bool
is_reached(void)
{
    struct sockaddr_in at = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    int fd = socket(AF_INET, SOCK_STREAM, 0);
    bool is;

    at.sin_port = htons((uint16_t)strtoul(strrchr(url, ':') + 1, NULL, 10));
    is = connect(fd, (struct sockaddr *)&at, sizeof at) == 0;
    close(fd);
    return is;
}

/* ---- enrolment ---- */

static void
enrol(struct gateway *g)
{
    uint8_t fingerprint[DIGEST_BYTES], sha256[DIGEST_BYTES];
    char code[CODE_TEXT_BYTES];
    struct ca_subject subject = {.kind = "gateway", .device = "gate-1"};
    struct err err;

    snprintf(g->tenant, sizeof g->tenant, "T%04u", g->number);
    snprintf(g->dir, sizeof g->dir, "%s/g%04u", base, g->number);
    snprintf(subject.tenant, sizeof subject.tenant, "%s", g->tenant);
    must(keep_tenant_add(catalog, g->tenant, g->tenant, &err), &err, "tenant");
    ca_fingerprint(ca, fingerprint);
    code_new(fingerprint, code, sha256);
    must(keep_code_add(catalog, sha256, &subject, clock_wall_us() + 600000000, &err), &err, "code");
    must(enrol_new(g->dir, url, code, &g->id, &err), &err, "enrol");
}

static void *
enrol_run(void *arg)
{
    unsigned i;

    (void)arg;
    while ((i = atomic_fetch_add(&to_enrol, 1)) < count)
        enrol(&gateways[i]);
    return NULL;
}

/* ---- a gateway's calls ---- */

static struct http_client *
client_of(struct gateway *g)
{
    struct http_client_options o = {.base_url = url,
                                    .ca_file = g->id.ca,
                                    .certificate = g->id.certificate,
                                    .key = g->id.key,
                                    .stall_ms = 60000};
    struct http_client *client = NULL;
    struct err err;

    must(http_client_new(&o, &client, &err), &err, "client");
    return client;
}

static int
call(struct gateway *g, struct http_client *client, struct http_call *c, struct http_reply *reply)
{
    struct err err;

    c->answer_limit = 16 << 20;
    if (http_client_call(client, c, reply, &err) == 0 && reply->status < 300)
        return 0;
    if (atomic_load(&is_listening_over))
        return -1;
    fprintf(stderr, "gateway %u: %s: %s\n", g->number, c->path, err.text);
    atomic_fetch_add(&g->errors, 1);
    return -1;
}

static void *
listen_run(void *arg)
{
    struct gateway *g = arg;
    struct http_client *client = client_of(g);
    uint64_t after = 0;

    while (!atomic_load(&is_listening_over)) {
        char path[128];
        struct http_call c = {.method = "GET", .path = path};
        struct http_reply reply = {0};
        struct link_receipts receipts;
        struct err err;

        snprintf(path, sizeof path, LINK_PATH_RECEIPTS "?after=%llu&wait_s=%d",
                 (unsigned long long)after, WAIT_S);
        if (call(g, client, &c, &reply) == 0 &&
            link_receipts_decode(reply.body.bytes, reply.body.n, &receipts, &err) == 0) {
            atomic_fetch_add(&g->receipts, receipts.count);
            after = receipts.next;
            link_receipts_free(&receipts);
        }
        http_reply_fini(&reply);
    }
    http_client_free(&client);
    return NULL;
}

struct exam {
    struct link_offer_object o[INSTANCES];
    struct buf files[INSTANCES];
    char uid[INSTANCES][64], study[64], series[64];
};

static void
exam_make(struct gateway *g, struct exam *e)
{
    g->studies++;
    snprintf(e->study, sizeof e->study, "1.2.840.99.%u.%u", g->number, g->studies);
    snprintf(e->series, sizeof e->series, "%s.1", e->study);
    for (unsigned i = 0; i < INSTANCES; i++) {
        struct slice s = {.study = e->study,
                          .series = e->series,
                          .number = i + 1,
                          .noise = g->number * 7919 + g->studies * 64 + i,
                          .rows = ROWS};

        snprintf(e->uid[i], sizeof e->uid[i], "%s.%u", e->series, i + 1);
        s.instance = e->uid[i];
        slice_make(&s, &e->files[i]);
        slice_offer(&s, &e->files[i], &e->o[i]);
    }
}

static int
post(struct gateway *g, struct http_client *client, const char *path, const char *type,
     const struct buf *body, struct http_reply *reply)
{
    struct http_call c = {.method = "POST",
                          .path = path,
                          .content_type = type,
                          .body = body->bytes,
                          .body_n = body->n};

    return call(g, client, &c, reply);
}

static int
send_bundle(struct gateway *g, struct http_client *client, const struct exam *e)
{
    struct http_reply reply = {0};
    struct link_answer answer;
    struct buf body;
    struct err err;
    int rc = -1;

    buf_init(&body, 64 << 20);
    link_bundle_begin(&body);
    for (unsigned i = 0; i < INSTANCES; i++)
        must(link_bundle_add(&body, e->o[i].object, 0, e->files[i].bytes, e->files[i].n, false,
                             &err),
             &err, "bundle");
    link_bundle_end(&body);
    if (post(g, client, LINK_PATH_BUNDLE, "application/x-radpost-bundle", &body, &reply) == 0 &&
        link_answer_decode(reply.body.bytes, reply.body.n, &answer, &err) == 0) {
        for (size_t i = 0; i < answer.count; i++)
            if (answer.objects[i].state == LINK_HELD) {
                atomic_fetch_add(&g->held, 1);
                atomic_fetch_add(&g->bytes, e->files[0].n);
            }
        link_answer_free(&answer);
        rc = 0;
    }
    http_reply_fini(&reply);
    buf_fini(&body);
    return rc;
}

static int
send_lists(struct gateway *g, struct http_client *client, const struct exam *e, bool is_offer)
{
    struct link_manifest manifest = {
        .revision = 1, .closed_at_us = clock_wall_us(), .count = INSTANCES};
    struct link_manifest_instance lines[INSTANCES] = {{{0}, {0}, {0}, {0}}};
    struct link_offer offer = {(struct link_offer_object *)(uintptr_t)e->o, INSTANCES};
    struct http_reply reply = {0};
    struct buf body;
    int rc;

    buf_init(&body, 4 << 20);
    snprintf(manifest.study, sizeof manifest.study, "%s", e->study);
    manifest.instances = lines;
    for (unsigned i = 0; i < INSTANCES; i++) {
        snprintf(lines[i].sop_instance, sizeof lines[i].sop_instance, "%s", e->uid[i]);
        memcpy(lines[i].object, e->o[i].object, 32);
        memcpy(lines[i].pixels, e->o[i].pixels, 32);
        memcpy(lines[i].dataset, e->o[i].dataset, 32);
    }
    if (is_offer)
        link_offer_encode(&offer, &body);
    else
        link_manifest_encode(&manifest, &body);
    rc = post(g, client, is_offer ? LINK_PATH_OFFER : LINK_PATH_MANIFEST, "application/json", &body,
              &reply);
    http_reply_fini(&reply);
    buf_fini(&body);
    return rc;
}

static int
send_exam(struct gateway *g, struct http_client *client, struct exam *e)
{
    int rc = -1;

    exam_make(g, e);
    if (send_lists(g, client, e, true) == 0 && send_bundle(g, client, e) == 0)
        rc = send_lists(g, client, e, false);
    for (unsigned i = 0; i < INSTANCES; i++)
        buf_fini(&e->files[i]);
    return rc;
}

/* One of those that send at a time: an exam of each gateway of its share, round after round. */
static void *
send_run(void *arg)
{
    unsigned first = *(const unsigned *)arg;
    unsigned turns = (count + sending - 1) / sending;
    struct http_client **clients = mem_new(turns * sizeof *clients);
    struct exam *e = mem_new(sizeof *e);
    int64_t until_ms = clock_mono_ms() + (int64_t)seconds * 1000;
    bool is_well = true;

    while (is_well && clock_mono_ms() < until_ms)
        for (unsigned turn = 0; is_well && turn < turns && first + turn * sending < count; turn++) {
            struct gateway *g = &gateways[first + turn * sending];

            if (clients[turn] == NULL)
                clients[turn] = client_of(g);
            is_well = send_exam(g, clients[turn], e) == 0;
        }
    for (unsigned turn = 0; turn < turns; turn++)
        http_client_free(&clients[turn]);
    free(clients);
    free(e);
    return NULL;
}

/* ---- the figures ---- */

static int
by_bytes(const void *a, const void *b)
{
    uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;

    return x < y ? -1 : x > y;
}

struct figures {
    double cpu_s, kib_idle;
    int64_t took_ms, after_ms; /* sending; then until all receipts were there, or nobody waited */
    uint64_t receipts_when_ended; /* when the last one stopped sending */
};

static uint64_t
count_receipts(void)
{
    uint64_t n = 0;

    for (unsigned i = 0; i < count; i++)
        n += gateways[i].receipts;
    return n;
}

static bool
tell(const struct figures *f)
{
    uint64_t *bytes = mem_new(count * sizeof *bytes), all = 0, held = 0, receipts = 0, errors = 0;
    double least, most;

    for (unsigned i = 0; i < count; i++) {
        bytes[i] = gateways[i].bytes;
        all += gateways[i].bytes;
        held += gateways[i].held;
        receipts += gateways[i].receipts;
        errors += gateways[i].errors;
    }
    qsort(bytes, count, sizeof *bytes, by_bytes);
    least = bytes[count / 2] == 0 ? 0 : (double)bytes[0] / (double)bytes[count / 2];
    most = bytes[count / 2] == 0 ? 0 : (double)bytes[count - 1] / (double)bytes[count / 2];
    printf("gateways %u, sending %u, %lld s: %.1f MB in %llu instances, %.1f MB/s\n", count,
           sending, (long long)(f->took_ms / 1000), (double)all / 1e6, (unsigned long long)held,
           (double)all / 1e3 / (double)f->took_ms);
    printf("bytes of a gateway: median %.2f MB, least %.3f, most %.3f of it\n",
           (double)bytes[count / 2] / 1e6, least, most);
    printf("memory of a waiting gateway: %.1f KiB; processor: %.2f s a GB landed\n", f->kib_idle,
           all == 0 ? 0 : f->cpu_s * 1e9 / (double)all);
    printf("receipts when sending ended %llu of %llu, %lld ms later %llu; errors %llu\n",
           (unsigned long long)f->receipts_when_ended, (unsigned long long)held,
           (long long)f->after_ms, (unsigned long long)receipts, (unsigned long long)errors);
    free(bytes);
    return errors == 0 && receipts == held && held > 0 && least >= 1 - spread / 100.0 &&
           most <= 1 + spread / 100.0;
}

static bool
all_have_receipts(void)
{
    for (unsigned i = 0; i < count; i++)
        if (gateways[i].receipts < gateways[i].held)
            return false;
    return true;
}

static void
rest(int64_t ms)
{
    const struct timespec t = {.tv_sec = ms / 1000, .tv_nsec = ms % 1000 * 1000000};

    nanosleep(&t, NULL);
}

static pthread_t
small_thread(void *(*run)(void *), void *arg)
{
    pthread_attr_t attr;
    pthread_t t;

    pthread_attr_init(&attr);
    pthread_attr_setstacksize(&attr, 512 << 10);
    if (pthread_create(&t, &attr, run, arg) != 0)
        exit(1);
    pthread_attr_destroy(&attr);
    return t;
}

/* Everybody enrolled; then: wait, send, have receipts. */
static bool
measure(pid_t storage)
{
    pthread_t *listeners = mem_new(count * sizeof *listeners);
    pthread_t *senders = mem_new(sending * sizeof *senders);
    unsigned *firsts = mem_new(sending * sizeof *firsts);
    uint64_t before = process_resident_kib(storage);
    struct figures f = {0};
    int64_t began_ms;

    for (unsigned i = 0; i < count; i++) {
        listeners[i] = small_thread(listen_run, &gateways[i]);
        rest(BETWEEN_MS); /* clinics do not switch on together */
    }
    rest(4000 + count * 4);
    f.kib_idle = (double)(process_resident_kib(storage) - before) / count;
    began_ms = clock_mono_ms();
    f.cpu_s = process_cpu_seconds(storage);
    for (unsigned i = 0; i < sending; i++) {
        firsts[i] = i;
        senders[i] = small_thread(send_run, &firsts[i]);
    }
    for (unsigned i = 0; i < sending; i++)
        pthread_join(senders[i], NULL);
    f.took_ms = clock_mono_ms() - began_ms;
    f.receipts_when_ended = count_receipts();
    for (int i = 0; i < DONE_S * 5 && !all_have_receipts(); i++)
        rest(200);
    f.after_ms = clock_mono_ms() - began_ms - f.took_ms;
    f.cpu_s = process_cpu_seconds(storage) - f.cpu_s;
    atomic_store(&is_listening_over, true);
    kill(storage, SIGTERM); /* ends the long polls */
    for (unsigned i = 0; i < count; i++)
        pthread_join(listeners[i], NULL);
    free(listeners);
    free(senders);
    free(firsts);
    return tell(&f);
}

static void
read_words(int argc, char **argv)
{
    static const struct option options[] = {{"gateways", required_argument, NULL, 'g'},
                                            {"sending", required_argument, NULL, 'k'},
                                            {"seconds", required_argument, NULL, 's'},
                                            {"spread", required_argument, NULL, 'p'},
                                            {NULL, 0, NULL, 0}};
    int c;

    while ((c = getopt_long(argc, argv, "", options, NULL)) != -1) {
        unsigned v = optarg != NULL ? (unsigned)strtoul(optarg, NULL, 10) : 0;

        if (c == 'g' && v > 0 && v <= GATEWAYS_MOST)
            count = v;
        else if (c == 'k' && v > 0)
            sending = v;
        else if (c == 's' && v > 0)
            seconds = v;
        else if (c == 'p')
            spread = v;
        else
            exit(64);
    }
    if (optind + 1 != argc)
        exit(64);
    sending = sending < count ? sending : count;
}

int
main(int argc, char **argv)
{
    struct rlimit files;
    struct pg_cluster *cluster;
    pthread_t enrollers[ENROLLERS];
    char dir[300], *conninfo;
    struct err err;
    pid_t storage;
    bool is_fine;
    int status;

    read_words(argc, argv);
    log_set_fd(-1);
    signal(SIGPIPE, SIG_IGN);
    if (getrlimit(RLIMIT_NOFILE, &files) == 0) {
        files.rlim_cur = files.rlim_max;
        setrlimit(RLIMIT_NOFILE, &files);
    }
    folder_make("gateways", base);
    cluster = pg_cluster_start();
    if (cluster == NULL)
        return 77;
    conninfo = pg_cluster_database(cluster, "gateways");
    storage = start_storage(argv[optind], conninfo);
    for (int i = 0; i < 300 && !is_reached(); i++)
        rest(100);
    snprintf(dir, sizeof dir, "%s/data/ca", base);
    must(ca_open(dir, &ca, &err), &err, "CA");
    must(keep_open_catalog(conninfo, &catalog, &err), &err, "catalog");
    gateways = mem_new(count * sizeof *gateways);
    for (unsigned i = 0; i < count; i++)
        gateways[i].number = i;
    for (int i = 0; i < ENROLLERS; i++)
        enrollers[i] = small_thread(enrol_run, NULL);
    for (int i = 0; i < ENROLLERS; i++)
        pthread_join(enrollers[i], NULL);
    is_fine = measure(storage);
    waitpid(storage, &status, 0);
    keep_close(&catalog);
    ca_close(&ca);
    pg_cluster_remove(&cluster);
    if (!is_fine)
        fprintf(stderr, "the storage's log: %s/storage.log\n", base);
    else
        folder_remove(base);
    for (unsigned i = 0; i < count; i++)
        enrol_identity_fini(&gateways[i].id);
    free(gateways);
    free(conninfo);
    return is_fine && WIFEXITED(status) && WEXITSTATUS(status) == 0 ? 0 : 1;
}
