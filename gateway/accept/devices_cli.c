/* devices_cli.c - radpost devices: a line of devices.conf put there, changed or taken out, whole
 * and durable; nothing that the gateway could not read again is ever written. */
#include "gateway/accept/devices_cli.h"

#include "gateway/accept/devices.h"
#include "gateway/accept/refused.h"
#include "proto/base/clock.h"
#include "proto/base/durable.h"
#include "proto/base/folder.h"
#include "proto/base/text.h"

#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { FILE_BYTES = 1 << 20, LINE_BYTES = 4096 };

static const char usage[] =
    "radpost devices list DIR                          who may send, and who was refused\n"
    "radpost devices add DIR AE ADDRESS [NAME] [K=V..] a row, or a change of it; ADDRESS * = any\n"
    "radpost devices enrol DIR AE ADDRESS [NAME]       who was refused, with all it showed\n"
    "radpost devices remove DIR AE ADDRESS             it may send no more\n"
    "DIR is the gateway's folder (data_dir); the gateway may be running: it reads the table "
    "again.\n"
    "Settings: docs/formats/devices.md.\n";

/* The text of the table ("" when there is none) and, so that a mistake in it stops here, its rows.
 */
static int
read_table(const char *dir, char **out_text, size_t *out_n, struct devices *out, struct err *err)
{
    char path[PATH_MAX];
    uint8_t *text = NULL;
    size_t n = 0;

    snprintf(path, sizeof path, "%s/" DEVICES_FILE, dir);
    if (access(path, F_OK) < 0)
        text = (uint8_t *)mem_text("");
    else if (durable_get_file(path, FILE_BYTES, &text, &n, err) < 0)
        return -1;
    if (devices_parse((const char *)text, n, out, err) < 0) {
        free(text);
        return err_context(err, DEVICES_FILE);
    }
    *out_text = (char *)text;
    *out_n = n;
    return 0;
}

/* Put row's line in the place of the one with its key, or at the end; row NULL: take it out. */
static int
write_table(const char *dir, const char *ae, const char *address, const struct accept_device *row,
            struct err *err)
{
    struct devices now = {NULL, 0}, then = {NULL, 0};
    struct buf line, text;
    char *old = NULL;
    size_t n = 0;
    bool is_there;
    int rc = -1;

    buf_init(&line, LINE_BYTES);
    buf_init(&text, FILE_BYTES);
    if (folder_vet_owner(dir, err) < 0 || read_table(dir, &old, &n, &now, err) < 0)
        goto out;
    if (row != NULL)
        devices_format(row, &line);
    is_there = devices_edit(old, n, ae, address, (const char *)line.bytes, line.n, &text);
    if (!is_there && row == NULL) {
        err_set(err, ERR_NOT_FOUND, "no row of %s %s", ae, address);
        goto out;
    }
    if (!is_there) {
        if (text.n > 0 && text.bytes[text.n - 1] != '\n')
            buf_add_u8(&text, '\n');
        buf_add(&text, line.bytes, line.n);
    }
    if (buf_is_over(&text)) {
        err_set(err, ERR_FULL, "the table would be larger than %d bytes", FILE_BYTES);
        goto out;
    }
    if (devices_parse(buf_text(&text), text.n, &then, err) == 0)
        rc = durable_put_file(dir, DEVICES_FILE, text.bytes, text.n, err);
out:
    devices_fini(&then);
    devices_fini(&now);
    free(old);
    buf_fini(&text);
    buf_fini(&line);
    return rc;
}

/* AE ADDRESS [NAME] [K=V...]: as the table's own parser reads them. */
static int
read_row(int argc, char **argv, struct devices *out, struct err *err)
{
    struct buf line;
    int rc;

    buf_init(&line, LINE_BYTES);
    for (int i = 0; i < argc; i++) {
        const char *equals = strchr(argv[i], '=');

        if (strpbrk(argv[i], "\"\n") != NULL) {
            buf_fini(&line);
            return err_set(err, ERR_REJECT, "neither quotes nor line ends");
        }
        if (i > 2 && equals != NULL)
            buf_add_printf(&line, " %.*s\"%s\"", (int)(equals + 1 - argv[i]), argv[i], equals + 1);
        else
            buf_add_printf(&line, i == 1 ? " %s" : " \"%s\"", argv[i]);
    }
    rc = buf_is_over(&line) ? err_set(err, ERR_REJECT, "a row of more than %d bytes", LINE_BYTES)
                            : devices_parse(buf_text(&line), line.n, out, err);
    buf_fini(&line);
    if (rc == 0 && out->n != 1) {
        devices_fini(out);
        rc = err_set(err, ERR_REJECT, "that is no row of a device");
    }
    return rc;
}

