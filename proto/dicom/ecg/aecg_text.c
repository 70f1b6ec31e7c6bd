/* aecg_text.c - see aecg_text.h. */
#include "proto/dicom/ecg/aecg_text.h"

#include <stdio.h>
#include <string.h>
#include <strings.h>

/* The encoding that the XML declaration names; "" where it names none. */
static void
declared_encoding(const uint8_t *bytes, size_t n, char out[24])
{
    char head[256];
    const char *value, *end;

    out[0] = '\0';
    n = n < sizeof head ? n : sizeof head - 1;
    memcpy(head, bytes, n);
    head[n] = '\0';
    end = strncmp(head, "<?xml", 5) == 0 ? strstr(head, "?>") : NULL;
    value = end != NULL ? strstr(head, "encoding") : NULL;
    if (value == NULL || value > end)
        return;
    value += strcspn(value, "\"'");
    if (value < end)
        snprintf(out, 24, "%.*s", (int)strcspn(value + 1, "\"'"), value + 1);
}

/* Its name among DICOM's; NULL: expat's affair. Nothing named is UTF-8 (XML 1.0 4.3.3). */
static const char *
dicom_name(const char *encoding)
{
    static const struct {
        const char *xml, *dicom;
    } names[] = {
        {"GB2312", "GB18030"},        {"GBK", "GB18030"},
        {"GB18030", "GB18030"},       {"GB_2312-80", "GB18030"},
        {"CP936", "GB18030"},         {"MS936", "GB18030"},
        {"windows-936", "GB18030"},   {"x-gbk", "GB18030"},
        {"EUC-CN", "GB18030"},        {"", "ISO_IR 192"},
        {"UTF-8", "ISO_IR 192"},      {"US-ASCII", "ISO_IR 192"},
        {"ISO-8859-1", "ISO_IR 100"}, {"windows-1252", "ISO_IR 100"},
    };

    for (size_t i = 0; i < ARRAY_LEN(names); i++)
        if (strcasecmp(names[i].xml, encoding) == 0)
            return names[i].dicom;
    return NULL;
}

/* Each text and each value; what parts them is no part of a character in any of these sets. Units
 * (uV with a Greek letter) are too short to be asked. */
static void
look_at_texts(struct dcm_charset *cs, const uint8_t *bytes, size_t n)
{
    enum { UNIT_BYTES = 3 };
    bool has_high = false;
    size_t start = 0;

    for (size_t i = 0; i < n; i++) {
        has_high |= bytes[i] >= 0x80;
        if (bytes[i] != '<' && bytes[i] != '>' && bytes[i] != '"' && bytes[i] != '\'')
            continue;
        if (has_high && i - start > UNIT_BYTES)
            dcm_charset_look(cs, bytes + start, i - start);
        start = i + 1;
        has_high = false;
    }
}

bool
aecg_text_choose(const uint8_t *bytes, size_t n, struct dcm_charset *cs)
{
    char encoding[24];
    const char *declared;

    declared_encoding(bytes, n, encoding);
    declared = n >= 2 && (bytes[0] >= 0x80 || bytes[1] == 0) ? NULL : dicom_name(encoding);
    if (declared == NULL) /* one with a byte order mark, too */
        return false;
    dcm_charset_begin(cs, declared, strlen(declared), NULL);
    look_at_texts(cs, bytes, n);
    dcm_charset_choose(cs);
    return strcmp(declared, "GB18030") == 0 || cs->method == DCM_TEXT_UTF8 ||
           cs->method == DCM_TEXT_GB18030;
}

size_t
aecg_text_whole(const uint8_t *bytes, size_t n)
{
    size_t k = n;

    while (k > 0 && bytes[k - 1] >= 0x30)
        k--;
    return k > 0 ? k : n;
}
