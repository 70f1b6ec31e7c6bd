/* sign.c - signing: everything that must be so, the bytes, the signature, the row; and withdrawing.
 *
 * The archive is asked for the image manifest before the transaction begins. Then, under the lock
 * of the report's row, everything is looked at again and signed: of many who sign at once, the
 * first has the row, and the others find the report signed. */
#include "reader/compose/compose_own.h"

#include "proto/base/clock.h"
#include "proto/base/text.h"
#include "proto/dicom/charset_encode.h"
#include "proto/dicom/pinyin.h"
#include "proto/model/absences.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

int (*compose_fetch_manifest)(struct archive *, const char *, const char *, uint32_t, struct buf *,
                              struct err *) = archive_manifest;
int (*compose_fetch_standing)(struct archive *, const char *, const char *,
                              struct archive_standing *, struct err *) = archive_standing_get;

static const int64_t ARRIVING_US = 10LL * 60 * 1000000;

/* What a signature is made of. */
struct signing {
    struct act *act;
    enum report_kind kind;
    uint32_t known; /* images that the signer knows have not come */
    struct manifest manifest;
    struct archive_standing standing;
    struct late late;
    struct read_agreement agreement;
    struct buf agreement_json, canonical, cms;
    struct report report;
    struct report_binds binds;
    struct assign_doctor signer;
};

/* ---- what must be so ---- */

/* More images than the closed list has are on their way. A gateway that fell silent in the middle
 * of one does not hold a report back for ever: those that then come late are marked as such. */
static bool
is_arriving(const struct archive_standing *s)
{
    /* later than now: the centre's clock was ahead, or is by a little */
    return s->offered > s->expected && llabs(clock_wall_us() - s->last_at_us) < ARRIVING_US;
}

/* The closed list of images, and that no more are on their way. */
static int
get_manifest(struct signing *s, struct err *err)
{
    const struct read_row *row = s->act->row;
    struct archive *archive = s->act->c->archive;
    struct buf json;
    int rc = -1;

    buf_init(&json, ARCHIVE_MANIFEST_BYTES);
    if (compose_fetch_manifest(archive, row->tenant, row->study, 0, &json, err) < 0) {
        if (err->kind == ERR_NOT_FOUND)
            (void)act_refuse(s->act, REFUSE_MANIFEST_OPEN, err);
        goto out;
    }
    if (compose_fetch_standing(archive, row->tenant, row->study, &s->standing, err) < 0 ||
        manifest_read(json.bytes, json.n, &s->manifest, err) < 0)
        goto out;
    if (is_arriving(&s->standing) || s->standing.revision != s->manifest.revision) {
        (void)act_refuse(s->act, REFUSE_MANIFEST_OPEN, err);
        goto out;
    }
    rc = 0;
out:
    buf_fini(&json);
    return rc;
}

static uint32_t
above(uint64_t most, uint64_t of_these)
{
    return most > of_these ? (uint32_t)(most - of_these) : 0;
}

/* Images that devices announced, or whose sending began, that are not on the list, and of which
 * nobody has said that they will not come. */
static uint32_t
count_awaited(const struct signing *s)
{
    const struct archive_standing *a = &s->standing;
    uint32_t announced = above(a->announced, a->expected + a->gone.images + s->act->row->absent);
    uint32_t begun = above(a->offered, a->whole + a->gone.images);

    return announced > begun ? announced : begun;
}

/* Whoever signs without them knows of it. */
static int
vet_awaited(struct signing *s, struct err *err)
{
    s->act->lacks = count_awaited(s);
    return s->act->lacks == s->known ? 0 : act_refuse(s->act, REFUSE_LACKS, err);
}

