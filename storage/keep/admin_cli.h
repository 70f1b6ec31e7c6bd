/* admin_cli.h - the operator's commands on the archive's catalog; they may run beside the service.
 *     radpost org add --code CODE --name NAME
 *     radpost ae add --org CODE --ae AET --host ADDRESS --port N [--rights store,query,retrieve]
 *     radpost token new --org CODE [--rights query,retrieve] [--note NAME]      prints the token,
 * once radpost enrol new --org CODE --kind gateway|reader --name NAME            prints the code,
 * once radpost enrol revoke --org CODE --name NAME All take --config FILE, the archive's. */
#ifndef RADPOST_STORAGE_KEEP_ADMIN_CLI_H
#define RADPOST_STORAGE_KEEP_ADMIN_CLI_H

/* argv[0] is the noun. Returns the exit code. */
int admin_cli(int argc, char **argv);

#endif
