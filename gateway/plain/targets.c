/* targets.c - reading and judging lines of targets.conf. */
#include "gateway/plain/targets.h"

#include "proto/base/durable.h"
#include "proto/base/text.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

struct line {
    const char *at, *end;
};

enum setting_kind {
    SETTING_TRUTH, /* yes, no */
    SETTING_VERIFY,
    SETTING_LIST,
    SETTING_TITLE,
    SETTING_ENTITY,
    SETTING_PATH,
    SETTING_PIN, /* SHA-256 in hexadecimal digits */
    SETTING_COUNT,
    SETTING_RATE
};

enum { FOR_DICOM = 1 << TARGET_DICOM, FOR_STOW = 1 << TARGET_STOW, FOR_ALL = 3 };

#define FIELD(name) offsetof(struct target, name), sizeof((struct target *)0)->name
static const struct setting {
    const char *key;
    enum setting_kind kind;
    unsigned kinds; /* of targets */
    size_t at, size;
} settings[] = {
    {"instead-of-centre", SETTING_TRUTH, FOR_ALL, FIELD(is_archive)},
    {"devices", SETTING_LIST, FOR_ALL, FIELD(devices)},
    {"modalities", SETTING_LIST, FOR_ALL, FIELD(modalities)},
    {"connections", SETTING_COUNT, FOR_ALL, FIELD(connections)},
    {"rate", SETTING_RATE, FOR_ALL, FIELD(rate_bytes)},
    {"verify", SETTING_VERIFY, FOR_ALL, FIELD(is_unverified)},
    {"as", SETTING_TITLE, FOR_DICOM, FIELD(as)},
    {"query", SETTING_ENTITY, FOR_DICOM, FIELD(query)},
    {"tls", SETTING_TRUTH, FOR_DICOM, FIELD(is_tls)},
    {"pin", SETTING_PIN, FOR_DICOM, FIELD(pin)},
    {"token", SETTING_PATH, FOR_STOW, FIELD(token)},
    {"ca", SETTING_PATH, FOR_ALL, FIELD(ca)},
    {"certificate", SETTING_PATH, FOR_ALL, FIELD(certificate)},
    {"key", SETTING_PATH, FOR_ALL, FIELD(key)},
};

enum { VALUE_BYTES = 512 };

static void
skip_blanks(struct line *l)
{
    while (l->at < l->end && (*l->at == ' ' || *l->at == '\t' || *l->at == '\r'))
        l->at++;
}

/* The next word, or what stands between quotes; false when it is empty, too long or unended. */
static bool
take_word(struct line *l, char *out, size_t out_size)
{
    const char *from;
    bool is_quoted;
    size_t n;

    skip_blanks(l);
    is_quoted = l->at < l->end && *l->at == '"';
    from = l->at += is_quoted;
    while (l->at < l->end &&
           (is_quoted ? *l->at != '"' : *l->at != ' ' && *l->at != '\t' && *l->at != '\r'))
        l->at++;
    n = (size_t)(l->at - from);
    if (n == 0 || n >= out_size || (is_quoted && l->at == l->end))
        return false;
    for (size_t i = 0; i < n; i++)
        if ((unsigned char)from[i] < 0x20)
            return false;
    memcpy(out, from, n);
    out[n] = '\0';
    l->at += is_quoted;
    return true;
}

/* PS3.5 6.2 AE: up to 16 printable characters, no backslash; no comma here, for lists. */
static bool
is_title(const char *text)
{
    size_t n = strlen(text);

    if (n == 0 || n > 16 || text[0] == ' ' || text[n - 1] == ' ')
        return false;
    for (size_t i = 0; i < n; i++)
        if (text[i] < 0x20 || text[i] > 0x7e || strchr("\\\",@", text[i]) != NULL)
            return false;
    return true;
}

