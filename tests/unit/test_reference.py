"""The generated reference matches the code, and the check notices when it does not."""

import importlib
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]


@pytest.fixture
def reference(monkeypatch):
    monkeypatch.syspath_prepend(str(ROOT / "scripts"))
    return importlib.import_module("reference")


def test_every_activity_and_argument_is_on_the_page(reference):
    page = reference.page()
    for module, kind in reference.activity_modules().items():
        assert f"### `{module}`" in page
        if kind != "control":
            for name in sys.modules[module].__all__:
                assert f"#### `{name}`" in page
    rows = [line for line in page.splitlines() if line.startswith("| `")]
    assert len(rows) > 20
    assert [row for row in rows if row.endswith("|  |")] == [], "an argument without a meaning"


def test_check_notices_a_stale_page(reference, monkeypatch, tmp_path, capsys):
    monkeypatch.setattr(reference, "ROOT", tmp_path)
    monkeypatch.setattr(reference, "PAGE", tmp_path / "docs" / "activities.md")
    assert reference.main(["--check"]) == 1
    assert reference.main([]) == 0
    assert reference.main(["--check"]) == 0
    with reference.PAGE.open("a") as page:
        page.write("by hand")
    assert reference.main(["--check"]) == 1
    assert "run `make docs`" in capsys.readouterr().err


def test_sections_of_a_docstring(reference):
    text = "What.\n\nMore.\n\nArgs:\n    a: one\n        two\n    b: three\n\nRaises:\n    E: why."
    sections = reference.split(text)
    assert sections[""] == "What.\n\nMore."
    assert sections["Raises"] == "    E: why."
    assert dict(reference._entries(sections["Args"])) == {"a": "one\n        two", "b": "three"}


def test_an_unknown_option_is_refused(reference, capsys):
    assert reference.main(["--chekc"]) == 2
    assert "--check" in capsys.readouterr().err
