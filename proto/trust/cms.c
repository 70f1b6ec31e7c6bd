/* cms.c - detached CMS signatures of people, over OpenSSL. */
#include "proto/trust/cms.h"

#include "proto/base/clock.h"
#include "proto/base/text.h"
#include "proto/trust/x509.h"

#include <openssl/cms.h>
#include <openssl/err.h>
#include <openssl/x509v3.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum {
    NAME_CHARACTERS = 64,      /* RFC 5280 appendix A: ub-common-name, ub-organization-name */
    CMS_BYTES_MOST = 64 << 10, /* two certificates, two digests, a signature: 3 KiB */
    DAY_S = 86400
};

struct cms_signer {
    EVP_PKEY *key;
    X509 *certificate;
    X509 *issuer;
};

/* ---- people's certificates ---- */

/* What fits into a name of a certificate, whole characters. */
static void
fit(const char *text, char out[129])
{
    size_t n = 0, characters = 0;

    CHECK(text_copy(out, 129, text));
    for (; out[n] != '\0'; n++)
        if (((uint8_t)out[n] & 0xC0) != 0x80 && ++characters > NAME_CHARACTERS)
            break;
    out[n] = '\0';
}

static struct cms_person
fitted(const struct cms_person *person)
{
    struct cms_person p = {0};

    fit(person->name, p.name);
    fit(person->organisation, p.organisation);
    CHECK(text_copy(p.licence, sizeof p.licence, person->licence));
    return p;
}

int
cms_person_new(const struct ca *ca, const struct cms_person *person, int days, struct buf *out_key,
               struct buf *out_certificate, struct err *err)
{
    struct cms_person p = fitted(person);
    const struct x509_word names[] = {
        {"O", p.organisation}, {"CN", p.name}, {"serialNumber", p.licence}};
    EVP_PKEY *key = x509_key_new();
    PKCS8_PRIV_KEY_INFO *info = EVP_PKEY2PKCS8(key);
    unsigned char *key_der = NULL, *der = NULL;
    X509 *certificate = NULL;
    int key_n = 0, n, rc = -1;

    CHECK(info != NULL && (key_n = i2d_PKCS8_PRIV_KEY_INFO(info, &key_der)) > 0);
    if (p.name[0] == '\0') {
        err_set(err, ERR_REJECT, "nobody signs without a name");
        goto out;
    }
    certificate = ca_certify(ca, key, names, ARRAY_LEN(names), days,
                             "critical,digitalSignature,nonRepudiation",
                             /* S/MIME, so that stock tools agree; document signing (RFC 9336) */
                             "emailProtection,1.3.6.1.5.5.7.3.36", err);
    if (certificate == NULL)
        goto out;
    CHECK((n = i2d_X509(certificate, &der)) > 0);
    buf_add(out_key, key_der, (size_t)key_n);
    buf_add(out_certificate, der, (size_t)n);
    rc = 0;
out:
    if (key_der != NULL)
        secret_wipe(key_der, (size_t)key_n);
    OPENSSL_free(key_der);
    OPENSSL_free(der);
    X509_free(certificate);
    PKCS8_PRIV_KEY_INFO_free(info);
    EVP_PKEY_free(key);
    return rc;
}

int
cms_signer_open(const struct ca *ca, const void *key, size_t key_n, const void *certificate,
                size_t certificate_n, struct cms_signer **out_signer, struct err *err)
{
    const unsigned char *key_at = key, *at = certificate;
    struct cms_signer *s = mem_new(sizeof *s);
    int rc = -1;

    s->key = d2i_AutoPrivateKey(NULL, &key_at, (long)key_n);
    s->certificate = d2i_X509(NULL, &at, (long)certificate_n);
    s->issuer = x509_read(ca_pem(ca), err);
    if (s->issuer == NULL)
        goto out;
    if (s->key == NULL || s->certificate == NULL ||
        X509_check_private_key(s->certificate, s->key) != 1 ||
        X509_verify(s->certificate, X509_get0_pubkey(s->issuer)) != 1) {
        x509_error(err, ERR_REJECT, "a signer's key and certificate");
        goto out;
    }
    *out_signer = TAKE(s);
    rc = 0;
out:
    ERR_clear_error();
    cms_signer_free(&s);
    return rc;
}

void
cms_signer_free(struct cms_signer **signer)
{
    struct cms_signer *s = TAKE(*signer);

    if (s == NULL)
        return;
    EVP_PKEY_free(s->key);
    X509_free(s->certificate);
    X509_free(s->issuer);
    free(s);
}

