"""What the probes of a checkpoint should say, computed apart from src/: NumPy, float64, direct formulas (full FFTs, SVD, lstsq, Newton).

usage: probes.py tests/golden/probes/*.safetensors tests/golden/checkpoints/{ffn,moe}_42.best.safetensors > tests/golden/probes/expected.json

The checkpoints here are small models that `gridshift run` trained with train.save; their metadata has the config.

Forward pass, data, strata, random numbers (Philox4x32-10) and every probe are written anew from DESIGN and the probes' documentation.
norms.ratio_init is left out: it needs the initialisation, and tests/unit/test_probes.c has a closed form of it.
"""
import json
import math
import struct
import sys

import numpy as np

SPLIT, EVAL, PROBE = 2, 4, 9
NULL, DONOR, PART, CONTROL = 0, 64, 65, 66


# -- random numbers -------------------------------------------------------------------------------------------------

def philox(seed, purpose, a, b, index):
    """The four words of block `index` (an array)."""
    index = np.atleast_1d(np.asarray(index, np.uint64))
    mask = np.uint64(0xFFFFFFFF)
    c = [index & mask, np.full_like(index, b), np.full_like(index, a & 0xFFFFFFFF), np.full_like(index, a >> 32)]
    k0, k1 = seed, purpose
    for _ in range(10):
        p0, p1 = np.uint64(0xD2511F53) * c[0], np.uint64(0xCD9E8D57) * c[2]
        c = [(p1 >> np.uint64(32)) ^ c[1] ^ np.uint64(k0), p1 & mask, (p0 >> np.uint64(32)) ^ c[3] ^ np.uint64(k1), p0 & mask]
        k0, k1 = (k0 + 0x9E3779B9) & 0xFFFFFFFF, (k1 + 0xBB67AE85) & 0xFFFFFFFF
    return np.stack(c, -1)