static int
vet_images(struct signing *s, struct err *err)
{
    struct shown shown;

    if (s->manifest.revision != s->act->row->revision || s->manifest.count == 0)
        return act_refuse(s->act, REFUSE_MANIFEST_OPEN, err);
    for (size_t i = 0; i < s->manifest.count; i++)
        if (!s->manifest.images[i].is_proved)
            return act_refuse(s->act, REFUSE_NOT_WHOLE, err);
    if (shown_get(s->act->conn, s->act->row->read_id, s->act->person.login, &s->manifest, &shown,
                  err) < 0)
        return -1;
    if (shown.not_proved > 0)
        return act_refuse(s->act, REFUSE_NOT_SHOWN, err);
    if (shown.proved == 0)
        return act_refuse(s->act, REFUSE_NOTHING_SHOWN, err);
    if (late_vet(s->act, &s->late, err) < 0 || vet_awaited(s, err) < 0)
        return -1;
    s->binds.shown = shown.proved;
    s->binds.shown_first_us = shown.first_us;
    s->binds.shown_last_us = shown.last_us;
    return 0;
}

static int
vet_licence(struct signing *s, struct err *err)
{
    if (assign_doctor_get(s->act->conn, s->act->person.login, &s->signer, err) < 0)
        return err->kind == ERR_NOT_FOUND ? act_refuse(s->act, REFUSE_LICENCE, err) : -1;
    if (!s->signer.is_licensed || s->signer.licence[0] == '\0')
        return act_refuse(s->act, REFUSE_LICENCE, err);
    return 0;
}

/* Final: reviewed, by two people. Preliminary: one's own words, where the agreement allows it and
 * nothing final stands. */
static int
vet_people(struct signing *s, struct err *err)
{
    const struct act *a = s->act;

    if (s->kind == REPORT_FINAL) {
        if (a->row->state != READ_REVIEWED)
            return act_refuse(s->act, REFUSE_STATE, err);
        return act_wrote(a) || a->work.author[0] == '\0'
                   ? act_refuse(s->act, REFUSE_SAME_PERSON, err)
                   : 0;
    }
    if ((a->row->state != READ_DRAFTED && a->row->state != READ_WRITTEN) || a->work.finals > 0)
        return act_refuse(s->act, REFUSE_STATE, err);
    if (!s->agreement.may_read_alone)
        return act_refuse(s->act, REFUSE_NOT_ALONE, err);
    return act_wrote(a) ? 0 : act_refuse(s->act, REFUSE_STATE, err);
}

static int
vet_all(struct signing *s, int64_t base, struct err *err)
{
    const struct work *w = &s->act->work;

    if (act_vet(s->act, base, err) < 0)
        return -1;
    if (assign_agreement_get(s->act->conn, s->act->row->read_id, &s->agreement, &s->agreement_json,
                             err) < 0)
        return err->kind == ERR_NOT_FOUND ? act_refuse(s->act, REFUSE_NO_AGREEMENT, err) : -1;
    if (vet_people(s, err) < 0 || vet_licence(s, err) < 0)
        return -1;
    if (read_has_open_doubts(s->act->row))
        return act_refuse(s->act, REFUSE_DOUBT, err);
    if (w->findings[strspn(w->findings, " \t\r\n")] == '\0' ||
        w->impression[strspn(w->impression, " \t\r\n")] == '\0')
        return act_refuse(s->act, REFUSE_EMPTY, err);
    return vet_images(s, err);
}

/* ---- what is signed ---- */

static void
person_from(const struct assign_doctor *d, struct report_person *out)
{
    text_copy(out->login, sizeof out->login, d->login);
    text_copy(out->name, sizeof out->name, d->name);
    text_copy(out->licence, sizeof out->licence, d->licence);
    text_copy(out->organisation, sizeof out->organisation, d->org);
    text_copy(out->organisation_name, sizeof out->organisation_name, d->org_name);
}

static int
fill_people(struct signing *s, struct err *err)
{
    struct assign_doctor author;
    struct report *r = &s->report;

    if (s->kind == REPORT_PRELIMINARY) {
        person_from(&s->signer, &r->author);
        return 0;
    }
    if (assign_doctor_get(s->act->conn, s->act->work.author, &author, err) < 0)
        return -1;
    person_from(&author, &r->author);
    person_from(&s->signer, &r->reviewer);
    return 0;
}

/* PN (PS3.5 6.2.1): before a name that only the registration writes, how it reads in Latin letters,
 * as the images have it. */
