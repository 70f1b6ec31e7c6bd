/* settle_lost.c - a study's images in the spool, told that they will not come. */
#include "gateway/desk/settle_lost.h"

#include "gateway/accept/accept.h"
#include "proto/base/text.h"

#include <stdlib.h>
#include <string.h>

#define STATES_OFF                                                                                 \
    (INSTANCE_BIT(INSTANCE_QUARANTINED) | INSTANCE_BIT(INSTANCE_DISCARDED) |                       \
     INSTANCE_BIT(INSTANCE_DUPLICATE))

void
study_images(struct spool *spool, const char *study, struct study_image **out, size_t *out_n)
{
    struct spool_filter filter = {.study_uid = study, .states = ~STATES_OFF};
    uint64_t *ids = NULL;
    size_t n = 0;

    spool_list(spool, &filter, &ids, &n);
    *out = mem_new((n + 1) * sizeof **out);
    *out_n = 0;
    for (size_t i = 0; i < n; i++) {
        struct study_image *image = &(*out)[*out_n];
        struct spool_entry *entry = NULL;
        struct err gone;

        if (spool_look(spool, ids[i], &entry, &gone) < 0)
            continue;
        *image = (struct study_image){
            .id = entry->id, .is_lost = entry->is_lost, .is_gone = entry->is_gone};
        text_copy(image->instance, sizeof image->instance, entry->meta.sop_instance);
        text_copy(image->ae, sizeof image->ae, entry->meta.calling_ae);
        ++*out_n;
        spool_entry_free(&entry);
    }
    free(ids);
}

bool
study_images_are_coming(struct accept *accept, const struct study_image *images, size_t n)
{
    struct accept_device *devices = NULL;
    size_t devices_n = 0;
    bool is = false;

    accept_list_devices(accept, &devices, &devices_n);
    for (size_t d = 0; d < devices_n && !is; d++)
        for (size_t i = 0; devices[d].open > 0 && i < n && !is; i++)
            is = strcmp(devices[d].ae, images[i].ae) == 0;
    free(devices);
    return is;
}

struct book_image *
study_images_known(const struct study_image *images, size_t n, size_t *out_n)
{
    struct book_image *known = mem_new((n + 1) * sizeof *known);
    bool is_any = false;

    for (size_t i = 0; i < n; i++) {
        text_copy(known[i].instance, sizeof known[i].instance, images[i].instance);
        known[i].is_lost = images[i].is_lost;
        is_any = is_any || images[i].is_lost;
    }
    *out_n = is_any ? n : 0;
    if (!is_any)
        free(TAKE(known));
    return known;
}

int
study_images_settle(struct spool *spool, const struct study_image *images, size_t n, bool is_gone,
                    struct err *err)
{
    for (size_t i = 0; i < n; i++)
        if (images[i].is_lost && images[i].is_gone != is_gone &&
            spool_set_gone(spool, images[i].id, is_gone, err) < 0 && err->kind != ERR_CONFLICT &&
            err->kind != ERR_NOT_FOUND) /* else it was found, or came, this very moment */
            return -1;
    return 0;
}

static int
finish_study(struct spool *spool, struct book *book, const char *study, struct err *err)
{
    struct study_image *images;
    bool is_absent;
    size_t n;
    int rc = 0;

    study_images(spool, study, &images, &n);
    for (size_t i = 0; i < n && rc == 0; i++) {
        if (!images[i].is_lost || images[i].is_gone)
            continue;
        rc = book_is_absent(book, study, images[i].instance, &is_absent, err);
        if (rc == 0 && is_absent)
            rc = study_images_settle(spool, &images[i], 1, true, err);
    }
    free(images);
    return rc;
}

int
study_images_finish(struct spool *spool, struct book *book, struct err *err)
{
    struct book_absence *absences = NULL;
    struct spool_study study;
    struct err gone;
    size_t n = 0;
    int rc = book_absences(book, &absences, &n, err);

    for (size_t i = 0; i < n && rc == 0; i++)
        if (spool_study(spool, absences[i].study, &study, &gone) == 0 && study.lost > 0)
            rc = finish_study(spool, book, absences[i].study, err);
    free(absences);
    return rc;
}
