#!/usr/bin/env python3
"""The numbers of tests/unit/stats_golden.h, by SciPy and R. usage: stats.py > tests/unit/stats_golden.h

Tests need neither. Needs python3-scipy, r-base-core and r-cran-survival. What neither package has (brute-force permutations, TOST power)
is computed here from the definition, with NumPy or SciPy's quadrature.
"""
import itertools
import subprocess

import numpy as np
from scipy import integrate, special, stats

D = [0.31, -0.04, 0.22, 0.455, 0.12, -0.19, 0.28]
TIED = [2.0, -1.0, 1.0, 3.0, 0.0, 2.0, -2.0, 5.0, 4.0, 3.0]
X = [44.3, 49.1, 38.2, 61.7, 40.05, 52.5]
Y = [11.9, 9.7, 23.7, 18.7, 39.0]
XT = [1.0, 2.0, 2.0, 3.0, 5.0, 5.0]
YT = [2.0, 2.0, 3.0, 4.0, 6.0, 7.0, 7.0, 1.0]
MANY = [round(float(v), 1) for v in np.random.default_rng(8).normal(0.3, 1.5, 60)]  # with ties
LONG = [round(float(v), 3) for v in np.random.default_rng(5).normal(0.4, 1, 24)]
TIMES_X = [(3900, 1), (4900, 1), (6900, 1), (5000, 1), (40000, 0), (40000, 0)]
TIMES_Y = [(19600, 1), (12000, 1), (25000, 1), (40000, 0), (6900, 1), (30000, 0), (31000, 1)]


def r(code):
    head = "library(survival); options(digits=17)\n"
    done = subprocess.run(["Rscript", "--vanilla", "-e", head + code], capture_output=True, text=True, check=True)
    return [float("nan") if v == "NA" else float(v) for v in done.stdout.split()]


def rvec(v):
    return "c(" + ",".join(repr(float(x)) for x in v) + ")"


def number(v):
    v = float(v)
    return "NAN" if np.isnan(v) else "INFINITY" if np.isinf(v) else repr(v)


def row(name, values):
    values = np.atleast_1d(values)
    print(f"static const double {name}[] = {{{', '.join(number(v) for v in values)}}};")


def sample(name, values):
    row(name, values)


def three(test, *args, **kwargs):
    """p two-sided, less, greater of a SciPy test."""
    return [test(*args, alternative=a, **kwargs).pvalue for a in ("two-sided", "less", "greater")]


def splits(x, y):
    z = np.array(list(x) + list(y))
    n, seen = len(x), np.mean(x) - np.mean(y)
    values = []
    for chosen in itertools.combinations(range(len(z)), n):
        mask = np.zeros(len(z), bool)
        mask[list(chosen)] = True
        values.append(z[mask].mean() - z[~mask].mean())
    values = np.array(values)
    tiny = 1e-9
    return [np.mean(np.abs(values) >= abs(seen) - tiny), np.mean(values <= seen + tiny), np.mean(values >= seen - tiny)]


def flips(d):
    seen = np.sum(d)
    values = np.array([np.dot(s, d) for s in itertools.product((1, -1), repeat=len(d))])
    tiny = 1e-9
    return [np.mean(np.abs(values) >= abs(seen) - tiny), np.mean(values <= seen + tiny), np.mean(values >= seen - tiny)]


def tails(values, seen):
    less, greater = np.mean(values <= seen + 1e-9), np.mean(values >= seen - 1e-9)
    return [min(1, 2 * min(less, greater)), less, greater]


def signed_ranks(d):
    """Exact with ties: every assignment of signs to the mean ranks."""
    d = np.array([x for x in d if x != 0])
    ranks = stats.rankdata(np.abs(d))
    return tails(np.array([np.dot(s, ranks) for s in itertools.product((0, 1), repeat=len(d))]), ranks[d > 0].sum())


def rank_sums(x, y):
    ranks = stats.rankdata(list(x) + list(y))
    return tails(np.array([sum(c) for c in itertools.combinations(ranks, len(x))]), ranks[:len(x)].sum())


class Given(np.random.Generator):
    """A generator whose integers are the stored indices."""

    def __init__(self, indices):
        super().__init__(np.random.PCG64(0))
        self.indices = indices

    def integers(self, *args, **kwargs):
        return self.indices


def bootstrap(x, indices, statistic, method):
    if method == "bca":
        i = stats.bootstrap((np.array(x),), statistic, n_resamples=len(indices), batch=None, random_state=Given(indices), method="BCa",
                            vectorized=True).confidence_interval
        return [i.low, i.high]
    values = statistic(np.array(x)[indices], axis=-1)
    return list(np.percentile(values, [2.5, 97.5]))


