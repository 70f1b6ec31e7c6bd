/* chest.c - soft tissue and lungs as maps, bones and vessels as tubes laid along curves.
 * Two maps in mm: soft tissue (water) and bone. Millimetres from the middle of the detector, x to
 * the right of the picture, y down. */
#include "deploy/demo/chest.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

struct maps {
    float *soft;
    float *bone;
    float *tube; /* the tube being drawn */
};

struct place {
    double x, y;
};

static const size_t pixels = (size_t)CHEST_ROWS * CHEST_COLUMNS;

static double
column_mm(int x)
{
    return (x - CHEST_COLUMNS / 2 + 0.5) * CHEST_SPACING_MM;
}

static double
row_mm(int y)
{
    return (y - CHEST_ROWS / 2 + 0.5) * CHEST_SPACING_MM;
}

/* Thickness of an ellipsoid (rx, ry across, rz along the ray). */
static double
chord(double x, double y, double rx, double ry, double rz)
{
    double r2 = x * x / (rx * rx) + y * y / (ry * ry);

    return r2 >= 1.0 ? 0.0 : 2.0 * rz * sqrt(1.0 - r2);
}

/* Half the outline of the trunk at this height: neck, shoulders, flanks. */
static double
trunk_half_width(double y)
{
    double neck = 58.0, flank = 158.0 + 6.0 * ease(0.0, 200.0, y);

    return neck + (flank - neck) * ease(-196.0, -118.0, y) +
           40.0 * ease(-172.0, -132.0, y) * ease(-20.0, -120.0, y);
}

/* Where the lung ends below; the right dome stands higher, corners go deep. */
static double
dome_mm(double x)
{
    double middle = x < 0 ? -66.0 : 74.0, top = x < 0 ? 84.0 : 96.0;
    double off = (x - middle) / 66.0;

    return top + 50.0 * off * off * (fabs(off) < 1.0 ? 1.0 : 1.3);
}

/* 0..1: how much of a lung there is at a point, soft at its rims. */
static double
lung_share(double x, double y)
{
    double rise = ease(-160.0, 60.0, y);
    double outer = 62.0 + 66.0 * sqrt(rise) + 6.0 * rise, inner = 15.0 + 10.0 * ease(-80, 90, y);
    double side = fabs(x), rim;

    if (side < inner || side > outer || y < -164.0)
        return 0.0;
    rim = fmin(side - inner, outer - side);
    rim = fmin(rim, (y + 164.0) * 0.8);
    rim = fmin(rim, 1.1 * (dome_mm(x) - y));
    return rim <= 0.0 ? 0.0 : sqrt(ease(0.0, 34.0, rim)) * 0.94;
}

static double
heart_mm(double x, double y)
{
    double a = 0.62, u = cos(a) * (x - 20.0) + sin(a) * (y - 45.0);
    double v = cos(a) * (y - 45.0) - sin(a) * (x - 20.0);
    double main_part = chord(u, v, 68.0, 47.0, 46.0);
    double atrium = chord(x + 20.0, y - 38.0, 30.0, 42.0, 36.0);
    double arch = chord(x - 17.0, y + 62.0, 17.0, 19.0, 20.0);
    double root = chord(x - 2.0, y + 25.0, 28.0, 62.0, 24.0);

    return fmax(fmax(main_part, atrium), fmax(arch, root));
}

static double
soft_mm(double x, double y)
{
    double half = trunk_half_width(y), edge = fabs(x) / half, air, body, hollow;

    if (edge >= 1.0)
        return 0.0;
    body = 196.0 * pow(1.0 - pow(edge, 3.4), 0.55) * (0.62 + 0.38 * ease(-190.0, -60.0, y));
    air = 138.0 * lung_share(x, y) * (0.86 + 0.14 * ease(-150.0, 20.0, y));
    hollow = fmax(0.0, air - heart_mm(x, y) * ease(-95.0, -60.0, y));
    body -= hollow * 0.80;
    /* windpipe and stomach bubble */
    body -= chord(x + 1.5, fmax(0.0, y + 78.0) * 1.6, 8.5, 40.0, 8.0) * ease(-200.0, -190.0, y);
    body -=
        0.55 * chord(x - 62.0, y - 126.0, 26.0, 15.0, 20.0) * ease(6.0, 16.0, y - dome_mm(x) + 4);
    body += 9.0 * field_rough(x / 30.0, y / 30.0, 0.3, 5) * ease(1.0, 0.85, edge);
    return fmax(body, 0.0);
}

