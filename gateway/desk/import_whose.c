/* import_whose.c - whom and which study a file is for. */
#include "gateway/desk/import_whose.h"

#include "gateway/desk/book.h"
#include "gateway/desk/desk.h"
#include "gateway/desk/doubts_look.h"
#include "gateway/desk/orders.h"
#include "gateway/spool/spool.h"
#include "proto/base/text.h"
#include "proto/dicom/charset_encode.h"
#include "proto/dicom/facts.h"
#include "proto/model/who.h"
#include "proto/render/report_pdf.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

static void
local_moment(int64_t at_us, char date[9], char time_[7])
{
    time_t at = (time_t)(at_us / 1000000);
    struct tm tm = {0};

    (void)localtime_r(&at, &tm);
    if (strftime(date, 9, "%Y%m%d", &tm) != 8 || strftime(time_, 7, "%H%M%S", &tm) != 6)
        date[0] = time_[0] = '\0';
}

static void
take_name(const char *name, const char *pinyin, char out[193])
{
    struct buf b;

    buf_init(&b, 1024);
    dcm_encode_name(DCM_SHOWS_UTF8, name, pinyin, &b);
    if (b.n > 192 || buf_is_over(&b))
        text_copy(out, 193, name);
    else
        text_copy(out, 193, buf_text(&b));
    buf_fini(&b);
}

static void
identity_of(const struct order *o, const char *clinic, struct wrap_identity *out)
{
    *out = (struct wrap_identity){.patient_id = ""};
    text_copy(out->patient_id, sizeof out->patient_id,
              o->patient_id[0] != '\0'   ? o->patient_id
              : o->citizen_id[0] != '\0' ? o->citizen_id
                                         : o->registration);
    take_name(o->name, o->pinyin, out->patient_name);
    text_copy(out->birth, sizeof out->birth, o->birth);
    text_copy(out->sex, sizeof out->sex, o->sex);
    text_copy(out->accession, sizeof out->accession,
              o->accession[0] != '\0' ? o->accession : o->registration);
    text_copy(out->study_id, sizeof out->study_id, o->procedure_id);
    local_moment(o->scheduled_at_us != 0 ? o->scheduled_at_us : o->made_at_us, out->study_date,
                 out->study_time);
    (void)text_copy(out->study_description, sizeof out->study_description, o->description);
    text_copy(out->referring, sizeof out->referring, o->referring);
    text_copy(out->modality, sizeof out->modality, o->modality);
    text_copy(out->institution, sizeof out->institution, clinic != NULL ? clinic : "");
}

/* The order, or the registration of an earlier version that made none. */
static int
find_order(struct book *book, const struct json *body, struct order *out, struct err *err)
{
    const char *registration = json_as_text(json_find(body, "registration"));
    const char *accession = json_as_text(json_find(body, "accession"));
    struct book_registration *r;
    int rc;

    if (accession != NULL && accession[0] != '\0')
        return order_find_accession(book, accession, out, err);
    if (registration == NULL || registration[0] == '\0')
        return err_set(err, ERR_REJECT, "registration or accession is due");
    if (order_find(book, registration, out, err) == 0)
        return 0;
    if (err->kind != ERR_NOT_FOUND)
        return -1;
    r = mem_new(sizeof *r);
    rc = book_find(book, registration, r, err);
    if (rc == 0) {
        char made[24];

        *out = (struct order){.made_at_us = r->at_us};
        text_copy(out->registration, sizeof out->registration, r->registration);
        text_copy(out->name, sizeof out->name, r->name);
        text_copy(out->citizen_id, sizeof out->citizen_id, r->citizen_id);
        text_copy(out->sex, sizeof out->sex, r->sex);
        text_copy(out->birth, sizeof out->birth, r->birth);
        text_copy(out->modality, sizeof out->modality, r->modality);
        text_copy(out->attached, sizeof out->attached, r->study);
        snprintf(made, sizeof made, "%lld", (long long)r->at_us);
        wrap_uid("radpost registration study", r->registration, made, out->study);
    }
    free(r);
    return rc;
}

/* ---- which study ---- */

/* The first of the study's images that can be read here: the one the centre knows it by. */
static int
first_facts(const struct api *api, const char *study, bool *out_is_there, struct dcm_facts *out,
            struct err *err)
{
    struct spool *spool = api->options->spool;
    struct spool_filter filter = {.states = INSTANCE_ANY & ~(INSTANCE_BIT(INSTANCE_QUARANTINED) |
                                                             INSTANCE_BIT(INSTANCE_DISCARDED)),
                                  .study_uid = study};
    uint64_t *ids = NULL;
    size_t n = 0;
    int rc = 0;

    *out_is_there = false;
    spool_list(spool, &filter, &ids, &n);
    for (size_t i = 0; i < n && rc == 0 && !*out_is_there; i++) {
        rc = look_all_facts(spool, api->options->accept, ids[i], out, err);
        *out_is_there = rc == 0;
        if (rc < 0 && (err->kind == ERR_NOT_FOUND || err->kind == ERR_REJECT))
            rc = 0;
    }
    free(ids);
    return rc;
}

/* One patient to the centre, and one person to who looks whether a study's number was used twice:
 * the name as the images write it, unless it is another's. */
static bool
is_of_one(const struct dcm_facts *facts, const struct order *o, struct wrap_identity *io)
{
    char name[CLINIC_NAME_SIZE];
    struct book_differs differs;

    report_pdf_person_name(facts->patient_name, name, sizeof name);
    book_compare(&(struct who){name, "", ""}, &(struct who){o->name, "", ""}, o->pinyin, &differs);
    return !differs.name && strcmp(facts->patient_id, io->patient_id) == 0 &&
           facts->issuer[0] == '\0' &&
           text_copy(io->patient_name, sizeof io->patient_name, facts->patient_name);
}

/* May the file stand in the study? One whose images cannot be read here any more may be of anybody.
 */
static int
fit(const struct api *api, const char *study, const struct order *o, struct wrap_identity *io,
    bool *out_fits, struct err *err)
{
    struct dcm_facts *facts = mem_new(sizeof *facts);
    struct wrap_identity of_study = *io;
    bool is_there, is_known = true;
    int rc = first_facts(api, study, &is_there, facts, err);

    if (rc == 0 && !is_there)
        rc = book_study_is_known(api->book, study, &is_known, err);
    if (rc == 0)
        *out_fits = is_there ? is_of_one(facts, o, &of_study) : !is_known;
    if (rc == 0 && *out_fits) {
        *io = of_study;
        text_copy(io->study_uid, sizeof io->study_uid, study);
    }
    free(facts);
    return rc;
}

/* The study that came, the one the devices were told, or one of its own. */
static int
choose_study(const struct api *api, const struct order *o, struct wrap_identity *io,
             struct err *err)
{
    bool fits = false;

    if ((o->attached[0] != '\0' && fit(api, o->attached, o, io, &fits, err) < 0) ||
        (!fits && fit(api, o->study, o, io, &fits, err) < 0))
        return -1;
    for (unsigned n = 1; !fits; n++) {
        char study[65], number[16];

        snprintf(number, sizeof number, "%u", n);
        wrap_uid("radpost registration files", o->registration, number, study);
        if (fit(api, study, o, io, &fits, err) < 0)
            return -1;
    }
    return 0;
}

int
import_whose(const struct api *api, const struct json *body, struct order *out_order,
             struct wrap_identity *out_identity, struct err *err)
{
    if (find_order(api->book, body, out_order, err) < 0)
        return -1;
    identity_of(out_order, api->options->clinic_name, out_identity);
    return choose_study(api, out_order, out_identity, err);
}