static void
name_part(const X509 *certificate, int nid, char *out, size_t size)
{
    X509_NAME *name = X509_get_subject_name(certificate);
    int at = X509_NAME_get_index_by_NID(name, nid, -1);
    unsigned char *text = NULL;
    int n;

    out[0] = '\0';
    if (at < 0)
        return;
    n = ASN1_STRING_to_UTF8(&text, X509_NAME_ENTRY_get_data(X509_NAME_get_entry(name, at)));
    if (n > 0 && strlen((char *)text) == (size_t)n)
        text_copy(out, size, (char *)text);
    OPENSSL_free(text);
}

static struct cms_person
person_of(const X509 *certificate)
{
    struct cms_person p;

    name_part(certificate, NID_commonName, p.name, sizeof p.name);
    name_part(certificate, NID_serialNumber, p.licence, sizeof p.licence);
    name_part(certificate, NID_organizationName, p.organisation, sizeof p.organisation);
    return p;
}

bool
cms_signer_is_for(const struct cms_signer *signer, const struct cms_person *person, int64_t at_us)
{
    struct cms_person is = person_of(signer->certificate), due = fitted(person);
    time_t from = (time_t)(at_us / 1000000), until = from + DAY_S;

    return strcmp(is.name, due.name) == 0 && strcmp(is.licence, due.licence) == 0 &&
           strcmp(is.organisation, due.organisation) == 0 &&
           X509_cmp_time(X509_get0_notBefore(signer->certificate), &from) < 0 &&
           X509_cmp_time(X509_get0_notAfter(signer->certificate), &until) > 0;
}

/* ---- signing ---- */

static int
add_time(CMS_SignerInfo *info, int64_t at_us)
{
    ASN1_TIME *at = ASN1_TIME_set(NULL, (time_t)(at_us / 1000000));
    int ok;

    CHECK(at != NULL);
    ok = CMS_signed_add1_attr_by_NID(info, NID_pkcs9_signingTime, at->type, at, -1);
    ASN1_TIME_free(at);
    return ok;
}

int
cms_sign(const struct cms_signer *signer, const void *content, size_t n, int64_t at_us,
         struct buf *out, struct err *err)
{
    const unsigned flags = CMS_BINARY | CMS_DETACHED | CMS_PARTIAL | CMS_NOSMIMECAP;
    CMS_ContentInfo *cms = CMS_sign(NULL, NULL, NULL, NULL, flags);
    CMS_SignerInfo *info = NULL;
    BIO *bio = n <= INT32_MAX ? BIO_new_mem_buf(content, (int)n) : NULL;
    unsigned char *der = NULL;
    int der_n, rc = -1;

    CHECK(cms != NULL && (bio != NULL || n > INT32_MAX));
    if (bio != NULL && CMS_add1_cert(cms, signer->issuer) == 1)
        info = CMS_add1_signer(cms, signer->certificate, signer->key, EVP_sha256(),
                               CMS_NOSMIMECAP | CMS_CADES);
    if (info == NULL || add_time(info, at_us) != 1 ||
        CMS_final(cms, bio, NULL, CMS_BINARY | CMS_DETACHED) != 1 ||
        (der_n = i2d_CMS_ContentInfo(cms, &der)) <= 0) {
        x509_error(err, ERR_FATAL, "sign");
        goto out;
    }
    buf_add(out, der, (size_t)der_n);
    rc = 0;
out:
    OPENSSL_free(der);
    BIO_free(bio);
    CMS_ContentInfo_free(cms);
    return rc;
}

/* ---- judging ---- */

struct judged {
    CMS_ContentInfo *cms;
    CMS_SignerInfo *info;
    X509 *ca, *certificate; /* the latter belongs to cms */
    STACK_OF(X509) * inside;
};

static bool
fault(struct cms_verdict *v, enum cms_fault f, const char *why)
{
    v->fault = f;
    text_copy(v->why, sizeof v->why, why);
    ERR_clear_error();
    return false;
}

/* DER of exactly these bytes, signed data, content elsewhere, one signer. */
static bool
read_form(const void *cms, size_t n, struct judged *j, struct cms_verdict *v)
{
    const unsigned char *at = cms;
    unsigned char *again = NULL;
    int again_n;
    bool is_same;
    ASN1_OCTET_STRING **content;

    if (n > CMS_BYTES_MOST || (j->cms = d2i_CMS_ContentInfo(NULL, &at, (long)n)) == NULL)
        return fault(v, CMS_SIGNATURE, "it is no CMS message");
    again_n = i2d_CMS_ContentInfo(j->cms, &again);
    is_same = again_n > 0 && (size_t)again_n == n && memcmp(again, cms, n) == 0;
    OPENSSL_free(again);
    if (!is_same)
        return fault(v, CMS_SIGNATURE, "it is not in DER");
    if (OBJ_obj2nid(CMS_get0_type(j->cms)) != NID_pkcs7_signed ||
        OBJ_obj2nid(CMS_get0_eContentType(j->cms)) != NID_pkcs7_data ||
        (content = CMS_get0_content(j->cms)) == NULL || *content != NULL)
        return fault(v, CMS_SIGNATURE, "it is no detached signature of data");
    if (sk_CMS_SignerInfo_num(CMS_get0_SignerInfos(j->cms)) != 1)
        return fault(v, CMS_SIGNATURE, "it has not one signer");
    j->info = sk_CMS_SignerInfo_value(CMS_get0_SignerInfos(j->cms), 0);
    return true;
}

