/* orders_sources.c - a folder and a command. */
#include "gateway/desk/orders_sources.h"

#include "gateway/desk/orders_json.h"
#include "proto/base/buf.h"
#include "proto/base/clock.h"
#include "proto/base/durable.h"
#include "proto/base/folder.h"
#include "proto/base/log.h"
#include "proto/base/text.h"
#include "proto/base/stop.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#define LOG_EVENT LOG_EVENT_DECLARE
#include "gateway/desk/desk_events.def"
#undef LOG_EVENT

enum {
    FOLDER_MS = 2000,
    ARGUMENTS = 64,
    COMMAND_BYTES = 4096,
    PIECE = 65536,
    FILES_AT_ONCE = 1000
};

/* A file of the folder as it was seen last. */
struct seen {
    char *name;
    int64_t size, mtime_ns;
    ino_t inode;
    int64_t since_ms; /* unchanged */
    bool is_there;
};

struct orders_folder {
    char *path;
    struct seen *list;
    size_t n;
};

/* How one of the two goes; as orders_status. */
struct health {
    enum orders_trouble trouble;
    int64_t good_us, trouble_us;
    char why[320];
};

struct orders_sources {
    struct book *book;
    struct orders_folder *folder; /* NULL: none */
    char *command;
    int64_t every_ms;
    struct stop stop;
    struct gate gate;
    struct orders_status list; /* gate; of the command's last list, and the folder's failed/ */
    struct health of_command, of_folder; /* gate */
    pthread_t thread;
};

static const char *const trouble_words[] = {
#define TROUBLE(name, word, meaning) [name] = word,
#include "gateway/desk/orders_troubles.def"
};

static const struct log_ctx ctx = {.stage = "gateway/desk"};

static void
tell(const struct orders_tally *tally)
{
    if (tally->taken > 0)
        LOG(&ctx, DESK_ORDERS_TAKEN, F_NUMBER("orders", tally->taken));
    if (tally->refused > 0)
        LOG(&ctx, DESK_ORDER_REFUSED, F_NUMBER("orders", tally->refused), F_ERR(&tally->first));
    else if (tally->flagged > 0)
        LOG(&ctx, DESK_ORDER_FLAGGED, F_NUMBER("orders", tally->flagged), F_ERR(&tally->first));
}

/* ---- the folder ---- */

/* To failed/, with the reason in words: whoever wrote it looks there. */
static int
put_aside(const char *folder, const char *name, const struct err *why, struct err *err)
{
    char from[PATH_MAX], to[PATH_MAX];

    snprintf(from, sizeof from, "%s/%s", folder, name);
    snprintf(to, sizeof to, "%s/failed/%s", folder, name);
    if (rename(from, to) < 0)
        return err_sys(err, ERR_RETRY, "set a file of orders aside");
    snprintf(to, sizeof to, "failed/%s.why.txt", name);
    return durable_put_file(folder, to, why->text, strlen(why->text), err);
}

/* errors  those of the book and the folder; a bad file is no error */
static int
take_file(struct book *book, const char *folder, const char *name, unsigned *out_taken,
          struct err *err)
{
    struct orders_tally tally = {.taken = 0};
    char path[PATH_MAX];
    uint8_t *bytes = NULL;
    struct err why = {0};
    size_t n = 0;
    int rc;

    snprintf(path, sizeof path, "%s/%s", folder, name);
    rc = durable_get_file(path, ORDERS_BYTES, &bytes, &n, &why);
    if (rc == 0)
        rc = orders_take(book, bytes, n, "folder", &tally, &why);
    free(bytes);
    tell(&tally);
    *out_taken += tally.taken;
    if (rc < 0 && err_kind_is_retried(why.kind)) {
        *err = why;
        return -1;
    }
    if (rc == 0 && tally.refused == 0)
        return durable_remove(folder, name, err);
    return put_aside(folder, name, rc < 0 ? &why : &tally.first, err);
}

struct orders_folder *
orders_folder_new(const char *path)
{
    struct orders_folder *f = mem_new(sizeof *f);

    f->path = mem_text(path);
    return f;
}

void
orders_folder_free(struct orders_folder **folder)
{
    struct orders_folder *f = TAKE(*folder);

    if (f == NULL)
        return;
    for (size_t i = 0; i < f->n; i++)
        free(f->list[i].name);
    free(f->list);
    free(f->path);
    free(f);
}

