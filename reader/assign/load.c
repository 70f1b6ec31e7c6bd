/* load.c - master data from a file (docs/formats/load.md): all of it in one transaction, or none.
 */
#include "reader/assign/assign_own.h"

#include "proto/base/clock.h"
#include "proto/base/text.h"
#include "proto/http/json.h"
#include "proto/trust/digest.h"

#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum {
    MOST_ROWS = 100000,
    MOST_WORDS = 64,
    CODE_BYTES = 64,
    NAME_BYTES = 128,
    MODALITY_BYTES = 16,
    MOST_MINUTES = 60 * 24 * 60
};

struct load {
    struct pg_conn *conn;
    bool is_demo;
    struct assign_loaded *out;
};

/* ---- values ---- */
static bool
is_code(const char *text)
{
    for (const char *p = text; *p != '\0'; p++)
        if (!isalnum((unsigned char)*p) && strchr("._-", *p) == NULL)
            return false;
    return text[0] != '\0';
}

static int
get_code(const struct json *o, const char *key, const char **out, struct err *err)
{
    if (json_text(o, key, CODE_BYTES, out, err) < 0)
        return -1;
    return is_code(*out) ? 0 : err_set(err, ERR_REJECT, "%s: letters, digits, '.', '_', '-'", key);
}

static int
get_name(const struct json *o, const char *key, const char **out, struct err *err)
{
    if (json_text(o, key, NAME_BYTES, out, err) < 0)
        return -1;
    return (*out)[0] != '\0' ? 0 : err_set(err, ERR_REJECT, "%s: empty", key);
}

/* "2026-01-31" is its first moment in UTC, or its end when it ends something;
 * "2026-01-31T08:00:00Z" is itself. */
static int
get_time(const struct json *o, const char *key, bool is_end, int64_t *out_us, struct err *err)
{
    struct tm tm = {0};
    const char *text, *rest;
    int64_t seconds;

    if (json_text(o, key, 32, &text, err) < 0)
        return -1;
    rest = strptime(text, "%Y-%m-%d", &tm);
    if (rest != NULL && *rest == 'T')
        rest = strptime(rest, "T%H:%M:%SZ", &tm);
    else
        is_end = is_end && rest != NULL;
    if (rest == NULL || *rest != '\0')
        return err_set(err, ERR_REJECT, "%s: 2026-01-31 or 2026-01-31T08:00:00Z is due", key);
    seconds = (int64_t)timegm(&tm);
    if (is_end && strchr(text, 'T') == NULL)
        seconds += 24 * 60 * 60;
    *out_us = seconds * 1000000;
    return 0;
}

static int
get_span(const struct json *o, int64_t *out_from, int64_t *out_until, struct err *err)
{
    if (get_time(o, "valid_from", false, out_from, err) < 0 ||
        get_time(o, "valid_until", true, out_until, err) < 0)
        return -1;
    return *out_from < *out_until ? 0 : err_set(err, ERR_REJECT, "valid_until: before valid_from");
}

/* A list of words that check() likes; out_array is the caller's (free). */
static int
get_words(const struct json *o, const char *key, const char *words[MOST_WORDS], size_t *out_n,
          struct err *err)
{
    const struct json *list;

    if (json_list(o, key, MOST_WORDS, &list, err) < 0)
        return -1;
    *out_n = json_length(list);
    for (size_t i = 0; i < *out_n; i++) {
        words[i] = json_as_text(json_at(list, i));
        if (words[i] == NULL || strlen(words[i]) > CODE_BYTES || !is_code(words[i]))
            return err_set(err, ERR_REJECT, "%s: codes are due", key);
    }
    return 0;
}

static int
get_modalities(const struct json *o, char **out_array, struct err *err)
{
    const char *words[MOST_WORDS];
    size_t n;

    if (get_words(o, "modalities", words, &n, err) < 0)
        return -1;
    if (n == 0)
        return err_set(err, ERR_REJECT, "modalities: at least one");
    for (size_t i = 0; i < n; i++)
        if (strlen(words[i]) > MODALITY_BYTES)
            return err_set(err, ERR_REJECT, "modalities: DICOM's words are due (CT, DX)");
    *out_array = pg_array_text(words, n);
    return 0;
}

