/* api.c - the desk's routes about patients. */
#include "gateway/desk/api.h"

#include "gateway/desk/api_write.h"
#include "gateway/desk/book.h"
#include "gateway/desk/desk.h"
#include "gateway/desk/urgency.h"
#include "proto/base/clock.h"
#include "proto/base/text.h"
#include "proto/base/unseen.h"
#include "proto/http/json.h"
#include "proto/model/citizen_id.h"
#include "proto/model/slip.h"
#include "proto/render/qr.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum { LIST_BYTES = 16 << 20, LISTED = 500, FOUND = 200, PHONE_MS = 10000 };
enum { SVG_BYTES = 256 << 10, LOOK_MS = 500 };

static struct book *
book_of(const struct http_request *req)
{
    const struct api *api = http_user(req);

    return api->book;
}

const char *
api_who(const struct http_request *req)
{
    const struct http_caller *caller = http_caller(req);

    return caller != NULL && caller->device[0] != '\0' ? caller->device : "desk";
}

void
api_answer_fault(const struct http_request *req, struct http_response *res, int status,
                 const struct api_fault *fault)
{
    struct buf json;
    struct jsonw w;

    buf_init(&json, 4096);
    jsonw_init(&w, &json);
    jsonw_object(&w, NULL);
    jsonw_text(&w, "error", fault->sentence);
    jsonw_text(&w, "field", fault->field);
    jsonw_text(&w, "word", fault->word);
    jsonw_text(&w, "id", http_id(req));
    jsonw_end(&w);
    http_answer_buf(res, status, "application/json", &json);
    buf_fini(&json);
}

int
api_read_body(const struct http_request *req, struct json_doc **out_doc, struct err *err)
{
    size_t n;
    const uint8_t *body = http_body(req, &n);
    struct json_doc *doc = NULL;

    if (json_parse(n == 0 ? (const uint8_t *)"{}" : body, n == 0 ? 2 : n, &doc, err) < 0)
        return -1;
    if (!json_is_object(json_root(doc))) {
        json_free(&doc);
        return err_set(err, ERR_REJECT, "the body is no JSON object");
    }
    *out_doc = doc;
    return 0;
}

/* ---- registration ---- */

/* Text as typed: no blanks around, line ends as \n, no other control characters. False: longer than
 * its field. */
bool
api_take_text(const struct json *o, const char *key, char *out, size_t size)
{
    const char *p = json_as_text(json_find(o, key));
    size_t n = 0;

    out[0] = '\0';
    if (p == NULL)
        return true;
    p += strspn(p, " \t\r\n");
    for (; *p != '\0' && n + 1 < size; p++)
        if (*p != '\r')
            out[n++] = (uint8_t)*p >= 0x20 || *p == '\n' ? (*p == 0x7F ? ' ' : *p) : ' ';
    while (n > 0 && (out[n - 1] == ' ' || out[n - 1] == '\n'))
        n--;
    out[n] = '\0';
    return *p == '\0';
}

static void
today(char out[9])
{
    time_t now = (time_t)(clock_wall_us() / 1000000);
    struct tm tm;

    localtime_r(&now, &tm);
    strftime(out, 9, "%Y%m%d", &tm);
}

/* The citizen number knows birth and sex; what was typed beside it must agree. */
static bool
take_citizen_id(const char *typed, struct book_registration *r, struct api_fault *fault)
{
    enum citizen_id_fault why;
    struct citizen_id id;
    char day[9];

    today(day);
    why = citizen_id_read(typed, day, &id);
    if (why != CITIZEN_ID_FINE) {
        *fault = (struct api_fault){"citizen_id", citizen_id_fault_word(why),
                                    "the citizen number is mistyped"};
        return false;
    }
    if (r->birth[0] != '\0' && strcmp(r->birth, id.birth) != 0) {
        *fault = (struct api_fault){"birth", "birth", "the citizen number says another birth date"};
        return false;
    }
    if (r->sex[0] != '\0' && r->sex[0] != id.sex) {
        *fault = (struct api_fault){"sex", "sex", "the citizen number says another sex"};
        return false;
    }
    text_copy(r->citizen_id, sizeof r->citizen_id, id.text);
    text_copy(r->birth, sizeof r->birth, id.birth);
    r->sex[0] = id.sex;
    r->sex[1] = '\0';
    return true;
}

