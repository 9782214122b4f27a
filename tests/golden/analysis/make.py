"""Writes analysis.json beside itself: what NumPy says about matrices that tests/mpi/collective/*.c make from the same integers."""
import json
from pathlib import Path

import numpy as np


def integers(rows, cols, p, q, r, modulus):
    i, j = np.arange(rows)[:, None], np.arange(cols)[None, :]
    return ((i * i * p + j * q + i * j * r) % modulus - modulus // 2) / 8.0


def hsic(k, l, debiased):
    n = len(k)
    if not debiased:
        h = np.eye(n) - 1 / n
        return np.trace(k @ h @ l @ h)
    k, l = k - np.diag(np.diag(k)), l - np.diag(np.diag(l))  # Song et al. 2012, equation 5, times n (n - 3)
    return np.trace(k @ l) + k.sum() * l.sum() / ((n - 1) * (n - 2)) - 2 / (n - 2) * (k.sum(0) @ l.sum(0))


def similarity(features, debiased):
    grams = [x @ x.T for x in features]
    h = np.array([[hsic(k, l, debiased) for l in grams] for k in grams])
    return h / np.sqrt(np.outer(np.diag(h), np.diag(h)))


def positive(v):
    return v * np.sign(v[np.abs(v).argmax(0), np.arange(v.shape[1])])


def fit(a, b):
    beta, rss, _, _ = np.linalg.lstsq(a, b, rcond=None)
    return {"beta": beta.tolist(), "rss": float(rss[0]), "inverse": np.diag(np.linalg.inv(a.T @ a)).tolist()}


def share(s, labels):
    d = 2 - 2 * s
    n = len(d)
    total = d[np.triu_indices(n, 1)].sum() / n
    within = sum(d[np.ix_(m, m)][np.triu_indices(len(m), 1)].sum() / len(m) for m in (np.flatnonzero(labels == g) for g in set(labels)))
    return float(1 - within / total)


tall = integers(157, 20, 7, 13, 5, 101) * 2.0 ** -np.arange(20)
_, values, vt = np.linalg.svd(tall)
square = tall.T @ tall
features = [integers(41, 6, 3 + 2 * k, 11 + k, 4 + 3 * k, 97 + 2 * k) for k in range(7)]
cka = similarity(features, False)
centred = np.eye(7) - 1 / 7
axes = np.linalg.eigvalsh(centred @ cka @ centred)[::-1]
out = {
    "values": values.tolist(), "vectors": positive(vt[:3].T).T.tolist(), "eigenvalues": np.linalg.eigvalsh(square).tolist(),
    "fit": fit(integers(157, 5, 7, 13, 5, 101), integers(157, 1, 3, 1, 1, 89)[:, 0]),
    "cka": cka.tolist(), "debiased": similarity(features, True).tolist(), "axes": axes[:4].tolist(),
    "share": share(cka, np.array([0, 0, 1, 1, 2, 2, 2]))}
Path(__file__).with_name("analysis.json").write_text(json.dumps(out, indent=1) + "\n")
