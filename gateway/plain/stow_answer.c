/* stow_answer.c - two spellings of the same two sequences: Failed SOP (0008,1198) and Referenced
 * SOP (0008,1199), each item with its instance, the failed ones with a reason. */
#include "gateway/plain/stow_answer.h"

#include "gateway/plain/stow_xml.h"
#include "proto/base/text.h"
#include "proto/http/json.h"
#include "proto/http/url.h"

#include <stdlib.h>
#include <string.h>

static int
add_row(struct stow_answer *answer, const struct stow_row *row, struct err *err)
{
    if (row->sop_instance[0] == '\0')
        return 0; /* an item without a name says nothing */
    if (answer->n == STOW_ROWS_MOST)
        return err_set(err, ERR_REJECT, "more than %d instances in one answer", STOW_ROWS_MOST);
    answer->rows = mem_grow(answer->rows, (answer->n + 1) * sizeof *row);
    answer->rows[answer->n++] = *row;
    return 0;
}

/* ---- application/dicom+json (PS3.18 F) ---- */

static const struct json *
first_value(const struct json *dataset, const char *tag)
{
    return json_at(json_find(json_find(dataset, tag), "Value"), 0);
}

static int
take_json_items(const struct json *dataset, const char *tag, bool is_taken,
                struct stow_answer *answer, struct err *err)
{
    const struct json *items = json_find(json_find(dataset, tag), "Value");

    for (size_t i = 0; i < json_length(items); i++) {
        const struct json *item = json_at(items, i);
        const char *uid = json_as_text(first_value(item, "00081155"));
        int64_t reason = json_as_int(first_value(item, is_taken ? "00081196" : "00081197"), 0);
        struct stow_row row = {.is_taken = is_taken};

        row.reason = reason > 0 && reason <= UINT16_MAX ? (uint16_t)reason : 0;
        if (uid == NULL || !text_copy(row.sop_instance, sizeof row.sop_instance, uid))
            continue;
        if (add_row(answer, &row, err) < 0)
            return -1;
    }
    return 0;
}

static int
read_json(const void *bytes, size_t n, struct stow_answer *answer, struct err *err)
{
    const struct json *dataset;
    struct json_doc *doc = NULL;
    int rc = 0;

    if (json_parse(bytes, n, &doc, err) < 0)
        return -1;
    dataset = json_root(doc);
    if (json_is_array(dataset)) /* some wrap it */
        dataset = json_at(dataset, 0);
    if (!json_is_object(dataset))
        rc = err_set(err, ERR_REJECT, "no data set");
    if (rc == 0)
        rc = take_json_items(dataset, "00081198", false, answer, err);
    if (rc == 0)
        rc = take_json_items(dataset, "00081199", true, answer, err);
    json_free(&doc);
    return rc;
}

/* ---- either ---- */

int
stow_answer_read(const char *content_type, const void *bytes, size_t n, struct stow_answer *out,
                 struct err *err)
{
    struct stow_answer answer = {NULL, 0};
    char type[64];
    int rc;

    if (!url_header_value(content_type, type, sizeof type))
        type[0] = '\0';
    if (strcmp(type, "application/dicom+json") == 0 || strcmp(type, "application/json") == 0)
        rc = read_json(bytes, n, &answer, err);
    else if (strcmp(type, "application/dicom+xml") == 0 || strcmp(type, "application/xml") == 0 ||
             strcmp(type, "text/xml") == 0)
        rc = stow_xml_read(bytes, n, add_row, &answer, err);
    else
        rc = err_set(err, ERR_REJECT, "of another type than was asked for");
    if (rc < 0) {
        stow_answer_fini(&answer);
        return err_context(err, "the answer to STOW-RS");
    }
    *out = answer;
    return 0;
}

void
stow_answer_fini(struct stow_answer *answer)
{
    free(answer->rows);
    *answer = (struct stow_answer){NULL, 0};
}

const struct stow_row *
stow_answer_find(const struct stow_answer *answer, const char *sop_instance)
{
    const struct stow_row *taken = NULL;

    for (size_t i = 0; i < answer->n; i++) {
        const struct stow_row *row = &answer->rows[i];

        if (strcmp(row->sop_instance, sop_instance) != 0)
            continue;
        if (!row->is_taken)
            return row;
        taken = row;
    }
    return taken;
}

int
stow_read_matches(const void *bytes, size_t n, void (*give)(void *user, const char *uid),
                  void *user, size_t *out_n, struct err *err)
{
    struct json_doc *doc = NULL;
    int rc = 0;

    if (json_parse(bytes, n, &doc, err) < 0)
        return err_context(err, "the answer to QIDO-RS");
    if (!json_is_array(json_root(doc)))
        rc = err_set(err, ERR_REJECT, "the answer to QIDO-RS is no list");
    for (size_t i = 0; rc == 0 && i < json_length(json_root(doc)); i++) {
        const char *uid = json_as_text(first_value(json_at(json_root(doc), i), "00080018"));

        if (uid != NULL)
            give(user, uid);
    }
    *out_n = json_length(json_root(doc));
    json_free(&doc);
    return rc;
}
