"""Controls, as Chaos Toolkit really calls them."""

import json
import re

import pytest
from chaoslib.control import validate_controls
from chaoslib.exceptions import InterruptExecution, InvalidControl
from chaoslib.run import Runner
from chaoslib.types import Strategy
from fake_load import START, URL, World

from chaos_go import __version__
from chaos_go.agent.judge import Asked
from chaos_go.agent.place import LocalReach, Place
from chaos_go.controls import evidence
from chaos_go.controls import traffic as traffic_control
from chaos_go.errors import AgentError
from chaos_go.traffic import load
from chaos_go.traffic.contract import Load

LOAD = {"name": "checkout", "load": {"url": URL, "rate_rps": 100}}


def changed(**changes):
    """Return the arguments of the control with other values in the load."""
    return LOAD | {"load": LOAD["load"] | changes}


def python(module, **arguments):
    provider = {"type": "python", "module": f"chaos_go.controls.{module}"}
    return {"name": module, "provider": provider | ({"arguments": arguments} if arguments else {})}


def experiment(*controls, method=()):
    return {
        "title": "t",
        "description": "d",
        "controls": list(controls),
        "method": list(method),
        "rollbacks": [],
    }


def activity(function):
    provider = {"type": "python", "module": __name__, "func": function}
    return {"type": "action", "name": function, "provider": provider}


def run(*controls, method=()):
    with Runner(Strategy.DEFAULT) as runner:
        return runner.run(experiment(*controls, method=method), settings={})


@pytest.fixture
def world(monkeypatch):
    world = World(monkeypatch)
    monkeypatch.setattr(evidence, "_earlier", set())
    global WORLD
    WORLD = world
    yield world
    world.stop_all()


def ten_seconds_pass():
    WORLD.time.go_to(START + 10.9)


def a_fault_is_armed():
    WORLD.arm("users-503", 3)


def the_agent_dies():
    ten_seconds_pass()
    WORLD.leases[0].end("", START + 10, state="lost")


def the_run_is_interrupted():
    WORLD.arm("users-503", 3)
    raise InterruptExecution("enough")


def test_the_load_runs_during_the_experiment_and_is_in_the_journal(world):
    journal = run(python("traffic", **LOAD), method=[activity("ten_seconds_pass")])
    places, spec = world.held[0]
    assert places == [Place("load/checkout", LocalReach())]
    assert spec == load.spec_of("checkout", Load(url=URL, rate_rps=100.0), 3600.0)
    ours = journal["chaos_go"]
    assert (ours["schema"], ours["version"]) == (2, __version__)
    record = ours["traffic"]["checkout"]
    assert len(record["seconds"]) == 10
    assert record["seconds"][0]["intended"] == 100
    assert record["problem"] == ""
    json.dumps(journal)
    assert world.leases[0].stops == 1
    assert load.running() == []


def test_a_load_that_died_is_a_problem_in_the_journal(world):
    journal = run(python("traffic", **LOAD), method=[activity("the_agent_dies")])
    assert "ended (lost) after 10 s" in journal["chaos_go"]["traffic"]["checkout"]["problem"]


def test_a_load_that_does_not_stop_is_a_problem_in_the_journal(world):
    def cannot_stop():
        world.leases[0].fails_to_stop = AgentError("the agent did not end in 7 s")

    world.time.at(START + 10.7, cannot_stop)
    journal = run(python("traffic", **LOAD), method=[activity("ten_seconds_pass")])
    assert "did not end in 7 s" in journal["chaos_go"]["traffic"]["checkout"]["problem"]


def test_two_loads(world):
    other = python("traffic", **(LOAD | {"name": "browse"})) | {"name": "second"}
    journal = run(python("traffic", **LOAD), other, method=[activity("ten_seconds_pass")])
    assert set(journal["chaos_go"]["traffic"]) == {"checkout", "browse"}