static bool
take_phone(const char *typed, struct book_registration *r, struct api_fault *fault)
{
    struct err err;

    if (typed[0] == '\0' || clinic_phone_read(typed, r->phone, &err) == 0)
        return true;
    *fault = (struct api_fault){"phone", "phone", "a phone number has 5 to 15 digits"};
    return false;
}

static bool
has_word(const char *text, const char *signs)
{
    return text[strspn(text, signs)] == '\0';
}

/* After the reason was taken: whoever overtakes others' images says why, as everywhere. */
static bool
take_urgent(const struct json *o, struct book_registration *r, struct api_fault *fault)
{
    struct err err;

    *fault = (struct api_fault){"urgent", "urgent", "urgent: true or false"};
    if (json_find(o, "urgent") != NULL && json_truth(o, "urgent", &r->is_urgent, &err) < 0)
        return false;
    *fault = (struct api_fault){"reason", "reason", "urgent: a reason is due, at most 200 signs"};
    return !r->is_urgent || r->reason[0] != '\0';
}

/* False: fault says why. */
static bool
read_registration(const struct json *o, struct book_registration *r, struct api_fault *fault)
{
    char citizen_id[81], phone[65], day[9];

    *fault = (struct api_fault){"name", "name", "a name is due, at most 64 signs"};
    if (!api_take_text(o, "name", r->name, sizeof r->name) || strchr(r->name, '\n') != NULL)
        return false;
    unseen_drop(r->name); /* devices would be told '?' */
    if (r->name[0] == '\0')
        return false;
    *fault = (struct api_fault){"sex", "sex", "sex: M, F, O or nothing"};
    if (!api_take_text(o, "sex", r->sex, sizeof r->sex) || !has_word(r->sex, "MFO"))
        return false;
    today(day);
    *fault = (struct api_fault){"birth", "birth", "birth: a day as YYYYMMDD, or nothing"};
    if (!api_take_text(o, "birth", r->birth, sizeof r->birth) ||
        (r->birth[0] != '\0' && (!citizen_id_is_day(r->birth) || strcmp(r->birth, day) > 0)))
        return false;
    *fault = (struct api_fault){"modality", "modality", "modality: DX, CT, MR, US ... or nothing"};
    if (!api_take_text(o, "modality", r->modality, sizeof r->modality) ||
        !has_word(r->modality, "ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789"))
        return false;
    *fault = (struct api_fault){"complaint", "long", "complaint or history: at most 2000 signs"};
    if (!api_take_text(o, "complaint", r->complaint, sizeof r->complaint) ||
        !api_take_text(o, "history", r->history, sizeof r->history))
        return false;
    *fault = (struct api_fault){"reason", "long", "reason: at most 200 signs"};
    if (!api_take_text(o, "reason", r->reason, sizeof r->reason))
        return false;
    *fault = (struct api_fault){"citizen_id", "length", "the citizen number is mistyped"};
    if (!api_take_text(o, "citizen_id", citizen_id, sizeof citizen_id) ||
        (citizen_id[0] != '\0' && !take_citizen_id(citizen_id, r, fault)))
        return false;
    *fault = (struct api_fault){"phone", "phone", "a phone number has 5 to 15 digits"};
    if (!api_take_text(o, "phone", phone, sizeof phone) || !take_phone(phone, r, fault))
        return false;
    return take_urgent(o, r, fault);
}

/* Of a correction: what the page showed. */
static bool
take_revision(const struct json *o, struct book_registration *r, struct api_fault *fault)
{
    struct err err;
    uint64_t n;

    *fault = (struct api_fault){"revision", "revision", "revision: the one that was shown is due"};
    if (json_u64(o, "revision", UINT32_MAX, &n, &err) < 0)
        return false;
    r->revision = (uint32_t)n;
    return true;
}

/* Somebody else was quicker: the page shows what they did. */
static int
answer_moved(const struct http_request *req, struct http_response *res, struct err *err)
{
    static const struct api_fault moved = {"revision", "changed",
                                           "somebody changed it meanwhile: look again"};

    if (err->kind != ERR_CONFLICT)
        return -1;
    err_clear(err);
    api_answer_fault(req, res, 409, &moved);
    return 0;
}

