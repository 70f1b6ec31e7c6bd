/* devices.c - reading and writing lines of devices.conf. */
#include "gateway/accept/devices.h"

#include "proto/base/text.h"

#include <arpa/inet.h>
#include <stdlib.h>
#include <string.h>

struct line {
    const char *at, *end;
};

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

/* Numeric, in the one spelling the system uses; "*" stays. */
static bool
normal_address(const char *text, char out[46])
{
    unsigned char raw[16];

    if (strcmp(text, "*") == 0)
        return text_copy(out, 46, text);
    int family = strchr(text, ':') ? AF_INET6 : AF_INET;
    return inet_pton(family, text, raw) == 1 && inet_ntop(family, raw, out, 46) != NULL;
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

/* The next word, or what stands between quotes; false when it does not fit or does not end. */
static bool
take_word(struct line *l, char *out, size_t out_size)
{
    const char *from;
    bool is_quoted;

    skip_blanks(l);
    is_quoted = l->at < l->end && *l->at == '"';
    if (is_quoted)
        l->at++;
    from = l->at;
    while (l->at < l->end && (is_quoted ? *l->at != '"' : *l->at != ' ' && *l->at != '\t'))
        l->at++;
    size_t n = (size_t)(l->at - from);
    if (n == 0 || n >= out_size || (is_quoted && l->at == l->end))
        return false;
    memcpy(out, from, n);
    out[n] = 0;
    if (is_quoted)
        l->at++;
    return true;
}

static int
parse_line(struct line l, size_t number, struct devices *devices, struct err *err)
{
    char address[64];
    struct accept_device d = {.stored = 0};

    if (!take_word(&l, d.ae, sizeof d.ae) || !is_ae(d.ae))
        return err_set(err, ERR_REJECT, "line %zu: no AE title", number);
    if (!take_word(&l, address, sizeof address) || !normal_address(address, d.address))
        return err_set(err, ERR_REJECT, "line %zu: %s: neither a numeric address nor *", number,
                       d.ae);
    skip_blanks(&l);
    while (l.end > l.at && (l.end[-1] == ' ' || l.end[-1] == '\r' || l.end[-1] == '\t'))
        l.end--;
    size_t n = (size_t)(l.end - l.at);
    if (n >= sizeof d.name)
        return err_set(err, ERR_REJECT, "line %zu: %s: name is too long", number, d.ae);
    memcpy(d.name, l.at, n);
    if (!is_name(d.name) || strlen(d.name) != n)
        return err_set(err, ERR_REJECT, "line %zu: %s: name is not UTF-8 text", number, d.ae);
    for (size_t i = 0; i < devices->n; i++)
        if (strcmp(devices->rows[i].ae, d.ae) == 0 &&
            strcmp(devices->rows[i].address, d.address) == 0)
            return err_set(err, ERR_REJECT, "line %zu: %s is there twice", number, d.ae);
    if (devices->n == DEVICES_MAX)
        return err_set(err, ERR_REJECT, "more than %d devices", DEVICES_MAX);
    devices->rows = mem_grow(devices->rows, (devices->n + 1) * sizeof d);
    devices->rows[devices->n++] = d;
    return 0;
}

int
devices_parse(const char *text, size_t n, struct devices *out, struct err *err)
{
    struct devices devices = {NULL, 0};
    const char *at = text, *end = text + n;

    for (size_t number = 1; at < end; number++) {
        const char *stop = memchr(at, '\n', (size_t)(end - at));
        struct line l = {at, stop ? stop : end};
        at = stop ? stop + 1 : end;
        skip_blanks(&l);
        if (l.at == l.end || *l.at == '#')
            continue;
        if (parse_line(l, number, &devices, err) < 0) {
            devices_fini(&devices);
            return -1;
        }
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
devices_format(const char *ae, const char *address, const char *name, struct buf *out,
               struct err *err)
{
    char normal[46];

    if (!is_ae(ae))
        return err_set(err, ERR_REJECT, "not an AE title (1 to 16 printable characters)");
    if (!normal_address(address, normal))
        return err_set(err, ERR_REJECT, "neither a numeric address nor *");
    if (!is_name(name))
        return err_set(err, ERR_REJECT, "name is too long or not UTF-8 text");
    buf_add_printf(out, strchr(ae, ' ') || ae[0] == '#' ? "\"%s\"\t%s\t%s\n" : "%s\t%s\t%s\n", ae,
                   normal, name);
    return 0;
}

struct accept_device *
devices_find(const struct devices *devices, const char *ae, const char *address)
{
    struct accept_device *any = NULL;

    for (size_t i = 0; i < devices->n; i++) {
        struct accept_device *d = &devices->rows[i];
        if (strcmp(d->ae, ae) != 0)
            continue;
        if (strcmp(d->address, address) == 0)
            return d;
        if (strcmp(d->address, "*") == 0)
            any = d;
    }
    return any;
}
