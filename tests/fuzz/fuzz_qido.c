/* fuzz_qido.c - hostile QIDO-RS parameters: lines of NAME=VALUE at each level. */
#include "storage/serve/qido_query.h"

#include "proto/base/log.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t n);

int
LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t n)
{
    struct qido_parameter parameters[32];
    char *text = mem_new(n + 1), *at = text;
    size_t count = 0;

    log_set_fd(-1);
    memcpy(text, bytes, n);
    while (at < text + n && count < ARRAY_LEN(parameters)) {
        char *end = strchr(at, '\n'), *equals;

        if (end != NULL)
            *end = '\0';
        equals = strchr(at, '=');
        if (equals != NULL)
            *equals = '\0';
        parameters[count++] = (struct qido_parameter){at, equals != NULL ? equals + 1 : ""};
        at = end != NULL ? end + 1 : text + n;
    }
    for (int level = QIDO_STUDY; level <= QIDO_INSTANCE; level++) {
        struct qido_query q;
        struct err err;

        if (qido_query_read((enum qido_level)level, n % 2, false, parameters, count, &q, &err) < 0)
            continue;
        CHECK(q.limit <= QIDO_PAGE_MOST && q.n_filters <= QIDO_ATTRIBUTES);
        qido_query_fini(&q);
    }
    free(text);
    return 0;
}
