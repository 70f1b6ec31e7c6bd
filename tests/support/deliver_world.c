/* deliver_world.c - the clinic's half of deliver over signed reports. */
#include "tests/support/deliver_world.h"

#include "proto/base/clock.h"
#include "proto/base/text.h"
#include "reader/deliver/deliver.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

struct report_world w;
struct deliver d;
static struct pg_cluster *cluster;

/* ---- the world ---- */

#define OK(call)                                                                                   \
    do {                                                                                           \
        if ((call) < 0)                                                                            \
            fail_msg("%s: %s", #call, err.text);                                                   \
    } while (0)

int
deliver_world_open(void **state)
{
    static int n;
    char name[32];

    (void)state;
    if (cluster == NULL)
        cluster = pg_cluster_start();
    if (cluster == NULL)
        skip();
    snprintf(name, sizeof name, "deliver%d", n++);
    report_world_open(&w, cluster, name);
    d = (struct deliver){.o = {.pg = w.reads.pg, .compose = w.compose}};
    d.patient_url = mem_text("https://p.example");
    gate_init(&d.gate);
    return 0;
}

void
deliver_world_end(void)
{
    pg_cluster_remove(&cluster);
}

int
deliver_world_close(void **state)
{
    (void)state;
    gate_fini(&d.gate);
    free(d.patient_url);
    report_world_close(&w);
    return 0;
}

void
tell_all(void)
{
    struct err err;
    bool did = true;

    while (did)
        OK(courier_step(&d, &did, &err));
}

int64_t
count(const char *sql)
{
    return read_world_count(&w.reads, sql);
}

/* A clinic's messages in order, e.g. "read_state report1 amended2 withdrawn2 ". */
const char *
told(const char *tenant, const char *but)
{
    static char text[4096];
    struct clinic_downs downs;
    uint64_t after = 0;
    size_t n = 0;
    struct err err;

    text[0] = '\0';
    for (;;) {
        OK(clinic_downs_after(&d, tenant, after, &downs, &err));
        after = downs.next;
        for (size_t i = 0; i < downs.count; i++) {
            const struct clinic_down *m = &downs.messages[i];
            const char *word = clinic_down_word(m->kind);

            if (but != NULL && strcmp(word, but) == 0)
                continue;
            n += (size_t)snprintf(text + n, sizeof text - n, m->version > 0 ? "%s%u " : "%s ", word,
                                  m->version);
        }
        clinic_downs_free(&downs);
        if (downs.next == 0 && after == 0)
            break;
        OK(clinic_downs_after(&d, tenant, after, &downs, &err));
        if (downs.count == 0) {
            clinic_downs_free(&downs);
            break;
        }
        clinic_downs_free(&downs);
    }
    return text;
}

struct clinic_down
last_of(const char *tenant, enum clinic_down_kind kind)
{
    struct clinic_down found = {.seq = 0};
    struct clinic_downs downs;
    struct err err;

    OK(clinic_downs_after(&d, tenant, 0, &downs, &err));
    for (size_t i = 0; i < downs.count; i++)
        if (downs.messages[i].kind == kind)
            found = downs.messages[i];
    clinic_downs_free(&downs);
    assert_true(found.seq > 0);
    return found;
}

struct clinic_up
up(enum clinic_up_kind kind, const char *registration)
{
    struct clinic_up m = {.kind = kind, .at_us = clock_wall_us(), .revision = 1};

    clinic_id_new(m.id);
    text_copy(m.registration, sizeof m.registration, registration);
    text_copy(m.name, sizeof m.name, "王小东");
    text_copy(m.sex, sizeof m.sex, "F");
    text_copy(m.complaint, sizeof m.complaint, "咳嗽三天");
    text_copy(m.phone, sizeof m.phone, "13800138000");
    return m;
}

struct clinic_up
up_of_study(enum clinic_up_kind kind, uint32_t revision, const char *reason)
{
    struct clinic_up m = up(kind, "");

    m.revision = revision;
    text_copy(m.study, sizeof m.study, STUDY);
    text_copy(m.reason, sizeof m.reason, reason);
    text_copy(m.by, sizeof m.by, "张护士");
    return m;
}

/* "done sent", "refused conflict". */
const char *
apply_as(const char *tenant, const char *device, const struct clinic_up *m)
{
    static char text[96];
    struct clinic_sender sender = {tenant, device};
    struct clinic_receipt receipt;
    struct err err;

    OK(clinic_apply(&d, &sender, m, &receipt, &err));
    assert_string_equal(receipt.id, m->id);
    snprintf(text, sizeof text, "%s%s%s", clinic_outcome_word(receipt.outcome),
             receipt.word[0] != '\0' ? " " : "", receipt.word);
    return text;
}

const char *
apply(const struct clinic_up *m)
{
    return apply_as("T1", "g1", m);
}

const char *
apply_new(enum clinic_up_kind kind, const char *registration)
{
    struct clinic_up m = up(kind, registration);

    return apply(&m);
}

const char *
attach(const char *registration, const char *study)
{
    struct clinic_up m = up(CLINIC_ATTACH, registration);

    text_copy(m.study, sizeof m.study, study);
    return apply(&m);
}

struct read_row
read_of(const char *study)
{
    struct read_row row;

    read_world_read(&w.reads, "T1", study, &row);
    return row;
}
