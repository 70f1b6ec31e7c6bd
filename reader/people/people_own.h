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

/* throttle.c. A try is taken before it is judged, and given back when it was right.
 * errors  ERR_RETRY with out_wait_s, how long the next try has to wait */
#define PEOPLE_FORGET_US (86400 * 1000000LL) /* a wrong try is forgotten after that in any case */
enum people_way { PEOPLE_BY_ACCOUNT, PEOPLE_BY_ADDRESS };
int people_throttle_take(struct pg_conn *conn, enum people_way way, const char *what,
                         int64_t *out_wait_s, struct err *err) MUST_CHECK;
/* is_proved: all tries by it are forgotten. */
int people_throttle_give(struct pg_conn *conn, enum people_way way, const char *what,
                         bool is_proved, struct err *err) MUST_CHECK;

int people_vet(const char *login, const char *name, const char *org, unsigned roles,
               struct err *err) MUST_CHECK;

#endif
