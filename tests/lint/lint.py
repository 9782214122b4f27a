"""The rules of the source that a compiler does not know. Prints TAP; run from the root of the project.

usage: lint.py COMPILER...
"""
import re
import statistics
import subprocess
import sys
from pathlib import Path

# Which public headers a stage may include, besides its own and the libraries. The data flows from the left to the right.
LIBRARIES = {"base", "config", "configs", "metric", "count", "linalg", "matrix", "stats"}
ALLOWED = {
    "base": set(),
    "linalg": set(),
    "sweep": set(),
    "schedule": {"sweep"},
    "mpi": set(),  # knows runs as bytes only
    "task": set(),
    "nn": {"task"},
    "train": {"task", "nn"},
    "probe": {"task", "nn", "train"},
    "store": set(),
    "analysis": {"sweep", "schedule", "task", "nn", "train", "probe", "store"},
    "tables": {"sweep", "schedule", "task", "store"},
    "cli": {"sweep", "schedule", "mpi", "task", "nn", "train", "probe", "store", "analysis", "tables"},
}
MPI_FILES = re.compile(r"^src/(mpi/|linalg/scalapack\.c$)")
TERMINAL_FILES = re.compile(r"^src/(cli/|base/error\.c$|mpi/comm\.c$)")  # gs_die and its hook, which says what rank aborts
FUNCTION_MOST, FUNCTION_MEDIAN, FILE_MOST, LINE_MOST = 80, 15, 400, 140

INCLUDE = re.compile(r'^\s*#\s*include\s+([<"])([^>"]+)[>"]', re.MULTILINE)
TEXTS = {".c", ".h", ".def", ".py", ".sh", ".build", ".md", ".yaml", ".sbatch", ".options", ""}


def tracked():
    """Every text file of the project that is no build product -> {path: text}."""
    files = {}
    for path in sorted(Path(".").rglob("*")):
        parts = path.parts
        if parts[0] in (".git", "runs") or parts[0].startswith("build") or path.is_symlink() or not path.is_file():
            continue
        if path.suffix in TEXTS and "golden" not in parts:
            files[str(path)] = path.read_text(encoding="utf-8", errors="replace")
    return files


FILES = tracked()
SOURCES = {path: text for path, text in FILES.items() if path.startswith("src/") and path.endswith((".c", ".h"))}


def without_comments(text):
    return re.sub(r'/\*.*?\*/|//[^\n]*', lambda m: "\n" * m.group(0).count("\n"), text, flags=re.DOTALL)


def stages_include_earlier_stages_only():
    for path, text in SOURCES.items():
        parts = path.split("/")
        if len(parts) < 3:
            continue
        stage = parts[1]
        for quote, name in INCLUDE.findall(text):
            head, _, rest = name.partition("/")
            if head == "gridshift":
                other = rest.removesuffix(".h")
                if other not in LIBRARIES | ALLOWED.get(stage, set()) | {stage} and not rest.endswith(".def"):
                    yield f"{path} includes {name}"
            elif quote == '"' and rest and head != stage:
                yield f"{path} includes {name}, a private header of another stage"


def public_headers_include_earlier_stages_only():
    for path, text in FILES.items():
        match = re.fullmatch(r"include/gridshift/(\w+)\.h", path)
        if not match:
            continue
        stage = match.group(1)
        for _, name in INCLUDE.findall(text):
            other = name.removeprefix("gridshift/").removesuffix(".h")
            if name.startswith("gridshift/") and not name.endswith(".def") and other not in LIBRARIES | ALLOWED.get(stage, set()):
                yield f"{path} includes {name}"


def every_stage_is_in_the_table():
    for path in sorted(Path("src").iterdir()):
        if path.is_dir() and path.name not in ALLOWED:
            yield f"{path} has no row in tests/lint/lint.py"


def mpi_stays_in_its_folder():
    for path, text in SOURCES.items():
        if any(name == "mpi.h" for _, name in INCLUDE.findall(text)) and not MPI_FILES.match(path):
            yield f"{path} includes mpi.h"