static void
fill_name(const struct read_row *row, char *out, size_t size)
{
    const size_t latin_n = strcspn(row->device_name, "=");
    char latin[ASSIGN_TEXT];
    struct buf pn;

    if (strcmp(row->patient_name, row->registered_name) != 0 ||
        strcmp(row->patient_name, row->device_name) == 0) {
        text_copy(out, size, row->patient_name);
        return;
    }
    snprintf(latin, sizeof latin, "%.*s", (int)latin_n, row->device_name);
    buf_init(&pn, 4 * ASSIGN_TEXT);
    dcm_encode_name(DCM_SHOWS_UTF8, row->registered_name,
                    pinyin_is_reading(latin, row->registered_name) ? latin : NULL, &pn);
    text_copy(out, size, buf_text(&pn));
    buf_fini(&pn);
}

static void
fill_study(struct report *r, const struct read_row *row)
{
    const bool is_invited = row->invited[0] != '\0';
    const struct report_person *by = r->reviewer.login[0] != '\0' ? &r->reviewer : &r->author;

    r->read = row->read_id;
    text_copy(r->tenant, sizeof r->tenant, row->tenant);
    text_copy(r->clinic_name, sizeof r->clinic_name, row->clinic);
    text_copy(r->hospital, sizeof r->hospital, is_invited ? row->invited : by->organisation);
    text_copy(r->hospital_name, sizeof r->hospital_name,
              is_invited ? row->invited_name : by->organisation_name);
    text_copy(r->study, sizeof r->study, row->study);
    text_copy(r->accession, sizeof r->accession, row->accession);
    text_copy(r->modality, sizeof r->modality, row->modality);
    text_copy(r->description, sizeof r->description, row->description);
    text_copy(r->study_date, sizeof r->study_date, row->study_date);
    text_copy(r->study_time, sizeof r->study_time, row->study_time);
    text_copy(r->patient_id, sizeof r->patient_id, row->patient_id);
    text_copy(r->issuer, sizeof r->issuer, row->issuer);
    fill_name(row, r->patient_name, sizeof r->patient_name);
    text_copy(r->patient_sex, sizeof r->patient_sex, row->sex);
    text_copy(r->patient_birth, sizeof r->patient_birth, row->birth);
    text_copy(r->patient_age, sizeof r->patient_age, row->age);
    r->complaint = mem_text(row->complaint);
    r->history = mem_text(row->history);
}

static int
fill_predecessor(struct signing *s, struct err *err)
{
    struct report before;

    if (s->act->work.versions == 0)
        return 0;
    if (compose_report_get(s->act->conn, s->report.read, s->act->work.versions, &before, err) < 0)
        return -1;
    s->report.predecessor = before.version;
    memcpy(s->report.predecessor_sha256, before.sha256, DIGEST_BYTES);
    report_fini(&before);
    return 0;
}

/* What is missing for good, as the clinic and as a doctor says; what has not come, as the signer
 * knew. */
static void
fill_absent(struct report_absent out[REPORT_ABSENT], const struct signing *s)
{
    const struct archive_gone *gone = &s->standing.gone;
    const struct read_row *row = s->act->row;

    out[0].images = row->absent;
    text_copy(out[0].reason, sizeof out[0].reason, row->absent_reason);
    text_copy(out[0].words, sizeof out[0].words, row->absent_words);
    text_copy(out[0].by, sizeof out[0].by, row->absent_by);
    out[1].images = (uint32_t)gone->images;
    text_copy(out[1].reason, sizeof out[1].reason, gone->images > 0 ? ABSENCE_LOST : "");
    text_copy(out[1].words, sizeof out[1].words, gone->reason);
    text_copy(out[1].by, sizeof out[1].by, gone->by);
    out[2].images = s->known;
    text_copy(out[2].reason, sizeof out[2].reason, REPORT_AWAITED);
    text_copy(out[2].by, sizeof out[2].by, s->signer.name);
}

/* 128 random bits, RFC 4648 letters in lower case: read over the phone if need be. */
static void
make_token(char out[REPORT_TOKEN_BYTES])
{
    static const char letters[] = "abcdefghijklmnopqrstuvwxyz234567";
    uint8_t random[17] = {0};

    random_bytes(random, 16);
    for (size_t i = 0; i < REPORT_TOKEN_BYTES - 1; i++) {
        size_t bit = i * 5;
        unsigned two = (unsigned)random[bit / 8] << 8 | random[bit / 8 + 1];

        out[i] = letters[two >> (11 - bit % 8) & 31];
    }
    out[REPORT_TOKEN_BYTES - 1] = '\0';
}

