/* audit_open.c - find the end of the chain after a start, a crash, or worse. */
#include "proto/trust/audit_parts.h"

#include "proto/base/clock.h"
#include "proto/base/durable.h"
#include "proto/base/reserve.h"
#include "proto/base/text.h"
#include "proto/trust/x509.h"

#include <openssl/pem.h>

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

void
audit_path(const struct audit *a, const char *name, char out[AUDIT_PATH_BYTES])
{
    snprintf(out, AUDIT_PATH_BYTES, "%s/%s", a->dir, name);
}

void
audit_today(char out[AUDIT_DATE_BYTES])
{
    char text[40];

    clock_text(clock_wall_us(), text);
    snprintf(out, AUDIT_DATE_BYTES, "%.10s", text);
}

/* Also when that cannot be told: then opening it will say why. */
static bool
has(const struct audit *a, const char *name)
{
    char path[AUDIT_PATH_BYTES];

    audit_path(a, name, path);
    return access(path, F_OK) == 0 || errno != ENOENT;
}

int
audit_put_file(const struct audit *a, const char *name, const char *text, struct err *err)
{
    int rc;

    while ((rc = durable_put_file(a->dir, name, text, strlen(text), err)) < 0 &&
           err->kind == ERR_FULL && reserve_give(a->dir, AUDIT_PIECE_BYTES))
        err_clear(err);
    return rc;
}

int
audit_open_day(struct audit *a, const char *date, struct err *err)
{
    char path[AUDIT_PATH_BYTES], name[32], header[160];
    struct stat st;

    snprintf(name, sizeof name, "log/%s.log", date);
    audit_path(a, name, path);
    if (!has(a, name)) {
        audit_file_header(&a->durable, header);
        if (audit_put_file(a, name, header, err) < 0)
            return -1;
    }
    if (a->log_fd >= 0)
        close(a->log_fd);
    a->log_fd = open(path, O_RDWR | O_CLOEXEC);
    if (a->log_fd < 0 || fstat(a->log_fd, &st) < 0)
        return err_sys(err, ERR_RETRY, "open %s", path);
    a->end = (uint64_t)st.st_size;
    snprintf(a->date, sizeof a->date, "%s", date);
    return 0;
}

/* ---- opening ---- */

static int
make_folders(const char *dir, struct err *err)
{
    static const char *const names[] = {"tmp", "log", "heads", "corrupt"};
    char path[AUDIT_PATH_BYTES];

    if (durable_mkdir(dir, err) < 0)
        return -1;
    for (size_t i = 0; i < ARRAY_LEN(names); i++) {
        snprintf(path, sizeof path, "%s/%s", dir, names[i]);
        if (durable_mkdir(path, err) < 0)
            return -1;
    }
    return 0;
}

static int
lock_folder(struct audit *a, struct err *err)
{
    char path[AUDIT_PATH_BYTES];

    audit_path(a, "lock", path);
    a->lock_fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    if (a->lock_fd < 0)
        return err_sys(err, ERR_RETRY, "open %s", path);
    if (flock(a->lock_fd, LOCK_EX | LOCK_NB) < 0)
        return err_sys(err, ERR_CONFLICT, "another process writes this audit log");
    return 0;
}

static int
save_public(struct audit *a, struct err *err)
{
    BIO *bio = BIO_new(BIO_s_mem());
    char *text;
    size_t n;
    int rc;

    CHECK(bio != NULL && PEM_write_bio_PUBKEY(bio, a->key) == 1);
    text = x509_bio_text(bio, &n);
    BIO_free(bio);
    rc = durable_put_file(a->dir, "signer.pem", text, n, err);
    free(text);
    return rc;
}

/* A chain that is not whole, or of which a key is gone: out of the way, as it is, the key that
 * cannot be read with it. HEAD goes last: until then the next start finds that this is not done. */