static void
answer_registered(struct http_response *res, const char *registration)
{
    struct buf json;
    struct jsonw w;

    buf_init(&json, 4096);
    jsonw_init(&w, &json);
    jsonw_object(&w, NULL);
    jsonw_text(&w, "registration", registration);
    jsonw_text(&w, "accession", registration);
    jsonw_end(&w);
    http_answer_buf(res, 200, "application/json", &json);
    buf_fini(&json);
}

/* registration NULL: a new one; else what was mistyped is corrected. */
static int
register_or_correct(struct http_request *req, struct http_response *res, const char *registration,
                    struct err *err)
{
    const struct api *api = http_user(req);
    struct book_registration *r = mem_new(sizeof *r);
    char number[CLINIC_REGISTRATION_SIZE];
    struct json_doc *doc = NULL;
    struct api_fault fault;
    int rc = -1;

    if (api_read_body(req, &doc, err) < 0)
        goto out;
    if (!read_registration(json_root(doc), r, &fault) ||
        (registration != NULL && !take_revision(json_root(doc), r, &fault))) {
        api_answer_fault(req, res, 400, &fault);
        rc = 0;
        goto out;
    }
    text_copy(number, sizeof number, registration != NULL ? registration : "");
    text_copy(r->registration, sizeof r->registration, number);
    text_copy(r->urgent_by, sizeof r->urgent_by, api_who(req));
    rc = registration != NULL ? book_correct(api->book, r, api->audit, api_who(req), err)
                              : book_register(api->book, r, number, err);
    if (rc == 0)
        answer_registered(res, number);
    else if (registration != NULL)
        rc = answer_moved(req, res, err);
out:
    json_free(&doc);
    free(r);
    return rc;
}

static int
post_registration(struct http_request *req, struct http_response *res, struct err *err)
{
    return register_or_correct(req, res, NULL, err);
}

static int
post_correction(struct http_request *req, struct http_response *res, struct err *err)
{
    return register_or_correct(req, res, http_param(req, "registration"), err);
}

/* ---- what is done with one ---- */

/* {reason, urgency: "stat", which it is if not said, or "routine"} */
static int
post_urgent(struct http_request *req, struct http_response *res, struct err *err)
{
    static const struct api_fault due = {"reason", "reason", "a reason is due, at most 200 signs"};
    static const struct api_fault odd = {"urgency", "urgency", "urgency: stat or routine"};
    const struct api *api = http_user(req);
    char reason[CLINIC_REASON_SIZE], urgency[16];
    struct json_doc *doc = NULL;
    bool is_routine;
    int rc = 0;

    if (api_read_body(req, &doc, err) < 0)
        return -1;
    if (!api_take_text(json_root(doc), "urgency", urgency, sizeof urgency))
        urgency[0] = '?';
    is_routine = strcmp(urgency, "routine") == 0;
    if (!is_routine && urgency[0] != '\0' && strcmp(urgency, "stat") != 0)
        api_answer_fault(req, res, 400, &odd);
    else if (!api_take_text(json_root(doc), "reason", reason, sizeof reason) || reason[0] == '\0')
        api_answer_fault(req, res, 400, &due);
    else if (book_urgent(api->book, http_param(req, "registration"), !is_routine, reason,
                         api->audit, api_who(req), err) < 0 ||
             urgency_step(api->book, api->options->uplink, err) < 0)
        rc = -1;
    else
        http_answer_empty(res, 204);
    json_free(&doc);
    return rc;
}

int
api_read_study(const struct http_request *req, char out_study[CLINIC_UID_SIZE], struct err *err)
{
    struct json_doc *doc = NULL;
    const char *study;
    int rc = -1;

    if (api_read_body(req, &doc, err) < 0 ||
        json_text(json_root(doc), "study", CLINIC_UID_SIZE - 1, &study, err) < 0)
        goto out;
    if (!uid_is_valid(study, true)) {
        err_set(err, ERR_REJECT, "study: no UID");
        goto out;
    }
    text_copy(out_study, CLINIC_UID_SIZE, study);
    rc = 0;
out:
    json_free(&doc);
    return rc;
}

