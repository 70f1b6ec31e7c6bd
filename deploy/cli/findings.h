/* findings.h - what the doctor says: a line each, fine, worth a look, or bad, in plain words; under
 * what is not fine what to do about it (advice.def). */
#ifndef RADPOST_DEPLOY_FINDINGS_H
#define RADPOST_DEPLOY_FINDINGS_H

#include "proto/base/err.h"

enum mark { MARK_FINE, MARK_LOOK, MARK_BAD };

struct findings {
    size_t looks, bads;
};

void finding(struct findings *f, enum mark mark, const char *what, const char *format, ...)
    PRINTF_LIKE(4, 5);

/* Checks that gateway and storage share. */
void check_port(struct findings *f, const char *what, const char *address, int64_t port);
/* look below warn_bytes, bad below bad_bytes */
void check_disk(struct findings *f, const char *what, const char *path, uint64_t warn_bytes,
                uint64_t bad_bytes);
/* look when soon_days or less are left, bad at a quarter of them */
void check_days(struct findings *f, const char *what, int64_t soon_days, int64_t not_after_us);
/* Days of worklists and of pages are local: by UTC a morning in China is still yesterday. */
void check_zone(struct findings *f);
void check_audit(struct findings *f, const char *dir);

#endif
