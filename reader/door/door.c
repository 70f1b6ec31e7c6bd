/* door.c - the staff routes that are nobody else's, as a table. */
#include "reader/door/door_own.h"

#include <stdlib.h>

#define PAGE(where)                                                                                \
    {                                                                                              \
        .method = "GET", .pattern = where, .callers = HTTP_ANYONE, .handle = door_get_page,        \
        .flags = HTTP_PAGE | HTTP_NO_STORE | HTTP_QUIET                                            \
    }

static const struct http_route routes[] = {
    PAGE("/"),         PAGE("/login"),        PAGE("/setup"),
    PAGE("/worklist"), PAGE("/reads/{read}"), PAGE("/reads/{read}/{part}"),
    PAGE("/account"),  PAGE("/users"),        PAGE("/organisations"),
    PAGE("/doctors"),  PAGE("/audit"),
};

struct door *
door_new(const struct door_options *options)
{
    struct door *door = mem_new(sizeof *door);

    door->options = *options;
    door->log.stage = "reader/door";
    return door;
}

void
door_free(struct door **door)
{
    free(*door);
    *door = NULL;
}

struct http_table
door_staff_table(struct door *door)
{
    return (struct http_table){routes, ARRAY_LEN(routes), door};
}
