/* password.c - argon2id through libargon2, a few at a time. */
#include "proto/trust/password.h"

#include "proto/base/clock.h"
#include "proto/base/text.h"
#include "proto/base/thread.h"
#include "proto/trust/digest.h"

#include <argon2.h>

#include <string.h>

/* Who waits for one of the PASSWORD_AT_ONCE places; made at first use. */
static struct gate places;
static int taken;
static pthread_once_t once = PTHREAD_ONCE_INIT;

static void
init_places(void)
{
    gate_init(&places);
}

static int
take_place(struct err *err)
{
    int64_t until_ms = clock_mono_ms() + PASSWORD_WAIT_MS, left_ms;
    int rc = 0;

    pthread_once(&once, init_places);
    gate_lock(&places);
    while (taken >= PASSWORD_AT_ONCE) {
        left_ms = until_ms - clock_mono_ms();
        if (left_ms <= 0 || !gate_wait_ms(&places, left_ms))
            break;
    }
    if (taken >= PASSWORD_AT_ONCE)
        rc = err_set(err, ERR_RETRY, "too many passwords are being checked");
    else
        taken++;
    gate_unlock(&places);
    return rc;
}

static void
give_place(void)
{
    gate_lock(&places);
    taken--;
    gate_wake(&places);
    gate_unlock(&places);
}

int
password_vet(const char *password, struct err *err)
{
    size_t n = strlen(password);

    if (n < PASSWORD_LEAST)
        return err_set(err, ERR_REJECT, "a password has at least %d characters", PASSWORD_LEAST);
    if (n > PASSWORD_MOST || !text_is_utf8(password, n))
        return err_set(err, ERR_REJECT, "a password is text of at most %d bytes", PASSWORD_MOST);
    return 0;
}

static int
compute(const char *password, char out[PASSWORD_TEXT_BYTES], struct err *err)
{
    uint8_t salt[PASSWORD_SALT_BYTES];
    int e;

    random_bytes(salt, sizeof salt);
    e = argon2id_hash_encoded(PASSWORD_PASSES, PASSWORD_MEMORY_KIB, PASSWORD_LANES, password,
                              strlen(password), salt, sizeof salt, PASSWORD_HASH_BYTES, out,
                              PASSWORD_TEXT_BYTES);
    if (e == ARGON2_MEMORY_ALLOCATION_ERROR)
        return err_set(err, ERR_RETRY, "no memory for a password");
    return e == ARGON2_OK ? 0 : err_set(err, ERR_FATAL, "argon2: %s", argon2_error_message(e));
}

int
password_hash(const char *password, char out_text[PASSWORD_TEXT_BYTES], struct err *err)
{
    char text[PASSWORD_TEXT_BYTES];
    int rc;

    if (take_place(err) < 0)
        return -1;
    rc = compute(password, text, err);
    give_place();
    if (rc == 0)
        memcpy(out_text, text, sizeof text);
    return rc;
}

static int
verify(const char *password, const char *text, struct err *err)
{
    int e = argon2id_verify(text, password, strlen(password));

    if (e == ARGON2_OK)
        return 0;
    if (e == ARGON2_VERIFY_MISMATCH)
        return err_set(err, ERR_DENIED, "another password");
    if (e == ARGON2_MEMORY_ALLOCATION_ERROR)
        return err_set(err, ERR_RETRY, "no memory for a password");
    return err_set(err, ERR_FATAL, "a kept password cannot be read: %s", argon2_error_message(e));
}

int
password_check(const char *password, const char *text, struct err *err)
{
    char nobodys[PASSWORD_TEXT_BYTES];
    int rc;

    if (strlen(password) > PASSWORD_MOST)
        return err_set(err, ERR_DENIED, "longer than any password");
    if (take_place(err) < 0)
        return -1;
    if (text != NULL)
        rc = verify(password, text, err);
    else if ((rc = compute(password, nobodys, err)) == 0) /* the same work, thrown away */
        rc = err_set(err, ERR_DENIED, "no password");
    give_place();
    return rc;
}
