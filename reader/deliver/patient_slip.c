/* patient_slip.c - what the clinic's link tells the patient's door, and the courier its post. */
#include "reader/deliver/patient_own.h"

#include "proto/base/clock.h"
#include "proto/base/text.h"

#include <stdio.h>
#include <string.h>

#define S_US INT64_C(1000000)
enum { PHONE_TRIES = 5, PHONE_S = 600, NEWS_S = 3 * 86400, CAUSE_BYTES = 256 };

static int vet_phone(const char *phone, struct err *err);
static int vet_name(const char *tenant, const char *registration, struct err *err);
static void phone_digest(const char *tenant, const char *registration, const char *phone,
                         const char *code, uint8_t out[DIGEST_BYTES]);
static void news_cause(char out[CAUSE_BYTES], const char *word, const char *tenant,
                       const char *study, unsigned version);

int
patient_slip_put(struct pg_conn *conn, const struct patient_slip *slip, struct err *err)
{
    const char *phone = slip->phone != NULL ? slip->phone : "";
    const char *study = slip->study != NULL ? slip->study : "";

    if (vet_name(slip->tenant, slip->registration, err) < 0 ||
        (phone[0] != '\0' && vet_phone(phone, err) < 0))
        return err_context(err, "slip");
    if (study[0] != '\0' && !uid_is_valid(study, true))
        return err_set(err, ERR_REJECT, "slip: the study is not a UID");
    return pg_run(conn, "patient_slip_put",
                  PG_ARGS(PG_TEXT(slip->tenant), PG_TEXT(slip->registration),
                          PG_BYTES(slip->code, sizeof slip->code), PG_TEXT(phone),
                          PG_BOOL(slip->phone_is_verified && phone[0] != '\0'), PG_TEXT(study),
                          PG_INT(clock_wall_us())),
                  NULL, err);
}

int
patient_slip_attach(struct pg_conn *conn, const char *tenant, const char *registration,
                    const char *study, struct err *err)
{
    if (study[0] != '\0' && !uid_is_valid(study, true))
        return err_set(err, ERR_REJECT, "slip: the study is not a UID");
    return pg_run(conn, "patient_slip_attach",
                  PG_ARGS(PG_TEXT(tenant), PG_TEXT(registration), PG_TEXT(study)), NULL, err);
}

int
patient_phone_code(struct pg_conn *conn, const char *tenant, const char *registration,
                   const char *phone, bool *out_is_sent, struct err *err)
{
    static const struct patient_limits none;
    struct patient_limits limits = limits_of(&none);
    char otp[PATIENT_OTP_BYTES], cause[48], hex[33];
    uint8_t hash[DIGEST_BYTES], nonce[16];
    int64_t ends_at_us = clock_wall_us() + PHONE_S * S_US;
    bool is_within;
    int rc;

    if (vet_name(tenant, registration, err) < 0 || vet_phone(phone, err) < 0 ||
        tries_take(conn, &limits, WAY_SEND, phone, strlen(phone), &is_within, err) < 0)
        return err_context(err, "phone code");
    *out_is_sent = false;
    if (!is_within)
        return 0;
    otp_new(otp);
    random_bytes(nonce, sizeof nonce);
    hex_encode(nonce, sizeof nonce, hex);
    (void)snprintf(cause, sizeof cause, "phone:%s", hex);
    phone_digest(tenant, registration, phone, otp, hash);
    rc = pg_run(conn, "patient_phone_code_put",
                PG_ARGS(PG_TEXT(tenant), PG_TEXT(registration), PG_TEXT(phone),
                        PG_BYTES(hash, sizeof hash), PG_INT(ends_at_us)),
                NULL, err);
    if (rc == 0)
        rc = post_put(conn, &(struct patient_message){cause, "phone", phone, otp, ends_at_us}, err);
    secret_wipe(otp, sizeof otp);
    *out_is_sent = rc == 0;
    return rc;
}

