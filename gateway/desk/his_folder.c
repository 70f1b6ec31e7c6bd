/* his_folder.c - a report as files: the PDF first, then the file that names it; whoever watches for
 * the second finds both. What is there already under the name is replaced by the same. */
#include "gateway/desk/his_send.h"

#include "gateway/desk/his_report.h"
#include "gateway/desk/his_told.h"
#include "proto/base/durable.h"

#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define FILE_BYTES ((size_t)64 << 20)
enum { MODE = 0640 }; /* the folder's group reads, and takes away */

static int
put(const char *folder, const char *name, const void *bytes, size_t n, struct err *err)
{
    char left_over[PATH_MAX];
    int fd = -1;

    snprintf(left_over, sizeof left_over, "%s/tmp/%s", folder, name);
    (void)unlink(left_over); /* of a try that was killed */
    if (durable_create(folder, name, &fd, err) < 0)
        return -1;
    if (fchmod(fd, MODE) < 0)
        (void)err_sys(err, ERR_RETRY, "mode of a file in the HIS's folder");
    else if (durable_write(fd, bytes, n, err) == 0)
        return durable_publish(&fd, folder, name, name, err);
    close(fd);
    (void)unlink(left_over);
    return -1;
}

static int
put_words(const struct his_targets *t, struct book *book, const struct his_delivery *d,
          const struct his_report *r, const char *pdf_name, const char *name, struct err *err)
{
    char control[32];
    struct buf words;
    int rc = 0;

    buf_init(&words, FILE_BYTES);
    if (t->folder_is_hl7)
        rc = his_hl7_message(t, book, d, control, &words, err);
    else if ((rc = his_told_put(book, d, r, err)) == 0)
        his_report_json(r, pdf_name, &words);
    if (rc == 0 && buf_is_over(&words))
        rc = err_set(err, ERR_REJECT, "a report longer than its limit");
    if (rc == 0)
        rc = put(t->s->folder, name, words.bytes, words.n, err);
    buf_fini(&words);
    return rc;
}

int
his_send_folder(const struct his_targets *t, struct book *book, const struct his_delivery *d,
                char receipt[HIS_RECEIPT_SIZE], struct err *err)
{
    struct his_report *r = mem_new(sizeof *r);
    char base[64], pdf_name[72], name[72], tmp[PATH_MAX];
    int rc = -1;

    if (his_report_get(book, d, !d->is_withdrawal, r, err) < 0) {
        free(r);
        return -1;
    }
    his_report_name(r, base);
    snprintf(pdf_name, sizeof pdf_name, "%s.pdf", base);
    snprintf(name, sizeof name, "%s.%s", base, t->folder_is_hl7 ? "hl7" : "json");
    snprintf(tmp, sizeof tmp, "%s/tmp", t->s->folder);
    if (access(t->s->folder, W_OK) < 0) { /* a share that is not there is not made up */
        err_sys(err, ERR_RETRY, "it cannot be written to");
        goto out;
    }
    if (durable_mkdir(tmp, err) < 0)
        goto out;
    if (r->pdf != NULL && put(t->s->folder, pdf_name, r->pdf, r->pdf_n, err) < 0)
        goto out;
    if (put_words(t, book, d, r, pdf_name, name, err) < 0)
        goto out;
    snprintf(receipt, HIS_RECEIPT_SIZE, "%s", name);
    rc = 0;
out:
    his_report_fini(r);
    free(r);
    return rc < 0 ? err_context(err, "the HIS's folder") : 0;
}