/* Soft tissue is smooth: it is reckoned at every fourth pixel. */
enum {
    COARSE = 4,
    COARSE_ROWS = CHEST_ROWS / COARSE + 2,
    COARSE_COLUMNS = CHEST_COLUMNS / COARSE + 2
};

static void
draw_soft(struct maps *m)
{
    float *coarse = mem_new((size_t)COARSE_ROWS * COARSE_COLUMNS * sizeof *coarse);

    for (int y = 0; y < COARSE_ROWS; y++)
        for (int x = 0; x < COARSE_COLUMNS; x++)
            coarse[y * COARSE_COLUMNS + x] =
                (float)soft_mm(column_mm(COARSE * x), row_mm(COARSE * y));
    for (int y = 0; y < CHEST_ROWS; y++)
        for (int x = 0; x < CHEST_COLUMNS; x++) {
            const float *c = &coarse[y / COARSE * COARSE_COLUMNS + x / COARSE];
            float tx = (float)(x % COARSE) / COARSE, ty = (float)(y % COARSE) / COARSE;
            float top = c[0] + (c[1] - c[0]) * tx;
            float low = c[COARSE_COLUMNS] + (c[COARSE_COLUMNS + 1] - c[COARSE_COLUMNS]) * tx;

            m->soft[(size_t)y * CHEST_COLUMNS + (size_t)x] = top + (low - top) * ty;
        }
    free(coarse);
}

/* The greatest thickness wins within one tube; wall_mm > 0 draws a pipe with that wall. */
static void
stamp(float *tube, struct place at, double radius, double wall_mm, double filling)
{
    int reach = (int)ceil(radius / CHEST_SPACING_MM);
    int cx = (int)lround(at.x / CHEST_SPACING_MM + CHEST_COLUMNS / 2.0);
    int cy = (int)lround(at.y / CHEST_SPACING_MM + CHEST_ROWS / 2.0);

    for (int y = cy - reach; y <= cy + reach; y++)
        for (int x = cx - reach; x <= cx + reach; x++) {
            double dx = column_mm(x) - at.x, dy = row_mm(y) - at.y, r2 = dx * dx + dy * dy, r;
            double inside = wall_mm > 0.0 ? radius - wall_mm : 0.0, thick;
            float *here;

            if (x < 0 || y < 0 || x >= CHEST_COLUMNS || y >= CHEST_ROWS || r2 >= radius * radius)
                continue;
            r = sqrt(r2);
            thick = 2.0 * sqrt(radius * radius - r * r);
            if (r < inside)
                thick -= 2.0 * (1.0 - filling) * sqrt(inside * inside - r * r);
            here = &tube[(size_t)y * CHEST_COLUMNS + (size_t)x];
            if (wall_mm > 0.0 ? r > inside || *here == 0.0F || thick < *here : thick > *here)
                *here = (float)thick;
        }
}

static void
tube_into(struct maps *m, float *map, double share)
{
    for (size_t i = 0; i < pixels; i++) {
        map[i] += (float)share * m->tube[i];
        m->tube[i] = 0.0F;
    }
}

static double
distance(struct place a, struct place b)
{
    return hypot(a.x - b.x, a.y - b.y);
}