/* ---- organisations ---- */
static int
load_org(struct load *l, const struct json *o, struct err *err)
{
    static const char *const kinds[] = {"province", "city", "county", "township"};
    const char *code, *name, *kind, *parent = NULL;
    const struct json *above = json_find(o, "parent");
    bool is_kind = false;

    if (get_code(o, "code", &code, err) < 0 || get_name(o, "name", &name, err) < 0 ||
        json_text(o, "kind", 16, &kind, err) < 0 ||
        (!json_is_null(above) && get_code(o, "parent", &parent, err) < 0))
        return -1;
    for (size_t i = 0; i < ARRAY_LEN(kinds); i++)
        is_kind |= strcmp(kind, kinds[i]) == 0;
    if (!is_kind)
        return err_set(err, ERR_REJECT, "kind: province, city, county or township");
    l->out->organisations++;
    return pg_run(l->conn, "load_org",
                  PG_ARGS(PG_TEXT(code), PG_TEXT(name), PG_TEXT(kind), PG_TEXT(parent), PG_TEXT(""),
                          PG_INT(clock_wall_us())),
                  NULL, err);
}

/* After all of them: every one hangs below a root. */
static int
settle_tree(struct load *l, struct err *err)
{
    struct pg_rows *rows = NULL;
    int rc = 0;

    if (pg_run(l->conn, "load_orphan", PG_NO_ARGS, &rows, err) < 0)
        return -1;
    if (pg_rows_count(rows) > 0)
        rc = err_set(err, ERR_REJECT, "organisations: the parent of %s is not there",
                     pg_text(rows, 0, 0));
    pg_rows_free(&rows);
    if (rc < 0 || pg_run(l->conn, "load_circle", PG_NO_ARGS, &rows, err) < 0)
        return -1;
    if (pg_rows_count(rows) > 0)
        rc = err_set(err, ERR_REJECT, "organisations: %s is above itself", pg_text(rows, 0, 0));
    pg_rows_free(&rows);
    return rc < 0 ? -1 : pg_run(l->conn, "load_paths", PG_NO_ARGS, NULL, err);
}

static int
check_org(struct load *l, const char *key, const char *code, struct err *err)
{
    char name[ASSIGN_TEXT];

    if (assign_org_name(l->conn, code, name, err) == 0)
        return 0;
    return err->kind == ERR_NOT_FOUND
               ? err_set(err, ERR_REJECT, "%s: no organisation %s", key, code)
               : -1;
}

/* ---- accounts ---- */
static int
get_roles(const struct json *o, unsigned *out, struct err *err)
{
    const char *words[MOST_WORDS];
    size_t n;

    if (get_words(o, "roles", words, &n, err) < 0)
        return -1;
    *out = 0;
    for (size_t i = 0; i < n; i++) {
        unsigned role = people_role_of(words[i]);

        if (role == 0)
            return err_set(err, ERR_REJECT, "roles: no role %s", words[i]);
        *out |= role;
    }
    return *out != 0 ? 0 : err_set(err, ERR_REJECT, "roles: at least one");
}

static int
load_account(struct load *l, const struct json *o, struct err *err)
{
    struct people_new account = {0};
    const struct json *password = json_find(o, "password");
    int64_t id;

    if (get_name(o, "login", &account.login, err) < 0 ||
        get_name(o, "name", &account.name, err) < 0 ||
        get_code(o, "organisation", &account.org, err) < 0 ||
        check_org(l, "organisation", account.org, err) < 0 ||
        get_roles(o, &account.roles, err) < 0 ||
        (!json_is_null(password) && get_name(o, "password", &account.password, err) < 0))
        return -1;
    account.is_demo = account.password != NULL;
    if (account.is_demo && !l->is_demo)
        return err_set(err, ERR_REJECT,
                       "password: only where the configuration says demo = yes; others set their "
                       "own by invitation");
    l->out->accounts++;
    return people_put(l->conn, &account, &id, err);
}

/* ---- doctors ---- */
static int
load_affiliations(struct load *l, const char *login, const struct json *o, struct err *err)
{
    const char *orgs[MOST_WORDS];
    size_t n;

    if (get_words(o, "organisations", orgs, &n, err) < 0 ||
        pg_run(l->conn, "load_unaffiliate", PG_ARGS(PG_TEXT(login)), NULL, err) < 0)
        return -1;
    if (n == 0)
        return err_set(err, ERR_REJECT, "organisations: at least one");
    for (size_t i = 0; i < n; i++)
        if (check_org(l, "organisations", orgs[i], err) < 0 ||
            pg_run(l->conn, "load_affiliate", PG_ARGS(PG_TEXT(login), PG_TEXT(orgs[i]), PG_INT(i)),
                   NULL, err) < 0)
            return -1;
    return 0;
}

