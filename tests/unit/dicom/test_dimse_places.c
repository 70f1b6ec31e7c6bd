/* test_dimse_places.c - who gives way when all associations are taken. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "proto/base/buf.h"
#include "proto/dicom/dimse_places.h"

enum { PLACES = 6 };

static const uint8_t titles[3][PLACE_CALLING_BYTES + 1] = {"CT1             ", "DR1             ",
                                                           "US1             "};

struct row {
    const char *name;
    const char *held;       /* C D U: a title, in small letters from another address */
    int64_t silent[PLACES]; /* -1: not now */
    char newcomer;
    int wanted;
};

static struct place
place_of(char letter, int64_t silent_ms)
{
    static const char letters[] = "CDU";
    char upper = letter >= 'a' ? (char)(letter - 'a' + 'A') : letter;

    return (struct place){letter >= 'a' ? "10.0.0.2" : "10.0.0.1",
                          titles[strchr(letters, upper) - letters], silent_ms};
}

static const struct row rows[] = {
    {"the longest silent one of the only one", "CCCCCC", {5, 4, 9, 9, 1, 0}, 'D', 2},
    {"one that may not be ended is passed over", "CCCCCC", {5, 4, -1, -1, 1, 0}, 'D', 0},
    {"nobody, where nobody may be ended", "CCCCCC", {-1, -1, -1, -1, -1, -1}, 'D', -1},
    {"not for one of its own", "CCCCCC", {5, 4, 9, 9, 1, 0}, 'C', -1},
    {"the same title from elsewhere is another", "CCCCCC", {5, 4, 9, 9, 1, 0}, 'c', 2},
    {"of the one that holds the most", "DCCCCD", {90, 4, 5, 3, 1, 80}, 'U', 2},
    {"the next, where the one that holds most is busy", "CDDUUU", {9, 7, 8, -1, -1, -1}, 'c', 2},
    {"nobody who holds as many as the newcomer would", "CCCDDD", {5, 4, 9, 9, 1, 0}, 'D', -1},
    {"nobody who holds its share", "CCDDUU", {5, 4, 9, 9, 1, 0}, 'U', -1},
    {"down to one more", "CCCCDD", {5, 4, 7, 6, 99, 98}, 'D', 2},
};

static void
place_to_end_is_the_longest_silent_of_who_holds_too_many(void **state)
{
    struct place held[PLACES];

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct place newcomer = place_of(rows[i].newcomer, -1);
        int got;

        for (size_t k = 0; k < PLACES; k++)
            held[k] = place_of(rows[i].held[k], rows[i].silent[k]);
        got = place_to_end(held, PLACES, &newcomer, PLACES);
        if (got != rows[i].wanted)
            fail_msg("%s: got %d, wanted %d", rows[i].name, got, rows[i].wanted);
    }
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(place_to_end_is_the_longest_silent_of_who_holds_too_many),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
