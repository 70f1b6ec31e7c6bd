/* patient_theirs.c - does a signed report speak of the person whose slip now has the study?
 *
 * A study that was attached to the wrong registration and signed keeps, in its report, the name,
 * number and history of who had it then. The images' own words about the patient are often Latin
 * letters, or nothing; then only what the desk registered tells people apart. */
#include "reader/deliver/patient.h"

#include "proto/dicom/pinyin.h"
#include "proto/model/citizen_id.h"
#include "proto/model/doubts.h"
#include "proto/render/report_pdf.h"
#include "reader/assign/assign.h"
#include "reader/compose/compose.h"

#include <string.h>

static bool
is_same(const char *a, const char *b)
{
    return a[0] != '\0' && strcmp(a, b) == 0;
}

/* Of two people: both are known, and not by different spellings of one name. */
static bool
differ(const char *signed_name, const char *registered, bool is_registered_word)
{
    bool can_be_compared =
        is_registered_word || ((uint8_t)signed_name[0] >= 0x80 && (uint8_t)registered[0] >= 0x80);

    return signed_name[0] != '\0' && registered[0] != '\0' && can_be_compared &&
           strcmp(signed_name, registered) != 0;
}

/* Perhaps the desk knew only the age: the first of January is made from it. */
static bool
is_year_at_most(const char *birth)
{
    return !citizen_id_is_day(birth) || strcmp(birth + 4, "0101") == 0;
}

/* Two ways to write what is read alike (王晓东, 王小东), of one birth date: a name that was mended.
 * Images that bear one of the two have said whose they are. A year proves nothing: namesakes have
 * one, and a study may have been moved from one registration to another. */
static bool
is_mended(const struct report *report, const char *name, const char *registered,
          const struct read_row *row)
{
    char one[ASSIGN_TEXT], other[ASSIGN_TEXT];

    return !row->is_other_patient && pinyin_name(name, one, sizeof one) &&
           pinyin_name(registered, other, sizeof other) && strcmp(one, other) == 0 &&
           is_same(report->patient_birth, row->registered_birth) &&
           !is_year_at_most(row->registered_birth);
}

/* Of a name in two scripts (王五, Ma Liu): one is how the other is read, or the images' birth date
 * is the registered one (not the report's, which is registered where the images say none). Where
 * images and registration contradict one another, who confirmed these two has said why. */
static bool
is_borne_out(const char *name, const char *registered, const struct read_row *row)
{
    const char *other = strstr(row->doubts, READ_OTHER_WORD ".");

    if (row->is_other_patient)
        return other != NULL && !doubts_are_open(other, row->confirmed);
    return is_same(row->device_birth, row->registered_birth) ||
           pinyin_is_reading(name, registered) || pinyin_is_reading(registered, name);
}

bool
patient_is_theirs(const struct report *report, const struct read_row *row)
{
    char name[ASSIGN_TEXT], present[ASSIGN_TEXT], registered[ASSIGN_TEXT];
    bool is_same_number = is_same(report->patient_id, row->patient_id), is_registered_word;
    struct citizen_id number;

    if (strstr(row->doubts, doubt_word(DOUBT_A_OR_B)) != NULL && read_has_open_doubts(row))
        return false; /* the desk has not said whose these images are */
    report_pdf_person_name(report->patient_name, name, sizeof name);
    report_pdf_person_name(row->device_name[0] != '\0' ? row->device_name : row->registered_name,
                           present, sizeof present);
    report_pdf_person_name(row->registered_name, registered, sizeof registered);
    if (is_same(report->patient_id, row->registration))
        return true;
    if (is_same(name,
                registered)) /* perhaps the registration's own word, which images contradict */
        return is_same(present, registered) || !row->is_other_patient ||
               is_borne_out(present, registered, row);
    /* the read's name is the desk's word: the images say none, or the same */
    is_registered_word = is_same(present, registered);
    if (differ(name, registered, is_registered_word)) /* unless one person's name was mended */
        return (is_registered_word && is_same_number &&
                citizen_id_read(report->patient_id, "", &number) == CITIZEN_ID_FINE) ||
               is_mended(report, name, registered, row);
    if (name[0] != '\0' && registered[0] != '\0' && !is_registered_word &&
        ((uint8_t)name[0] >= 0x80) != ((uint8_t)registered[0] >= 0x80))
        return is_borne_out(name, registered, row);
    return is_same(name, present) || is_same_number ||
           (name[0] == '\0' && report->patient_id[0] == '\0');
}
