/* patient_world.c - see patient_world.h. */
#include "tests/support/patient_world.h"

#include "proto/base/clock.h"
#include "proto/http/client.h"
#include "proto/http/json.h"
#include "tests/support/folder.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include <dirent.h>
#include <poll.h>
#include <sys/inotify.h>
#include <time.h>
#include <unistd.h>

struct patient_world patient_world;

static struct http_server *server;
static struct http_client *client;
static char outbox[FOLDER_PATH_BYTES];
static int watch = -1;

void
patient_world_open(struct pg *pg, struct compose *compose, struct archive *archive)
{
    struct patient_options o = {.pg = pg,
                                .compose = compose,
                                .archive = archive,
                                .patient_url = "https://report.example",
                                .outbox_dir = outbox};
    struct http_options h = {
        .address = "127.0.0.1", .name = "test/patient", .hosts = "report.example"};
    struct http_client_options c = {0};
    static struct http_table table;
    static char url[64];
    struct err err = {0};

    patient_world.pg = pg;
    folder_make("outbox", outbox);
    watch = inotify_init1(IN_CLOEXEC);
    (void)inotify_add_watch(watch, outbox, IN_MOVED_TO);
    if (patient_open(&o, &patient_world.door, &err) < 0)
        fail_msg("%s", err.text);
    table = patient_table(patient_world.door);
    h.tables = &table;
    h.table_count = 1;
    h.authorise = patient_authorise;
    h.authorise_user = patient_world.door;
    if (http_server_start(&h, &server, &err) < 0)
        fail_msg("%s", err.text);
    (void)snprintf(url, sizeof url, "http://127.0.0.1:%u", http_server_port(server));
    c.base_url = url;
    if (http_client_new(&c, &client, &err) < 0)
        fail_msg("%s", err.text);
}

void
patient_world_close(void)
{
    http_client_free(&client);
    http_server_stop(&server);
    patient_close(&patient_world.door);
    close(watch);
    folder_remove(outbox);
}

struct pg_conn *
patient_world_begin(void)
{
    struct pg_conn *conn = NULL;
    struct err err = {0};

    if (pg_get(patient_world.pg, &conn, &err) < 0 || pg_begin(conn, &err) < 0)
        fail_msg("%s", err.text);
    return conn;
}

void
patient_world_commit(struct pg_conn *conn)
{
    struct err err = {0};

    if (pg_commit(conn, &err) < 0)
        fail_msg("%s", err.text);
    pg_put(&conn);
    patient_wake(patient_world.door);
}

/* A slip for a registration; its code as printed. */
void
patient_world_print_slip(const char *registration, const char *phone, bool is_verified,
                         char code[SLIP_TEXT_BYTES])
{
    struct patient_slip slip = {.tenant = "T1",
                                .registration = registration,
                                .phone = phone,
                                .phone_is_verified = is_verified,
                                .study = ""};
    struct pg_conn *conn = patient_world_begin();
    struct err err = {0};

    slip_new(code);
    slip_digest(code, slip.code);
    if (patient_slip_put(conn, &slip, &err) < 0)
        fail_msg("%s", err.text);
    patient_world_commit(conn);
}

/* ---- calls ---- */

struct patient_answer
patient_world_call(const char *method, const char *path, const char *body, const char *address,
                   const char *cookie, const char *csrf)
{
    char from[96], with[200], word[120];
    const char *headers[4] = {NULL};
    struct http_call what = {
        .method = method, .path = path, .headers = headers, .answer_limit = 8 << 20};
    struct http_reply reply;
    struct patient_answer a = {0};
    struct err err = {0};
    size_t n = 0;

    if (address != NULL) {
        (void)snprintf(from, sizeof from, "X-Forwarded-For: %s", address);
        headers[n++] = from;
    }
    if (cookie != NULL) {
        (void)snprintf(with, sizeof with, "Cookie: rp_patient=%s", cookie);
        headers[n++] = with;
    }
    if (csrf != NULL) {
        (void)snprintf(word, sizeof word, "X-Radpost-CSRF: %s", csrf);
        headers[n++] = word;
    }
    if (body != NULL) {
        what.body = body;
        what.body_n = strlen(body);
        what.content_type = "application/json";
    }
    if (http_client_call(client, &what, &reply, &err) < 0)
        fail_msg("%s", err.text);
    a.status = reply.status;
    a.n = reply.body.n;
    memcpy(a.body, buf_text(&reply.body), a.n < sizeof a.body ? a.n : sizeof a.body - 1);
    (void)http_reply_find(&reply, "Set-Cookie", a.cookie, sizeof a.cookie);
    http_reply_fini(&reply);
    return a;
}

