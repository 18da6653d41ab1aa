"""chaos_go is Python although its name says Go: a Chaos Toolkit extension for Go services.

The Go code of this project is elsewhere: `agent/` is the program that injects faults and drives
load, `demo/` is the shop that the experiments break. ARCHITECTURE.md has the map.
"""

from pathlib import Path
from typing import Any

__version__ = "0.1.0"
__all__ = ["__version__", "activity_modules", "discover"]


def activity_modules() -> dict[str, str]:
    """Return every module that a user can name in an experiment, and what is in it.

    `chaos discover`, docs/reference/activities.md and the tests read this list. Each file of
    `chaos_go.faults` and of `probes` is part of it, unless its name begins with an underscore: a
    new fault or probe is found without being listed anywhere.
    """
    here = Path(__file__).parent
    faults = {f"chaos_go.faults.{name}": "action" for name in _files(here / "faults")}
    probes = {f"probes.{name}": "probe" for name in _files(here.parent / "probes")}
    return {
        "chaos_go.faults": "action",
        **faults,
        "chaos_go.ladder": "action",
        **probes,
        "chaos_go.controls.traffic": "control",
        "chaos_go.controls.evidence": "control",
    }


def _files(package: Path) -> list[str]:
    names = [file.stem for file in package.glob("*.py")]
    return sorted(name for name in names if not name.startswith("_"))


def discover(discover_system: bool = True) -> dict[str, Any]:  # noqa: ARG001 - chaoslib passes it
    """List every action, probe and control for ``chaos discover --no-install chaostoolkit-go``.

    Args:
        discover_system: Passed by chaoslib; there is no system to look at, only activities.
    """
    # Here and not above: the CLI plugin imports this package on every `chaos` command.
    from chaoslib.discovery.discover import discover_activities, initialize_discovery_result

    result: dict[str, Any] = initialize_discovery_result("chaostoolkit-go", __version__, "go")
    for module, kind in activity_modules().items():
        result["activities"].extend(discover_activities(module, kind))
    return result
