/* hl7_write.c - writing ER7: in UTF-8 with the usual separators, converted as a whole at the end.
 */
#include "proto/hl7/hl7.h"

#include "proto/base/clock.h"
#include "proto/base/text.h"

#include <errno.h>
#include <iconv.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum { MSH_FIRST = 2, PIECE = 65536 };

static const struct {
    const char *word, *declared, *iconv;
} charsets[HL7_CHARSETS] = {
    [HL7_UTF8] = {"UTF-8", "UNICODE UTF-8", NULL},
    [HL7_GB18030] = {"GB18030", "GB 18030-2000", "GB18030"},
};

const char *
hl7_charset_word(enum hl7_charset charset)
{
    return charsets[charset].declared;
}

bool
hl7_charset_of(const char *word, enum hl7_charset *out)
{
    for (int i = 0; i < HL7_CHARSETS; i++)
        if (strcmp(charsets[i].word, word) == 0) {
            *out = (enum hl7_charset)i;
            return true;
        }
    return false;
}

void
hl7_write_init(struct hl7_writer *w, struct buf *out)
{
    *w = (struct hl7_writer){.out = out};
}

void
hl7_segment(struct hl7_writer *w, const char *name)
{
    bool is_head = strcmp(name, "MSH") == 0;

    buf_add_text(w->out, name);
    if (is_head)
        buf_add_text(w->out, "|^~\\&");
    w->first = w->field = is_head ? MSH_FIRST : 0;
    w->repetition = w->component = 1;
}

void
hl7_segment_end(struct hl7_writer *w)
{
    buf_add_u8(w->out, '\r');
}

static void
put_sign(struct hl7_writer *w, char c)
{
    static const struct {
        char sign;
        const char *text;
    } escapes[] = {{'|', "\\F\\"}, {'^', "\\S\\"},  {'&', "\\T\\"},
                   {'~', "\\R\\"}, {'\\', "\\E\\"}, {'\n', "\\.br\\"}};

    for (size_t i = 0; i < ARRAY_LEN(escapes); i++)
        if (escapes[i].sign == c) {
            buf_add_text(w->out, escapes[i].text);
            return;
        }
    if (c != '\r')
        buf_add_u8(w->out, (uint8_t)c < 0x20 || c == 0x7F ? ' ' : (uint8_t)c);
}

void
hl7_put_again(struct hl7_writer *w, unsigned field, unsigned repetition, unsigned component,
              const char *text)
{
    if (text == NULL || text[0] == '\0')
        return;
    CHECK(field > w->field ||
          (field == w->field && (repetition > w->repetition ||
                                 (repetition == w->repetition && component >= w->component))));
    for (; w->field < field; w->field++) {
        buf_add_u8(w->out, '|');
        w->repetition = w->component = 1;
    }
    for (; w->repetition < repetition; w->repetition++) {
        buf_add_u8(w->out, '~');
        w->component = 1;
    }
    for (; w->component < component; w->component++)
        buf_add_u8(w->out, '^');
    for (; *text != '\0'; text++)
        put_sign(w, *text);
}

void
hl7_put(struct hl7_writer *w, unsigned field, unsigned component, const char *text)
{
    hl7_put_again(w, field, 1, component, text);
}

void
hl7_put_number(struct hl7_writer *w, unsigned field, unsigned component, uint64_t v)
{
    char text[24];

    snprintf(text, sizeof text, "%" PRIu64, v);
    hl7_put(w, field, component, text);
}

void
hl7_put_time(struct hl7_writer *w, unsigned field, unsigned component, int64_t at_us)
{
    time_t at = (time_t)(at_us / 1000000);
    char text[32];
    struct tm tm;

    if (at_us == 0)
        return;
    localtime_r(&at, &tm);
    if (strftime(text, sizeof text, "%Y%m%d%H%M%S%z", &tm) > 0)
        hl7_put(w, field, component, text);
}

