/* unseen.c - signs that show nothing, by a table of Unicode's. */
#include "proto/base/unseen.h"

#include <string.h>

/* The sign of two bytes or more that begins text; 0: none. *out_n: its bytes. */
static uint32_t
wide_sign(const uint8_t *p, size_t *out_n)
{
    size_t n = p[0] >= 0xF0 ? 4 : p[0] >= 0xE0 ? 3 : p[0] >= 0xC0 ? 2 : 0;
    uint32_t sign = n > 0 ? p[0] & (0x7FU >> n) : 0;

    for (size_t i = 1; i < n; i++) {
        if ((p[i] & 0xC0) != 0x80)
            return 0;
        sign = sign << 6 | (p[i] & 0x3FU);
    }
    *out_n = n;
    return sign;
}

static const struct {
    uint32_t first, last;
    bool is_blank;
} rows[] = {
    {0xA0, 0xA0, true},      {0xAD, 0xAD, false},     {0x1680, 0x1680, true},
    {0x180B, 0x180E, false}, {0x2000, 0x200A, true},  {0x200B, 0x200F, false},
    {0x2028, 0x2029, true},  {0x202A, 0x202E, false}, {0x202F, 0x202F, true},
    {0x205F, 0x205F, true},  {0x2060, 0x206F, false}, {0x3000, 0x3000, true},
    {0xFE00, 0xFE0F, false}, {0xFEFF, 0xFEFF, false}, {0xE0000, 0xE0FFF, false},
};

size_t
unseen_bytes(const char *text, bool *out_is_blank)
{
    size_t n = 0;
    uint32_t sign = wide_sign((const uint8_t *)text, &n);

    for (size_t i = 0; sign != 0 && i < ARRAY_LEN(rows); i++)
        if (sign >= rows[i].first && sign <= rows[i].last) {
            *out_is_blank = rows[i].is_blank;
            return n;
        }
    return 0;
}

void
unseen_drop(char *text)
{
    static const char ideographic[] = "\xE3\x80\x80";
    size_t n = 0;

    for (const char *p = text; *p != '\0';) {
        bool is_blank = false;
        size_t k = unseen_bytes(p, &is_blank);

        if (k == 0 || strncmp(p, ideographic, 3) == 0) {
            text[n++] = *p++;
        } else {
            if (is_blank && n > 0)
                text[n++] = ' ';
            p += k;
        }
    }
    while (n > 0 && text[n - 1] == ' ')
        n--;
    text[n] = '\0';
}
