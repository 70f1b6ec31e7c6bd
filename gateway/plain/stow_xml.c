/* stow_xml.c - a pull reader of tags and text, and the one path through them that matters:
 *     NativeDicomModel / DicomAttribute 00081198|00081199 / Item / DicomAttribute / Value */
#include "gateway/plain/stow_xml.h"

#include "proto/base/text.h"

#include <string.h>

enum { DEPTH_MOST = 32, NAME_BYTES = 40 };
enum { TAG_FAILED = 0x00081198, TAG_TAKEN = 0x00081199, TAG_INSTANCE = 0x00081155 };
enum { TAG_WARNING = 0x00081196, TAG_REASON = 0x00081197 };
enum { AT_SEQUENCE = 2, AT_ITEM = 3, AT_LEAF = 4, AT_VALUE = 5 }; /* depths, the root is 1 */

struct piece { /* of the document */
    const char *at;
    size_t n;
};

struct reader {
    const char *at, *end;
    int depth;
    char names[DEPTH_MOST][NAME_BYTES];
    uint32_t tags[DEPTH_MOST]; /* of DicomAttribute */
    struct stow_row row;       /* of the item that is open */
    int (*add)(struct stow_answer *answer, const struct stow_row *row, struct err *err);
    struct stow_answer *answer;
};

static bool
is_blank(char c)
{
    return c == ' ' || c == '\t' || c == '\r' || c == '\n';
}

static bool
begins(const struct reader *r, const char *with)
{
    size_t n = strlen(with);

    return (size_t)(r->end - r->at) >= n && memcmp(r->at, with, n) == 0;
}

/* Behind the next `what`; false: there is none. */
static bool
skip_past(struct reader *r, const char *what)
{
    size_t n = strlen(what);

    for (; (size_t)(r->end - r->at) >= n; r->at++)
        if (memcmp(r->at, what, n) == 0) {
            r->at += n;
            return true;
        }
    return false;
}

/* A name without its prefix; false: empty or too long. */
static bool
copy_name(struct piece from, char out[NAME_BYTES])
{
    const char *colon = memchr(from.at, ':', from.n);

    if (colon != NULL) {
        from.n -= (size_t)(colon + 1 - from.at);
        from.at = colon + 1;
    }
    if (from.n == 0 || from.n >= NAME_BYTES)
        return false;
    memcpy(out, from.at, from.n);
    out[from.n] = '\0';
    return true;
}

/* Eight hexadecimal digits; 0: something else. */
static uint32_t
read_tag(struct piece text)
{
    uint8_t bytes[4];
    char digits[9];

    if (text.n != 8)
        return 0;
    memcpy(digits, text.at, 8);
    digits[8] = '\0';
    if (hex_decode(digits, bytes, sizeof bytes) < 0)
        return 0;
    return (uint32_t)bytes[0] << 24 | (uint32_t)bytes[1] << 16 | (uint32_t)bytes[2] << 8 | bytes[3];
}

/* name="value" pairs up to the end of the tag; remembers "tag". False: broken. */
static bool
read_attributes(struct reader *r, uint32_t *out_tag, bool *out_is_empty)
{
    *out_tag = 0;
    *out_is_empty = false;
    for (;;) {
        struct piece name, value;
        char quote;

        while (r->at < r->end && is_blank(*r->at))
            r->at++;
        if (begins(r, "/>") || begins(r, ">")) {
            *out_is_empty = *r->at == '/';
            r->at += *out_is_empty ? 2 : 1;
            return true;
        }
        name = (struct piece){r->at, 0};
        while (r->at < r->end && *r->at != '=' && *r->at != '>' && *r->at != '<' &&
               !is_blank(*r->at))
            r->at++;
        name.n = (size_t)(r->at - name.at);
        while (r->at < r->end && is_blank(*r->at))
            r->at++;
        if (name.n == 0 || r->at == r->end || *r->at++ != '=')
            return false;
        while (r->at < r->end && is_blank(*r->at))
            r->at++;
        if (r->at == r->end || (*r->at != '"' && *r->at != '\''))
            return false;
        quote = *r->at++;
        value = (struct piece){r->at, 0};
        while (r->at < r->end && *r->at != quote && *r->at != '<')
            r->at++;
        if (r->at == r->end || *r->at != quote)
            return false;
        value.n = (size_t)(r->at++ - value.at);
        if (name.n == 3 && memcmp(name.at, "tag", 3) == 0)
            *out_tag = read_tag(value);
    }
}

static bool
is_at(const struct reader *r, int depth, const char *name)
{
    return r->depth == depth && strcmp(r->names[depth - 1], name) == 0;
}