static bool
is_host(const char *text)
{
    size_t n = strlen(text);

    return n > 0 && text[0] != '-' &&
           strspn(text, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789.-:") == n;
}

static bool
is_name(const char *text)
{
    return text[0] != '-' && strspn(text, "abcdefghijklmnopqrstuvwxyz0123456789-") == strlen(text);
}

/* AE@host:port; the host of an IPv6 address stands in [ ]. */
static bool
read_entity(const char *text, struct target_entity *out)
{
    const char *at = strrchr(text, '@'), *colon = strrchr(text, ':');
    size_t host_n;
    uint64_t port;

    if (at == NULL || colon == NULL || colon < at || (size_t)(at - text) >= sizeof out->ae)
        return false;
    memcpy(out->ae, text, (size_t)(at - text));
    out->ae[at - text] = '\0';
    at++;
    host_n = (size_t)(colon - at);
    if (host_n > 2 && at[0] == '[' && colon[-1] == ']') {
        at++;
        host_n -= 2;
    } else if (memchr(at, ':', host_n) != NULL) {
        return false;
    }
    if (host_n == 0 || host_n >= sizeof out->host)
        return false;
    memcpy(out->host, at, host_n);
    out->host[host_n] = '\0';
    if (text_to_u64(colon + 1, UINT16_MAX, &port) < 0 || port == 0)
        return false;
    out->port = (uint16_t)port;
    return is_title(out->ae) && is_host(out->host);
}

/* Titles or modalities, parted by commas, none empty. */
static bool
is_list(const char *text)
{
    char word[17];

    for (;;) {
        size_t n = strcspn(text, ",");

        if (n == 0 || n >= sizeof word)
            return false;
        memcpy(word, text, n);
        word[n] = '\0';
        if (!is_title(word))
            return false;
        if (text[n] == '\0')
            return true;
        text += n + 1;
    }
}

/* "512KiB", "2MiB": of a second. */
static bool
read_rate(const char *text, uint64_t *out)
{
    static const struct {
        const char *unit;
        uint64_t bytes;
    } units[] = {{"B", 1}, {"KiB", 1 << 10}, {"MiB", 1 << 20}};
    size_t n = strspn(text, "0123456789");
    char digits[12];
    uint64_t value;

    if (n == 0 || n >= sizeof digits)
        return false;
    memcpy(digits, text, n);
    digits[n] = '\0';
    for (size_t i = 0; i < ARRAY_LEN(units); i++)
        if (strcmp(text + n, units[i].unit) == 0 && text_to_u64(digits, 1 << 20, &value) == 0) {
            *out = value * units[i].bytes;
            return *out >= 1024;
        }
    return false;
}

static bool
read_count(const char *text, uint64_t most, unsigned *out)
{
    uint64_t value;

    if (text_to_u64(text, most, &value) < 0 || value == 0)
        return false;
    *out = (unsigned)value;
    return true;
}

static bool
read_value(const struct setting *s, const char *text, struct target *t)
{
    void *field = (char *)t + s->at;
    const char *no = s->kind == SETTING_VERIFY ? "query" : "no";
    const char *yes = s->kind == SETTING_VERIFY ? "none" : "yes";

    switch (s->kind) {
    case SETTING_TRUTH:
    case SETTING_VERIFY:
        *(bool *)field = strcmp(text, yes) == 0;
        return *(bool *)field || strcmp(text, no) == 0;
    case SETTING_LIST:
        return is_list(text) && text_copy(field, s->size, text);
    case SETTING_TITLE:
        return is_title(text) && text_copy(field, s->size, text);
    case SETTING_ENTITY:
        return read_entity(text, field);
    case SETTING_PATH:
        return text[0] == '/' && text_copy(field, s->size, text);
    case SETTING_PIN:
        return hex_fingerprint(text, field);
    case SETTING_COUNT:
        return read_count(text, TARGET_CONNECTIONS_MAX, field);
    case SETTING_RATE:
        return read_rate(text, field);
    }
    return false;
}

static int
take_settings(struct line *l, struct target *t, struct err *err)
{
    bool is_set[ARRAY_LEN(settings)] = {false};
    char value[VALUE_BYTES];

    for (skip_blanks(l); l->at < l->end; skip_blanks(l)) {
        size_t n = 0, i = 0;

        while (l->at + n < l->end && l->at[n] != '=' && l->at[n] != ' ')
            n++;
        while (i < ARRAY_LEN(settings) &&
               (strlen(settings[i].key) != n || memcmp(settings[i].key, l->at, n) != 0))
            i++;
        if (l->at + n == l->end || l->at[n] != '=' || i == ARRAY_LEN(settings))
            return err_set(err, ERR_REJECT, "unknown setting %.*s", (int)(n > 20 ? 20 : n), l->at);
        l->at += n + 1;
        if (!(settings[i].kinds & (1u << t->kind)))
            return err_set(err, ERR_REJECT, "%s= is not for this kind", settings[i].key);
        if (is_set[i])
            return err_set(err, ERR_REJECT, "%s= is there twice", settings[i].key);
        is_set[i] = true;
        if (l->at < l->end && (*l->at == ' ' || *l->at == '\t'))
            return err_set(err, ERR_REJECT, "%s= has no value", settings[i].key);
        if (!take_word(l, value, sizeof value) || !read_value(&settings[i], value, t))
            return err_set(err, ERR_REJECT, "%s= has no usable value", settings[i].key);
    }
    return 0;
}

static int
take_url(const char *text, struct target *t, struct err *err)
{
    bool is_https = strncmp(text, "https://", 8) == 0;
    size_t n = strlen(text);

    if ((!is_https && strncmp(text, "http://", 7) != 0) || strpbrk(text, "?#@\\ ") != NULL)
        return err_set(err, ERR_REJECT, "an address is http://... or https://..., without ? # @");
    while (n > 0 && text[n - 1] == '/')
        n--;
    if (n >= sizeof t->url || n < (is_https ? 9u : 8u))
        return err_set(err, ERR_REJECT, "the address is too long or too short");
    memcpy(t->url, text, n);
    t->url[n] = '\0';
    return 0;
}

static int
check_whole(struct target *t, struct err *err)
{
    if (t->is_archive && t->is_unverified)
        return err_set(err, ERR_REJECT,
                       "verify=none with instead-of-centre=yes: nothing would ever be known to be "
                       "safe to delete");
    if ((t->certificate[0] != '\0') != (t->key[0] != '\0'))
        return err_set(err, ERR_REJECT, "certificate= and key= go together");
    if (t->is_tls && t->ca[0] == '\0' && t->pin[0] == '\0')
        return err_set(err, ERR_REJECT, "tls=yes needs ca=FILE or pin=DIGEST: who it must be");
    if (t->kind == TARGET_DICOM && !t->is_tls &&
        (t->ca[0] != '\0' || t->pin[0] != '\0' || t->key[0] != '\0'))
        return err_set(err, ERR_REJECT, "ca=, pin=, certificate= and key= are for tls=yes");
    if (t->kind == TARGET_STOW && strncmp(t->url, "https://", 8) == 0 && t->ca[0] == '\0')
        return err_set(err, ERR_REJECT, "https needs ca=FILE: who signed its certificate");
    return 0;
}

static int
parse_target(struct line *l, struct target *t, struct err *err)
{
    char where[VALUE_BYTES], kind[8];

    if (!take_word(l, t->name, sizeof t->name) || !is_name(t->name))
        return err_set(err, ERR_REJECT,
                       "a name is small letters, digits and '-', at most %d of them",
                       TARGET_NAME_BYTES - 1);
    if (!take_word(l, kind, sizeof kind) ||
        (strcmp(kind, "dicom") != 0 && strcmp(kind, "stow") != 0))
        return err_set(err, ERR_REJECT, "%s: neither dicom nor stow", t->name);
    t->kind = strcmp(kind, "stow") == 0 ? TARGET_STOW : TARGET_DICOM;
    t->connections = 1;
    if (!take_word(l, where, sizeof where))
        return err_set(err, ERR_REJECT, "%s: no address", t->name);
    if (t->kind == TARGET_DICOM && !read_entity(where, &t->entity))
        return err_set(err, ERR_REJECT, "%s: an address is AE@host:port", t->name);
    if ((t->kind == TARGET_STOW && take_url(where, t, err) < 0) || take_settings(l, t, err) < 0 ||
        check_whole(t, err) < 0)
        return err_context(err, "%s", t->name);
    return 0;
}

static bool
is_there(const struct targets *targets, const char *name)
{
    for (size_t i = 0; i < targets->n; i++)
        if (strcmp(targets->rows[i].name, name) == 0)
            return true;
    return false;
}

static bool
begins(struct line l, const char *word)
{
    size_t n = strlen(word);

    return (size_t)(l.end - l.at) >= n && memcmp(l.at, word, n) == 0;
}

/* A word that may be meant as instead-of-centre: it begins so; or what should be its key, and is no
 * address, speaks of the centre, or is longer than any other key by more than a slip. */
static bool
is_instead(struct line l, bool is_first)
{
    static const char *const parts[] = {"stead", "centre", "center"};
    enum { LONGEST = sizeof "connections" };
    char key[VALUE_BYTES];
    size_t n = 0;
    bool has_value;

    if (begins(l, "instead"))
        return true;
    l.at += *l.at == '"';
    while (l.at + n < l.end && n + 1 < sizeof key && strchr("=\" \t\r", l.at[n]) == NULL) {
        key[n] = l.at[n] >= 'A' && l.at[n] <= 'Z' ? (char)(l.at[n] - 'A' + 'a') : l.at[n];
        n++;
    }
    key[n] = '\0';
    has_value = l.at + n < l.end && l.at[n] == '=';
    if (strpbrk(key, "@/:") != NULL || (is_first && !has_value))
        return false;
    for (size_t i = 0; i < ARRAY_LEN(parts); i++)
        if (strstr(key, parts[i]) != NULL)
            return true;
    return has_value && n > LONGEST;
}

/* What else the line says of which images are meant, whatever is wrong with it: they wait. */
static void
salvage(struct line l, const struct targets *before, size_t number, struct target *t)
{
    char value[VALUE_BYTES];
    bool is_beside = false, is_first = true;

    if (t->name[0] == '\0' || !is_name(t->name) || is_there(before, t->name))
        (void)snprintf(t->name, sizeof t->name, "line_%zu", number); /* no name that is written */
    t->is_archive = false;
    t->devices[0] = t->modalities[0] = '\0';
    for (skip_blanks(&l); l.at < l.end; skip_blanks(&l), is_first = false) {
        t->is_archive = t->is_archive || is_instead(l, is_first);
        is_beside = is_beside || begins(l, "instead-of-centre=no");
        for (size_t i = 0; i < ARRAY_LEN(settings); i++) {
            struct line v = {l.at + strlen(settings[i].key) + 1, l.end};
            char *field = (char *)t + settings[i].at;

            if (settings[i].kind == SETTING_LIST && begins(l, settings[i].key) && v.at < v.end &&
                v.at[-1] == '=' &&
                (!take_word(&v, value, sizeof value) || !read_value(&settings[i], value, t)))
                field[0] = '\0';
        }
        while (l.at < l.end && *l.at != ' ' && *l.at != '\t')
            l.at++;
    }
    t->is_archive = t->is_archive && !is_beside;
}

static int
parse_line(struct line l, size_t number, struct targets *targets, struct err *err)
{
    struct target *t = mem_new(sizeof *t);
    struct line rest = l;
    int rc = parse_target(&rest, t, err);

    if (rc == 0 && is_there(targets, t->name))
        rc = err_set(err, ERR_REJECT, "%s is there twice", t->name);
    if (rc == 0 && targets->n >= TARGETS_MAX)
        rc = err_set(err, ERR_REJECT, "more than %d targets", TARGETS_MAX);
    if (rc < 0) {
        err_context(err, "line %zu", number);
        salvage(l, targets, number, t);
        text_copy(t->wrong, sizeof t->wrong, err->text);
    }
    if (targets->n < TARGET_ROWS_MAX) {
        targets->rows = mem_grow(targets->rows, (targets->n + 1) * sizeof *t);
        targets->rows[targets->n++] = *t;
    }
    free(t);
    return rc;
}

/* Nobody knows what was meant: all of it waits here. */
static void
one_of_everything(struct targets *out, const char *why)
{
    struct target *t = out->rows = mem_new(sizeof *t);

    out->n = 1;
    t->connections = 1;
    t->is_archive = true;
    (void)snprintf(t->name, sizeof t->name, "targets_conf");
    (void)snprintf(t->wrong, sizeof t->wrong, "targets.conf cannot be read: %s", why);
}

/* All lines; -1: there is a mistake, and the first is told. */
static int
parse_all(const char *text, size_t n, struct targets *out, struct err *err)
{
    const char *at = text + text_mark(text, n), *end = text + n;
    int rc = 0;

    *out = (struct targets){NULL, 0};
    if (n > 0 &&
        memchr(text, '\0', n) != NULL) { /* of UTF-16 every line would be wrong, and say nothing */
        one_of_everything(out, "it is no text: save it as UTF-8");
        return err_set(err, ERR_REJECT, "it is no text: save it as UTF-8");
    }
    for (size_t number = 1; at < end; number++) {
        const char *stop = memchr(at, '\n', (size_t)(end - at));
        struct line l = {at, stop != NULL ? stop : end};
        struct err wrong = {0};

        at = stop != NULL ? stop + 1 : end;
        skip_blanks(&l);
        if (l.at == l.end || *l.at == '#' || parse_line(l, number, out, &wrong) == 0 || rc < 0)
            continue;
        *err = wrong;
        rc = -1;
    }
    return rc;
}

int
targets_parse(const char *text, size_t n, struct targets *out, struct err *err)
{
    struct targets targets;

    if (parse_all(text, n, &targets, err) < 0) {
        targets_fini(&targets);
        return -1;
    }
    *out = targets;
    return 0;
}

int
targets_read(const char *path, struct targets *out, struct err *err)
{
    uint8_t *text = NULL;
    size_t n = 0;
    int rc;

    if (durable_get_file(path, TARGETS_FILE_BYTES, &text, &n, err) < 0) {
        *out = (struct targets){NULL, 0};
        if (err->kind != ERR_NOT_FOUND) {
            char words[96];

            one_of_everything(out, err->sys != 0 ? strerror_r(err->sys, words, sizeof words)
                                                 : "it is no file, or too large");
            return -1;
        }
        err_clear(err);
        return 0;
    }
    rc = parse_all((const char *)text, n, out, err);
    free(text);
    return rc < 0 ? err_context(err, "%s", path) : 0;
}

void
targets_fini(struct targets *targets)
{
    free(targets->rows);
    *targets = (struct targets){NULL, 0};
}

static bool
is_in(const char *list, const char *word)
{
    size_t word_n = strlen(word);

    while (*list != '\0') {
        size_t n = strcspn(list, ",");

        if (n == word_n && memcmp(list, word, n) == 0)
            return true;
        list += n + (list[n] == ',');
    }
    return false;
}

bool
target_takes(const struct target *target, const char *device, const char *modality)
{
    return (target->devices[0] == '\0' || is_in(target->devices, device)) &&
           (target->modalities[0] == '\0' || is_in(target->modalities, modality));
}

const struct target *
targets_archive(const struct targets *targets, const char *device, const char *modality)
{
    for (size_t i = 0; i < targets->n; i++)
        if (targets->rows[i].is_archive && target_takes(&targets->rows[i], device, modality))
            return &targets->rows[i];
    return NULL;
}
