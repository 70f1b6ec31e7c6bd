/* report_world.c - reports on top of read_world. */
#include "tests/support/report_world.h"

#include "proto/base/clock.h"
#include "proto/base/text.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

struct report_archive report_archive;

static char stored[256][65];

static void
check(int rc, const struct err *err)
{
    if (rc < 0)
        fail_msg("%s", err->text);
}

/* ---- the archive ---- */

static int
fake_manifest(struct archive *archive, const char *tenant, const char *study, uint32_t revision,
              struct buf *out, struct err *err)
{
    bool is_old = revision > 0 && revision < report_archive.revision;
    unsigned count = is_old ? report_archive.before : report_archive.instances;
    struct jsonw w;

    (void)archive;
    (void)tenant;
    if (report_archive.is_away)
        return err_set(err, ERR_RETRY, "the archive is away");
    if (report_archive.revision == 0)
        return err_set(err, ERR_NOT_FOUND, "nothing is closed");
    jsonw_init(&w, out);
    jsonw_object(&w, NULL);
    jsonw_text(&w, "study", study);
    jsonw_uint(&w, "revision", is_old ? revision : report_archive.revision);
    jsonw_text(&w, "closed_at", "2026-01-31T10:11:12.000000Z");
    jsonw_array(&w, "instances");
    for (unsigned i = 0; i < count; i++) {
        bool is_whole = (int)i != report_archive.not_whole;
        uint8_t pixels[32], dataset[32];
        char uid[65];

        memset(pixels, (int)i, sizeof pixels);
        memset(dataset, 100 + (int)i, sizeof dataset);
        snprintf(uid, sizeof uid, "%.40s.1.%u", study, 100 + i);
        jsonw_object(&w, NULL);
        jsonw_text(&w, "sop_instance", uid);
        jsonw_text(&w, "sop_class", "1.2.840.10008.5.1.4.1.1.2");
        snprintf(uid, sizeof uid, "%.40s.1", study);
        jsonw_text(&w, "series", uid);
        jsonw_hex(&w, "object", pixels, 32);
        jsonw_hex(&w, "pixels", pixels, is_whole ? 32 : 0);
        jsonw_hex(&w, "dataset", dataset, is_whole ? 32 : 0);
        jsonw_bool(&w, "is_whole", is_whole);
        jsonw_end(&w);
    }
    jsonw_end(&w);
    jsonw_end(&w);
    return 0;
}

static int
fake_standing(struct archive *archive, const char *tenant, const char *study,
              struct archive_standing *out, struct err *err)
{
    (void)archive;
    (void)tenant;
    (void)study;
    (void)err;
    *out = (struct archive_standing){.offered = report_archive.instances +
                                                (report_archive.is_open ? 1 : 0),
                                     .whole = report_archive.instances,
                                     .announced = report_archive.announced,
                                     .expected = report_archive.instances,
                                     .revision = report_archive.revision,
                                     .gone = report_archive.gone,
                                     .last_at_us = clock_wall_us() - report_archive.silent_us};
    return 0;
}

/* The image that is not whole is on the list no more. */
static int
fake_gone(struct archive *archive, const char *tenant, const char *study,
          const struct archive_gone *said, struct err *err)
{
    (void)archive;
    (void)tenant;
    (void)study;
    if (report_archive.not_whole < 0 || said->images != 1)
        return err_set(err, ERR_CONFLICT, "other images are missing by now");
    report_archive.gone = *said;
    report_archive.before = report_archive.instances--;
    report_archive.not_whole = -1;
    report_archive.revision++;
    return 0;
}

static int
fake_facts(struct archive *archive, const char *tenant, const char *study,
           struct archive_study *out, struct err *err)
{
    (void)archive;
    (void)tenant;
    (void)err;
    memset(out, 0, sizeof *out);
    text_copy(out->study, sizeof out->study, study);
    text_copy(out->study_id, sizeof out->study_id, "S1");
    return 0;
}

/* The SOP Instance UID of an explicit Part 10 file: the last one named in it is the object's own
 * name in its meta header (0002,0003). */
