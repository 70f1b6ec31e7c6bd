/* radpost-reader - assigns studies to readers, takes their signed reports, brings them to clinics
 * and patients. Crash-only: a start is a recovery; SIGTERM lets what is under way finish.
 *
 * Here are the command line and the wait for a signal; the stages are in service.c, the routes of
 * the three listeners in listeners.c. */
#include "reader/reader.h"

#include "proto/base/buf.h"
#include "proto/base/folder.h"
#include "proto/base/program.h"
#include "proto/codec/codec.h"
#include "reader/assign/assign.h"
#include "reader/compose/compose.h"
#include "reader/people/people.h"

#include <fcntl.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { LOAD_BYTES = 64 << 20 };

static const struct config_option options[] = {
#define OPT CONFIG_ROW
#define CONFIG_STRUCT struct reader_config
#include "reader/reader_options.def"
#undef CONFIG_STRUCT
#undef OPT
};

static const struct log_ctx ctx = {.stage = "reader"};

static const char usage[] =
    "radpost-reader [--config FILE]                  run\n"
    "radpost-reader [--config FILE] enrol URL CODE   get this reader's certificate from the "
    "centre\n"
    "radpost-reader [--config FILE] load FILE.json   take in organisations, accounts, doctors,\n"
    "                                                agreements\n"
    "radpost-reader [--config FILE] first-admin [ORGANISATION]\n"
    "                                                print a one-time code for the first\n"
    "                                                administrator\n"
    "radpost-reader [--config FILE] accept-authority LOGIN\n"
    "                                                the keys that signed reports are lost for\n"
    "                                                good: sign with others (LOGIN says so)\n"
    "radpost-reader [--config FILE] --print-config   the options in force\n"
    "radpost-reader --help | --version\n";

/* Signals are for the main thread alone: it waits for one that ends the service. */
static int
run(struct reader *r, struct err *err)
{
    int rc;

    program_raise_descriptors();
    program_hold_signals();
    rc = reader_start(r, err);
    if (rc == 0) {
        int got = program_wait();

        LOG(&ctx, READER_STOPPING, F_NUMBER("signal", got));
    }
    reader_stop(r);
    if (rc == 0)
        LOG(&ctx, READER_STOPPED);
    return rc;
}

/* ---- sub-commands ---- */

/* What another user leaves in data_dir the service could not read. */
static int
make_folders_as_service(struct reader *r, struct err *err)
{
    return reader_make_folders(r, err) < 0 ? -1 : folder_vet_owner(r->config.data_dir, err);
}

static int
run_enrol(struct reader *r, char **args, struct err *err)
{
    struct enrol_identity identity;

    if (make_folders_as_service(r, err) < 0)
        return -1;
    if (enrol_new(r->identity_dir, args[0], args[1], &identity, err) < 0) {
        enrol_explain(err);
        return err_context(err, "enrol");
    }
    printf("enrolled: tenant %s, device %s\n", identity.tenant, identity.device);
    enrol_identity_fini(&identity);
    return 0;
}

static int
read_file(const char *path, struct buf *out, struct err *err)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC), rc = -1;

    if (fd < 0)
        return err_sys(err, ERR_REJECT, "open");
    for (;;) {
        uint8_t *room = buf_reserve(out, 65536);
        ssize_t n = room != NULL ? read(fd, room, 65536) : -1;

        if (room == NULL)
            err_set(err, ERR_REJECT, "longer than %d bytes", LOAD_BYTES);
        else if (n < 0)
            err_sys(err, ERR_RETRY, "read");
        if (n <= 0) {
            rc = n == 0 ? 0 : -1;
            break;
        }
        out->n += (size_t)n;
    }
    close(fd);
    return rc;
}

static int
run_load(struct reader *r, char **args, struct err *err)
{
    struct assign_loaded loaded;
    struct buf json;
    int rc = -1;

    buf_init(&json, LOAD_BYTES);
    if (make_folders_as_service(r, err) == 0 && read_file(args[0], &json, err) == 0 &&
        reader_start_database(r, err) == 0 &&
        assign_load(r->pg, buf_text(&json), json.n, r->config.demo, &loaded, err) == 0) {
        printf("loaded: %u organisations, %u accounts, %u doctors, %u agreements\n",
               loaded.organisations, loaded.accounts, loaded.doctors, loaded.agreements);
        rc = 0;
    }
    if (rc < 0)
        err_context(err, "load %s", args[0]);
    reader_stop_database(r);
    buf_fini(&json);
    return rc;
}

