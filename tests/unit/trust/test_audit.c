/* test_audit.c - whatever is done to the log is found, and nothing else is. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <fcntl.h>
#include <inttypes.h>
#include <dirent.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "proto/base/buf.h"
#include "proto/base/clock.h"
#include "proto/base/durable.h"
#include "proto/base/log.h"
#include "proto/base/text.h"
#include "proto/base/thread.h"
#include "proto/trust/audit.h"
#include "tests/support/folder.h"

#define DAY_US ((int64_t)86400 * 1000000)
#define START_US ((int64_t)1795255200 * 1000000) /* 2026-11-21T10:00:00Z */
#define TAMPERINGS 1000
#define FILES 3
#define LINES_LIMIT 200
#define KILLS 20
#define THREADS 16
#define EACH 25

static char folder[FOLDER_PATH_BYTES];

static int
make_folder(void **state)
{
    (void)state;
    log_set_fd(-1);
    folder_make("audit", folder);
    return 0;
}

static int
remove_folder(void **state)
{
    (void)state;
    clock_unfake();
    folder_remove(folder);
    return 0;
}

static char *
in(const char *dir, const char *name)
{
    static char path[4][300];
    static int i;

    i = (i + 1) % 4;
    snprintf(path[i], sizeof path[i], "%s/%s%s%s", folder, dir, name[0] != '\0' ? "/" : "", name);
    return path[i];
}

static struct audit *
open_log(const char *dir)
{
    struct audit *audit = NULL;
    struct err err = {0};

    if (audit_open(in(dir, ""), "test", &audit, &err) < 0)
        fail_msg("%s", err.text);
    return audit;
}

static void
append(struct audit *audit, int i)
{
    struct err err = {0};

    if (audit_append(audit, &err, AUDIT_RETRIEVED, A_UID("study", "1.2.3"), A_NUMBER("i", i),
                     A_WORD("by", "VIEWER")) < 0)
        fail_msg("%s", err.text);
}

/* 0 or the kind of the error. */
static int
verify(const char *dir, struct audit_verdict *out, struct err *err)
{
    return audit_verify(in(dir, ""), NULL, NULL, out, err) < 0 ? (int)err->kind : 0;
}

static void
assert_good(const char *dir)
{
    struct audit_verdict v;
    struct err err = {0};

    if (verify(dir, &v, &err) != 0)
        fail_msg("false alarm: %s", err.text);
}

static char *
read_text(const char *path, size_t *out_n)
{
    uint8_t *bytes = NULL;
    struct err err = {0};

    if (durable_get_file(path, 1 << 20, &bytes, out_n, &err) < 0)
        fail_msg("%s", err.text);
    return (char *)bytes;
}

static void
write_text(const char *path, const void *bytes, size_t n)
{
    int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC, 0600);
    struct err err = {0};

    assert_true(fd >= 0);
    assert_int_equal(durable_write(fd, bytes, n, &err), 0);
    close(fd);
}

/* ---- tampering ---- */

/* Three days of a log, in lines. */
struct log_text {
    char *lines[LINES_LIMIT];
    int file_of[LINES_LIMIT];
    int count;
    char names[FILES][32];
};

static void
build_log(const char *dir)
{
    struct audit *audit;

    clock_fake(START_US, 1000);
    audit = open_log(dir);
    for (int day = 0; day < FILES; day++) {
        for (int i = 0; i < 4; i++)
            append(audit, day * 10 + i);
        if (day == 1) { /* a restart in the middle */
            audit_close(&audit);
            audit = open_log(dir);
        }
        if (day + 1 < FILES) {
            clock_fake(START_US + (day + 1) * DAY_US, 1000);
            append(audit, 999); /* ends the day */
        }
    }
    audit_close(&audit);
    clock_unfake();
}

static void
read_log(const char *dir, struct log_text *t)
{
    t->count = 0;
    for (int f = 0; f < FILES; f++) {
        char *text, *p;
        size_t n;

        snprintf(t->names[f], sizeof t->names[f], "log/2026-11-%02d.log", 21 + f);
        text = read_text(in(dir, t->names[f]), &n);
        for (p = text; *p != '\0'; p += strlen(t->lines[t->count - 1])) {
            t->file_of[t->count] = f;
            t->lines[t->count++] = mem_printf("%.*s", (int)(strchr(p, '\n') - p + 1), p);
            assert_true(t->count < LINES_LIMIT);
        }
        free(text);
    }
}