static int
fill(struct signing *s, struct err *err)
{
    const struct work *w = &s->act->work;
    struct report *r = &s->report;

    r->kind = s->kind;
    r->version = w->versions + 1;
    if (fill_people(s, err) < 0)
        return -1;
    fill_study(r, s->act->row);
    if (fill_predecessor(s, err) < 0)
        return -1;
    r->exam = mem_text(w->exam);
    r->findings = mem_text(w->findings);
    r->impression = mem_text(w->impression);
    r->reason = mem_text(w->amend_reason);
    r->signed_at_us = clock_wall_us();
    r->written_at_us = w->written_at_us != 0 ? w->written_at_us : r->signed_at_us;
    r->manifest_revision = s->manifest.revision;
    r->covers = (uint32_t)s->manifest.count;
    fill_absent(r->absent, s);
    text_copy(r->agreement, sizeof r->agreement, s->agreement.code);
    snprintf(r->agreement_version, sizeof r->agreement_version, "%u", s->agreement.version);
    make_token(r->token);
    memcpy(s->binds.manifest_sha256, s->manifest.sha256, DIGEST_BYTES);
    digest_bytes(s->agreement_json.bytes, s->agreement_json.n, s->binds.agreement_sha256);
    if (memcmp(s->binds.agreement_sha256, s->agreement.sha256, DIGEST_BYTES) != 0)
        return err_set(err, ERR_FATAL, "the agreement's digest is not its text's");
    canonical_report(r, &s->binds, &s->canonical);
    digest_bytes(s->canonical.bytes, s->canonical.n, r->sha256);
    return buf_is_over(&s->canonical) ? act_refuse(s->act, REFUSE_TEXT, err) : 0;
}

static int
ask_signer(struct act *a, const struct assign_doctor *by, const struct buf *bytes, int64_t at_us,
           struct buf *out_cms, struct err *err)
{
    struct signer *signer = authority_signer(a->c, a->conn, err);
    struct cms_person person = {0};

    text_copy(person.name, sizeof person.name, by->name);
    text_copy(person.licence, sizeof person.licence, by->licence);
    text_copy(person.organisation, sizeof person.organisation, by->org_name);
    if (signer != NULL &&
        signer_sign(signer, by->login, &person, bytes->bytes, bytes->n, at_us, out_cms, err) == 0)
        return 0;
    if (err->kind == ERR_RETRY)
        a->why = REFUSE_SIGNER;
    else if (err->kind == ERR_CONFLICT || err->kind == ERR_NOT_FOUND)
        a->why = REFUSE_AUTHORITY;
    return -1;
}

/* ---- the row, the state, the trail ---- */

static int
keep(struct signing *s, struct err *err)
{
    const struct report *r = &s->report;

    /* who signs alone has written it by that */
    if (r->kind == REPORT_PRELIMINARY && s->act->work.author[0] == '\0' &&
        pg_run(s->act->conn, "work_written",
               PG_ARGS(PG_INT(r->read), PG_TEXT(s->act->person.login), PG_INT(r->written_at_us)),
               NULL, err) < 0)
        return -1;
    if (pg_run(s->act->conn, "report_add",
               PG_ARGS(PG_INT(r->read), PG_INT(r->version), PG_INT(r->kind), PG_TEXT(r->tenant),
                       PG_TEXT(r->study), PG_INT(r->signed_at_us), PG_INT(r->written_at_us),
                       PG_TEXT(s->act->c->patient_url), PG_TEXT(s->act->person.login),
                       PG_INT(r->covers), PG_BYTES(s->canonical.bytes, s->canonical.n),
                       PG_BYTES(r->sha256, DIGEST_BYTES),
                       PG_BYTES(s->manifest.canonical.bytes, s->manifest.canonical.n),
                       PG_BYTES(s->agreement_json.bytes, s->agreement_json.n),
                       PG_BYTES(s->cms.bytes, s->cms.n), PG_TEXT(r->token)),
               NULL, err) < 0 ||
        pg_run(s->act->conn, "work_signed", PG_ARGS(PG_INT(r->read), PG_INT(r->version)), NULL,
               err) < 0)
        return -1;
    return act_note(s->act, r->kind == REPORT_FINAL ? "sign" : "preliminary", r->reason, err);
}

