/* listeners.c - the three listeners and whose routes they serve. A stage's routes are a row. */
#include "reader/reader.h"

#include "reader/assign/assign.h"
#include "reader/compose/compose.h"
#include "reader/deliver/deliver.h"
#include "reader/door/door.h"
#include "reader/people/people.h"

enum { TABLES_MAX = 16 };
enum { STAFF_CONNECTIONS = 256, PATIENT_CONNECTIONS = 256, LINK_CONNECTIONS = 384 };
enum { LINK_FIRST_MS = 30000 }; /* gateways on thin lines */

/* One stage's routes for one listener. */
struct source {
    struct http_table (*table)(struct reader *r);
};

static struct http_table
door_staff(struct reader *r)
{
    return door_staff_table(r->door);
}

static struct http_table
door_assets(struct reader *r)
{
    return door_assets_table(r->door);
}

static struct http_table
door_patient(struct reader *r)
{
    return door_patient_table(r->door);
}

static struct http_table
assign_staff(struct reader *r)
{
    return assign_table(r->assign);
}

static struct http_table
compose_staff(struct reader *r)
{
    return compose_table(r->compose);
}

static struct http_table
patient_own(struct reader *r)
{
    return patient_table(r->patient_door);
}

static struct http_table
deliver_staff(struct reader *r)
{
    return deliver_staff_table(r->deliver);
}

static struct http_table
deliver_link(struct reader *r)
{
    return deliver_link_table(r->deliver);
}

static const struct source staff_tables[] = {
    {door_staff}, {assign_staff}, {compose_staff}, {deliver_staff}, {door_assets}};
static const struct source patient_tables[] = {{patient_own}, {door_patient}, {door_assets}};
static const struct source link_tables[] = {{deliver_link}};

static int
listen_with(struct reader *r, const struct source *tables, size_t count, struct http_options *o,
            struct http_server **out, struct err *err)
{
    struct http_table all[TABLES_MAX];

    CHECK(count <= TABLES_MAX);
    for (size_t i = 0; i < count; i++)
        all[i] = tables[i].table(r);
    o->tables = all;
    o->table_count = count;
    return http_server_start(o, out, err);
}

static void
use_web_tls(const struct reader *r, struct http_options *o)
{
    const struct reader_config *c = &r->config;

    if (!c->web_tls)
        return;
    o->certificate = c->web_certificate[0] != '\0' ? c->web_certificate : r->identity.certificate;
    o->key = c->web_key[0] != '\0' ? c->web_key : r->identity.key;
}

int
reader_start_staff(struct reader *r, struct err *err)
{
    struct http_options o = {.address = r->config.staff_address,
                             .port = (uint16_t)r->config.staff_port,
                             .connections = STAFF_CONNECTIONS,
                             .connections_each = STAFF_CONNECTIONS / 4,
                             .name = "reader/staff",
                             .hosts = r->config.staff_names,
                             .authorise = people_authorise,
                             .authorise_user = r->people};

    use_web_tls(r, &o);
    return listen_with(r, staff_tables, ARRAY_LEN(staff_tables), &o, &r->staff, err);
}

static int
authorise_patient(void *user, const char *bearer, struct http_caller *caller, struct err *err)
{
    if (caller->kind != HTTP_PATIENT || bearer == NULL)
        return err_set(err, ERR_DENIED, "no session");
    return patient_authorise(user, bearer, caller, err);
}

int
reader_start_patient(struct reader *r, struct err *err)
{
    struct http_options o = {.address = r->config.patient_address,
                             .port = (uint16_t)r->config.patient_port,
                             .connections = PATIENT_CONNECTIONS,
                             .connections_each = PATIENT_CONNECTIONS / 4,
                             .name = "reader/patient",
                             .hosts = r->config.patient_names,
                             .authorise = authorise_patient,
                             .authorise_user = r->patient_door};

    use_web_tls(r, &o);
    return listen_with(r, patient_tables, ARRAY_LEN(patient_tables), &o, &r->patient, err);
}

int
reader_start_link(struct reader *r, struct err *err)
{
    struct http_options o = {.address = r->config.link_address,
                             .port = (uint16_t)r->config.link_port,
                             .certificate = r->identity.certificate,
                             .key = r->identity.key,
                             .client_ca = r->identity.ca,
                             .connections = LINK_CONNECTIONS,
                             .first_ms = LINK_FIRST_MS,
                             .name = "reader/link",
                             .authorise = deliver_link_authorise,
                             .authorise_user = r->deliver};

    return listen_with(r, link_tables, ARRAY_LEN(link_tables), &o, &r->link, err);
}

void
reader_stop_listeners(struct reader *r)
{
    http_server_stop(&r->link);
    http_server_stop(&r->patient);
    http_server_stop(&r->staff);
}