/* A device that asks for commitment and cannot be told is the installer's to mend, today. */
static void
note_reports(const struct accept_device *row)
{
    const char *host;
    uint16_t port;

    if ((row->may & ACCEPT_MAY_COMMIT) && !accept_reports_to(row, &host, &port))
        fprintf(
            stderr,
            "note: %s names no address for its reports on storage commitment: it gets them only "
            "on an association that it keeps open; else add host=... port=...\n",
            row->ae);
}

static int
add(const char *dir, int argc, char **argv, struct err *err)
{
    struct devices row = {NULL, 0};
    int rc = -1;

    if (read_row(argc, argv, &row, err) == 0 && devices_normalize(&row.rows[0], err) == 0)
        rc = write_table(dir, row.rows[0].ae, row.rows[0].address, &row.rows[0], err);
    if (rc == 0)
        note_reports(&row.rows[0]);
    devices_fini(&row);
    return rc;
}

static const struct accept_refused *
find_refused(const struct refused *list, const char *ae, const char *address)
{
    for (size_t i = 0; i < list->n; i++)
        if (strcmp(list->rows[i].calling, ae) == 0 && strcmp(list->rows[i].address, address) == 0)
            return &list->rows[i];
    return NULL;
}

/* Title, address, the title it called where that is not ours, and the certificate it showed. */
static int
enrol(const char *dir, int argc, char **argv, struct err *err)
{
    struct refused *list = mem_new(sizeof *list);
    const struct accept_refused *who;
    struct accept_device row = {.ae = ""};
    size_t bad;
    int rc = -1;

    if (refused_read(dir, list, &bad, err) < 0)
        goto out;
    who = find_refused(list, argv[0], argv[1]);
    if (who == NULL) {
        err_set(err, ERR_NOT_FOUND, "%s at %s was not refused", argv[0], argv[1]);
        goto out;
    }
    text_copy(row.ae, sizeof row.ae, who->calling);
    text_copy(row.address, sizeof row.address, who->address);
    text_copy(row.certificate_sha256, sizeof row.certificate_sha256, who->certificate_sha256);
    if (who->is_called_wrong)
        text_copy(row.called, sizeof row.called, who->called);
    if (argc > 2 && !text_copy(row.name, sizeof row.name, argv[2]))
        err_set(err, ERR_REJECT, "a name has at most 96 bytes");
    else if (devices_normalize(&row, err) == 0)
        rc = write_table(dir, row.ae, row.address, &row, err);
    if (rc == 0)
        note_reports(&row);
out:
    free(list);
    return rc;
}

static int
list_all(const char *dir, struct err *err)
{
    struct refused *refused = mem_new(sizeof *refused);
    struct devices devices = {NULL, 0};
    char *text = NULL, when[40];
    size_t n, bad = 0;
    int rc = -1;

    if (read_table(dir, &text, &n, &devices, err) < 0 || refused_read(dir, refused, &bad, err) < 0)
        goto out;
    for (size_t i = 0; i < devices.n; i++) {
        struct buf line;

        buf_init(&line, LINE_BYTES);
        devices_format(&devices.rows[i], &line);
        printf("%s", buf_text(&line));
        buf_fini(&line);
    }
    for (size_t i = 0; i < refused->n; i++) {
        const struct accept_refused *r = &refused->rows[i];

        clock_text(r->last_us, when);
        printf("# %s %s  %-16s %-15s called %s\n",
               r->why == ACCEPT_STRANGER ? "stranger" : "refused", when, r->calling, r->address,
               r->called);
    }
    rc = 0;
out:
    devices_fini(&devices);
    free(text);
    free(refused);
    return rc;
}

int
devices_cli(int argc, char **argv)
{
    const char *verb = argc > 1 ? argv[1] : "";
    struct err err;
    int rc;

    if (strcmp(verb, "list") == 0 && argc == 3)
        rc = list_all(argv[2], &err);
    else if (strcmp(verb, "add") == 0 && argc >= 5)
        rc = add(argv[2], argc - 3, argv + 3, &err);
    else if (strcmp(verb, "enrol") == 0 && (argc == 5 || argc == 6))
        rc = enrol(argv[2], argc - 3, argv + 3, &err);
    else if (strcmp(verb, "remove") == 0 && argc == 5)
        rc = write_table(argv[2], argv[3], argv[4], NULL, &err);
    else {
        fputs(usage, stderr);
        return 64;
    }
    if (rc < 0) {
        fprintf(stderr, "radpost devices: %s\n", err.text);
        return err_kind_exit(err.kind);
    }
    return 0;
}
