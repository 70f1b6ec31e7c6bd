/* lamps.c - which lamp to show for what is known. */
#include "gateway/desk/lamps.h"

#include <ctype.h>
#include <limits.h>
#include <stdlib.h>

enum {
    DOWN_LONG_S = 600,
    CENTRE_FULL_LONG_S = 3600,
    NOT_SEALING_S = 3600,
    NOT_SEALING_LONG_S = 86400,
    CLOCK_OFF_MS = 5000,
    CLOCK_WRONG_MS = 60000
};
enum { CERTIFICATE_SOON_DAYS = 30, CERTIFICATE_ENDING_DAYS = 7 };

/* Nobody ran this program before 2026. */
#define WRITTEN_US INT64_C(1767225600000000)
#define COMPARED_LATE_US INT64_C(259200000000) /* three days */
#define GREEN "green"
#define AMBER "amber"
#define RED "red"
#define GREY "grey"

static const struct {
    const char *word;
    const char *colour;
} lamps[] = {
#define LAMP(word, colour, meaning) {#word, colour},
#include "gateway/desk/lamps.def"
#undef LAMP
};

const char *
lamp_word(enum lamp lamp)
{
    CHECK((size_t)lamp < ARRAY_LEN(lamps));
    return lamps[lamp].word;
}

const char *
lamp_colour(enum lamp lamp)
{
    CHECK((size_t)lamp < ARRAY_LEN(lamps));
    return lamps[lamp].colour;
}

enum lamp
lamp_of_devices(size_t known, size_t heard, size_t refused_lately, bool is_table_wrong)
{
    if (is_table_wrong)
        return LAMP_DEVICES_TABLE;
    if (refused_lately > 0)
        return LAMP_DEVICES_REFUSED;
    if (known == 0)
        return LAMP_DEVICES_NONE;
    return heard > 0 ? LAMP_DEVICES_HEARD : LAMP_DEVICES_QUIET;
}

static bool
is_longer(int64_t since_us, int64_t now_us, int seconds)
{
    return now_us - since_us > seconds * INT64_C(1000000);
}

static bool
is_long(int64_t since_us, int64_t now_us)
{
    return is_longer(since_us, now_us, DOWN_LONG_S);
}

/* Images go by another: nobody would notice until that one fails, too. */
static bool
is_partly_down(const struct uplink_status *status, int64_t now_us)
{
    for (size_t i = 0; status->lines_n > 1 && i < status->lines_n; i++)
        if (status->lines[i].line != UPLINK_UP && is_long(status->lines[i].since_us, now_us))
            return true;
    return false;
}

static bool
is_choked(const struct uplink_status *status)
{
    for (size_t i = 0; i < status->lines_n; i++)
        if (status->lines[i].line == UPLINK_UP && status->lines[i].is_choked)
            return true;
    return false;
}

/* By one line at least images come through. */
static bool
carries(const struct uplink_status *status)
{
    for (size_t i = 0; i < status->lines_n; i++)
        if (status->lines[i].is_serving && !status->lines[i].is_choked)
            return true;
    return false;
}

enum lamp
lamp_of_line(const struct uplink_status *status, int64_t now_us)
{
    switch (status->line) {
    case UPLINK_UP:
        if (status->proofs_failed > 0)
            return LAMP_LINE_PROOF;
        if (status->is_centre_full)
            return is_longer(status->full_since_us, now_us, CENTRE_FULL_LONG_S)
                       ? LAMP_LINE_FULL_LONG
                       : LAMP_LINE_FULL;
        if (is_choked(status))
            return carries(status) ? LAMP_LINE_CHOKED_ONE : LAMP_LINE_CHOKED;
        if (status->is_table_wrong)
            return LAMP_LINE_TABLE;
        return is_partly_down(status, now_us) ? LAMP_LINE_PARTLY : LAMP_LINE_UP;
    case UPLINK_TRYING:
        return status->is_table_wrong ? LAMP_LINE_TABLE : LAMP_LINE_TRYING;
    case UPLINK_REFUSED:
        return LAMP_LINE_REFUSED;
    case UPLINK_NOT_ENROLLED:
        return LAMP_LINE_NOT_ENROLLED;
    case UPLINK_DOWN:
    default:
        if (status->is_proxy_denied)
            return LAMP_LINE_PROXY;
        return is_long(status->line_since_us, now_us) ? LAMP_LINE_DOWN_LONG : LAMP_LINE_DOWN;
    }
}

