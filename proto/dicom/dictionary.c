/* dictionary.c - value representations of the standard's attributes, and what VRs mean. */
#include "proto/dicom/dictionary.h"

#include <string.h>

struct entry {
    uint32_t tag;
    char vr[3];
};

struct repeating {
    uint32_t value, mask;
    char vr[3];
};

static const struct entry entries[] = {
#define D(tag, vr) {0x##tag, #vr},
#define R(value, mask, vr)
#include "proto/dicom/dictionary.def"
#undef D
#undef R
};

static const struct repeating repeats[] = {
#define D(tag, vr)
#define R(value, mask, vr) {0x##value, 0x##mask, #vr},
#include "proto/dicom/dictionary.def"
#undef D
#undef R
};

static const struct vr_row {
    char vr[3];
    uint8_t word;
    bool is_long, is_text, has_charset;
} vrs[] = {
    {"AE", 1, false, true, false},  {"AS", 1, false, true, false},  {"AT", 2, false, false, false},
    {"CS", 1, false, true, false},  {"DA", 1, false, true, false},  {"DS", 1, false, true, false},
    {"DT", 1, false, true, false},  {"FD", 8, false, false, false}, {"FL", 4, false, false, false},
    {"IS", 1, false, true, false},  {"LO", 1, false, true, true},   {"LT", 1, false, true, true},
    {"OB", 1, true, false, false},  {"OD", 8, true, false, false},  {"OF", 4, true, false, false},
    {"OL", 4, true, false, false},  {"OV", 8, true, false, false},  {"OW", 2, true, false, false},
    {"PN", 1, false, true, true},   {"SH", 1, false, true, true},   {"SL", 4, false, false, false},
    {"SQ", 1, true, false, false},  {"SS", 2, false, false, false}, {"ST", 1, false, true, true},
    {"SV", 8, true, false, false},  {"TM", 1, false, true, false},  {"UC", 1, true, true, true},
    {"UI", 1, false, false, false}, {"UL", 4, false, false, false}, {"UN", 1, true, false, false},
    {"UR", 1, true, true, false},   {"US", 2, false, false, false}, {"UT", 1, true, true, true},
    {"UV", 8, true, false, false},
};

/* What nobody knows: long length, no words, no text. */
static const struct vr_row unknown_vr = {"", 1, true, false, false};

static const struct vr_row *
vr_find(const char *vr)
{
    for (size_t i = 0; i < ARRAY_LEN(vrs); i++)
        if (vrs[i].vr[0] == vr[0] && vrs[i].vr[1] == vr[1])
            return &vrs[i];
    return &unknown_vr;
}

static const char *
entry_find(uint32_t tag)
{
    size_t low = 0, high = ARRAY_LEN(entries);

    while (low < high) {
        size_t middle = low + (high - low) / 2;

        if (entries[middle].tag == tag)
            return entries[middle].vr;
        if (entries[middle].tag < tag)
            low = middle + 1;
        else
            high = middle;
    }
    for (size_t i = 0; i < ARRAY_LEN(repeats); i++)
        if ((tag & repeats[i].mask) == repeats[i].value)
            return repeats[i].vr;
    return "UN";
}

const char *
dcm_dict_vr(uint32_t tag, bool is_pixel_signed)
{
    uint32_t group = tag >> 16, element = tag & 0xFFFF;
    const char *vr;

    if (element == 0)
        return "UL";
    if (group % 2 != 0)
        return element >= 0x10 && element <= 0xFF ? "LO" : "UN";
    vr = entry_find(tag);
    if (strcmp(vr, "xs") == 0)
        return is_pixel_signed ? "SS" : "US";
    return vr;
}

bool
dcm_vr_is_long(const char *vr)
{
    return vr_find(vr)->is_long;
}

unsigned
dcm_vr_word(const char *vr)
{
    return vr_find(vr)->word;
}

bool
dcm_vr_is_text(const char *vr)
{
    return vr_find(vr)->is_text;
}

bool
dcm_vr_has_charset(const char *vr)
{
    return vr_find(vr)->has_charset;
}