def tost_power(margin_over_se, df, level):
    """E over S of P(|Z| < margin/se - t S), S = sqrt(chi^2/df)."""
    t = stats.t.ppf(1 - level, df)
    f = lambda s: (1 - 2 * stats.norm.sf(margin_over_se - t * s)) * stats.chi.pdf(s * np.sqrt(df), df) * np.sqrt(df)
    return integrate.quad(f, 0, margin_over_se / t, epsabs=1e-13, epsrel=1e-12, limit=500)[0]


def fisher_power(p, q, n, level):
    total = 0
    for k in range(n + 1):
        for m in range(n + 1):
            if stats.fisher_exact([[k, n - k], [m, n - m]])[1] <= level:
                total += stats.binom.pmf(k, n, p) * stats.binom.pmf(m, n, q)
    return total


def survival(times):
    t, d = zip(*times)
    return f"Surv({rvec(t)},{rvec(d)})"


def medians(times):
    return r(f'q <- quantile(survfit({survival(times)}~1, conf.type="log-log"), 0.5); cat(q$quantile, q$lower, q$upper)')


def restricted(times, tau):
    return r(f's <- summary(survfit({survival(times)}~1), rmean={tau})$table; cat(s["rmean"], s["se(rmean)"])')


def log_rank_splits():
    """Two-sided, and the share of splits in which x is at least as early: O - E of every split, from the definition."""
    times = TIMES_X + TIMES_Y
    at = sorted({t for t, d in times if d})

    def excess(group):
        return sum(sum(d and t == a for t, d in group) - sum(t == a and d for t, d in times) * sum(t >= a for t, _ in group) /
                   sum(t >= a for t, _ in times) for a in at)
    seen = excess(TIMES_X)
    values = np.array([excess(group) for group in itertools.combinations(times, len(TIMES_X))])
    return [np.mean(np.abs(values) >= abs(seen) - 1e-9), np.mean(values >= seen - 1e-9)]


def log_rank():
    t, d = zip(*(TIMES_X + TIMES_Y))
    g = [0] * len(TIMES_X) + [1] * len(TIMES_Y)
    return r(f"s <- survdiff(Surv({rvec(t)},{rvec(d)}) ~ {rvec(g)}); cat(s$chisq, s$obs[1] - s$exp[1])")