/* A cubic curve, radius changing from one end to the other. */
static void
draw_curve(struct maps *m, const struct place p[4], double from_mm, double to_mm)
{
    double length = distance(p[0], p[1]) + distance(p[1], p[2]) + distance(p[2], p[3]);
    int steps = (int)(5.0 * length / fmin(from_mm, to_mm)) + 8;

    for (int i = 0; i <= steps; i++) {
        double t = i / (double)steps, s = 1.0 - t;
        double a = s * s * s, b = 3 * s * s * t, c = 3 * s * t * t, d = t * t * t;
        struct place at = {a * p[0].x + b * p[1].x + c * p[2].x + d * p[3].x,
                           a * p[0].y + b * p[1].y + c * p[2].y + d * p[3].y};

        stamp(m->tube, at, from_mm + (to_mm - from_mm) * t, 0.0, 0.0);
    }
}

/* Behind: from the spine out and down. In front: from the side in and down, ending in cartilage. */
static void
draw_rib(struct maps *m, int number, double side)
{
    double y = -150.0 + 23.5 * number, out = 66.0 + 62.0 * sqrt(fmin(1.0, number / 6.0));
    double drop = 14.0 + 5.0 * number;
    struct place back[4] = {{side * 14, y + 4},
                            {side * (out * 0.45), y - 20},
                            {side * (out * 1.08), y - 6},
                            {side * out, y + drop}};
    struct place front[4] = {{side * out, y + drop},
                             {side * (out * 0.99), y + drop + 22},
                             {side * (out * 0.72), y + drop + 40},
                             {side * (out * 0.40 + 6), y + drop + 42}};

    draw_curve(m, back, 4.6, 5.0);
    tube_into(m, m->bone, 0.34);
    if (number > 7)
        return;
    draw_curve(m, front, 5.0, 5.8);
    tube_into(m, m->bone, 0.24);
}

static void
draw_shoulder(struct maps *m, double side)
{
    struct place collar[4] = {
        {side * 13, -124}, {side * 55, -128}, {side * 85, -168}, {side * 138, -160}};
    struct place blade_rim[4] = {
        {side * 150, -128}, {side * 138, -60}, {side * 122, -14}, {side * 106, 2}};
    struct place blade_in[4] = {
        {side * 96, -132}, {side * 92, -90}, {side * 94, -40}, {side * 106, 2}};
    struct place spine[4] = {
        {side * 96, -126}, {side * 120, -134}, {side * 140, -154}, {side * 156, -160}};
    struct place arm[4] = {
        {side * 166, -134}, {side * 172, -100}, {side * 174, -70}, {side * 178, -30}};

    draw_curve(m, collar, 7.0, 6.0);
    tube_into(m, m->bone, 0.45);
    draw_curve(m, blade_rim, 4.0, 4.0);
    tube_into(m, m->bone, 0.45);
    draw_curve(m, blade_in, 2.2, 2.6);
    tube_into(m, m->bone, 0.45);
    draw_curve(m, spine, 4.0, 7.0);
    tube_into(m, m->bone, 0.45);
    draw_curve(m, arm, 20.0, 12.0);
    tube_into(m, m->bone, 0.22);
    draw_curve(m, arm, 36.0, 38.0);
    tube_into(m, m->soft, 0.8);
}

static void
draw_spine(struct maps *m)
{
    for (int i = 0; i < 17; i++) {
        double y = -210.0 + 25.5 * i, half = 14.0 + 0.35 * i;

        int top = (int)((y - 17.0) / CHEST_SPACING_MM) + CHEST_ROWS / 2;

        for (int py = top < 0 ? 0 : top; py < CHEST_ROWS && py < top + 240; py++)
            for (int px = CHEST_COLUMNS / 2 - 170; px < CHEST_COLUMNS / 2 + 200; px++) {
                double x = column_mm(px) - 1.5, v = row_mm(py) - y;
                double body = ease(half, half - 2.2, fabs(x)) * ease(11.4, 10.4, fabs(v));
                double plate = ease(1.4, 0.4, fabs(fabs(v) - 10.2)) * ease(half, half - 2, fabs(x));
                double eye = ease(1.2, 0.4, fabs(hypot(fabs(x) - half * 0.62, v + 2) - 3.6));
                double thorn = chord(x, v - 8, 3.0, 7.5, 5.0);

                m->bone[(size_t)py * CHEST_COLUMNS + (size_t)px] +=
                    (float)(3.4 * body + 1.5 * plate + 1.5 * eye + 0.5 * thorn);
            }
    }
}

