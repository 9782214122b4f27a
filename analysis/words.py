"""Names and numbers of the tables in words: what an arm, a metric and an estimate look like on a page."""

KINDS = {"dense": "dense", "glu": "GLU", "moe": "MoE", "moe_glu": "MoE-GLU"}
VALUES = {  # of a key: its value in words; "" says nothing
    "ffn.kind": lambda v: KINDS.get(v, v),
    "ffn.top_k": lambda v: f"top-{v}",
    "ffn.experts": lambda v: f"{v} expert" + ("" if v == "1" else "s"),
    "ffn.activation": lambda v: {"silu": "SiLU", "gelu": "GELU", "relu": "ReLU"}.get(v, v),
    "ffn.frozen": lambda v: "block frozen" if v == "true" else "",
    "attn.frozen": lambda v: "attention frozen" if v == "true" else "",
    "attn.dropout": lambda v: f"attention dropout {v}",
    "resid.dropout": lambda v: f"dropout {v}",
    "train.weight_decay": lambda v: f"decay {v}",
    "model.norm": lambda v: {"none": "no norm", "rmsnorm": "RMSNorm", "layernorm": "LayerNorm"}.get(v, v),
    "model.d_model": lambda v: f"d {v}",
    "router.mode": lambda v: f"{v} routing",
    "router.gate": lambda v: f"{v} gate",
    "router.aux_weight": lambda v: f"balancing {v}",
    "task.leave_out": lambda v: f"{v} left out",
}
CHECKPOINTS = {"final": "end", "best": "best", "first99": "at 99 %", "first99_or_best": "at 99 %, else best"}
SITES = {"ffn": "the block", "attn": "attention"}
MODES = {"zero": " without {}", "mean": ", {} at its mean", "resample": ", {} of another input"}
NAMES = {"exact_match": "whole answers right", "router_load_max": "largest load of an expert"}
SPLITS = {"split=all": "all pairs", "split=train": "training part", "split=left_out": "part left out"}


def key_words(key, value):
    words = [VALUES[key](v) if key in VALUES else f"{key.split('.')[-1]} {v}" for v in value.split(" or ")]
    return " or ".join(word for word in words if word)


def arm(keys):
    """[(key, value)] -> "MoE 256, top-1, frozen routing"."""
    parts, before = [], ""
    for key, value in keys:
        words = key_words(key, value)
        if key == "ffn.width" and before == "ffn.kind":
            parts[-1] += f" {value}"
        elif words:
            parts.append(words)
        before = key
    return ", ".join(parts) or "all runs"


def selector(text):
    """What claims.csv has for a side."""
    return arm([tuple(term.split(" ", 1)) for term in text.strip().split(", ")])


def subject_words(subject, name):
    mode, _, site = subject.partition("_")
    if subject == "clean":
        return NAMES.get(name, name.replace("_", " "))
    if subject == "floor":
        return f"{name.replace('_', ' ')} of a constant answer"
    if mode not in MODES:
        return f"{subject}: {name.replace('_', ' ')}"  # a probe
    place = MODES[mode].format(SITES.get(site, site))
    return f"{'(accuracy - floor) / (clean - floor)' if name == 'above_floor' else NAMES.get(name, name)}{place}"


def metric(full):
    """best.zero_ffn.accuracy[digit=0] -> "accuracy without the block, digit 0 (best)"."""
    checkpoint, subject, rest = full.split(".", 2)
    name, _, stratum = rest.partition("[")
    if name.startswith("steps_to_"):
        return f"steps to {name[9:]} %"
    parts = [SPLITS.get(part, part.replace("=", " ")) for part in stratum.rstrip("]").split(",") if part]
    return ", ".join([subject_words(subject, name), *parts]) + f" ({CHECKPOINTS.get(checkpoint, checkpoint.replace('step', 'step '))})"


def with_unit(full, unit):
    return metric(full) + (f", {unit}" if unit and unit != "steps" else "")


# -- numbers ----------------------------------------------------------------------------------------------------------------

def number(text, unit="", signed=False):
    """Two decimals for percent and points, whole steps, else three significant digits; "–": not known."""
    if not text:
        return "–"
    x, sign = float(text), "+" if signed else ""
    if unit in ("%", "pp") or abs(x) >= 1000:
        return f"{x:{sign}.2f}" if unit in ("%", "pp") else f"{x:{sign},.0f}"
    return f"{x:{sign}.3g}"


def p_value(text):
    if not text:
        return "–"
    return f"{float(text):.3f}" if float(text) >= 0.001 else f"{float(text):.1e}" if float(text) else "0"


def interval(low, high, unit="", signed=False):
    return f"[{number(low, unit, signed)}, {number(high, unit, signed)}]" if low or high else ""


def some(cell, prefix=""):
    """ " (3 of 5)" where only some of the seeds have the number."""
    n, of = cell.get(prefix + "n"), cell.get(prefix + "n_runs")
    return f" ({n} of {of})" if n != of else ""


def value(cell, unit):
    """A mean with its sd, or a Kaplan-Meier median with its limits and how many got there."""
    if "median" in cell:
        return " ".join(word for word in (number(cell["median"], unit), interval(cell["low"], cell["high"], unit)) if word) + f" ({cell['n']} of {cell['n_runs']})"
    mean = number(cell.get("mean"), unit)
    return mean + (f" ± {number(cell['sd'], unit)}" if cell.get("sd") and mean != "–" else "") + some(cell)


def published(cell, unit):
    mean, sd = cell["published mean"], cell["published sd"]
    return number(mean, unit) + (f" ± {number(sd, unit)}" if sd else "") + some(cell, "published ")


def table(head, rows, right=()):
    rule = ["--:" if k in right else "---" for k in range(len(head))]
    lines = [" | ".join(str(cell).replace("|", "\\|") for cell in row) for row in [head, rule, *rows]]
    return "\n".join(f"| {line} |" for line in lines) + "\n"
