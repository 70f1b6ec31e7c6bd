/* admin_own.h - what the operator's commands on the archive share: the words that were typed. */
#ifndef RADPOST_STORAGE_KEEP_ADMIN_OWN_H
#define RADPOST_STORAGE_KEEP_ADMIN_OWN_H

#include "storage/keep/keep.h"
#include "storage/storage_config.h"

struct words {
    const char *config, *org, *name, *ae, *host, *port, *rights, *kind, *names, *file, *days;
    const char *object, *reason, *by;
    bool is_all;
};

struct admin {
    struct words words;
    struct storage_config config;
    struct keep *keep;
};

/* ---- admin_gateways.c ---- */
int run_policy_set(struct admin *a, struct err *err);
int run_policy_show(struct admin *a, struct err *err);
int run_policy_clear(struct admin *a, struct err *err);
int run_reconcile_show(struct admin *a, struct err *err);
int run_reconcile_now(struct admin *a, struct err *err);
int run_aside_show(struct admin *a, struct err *err);
int run_aside_reject(struct admin *a, struct err *err);

/* ---- admin_traffic.c ---- */
int run_traffic_show(struct admin *a, struct err *err);

#endif
