"""What all tests share: as root in CI, no integration test and no e2e test may be skipped."""

import os
from collections.abc import Generator

import pytest

NO_SKIPS = os.environ.get("CI") == "true" and os.geteuid() == 0
"""Root may do all that these tests need. So a skip there would hide a problem."""
MUST_RUN = ("integration", "e2e")
"""Markers of the tests, and names of their folders."""
SENTENCE = "integration and e2e tests must not be skipped as root in CI"


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item, call: pytest.CallInfo[None]
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Turn the skip of such a test into a failure with the reason."""
    report = yield
    expected = hasattr(report, "wasxfail")
    must_run = any(item.get_closest_marker(marker) for marker in MUST_RUN)
    if NO_SKIPS and report.skipped and not expected and must_run:
        reason = report.longrepr[2] if isinstance(report.longrepr, tuple) else report.longrepr
        report.outcome = "failed"
        report.longrepr = f"{SENTENCE}: {reason}"
    return report


@pytest.hookimpl(wrapper=True)
def pytest_make_collect_report(
    collector: pytest.Collector,
) -> Generator[None, pytest.CollectReport, pytest.CollectReport]:
    """Do the same when a whole module of them skips itself."""
    report = yield
    if NO_SKIPS and report.skipped and set(MUST_RUN) & set(collector.path.parts):
        report.outcome = "failed"
        report.longrepr = f"{SENTENCE}: {report.longrepr}"
    return report
