/* policy.c - the centre's policy in force. */
#include "gateway/uplink/parts.h"

#include "proto/base/clock.h"
#include "proto/base/durable.h"
#include "proto/base/jsonw.h"
#include "proto/base/text.h"
#include "proto/http/json.h"

#include <stdlib.h>
#include <string.h>

#define FILE_NAME "policy.json"
enum { FILE_BYTES = 65536 };

static void
write_text(const struct link_policy *policy, struct buf *out)
{
    struct jsonw w;

    buf_init(out, FILE_BYTES);
    jsonw_init(&w, out);
    link_policy_write(&w, NULL, policy);
}

int
uplink_policy_load(const char *dir, struct link_policy *out, struct err *err)
{
    char *path = mem_printf("%s/" FILE_NAME, dir);
    struct json_doc *doc = NULL;
    uint8_t *bytes = NULL;
    size_t n;
    int rc = -1;

    if (durable_get_file(path, FILE_BYTES, &bytes, &n, err) == 0 &&
        json_parse(bytes, n, &doc, err) == 0)
        rc = link_policy_read(json_root(doc), out, err);
    json_free(&doc);
    free(bytes);
    free(path);
    return rc;
}

void
policy_begin(struct uplink *up)
{
    struct err err = {0};

    if (up->dir != NULL && uplink_policy_load(up->dir, &up->policy, &err) < 0 &&
        err.kind != ERR_NOT_FOUND)
        LOG(&uplink_log, UPLINK_POLICY_UNREAD, F_ERR(&err));
}

/* Not kept: it is in force until the gateway ends, and told again then. */
static void
remember(const struct uplink *up, const struct buf *text)
{
    struct err err = {0};

    if (up->dir != NULL && durable_put_file(up->dir, FILE_NAME, text->bytes, text->n, &err) < 0)
        LOG(&uplink_log, UPLINK_POLICY_UNREAD, F_ERR(&err));
}

/* Gate held: is it another trouble than the last one told? */
static bool
is_new_trouble(struct uplink *up, const char *trouble)
{
    if (strcmp(up->policy_trouble, trouble) == 0)
        return false;
    text_copy(up->policy_trouble, sizeof up->policy_trouble, trouble);
    return true;
}

void
policy_heard(struct uplink *up, const struct link_ping *ping)
{
    struct buf was, is;
    bool is_trouble, is_changed = false, is_upgrade = false;

    gate_lock(&up->gate);
    is_trouble = is_new_trouble(up, ping->policy_trouble) && ping->policy_trouble[0] != '\0';
    write_text(&up->policy, &was);
    write_text(&ping->policy, &is);
    if (ping->policy_trouble[0] == '\0' &&
        (was.n != is.n || memcmp(was.bytes, is.bytes, is.n) != 0)) {
        is_changed = true;
        is_upgrade = strcmp(up->policy.upgrade_version, ping->policy.upgrade_version) != 0 &&
                     link_version_is_older(RADPOST_VERSION, ping->policy.upgrade_version);
        up->policy = ping->policy;
        up->news++;
        gate_wake(&up->gate);
    }
    gate_unlock(&up->gate);
    if (is_trouble)
        LOG(&uplink_log, UPLINK_POLICY_WRONG, F_WORD("why", ping->policy_trouble));
    if (is_changed) {
        remember(up, &is);
        LOG(&uplink_log, UPLINK_POLICY, F_NUMBER("rates", ping->policy.rates_n),
            F_MS("quiet", ping->policy.quiet_ms),
            F_WORD("least_version", ping->policy.least_version));
    }
    if (is_upgrade)
        LOG(&uplink_log, UPLINK_UPGRADE, F_WORD("version", ping->policy.upgrade_version));
    buf_fini(&was);
    buf_fini(&is);
}

int64_t
policy_quiet_ms(const struct uplink *up)
{
    return up->policy.quiet_ms > 0 ? up->policy.quiet_ms : up->o.quiet_ms;
}

uint64_t
policy_rate(const struct uplink *up, uint64_t own)
{
    uint64_t asked = 0;

    if (!link_policy_rate_at(&up->policy, hours_minute(clock_wall_us()), &asked) || asked == 0)
        return own;
    return own == 0 || asked < own ? asked : own;
}
