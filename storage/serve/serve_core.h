/* serve_core.h - what the files of this stage share: who asks, for which clinic, and noting it.
 * Nobody else's business; the stage's door is serve.h. */
#ifndef RADPOST_STORAGE_SERVE_SERVE_CORE_H
#define RADPOST_STORAGE_SERVE_SERVE_CORE_H

#include "proto/base/jsonw.h"
#include "proto/base/log.h"
#include "proto/base/thread.h"
#include "proto/codec/codec.h"
#include "proto/http/server.h"
#include "proto/trust/audit.h"
#include "storage/keep/keep.h"
#include "storage/serve/negotiate.h"
#include "storage/serve/serve.h"

enum { SERVE_RECENT = 256, SERVE_RECENT_MS = 300000, SERVE_URL = 400 };

/* Who looked at which study lately: a viewer's thousand frames are one entry of the audit log. */
struct serve_recent {
    uint8_t key[32];
    int64_t at_ms;
};

struct serve {
    struct serve_options options;
    char *public_url, *cors_origin;
    struct http_route *routes;
    size_t route_count;
    struct log_ctx log;
    struct gate gate;
    struct serve_recent recent[SERVE_RECENT]; /* gate */
};

/* The whole of the archive that a request is about. series, instance are NULL where its path does
 * not go so deep. */
struct serve_target {
    char tenant[KEEP_CODE_SIZE];
    const char *study, *series, *instance;
};

/* Caller and path. errors  ERR_NOT_FOUND a UID that is none; ERR_REJECT a reader without tenant */
int serve_target_read(struct http_request *req, struct serve_target *out,
                      struct err *err) MUST_CHECK;
/* ".../dicomweb" */
void serve_base(struct serve *s, const struct http_request *req, char out[SERVE_URL]);

enum serve_way { SERVE_OBJECTS, SERVE_METADATA, SERVE_PIXELS, SERVE_PREVIEW };
/* Note a retrieval, durable before it returns. Objects always; the other ways once in five minutes
 * for a caller and study. */
int serve_note(struct serve *s, struct http_request *req, const struct serve_target *target,
               enum serve_way way, uint64_t instances, struct err *err) MUST_CHECK;
/* Note a search that got these many answers. patient_id NULL: it was not asked by one. */
int serve_note_search(struct serve *s, struct http_request *req, const char *tenant,
                      const char *level, const char *study, const char *patient_id,
                      uint64_t matches, struct err *err) MUST_CHECK;

/* The one instance of a target, the caller's to free. errors  as keep_instances */
int serve_place(struct serve *s, const struct serve_target *target, struct keep_place **out,
                struct err *err) MUST_CHECK;
/* A source for the codec; fd is the caller's. */
int serve_source(struct serve *s, const struct keep_place *place, int *out_fd,
                 struct codec_source *out, struct err *err) MUST_CHECK;

/* A stored file in memory, read only. at points to the Part 10 file's first byte. */
struct serve_map {
    void *base;
    size_t base_n;
    const uint8_t *at;
    size_t n;
};
int serve_map_open(int fd, uint64_t offset, uint64_t size, struct serve_map *out,
                   struct err *err) MUST_CHECK;
void serve_map_close(struct serve_map *map);

/* What the client accepts; -1 has been answered (400, 406) and *out_index is -1: return 0. */
int serve_negotiate(struct http_request *req, struct http_response *res,
                    const struct media_offer *offers, size_t n, int *out_index,
                    struct err *err) MUST_CHECK;
/* Answer 304 if the client holds this representation already. tag without quotes. */
bool serve_is_unchanged(struct http_request *req, struct http_response *res, const uint8_t *object,
                        const char *tag);
/* Headers by which a client may keep a representation; for answers that succeeded only. */
void serve_tag(struct http_response *res, const uint8_t *object, const char *tag);
/* Member "gone", where a person said that images of the study are lost for good. */
void serve_write_gone(struct jsonw *w, const struct keep_gone *gone);
/* Where no copy of the bytes is good: 500, in plain words. rc is passed through else. */
int serve_say_damaged(struct http_response *res, int rc, const struct err *err);
/* The last words of every handler: CORS. rc is passed through. */
int serve_end(struct serve *s, struct http_response *res, int rc);

/* Handlers, one file each. */
int qido_studies(struct http_request *req, struct http_response *res, struct err *err);
int qido_series(struct http_request *req, struct http_response *res, struct err *err);
int qido_instances(struct http_request *req, struct http_response *res, struct err *err);
int wado_objects(struct http_request *req, struct http_response *res, struct err *err);
int wado_metadata(struct http_request *req, struct http_response *res, struct err *err);
int wado_bulkdata(struct http_request *req, struct http_response *res, struct err *err);
int wado_frames(struct http_request *req, struct http_response *res, struct err *err);
int wado_rendered(struct http_request *req, struct http_response *res, struct err *err);
int wado_thumbnail(struct http_request *req, struct http_response *res, struct err *err);
int preview_study(struct http_request *req, struct http_response *res, struct err *err);
int preview_frame(struct http_request *req, struct http_response *res, struct err *err);
int reader_manifest(struct http_request *req, struct http_response *res, struct err *err);
int reader_standing(struct http_request *req, struct http_response *res, struct err *err);
int reader_coming(struct http_request *req, struct http_response *res, struct err *err);
int reader_gone(struct http_request *req, struct http_response *res, struct err *err);
int reader_certificate(struct http_request *req, struct http_response *res, struct err *err);
int events_feed(struct http_request *req, struct http_response *res, struct err *err);

#endif
