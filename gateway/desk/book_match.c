/* book_match.c - whose images: what they say of themselves against what was registered. */
#include "gateway/desk/book_own.h"

#include "gateway/desk/doubts.h"
#include "proto/base/clock.h"
#include "proto/base/jsonw.h"
#include "proto/base/text.h"
#include "proto/dicom/pinyin.h"
#include "proto/model/citizen_id.h"
#include "proto/model/doubts.h"
#include "proto/model/who.h"

#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* A HIS counts its numbers anew some day: what was asked for long ago names nobody. */
static const int64_t accession_us = INT64_C(30) * 86400 * 1000000;

enum unmatched {
#define WHY(name, word, is_anothers, meaning) name,
#include "gateway/desk/unmatched.def"
#undef WHY
};
static const struct {
    const char *word;
    bool is_anothers;
} whys[] = {
#define WHY(name, word, is_anothers, meaning) {word, is_anothers},
#include "gateway/desk/unmatched.def"
#undef WHY
};

static const int64_t open_us = INT64_C(2) * 86400 * 1000000; /* a registration waits for images */

int
book_study_is_known(struct book *book, const char *study, bool *out, struct err *err)
{
    struct db_rows *rows = NULL;
    int rc = db_ask(book->db, "study_find", DB_ARGS(DB_TEXT(study)), &rows, err);

    if (rc == 0)
        *out = db_rows_count(rows) > 0;
    db_rows_free(&rows);
    return rc;
}

int
book_study_put(struct book *book, const struct book_study *study, struct err *err)
{
    int rc = db_ask(book->db, "study_put",
                    DB_ARGS(DB_TEXT(study->study), DB_TEXT(study->patient_id),
                            DB_TEXT(study->accession), DB_TEXT(study->name), DB_TEXT(study->sex),
                            DB_TEXT(study->birth), DB_TEXT(study->modality),
                            DB_INT(study->arrived_at_us), DB_INT(clock_wall_us())),
                    NULL, err);

    if (rc == 0)
        book_changed(book);
    return rc;
}

static int
list_studies(struct book *book, int64_t since_us, const char *named, struct book_study **out,
             size_t *out_n, struct err *err)
{
    struct db_rows *rows = NULL;
    int rc = db_ask(book->db, "study_list", DB_ARGS(DB_INT(since_us), DB_TEXT(named)), &rows, err);

    if (rc == 0) {
        *out_n = db_rows_count(rows);
        *out = mem_new((*out_n + 1) * sizeof **out);
        for (size_t i = 0; i < *out_n; i++) {
            struct book_study *s = &(*out)[i];

            text_copy(s->study, sizeof s->study, db_text(rows, i, 0));
            text_copy(s->patient_id, sizeof s->patient_id, db_text(rows, i, 1));
            text_copy(s->accession, sizeof s->accession, db_text(rows, i, 2));
            text_copy(s->name, sizeof s->name, db_text(rows, i, 3));
            text_copy(s->sex, sizeof s->sex, db_text(rows, i, 4));
            text_copy(s->birth, sizeof s->birth, db_text(rows, i, 5));
            text_copy(s->registration, sizeof s->registration, db_text(rows, i, 6));
            text_copy(s->unmatched, sizeof s->unmatched, db_text(rows, i, 7));
            text_copy(s->near, sizeof s->near, db_text(rows, i, 8));
            s->arrived_at_us = db_int(rows, i, 9);
            text_copy(s->read_state, sizeof s->read_state, db_text(rows, i, 14));
            if (s->registration[0] != '\0')
                book_compare(
                    &(struct who){s->name, s->sex, s->birth},
                    &(struct who){db_text(rows, i, 10), db_text(rows, i, 11), db_text(rows, i, 12)},
                    db_text(rows, i, 13), &s->differs);
        }
    }
    db_rows_free(&rows);
    return rc;
}

int
book_studies(struct book *book, int64_t since_us, struct book_study **out, size_t *out_n,
             struct err *err)
{
    return list_studies(book, since_us, "[]", out, out_n, err);
}

int
book_studies_named(struct book *book, const char *const *studies, size_t n, struct book_study **out,
                   size_t *out_n, struct err *err)
{
    struct buf named;
    struct jsonw w;
    int rc;

    buf_init(&named, (n + 1) * 8 * CLINIC_UID_SIZE); /* each byte escaped */
    jsonw_init(&w, &named);
    jsonw_array(&w, NULL);
    for (size_t i = 0; i < n; i++)
        jsonw_text(&w, NULL, studies[i]);
    jsonw_end(&w);
    rc = list_studies(book, INT64_MAX, buf_text(&named), out, out_n, err);
    buf_fini(&named);
    return rc;
}

