"""Observations from JSON: rows, and the journal of a run with a ladder."""

import json

import pytest

from chaos_go.errors import BadInputError
from chaos_go.sla import records
from chaos_go.sla.observations import Baseline

ROWS = [
    {"dose_ms": 0, "n": 100, "k": 1, "load_rps": 20.0, "window": 1, "p99_ms": None},
    {"dose_ms": 300, "n": 100, "k": 7, "load_rps": 20.0, "window": 1, "p99_ms": 340.5},
    {"dose_ms": 0, "n": 100, "k": 2, "load_rps": 20.0, "window": 2, "p99_ms": None},
]
NOTED = [row | {"start_unix_s": 1.5, "timeouts": 0} for row in ROWS]
LADDER = {"kind": "ladder", "name": "risk", "observations": NOTED}


def levels(document):
    return [(one.dose_ms, one.n, one.k, one.p99_ms) for one in records.read(document).levels]


@pytest.mark.parametrize(
    "document",
    [
        ROWS,
        {"observations": ROWS},
        LADDER,
        {"run": [{"output": None}, {"output": LADDER}]},
        {"run": [], "chaos_go": {"ladders": [LADDER]}},
        {"chaos_go": {"ladders": {"risk": LADDER}}},
    ],
    ids=["list", "object", "ladder", "run", "interrupted", "by name"],
)
def test_rows_are_found_in_every_kind_of_document(document):
    assert levels(document) == [(0, 200, 3, None), (300, 100, 7, 340.5)]
    assert records.read(document).windowed
    assert records.read(document).baselines == (Baseline(20.0, 100, 1, 100, 2),)


DOUBLED = '{"dose_ms": 0, "n": 100, "k": 1, "n": 200}'


@pytest.mark.parametrize(
    ("text", "says"),
    [
        (
            f'[{{"dose_ms": 9, "n": 9, "k": 1}}, {DOUBLED}]',
            "observations[1].n=[100, 200]: given twice;",
        ),
        (f'{{"observations": [{DOUBLED}]}}', "observations[0].n=[100, 200]: given twice; keep"),
        ('{"observations": [], "observations": [1]}', "file.observations=[[], [1]]: given twice"),
        (
            f'{{"run": [{{"output": {{"kind": "ladder", "observations": [{DOUBLED}]}}}}]}}',
            "run[0].observations[0].n=[100, 200]: given twice",
        ),
        (
            '{"run": [{"output": {"kind": "ladder", "name": 1, "name": 2, "observations": [1]}}]}',
            "run[0].name=[1, 2]: given twice",
        ),
    ],
)
def test_a_duplicate_key_is_refused(text, says):
    with pytest.raises(BadInputError) as caught:
        records.read(json.loads(text, object_pairs_hook=records.mapping))
    assert says in str(caught.value)


def test_other_parts_of_a_journal_may_have_duplicate_keys():
    journal = {"run": [{"output": "HERE"}, {"output": LADDER}]}
    text = json.dumps(journal).replace('"HERE"', '{"a": 1, "a": 2}')
    assert levels(json.loads(text, object_pairs_hook=records.mapping)) == levels(ROWS)


def test_a_ladder_that_is_in_the_journal_twice_counts_once():
    journal = {"run": [{"output": LADDER}], "chaos_go": {"ladders": [LADDER]}}
    assert levels(journal) == levels(ROWS)


@pytest.mark.parametrize(
    ("document", "says"),
    [
        ([{"n": 9, "k": 1}], "observations[0]='n,k': no column dose_ms: dose_ms is the injected"),
        ([{"dose_ms": None, "n": 9, "k": 1}], "observations[0].dose_ms=None: not given. dose_ms"),
        ([{"dose_ms": "1_0", "n": 9, "k": 1}], "dose_ms='1_0': no separators: write 10"),
        ({"run": [{"output": 3}, {"output": {"kind": "x"}}]}, "no observations in this journal"),
        ({"run": [], "chaos_go": {"faults": []}}, "no observations in this journal"),
        ({"chaos_go": {"ladders": [LADDER, LADDER]}}, "more than one ladder"),
        ({"title": "an experiment"}, "neither observations nor a journal"),
        (3, "file=3: give a list of rows"),
        ([], "observations=[]: give a list of rows"),
        ([1], "observations[0]=1: give an object"),
        ([{"dose_ms": 0, "k": 1}], "observations[0]='dose_ms,k': no column n"),
        ([{"dose_ms": 0, "n": 9, "k": 1, "wndow": 1}], "observations[0]='wndow': unknown"),
        ([{"dose_ms": 0, "n": 9, "k": 10}], "observations[0].k=10: more than n=9"),
        ([{"dose_ms": True, "n": 9, "k": 1}], "observations[0].dose_ms=True: give a number"),
        ([{"dose_ms": float("nan"), "n": 9, "k": 1}], "dose_ms=nan: give a finite number"),
        ([{"dose_ms": 0, "n": 10**400, "k": 1}], "observations[0].n=1000"),
        ([{"dose_ms": 0, "n": None, "k": 1}], "observations[0].n=None: not given"),
        ([{"dose_ms": 0, "n": [9], "k": 1}], "observations[0].n=[9]: give a number"),
        (
            [{"dose_ms": 0, "n": 9, "k": 1}, {"dose_ms": 5, "n": 9, "k": 1, "load_rps": 3}],
            "observations[1].load_rps=3: give load_rps in every row, or in none",
        ),
        (
            [{"dose_ms": 0, "n": 9, "k": 1, "window": 1}, {"dose_ms": 5, "n": 9, "k": 1}],
            "observations[1].window=None: give window in every row, or in none",
        ),
    ],
)
def test_bad_documents_are_refused(document, says):
    with pytest.raises(BadInputError) as caught:
        records.read(document)
    assert says in str(caught.value)
