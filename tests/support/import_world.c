/* import_world.c - an inbox of files and a spool in a folder of their own. */
#include "tests/support/import_world.h"

#include "proto/base/clock.h"
#include "proto/base/log.h"
#include "tests/support/folder.h"
#include "tests/support/import_files.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <dirent.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

enum { WAIT_MS = 20000 };

static char dir[FOLDER_PATH_BYTES];
struct spool *world_spool;
struct import *world_import;
struct import_options world_options;
struct spool_options world_spool_options;
char world_drop[256], world_media[256], world_dir[256], world_spool_dir[256];
struct buf world_file;

const struct wrap_identity world_person = {.patient_id = "R26112200017",
                                           .patient_name = "Wang^XiaoMing=王小明",
                                           .birth = "19670309",
                                           .sex = "F",
                                           .accession = "R26112200017",
                                           .study_uid = "2.25.1234567890",
                                           .study_date = "20261122",
                                           .study_time = "083000",
                                           .modality = "ECG"};

void
world_begin(void)
{
    struct err err;

    if (spool_open(world_spool_dir, &world_spool_options, &world_spool, &err) < 0)
        fail_msg("%s", err.text);
    world_options.spool = world_spool;
    if (import_start(&world_options, &world_import, &err) < 0)
        fail_msg("%s", err.text);
}

void
world_end(void)
{
    import_stop(&world_import);
    spool_close(&world_spool);
}

int
import_world_setup(void **state)
{
    (void)state;
    log_set_fd(-1);
    buf_init(&world_file, 16 << 20);
    folder_make("import", dir);
    snprintf(world_dir, sizeof world_dir, "%s/import", dir);
    snprintf(world_drop, sizeof world_drop, "%s/drop", world_dir);
    snprintf(world_media, sizeof world_media, "%s/media", dir);
    snprintf(world_spool_dir, sizeof world_spool_dir, "%s/spool", dir);
    mkdir(world_media, 0700);
    world_spool_options = (struct spool_options){.segment_bytes = 1 << 20, .keep_sealed_ms = -1};
    world_options = (struct import_options){.dir = world_dir,
                                            .media_dir = world_media,
                                            .settle_ms = 86400000,
                                            .partial_ms = 86400000,
                                            .rescan_ms = 86400000};
    return 0;
}

int
import_world_teardown(void **state)
{
    (void)state;
    clock_unfake();
    world_end();
    buf_fini(&world_file);
    folder_remove(dir);
    return 0;
}

void
world_pdf(const char *words)
{
    buf_clear(&world_file);
    import_file_pdf(words, &world_file);
}

void
world_bind(const char *id)
{
    struct err err;

    if (import_bind(world_import, id, &world_person, "desk", false, NULL, &err) < 0)
        fail_msg("%s", err.text);
}

void
world_drop_file(const char *folder, const char *name, const struct buf *bytes)
{
    char from[512], to[512];
    FILE *f;

    snprintf(from, sizeof from, "%s/writing", dir);
    snprintf(to, sizeof to, "%s/%s", folder, name);
    f = fopen(from, "wb");
    assert_non_null(f);
    assert_int_equal(fwrite(bytes->bytes, 1, bytes->n, f), bytes->n);
    fclose(f);
    assert_int_equal(rename(from, to), 0);
}

size_t
world_count(unsigned states)
{
    struct import_item *list;
    size_t n;

    import_list(world_import, states, &list, &n);
    free(list);
    return n;
}

bool
world_is_in_drop(const char *name)
{
    char path[512];

    snprintf(path, sizeof path, "%s/%s", world_drop, name);
    return access(path, F_OK) == 0;
}

void
world_wait(unsigned states, size_t n, struct import_item *out)
{
    int64_t until_ms = clock_mono_ms() + WAIT_MS;
    uint64_t seen = import_wait(world_import, 0, 0);
    struct import_item *list;
    size_t count;

    for (;;) {
        import_list(world_import, states, &list, &count);
        if (count == n && n > 0 && out != NULL)
            *out = list[0];
        free(list);
        if (count == n)
            return;
        if (clock_mono_ms() > until_ms)
            fail_msg("%zu items instead of %zu", count, n);
        seen = import_wait(world_import, seen, 1000);
    }
}

size_t
world_entries(uint64_t *out_id)
{
    struct spool_filter all = {.limit = 0};
    uint64_t *ids;
    size_t n;

    spool_list(world_spool, &all, &ids, &n);
    if (n > 0 && out_id != NULL)
        *out_id = ids[n - 1];
    free(ids);
    return n;
}

void
world_bytes(uint64_t entry, struct buf *out)
{
    struct spool_bytes b;
    struct err err;

    if (spool_source_received(world_spool, entry, &b, &err) < 0)
        fail_msg("%s", err.text);
    assert_int_equal(pread(b.fd, buf_reserve(out, b.size), b.size, (off_t)b.offset), b.size);
    out->n += b.size;
    close(b.fd);
}

size_t
world_files(const char *folder)
{
    char path[512];
    struct dirent *e;
    size_t n = 0;
    DIR *d;

    snprintf(path, sizeof path, "%s/%s", world_dir, folder);
    d = opendir(path);
    assert_non_null(d);
    while ((e = readdir(d)) != NULL)
        n += e->d_name[0] != '.';
    closedir(d);
    return n;
}
