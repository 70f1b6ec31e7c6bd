/* his_send.c - what the settings say, and the HL7 target. */
#include "gateway/desk/his_send.h"

#include "gateway/desk/his_reach.h"
#include "gateway/desk/his_report.h"
#include "gateway/desk/his_told.h"
#include "proto/base/clock.h"
#include "proto/base/text.h"
#include "proto/hl7/mllp.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { CONNECT_MS = 10000, ANSWER_BYTES = 65536, CONTROL_BYTES = 32, ASTRAY_TRIES = 3 };
#define MESSAGE_BYTES ((size_t)64 << 20)

/* ---- settings ---- */

/* "host:port", "[::1]:port". */
static int
read_place(const char *text, const char *option, char *host, size_t size, uint16_t *out_port,
           struct err *err)
{
    const char *colon = strrchr(text, ':');
    bool is_quoted = text[0] == '[';
    size_t n = colon != NULL ? (size_t)(colon - text) : 0;
    uint64_t port = 0;

    if (is_quoted && n >= 2 && text[n - 1] == ']') {
        text++;
        n -= 2;
    }
    if (n == 0 || n >= size || text_to_u64(colon + 1, UINT16_MAX, &port) < 0 || port == 0)
        return err_set(err, ERR_REJECT, "%s: an address and a port are due", option);
    memcpy(host, text, n);
    host[n] = '\0';
    *out_port = (uint16_t)port;
    return 0;
}

static int
read_dicom(const struct his_settings *s, struct his_targets *t, struct err *err)
{
    const char *at = strchr(s->dicom, '@');
    size_t n = at != NULL ? (size_t)(at - s->dicom) : 0;

    if (n == 0 || n >= sizeof t->ae)
        return err_set(err, ERR_REJECT, "his_dicom: AE@address:port is due");
    memcpy(t->ae, s->dicom, n);
    t->ae[n] = '\0';
    return read_place(at + 1, "his_dicom", t->dicom_host, sizeof t->dicom_host, &t->dicom_port,
                      err);
}

int
his_targets_read(const struct his_settings *s, struct his_targets *out, struct err *err)
{
    *out = (struct his_targets){.s = s};
    if (!hl7_charset_of(s->hl7_charset, &out->charset))
        return err_set(err, ERR_REJECT, "his_hl7_charset: UTF-8 or GB18030 is due");
    out->folder_is_hl7 = strcmp(s->folder_format, "hl7") == 0;
    if (!out->folder_is_hl7 && strcmp(s->folder_format, "json") != 0)
        return err_set(err, ERR_REJECT, "his_folder_format: json or hl7 is due");
    if (s->dicom[0] != '\0') {
        if (read_dicom(s, out, err) < 0)
            return -1;
        out->bits |= 1u << HIS_DICOM;
    }
    if (s->hl7[0] != '\0') {
        if (read_place(s->hl7, "his_hl7", out->hl7_host, sizeof out->hl7_host, &out->hl7_port,
                       err) < 0)
            return -1;
        out->bits |= 1u << HIS_HL7;
    }
    if (s->folder[0] != '\0')
        out->bits |= 1u << HIS_FOLDER;
    return 0;
}

int
his_send(const struct his_targets *t, struct book *book, const struct his_delivery *d,
         char said[HIS_RECEIPT_SIZE], struct err *err)
{
    switch (d->target) {
    case HIS_DICOM:
        return his_send_dicom(t, book, d, said, err);
    case HIS_HL7:
        return his_send_hl7(t, book, d, said, err);
    default:
        return his_send_folder(t, book, d, said, err);
    }
}

/* ---- HL7 ---- */

/* The same for each try of a round, so that a HIS knows a message that it has; at most 20 signs. */
static void
name_control(const struct his_delivery *d, char out[CONTROL_BYTES])
{
    snprintf(out, CONTROL_BYTES, "%" PRIx64 "-%" PRId64 ".%" PRIu32,
             (uint64_t)(d->made_at_us / 1000000), d->n, d->round);
}

int
his_hl7_message(const struct his_targets *t, struct book *book, const struct his_delivery *d,
                char *out_control, struct buf *out, struct err *err)
{
    struct hl7_head head = {.our_application = "RADPOST",
                            .our_facility = t->s->our_facility,
                            .application = t->s->hl7_application,
                            .facility = t->s->hl7_facility,
                            .code = "ORU",
                            .event = "R01",
                            .structure = "ORU_R01",
                            .control = out_control,
                            .processing = "P",
                            .version = "2.5.1",
                            .charset = t->charset,
                            .at_us = clock_wall_us()};
    struct his_report *r = mem_new(sizeof *r);
    struct buf utf8;
    int rc;

    name_control(d, out_control);
    rc = his_report_get(book, d, t->s->hl7_has_pdf && !d->is_withdrawal, r, err);
    if (rc == 0) {
        buf_init(&utf8, MESSAGE_BYTES);
        his_report_hl7(r, &head, &utf8);
        rc = hl7_encode(t->charset, &utf8, out, err);
        if (rc == 0)
            rc = his_told_put(book, d, r, err);
        buf_fini(&utf8);
        his_report_fini(r);
    }
    free(r);
    return rc;
}

/* Of table 0357, a number: where v2.5 has it, where v2.3.1 has it (ERR-1 is a code with its place),
 * MSA-6. Words in its place may name a patient, and what is returned is logged. */
static void
condition(const struct hl7_message *m, char *out, size_t size)
{
    static const struct {
        const char *segment;
        unsigned field, component;
    } places[] = {{"ERR", 3, 1}, {"ERR", 1, 4}, {"MSA", 6, 1}};

    out[0] = '\0';
    for (size_t i = 0; i < ARRAY_LEN(places) && out[0] == '\0'; i++)
        if (!hl7_get_of(m, places[i].segment, places[i].field, places[i].component, out, size) ||
            out[strspn(out, "0123456789")] != '\0')
            out[0] = '\0';
}

