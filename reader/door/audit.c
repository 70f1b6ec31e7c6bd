/* audit.c - the audit trail, for those who oversee: what concerns their organisation and those
 * below it, the latest first. That somebody read it is an entry too. */
#include "reader/door/door_own.h"

#include "proto/base/clock.h"
#include "proto/base/text.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { ENTRIES = 100, ENTRIES_MOST = 1000, DAYS_BACK = 31, ORGS = 64, ACTORS = 64 };

/* Whether an organisation is the caller's to see; asked once each. */
struct org_answer {
    char code[ASSIGN_CODE];
    bool is_within;
};

/* Who has a login; asked once each. */
struct actor {
    char login[PEOPLE_LOGIN], name[PEOPLE_NAME]; /* "" nobody has it: a device, an old account */
};

struct trail {
    struct pg_conn *conn;
    struct person caller;
    const char *study, *login; /* NULL: any */
    struct org_answer orgs[ORGS];
    size_t org_count;
    struct actor actors[ACTORS];
    size_t actor_count;
    /* the latest entries of a day, as a ring */
    char *ring[ENTRIES_MOST];
    size_t limit, seen, written;
    struct jsonw w;
    struct err err;
    int rc;
};

static int
is_within(struct trail *t, const char *code, bool *out)
{
    for (size_t i = 0; i < t->org_count; i++)
        if (strcmp(t->orgs[i].code, code) == 0) {
            *out = t->orgs[i].is_within;
            return 0;
        }
    if (assign_org_is_within(t->conn, code, t->caller.org, out, &t->err) < 0)
        return -1;
    if (t->org_count < ORGS) {
        text_copy(t->orgs[t->org_count].code, ASSIGN_CODE, code);
        t->orgs[t->org_count++].is_within = *out;
    }
    return 0;
}

/* An entry that names no organisation is about the service, or about somebody nobody knows; one of
 * a study or a read is somebody's, and is not shown where it does not say whose. */
static int
is_theirs(struct trail *t, const struct json *o, bool *out)
{
    static const char *const keys[] = {"of", "tenant"};
    bool has_org = false;

    *out = false;
    for (size_t i = 0; i < ARRAY_LEN(keys) && !*out; i++) {
        const char *org = json_as_text(json_find(o, keys[i]));

        if (org == NULL)
            continue;
        has_org = true;
        if (is_within(t, org, out) < 0)
            return -1;
    }
    *out = *out || (!has_org && json_find(o, "study") == NULL && json_find(o, "read") == NULL);
    return 0;
}

static const char *
first_of(const struct json *o, const char *const *keys, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        const char *text = json_as_text(json_find(o, keys[i]));

        if (text != NULL)
            return text;
    }
    return NULL;
}

static const char *
actor_of(const struct json *o)
{
    static const char *const keys[] = {"by", "account", "doctor", "device", "ae"};

    return first_of(o, keys, ARRAY_LEN(keys));
}

static const char *
subject_of(const struct json *o)
{
    static const char *const keys[] = {"study", "account", "read", "registration", "what"};

    return first_of(o, keys, ARRAY_LEN(keys));
}

static bool
is_asked_for(const struct trail *t, const struct json *o)
{
    const char *event = json_as_text(json_find(o, "event"));
    const char *study = json_as_text(json_find(o, "study")), *actor = actor_of(o);

    if (event == NULL || strcmp(event, "AUDIT_SEALED") == 0)
        return false;
    return (t->study == NULL || (study != NULL && strcmp(study, t->study) == 0)) &&
           (t->login == NULL || (actor != NULL && strcmp(actor, t->login) == 0));
}

static int
on_entry(void *user, const char *json, size_t n)
{
    struct trail *t = user;
    struct json_doc *doc = NULL;
    struct err err = {0};
    bool theirs = false;

    if (json_parse(json, n, &doc, &err) < 0)
        return 0; /* audit_verify() names it */
    if (is_asked_for(t, json_root(doc)) && is_theirs(t, json_root(doc), &theirs) < 0)
        t->rc = -1;
    json_free(&doc);
    if (theirs) {
        char **at = &t->ring[t->seen++ % t->limit];

        free(*at);
        *at = mem_printf("%.*s", (int)n, json);
    }
    return t->rc;
}

/* NULL: a device's, or one that names nobody. */
static const char *
login_of(const struct json *o)
{
    static const char *const keys[] = {"by", "account", "doctor"};

    return first_of(o, keys, ARRAY_LEN(keys));
}