static int
set_chain_aside(struct audit *a, bool with_signer, bool with_patient_key, struct err *err)
{
    const struct {
        const char *name;
        bool goes;
    } parts[] = {{"log", true},
                 {"heads", true},
                 {"signer.key", with_signer},
                 {"signer.pem", with_signer},
                 {"patient.key", with_patient_key},
                 {"HEAD", true}};
    char from[AUDIT_PATH_BYTES], to[AUDIT_PATH_BYTES], name[64];

    snprintf(name, sizeof name, "corrupt/chain-%" PRId64, clock_wall_us());
    audit_path(a, name, to);
    if (durable_mkdir(to, err) < 0)
        return -1;
    for (size_t i = 0; i < ARRAY_LEN(parts); i++) {
        audit_path(a, parts[i].name, from);
        snprintf(to, sizeof to, "%s/%s/%s", a->dir, name, parts[i].name);
        if (parts[i].goes && rename(from, to) < 0 && errno != ENOENT)
            return err_sys(err, ERR_RETRY, "set %s aside", from);
    }
    a->durable = (struct audit_place){0};
    return make_folders(a->dir, err);
}

static int
read_signer(struct audit *a, struct err *err)
{
    char path[AUDIT_PATH_BYTES];

    audit_path(a, "signer.key", path);
    a->key = x509_key_read(path, err);
    return a->key != NULL ? 0 : -1;
}

static int
read_patient_key(struct audit *a, struct err *err)
{
    char path[AUDIT_PATH_BYTES];
    uint8_t *bytes;
    size_t n;

    audit_path(a, "patient.key", path);
    if (durable_get_file(path, DIGEST_BYTES, &bytes, &n, err) < 0)
        return -1;
    if (n == DIGEST_BYTES)
        memcpy(a->patient_key, bytes, n);
    free(bytes);
    return n == DIGEST_BYTES ? 0 : err_set(err, ERR_REJECT, "patient.key is not %d bytes", 32);
}

/* Gone, or not what was written, or the disk does not give it back: waiting mends none of these. */
static bool
is_rotten(const struct err *err)
{
    return err->kind == ERR_NOT_FOUND || err->kind == ERR_REJECT || err->sys == EIO;
}

/* Twice, for a disk may stumble. *out_is_rotten: then it is to be set aside, and err says why. */
static int
read_key(struct audit *a, int (*read)(struct audit *, struct err *), bool *out_is_rotten,
         struct err *err)
{
    *out_is_rotten = false;
    if (read(a, err) == 0 || read(a, err) == 0)
        return 0;
    *out_is_rotten = is_rotten(err);
    return *out_is_rotten ? 0 : -1;
}

static int
make_signer(struct audit *a, struct err *err)
{
    a->key = x509_key_new();
    return save_public(a, err) < 0 ? -1 : x509_key_save(a->key, a->dir, "signer.key", err);
}

static int
make_patient_key(struct audit *a, struct err *err)
{
    random_bytes(a->patient_key, DIGEST_BYTES);
    return durable_put_file(a->dir, "patient.key", a->patient_key, DIGEST_BYTES, err);
}

/* The keys; made when the folder is new. A log of which one cannot be read any more is set aside
 * with it, and another begins: never on, and never unsigned.
 * out_is_broken  that is so */
static int
open_keys(struct audit *a, bool *out_is_broken, struct err *err)
{
    struct log_ctx log = {.stage = "trust/audit"};
    bool no_signer, no_patient;
    struct err why = {0};

    *out_is_broken = false;
    if (!has(a, "signer.key") && !has(a, "HEAD"))
        return make_patient_key(a, err) < 0 ? -1 : make_signer(a, err);
    if (read_key(a, read_signer, &no_signer, &why) < 0) {
        *err = why;
        return -1;
    }
    if (no_signer)
        LOG(&log, TRUST_AUDIT_KEY_ROTTEN, F_ERR(&why));
    if (read_key(a, read_patient_key, &no_patient, &why) < 0) {
        *err = why;
        return -1;
    }
    if (no_patient)
        LOG(&log, TRUST_AUDIT_KEY_ROTTEN, F_ERR(&why));
    *out_is_broken = no_signer || no_patient;
    if (*out_is_broken && set_chain_aside(a, no_signer, no_patient, err) < 0)
        return -1;
    if (no_patient && make_patient_key(a, err) < 0)
        return -1;
    return no_signer ? make_signer(a, err) : 0;
}

