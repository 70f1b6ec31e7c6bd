/* fuzz_devices.c - devices.conf, and callers' names against it: what is read can be written and
 * read again, an edit leaves the other lines alone, and a caller is judged without a fault. */
#include "gateway/accept/devices.h"
#include "proto/base/log.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t n);

/* A row written and read again is the same row. */
static void
check_row(const struct accept_device *row)
{
    struct accept_device d = *row;
    struct devices again;
    struct err err = {0};
    struct buf line;

    if (strchr(d.name, '"')) /* old lines may hold them, new ones may not */
        return;
    buf_init(&line, 8192);
    CHECK(devices_normalize(&d, &err) == 0);
    devices_format(&d, &line);
    CHECK(!buf_is_over(&line));
    CHECK(devices_parse((const char *)line.bytes, line.n, &again, &err) == 0 && again.n == 1);
    CHECK(memcmp(&again.rows[0], &d, sizeof d) == 0);
    devices_fini(&again);
    buf_fini(&line);
}

static void
check_edit(const char *text, size_t n, const struct devices *devices, const char *ae)
{
    struct devices left;
    struct err err = {0};
    struct buf out;

    buf_init(&out, n + 1);
    if (devices->n > 0) {
        CHECK(devices_edit(text, n, devices->rows[0].ae, devices->rows[0].address, NULL, 0, &out));
        CHECK(devices_parse((const char *)out.bytes, out.n, &left, &err) == 0);
        CHECK(left.n == devices->n - 1);
        devices_fini(&left);
        buf_clear(&out);
    }
    if (!devices_at(devices, ae, "*")) {
        CHECK(!devices_edit(text, n, ae, "*", NULL, 0, &out));
        CHECK(out.n == n && (n == 0 || memcmp(out.bytes, text, n) == 0));
    }
    buf_fini(&out);
}

/* The first 32 bytes are the caller's and the called title, the rest is the file. */
int
LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t n)
{
    struct dimse_peer peer = {.address = "10.0.0.1"};
    struct devices devices;
    struct err err = {0};

    log_set_fd(-1);
    if (n < 32)
        return 0;
    memcpy(peer.calling, bytes, 16);
    memcpy(peer.called, bytes + 16, 16);
    const char *text = (const char *)bytes + 32;
    if (devices_parse(text, n - 32, &devices, &err) < 0) {
        CHECK(err.kind == ERR_REJECT);
        return 0;
    }
    for (size_t i = 0; i < devices.n; i++)
        check_row(&devices.rows[i]);
    check_edit(text, n - 32, &devices, peer.calling);
    struct devices_match match = devices_match(&devices, &peer, "RADPOST");
    CHECK(!match.device || strcmp(match.device->ae, peer.calling) == 0);
    devices_fini(&devices);
    return 0;
}
