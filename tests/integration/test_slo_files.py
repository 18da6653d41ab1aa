"""SLO rules in a real Prometheus rule engine: they are valid, and they fire when they should."""

import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

pytestmark = pytest.mark.integration

CHAOS = Path(sys.executable).with_name("chaos")
OBSERVATIONS = (
    "dose_ms,n,k,p99_ms,p99_low_ms,p99_high_ms\n0,1000,1,60,55,70\n100,1000,1,160,150,175\n"
    "300,1000,1,362,350,380\n500,1000,18,566,550,590\n800,1000,56,870,850,905\n"
)
BUCKETS = ("--buckets", "0.1,0.25,1")


def promtool(*arguments):
    tool = shutil.which("promtool")
    if tool is None:
        pytest.skip("no promtool; it is in Debian's package prometheus")
    command = [tool, *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)


@pytest.fixture
def rules(tmp_path):
    table, path = tmp_path / "risk.csv", tmp_path / "rules.yaml"
    table.write_text(OBSERVATIONS)
    command = [CHAOS, "--no-version-check", "--no-log-file", "go", "sla", "export", table]
    options = ["--budget", "1%", "--format", "prometheus", "--service", "checkout", *BUCKETS]
    done = subprocess.run(
        [*command, *options, "-o", path], capture_output=True, text=True, timeout=60, check=False
    )
    assert done.returncode == 0, done.stderr
    return path


def series(slow_per_100, minutes):
    """Return 100 requests a minute of which some are slow, and those of another service."""
    le, total = f"0+{100 - slow_per_100}x{minutes}", f"0+100x{minutes}"
    metric = "http_request_duration_seconds"
    return [
        {"series": f'{metric}_bucket{{job="checkout",le="0.25"}}', "values": le},
        {"series": f'{metric}_count{{job="checkout"}}', "values": total},
        {"series": f'{metric}_bucket{{job="other",le="0.25"}}', "values": f"0+1x{minutes}"},
        {"series": f'{metric}_count{{job="other"}}', "values": total},
    ]


def check(rules, slow_per_100, minutes, **checks):
    test = {"interval": "1m", "input_series": series(slow_per_100, minutes), **checks}
    path = rules.with_name("test.yaml")
    document = {"rule_files": [str(rules)], "evaluation_interval": "1m", "tests": [test]}
    path.write_text(yaml.safe_dump(document))
    done = promtool("test", "rules", path)
    assert done.returncode == 0, done.stdout + done.stderr


def test_promtool_finds_the_rules_valid(rules):
    done = promtool("check", "rules", rules)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "9 rules found" in done.stdout


def test_recorded_ratios_are_those_of_the_requests(rules):
    checks = [
        {
            "expr": f"round(slo:slow_requests:ratio_rate{window}, 0.001)",
            "eval_time": "400m",
            "exp_samples": [
                {
                    "labels": '{service="checkout",slo="latency"}',
                    "value": 0.2,
                }
            ],
        }
        for window in ("5m", "30m", "1h", "6h")
    ]
    check(rules, slow_per_100=20, minutes=400, promql_expr_test=checks)


@pytest.mark.parametrize(
    ("slow_per_100", "severities"),
    [
        (0, ()),
        (2, ("ticket",)),
        (5, ("ticket",)),
        (8, ("page", "ticket")),
        (40, ("page", "ticket")),
    ],
)
def test_alerts_fire_as_fast_as_the_budget_burns(rules, slow_per_100, severities):
    """1 of 100 requests may be slow: 2 burn the budget at twice the rate, 8 at eight times."""
    alerts = yaml.safe_load(rules.read_text())["groups"][1]["rules"]
    expected = [
        {
            "exp_labels": {"service": "checkout", "slo": "latency", **alert["labels"]},
            "exp_annotations": alert["annotations"],
        }
        for alert in alerts
        if alert["labels"]["severity"] in severities
    ]
    assert len(expected) == len(severities)
    fired = {"eval_time": "500m", "alertname": "LatencyBudgetBurn", "exp_alerts": expected}
    check(rules, slow_per_100, minutes=500, alert_rule_test=[fired])