def terminal_and_exit_stay_in_cli():
    for path, text in SOURCES.items():
        found = re.search(r"\b(printf|puts|putchar|perror|vprintf|_?exit)\s*\(|\b(stdout|stderr)\b", without_comments(text))
        if found and path != "src/main.c" and not TERMINAL_FILES.match(path):
            yield f"{path}: {found.group(0)}"


def public_headers_compile_alone(compiler):
    for path in sorted(Path("include/gridshift").glob("*.h")):
        flags = ["-std=c17", "-Wall", "-Wextra", "-Werror", "-Iinclude", "-fsyntax-only", "-x", "c", "-"]
        done = subprocess.run([*compiler, *flags], input=f'#include "gridshift/{path.name}"\nint keep;\n', text=True, capture_output=True, check=False)
        if done.returncode:
            yield f"{path}: {done.stderr.splitlines()[0]}"


def functions():
    """Crude, but enough for our layout: braces of a function stand in the first column."""
    for path, text in SOURCES.items():
        start = None
        lines = text.splitlines()
        for number, line in enumerate(lines):
            if line == "{":
                start = number
            elif line == "}" and start is not None:
                yield f"{path}:{start + 1}", number - start - 1
                start = None


def functions_are_short():
    lengths = [length for _, length in functions()]
    yield from (f"{where} has {length} lines" for where, length in functions() if length > FUNCTION_MOST)
    if lengths and statistics.median(lengths) > FUNCTION_MEDIAN:
        yield f"the median function has {statistics.median(lengths)} lines"


def files_are_short():
    for path, text in SOURCES.items():
        if text.count("\n") > FILE_MOST:
            yield f"{path} has {text.count(chr(10))} lines"
    for path, text in FILES.items():
        if not path.endswith((".c", ".h")) or path.startswith("tests/"):
            continue
        for number, line in enumerate(text.splitlines(), 1):
            if len(line) > LINE_MOST:
                yield f"{path}:{number} has {len(line)} columns"


def nothing_is_left_to_do():
    marks = re.compile(r"\b(TO" r"DO|FIX" r"ME|XX" r"X)\b")
    for path, text in FILES.items():
        if marks.search(text):
            yield f"{path}: {marks.search(text).group(0)}"


def no_path_of_one_machine():
    place = re.compile(r"(?<![\w.$}])/(home|work|root|Users|tmp/wt)/\w")
    for path, text in FILES.items():
        if place.search(text):
            yield f"{path}: {place.search(text).group(0)}"


def packages_are_listed_once():
    for path, text in FILES.items():
        if path not in (".ci/deps", "tests/lint/lint.py") and re.search(r"apt(-get)? (-\S+ )*install|libopenmpi-dev", text):
            yield f"{path} lists packages; .ci/deps is the place"


def readme_has_the_test_command():
    command = re.search(r"^(\.ci/deps && .*meson test -C \S+)", FILES[".ci/run"], re.MULTILINE)
    if not command or command.group(1) not in FILES.get("README.md", ""):
        yield "README.md and .ci/run name different test commands"


def main(compiler):
    checks = [
        stages_include_earlier_stages_only, public_headers_include_earlier_stages_only, every_stage_is_in_the_table, mpi_stays_in_its_folder,
        terminal_and_exit_stay_in_cli, functions_are_short, files_are_short, nothing_is_left_to_do, no_path_of_one_machine,
        packages_are_listed_once, readme_has_the_test_command]
    results = [(check.__name__, list(check())) for check in checks]
    results.append(("public_headers_compile_alone", list(public_headers_compile_alone(compiler))))
    print(f"1..{len(results)}")
    for number, (name, found) in enumerate(results, 1):
        print(f"{'not ' if found else ''}ok {number} - {name}")
        for line in found:
            print(f"# {line}")
    return int(any(found for _, found in results))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