/* Look at a file; whether it kept still since an earlier look. */
static bool
is_still(struct orders_folder *f, const char *name, const struct stat *st)
{
    struct seen now = {.size = st->st_size,
                       .mtime_ns = st->st_mtim.tv_sec * INT64_C(1000000000) + st->st_mtim.tv_nsec,
                       .inode = st->st_ino,
                       .since_ms = clock_mono_ms(),
                       .is_there = true};
    size_t i = 0;

    while (i < f->n && strcmp(f->list[i].name, name) != 0)
        i++;
    if (i == f->n) {
        f->list = mem_grow(f->list, (f->n + 1) * sizeof *f->list);
        f->list[f->n++] = (struct seen){.name = mem_text(name), .size = -1};
    }
    now.name = f->list[i].name;
    if (now.size == f->list[i].size && now.mtime_ns == f->list[i].mtime_ns &&
        now.inode == f->list[i].inode)
        now.since_ms = f->list[i].since_ms;
    f->list[i] = now;
    return clock_mono_ms() - now.since_ms >= ORDERS_STILL_MS;
}

static void
forget_gone(struct orders_folder *f)
{
    size_t kept = 0;

    for (size_t i = 0; i < f->n; i++)
        if (f->list[i].is_there) {
            f->list[i].is_there = false;
            f->list[kept++] = f->list[i];
        } else {
            free(f->list[i].name);
        }
    f->n = kept;
}

static bool
is_ours(const char *folder, const char *name, struct stat *out)
{
    const char *dot = strrchr(name, '.');
    char path[PATH_MAX];

    if (name[0] == '.' || dot == NULL || strlen(name) > 200 ||
        (strcasecmp(dot, ".json") != 0 && strcasecmp(dot, ".tsv") != 0)) /* DOS writes capitals */
        return false;
    snprintf(path, sizeof path, "%s/%s", folder, name);
    return lstat(path, out) == 0 && S_ISREG(out->st_mode);
}

size_t
orders_folder_aside(const struct orders_folder *folder)
{
    char path[PATH_MAX];
    struct stat st;
    size_t n = 0;
    DIR *dir;

    snprintf(path, sizeof path, "%s/failed", folder->path);
    dir = opendir(path);
    for (struct dirent *d; dir != NULL && n < FILES_AT_ONCE && (d = readdir(dir)) != NULL;)
        n += is_ours(path, d->d_name, &st);
    if (dir != NULL)
        closedir(dir);
    return n;
}

static int
by_name(const void *a, const void *b)
{
    return strcmp(*(char *const *)a, *(char *const *)b);
}

int
orders_from_folder(struct book *book, struct orders_folder *folder, unsigned *out_taken,
                   struct err *err)
{
    DIR *dir = opendir(folder->path);
    size_t n = 0, looked = 0;
    char **names = NULL;
    struct stat st;
    int rc = 0;

    if (dir == NULL)
        return err_sys(err, ERR_RETRY, "the folder of orders");
    for (const struct dirent *d;
         looked < FILES_AT_ONCE && (rc = folder_next(dir, &d, err)) == 0 && d != NULL;)
        if (is_ours(folder->path, d->d_name, &st) && ++looked > 0 &&
            is_still(folder, d->d_name, &st)) {
            names = mem_grow(names, (n + 1) * sizeof *names);
            names[n++] = mem_text(d->d_name);
        }
    closedir(dir);
    forget_gone(folder);
    if (n > 0)
        qsort(names, n, sizeof *names, by_name);
    for (size_t i = 0; i < n; i++) {
        if (rc == 0)
            rc = take_file(book, folder->path, names[i], out_taken, err);
        free(names[i]);
    }
    free(names);
    return rc;
}

/* ---- the command ---- */

/* Blanks part arguments; in "..." they do not. Points into text, which is cut up. */
static int
split(char *text, char *argv[ARGUMENTS + 1], struct err *err)
{
    size_t n = 0;

    for (char *at = text + strspn(text, " \t"); *at != '\0'; at += strspn(at, " \t")) {
        bool is_quoted = *at == '"';
        size_t length = is_quoted ? strcspn(at + 1, "\"") : strcspn(at, " \t");
        char *word = at + (is_quoted ? 1 : 0);

        if (n == ARGUMENTS || (is_quoted && word[length] != '"'))
            return err_set(err, ERR_REJECT, "orders_command: too many words, or an open quote");
        at = word + length;
        if (*at != '\0')
            *at++ = '\0';
        argv[n++] = word;
    }
    argv[n] = NULL;
    return n > 0 && argv[0][0] == '/'
               ? 0
               : err_set(err, ERR_REJECT, "orders_command: a program's whole path is due");
}