static int
open_head(struct audit *a, struct err *err)
{
    char path[AUDIT_PATH_BYTES], both[AUDIT_HEAD_BYTES];
    struct audit_place place;
    unsigned slot;

    audit_path(a, "HEAD", path);
    if (!has(a, "HEAD")) {
        audit_head_slot(a->key, &a->durable, both);
        memset(both + AUDIT_HEAD_SLOT_BYTES, ' ', AUDIT_HEAD_SLOT_BYTES);
        if (durable_put_file(a->dir, "HEAD", both, sizeof both, err) < 0)
            return -1;
    }
    if (audit_head_read(a->dir, a->key, &place, &slot, err) < 0)
        return -1;
    a->head_slot = slot ^ 1; /* the newer one stays until the next is whole */
    if (a->head_fd < 0)
        a->head_fd = open(path, O_RDWR | O_CLOEXEC);
    return a->head_fd < 0 ? err_sys(err, ERR_RETRY, "open %s", path) : 0;
}

/* "radpost-audit 1 after N HASH" of a file: where its chain goes on from. */
static int
read_file_start(const struct audit *a, const char *name, struct audit_place *out, struct err *err)
{
    char path[AUDIT_PATH_BYTES], text[160] = "", number[24], hex[DIGEST_HEX_BYTES];
    int fd;
    ssize_t k;

    snprintf(path, sizeof path, "%s/log/%s", a->dir, name);
    fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return err_sys(err, ERR_RETRY, "open %s", path);
    do
        k = pread(fd, text, sizeof text - 1, 0);
    while (k < 0 && errno == EINTR);
    if (k < 0)
        err_sys(err, ERR_RETRY, "read %s", path);
    close(fd);
    if (k < 0)
        return -1;
    if (sscanf(text, "radpost-audit 1 after %20[0-9] %64[0-9a-f]", number, hex) != 2 ||
        text_to_u64(number, UINT64_MAX, &out->n) < 0 ||
        hex_decode(hex, out->hash, DIGEST_BYTES) < 0)
        return err_set(err, ERR_CONFLICT, "%s is no audit log", name);
    return 0;
}

/* The torn end of the last file to corrupt/, and off the file. */
static int
set_tail_aside(struct audit *a, uint64_t keep, uint64_t size, struct err *err)
{
    char name[80];
    uint8_t *bytes = mem_new((size_t)(size - keep));
    struct log_ctx log = {.stage = "trust/audit"};
    int rc = -1;

    snprintf(name, sizeof name, "corrupt/tail-%s-%" PRIu64, a->date, keep);
    if (durable_read_at(a->log_fd, bytes, (size_t)(size - keep), keep, err) < 0 ||
        durable_put_file(a->dir, name, bytes, (size_t)(size - keep), err) < 0)
        goto out;
    if (ftruncate(a->log_fd, (off_t)keep) < 0 || fsync(a->log_fd) < 0) {
        err_sys(err, ERR_RETRY, "cut the torn end off");
        goto out;
    }
    LOG(&log, TRUST_AUDIT_TORN, F_BYTES(size - keep));
    a->end = keep;
    rc = 0;
out:
    free(bytes);
    return rc;
}

/* Read the last file: up to HEAD it must be whole, behind it whole batches are taken, the rest was
 * never acknowledged. out_torn: bytes that were set aside. */
static int
recover(struct audit *a, const char *name, uint64_t *out_torn, struct err *err)
{
    struct audit_walk w = {.key = a->key};
    struct err walk_err = {0};
    char date[AUDIT_DATE_BYTES];

    if (!has(a, "HEAD"))
        return err_set(err, ERR_CONFLICT, "HEAD is gone");
    if (audit_head_read(a->dir, a->key, &w.wanted, NULL, err) < 0 ||
        read_file_start(a, name, &w.at, err) < 0)
        return -1;
    w.sealed = w.at;
    w.has_met_wanted = w.at.n == w.wanted.n && memcmp(w.at.hash, w.wanted.hash, DIGEST_BYTES) == 0;
    snprintf(date, sizeof date, "%.10s", name);
    if (audit_walk_file(&w, a->dir, name, &walk_err) < 0 && walk_err.kind != ERR_CONFLICT) {
        *err = walk_err;
        return -1;
    }
    if (!w.has_met_wanted || w.sealed.n < w.wanted.n)
        return err_set(err, ERR_CONFLICT, "%s: the chain does not reach what HEAD signs", w.place);
    a->durable = w.sealed;
    if (audit_open_day(a, date, err) < 0)
        return -1;
    *out_torn = a->end > w.sealed_end ? a->end - w.sealed_end : 0;
    return *out_torn > 0 ? set_tail_aside(a, w.sealed_end, a->end, err) : 0;
}

