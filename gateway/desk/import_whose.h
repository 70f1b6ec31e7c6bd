/* import_whose.h - whom and which study a file without DICOM is for, as its instances will say.
 *
 * 1. The number is the registration's own, whatever a console wrote into its images.
 * 2. The study is one whose images bear that number, so that the centre keeps all of it (to the
 *    centre a study is one patient's); else one made for this registration, to be joined to it.
 * 3. Beside such images the name is as they write it (Wang^XiaoDong for 王小东): one study, one
 *    person.
 *
 * Patient data: never logged. Threads: any. */
#ifndef RADPOST_DESK_IMPORT_WHOSE_H
#define RADPOST_DESK_IMPORT_WHOSE_H

#include "gateway/desk/api.h"
#include "proto/dicom/wrap.h"

struct order;

/* body: the "registration", or the "accession" of an order.
 * errors  ERR_REJECT none is said; ERR_NOT_FOUND; ERR_RETRY */
int import_whose(const struct api *api, const struct json *body, struct order *out_order,
                 struct wrap_identity *out_identity, struct err *err) MUST_CHECK;

#endif
