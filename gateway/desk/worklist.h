/* worklist.h - the Modality Worklist for the clinic's devices (PS3.4 K, C-FIND of
 * 1.2.840.10008.5.1.4.31): open orders, by what the device's row allows and asks, in the character
 * set it can show. Needs nothing but the desk's file: the line may be down.
 * In words: docs/conformance-dimse.md, docs/orders.md. Threads: any. */
#ifndef RADPOST_DESK_WORKLIST_H
#define RADPOST_DESK_WORKLIST_H

#include "gateway/desk/worklist_query.h"
#include "proto/dicom/dimse_answers.h"

struct accept;
struct worklist;

/* Associations that begin later are offered it. */
void worklist_start(struct book *book, struct accept *accept, struct worklist **out_worklist);
/* After the door is closed: no association runs. */
void worklist_stop(struct worklist **worklist);

/* One order as an answer. */
void worklist_write(struct dcm_writer *w, const struct order *order,
                    const struct worklist_query *query, const struct worklist_asker *asker);
/* All that match, at most LIMIT_QUERY_RESULTS; *out_is_cut: there were more. */
int worklist_find(struct book *book, const struct worklist_query *query,
                  const struct worklist_asker *asker, struct dimse_answers *out, bool *out_is_cut,
                  struct err *err) MUST_CHECK;
/* What a device shows: its row's word, else what the request is written in, else pinyin. */
enum dcm_shows worklist_shows(const char *charset, const struct worklist_query *query);

#endif
