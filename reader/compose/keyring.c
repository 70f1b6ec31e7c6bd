/* keyring.c - the file of keys: read once, appended to. docs/formats/signer-keys.md.
 *
 *     file   := "RPKEYS\1\n" record*
 *     record := "RPKR" u32 n, body of n bytes, SHA-256 of all before it in the record
 *     body   := u16 n, login · u32 n, key (PKCS#8 DER) · u32 n, certificate (DER)
 *
 * Little endian. A login's last record is the one in force. */
#include "reader/compose/signer.h"

#include "proto/base/durable.h"
#include "proto/base/text.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

static const uint8_t file_head[8] = "RPKEYS\1\n";
static const uint8_t record_head[4] = {'R', 'P', 'K', 'R'};

enum {
    RECORD_HEAD = 8,
    BODY_MOST = 16384,
    FILE_MOST = 128 << 20,
    PEOPLE_MOST = 20000,
    CERTIFICATE_DAYS = 3 * 365 + 1
};

struct holder {
    char login[65];
    struct cms_signer *signer;
};

struct keyring {
    const struct ca *ca;
    int fd;
    struct holder *holders;
    size_t count, room;
};

static struct holder *
holder_of(struct keyring *ring, const char *login)
{
    for (size_t i = 0; i < ring->count; i++)
        if (strcmp(ring->holders[i].login, login) == 0)
            return &ring->holders[i];
    return NULL;
}

/* The signer takes the place of an older one of the same login. */
static void
put_holder(struct keyring *ring, const char *login, struct cms_signer **signer)
{
    struct holder *h = holder_of(ring, login);

    if (h == NULL) {
        if (ring->count == ring->room) {
            ring->room = ring->room * 2 + 16;
            ring->holders = mem_grow(ring->holders, ring->room * sizeof *ring->holders);
        }
        h = &ring->holders[ring->count++];
        *h = (struct holder){0};
        CHECK(text_copy(h->login, sizeof h->login, login));
    }
    cms_signer_free(&h->signer);
    h->signer = TAKE(*signer);
}

/* A length-prefixed part of a body; false when it does not fit. */
static bool
part(const uint8_t **at, size_t *left, unsigned width, const uint8_t **out, size_t *out_n)
{
    size_t n;

    if (*left < width)
        return false;
    n = width == 2 ? le16_read(*at) : le32_read(*at);
    *at += width;
    *left -= width;
    if (*left < n)
        return false;
    *out = *at;
    *out_n = n;
    *at += n;
    *left -= n;
    return true;
}

static int
take_body(struct keyring *ring, const uint8_t *at, size_t left, struct err *err)
{
    const uint8_t *login, *key, *certificate;
    size_t login_n, key_n, certificate_n;
    struct cms_signer *signer = NULL;
    char name[65];

    if (!part(&at, &left, 2, &login, &login_n) || !part(&at, &left, 4, &key, &key_n) ||
        !part(&at, &left, 4, &certificate, &certificate_n) || left != 0 || login_n == 0 ||
        login_n >= sizeof name || memchr(login, 0, login_n) != NULL || ring->count >= PEOPLE_MOST)
        return err_set(err, ERR_CONFLICT, "a record of keys that is none");
    memcpy(name, login, login_n);
    name[login_n] = '\0';
    if (cms_signer_open(ring->ca, key, key_n, certificate, certificate_n, &signer, err) < 0) {
        err->kind = ERR_CONFLICT;
        return -1;
    }
    put_holder(ring, name, &signer);
    return 0;
}

/* Bytes of the record at `at`; 0: it is not whole, so nobody ever signed with it. */
static size_t
record_size(const uint8_t *at, size_t left)
{
    uint8_t is[DIGEST_BYTES];
    size_t n;

    if (left < RECORD_HEAD || memcmp(at, record_head, sizeof record_head) != 0)
        return 0;
    n = le32_read(at + 4);
    if (n > BODY_MOST || left - RECORD_HEAD < n + DIGEST_BYTES)
        return 0;
    digest_bytes(at, RECORD_HEAD + n, is);
    if (memcmp(is, at + RECORD_HEAD + n, DIGEST_BYTES) != 0)
        return 0;
    return RECORD_HEAD + n + DIGEST_BYTES;
}

/* Could a crash while a record was appended have left this end? */
static bool
is_torn_end(const uint8_t *at, size_t left)
{
    if (left > RECORD_HEAD + BODY_MOST + DIGEST_BYTES)
        return false;
    for (size_t i = 1; i + sizeof record_head <= left; i++)
        if (record_size(at + i, left - i) > 0)
            return false; /* whole records after it: this is damage, not a tear */
    return true;
}

static int
read_records(struct keyring *ring, const uint8_t *bytes, size_t n, struct err *err)
{
    size_t at = sizeof file_head;

    if (n < sizeof file_head || memcmp(bytes, file_head, sizeof file_head) != 0)
        return err_set(err, ERR_CONFLICT, "it is no file of keys of this version");
    while (at < n) {
        size_t size = record_size(bytes + at, n - at);

        if (size == 0) {
            if (!is_torn_end(bytes + at, n - at))
                return err_set(err, ERR_CONFLICT, "damaged at byte %zu", at);
            if (ftruncate(ring->fd, (off_t)at) < 0)
                return err_sys(err, ERR_RETRY, "cut off a torn end");
            return durable_sync(ring->fd, err);
        }
        if (take_body(ring, bytes + at + RECORD_HEAD, size - RECORD_HEAD - DIGEST_BYTES, err) < 0)
            return -1;
        at += size;
    }
    return 0;
}

