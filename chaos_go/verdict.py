"""The verdict of a run, judged from its journal alone, so that it can be judged again at any time.

The exit code of Chaos Toolkit is not a verdict: a baseline that was not met, a failed action and a
failed rollback all exit with 0. Here the worst finding decides, in this order:

- ``unsafe``: a fault, or what a rollback should have undone, may still be in place.
- ``setup-error``: a fault could not be put in place, or the file is not a journal.
- ``inconclusive``: the question was not answered. The baseline was not met or not measured, a probe
  failed (which says nothing about the service), a fault touched no request or ended early, ...
- ``violated``: a probe gave a number outside its tolerance, after or during the method.
- ``held``: none of the above, the hypothesis was met before and after, and every fault has a
  record. A ladder (`chaos_go.ladder`) measures a curve. It needs no hypothesis, but it must be
  complete.
"""

import json
import math
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from chaos_go.errors import BadInputError, shorten

EXIT_CODES = {"held": 0, "violated": 1, "inconclusive": 2, "unsafe": 3, "setup-error": 4}
_WORST_FIRST = ("unsafe", "setup-error", "inconclusive", "violated", "held")
_FAULTS, _EVIDENCE = "chaos_go.faults", "chaos_go.controls.evidence"
_SCHEMA = 2
_OLDER_SCHEMA = 1  # one place per fault: the record of the fault is that of the place
_NEEDED = ("experiment", "status", "steady_states", "run", "rollbacks")
_CLEAN_ENDS = ("stop", "deadline")
_LADDER, _WHOLE_LADDERS = "chaos_go.ladder", ("levels-done", "design-done", "abort", "max-impacted")
_RAISED = "chaoslib.exceptions.ActivityFailed: "

Finding = tuple[str, str]
"""An outcome and the reason for it. The reason of ``held`` is a check that passed."""

_Object = dict[str, Any]


@dataclass(frozen=True)
class Verdict:
    """What a run says about its hypothesis.

    Attributes:
        outcome: One of held, violated, inconclusive, unsafe and setup-error.
        reasons: The reasons for the outcome, one line each, the worst first.
    """

    outcome: str
    reasons: list[str]

    @property
    def exit_code(self) -> int:
        """Exit code of ``chaos go verdict``."""
        return EXIT_CODES[self.outcome]


def judge(journal: dict[str, Any]) -> Verdict:
    """Judge a run from its journal.

    Args:
        journal: The journal as Chaos Toolkit wrote it, with the section ``chaos_go`` of our
            controls.
    """
    missing = [key for key in _NEEDED if key not in journal]
    if missing:
        return _no_journal(f"it has no {', '.join(missing)}")
    try:
        findings = [
            *_judge_run(journal),
            *_judge_hypothesis(journal),
            *_judge_method(journal),
            *_judge_faults(journal),
            *_judge_ladders(journal),
            *_judge_rollbacks(journal),
        ]
    except (ArithmeticError, AttributeError, LookupError, TypeError, ValueError) as error:
        # The journal has a value of another type than Chaos Toolkit writes.
        return _no_journal(f"it is damaged ({error!r})")
    findings.sort(key=lambda finding: _WORST_FIRST.index(finding[0]))
    return Verdict(findings[0][0], [reason for _, reason in findings])


def read(path: str) -> dict[str, Any]:
    """Read a journal from a file.

    Raises:
        BadInputError: The file cannot be read or is not a JSON object. The message tells why.
    """
    try:
        journal = json.loads(Path(path).read_text(encoding="utf-8"))
    except OSError as error:
        fix = f"{error.strerror}; give the file that `chaos run --journal-path` wrote"
        raise BadInputError("journal", path, fix) from error
    except ValueError as error:
        fix = f"not JSON ({error}); a run that was killed leaves a partial journal, run it again"
        raise BadInputError("journal", path, fix) from error
    if not isinstance(journal, dict):
        fix = "not a JSON object; give the file that `chaos run --journal-path` wrote"
        raise BadInputError("journal", path, fix)
    return journal


def _no_journal(why: str) -> Verdict:
    fix = "give the file that `chaos run --journal-path` wrote"
    return Verdict("setup-error", [f"this is not a journal of Chaos Toolkit: {why}; {fix}"])