void
patient_world_field(const struct patient_answer *a, const char *key, char *out, size_t size)
{
    struct json_doc *doc = NULL;
    const char *text = NULL;
    struct err err = {0};

    if (json_parse(a->body, strlen(a->body), &doc, &err) < 0 ||
        json_text(json_root(doc), key, size - 1, &text, &err) < 0)
        fail_msg("%d %s: %s", a->status, a->body, err.text);
    (void)snprintf(out, size, "%s", text);
    json_free(&doc);
}

struct patient_answer
patient_world_open_with(const char *code, const char *address, char challenge[33])
{
    char body[256];
    struct patient_answer a;

    (void)snprintf(body, sizeof body, "{\"code\":\"%s\"}", code);
    a = patient_world_call("POST", "/api/v1/open", body, address, NULL, NULL);
    patient_world_field(&a, "challenge", challenge, 33);
    return a;
}

struct patient_answer
patient_world_enter_with(const char *challenge, const char *otp, const char *address)
{
    char body[256];

    (void)snprintf(body, sizeof body, "{\"challenge\":\"%s\",\"otp\":\"%s\"}", challenge, otp);
    return patient_world_call("POST", "/api/v1/enter", body, address, NULL, NULL);
}

/* The number in the newest text to this phone; waits for it. It is gone from the outbox then. */
bool
patient_world_read_text(const char *phone, char *out_text, size_t size, int wait_ms)
{
    int64_t until_ms = wait_ms + clock_mono_ms();
    struct timespec began, now;

    (void)until_ms;
    clock_gettime(CLOCK_MONOTONIC, &began);
    for (;;) {
        struct pollfd p = {.fd = watch, .events = POLLIN};
        DIR *dir = opendir(outbox);
        char path[FOLDER_PATH_BYTES + 300], line[1024], to[64];
        bool is_found = false;

        (void)snprintf(to, sizeof to, "\"to\":\"%s\"", phone);
        for (struct dirent *e; !is_found && (e = readdir(dir)) != NULL;) {
            FILE *f;

            if (strstr(e->d_name, ".txt") == NULL)
                continue;
            (void)snprintf(path, sizeof path, "%s/%s", outbox, e->d_name);
            f = fopen(path, "re");
            is_found = fgets(line, sizeof line, f) != NULL && strstr(line, to) != NULL;
            fclose(f);
        }
        closedir(dir);
        if (is_found) {
            (void)unlink(path);
            (void)snprintf(out_text, size, "%s", line);
            return true;
        }
        clock_gettime(CLOCK_MONOTONIC, &now);
        if ((now.tv_sec - began.tv_sec) * 1000 >= wait_ms)
            return false;
        if (poll(&p, 1, 500) > 0) {
            char events[4096];

            (void)!read(watch, events, sizeof events);
        }
    }
}

void
patient_world_read_otp(const char *phone, char otp[7])
{
    char text[1024];
    const char *at;

    if (!patient_world_read_text(phone, text, sizeof text, 10000))
        fail_msg("no text came to %s", phone);
    at = strstr(text, "验证码 ");
    assert_non_null(at);
    (void)snprintf(otp, 7, "%s", at + strlen("验证码 "));
    assert_int_equal(strspn(otp, "0123456789"), 6);
}

void
patient_world_come_in(const char *code, const char *phone, char cookie[65])
{
    char challenge[33], otp[7];
    struct patient_answer a;

    (void)patient_world_open_with(code, "10.9.0.1", challenge);
    patient_world_read_otp(phone, otp);
    a = patient_world_enter_with(challenge, otp, "10.9.0.1");
    assert_int_equal(a.status, 200);
    assert_int_equal(sscanf(a.cookie, "rp_patient=%64[0-9a-f]", cookie), 1);
}