/* The signer's certificate is among those inside; beside it stands the CA's own, as it is. */
static bool
find_certificate(struct judged *j, struct cms_verdict *v)
{
    j->inside = CMS_get1_certs(j->cms);
    for (int i = 0; i < sk_X509_num(j->inside); i++) {
        X509 *one = sk_X509_value(j->inside, i);

        if (CMS_SignerInfo_cert_cmp(j->info, one) == 0)
            j->certificate = one;
        else if (X509_cmp(one, j->ca) != 0)
            return fault(v, CMS_CERTIFICATE,
                         "a certificate in it is neither the signer's nor "
                         "the issuer's");
    }
    if (j->certificate == NULL)
        return fault(v, CMS_CERTIFICATE, "the signer's certificate is not in it");
    if (sk_X509_num(j->inside) != 2)
        return fault(v, CMS_CERTIFICATE, "the chain of certificates is not in it");
    v->signer = person_of(j->certificate);
    x509_digest(j->certificate, v->certificate_sha256);
    CMS_SignerInfo_set1_signer_cert(j->info, j->certificate);
    return true;
}

static bool
read_time(struct judged *j, struct cms_verdict *v)
{
    ASN1_OBJECT *signing_time = OBJ_nid2obj(NID_pkcs9_signingTime);
    const ASN1_TIME *at = CMS_signed_get0_data_by_OBJ(j->info, signing_time, -3, V_ASN1_UTCTIME);
    struct tm tm;

    if (at == NULL)
        at = CMS_signed_get0_data_by_OBJ(j->info, signing_time, -3, V_ASN1_GENERALIZEDTIME);
    if (at == NULL || ASN1_TIME_to_tm(at, &tm) != 1)
        return fault(v, CMS_SIGNATURE, "it does not say when it was made");
    v->signed_at_us = (int64_t)timegm(&tm) * 1000000;
    return true;
}

/* Issued by the CA, for signing, and good when it was used: years later it may have run out. */
static bool
judge_certificate(struct judged *j, struct cms_verdict *v)
{
    X509_STORE *store = X509_STORE_new();
    X509_STORE_CTX *ctx = X509_STORE_CTX_new();
    bool is_good;

    CHECK(store != NULL && ctx != NULL && X509_STORE_add_cert(store, j->ca) == 1);
    CHECK(X509_STORE_CTX_init(ctx, store, j->certificate, NULL) == 1);
    CHECK(X509_STORE_CTX_set_default(ctx, "smime_sign") == 1);
    X509_VERIFY_PARAM_set_time(X509_STORE_CTX_get0_param(ctx), (time_t)(v->signed_at_us / 1000000));
    is_good = X509_verify_cert(ctx) == 1;
    if (!is_good)
        (void)fault(v, CMS_CERTIFICATE,
                    X509_verify_cert_error_string(X509_STORE_CTX_get_error(ctx)));
    X509_STORE_CTX_free(ctx);
    X509_STORE_free(store);
    return is_good;
}

/* P-256 with SHA-256, signed attributes, no others. */
static bool
judge_signature(struct judged *j, struct cms_verdict *v)
{
    X509_ALGOR *digest = NULL, *signature = NULL;
    EVP_PKEY *key = NULL;
    X509 *signer = NULL;

    CMS_SignerInfo_get0_algs(j->info, &key, &signer, &digest, &signature);
    if (digest == NULL || signature == NULL || OBJ_obj2nid(digest->algorithm) != NID_sha256 ||
        OBJ_obj2nid(signature->algorithm) != NID_ecdsa_with_SHA256)
        return fault(v, CMS_SIGNATURE, "it is not of ECDSA with SHA-256");
    if (CMS_signed_get_attr_count(j->info) < 4 || CMS_unsigned_get_attr_count(j->info) > 0 ||
        CMS_signed_get_attr_by_NID(j->info, NID_id_smime_aa_signingCertificateV2, -1) < 0)
        return fault(v, CMS_SIGNATURE, "it lacks signed attributes, or has others");
    if (CMS_SignerInfo_verify(j->info) != 1)
        return fault(v, CMS_SIGNATURE, "it was not made by the key of its certificate");
    return true;
}

