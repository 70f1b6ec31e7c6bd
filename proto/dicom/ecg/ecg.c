/* ecg.c - what both readers share: leads, decimals, memory. */
#include "proto/dicom/ecg/ecg.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

static const struct lead {
    uint16_t number;
    const char *label, *name, *meaning;
} leads[] = {
#define LEAD(number, label, name, meaning) {number, label, name, meaning},
#include "proto/dicom/ecg/leads.def"
#undef LEAD
};

static const struct lead *
find_lead(uint16_t number)
{
    for (size_t i = 0; i < ARRAY_LEN(leads); i++)
        if (leads[i].number == number)
            return &leads[i];
    return NULL;
}

void
ecg_free(struct ecg **ecg)
{
    struct ecg *e = TAKE(*ecg);

    if (e == NULL)
        return;
    for (unsigned g = 0; g < ECG_GROUPS; g++)
        for (unsigned c = 0; c < ECG_CHANNELS; c++)
            free(e->groups[g].channels[c].samples);
    free(e);
}

const char *
ecg_lead_label(uint16_t lead)
{
    const struct lead *l = find_lead(lead);

    return l != NULL ? l->label : NULL;
}

const char *
ecg_lead_meaning(uint16_t lead)
{
    const struct lead *l = find_lead(lead);

    return l != NULL ? l->meaning : NULL;
}

uint16_t
ecg_lead_by_mdc(const char *name)
{
    static const char prefix[] = "MDC_ECG_LEAD_";

    if (strncasecmp(name, prefix, sizeof prefix - 1) != 0)
        return 0;
    for (size_t i = 0; i < ARRAY_LEN(leads); i++)
        if (strcasecmp(name + sizeof prefix - 1, leads[i].name) == 0)
            return leads[i].number;
    return 0;
}

void
ecg_decimal(double v, char out[17])
{
    char text[40], best[40] = "0";
    bool is_found = false;

    CHECK(isfinite(v));
    for (int digits = 1; digits <= 17; digits++) {
        bool is_plain, is_exact;

        if (snprintf(text, sizeof text, "%.*g", digits, v) > 16)
            continue;
        is_plain = strchr(text, 'e') == NULL; /* 500 rather than 5e+02 */
        is_exact = strtod(text, NULL) == v;
        if (!is_found || is_plain)
            memcpy(best, text, sizeof best);
        is_found = is_found || is_exact;
        if (is_exact && is_plain)
            break;
    }
    memcpy(out, best, 16);
    out[16] = '\0';
}

int16_t *
ecg_samples_new(uint32_t count)
{
    return count > 0 && count <= ECG_SAMPLES ? mem_new(count * sizeof(int16_t)) : NULL;
}
