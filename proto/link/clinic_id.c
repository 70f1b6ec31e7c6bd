/* clinic_id.c - message ids and lists of them, registration and phone numbers. */
#include "proto/base/jsonw.h"
#include "proto/base/text.h"
#include "proto/http/json.h"
#include "proto/link/clinic.h"
#include "proto/trust/digest.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

void
clinic_id_new(char out[CLINIC_ID_SIZE])
{
    uint8_t b[16];
    char hex[33];

    random_bytes(b, sizeof b);
    b[6] = (uint8_t)((b[6] & 0x0F) | 0x40); /* RFC 9562: version 4 */
    b[8] = (uint8_t)((b[8] & 0x3F) | 0x80);
    hex_encode(b, sizeof b, hex);
    snprintf(out, CLINIC_ID_SIZE, "%.8s-%.4s-%.4s-%.4s-%.12s", hex, hex + 8, hex + 12, hex + 16,
             hex + 20);
}

bool
clinic_id_is_valid(const char *id)
{
    for (int i = 0; i < CLINIC_ID_SIZE - 1; i++) {
        bool is_hyphen = i == 8 || i == 13 || i == 18 || i == 23;

        if (is_hyphen ? id[i] != '-' : id[i] == '\0' || strchr("0123456789abcdef", id[i]) == NULL)
            return false;
    }
    return id[CLINIC_ID_SIZE - 1] == '\0';
}

bool
clinic_registration_is_valid(const char *registration)
{
    size_t n = strspn(registration, "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ-");

    return n >= 1 && n < CLINIC_REGISTRATION_SIZE && registration[n] == '\0';
}

bool
clinic_phone_is_valid(const char *text)
{
    const char *digits = text + (text[0] == '+');
    size_t n = strspn(digits, "0123456789");

    return n >= 5 && n <= 15 && digits[n] == '\0';
}

int
clinic_phone_read(const char *typed, char out[CLINIC_PHONE_SIZE], struct err *err)
{
    char narrow[64], phone[sizeof narrow];
    size_t n = 0;

    if (!text_narrow(narrow, sizeof narrow, typed))
        return err_set(err, ERR_REJECT, "too long for a phone number");
    for (const char *p = narrow; *p != '\0'; p++)
        if (strchr(" -()\t", *p) == NULL)
            phone[n++] = *p;
    phone[n] = '\0';
    if (!clinic_phone_is_valid(phone))
        return err_set(err, ERR_REJECT, "a phone number has 5 to 15 digits");
    text_copy(out, CLINIC_PHONE_SIZE, phone);
    return 0;
}

void
clinic_ids_encode(const struct clinic_ids *ids, struct buf *out)
{
    struct jsonw w;

    jsonw_init(&w, out);
    jsonw_object(&w, NULL);
    jsonw_array(&w, "ids");
    for (size_t i = 0; i < ids->count; i++)
        jsonw_text(&w, NULL, ids->ids[i]);
    jsonw_end(&w);
    jsonw_end(&w);
}

int
clinic_ids_decode(const uint8_t *bytes, size_t n, struct clinic_ids *out, struct err *err)
{
    struct clinic_ids ids = {.count = 0};
    struct json_doc *doc = NULL;
    const struct json *list;
    int rc = -1;

    if (n > CLINIC_BODY_BYTES) {
        err_set(err, ERR_REJECT, "longer than %d bytes", CLINIC_BODY_BYTES);
        goto out;
    }
    if (json_parse(bytes, n, &doc, err) < 0 ||
        json_list(json_root(doc), "ids", CLINIC_MESSAGES, &list, err) < 0)
        goto out;
    ids.count = json_length(list);
    ids.ids = mem_new((ids.count + 1) * sizeof *ids.ids);
    for (size_t i = 0; i < ids.count; i++) {
        const char *text = json_as_text(json_at(list, i));

        if (text == NULL || !clinic_id_is_valid(text)) {
            err_set(err, ERR_REJECT, "ids: not what is due there");
            goto out;
        }
        text_copy(ids.ids[i], CLINIC_ID_SIZE, text);
    }
    *out = ids;
    ids.ids = NULL;
    rc = 0;
out:
    clinic_ids_free(&ids);
    json_free(&doc);
    return rc;
}

void
clinic_ids_free(struct clinic_ids *ids)
{
    free(ids->ids);
    *ids = (struct clinic_ids){.count = 0};
}