static void
detail_of(const struct report *r, struct buf *out)
{
    struct jsonw w;

    jsonw_init(&w, out);
    jsonw_object(&w, NULL);
    jsonw_uint(&w, "version", r->version);
    jsonw_text(&w, "kind", report_kind_word(r->kind));
    jsonw_uint(&w, "revision", r->manifest_revision);
    jsonw_uint(&w, "covered", r->covers);
    if (r->absent[REPORT_ABSENT - 1].images > 0)
        jsonw_uint(&w, "lacks", r->absent[REPORT_ABSENT - 1].images);
    jsonw_hex(&w, "sha256", r->sha256, DIGEST_BYTES);
    if (r->reason[0] != '\0')
        jsonw_text(&w, "reason", r->reason);
    jsonw_end(&w);
}

static int
advance(struct signing *s, struct err *err)
{
    const struct report *r = &s->report;
    const struct read_cover cover = {.version = r->version,
                                     .revision = r->manifest_revision,
                                     .instances = r->covers,
                                     .is_preliminary = r->kind == REPORT_PRELIMINARY};
    enum read_event event = r->kind == REPORT_PRELIMINARY ? READ_SAW_PRELIMINARY
                            : s->act->work.finals > 0     ? READ_SAW_SIGN_AMENDED
                                                          : READ_SAW_SIGN;
    struct buf detail;
    int rc = -1;

    buf_init(&detail, REPORT_TEXT_BYTES);
    detail_of(r, &detail);
    if (assign_advance(s->act->conn, r->read, s->act->person.login, event, buf_text(&detail), err) <
            0 ||
        assign_cover_put(s->act->conn, r->read, &cover, err) < 0)
        goto out;
    rc = 0;
out:
    buf_fini(&detail);
    return rc;
}

static int
note_audit(struct act *a, enum audit_event event, const char *study, unsigned version,
           const uint8_t sha256[DIGEST_BYTES], struct err *err)
{
    if (a->c->audit == NULL)
        return 0;
    return audit_append(a->c->audit, err, event, A_UID("study", study),
                        A_WORD("tenant", a->row->tenant), A_WORD("of", a->person.org),
                        A_NUMBER("read", a->row->read_id), A_NUMBER("version", version),
                        A_HEX("report", sha256, DIGEST_BYTES), A_WORD("by", a->person.login));
}

static int
sign_locked(struct signing *s, int64_t base, struct err *err)
{
    const struct report *r = &s->report;

    if (vet_all(s, base, err) < 0 || fill(s, err) < 0 ||
        ask_signer(s->act, &s->signer, &s->canonical, r->signed_at_us, &s->cms, err) < 0 ||
        keep(s, err) < 0 || advance(s, err) < 0 ||
        note_audit(s->act, AUDIT_REPORT_SIGNED, r->study, r->version, r->sha256, err) < 0 ||
        act_commit(s->act, err) < 0)
        return -1;
    LOG(&compose_log, REPORT_SIGNED, F_NUMBER("read", r->read), F_NUMBER("version", r->version),
        F_UID("study", r->study));
    documents_wake(s->act->c);
    return 0;
}

static void
signing_fini(struct signing *s)
{
    report_fini(&s->report);
    manifest_fini(&s->manifest);
    late_fini(&s->late);
    buf_fini(&s->agreement_json);
    buf_fini(&s->canonical);
    buf_fini(&s->cms);
}

int
step_sign(struct compose *c, const struct http_caller *caller, int64_t read, int64_t base,
          enum report_kind kind, uint32_t lacks, struct act *out, struct err *err)
{
    const enum assign_level level = kind == REPORT_FINAL ? ASSIGN_REVIEW : ASSIGN_WRITE;
    struct signing s = {.act = out, .kind = kind, .known = lacks};
    int rc = -1;

