/* fuzz_mpps.c - hostile N-CREATE and N-SET data sets, and dose reports. */
#include "gateway/desk/mpps_read.h"
#include "proto/base/log.h"
#include "proto/base/text.h"

#include <math.h>

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t n);

static void
check_dose(const struct dose *dose)
{
    for (int k = 0; k < DOSE_KINDS; k++)
        CHECK(!dose->has[k] || (isfinite(dose->value[k]) && dose->value[k] >= 0));
}

int
LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t n)
{
    static const enum dcm_coding codings[] = {DCM_IMPLICIT_LE, DCM_EXPLICIT_LE};

    log_set_fd(-1);
    for (size_t c = 0; c < ARRAY_LEN(codings); c++) {
        struct mpps_said said;
        struct dose_report report;
        struct err err;

        if (mpps_read(bytes, n, codings[c], c == 0 ? "" : "GB18030", &said, &err) == 0) {
            CHECK(said.step_n <= MPPS_STEPS && said.instance_n <= MPPS_INSTANCES);
            for (size_t i = 0; i < said.instance_n; i++)
                CHECK(uid_is_valid(said.instances[i], true) &&
                      (said.series[i][0] == '\0' || uid_is_valid(said.series[i], true)));
            check_dose(&said.dose);
            mpps_said_fini(&said);
        }
        if (dose_read_report(bytes, n, codings[c], &report, &err) == 0) {
            CHECK(report.part_n <= DOSE_PARTS_MAX && report.event_n <= report.part_n);
            for (size_t i = 0; i < report.part_n; i++)
                CHECK(uid_is_valid(report.parts[i], true));
            check_dose(&report.dose);
            dose_report_fini(&report);
        }
    }
    return 0;
}
