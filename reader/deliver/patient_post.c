/* patient_post.c - what happens after an answer: one-time codes for those who asked, and texts that
 * are due. One thread a process; rows are claimed, so that processes share the work. */
#include "reader/deliver/patient_own.h"

#include "proto/base/clock.h"
#include "proto/base/text.h"
#include "reader/deliver/send.h"

#include <stdio.h>
#include <string.h>

#define S_US INT64_C(1000000)
enum { CHALLENGES = 100, IDLE_MS = 2000, BACK_OFF_S = 2, BACK_OFF_MOST_S = 300, TIDY_MS = 60000 };

static int answer_challenges(struct patient *p, size_t *out_count, struct err *err);
static int answer_one(struct patient *p, struct pg_conn *conn, const struct pg_rows *rows, size_t i,
                      struct err *err);
static int may_send(struct patient *p, struct pg_conn *conn, const struct pg_rows *rows, size_t i,
                    bool *out_may, struct err *err);
static int send_one(struct patient *p, bool *out_did, struct err *err);
static int settle(struct pg_conn *conn, const struct pg_rows *rows, int64_t now_us, bool is_sent,
                  struct err *err);
static void say(const struct patient *p, const char *kind, const char *code, char *out,
                size_t size);
static int tidy(struct patient *p, struct err *err);

void *
post_run(void *patient)
{
    struct patient *p = patient;
    int64_t tidied_ms = clock_mono_ms();
    bool did, is_stopping = false;
    struct err err;

    while (!is_stopping) {
        did = false;
        if (post_step(p, &did, &err) < 0 || (clock_mono_ms() - tidied_ms > TIDY_MS &&
                                             (tidied_ms = clock_mono_ms(), tidy(p, &err) < 0)))
            LOG(&patient_log, PATIENT_POST_WAITS, F_ERR(&err));
        gate_lock(&p->gate);
        while (!p->is_stopping && !p->is_woken && !did)
            did = !gate_wait_ms(&p->gate, IDLE_MS);
        p->is_woken = false;
        is_stopping = p->is_stopping;
        gate_unlock(&p->gate);
    }
    return NULL;
}

int
post_step(struct patient *p, bool *out_did, struct err *err)
{
    size_t count;
    bool did;

    *out_did = false;
    if (answer_challenges(p, &count, err) < 0 || send_one(p, &did, err) < 0)
        return -1;
    *out_did = did || count > 0;
    return 0;
}

void
otp_new(char out[PATIENT_OTP_BYTES])
{
    uint32_t v;

    do /* so that no code is likelier than another */
        random_bytes(&v, sizeof v);
    while (v >= UINT32_C(4294000000));
    (void)snprintf(out, PATIENT_OTP_BYTES, "%06u", v % 1000000);
    secret_wipe(&v, sizeof v);
}

void
otp_digest(const void *bound_to, size_t n, const char *otp, uint8_t out[DIGEST_BYTES])
{
    struct digest *d = digest_new();

    digest_add(d, "radpost.otp/1:", 14);
    digest_add(d, otp, strlen(otp) + 1);
    digest_add(d, bound_to, n);
    digest_take(d, out);
    digest_free(&d);
}

int
post_put(struct pg_conn *conn, const struct patient_message *m, struct err *err)
{
    return pg_run(conn, "patient_message_put",
                  PG_ARGS(PG_TEXT(m->cause), PG_TEXT(m->kind), PG_TEXT(m->phone), PG_TEXT(m->code),
                          PG_INT(clock_wall_us()), PG_INT(m->until_us)),
                  NULL, err);
}

static int
answer_challenges(struct patient *p, size_t *out_count, struct err *err)
{
    struct pg_conn *conn = NULL;
    struct pg_rows *rows = NULL;
    int rc = -1;

    if (pg_get(p->o.pg, &conn, err) < 0 || pg_begin(conn, err) < 0 ||
        pg_run(conn, "patient_open_waiting", PG_ARGS(PG_INT(CHALLENGES)), &rows, err) < 0)
        goto out;
    for (size_t i = 0; i < pg_rows_count(rows); i++)
        if (answer_one(p, conn, rows, i, err) < 0)
            goto out;
    *out_count = pg_rows_count(rows);
    rc = pg_commit(conn, err);
out:
    pg_rows_free(&rows);
    pg_put(&conn);
    return rc < 0 ? err_context(err, "challenges") : 0;
}

/* Everybody gets a code; only who has a slip and a verified phone gets to know it. */
static int
answer_one(struct patient *p, struct pg_conn *conn, const struct pg_rows *rows, size_t i,
           struct err *err)
{
    char otp[PATIENT_OTP_BYTES], hex[DIGEST_HEX_BYTES], cause[80];
    uint8_t challenge[DIGEST_BYTES], kept[DIGEST_BYTES];
    bool may = false;
    int rc = -1;

    if (!pg_copy_bytes(rows, i, 0, challenge, sizeof challenge))
        return err_set(err, ERR_FATAL, "a challenge without its hash");
    otp_new(otp);
    otp_digest(challenge, sizeof challenge, otp, kept);
    if (may_send(p, conn, rows, i, &may, err) < 0)
        goto out;
    hex_encode(challenge, sizeof challenge, hex);
    (void)snprintf(cause, sizeof cause, "otp:%s", hex);
    if (may && post_put(conn,
                        &(struct patient_message){cause, "otp", pg_text(rows, i, 3), otp,
                                                  pg_int(rows, i, 5)},
                        err) < 0)
        goto out;
    if (!may) /* nobody's */
        random_bytes(kept, sizeof kept);
    rc = pg_run(conn, "patient_open_done",
                PG_ARGS(PG_BYTES(challenge, sizeof challenge), PG_BYTES(kept, sizeof kept)), NULL,
                err);
out:
    secret_wipe(otp, sizeof otp);
    return rc;
}