def _judge_run(journal: _Object) -> Iterator[Finding]:
    """Judge how the run as a whole ended."""
    status, states = journal.get("status"), journal["steady_states"]
    checks = [states.get("before"), states.get("after"), *(states.get("during") or [])]
    # A hypothesis that was not met also makes the status "failed". It is a finding of its own.
    explained = status == "failed" and any(_state_of(check) == "not met" for check in checks)
    if status != "completed" and not explained:
        yield "inconclusive", f"the run did not complete: its status is {status}; run it again"
    dry = journal["experiment"].get("dry") or [
        run["activity"].get("name") for run in journal["run"] if run["activity"].get("dry")
    ]
    if dry:
        yield "inconclusive", f"dry run ({_say(dry)}): not everything was really done"
    schema = journal.get("chaos_go", {}).get("schema", _SCHEMA)
    if schema not in (_SCHEMA, _OLDER_SCHEMA):
        fix = "judge it with the release of chaostoolkit-go that wrote it"
        yield "inconclusive", f"chaos_go.schema={schema}: this release reads {_SCHEMA}; {fix}"


def _judge_hypothesis(journal: _Object) -> Iterator[Finding]:
    """Judge every check of the hypothesis."""
    hypothesis = journal["experiment"].get("steady-state-hypothesis") or {}
    if not hypothesis.get("probes"):
        if _ladder_runs(journal):
            return
        yield "inconclusive", "the experiment has no hypothesis with probes: add what should hold"
        return
    states = journal["steady_states"]
    before, after = states.get("before"), states.get("after")
    yield from _judge_check("before the method (baseline)", before, "inconclusive")
    if _state_of(before) != "not met":  # otherwise the method did not run
        yield from _judge_check("after the method", after, "violated")
    seen: set[str] = set()
    for number, check in enumerate(states.get("during") or [], 1):
        for finding in _judge_check(f"during the method (check {number})", check, "violated"):
            probe = _name(_last_probe(check))
            if finding[0] != "held" and probe not in seen:
                seen.add(probe)
                yield finding


def _judge_check(when: str, check: _Object | None, outcome_outside: str) -> Iterator[Finding]:
    """Judge one check of the hypothesis.

    Args:
        when: When the hypothesis was checked, for the reason.
        check: The check in the journal; None when it is missing.
        outcome_outside: The outcome when a number is outside its tolerance.
    """
    state = _state_of(check)
    if check is None:
        why = "the run ended before that, or its hypothesis strategy leaves it out"
        yield "inconclusive", f"hypothesis not checked {when}: {why}"
    elif state == "met":
        values = ", ".join(f"{_name(run)} = {_say(run.get('output'))}" for run in check["probes"])
        yield "held", f"hypothesis met {when}: {values}"
    elif state == "unfinished":
        yield "inconclusive", f"the check {when} did not finish"
    elif (probe := _last_probe(check)).get("status") == "succeeded":
        value, tolerance = _say(probe.get("output")), probe["activity"].get("tolerance")
        outside = f"{_name(probe)} = {value}, outside its tolerance {_say_tolerance(tolerance)}"
        yield outcome_outside, f"hypothesis not met {when}: {outside}"
    else:
        yield "inconclusive", f"hypothesis not measured {when}: {_name(probe)}: {_error(probe)}"


def _judge_method(journal: _Object) -> Iterator[Finding]:
    """Judge the activities of the method, unless it did not run because of the baseline."""
    if _state_of(journal["steady_states"].get("before")) == "not met":
        return
    runs, declared = journal["run"], journal["experiment"].get("method") or []
    for run in runs:
        what = f"{run['activity'].get('type')} {_name(run)} of the method"
        if run.get("status") == "failed":
            outcome = "setup-error" if _is_fault(run) else "inconclusive"
            yield outcome, f"{what} failed: {_error(run)}"
        elif run.get("status") != "succeeded":
            yield "inconclusive", f"{what} did not finish"
    if len(runs) < len(declared):
        yield "inconclusive", f"only {len(runs)} of {len(declared)} activities of the method ran"
    if not any(run["activity"].get("type") == "action" for run in runs):
        yield "inconclusive", "no action of the method ran: nothing was broken"


def _judge_rollbacks(journal: _Object) -> Iterator[Finding]:
    """Judge the rollbacks. Only our own records can prove that one was not needed."""
    records = _records(journal)
    for run in journal["rollbacks"]:
        if run.get("status") == "succeeded":
            continue
        proven = _module(run).startswith(_FAULTS) and _has_evidence(journal)
        how = f"failed: {_error(run)}" if run.get("status") == "failed" else "did not finish"
        if proven and all(_is_gone(place) for record in records for place in record["places"]):
            yield "inconclusive", f"rollback {_name(run)} {how}; every fault is over nevertheless"
        else:
            yield "unsafe", f"rollback {_name(run)} {how}; check that what it should undo is undone"