static int
spawn(char *argv[], pid_t *out_pid, int *out_fd, struct err *err)
{
    posix_spawn_file_actions_t actions;
    posix_spawnattr_t attributes;
    sigset_t none, all;
    int pipes[2], status;

    if (pipe2(pipes, O_CLOEXEC) < 0)
        return err_sys(err, ERR_RETRY, "a pipe for the orders' command");
    sigemptyset(&none);
    sigfillset(&all);
    posix_spawn_file_actions_init(&actions);
    posix_spawnattr_init(&attributes);
    posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF |
                                              POSIX_SPAWN_SETPGROUP);
    posix_spawnattr_setsigmask(&attributes, &none);
    posix_spawnattr_setsigdefault(&attributes, &all);
    status = posix_spawn_file_actions_addopen(&actions, 0, "/dev/null", O_RDONLY, 0);
    if (status == 0)
        status = posix_spawn_file_actions_adddup2(&actions, pipes[1], 1);
    if (status == 0)
        status = posix_spawn_file_actions_addopen(&actions, 2, "/dev/null", O_WRONLY, 0);
    if (status == 0)
        status = posix_spawn(out_pid, argv[0], &actions, &attributes, argv, environ);
    posix_spawnattr_destroy(&attributes);
    posix_spawn_file_actions_destroy(&actions);
    close(pipes[1]);
    if (status != 0) {
        close(pipes[0]);
        errno = status;
        return err_sys(err, ERR_REJECT, "the orders' command cannot be run");
    }
    *out_fd = pipes[0];
    return 0;
}

/* All it prints, until it ends or its time does. */
static int
listen_to(int fd, int64_t limit_ms, struct buf *out, struct err *err)
{
    int64_t until_ms = clock_mono_ms() + limit_ms;

    for (;;) {
        struct pollfd wait = {.fd = fd, .events = POLLIN};
        int64_t left_ms = until_ms - clock_mono_ms();
        uint8_t *room;
        ssize_t got;
        int n = left_ms > 0 ? poll(&wait, 1, (int)left_ms) : 0;

        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0)
            return err_set(err, ERR_RETRY, "the orders' command did not end in time");
        room = buf_reserve(out, PIECE);
        if (room == NULL)
            return err_set(err, ERR_REJECT, "the orders' command printed too much");
        got = read(fd, room, PIECE);
        if (got == 0)
            return 0;
        if (got < 0 && errno != EINTR)
            return err_sys(err, ERR_RETRY, "read from the orders' command");
        out->n += got > 0 ? (size_t)got : 0;
    }
}

static int
end_command(pid_t pid, int rc, struct err *err)
{
    int status = 0;

    if (rc < 0)
        (void)kill(-pid, SIGKILL);
    while (waitpid(pid, &status, 0) < 0 && errno == EINTR)
        ;
    if (rc < 0)
        return -1;
    if (!WIFEXITED(status) || WEXITSTATUS(status) != 0)
        return err_set(err, ERR_RETRY, "the orders' command ended with status %d",
                       WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status));
    return 0;
}

/* *out_trouble: the step that fails, where one does. */
static int
ask_command(struct book *book, const char *command, int64_t limit_ms, struct orders_tally *tally,
            enum orders_trouble *out_trouble, struct err *err)
{
    char *argv[ARGUMENTS + 1], text[COMMAND_BYTES];
    struct buf said;
    pid_t pid;
    int fd, rc;

    *out_trouble = ORDERS_NOT_RUN;
    if (!text_copy(text, sizeof text, command))
        return err_set(err, ERR_REJECT, "orders_command: too long");
    if (split(text, argv, err) < 0 || spawn(argv, &pid, &fd, err) < 0)
        return -1;
    buf_init(&said, ORDERS_BYTES + PIECE);
    rc = listen_to(fd, limit_ms, &said, err);
    *out_trouble = rc < 0 ? ORDERS_NO_END : ORDERS_EXIT;
    rc = end_command(pid, rc, err);
    close(fd);
    if (rc == 0 && (rc = orders_take(book, said.bytes, said.n, "command", tally, err)) < 0)
        *out_trouble = err->kind == ERR_REJECT ? ORDERS_UNREADABLE : ORDERS_NOT_KEPT;
    buf_fini(&said);
    tell(tally);
    return rc;
}

int
orders_from_command(struct book *book, const char *command, int64_t limit_ms, unsigned *out_taken,
                    struct err *err)
{
    struct orders_tally tally = {.taken = 0};
    enum orders_trouble trouble;
    int rc = ask_command(book, command, limit_ms, &tally, &trouble, err);

    *out_taken += tally.taken;
    return rc;
}

/* ---- the thread ---- */

/* Whoever reads the log is told when trouble begins, not every round. */
static void
note(struct orders_sources *s, struct health *h, enum orders_trouble trouble, const struct err *why)
{
    bool is_new = trouble != ORDERS_NO_TROUBLE && h->trouble != trouble;

    gate_lock(&s->gate);
    h->trouble = trouble;
    if (trouble == ORDERS_NO_TROUBLE) {
        h->good_us = clock_wall_us();
        h->trouble_us = 0;
    } else {
        h->trouble_us = h->trouble_us != 0 ? h->trouble_us : clock_wall_us();
        (void)text_copy(h->why, sizeof h->why, why->text);
    }
    gate_unlock(&s->gate);
    if (is_new)
        LOG(&ctx, DESK_ORDERS_SOURCE_FAILED, F_ERR(why));
}

