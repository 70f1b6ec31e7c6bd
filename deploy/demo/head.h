/* head.h - a head made of ellipsoids and smooth noise, as a CT scanner would show it.
 * Nobody's anatomy: an invented skull, brain, ventricles and one bleeding in the left basal
 * ganglia with oedema around it. Millimetres in the DICOM patient system: x to the left, y to the
 * back, z to the top. Threads: none. */
#ifndef RADPOST_DEMO_HEAD_H
#define RADPOST_DEMO_HEAD_H

#include "deploy/demo/noise.h"

enum { HEAD_SIZE = 512 };
#define HEAD_SPACING_MM 0.46
#define HEAD_THICKNESS_MM 5.0

/* Hounsfield units of the slice whose middle lies at z_mm, noise of a real dose included.
 * out_hu has HEAD_SIZE * HEAD_SIZE values. */
void head_slice(double z_mm, struct noise *noise, float *out_hu);

#endif
