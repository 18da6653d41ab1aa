"""chaos_go is Python although its name says Go: a Chaos Toolkit extension for Go services.

The Go code of this project is elsewhere: `agent/` is the program that injects faults and drives
load, `demo/` is the shop that the experiments break. ARCHITECTURE.md has the map.
"""

from typing import Any

__version__ = "0.1.0"
__all__ = ["ACTIVITY_MODULES", "__version__", "discover"]

ACTIVITY_MODULES = {
    "chaos_go.faults": "action",
    "chaos_go.faults.http": "action",
    "chaos_go.ladder": "action",
    "probes.traffic": "probe",
    "probes.http": "probe",
    "chaos_go.controls.traffic": "control",
    "chaos_go.controls.evidence": "control",
}
"""Every module whose ``__all__`` a user can name in an experiment, and what is in it.

The one list: `chaos discover`, docs/reference/activities.md and the tests read it.
"""


def discover(discover_system: bool = True) -> dict[str, Any]:  # noqa: ARG001 - chaoslib passes it
    """List every action, probe and control for ``chaos discover --no-install chaostoolkit-go``.

    Args:
        discover_system: chaoslib passes it; there is no system to look at, only activities.
    """
    # Here and not above: the CLI plugin imports this package on every `chaos` command.
    from chaoslib.discovery.discover import discover_activities, initialize_discovery_result

    result: dict[str, Any] = initialize_discovery_result("chaostoolkit-go", __version__, "go")
    for module, kind in ACTIVITY_MODULES.items():
        result["activities"].extend(discover_activities(module, kind))
    return result
