/* devices.c - reading, judging and writing lines of devices.conf. */
#include "gateway/accept/devices.h"

#include "proto/base/address.h"
#include "proto/base/limits.h"
#include "proto/base/text.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct line {
    const char *at, *end;
};

enum setting_kind {
    SETTING_TITLE,
    SETTING_HOST,
    SETTING_PORT,
    SETTING_CHARSET,
    SETTING_PDU,
    SETTING_CERTIFICATE,
    SETTING_RIGHTS,
    SETTING_CLASSES
};

struct setting {
    const char *key;
    enum setting_kind kind;
    size_t at, size; /* the field */
};

#define FIELD(name) offsetof(struct accept_device, name), sizeof((struct accept_device *)0)->name
static const struct setting settings[] = {
    {"called", SETTING_TITLE, FIELD(called)},
    {"certificate", SETTING_CERTIFICATE, FIELD(certificate_sha256)},
    {"may", SETTING_RIGHTS, FIELD(may)},
    {"classes", SETTING_CLASSES, FIELD(classes)},
    {"host", SETTING_HOST, FIELD(host)},
    {"port", SETTING_PORT, FIELD(port)},
    {"modality", SETTING_TITLE, FIELD(modality)},
    {"charset", SETTING_CHARSET, FIELD(charset)},
    {"pdu", SETTING_PDU, FIELD(pdu_bytes)},
    {"commit_ae", SETTING_TITLE, FIELD(commit_ae)},
    {"commit_host", SETTING_HOST, FIELD(commit_host)},
    {"commit_port", SETTING_PORT, FIELD(commit_port)},
};

static const char *const charsets[] = {"ISO_IR 192", "GB18030", "GBK-AS-IR100", "ISO_IR 58",
                                       "PINYIN"};

static const struct {
    const char *word;
    uint32_t bit;
} rights[] = {
    {"store", ACCEPT_MAY_STORE},   {"worklist", ACCEPT_MAY_WORKLIST}, {"mpps", ACCEPT_MAY_MPPS},
    {"commit", ACCEPT_MAY_COMMIT}, {"query", ACCEPT_MAY_QUERY},
};

enum { VALUE_BYTES = 1024, KIB = 1024 };

static void
skip_blanks(struct line *l)
{
    while (l->at < l->end && (*l->at == ' ' || *l->at == '\t' || *l->at == '\r'))
        l->at++;
}

/* PS3.5 6.2 AE: up to 16 printable characters, no backslash, not only spaces. */
static bool
is_ae(const char *text)
{
    size_t n = strlen(text);

    if (n == 0 || n > 16 || text[0] == ' ' || text[n - 1] == ' ')
        return false;
    for (size_t i = 0; i < n; i++)
        if (text[i] < 0x20 || text[i] > 0x7e || text[i] == '\\' || text[i] == '"')
            return false;
    return true;
}

/* Numeric; "*" stays. */
static bool
normal_address(const char *text, char out[ADDRESS_BYTES])
{
    return strcmp(text, "*") == 0 ? text_copy(out, ADDRESS_BYTES, text) : address_normal(text, out);
}

static bool
is_name(const char *text)
{
    size_t n = strlen(text);

    for (size_t i = 0; i < n; i++)
        if ((unsigned char)text[i] < 0x20)
            return false;
    return n < sizeof((struct accept_device *)0)->name && text_is_utf8(text, n);
}

