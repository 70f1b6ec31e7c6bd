/* fuzz_dimse_command.c - hostile command sets; what is read is written and read again the same. */
#include "proto/base/log.h"
#include "proto/dicom/dimse_command.h"

#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t n);

int
LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t n)
{
    struct dimse_command first, second;
    struct err err;
    struct buf b;

    log_set_fd(-1);
    if (dimse_command_read(bytes, n, &first, &err) < 0)
        return 0;
    buf_init(&b, 16384);
    dimse_command_write(&first, &b);
    CHECK(!buf_is_over(&b));
    CHECK(dimse_command_read(b.bytes, b.n, &second, &err) == 0);
    CHECK(first.field == second.field && first.has_data == second.has_data);
    CHECK(strcmp(first.sop_class, second.sop_class) == 0);
    CHECK(strcmp(first.sop_instance, second.sop_instance) == 0);
    CHECK(strcmp(first.move_destination, second.move_destination) == 0);
    CHECK(first.event_type_id == second.event_type_id);
    CHECK(first.action_type_id == second.action_type_id);
    CHECK(first.attribute_count == second.attribute_count);
    CHECK(memcmp(first.attributes, second.attributes,
                 first.attribute_count * sizeof first.attributes[0]) == 0);
    buf_fini(&b);
    return 0;
}
