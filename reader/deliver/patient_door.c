/* patient_door.c - open, enter, leave.
 *
 * 1. open() inserts one row and answers, whatever the code is: what the code means is looked at
 *    later, by the post. Its time and bytes cannot tell. An address that floods is answered the
 * same and its row left out, by the address alone.
 * 2. enter() does the same statements in the same order for a code that exists and one that does
 *    not, counts the try before it judges it, and has one answer for every reason to refuse.
 * 3. A challenge lets in once. */
#include "reader/deliver/patient_own.h"

#include "proto/base/clock.h"
#include "proto/base/text.h"
#include "proto/http/json.h"
#include "proto/model/slip.h"
#include "proto/trust/audit.h"

#include <arpa/inet.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define S_US INT64_C(1000000)
enum { WAITING = 200 }; /* of an address at once */
enum { TOKEN = 32, TOKEN_TEXT = 2 * TOKEN + 1, CHALLENGE_TEXT = 33 };

/* The only answer to a try that does not get in. */
static const char refusal[] =
    "{\"error\":\"The code is not right, or its time is over. Please ask for a new one.\"}";

/* A try at entering, as far as it is known. */
struct attempt {
    uint8_t challenge[DIGEST_BYTES], code[DIGEST_BYTES], otp[DIGEST_BYTES];
    char phone[PATIENT_PHONE + DIGEST_HEX_BYTES], tenant[65], study[65], address[PATIENT_ADDRESS];
    bool is_right; /* the one-time code is, and in time */
};

static void address_of(const struct http_request *req, char out[PATIENT_ADDRESS]);
static int body_text(struct http_request *req, const char *const *keys, char **out_texts,
                     size_t count, struct err *err);
static int put_challenge(struct patient *p, const char *challenge, const uint8_t *code,
                         const char *address, struct err *err);
static int attempt_judge(struct pg_conn *conn, struct attempt *a, const char *otp, struct err *err);
static int attempt_count(struct patient *p, struct pg_conn *conn, const struct attempt *a,
                         bool *out_is_within, struct err *err);
static int session_begin(struct patient *p, struct pg_conn *conn, const struct attempt *a,
                         char cookie[TOKEN_TEXT], char csrf[TOKEN_TEXT], struct err *err);
static void answer_in(struct patient *p, struct http_request *req, struct http_response *res,
                      const char *cookie, const char *csrf);
static void set_cookie(struct patient *p, struct http_request *req, struct http_response *res,
                       const char *value);

int
patient_handle_open(struct http_request *req, struct http_response *res, struct err *err)
{
    static const char *const keys[] = {"code"};
    struct patient *p = http_user(req);
    char challenge[CHALLENGE_TEXT], address[PATIENT_ADDRESS], text[SLIP_TEXT_BYTES], body[80];
    uint8_t random[16], code[DIGEST_BYTES];
    struct err ignored;
    char *typed;

    if (body_text(req, keys, &typed, 1, err) < 0)
        return -1;
    address_of(req, address);
    random_bytes(random, sizeof random);
    hex_encode(random, sizeof random, challenge);
    /* What is no code at all goes the same way, as a code that nobody has. */
    digest_bytes(typed, strlen(typed), code);
    if (strlen(typed) < SLIP_TYPED_BYTES && slip_read(typed, text, &ignored) == 0)
        slip_digest(text, code);
    secret_wipe(typed, strlen(typed));
    free(typed);
    if (put_challenge(p, challenge, code, address, err) < 0)
        return err_context(err, "open");
    patient_wake(p);
    (void)snprintf(body, sizeof body, "{\"challenge\":\"%s\"}", challenge);
    http_answer_bytes(res, 200, "application/json", body, strlen(body));
    return 0;
}