static void
uid_of(const struct archive_file *f, char out[65])
{
    static const uint8_t tag[] = {0x02, 0x00, 0x03, 0x00, 'U', 'I'};
    const uint8_t *at = memmem(f->bytes, f->n, tag, sizeof tag);
    size_t n;

    assert_non_null(at);
    n = le16_read(at + 6);
    assert_true(n < 65);
    memcpy(out, at + 8, n);
    out[n] = '\0';
}

static int
fake_stow(struct archive *archive, const char *tenant, const char *study,
          const struct archive_file *files, size_t count, struct err *err)
{
    enum err_kind fails = report_archive.stow_fails;

    (void)archive;
    (void)tenant;
    (void)study;
    report_archive.stows++;
    for (size_t i = 0; i < count; i++) {
        char uid[65];
        size_t k = 0;

        uid_of(&files[i], uid);
        while (k < report_archive.stored && strcmp(stored[k], uid) != 0)
            k++;
        if (k == report_archive.stored) {
            assert_true(k < ARRAY_LEN(stored));
            text_copy(stored[report_archive.stored++], 65, uid);
        }
    }
    text_copy(report_archive.first_stored, 65, stored[0]);
    report_archive.stow_fails = ERR_NONE;
    return fails == ERR_NONE ? 0 : err_set(err, fails, "the archive fails as it was told");
}

/* ---- the world ---- */

static void
open_compose(struct report_world *w)
{
    struct compose_options o = {
        .pg = w->reads.pg, .data_dir = w->folder, .patient_url = "https://report.example"};
    struct err err;

    check(compose_open(&o, &w->compose, &err), &err);
}

void
report_world_open(struct report_world *w, struct pg_cluster *cluster, const char *database)
{
    folder_make("report", w->folder);
    read_world_open(&w->reads, cluster, database);
    report_archive =
        (struct report_archive){.instances = 2, .before = 2, .revision = 1, .not_whole = -1};
    compose_fetch_manifest = fake_manifest;
    compose_fetch_standing = fake_standing;
    compose_fetch_facts = fake_facts;
    compose_tell_gone = fake_gone;
    compose_stow = fake_stow;
    open_compose(w);
}

void
report_world_reopen(struct report_world *w)
{
    compose_close(&w->compose);
    open_compose(w);
}

void
report_world_back_up(struct report_world *w, const char *name)
{
    compose_close(&w->compose);
    read_world_back_up(&w->reads, name);
    open_compose(w);
}

void
report_world_put_back(struct report_world *w, const char *name)
{
    compose_close(&w->compose);
    read_world_put_back(&w->reads, name);
    open_compose(w);
}

void
report_world_close(struct report_world *w)
{
    compose_close(&w->compose);
    read_world_close(&w->reads);
    folder_remove(w->folder);
}

int64_t
report_world_study(struct report_world *w, const char *tenant, const char *study)
{
    struct read_row *row = mem_new(sizeof *row);
    int64_t read;

    read_world_closes(&w->reads, tenant, study, 1, report_archive.instances);
    read_world_settle(&w->reads);
    read_world_read(&w->reads, tenant, study, row);
    read = row->read_id;
    free(row);
    return read;
}

/* ---- steps ---- */

static struct http_caller
caller_of(const char *login)
{
    struct http_caller caller = {.kind = HTTP_STAFF};

    text_copy(caller.device, sizeof caller.device, login);
    return caller;
}

static int
result_of(int rc, const struct act *a, const struct err *err)
{
    if (rc == 0)
        return 0;
    if (getenv("REPORT_WORLD_TALKS") != NULL)
        fprintf(stderr, "%s\n", err->text);
    return a->why != REFUSE_NOTHING ? (int)a->why : -(int)err->kind;
}

int
report_claim(struct report_world *w, const char *login, int64_t read)
{
    struct pg_conn *conn = NULL;
    struct err err;
    int rc = -1;

    if (pg_get(w->reads.pg, &conn, &err) == 0 && pg_begin(conn, &err) == 0 &&
        assign_advance(conn, read, login, READ_SAW_CLAIM, NULL, &err) == 0)
        rc = pg_commit(conn, &err);
    pg_put(&conn);
    return rc < 0 ? -(int)err.kind : 0;
}