static bool
judge_content(struct judged *j, const void *content, size_t n, struct cms_verdict *v)
{
    const ASN1_OCTET_STRING *said = CMS_signed_get0_data_by_OBJ(
        j->info, OBJ_nid2obj(NID_pkcs9_messageDigest), -3, V_ASN1_OCTET_STRING);
    uint8_t is[DIGEST_BYTES];

    digest_bytes(content, n, is);
    if (said == NULL || ASN1_STRING_length(said) != DIGEST_BYTES)
        return fault(v, CMS_SIGNATURE, "it does not say what was signed");
    if (memcmp(ASN1_STRING_get0_data(said), is, sizeof is) != 0)
        return fault(v, CMS_CONTENT, "it is not what was signed");
    return true;
}

/* The signer's own version (RFC 5652 5.3), just before the name and number of its certificate. */
static bool
has_version_1(const struct judged *j, const uint8_t *der, size_t n)
{
    unsigned char *issuer = NULL, *serial = NULL;
    int issuer_n = i2d_X509_NAME(X509_get_issuer_name(j->certificate), &issuer);
    int serial_n = i2d_ASN1_INTEGER(X509_get0_serialNumber(j->certificate), &serial);
    size_t inner = (size_t)issuer_n + (size_t)serial_n;
    size_t before = 3 + (inner < 0x80 ? 2 : inner < 0x100 ? 3 : 4);
    bool is_so = false;

    CHECK(issuer_n > 0 && serial_n > 0);
    for (size_t at = n; at-- > before && !is_so;)
        if (n - at >= inner && memcmp(der + at, issuer, (size_t)issuer_n) == 0 &&
            memcmp(der + at + issuer_n, serial, (size_t)serial_n) == 0)
            is_so = memcmp(der + at - before, "\x02\x01\x01", 3) == 0;
    OPENSSL_free(issuer);
    OPENSSL_free(serial);
    return is_so;
}

/* What neither digest nor signature covers must be as we write it: the versions and the list of
 * digests are all there is (RFC 5652 5.1). */
static bool
judge_frame(const struct judged *j, const void *cms, size_t n, struct cms_verdict *v)
{
    static const uint8_t head[] = {0x02, 0x01, 0x01, 0x31, 0x0D, 0x30, 0x0B, 0x06, 0x09, 0x60, 0x86,
                                   0x48, 0x01, 0x65, 0x03, 0x04, 0x02, 0x01, 0x30, 0x0B, 0x06, 0x09,
                                   0x2A, 0x86, 0x48, 0x86, 0xF7, 0x0D, 0x01, 0x07, 0x01, 0xA0};
    enum { HEAD_AT = 23 }; /* after ContentInfo's and SignedData's tags, lengths of two bytes */

    if (n < HEAD_AT + sizeof head ||
        memcmp((const uint8_t *)cms + HEAD_AT, head, sizeof head) != 0 || !has_version_1(j, cms, n))
        return fault(v, CMS_SIGNATURE, "its frame is not as Radpost writes it");
    return true;
}

int
cms_verify(const void *cms, size_t cms_n, const void *content, size_t n, const char *ca_pem_text,
           struct cms_verdict *out, struct err *err)
{
    struct judged j = {0};
    struct cms_verdict v = {0};

    j.ca = x509_read(ca_pem_text, err);
    if (j.ca == NULL)
        return -1;
    x509_digest(j.ca, v.ca_sha256);
    if (read_form(cms, cms_n, &j, &v) && find_certificate(&j, &v) && read_time(&j, &v) &&
        judge_certificate(&j, &v) && judge_signature(&j, &v) && judge_frame(&j, cms, cms_n, &v))
        (void)judge_content(&j, content, n, &v);
    ERR_clear_error();
    sk_X509_pop_free(j.inside, X509_free);
    CMS_ContentInfo_free(j.cms);
    X509_free(j.ca);
    *out = v;
    return 0;
}

int
cms_issuer_pem(const void *cms, size_t cms_n, char **out_pem, struct err *err)
{
    const unsigned char *at = cms;
    CMS_ContentInfo *message =
        cms_n <= CMS_BYTES_MOST ? d2i_CMS_ContentInfo(NULL, &at, (long)cms_n) : NULL;
    STACK_OF(X509) *inside = message != NULL ? CMS_get1_certs(message) : NULL;
    X509 *issuer = NULL;

    for (int i = 0; i < sk_X509_num(inside); i++)
        for (int k = 0; k < sk_X509_num(inside) && issuer == NULL; k++)
            if (k != i &&
                X509_check_issued(sk_X509_value(inside, i), sk_X509_value(inside, k)) == X509_V_OK)
                issuer = sk_X509_value(inside, i);
    if (issuer != NULL)
        *out_pem = x509_pem(issuer);
    ERR_clear_error();
    sk_X509_pop_free(inside, X509_free);
    CMS_ContentInfo_free(message);
    return issuer != NULL
               ? 0
               : err_set(err, ERR_REJECT, "the issuer's certificate is not in the signature");
}
