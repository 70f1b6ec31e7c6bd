/* compose.c - the stage as a whole: opening, closing, and what other stages ask. */
#include "reader/compose/compose.h"

#include <stdlib.h>
#include <string.h>

struct compose {
    struct compose_options options;
};

int
compose_open(const struct compose_options *options, struct compose **out_compose, struct err *err)
{
    (void)err;
    *out_compose = mem_new(sizeof **out_compose);
    (*out_compose)->options = *options;
    return 0;
}

void
compose_close(struct compose **compose)
{
    free(TAKE(*compose));
}

struct http_table
compose_table(struct compose *compose)
{
    return (struct http_table){NULL, 0, compose};
}

const char *
report_kind_word(enum report_kind kind)
{
    return kind == REPORT_PRELIMINARY ? "preliminary" : "final";
}

const char *
report_standing_word(enum report_standing standing)
{
    static const char *const words[] = {"valid", "amended", "withdrawn"};

    return words[standing];
}

int
compose_report_get(struct pg_conn *conn, int64_t read, unsigned version, struct report *out,
                   struct err *err)
{
    (void)conn;
    (void)read;
    (void)version;
    (void)out;
    return err_set(err, ERR_FATAL, "reports: not built yet");
}

int
compose_report_by_token(struct pg_conn *conn, const char *token, struct report *out,
                        struct err *err)
{
    (void)conn;
    (void)token;
    (void)out;
    return err_set(err, ERR_FATAL, "reports: not built yet");
}

int
compose_version_count(struct pg_conn *conn, int64_t read, unsigned *out_count, struct err *err)
{
    (void)conn;
    (void)read;
    (void)out_count;
    return err_set(err, ERR_FATAL, "reports: not built yet");
}

void
report_fini(struct report *r)
{
    free(r->complaint);
    free(r->history);
    free(r->exam);
    free(r->findings);
    free(r->impression);
    free(r->reason);
    free(r->withdrawn_reason);
    free(r->canonical);
    free(r->manifest);
    free(r->agreement_json);
    free(r->cms);
    memset(r, 0, sizeof *r);
}

int
compose_pdf(struct compose *compose, int64_t read, unsigned version, struct buf *out,
            struct err *err)
{
    (void)compose;
    (void)read;
    (void)version;
    (void)out;
    return err_set(err, ERR_FATAL, "reports: not built yet");
}

int
compose_evidence(struct compose *compose, int64_t read, unsigned version, struct buf *out,
                 struct err *err)
{
    (void)compose;
    (void)read;
    (void)version;
    (void)out;
    return err_set(err, ERR_FATAL, "reports: not built yet");
}
