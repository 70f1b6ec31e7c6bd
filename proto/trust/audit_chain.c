/* audit_chain.c - entries, their hashes and signatures; docs/formats/audit.md. */
#include "proto/trust/audit_parts.h"

#include "proto/base/clock.h"
#include "proto/base/durable.h"
#include "proto/base/jsonw.h"
#include "proto/base/text.h"
#include "proto/trust/x509.h"

#include <openssl/err.h>
#include <openssl/pem.h>

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define WORD_BYTES 64
#define PATIENT_BYTES 16
#define SIGNATURE_BYTES 80 /* DER of two 256-bit numbers */

static const char *const event_names[] = {
#define AUDIT_EVENT(name, sentence) #name,
#include "proto/trust/audit_events.def"
#undef AUDIT_EVENT
};

static const char *const event_sentences[] = {
#define AUDIT_EVENT(name, sentence) sentence,
#include "proto/trust/audit_events.def"
#undef AUDIT_EVENT
};

const char *
audit_sentence(const char *event)
{
    for (size_t i = 0; i < ARRAY_LEN(event_names); i++)
        if (strcmp(event, event_names[i]) == 0)
            return event_sentences[i];
    return NULL;
}

void
audit_hash(const uint8_t before[DIGEST_BYTES], const char *json, size_t n,
           uint8_t out[DIGEST_BYTES])
{
    struct digest *d = digest_new();

    digest_add(d, before, DIGEST_BYTES);
    digest_add(d, json, n);
    digest_take(d, out);
    digest_free(&d);
}

static void
write_word(struct jsonw *w, const char *key, const char *text)
{
    char word[WORD_BYTES + 1];
    size_t n = 0;

    for (; text != NULL && *text != '\0' && n < WORD_BYTES; text++)
        word[n++] = *text >= 0x20 && *text < 0x7F && *text != '"' && *text != '\\' ? *text : '?';
    word[n] = '\0';
    jsonw_text(w, key, word);
}

static void
write_patient(struct jsonw *w, const struct audit_field *f, const uint8_t *patient_key)
{
    struct buf b;
    uint8_t hash[DIGEST_BYTES];

    buf_init(&b, 4096);
    buf_add_text(&b, f->text != NULL ? f->text : "");
    buf_add_u8(&b, 0);
    buf_add_text(&b, f->more != NULL ? f->more : "");
    digest_hmac(patient_key, DIGEST_BYTES, b.bytes, b.n, hash);
    jsonw_hex(w, f->key, hash, PATIENT_BYTES);
    buf_fini(&b);
}

static void
write_field(struct jsonw *w, const struct audit_field *f, const uint8_t *patient_key)
{
    switch (f->type) {
    case AUDIT_FIELD_UID:
        jsonw_text(w, f->key, f->text != NULL && uid_is_valid(f->text, true) ? f->text : "invalid");
        break;
    case AUDIT_FIELD_WORD:
        write_word(w, f->key, f->text);
        break;
    case AUDIT_FIELD_NUMBER:
        jsonw_uint(w, f->key, f->number);
        break;
    case AUDIT_FIELD_HEX:
        CHECK(f->number <= DIGEST_BYTES);
        jsonw_hex(w, f->key, f->bytes, (size_t)f->number);
        break;
    case AUDIT_FIELD_PATIENT:
        write_patient(w, f, patient_key);
        break;
    case AUDIT_FIELD_END:
        break;
    }
}

void
audit_write_entry(struct buf *out, uint64_t n, int64_t at_us, enum audit_event event,
                  const struct audit_field *fields, const uint8_t *patient_key)
{
    struct jsonw w;
    char at[40];

    CHECK((size_t)event < ARRAY_LEN(event_names));
    clock_text(at_us, at);
    jsonw_init(&w, out);
    jsonw_object(&w, NULL);
    jsonw_uint(&w, "n", n);
    jsonw_text(&w, "at", at);
    jsonw_text(&w, "event", event_names[event]);
    for (; fields != NULL && fields->type != AUDIT_FIELD_END; fields++)
        write_field(&w, fields, patient_key);
    jsonw_end(&w);
}

