/* negotiate.c - which representation a client of DICOMweb gets. */
#include "storage/serve/negotiate.h"

#include "proto/base/text.h"

#include <string.h>
#include <strings.h>

/* A reader over the header's text; at ends on the closing zero. */
struct cursor {
    const char *at;
};

static bool
is_token(char c)
{
    if ((c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z'))
        return true;
    return c != '\0' && strchr("!#$%&'*+-.^_`|~", c) != NULL;
}

static void
skip_space(struct cursor *c)
{
    while (*c->at == ' ' || *c->at == '\t')
        c->at++;
}

/* A token or, where quoted is allowed, a quoted text; what does not fit out is an error. */
static bool
read_word(struct cursor *c, bool may_quote, const char *also, char *out, size_t size)
{
    size_t n = 0;
    bool is_quoted = may_quote && *c->at == '"';

    if (is_quoted)
        c->at++;
    while (is_quoted ? *c->at != '"' : is_token(*c->at) || (*c->at && strchr(also, *c->at))) {
        if (is_quoted && *c->at == '\\')
            c->at++;
        if (*c->at == '\0' || (unsigned char)*c->at < 0x20 || n + 1 >= size)
            return false;
        out[n++] = *c->at++;
    }
    if (is_quoted)
        c->at++;
    out[n] = '\0';
    return n > 0 || is_quoted;
}

static void
lower(char *text)
{
    for (; *text != '\0'; text++)
        if (*text >= 'A' && *text <= 'Z')
            *text = (char)(*text - 'A' + 'a');
}

/* RFC 9110 12.4.2: 0, 1, up to three decimals. */
static bool
read_q(const char *text, int *out_milli)
{
    int milli = 0, unit = 100;

    if ((text[0] != '0' && text[0] != '1') || (text[1] != '\0' && text[1] != '.'))
        return false;
    milli = (text[0] - '0') * 1000;
    for (const char *p = text + (text[1] == '.' ? 2 : 1); *p != '\0'; p++, unit /= 10) {
        if (*p < '0' || *p > '9' || unit == 0)
            return false;
        milli += (*p - '0') * unit;
    }
    *out_milli = milli;
    return milli <= 1000;
}

static bool
is_syntax(const char *text)
{
    return strcmp(text, "*") == 0 || uid_is_valid(text, true);
}

static bool
read_parameter(struct cursor *c, struct media_range *range)
{
    char name[32], value[256];

    if (!read_word(c, false, "", name, sizeof name))
        return false;
    skip_space(c);
    if (*c->at != '=')
        return *c->at == ';' || *c->at == ',' || *c->at == '\0';
    c->at++;
    skip_space(c);
    if (!read_word(c, true, "/", value, sizeof value))
        return false;
    if (strcasecmp(name, "q") == 0)
        return read_q(value, &range->q_milli);
    if (strcasecmp(name, "type") == 0) {
        lower(value);
        return text_copy(range->related, sizeof range->related, value);
    }
    if (strcasecmp(name, "transfer-syntax") == 0)
        return is_syntax(value) && text_copy(range->syntax, sizeof range->syntax, value);
    return true;
}

static bool
read_range(struct cursor *c, struct media_range *out)
{
    struct media_range range = {.q_milli = 1000};
    char *slash;

    if (!read_word(c, false, "/", range.type, sizeof range.type))
        return false;
    lower(range.type);
    slash = strchr(range.type, '/');
    if (slash == NULL || slash == range.type || slash[1] == '\0' || strchr(slash + 1, '/') != NULL)
        return false;
    for (skip_space(c); *c->at == ';'; skip_space(c)) {
        c->at++;
        skip_space(c);
        if (*c->at == ';' || *c->at == ',' || *c->at == '\0')
            continue;
        if (!read_parameter(c, &range))
            return false;
    }
    *out = range;
    return *c->at == ',' || *c->at == '\0';
}

int
media_list_read(const char *header, const char *parameter, struct media_list *out, struct err *err)
{
    const char *text = parameter != NULL && *parameter != '\0' ? parameter : header;
    struct cursor c = {text != NULL ? text : ""};
    struct media_list list = {.n = 0};

    for (skip_space(&c); *c.at != '\0'; skip_space(&c)) {
        struct media_range range;

        if (*c.at == ',') {
            c.at++;
            continue;
        }
        if (!read_range(&c, &range))
            return err_set(err, ERR_REJECT, "Accept: not a list of media types");
        if (list.n < NEGOTIATE_RANGES)
            list.ranges[list.n++] = range;
    }
    if (list.n == 0)
        list.ranges[list.n++] = (struct media_range){.type = "*/*", .q_milli = 1000};
    *out = list;
    return 0;
}

/* How closely a range names a type: 0 not at all, 1 any, 2 the family, 4 itself. */
static int
type_covers(const char *range, const char *type)
{
    size_t n = strcspn(range, "/");

    if (strcmp(range, type) == 0)
        return 4;
    if (strcmp(range, "*/*") == 0)
        return 1;
    return strcmp(range + n, "/*") == 0 && strncmp(range, type, n + 1) == 0 ? 2 : 0;
}

/* The same for an offer: 3 is multipart/related with a loose type or none. */
static int
offer_covers(const struct media_range *range, const struct media_offer *offer)
{
    int part;

    if (!offer->is_multipart)
        return type_covers(range->type, offer->type);
    if (strcmp(range->type, "multipart/related") != 0)
        return type_covers(range->type, "multipart/related");
    if (range->related[0] == '\0')
        return 3;
    part = type_covers(range->related, offer->type);
    return part > 0 && part < 4 ? 3 : part;
}

/* With the transfer syntax as the second digit: named > any > the default one. */
static int
range_covers(const struct media_range *range, const struct media_offer *offer)
{
    int type = offer_covers(range, offer);

    if (type == 0 || offer->syntax == NULL)
        return 10 * type;
    if (range->syntax[0] == '\0')
        return offer->is_default ? 10 * type : 0;
    if (strcmp(range->syntax, "*") == 0)
        return 10 * type + 1;
    return strcmp(range->syntax, offer->syntax) == 0 ? 10 * type + 2 : 0;
}

/* The range that speaks for an offer is its most specific one; of equals the one with the higher q,
 * then the earlier. */
static const struct media_range *
speaks_for(const struct media_list *list, const struct media_offer *offer, int *out_weight)
{
    const struct media_range *best = NULL;
    int best_weight = 0;

    for (size_t i = 0; i < list->n; i++) {
        int weight = range_covers(&list->ranges[i], offer);

        if (weight > best_weight ||
            (weight > 0 && weight == best_weight && list->ranges[i].q_milli > best->q_milli)) {
            best = &list->ranges[i];
            best_weight = weight;
        }
    }
    *out_weight = best_weight;
    return best;
}

int
media_choose(const struct media_list *list, const struct media_offer *offers, size_t n)
{
    const struct media_range *best = NULL;
    int chosen = -1, chosen_weight = 0;

    for (size_t i = 0; i < n; i++) {
        int weight;
        const struct media_range *range = speaks_for(list, &offers[i], &weight);

        if (range == NULL || range->q_milli == 0)
            continue;
        if (chosen >= 0 && range->q_milli < best->q_milli)
            continue;
        if (chosen >= 0 && range->q_milli == best->q_milli &&
            (weight < chosen_weight || (weight == chosen_weight && range >= best)))
            continue;
        best = range;
        chosen = (int)i;
        chosen_weight = weight;
    }
    return chosen;
}
