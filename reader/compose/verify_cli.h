/* verify_cli.h - radpost verify-report: is a signed report what was signed? With nothing but its
 * folder of evidence (or the ZIP of it), without a service, a network or a database.
 *
 * What is found is named: report, manifest, agreement, certificate, signature. The folder brings
 * its own CA along, which proves that the parts belong together; who the CA is, is proved by a copy
 * of its certificate that came another way (--ca). docs/formats/report.md. */
#ifndef RADPOST_READER_COMPOSE_VERIFY_CLI_H
#define RADPOST_READER_COMPOSE_VERIFY_CLI_H

#include "proto/trust/cms.h"

enum evidence_part {
    EVIDENCE_REPORT,
    EVIDENCE_MANIFEST,
    EVIDENCE_AGREEMENT,
    EVIDENCE_CERTIFICATE,
    EVIDENCE_SIGNATURE,
    EVIDENCE_WITHDRAWAL, /* the notice of it, if there is one */
    EVIDENCE_PARTS
};
const char *evidence_part_word(enum evidence_part part);

struct evidence_verdict {
    bool is_good;
    char differs[EVIDENCE_PARTS][200]; /* in words; "" = as signed */
    int64_t read;
    unsigned version;
    bool is_preliminary, is_withdrawn;
    uint32_t instances;
    struct cms_person signer;
    int64_t signed_at_us;
    uint8_t ca_sha256[DIGEST_BYTES], notice_ca_sha256[DIGEST_BYTES]; /* the withdrawal's */
};

/* path     a folder or a ZIP
 * ca_path  PEM of the CA that is trusted; NULL: the folder's own
 * errors   ERR_NOT_FOUND nothing is there; ERR_REJECT it is no ZIP, or the CA cannot be read; what
 *          differs is no error but a verdict */
int evidence_verify(const char *path, const char *ca_path, struct evidence_verdict *out,
                    struct err *err) MUST_CHECK;

/* radpost verify-report DIR|ZIP [--ca FILE]. Exit code: 0 as signed, 73 not. */
int verify_report_cli(int argc, char **argv);

#endif
