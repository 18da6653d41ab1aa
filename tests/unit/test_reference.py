"""The generated reference matches the code, and the check notices when it does not."""

import importlib
import re
import sys
from pathlib import Path

import pytest
import yaml

ROOT = Path(__file__).parents[2]


@pytest.fixture
def reference(monkeypatch):
    monkeypatch.syspath_prepend(str(ROOT / "scripts"))
    return importlib.import_module("reference")


def test_every_activity_and_argument_is_on_the_page(reference):
    page = reference.activities_page()
    for module, kind in reference.activity_modules().items():
        assert f"### `{module}`" in page
        if kind != "control":
            for name in sys.modules[module].__all__:
                assert f"#### `{name}`" in page
    rows = [line for line in page.splitlines() if line.startswith("| `")]
    assert len(rows) > 20
    assert [row for row in rows if row.endswith("|  |")] == [], "an argument without a meaning"


def test_every_activity_that_declares_permissions_has_its_roles_on_the_page(reference):
    page = reference.rbac_page()
    blocks = re.findall(r"```yaml\n(.*?)```", page, re.DOTALL)
    roles = [role for block in blocks for role in yaml.safe_load_all(block)]
    assert {role["kind"] for role in roles} == {"Role", "ClusterRole"}
    assert all(rule["verbs"] and rule["resources"] for role in roles for rule in role["rules"])
    declaring = [
        f"{module}.{name}"
        for module in reference.activity_modules()
        for name in sys.modules[module].__all__
        if hasattr(getattr(sys.modules[module], name), "permissions")
    ]
    assert "chaos_go.faults.pods.kill" in declaring
    assert [name for name in declaring if f"`{name}`" not in page] == []


@pytest.mark.parametrize("name", ["activities.md", "rbac.md"])
def test_check_notices_a_stale_page(reference, monkeypatch, tmp_path, capsys, name):
    monkeypatch.setattr(reference, "ROOT", tmp_path)
    monkeypatch.setattr(reference, "REFERENCE", tmp_path / "docs")
    assert reference.main(["--check"]) == 1
    assert reference.main([]) == 0
    assert reference.main(["--check"]) == 0
    with (tmp_path / "docs" / name).open("a") as page:
        page.write("by hand")
    capsys.readouterr()
    assert reference.main(["--check"]) == 1
    assert capsys.readouterr().err == f"docs/{name} is stale: run `make docs`, commit it\n"
