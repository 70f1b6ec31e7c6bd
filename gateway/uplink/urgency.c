/* urgency.c - see urgency.h. */
#include "gateway/uplink/urgency.h"

#include "proto/base/durable.h"
#include "proto/base/text.h"
#include "proto/base/zip.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define FILE_NAME "urgency"
#define HEAD "radpost-urgency 1\n"
enum { COLUMNS = 6, ASIDE_MOST = 1000 };

static const char *const words[] = {"routine", "urgent", "stat"};
static const char *const sides[] = {"clinic", "reader"};

const char *
uplink_urgency_word(enum uplink_urgency urgency)
{
    return words[urgency];
}

void
urgency_fini(struct urgency *u)
{
    free(u->rows);
    memset(u, 0, sizeof *u);
}

const struct uplink_urgent *
urgency_find(const struct urgency *u, const char *study)
{
    for (size_t i = 0; i < u->n; i++)
        if (strcmp(u->rows[i].study, study) == 0)
            return &u->rows[i];
    return NULL;
}

/* One line of whole characters: it goes to a file of lines with tabs. */
static void
one_line(char *out, size_t size, const char *text)
{
    size_t n;

    text_copy(out, size, text);
    n = strlen(out);
    while (n > 0 && !text_is_utf8(out, n))
        n--;
    out[n] = '\0';
    for (char *p = out; *p != '\0'; p++)
        if ((uint8_t)*p < 0x20 || *p == 0x7F)
            *p = ' ';
}

static bool
is_blank(const char *text)
{
    return text[strspn(text, " ")] == '\0';
}

static int
check(const struct uplink_urgent *old, const struct uplink_urgent *said, struct err *err)
{
    if (!uid_is_valid(said->study, true))
        return err_set(err, ERR_REJECT, "this is no study's number");
    if (is_blank(said->who) || is_blank(said->reason))
        return err_set(err, ERR_REJECT, "urgency is said with a reason and a name");
    if (said->by == UPLINK_BY_READER && said->urgency < (old == NULL ? 0 : old->urgency))
        return err_set(err, ERR_DENIED, "only the clinic makes a study less urgent");
    return 0;
}

/* Which row gives way. */
static size_t
oldest(const struct urgency *u)
{
    for (size_t i = 0; i < u->n; i++)
        if (u->rows[i].urgency == UPLINK_ROUTINE)
            return i;
    return 0;
}

static void
take_out(struct urgency *u, size_t i)
{
    memmove(u->rows + i, u->rows + i + 1, (u->n - i - 1) * sizeof *u->rows);
    u->n--;
}

int
urgency_with(const struct urgency *from, const struct uplink_urgent *said, struct urgency *out,
             struct err *err)
{
    const struct uplink_urgent *old = urgency_find(from, said->study);
    struct uplink_urgent row = *said;
    struct urgency table;

    one_line(row.who, sizeof row.who, said->who);
    one_line(row.reason, sizeof row.reason, said->reason);
    if (check(old, &row, err) < 0)
        return -1;
    table.rows = mem_new((from->n + 1) * sizeof *table.rows);
    if (from->n > 0)
        memcpy(table.rows, from->rows, from->n * sizeof *table.rows);
    table.n = from->n;
    if (old != NULL)
        take_out(&table, (size_t)(old - from->rows));
    if (table.n == URGENCY_ROWS)
        take_out(&table, oldest(&table));
    table.rows[table.n++] = row;
    *out = table;
    return 0;
}

/* ---- on disk ---- */

void
urgency_write(const struct urgency *u, struct buf *out)
{
    buf_add_text(out, HEAD);
    for (size_t i = 0; i < u->n; i++) {
        const struct uplink_urgent *row = &u->rows[i];

        buf_add_printf(out, "%s\t%s\t%s\t%" PRId64 "\t%s\t%s\n", row->study, words[row->urgency],
                       sides[row->by], row->at_us, row->who, row->reason);
    }
    buf_add_printf(out, "end\t%zu\t%08" PRIx32 "\n", u->n, zip_crc32(0, out->bytes, out->n));
}

static int
find_word(const char *const *list, size_t n, const char *word)
{
    for (size_t i = 0; i < n; i++)
        if (strcmp(list[i], word) == 0)
            return (int)i;
    return -1;
}

/* A line, cut at its tabs in place. */
static int
read_row(char *line, struct uplink_urgent *out)
{
    char *column[COLUMNS] = {line};
    uint64_t at;
    int urgency, by;

    for (int i = 1; i < COLUMNS; i++) {
        column[i] = strchr(column[i - 1], '\t');
        if (column[i] == NULL)
            return -1;
        *column[i]++ = '\0';
    }
    memset(out, 0, sizeof *out);
    urgency = find_word(words, ARRAY_LEN(words), column[1]);
    by = find_word(sides, ARRAY_LEN(sides), column[2]);
    if (urgency < 0 || by < 0 || text_to_u64(column[3], INT64_MAX, &at) < 0 ||
        strchr(column[5], '\t') != NULL || !text_copy(out->study, sizeof out->study, column[0]) ||
        !text_copy(out->who, sizeof out->who, column[4]) ||
        !text_copy(out->reason, sizeof out->reason, column[5]) || !uid_is_valid(out->study, true))
        return -1;
    out->urgency = (enum uplink_urgency)urgency;
    out->by = (enum uplink_by)by;
    out->at_us = (int64_t)at;
    return 0;
}