@pytest.mark.parametrize(
    ("argument", "value"),
    [
        ("rate", 40),
        ("name", ""),
        ("name", "a\nb"),
        ("name", 7),
        ("name", None),
        ("load", {}),
        ("load", None),
        ("load", URL),
        ("load.rate", 40),
        ("load.url", ""),
        ("load.url", None),
        ("load.url", "nowhere"),
        ("load.method", "post"),
        ("load.headers", {"x y": "hidden"}),
        ("load.headers", {"Content-Length": "hidden"}),
        ("load.body", {"user": "hidden"}),
        ("load.rate_rps", 0),
        ("load.rate_rps", 1e9),
        ("load.rate_rps", "40"),
        ("load.timeout_ms", -1),
        ("load.timeout_ms", 60_001),
        ("load.max_in_flight", 5000),
        ("load.max_in_flight", 1.5),
        ("load.impact", [503]),
        ("load.impact", {"status": 503}),
        ("load.impact", {"statuses": 503}),
        ("load.impact", {"statuses": []}),
        ("load.impact", {"statuses": [99]}),
        ("load.impact", {"timeout": "yes"}),
        ("load.impact", {"timeout": False}),
        ("load.impact", {"json_field": "decision"}),
    ],
)
def test_a_bad_argument_interrupts_the_run_and_fails_validation(world, caplog, argument, value):
    whole, _, key = argument.partition(".")
    control = python("traffic", **(changed(**{key: value}) if key else LOAD | {whole: value}))
    journal = run(control)
    assert journal["status"] == "interrupted"
    told = re.search(f"traffic control: ({argument}[^=]*=.*)", caplog.text)
    assert told
    assert world.held == []
    with pytest.raises(InvalidControl, match=f"^control 'traffic': {argument}.*=") as refusal:
        validate_controls(experiment(control))
    assert "hidden" not in caplog.text + str(refusal.value)
    if value:  # a missing argument has another message before a run
        assert str(refusal.value) == f"control 'traffic': {told[1]}"


@pytest.mark.parametrize(
    "old", ["url", "method", "headers", "body", "rate_rps", "timeout_ms", "max_in_flight", "impact"]
)
def test_an_argument_that_moved_into_the_load_is_refused_with_its_new_name(world, caplog, old):
    control = python("traffic", name="checkout", **{old: "hidden"})
    message = f"{old}: this argument is now load.{old}"
    with pytest.raises(InvalidControl, match=f"^control 'traffic': {message}$"):
        validate_controls(experiment(control))
    assert run(control)["status"] == "interrupted"
    assert f"traffic control: {message}" in caplog.text
    assert "hidden" not in caplog.text
    assert world.held == []


@pytest.mark.parametrize("missing", ["name", "load"])
def test_an_argument_that_is_missing_is_reported_before_the_run(world, missing):
    control = python("traffic", **{key: LOAD[key] for key in LOAD if key != missing})
    with pytest.raises(InvalidControl, match=f"^control 'traffic': {missing}='': give one$"):
        validate_controls(experiment(control))


def test_what_a_control_will_ask_is_known_before_the_run():
    (asked,) = traffic_control.asked(python("traffic", **LOAD))
    assert asked == Asked("load", load.spec_of("checkout", load.read(LOAD["load"])))


@pytest.mark.parametrize("broken", [AgentError("no agent here"), RuntimeError("a mistake")])
def test_a_load_that_cannot_start_interrupts_the_run(world, caplog, broken):
    world.refuses = broken
    assert run(python("traffic", **LOAD))["status"] == "interrupted"
    assert f"traffic control: {broken}" in caplog.text


def test_validation_accepts_valid_arguments(world):
    rule = {"statuses": [503], "json_field": "decision", "json_value": "reject", "timeout": True}
    full = {"method": "POST", "headers": {"a": "b"}, "body": "{}", "timeout_ms": 500}
    validate_controls(
        experiment(
            python("traffic", **changed(**full, max_in_flight=10, impact=rule)),
            python("evidence"),
        )
    )