/* Each time: the share that it lies on may come later than this service, and go. */
static int
make_folders(const char *folder, struct err *err)
{
    static const char *const below[] = {"", "/failed", "/tmp"};
    struct stat st;

    for (size_t i = 0; i < ARRAY_LEN(below); i++) {
        char path[PATH_MAX];

        snprintf(path, sizeof path, "%s%s", folder, below[i]);
        if (stat(path, &st) < 0 && durable_mkdir(path, err) < 0)
            return err_context(err, "the folder of orders");
    }
    return 0;
}

static void
look_in_folder(struct orders_sources *s)
{
    struct err err = {0};
    unsigned taken = 0;
    int rc = make_folders(s->folder->path, &err);
    size_t aside;

    if (rc == 0)
        rc = orders_from_folder(s->book, s->folder, &taken, &err);
    aside = orders_folder_aside(s->folder);

    gate_lock(&s->gate);
    s->list.aside = aside;
    gate_unlock(&s->gate);
    note(s, &s->of_folder, rc < 0 ? ORDERS_FOLDER : ORDERS_NO_TROUBLE, &err);
}

static void
run_command(struct orders_sources *s)
{
    struct orders_tally tally = {.taken = 0};
    struct err err = {0};
    enum orders_trouble trouble;
    int rc = ask_command(s->book, s->command, ORDERS_COMMAND_MS, &tally, &trouble, &err);

    gate_lock(&s->gate);
    if (rc == 0) {
        s->list.taken = tally.taken;
        s->list.refused = tally.refused;
        s->list.flagged = tally.flagged;
        s->list.place = (unsigned)tally.place;
        (void)text_copy(s->list.member, sizeof s->list.member, tally.member);
    }
    gate_unlock(&s->gate);
    note(s, &s->of_command, rc < 0 ? trouble : ORDERS_NO_TROUBLE, &err);
}

static void *
run(void *arg)
{
    struct orders_sources *s = arg;
    int64_t command_ms = clock_mono_ms();

    do {
        if (s->folder != NULL)
            look_in_folder(s);
        if (s->command[0] != '\0' && clock_mono_ms() >= command_ms) {
            run_command(s);
            command_ms = clock_mono_ms() + s->every_ms;
        }
    } while (stop_rest_ms(&s->stop, FOLDER_MS));
    return NULL;
}

void
orders_sources_start(const struct orders_sources_options *options, struct orders_sources **out)
{
    struct orders_sources *s;
    const char *folder = options->folder != NULL ? options->folder : "";
    const char *command = options->command != NULL ? options->command : "";

    *out = NULL;
    if (folder[0] == '\0' && command[0] == '\0')
        return;
    s = mem_new(sizeof *s);
    s->book = options->book;
    s->folder = folder[0] != '\0' ? orders_folder_new(folder) : NULL;
    s->command = mem_text(command);
    s->every_ms = options->every_ms;
    stop_init(&s->stop);
    gate_init(&s->gate);
    s->thread = thread_start("desk-orders", run, s);
    *out = s;
}

void
orders_sources_stop(struct orders_sources **sources)
{
    struct orders_sources *s = TAKE(*sources);

    if (s == NULL)
        return;
    stop_ask(&s->stop);
    thread_join(s->thread);
    gate_fini(&s->gate);
    stop_fini(&s->stop);
    free(s->command);
    orders_folder_free(&s->folder);
    free(s);
}

const char *
orders_trouble_word(enum orders_trouble trouble)
{
    CHECK((size_t)trouble < ARRAY_LEN(trouble_words));
    return trouble_words[trouble];
}

/* Of two sources the one that is in trouble; else the command, which is asked again and again. */
void
orders_sources_status(struct orders_sources *sources, struct orders_status *out)
{
    const struct health *h;

    memset(out, 0, sizeof *out);
    if (sources == NULL)
        return;
    gate_lock(&sources->gate);
    *out = sources->list;
    h = &sources->of_command;
    if (sources->command[0] == '\0' ||
        (h->trouble == ORDERS_NO_TROUBLE && sources->of_folder.trouble != ORDERS_NO_TROUBLE))
        h = &sources->of_folder;
    out->good_us = h->good_us;
    out->trouble = h->trouble;
    out->trouble_us = h->trouble_us;
    (void)text_copy(out->why, sizeof out->why, h->why);
    gate_unlock(&sources->gate);
}