static void
write_log(const char *dir, const struct log_text *t)
{
    for (int f = 0; f < FILES; f++) {
        struct buf b;

        buf_init(&b, 1 << 20);
        for (int i = 0; i < t->count; i++)
            if (t->file_of[i] == f && t->lines[i] != NULL)
                buf_add_text(&b, t->lines[i]);
        write_text(in(dir, t->names[f]), b.bytes != NULL ? b.bytes : (uint8_t *)"", b.n);
        buf_fini(&b);
    }
}

/* From line `from` on, hash the chain anew, as one who knows the format would. */
static void
hash_anew(struct log_text *t, int from)
{
    uint8_t before[DIGEST_BYTES] = {0};
    uint64_t n = 0;

    for (int i = 0; i < t->count; i++) {
        char hex[DIGEST_HEX_BYTES], *json;
        struct digest *d;

        if (t->lines[i] == NULL)
            continue;
        if (strncmp(t->lines[i], "radpost-audit", 13) == 0) {
            if (i >= from) {
                free(t->lines[i]);
                digest_text(before, hex);
                t->lines[i] = mem_printf("radpost-audit 1 after %" PRIu64 " %s\n", n, hex);
            }
            continue;
        }
        n++;
        json = t->lines[i] + 65;
        if (i < from) {
            assert_int_equal(hex_decode((snprintf(hex, sizeof hex, "%.64s", t->lines[i]), hex),
                                        before, DIGEST_BYTES),
                             0);
            continue;
        }
        json = mem_printf("{\"n\":%" PRIu64 "%s", n, strchr(json, ','));
        d = digest_new();
        digest_add(d, before, DIGEST_BYTES);
        digest_add(d, json, strlen(json) - 1);
        digest_take(d, before);
        digest_free(&d);
        digest_text(before, hex);
        free(t->lines[i]);
        t->lines[i] = mem_printf("%s %s", hex, json);
        free(json);
    }
}

static unsigned
draw(unsigned below)
{
    static uint32_t x = 2463534242u; /* xorshift: the same tamperings each time */

    x ^= x << 13;
    x ^= x >> 17;
    x ^= x << 5;
    return x % below;
}

enum tampering { EDIT, DROP, INSERT, SWAP, CUT, CUT_BYTES, REWRITE, FORGE_END, KINDS };

static const char *const tampering_names[] = {"edit", "drop",      "insert",  "swap",
                                              "cut",  "cut bytes", "rewrite", "forge the end"};

/* One random tampering; false if it came to nothing (two equal lines swapped). */
static bool
tamper(struct log_text *t, enum tampering kind)
{
    int i = (int)draw((unsigned)t->count), j = (int)draw((unsigned)t->count), k;
    char *line = t->lines[i], *copy;
    size_t at = draw((unsigned)strlen(line));

    switch (kind) {
    case EDIT:
        copy = mem_text(line);
        copy[at] = (char)(copy[at] ^ (1 << draw(7)));
        if (copy[at] == '\0')
            copy[at] = 'x';
        free(line);
        t->lines[i] = copy;
        return true;
    case DROP:
        free(line);
        t->lines[i] = NULL;
        return true;
    case INSERT:
        t->lines[i] = mem_printf("%s%s", line, t->lines[j]);
        free(line);
        return true;
    case SWAP:
        t->lines[i] = t->lines[j];
        t->lines[j] = line;
        return i != j;
    case CUT:
        for (k = i; k < t->count; k++) {
            free(t->lines[k]);
            t->lines[k] = NULL;
        }
        return true;
    case CUT_BYTES:
        line[at] = '\0';
        for (k = i + 1; k < t->count; k++) {
            free(t->lines[k]);
            t->lines[k] = NULL;
        }
        return true;
    case REWRITE: /* drop or edit an entry, then make every hash fit again */
        if (strncmp(line, "radpost-audit", 13) == 0)
            return false;
        t->lines[i] = NULL;
        if (draw(2) == 0) {
            t->lines[i] = mem_text(line);
            t->lines[i][strlen(line) - 4] ^= 1;
        }
        free(line);
        hash_anew(t, i);
        return true;
    case FORGE_END: /* one more entry with the right hash */
        i = t->count - 1;
        line = t->lines[i];
        t->lines[t->count] = mem_text(t->lines[i - 2]);
        t->file_of[t->count++] = FILES - 1;
        hash_anew(t, t->count - 1);
        return line != NULL;
    default:
        return false;
    }
}

static void
free_log(struct log_text *t)
{
    for (int i = 0; i < t->count; i++)
        free(t->lines[i]);
}

