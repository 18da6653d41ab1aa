"""What all tests share: as root in CI, no integration test may be skipped."""

import os
from collections.abc import Generator

import pytest

NO_SKIPS = os.environ.get("CI") == "true" and os.geteuid() == 0
"""Root may do all that the integration tests need. So a skip there would hide a problem."""


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item, call: pytest.CallInfo[None]
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Turn the skip of an integration test into a failure with the reason."""
    report = yield
    expected = hasattr(report, "wasxfail")
    if NO_SKIPS and report.skipped and not expected and item.get_closest_marker("integration"):
        reason = report.longrepr[2] if isinstance(report.longrepr, tuple) else report.longrepr
        report.outcome = "failed"
        report.longrepr = f"integration tests must not be skipped as root in CI: {reason}"
    return report


@pytest.hookimpl(wrapper=True)
def pytest_make_collect_report(
    collector: pytest.Collector,
) -> Generator[None, pytest.CollectReport, pytest.CollectReport]:
    """Do the same when a whole module of integration tests skips itself."""
    report = yield
    if NO_SKIPS and report.skipped and "integration" in collector.path.parts:
        report.outcome = "failed"
        report.longrepr = f"integration tests must not be skipped as root in CI: {report.longrepr}"
    return report