def words(seed, purpose, a, b, i):
    i = np.atleast_1d(np.asarray(i, np.uint64))
    return philox(seed, purpose, a, b, i // np.uint64(4))[np.arange(len(i)), (i % np.uint64(4)).astype(int)]


def below(seed, purpose, a, b, i, bound):
    return ((words(seed, purpose, a, b, i) * np.asarray(bound, np.uint64)) >> np.uint64(32)).astype(int)


def permutation(seed, purpose, a, b, n):
    out = list(range(n))
    at = np.arange(n)
    for i, j in zip(range(n - 1, 0, -1), below(seed, purpose, a, b, at, at + 1)[:0:-1]):
        out[i], out[j] = out[j], out[i]
    return np.array(out)


# -- checkpoints and data ---------------------------------------------------------------------------------------------

def load(path):
    raw = open(path, "rb").read()
    size = struct.unpack("<Q", raw[:8])[0]
    head = json.loads(raw[8:8 + size])
    meta = head.pop("__metadata__")
    tensors = {}
    for name, t in head.items():
        a, b = t["data_offsets"]
        tensors[name] = np.frombuffer(raw[8 + size + a:8 + size + b], "<f4").astype(float).reshape(t["shape"])
    return json.loads(meta["config"]), tensors


class Data:
    """tokens, targets (n, T), scored, strata: name -> (n, T) of bool."""

    def __init__(self, c):
        self.strata = {}
        {"addition": self.addition, "modular": self.modular, "histogram": self.histogram}[c["task"]](c)
        self.n, self.T = self.tokens.shape

    def addition(self, c):
        D, addend = c["task.digits"], c["task.addend"]
        self.first, self.V, self.C = D, 12, 12
        n = np.arange(10 ** D)
        ins = [n // 10 ** i % 10 for i in range(D)]
        outs = [(n + addend) // 10 ** i % 10 for i in range(D + 1)]
        end = np.full_like(n, 11)
        self.tokens = np.stack(ins + [end] + outs, 1)
        self.targets = np.stack([end * 0 - 1] * D + outs + [end], 1)
        T = self.tokens.shape[1]
        place = np.arange(T)[None] - D
        self.scored = np.broadcast_to((place >= 0) & (place <= D), self.tokens.shape)
        carry = [np.zeros_like(n)]
        for i in range(D + 1):
            carry.append((n // 10 ** i % 10 + addend // 10 ** i % 10 + carry[-1] > 9).astype(int))
        total = sum(carry)
        for i in range(D + 1):
            self.strata[f"digit={i}"] = self.scored & (place == i)
        for i in range(D + 1):
            self.strata[f"carry={i}"] = self.scored & (total == i)[:, None]
        op = np.stack([np.full_like(n, -1)] * D + [np.where(addend // 10 ** i % 10 > 0, 0, np.where(carry[i] > 0, 1, 2)) for i in range(D + 1)]
                      + [np.full_like(n, -1)], 1)
        for i, name in enumerate(("addend", "carry", "copy")):
            self.strata[f"op={name}"] = self.scored & (op == i)
        self.key = lambda t: (ins[t - D] if t - D < D else n * 0)

    def modular(self, c):
        p = c["task.modulus"]
        self.first, self.V, self.C, self.p = 2, p + 1, p + 1, p
        a, b = np.divmod(np.arange(p * p), p)
        s = {"add": (a + b) % p, "subtract": (a - b) % p}[c["task.op"]]
        self.tokens = np.stack([a, b, a * 0 + p], 1)
        self.targets = np.stack([a * 0 - 1, a * 0 - 1, s], 1)
        self.scored = np.zeros_like(self.tokens, bool)
        self.scored[:, 2] = True
        order = permutation(c["seed"], SPLIT, 0, 0, p * p)
        self.train = np.zeros(p * p, bool)
        self.train[order[:int(c["task.train_fraction"] * p * p)]] = True
        self.key = lambda t: a

    def histogram(self, c):
        L, A, n = c["task.length"], c["task.alphabet"], c["task.test_samples"]
        self.first, self.V, self.C = 0, A, L
        proper = c.get("task.parts", "proper") == "proper"
        rows = [self.sequence(c["seed"], i, L, A, proper) for i in range(n)]
        self.tokens = np.array([r[0] for r in rows])
        self.targets = np.array([r[1] for r in rows])
        self.scored = np.ones_like(self.tokens, bool)
        for i in range(L - proper):
            self.strata[f"count={i + 1}"] = self.targets == i
        self.key = lambda t: self.tokens[:, t]

    @staticmethod
    def sequence(seed, sample, L, A, proper):
        stream = iter(range(1, 10 ** 6))

        def draw(bound):
            return int(below(seed, EVAL, 2 ** 64 - 1, sample, next(stream), bound)[0])
        names, tokens, targets = list(range(A)), [], []
        while len(tokens) < L:
            left = L - len(tokens)
            part = 1 + draw(left - 1 if proper and left > 1 else left)
            k = len(set(tokens))
            j = k + draw(A - k)
            names[k], names[j] = names[j], names[k]
            tokens += [names[k]] * part
            targets += [part - 1] * part
        for i in range(L - 1, 0, -1):
            j = draw(i + 1)
            tokens[i], tokens[j] = tokens[j], tokens[i]
            targets[i], targets[j] = targets[j], targets[i]
        return tokens, targets


# -- the model ----------------------------------------------------------------------------------------------------------

erf = np.vectorize(math.erf)
ACT = {"relu": lambda x: np.maximum(x, 0), "silu": lambda x: x / (1 + np.exp(-x)), "identity": lambda x: x,
       "gelu": lambda x: x * (1 + erf(x / math.sqrt(2))) / 2}


def softmax(x):
    e = np.exp(x - x.max(-1, keepdims=True))
    return e / e.sum(-1, keepdims=True)


class Model:
    def __init__(self, c, w):
        self.c, self.w = c, w
        self.L, self.N, self.D = c["model.layers"], c["model.heads"], c["model.d_model"]
        self.moe = c["ffn.kind"].startswith("moe")
        self.gated = c["ffn.kind"].endswith("glu")
        self.E = c["ffn.experts"] if self.moe else 1
        self.U = w["embed.weight"] if c["model.tied"] else w["unembed.weight"]

    def norm(self, x, name):
        kind = self.c["model.norm"]
        if kind == "none":
            return x
        if kind == "rmsnorm":
            return x / np.sqrt((x * x).mean(-1, keepdims=True) + 2.0 ** -23) * self.w[name + ".weight"]
        x = x - x.mean(-1, keepdims=True)
        return x / np.sqrt((x * x).mean(-1, keepdims=True) + 1e-5) * self.w[name + ".weight"] + self.w[name + ".bias"]

    def block(self, at, x):
        """-> output, hidden, gate, up"""
        act = ACT[self.c["ffn.activation"]]
        if self.gated:
            g, u = act(x @ self.w[at + "gate.weight"].T), x @ self.w[at + "up.weight"].T
            return (g * u) @ self.w[at + "down.weight"].T, g * u, g, u
        h = act(x @ self.w[at + "up.weight"].T + self.w[at + "up.bias"])
        return h @ self.w[at + "down.weight"].T + self.w[at + "down.bias"], h, None, None

    def ffn(self, l, x, out):
        at = f"blocks.{l}.ffn."
        if not self.moe:
            y, out["hidden", l], out["gate", l], out["up", l] = self.block(at, x)
            out["every", l] = out["hidden", l]
            return y
        k, E = self.c["ffn.top_k"], self.E
        p = softmax(x @ self.w[at + "router.weight"].T)
        choice = np.argsort(-p, -1, kind="stable")[..., :k]
        weight = np.take_along_axis(p, choice, -1)
        if self.c["router.gate"] == "renorm":
            weight = weight / weight.sum(-1, keepdims=True)
        y = 0
        parts, every = [[], [], []], []
        for e in range(E):
            meets = (choice == e).any(-1, keepdims=True)
            share = (weight * (choice == e)).sum(-1, keepdims=True)
            z, *insides = self.block(f"{at}experts.{e}.", x)
            every.append(insides[0])
            if ("expert", l, e) not in self.zeroed:
                y = y + share * z
            for part, inside in zip(parts, insides):
                if inside is not None:
                    part.append(inside * meets)
        for name, part in zip(("hidden", "gate", "up"), parts):
            if part:
                out[name, l] = np.concatenate(part, -1)
        out["p", l], out["choice", l], out["every", l] = p, choice, np.concatenate(every, -1)
        return y

    def forward(self, tokens, zeroed=(), patch=None):
        """patch: (site, position, values by layer (n, D))"""
        self.zeroed = set(zeroed)
        n, T = tokens.shape
        out = {}
        x = self.w["embed.weight"][tokens] + self.w["pos.weight"][:T]
        out["embed"] = x
        for l in range(self.L):
            at = f"blocks.{l}.attn."
            h = self.norm(x, f"blocks.{l}.norm1")

            def heads(name):
                y = h @ self.w[at + name + ".weight"].T + self.w.get(at + name + ".bias", 0)
                return y.reshape(n, T, self.N, -1).transpose(0, 2, 1, 3)
            q, k, v = heads("q"), heads("k"), heads("v")
            score = q @ k.transpose(0, 1, 3, 2) / math.sqrt(q.shape[-1])
            if self.c["model.mask"] == "causal":
                score = np.where(np.tril(np.ones((T, T), bool)), score, -np.inf)
            mix = softmax(score) @ v
            for i in range(self.N):
                if ("head", l, i) in self.zeroed:
                    mix[:, i] = 0
            mix = mix.transpose(0, 2, 1, 3).reshape(n, T, self.D)
            attn = mix @ self.w[at + "o.weight"].T + self.w[at + "o.bias"]
            if patch and patch[0] == "attn":
                attn[:, patch[1]] = patch[2][l]
            out["mix", l], out["attn", l] = mix, attn
            x = x + attn
            y = self.ffn(l, self.norm(x, f"blocks.{l}.norm2"), out)
            if patch and patch[0] == "ffn":
                y = y.copy()
                y[:, patch[1]] = patch[2][l]
            out["ffn", l] = y
            x = x + y
        out["end"] = x
        out["logits"] = self.norm(x, "norm_out") @ self.U.T
        return out


# -- the probes ---------------------------------------------------------------------------------------------------------

class Probes:
    def __init__(self, path):
        self.c, self.w = load(path)
        self.data, self.m = Data(self.c), Model(self.c, self.w)
        self.seen = self.m.forward(self.data.tokens)
        self.metrics = {}
        self.read = np.arange(self.data.T) >= self.data.first
        for probe in (self.routing, self.fourier, self.attribution, self.patching, self.linear, self.roles, self.glu, self.norms, self.geometry):
            probe()

    def tell(self, probe, value, metric, *terms, layer=None):
        terms = [t for t in terms if t]
        if layer is not None and self.m.L > 1:
            terms.insert(0, f"layer={layer}")
        self.metrics[f"{probe}.{metric}" + (f"[{','.join(terms)}]" if terms else "")] = float(value)

    def rows(self, name, l):
        """Of a site: rows that are read out, (rows, width)."""
        x = self.seen[name, l][:, self.read]
        return x.reshape(-1, x.shape[-1])

    def labels(self):
        d = self.data
        everywhere = np.ones_like(d.scored)
        found = [("token", d.tokens, everywhere, d.V), ("position", np.broadcast_to(np.arange(d.T), d.tokens.shape), everywhere, d.T),
                 ("answer", d.targets, d.scored, d.C)]
        for family in ("op", "carry", "cascade"):
            names = [s for s in d.strata if s.startswith(family + "=")]
            if names:
                value = np.full(d.tokens.shape, -1)
                for i, s in enumerate(names):
                    value[d.strata[s]] = i
                found.append((family, value, value >= 0, len(names)))
        return [f for f in found if len(np.unique(f[1][f[2]])) > 1]

    def draw(self, a, b, n):
        return permutation(self.c["seed"], PROBE, a, b, n)

    # routing

    @staticmethod
    def entropy(counts):
        p = counts[counts > 0] / counts.sum()
        return -(p * np.log2(p)).sum()

    def information(self, expert, label):
        table = np.zeros((self.m.E, label.max() + 1))
        np.add.at(table, (expert, label), 1)
        he, hy, hj = self.entropy(table.sum(1)), self.entropy(table.sum(0)), self.entropy(table.ravel())
        cells = (table.sum(1) > 0).sum() + (table.sum(0) > 0).sum() - (table > 0).sum() - 1
        return he + hy - hj, he + hy - hj + cells / (2 * len(expert) * math.log(2)), min(he, hy)

    def routing(self):
        if not self.m.moe:
            return
        E = self.m.E
        for l in range(self.m.L):
            p, choice = self.seen["p", l], self.seen["choice", l]
            load = np.bincount(choice.ravel(), minlength=E) / choice.size
            for e in range(E):
                self.tell("routing", load[e], "load", f"expert={e}", layer=l)
            self.tell("routing", self.entropy(load) / math.log2(E), "utilisation_entropy", layer=l)
            self.tell("routing", load.std() / load.mean(), "load_cv", layer=l)
            self.tell("routing", load.max() * E - 1, "max_violation", layer=l)
            self.tell("routing", (load < 0.01 / E).sum(), "dead_experts", layer=l)
            self.tell("routing", -(p * np.log(p)).sum(-1).mean() / math.log(E), "token_entropy", layer=l)
            top = np.sort(p, -1)
            self.tell("routing", (top[..., -1] - top[..., -2]).mean(), "top1_margin", layer=l)
            for which, (name, value, where, _) in enumerate(self.labels()):
                expert, label = choice[..., 0][where], value[where]
                mi, corrected, h = self.information(expert, label)
                null = [self.information(expert[self.draw(r, NULL + which, len(expert))], label)[0] for r in range(100)]
                self.tell("routing", mi, "mi", f"with={name}", layer=l)
                self.tell("routing", corrected, "mi_miller_madow", f"with={name}", layer=l)
                self.tell("routing", np.mean(null), "mi_null", f"with={name}", layer=l)
                self.tell("routing", (1 + sum(x >= mi - 1e-12 for x in null)) / 101, "mi_p", f"with={name}", layer=l)
                self.tell("routing", mi / h if h > 0 else 0, "nmi_min", f"with={name}", layer=l)

    # Fourier

    def signal(self, x):
        s = self.data.targets[:, 2]
        return np.stack([x[s == i].mean(0) for i in range(self.data.p)])

    @staticmethod
    def power(signal):
        """Two-sided, without the constant: (p - 1, n)"""
        return (np.abs(np.fft.fft(signal, axis=0)) ** 2)[1:]

    @staticmethod
    def folded(power):
        p = len(power) + 1
        return np.stack([power[k - 1] + (power[p - k - 1] if 2 * k != p else 0) for k in range(1, p // 2 + 1)])

    def concentration(self, signal, lines=1, one_sided=False):
        power = self.power(signal)
        total = power.sum(0)
        x = np.sort(self.folded(power) if one_sided else power, 0)[::-1][:lines].sum(0)
        return np.where(total < 1e-12, 0, x / np.where(total > 0, total, 1)), total

    def explained(self, x):
        """(K, n): by the full two-dimensional FFT of centred units."""
        p = self.data.p
        x = x - x.mean(0)
        f = np.abs(np.fft.fft2(x.reshape(p, p, -1), axes=(0, 1))) ** 2
        out = []
        for k in range(1, p // 2 + 1):
            of = sorted({0, k, p - k})
            out.append(f[np.ix_(of, of)].sum((0, 1)) / np.maximum(f.sum((0, 1)), 1e-300))
        return np.stack(out)

    def fourier(self):
        c, d = self.c, self.data
        if c["task"] != "modular":
            return
        p, K = d.p, d.p // 2
        keys = self.fourier_logits()
        for l in range(self.m.L):
            x = self.rows("hidden", l)
            signal = self.signal(x)
            each = self.explained(x)
            fve = each.max(0)
            self.tell("fourier", 1 - self.units(self.signal(self.rows("every", l)), "unrouted", l).mean(), "unrouted_dead_units", layer=l)
            live = self.units(signal, "neuron", l)
            self.tell("fourier", 1 - live.mean(), "dead_units", layer=l)
            self.tell("fourier", (fve * live).mean(), "neuron_fve", layer=l)
            self.tell("fourier", fve[live].mean(), "neuron_fve_live", layer=l)
            self.tell("fourier", (fve[live] > 0.85).mean(), "neuron_fve_85", layer=l)
            for i, k in enumerate(keys[:5]):
                self.tell("fourier", (each[k - 1, live] > 0.85).mean(), "neuron_fve_85_key", f"rank={i + 1}", layer=l)
            self.components(x, l)
            self.top(self.rows("every", l), "unrouted_", l)
            self.regressions(x, keys, l)
            if self.m.moe:
                self.router(l)
        self.matrix(self.w["embed.weight"], "embed_gini", "embed_top5")
        self.matrix(self.w["unembed.weight"], "unembed_gini", "unembed_top5")

    def units(self, signal, of, l):
        """-> which are alive"""
        for tail, one in (("", False), ("_one_sided", True)):
            conc, total = self.concentration(signal, one_sided=one)
            live = total >= 1e-12
            self.tell("fourier", conc.mean(), f"{of}_concentration{tail}", layer=l)
            if live.any():
                self.tell("fourier", conc[live].mean(), f"{of}_concentration_live{tail}", layer=l)
                self.tell("fourier", (conc * total).sum() / total.sum(), f"{of}_concentration_weighted{tail}", layer=l)
        return live

    @staticmethod
    def scores(x):
        u, s, _ = np.linalg.svd(x - x.mean(0), full_matrices=False)
        count = min(5, (s ** 2 > 1e-9 * s[0] ** 2).sum())
        return u[:, :count] * s[:count]

    def top(self, x, of, l):
        two = self.concentration(self.signal(self.scores(x)))[0]
        self.tell("fourier", two.mean(), f"{of}pc_concentration_mean", layer=l)
        self.tell("fourier", two.max(), f"{of}pc_concentration_max", layer=l)

    def components(self, x, l):
        scores = self.scores(x)
        two, one = self.concentration(self.signal(scores))[0], self.concentration(self.signal(scores), one_sided=True)[0]
        fve = self.explained(scores).max(0)
        for i in range(scores.shape[1]):
            self.tell("fourier", two[i], "pc_concentration", f"pc={i + 1}", layer=l)
            self.tell("fourier", fve[i], "pc_fve", f"pc={i + 1}", layer=l)
        for name, x, tail in (("pc_concentration", two, ""), ("pc_concentration", one, "_one_sided"), ("pc_fve", fve, "")):
            self.tell("fourier", x.mean(), f"{name}_mean{tail}", layer=l)
            self.tell("fourier", x.max(), f"{name}_max{tail}", layer=l)

    def regressions(self, x, keys, l):
        """Ridge as augmented least squares."""
        p, s = self.data.p, self.data.targets[:, 2]
        x = x - x.mean(0)
        n, h = x.shape
        ridge = 1e-6 * (x * x).sum() / n / h
        big = np.concatenate([x, math.sqrt(ridge * n) * np.eye(h)])
        r2 = []
        for k in range(1, p // 2 + 1):
            w = 2 * math.pi * k * s / p
            y = np.stack([np.cos(w), np.sin(w)], 1)[:, :1 if 2 * k == p else 2]
            beta = np.linalg.lstsq(big, np.concatenate([y, np.zeros((h, y.shape[1]))]), rcond=None)[0]
            r2.append((1 - ((y - x @ beta) ** 2).sum(0) / (y * y).sum(0)).mean())
        for i, k in enumerate(keys[:5]):
            self.tell("fourier", r2[k - 1], "layer_r2", f"rank={i + 1}", layer=l)
        self.tell("fourier", max(r2), "layer_r2_max", layer=l)
        self.tell("fourier", np.mean([r2[k - 1] for k in keys]), "layer_r2_key", layer=l)

    def router(self, l):
        signal = self.signal(self.seen["p", l][:, 2])
        for tail, one in (("", False), ("_one_sided", True)):
            self.tell("fourier", self.concentration(signal, 1, one)[0].mean(), "router_concentration" + tail, layer=l)
            self.tell("fourier", self.concentration(signal, 5, one)[0].mean(), "router_top5" + tail, layer=l)

    def matrix(self, w, gini, top):
        p = self.data.p
        f = np.fft.fft(w[:p], axis=0)[1:p // 2 + 1]
        cosine, sine = np.sqrt((f.real ** 2).sum(1)), np.sqrt((f.imag ** 2).sum(1))
        norms = np.sort(np.concatenate([cosine, sine if p % 2 else sine[:-1]]))
        n = len(norms)
        self.tell("fourier", ((2 * np.arange(1, n + 1) - n - 1) * norms).sum() / (n * norms.sum()), gini)
        power = np.sort(cosine ** 2 + sine ** 2)
        self.tell("fourier", power[-5:].sum() / power.sum(), top)

    @staticmethod
    def cross_entropy(logits, y):
        logits = logits - logits.max(-1, keepdims=True)
        return (np.log(np.exp(logits).sum(-1)) - logits[np.arange(len(y)), y]).mean()

    def fourier_logits(self):
        d = self.data
        p, s = d.p, d.targets[:, 2]
        logits = self.seen["logits"][:, 2, :p]
        mean = logits.mean(0)
        basis, power = {}, []
        for k in range(1, p // 2 + 1):
            w = 2 * math.pi * k * s / p
            basis[k] = [v / np.linalg.norm(v) for v in ([np.cos(w)] if 2 * k == p else [np.cos(w), np.sin(w)])]
            power.append(sum(((v @ logits) ** 2).sum() for v in basis[k]))
        power = np.array(power)
        order = np.argsort(-power, kind="stable")
        keys = [int(order[i]) + 1 for i in range(1 + np.searchsorted(np.cumsum(power[order]), 0.95 * power.sum()))]
        variance = ((logits - mean) ** 2).sum()
        held = sum(power[k - 1] for k in keys)
        self.tell("fourier", len(keys), "key_frequencies")
        for i, k in enumerate(keys[:5]):
            self.tell("fourier", k, "key_frequency", f"rank={i + 1}")
        self.tell("fourier", power.sum() / variance, "logit_sum_share")
        self.tell("fourier", held / variance, "logit_key_share")

        def part(some):
            return sum(np.outer(v, v @ logits) for k in some for v in basis[k])
        restricted, excluded = mean + part(keys), logits - part(keys)
        every = np.ones_like(d.train)
        for name, where in (("", ~d.train), ("split=train", d.train), ("split=all", every)):
            self.tell("fourier", self.cross_entropy(restricted[where], s[where]), "restricted_loss", name)
            if name != "split=all":
                self.tell("fourier", self.cross_entropy(excluded[where], s[where]), "excluded_loss", name)
        for i, k in enumerate(keys[:5]):
            self.tell("fourier", self.cross_entropy((logits - part([k]))[d.train], s[d.train]), "excluded_loss", "split=train", f"rank={i + 1}")
        return keys

    # attribution

    def attribution(self):
        m, d, c = self.m, self.data, self.c
        end = self.seen["end"]
        centre = (lambda x: x - x.mean(-1, keepdims=True)) if c["model.norm"] == "layernorm" else (lambda x: x)
        scale, gain = np.ones(end.shape[:2]), 1
        if c["model.norm"] != "none":
            x = centre(end)
            scale = 1 / np.sqrt((x * x).mean(-1) + (1e-5 if c["model.norm"] == "layernorm" else 2.0 ** -23))
            gain = self.w["norm_out.weight"]
        where = d.scored
        y = d.targets[where]

        def logits(x):
            return (centre(x[where]) * scale[where][:, None] * gain) @ m.U.T

        def right(x):
            return x[np.arange(len(y)), y]
        attn, ffn = (sum(self.seen[site, l] for l in range(m.L)) for site in ("attn", "ffn"))
        parts = {"embed": logits(self.seen["embed"]), "attn": logits(attn), "ffn": logits(ffn)}
        K = m.D // m.N
        heads = {}
        for l in range(m.L):
            for h in range(m.N):
                of = slice(h * K, (h + 1) * K)
                heads[l, h] = right(logits(self.seen["mix", l][..., of] @ self.w[f"blocks.{l}.attn.o.weight"][:, of].T))
        groups = [("", np.ones(len(y), bool))] + [(s, self.data.strata[s][where]) for s in d.strata]
        if self.read.sum() > 1 and "digit=0" not in d.strata:
            groups += [(f"position={t}", np.nonzero(where)[1] == t) for t in range(d.T)]
        for name, inside in groups:
            if not inside.any():
                continue
            for (l, h), x in heads.items():
                self.tell("attribution", x[inside].mean(), "logit", "part=head", f"head={h}", name, layer=l)
            for part, x in parts.items():
                self.tell("attribution", right(x)[inside].mean(), "logit", f"part={part}", name)
            for tail, f in (("", right), ("_centred", lambda x: right(x) - x.mean(1))):
                a, b = (np.abs(f(parts[k])[inside]).sum() for k in ("attn", "ffn"))
                self.tell("attribution", a / (a + b), "attention_fraction" + tail, name)

    # patching

    def patching(self):
        d, m = self.data, self.m
        n = min(d.n, 16384 // int(self.read.sum()))
        own = self.seen["logits"]
        found = {site: [] for site in ("attn", "ffn")}
        for t in range(d.first, d.T):
            key, y = d.key(t), d.targets[:, t]
            donor = np.arange(d.n)
            for i in range(n):
                if d.scored[i, t]:
                    others = np.flatnonzero((key == key[i]) & (y != y[i]))
                    if len(others):
                        donor[i] = others[below(self.c["seed"], PROBE, t, DONOR, i, len(others))[0]]
            base = np.flatnonzero(donor != np.arange(d.n))
            if not len(base):
                continue
            other = donor[base]
            for site in found:
                values = [self.seen[site, l][other, t] for l in range(m.L)]
                logits = m.forward(d.tokens[base], patch=(site, t, values))["logits"][:, t]
                ld = [x[np.arange(len(base)), y[other]] - x[np.arange(len(base)), y[base]] for x in (logits, own[base, t], own[other, t])]
                for k, i in enumerate(base):
                    found[site].append((i, t, logits[k].argmax() == y[other[k]], ld[0][k] - ld[1][k], ld[2][k] - ld[1][k]))
        for t in range(d.first, d.T) if "op=carry" in d.strata else ():
            key, place = d.key(t), f"digit={t - d.first}"
            copies, carries = (d.strata[f"op={op}"][:, t] for op in ("copy", "carry"))
            pairs = [(i, k) for x in np.unique(key) for i in np.flatnonzero((key == x) & carries)[:5] for k in np.flatnonzero((key == x) & copies)[:5]]
            for site in found if pairs else ():
                base, other = np.array(pairs).T
                values = [self.seen[site, l][other, t] for l in range(m.L)]
                logits = m.forward(d.tokens[base], patch=(site, t, values))["logits"][:, t]
                self.tell("patching", (logits.argmax(-1) == d.targets[other, t]).mean(), "flip_rate_first", f"site={site}", place)
        for site, rows in found.items():
            rows = np.array(rows)
            at = rows[:, 0].astype(int), rows[:, 1].astype(int)
            groups = [("", np.ones(len(rows), bool))] + [(s, d.strata[s][at]) for s in d.strata]
            groups += [(f"{s},{op}", d.strata[s][at] & d.strata[op][at]) for s in d.strata for op in d.strata if s[:6] == "digit=" and op[:3] == "op="]
            for name, inside in groups:
                if inside.any():
                    flips, moved, whole = rows[inside, 2].mean(), rows[inside, 3].sum(), rows[inside, 4].sum()
                    self.tell("patching", flips, "flip_rate", f"site={site}", name)
                    self.tell("patching", moved / whole, "effect", f"site={site}", name)
                    if site == "attn":
                        self.tell("patching", inside.sum(), "pairs", name)

    # linear probes

    def parts(self):
        """Scored tokens of a probe: (sequences, positions), and which of them train."""
        d = self.data
        order, tokens, used = self.draw(0, PART, d.n), 0, 0
        while used < d.n and tokens < 2048:
            tokens += d.scored[order[used]].sum()
            used += 1
        chosen = [(i, t, k < used // 2) for k, i in enumerate(order[:used]) for t in range(d.T) if d.scored[i, t]]
        return (np.array([c[0] for c in chosen]), np.array([c[1] for c in chosen])), np.array([c[2] for c in chosen])

    def held_out(self, x, y, train, classes):
        sd = x[train].std(0)
        x = (x - x[train].mean(0)) * np.where(sd > 1e-10, 1 / np.maximum(sd, 1e-10), 0)
        fitted = self.logistic(x[train], y[train], classes)
        return (self.guess(fitted, x[~train]) == y[~train]).mean(), (self.guess(fitted, x[train]) == y[train]).mean()

    def linear(self):
        d = self.data
        if self.c["task"] == "modular":
            return
        at, train = self.parts()
        labels = self.labels()
        op = any(name == "op" for name, *_ in labels)
        for which, (name, value, _, classes) in enumerate(labels):
            if name in ("token", "position") or (name == "answer" and op):
                continue
            y = value[at]
            kind = d.tokens[at] * d.T + at[1]
            control = y[train][below(self.c["seed"], PROBE, which, CONTROL, kind, train.sum())]
            self.tell("linear", (y[~train] == np.bincount(y[train]).argmax()).mean(), "majority", f"of={name}")
            for l in range(self.m.L):
                for site in ("attn", "ffn"):
                    x, where = self.seen[site, l][at], (f"site={site}", f"of={name}")
                    accuracy, on_train = self.held_out(x, y, train, classes)
                    chance, _ = self.held_out(x, control, train, classes)
                    self.tell("linear", accuracy, "accuracy", *where, layer=l)
                    self.tell("linear", on_train, "train_accuracy", *where, layer=l)
                    self.tell("linear", chance, "control_accuracy", *where, layer=l)
                    self.tell("linear", accuracy - chance, "selectivity", *where, layer=l)

    @staticmethod
    def guess(w, x):
        return (x @ w[:, :-1].T + w[:, -1]).argmax(1)

    @staticmethod
    def logistic(x, y, classes):
        """Newton's method with the full Hessian; its null direction (all biases alike) is left out by the pseudo-inverse."""
        n, d = x.shape
        x1 = np.concatenate([x, np.ones((n, 1))], 1)
        w = np.zeros((classes, d + 1))
        decay = np.full((classes, d + 1), 0.01)
        decay[:, -1] = 0
        target = np.eye(classes)[y]

        def value(w):
            s = x1 @ w.T
            top = s.max(1)
            return (np.log(np.exp(s - top[:, None]).sum(1)) + top - s[np.arange(n), y]).mean() + 0.5 * (decay * w * w).sum()
        for _ in range(100):
            p = softmax(x1 @ w.T)
            g = ((p - target).T @ x1 / n + decay * w).ravel()
            if np.abs(g).max() < 1e-11:
                break
            h = np.zeros((classes, d + 1, classes, d + 1))
            for a in range(classes):
                for b in range(classes):
                    h[a, :, b] = (x1 * (p[:, a] * ((a == b) - p[:, b]))[:, None]).T @ x1 / n
            h = h.reshape(len(g), -1) + np.diag(decay.ravel()) + 1e-12 * np.eye(len(g))
            step, length = np.linalg.solve(h, g).reshape(w.shape), 1.0
            while value(w - length * step) > value(w) and length > 1e-8:
                length /= 2
            w = w - length * step
        return w

    # roles

    def roles(self):
        d, m = self.data, self.m
        ops = [s for s in d.strata if s.startswith("op=")]

        def accuracies(zeroed):
            right = m.forward(d.tokens, zeroed)["logits"].argmax(-1) == d.targets
            return np.array([right[d.strata[s]].mean() for s in ops] + [right[d.scored].mean()])
        clean = accuracies(())
        for word, each in (("head", m.N), ("expert", m.E if m.moe else 0)):
            drops = np.array([clean - accuracies([(word, l, i)]) for l in range(m.L) for i in range(each)])
            if not each:
                continue
            for rank, x in enumerate(sorted(drops[:, -1], reverse=True)):
                self.tell("roles", x, word + "_drop", f"rank={rank + 1}")
            best = [int(drops[:, k].argmax()) for k in range(len(ops))]
            for k, role in enumerate(ops):
                for j, op in enumerate(ops):
                    self.tell("roles", drops[best[k], j], word + "_drop", f"role={role[3:]}", op)
            if ops:
                self.tell("roles", len(set(best)), f"{word}s_with_roles")

    # gated blocks

    def glu(self):
        if not self.m.gated:
            return
        labels = [f for f in self.labels() if f[0] in ("answer", "op")]
        if self.c["task"] != "modular":
            (at, train), (name, value, _, classes) = self.parts(), labels[-1]
            for l in range(self.m.L):
                for part, site in (("gate", "gate"), ("up", "up"), ("product", "hidden")):
                    accuracy, _ = self.held_out(self.seen[site, l][at], value[at], train, classes)
                    self.tell("glu", accuracy, "accuracy", f"part={part}", f"of={name}", layer=l)
        for l in range(self.m.L):
            for part, site in (("gate", "gate"), ("up", "up"), ("product", "hidden")):
                x = self.rows(site, l)
                values = self.spectrum(x)
                self.tell("glu", values.sum() ** 2 / (values ** 2).sum(), "participation_ratio", f"part={part}", layer=l)
                self.tell("glu", self.effective(values), "effective_rank", f"part={part}", layer=l)
                for name, value, where, _ in labels:
                    inside = where[:, self.read].ravel()
                    y, z = value[:, self.read].ravel()[inside], x[inside]
                    means = np.stack([z[y == v].mean(0) for v in np.unique(y)])
                    share = np.array([(y == v).mean() for v in np.unique(y)])
                    of = z.var(0) > 1e-12 * (z * z).mean(0)
                    between = (share[:, None] * (means - z.mean(0)) ** 2).sum(0)
                    self.tell("glu", (between[of] / z.var(0)[of]).mean(), "class_variance", f"part={part}", f"of={name}", layer=l)
                if self.c["task"] == "modular":
                    two, total = self.concentration(self.signal(x))
                    live = total >= 1e-12
                    self.tell("glu", 1 - live.mean(), "dead_units", f"part={part}", layer=l)
                    self.tell("glu", two[live].mean(), "concentration_live", f"part={part}", layer=l)
                    one = self.concentration(self.signal(x), one_sided=True)[0]
                    self.tell("glu", one[live].mean(), "concentration_live_one_sided", f"part={part}", layer=l)
            ranks = []
            for at in [f"blocks.{l}.ffn.experts.{e}." for e in range(self.m.E)] if self.m.moe else [f"blocks.{l}.ffn."]:
                g, u, down = (self.w[at + f"{name}.weight"] for name in ("gate", "up", "down"))
                tensor = np.einsum("ch,hi,hj->cij", down, g, u)
                tensor = (tensor + tensor.transpose(0, 2, 1)) / 2
                s = np.linalg.svd(tensor.reshape(len(tensor), -1), compute_uv=False) ** 2
                ranks.append((self.effective(s), s.sum() / s[0]))
            self.tell("glu", np.mean([r[0] for r in ranks]), "bilinear_effective_rank", layer=l)
            self.tell("glu", np.mean([r[1] for r in ranks]), "bilinear_stable_rank", layer=l)

    # norms and geometry

    def norms(self):
        squares = {}
        for name, w in self.w.items():
            part = ("embed" if name in ("embed.weight", "pos.weight") else "unembed" if name.startswith("unembed") else
                    "attn" if ".attn." in name else "router" if ".router." in name else "ffn" if ".ffn." in name else "norm")
            squares[part] = squares.get(part, 0) + (w * w).sum()
        self.tell("norms", math.sqrt(sum(squares.values())), "norm")
        for part, x in squares.items():
            self.tell("norms", math.sqrt(x), "norm", f"of={part}")

    @staticmethod
    def spectrum(x):
        return np.linalg.svd(x - x.mean(0), compute_uv=False) ** 2 / len(x)

    @staticmethod
    def effective(values):
        p = values / values.sum()
        p = p[p > 1e-15]
        return math.exp(-(p * np.log(p)).sum())

    def geometry(self):
        for l in range(self.m.L):
            for of in ("hidden", "attn", "ffn"):
                v = self.spectrum(self.rows(of, l))
                self.tell("geometry", v.sum() ** 2 / (v ** 2).sum(), "participation_ratio", f"of={of}", layer=l)
                self.tell("geometry", self.effective(v), "effective_rank", f"of={of}", layer=l)
                self.tell("geometry", v.sum() / v[0], "stable_rank", f"of={of}", layer=l)
        groups = {}
        for name, w in self.w.items():
            if w.ndim == 2:
                layer = int(name.split(".")[1]) if name.startswith("blocks.") else None
                v = np.linalg.svd(w, compute_uv=False) ** 2
                groups.setdefault((layer, name.split(".")[-2]), []).append((self.effective(v), v.sum() / v[0], v.sum() ** 2 / (v ** 2).sum()))
        for (layer, word), ranks in groups.items():
            self.tell("geometry", np.mean([r[0] for r in ranks]), "weight_effective_rank", f"of={word}", layer=layer)
            self.tell("geometry", np.mean([r[1] for r in ranks]), "weight_stable_rank", f"of={word}", layer=layer)
            self.tell("geometry", np.mean([r[2] for r in ranks]), "weight_participation_ratio", f"of={word}", layer=layer)


if __name__ == "__main__":
    json.dump({path.split("/")[-1]: Probes(path).metrics for path in sys.argv[1:]}, sys.stdout, indent=0)
