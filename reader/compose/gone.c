/* gone.c - images that are lost for good: a doctor says so; the words of it in a report. */
#include "reader/compose/compose_own.h"

#include "proto/base/text.h"
#include "proto/model/absences.h"

#include <stdio.h>
#include <string.h>

int (*compose_tell_gone)(struct archive *, const char *, const char *, const struct archive_gone *,
                         struct err *) = archive_gone_put;

static int
note_audit(const struct act *a, uint32_t images, struct err *err)
{
    if (a->c->audit == NULL)
        return 0;
    return audit_append(a->c->audit, err, AUDIT_IMAGES_LOST, A_UID("study", a->row->study),
                        A_WORD("tenant", a->row->tenant), A_WORD("of", a->person.org),
                        A_NUMBER("read", a->row->read_id), A_NUMBER("images", images),
                        A_WORD("by", a->person.login));
}

/* The archive keeps the statement with the list that it is about, in one: neither is without the
 * other, whatever fails after it. */
static int
tell_archive(struct act *a, uint32_t images, const char *reason, struct err *err)
{
    struct archive_gone said = {.images = images};

    text_copy(said.reason, sizeof said.reason, reason);
    text_copy(said.by, sizeof said.by,
              a->person.name[0] != '\0' ? a->person.name : a->person.login);
    pg_put(&a->conn); /* nothing is held while the archive is asked */
    if (compose_tell_gone(a->c->archive, a->row->tenant, a->row->study, &said, err) == 0)
        return 0;
    return err->kind == ERR_CONFLICT ? act_refuse(a, REFUSE_COMING, err) : -1;
}

static int
note_read(struct act *a, uint32_t images, struct err *err)
{
    char detail[64];

    snprintf(detail, sizeof detail, "{\"images\":%u,\"reason\":\"%s\"}", images, ABSENCE_LOST);
    return pg_get(a->c->pg, &a->conn, err) < 0 || pg_begin(a->conn, err) < 0 ||
                   assign_note(a->conn, a->row->read_id, a->person.login, READ_NOTE_ABSENT, detail,
                               err) < 0
               ? -1
               : act_commit(a, err);
}

int
step_gone(struct compose *c, const struct http_caller *caller, int64_t read, uint32_t images,
          const char *reason, struct act *out, struct err *err)
{
    if (act_look(c, caller, read, ASSIGN_WRITE, out, err) < 0)
        return -1;
    if (!reason_is_fit(reason) || strlen(reason) >= ARCHIVE_GONE_REASON)
        return act_refuse(out, REFUSE_REASON, err);
    if (images == 0)
        return act_refuse(out, REFUSE_COMING, err);
    return note_audit(out, images, err) < 0 || tell_archive(out, images, reason, err) < 0 ||
                   note_read(out, images, err) < 0
               ? -1
               : 0;
}

void
report_missing(const struct report *r, struct buf *out)
{
    for (size_t i = 0; i < REPORT_ABSENT; i++) {
        const struct report_absent *a = &r->absent[i];
        const char *why = absence_words(a->reason);
        bool is_said = a->words[0] != '\0';

        if (a->images == 0)
            continue;
        if (out->n > 0)
            buf_add_u8(out, '\n');
        if (strcmp(a->reason, REPORT_AWAITED) == 0) {
            buf_add_printf(out, "%u 幅图像签发时尚未收到，签发医师知悉（%s）", a->images, a->by);
            continue;
        }
        buf_add_printf(out, "%u 幅图像缺失，不会再到：", a->images);
        if (!is_said || strcmp(a->reason, ABSENCE_OTHER) != 0)
            buf_add_text(out, why);
        if (is_said)
            buf_add_printf(out, "%s%s", strcmp(a->reason, ABSENCE_OTHER) != 0 ? "；" : "",
                           a->words);
        if (a->by[0] != '\0')
            buf_add_printf(out, "（说明人：%s）", a->by);
    }
}
