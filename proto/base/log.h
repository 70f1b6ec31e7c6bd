/* log.h - named events with typed fields, one line each on standard error.
 * A line stands alone: time, level, event, the context's fields, the event's fields.
 *     2026-11-21T10:02:03.123456Z INFO gateway/accept STORE_DURABLE peer=10.0.0.7:1042 assoc=12
 * bytes=526000 There is no field type for a name, a patient id, a birth date or report text, and no
 * free text: patient data cannot be logged. Each stage lists its events in <stage>_events.def:
 *     LOG_EVENT(STORE_DURABLE, LOG_INFO, "An instance is durable in the spool.")
 * and declares them once with  #define LOG_EVENT LOG_EVENT_DECLARE  + #include.
 * Threads: any thread may log; a line is written whole. */
#ifndef RADPOST_BASE_LOG_H
#define RADPOST_BASE_LOG_H

#include "proto/base/err.h"

#ifdef __cplusplus
extern "C" {
#endif

enum log_level { LOG_DEBUG, LOG_INFO, LOG_WARN, LOG_ERROR };

struct log_event {
    const char *name;
    enum log_level level;
    const char *sentence; /* for the operator's manual */
};

#define LOG_EVENT_DECLARE(event, lvl, words)                                                       \
    __attribute__((unused)) static const struct log_event event = {#event, lvl, words};

/* Who is speaking; lives on the speaker's stack, never kept by the log. Unset fields are left out.
 */
struct log_ctx {
    const char *stage;    /* "gateway/accept" */
    const char *peer;     /* address:port */
    const char *peer_ae;  /* AE title, made printable */
    uint64_t association; /* 0 = none */
    uint64_t entry;       /* spool entry, 0 = none */
    const char *tenant;   /* organisation code */
};

enum log_field_type {
    LOG_F_END,
    LOG_F_NUMBER,
    LOG_F_BYTES,
    LOG_F_MS,
    LOG_F_WORD,
    LOG_F_UID,
    LOG_F_HEX,
    LOG_F_ERR
};

struct log_field {
    enum log_field_type type;
    const char *key;
    uint64_t number;
    const char *text;
    const void *bytes;
};

#define F_NUMBER(key, n) ((struct log_field){LOG_F_NUMBER, key, (uint64_t)(n), 0, 0})
#define F_BYTES(n) ((struct log_field){LOG_F_BYTES, "bytes", (uint64_t)(n), 0, 0})
#define F_MS(key, n) ((struct log_field){LOG_F_MS, key, (uint64_t)(n), 0, 0})
#define F_WORD(key, w)                                                                             \
    ((struct log_field){LOG_F_WORD, key, 0, w,                                                     \
                        0}) /* our own constant words, AE titles, paths of ours */
#define F_UID(key, u) ((struct log_field){LOG_F_UID, key, 0, u, 0}) /* a DICOM UID */
#define F_HEX(key, p, n) ((struct log_field){LOG_F_HEX, key, (uint64_t)(n), 0, p})
#define F_ERR(e) ((struct log_field){LOG_F_ERR, "error", 0, 0, e}) /* struct err * */

#define LOG(ctx, event, ...)                                                                       \
    log_write(ctx, &(event),                                                                       \
              (const struct log_field[]){__VA_ARGS__ __VA_OPT__(, ){LOG_F_END, 0, 0, 0, 0}})

void log_write(const struct log_ctx *ctx, const struct log_event *event,
               const struct log_field *fields);
/* An error handled here: the level comes from its kind, and the event's own level is the least. */
void log_set_level(enum log_level least);
/* Where lines go; -1 = nowhere (fuzzing). Default 2. */
void log_set_fd(int fd);

#ifdef __cplusplus
}
#endif
#endif
