/* his_world.h - a desk that tells a HIS of one read: the book, the settings, what the centre sends
 * down, and short words for it. Reports are of HIS_READ; their texts name the version. */
#ifndef RADPOST_TESTS_HIS_WORLD_H
#define RADPOST_TESTS_HIS_WORLD_H

#include "gateway/desk/his_book.h"
#include "gateway/desk/his_send.h"
#include "tests/support/book_world.h"

#define HIS_STUDY "1.2.840.5.77"
#define HIS_NAME "王昞倈" /* in GBK their second bytes are those of \ and | */
enum { HIS_READ = 12, HIS_WAIT_MS = 3600000 };

extern struct his_world {
    struct his_settings settings;
    struct his_targets targets; /* settings, understood */
    /* what his_hear() and his_put() are about: HIS_READ, HIS_STUDY, the test's to change */
    int64_t read;
    const char *study;
    char hl7_place[64], dicom_place[64], folder[FOLDER_PATH_BYTES + 8];
} his;

/* cmocka's setup and teardown: a HIS that takes HL7 (his_peer.h), and nothing else. */
int his_world_open(void **state);
int his_world_close(void **state);
/* The same for a peer and a book that stand already. */
void his_world_begin(void);
void his_configure(bool has_hl7, bool has_dicom, bool has_folder);

/* The centre says something of the read; what belongs to it is fetched; both. */
void his_hear(enum clinic_down_kind kind, uint32_t version, bool is_preliminary,
              const char *reason);
void his_fetch(uint32_t version);
void his_report(enum clinic_down_kind kind, uint32_t version, const char *reason);
/* A document; kind "" is the PDF. */
void his_put(uint32_t version, const char *kind, const void *bytes, size_t n);
/* The desk sees what it owes to whom; his_fetch() and his_step() do it, too. */
void his_owe(void);

/* One step of a target; false: nothing was due. is_down may be NULL. */
bool his_step(enum his_target target, bool *is_down);
/* The one delivery of a target's version. */
struct his_delivery his_delivery(enum his_target target, uint32_t version, bool is_withdrawal);
/* A person has it sent again. */
void his_again(int64_t n);

#endif
