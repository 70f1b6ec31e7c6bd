/* test_signer.c - keys stay in a process of their own, are kept, and its death costs one request.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "proto/base/clock.h"
#include "proto/base/durable.h"
#include "proto/base/log.h"
#include "proto/base/text.h"
#include "reader/compose/compose.h"
#include "reader/compose/signer.h"
#include "tests/support/folder.h"

#define OK(call)                                                                                   \
    do {                                                                                           \
        if ((call) < 0)                                                                            \
            fail_msg("%s: %s", #call, err.text);                                                   \
    } while (0)

static const struct cms_person li = {"李明", "110440000012345", "县人民医院"};

static char folder[FOLDER_PATH_BYTES];

static char *
keys_path(void)
{
    static char path[256];

    snprintf(path, sizeof path, "%s/keys", folder);
    return path;
}

static int
make_folder(void **state)
{
    (void)state;
    folder_make("signer", folder);
    return 0;
}

static int
remove_folder(void **state)
{
    (void)state;
    folder_remove(folder);
    return 0;
}

static struct signer *
opened(void)
{
    struct signer *s = NULL;
    struct err err = {0};

    OK(signer_open(folder, "Test signing CA", &s, &err));
    return s;
}

static struct cms_verdict
sign(struct signer *s, const char *login, const struct cms_person *person)
{
    struct cms_verdict v;
    struct err err = {0};
    struct buf cms;

    buf_init(&cms, 65536);
    OK(signer_sign(s, login, person, "text", 4, clock_wall_us(), &cms, &err));
    OK(cms_verify(cms.bytes, cms.n, "text", 4, signer_ca_pem(s), &v, &err));
    buf_fini(&cms);
    return v;
}

static void
a_doctor_keeps_one_key_over_restarts(void **state)
{
    struct cms_person wang = {"王芳", "2", "县人民医院"}, moved = li;
    struct signer *s = opened();
    struct cms_verdict first = sign(s, "li", &li), again, other;

    (void)state;
    assert_int_equal(first.fault, CMS_GOOD);
    assert_string_equal(first.signer.name, li.name);
    assert_string_equal(first.signer.licence, li.licence);
    other = sign(s, "wang", &wang);
    assert_memory_not_equal(first.certificate_sha256, other.certificate_sha256, DIGEST_BYTES);
    signer_close(&s);

    s = opened();
    again = sign(s, "li", &li);
    assert_memory_equal(first.certificate_sha256, again.certificate_sha256, DIGEST_BYTES);
    assert_memory_equal(first.ca_sha256, again.ca_sha256, DIGEST_BYTES);
    snprintf(moved.organisation, sizeof moved.organisation, "市医院");
    again = sign(s, "li", &moved); /* what a certificate says must be true */
    assert_memory_not_equal(first.certificate_sha256, again.certificate_sha256, DIGEST_BYTES);
    assert_string_equal(again.signer.organisation, "市医院");
    signer_close(&s);
}

static void
files_are_for_the_owner_alone(void **state)
{
    static const char *const names[] = {"keys", "ca.key", "ca.pem"};
    struct signer *s = opened();
    struct stat st;

    (void)state;
    (void)sign(s, "li", &li);
    signer_close(&s);
    for (size_t i = 0; i < ARRAY_LEN(names); i++) {
        char path[256];

        snprintf(path, sizeof path, "%s/%s", folder, names[i]);
        assert_int_equal(stat(path, &st), 0);
        assert_int_equal(st.st_mode & 0777, 0600);
    }
}

static void
a_dead_signer_is_replaced(void **state)
{
    struct signer *s = opened();
    pid_t pid = signer_pid(s);
    siginfo_t end;

    (void)state;
    assert_int_equal(sign(s, "li", &li).fault, CMS_GOOD);
    assert_int_equal(kill(pid, SIGKILL), 0);
    assert_int_equal(waitid(P_PID, (id_t)pid, &end, WEXITED | WNOWAIT), 0);
    assert_int_equal(sign(s, "li", &li).fault, CMS_GOOD); /* dead while idle: costs nothing */
    assert_int_not_equal(signer_pid(s), pid);
    signer_close(&s);
}

/* It dies in the middle of keeping a new key: of the record, 50 bytes get into the file. */
static void
a_death_costs_that_request_only(void **state)
{
    struct signer *s = opened();
    struct cms_verdict first = sign(s, "li", &li), again;
    struct rlimit most = {0, RLIM_INFINITY};
    struct err err = {0};
    struct stat keys;
    struct buf cms;

    (void)state;
    buf_init(&cms, 65536);
    assert_int_equal(stat(keys_path(), &keys), 0);
    most.rlim_cur = (rlim_t)keys.st_size + 50;
    assert_int_equal(prlimit(signer_pid(s), RLIMIT_FSIZE, NULL, &most), 0);
    most.rlim_cur = (rlim_t)keys.st_size + 50;
    assert_int_equal(prlimit(signer_pid(s), RLIMIT_FSIZE, &most, NULL), 0);
    assert_int_equal(signer_sign(s, "wang", &li, "text", 4, clock_wall_us(), &cms, &err), -1);
    assert_int_equal(err.kind, ERR_RETRY);
    assert_int_equal(cms.n, 0);

    again = sign(s, "li", &li);
    assert_memory_equal(first.certificate_sha256, again.certificate_sha256, DIGEST_BYTES);
    assert_int_equal(sign(s, "wang", &li).fault, CMS_GOOD);
    buf_fini(&cms);
    signer_close(&s);
}