static int
shown(struct report_world *w, const char *login, int64_t read, unsigned from, unsigned to,
      bool is_proved)
{
    struct http_caller caller = caller_of(login);
    struct json_doc *doc = NULL;
    struct act a = {0};
    struct err err;
    char json[400] = "[";
    int rc;

    rc = act_look(w->compose, &caller, read, ASSIGN_SEE, &a, &err);
    if (rc == 0) {
        for (unsigned i = from; i < to; i++) {
            size_t n = strlen(json);

            snprintf(json + n, sizeof json - n, "%s\"%.40s.1.%u\"%s", i > from ? "," : "",
                     a.row->study, 100 + i, i + 1 == to ? "]" : "");
        }
        check(json_parse(json, strlen(json), &doc, &err), &err);
        rc = shown_put(&a, is_proved ? NULL : json_root(doc), is_proved ? json_root(doc) : NULL,
                       &err);
    }
    json_free(&doc);
    rc = result_of(rc, &a, &err);
    act_end(&a);
    return rc;
}

int
report_shown(struct report_world *w, const char *login, int64_t read, bool is_proved)
{
    return shown(w, login, read, 0, 2, is_proved);
}

int
report_shown_one(struct report_world *w, const char *login, int64_t read, unsigned image)
{
    return shown(w, login, read, image, image + 1, true);
}

struct step {
    int64_t base;
    struct texts texts;
    bool is_accepted;
    const char *reason;
};

static int
run(struct report_world *w, const char *login, int64_t read, enum assign_level level,
    int (*step)(struct act *a, const struct step *s, struct err *err), const struct step *s)
{
    struct http_caller caller = caller_of(login);
    struct act a = {0};
    struct err err;
    int rc = act_begin(w->compose, &caller, read, level, &a, &err);

    if (rc == 0)
        rc = step(&a, s, &err);
    rc = result_of(rc, &a, &err);
    act_end(&a);
    return rc;
}

static int
do_draft(struct act *a, const struct step *s, struct err *err)
{
    return step_draft(a, s->base, &s->texts, err);
}

static int
do_review(struct act *a, const struct step *s, struct err *err)
{
    return step_review(a, a->work.base, s->is_accepted, s->reason, &s->texts, err);
}

static int
do_amend(struct act *a, const struct step *s, struct err *err)
{
    return step_amend(a, a->work.base, s->reason, err);
}

static int
do_withdraw(struct act *a, const struct step *s, struct err *err)
{
    return step_withdraw(a, s->base >= 0 ? s->base : a->work.base, s->reason, err);
}

static int
do_doubts(struct act *a, const struct step *s, struct err *err)
{
    return step_confirm_doubts(a, s->texts.exam, s->base >= 0 ? s->base : a->row->doubts_revision,
                               s->reason, err);
}

int
report_confirm_doubts_at(struct report_world *w, const char *login, int64_t read,
                         const char *doubts, int64_t seen, const char *reason)
{
    return run(w, login, read, ASSIGN_WRITE, do_doubts,
               &(struct step){.base = seen, .texts = {.exam = doubts}, .reason = reason});
}

int
report_confirm_doubts(struct report_world *w, const char *login, int64_t read, const char *doubts,
                      const char *reason)
{
    return report_confirm_doubts_at(w, login, read, doubts, -1, reason);
}

int
report_draft(struct report_world *w, const char *login, int64_t read, int64_t base,
             const char *findings, const char *impression)
{
    return run(w, login, read, ASSIGN_WRITE, do_draft,
               &(struct step){.base = base, .texts = {"头颅CT平扫", findings, impression}});
}

int
report_review(struct report_world *w, const char *login, int64_t read, bool is_accepted,
              const char *reason)
{
    return run(w, login, read, ASSIGN_REVIEW, do_review,
               &(struct step){.is_accepted = is_accepted, .reason = reason});
}

int
report_amend(struct report_world *w, const char *login, int64_t read, const char *reason)
{
    return run(w, login, read, ASSIGN_WRITE, do_amend, &(struct step){.reason = reason});
}

