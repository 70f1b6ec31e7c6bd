/* desk_site.c - a clinic's desk in the test's process. */
#include "tests/support/desk_site.h"

#include "proto/codec/codec.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <cmocka.h>

static void
must(int rc, const struct err *err)
{
    if (rc < 0)
        fail_msg("%s", err->text);
}

/* Folder, spool and door are there. */
static void
make_page(struct desk_site *s)
{
    snprintf(s->desk_dir, sizeof s->desk_dir, "%s/desk", s->dir);
    snprintf(s->link_dir, sizeof s->link_dir, "%s/link", s->dir);
    s->page = (struct desk_options){.address = "127.0.0.1",
                                    .spool = s->spool,
                                    .accept = s->door,
                                    .dir = s->desk_dir,
                                    .link_dir = s->link_dir};
}

void
desk_site_open(struct desk_site *s, const char *name, struct spool *spool)
{
    struct spool_options queue = {.keep_sealed_ms = -1};
    struct accept_options accept = {.dir = s->dir, .address = "127.0.0.1", .max_associations = 4};
    char path[FOLDER_PATH_BYTES + 16];
    struct err err;

    memset(s, 0, sizeof *s);
    folder_make(name, s->dir);
    snprintf(path, sizeof path, "%s/spool", s->dir);
    s->spool = spool;
    if (spool == NULL)
        must(spool_open(path, &queue, &s->spool, &err), &err);
    must(accept_open(&accept, s->spool, &s->door, &err), &err);
    make_page(s);
    s->is_spool_its_own = spool == NULL;
}

void
desk_site_open_in(struct desk_site *s, struct serve_world *w)
{
    struct err err;

    memset(s, 0, sizeof *s);
    snprintf(s->dir, sizeof s->dir, "%s", w->dir);
    s->spool = w->spool;
    s->door = w->door;
    make_page(s);
    s->page.serve = w->serve;
    s->is_in_a_world = true;
    must(codec_pool_new(1, &s->pool, &err), &err);
}

void
desk_site_go_live(struct desk_site *s)
{
    struct uplink_options line = {.connections = 1,
                                  .coders = 1,
                                  .bundle_bytes = 65536,
                                  .backoff_ms = 1000,
                                  .backoff_max_ms = 1000,
                                  .stall_ms = 1000,
                                  .quiet_ms = s->quiet_ms > 0 ? s->quiet_ms : 1000,
                                  .recheck_ms = 1000,
                                  .link_dir = s->link_dir};
    struct err err;

    must(uplink_start(&line, s->spool, s->pool, &s->uplink, &err), &err);
    s->page.uplink = s->uplink;
    desk_site_start(s);
}

void
desk_site_close(struct desk_site *s)
{
    desk_site_stop(s);
    uplink_stop(&s->uplink);
    if (s->is_in_a_world) {
        codec_pool_free(&s->pool);
        return;
    }
    accept_stop(&s->door);
    if (s->is_spool_its_own)
        spool_close(&s->spool);
    folder_remove(s->dir);
}

void
desk_site_start(struct desk_site *s)
{
    struct http_client_options browser = {0};
    struct err err;

    must(desk_start(&s->page, &s->desk, &err), &err);
    snprintf(s->url, sizeof s->url, "http://127.0.0.1:%u", desk_port(s->desk));
    browser.base_url = s->url;
    must(http_client_new(&browser, &s->client, &err), &err);
}

void
desk_site_stop(struct desk_site *s)
{
    desk_site_forget(s);
    http_client_free(&s->client);
    desk_stop(&s->desk);
}

int
desk_site_ask(struct desk_site *s, const char *const *headers, const char *method, const char *path,
              const char *body)
{
    struct http_call call = {.method = method,
                             .path = path,
                             .content_type = "application/json",
                             .headers = headers,
                             .body = body,
                             .body_n = body != NULL ? strlen(body) : 0,
                             .answer_limit = 16 << 20};
    struct err err;

    desk_site_forget(s);
    if (http_client_call(s->client, &call, &s->reply, &err) < 0)
        fail_msg("%s %s: %s", method, path, err.text);
    if (s->reply.body.n > 0 && strstr(s->reply.type, "json") != NULL)
        must(json_parse(s->reply.body.bytes, s->reply.body.n, &s->doc, &err), &err);
    return s->reply.status;
}

void
desk_site_forget(struct desk_site *s)
{
    json_free(&s->doc);
    http_reply_fini(&s->reply);
}