def _judge_faults(journal: _Object) -> Iterator[Finding]:
    """Judge what the faults did and that they are over."""
    records = _records(journal)
    for record in records:
        yield from _judge_record(record)
    known = {record.get("id") for record in records}
    for run in journal["run"]:
        output = run.get("output")
        name = output.get("id") if isinstance(output, dict) else None
        in_place = run.get("status") == "succeeded"
        if not _is_fault(run) or run.get("status") == "failed" or (in_place and name in known):
            continue
        if not in_place and _has_evidence(journal):
            continue  # it was interrupted before it was armed: otherwise it would have a record
        outcome = "inconclusive" if journal.get("status") == "completed" else "unsafe"
        fix = f"declare the control {_EVIDENCE} at the top level of the experiment"
        if _has_evidence(journal):
            fix = "the control that writes it was declared; chaostoolkit.log tells why it did not"
        yield outcome, f"no record of what {_name(run)} did and whether it is over; {fix}"


def _judge_record(record: _Object) -> Iterator[Finding]:
    """Judge whether one fault is over everywhere, and whether it did something."""
    problems = [finding for place in record["places"] if (finding := _judge_place(record, place))]
    yield from problems
    for violation in record.get("violations") or []:
        yield "violated", f"fault {record['id']}: {violation}"
    fault, said = f"fault {record['id']} at {_places(record)}", record.get("said", "")
    if not record["places"]:
        yield "unsafe", f"fault {record['id']} may still be in place: its record names no place"
        return
    if problems:
        return
    lasted_s = record["ended_unix_s"] - record["armed_unix_s"]
    if record.get("effect") is not True:
        why = f": {record['problem']}" if record.get("problem") else ""
        yield "inconclusive", f"{fault} touched nothing ({said}){why}; {record.get('advice', '')}"
    elif record.get("problem"):
        yield "inconclusive", f"{fault} had a problem: {record['problem']}"
    elif lasted_s < 0:
        why = f"it ended at one {-lasted_s:.1f} s before it was armed at another"
        yield "inconclusive", f"{fault} was never at all of its places at once: {why}"
    else:
        untouched = ", ".join(record.get("untouched") or [])
        more = f"; nothing was touched at {untouched}" if untouched else ""
        yield "held", f"{fault}: {said} in {lasted_s:.1f} s{more}"


def _judge_place(record: _Object, place: _Object) -> Finding | None:
    """Return what is wrong with a fault at one place; None if it is over and ended when asked."""
    fault = f"fault {record.get('id')} at {place.get('place')}"
    problem = f": {place['problem']}" if place.get("problem") else ""
    if not _is_gone(place):
        fix = place.get("fix") or "end process chaos-agent there"
        return "unsafe", f"{fault} may still be in place{problem}; {fix}"
    if place.get("state") == "lost":
        how = "is over" if place.get("exit_code") is not None else _gone_by(place)
        return "inconclusive", f"{fault} {how}, but its agent was lost{problem}"
    if place.get("reason") not in _CLEAN_ENDS or place.get("exit_code") not in (0, None):
        how = f"reason {place.get('reason')}, exit code {place.get('exit_code')}"
        return "inconclusive", f"{fault} ended unasked ({how}){problem}"
    if problem:
        return "inconclusive", f"{fault} had a problem{problem}"
    return None


def _gone_by(place: _Object) -> str:
    """Return after how many seconds the lease of a lost agent has ended the fault, as text."""
    left_s = place["gone_by_unix_s"] - place["ended_unix_s"]
    return f"is gone {left_s:.0f} s after it was last heard of, since nobody renews its lease"