/* As it is typed at a device: blanks around, lower case. */
static void
tidy(const char *text, char out[65])
{
    size_t n = 0;

    for (const char *p = text; *p != '\0' && n + 1 < 65; p++)
        if (!isspace((uint8_t)*p))
            out[n++] = (char)toupper((uint8_t)*p);
    out[n] = '\0';
}

/* ---- one study, in a turn ---- */

/* What a study's images say of themselves; the numbers tidied. */
struct images {
    const char *study, *modality;
    char patient_id[65], accession[65];
    struct who who;
};

/* Whose they are. */
struct match {
    char registration[CLINIC_REGISTRATION_SIZE]; /* "": nobody's or anybody's */
    bool is_named; /* they bear a number of ours, so nothing else decides whose they are */
    enum unmatched why;
    char near[CLINIC_REGISTRATION_SIZE]; /* the registration that why is about */
};

/* A row of registration_candidates. */
static struct book_owner
owner_read(const struct db_rows *rows, size_t i)
{
    return (struct book_owner){
        .registration = db_text(rows, i, 0),
        .citizen_id = db_text(rows, i, 2),
        .patient_id = db_text(rows, i, 3),
        .pinyin = db_text(rows, i, 4),
        .who = {db_text(rows, i, 5), db_text(rows, i, 6), db_text(rows, i, 7)}};
}

/* In the same script, or one the other's reading in Latin letters. */
static bool
is_one_name(const char *a, const char *b, const char *b_pinyin)
{
    char latin_a[CLINIC_NAME_SIZE], latin_b[CLINIC_NAME_SIZE];
    char letters_a[CLINIC_NAME_SIZE], letters_b[CLINIC_NAME_SIZE];

    if (who_names(a, b) != WHO_NAMES_OPEN)
        return who_names(a, b) == WHO_NAMES_ALIKE;
    (void)pinyin_name(a, latin_a, sizeof latin_a);
    (void)pinyin_name(b, latin_b, sizeof latin_b);
    pinyin_fold(latin_a, letters_a, sizeof letters_a);
    pinyin_fold(latin_b, letters_b, sizeof letters_b);
    if (strcmp(letters_a, letters_b) == 0)
        return true;
    pinyin_fold(b_pinyin, letters_b, sizeof letters_b);
    return strcmp(letters_a, letters_b) == 0;
}

/* How its order writes it in Latin letters, whatever it is read like: a HIS may say. */
static bool
is_pinyin(const char *said, const char *pinyin)
{
    char one[CLINIC_NAME_SIZE], other[CLINIC_NAME_SIZE];

    pinyin_fold(said, one, sizeof one);
    pinyin_fold(pinyin, other, sizeof other);
    return one[0] != '\0' && strcmp(one, other) == 0;
}

void
book_compare(const struct who *said, const struct who *owner, const char *pinyin,
             struct book_differs *out)
{
    *out = (struct book_differs){
        .name = who_is_other_name(said->name, owner->name) && !is_pinyin(said->name, pinyin),
        .sex = who_differ(&(struct who){"", said->sex, ""}, &(struct who){"", owner->sex, ""}),
        .birth =
            who_differ(&(struct who){"", "", said->birth}, &(struct who){"", "", owner->birth})};
}

static bool
is_same_number(const char *a, const char *b)
{
    char one[65], other[65];

    who_number(a, one, sizeof one);
    who_number(b, other, sizeof other);
    return one[0] != '\0' && strcmp(one, other) == 0;
}

/* Is the number on the images that of somebody else who was registered or ordered here? */
static int
is_known_number(struct book *book, const char *patient_id, const char *citizen_id,
                const struct book_owner *owner, bool *out, struct err *err)
{
    struct db_rows *rows = NULL;
    char number[65];

    who_number(patient_id, number, sizeof number);
    if (db_run(book->db, "registration_has_number",
               DB_ARGS(DB_TEXT(citizen_id), DB_INT(clock_wall_us() - open_us), DB_TEXT(number),
                       DB_INT(clock_wall_us() - accession_us), DB_TEXT(owner->registration)),
               &rows, err) < 0)
        return -1;
    *out = db_rows_count(rows) > 0;
    db_rows_free(&rows);
    return 0;
}