void
lamp_write_lines(struct jsonw *w, const struct uplink_status *status)
{
    jsonw_array(w, "lines");
    for (size_t i = 0; i < status->lines_n; i++) {
        const struct uplink_line_status *line = &status->lines[i];

        jsonw_object(w, NULL);
        jsonw_text(w, "name", line->name);
        jsonw_uint(w, "rank", line->rank);
        jsonw_text(w, "state", uplink_line_word(line->line));
        jsonw_bool(w, "is_serving", line->is_serving);
        jsonw_bool(w, "is_choked", line->is_choked);
        jsonw_int(w, "since_us", line->since_us);
        jsonw_int(w, "last_contact_us", line->last_contact_us);
        jsonw_uint(w, "bytes_per_s", line->bytes_per_s);
        jsonw_uint(w, "rate_bytes", line->rate_bytes);
        jsonw_text(w, "trouble", line->trouble);
        jsonw_end(w);
    }
    jsonw_end(w);
}

enum lamp
lamp_of_disk(const struct spool_health *health)
{
    if (health->is_journal_sick)
        return LAMP_DISK_SICK;
    switch (health->disk) {
    case SPOOL_DISK_REFUSE:
        return LAMP_DISK_REFUSE;
    case SPOOL_DISK_SLOW:
        return LAMP_DISK_SLOW;
    case SPOOL_DISK_WARN:
        return LAMP_DISK_WARN;
    case SPOOL_DISK_FINE:
    default:
        return LAMP_DISK_FINE;
    }
}

enum lamp
lamp_of_clock(const struct uplink_status *status, int64_t now_us)
{
    int64_t off;

    /* over a line that is up the centre says what time it is: its clock was wrong when it issued */
    if (now_us < WRITTEN_US || (now_us < status->certificate_from_us && status->line != UPLINK_UP))
        return LAMP_CLOCK_FAR;
    if (status->is_clock_past_all)
        return LAMP_CLOCK_AHEAD;
    if (!status->has_clock_offset)
        return LAMP_CLOCK_UNKNOWN;
    off = llabs(status->clock_offset_ms);
    return off > CLOCK_WRONG_MS ? LAMP_CLOCK_WRONG
           : off > CLOCK_OFF_MS ? LAMP_CLOCK_OFF
                                : LAMP_CLOCK_FINE;
}

bool
clock_cuts_off(const struct uplink_status *status, int64_t now_us)
{
    enum lamp lamp = lamp_of_clock(status, now_us);

    return (lamp == LAMP_CLOCK_FAR || lamp == LAMP_CLOCK_AHEAD) && status->line != UPLINK_UP &&
           status->line != UPLINK_NOT_ENROLLED;
}

/* Without a line nobody hears what was sealed; when it has come back, the news takes a moment. */
static bool
is_not_sealing(const struct uplink_status *status, int64_t unsealed_since_us, int64_t now_us)
{
    return unsealed_since_us != 0 && status->line == UPLINK_UP &&
           is_long(status->line_since_us, now_us) &&
           is_longer(unsealed_since_us, now_us, NOT_SEALING_S);
}

enum lamp
lamp_of_centre(const struct uplink_status *status, uint64_t lost, int64_t unsealed_since_us,
               int64_t now_us)
{
    const struct uplink_reconciled *r = &status->reconciled;

    if (lost > 0)
        return LAMP_CENTRE_LOST;
    if (is_not_sealing(status, unsealed_since_us, now_us))
        return is_longer(unsealed_since_us, now_us, NOT_SEALING_LONG_S)
                   ? LAMP_CENTRE_NOT_SEALING_LONG
                   : LAMP_CENTRE_NOT_SEALING;
    if (r->at_us == 0)
        return LAMP_CENTRE_UNKNOWN;
    if (r->different > 0)
        return LAMP_CENTRE_DIFFERED;
    return now_us - r->at_us > COMPARED_LATE_US ? LAMP_CENTRE_OLD : LAMP_CENTRE_SAME;
}

enum lamp
lamp_of_version(const struct uplink_status *status)
{
    if (status->is_version_too_old)
        return LAMP_VERSION_OLD;
    return status->upgrade_version[0] != '\0' ? LAMP_VERSION_NEW : LAMP_VERSION_FINE;
}

enum lamp
lamp_of_certificate(const struct uplink_status *status, bool is_stale)
{
    int days = status->certificate_days;

    if (days != INT_MIN && days < 0)
        return LAMP_CERTIFICATE_ENDED;
    if (days != INT_MIN && days <= CERTIFICATE_ENDING_DAYS)
        return LAMP_CERTIFICATE_ENDING;
    if (is_stale)
        return LAMP_CERTIFICATE_STAYS;
    return days == INT_MIN                 ? LAMP_CERTIFICATE_UNKNOWN
           : days <= CERTIFICATE_SOON_DAYS ? LAMP_CERTIFICATE_SOON
                                           : LAMP_CERTIFICATE_FINE;
}

