/* book_correct.c - what was mistyped at a registration is put right, and the audit log says by
 * whom.
 */
#include "gateway/desk/book_own.h"

#include "proto/trust/audit.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { FIELDS_BYTES = 65 }; /* as long as a word of the audit log */

/* "name birth": which differ, never what they say. */
static void
name_changed(const struct book_registration *a, const struct book_registration *b,
             char out[FIELDS_BYTES])
{
    const struct {
        const char *word, *before, *after;
    } fields[] = {
        {"name", a->name, b->name},
        {"id", a->citizen_id, b->citizen_id},
        {"sex", a->sex, b->sex},
        {"birth", a->birth, b->birth},
        {"phone", a->phone, b->phone},
        {"modality", a->modality, b->modality},
        {"complaint", a->complaint, b->complaint},
        {"history", a->history, b->history},
        {"urgent", a->is_urgent ? "1" : "0", b->is_urgent ? "1" : "0"},
        {"reason", a->reason, b->reason},
    };
    size_t n = 0;

    out[0] = '\0';
    for (size_t i = 0; i < ARRAY_LEN(fields); i++) {
        if (strcmp(fields[i].before, fields[i].after) == 0)
            continue;
        n += (size_t)snprintf(out + n, FIELDS_BYTES - n, "%s%s", n > 0 ? " " : "", fields[i].word);
        CHECK(n < FIELDS_BYTES);
    }
}

/* In the turn, before its end: what cannot be recorded is not done. */
static int
note(struct audit *audit, const struct book_registration *before,
     const struct book_registration *after, const char *by, struct err *err)
{
    char fields[FIELDS_BYTES];

    name_changed(before, after, fields);
    return audit_append(
        audit, err, AUDIT_REGISTRATION_CORRECTED, A_WORD("registration", after->registration),
        A_NUMBER("revision", after->revision), A_WORD("fields", fields), A_WORD("by", by));
}

static int
correct(struct book *book, const struct book_registration *r, struct audit *audit, const char *by,
        struct err *err)
{
    struct book_registration *before = mem_new(sizeof *before), *after = mem_new(sizeof *after);
    int rc = registration_get(book, r->registration, before, err);

    if (rc == 0 && before->revision != r->revision)
        rc = err_set(err, ERR_CONFLICT, "somebody changed it meanwhile: look again");
    if (rc == 0 && r->is_urgent && !before->is_urgent) /* as by book_urgent(), whoever lowered it */
        rc = registration_say_urgent(book, before, true, r->reason, audit, by, err);
    if (rc == 0)
        rc = registration_change(book, r, err);
    if (rc == 0 && audit != NULL) {
        rc = registration_get(book, r->registration, after, err);
        if (rc == 0)
            rc = note(audit, before, after, by, err);
    }
    free(after);
    free(before);
    return rc;
}

int
book_correct(struct book *book, const struct book_registration *r, struct audit *audit,
             const char *by, struct err *err)
{
    int rc = db_begin(book->db, err);

    if (rc == 0)
        rc = db_end(book->db, correct(book, r, audit, by, err), err);
    if (rc == 0)
        book_changed(book);
    return rc;
}