/* Vessels leave the hilum, fork, and thin out towards the rim. */
static void
draw_vessel(struct maps *m, struct noise *n, struct place at, double angle, double radius,
            int depth)
{
    struct place p[4] = {at, at, at, at};
    double length = 14.0 + 9.0 * radius + 8.0 * noise_unit(n), bend = 0.5 * noise_normal(n);

    for (int i = 1; i < 4; i++) {
        p[i].x += length * i / 3.0 * cos(angle + bend * (i - 1) / 3.0);
        p[i].y += length * i / 3.0 * sin(angle + bend * (i - 1) / 3.0);
    }
    draw_curve(m, p, radius, radius * 0.78);
    if (depth == 0 || lung_share(p[3].x, p[3].y) < 0.35)
        return;
    draw_vessel(m, n, p[3], angle + bend * 0.6 + 0.28 + 0.25 * noise_unit(n), radius * 0.74,
                depth - 1);
    draw_vessel(m, n, p[3], angle + bend * 0.6 - 0.28 - 0.25 * noise_unit(n), radius * 0.70,
                depth - 1);
}

static void
draw_vessels(struct maps *m, struct noise *n)
{
    for (int k = 0; k < 22; k++) {
        double side = k % 2 == 0 ? 1.0 : -1.0, turn = -1.35 + 2.75 * (k / 2) / 10.0;
        struct place hilum = {side * (33.0 + 4.0 * noise_unit(n)), -8.0 + 16.0 * turn};

        turn += 0.1 * noise_normal(n);
        draw_vessel(m, n, hilum, side > 0 ? turn : M_PI - turn, 2.2 + 1.3 * noise_unit(n), 4);
    }
    for (size_t i = 0; i < pixels; i++)
        if (m->tube[i] > 0.0F)
            m->tube[i] *= (float)lung_share(column_mm((int)(i % CHEST_COLUMNS)),
                                            row_mm((int)(i / CHEST_COLUMNS)));
    tube_into(m, m->soft, 2.4);
}

/* Photons that arrive, and what the console makes of them: log, then a gentle S. */
static void
expose(const struct maps *m, struct noise *n, uint16_t *out)
{
    for (size_t i = 0; i < pixels; i++) {
        double photons = 36000.0 * exp(-(double)m->soft[i]);
        double seen = photons + sqrt(photons) * noise_normal(n);
        double value = (log(36000.0) - log(fmax(seen, 8.0))) / 4.3;
        double shaped = 0.3 * value + 0.7 * ease(0.02, 1.02, value);

        out[i] = (uint16_t)lround(fmin(fmax(600.0 + 14600.0 * shaped, 0.0), 16383.0));
    }
}

void
chest_picture(struct noise *noise, uint16_t *out_values)
{
    struct maps m = {mem_new(pixels * sizeof(float)), mem_new(pixels * sizeof(float)),
                     mem_new(pixels * sizeof(float))};

    draw_soft(&m);
    draw_vessels(&m, noise);
    for (int side = -1; side <= 1; side += 2) {
        for (int rib = 0; rib < 11; rib++)
            draw_rib(&m, rib, side);
        draw_shoulder(&m, side);
    }
    draw_spine(&m);
    for (size_t i = 0; i < pixels; i++) /* from thickness to attenuation */
        m.soft[i] = 0.0170F * m.soft[i] + 0.050F * m.bone[i];
    picture_blur(m.soft, CHEST_COLUMNS, CHEST_ROWS, 2.2);
    expose(&m, noise, out_values);
    free(m.tube);
    free(m.bone);
    free(m.soft);
}