def main():
    print("/* Made by tests/golden/stats.py with SciPy and R; see there what each number is. */")
    for name, values in (("sample_d", D), ("sample_tied", TIED), ("sample_x", X), ("sample_y", Y), ("sample_xt", XT), ("sample_yt", YT),
                         ("sample_long", LONG), ("sample_many", MANY)):
        sample(name, values)
    row("middle", [np.median(X), np.median(Y), stats.trim_mean(LONG, 0.25), stats.trim_mean(D, 0.25), np.mean(D), np.std(D, ddof=1)])
    z = [0, 0.5, 1, 1.96, 2.9999, 3, 5, 8, 20, 37, -1.5, -9]
    row("normal_x", z)
    row("normal_upper", stats.norm.sf(z))
    p = [1e-300, 1e-20, 1e-5, 0.025, 0.3, 0.5, 0.9, 0.975, 0.999999]
    row("normal_p", p)
    row("normal_quantile", stats.norm.ppf(p))
    g = [0.1, 0.5, 1, 2.5, 10, 15.9, 16, 170.5, 1e5]
    row("gamma_x", g)
    row("gamma_log", special.gammaln(g))
    t = [(0.1, 1), (2.5, 3), (2.5, 30), (2.49, 30), (12.0, 4), (1.0, 6.7), (-1.7, 5), (40.0, 2), (6.0, 200)]
    row("t_of", np.ravel(t))
    row("t_upper", [stats.t.sf(a, b) for a, b in t])

    rng = np.random.default_rng(11)
    indices = rng.integers(0, len(X), (200, len(X)))
    print(f"static const int32_t bootstrap_indices[] = {{{', '.join(map(str, indices.ravel()))}}};")
    row("bootstrap_mean", bootstrap(X, indices, np.mean, "bca") + bootstrap(X, indices, np.mean, "percentile"))
    row("bootstrap_median", bootstrap(X, indices, np.median, "bca") + bootstrap(X, indices, np.median, "percentile"))

    one = stats.ttest_1samp
    row("paired_t", [one(D, 0).statistic, len(D) - 1] + three(one, D, 0))
    welch = r(f"a <- t.test({rvec(X)},{rvec(Y)}); cat(a$statistic, a$parameter, a$p.value)")
    row("welch_t", welch + three(stats.ttest_ind, X, Y, equal_var=False)[1:])
    w = lambda d, a: r(f'a <- suppressWarnings(wilcox.test({rvec(d)}, alternative="{a}")); cat(a$statistic, a$p.value)')
    row("wilcoxon_exact", [w(D, "two.sided")[0]] + [w(D, a)[1] for a in ("two.sided", "less", "greater")])
    row("wilcoxon_ties", [w(TIED, "two.sided")[0]] + signed_ranks(TIED))
    row("wilcoxon_long", [w(MANY, "two.sided")[0]] + [w(MANY, a)[1] for a in ("two.sided", "less", "greater")])
    m = lambda x, y, a: r(f'a <- suppressWarnings(wilcox.test({rvec(x)},{rvec(y)}, alternative="{a}")); cat(a$statistic, a$p.value)')
    row("mann_whitney_exact", [m(X, Y, "two.sided")[0]] + [m(X, Y, a)[1] for a in ("two.sided", "less", "greater")])
    row("mann_whitney_ties", [m(XT, YT, "two.sided")[0]] + rank_sums(XT, YT))
    row("mann_whitney_long", [m(MANY, YT, "two.sided")[0]] + [m(MANY, YT, a)[1] for a in ("two.sided", "less", "greater")])
    row("permutation_paired", flips(D))
    row("permutation_two", splits(X, Y))
    row("permutation_two_ties", splits(XT, YT))
    row("permutation_long", three(one, LONG, 0))

    def hedges(x, y):
        df = len(x) + len(y) - 2
        pooled = np.sqrt(((len(x) - 1) * np.var(x, ddof=1) + (len(y) - 1) * np.var(y, ddof=1)) / df)
        return (np.mean(x) - np.mean(y)) / pooled * (1 - 3 / (4 * df - 1))

    u = stats.mannwhitneyu(XT, YT).statistic / len(XT) / len(YT)
    row("effects", [hedges(X, Y), hedges(XT, YT), u, 2 * u - 1])

    family = [0.01, 0.04, 0.03, 0.005, 0.2, 0.03, 0.9]
    row("family", family)
    row("holm", r(f'cat(p.adjust({rvec(family)}, "holm"))'))
    row("hochberg", r(f'cat(p.adjust({rvec(family)}, "BH"))'))
    counts = [(0, 5), (3, 5), (5, 5), (17, 20), (1, 50)]
    row("wilson_of", np.ravel(counts))
    row("wilson", np.ravel([list(stats.binomtest(k, n).proportion_ci(method="wilson")) for k, n in counts]))
    tables = [(3, 5, 5, 5), (0, 5, 5, 5), (4, 20, 13, 18), (2, 9, 7, 30), (1, 1, 0, 4)]
    row("fisher_of", np.ravel(tables))
    row("fisher", [r(f"cat(fisher.test(matrix(c({a},{b - a},{c},{d - c}),2))$p.value)")[0] for a, b, c, d in tables])

    print(f"static const gs_time times_x[] = {{{', '.join(f'{{{a}, {str(bool(b)).lower()}}}' for a, b in TIMES_X)}}};")
    print(f"static const gs_time times_y[] = {{{', '.join(f'{{{a}, {str(bool(b)).lower()}}}' for a, b in TIMES_Y)}}};")
    half = [(4000, 1), (5000, 1), (40000, 0), (40000, 0)]
    four = [(1, 1), (2, 1), (3, 1), (4, 1)]
    row("km", medians(TIMES_X) + medians(TIMES_Y) + medians(TIMES_X[:4] + [(5, 0)] * 5) + medians(four) + medians(half))
    chi2, excess = log_rank()
    row("log_rank", [np.sign(excess) * np.sqrt(chi2), stats.chi2.sf(chi2, 1)])
    row("log_rank_permutation", log_rank_splits())
    row("restricted", restricted(TIMES_X, 40000) + restricted(TIMES_Y, 40000) + restricted(TIMES_Y, 26000))

    t = [(2.0, 4, 1.0), (-2.776, 4, 3.0), (2.1, 18, 2.8), (5.0, 1, 2.0), (1.96, 400, 2.8), (12.7, 1, 0.5)]
    row("noncentral_of", np.ravel(t))
    row("noncentral", [stats.nct.cdf(a, b, c) for a, b, c in t])
    row("paired_power", [r(f'cat(power.t.test(n={n}, delta={d}, sd=1, type="paired", strict=TRUE)$power)')[0] for n, d in ((5, 1.0), (20, 0.66), (3, 4.0))])
    row("welch_power", [r(f"cat(power.t.test(n={n}, delta={d}, sd=1, strict=TRUE)$power)")[0] for n, d in ((5, 1.0), (20, 0.9))])
    row("tost_power", [tost_power(1.2 * np.sqrt(10), 9, 0.05), tost_power(0.9 * np.sqrt(22 / 2), 42, 0.05), tost_power(0.3 * np.sqrt(4), 3, 0.05)])
    row("fisher_power", [fisher_power(0.6, 1.0, 12, 0.05), fisher_power(0.2, 0.7, 9, 0.05)])


main()