def _judge_ladders(journal: _Object) -> Iterator[Finding]:
    """Judge whether each ladder is complete, with the baseline before and after the doses."""
    if not _ladder_runs(journal):
        return
    if not _has_evidence(journal):
        outcome = "inconclusive" if journal.get("status") == "completed" else "unsafe"
        fix = f"declare the control {_EVIDENCE} at the top level of the experiment"
        yield outcome, f"no record of the faults of the ladder and whether they are over; {fix}"
        return
    ladders = journal["chaos_go"].get("ladders", [])
    if not ladders and any(run.get("status") != "failed" for run in _ladder_runs(journal)):
        fix = "see chaostoolkit.log, and run it again"
        yield "inconclusive", f"no record of what the ladder measured; {fix}"
    for ladder in ladders:
        rows = ladder["observations"]
        doses = len({row["dose_ms"] for row in rows})
        seen = (
            f"{sum(row['n'] for row in rows)} transactions in {len(rows)} windows of {doses} doses"
        )
        what = f"ladder {ladder['name']} ({seen}) ended with {ladder['stopped']}: {ladder['why']}"
        phases = {level["phase"] for level in ladder["levels"] if level["n"]}
        if ladder["stopped"] not in _WHOLE_LADDERS:
            fix = "; `chaos go sla fit` shows what the windows so far say" if doses > 1 else ""
            yield "inconclusive", what + fix
        elif not {"baseline-before", "dosed", "baseline-after"} <= phases:
            yield "inconclusive", f"{what}; it has no {'baseline' if 'dosed' in phases else 'dose'}"
        else:
            yield "held", f"{what}; `chaos go sla fit` calculates a limit from it"


def _is_gone(place: _Object) -> bool:
    """Return whether a fault is over at a place: undone, or ended with its agent or lease."""
    times = [place.get("armed_unix_s"), place.get("ended_unix_s")]
    if not all(isinstance(time_s, int | float) and math.isfinite(time_s) for time_s in times):
        return False
    has_an_end = place.get("exit_code") is not None or place.get("gone_by_unix_s") is not None
    return place.get("state") == "ended" or (place.get("state") == "lost" and has_an_end)


def _places(record: _Object) -> str:
    return ", ".join(str(place.get("place")) for place in record["places"])


def _records(journal: _Object) -> list[_Object]:
    """Return the records of the faults; those of the older schema are converted to this one."""
    ours = journal.get("chaos_go", {})
    records: list[_Object] = ours.get("faults", [])
    return [_upgraded(x) for x in records] if ours.get("schema") == _OLDER_SCHEMA else records


def _upgraded(record: _Object) -> _Object:
    """Convert a record of schema 1. In it every fault is on HTTP requests and has one place."""
    totals = record.get("totals") or {}
    done = [f"{totals[x]} {x}" for x in ("aborted", "delayed", "modified") if totals.get(x)]
    matched = f"{totals.get('matched', 0)} of {totals.get('seen', 0)} requests matched"
    advice = "see that traffic reaches it and that path, method and headers match"
    return record | {"places": [record], "said": ", ".join([matched, *done]), "advice": advice}


def _has_evidence(journal: _Object) -> bool:
    """Return whether all faults have a record: the control was declared and has written."""
    controls = journal["experiment"].get("controls") or []
    declared = any((item.get("provider") or {}).get("module") == _EVIDENCE for item in controls)
    return declared and "chaos_go" in journal


def _state_of(check: _Object | None) -> str:
    """Return ``met``, ``not met`` or ``unfinished``; a missing check is unfinished, too."""
    if check is None or check.get("steady_state_met") is None:
        return "unfinished"
    return "met" if check["steady_state_met"] is True else "not met"


def _last_probe(check: _Object | None) -> _Object:
    """Return the run of the last probe of a check."""
    probes = (check or {}).get("probes") or [{"activity": {}}]
    last: _Object = probes[-1]
    return last


def _is_fault(run: _Object) -> bool:
    """Return whether an activity puts one of our faults in place."""
    provider = run["activity"].get("provider") or {}
    return _module(run).startswith(_FAULTS) and provider.get("func") != "stop"


def _ladder_runs(journal: _Object) -> list[_Object]:
    return [run for run in journal["run"] if _module(run) == _LADDER]


def _module(run: _Object) -> str:
    return str((run["activity"].get("provider") or {}).get("module", ""))


def _name(run: _Object) -> str:
    return str(run["activity"].get("name"))


def _error(run: _Object) -> str:
    """Return the last line of an exception, without the class names that come before it."""
    text = str((run.get("exception") or ["no reason on record"])[-1]).strip()
    while text.startswith(_RAISED):
        text = text.removeprefix(_RAISED)
    return shorten(text, 400)


def _say(value: object) -> str:
    return f"{value:.6g}" if isinstance(value, float) else shorten(json.dumps(value, default=str))


def _say_tolerance(tolerance: object) -> str:
    bounds = tolerance.get("range") if isinstance(tolerance, dict) else tolerance
    if isinstance(bounds, list) and len(bounds) == 2:
        return f"{_say(bounds[0])} to {_say(bounds[1])}"
    return _say(tolerance)
