/* lamps.h - which lamp to show for what is known. Pure functions over plain numbers, but for
 * lamp_write_targets(), which asks. */
#ifndef RADPOST_DESK_LAMPS_H
#define RADPOST_DESK_LAMPS_H

#include "gateway/desk/orders_sources.h"
#include "gateway/plain/plain.h"
#include "gateway/spool/spool.h"
#include "gateway/uplink/uplink.h"
#include "proto/base/jsonw.h"

enum lamp {
#define LAMP(word, colour, meaning) LAMP_##word,
#include "gateway/desk/lamps.def"
#undef LAMP
    LAMPS
};

const char *lamp_word(enum lamp lamp);   /* "LINE_UP": the page finds its words by it */
const char *lamp_colour(enum lamp lamp); /* "green" "amber" "red" "grey" */

enum lamp lamp_of_devices(size_t known, size_t heard, size_t refused_lately, bool is_table_wrong);
enum lamp lamp_of_line(const struct uplink_status *status, int64_t now_us);
/* Where there are several ways to the centre: the array "lines", how each of them stands. */
void lamp_write_lines(struct jsonw *w, const struct uplink_status *status);
enum lamp lamp_of_disk(const struct spool_health *health);
/* Also where nobody can be asked: before its own certificate began, or before this program was
 * written, a clock is wrong, and that is why the centre is not reached. */
enum lamp lamp_of_clock(const struct uplink_status *status, int64_t now_us);
/* The clock is far off, and the centre is not reached: no certificate is valid at such a time. */
bool clock_cuts_off(const struct uplink_status *status, int64_t now_us);
/* lost: images that are missing at the centre and here. */
/* unsealed_since_us: of the oldest study that only the centre can bring on (spool_unsealed) */
enum lamp lamp_of_centre(const struct uplink_status *status, uint64_t lost,
                         int64_t unsealed_since_us, int64_t now_us);
enum lamp lamp_of_version(const struct uplink_status *status);
/* is_stale: a certificate of one of our own doors was changed and cannot be used */
enum lamp lamp_of_certificate(const struct uplink_status *status, bool is_stale);
/* Of what is fetched from the HIS, and what it tells. */
enum lamp lamp_of_orders(const struct orders_status *status, int64_t now_us);

/* Of another archive with which something is the matter; false: nothing is, or its table says it.
 */
bool lamp_of_target(enum plain_ill ill, enum lamp *out);
/* "targets", only while their table is wrong, and the array "archives", a lamp for each that is not
 * well. plain may be NULL. */
void lamp_write_targets(struct jsonw *w, struct plain *plain);

/* How a study stands, worst first. */
enum study_word {
    STUDY_ATTENTION, /* something of it is kept aside, or lost at the centre: a person must look */
    STUDY_RECEIVING, /* an association is open */
    STUDY_SENDING,   /* images wait for the line */
    STUDY_LOOKED,    /* the first look of every image is at the centre */
    STUDY_HELD, /* what is here is whole at the centre: not yet in two copies, or more is to come */
    STUDY_SAFE, /* sealed: safe to delete on the device */
    STUDY_WORDS
};

const char *study_word_text(enum study_word word); /* "attention" ... */
/* What is lost for good is at no centre: its study is never safe. Safe only if every image is
 * sealed (or repeats one that is known), the list is closed, the centre acknowledged the list, and
 * no device says that there are more. missing  images that devices say they made of it, and that
 * are not here and may come still */
enum study_word study_word_of(const struct spool_study *study, uint64_t missing);

#endif
