/* head.c - the tissue at a point, averaged through the slice, blurred as by a soft kernel, plus
 * photon noise: white noise without its lowest frequencies, stronger where more bone was crossed.
 */
#include "deploy/demo/head.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#define FAR_MM 15.0

struct point {
    double x, y, z;
};

/* An ellipsoid, turned about z by a few degrees. */
struct blob {
    struct point middle;
    struct point radius;
    double turn_deg;
};

static const struct blob ventricles[] = {
    {{9, -30, 27}, {4.5, 15, 8}, -14}, {{-9, -30, 27}, {4.5, 15, 8}, 14},
    {{12, 0, 37}, {5.5, 27, 7}, 6},    {{-12, 0, 37}, {5.5, 27, 7}, -6},
    {{24, 31, 26}, {5.5, 15, 8}, 12},  {{-24, 31, 26}, {5.5, 15, 8}, -12},
    {{33, 8, -4}, {3, 13, 4}, 20},     {{-33, 8, -4}, {3, 13, 4}, -20},
    {{0, -6, 15}, {1.8, 12, 9}, 0},    {{0, 36, -17}, {7, 4.5, 8}, 0},
    {{0, -15, -8}, {12, 9, 5}, 0},     {{0, 19, 4}, {11, 3.5, 6}, 0},
    {{0, 56, -28}, {9, 7, 9}, 0},
};
static const struct blob deep_grey[] = {
    {{10, 2, 19}, {7.5, 14, 9}, 24},    {{-10, 2, 19}, {7.5, 14, 9}, -24},
    {{15, -25, 24}, {4.5, 10, 9}, -16}, {{-15, -25, 24}, {4.5, 10, 9}, 16},
    {{25, -8, 17}, {7, 16, 9}, -14},    {{-25, -8, 17}, {7, 16, 9}, 14},
};
static const struct blob chalk[] = {
    {{0, 19, 17}, {2.2, 2.4, 2.2}, 0},
    {{23, 27, 25}, {2.2, 4, 3}, 20},
    {{-23, 27, 25}, {2.2, 4, 3}, -20},
};
static const struct blob brainstem = {{0, 21, -24}, {14, 12, 30}, 0};
static const struct blob bleeding = {{28, -4, 20}, {13, 20, 15}, -12};
static const struct blob skull_base[] = {
    {{40, 16, -27}, {32, 9, 9}, 33},   {{-40, 16, -27}, {32, 9, 9}, -33},
    {{0, -18, -34}, {24, 20, 15}, 0},  {{44, -34, -22}, {30, 4, 7}, -22},
    {{-44, -34, -22}, {30, 4, 7}, 22},
};

static double
ellipsoid_distance(const struct blob *b, double dx, double dy, double dz)
{
    double x = dx / b->radius.x, y = dy / b->radius.y, z = dz / b->radius.z;
    double k0 = sqrt(x * x + y * y + z * z);
    double gx = x / b->radius.x, gy = y / b->radius.y, gz = z / b->radius.z;
    double k1 = sqrt(gx * gx + gy * gy + gz * gz);

    if (k1 < 1e-9)
        return -b->radius.x;
    return k0 * (k0 - 1.0) / k1;
}

/* About how far a point lies outside of an ellipsoid, in mm (negative: inside). */
static double
blob_distance(const struct blob *b, struct point p)
{
    double dx = p.x - b->middle.x, dy = p.y - b->middle.y, dz = p.z - b->middle.z;
    double far =
        sqrt(dx * dx + dy * dy + dz * dz) - fmax(fmax(b->radius.x, b->radius.y), b->radius.z);
    double a = b->turn_deg * M_PI / 180.0, c = 1.0, s = 0.0;

    if (far > FAR_MM) /* nobody asks how far exactly */
        return far;
    if (b->turn_deg != 0.0) {
        c = cos(a);
        s = sin(a);
    }
    return ellipsoid_distance(b, c * dx + s * dy, c * dy - s * dx, dz);
}
static double
nearest(const struct blob *blobs, size_t n, struct point p)
{
    double best = 1e9;

    for (size_t i = 0; i < n; i++) {
        double d = blob_distance(&blobs[i], p);

        if (d < best)
            best = d;
    }
    return best;
}

