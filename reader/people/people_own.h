/* people_own.h - what the files of reader/people share. */
#ifndef RADPOST_READER_PEOPLE_PEOPLE_OWN_H
#define RADPOST_READER_PEOPLE_PEOPLE_OWN_H

#include "reader/people/people.h"

struct people {
    struct people_options options;
};

/* Columns id, login, name, org, roles, is_demo, is_disabled. */
void people_read_row(const struct pg_rows *rows, size_t row, struct person *out);
bool people_login_is_fit(const char *login);
int people_vet(const char *login, const char *name, const char *org, unsigned roles,
               struct err *err) MUST_CHECK;

#endif
