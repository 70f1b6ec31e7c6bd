/* odd_sender.c - see odd_sender.h. */
#include "tests/support/odd_sender.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#define IMPLICIT_SYNTAX "1.2.840.10008.1.2\0"
#define JPEG_SYNTAX "1.2.840.10008.1.2.4.70"
#define ROW(name, text, zeros)                                                                     \
    {                                                                                              \
        name, text, sizeof text - 1, zeros                                                         \
    }

const struct odd_sender odd_senders[ODD_SENDERS] = {
    ROW("not odd", "", 0),
    ROW("group 0002 without VR",
        "\2\0\0\0\4\0\0\0\x1a\0\0\0"
        "\2\0\x10\0\x12\0\0\0" IMPLICIT_SYNTAX,
        0),
    ROW("group 0002 with VR",
        "\2\0\0\0UL\4\0\x1a\0\0\0"
        "\2\0\x10\0UI\x12\0" IMPLICIT_SYNTAX,
        0),
    ROW("a whole meta group of another coding",
        "\2\0\0\0UL\4\0\x3a\0\0\0"
        "\2\0\1\0OB\0\0\2\0\0\0\0\1"
        "\2\0\3\0UI\6\0"
        "9.9.9\0"
        "\2\0\x10\0UI\x16\0" JPEG_SYNTAX,
        0),
    ROW("a zero behind", "", 1),
    ROW("seven zeros behind", "", 7),
    ROW("both", "\2\0\x10\0UI\x16\0" JPEG_SYNTAX, 2),
};

void
odd_sender_sends(const struct odd_sender *sender, struct buf *file, size_t dataset_at)
{
    assert_non_null(buf_reserve(file, sender->stray_n + sender->zeros));
    memmove(file->bytes + dataset_at + sender->stray_n, file->bytes + dataset_at,
            file->n - dataset_at);
    memcpy(file->bytes + dataset_at, sender->stray, sender->stray_n);
    file->n += sender->stray_n;
    memset(file->bytes + file->n, 0, sender->zeros);
    file->n += sender->zeros;
}