/* For the organisation named, or the one this reader is enrolled for. Nothing is audited: the
 * service may be running, and holds the log; the code's use is. */
static int
run_first_admin(struct reader *r, char **args, struct err *err)
{
    struct people_options o = {0};
    char code[PEOPLE_CODE_TEXT];
    const char *org = args[0];
    int rc = -1;

    if (make_folders_as_service(r, err) < 0)
        return -1;
    if (org == NULL && enrol_load(r->identity_dir, &r->identity, err) == 0) {
        r->is_enrolled = true;
        org = r->identity.tenant;
    }
    if (org == NULL)
        return err_context(err, "not enrolled yet: name the organisation");
    if (reader_start_database(r, err) == 0) {
        o.pg = r->pg;
        r->people = people_new(&o);
    }
    if (r->people != NULL && people_first_code(r->people, org, code, err) == 0) {
        printf("organisation %s, good once within the hour:\n%s\n", org, code);
        rc = 0;
    }
    people_free(&r->people);
    reader_stop_database(r);
    reader_stop_identity(r);
    return rc;
}

static int
run_accept_authority(struct reader *r, char **args, struct err *err)
{
    int rc = -1;

    if (make_folders_as_service(r, err) == 0 && reader_start_database(r, err) == 0)
        rc = compose_authority_accept(r->pg, r->config.data_dir, args[0], err);
    if (rc == 0)
        puts("reports are signed with the keys in data_dir/signer from now on");
    reader_stop_database(r);
    return rc;
}

static int
run_print_config(struct reader *r, char **args, struct err *err)
{
    (void)args;
    (void)err;
    config_print(options, ARRAY_LEN(options), &r->config);
    return 0;
}

static const struct command {
    const char *word;
    int least, most; /* arguments */
    int (*run)(struct reader *r, char **args, struct err *err);
} commands[] = {
    {"enrol", 2, 2, run_enrol},
    {"load", 1, 1, run_load},
    {"first-admin", 0, 1, run_first_admin},
    {"accept-authority", 1, 1, run_accept_authority},
    {"--print-config", 0, 0, run_print_config},
};

static const struct command *
command_find(int argc, char **argv)
{
    for (size_t i = 0; i < ARRAY_LEN(commands); i++)
        if (strcmp(argv[0], commands[i].word) == 0 && argc - 1 >= commands[i].least &&
            argc - 1 <= commands[i].most)
            return &commands[i];
    return NULL;
}

static int
misused(const char *word)
{
    fprintf(stderr, "radpost-reader: '%s' is not understood, or not whole\n%s", word, usage);
    return 64;
}

int
main(int argc, char **argv)
{
    const char *file = NULL;
    const struct command *command = NULL;
    struct reader r = {0};
    struct err err = {0};
    int status, at = 1, rc;

    if (codec_worker_main_if_asked(argc, argv, &status) ||
        compose_signer_main_if_asked(argc, argv, &status))
        return status;
    if (argc == 2 && strcmp(argv[1], "--help") == 0) {
        config_print_help(usage, options, ARRAY_LEN(options));
        return 0;
    }
    if (argc == 2 && strcmp(argv[1], "--version") == 0) {
        puts("radpost-reader " RADPOST_VERSION);
        return 0;
    }
    if (argc > 2 && strcmp(argv[1], "--config") == 0) {
        file = argv[2];
        at = 3;
    }
    if (argc > at && (command = command_find(argc - at, argv + at)) == NULL)
        return misused(argv[at]);
    rc = config_read(options, ARRAY_LEN(options), file, &r.config, &err);
    if (rc == 0)
        rc = command != NULL ? command->run(&r, argv + at + 1, &err) : run(&r, &err);
    config_fini(options, ARRAY_LEN(options), &r.config);
    if (rc == 0)
        program_end(0);
    fprintf(stderr, "radpost-reader: %s\n", err.text);
    program_end(err_kind_exit(err.kind));
}
