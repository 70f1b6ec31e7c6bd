/* noise.h - random numbers and smooth random fields of the demo study; the same seed gives the
 * same pictures. Threads: a source belongs to its owner; the field functions keep no state. */
#ifndef RADPOST_DEMO_NOISE_H
#define RADPOST_DEMO_NOISE_H

#include "proto/base/base.h"

struct noise {
    uint64_t state;
};

uint64_t noise_u64(struct noise *n);
double noise_unit(struct noise *n);   /* [0, 1) */
double noise_normal(struct noise *n); /* mean 0, deviation 1 */

/* A smooth field in space, -1..1, features about as wide as 1. */
double field_smooth(double x, double y, double z, uint32_t salt);
/* Three octaves of it. */
double field_rough(double x, double y, double z, uint32_t salt);

/* 0 below lo, 1 above hi, smooth between. */
double ease(double lo, double hi, double v);
/* Blur a picture in place: a Gaussian of the given deviation in pixels. */
void picture_blur(float *picture, int width, int height, double sigma_px);

#endif