static int
load_doctor(struct load *l, const struct json *o, struct err *err)
{
    const char *login, *licence;
    struct person person;
    char *modalities = NULL;
    int64_t from, until;
    bool is_on_duty;
    int rc = -1;

    if (get_name(o, "login", &login, err) < 0 || get_code(o, "licence", &licence, err) < 0 ||
        get_span(o, &from, &until, err) < 0 || json_truth(o, "is_on_duty", &is_on_duty, err) < 0 ||
        get_modalities(o, &modalities, err) < 0)
        goto out;
    if (people_find(l->conn, login, &person, err) < 0) {
        if (err->kind == ERR_NOT_FOUND)
            err_set(err, ERR_REJECT, "login: no account %s", login);
        goto out;
    }
    if (pg_run(l->conn, "load_doctor",
               PG_ARGS(PG_TEXT(person.login), PG_TEXT(person.name), PG_TEXT(licence), PG_INT(from),
                       PG_INT(until), PG_TEXT(modalities), PG_BOOL(is_on_duty),
                       PG_INT(clock_wall_us())),
               NULL, err) < 0)
        goto out;
    l->out->doctors++;
    rc = load_affiliations(l, person.login, o, err);
out:
    free(modalities);
    return rc;
}

/* ---- agreements ---- */
struct agreement {
    const char *code, *inviting, *invited;
    uint64_t version, routine_min, emergency_min;
    const char *modalities[MOST_WORDS];
    size_t modality_n;
    int64_t from_us, until_us;
    bool may_read_alone;
};

static int
by_text(const void *a, const void *b)
{
    const char *const *x = a, *const *y = b;

    return strcmp(*x, *y);
}

static int
read_agreement(const struct json *o, struct agreement *a, struct err *err)
{
    const struct json *minutes = json_find(o, "turnaround_minutes");

    if (get_code(o, "code", &a->code, err) < 0 ||
        json_u64(o, "version", INT32_MAX, &a->version, err) < 0 ||
        get_code(o, "inviting", &a->inviting, err) < 0 ||
        get_code(o, "invited", &a->invited, err) < 0 ||
        get_words(o, "modalities", a->modalities, &a->modality_n, err) < 0 ||
        get_span(o, &a->from_us, &a->until_us, err) < 0 ||
        json_truth(o, "may_read_alone", &a->may_read_alone, err) < 0)
        return -1;
    if (!json_is_object(minutes) ||
        json_u64(minutes, "routine", MOST_MINUTES, &a->routine_min, err) < 0 ||
        json_u64(minutes, "emergency", MOST_MINUTES, &a->emergency_min, err) < 0)
        return err_set(err, ERR_REJECT, "turnaround_minutes: routine and emergency are due");
    if (a->version == 0 || a->modality_n == 0 || a->routine_min == 0 || a->emergency_min == 0)
        return err_set(err, ERR_REJECT, "version, modalities and minutes are at least one");
    qsort(a->modalities, a->modality_n, sizeof a->modalities[0], by_text);
    return 0;
}

/* Sorted keys, no blanks: the same agreement is the same bytes. */
static void
canonical(const struct agreement *a, struct buf *out)
{
    struct jsonw w;

    jsonw_init(&w, out);
    jsonw_object(&w, NULL);
    jsonw_text(&w, "code", a->code);
    jsonw_text(&w, "format", "radpost.agreement/1");
    jsonw_text(&w, "invited", a->invited);
    jsonw_text(&w, "inviting", a->inviting);
    jsonw_bool(&w, "may_read_alone", a->may_read_alone);
    jsonw_array(&w, "modalities");
    for (size_t i = 0; i < a->modality_n; i++)
        jsonw_text(&w, NULL, a->modalities[i]);
    jsonw_end(&w);
    jsonw_object(&w, "turnaround_minutes");
    jsonw_uint(&w, "emergency", a->emergency_min);
    jsonw_uint(&w, "routine", a->routine_min);
    jsonw_end(&w);
    jsonw_time(&w, "valid_from", a->from_us);
    jsonw_time(&w, "valid_until", a->until_us);
    jsonw_uint(&w, "version", a->version);
    jsonw_end(&w);
}

static int
put_agreement(struct load *l, const struct agreement *a, const char *text, const uint8_t *sha256,
              struct err *err)
{
    char *modalities = pg_array_text(a->modalities, a->modality_n);
    int rc = pg_run(l->conn, "load_agreement",
                    PG_ARGS(PG_TEXT(a->code), PG_INT(a->version), PG_TEXT(a->inviting),
                            PG_TEXT(a->invited), PG_TEXT(modalities), PG_INT(a->from_us),
                            PG_INT(a->until_us), PG_INT(a->routine_min * 60000000),
                            PG_INT(a->emergency_min * 60000000), PG_BOOL(a->may_read_alone),
                            PG_TEXT(text), PG_BYTES(sha256, DIGEST_BYTES)),
                    NULL, err);