bool
book_is_anothers(const struct book_said *said, const struct book_owner *owner, bool *out_is_open)
{
    struct citizen_id card = {0};
    bool is_card = citizen_id_read(said->patient_id, "", &card) == CITIZEN_ID_FINE;
    const struct who of_card = {"", (char[]){card.sex, '\0'}, card.birth};

    *out_is_open = false;
    if (is_card && strcmp(card.text, owner->citizen_id) == 0)
        return false;
    if (who_differ(&said->who, &owner->who))
        return true;
    if (doubts_is_placeholder(said->patient_id) ||
        is_same_number(said->patient_id, said->accession) ||
        is_same_number(said->patient_id, owner->registration) ||
        is_same_number(said->patient_id, owner->patient_id))
        return false;
    if ((is_card && (owner->citizen_id[0] != '\0' || who_differ(&of_card, &owner->who))) ||
        (said->who.name[0] != '\0' && !is_one_name(said->who.name, owner->who.name, owner->pinyin)))
        return true;
    *out_is_open = true;
    return false;
}

/* What of two people contradicts, for a person to look at. */
static enum unmatched
contradiction(const struct who *said, const struct who *owner)
{
    if (who_differ(&(struct who){"", said->sex, ""}, owner))
        return UNMATCHED_SEX;
    if (who_differ(&(struct who){"", "", said->birth}, owner))
        return UNMATCHED_BIRTH;
    return who_names(said->name, owner->name) == WHO_NAMES_DIFFER ? UNMATCHED_NAME
                                                                  : UNMATCHED_NUMBER;
}

/* A console still holds the last patient's accession number, or his whole entry, when the next
 * one's number is typed or card is read. */
int
book_contradicts(struct book *book, const struct book_said *said, const struct book_owner *owner,
                 bool *out, struct err *err)
{
    struct citizen_id card;
    bool is_open;

    *out = book_is_anothers(said, owner, &is_open);
    if (!is_open)
        return 0;
    if (citizen_id_read(said->patient_id, "", &card) != CITIZEN_ID_FINE)
        card.text[0] = '\0';
    return is_known_number(book, said->patient_id, card.text, owner, out, err);
}

/* A further study of a number. The first is the owner's, though its name be in another script and
 * no reading of the owner's; one that comes later with such a name may be the next patient's. */
static enum unmatched
of_second(const struct who *said, const struct book_owner *owner)
{
    struct book_differs differs;

    book_compare(said, &owner->who, owner->pinyin, &differs);
    return differs.name ? UNMATCHED_NAME : UNMATCHED_HAS_STUDY;
}

/* By the study that an order's device was told, the registration's number, or its order's accession
 * number. */
static int
by_number(struct book *book, const struct images *images, struct match *m, struct err *err)
{
    struct db_rows *rows = NULL;
    int rc = 0;

    if (db_run(book->db, "registration_candidates",
               DB_ARGS(DB_TEXT(images->patient_id), DB_TEXT(images->accession),
                       DB_TEXT(images->study), DB_INT(clock_wall_us() - accession_us)),
               &rows, err) < 0)
        return -1;
    m->is_named = db_rows_count(rows) > 0;
    /* Two numbers of two people contradict one another; one with a study has its images. */
    if (db_rows_count(rows) > 1)
        m->why = UNMATCHED_TWO;
    if (db_rows_count(rows) == 1) {
        const struct book_owner owner = owner_read(rows, 0);
        const struct book_said said = {images->patient_id, images->accession, images->who};
        bool is_other = false;

        rc = book_contradicts(book, &said, &owner, &is_other, err);
        if (is_other)
            m->why = contradiction(&images->who, &owner.who);
        else if (db_text(rows, 0, 1)[0] != '\0')
            m->why = of_second(&images->who, &owner);
        text_copy(m->why == UNMATCHED_OPEN ? m->registration : m->near, sizeof m->near,
                  owner.registration);
    }
    db_rows_free(&rows);
    return rc;
}

/* A DR machine calls itself DX or CR. */
static bool
is_asked(const char *asked, const char *modality)
{
    if (asked[0] == '\0' || modality[0] == '\0')
        return true;
    asked = strcmp(asked, "CR") == 0 ? "DX" : asked;
    modality = strcmp(modality, "CR") == 0 ? "DX" : modality;
    return strcmp(asked, modality) == 0;
}