static void
a_thousand_tamperings_are_found_and_no_good_log_is_blamed(void **state)
{
    int found[KINDS] = {0}, done = 0;

    (void)state;
    build_log("t");
    assert_good("t");
    while (done < TAMPERINGS) {
        static struct log_text before, after;
        struct audit_verdict v;
        struct err err = {0};
        enum tampering kind = (enum tampering)(done % KINDS);

        read_log("t", &before);
        read_log("t", &after);
        if (tamper(&after, kind)) {
            write_log("t", &after);
            if (verify("t", &v, &err) != ERR_CONFLICT)
                fail_msg("tampering %d (%s) was not found", done, tampering_names[kind]);
            assert_true(v.bad_entry > 0);
            found[kind]++;
            write_log("t", &before);
            done++;
        }
        free_log(&after);
        free_log(&before);
        if (done % 100 == 0)
            assert_good("t");
    }
    for (int k = 0; k < KINDS; k++)
        assert_true(found[k] >= TAMPERINGS / KINDS);
}

static void
the_first_bad_entry_is_named(void **state)
{
    static struct log_text t;
    struct audit_verdict v;
    struct err err = {0};
    char number[16];

    (void)state;
    build_log("n");
    read_log("n", &t);
    t.lines[7][80] ^= 1; /* line 0 is the header: entry 7 */
    write_log("n", &t);
    assert_int_equal(verify("n", &v, &err), ERR_CONFLICT);
    assert_int_equal(v.bad_entry, 7);
    assert_int_equal(v.entries, 6);
    assert_string_equal(v.bad_place, "2026-11-21.log line 8");
    snprintf(number, sizeof number, "entry 7");
    assert_non_null(strstr(err.text, number));
    free_log(&t);
}

static void
a_head_that_left_the_house_binds_the_key_holder(void **state)
{
    char head[300], gone[300];
    struct audit_verdict v;
    struct audit *audit;
    struct err err = {0};
    uint8_t signer[DIGEST_BYTES];

    (void)state;
    build_log("h");
    snprintf(head, sizeof head, "%s/supervisor.head", folder);
    snprintf(gone, sizeof gone, "%s", in("h", "heads/2026-11-21.head"));
    assert_int_equal(rename(gone, head), 0);
    assert_int_equal(audit_verify(in("h", ""), NULL, head, &v, &err), 0);
    memcpy(signer, v.signer, sizeof signer);
    assert_int_equal(audit_verify(in("h", ""), signer, head, &v, &err), 0);
    signer[0] ^= 1;
    assert_int_equal(audit_verify(in("h", ""), signer, NULL, &v, &err), -1);
    assert_int_equal(err.kind, ERR_CONFLICT);

    /* The service's owner begins anew with the same key, as if nothing had been. */
    folder_remove(in("h", "log"));
    folder_remove(in("h", "heads"));
    unlink(in("h", "HEAD"));
    clock_fake(START_US, 1000);
    audit = open_log("h");
    for (int i = 0; i < 30; i++)
        append(audit, i);
    audit_close(&audit);
    clock_unfake();
    assert_good("h");
    assert_int_equal(audit_verify(in("h", ""), NULL, head, &v, &err), -1);
    assert_int_equal(err.kind, ERR_CONFLICT);
}

static int
count_words(const char *text, const char *word)
{
    int n = 0;

    for (; (text = strstr(text, word)) != NULL; text++)
        n++;
    return n;
}

/* Entries of the killed children, over all days. */
static int
count_kept(const char *dir)
{
    DIR *d = opendir(in(dir, "log"));
    struct dirent *entry;
    int kept = 0;

    assert_non_null(d);
    while ((entry = readdir(d)) != NULL) {
        char name[300], *text;
        size_t n;

        if (entry->d_name[0] == '.')
            continue;
        snprintf(name, sizeof name, "log/%s", entry->d_name);
        text = read_text(in(dir, name), &n);
        kept += count_words(text, "\"kept\":");
        free(text);
    }
    closedir(d);
    return kept;
}

/* ---- crashes ---- */