int
patient_handle_enter(struct http_request *req, struct http_response *res, struct err *err)
{
    static const char *const keys[] = {"challenge", "otp"};
    struct patient *p = http_user(req);
    char *texts[2], cookie[TOKEN_TEXT] = "", csrf[TOKEN_TEXT] = "";
    struct attempt a = {.is_right = false};
    struct pg_conn *conn = NULL;
    bool is_within = false, is_in = false;
    int rc = -1;

    if (body_text(req, keys, texts, 2, err) < 0)
        return -1;
    address_of(req, a.address);
    digest_bytes(texts[0], strlen(texts[0]), a.challenge);
    if (pg_get(p->o.pg, &conn, err) < 0 || pg_begin(conn, err) < 0 ||
        attempt_judge(conn, &a, texts[1], err) < 0 ||
        attempt_count(p, conn, &a, &is_within, err) < 0)
        goto out;
    is_in = a.is_right && is_within;
    if (is_in && session_begin(p, conn, &a, cookie, csrf, err) < 0)
        goto out;
    rc = pg_commit(conn, err);
out:
    pg_put(&conn);
    secret_wipe(texts[1], strlen(texts[1]));
    free(texts[0]);
    free(texts[1]);
    if (rc < 0)
        return err_context(err, "enter");
    if (is_in)
        answer_in(p, req, res, cookie, csrf);
    else
        http_answer_bytes(res, 403, "application/json", refusal, sizeof refusal - 1);
    secret_wipe(cookie, sizeof cookie);
    return 0;
}

int
patient_handle_leave(struct http_request *req, struct http_response *res, struct err *err)
{
    struct patient *p = http_user(req);
    const char *cookie = http_session(req);
    uint8_t hash[DIGEST_BYTES];

    digest_bytes(cookie, strlen(cookie), hash);
    if (pg_ask(p->o.pg, "patient_session_end", PG_ARGS(PG_BYTES(hash, sizeof hash)), NULL, err) < 0)
        return err_context(err, "leave");
    set_cookie(p, req, res, "");
    http_answer_bytes(res, 200, "application/json", "{}", 2);
    return 0;
}

/* An IPv6 network counts as one: who has an address there has 2^64. */
static void
address_of(const struct http_request *req, char out[PATIENT_ADDRESS])
{
    struct in6_addr a;
    char text[64], *plain = text;

    http_address(req, text);
    if (plain[0] == '[') {
        plain++;
        plain[strcspn(plain, "]")] = '\0';
    }
    if (inet_pton(AF_INET6, plain, &a) != 1) {
        (void)text_copy(out, PATIENT_ADDRESS, plain);
        return;
    }
    if (IN6_IS_ADDR_V4MAPPED(&a)) {
        (void)inet_ntop(AF_INET, &a.s6_addr[12], out, PATIENT_ADDRESS);
        return;
    }
    memset(a.s6_addr + 8, 0, 8);
    (void)inet_ntop(AF_INET6, &a, out, PATIENT_ADDRESS);
}

/* Texts of the body's object; the caller's (free). */
static int
body_text(struct http_request *req, const char *const *keys, char **out_texts, size_t count,
          struct err *err)
{
    struct json_doc *doc = NULL;
    const char *text;
    size_t n, i = 0;
    const uint8_t *body = http_body(req, &n);

    if (json_parse(body, n, &doc, err) < 0)
        return -1;
    for (; i < count; i++) {
        if (json_text(json_root(doc), keys[i], 256, &text, err) < 0)
            break;
        out_texts[i] = mem_text(text);
    }
    json_free(&doc);
    if (i == count)
        return 0;
    while (i > 0)
        free(out_texts[--i]);
    return -1;
}

static int
put_challenge(struct patient *p, const char *challenge, const uint8_t *code, const char *address,
              struct err *err)
{
    int64_t now_us = clock_wall_us();
    uint8_t hash[DIGEST_BYTES];

    digest_bytes(challenge, strlen(challenge), hash);
    return pg_ask(p->o.pg, "patient_open",
                  PG_ARGS(PG_BYTES(hash, sizeof hash), PG_BYTES(code, DIGEST_BYTES),
                          PG_TEXT(address), PG_INT(now_us),
                          PG_INT(now_us + p->o.limits.code_s * S_US), PG_INT(WAITING)),
                  NULL, err);
}

static int
attempt_judge(struct pg_conn *conn, struct attempt *a, const char *otp, struct err *err)
{
    uint8_t kept[DIGEST_BYTES] = {0};
    struct pg_rows *rows = NULL;
    bool is_known, is_open = false;

    if (pg_run(conn, "patient_enter_try", PG_ARGS(PG_BYTES(a->challenge, sizeof a->challenge)),
               &rows, err) < 0)
        return -1;
    is_known = pg_rows_count(rows) == 1 && pg_copy_bytes(rows, 0, 0, a->code, sizeof a->code);
    if (!is_known)
        memcpy(a->code, a->challenge, sizeof a->code);
    if (is_known) {
        is_open = pg_copy_bytes(rows, 0, 1, kept, sizeof kept) &&
                  pg_int(rows, 0, 2) <= PATIENT_OTP_TRIES && pg_int(rows, 0, 3) > clock_wall_us() &&
                  pg_text(rows, 0, 5)[0] != '\0';
        (void)text_copy(a->phone, sizeof a->phone, pg_text(rows, 0, 4));
        (void)text_copy(a->tenant, sizeof a->tenant, pg_text(rows, 0, 5));
        (void)text_copy(a->study, sizeof a->study, pg_text(rows, 0, 6));
    }
    if (a->phone[0] == '\0') /* a number of its own, so that the same is counted */
        hex_encode(a->challenge, sizeof a->challenge, a->phone);
    otp_digest(a->challenge, sizeof a->challenge, otp, a->otp);
    a->is_right = secret_equal(a->otp, kept, sizeof kept) && is_open;
    pg_rows_free(&rows);
    return 0;
}