enum lamp
lamp_of_orders(const struct orders_status *status, int64_t now_us)
{
    if (status->trouble != ORDERS_NO_TROUBLE && is_long(status->trouble_us, now_us))
        return LAMP_ORDERS_DOWN_LONG;
    if (status->hl7_orders > 0)
        return LAMP_ORDERS_HL7;
    if (status->trouble != ORDERS_NO_TROUBLE)
        return LAMP_ORDERS_DOWN;
    if (status->refused > 0)
        return LAMP_ORDERS_REFUSED;
    if (status->aside > 0)
        return LAMP_ORDERS_ASIDE;
    if (status->flagged > 0)
        return LAMP_ORDERS_FLAGGED;
    if (status->hl7_others > 0)
        return LAMP_ORDERS_HL7_OTHER;
    return status->good_us == 0 ? LAMP_ORDERS_WAITING : LAMP_ORDERS_FINE;
}

bool
lamp_of_target(enum plain_ill ill, enum lamp *out)
{
    static const struct {
        enum plain_ill ill;
        enum lamp lamp;
    } rows[] = {
        {PLAIN_ILL_SICK, LAMP_TARGET_SICK},
        {PLAIN_ILL_DENIED, LAMP_TARGET_DENIED},
        {PLAIN_ILL_CANNOT_ASK, LAMP_TARGET_CANNOT_ASK},
        {PLAIN_ILL_DOWN, LAMP_TARGET_DOWN},
        {PLAIN_ILL_DOWN_LONG, LAMP_TARGET_DOWN_LONG},
        {PLAIN_ILL_FULL, LAMP_TARGET_FULL},
        {PLAIN_ILL_FULL_LONG, LAMP_TARGET_FULL_LONG},
        {PLAIN_ILL_REFUSES, LAMP_TARGET_REFUSES},
        {PLAIN_ILL_QUERIES_DOWN, LAMP_TARGET_QUERIES_DOWN},
    };

    for (size_t i = 0; i < ARRAY_LEN(rows); i++)
        if (rows[i].ill == ill) {
            *out = rows[i].lamp;
            return true;
        }
    return false;
}

void
lamp_write_targets(struct jsonw *w, struct plain *plain)
{
    struct plain_state states[PLAIN_STATES];
    size_t n = plain != NULL ? plain_states(plain, states) : 0;
    const char *trouble = plain != NULL ? plain_table_trouble(plain) : "";
    enum lamp lamp;

    if (trouble[0] != '\0') {
        jsonw_object(w, "targets");
        jsonw_text(w, "word", lamp_word(LAMP_TARGETS_TABLE));
        jsonw_text(w, "colour", lamp_colour(LAMP_TARGETS_TABLE));
        jsonw_text(w, "trouble", trouble);
        jsonw_end(w);
    }
    jsonw_array(w, "archives");
    for (size_t i = 0; i < n; i++) {
        if (!lamp_of_target(states[i].ill, &lamp))
            continue;
        jsonw_object(w, NULL);
        jsonw_text(w, "word", lamp_word(lamp));
        jsonw_text(w, "colour", lamp_colour(lamp));
        jsonw_text(w, "name", states[i].name);
        jsonw_bool(w, "is_archive", states[i].is_archive);
        jsonw_int(w, "since_us", states[i].since_us);
        jsonw_uint(w, "waiting", states[i].waiting);
        jsonw_uint(w, "refused", states[i].refused);
        jsonw_text(w, "trouble", states[i].trouble);
        jsonw_end(w);
    }
    jsonw_end(w);
}

const char *
study_word_text(enum study_word word)
{
    static const char *const words[STUDY_WORDS] = {"attention", "receiving", "sending",
                                                   "looked",    "held",      "safe"};

    CHECK((size_t)word < STUDY_WORDS);
    return words[word];
}

enum study_word
study_word_of(const struct spool_study *study, uint64_t missing)
{
    const uint64_t *n = study->counts;
    uint64_t safe = n[INSTANCE_SEALED] + n[INSTANCE_DUPLICATE];
    uint64_t held = safe + n[INSTANCE_HELD];
    bool is_listed = study->revision > 0 && study->acked_revision == study->revision &&
                     study->unlisted + study->leaving == 0;
    bool may_grow = study->uninspected > 0; /* what the device sent last may be a late image */

    if (n[INSTANCE_QUARANTINED] + study->aside + study->lost > 0)
        return STUDY_ATTENTION;
    if (study->open_associations > 0 || study->total == 0)
        return STUDY_RECEIVING;
    if (safe == study->total && is_listed && !may_grow && study->paused == 0 && missing == 0 &&
        study->gone == 0)
        return STUDY_SAFE;
    if (held == study->total)
        return STUDY_HELD;
    return held + n[INSTANCE_LOOKED] == study->total ? STUDY_LOOKED : STUDY_SENDING;
}