static void
an_end_torn_anywhere_is_set_aside_and_the_rest_kept(void **state)
{
    struct audit *audit;
    struct audit_verdict v, kept;
    struct err err = {0};
    char *head, *log, name[32];
    size_t head_n, old_n, n;
    struct stat st;

    (void)state;
    clock_fake(START_US, 1000);
    audit = open_log("c");
    append(audit, 1);
    assert_int_equal(verify("c", &kept, &err), 0);
    head = read_text(in("c", "HEAD"), &head_n);
    snprintf(name, sizeof name, "log/2026-11-21.log");
    assert_int_equal(stat(in("c", name), &st), 0);
    old_n = (size_t)st.st_size;
    append(audit, 2);
    audit_close(&audit);
    log = read_text(in("c", name), &n);
    assert_true(n > old_n + 300);

    for (size_t cut = old_n; cut <= n; cut += cut < old_n + 5 ? 1 : 61) {
        write_text(in("c", name), log, cut);
        write_text(in("c", "HEAD"), head, head_n);
        audit = open_log("c");
        append(audit, 3);
        audit_close(&audit);
        if (verify("c", &v, &err) != 0)
            fail_msg("cut at %zu: %s", cut, err.text);
        assert_true(v.entries > kept.entries);
    }
    free(head);
    free(log);
    clock_unfake();
}

/* A child appends and tells of each entry that was acknowledged, until it is killed. */
static void
append_until_killed(const char *dir, int tell_fd)
{
    struct audit *audit = NULL;
    struct err err = {0};

    if (audit_open(in(dir, ""), "test", &audit, &err) < 0)
        _exit(1);
    for (int i = 0;; i++)
        if (audit_append(audit, &err, AUDIT_RETRIEVED, A_NUMBER("kept", i)) < 0 ||
            write(tell_fd, &i, sizeof i) != sizeof i)
            _exit(2);
}

static void
what_was_acknowledged_survives_kills(void **state)
{
    int total = 0;

    (void)state;
    for (int round = 0; round < KILLS; round++) {
        struct audit_verdict v;
        struct err err = {0};
        struct audit *audit;
        int ends[2], told = 0, i;
        unsigned wanted = 1 + draw(12);
        pid_t pid;

        assert_int_equal(pipe(ends), 0);
        pid = fork();
        if (pid == 0) {
            close(ends[0]);
            append_until_killed("k", ends[1]);
        }
        close(ends[1]);
        while (told < (int)wanted && read(ends[0], &i, sizeof i) == sizeof i)
            told++;
        kill(pid, SIGKILL);
        while (read(ends[0], &i, sizeof i) == sizeof i)
            told++;
        close(ends[0]);
        assert_int_equal(waitpid(pid, &i, 0), pid);
        assert_true(WIFSIGNALED(i));
        total += told;

        audit = open_log("k");
        audit_close(&audit);
        if (verify("k", &v, &err) != 0)
            fail_msg("round %d: %s", round, err.text);
    }
    assert_true(count_kept("k") >= total);
    print_message("%d kills, %d entries acknowledged, %d kept\n", KILLS, total, count_kept("k"));
}

static void
a_full_disk_costs_entries_but_not_the_log(void **state)
{
    struct audit *audit = open_log("f");
    struct rlimit before, none;
    struct err err = {0};

    (void)state;
    append(audit, 1);
    signal(SIGXFSZ, SIG_IGN);
    assert_int_equal(getrlimit(RLIMIT_FSIZE, &before), 0);
    none = before;
    none.rlim_cur = 100;
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &none), 0);
    assert_int_equal(audit_append(audit, &err, AUDIT_RETRIEVED, A_NUMBER("i", 2)), -1);
    assert_int_equal(err.kind, ERR_RETRY);
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &before), 0);
    append(audit, 3);
    audit_close(&audit);
    assert_good("f");
}

static void
a_broken_chain_is_set_aside_and_told(void **state)
{
    static struct log_text t;
    struct audit_verdict v;
    struct audit *audit;
    struct err err = {0};

    (void)state;
    build_log("b");
    read_log("b", &t);
    free(t.lines[t.count - 1]); /* the last entries are gone, though HEAD signs them */
    t.lines[t.count - 1] = NULL;
    write_log("b", &t);
    free_log(&t);

    audit = open_log("b");
    append(audit, 1);
    audit_close(&audit);
    assert_int_equal(verify("b", &v, &err), ERR_CONFLICT);
    assert_int_equal(v.bad_entry, 0);
    assert_true(v.entries > 3);
    assert_non_null(strstr(err.text, "corrupt/chain-"));
}

static void
a_second_writer_is_refused(void **state)
{
    struct audit *audit = open_log("two"), *second = NULL;
    struct err err = {0};

    (void)state;
    assert_int_equal(audit_open(in("two", ""), "test", &second, &err), -1);
    assert_int_equal(err.kind, ERR_CONFLICT);
    assert_good("two"); /* while it is being written */
    audit_close(&audit);
    assert_good("two");
}