int
report_withdraw_at(struct report_world *w, const char *login, int64_t read, int64_t base,
                   const char *reason)
{
    return run(w, login, read, ASSIGN_REVIEW, do_withdraw,
               &(struct step){.base = base, .reason = reason});
}

int
report_withdraw(struct report_world *w, const char *login, int64_t read, const char *reason)
{
    return report_withdraw_at(w, login, read, -1, reason);
}

int64_t
report_base(struct report_world *w, int64_t read)
{
    struct pg_conn *conn = NULL;
    struct work work = {0};
    struct err err;
    int64_t base = 0;

    check(pg_get(w->reads.pg, &conn, &err), &err);
    if (work_get(conn, read, false, &work, &err) == 0)
        base = work.base;
    else
        assert_int_equal(err.kind, ERR_NOT_FOUND);
    work_fini(&work);
    pg_put(&conn);
    return base;
}

int
report_write_as(struct report_world *w, const char *login, int64_t read)
{
    struct http_caller caller = caller_of(login);
    struct texts texts = {0};
    struct act a = {0};
    struct err err;
    int rc = step_write(w->compose, &caller, read, report_base(w, read), &texts, &a, &err);

    rc = result_of(rc, &a, &err);
    act_end(&a);
    return rc;
}

int
report_gone(struct report_world *w, const char *login, int64_t read, uint32_t images,
            const char *reason)
{
    struct http_caller caller = caller_of(login);
    struct act a = {0};
    struct err err;
    int rc = step_gone(w->compose, &caller, read, images, reason, &a, &err);

    rc = result_of(rc, &a, &err);
    act_end(&a);
    return rc;
}

int
report_stands(struct report_world *w, const char *login, int64_t read, const char *reason)
{
    struct http_caller caller = caller_of(login);
    struct act a = {0};
    struct err err;
    int rc = step_stands(w->compose, &caller, read, report_base(w, read), reason, &a, &err);

    rc = result_of(rc, &a, &err);
    act_end(&a);
    return rc;
}

void
report_world_images_come(struct report_world *w, const char *study, unsigned now)
{
    report_archive.before = report_archive.instances;
    report_archive.instances = now;
    report_archive.revision++;
    read_world_closes(&w->reads, "T1", study, report_archive.revision, now);
    read_world_settle(&w->reads);
}

int
report_sign(struct report_world *w, const char *login, int64_t read, enum report_kind kind)
{
    return report_sign_lacking(w, login, read, kind, 0);
}

int
report_sign_lacking(struct report_world *w, const char *login, int64_t read, enum report_kind kind,
                    uint32_t lacks)
{
    struct http_caller caller = caller_of(login);
    struct act a = {0};
    struct err err;
    int rc = step_sign(w->compose, &caller, read, report_base(w, read), kind, lacks, &a, &err);

    rc = result_of(rc, &a, &err);
    act_end(&a);
    return rc;
}

void
report_world_review(struct report_world *w, int64_t read, const char *author, const char *signer)
{
    assert_int_equal(report_claim(w, author, read), 0);
    assert_int_equal(report_shown(w, author, read, true), 0);
    assert_int_equal(
        report_draft(w, author, read, report_base(w, read), "双肺纹理清晰。", "未见异常。"), 0);
    assert_int_equal(report_write_as(w, author, read), 0);
    assert_int_equal(report_shown(w, signer, read, true), 0);
    assert_int_equal(report_review(w, signer, read, true, NULL), 0);
}

void
report_world_sign(struct report_world *w, int64_t read, const char *author, const char *signer)
{
    report_world_review(w, read, author, signer);
    assert_int_equal(report_sign(w, signer, read, REPORT_FINAL), 0);
}

void
report_world_get(struct report_world *w, int64_t read, unsigned version, struct report *out)
{
    struct pg_conn *conn = NULL;
    struct err err;

    check(pg_get(w->reads.pg, &conn, &err), &err);
    check(compose_report_get(conn, read, version, out, &err), &err);
    pg_put(&conn);
}