static uint32_t
sequence(const struct reader *r)
{
    uint32_t tag = r->depth >= AT_SEQUENCE ? r->tags[AT_SEQUENCE - 1] : 0;

    return tag == TAG_FAILED || tag == TAG_TAKEN ? tag : 0;
}

static int
close_element(struct reader *r, struct err *err)
{
    int rc = 0;

    if (is_at(r, AT_ITEM, "Item") && sequence(r) != 0)
        rc = r->add(r->answer, &r->row, err);
    r->depth--;
    return rc;
}

static int
open_element(struct reader *r, struct err *err)
{
    struct piece name = {++r->at, 0};
    bool is_empty;

    while (r->at < r->end && *r->at != '>' && *r->at != '/' && *r->at != '<' && !is_blank(*r->at))
        r->at++;
    name.n = (size_t)(r->at - name.at);
    if (r->depth == DEPTH_MOST)
        return err_set(err, ERR_REJECT, "XML too deep");
    if (!copy_name(name, r->names[r->depth]) || !read_attributes(r, &r->tags[r->depth], &is_empty))
        return err_set(err, ERR_REJECT, "a broken XML tag");
    r->depth++;
    if (r->depth == 1 && strcmp(r->names[0], "NativeDicomModel") != 0)
        return err_set(err, ERR_REJECT, "XML, but no Native DICOM Model");
    if (is_at(r, AT_ITEM, "Item"))
        r->row = (struct stow_row){.is_taken = sequence(r) == TAG_TAKEN};
    return is_empty ? close_element(r, err) : 0;
}

static int
end_element(struct reader *r, struct err *err)
{
    struct piece name = {r->at += 2, 0};
    char text[NAME_BYTES];

    while (r->at < r->end && *r->at != '>' && !is_blank(*r->at))
        r->at++;
    name.n = (size_t)(r->at - name.at);
    if (!skip_past(r, ">") || !copy_name(name, text) || r->depth == 0 ||
        strcmp(text, r->names[r->depth - 1]) != 0)
        return err_set(err, ERR_REJECT, "an XML element that does not end");
    return close_element(r, err);
}

/* Text counts in one place only. */
static void
take_text(struct reader *r, struct piece text)
{
    char value[65];
    uint64_t reason;
    uint32_t tag;

    while (text.n > 0 && is_blank(text.at[0])) {
        text.at++;
        text.n--;
    }
    while (text.n > 0 && is_blank(text.at[text.n - 1]))
        text.n--;
    if (text.n == 0 || text.n >= sizeof value || !is_at(r, AT_VALUE, "Value") || sequence(r) == 0)
        return;
    memcpy(value, text.at, text.n);
    value[text.n] = '\0';
    tag = r->tags[AT_LEAF - 1];
    if (tag == TAG_INSTANCE)
        text_copy(r->row.sop_instance, sizeof r->row.sop_instance, value);
    else if (tag == (r->row.is_taken ? TAG_WARNING : TAG_REASON) &&
             text_to_u64(value, UINT16_MAX, &reason) == 0)
        r->row.reason = (uint16_t)reason;
}

static int
step(struct reader *r, struct err *err)
{
    struct piece text;

    if (*r->at != '<') {
        text = (struct piece){r->at, 0};
        while (r->at < r->end && *r->at != '<')
            r->at++;
        text.n = (size_t)(r->at - text.at);
        take_text(r, text);
        return 0;
    }
    if (begins(r, "<?"))
        return skip_past(r, "?>") ? 0 : err_set(err, ERR_REJECT, "broken XML");
    if (begins(r, "<!--"))
        return skip_past(r, "-->") ? 0 : err_set(err, ERR_REJECT, "broken XML");
    if (begins(r, "<!"))
        return err_set(err, ERR_REJECT, "XML with a document type");
    return begins(r, "</") ? end_element(r, err) : open_element(r, err);
}

int
stow_xml_read(const void *bytes, size_t n,
              int (*add)(struct stow_answer *answer, const struct stow_row *row, struct err *err),
              struct stow_answer *answer, struct err *err)
{
    struct reader r = {.at = bytes, .end = (const char *)bytes + n, .add = add, .answer = answer};
    bool is_begun = false;

    if (n >= 3 && memcmp(bytes, "\xef\xbb\xbf", 3) == 0)
        r.at += 3;
    while (r.at < r.end) {
        if (step(&r, err) < 0)
            return -1;
        is_begun = is_begun || r.depth > 0;
    }
    if (r.depth != 0 || !is_begun)
        return err_set(err, ERR_REJECT, "XML that does not end");
    return 0;
}
