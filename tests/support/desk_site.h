/* desk_site.h - a clinic in the test's process: a spool, a door, an uplink that is not enrolled,
 * and the desk over them, with a browser. cmocka tests; what cannot be done fails the test. */
#ifndef RADPOST_TESTS_SUPPORT_DESK_SITE_H
#define RADPOST_TESTS_SUPPORT_DESK_SITE_H

#include "gateway/accept/accept.h"
#include "gateway/desk/desk.h"
#include "gateway/spool/spool.h"
#include "gateway/uplink/uplink.h"
#include "proto/http/client.h"
#include "proto/http/json.h"
#include "tests/support/serve_world.h"

struct desk_site {
    char dir[FOLDER_PATH_BYTES];
    char desk_dir[FOLDER_PATH_BYTES + 16], link_dir[FOLDER_PATH_BYTES + 16];
    struct spool *spool;
    bool is_spool_its_own, is_in_a_world;
    struct accept *door;     /* listens when the test says so */
    struct codec_pool *pool; /* the test's, of the uplink to come; NULL: none */
    int64_t quiet_ms;        /* of the uplink to come; 0: a second */
    struct uplink *uplink;
    struct desk_options page; /* the test's to change before the desk starts */
    struct desk *desk;
    char url[64];
    struct http_client *client;
    struct http_reply reply; /* to the last question .. */
    struct json_doc *doc;    /* .. and its JSON */
};

/* Folder, spool and door; name: of the folder. spool: the test's own, NULL: one of the site's. */
void desk_site_open(struct desk_site *s, const char *name, struct spool *spool);
/* Over a world's spool, door and serve, in its folder; what codes is the site's own. The world
 * stays the test's, and outlives the site. */
void desk_site_open_in(struct desk_site *s, struct serve_world *w);
/* The uplink and the desk: from here on what is received or inspected is worked on. */
void desk_site_go_live(struct desk_site *s);
void desk_site_close(struct desk_site *s);
/* The desk and the browser, alone. */
void desk_site_start(struct desk_site *s);
void desk_site_stop(struct desk_site *s);

/* The status. headers: who asks (desk_visitor.h), NULL nobody; body: JSON or NULL. */
int desk_site_ask(struct desk_site *s, const char *const *headers, const char *method,
                  const char *path, const char *body);
void desk_site_forget(struct desk_site *s); /* reply and doc */

#endif