    buf_init(&s.agreement_json, REPORT_BYTES);
    buf_init(&s.canonical, REPORT_BYTES);
    buf_init(&s.cms, REPORT_BYTES);
    if (act_look(c, caller, read, level, out, err) < 0 || act_vet(out, base, err) < 0 ||
        late_ask(out, &s.late, err) < 0)
        goto out;
    pg_put(&out->conn); /* nothing is held while the archive is asked */
    if (get_manifest(&s, err) < 0)
        goto out;
    act_end(out);
    if (act_begin(c, caller, read, level, out, err) < 0)
        goto out;
    rc = sign_locked(&s, base, err);
out:
    signing_fini(&s);
    return rc;
}

/* ---- withdrawing ---- */

static int
keep_withdrawal(struct act *a, const struct report *r, const char *reason, int64_t at_us,
                const struct buf *notice, const struct buf *cms, struct err *err)
{
    if (pg_run(a->conn, "report_withdraw",
               PG_ARGS(PG_INT(r->read), PG_INT(r->version), PG_INT(at_us), PG_TEXT(a->person.login),
                       PG_TEXT(reason), PG_BYTES(notice->bytes, notice->n),
                       PG_BYTES(cms->bytes, cms->n)),
               NULL, err) < 0 ||
        pg_run(a->conn, "work_changed", PG_ARGS(PG_INT(r->read)), NULL, err) < 0)
        return -1;
    return act_note(a, "withdraw", reason, err);
}

static int
advance_withdrawal(struct act *a, const struct report *r, const char *reason, struct err *err)
{
    struct jsonw w;
    struct buf detail;
    int rc;

    buf_init(&detail, REPORT_TEXT_BYTES);
    jsonw_init(&w, &detail);
    jsonw_object(&w, NULL);
    jsonw_uint(&w, "version", r->version);
    jsonw_text(&w, "reason", reason);
    jsonw_end(&w);
    rc = assign_advance(a->conn, r->read, a->person.login, READ_SAW_WITHDRAW, buf_text(&detail),
                        err);
    buf_fini(&detail);
    return rc;
}

static int
withdraw(struct act *a, const struct report *r, const char *reason, struct err *err)
{
    const int64_t at_us = clock_wall_us();
    struct report_person by = {0};
    struct assign_doctor doctor;
    struct buf notice, cms;
    int rc = -1;

    buf_init(&notice, REPORT_BYTES);
    buf_init(&cms, REPORT_BYTES);
    if (assign_doctor_get(a->conn, a->person.login, &doctor, err) < 0) {
        if (err->kind == ERR_NOT_FOUND)
            (void)act_refuse(a, REFUSE_LICENCE, err);
        goto out;
    }
    person_from(&doctor, &by);
    canonical_withdrawal(r, &by, reason, at_us, &notice);
    if (ask_signer(a, &doctor, &notice, at_us, &cms, err) < 0 ||
        keep_withdrawal(a, r, reason, at_us, &notice, &cms, err) < 0 ||
        advance_withdrawal(a, r, reason, err) < 0 ||
        note_audit(a, AUDIT_REPORT_WITHDRAWN, r->study, r->version, r->sha256, err) < 0)
        goto out;
    rc = act_commit(a, err);
out:
    buf_fini(&cms);
    buf_fini(&notice);
    return rc;
}

int
step_withdraw(struct act *a, int64_t base, const char *reason, struct err *err)
{
    struct report r;
    int rc;

    if (a->work.versions == 0)
        return act_refuse(a, REFUSE_NO_REPORT, err);
    if (base != a->work.base) /* perhaps it was signed anew: not the version they saw */
        return act_refuse(a, REFUSE_STALE, err);
    if (!reason_is_fit(reason))
        return act_refuse(a, REFUSE_REASON, err);
    if (compose_report_get(a->conn, a->row->read_id, 0, &r, err) < 0)
        return -1;
    rc = r.standing == REPORT_WITHDRAWN ? act_refuse(a, REFUSE_WITHDRAWN, err)
                                        : withdraw(a, &r, reason, err);
    report_fini(&r);
    return rc;
}
