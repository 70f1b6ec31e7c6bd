/* watch.c - `radpost watch`: follow studies through a gateway, in words, until they are sealed.
 * It asks the desk's page the way a browser does. */
#include "deploy/cli/cli.h"

#include "proto/base/clock.h"
#include "proto/base/durable.h"
#include "proto/base/text.h"
#include "proto/http/client.h"
#include "proto/http/json.h"
#include "proto/trust/token.h"

#include <getopt.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
    POLL_S = 5,
    TIMEOUT_S = 300,
    UID_LONGEST = 64,
    STUDIES_MOST = 100000,
    STATE_BYTES = 16 << 20
};

/* What all watched studies add up to. */
struct tally {
    uint64_t total, uncoded, looked, quarantined, missing;
    size_t studies, closed, safe;
    uint64_t unlisted; /* the desk has so many more, and does not list them */
};

struct watch {
    const char *desk, *token_file;
    char **studies; /* none: all that the desk shows */
    size_t count;
    uint64_t timeout_s;
    bool said_received, said_coded, said_looked;
    bool has_spoken;
};

static void
speak(struct watch *w, const char *words)
{
    printf("%s%s", w->has_spoken ? " · " : "", words);
    fflush(stdout);
    w->has_spoken = true;
}

static bool
is_watched(const struct watch *w, const char *study)
{
    for (size_t i = 0; i < w->count; i++)
        if (strcmp(w->studies[i], study) == 0)
            return true;
    return w->count == 0;
}

static int
add_study(const struct json *study, struct tally *t, struct err *err)
{
    static const char *const words[] = {"received", "inspected", "looked",     "held",
                                        "sealed",   "duplicate", "quarantined"};
    const struct json *counts = json_find(study, "counts");
    uint64_t n[ARRAY_LEN(words)], total, missing;
    bool is_closed, is_safe;

    for (size_t i = 0; i < ARRAY_LEN(words); i++)
        if (json_u64(counts, words[i], UINT32_MAX, &n[i], err) < 0)
            return -1;
    if (json_u64(study, "total", UINT32_MAX, &total, err) < 0 ||
        json_u64(study, "missing", UINT32_MAX, &missing, err) < 0 ||
        json_truth(study, "is_closed", &is_closed, err) < 0 ||
        json_truth(study, "is_safe_to_delete", &is_safe, err) < 0)
        return -1;
    t->studies++;
    t->total += total;
    t->missing += missing;
    t->uncoded += n[0] + n[1];
    t->looked += n[2] + n[3] + n[4] + n[5];
    t->quarantined += n[6];
    t->closed += is_closed;
    t->safe += is_safe;
    return 0;
}

static int
read_state(const struct watch *w, const struct buf *body, uint64_t *change, struct tally *out,
           struct err *err)
{
    struct json_doc *doc = NULL;
    const struct json *studies;
    int rc = -1;

    *out = (struct tally){0};
    if (json_parse(body->bytes, body->n, &doc, err) < 0)
        return -1;
    if (json_u64(json_root(doc), "change", INT64_MAX, change, err) < 0 ||
        json_u64(json_root(doc), "older", UINT32_MAX, &out->unlisted, err) < 0 ||
        json_list(json_root(doc), "studies", STUDIES_MOST, &studies, err) < 0)
        goto out;
    for (size_t i = 0; i < json_length(studies); i++) {
        const char *uid;

        if (json_text(json_at(studies, i), "study", UID_LONGEST, &uid, err) < 0)
            goto out;
        if (is_watched(w, uid) && add_study(json_at(studies, i), out, err) < 0)
            goto out;
    }
    rc = 0;
out:
    json_free(&doc);
    return rc;
}

/* Say what became true; true when there is nothing left to wait for. */
static bool
tell(struct watch *w, const struct tally *t)
{
    bool is_all = t->studies > 0 && (w->count == 0 || t->studies == w->count);
    bool is_closed = is_all && t->closed == t->studies;
    char words[64];

    if (!w->said_received && t->total > 0) {
        w->said_received = true;
        snprintf(words, sizeof words, "received %" PRIu64, t->total);
        speak(w, words);
    }
    if (!w->said_coded && is_closed && t->uncoded == 0) {
        w->said_coded = true;
        speak(w, "coded");
    }
    if (!w->said_looked && w->said_coded && t->looked == t->total) {
        w->said_looked = true;
        speak(w, "first look at the centre");
        snprintf(words, sizeof words, "%" PRIu64 " received, number unknown", t->total);
        speak(w, words);
    }
    if (!w->said_looked || t->safe != t->studies)
        return false;
    speak(w, "sealed in two copies");
    return true;
}