void
audit_add_line(struct buf *out, struct audit_place *place, const char *json, size_t n)
{
    char hex[DIGEST_HEX_BYTES];

    CHECK(n + sizeof hex + 1 < AUDIT_LINE_BYTES);
    audit_hash(place->hash, json, n, place->hash);
    place->n++;
    digest_text(place->hash, hex);
    buf_add_printf(out, "%s ", hex);
    buf_add(out, json, n);
    buf_add_u8(out, '\n');
}

/* ---- signatures ---- */

static int
signed_words(const char *what, const char *date, const struct audit_place *place, char out[160])
{
    char hex[DIGEST_HEX_BYTES];

    digest_text(place->hash, hex);
    return snprintf(out, 160, "radpost-audit-%s 1 %s%s%" PRIu64 " %s", what,
                    date != NULL ? date : "", date != NULL ? " " : "", place->n, hex);
}

void
audit_sign(EVP_PKEY *key, const char *what, const char *date, const struct audit_place *place,
           char out[AUDIT_SIGNATURE_TEXT])
{
    char words[160];
    int n = signed_words(what, date, place, words);
    uint8_t signature[SIGNATURE_BYTES];
    size_t signature_n = sizeof signature;
    EVP_MD_CTX *ctx = EVP_MD_CTX_new();
    char *text;

    CHECK(ctx != NULL && EVP_DigestSignInit(ctx, NULL, EVP_sha256(), NULL, key) == 1);
    CHECK(EVP_DigestSign(ctx, signature, &signature_n, (const uint8_t *)words, (size_t)n) == 1);
    EVP_MD_CTX_free(ctx);
    text = base64_encode(signature, signature_n, &signature_n);
    CHECK(text_copy(out, AUDIT_SIGNATURE_TEXT, text));
    free(text);
}

bool
audit_is_signed(EVP_PKEY *key, const char *what, const char *date, const struct audit_place *place,
                const char *signature)
{
    char words[160];
    int n = signed_words(what, date, place, words);
    uint8_t *bytes = NULL;
    size_t bytes_n;
    EVP_MD_CTX *ctx;
    bool is_good;

    if (base64_decode(signature, strlen(signature), SIGNATURE_BYTES, &bytes, &bytes_n) < 0)
        return false;
    ctx = EVP_MD_CTX_new();
    CHECK(ctx != NULL);
    is_good = EVP_DigestVerifyInit(ctx, NULL, EVP_sha256(), NULL, key) == 1 &&
              EVP_DigestVerify(ctx, bytes, bytes_n, (const uint8_t *)words, (size_t)n) == 1;
    ERR_clear_error();
    EVP_MD_CTX_free(ctx);
    free(bytes);
    return is_good;
}

/* ---- the small files ---- */

void
audit_file_header(const struct audit_place *before, char out[160])
{
    char hex[DIGEST_HEX_BYTES];

    digest_text(before->hash, hex);
    snprintf(out, 160, "radpost-audit 1 after %" PRIu64 " %s\n", before->n, hex);
}

void
audit_head_slot(EVP_PKEY *key, const struct audit_place *place, char out[AUDIT_HEAD_SLOT_BYTES])
{
    char hex[DIGEST_HEX_BYTES], signature[AUDIT_SIGNATURE_TEXT];
    int n;

    digest_text(place->hash, hex);
    audit_sign(key, "head", NULL, place, signature);
    n = snprintf(out, AUDIT_HEAD_SLOT_BYTES, "radpost-audit-head 1 %" PRIu64 " %s %s\n", place->n,
                 hex, signature);
    memset(out + n, ' ', AUDIT_HEAD_SLOT_BYTES - (size_t)n);
}

/* "PREFIX 1 [DATE] N HASH [SIGNER] SIGNATURE": N and HASH. */
static int
read_place(const char *number, const char *hex, struct audit_place *out)
{
    return text_to_u64(number, UINT64_MAX, &out->n) < 0 ? -1
                                                        : hex_decode(hex, out->hash, DIGEST_BYTES);
}