/* No file yet: right only if nothing was ever written. HEAD comes before the first file, so that a
 * file without HEAD is never the work of a crash. */
static int
begin_chain(struct audit *a, struct err *err)
{
    struct audit_place head;
    char date[AUDIT_DATE_BYTES];

    if (open_head(a, err) < 0 || audit_head_read(a->dir, a->key, &head, NULL, err) < 0)
        return -1;
    if (head.n > 0)
        return err_set(err, ERR_CONFLICT, "the log's files are gone");
    audit_today(date);
    return audit_open_day(a, date, err);
}

static int
open_chain(struct audit *a, uint64_t *out_torn, struct err *err)
{
    char **names = NULL;
    size_t count = 0;
    int rc;

    if (audit_files(a->dir, &names, &count, err) < 0)
        return -1;
    rc = count > 0 ? recover(a, names[count - 1], out_torn, err) : begin_chain(a, err);
    audit_files_free(&names, count);
    return rc < 0 ? -1 : open_head(a, err);
}

/* Open the chain, or set it aside and begin another. */
static int
open_or_begin(struct audit *a, uint64_t *out_torn, bool *out_is_broken, struct err *err)
{
    struct log_ctx log = {.stage = "trust/audit"};

    *out_is_broken = false;
    if (open_chain(a, out_torn, err) == 0)
        return 0;
    if (err->kind != ERR_CONFLICT)
        return -1;
    LOG(&log, TRUST_AUDIT_BROKEN, F_ERR(err));
    *out_is_broken = true;
    *out_torn = 0;
    if (a->head_fd >= 0)
        close(a->head_fd);
    a->head_fd = -1;
    return set_chain_aside(a, false, false, err) < 0 ? -1 : begin_chain(a, err);
}

static int
note_opening(struct audit *a, uint64_t torn, bool is_broken, bool is_keyless, struct err *err)
{
    uint8_t signer[DIGEST_BYTES];

    x509_key_digest(a->key, signer);
    if ((torn > 0 || is_broken || is_keyless) && audit_append(a, err, AUDIT_RECOVERED,
                                                              A_WORD("why", is_keyless  ? "keys"
                                                                            : is_broken ? "broken"
                                                                                        : "torn"),
                                                              A_NUMBER("bytes", torn)) < 0)
        return -1;
    return audit_append(a, err, AUDIT_OPENED, A_WORD("service", a->service),
                        A_HEX("signer", signer, DIGEST_BYTES));
}

int
audit_open(const char *dir, const char *service, struct audit **out_audit, struct err *err)
{
    struct audit *a = mem_new(sizeof *a);
    struct log_ctx log = {.stage = "trust/audit"};
    uint64_t torn = 0;
    bool is_broken, is_keyless;
    int rc = -1;

    a->dir = mem_text(dir);
    a->service = mem_text(service);
    a->lock_fd = a->log_fd = a->head_fd = -1;
    a->last_waiter = &a->first_waiter;
    buf_init(&a->batch, AUDIT_BATCH_BYTES);
    gate_init(&a->gate);
    if (make_folders(dir, err) < 0 || lock_folder(a, err) < 0 ||
        open_keys(a, &is_keyless, err) < 0 || open_or_begin(a, &torn, &is_broken, err) < 0)
        goto out;
    a->place = a->durable;
    reserve_make(a->dir, AUDIT_RESERVE_BYTES);
    a->thread = thread_start("audit", audit_run, a);
    a->is_running = true;
    if (note_opening(a, torn, is_broken, is_keyless, err) < 0)
        goto out;
    LOG(&log, TRUST_AUDIT_OPENED, F_NUMBER("entries", a->durable.n));
    *out_audit = TAKE(a);
    rc = 0;
out:
    if (rc < 0)
        err_context(err, "audit log %s", dir);
    audit_close(&a);
    return rc;
}
