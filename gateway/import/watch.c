/* watch.c - the drop folder: who is still writing, who is done (invariant 1 of import.h).
 * inotify says that a file was closed or moved in; what it does not say (network shares, a
 * restart) the rescan finds, and then a file must have kept still for settle_ms. A file that is not
 * whole is looked at again whenever it changed, and taken as unusable after partial_ms; at once
 * when it was closed and its mode lets nobody write: that is how an FTP server keeps an upload from
 * being overwritten by the next of its name, which is refused until this one is gone. The original
 * of what is unusable and could still grow stays until it does, or a person throws the item away.
 */
#include "gateway/import/import_own.h"

#include "proto/base/clock.h"
#include "proto/base/text.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/eventfd.h>
#include <sys/inotify.h>
#include <sys/stat.h>
#include <unistd.h>

enum { WATCHES = 256, KEEP_MS = 60000, STEP_MS = 500 };

/* A file of the drop folder as it was seen last. */
struct candidate {
    char *path; /* below drop_dir */
    int64_t size, mtime_ns;
    int64_t since_ms; /* unchanged */
    bool is_closed, is_judged, is_done, is_seen;
    bool is_copied; /* the original goes when it may: must_stay() */
    bool is_cut;
    char id[IMPORT_ID_SIZE]; /* of its item; "": none */
    bool is_too_large, has_no_room;
};

struct watch {
    pthread_t thread;
    int inotify, stop;
    int dirs[WATCHES]; /* watch descriptor > folder */
    char *dir_names[WATCHES];
    size_t dir_count;
    struct gate scanning; /* one scan at a time */
    struct candidate *list;
    size_t count, room;
    bool has_waiting; /* some file is not settled yet */
};

static struct candidate *
candidate_of(struct watch *w, const char *path)
{
    for (size_t i = 0; i < w->count; i++)
        if (strcmp(w->list[i].path, path) == 0)
            return &w->list[i];
    if (w->count == w->room) {
        w->room = w->room == 0 ? 64 : 2 * w->room;
        w->list = mem_grow(w->list, w->room * sizeof *w->list);
    }
    w->list[w->count] = (struct candidate){.path = mem_text(path), .size = -1};
    return &w->list[w->count++];
}

/* Names that senders use until a file is whole. */
static bool
is_temporary(const char *path)
{
    static const char *const ends[] = {".tmp",      ".part", ".partial",
                                       ".filepart", "~",     ".crdownload"};
    size_t n = strlen(path);

    for (size_t i = 0; i < ARRAY_LEN(ends); i++) {
        size_t k = strlen(ends[i]);

        if (n >= k && strcasecmp(path + n - k, ends[i]) == 0)
            return true;
    }
    return false;
}

static int64_t
mtime_ns(const struct stat *st)
{
    return st->st_mtim.tv_sec * INT64_C(1000000000) + st->st_mtim.tv_nsec;
}

enum writer { WRITER_NONE, WRITER_SOME, WRITER_UNKNOWN };

/* Has somebody the file open for writing? A lease is granted only when nobody has. Where we may not
 * ask (another's file, a network share) its length and its time alone tell. */
static enum writer
writer_of(int fd)
{
    if (fcntl(fd, F_SETLEASE, F_RDLCK) < 0)
        return errno == EAGAIN ? WRITER_SOME : WRITER_UNKNOWN;
    (void)fcntl(fd, F_SETLEASE, F_UNLCK);
    return WRITER_NONE;
}

static bool
is_read_only(const struct stat *st)
{
    return (st->st_mode & (S_IWUSR | S_IWGRP | S_IWOTH)) == 0;
}

static bool
is_unusable(struct import *im, const char *id)
{
    struct import_item *item = mem_new(sizeof *item);
    bool is = items_get(im, id, item) && item->state == IMPORT_UNUSABLE;

    free(item);
    return is;
}

/* Whoever writes it needs the original still: it is open, or it is not usable as it is and nothing
 * tells that its writer is done. A cut one can be gone on with later while its mode lets anybody
 * write. */