static void
what_cannot_be_signed_costs_nobody_else(void **state)
{
    static const struct cms_person nobody = {"", "1", "o"};
    struct signer *s = opened();
    pid_t pid = signer_pid(s);
    struct err err = {0};
    struct buf cms;

    (void)state;
    buf_init(&cms, 65536);
    assert_int_equal(signer_sign(s, "x", &nobody, "text", 4, 0, &cms, &err), -1);
    assert_int_equal(err.kind, ERR_REJECT);
    assert_int_equal(signer_sign(s, "x", &li, "", SIGNER_CONTENT_BYTES + 1, 0, &cms, &err), -1);
    assert_int_equal(err.kind, ERR_REJECT);
    assert_int_equal(signer_pid(s), pid);
    buf_fini(&cms);
    signer_close(&s);
}

/* In /proc: seccomp filters, and no socket but its own. */
static void
the_signer_is_locked_in(void **state)
{
    struct signer *s = opened();
    char path[64], line[256];
    bool is_filtered = false;
    FILE *f;

    (void)state;
    snprintf(path, sizeof path, "/proc/%d/status", (int)signer_pid(s));
    f = fopen(path, "r");
    assert_non_null(f);
    while (fgets(line, sizeof line, f) != NULL)
        is_filtered = is_filtered || strcmp(line, "Seccomp:\t2\n") == 0;
    fclose(f);
    assert_true(is_filtered);
    signer_close(&s);
}

static void
a_torn_key_is_cut_off_and_the_others_stay(void **state)
{
    struct signer *s = opened();
    struct cms_verdict first = sign(s, "li", &li), again;
    struct cms_person wang = {"王芳", "2", "县人民医院"};
    struct stat whole, torn;

    (void)state;
    assert_int_equal(stat(keys_path(), &whole), 0);
    (void)sign(s, "wang", &wang);
    signer_close(&s);
    assert_int_equal(stat(keys_path(), &torn), 0);
    for (off_t size = whole.st_size; size < torn.st_size; size += 67) {
        if (truncate(keys_path(), size) < 0)
            fail();
        s = opened();
        again = sign(s, "li", &li);
        assert_memory_equal(first.certificate_sha256, again.certificate_sha256, DIGEST_BYTES);
        assert_int_equal(sign(s, "wang", &wang).fault, CMS_GOOD);
        signer_close(&s);
    }
}

static void
damage_among_the_keys_stops_the_start(void **state)
{
    struct signer *s = opened();
    struct err err = {0};
    uint8_t byte = 0;
    int fd;

    (void)state;
    (void)sign(s, "li", &li);
    (void)sign(s, "wang", &li);
    signer_close(&s);
    fd = open(keys_path(), O_RDWR);
    assert_int_equal(pread(fd, &byte, 1, 100), 1);
    byte ^= 1;
    assert_int_equal(pwrite(fd, &byte, 1, 100), 1);
    close(fd);
    assert_int_equal(signer_open(folder, "Test signing CA", &s, &err), -1);
    assert_int_equal(err.kind, ERR_CONFLICT);
    assert_non_null(strstr(err.text, "damaged at byte 8"));
}

static struct signer *shared;

static void *
sign_many(void *arg)
{
    char login[8];

    snprintf(login, sizeof login, "d%d", *(int *)arg);
    for (int i = 0; i < 5; i++)
        if (sign(shared, login, &li).fault != CMS_GOOD)
            return arg;
    return NULL;
}

static void
many_threads_may_ask_at_once(void **state)
{
    pthread_t threads[8];
    int numbers[8];
    void *failed;

    (void)state;
    shared = opened();
    for (int i = 0; i < 8; i++) {
        numbers[i] = i;
        assert_int_equal(pthread_create(&threads[i], NULL, sign_many, &numbers[i]), 0);
    }
    for (int i = 0; i < 8; i++) {
        pthread_join(threads[i], &failed);
        assert_null(failed);
    }
    signer_close(&shared);
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, make_folder, remove_folder)

int
main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        TEST(a_doctor_keeps_one_key_over_restarts),
        TEST(files_are_for_the_owner_alone),
        TEST(a_dead_signer_is_replaced),
        TEST(a_death_costs_that_request_only),
        TEST(what_cannot_be_signed_costs_nobody_else),
        TEST(the_signer_is_locked_in),
        TEST(a_torn_key_is_cut_off_and_the_others_stay),
        TEST(damage_among_the_keys_stops_the_start),
        TEST(many_threads_may_ask_at_once),
    };
    int status;

    if (compose_signer_main_if_asked(argc, argv, &status))
        return status;
    return cmocka_run_group_tests(tests, NULL, NULL);
}