/* Depth below the skin: an egg, wider at the back. */
static double
depth_below_skin(struct point p)
{
    struct blob egg = {{0, 0, 12}, {72, 92, 98}, 0};
    double depth;

    egg.radius.x += 5.0 * ease(-60.0, 50.0, p.y) - 3.0 * ease(-5.0, -50.0, p.z);
    depth = -ellipsoid_distance(&egg, p.x, p.y, p.z - egg.middle.z);
    if (depth < -2.0)
        return depth;
    return depth + 1.2 * field_smooth(p.x / 40, p.y / 40, p.z / 40, 3);
}

static double
mix_hu(double a, double b, double t)
{
    return a + (b - a) * t;
}

static double
skull_hu(double into, double thickness, struct point p)
{
    double table = 1.9 + 0.3 * field_smooth(p.x / 9, p.y / 9, p.z / 9, 11);

    if (into < table || thickness - into < table)
        return 1250.0 + 150.0 * field_smooth(p.x / 14, p.y / 14, p.z / 14, 12);
    return 520.0 + 260.0 * field_rough(p.x / 3, p.y / 3, p.z / 3, 13);
}

static double
scalp_hu(double depth, struct point p)
{
    double side = fabs(p.x) / 72.0, muscle;

    if (depth < 1.6)
        return 45.0;
    muscle = ease(28.0, 12.0, p.z) * ease(-62.0, -48.0, p.y) * ease(22.0, 4.0, p.y) *
             ease(0.62, 0.8, side);
    return mix_hu(-85.0 + 25.0 * field_rough(p.x / 4, p.y / 4, p.z / 4, 21), 56.0,
                  ease(0.35, 0.65, muscle));
}

/* Folds: the zero crossings of a noise field near the surface of the brain are water. */
static double
fold_distance(struct point p, double depth)
{
    double wide = 11.0;
    double f = field_smooth(p.x / wide, p.y / wide, p.z / (1.4 * wide), 31);
    double g = field_smooth(p.x / wide + 40, p.y / wide, p.z / (1.4 * wide), 32);
    double d = fmin(fabs(f), fabs(g)) * wide;

    return d + 0.13 * depth - 0.5 * ease(6.0, 0.0, depth) +
           (depth > 24.0 ? (depth - 24.0) * 0.5 : 0.0);
}

static double
cerebellum_hu(struct point p)
{
    double leaf =
        sin((p.y * 0.8 + p.z * 0.5 + 5.0 * field_smooth(p.x / 18, p.y / 18, p.z / 18, 41)) * 1.1);

    return 34.0 + 3.5 * leaf;
}

/* The line between the halves: water around a bright sheet, broken by the callosal body. */
static bool
is_midline(struct point p, double depth, double *out_hu)
{
    double off = fabs(p.x + 0.8 * field_smooth(p.y / 25, p.z / 25, 0, 51));
    bool is_open = p.z > 46.0 || p.y < -44.0 || p.y > 42.0;

    if (!is_open || p.z < -2.0 || depth > 60.0)
        return false;
    if (off < 0.7) {
        *out_hu = 58.0;
        return true;
    }
    if (off < 1.5 + 0.7 * field_smooth(p.y / 9, p.z / 9, 0, 52)) {
        *out_hu = 10.0;
        return true;
    }
    return false;
}

static double
brain_hu(struct point p, double depth)
{
    static const struct blob sylvian[] = {{{47, -14, 14}, {17, 3.0, 12}, 24},
                                          {{-47, -14, 14}, {17, 3.0, 12}, -24}};
    double water = nearest(ventricles, ARRAY_LEN(ventricles), p);
    double stem = blob_distance(&brainstem, p), fold, blood, hu;
    struct point bent;

    if (nearest(chalk, ARRAY_LEN(chalk), p) < 0.0)
        return 190.0;
    if (water < 0.6 * field_smooth(p.x / 6, p.y / 6, p.z / 6, 61))
        return 6.0;
    if (is_midline(p, depth, &hu))
        return hu;
    stem += 2.6 * field_smooth(p.x / 13, p.y / 13, p.z / 13, 65);
    if (p.z < 0.0 && stem < 1.5 + 1.7 * field_smooth(p.x / 9, p.y / 9, p.z / 12, 66))
        return stem < 0.0 ? 33.0 : 10.0;
    bent = p;
    bent.y += 5.0 * field_smooth(p.x / 12, p.z / 14, 0, 67);
    if (nearest(sylvian, 2, bent) < -0.6 + 1.8 * field_smooth(p.x / 5, p.y / 5, p.z / 5, 62))
        return 12.0;
    blood = blob_distance(&bleeding, p) + 3.2 * field_rough(p.x / 11, p.y / 11, p.z / 11, 63);
    if (blood < 0.0)
        return 69.0 + 6.0 * field_smooth(p.x / 6, p.y / 6, p.z / 6, 64);
    if (p.z < -8.0 && p.y > 14.0)
        return cerebellum_hu(p);
    fold = fold_distance(p, depth);
    if (fold < 1.0)
        return 11.0;
    hu = fold < 4.6 || depth < 3.0 ? 39.0 : 29.5;
    if (nearest(deep_grey, ARRAY_LEN(deep_grey), p) < 0.0)
        hu = 38.0;
    if (blood < 7.0)
        hu -= (hu - 19.0) * ease(7.0, 2.0, blood) * (hu > 35.0 ? 0.45 : 0.9);
    return hu;
}