/* Of table 0008. */
static bool
is_acknowledgment(const char *code)
{
    return (code[0] == 'A' || code[0] == 'C') && code[1] != '\0' &&
           strchr("AER", code[1]) != NULL && code[2] == '\0';
}

/* What MSA-1 says: taken, never, or another time. */
static int
judge(const struct hl7_message *m, bool is_named, char said[HIS_RECEIPT_SIZE], struct err *err)
{
    char code[8], error[16], at[32];
    bool is_retried;

    (void)hl7_get_of(m, "MSA", 1, 1, code, sizeof code);
    if (strcmp(code, "AA") == 0 || strcmp(code, "CA") == 0) {
        (void)hl7_get_of(m, "MSH", 10, 1, at, sizeof at);
        snprintf(said, HIS_RECEIPT_SIZE, "%s %s%s", code, at, is_named ? "" : " (MSA-2 empty)");
        return 0;
    }
    condition(m, error, sizeof error);
    (void)hl7_get_of(m, "MSA", 3, 1, said, HIS_RECEIPT_SIZE);
    if (said[0] == '\0')
        (void)hl7_get_of(m, "ERR", 8, 1, said, HIS_RECEIPT_SIZE);
    /* table 0357: 206 the record is locked, 207 an internal error: neither is about the message */
    is_retried = is_acknowledgment(code) && code[1] == 'R' &&
                 (strcmp(error, "206") == 0 || strcmp(error, "207") == 0);
    return err_set(err, is_retried ? ERR_RETRY : ERR_REJECT, "the HIS answered %s%s%s",
                   is_acknowledgment(code) ? code : "nothing that is an answer",
                   error[0] != '\0' ? " " : "", error);
}

/* Its line ends, and what it said was no answer to our message: it may have the report, and gets it
 * a few times only. */
static int
give_up(const struct his_delivery *d, const char *what, struct err *err)
{
    return err_set(err, d->tries + 1 < ASTRAY_TRIES ? ERR_RETRY : ERR_REJECT, "%s", what);
}

/* The answer to our message: one that names it, or, since a connection has one message, one that
 * names none. What names another is passed over: ours may follow. */
static int
await_answer(struct mllp *stream, const struct his_delivery *d, const char *control,
             int64_t until_ms, char said[HIS_RECEIPT_SIZE], struct err *err)
{
    struct hl7_message *m = NULL;
    bool is_ours = false, is_astray = false;
    char theirs[64], code[8];
    struct buf got;
    int rc = -1;

    buf_init(&got, ANSWER_BYTES);
    while (!is_ours) {
        int64_t left_ms = until_ms - clock_mono_ms();

        buf_clear(&got);
        hl7_free(&m);
        if (mllp_read(stream, left_ms, left_ms, &got, err) < 0) {
            if (is_astray)
                rc = give_up(d, HIS_ANSWERED_ANOTHER, err);
            else if (stream->noise > 0)
                rc = give_up(d, HIS_ANSWERED_UNFRAMED, err);
            else if (err->kind == ERR_NOT_FOUND)
                err_set(err, ERR_RETRY, "the HIS hung up without an answer");
            goto out;
        }
        if (hl7_parse(got.bytes, got.n, NULL, &m, err) < 0)
            goto out;
        (void)hl7_get_of(m, "MSA", 2, 1, theirs, sizeof theirs);
        is_ours =
            strcmp(theirs, control) == 0 || (theirs[0] == '\0' && hl7_find(m, "MSA", 0, 0) >= 0);
        if (!is_ours) {
            is_astray = true;
            (void)hl7_get_of(m, "MSA", 1, 1, code, sizeof code);
            snprintf(said, HIS_RECEIPT_SIZE, "%s %s", code, theirs);
        }
    }
    rc = judge(m, theirs[0] != '\0', said, err);
out:
    hl7_free(&m);
    buf_fini(&got);
    return rc;
}

/* Told, and answered. */
static int
ask(const struct his_targets *t, const struct his_delivery *d, int fd, const struct buf *message,
    const char *control, char said[HIS_RECEIPT_SIZE], struct err *err)
{
    struct mllp stream;
    int rc;

    mllp_init(&stream, fd, ANSWER_BYTES);
    rc = mllp_write(&stream, message->bytes, message->n, t->s->hl7_wait_ms, err);
    if (rc == 0)
        rc = await_answer(&stream, d, control, clock_mono_ms() + t->s->hl7_wait_ms, said, err);
    mllp_fini(&stream);
    return rc;
}

int
his_send_hl7(const struct his_targets *t, struct book *book, const struct his_delivery *d,
             char said[HIS_RECEIPT_SIZE], struct err *err)
{
    char control[CONTROL_BYTES];
    struct buf message;
    struct his_reached his = {.fd = -1};
    int rc = -1;

    buf_init(&message, MESSAGE_BYTES);
    if (his_hl7_message(t, book, d, control, &message, err) < 0)
        goto out;
    rc = his_reach(t->s, t->hl7_host, t->hl7_port, CONNECT_MS, &his, err);
    if (rc == 0) {
        rc = ask(t, d, his.fd, &message, control, said, err);
        his_leave(&his, rc < 0 ? err : NULL);
    } else {
        err->kind = ERR_RETRY;
    }
    if (rc < 0 && err->kind == ERR_DENIED) /* a certificate that ended is renewed, then it goes */
        err->kind = ERR_RETRY;
out:
    buf_fini(&message);
    return rc;
}
