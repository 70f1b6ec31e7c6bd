/* desk_visitor.c - somebody signed in at a desk under test. */
#include "tests/support/desk_visitor.h"

#include "gateway/desk/accounts_own.h"
#include "proto/base/text.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <cmocka.h>

void
desk_visit(const char *desk_dir, unsigned roles, struct desk_visitor *out)
{
    struct account account = {.roles = roles};
    struct account_session session;
    char code[SLIP_TEXT_BYTES];
    struct book *book = NULL;
    struct err err;

    snprintf(account.login, sizeof account.login, "visitor-%u", roles);
    text_copy(account.name, sizeof account.name, "访客");
    assert_int_equal(book_open_beside(desk_dir, &book, &err), 0);
    if (accounts_invite(book, "test", &account, code, &err) < 0)
        assert_int_equal(err.kind, ERR_CONFLICT); /* was here before */
    assert_int_equal(db_begin(book->db, &err), 0);
    assert_int_equal(
        db_end(book->db, account_session_make(book, account.login, &session, &err), &err), 0);
    book_close(&book);
    snprintf(out->cookie, sizeof out->cookie, "Cookie: rp_desk=%s", session.cookie);
    snprintf(out->csrf, sizeof out->csrf, "X-Radpost-CSRF: %s", session.csrf);
    out->headers[0] = out->cookie;
    out->headers[1] = out->csrf;
    out->headers[2] = NULL;
}
