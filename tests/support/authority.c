/* authority.c - openssl ca, with nothing beside the names. */
#include "tests/support/authority.h"

#include "tests/support/run_program.h"

#include <stdio.h>

static const char script[] =
    "set -e; cd \"$1\"\n"
    "cat >c.cnf <<END\n[ca]\ndefault_ca=c\n[c]\ndatabase=index.txt\nnew_certs_dir=.\n"
    "serial=serial\ndefault_md=sha256\ndefault_days=30\nunique_subject=no\npolicy=p\n"
    "[p]\ncommonName=supplied\n[here]\nsubjectAltName=IP:127.0.0.1\n"
    "[far]\nsubjectAltName=DNS:his.example\nEND\n"
    ": >index.txt; echo 01 >serial\n"
    "ec='-newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes'\n"
    "for ca in ca xca; do openssl req -x509 $ec -keyout $ca.key -out $ca.pem -subj /CN=$ca "
    "-days 30; done\n"
    "openssl req $ec -keyout s.key -out s.csr -subj /CN=his\n"
    "sign() { openssl ca -batch -notext -config c.cnf -cert $1.pem -keyfile $1.key -in s.csr "
    "-extensions $2 -out $3.pem $4 $5 $6 $7; }\n"
    "sign ca here here; sign ca far far; sign xca here stranger\n"
    "sign ca here old -startdate 20200101000000Z -enddate 20200201000000Z\n";

int
authority_make(const char *dir)
{
    const char *const argv[] = {"sh", "-c", script, "sh", dir, NULL};
    char said[16384];
    int rc;

    if (!program_is_there("openssl"))
        return -1;
    rc = program_run(argv, NULL, said, sizeof said);
    if (rc != 0)
        printf("%s", said);
    return rc;
}
