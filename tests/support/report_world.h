/* report_world.h - read_world and reports on top: an archive that lists and takes what a test says,
 * and short words for the steps of people. For tests of reader/compose and of stages above it.
 * The test's main() must begin with compose_signer_main_if_asked(). */
#ifndef RADPOST_TESTS_REPORT_WORLD_H
#define RADPOST_TESTS_REPORT_WORLD_H

#include "reader/compose/compose.h"
#include "reader/compose/compose_own.h"
#include "tests/support/folder.h"
#include "tests/support/read_world.h"

struct report_world {
    struct read_world reads;
    char folder[FOLDER_PATH_BYTES];
    struct compose *compose; /* its thread does not run: documents_settle() */
};

/* What the archive of the test says and got. */
extern struct report_archive {
    unsigned instances, revision; /* of every study's manifest */
    unsigned before;              /* images of older revisions */
    int not_whole;                /* this one (from 0) is not whole; -1 */
    struct archive_gone gone;     /* lost for good, as was said last */
    unsigned announced;           /* so many the devices say there are */
    bool is_open;                 /* more were offered than are listed */
    int64_t silent_us;            /* since the last of them came */
    bool is_away;
    enum err_kind stow_fails; /* the next stow, once */
    unsigned stows, stored;   /* calls; different SOP instances */
    char first_stored[65];
} report_archive;

void report_world_open(struct report_world *w, struct pg_cluster *cluster, const char *database);
/* Close compose and open it again, as after a restart. */
void report_world_reopen(struct report_world *w);
void report_world_close(struct report_world *w);
/* read_world_back_up() and read_world_put_back(). */
void report_world_back_up(struct report_world *w, const char *name);
void report_world_put_back(struct report_world *w, const char *name);

/* A study of two images of a clinic, closed and known; its read. */
int64_t report_world_study(struct report_world *w, const char *tenant, const char *study);

/* Steps of somebody; REFUSE_NOTHING and 0: done. What else: the refusal, or minus the kind. */
int report_claim(struct report_world *w, const char *login, int64_t read);
int report_shown(struct report_world *w, const char *login, int64_t read, bool is_proved);
/* One image, from 0, with its proved pixels. */
int report_shown_one(struct report_world *w, const char *login, int64_t read, unsigned image);
int report_draft(struct report_world *w, const char *login, int64_t read, int64_t base,
                 const char *findings, const char *impression);
int report_write_as(struct report_world *w, const char *login, int64_t read);
int report_review(struct report_world *w, const char *login, int64_t read, bool is_accepted,
                  const char *reason);
int report_sign(struct report_world *w, const char *login, int64_t read, enum report_kind kind);
/* The same of somebody who knows that so many images have not come. */
int report_sign_lacking(struct report_world *w, const char *login, int64_t read,
                        enum report_kind kind, uint32_t lacks);
int report_amend(struct report_world *w, const char *login, int64_t read, const char *reason);
int report_withdraw(struct report_world *w, const char *login, int64_t read, const char *reason);
/* doubts: as the page showed them. */
int report_confirm_doubts(struct report_world *w, const char *login, int64_t read,
                          const char *doubts, const char *reason);
/* The same from a page that saw this doubts_revision; the one above saw the newest. */
int report_confirm_doubts_at(struct report_world *w, const char *login, int64_t read,
                             const char *doubts, int64_t seen, const char *reason);
/* images: as the page showed them missing. */
int report_gone(struct report_world *w, const char *login, int64_t read, uint32_t images,
                const char *reason);
/* What came after the signature was looked at, and the report stands. */
int report_stands(struct report_world *w, const char *login, int64_t read, const char *reason);
/* The archive closes the study anew, with so many images, all its older lists as it was. */
void report_world_images_come(struct report_world *w, const char *study, unsigned now);
/* From a page that saw this counter. */
int report_withdraw_at(struct report_world *w, const char *login, int64_t read, int64_t base,
                       const char *reason);
/* The counter of the version in work. */
int64_t report_base(struct report_world *w, int64_t read);
/* All but the signature: claimed, shown, drafted, written by author; shown, reviewed by signer. The
 * test fails where a step does. */
void report_world_review(struct report_world *w, int64_t read, const char *author,
                         const char *signer);
/* All of it. */
void report_world_sign(struct report_world *w, int64_t read, const char *author,
                       const char *signer);
/* A signed version; report_fini(). */
void report_world_get(struct report_world *w, int64_t read, unsigned version, struct report *out);

#endif
