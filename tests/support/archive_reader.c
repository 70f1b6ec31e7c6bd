/* archive_reader.c - what a reader hears of a study. */
#include "tests/support/archive_reader.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <cmocka.h>

const struct keep_sender study_gate = {"clinic-a", "gate-a", "test"};

const struct slice study_slices[3] = {
    {.study = "1.2.3", .series = "1.2.3.9", .instance = "1.2.3.9.1", .number = 1, .noise = 1},
    {.study = "1.2.3", .series = "1.2.3.9", .instance = "1.2.3.9.2", .number = 2, .noise = 2},
    {.study = "1.2.3", .series = "1.2.3.9", .instance = "1.2.3.9.3", .number = 3, .noise = 3},
};

const struct slice study_report = {
    .study = "1.2.3", .series = "1.2.3.900", .instance = "1.2.3.900.1"};

void
study_put(struct archive_world *w)
{
    vault_put(&w->vault, &study_gate, &study_slices[0]);
    vault_put(&w->vault, &study_gate, &study_slices[1]);
    vault_manifest(&w->vault, &study_gate, 1, study_slices, 2);
    vault_work(&w->vault);
}

static int
hear(void *user, const struct archive_event *e)
{
    struct heard *h = user;
    size_t n = strlen(h->text);

    assert_true(e->seq > h->at.seq);
    assert_true(e->at_us > INT64_C(1600000000000000));
    h->at = (struct archive_cursor){e->seq, e->at_us};
    snprintf(h->text + n, sizeof h->text - n, "%s %s %s %u %u%s\n", e->tenant, e->kind, e->study,
             e->revision, (unsigned)e->instances, e->is_late ? " late" : "");
    return 0;
}

int
hear_more(struct archive *archive, struct heard *h, unsigned wait_s, struct err *err)
{
    return archive_events(archive, &h->at, wait_s, hear, h, &h->is_lost, err);
}
