/* report_words.h - DICOM's dates, ages and moments as the words of a report.
 * NULL and blanks are "not said". Private to proto/render. Threads: no state. */
#ifndef RADPOST_RENDER_REPORT_WORDS_H
#define RADPOST_RENDER_REPORT_WORDS_H

#include "proto/base/base.h"

bool words_are_said(const char *text);
/* Line ends as \n, no other control characters, no blanks at the end. Fresh text (free). */
char *words_clean(const char *text);
/* 20261122, 093005.12 > "2026-11-22 09:30"; anything else as it is. */
void words_of_date(const char *date, const char *time, char *out, size_t size);
void words_of_age(const char *age, char *out, size_t size); /* 045Y > "45岁" */
const char *words_of_sex(const char *sex);                  /* F > "女" */
/* "2026-11-22 09:30 (UTC+08:00)", local to the process and said so; "" for 0. */
void words_of_moment(int64_t at_us, char *out, size_t size);
void words_of_moment_utc(int64_t at_us, char *out, size_t size); /* ISO 8601 */

#endif
