/* eligible.h - what may be coded, and what coding changes in the data set (DESIGN "Coding"). */
#ifndef RADPOST_CODEC_ELIGIBLE_H
#define RADPOST_CODEC_ELIGIBLE_H

#include "proto/codec/job.h"
#include "proto/dicom/convert.h"

/* False with the reason in words. Everything but the unused bits, which need the frames.
 * errors  ERR_REJECT a broken data set */
int eligible_check(const struct instance *in, bool *out_is_eligible, char why_not[CODEC_WHY_BYTES],
                   struct err *err) MUST_CHECK;

/* The attributes that are other in the coded file. */
struct dcm_change eligible_change(const struct dcm_pixel_form *form, enum codec_coding coding);

#endif
