/* signer.h - the process that holds the doctors' keys, and how compose asks it.
 *
 *     compose --- who, when, what ---> signer (data_dir/signer: ca.key, ca.pem, keys)
 *             <--- CMS signature -----
 *
 * 1. No key is ever in the reader's own process: the signer makes them, keeps them, signs.
 * 2. The signer has its files open, its end of one socket, and nothing else; what would open,
 *    connect or start anything ends it (proto/codec/sandbox.h).
 * 3. A key is durable before it signs for the first time.
 * 4. A signer that dies costs the request it had; the next request gets a new one.
 * It signs whatever the reader hands it under a doctor's name: who may sign what is the reader's to
 * decide (docs/decisions/signing.md). Threads: any; one signature at a time. */
#ifndef RADPOST_READER_COMPOSE_SIGNER_H
#define RADPOST_READER_COMPOSE_SIGNER_H

#include "proto/base/buf.h"
#include "proto/base/program.h"
#include "proto/trust/cms.h"

#include <sys/types.h>

struct signer;

#define SIGNER_CONTENT_BYTES ((size_t)4 << 20)
#define SIGNER_SOCKET PROGRAM_SOCKET /* its end */

/* Start it. ca_name: a CA of that name is made where dir has none, and dir itself; NULL: it has to
 * be there, as for each process that takes the place of a dead one.
 * errors  ERR_NOT_FOUND it is not there;
 *          ERR_CONFLICT the folder's files cannot be used, or another signer has them open;
 *         ERR_RETRY it cannot be started */
int signer_open(const char *dir, const char *ca_name, struct signer **out_signer,
                struct err *err) MUST_CHECK;
void signer_close(struct signer **signer);
/* Sign in the name of a login; person goes into the certificate, a new one when it changed.
 * errors  ERR_RETRY the signer died or did not answer: nothing was signed that anybody has;
 *         ERR_REJECT too long, or no name */
int signer_sign(struct signer *signer, const char *login, const struct cms_person *person,
                const void *content, size_t n, int64_t at_us, struct buf *out_cms,
                struct err *err) MUST_CHECK;
/* The signing CA's certificate. */
const char *signer_ca_pem(const struct signer *signer);
/* Tests: the process at work, to end it. */
pid_t signer_pid(struct signer *signer);

/* ---- between the two processes: the same program on both ends ---- */
#define SIGNER_MAGIC 0x52505347U

struct signer_request { /* then content_n bytes */
    uint32_t magic;
    uint32_t content_n;
    int64_t at_us;
    char login[65];
    struct cms_person person;
};

struct signer_reply { /* then n bytes: the signature; of the greeting, the CA's certificate */
    uint32_t magic;
    int32_t rc;
    struct err err;
    uint32_t n;
};

/* The child: never returns. */
__attribute__((noreturn)) void signer_child(const char *dir, const char *ca_name);

/* ---- the file of keys ---- */
struct keyring;

/* Open dir/keys, 0600, and keep it locked. A torn end (a crash; its key never signed) is cut off.
 * errors  ERR_CONFLICT another process has it, or it is not a file of keys */
int keyring_open(const char *dir, const struct ca *ca, struct keyring **out_ring,
                 struct err *err) MUST_CHECK;
void keyring_close(struct keyring **ring);
/* The signer of a login as that person, made and kept if there is none. Belongs to the ring.
 * errors  ERR_FATAL the file could not be synced: this process must not go on with it */
int keyring_signer(struct keyring *ring, const char *login, const struct cms_person *person,
                   int64_t at_us, const struct cms_signer **out_signer, struct err *err) MUST_CHECK;

#endif