    free(modalities);
    return rc;
}

/* A signature binds a version: what it says may not change afterwards. */
static int
check_same(struct load *l, const struct agreement *a, const uint8_t *sha256, struct err *err)
{
    struct pg_rows *rows = NULL;
    uint8_t kept[DIGEST_BYTES];
    int rc = 0;

    if (pg_run(l->conn, "load_agreement_is", PG_ARGS(PG_TEXT(a->code), PG_INT(a->version)), &rows,
               err) < 0)
        return -1;
    pg_copy_bytes(rows, 0, 0, kept, sizeof kept);
    if (memcmp(kept, sha256, sizeof kept) != 0)
        rc = err_set(err, ERR_CONFLICT,
                     "agreement %s version %llu is there already and says something else: give it "
                     "a new version",
                     a->code, (unsigned long long)a->version);
    pg_rows_free(&rows);
    return rc;
}

static int
load_agreement(struct load *l, const struct json *o, struct err *err)
{
    struct agreement a = {0};
    uint8_t sha256[DIGEST_BYTES];
    struct buf text;
    int rc = -1;

    buf_init(&text, 65536);
    if (read_agreement(o, &a, err) < 0 || check_org(l, "inviting", a.inviting, err) < 0 ||
        check_org(l, "invited", a.invited, err) < 0)
        goto out;
    canonical(&a, &text);
    digest_bytes(text.bytes, text.n, sha256);
    if (put_agreement(l, &a, buf_text(&text), sha256, err) < 0 ||
        check_same(l, &a, sha256, err) < 0)
        goto out;
    l->out->agreements++;
    rc = 0;
out:
    buf_fini(&text);
    return rc;
}

/* ---- the file ---- */
static int
load_list(struct load *l, const struct json *root, const char *key,
          int (*load_one)(struct load *l, const struct json *o, struct err *err), struct err *err)
{
    const struct json *list = json_find(root, key);

    if (json_is_null(list))
        return 0;
    if (!json_is_array(list) || json_length(list) > MOST_ROWS)
        return err_set(err, ERR_REJECT, "%s: a list is due", key);
    for (size_t i = 0; i < json_length(list); i++)
        if (load_one(l, json_at(list, i), err) < 0)
            return err_context(err, "%s[%zu]", key, i);
    return 0;
}

static int
check_keys(const struct json *root, struct err *err)
{
    static const char *const known[] = {"organisations", "accounts", "doctors", "agreements"};

    if (!json_is_object(root))
        return err_set(err, ERR_REJECT, "an object is due");
    for (const void *m = json_member_first(root); m != NULL; m = json_member_next(root, m)) {
        bool is_known = false;

        for (size_t i = 0; i < ARRAY_LEN(known); i++)
            is_known |= strcmp(json_member_key(m), known[i]) == 0;
        if (!is_known)
            return err_set(err, ERR_REJECT, "%.40s: no such list", json_member_key(m));
    }
    return 0;
}

static int
load_all(struct load *l, const struct json *root, struct err *err)
{
    if (check_keys(root, err) < 0 || pg_run(l->conn, "load_lock", PG_NO_ARGS, NULL, err) < 0 ||
        load_list(l, root, "organisations", load_org, err) < 0 || settle_tree(l, err) < 0 ||
        load_list(l, root, "accounts", load_account, err) < 0 ||
        load_list(l, root, "doctors", load_doctor, err) < 0 ||
        load_list(l, root, "agreements", load_agreement, err) < 0)
        return -1;
    return pg_run(l->conn, "choose_again", PG_NO_ARGS, NULL, err);
}

int
assign_load(struct pg *pg, const void *json, size_t n, bool is_demo, struct assign_loaded *out,
            struct err *err)
{
    struct assign_loaded loaded = {0};
    struct load l = {.is_demo = is_demo, .out = &loaded};
    struct json_doc *doc = NULL;
    int rc = -1;

    if (json_parse(json, n, &doc, err) == 0 && pg_get(pg, &l.conn, err) == 0 &&
        pg_begin(l.conn, err) == 0 && load_all(&l, json_root(doc), err) == 0 &&
        pg_commit(l.conn, err) == 0) {
        *out = loaded;
        rc = 0;
    }
    pg_put(&l.conn);
    json_free(&doc);
    return rc;
}