static int
by_citizen(struct book *book, const struct images *images, struct match *m, struct err *err)
{
    struct db_rows *rows = NULL;
    struct citizen_id id;
    size_t fitting = 0;

    m->why = doubts_is_placeholder(images->patient_id) && doubts_is_placeholder(images->accession)
                 ? UNMATCHED_NO_NUMBER
                 : UNMATCHED_UNKNOWN;
    if (citizen_id_read(images->patient_id, "", &id) != CITIZEN_ID_FINE)
        return 0;
    if (db_run(book->db, "registration_of_citizen",
               DB_ARGS(DB_TEXT(id.text), DB_INT(clock_wall_us() - open_us)), &rows, err) < 0)
        return -1;
    for (size_t i = 0; i < db_rows_count(rows); i++) {
        if (!is_asked(db_text(rows, i, 1), images->modality))
            continue;
        fitting++;
        text_copy(m->registration, sizeof m->registration, db_text(rows, i, 0));
    }
    m->why = fitting == 1               ? UNMATCHED_OPEN
             : fitting > 1              ? UNMATCHED_SEVERAL
             : db_rows_count(rows) == 0 ? UNMATCHED_NOBODY_WAITS
                                        : UNMATCHED_MODALITY;
    if (fitting == 0 && db_rows_count(rows) == 1)
        text_copy(m->near, sizeof m->near, db_text(rows, 0, 0));
    if (fitting != 1)
        m->registration[0] = '\0';
    db_rows_free(&rows);
    return 0;
}

/* *out_is_news: the page tells it. */
static int
note_why(struct book *book, const struct db_rows *studies, size_t i, const struct match *m,
         bool *out_is_news, struct err *err)
{
    const char *word = whys[m->why].word;

    *out_is_news =
        strcmp(word, db_text(studies, i, 8)) != 0 || strcmp(m->near, db_text(studies, i, 9)) != 0;
    return *out_is_news
               ? db_run(book->db, "study_unmatched_why",
                        DB_ARGS(DB_TEXT(db_text(studies, i, 0)), DB_TEXT(word), DB_TEXT(m->near)),
                        NULL, err)
               : 0;
}

static int
match_one(struct book *book, const struct db_rows *studies, size_t i, bool *out_is_attached,
          bool *out_is_news, struct err *err)
{
    struct images images = {
        .study = db_text(studies, i, 0),
        .modality = db_text(studies, i, 3),
        .who = {db_text(studies, i, 5), db_text(studies, i, 6), db_text(studies, i, 7)}};
    struct match m = {.why = UNMATCHED_OPEN};
    struct book_registration *r;
    int rc = -1;

    *out_is_attached = *out_is_news = false;
    if (!uid_is_valid(images.study, true)) /* an older version knew it */
        return 0;
    tidy(db_text(studies, i, 1), images.patient_id);
    tidy(db_text(studies, i, 2), images.accession);
    if (by_number(book, &images, &m, err) < 0 ||
        (!m.is_named && by_citizen(book, &images, &m, err) < 0) ||
        note_why(book, studies, i, &m, out_is_news, err) < 0)
        return -1;
    if (m.registration[0] == '\0')
        return doubts_anothers(book, images.study, whys[m.why].is_anothers, out_is_news, err);
    r = mem_new(sizeof *r);
    if (registration_get(book, m.registration, r, err) == 0 &&
        registration_attach(book, r, images.study, m.is_named ? "number" : "citizen_id", err) ==
            0) {
        *out_is_attached = true;
        rc = 0;
    }
    free(r);
    return rc;
}

static int
match_all(struct book *book, int64_t since_us, unsigned *out_attached, unsigned *out_news,
          struct err *err)
{
    struct db_rows *rows = NULL;
    int rc = -1;

    *out_attached = *out_news = 0;
    if (db_run(book->db, "study_unmatched", DB_ARGS(DB_INT(since_us)), &rows, err) < 0)
        return -1;
    for (size_t i = 0; i < db_rows_count(rows); i++) {
        bool is_attached, is_news;

        if (match_one(book, rows, i, &is_attached, &is_news, err) < 0)
            goto out;
        *out_attached += is_attached;
        *out_news += is_news;
    }
    rc = 0;
out:
    db_rows_free(&rows);
    return rc;
}

int
book_match(struct book *book, int64_t since_us, unsigned *out_attached, struct err *err)
{
    unsigned news = 0;
    int rc = db_begin(book->db, err);

    if (rc == 0)
        rc = db_end(book->db, match_all(book, since_us, out_attached, &news, err), err);
    if (rc == 0 && *out_attached + news > 0)
        book_changed(book);
    return rc;
}
