/* book_world.c - a desk's book for tests. */
#include "tests/support/book_world.h"

#include "proto/base/clock.h"
#include "proto/base/log.h"
#include "proto/base/text.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

char book_dir[FOLDER_PATH_BYTES];
struct book *book;

int
book_world_open(void **state)
{
    struct err err;

    (void)state;
    log_set_fd(-1);
    folder_make("book", book_dir);
    return book_open(book_dir, "04318888888", &book, &err);
}

int
book_world_close(void **state)
{
    (void)state;
    book_close(&book);
    folder_remove(book_dir);
    clock_unfake();
    return 0;
}

void
reopen(void)
{
    struct err err;

    book_close(&book);
    assert_int_equal(book_open(book_dir, "", &book, &err), 0);
}

void
person(const char *name, const char *citizen_id, const char *modality, char out[17])
{
    struct book_registration *r = mem_new(sizeof *r);
    struct err err;

    text_copy(r->name, sizeof r->name, name);
    text_copy(r->citizen_id, sizeof r->citizen_id, citizen_id);
    text_copy(r->modality, sizeof r->modality, modality);
    text_copy(r->phone, sizeof r->phone, "13800138000");
    text_copy(r->complaint, sizeof r->complaint, "咳嗽");
    if (book_register(book, r, out, &err) < 0)
        fail_msg("%s", err.text);
    free(r);
}

struct book_registration *
found(const char *registration)
{
    static struct book_registration r;
    struct err err;

    assert_int_equal(book_find(book, registration, &r, &err), 0);
    return &r;
}

size_t
due(struct clinic_ups *out)
{
    struct err err;

    if (book_due(book, out, &err) < 0)
        fail_msg("%s", err.text);
    return out->count;
}

void
receipt(const char *id, enum clinic_outcome outcome, const char *word)
{
    struct clinic_receipt one = {.outcome = outcome};
    struct clinic_receipts receipts = {.receipts = &one, .count = 1};
    struct err err;

    text_copy(one.id, sizeof one.id, id);
    text_copy(one.word, sizeof one.word, word);
    assert_int_equal(book_settle(book, &receipts, &err), 0);
}
