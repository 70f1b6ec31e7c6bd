/* fuzz_targets.c - targets.conf: what is read keeps what the header promises. */
#include "proto/base/log.h"

#include "gateway/plain/targets.h"

#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t n);

int
LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t n)
{
    struct targets targets = {NULL, 0};
    struct err err = {0};

    log_set_fd(-1);
    if (targets_parse((const char *)bytes, n, &targets, &err) < 0) {
        CHECK(err.kind == ERR_REJECT && targets.n == 0);
        return 0;
    }
    CHECK(targets.n <= TARGETS_MAX);
    for (size_t i = 0; i < targets.n; i++) {
        const struct target *t = &targets.rows[i];

        CHECK(t->name[0] != '\0' && strchr(t->name, '/') == NULL && strchr(t->name, '.') == NULL);
        CHECK(t->connections >= 1 && t->connections <= TARGET_CONNECTIONS_MAX);
        CHECK(t->kind == TARGET_STOW ? t->url[0] == 'h' : t->entity.port != 0);
        CHECK(!t->is_archive || !t->is_unverified);
        (void)target_takes(t, "CT1", "CT");
    }
    targets_fini(&targets);
    return 0;
}