def test_values_from_the_configuration_are_checked_at_the_start(world):
    from_configuration = changed(url="${shop}/checkout", rate_rps="${rate}")
    validate_controls(experiment(python("traffic", **from_configuration)))
    validate_controls(experiment(python("traffic", name="${name}", load="${load}")))


@pytest.mark.parametrize("module", ["traffic", "evidence"])
def test_a_scope_would_skip_half_of_the_control(module):
    control = python(module, **(LOAD if module == "traffic" else {})) | {"scope": "before"}
    with pytest.raises(InvalidControl, match="scope"):
        validate_controls(experiment(control))


def test_called_twice_it_starts_one_load(world):
    for _ in range(2):
        traffic_control.before_experiment_control({}, **LOAD)
    assert len(world.held) == 1
    with pytest.raises(InterruptExecution, match="runs already"):
        traffic_control.before_experiment_control({}, **changed(rate_rps=7))


def test_stopped_twice_the_record_stays(world):
    traffic_control.before_experiment_control({}, **LOAD)
    ten_seconds_pass_in(world)
    journal = {}
    for _ in range(2):
        traffic_control.after_experiment_control({}, journal, **LOAD)
    assert len(journal["chaos_go"]["traffic"]["checkout"]["seconds"]) == 10


def ten_seconds_pass_in(world):
    world.time.go_to(START + 10.9)


def test_cleanup_stops_a_load_that_a_crash_left(world):
    traffic_control.before_experiment_control({}, **LOAD)
    traffic_control.cleanup_control()
    assert world.leases[0].state == "ended"
    assert load.running() == []


def test_every_fault_is_stopped_and_recorded(world):
    world.arm("early", 1, 2)
    journal = run(python("evidence"), method=[activity("a_fault_is_armed")])
    records = journal["chaos_go"]["faults"]
    assert [(r["id"], r["state"]) for r in records] == [("users-503", "ended")]
    assert [place["place"] for place in records[0]["places"]] == ["port/8081"]


def test_a_load_is_not_recorded_as_a_fault(world):
    journal = run(python("traffic", **LOAD), python("evidence"))
    assert journal["chaos_go"]["faults"] == []
    assert "checkout" in journal["chaos_go"]["traffic"]


def test_a_fault_that_cannot_be_stopped_at_one_place_is_stopped_at_the_others(world):
    stuck, _ = world.arm_at("wide", (1, None), (2, None))
    stuck.fails_to_stop = AgentError("the agent did not end in 5 s")
    (record,) = run(python("evidence"))["chaos_go"]["faults"]
    assert "'wide' could not be stopped: the agent did not end in 5 s" in record["problem"]
    assert [place["state"] for place in record["places"]] == ["armed", "ended"]


def test_an_interrupted_run_is_recorded_too(world):
    controls = (python("traffic", **LOAD), python("evidence"))
    journal = run(*controls, method=[activity("the_run_is_interrupted")])
    assert journal["status"] == "interrupted"
    assert [r["state"] for r in journal["chaos_go"]["faults"]] == ["ended"]
    assert "checkout" in journal["chaos_go"]["traffic"]


def test_a_fault_that_cannot_be_stopped_is_reported_and_the_others_are_stopped(world):
    stuck = world.arm("stuck", 1)
    stuck.fails_to_stop = AgentError("the agent did not end in 5 s")
    other = world.arm("other", 2)
    journal = run(python("evidence"))
    first, second = journal["chaos_go"]["faults"]
    assert "'stuck' could not be stopped" in first["problem"]
    assert first["state"] == "armed"
    assert (second["problem"], other.state) == ("", "ended")


def test_cleanup_stops_faults_that_a_crash_left(world):
    fault = world.arm("users-503", 1)
    evidence.cleanup_control()
    assert fault.state == "ended"


def test_evidence_takes_no_argument(world, caplog):
    control = python("evidence", path="x")
    assert run(control)["status"] == "interrupted"
    assert "path: no such argument" in caplog.text
    with pytest.raises(InvalidControl, match="path: no such argument"):
        validate_controls(experiment(control))