static int
post_attach(struct http_request *req, struct http_response *res, struct err *err)
{
    char study[CLINIC_UID_SIZE];
    bool is_refused;

    if (api_read_study(req, study, err) < 0 ||
        api_refuse_aside(req, res, study, &is_refused, err) < 0)
        return -1;
    if (is_refused)
        return 0;
    if (book_attach(book_of(req), http_param(req, "registration"), study, "hand", err) < 0)
        return -1;
    http_answer_empty(res, 204);
    return 0;
}

/* The code is in this answer and on paper, nowhere else. */
static int
post_slip(struct http_request *req, struct http_response *res, struct err *err)
{
    char code[SLIP_TEXT_BYTES], base[CLINIC_URL_SIZE], url[CLINIC_URL_SIZE + SLIP_TEXT_BYTES + 4];
    uint8_t sha256[DIGEST_BYTES];
    struct buf svg, json;
    struct jsonw w;
    int rc = -1;

    if (book_patient_url(book_of(req), base, err) < 0)
        return -1;
    slip_new(code);
    slip_digest(code, sha256);
    buf_init(&svg, SVG_BYTES);
    buf_init(&json, SVG_BYTES * 2);
    if (base[0] != '\0') /* behind '#' it is never sent to a server nor logged */
        snprintf(url, sizeof url, "%s/#%s", base, code);
    else
        url[0] = '\0';
    if (qr_svg(url[0] != '\0' ? url : code, &svg, err) < 0 ||
        book_slip(book_of(req), http_param(req, "registration"), sha256, err) < 0)
        goto out;
    jsonw_init(&w, &json);
    jsonw_object(&w, NULL);
    jsonw_text(&w, "code", code);
    jsonw_text(&w, "url", url);
    jsonw_text_n(&w, "qr_svg", (const char *)svg.bytes, svg.n);
    jsonw_end(&w);
    http_answer_buf(res, 200, "application/json", &json);
    rc = 0;
out:
    secret_wipe(code, sizeof code);
    secret_wipe(url, sizeof url);
    buf_fini(&json);
    buf_fini(&svg);
    return rc;
}

/* Codes need the line now: one that arrives in an hour is of no use, so a message that is not
 * answered within seconds is taken back. */
static int
answer_phone(struct http_request *req, struct http_response *res, const char *id, struct err *err)
{
    static const struct api_fault down = {"phone", "line_down",
                                          "the centre cannot be reached: no code can be sent now"};
    int64_t until_ms = clock_mono_ms() + PHONE_MS;
    struct book *book = book_of(req);
    char word[CLINIC_WORD_SIZE] = "";
    bool is_settled = false;

    while (!is_settled) {
        uint64_t seen = book_change(book);
        bool is_last = clock_mono_ms() >= until_ms || http_is_gone(req);

        if (book_outcome(book, id, is_last, &is_settled, word, err) < 0)
            return -1;
        if (is_last)
            break;
        if (!is_settled)
            (void)book_wait(book, seen, LOOK_MS);
    }
    if (!is_settled) {
        api_answer_fault(req, res, 503, &down);
    } else {
        struct buf json;

        buf_init(&json, 256);
        buf_add_printf(&json, "{\"phone_state\":\"%s\"}", word);
        http_answer_buf(res, 200, "application/json", &json);
        buf_fini(&json);
    }
    return 0;
}

static int
post_phone_code(struct http_request *req, struct http_response *res, struct err *err)
{
    char id[CLINIC_ID_SIZE];

    if (book_phone(book_of(req), http_param(req, "registration"), NULL, id, err) < 0)
        return -1;
    return answer_phone(req, res, id, err);
}

static int
post_phone_check(struct http_request *req, struct http_response *res, struct err *err)
{
    static const struct api_fault due = {"code", "otp", "the code has up to 8 digits"};
    char typed[65], code[65], id[CLINIC_ID_SIZE];
    struct json_doc *doc = NULL;
    int rc = 0;

    if (api_read_body(req, &doc, err) < 0)
        return -1;
    if (!api_take_text(json_root(doc), "code", typed, sizeof typed) ||
        !text_narrow(code, sizeof code, typed) || code[0] == '\0' ||
        strlen(code) >= CLINIC_OTP_SIZE || !has_word(code, "0123456789"))
        api_answer_fault(req, res, 400, &due);
    else if ((rc = book_phone(book_of(req), http_param(req, "registration"), code, id, err)) == 0)
        rc = answer_phone(req, res, id, err);
    json_free(&doc);
    return rc;
}

