/* reply.c - what a call was answered: its headers, and what its status means to us. */
#include "proto/http/client.h"

#include "proto/http/json.h"

#include <stdio.h>
#include <string.h>
#include <strings.h>

void
http_reply_fini(struct http_reply *reply)
{
    buf_fini(&reply->body);
    buf_fini(&reply->headers);
}

bool
http_reply_find(const struct http_reply *reply, const char *name, char *out, size_t size)
{
    const char *p = (const char *)reply->headers.bytes, *end = p + reply->headers.n;
    size_t name_n = strlen(name);

    while (p < end) {
        const char *line_end = memchr(p, '\n', (size_t)(end - p));
        size_t n = (size_t)((line_end != NULL ? line_end : end) - p);

        if (n > name_n && p[name_n] == ':' && strncasecmp(p, name, name_n) == 0) {
            const char *value = p + name_n + 1, *value_end = p + n;

            while (value < value_end && (*value == ' ' || *value == '\t'))
                value++;
            while (value < value_end && strchr("\r \t", value_end[-1]) != NULL)
                value_end--;
            if ((size_t)(value_end - value) >= size)
                return false;
            snprintf(out, size, "%.*s", (int)(value_end - value), value);
            return true;
        }
        p += n + 1;
    }
    return false;
}

static enum err_kind
kind_of(int status)
{
    switch (status) {
    case 401:
    case 403:
        return ERR_DENIED;
    case 404:
    case 410:
        return ERR_NOT_FOUND;
    case 409:
        return ERR_CONFLICT;
    case 507:
        return ERR_FULL;
    case 408:
    case 429:
        return ERR_RETRY;
    default:
        return status >= 500 ? ERR_RETRY : ERR_REJECT;
    }
}

/* Printable ASCII of a peer's text, cut to what an error line holds. */
static void
peer_words(const struct json *root, const char *key, char *out, size_t size)
{
    const char *text = json_as_text(json_find(root, key));
    size_t k = 0;

    for (; text != NULL && *text != '\0' && k + 1 < size; text++)
        out[k++] = *text >= 0x20 && *text < 0x7F ? *text : '?';
    out[k] = '\0';
}

int
http_reply_check(const struct http_reply *reply, struct err *err)
{
    struct json_doc *doc = NULL;
    struct err ignored = {0};
    char sentence[120] = "", id[40] = "";

    if (reply->status >= 200 && reply->status < 300)
        return 0;
    /* What is no JSON (a proxy's page) has no sentence to tell; the status says it all. */
    if (json_parse(reply->body.bytes, reply->body.n, &doc, &ignored) == 0) {
        peer_words(json_root(doc), "error", sentence, sizeof sentence);
        peer_words(json_root(doc), "id", id, sizeof id);
    }
    json_free(&doc);
    return err_set(err, kind_of(reply->status), "the peer answered %d%s%s%s%s%s", reply->status,
                   sentence[0] != '\0' ? ": " : "", sentence, id[0] != '\0' ? " (id " : "", id,
                   id[0] != '\0' ? ")" : "");
}
