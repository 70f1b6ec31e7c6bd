/* radpost-demo-study - writes the demo's two studies of an invented patient into a folder.
 *
 *     radpost-demo-study [--seed N] [--slices N] [--only ct|dx] FOLDER
 *
 * FOLDER/ct/0001.dcm... and FOLDER/dx/0001.dcm. Fresh UIDs each time, or the same by --seed. */
#include "deploy/demo/study.h"
#include "proto/base/durable.h"
#include "proto/base/text.h"
#include "proto/base/thread.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { MAX_SLICES = 400, MAX_THREADS = 8, FILE_LIMIT = 64 << 20 };

struct work {
    const char *folder;
    struct study study;
    struct gate gate;
    int slices; /* 0: no CT */
    int next;   /* -1: the chest is to be drawn; 0..: the slice */
    bool has_failed;
};

static const char usage[] =
    "radpost-demo-study [--seed N] [--slices N] [--only ct|dx] FOLDER\n"
    "Writes FOLDER/ct (head CT, 30 slices) and FOLDER/dx (chest) of an invented patient.\n";

static int
write_file(const char *folder, const char *kind, int number, const struct buf *bytes,
           struct err *err)
{
    char path[4096];
    int fd, rc = -1;

    snprintf(path, sizeof path, "%s/%s/%04d.dcm", folder, kind, number);
    fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
    if (fd < 0)
        return err_sys(err, ERR_FATAL, "make %s", path);
    rc = durable_write(fd, bytes->bytes, bytes->n, err);
    if (close(fd) < 0 && rc == 0)
        rc = err_sys(err, ERR_FATAL, "close %s", path);
    return rc;
}

/* One picture: -1 the chest, 0.. a slice. */
static int
do_one(struct work *work, int which, struct err *err)
{
    struct buf out;
    int rc;

    buf_init(&out, FILE_LIMIT);
    if (which < 0)
        rc = study_chest(&work->study, &out, err);
    else
        rc = study_ct_slice(&work->study, which, work->slices, &out, err);
    if (rc == 0)
        rc =
            write_file(work->folder, which < 0 ? "dx" : "ct", which < 0 ? 1 : which + 1, &out, err);
    buf_fini(&out);
    return rc;
}

static void *
run(void *arg)
{
    struct work *work = arg;

    for (;;) {
        struct err err = {0};
        int which;

        gate_lock(&work->gate);
        which = work->next++;
        gate_unlock(&work->gate);
        if (which >= work->slices)
            return NULL;
        if (do_one(work, which, &err) < 0) {
            fprintf(stderr, "radpost-demo-study: %s\n", err.text);
            gate_lock(&work->gate);
            work->has_failed = true;
            gate_unlock(&work->gate);
            return NULL;
        }
    }
}

static int
make_folder(const char *folder, const char *kind)
{
    char path[4096];

    snprintf(path, sizeof path, "%s%s%s", folder, *kind != '\0' ? "/" : "", kind);
    if (mkdir(path, 0755) == 0 || errno == EEXIST)
        return 0;
    fprintf(stderr, "radpost-demo-study: make %s: %s\n", path, strerror(errno));
    return -1;
}

static int
read_arguments(int argc, char **argv, struct work *work)
{
    uint64_t seed = 0, slices = 30;
    bool is_fixed = false, has_ct = true, has_dx = true;

    for (int i = 1; i < argc; i++) {
        const char *value = i + 1 < argc ? argv[i + 1] : "";

        if (strcmp(argv[i], "--seed") == 0 && text_to_u64(value, UINT64_MAX, &seed) == 0) {
            is_fixed = true;
            i++;
        } else if (strcmp(argv[i], "--slices") == 0 &&
                   text_to_u64(value, MAX_SLICES, &slices) == 0 && slices > 0) {
            i++;
        } else if (strcmp(argv[i], "--only") == 0 &&
                   (strcmp(value, "ct") == 0 || strcmp(value, "dx") == 0)) {
            has_ct = value[0] == 'c';
            has_dx = !has_ct;
            i++;
        } else if (argv[i][0] != '-' && work->folder == NULL) {
            work->folder = argv[i];
        } else {
            return -1;
        }
    }
    if (work->folder == NULL)
        return -1;
    study_init(&work->study, is_fixed, seed);
    work->slices = has_ct ? (int)slices : 0;
    work->next = has_dx ? -1 : 0;
    return 0;
}

int
main(int argc, char **argv)
{
    struct work work = {0};
    pthread_t threads[MAX_THREADS];
    long cores = sysconf(_SC_NPROCESSORS_ONLN);
    int n = cores < 1 ? 1 : (cores > MAX_THREADS ? MAX_THREADS : (int)cores);

    if (argc == 2 && strcmp(argv[1], "--help") == 0) {
        fputs(usage, stdout);
        return 0;
    }
    if (read_arguments(argc, argv, &work) < 0) {
        fputs(usage, stderr);
        return 2;
    }
    if (make_folder(work.folder, "") < 0 ||
        (work.slices > 0 && make_folder(work.folder, "ct") < 0) ||
        (work.next < 0 && make_folder(work.folder, "dx") < 0))
        return 1;
    gate_init(&work.gate);
    for (int i = 0; i < n; i++)
        threads[i] = thread_start("demo-study", run, &work);
    for (int i = 0; i < n; i++)
        thread_join(threads[i]);
    gate_fini(&work.gate);
    return work.has_failed ? 1 : 0;
}
