/* Distributions: Student's t, the normal, log gamma; from +, -, *, /, sqrt, gs_log and gs_exp. */
#include <math.h>

#include "gridshift/stats.h"

static const double ROOT_PI = 1.7724538509055160273, ROOT_TWO_PI = 2.5066282746310005024;

/* Stirling's series at x >= 16, from below by the recurrence. */
double gs_log_gamma(double x)
{
    static const double terms[] = {1.0 / 12, -1.0 / 360, 1.0 / 1260, -1.0 / 1680, 1.0 / 1188, -691.0 / 360360, 1.0 / 156};
    double product = 1;
    for (; x < 16; x += 1) product *= x;
    double z = 1 / (x * x), series = 0;
    for (int k = 6; k >= 0; k--) series = series * z + terms[k];
    return (x - 0.5) * gs_log(x) - x + gs_log(ROOT_TWO_PI) + series / x - gs_log(product);
}

double gs_log_choose(double n, double k) { return gs_log_gamma(n + 1) - gs_log_gamma(k + 1) - gs_log_gamma(n - k + 1); }

/* -- normal --------------------------------------------------------------------------------------------------- */

static double density(double x) { return gs_exp(-x * x / 2) / ROOT_TWO_PI; }

/* Below 3 the series of the centre (all terms positive), from there on the continued fraction of Mills' ratio. */
double gs_normal_upper(double x)
{
    if (isnan(x)) return NAN;
    if (x < 0) return 1 - gs_normal_upper(-x);
    if (x > 38) return 0;
    if (x < 3) {
        double term = x, sum = x;
        for (int k = 3; term > 1e-18 * sum; k += 2) sum += term *= x * x / k;
        return 0.5 - density(x) * sum;
    }
    double below = x;
    for (int k = 150; k > 0; k--) below = x + k / below;
    return density(x) / below;
}

/* Newton on the logarithm of the tail, which is concave, from above (the tail is at most exp(-x^2/2)/2): it falls monotonously. */
double gs_normal_quantile(double p)
{
    if (!(p > 0 && p < 1)) return NAN;
    if (p > 0.5) return -gs_normal_quantile(1 - p);
    double x = sqrt(-2 * gs_log(2 * p));
    for (int k = 0; k < 200; k++) {
        double tail = gs_normal_upper(x), step = gs_log(tail / p) * tail / density(x);
        x += step;
        if (fabs(step) < 1e-15 * fmax(1, x)) break;
    }
    return -x;
}

/* -- Student's t ---------------------------------------------------------------------------------------------- */

/* Gamma(a + 1/2) / Gamma(a): the asymptotic series in 1/a at a >= 40, from there down by the recurrence. */
static double gamma_ratio(double a)
{
    double factor = 1;
    for (; a < 40; a += 1) factor *= a / (a + 0.5);
    double z = 1 / a;
    double series = 1 + z * (-1.0 / 8 + z * (1.0 / 128 + z * (5.0 / 1024 + z * (-21.0 / 32768 + z * (-399.0 / 262144)))));
    series += z * z * z * z * z * z * (869.0 / 4194304 + z * (39325.0 / 33554432));
    return factor * sqrt(a) * series;
}

/* The continued fraction of the incomplete beta integral by Lentz's method; converges fast for x < (a + 1)/(a + b + 2). */
static double beta_fraction(double a, double b, double x)
{
    const double tiny = 1e-300;
    double c = 1, d = 1 - (a + b) * x / (a + 1);
    d = 1 / (fabs(d) < tiny ? tiny : d);
    double h = d;
    for (int m = 1; m < 100000; m++) {
        for (int odd = 0; odd < 2; odd++) {
            double below = (a + 2 * m) * (a + 2 * m + (odd ? 1 : -1));
            double term = (odd ? -(a + m) * (a + b + m) : m * (b - m)) * x / below;
            d = 1 + term * d;
            d = 1 / (fabs(d) < tiny ? tiny : d);
            c = 1 + term / c;
            if (fabs(c) < tiny) c = tiny;
            h *= d * c;
        }
        if (fabs(d * c - 1) < 1e-16) break;
    }
    return h;
}

/* Half of the regularised incomplete beta function: the upper tail P(T > t) or, where that would lose digits, the centre
 * P(0 < T < t). */
typedef struct mass {
    double upper, centre; /* one of the two, the other is nan */
    double density;
} mass;

static mass mass_at(double t, double df)
{
    double a = df / 2, b = 0.5, ratio = t * t / df, x = 1 / (1 + ratio), norm = gamma_ratio(a) / ROOT_PI;
    double power = gs_exp(-a * gs_log1p(ratio)); /* x^a */
    double front = power * sqrt(ratio * x) * norm;
    mass m = {NAN, NAN, norm * power * sqrt(x / df)};
    bool tail = x < (a + 1) / (a + b + 2) && (df < 30 || t > 2.5); /* with many degrees 1 - x has the digits, not x */
    if (tail) m.upper = front / a * beta_fraction(a, b, x) / 2;
    else m.centre = front / b * beta_fraction(b, a, ratio * x) / 2;
    return m;
}

/* Newton in (log t, log of the probability), where the power-law tail and the centre are nearly straight, inside a bracket. */
double gs_t_quantile(double p, double df)
{
    if (!(p > 0 && p < 1 && df > 0)) return NAN;
    if (p == 0.5) return 0;
    double upper = p > 0.5 ? 1 - p : p, centre = p > 0.5 ? p - 0.5 : 0.5 - p, low = -300, high = 300, u = 0;
    for (int k = 0; k < 500; k++) {
        double t = gs_exp(u);
        mass m = mass_at(t, df);
        bool tail = !isnan(m.upper);
        double have = tail ? m.upper : m.centre, want = tail ? upper : centre;
        if (tail ? have > want : have < want) low = u;
        else high = u;
        double step = have > 0 ? gs_log(have / want) * have / (m.density * t) * (tail ? 1 : -1) : NAN;
        bool near = fabs(step) < 1e-15 * fmax(1, fabs(u)); /* before the bracket's check: u may stand on its edge */
        u += step;
        if (near) break;
        if (!(u > low && u < high)) u = (low + high) / 2;
    }
    return (p > 0.5 ? 1 : -1) * gs_exp(u);
}

double gs_t_upper(double t, double df)
{
    if (isnan(t) || !(df > 0)) return NAN;
    if (t < 0) return 1 - gs_t_upper(-t, df);
    if (isinf(t)) return 0;
    mass m = mass_at(t, df);
    return isnan(m.upper) ? 0.5 - m.centre : m.upper;
}