static int
attempt_count(struct patient *p, struct pg_conn *conn, const struct attempt *a, bool *out_is_within,
              struct err *err)
{
    const struct patient_limits *l = &p->o.limits;
    bool is_code, is_phone, is_address;

    if (tries_take(conn, l, WAY_CODE, a->code, sizeof a->code, &is_code, err) < 0 ||
        tries_take(conn, l, WAY_PHONE, a->phone, strlen(a->phone), &is_phone, err) < 0 ||
        tries_take(conn, l, WAY_ADDRESS, a->address, strlen(a->address), &is_address, err) < 0)
        return -1;
    *out_is_within = is_code && is_phone && is_address;
    return 0;
}

static int
session_begin(struct patient *p, struct pg_conn *conn, const struct attempt *a,
              char cookie[TOKEN_TEXT], char csrf[TOKEN_TEXT], struct err *err)
{
    int64_t now_us = clock_wall_us();
    uint8_t random[2 * TOKEN], hash[DIGEST_BYTES];

    random_bytes(random, sizeof random);
    hex_encode(random, TOKEN, cookie);
    hex_encode(random + TOKEN, TOKEN, csrf);
    secret_wipe(random, sizeof random);
    digest_bytes(cookie, strlen(cookie), hash);
    if (tries_forget(conn, WAY_CODE, a->code, sizeof a->code, err) < 0 ||
        tries_forget(conn, WAY_PHONE, a->phone, strlen(a->phone), err) < 0 ||
        tries_give(conn, WAY_ADDRESS, a->address, strlen(a->address), err) < 0 ||
        pg_run(conn, "patient_challenge_remove",
               PG_ARGS(PG_BYTES(a->challenge, sizeof a->challenge)), NULL, err) < 0 ||
        pg_run(conn, "patient_session_put",
               PG_ARGS(PG_BYTES(hash, sizeof hash), PG_BYTES(a->code, sizeof a->code),
                       PG_TEXT(csrf), PG_INT(now_us),
                       PG_INT(now_us + p->o.limits.session_s * S_US)),
               NULL, err) < 0)
        return -1;
    if (a->study[0] != '\0' &&
        pg_run(conn, "patient_look_put",
               PG_ARGS(PG_TEXT(a->tenant), PG_TEXT(a->study), PG_TEXT("opened"), PG_INT(now_us)),
               NULL, err) < 0)
        return -1;
    if (p->o.audit != NULL &&
        audit_append(p->o.audit, err, AUDIT_PATIENT_ENTERED, A_WORD("tenant", a->tenant)) < 0)
        return -1;
    LOG(&patient_log, PATIENT_ENTERED);
    return 0;
}

static void
answer_in(struct patient *p, struct http_request *req, struct http_response *res,
          const char *cookie, const char *csrf)
{
    char body[TOKEN_TEXT + 32];

    set_cookie(p, req, res, cookie);
    (void)snprintf(body, sizeof body, "{\"csrf\":\"%s\"}", csrf);
    http_answer_bytes(res, 200, "application/json", body, strlen(body));
}

static void
set_cookie(struct patient *p, struct http_request *req, struct http_response *res,
           const char *value)
{
    bool is_secure = strncmp(http_origin(req), "https:", 6) == 0 ||
                     (strncmp(p->url, "https:", 6) == 0 &&
                      http_header(req, "X-Forwarded-For") != NULL); /* TLS ends before us */
    char text[256];

    (void)snprintf(text, sizeof text, "rp_patient=%s; Path=/; HttpOnly; SameSite=Strict%s%s", value,
                   is_secure ? "; Secure" : "", value[0] == '\0' ? "; Max-Age=0" : "");
    http_answer_header(res, "Set-Cookie", text);
}
