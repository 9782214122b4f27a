/* Means, Student's t and the least-squares line, from +, -, *, /, sqrt, gs_log and gs_exp: the same bits on every machine. */
#include <math.h>

#include "gridshift/tables.h"

static const double ROOT_PI = 1.7724538509055160273;

double gs_mean(const double *x, int n)
{
    double sum = 0;
    for (int k = 0; k < n; k++) sum += x[k];
    return n > 0 ? sum / n : NAN;
}

double gs_sd(const double *x, int n)
{
    if (n < 2) return NAN;
    double mean = gs_mean(x, n), sum = 0;
    for (int k = 0; k < n; k++) sum += (x[k] - mean) * (x[k] - mean);
    return sqrt(sum / (n - 1));
}

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

gs_interval gs_t_interval(double mean, double sd, int n, double level)
{
    if (n < 2) return (gs_interval){NAN, NAN};
    double half = gs_t_quantile(0.5 + level / 2, n - 1) * sd / sqrt(n);
    return (gs_interval){mean - half, mean + half};
}

gs_line gs_fit_line(const double *x, const double *y, int n)
{
    gs_line line = {NAN, NAN, NAN, {NAN, NAN}, n};
    double mean_x = gs_mean(x, n), mean_y = gs_mean(y, n), sxx = 0, sxy = 0, rest = 0;
    for (int k = 0; k < n; k++) {
        sxx += (x[k] - mean_x) * (x[k] - mean_x);
        sxy += (x[k] - mean_x) * (y[k] - mean_y);
    }
    if (n < 2 || sxx == 0) return line;
    line.slope = sxy / sxx;
    line.intercept = mean_y - line.slope * mean_x;
    if (n < 3) return line;
    for (int k = 0; k < n; k++) {
        double r = y[k] - mean_y - line.slope * (x[k] - mean_x);
        rest += r * r;
    }
    line.slope_se = sqrt(rest / (n - 2) / sxx);
    double half = gs_t_quantile(0.975, n - 2) * line.slope_se;
    line.slope_interval = (gs_interval){line.slope - half, line.slope + half};
    return line;
}
