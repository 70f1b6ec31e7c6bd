/* image_params.h - which frames, and how they are to be drawn: parameters of a request
 * (PS3.18 8.3.5, 10.4.1). Pure functions. */
#ifndef RADPOST_STORAGE_SERVE_IMAGE_PARAMS_H
#define RADPOST_STORAGE_SERVE_IMAGE_PARAMS_H

#include "proto/render/render.h"

/* NULL: not given. Larger viewports than we draw are cut down; nothing is enlarged.
 * errors  ERR_REJECT */
int rendered_options_read(const char *window, const char *viewport, const char *quality,
                          struct render_options *out, struct err *err) MUST_CHECK;

/* "1,3,4" > numbers 1..most, at most limit of them. Returns how many, -1 if it is no such list. */
int frame_list_read(const char *text, uint32_t most, uint32_t *out, int limit);

#endif