static bool
face_hu(struct point p, double *out_hu)
{
    double side = p.x < 0 ? -1.0 : 1.0;
    struct blob orbit = {{side * 31, -66, -31}, {19, 24, 17}, side * 18};
    struct blob globe = {{side * 31, -75, -31}, {12, 12.2, 12}, 0};
    struct blob lens = {{side * 31, -84.5, -31}, {4.6, 2.2, 4.6}, 0};
    struct blob nerve = {{side * 24, -52, -29}, {2.2, 16, 2.2}, side * 20};
    struct blob cells = {{0, -66, -34}, {13, 24, 17}, 0};
    double d = blob_distance(&orbit, p), air = blob_distance(&cells, p);

    if (p.z > -10.0)
        return false;
    if (blob_distance(&globe, p) < 0.0) {
        *out_hu =
            blob_distance(&lens, p) < 0.0 ? 85.0 : (blob_distance(&globe, p) > -1.1 ? 42.0 : 14.0);
        return true;
    }
    if (d < 0.0) {
        *out_hu = blob_distance(&nerve, p) < 0.0 ? 38.0 : (d > -4.0 && d < -1.5 ? 48.0 : -92.0);
        return true;
    }
    if (air < 0.0) {
        double wall = fabs(field_smooth(p.x / 6, p.y / 8, p.z / 8, 71));

        *out_hu = wall < 0.07 || fabs(p.x) < 0.8 ? 420.0 : -960.0;
        return true;
    }
    if (d < 1.8 || air < 1.3) {
        *out_hu = 900.0;
        return true;
    }
    return false;
}

static bool
base_hu(struct point p, double *out_hu)
{
    struct blob sinus = {{0, -27, -34}, {11, 11, 9}, 0};
    double bone = nearest(skull_base, ARRAY_LEN(skull_base), p) +
                  1.6 * field_rough(p.x / 8, p.y / 8, p.z / 8, 81);
    double cell = field_rough(p.x / 3.4, p.y / 3.4, p.z / 3.4, 82);

    if (bone > 0.0)
        return false;
    if (blob_distance(&sinus, p) < 0.0)
        *out_hu = fabs(p.x - 1.5) < 0.7 ? 500.0 : -970.0;
    else if (fabs(p.x) > 44.0 && p.y > 14.0 && cell > -0.02)
        *out_hu = -780.0;
    else
        *out_hu = bone > -2.0 ? 1100.0 : 820.0 + 420.0 * cell;
    return true;
}

/* The rest of the head, a little turned in the holder, and what the bleeding pushed aside. */
static struct point
into_head(struct point p)
{
    double yaw = 3.5 * M_PI / 180.0, roll = -2.5 * M_PI / 180.0;
    struct point q = {cos(yaw) * p.x + sin(yaw) * p.y, cos(yaw) * p.y - sin(yaw) * p.x, p.z};
    struct point r = {cos(roll) * q.x + sin(roll) * q.z, q.y, cos(roll) * q.z - sin(roll) * q.x};
    double dx = r.x - bleeding.middle.x, dy = r.y - bleeding.middle.y, dz = r.z - bleeding.middle.z;
    double push = exp(-(dx * dx + dy * dy + dz * dz) / (2.0 * 27.0 * 27.0));

    r.x += 4.2 * push * (dx < 0.0 ? 1.0 : 0.25);
    return r;
}

