/* way.c - how what is not the uplink itself reaches the centre. */
#include "gateway/uplink/lines.h"
#include "gateway/uplink/uplink.h"

#include "proto/base/text.h"

/* Of the lines, in the table's order within a rank. */
static const struct line_settings *
nth_by_rank(const struct lines *lines, unsigned n)
{
    unsigned left = n % (unsigned)lines->n;

    for (unsigned rank = 0; rank <= 9; rank++)
        for (size_t i = 0; i < lines->n; i++)
            if (lines->at[i].rank == rank && left-- == 0)
                return &lines->at[i];
    return &lines->at[0];
}

int
uplink_way(const char *lines_path, unsigned n, struct uplink_way *out, struct err *err)
{
    const struct line_settings *line;
    struct uplink_way way = {.url = ""};
    struct lines lines = {.n = 0};

    if (lines_path != NULL && lines_path[0] != '\0' && lines_read_good(lines_path, &lines, err) < 0)
        err_clear(err); /* no table, or what can be read of it; uplink_check_lines() tells */
    if (lines.n > 0) {  /* else straight out */
        line = nth_by_rank(&lines, n);
        text_copy(way.url, sizeof way.url, line->url);
        text_copy(way.proxy, sizeof way.proxy, line->proxy);
        text_copy(way.source, sizeof way.source, line->source);
        if (line->proxy_user[0] != '\0' &&
            lines_read_user(line->proxy_user, way.proxy_user, err) < 0)
            return -1;
    }
    *out = way;
    return 0;
}

int
uplink_check_lines(const char *lines_path, struct err *err)
{
    struct lines lines;

    if (lines_path == NULL || lines_path[0] == '\0' || lines_read(lines_path, &lines, err) == 0)
        return 0;
    if (err->kind != ERR_NOT_FOUND)
        return -1;
    err_clear(err);
    return 0;
}
