/* noise.c - SplitMix64, Box-Muller, value noise on a lattice, and a separable blur. */
#include "deploy/demo/noise.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

uint64_t
noise_u64(struct noise *n)
{
    uint64_t z = n->state += 0x9E3779B97F4A7C15u;

    z = (z ^ z >> 30) * 0xBF58476D1CE4E5B9u;
    z = (z ^ z >> 27) * 0x94D049BB133111EBu;
    return z ^ z >> 31;
}

double
noise_unit(struct noise *n)
{
    return (double)(noise_u64(n) >> 11) * 0x1.0p-53;
}

double
noise_normal(struct noise *n)
{
    double u = 1.0 - noise_unit(n);

    return sqrt(-2.0 * log(u)) * cos(2.0 * M_PI * noise_unit(n));
}

double
ease(double lo, double hi, double v)
{
    double t = (v - lo) / (hi - lo);

    if (t <= 0.0)
        return 0.0;
    return t >= 1.0 ? 1.0 : t * t * (3.0 - 2.0 * t);
}

static double
corner(int32_t x, int32_t y, int32_t z, uint32_t salt)
{
    uint32_t h = (uint32_t)x * 0x8DA6B343u ^ (uint32_t)y * 0xD8163841u ^ (uint32_t)z * 0xCB1AB31Fu;

    h ^= salt * 0x9E3779B9u;
    h = (h ^ h >> 15) * 0x85EBCA6Bu;
    h = (h ^ h >> 13) * 0xC2B2AE35u;
    return (double)(h ^ h >> 16) * (2.0 / 4294967295.0) - 1.0;
}

static double
mix(double a, double b, double t)
{
    return a + (b - a) * t;
}

double
field_smooth(double x, double y, double z, uint32_t salt)
{
    int32_t ix = (int32_t)floor(x), iy = (int32_t)floor(y), iz = (int32_t)floor(z);
    double tx = ease(0.0, 1.0, x - ix), ty = ease(0.0, 1.0, y - iy), tz = ease(0.0, 1.0, z - iz);
    double plane[2];

    for (int k = 0; k < 2; k++) {
        double low = mix(corner(ix, iy, iz + k, salt), corner(ix + 1, iy, iz + k, salt), tx);
        double high =
            mix(corner(ix, iy + 1, iz + k, salt), corner(ix + 1, iy + 1, iz + k, salt), tx);

        plane[k] = mix(low, high, ty);
    }
    return mix(plane[0], plane[1], tz);
}

double
field_rough(double x, double y, double z, uint32_t salt)
{
    return 0.57 * field_smooth(x, y, z, salt) +
           0.29 * field_smooth(2.03 * x, 2.03 * y, 2.03 * z, salt + 1) +
           0.14 * field_smooth(4.1 * x, 4.1 * y, 4.1 * z, salt + 2);
}

/* Pixels beyond the rim repeat the rim. */
static void
blur_along(const float *in, float *out, int width, int height, const float *kernel, int reach)
{
    for (int y = 0; y < height; y++) {
        const float *row = in + (size_t)y * (size_t)width;
        float *to = out + (size_t)y * (size_t)width;

        for (int x = 0; x < width; x++) {
            float sum = 0.0F;

            for (int k = -reach; k <= reach; k++) {
                int at = x + k < 0 ? 0 : (x + k >= width ? width - 1 : x + k);

                sum += kernel[k + reach] * row[at];
            }
            to[x] = sum;
        }
    }
}

static void
blur_across(const float *in, float *out, int width, int height, const float *kernel, int reach)
{
    for (int y = 0; y < height; y++) {
        float *to = out + (size_t)y * (size_t)width;

        memset(to, 0, (size_t)width * sizeof *to);
        for (int k = -reach; k <= reach; k++) {
            int at = y + k < 0 ? 0 : (y + k >= height ? height - 1 : y + k);
            const float *row = in + (size_t)at * (size_t)width;
            float weight = kernel[k + reach];

            for (int x = 0; x < width; x++)
                to[x] += weight * row[x];
        }
    }
}

void
picture_blur(float *picture, int width, int height, double sigma_px)
{
    int reach = (int)ceil(3.0 * sigma_px);
    float *kernel = mem_new((size_t)(2 * reach + 1) * sizeof *kernel);
    float *half = mem_new((size_t)width * (size_t)height * sizeof *half);
    float sum = 0.0F;

    for (int k = -reach; k <= reach; k++)
        sum += kernel[k + reach] = (float)exp(-0.5 * k * k / (sigma_px * sigma_px));
    for (int k = 0; k <= 2 * reach; k++)
        kernel[k] /= sum;
    blur_along(picture, half, width, height, kernel, reach);
    blur_across(half, picture, width, height, kernel, reach);
    free(half);
    free(kernel);
}