/* "" where nobody has that login. */
static int
find_name(struct trail *t, const char *login, char out[PEOPLE_NAME])
{
    struct person who;

    for (size_t i = 0; i < t->actor_count; i++)
        if (strcmp(t->actors[i].login, login) == 0) {
            text_copy(out, PEOPLE_NAME, t->actors[i].name);
            return 0;
        }
    if (people_find(t->conn, login, &who, &t->err) == 0)
        text_copy(out, PEOPLE_NAME, who.name);
    else if (t->err.kind == ERR_NOT_FOUND)
        out[0] = '\0';
    else
        return -1;
    if (t->actor_count < ACTORS && strlen(login) < PEOPLE_LOGIN) {
        struct actor *a = &t->actors[t->actor_count++];

        text_copy(a->login, sizeof a->login, login);
        text_copy(a->name, sizeof a->name, out);
    }
    return 0;
}

static int
write_entry(struct trail *t, const char *text)
{
    struct json_doc *doc = NULL;
    struct err err = {0};
    const struct json *o;
    const char *event, *login;
    char name[PEOPLE_NAME] = "";

    if (json_parse(text, strlen(text), &doc, &err) < 0)
        return 0;
    o = json_root(doc);
    login = login_of(o);
    if (login != NULL && find_name(t, login, name) < 0) {
        json_free(&doc);
        return -1;
    }
    event = json_as_text(json_find(o, "event"));
    jsonw_object(&t->w, NULL);
    jsonw_text(&t->w, "at", json_as_text(json_find(o, "at")));
    jsonw_text(&t->w, "event", event);
    jsonw_text(&t->w, "sentence", audit_sentence(event));
    jsonw_text(&t->w, "actor", actor_of(o));
    jsonw_text(&t->w, "actor_name", name[0] != '\0' ? name : NULL);
    jsonw_text(&t->w, "subject", subject_of(o));
    jsonw_raw(&t->w, "entry", text, strlen(text));
    jsonw_end(&t->w);
    t->written++;
    json_free(&doc);
    return 0;
}

/* One day's, the latest first, as many as are still wanted. */
static int
write_day(struct trail *t, const struct audit *audit, const char *date, struct err *err)
{
    size_t n;
    int rc;

    t->seen = 0;
    rc = audit_day(audit, date, on_entry, t, err);
    if (rc < 0 && err->kind == ERR_NOT_FOUND) {
        err_clear(err);
        return 0;
    }
    if (t->rc < 0) {
        *err = t->err;
        return -1;
    }
    n = t->seen < t->limit ? t->seen : t->limit;
    for (size_t i = 0; i < n && t->written < t->limit; i++)
        if (write_entry(t, t->ring[(t->seen - 1 - i) % t->limit]) < 0) {
            *err = t->err;
            return -1;
        }
    return rc;
}

static int
write_days(struct trail *t, const struct audit *audit, const char *date, struct err *err)
{
    char day[40];

    if (date != NULL)
        return write_day(t, audit, date, err);
    for (int64_t back = 0; back < DAYS_BACK && t->written < t->limit; back++) {
        clock_text(clock_wall_us() - back * 86400 * 1000000, day);
        day[10] = '\0';
        if (write_day(t, audit, day, err) < 0)
            return -1;
    }
    return 0;
}

static int
note_reading(struct door *door, struct http_request *req, const struct person *caller,
             struct err *err)
{
    return audit_append(door->options.audit, err, AUDIT_AUDIT_READ, A_WORD("by", caller->login),
                        A_WORD("of", caller->org), A_WORD("peer", http_peer(req)));
}

static size_t
limit_of(const struct http_request *req)
{
    const char *text = http_query(req, "limit");
    uint64_t n = 0;

    if (text == NULL || text_to_u64(text, UINT64_MAX, &n) < 0 || n == 0)
        return ENTRIES;
    return n < ENTRIES_MOST ? (size_t)n : ENTRIES_MOST;
}

int
door_get_audit(struct http_request *req, struct http_response *res, struct err *err)
{
    struct door *door = http_user(req);
    struct trail *t;
    struct buf b;
    int rc = -1;

    if (door->options.audit == NULL)
        return err_set(err, ERR_RETRY, "no audit trail");
    t = mem_new(sizeof *t);
    t->study = http_query(req, "study");
    t->login = http_query(req, "login");
    t->limit = limit_of(req);
    buf_init(&b, DOOR_ANSWER_BYTES);
    jsonw_init(&t->w, &b);
    jsonw_object(&t->w, NULL);
    jsonw_array(&t->w, "entries");
    if (pg_get(door->options.pg, &t->conn, err) < 0 ||
        people_of_caller(t->conn, http_caller(req), &t->caller, err) < 0 ||
        note_reading(door, req, &t->caller, err) < 0 ||
        write_days(t, door->options.audit, http_query(req, "date"), err) < 0)
        goto out;
    jsonw_end(&t->w);
    jsonw_end(&t->w);
    door_answer(res, 200, &b);
    rc = 0;
out:
    pg_put(&t->conn);
    buf_fini(&b);
    for (size_t i = 0; i < ENTRIES_MOST; i++)
        free(t->ring[i]);
    free(t);
    return rc;
}