static bool
must_stay(struct import *im, const struct candidate *c, int fd, const struct stat *st)
{
    enum writer writer = writer_of(fd);

    if (writer == WRITER_SOME)
        return true;
    if (!is_unusable(im, c->id))
        return false;
    return (writer == WRITER_UNKNOWN && !c->is_closed) || (c->is_cut && !is_read_only(st));
}

/* The original goes when the copy is durable; if somebody wrote to it meanwhile, be it the same
 * length in place, it stays. */
static void
remove_original(struct import *im, struct candidate *c, int fd)
{
    char path[PATH_MAX];
    struct stat now, opened;

    c->is_done = true;
    c->is_copied = fstat(fd, &opened) < 0 || must_stay(im, c, fd, &opened);
    if (c->is_copied)
        return;
    snprintf(path, sizeof path, "%s/%s", im->drop_dir, c->path);
    if (lstat(path, &now) < 0 || now.st_ino != opened.st_ino || now.st_dev != opened.st_dev ||
        now.st_size != c->size || mtime_ns(&now) != c->mtime_ns) {
        c->is_done = false;
        return;
    }
    if (unlink(path) < 0) {
        struct err err;

        (void)err_sys(&err, ERR_RETRY, "remove the original");
        LOG(&import_ctx, IMPORT_STAYS, F_ERR(&err));
    }
}

/* Another upload broke off with the very same bytes: the item is its, too. */
static bool
is_of_another(const struct watch *w, const struct candidate *c)
{
    for (size_t i = 0; i < w->count; i++)
        if (&w->list[i] != c && w->list[i].is_cut && strcmp(w->list[i].id, c->id) == 0)
            return true;
    return false;
}

static void
try_take(struct import *im, struct candidate *c, int fd, bool is_last)
{
    struct taken_file file;
    struct err err;

    if (take_file(im, fd, c->path, false, is_last, &file, &err) < 0) {
        if (!c->has_no_room || err.kind != ERR_FULL) /* said once */
            LOG(&import_ctx, IMPORT_NOT_TAKEN, F_ERR(&err));
        c->is_done = c->is_too_large = err.kind == ERR_REJECT;
        c->has_no_room = err.kind == ERR_FULL;
        c->since_ms = clock_mono_ms(); /* not at once again */
        c->is_closed = false;
        return;
    }
    c->is_judged = true;
    c->has_no_room = false;
    if (file.outcome == TAKE_NOT_WHOLE)
        return;
    if (c->is_cut && strcmp(c->id, file.id) != 0 && !is_of_another(im->watch, c) &&
        take_rest(im, c->id, fd, &err) < 0)
        LOG(&import_ctx, IMPORT_NOT_TAKEN, F_ERR(&err));
    c->is_cut = file.is_cut;
    memcpy(c->id, file.id, sizeof c->id);
    if (file.outcome == TAKE_IGNORED)
        c->is_done = true;
    else
        remove_original(im, c, fd);
}

static bool
visit(void *user, int fd, const char *path)
{
    struct import *im = user;
    struct watch *w = im->watch;
    int64_t now_ms = clock_mono_ms(), still_ms;
    bool has_last_name = !is_temporary(path), is_final;
    struct candidate *c;
    struct stat st;

    if (fstat(fd, &st) < 0)
        return true;
    is_final = is_read_only(&st);
    if (!has_last_name && !is_final)
        return true;
    c = candidate_of(w, path);
    c->is_seen = true;
    if (c->size != st.st_size || c->mtime_ns != mtime_ns(&st)) {
        c->size = st.st_size;
        c->mtime_ns = mtime_ns(&st);
        c->since_ms = now_ms;
        c->is_judged = c->is_done = c->is_copied = c->is_too_large = false;
    }
    if (c->is_done) {
        if (c->is_copied)
            remove_original(im, c, fd);
        c->is_closed = false;
        return true;
    }
    still_ms = now_ms - c->since_ms;
    if (still_ms >= im->options.partial_ms)
        try_take(im, c, fd, true);
    else if (has_last_name && !c->is_judged &&
             (c->is_closed || still_ms >= im->options.settle_ms) && writer_of(fd) != WRITER_SOME)
        try_take(im, c, fd, c->is_closed && is_final);
    c->is_closed = false;
    w->has_waiting = w->has_waiting || (has_last_name && !c->is_judged && !c->is_done);
    return true;
}

