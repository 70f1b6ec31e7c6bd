/* sandbox.c - rlimits and a seccomp allow-list that kills. */
#include "proto/codec/sandbox.h"

#include "proto/base/limits.h"

#include <seccomp.h>

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <sched.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <unistd.h>

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define IS_SANITIZED 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
#define IS_SANITIZED 1
#endif
#endif
#ifndef IS_SANITIZED
#define IS_SANITIZED 0
#endif

#define DESCRIPTORS_MOST 16
#define KEYS_MEMORY_BYTES ((rlim_t)256 << 20)
#define KEYS_FILE_BYTES ((rlim_t)256 << 20)
#define STACK_BYTES ((size_t)1 << 20) /* of a thread */
#define TASKS_MOST 4096 /* threads of all processes of this user, beyond which none is added */
/* Exactly what pthread_create() asks for: no other process, name space or table of descriptors. */
#define THREAD_FLAGS                                                                               \
    (CLONE_VM | CLONE_FS | CLONE_FILES | CLONE_SIGHAND | CLONE_THREAD | CLONE_SYSVSEM |            \
     CLONE_SETTLS | CLONE_PARENT_SETTID | CLONE_CHILD_CLEARTID)

/* What decoding needs. No sigaction: the limit on processor time stays deadly. */
static const int allowed[] = {
    SCMP_SYS(read),           SCMP_SYS(write),       SCMP_SYS(pread64),
    SCMP_SYS(pwrite64),       SCMP_SYS(writev),      SCMP_SYS(lseek),
    SCMP_SYS(recvmsg),        SCMP_SYS(sendmsg),     SCMP_SYS(close),
    SCMP_SYS(fstat),          SCMP_SYS(ftruncate),   SCMP_SYS(munmap),
    SCMP_SYS(mremap),         SCMP_SYS(madvise),     SCMP_SYS(brk),
    SCMP_SYS(futex),          SCMP_SYS(sched_yield), SCMP_SYS(clock_gettime),
    SCMP_SYS(gettimeofday),   SCMP_SYS(getrandom),   SCMP_SYS(rt_sigreturn),
    SCMP_SYS(rt_sigprocmask), SCMP_SYS(getpid),      SCMP_SYS(gettid),
    SCMP_SYS(exit),           SCMP_SYS(exit_group),  SCMP_SYS(restart_syscall),
};

/* Reports, and the pipe by which a sanitizer asks whether memory can be read. */
static const int allowed_to_sanitizers[] = {
    SCMP_SYS(sigaltstack), SCMP_SYS(rt_sigaction), SCMP_SYS(readlink),
    SCMP_SYS(tgkill),      SCMP_SYS(pipe2),        SCMP_SYS(getrlimit),
    SCMP_SYS(prlimit64),   SCMP_SYS(sysinfo),      SCMP_SYS(sched_getaffinity),
};

/* One kind of process: how much of what, and a call more than the others. */
struct cage {
    rlim_t memory, addresses, file;
    int more; /* system call, -1 = none */
    bool has_threads;
};

static int enter(const struct cage *cage, struct err *err);
static int warm_threads(struct err *err);
static int limit(int which, rlim_t most, const char *name, struct err *err);
static int add_rules(scmp_filter_ctx filter, const struct cage *cage);
static int add_thread_rules(scmp_filter_ctx filter);

int
sandbox_enter(struct err *err)
{
    /* memory of its own; beside it, the source is mapped, which may be larger than memory is */
    const struct cage codec = {LIMIT_WORKER_MEMORY_BYTES,
                               LIMIT_WORKER_MEMORY_BYTES + LIMIT_OBJECT_BYTES, LIMIT_OBJECT_BYTES,
                               -1, true};

    return enter(&codec, err);
}

int
sandbox_enter_keys(struct err *err)
{
    const struct cage keys = {KEYS_MEMORY_BYTES, RLIM_INFINITY, KEYS_FILE_BYTES,
                              SCMP_SYS(fdatasync), false};

    return enter(&keys, err);
}