/* Cheeks and lids in front of the egg, low slices only. */
static bool
soft_face_hu(struct point p, double *out_hu)
{
    static const struct blob cheeks = {{0, -58, -42}, {58, 38, 34}, 0};
    static const struct blob nose = {{0, -97, -44}, {9, 14, 16}, 0};
    double d = fmin(blob_distance(&cheeks, p), blob_distance(&nose, p));

    if (p.z > -8.0 || d > 0.0)
        return false;
    if (face_hu(p, out_hu))
        return true;
    *out_hu = d > -2.0
                  ? 42.0
                  : -60.0 + 100.0 * ease(-0.1, 0.5, field_rough(p.x / 9, p.y / 9, p.z / 9, 91));
    return true;
}

static double
holder_hu(struct point p)
{
    double ring = hypot(p.x, p.y + 10.0) - 118.0;

    if (p.y < 45.0 || ring < 0.0 || ring > 9.0)
        return -1000.0;
    return ring < 1.2 || ring > 7.8 ? -180.0 : -890.0;
}

static double
tissue_hu(struct point where)
{
    struct point p = into_head(where);
    double depth = depth_below_skin(p), hu, scalp, skull, into;

    if (depth < 0.0)
        return soft_face_hu(p, &hu) ? hu : holder_hu(where);
    scalp = 4.6 + 1.2 * field_smooth(p.x / 30, p.y / 30, p.z / 30, 1) + (p.z < 20.0 ? 2.0 : 0.0);
    skull = 5.4 + 1.2 * field_smooth(p.x / 26, p.y / 26, p.z / 26, 2) + ease(50, 85, fabs(p.y));
    if (depth < scalp && !(p.z < -10.0 && p.y < -60.0))
        return scalp_hu(depth, p);
    if (face_hu(p, &hu) || base_hu(p, &hu))
        return hu;
    into = depth - scalp;
    if (into < 0.0)
        return scalp_hu(depth, p);
    if (into < skull) {
        struct blob frontal = {{0, -82, -4}, {17, 6, 11}, 0};

        if (blob_distance(&frontal, p) < 0.0 && into > 1.5 && into < skull - 1.2)
            return fabs(p.x - 2.0) < 0.8 ? 600.0 : -950.0;
        return skull_hu(into, skull, p);
    }
    into -= skull;
    if (into < 1.6 + 0.9 * field_smooth(p.x / 15, p.y / 15, p.z / 15, 4))
        return 14.0;
    return brain_hu(p, into - 1.6);
}

static void
add_photon_noise(float *hu, double z_mm, struct noise *noise)
{
    size_t n = (size_t)HEAD_SIZE * HEAD_SIZE;
    float *fine = mem_new(n * sizeof *fine), *coarse = mem_new(n * sizeof *coarse);

    for (size_t i = 0; i < n; i++)
        fine[i] = (float)noise_normal(noise);
    picture_blur(fine, HEAD_SIZE, HEAD_SIZE, 0.75);
    memcpy(coarse, fine, n * sizeof *coarse);
    picture_blur(coarse, HEAD_SIZE, HEAD_SIZE, 2.6);
    for (int y = 0; y < HEAD_SIZE; y++)
        for (int x = 0; x < HEAD_SIZE; x++) {
            size_t i = (size_t)y * HEAD_SIZE + (size_t)x;
            double r = hypot(x - HEAD_SIZE / 2, y - HEAD_SIZE / 2) * HEAD_SPACING_MM / 90.0;
            double sigma = 2.3 + 1.7 * exp(-r * r) + 2.2 * ease(5.0, -35.0, z_mm) * exp(-r * r);

            /* blurring took the deviation to about 0.37 */
            hu[i] += (float)(sigma / 0.37) * (fine[i] - coarse[i]);
        }
    free(coarse);
    free(fine);
}

void
head_slice(double z_mm, struct noise *noise, float *out_hu)
{
    static const double through[] = {-1.2, 1.2};

    for (int y = 0; y < HEAD_SIZE; y++)
        for (int x = 0; x < HEAD_SIZE; x++) {
            double sum = 0.0;

            for (size_t k = 0; k < ARRAY_LEN(through); k++) {
                struct point p = {(x - HEAD_SIZE / 2 + 0.5) * HEAD_SPACING_MM,
                                  (y - HEAD_SIZE / 2 + 0.5) * HEAD_SPACING_MM - 4.0,
                                  z_mm + through[k]};

                sum += tissue_hu(p);
            }
            out_hu[(size_t)y * HEAD_SIZE + (size_t)x] = (float)(sum / ARRAY_LEN(through));
        }
    picture_blur(out_hu, HEAD_SIZE, HEAD_SIZE, 0.8);
    add_photon_noise(out_hu, z_mm, noise);
}