int
hl7_encode(enum hl7_charset charset, const struct buf *utf8, struct buf *out, struct err *err)
{
    char *in = (char *)utf8->bytes;
    size_t left = utf8->n;
    iconv_t cd;

    if (buf_is_over(utf8))
        return err_set(err, ERR_REJECT, "an HL7 message longer than its limit");
    if (charsets[charset].iconv == NULL) {
        buf_add(out, utf8->bytes, utf8->n);
        return buf_is_over(out) ? err_set(err, ERR_REJECT, "an HL7 message longer than its limit")
                                : 0;
    }
    cd = iconv_open(charsets[charset].iconv, "UTF-8");
    if (cd == (iconv_t)-1)
        return err_set(err, ERR_FATAL, "this system has no %s", charsets[charset].iconv);
    while (left > 0) {
        char *room = (char *)buf_reserve(out, PIECE), *to = room;
        size_t free_n = PIECE;
        size_t r = room != NULL ? iconv(cd, &in, &left, &to, &free_n) : 0;

        if (room == NULL)
            break;
        out->n += PIECE - free_n;
        if (r == (size_t)-1 && errno != E2BIG) { /* no UTF-8: the sign is left out */
            buf_add_u8(out, '?');
            in++;
            left--;
        }
    }
    iconv_close(cd);
    return buf_is_over(out) || left > 0
               ? err_set(err, ERR_REJECT, "an HL7 message longer than its limit")
               : 0;
}

void
hl7_put_head(struct hl7_writer *w, const struct hl7_head *head)
{
    hl7_segment(w, "MSH");
    hl7_put(w, 3, 1, head->our_application);
    hl7_put(w, 4, 1, head->our_facility);
    hl7_put(w, 5, 1, head->application);
    hl7_put(w, 6, 1, head->facility);
    hl7_put_time(w, 7, 1, head->at_us);
    hl7_put(w, 9, 1, head->code);
    hl7_put(w, 9, 2, head->event);
    hl7_put(w, 9, 3, head->structure);
    hl7_put(w, 10, 1, head->control);
    hl7_put(w, 11, 1, head->processing);
    hl7_put(w, 12, 1, head->version);
    hl7_put(w, 18, 1, hl7_charset_word(head->charset));
    hl7_segment_end(w);
}

/* ---- answers ---- */

/* A value of the message that is repeated to its sender, in ASCII. */
static const char *
theirs(const struct hl7_message *to, const char *segment, unsigned field, unsigned component,
       char *out, size_t size)
{
    out[0] = '\0';
    if (to == NULL)
        return out;
    (void)hl7_get_of(to, segment, field, component, out, size);
    for (char *p = out; *p != '\0'; p++)
        if (*p < 0x20 || *p > 0x7E)
            *p = '?';
    return out;
}

void
hl7_write_answer(const struct hl7_message *to, const struct hl7_answer *a, struct buf *out)
{
    char text[6][65];
    struct hl7_writer w;

    hl7_write_init(&w, out);
    hl7_segment(&w, "MSH");
    hl7_put(&w, 3, 1, a->our_application);
    hl7_put(&w, 4, 1, a->our_facility);
    hl7_put(&w, 5, 1, theirs(to, "MSH", 3, 1, text[0], sizeof text[0]));
    hl7_put(&w, 6, 1, theirs(to, "MSH", 4, 1, text[1], sizeof text[1]));
    hl7_put_time(&w, 7, 1, a->at_us);
    hl7_put(&w, 9, 1, "ACK");
    hl7_put(&w, 9, 2, theirs(to, "MSH", 9, 2, text[2], sizeof text[2]));
    hl7_put(&w, 9, 3, "ACK");
    hl7_put(&w, 10, 1, a->control);
    theirs(to, "MSH", 11, 1, text[3], sizeof text[3]);
    hl7_put(&w, 11, 1, text[3][0] != '\0' ? text[3] : "P");
    theirs(to, "MSH", 12, 1, text[4], sizeof text[4]);
    hl7_put(&w, 12, 1, text[4][0] != '\0' ? text[4] : "2.5.1");
    hl7_segment_end(&w);
    hl7_segment(&w, "MSA");
    hl7_put(&w, 1, 1, a->code);
    hl7_put(&w, 2, 1, theirs(to, "MSH", 10, 1, text[5], sizeof text[5]));
    hl7_put(&w, 3, 1, a->sentence);
    hl7_segment_end(&w);
    if (a->error == NULL)
        return;
    hl7_segment(&w, "ERR");
    if (a->place != NULL) { /* written with its components */
        buf_add_text(out, "||");
        buf_add_text(out, a->place);
        w.field = 2;
    }
    hl7_put(&w, 3, 1, a->error);
    hl7_put(&w, 3, 3, "HL70357");
    hl7_put(&w, 4, 1, "E");
    hl7_put(&w, 8, 1, a->sentence);
    hl7_segment_end(&w);
}
