/* link_json.c - UIDs and lists in the link's bodies. */
#include "proto/link/link_json.h"

#include "proto/base/text.h"

#include <inttypes.h>

int
link_read_uid(const struct json *o, const char *key, char out[LINK_UID_SIZE], struct err *err)
{
    const char *uid;

    if (json_text(o, key, LINK_UID_SIZE - 1, &uid, err) < 0)
        return -1;
    if (!uid_is_valid(uid, true))
        return err_set(err, ERR_REJECT, "%s: no UID", key);
    text_copy(out, LINK_UID_SIZE, uid);
    return 0;
}

int
link_open_list(const uint8_t *bytes, size_t n, uint64_t max_bytes, const char *key, size_t max,
               struct json_doc **out_doc, const struct json **out_list, struct err *err)
{
    if (n > max_bytes)
        return err_set(err, ERR_REJECT, "longer than %" PRIu64 " bytes", max_bytes);
    if (json_parse(bytes, n, out_doc, err) < 0)
        return -1;
    return json_list(json_root(*out_doc), key, max, out_list, err);
}