static int
enter(const struct cage *cage, struct err *err)
{
    scmp_filter_ctx filter = NULL;
    int status, rc = -1;

    if (cage->has_threads && warm_threads(err) < 0)
        goto out;
    if (limit(RLIMIT_CORE, 0, "core", err) < 0 ||
        limit(RLIMIT_NOFILE, DESCRIPTORS_MOST, "descriptors", err) < 0 ||
        limit(RLIMIT_NPROC, TASKS_MOST, "threads", err) < 0 ||
        limit(RLIMIT_FSIZE, cage->file, "file size", err) < 0)
        goto out;
    if (!IS_SANITIZED && (limit(RLIMIT_DATA, cage->memory, "memory", err) < 0 ||
                          limit(RLIMIT_AS, cage->addresses, "addresses", err) < 0))
        goto out;
    if (prctl(PR_SET_DUMPABLE, 0) < 0 || prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0) {
        (void)err_sys(err, ERR_FATAL, "prctl");
        goto out;
    }
    filter = seccomp_init(SCMP_ACT_KILL_PROCESS);
    if (filter == NULL) {
        (void)err_set(err, ERR_FATAL, "seccomp: no filter");
        goto out;
    }
    status = add_rules(filter, cage);
    if (status == 0)
        status = seccomp_load(filter);
    if (status < 0) {
        errno = -status;
        (void)err_sys(err, ERR_FATAL, "seccomp");
        goto out;
    }
    rc = 0;
out:
    if (filter != NULL)
        seccomp_release(filter);
    if (rc < 0)
        err_context(err, "enter the sandbox");
    return rc;
}

static void *
end_at_once(void *arg)
{
    return arg;
}

/* The C library takes a signal of its own over when the first thread begins. */
static int
warm_threads(struct err *err)
{
    pthread_attr_t attributes;
    pthread_t thread;
    int status;

    CHECK(pthread_attr_init(&attributes) == 0);
    CHECK(pthread_attr_setstacksize(&attributes, STACK_BYTES) == 0);
    status = pthread_setattr_default_np(&attributes);
    pthread_attr_destroy(&attributes);
    if (status == 0)
        status = pthread_create(&thread, NULL, end_at_once, NULL);
    if (status == 0)
        status = pthread_join(thread, NULL);
    if (status == 0)
        return 0;
    errno = status;
    return err_sys(err, ERR_FATAL, "threads");
}

static int
limit(int which, rlim_t most, const char *name, struct err *err)
{
    struct rlimit now;

    if (getrlimit((__rlimit_resource_t)which, &now) < 0)
        return err_sys(err, ERR_FATAL, "read the limit of %s", name);
    if (now.rlim_max != RLIM_INFINITY && now.rlim_max < most)
        most = now.rlim_max;
    now.rlim_cur = now.rlim_max = most;
    if (setrlimit((__rlimit_resource_t)which, &now) < 0)
        return err_sys(err, ERR_FATAL, "limit %s", name);
    return 0;
}

static int
add_rules(scmp_filter_ctx filter, const struct cage *cage)
{
    int status = cage->has_threads ? add_thread_rules(filter) : 0;

    for (size_t i = 0; i < ARRAY_LEN(allowed) && status == 0; i++)
        status = seccomp_rule_add(filter, SCMP_ACT_ALLOW, allowed[i], 0);
    for (size_t i = 0; IS_SANITIZED && i < ARRAY_LEN(allowed_to_sanitizers) && status == 0; i++)
        status = seccomp_rule_add(filter, SCMP_ACT_ALLOW, allowed_to_sanitizers[i], 0);
    if (status == 0 && cage->more >= 0)
        status = seccomp_rule_add(filter, SCMP_ACT_ALLOW, cage->more, 0);
    if (status == 0) /* memory, but never code */
        status = seccomp_rule_add(filter, SCMP_ACT_ALLOW, SCMP_SYS(mmap), 1,
                                  SCMP_A2_32(SCMP_CMP_MASKED_EQ, PROT_EXEC, 0));
    if (status == 0)
        status = seccomp_rule_add(filter, SCMP_ACT_ALLOW, SCMP_SYS(mprotect), 1,
                                  SCMP_A2_32(SCMP_CMP_MASKED_EQ, PROT_EXEC, 0));
    if (status == 0) /* how the C library says fstat */
        status = seccomp_rule_add(filter, SCMP_ACT_ALLOW, SCMP_SYS(newfstatat), 1,
                                  SCMP_A3_32(SCMP_CMP_EQ, AT_EMPTY_PATH));
    return status;
}

/* The flags of clone3() lie in memory, where no filter sees them: it is "not there", and the C
 * library falls back to clone(). */
static int
add_thread_rules(scmp_filter_ctx filter)
{
    int status = seccomp_rule_add(filter, SCMP_ACT_ERRNO(ENOSYS), SCMP_SYS(clone3), 0);

    if (status == 0)
        status = seccomp_rule_add(filter, SCMP_ACT_ALLOW, SCMP_SYS(clone), 1,
                                  SCMP_A0_64(SCMP_CMP_EQ, THREAD_FLAGS));
    if (status == 0)
        status = seccomp_rule_add(filter, SCMP_ACT_ALLOW, SCMP_SYS(set_robust_list), 0);
    if (status == 0)
        status = seccomp_rule_add(filter, SCMP_ACT_ALLOW, SCMP_SYS(rseq), 0);
    return status;
}