/* ---- many at once ---- */

static void *
append_many(void *arg)
{
    for (int i = 0; i < EACH; i++)
        append(arg, i);
    return NULL;
}

static void
those_who_wait_together_share_a_batch(void **state)
{
    pthread_t threads[THREADS];
    struct audit *audit;
    char *log;
    size_t n;

    (void)state;
    clock_fake(START_US, 1000);
    audit = open_log("m");
    for (int i = 0; i < THREADS; i++)
        threads[i] = thread_start("append", append_many, audit);
    for (int i = 0; i < THREADS; i++)
        thread_join(threads[i]);
    audit_close(&audit);
    clock_unfake();
    assert_good("m");
    log = read_text(in("m", "log/2026-11-21.log"), &n);
    assert_int_equal(count_words(log, "AUDIT_RETRIEVED"), THREADS * EACH);
    assert_true(count_words(log, "AUDIT_SEALED") < THREADS * EACH / 2);
    print_message("%d entries, %d batches\n", THREADS * EACH, count_words(log, "AUDIT_SEALED"));
    free(log);
}

/* ---- content ---- */

static void
entries_hold_no_patient_and_no_free_text(void **state)
{
    struct audit *audit;
    struct err err = {0};
    char *log;
    size_t n;
    uint8_t digest[DIGEST_BYTES] = {0xAB};

    (void)state;
    clock_fake(START_US, 1000);
    audit = open_log("p");
    assert_int_equal(audit_append(audit, &err, AUDIT_QUERIED, A_PATIENT("patient", "H1", "P4711"),
                                  A_PATIENT("again", "H1", "P4711"),
                                  A_PATIENT("other", "H", "1P4711"), A_UID("study", "Wang^Wei"),
                                  A_WORD("by", "A\"E\n\xE7\x8E\x8B"), A_HEX("file", digest, 32),
                                  A_NUMBER("found", 3)),
                     0);
    audit_close(&audit);
    clock_unfake();
    log = read_text(in("p", "log/2026-11-21.log"), &n);
    assert_null(strstr(log, "4711"));
    assert_null(strstr(log, "Wang"));
    assert_non_null(strstr(log, "\"study\":\"invalid\""));
    assert_non_null(strstr(log, "\"by\":\"A?E????\""));
    assert_non_null(strstr(log, "\"found\":3"));
    assert_int_equal(strncmp(strstr(log, "\"patient\":") + 10, strstr(log, "\"again\":") + 8, 34),
                     0);
    assert_int_not_equal(
        strncmp(strstr(log, "\"patient\":") + 10, strstr(log, "\"other\":") + 8, 34), 0);
    assert_good("p");
    free(log);
}

static void
the_command_tells_good_from_bad(void **state)
{
    char dir[300];
    char audit_word[] = "audit", verify_word[] = "verify", fly[] = "fly";
    char *good[] = {audit_word, verify_word, dir, NULL}, *bad[] = {audit_word, fly, NULL};
    static struct log_text t;

    (void)state;
    build_log("cli");
    snprintf(dir, sizeof dir, "%s", in("cli", ""));
    assert_int_equal(audit_cli(3, good), 0);
    assert_int_equal(audit_cli(2, bad), 64);
    read_log("cli", &t);
    t.lines[3][70] ^= 1;
    write_log("cli", &t);
    free_log(&t);
    assert_int_equal(audit_cli(3, good), err_kind_exit(ERR_CONFLICT));
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_thousand_tamperings_are_found_and_no_good_log_is_blamed),
        cmocka_unit_test(the_first_bad_entry_is_named),
        cmocka_unit_test(a_head_that_left_the_house_binds_the_key_holder),
        cmocka_unit_test(an_end_torn_anywhere_is_set_aside_and_the_rest_kept),
        cmocka_unit_test(what_was_acknowledged_survives_kills),
        cmocka_unit_test(a_full_disk_costs_entries_but_not_the_log),
        cmocka_unit_test(a_broken_chain_is_set_aside_and_told),
        cmocka_unit_test(a_second_writer_is_refused),
        cmocka_unit_test(those_who_wait_together_share_a_batch),
        cmocka_unit_test(entries_hold_no_patient_and_no_free_text),
        cmocka_unit_test(the_command_tells_good_from_bad),
    };

    return cmocka_run_group_tests(tests, make_folder, remove_folder);
}
