/* sealed_world.c - see sealed_world.h. */
#include "tests/support/sealed_world.h"

#include "tests/support/ok.h"

#include <fcntl.h>
#include <glob.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>
#include <cmocka.h>

const struct keep_sender sealed_gate = {"clinic-a", "gate-a", "test"};

void
sealed_open(struct sealed *l, const char *database)
{
    sealed_open_large(l, database, 0);
}

void
sealed_open_large(struct sealed *l, const char *database, unsigned rows)
{
    struct vault_seen seen = {0, 0, NULL};
    struct err err;

    vault_open(&l->a, vault_cluster, database);
    for (unsigned i = 0; i < 3; i++) {
        l->s[i] = vault_ct(i + 1);
        l->s[i].rows = i == 0 ? rows : 0;
        assert_int_equal(vault_put(&l->a, &sealed_gate, &l->s[i]), LINK_HELD);
    }
    vault_manifest(&l->a, &sealed_gate, 1, l->s, 3);
    assert_int_equal(vault_work(&l->a), 1);
    OK(keep_instances(l->a.keep, "clinic-a", "1.2.3", NULL, "1.2.3.1.1", vault_see, &seen, &err));
    assert_true(seen.first->is_sealed);
    l->place = seen.first;
    for (int i = 0; i < KEEP_COPIES; i++) {
        char pattern[300];
        glob_t found;

        snprintf(pattern, sizeof pattern, "%s/packs/*/*/*.zip", l->a.stores[i]);
        assert_int_equal(glob(pattern, 0, NULL, &found), 0);
        assert_int_equal(found.gl_pathc, 1);
        snprintf(l->packs[i], sizeof l->packs[i], "%s", found.gl_pathv[0]);
        globfree(&found);
    }
}

void
sealed_close(struct sealed *l)
{
    keep_place_free(&l->place);
    vault_close(&l->a);
}

void
sealed_packs_away(const struct sealed *l)
{
    for (int i = 0; i < KEEP_COPIES; i++)
        assert_int_equal(unlink(l->packs[i]), 0);
}

void
sealed_flip_at(const char *path, off_t at)
{
    int fd = open(path, O_RDWR | O_CLOEXEC);
    uint8_t b;

    assert_int_equal(pread(fd, &b, 1, at), 1);
    b ^= 8;
    assert_int_equal(pwrite(fd, &b, 1, at), 1);
    close(fd);
}

void
sealed_flip(const struct sealed *l, int copy)
{
    sealed_flip_at(l->packs[copy], (off_t)(l->place->offset + l->place->size / 2));
}

bool
sealed_is_shown(const struct sealed *l)
{
    struct err err;
    int fd = -1;

    if (keep_open_place(l->a.keep, l->place, &fd, &err) < 0)
        return false;
    close(fd);
    return true;
}

void
sealed_work(struct sealed *l)
{
    for (int i = 0; i < 4; i++)
        (void)vault_work(&l->a);
}

static int
count_missing(void *user, const struct keep_lost *row)
{
    assert_true(row->is_missing);
    assert_string_equal(row->study, "1.2.3");
    ++*(size_t *)user;
    return 0;
}

static int
count_wish(void *user, const char *code, int64_t at_us)
{
    (void)at_us;
    assert_string_equal(code, "clinic-a");
    ++*(size_t *)user;
    return 0;
}

void
sealed_assert_stands(const struct sealed *l, uint64_t whole, uint64_t sealed, uint64_t missing)
{
    size_t listed = 0, wishes = 0;
    struct keep_standing s;
    struct err err;

    OK(keep_standing_get(l->a.keep, "clinic-a", "1.2.3", &s, &err));
    assert_int_equal(s.whole, whole);
    assert_int_equal(s.sealed, sealed);
    assert_int_equal(s.missing, missing);
    OK(keep_each_lost(l->a.keep, "clinic-a", count_missing, &listed, &err));
    assert_int_equal(listed, missing);
    OK(keep_each_wish(l->a.keep, count_wish, &wishes, &err));
    assert_true(missing == 0 || wishes == 1);
}

struct keep_health
sealed_health(const struct sealed *l)
{
    struct keep_health health;
    struct err err;

    OK(keep_health_get(l->a.keep, &health, &err));
    return health;
}

uint64_t
sealed_doubted(const struct sealed *l)
{
    return sealed_health(l).doubted;
}

size_t
sealed_receipts(const struct sealed *l, uint64_t after, uint64_t *out_next)
{
    static const struct keep_wait now = {.ms = 0};
    struct link_receipts told;
    struct err err;
    size_t n;

    OK(keep_receipts(l->a.keep, &sealed_gate, after, &now, &told, &err));
    n = told.count;
    *out_next = told.next;
    link_receipts_free(&told);
    return n;
}

size_t
sealed_corrupt_files(const struct sealed *l)
{
    char path[300];
    size_t n = 0;

    for (int i = 0; i < KEEP_COPIES; i++) {
        snprintf(path, sizeof path, "%s/corrupt", l->a.stores[i]);
        n += folder_files(path);
    }
    return n;
}