static void
forget_gone(struct watch *w)
{
    size_t kept = 0;

    for (size_t i = 0; i < w->count; i++)
        if (w->list[i].is_seen) {
            w->list[i].is_seen = false;
            w->list[kept++] = w->list[i];
        } else {
            free(w->list[i].path);
        }
    w->count = kept;
}

/* What stays in the folder, for people. */
static void
tell_left(struct import *im, const struct watch *w)
{
    struct import_left left = {0, 0};

    for (size_t i = 0; i < w->count; i++) {
        left.too_large += w->list[i].is_too_large;
        left.no_room += w->list[i].has_no_room;
    }
    gate_lock(&im->gate);
    if (left.too_large != im->left.too_large || left.no_room != im->left.no_room) {
        im->left = left;
        im->change++;
        gate_wake(&im->gate);
    }
    gate_unlock(&im->gate);
}

void
watch_scan(struct import *im)
{
    struct watch *w = im->watch;

    gate_lock(&w->scanning);
    w->has_waiting = false;
    walk_files(im->drop_dir, visit, im);
    forget_gone(w);
    tell_left(im, w);
    gate_unlock(&w->scanning);
}

/* ---- inotify ---- */

static void add_watch(struct import *im, const char *relative, int depth);

static void
add_below(struct import *im, const char *relative, int depth)
{
    char path[PATH_MAX], below[PATH_MAX];
    struct dirent *e;
    DIR *d;

    snprintf(path, sizeof path, "%s/%s", im->drop_dir, relative);
    d = opendir(path);
    while (d != NULL && (e = readdir(d)) != NULL) {
        struct stat st;

        if (e->d_name[0] != '.' && fstatat(dirfd(d), e->d_name, &st, AT_SYMLINK_NOFOLLOW) == 0 &&
            S_ISDIR(st.st_mode) &&
            snprintf(below, sizeof below, "%s%s%s", relative, relative[0] != '\0' ? "/" : "",
                     e->d_name) < (int)sizeof below)
            add_watch(im, below, depth + 1);
    }
    if (d != NULL)
        closedir(d);
}

static void
add_watch(struct import *im, const char *relative, int depth)
{
    struct watch *w = im->watch;
    char path[PATH_MAX];
    int wd;

    if (w->inotify < 0 || w->dir_count == WATCHES || depth > 8)
        return; /* the rescan finds it */
    snprintf(path, sizeof path, "%s/%s", im->drop_dir, relative);
    wd = inotify_add_watch(w->inotify, path,
                           IN_CLOSE_WRITE | IN_MOVED_TO | IN_CREATE | IN_ONLYDIR | IN_DONT_FOLLOW);
    if (wd < 0)
        return;
    for (size_t i = 0; i < w->dir_count; i++)
        if (w->dirs[i] == wd)
            return;
    w->dirs[w->dir_count] = wd;
    w->dir_names[w->dir_count++] = mem_text(relative);
    add_below(im, relative, depth);
}

static void
drop_watch(struct watch *w, int wd)
{
    for (size_t i = 0; i < w->dir_count; i++)
        if (w->dirs[i] == wd) {
            free(w->dir_names[i]);
            w->dirs[i] = w->dirs[--w->dir_count];
            w->dir_names[i] = w->dir_names[w->dir_count];
            return;
        }
}

static void
take_event(struct import *im, const struct inotify_event *e)
{
    struct watch *w = im->watch;
    char path[PATH_MAX];
    const char *dir = NULL;

    if (e->mask & IN_IGNORED) {
        drop_watch(w, e->wd);
        return;
    }
    for (size_t i = 0; i < w->dir_count; i++)
        if (w->dirs[i] == e->wd)
            dir = w->dir_names[i];
    if (dir == NULL || e->len == 0 ||
        snprintf(path, sizeof path, "%s%s%s", dir, dir[0] != '\0' ? "/" : "", e->name) >=
            (int)sizeof path)
        return;
    if (e->mask & IN_ISDIR) {
        add_watch(im, path, 1);
    } else if ((e->mask & (IN_CLOSE_WRITE | IN_MOVED_TO)) && !is_temporary(path)) {
        gate_lock(&w->scanning);
        candidate_of(w, path)->is_closed = true;
        gate_unlock(&w->scanning);
    }
}