static int
ask(struct watch *w, struct http_client *client, uint64_t *since, struct tally *out,
    struct err *err)
{
    struct http_call call = {.method = "GET", .answer_limit = STATE_BYTES};
    struct http_reply reply;
    char path[96];
    int rc;

    snprintf(path, sizeof path, "/desk/v1/state?studies=all&since=%" PRIu64 "&wait_s=%d", *since,
             POLL_S);
    call.path = path;
    if (http_client_call(client, &call, &reply, err) < 0)
        return -1;
    rc = http_reply_check(&reply, err);
    if (rc == 0)
        rc = read_state(w, &reply.body, since, out, err);
    http_reply_fini(&reply);
    return rc;
}

static int
follow(struct watch *w, struct http_client *client, struct err *err)
{
    int64_t until_ms = clock_mono_ms() + (int64_t)w->timeout_s * 1000;
    uint64_t since = 0;
    struct tally t = {0};

    do {
        if (ask(w, client, &since, &t, err) < 0)
            return -1;
        if (t.unlisted > 0 && (w->count == 0 || t.studies < w->count)) /* it would never end */
            return err_set(err, ERR_FULL,
                           "the desk lists %zu of these studies; it has %" PRIu64
                           " more than it lists",
                           t.studies, t.unlisted);
        if (tell(w, &t))
            return 0;
        if (t.quarantined > 0)
            return err_set(err, ERR_CONFLICT, "%" PRIu64 " instances were set aside",
                           t.quarantined);
    } while (clock_mono_ms() < until_ms);
    return err_set(err, ERR_RETRY,
                   "not sealed after %" PRIu64 " s: %zu of %zu studies are; announced by devices "
                   "and not here: %" PRIu64 " instances",
                   w->timeout_s, t.safe, w->count > 0 ? w->count : t.studies, t.missing);
}

static int
read_options(int argc, char **argv, struct watch *w)
{
    static const struct option options[] = {{"desk", required_argument, NULL, 'd'},
                                            {"token-file", required_argument, NULL, 'k'},
                                            {"timeout", required_argument, NULL, 't'},
                                            {NULL, 0, NULL, 0}};
    int c;

    while ((c = getopt_long(argc, argv, "", options, NULL)) != -1)
        if (c == 'd')
            w->desk = optarg;
        else if (c == 'k')
            w->token_file = optarg;
        else if (c != 't' || text_to_u64(optarg, 86400, &w->timeout_s) < 0)
            return -1;
    w->studies = argv + optind;
    w->count = (size_t)(argc - optind);
    return w->desk != NULL && w->token_file != NULL ? 0 : -1;
}

static int
read_token(const char *file, char **out, struct err *err)
{
    uint8_t *bytes = NULL;
    size_t n = 0;

    if (durable_get_file(file, TOKEN_TEXT_BYTES, &bytes, &n, err) < 0)
        return -1;
    *out = mem_printf("%.*s", (int)n, (const char *)bytes);
    free(bytes);
    return 0;
}

int
cli_watch(int argc, char **argv)
{
    struct watch w = {.timeout_s = TIMEOUT_S};
    struct http_client_options options = {0};
    struct http_client *client = NULL;
    char *token = NULL;
    struct err err;
    int rc;

    if (read_options(argc, argv, &w) < 0) {
        fputs("radpost watch --desk URL --token-file FILE [--timeout SECONDS] [STUDY_UID...]\n"
              "FILE is desk/token in the gateway's data_dir\n",
              stderr);
        return 64;
    }
    options.base_url = w.desk;
    rc = read_token(w.token_file, &token, &err);
    options.bearer = token;
    if (rc == 0)
        rc = http_client_new(&options, &client, &err);
    if (rc == 0)
        rc = follow(&w, client, &err);
    if (w.has_spoken)
        putchar('\n');
    http_client_free(&client);
    free(token);
    return rc < 0 ? cli_fail(&err) : 0;
}