/* ---- reports ---- */

static int
answer_reports(const struct http_request *req, size_t skip, size_t limit, struct http_response *res,
               struct err *err)
{
    struct buf json;
    struct jsonw w;
    int rc;

    buf_init(&json, LIST_BYTES);
    jsonw_init(&w, &json);
    jsonw_object(&w, NULL);
    rc = api_write_reports(book_of(req), skip, limit, &w, err);
    jsonw_end(&w);
    if (rc == 0)
        http_answer_buf(res, 200, "application/json", &json);
    buf_fini(&json);
    return rc;
}

static int
get_reports(struct http_request *req, struct http_response *res, struct err *err)
{
    return answer_reports(req, 0, LISTED, res, err);
}

/* {skip} */
static int
post_find_reports(struct http_request *req, struct http_response *res, struct err *err)
{
    struct json_doc *doc = NULL;
    uint64_t skip = 0;
    int rc = -1;

    if (api_read_body(req, &doc, err) == 0 &&
        json_u64(json_root(doc), "skip", INT32_MAX, &skip, err) == 0)
        rc = answer_reports(req, (size_t)skip, FOUND, res, err);
    json_free(&doc);
    return rc;
}

/* {read} and {version} of the path; the version may end in ".pdf". */
static int
report_of(const struct http_request *req, const char *version_name, int64_t *out_read,
          uint32_t *out_version, struct err *err)
{
    char text[32];
    uint64_t read, version;
    bool is_whole = text_copy(text, sizeof text, http_param(req, version_name));
    char *dot = strrchr(text, '.');

    if (dot != NULL && strcmp(dot, ".pdf") == 0)
        *dot = '\0';
    if (!is_whole || text_to_u64(http_param(req, "read"), INT64_MAX, &read) < 0 ||
        text_to_u64(text, UINT32_MAX, &version) < 0)
        return err_set(err, ERR_NOT_FOUND, "no such report");
    *out_read = (int64_t)read;
    *out_version = (uint32_t)version;
    return 0;
}

static int
get_pdf(struct http_request *req, struct http_response *res, struct err *err)
{
    uint8_t *bytes = NULL;
    uint32_t version;
    int64_t read;
    size_t n;

    if (report_of(req, "file", &read, &version, err) < 0 ||
        book_pdf_get(book_of(req), read, version, &bytes, &n, err) < 0)
        return -1;
    http_answer_header(res, "Content-Disposition", "inline; filename=\"report.pdf\"");
    http_answer_bytes(res, 200, "application/pdf", bytes, n);
    free(bytes);
    return 0;
}

static int
post_confirm(struct http_request *req, struct http_response *res, struct err *err)
{
    uint32_t version;
    int64_t read;

    if (report_of(req, "version", &read, &version, err) < 0 ||
        book_confirm(book_of(req), read, version, err) < 0)
        return -1;
    http_answer_empty(res, 204);
    return 0;
}

const struct http_route api_routes[] = {
    DESK_POST("/desk/v1/registrations", DESK_WORK, post_registration),
    DESK_POST("/desk/v1/registrations/{registration}", DESK_WORK, post_correction),
    DESK_POST("/desk/v1/registrations/{registration}/urgent", DESK_WORK, post_urgent),
    DESK_POST("/desk/v1/registrations/{registration}/attach", DESK_WORK, post_attach),
    DESK_POST("/desk/v1/registrations/{registration}/slip", DESK_WORK, post_slip),
    DESK_POST("/desk/v1/registrations/{registration}/phone-code", DESK_WORK, post_phone_code),
    DESK_POST("/desk/v1/registrations/{registration}/phone-check", DESK_WORK, post_phone_check),
    DESK_GET("/desk/v1/reports", DESK_WORK, get_reports),
    DESK_POST("/desk/v1/reports/find", DESK_WORK, post_find_reports),
    DESK_GET("/desk/v1/reports/{read}/{file}", DESK_WORK, get_pdf),
    DESK_POST("/desk/v1/reports/{read}/{version}/confirm", DESK_WORK, post_confirm),
};
const size_t api_route_count = ARRAY_LEN(api_routes);