/* The end's count and checksum; where it begins. */
static int
check_end(const char *text, size_t n, size_t *out_end, uint64_t *out_rows)
{
    char end[40], rows[8];
    const char *last;

    if (n < sizeof HEAD + 10 || memcmp(text, HEAD, sizeof HEAD - 1) != 0 || text[n - 1] != '\n' ||
        memchr(text, '\0', n) != NULL)
        return -1;
    for (last = text + n - 1; last > text && last[-1] != '\n'; last--)
        ;
    if (strncmp(last, "end\t", 4) != 0 || strcspn(last + 4, "\t") >= sizeof rows)
        return -1;
    snprintf(rows, sizeof rows, "%.*s", (int)strcspn(last + 4, "\t"), last + 4);
    *out_end = (size_t)(last - text);
    if (text_to_u64(rows, URGENCY_ROWS, out_rows) < 0)
        return -1;
    snprintf(end, sizeof end, "end\t%s\t%08" PRIx32 "\n", rows, zip_crc32(0, text, *out_end));
    return strcmp(end, last) == 0 ? 0 : -1;
}

int
urgency_read(const uint8_t *bytes, size_t n, struct urgency *out, struct err *err)
{
    char *text = mem_new(n + 1), *line, *next;
    struct urgency table = {.n = 0};
    uint64_t rows;
    size_t end;
    int rc = -1;

    memcpy(text, bytes, n);
    if (check_end(text, n, &end, &rows) < 0)
        goto out;
    text[end] = '\0';
    table.rows = mem_new((rows + 1) * sizeof *table.rows);
    for (line = text + sizeof HEAD - 1; *line != '\0'; line = next) {
        next = strchr(line, '\n');
        if (next == NULL || table.n == rows)
            goto out;
        *next++ = '\0';
        if (read_row(line, &table.rows[table.n++]) < 0)
            goto out;
    }
    if (table.n == rows)
        rc = 0;
out:
    free(text);
    if (rc == 0)
        *out = table;
    else
        urgency_fini(&table);
    return rc == 0 ? 0 : err_set(err, ERR_REJECT, "it is no table of urgencies, or broken");
}

/* Beside what was put there before. */
static int
move_beside(const char *from, const char *folder, struct err *err)
{
    char *to = mem_printf("%s/" FILE_NAME, folder);
    int rc = -1;

    for (unsigned i = 1; rc < 0 && i <= ASIDE_MOST; i++) {
        rc = renameat2(AT_FDCWD, from, AT_FDCWD, to, RENAME_NOREPLACE);
        if (rc < 0 && errno != EEXIST)
            break;
        free(to);
        to = mem_printf("%s/" FILE_NAME ".%u", folder, i);
    }
    free(to);
    return rc < 0 ? err_sys(err, ERR_RETRY, "move %s to corrupt/", from) : 0;
}

static int
put_aside(const char *dir, struct err *err)
{
    char *folder = mem_printf("%s/corrupt", dir), *from = mem_printf("%s/" FILE_NAME, dir);
    int rc = durable_mkdir(folder, err);

    if (rc == 0)
        rc = move_beside(from, folder, err);
    if (rc == 0)
        rc = durable_sync_folder(folder, err);
    if (rc == 0)
        rc = durable_sync_folder(dir, err);
    free(folder);
    free(from);
    return rc;
}

/* Too little memory or too many open files say nothing about the file. */
static bool
is_of_the_host(const struct err *err)
{
    return err->sys == EMFILE || err->sys == ENFILE || err->sys == ENOMEM;
}

int
urgency_load(const char *dir, struct urgency *out, bool *out_was_corrupt, struct err *err)
{
    char *path = mem_printf("%s/" FILE_NAME, dir), *tmp = mem_printf("%s/tmp", dir);
    uint8_t *bytes = NULL;
    struct err why = {0};
    bool was_corrupt = false;
    size_t n = 0;
    int rc = durable_mkdir(dir, err) < 0 ? -1 : durable_mkdir(tmp, err);

    memset(out, 0, sizeof *out);
    if (rc == 0 && durable_get_file(path, URGENCY_FILE_BYTES, &bytes, &n, &why) < 0) {
        if (why.kind != ERR_NOT_FOUND && is_of_the_host(&why)) {
            rc = -1;
            *err = why;
        } else if (why.kind != ERR_NOT_FOUND) {
            was_corrupt = true;
            rc = put_aside(dir, err);
        }
    } else if (rc == 0 && urgency_read(bytes, n, out, &why) < 0) {
        was_corrupt = true;
        rc = put_aside(dir, err);
    }
    free(bytes);
    free(tmp);
    free(path);
    if (rc == 0)
        *out_was_corrupt = was_corrupt;
    return rc;
}

int
urgency_save(const char *dir, const struct urgency *u, struct err *err)
{
    struct buf text;
    int rc;

    buf_init(&text, URGENCY_FILE_BYTES);
    urgency_write(u, &text);
    if (buf_is_over(&text))
        rc = err_set(err, ERR_FATAL, "the table of urgencies is too long");
    else
        rc = durable_put_file(dir, FILE_NAME, text.bytes, text.n, err);
    buf_fini(&text);
    return rc;
}