static bool
read_slot(const char *text, EVP_PKEY *key, struct audit_place *out)
{
    char number[24], hex[DIGEST_HEX_BYTES], signature[AUDIT_SIGNATURE_TEXT];

    return sscanf(text, "radpost-audit-head 1 %20[0-9] %64[0-9a-f] %127s", number, hex,
                  signature) == 3 &&
           read_place(number, hex, out) == 0 && audit_is_signed(key, "head", NULL, out, signature);
}

int
audit_head_read(const char *dir, EVP_PKEY *key, struct audit_place *out, unsigned *out_slot,
                struct err *err)
{
    char path[AUDIT_PATH_BYTES];
    uint8_t *bytes;
    size_t n;
    struct audit_place slots[2] = {0};
    bool is_good[2] = {false, false};
    unsigned newer;

    snprintf(path, sizeof path, "%s/HEAD", dir);
    if (durable_get_file(path, AUDIT_HEAD_BYTES, &bytes, &n, err) < 0)
        return -1;
    for (size_t i = 0; i < 2 && n == AUDIT_HEAD_BYTES; i++) {
        char *slot = (char *)bytes + i * AUDIT_HEAD_SLOT_BYTES;

        slot[AUDIT_HEAD_SLOT_BYTES - 1] = '\0';
        is_good[i] = read_slot(slot, key, &slots[i]);
    }
    free(bytes);
    if (!is_good[0] && !is_good[1])
        return err_set(err, ERR_CONFLICT, "HEAD is not signed by this log's key");
    newer = is_good[1] && (!is_good[0] || slots[1].n > slots[0].n);
    *out = slots[newer];
    if (out_slot != NULL)
        *out_slot = newer;
    return 0;
}

void
audit_day_text(EVP_PKEY *key, const char *date, const struct audit_place *place, char out[512])
{
    char hex[DIGEST_HEX_BYTES], signer[DIGEST_HEX_BYTES], signature[AUDIT_SIGNATURE_TEXT];
    uint8_t fingerprint[DIGEST_BYTES];

    x509_key_digest(key, fingerprint);
    digest_text(fingerprint, signer);
    digest_text(place->hash, hex);
    audit_sign(key, "day", date, place, signature);
    snprintf(out, 512, "radpost-audit-day 1 %s %" PRIu64 " %s %s %s\n", date, place->n, hex, signer,
             signature);
}

int
audit_day_read(const char *path, EVP_PKEY *key, struct audit_place *out, struct err *err)
{
    char date[AUDIT_DATE_BYTES], number[24], hex[DIGEST_HEX_BYTES], signer[DIGEST_HEX_BYTES],
        signature[AUDIT_SIGNATURE_TEXT];
    uint8_t *bytes;
    size_t n;
    bool is_good;

    if (durable_get_file(path, 512, &bytes, &n, err) < 0)
        return -1;
    is_good = sscanf((char *)bytes,
                     "radpost-audit-day 1 %10[0-9-] %20[0-9] %64[0-9a-f] %64[0-9a-f] %127s", date,
                     number, hex, signer, signature) == 5 &&
              read_place(number, hex, out) == 0 &&
              audit_is_signed(key, "day", date, out, signature);
    free(bytes);
    return is_good ? 0
                   : err_set(err, ERR_CONFLICT, "%s is not a head signed by this log's key", path);
}

int
audit_key_public(const char *dir, EVP_PKEY **out_key, struct err *err)
{
    char path[AUDIT_PATH_BYTES];
    uint8_t *bytes;
    size_t n;
    BIO *bio;

    snprintf(path, sizeof path, "%s/signer.pem", dir);
    if (durable_get_file(path, CA_PEM_LIMIT, &bytes, &n, err) < 0)
        return -1;
    bio = BIO_new_mem_buf(bytes, (int)n);
    *out_key = PEM_read_bio_PUBKEY(bio, NULL, NULL, NULL);
    BIO_free(bio);
    free(bytes);
    return *out_key != NULL ? 0 : x509_error(err, ERR_CONFLICT, "signer.pem");
}
