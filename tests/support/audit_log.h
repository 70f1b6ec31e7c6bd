/* audit_log.h - audit logs of the tests' own, to be read, spoilt and checked. A log is named by its
 * folder inside audit_log_folder; what cannot be done fails the test. */
#ifndef RADPOST_TESTS_SUPPORT_AUDIT_LOG_H
#define RADPOST_TESTS_SUPPORT_AUDIT_LOG_H

#include "proto/trust/audit.h"
#include "tests/support/folder.h"

#define AUDIT_LOG_DAY_US ((int64_t)86400 * 1000000)
#define AUDIT_LOG_START_US ((int64_t)1795255200 * 1000000) /* 2026-11-21T10:00:00Z */

extern char audit_log_folder[FOLDER_PATH_BYTES];

/* Group fixtures of cmocka. */
int audit_log_start(void **state);
int audit_log_stop(void **state);

/* The path of a file of a log; one of four that are used in turn. */
char *audit_log_in(const char *dir, const char *name);
struct audit *audit_log_open(const char *dir);
void audit_log_append(struct audit *audit, int i);
/* 0 or the kind of the error. */
int audit_log_verify(const char *dir, struct audit_verdict *out, struct err *err);
void audit_log_is_good(const char *dir);
char *audit_log_read(const char *path, size_t *out_n);
void audit_log_write(const char *path, const void *bytes, size_t n);
/* How often the log in this folder has a line with both words. */
unsigned audit_log_says(const char *folder, const char *event, const char *word);
/* A number below, the same row of them in each run. */
unsigned audit_log_draw(unsigned below);

#endif