/* A slip with a verified phone, nothing locked, and not too many texts to this phone. */
static int
may_send(struct patient *p, struct pg_conn *conn, const struct pg_rows *rows, size_t i,
         bool *out_may, struct err *err)
{
    const struct patient_limits *l = &p->o.limits;
    const char *phone = pg_text(rows, i, 3), *address = pg_text(rows, i, 2);
    bool is_code, is_phone, is_address, is_send;
    const uint8_t *code;
    size_t n;

    *out_may = false;
    if (!pg_truth(rows, i, 4) || phone[0] == '\0')
        return 0;
    code = pg_bytes(rows, i, 1, &n);
    if (tries_look(conn, l, WAY_CODE, code, n, &is_code, err) < 0 ||
        tries_look(conn, l, WAY_PHONE, phone, strlen(phone), &is_phone, err) < 0 ||
        tries_look(conn, l, WAY_ADDRESS, address, strlen(address), &is_address, err) < 0)
        return -1;
    if (!is_code || !is_phone || !is_address)
        return 0;
    if (tries_take(conn, l, WAY_SEND, phone, strlen(phone), &is_send, err) < 0)
        return -1;
    *out_may = is_send;
    return 0;
}

/* The row stays claimed while the text is handed over: another process does not send it too. */
static int
send_one(struct patient *p, bool *out_did, struct err *err)
{
    int64_t now_us = clock_wall_us();
    struct pg_conn *conn = NULL;
    struct pg_rows *rows = NULL;
    struct send_message m;
    bool is_sent = false;
    struct err why = {0};
    char text[512];
    int rc = -1;

    *out_did = false;
    if (pg_get(p->o.pg, &conn, err) < 0 || pg_begin(conn, err) < 0 ||
        pg_run(conn, "patient_message_due",
               PG_ARGS(PG_INT(now_us), PG_INT(now_us + BACK_OFF_MOST_S * S_US)), &rows, err) < 0)
        goto out;
    if (pg_rows_count(rows) == 0) {
        rc = 0;
        goto out;
    }
    if (pg_int(rows, 0, 5) > now_us) {
        say(p, pg_text(rows, 0, 1), pg_text(rows, 0, 3), text, sizeof text);
        m = (struct send_message){pg_int(rows, 0, 0), pg_int(rows, 0, 4), pg_text(rows, 0, 2),
                                  text};
        is_sent = send_text(p->command, p->outbox, &m, &why) == 0;
        secret_wipe(text, sizeof text);
        if (!is_sent)
            LOG(&patient_log, PATIENT_MESSAGE_WAITS, F_NUMBER("message", m.id), F_ERR(&why));
    }
    if (settle(conn, rows, now_us, is_sent, err) < 0)
        goto out;
    rc = pg_commit(conn, err);
    *out_did = rc == 0;
out:
    pg_rows_free(&rows);
    pg_put(&conn);
    return rc < 0 ? err_context(err, "post") : 0;
}

static int
settle(struct pg_conn *conn, const struct pg_rows *rows, int64_t now_us, bool is_sent,
       struct err *err)
{
    int64_t id = pg_int(rows, 0, 0), until_us = pg_int(rows, 0, 5), tries = pg_int(rows, 0, 6);
    int64_t wait_s = BACK_OFF_S << (tries < 10 ? tries : 10);
    int64_t next_us = now_us + (wait_s < BACK_OFF_MOST_S ? wait_s : BACK_OFF_MOST_S) * S_US;

    if (is_sent) {
        LOG(&patient_log, PATIENT_MESSAGE_SENT, F_NUMBER("message", id),
            F_NUMBER("tries", tries + 1));
        return pg_run(conn, "patient_message_sent", PG_ARGS(PG_INT(id), PG_INT(now_us)), NULL, err);
    }
    if (next_us < until_us)
        return pg_run(conn, "patient_message_later", PG_ARGS(PG_INT(id), PG_INT(next_us)), NULL,
                      err);
    LOG(&patient_log, PATIENT_MESSAGE_DROPPED, F_NUMBER("message", id));
    return pg_run(conn, "patient_message_dropped", PG_ARGS(PG_INT(id)), NULL, err);
}

/* No name, no examination, no finding: a phone lies on a table. */
static void
say(const struct patient *p, const char *kind, const char *code, char *out, size_t size)
{
    const char *where = p->url[0] != '\0' ? p->url : "检查单上的网址";

    if (strcmp(kind, "otp") == 0)
        (void)snprintf(out, size,
                       "【影驿】验证码 %s，用于查看检查报告，%lld 分钟内有效。请勿告诉他人。", code,
                       (long long)p->o.limits.code_s / 60);
    else if (strcmp(kind, "phone") == 0)
        (void)snprintf(
            out, size,
            "【影驿】验证码 %s，请告诉登记台的医务人员，用于核对您的手机号。10 分钟内有效。", code);
    else if (strcmp(kind, "amended") == 0)
        (void)snprintf(out, size, "【影驿】您的检查报告已更正，请凭检查单查看新版本：%s", where);
    else if (strcmp(kind, "withdrawn") == 0)
        (void)snprintf(
            out, size,
            "【影驿】您的检查报告已作废，请勿再依据原报告，并请与检查机构联系。查看状态：%s",
            where);
    else
        (void)snprintf(out, size, "【影驿】您的检查报告已签发，请凭检查单查看：%s", where);
}

static int
tidy(struct patient *p, struct err *err)
{
    return pg_ask(p->o.pg, "patient_tidy", PG_ARGS(PG_INT(clock_wall_us())), NULL, err);
}
