"""`make test` runs every test, whatever its markers."""

import os
import shlex
import subprocess
import tomllib
from itertools import pairwise, product
from pathlib import Path

ROOT = Path(__file__).parents[2]
OPTIONS = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["pytest"]["ini_options"]


def selections():
    """Return the marker expression of each run of pytest in `make test`."""
    clean = {name: value for name, value in os.environ.items() if not name.startswith("MAKE")}
    command = ["make", "--dry-run", "test", "ARGS="]
    done = subprocess.run(
        command, cwd=ROOT, env=clean, capture_output=True, text=True, timeout=30, check=True
    )
    runs = [shlex.split(line) for line in done.stdout.splitlines() if " -m pytest " in line]
    for words in runs:
        given = [*OPTIONS["addopts"], *words[words.index("pytest") + 1 :]]
        assert not [word for word in given if word.startswith("tests")], "only some files"
        assert not {"-k", "--deselect", "--ignore"} & set(given)
        yield [after for word, after in pairwise(given) if word == "-m"][-1]


def test_every_combination_of_markers_is_run():
    expressions = list(selections())
    assert len(expressions) == 4
    markers = [marker.split(":")[0] for marker in OPTIONS["markers"]]
    for chosen in product([False, True], repeat=len(markers)):
        having = dict(zip(markers, chosen, strict=True))
        runs = [eval(expression, {}, having) for expression in expressions]
        assert sum(runs) >= 1, having
        assert sum(runs) == 1 or sum(chosen) > 1, having