/* Each time: the share that it lies on may come later than this service, and go. */
static void
find_drop(struct import *im)
{
    struct err err = {0};
    bool is_there = import_make_drop(im, &err) == 0, is_new;

    if (is_there && im->watch->dir_count == 0)
        add_watch(im, "", 0);
    gate_lock(&im->gate);
    is_new = strcmp(im->drop_trouble, err.text) != 0;
    if (is_new) {
        text_copy(im->drop_trouble, sizeof im->drop_trouble, err.text);
        im->change++;
        gate_wake(&im->gate);
    }
    gate_unlock(&im->gate);
    if (is_new && !is_there)
        LOG(&import_ctx, IMPORT_DROP_AWAY, F_ERR(&err));
}

/* Returns whether anything came. */
static bool
read_events(struct import *im)
{
    char room[16384] __attribute__((aligned(__alignof__(struct inotify_event))));
    bool is_any = false;
    ssize_t n;

    while (im->watch->inotify >= 0 && (n = read(im->watch->inotify, room, sizeof room)) > 0) {
        is_any = true;
        for (char *p = room; p < room + n;) {
            struct inotify_event *e = (struct inotify_event *)(void *)p;

            take_event(im, e);
            p += sizeof *e + e->len;
        }
    }
    return is_any;
}

/* ---- the thread ---- */

static void *
run(void *arg)
{
    struct import *im = arg;
    struct watch *w = im->watch;
    int64_t scan_ms = 0, keep_ms = 0;

    for (;;) {
        struct pollfd fds[2] = {{.fd = w->stop, .events = POLLIN},
                                {.fd = w->inotify, .events = POLLIN}};
        int64_t now_ms = clock_mono_ms();
        bool is_due;

        if (now_ms >= keep_ms) {
            bind_end_open(im);
            bind_keep(im);
            keep_ms = now_ms + KEEP_MS;
        }
        is_due = now_ms >= scan_ms || w->has_waiting;
        if (is_due)
            find_drop(im);
        if (read_events(im) || is_due) {
            watch_scan(im);
            scan_ms = clock_mono_ms() + im->options.rescan_ms;
        }
        (void)poll(fds, 2,
                   (int)(w->has_waiting                    ? STEP_MS
                         : im->options.rescan_ms < KEEP_MS ? im->options.rescan_ms
                                                           : KEEP_MS));
        if (fds[0].revents != 0)
            return NULL;
    }
}

int
watch_start(struct import *im, struct err *err)
{
    struct watch *w = mem_new(sizeof *w);

    w->stop = eventfd(0, EFD_CLOEXEC);
    if (w->stop < 0) {
        free(w);
        return err_sys(err, ERR_RETRY, "watch the drop folder");
    }
    w->inotify = inotify_init1(IN_NONBLOCK | IN_CLOEXEC);
    if (w->inotify < 0)
        LOG(&import_ctx, IMPORT_WATCH_BLIND);
    gate_init(&w->scanning);
    im->watch = w;
    if (im->is_drop_ours)
        find_drop(im);
    else /* it may lie on a share that does not answer: for the thread alone */
        text_copy(im->drop_trouble, sizeof im->drop_trouble,
                  "the import folder: it has not answered yet");
    w->thread = thread_start("import", run, im);
    return 0;
}

void
watch_stop(struct import *im)
{
    struct watch *w = im->watch; /* the thread looks until it is joined */
    uint64_t one = 1;

    if (w == NULL)
        return;
    while (write(w->stop, &one, sizeof one) < 0 && errno == EINTR)
        ;
    thread_join(w->thread);
    im->watch = NULL;
    close(w->stop);
    if (w->inotify >= 0)
        close(w->inotify);
    for (size_t i = 0; i < w->dir_count; i++)
        free(w->dir_names[i]);
    for (size_t i = 0; i < w->count; i++)
        free(w->list[i].path);
    free(w->list);
    gate_fini(&w->scanning);
    free(w);
}