int
patient_phone_check(struct pg_conn *conn, const char *tenant, const char *registration,
                    const char *phone, const char *code, bool *out_is_right, struct err *err)
{
    uint8_t asked[DIGEST_BYTES], kept[DIGEST_BYTES] = {0};
    struct pg_rows *rows = NULL;
    bool is_right;

    if (pg_run(conn, "patient_phone_code_try", PG_ARGS(PG_TEXT(tenant), PG_TEXT(registration)),
               &rows, err) < 0)
        return -1;
    phone_digest(tenant, registration, phone, code, asked);
    is_right = pg_rows_count(rows) == 1 && strcmp(pg_text(rows, 0, 0), phone) == 0 &&
               pg_copy_bytes(rows, 0, 1, kept, sizeof kept) && pg_int(rows, 0, 2) <= PHONE_TRIES &&
               pg_int(rows, 0, 3) > clock_wall_us() && secret_equal(asked, kept, sizeof asked);
    pg_rows_free(&rows);
    if (is_right &&
        (pg_run(conn, "patient_phone_code_remove", PG_ARGS(PG_TEXT(tenant), PG_TEXT(registration)),
                NULL, err) < 0 ||
         pg_run(conn, "patient_slip_phone",
                PG_ARGS(PG_TEXT(tenant), PG_TEXT(registration), PG_TEXT(phone)), NULL, err) < 0))
        return -1;
    *out_is_right = is_right;
    return 0;
}

int
patient_notify(struct pg_conn *conn, const char *tenant, const char *study, unsigned version,
               enum patient_news news, bool *out_is_due, struct err *err)
{
    static const char *const kinds[] = {"ready", "amended", "withdrawn"};
    int64_t now_us = clock_wall_us();
    struct pg_rows *rows = NULL;
    char cause[CAUSE_BYTES];

    news_cause(cause, news == PATIENT_WITHDRAWN ? "withdrawn" : "signed", tenant, study, version);
    if (pg_run(conn, "patient_message_for_study",
               PG_ARGS(PG_TEXT(tenant), PG_TEXT(study), PG_TEXT(cause), PG_TEXT(kinds[news]),
                       PG_INT(now_us), PG_INT(now_us + NEWS_S * S_US)),
               &rows, err) < 0)
        return -1;
    if (out_is_due != NULL)
        *out_is_due = pg_touched(rows) > 0;
    pg_rows_free(&rows);
    return 0;
}

int
patient_is_told(struct pg_conn *conn, const char *tenant, const char *study, unsigned version,
                bool *out_is_told, struct err *err)
{
    struct pg_rows *rows = NULL;
    char cause[CAUSE_BYTES];

    news_cause(cause, "signed", tenant, study, version);
    if (pg_run(conn, "patient_message_is_sent",
               PG_ARGS(PG_TEXT(tenant), PG_TEXT(study), PG_TEXT(cause)), &rows, err) < 0)
        return -1;
    *out_is_told = pg_rows_count(rows) > 0;
    pg_rows_free(&rows);
    return 0;
}

/* Digits, perhaps with a + before them: nothing else reaches the sending program. */
static int
vet_phone(const char *phone, struct err *err)
{
    const char *digits = phone[0] == '+' ? phone + 1 : phone;
    size_t n = strlen(digits);

    return n >= 5 && n <= 20 && strspn(digits, "0123456789") == n
               ? 0
               : err_set(err, ERR_REJECT, "the phone is no number");
}

static int
vet_name(const char *tenant, const char *registration, struct err *err)
{
    return tenant[0] != '\0' && strlen(tenant) <= 64 && registration[0] != '\0' &&
                   strlen(registration) <= 64
               ? 0
               : err_set(err, ERR_REJECT, "tenant or registration");
}

static void
phone_digest(const char *tenant, const char *registration, const char *phone, const char *code,
             uint8_t out[DIGEST_BYTES])
{
    char bound[256];

    (void)snprintf(bound, sizeof bound, "%s\n%s\n%s", tenant, registration, phone);
    otp_digest(bound, strlen(bound), code, out);
}

static void
news_cause(char out[CAUSE_BYTES], const char *word, const char *tenant, const char *study,
           unsigned version)
{
    (void)snprintf(out, CAUSE_BYTES, "%s:%u:%s:%s", word, version, tenant, study);
}
