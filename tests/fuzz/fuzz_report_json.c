/* fuzz_report_json.c - report.json and manifest.json from a folder of evidence. What is read as a
 * report is written again and read again. */
#include "proto/base/log.h"
#include "reader/compose/compose_own.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

static void
read_report(const uint8_t *data, size_t n)
{
    struct report_binds binds, again_binds;
    struct report r, again;
    struct buf out;
    struct err err;

    if (canonical_read(data, n, &r, &binds, &err) < 0)
        return;
    buf_init(&out, (size_t)64 << 20);
    canonical_report(&r, &binds, &out);
    if (canonical_read(out.bytes, out.n, &again, &again_binds, &err) == 0) {
        if (strcmp(again.findings, r.findings) != 0 || again.version != r.version)
            abort();
        report_fini(&again);
    }
    report_fini(&r);
    buf_fini(&out);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
    struct manifest m;
    struct err err;

    log_set_fd(-1);
    read_report(data, n);
    if (manifest_read(data, n, &m, &err) == 0) {
        if (m.count > 0 && manifest_find(&m, m.images[0].sop_instance) != &m.images[0])
            abort();
        manifest_fini(&m);
    }
    return 0;
}