static bool
is_host(const char *text)
{
    size_t n = strlen(text);

    return n > 0 && text[0] != '-' &&
           strspn(text, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789.-:") == n;
}

static bool
is_charset(const char *text)
{
    for (size_t i = 0; i < ARRAY_LEN(charsets); i++)
        if (strcmp(charsets[i], text) == 0)
            return true;
    return false;
}

static bool
read_rights(const char *text, uint32_t *out)
{
    uint32_t bits = 0;

    while (*text != '\0') {
        size_t n = strcspn(text, "+"), i = 0;
        while (i < ARRAY_LEN(rights) &&
               (strlen(rights[i].word) != n || memcmp(rights[i].word, text, n) != 0))
            i++;
        if (i == ARRAY_LEN(rights))
            return false;
        bits |= rights[i].bit;
        text += n;
        if (*text == '+' && *++text == '\0')
            return false;
    }
    *out = bits;
    return bits != 0;
}

static bool
is_classes(const char *text)
{
    char uid[65];

    for (;;) {
        size_t n = strcspn(text, ",");
        if (n >= sizeof uid)
            return false;
        memcpy(uid, text, n);
        uid[n] = '\0';
        if (!uid_is_valid(uid, false))
            return false;
        if (text[n] == '\0')
            return true;
        text += n + 1;
    }
}

/* "64KiB" or "65536B": 16 to 128 KiB. */
static bool
read_pdu(const char *text, uint32_t *out)
{
    char digits[8];
    size_t n = strspn(text, "0123456789");
    uint64_t value;

    if (n == 0 || n >= sizeof digits)
        return false;
    memcpy(digits, text, n);
    digits[n] = '\0';
    if (text_to_u64(digits, LIMIT_PDU_BYTES, &value) < 0)
        return false;
    if (strcmp(text + n, "KiB") == 0)
        value *= KIB;
    else if (strcmp(text + n, "B") != 0)
        return false;
    *out = (uint32_t)value;
    return value >= 16 * KIB && value <= LIMIT_PDU_BYTES;
}

static bool
read_value(const struct setting *s, const char *text, struct accept_device *d)
{
    char *field = (char *)d + s->at;
    uint64_t port;

    switch (s->kind) {
    case SETTING_TITLE:
        return is_ae(text) && text_copy(field, s->size, text);
    case SETTING_HOST:
        return is_host(text) && text_copy(field, s->size, text);
    case SETTING_CHARSET:
        return is_charset(text) && text_copy(field, s->size, text);
    case SETTING_CLASSES:
        return is_classes(text) && text_copy(field, s->size, text);
    case SETTING_CERTIFICATE:
        return hex_fingerprint(text, field);
    case SETTING_RIGHTS:
        return read_rights(text, (uint32_t *)(void *)field);
    case SETTING_PDU:
        return read_pdu(text, (uint32_t *)(void *)field);
    case SETTING_PORT:
        if (text_to_u64(text, UINT16_MAX, &port) < 0 || port == 0)
            return false;
        *(uint16_t *)(void *)field = (uint16_t)port;
        return true;
    }
    return false;
}

/* What stands behind key=, as text; false: the setting is not set. */
static bool
write_value(const struct setting *s, const struct accept_device *d, char out[VALUE_BYTES])
{
    const char *field = (const char *)d + s->at;
    size_t n = 0;

    switch (s->kind) {
    case SETTING_PORT:
        (void)snprintf(out, VALUE_BYTES, "%u", *(const uint16_t *)(const void *)field);
        return strcmp(out, "0") != 0;
    case SETTING_PDU:
        (void)snprintf(out, VALUE_BYTES, "%uB", d->pdu_bytes);
        return d->pdu_bytes != 0;
    case SETTING_RIGHTS:
        for (size_t i = 0; i < ARRAY_LEN(rights); i++)
            if (d->may & rights[i].bit)
                n += (size_t)snprintf(out + n, VALUE_BYTES - n, "%s%s", n > 0 ? "+" : "",
                                      rights[i].word);
        return d->may != ACCEPT_MAY_BY_DEFAULT;
    default:
        return text_copy(out, VALUE_BYTES, field) && field[0] != '\0';
    }
}

/* The next word, or what stands between quotes; false when it does not fit or does not end. */
static bool
take_word(struct line *l, char *out, size_t out_size)
{
    const char *from;
    bool is_quoted = l->at < l->end && *l->at == '"';

    if (is_quoted)
        l->at++;
    from = l->at;
    while (l->at < l->end && (is_quoted ? *l->at != '"' : *l->at != ' ' && *l->at != '\t'))
        l->at++;
    size_t n = (size_t)(l->at - from);
    if (n == 0 || n >= out_size || memchr(from, '\0', n) || (is_quoted && l->at == l->end))
        return false;
    memcpy(out, from, n);
    out[n] = 0;
    if (is_quoted)
        l->at++;
    return true;
}

/* The columns that say which device it is. */
static bool
take_key(struct line *l, struct accept_device *d, bool *out_has_title)
{
    char address[64];

    skip_blanks(l);
    *out_has_title = take_word(l, d->ae, sizeof d->ae) && is_ae(d->ae);
    skip_blanks(l);
    return *out_has_title && take_word(l, address, sizeof address) &&
           normal_address(address, d->address);
}

/* Length of the key before a "=", 0 where no setting begins. */
static size_t
key_length(struct line l)
{
    const char *at = l.at;

    while (at < l.end && ((*at >= 'a' && *at <= 'z') || *at == '_'))
        at++;
    return at < l.end && *at == '=' ? (size_t)(at - l.at) : 0;
}

/* A name in quotes, behind which only settings follow. */
static bool
take_quoted_name(struct line *l, struct line *out)
{
    const char *end = memchr(l->at + 1, '"', (size_t)(l->end - l->at - 1));
    struct line rest = {end ? end + 1 : l->end, l->end};

    skip_blanks(&rest);
    if (!end || (rest.at < rest.end && key_length(rest) == 0))
        return false;
    *out = (struct line){l->at + 1, end};
    *l = rest;
    return true;
}

/* The name ends where settings begin; a line without any is all name, as it always was. */
static bool
take_name(struct line *l, struct accept_device *d)
{
    struct line name;

    skip_blanks(l);
    if (l->at == l->end || *l->at != '"' || !take_quoted_name(l, &name)) {
        name = (struct line){l->at, l->at};
        while (l->at < l->end && key_length(*l) == 0) {
            while (l->at < l->end && *l->at != ' ' && *l->at != '\t' && *l->at != '\r')
                l->at++;
            name.end = l->at;
            skip_blanks(l);
        }
    }
    size_t n = (size_t)(name.end - name.at);
    if (n >= sizeof d->name)
        return false;
    memcpy(d->name, name.at, n);
    d->name[n] = '\0';
    return is_name(d->name) && strlen(d->name) == n;
}

static int
take_settings(struct line *l, struct accept_device *d, struct err *err)
{
    char value[VALUE_BYTES];
    bool is_set[ARRAY_LEN(settings)] = {false};

    for (skip_blanks(l); l->at < l->end; skip_blanks(l)) {
        size_t n = key_length(*l), i = 0;
        while (i < ARRAY_LEN(settings) &&
               (strlen(settings[i].key) != n || memcmp(settings[i].key, l->at, n) != 0))
            i++;
        if (n == 0 || i == ARRAY_LEN(settings))
            return err_set(err, ERR_REJECT,
                           "unknown setting %.*s (a name that holds = stands in quotes)",
                           (int)(n > 20 ? 20 : n), l->at);
        l->at += n + 1;
        if (is_set[i])
            return err_set(err, ERR_REJECT, "%s= is there twice", settings[i].key);
        is_set[i] = true;
        if (!take_word(l, value, sizeof value) || !read_value(&settings[i], value, d))
            return err_set(err, ERR_REJECT, "%s= has no usable value", settings[i].key);
    }
    return 0;
}

static int
check_whole(struct accept_device *d, struct err *err)
{
    if (d->may == 0)
        d->may = ACCEPT_MAY_BY_DEFAULT;
    d->security = d->certificate_sha256[0] != '\0' ? ACCEPT_TLS : ACCEPT_PLAIN;
    if ((d->host[0] != '\0') != (d->port != 0))
        return err_set(err, ERR_REJECT, "host= and port= go together");
    if ((d->commit_ae[0] != '\0') != (d->commit_host[0] != '\0') ||
        (d->commit_ae[0] != '\0') != (d->commit_port != 0))
        return err_set(err, ERR_REJECT, "commit_ae=, commit_host= and commit_port= go together");
    return 0;
}

static int
parse_device(struct line *l, struct accept_device *d, struct err *err)
{
    bool has_title;

    if (!take_key(l, d, &has_title))
        return has_title ? err_set(err, ERR_REJECT, "%s: neither a numeric address nor *", d->ae)
                         : err_set(err, ERR_REJECT, "no AE title");
    if (!take_name(l, d))
        return err_set(err, ERR_REJECT, "%s: name is too long or not UTF-8 text", d->ae);
    if (take_settings(l, d, err) < 0 || check_whole(d, err) < 0)
        return err_context(err, "%s", d->ae);
    return 0;
}

static void
add_row(struct devices *devices, const struct accept_device *d)
{
    devices->rows = mem_grow(devices->rows, (devices->n + 1) * sizeof *d);
    devices->rows[devices->n++] = *d;
}

/* Of a line with a mistake behind its key the row before counts, where there is one. */
static int
parse_line(struct line l, struct devices *devices, const struct devices *before, struct err *err)
{
    struct accept_device d = {.stored = 0};
    int rc = parse_device(&l, &d, err);
    const struct accept_device *row = &d;

    if (rc < 0)
        row = before != NULL ? devices_at(before, d.ae, d.address) : NULL;
    if (row == NULL)
        return rc;
    if (devices_at(devices, d.ae, d.address))
        return rc < 0 ? rc : err_set(err, ERR_REJECT, "%s is there twice", d.ae);
    if (devices->n == DEVICES_MAX)
        return rc < 0 ? rc : err_set(err, ERR_REJECT, "more than %d devices", DEVICES_MAX);
    add_row(devices, row);
    return rc;
}

/* The next line; l is what of it means something, NULL-long for comments. */
static bool
next_line(const char **at, const char *end, struct line *out_whole, struct line *out_said)
{
    if (*at >= end)
        return false;
    const char *stop = memchr(*at, '\n', (size_t)(end - *at));
    *out_said = (struct line){*at, stop ? stop : end};
    *at = stop ? stop + 1 : end;
    *out_whole = (struct line){out_said->at, *at};
    skip_blanks(out_said);
    if (out_said->at < out_said->end && *out_said->at == '#')
        out_said->at = out_said->end;
    return true;
}

int
devices_parse_good(const char *text, size_t n, const struct devices *before, struct devices *out,
                   struct err *err)
{
    struct devices devices = {NULL, 0};
    const char *at = text + text_mark(text, n), *end = text + n;
    struct line whole, said;
    int rc = 0;

    for (size_t number = 1; next_line(&at, end, &whole, &said); number++) {
        struct err wrong = {0};

        if (said.at == said.end || parse_line(said, &devices, before, &wrong) == 0 || rc < 0)
            continue;
        *err = wrong;
        rc = err_context(err, "line %zu", number);
    }
    *out = devices;
    return rc;
}

int
devices_parse(const char *text, size_t n, struct devices *out, struct err *err)
{
    struct devices devices;

    if (devices_parse_good(text, n, NULL, &devices, err) < 0) {
        devices_fini(&devices);
        return -1;
    }
    *out = devices;
    return 0;
}

void
devices_fini(struct devices *devices)
{
    free(devices->rows);
    *devices = (struct devices){NULL, 0};
}

int
devices_normalize(struct accept_device *d, struct err *err)
{
    struct accept_device out = {.stored = 0};
    char value[VALUE_BYTES];

    if (!is_ae(d->ae))
        return err_set(err, ERR_REJECT, "not an AE title (1 to 16 printable characters)");
    if (!normal_address(d->address, out.address))
        return err_set(err, ERR_REJECT, "neither a numeric address nor *");
    if (!is_name(d->name) || strchr(d->name, '"'))
        return err_set(err, ERR_REJECT, "name is too long, holds quotes or is not UTF-8 text");
    text_copy(out.ae, sizeof out.ae, d->ae);
    text_copy(out.name, sizeof out.name, d->name);
    if (d->may == 0)
        d->may = ACCEPT_MAY_BY_DEFAULT;
    out.may = d->may;
    for (size_t i = 0; i < ARRAY_LEN(settings); i++)
        if (write_value(&settings[i], d, value) && !read_value(&settings[i], value, &out))
            return err_set(err, ERR_REJECT, "%s= has no usable value", settings[i].key);
    if (check_whole(&out, err) < 0)
        return -1;
    *d = out;
    return 0;
}

/* A name that would be read as a setting, or lose its outer blanks. */
static bool
needs_quotes(const char *name)
{
    return strchr(name, '=') || name[0] == ' ' || name[strlen(name) - 1] == ' ';
}

void
devices_format(const struct accept_device *d, struct buf *out)
{
    char value[VALUE_BYTES];

    buf_add_printf(out, strchr(d->ae, ' ') || d->ae[0] == '#' ? "\"%s\"\t%s" : "%s\t%s", d->ae,
                   d->address);
    if (d->name[0] != '\0')
        buf_add_printf(out, needs_quotes(d->name) ? "\t\"%s\"" : "\t%s", d->name);
    for (size_t i = 0; i < ARRAY_LEN(settings); i++)
        if (write_value(&settings[i], d, value))
            buf_add_printf(out, strchr(value, ' ') ? "\t%s=\"%s\"" : "\t%s=%s", settings[i].key,
                           value);
    buf_add_text(out, "\n");
}

bool
devices_edit(const char *text, size_t n, const char *ae, const char *address, const char *line,
             size_t line_n, struct buf *out)
{
    const char *at = text + text_mark(text, n), *end = text + n;
    struct line whole, said;
    bool is_found = false, has_title;

    buf_add(out, text, (size_t)(at - text));
    while (next_line(&at, end, &whole, &said)) {
        struct accept_device d = {.stored = 0};
        if (said.at < said.end && take_key(&said, &d, &has_title) && strcmp(d.ae, ae) == 0 &&
            strcmp(d.address, address) == 0) {
            is_found = true;
            buf_add(out, line, line_n);
        } else
            buf_add(out, whole.at, (size_t)(whole.end - whole.at));
    }
    return is_found;
}

struct accept_device *
devices_at(const struct devices *devices, const char *ae, const char *address)
{
    for (size_t i = 0; i < devices->n; i++)
        if (strcmp(devices->rows[i].ae, ae) == 0 && strcmp(devices->rows[i].address, address) == 0)
            return &devices->rows[i];
    return NULL;
}

/* How well a row fits: 0 not at all (then *out_why is set), more is better. */
static int
fit(const struct accept_device *d, const struct dimse_peer *peer, const char *ours,
    enum accept_refusal *out_why)
{
    const char *called = d->called[0] != '\0' ? d->called : ours;
    bool is_any = strcmp(d->address, "*") == 0;

    if (strcmp(d->ae, peer->calling) != 0 || (!is_any && strcmp(d->address, peer->address) != 0)) {
        *out_why = ACCEPT_CALLER_UNKNOWN;
        return 0;
    }
    if (d->security == ACCEPT_TLS && strcmp(d->certificate_sha256, peer->fingerprint) != 0) {
        *out_why = peer->fingerprint[0] != '\0' ? ACCEPT_CERTIFICATE_DIFFERS : ACCEPT_TLS_WANTED;
        return 0;
    }
    if (called[0] != '\0' && strcmp(called, peer->called) != 0) {
        *out_why = ACCEPT_CALLED_WRONG;
        return 0;
    }
    return 1 + (is_any ? 0 : 1) + (d->security == ACCEPT_TLS ? 2 : 0);
}

struct devices_match
devices_match(const struct devices *devices, const struct dimse_peer *peer, const char *ours)
{
    /* The reason of the row that came nearest is told. */
    static const int nearness[] = {[ACCEPT_CALLER_UNKNOWN] = 0,
                                   [ACCEPT_TLS_WANTED] = 1,
                                   [ACCEPT_CERTIFICATE_DIFFERS] = 2,
                                   [ACCEPT_CALLED_WRONG] = 3};
    struct devices_match best = {NULL, ACCEPT_CALLER_UNKNOWN};
    enum accept_refusal why = ACCEPT_CALLER_UNKNOWN;
    int best_fit = 0;

    for (size_t i = 0; i < devices->n; i++) {
        int now = fit(&devices->rows[i], peer, ours, &why);
        if (now == 0 && nearness[why] > nearness[best.why])
            best.why = why;
        if (now > best_fit) {
            best_fit = now;
            best.device = &devices->rows[i];
        }
    }
    return best;
}

bool
accept_reports_to(const struct accept_device *device, const char **out_host, uint16_t *out_port)
{
    bool has_own = device->commit_host[0] != '\0' && device->commit_port != 0;

    *out_host = has_own ? device->commit_host : device->host;
    *out_port = has_own ? device->commit_port : device->port;
    return (*out_host)[0] != '\0' && *out_port != 0;
}