static int
open_file(struct keyring *ring, const char *dir, struct err *err)
{
    char path[600];

    snprintf(path, sizeof path, "%s/keys", dir);
    if (access(path, F_OK) < 0 && errno == ENOENT &&
        durable_put_file(dir, "keys", file_head, sizeof file_head, err) < 0)
        return -1;
    ring->fd = open(path, O_RDWR | O_APPEND | O_CLOEXEC | O_NOFOLLOW);
    if (ring->fd < 0)
        return err_sys(err, ERR_RETRY, "open");
    /* the one before us leaves as soon as its reader is gone */
    if (flock(ring->fd, LOCK_EX) < 0)
        return err_sys(err, ERR_CONFLICT, "lock");
    return 0;
}

int
keyring_open(const char *dir, const struct ca *ca, struct keyring **out_ring, struct err *err)
{
    struct keyring *ring = mem_new(sizeof *ring);
    uint8_t *bytes = NULL;
    size_t n = 0;
    char path[600];
    int rc = -1;

    ring->ca = ca;
    ring->fd = -1;
    snprintf(path, sizeof path, "%s/keys", dir);
    if (open_file(ring, dir, err) < 0 || durable_get_file(path, FILE_MOST, &bytes, &n, err) < 0 ||
        read_records(ring, bytes, n, err) < 0)
        goto out;
    *out_ring = TAKE(ring);
    rc = 0;
out:
    if (bytes != NULL)
        secret_wipe(bytes, n);
    free(bytes);
    if (rc < 0)
        err_context(err, "keys in %s", dir);
    keyring_close(&ring);
    return rc;
}

void
keyring_close(struct keyring **ring_at)
{
    struct keyring *ring = TAKE(*ring_at);

    if (ring == NULL)
        return;
    for (size_t i = 0; i < ring->count; i++)
        cms_signer_free(&ring->holders[i].signer);
    free(ring->holders);
    if (ring->fd >= 0)
        close(ring->fd);
    free(ring);
}

static void
write_record(const char *login, const struct buf *key, const struct buf *certificate,
             struct buf *out)
{
    size_t login_n = strlen(login);
    uint8_t digest[DIGEST_BYTES];

    buf_add(out, record_head, sizeof record_head);
    buf_add_le32(out, (uint32_t)(2 + login_n + 4 + key->n + 4 + certificate->n));
    buf_add_le16(out, (uint16_t)login_n);
    buf_add(out, login, login_n);
    buf_add_le32(out, (uint32_t)key->n);
    buf_add(out, key->bytes, key->n);
    buf_add_le32(out, (uint32_t)certificate->n);
    buf_add(out, certificate->bytes, certificate->n);
    digest_bytes(out->bytes, out->n, digest);
    buf_add(out, digest, sizeof digest);
}

static int
append(struct keyring *ring, const struct buf *record, struct err *err)
{
    if (durable_write(ring->fd, record->bytes, record->n, err) < 0 ||
        durable_sync(ring->fd, err) < 0) {
        err->kind = ERR_FATAL;
        return err_context(err, "keep a new key");
    }
    return 0;
}

static int
make_holder(struct keyring *ring, const char *login, const struct cms_person *person,
            struct err *err)
{
    struct cms_signer *signer = NULL;
    struct buf key, certificate, record;
    int rc = -1;

    buf_init(&key, BODY_MOST / 4);
    buf_init(&certificate, BODY_MOST / 4);
    buf_init(&record, BODY_MOST);
    if (holder_of(ring, login) == NULL && ring->count >= PEOPLE_MOST) {
        err_set(err, ERR_FULL, "more than %d people sign", PEOPLE_MOST);
        goto out;
    }
    if (cms_person_new(ring->ca, person, CERTIFICATE_DAYS, &key, &certificate, err) < 0 ||
        cms_signer_open(ring->ca, key.bytes, key.n, certificate.bytes, certificate.n, &signer,
                        err) < 0)
        goto out;
    write_record(login, &key, &certificate, &record);
    if (append(ring, &record, err) < 0)
        goto out;
    put_holder(ring, login, &signer);
    rc = 0;
out:
    cms_signer_free(&signer);
    secret_wipe(key.bytes, key.n);
    secret_wipe(record.bytes, record.n);
    buf_fini(&record);
    buf_fini(&certificate);
    buf_fini(&key);
    return rc;
}

int
keyring_signer(struct keyring *ring, const char *login, const struct cms_person *person,
               int64_t at_us, const struct cms_signer **out_signer, struct err *err)
{
    struct holder *h = holder_of(ring, login);

    if (login[0] == '\0' || strlen(login) >= sizeof h->login)
        return err_set(err, ERR_REJECT, "a login of that length");
    if (h == NULL || !cms_signer_is_for(h->signer, person, at_us)) {
        if (make_holder(ring, login, person, err) < 0)
            return -1;
        h = holder_of(ring, login);
    }
    *out_signer = h->signer;
    return 0;
}
