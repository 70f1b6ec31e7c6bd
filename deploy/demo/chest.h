/* chest.h - an invented chest, front to back, as a flat detector would show it: the thickness of
 * each tissue along the ray gives the attenuation, photon counting the noise, a presentation
 * curve the 14 bits. Threads: none. */
#ifndef RADPOST_DEMO_CHEST_H
#define RADPOST_DEMO_CHEST_H

#include "deploy/demo/noise.h"

enum { CHEST_ROWS = 3000, CHEST_COLUMNS = 2500 };
#define CHEST_SPACING_MM 0.143

/* out_values has CHEST_ROWS * CHEST_COLUMNS places; bones are bright (MONOCHROME2). */
void chest_picture(struct noise *noise, uint16_t *out_values);

#endif
