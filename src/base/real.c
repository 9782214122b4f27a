/* Elementary functions in double from +, -, * and / alone: the C library's differ between its versions and processors. */
#include <math.h>
#include <string.h>

#include "gridshift/base.h"

static const double LN2_HIGH = 0x1.62e42fefa3800p-1, LN2_LOW = 0x1.ef35793c76730p-45; /* their sum is ln 2 */

/* 2 atanh(s) = log((1 + s) / (1 - s)) by its series, |s| <= 0.1716: the first term left out is below 1e-17 of the sum. */
static double log_ratio(double s)
{
    static const double odd[] = {1.0 / 21, 1.0 / 19, 1.0 / 17, 1.0 / 15, 1.0 / 13, 1.0 / 11, 1.0 / 9, 1.0 / 7, 1.0 / 5, 1.0 / 3};
    double z = s * s, sum = 0;
    for (size_t i = 0; i < sizeof odd / sizeof *odd; i++) sum = (sum + odd[i]) * z;
    return 2 * (s + s * sum);
}

double gs_log(double x)
{
    uint64_t bits;
    memcpy(&bits, &x, 8);
    int exponent = (int)(bits >> 52) - 1023;
    bits = (bits & 0xfffffffffffffULL) | 0x3ff0000000000000ULL;
    double m;
    memcpy(&m, &bits, 8);
    if (m > 0x1.6a09e667f3bcdp+0) m /= 2, exponent++; /* m in [sqrt 1/2, sqrt 2] */
    double series = log_ratio((m - 1) / (m + 1));
    return exponent * LN2_HIGH + (exponent * LN2_LOW + series);
}

double gs_log1p(double x)
{
    if (x < 0.4) return log_ratio(x / (2 + x));
    return gs_log(1 + x);
}

/* Taylor series of cos and sin on [0, pi/4], the argument reduced exactly: u is a number of turns. */
double gs_cospi2(double u)
{
    double turn = fabs(u - floor(u + 0.5)); /* 0..1/2, cos is even */
    int flip = turn > 0.25;
    if (flip) turn = 0.5 - turn; /* cos(pi - y) = -cos y */
    int swap = turn > 0.125;
    double y = (swap ? 0.25 - turn : turn) * 6.283185307179586477, z = y * y, sum = 0;
    for (int k = 20; k >= 2; k -= 2) /* cos: 1 - z/2 (1 - z/12 (...)); sin: y (1 - z/6 (1 - z/20 (...))) */
        sum = (1 - sum) * z / (swap ? k * (k + 1.0) : k * (k - 1.0));
    double value = swap ? y * (1 - sum) : 1 - sum;
    return flip ? -value : value;
}

double gs_exp(double x)
{
    if (x != x) return x;
    if (x < -708) return 0;
    if (x > 709) return INFINITY;
    double n = floor(x * 1.4426950408889634 + 0.5);
    double r = (x - n * LN2_HIGH) - n * LN2_LOW, sum = 0;
    for (int k = 14; k >= 1; k--) sum = (1 + sum) * r / k; /* expm1(r), |r| <= 0.35 */
    uint64_t bits = (uint64_t)((int64_t)n + 1023) << 52;
    double scale;
    memcpy(&scale, &bits, 8);
    return (1 + sum) * scale;
}
