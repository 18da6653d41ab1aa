"""`chaos discover` and `chaos info`, as they see the installed distribution."""

import importlib
import inspect
import json
import os
import pkgutil
import subprocess
import sys
from pathlib import Path

import pytest

import chaos_go
import probes
from chaos_go import activity_modules, discover, faults

CHAOS = Path(sys.executable).with_name("chaos")


@pytest.mark.parametrize("seed", ["0", "1", "2", "3"])
def test_discover_finds_us_whatever_the_hash_seed(seed, tmp_path):
    command = [CHAOS, "--no-version-check", "--no-log-file", "discover", "--no-install"]
    done = subprocess.run(
        [*command, "--discovery-path", tmp_path / "d.json", "chaostoolkit-go"],
        env={**os.environ, "PYTHONHASHSEED": seed},
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    found = json.loads((tmp_path / "d.json").read_text())
    names = {(activity["mod"], activity["name"]) for activity in found["activities"]}
    assert {
        ("chaos_go.faults.http", "abort"),
        ("chaos_go.faults", "stop"),
        ("probes.traffic", "p99_ms"),
        ("probes.recovery", "requests_lost"),
        ("probes.http", "error_rate"),
        ("chaos_go.controls.evidence", "after_experiment_control"),
    } <= names


def test_every_argument_has_a_plain_type_and_every_activity_a_text():
    activities = discover()["activities"]
    for activity in activities:
        name = f"{activity['mod']}.{activity['name']}"
        assert activity["doc"], name
        assert activity.get("return_type") != "object", name
        for argument in activity["arguments"]:
            assert argument.get("type", "object") != "object", f"{name}: {argument['name']}"
    assert {activity["type"] for activity in activities} == {"action", "probe", "control"}


def test_everything_exported_is_a_function_that_discover_lists():
    for module, kind in activity_modules().items():
        exported = set(importlib.import_module(module).__all__)
        listed = {x["name"] for x in discover()["activities"] if x["mod"] == module}
        assert listed == exported, module
        assert kind in ("action", "probe", "control")


def test_every_module_of_activities_is_listed():
    """A module under faults or probes whose ``__all__`` has functions belongs into the list."""
    for package in (faults, probes):
        for found in pkgutil.iter_modules(package.__path__, package.__name__ + "."):
            module = importlib.import_module(found.name)
            if any(inspect.isfunction(getattr(module, x)) for x in getattr(module, "__all__", ())):
                assert found.name in activity_modules()


def test_both_top_level_packages_have_discover():
    """Chaos Toolkit asks whichever top-level package comes first."""
    assert probes.discover is chaos_go.discover


def test_info_lists_the_extension():
    done = subprocess.run(
        [CHAOS, "--no-version-check", "--no-log-file", "info", "extensions"],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    line = next(x for x in done.stdout.splitlines() if x.startswith("chaostoolkit-go"))
    assert line.split()[1:4] == [chaos_go.__version__, "Apache-2.0", "Go"]
