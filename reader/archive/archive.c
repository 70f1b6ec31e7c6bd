/* archive.c - the archive as the reader sees it. */
#include "reader/archive/archive.h"

static int
not_built(struct err *err)
{
    return err_set(err, ERR_FATAL, "not built yet");
}

int
archive_open(const char *identity_dir, const char *url, struct archive **out_archive,
             struct err *err)
{
    (void)identity_dir;
    (void)url;
    (void)out_archive;
    return not_built(err);
}

void
archive_close(struct archive **archive)
{
    (void)archive;
}

void
archive_abort(struct archive *archive)
{
    (void)archive;
}

void
archive_renewed(struct archive *archive)
{
    (void)archive;
}

int
archive_check(struct archive *archive, struct err *err)
{
    (void)archive;
    return not_built(err);
}

int
archive_events(struct archive *archive, uint64_t after, unsigned wait_s, archive_on_event on_event,
               void *user, struct err *err)
{
    (void)archive;
    (void)after;
    (void)wait_s;
    (void)on_event;
    (void)user;
    return not_built(err);
}

int
archive_study_facts(struct archive *archive, const char *tenant, const char *study,
                    struct archive_study *out, struct err *err)
{
    (void)archive;
    (void)tenant;
    (void)study;
    (void)out;
    return not_built(err);
}

int
archive_patient_studies(struct archive *archive, const char *tenant, const char *patient_id,
                        const char *issuer, uint32_t limit, archive_on_study on_study, void *user,
                        struct err *err)
{
    (void)archive;
    (void)tenant;
    (void)patient_id;
    (void)issuer;
    (void)limit;
    (void)on_study;
    (void)user;
    return not_built(err);
}

int
archive_manifest(struct archive *archive, const char *tenant, const char *study, uint32_t revision,
                 struct buf *out_json, struct err *err)
{
    (void)archive;
    (void)tenant;
    (void)study;
    (void)revision;
    (void)out_json;
    return not_built(err);
}

int
archive_standing_get(struct archive *archive, const char *tenant, const char *study,
                     struct archive_standing *out, struct err *err)
{
    (void)archive;
    (void)tenant;
    (void)study;
    (void)out;
    return not_built(err);
}

int
archive_stow(struct archive *archive, const char *tenant, const char *study,
             const struct archive_file *files, size_t count, struct err *err)
{
    (void)archive;
    (void)tenant;
    (void)study;
    (void)files;
    (void)count;
    return not_built(err);
}

bool
archive_head_find(const struct archive_head *head, const char *name, char *out, size_t size)
{
    (void)head;
    (void)name;
    (void)out;
    (void)size;
    return false;
}

int
archive_fetch(struct archive *archive, const struct archive_request *request, struct err *err)
{
    (void)archive;
    (void)request;
    return not_built(err);
}

int
archive_rendered(struct archive *archive, const char *tenant, const char *study, const char *series,
                 const char *sop_instance, uint32_t frame, unsigned viewport, unsigned quality,
                 const char *window, struct buf *out_jpeg, struct err *err)
{
    (void)archive;
    (void)tenant;
    (void)study;
    (void)series;
    (void)sop_instance;
    (void)frame;
    (void)viewport;
    (void)quality;
    (void)window;
    (void)out_jpeg;
    return not_built(err);
}

int
archive_device_check(struct archive *archive, const char *serial_hex, const char *tenant,
                     const char *device, struct err *err)
{
    (void)archive;
    (void)serial_hex;
    (void)tenant;
    (void)device;
    return not_built(err);
}
