"""SLO files: their content, and that they conform to OpenSLO and Sloth."""

import json
from pathlib import Path

import jsonschema
import pytest

from chaos_go.errors import BadInputError, NotEnoughDataError
from chaos_go.sla.answer import Answer, Fit, Load, P99Limit, Threshold
from chaos_go.sla.export import FORMATS, Names, Source, comments, objective
from chaos_go.sla.observations import Level, Observations
from chaos_go.sla.timeouts import Timeout, chain

FIXTURES = Path(__file__).parents[1] / "fixtures"
SOURCE = Source("risk.csv", "calculated on 2026-11-26", "1.2.3")
SEEN = Observations((Level(0, 1000, 1), Level(500, 1000, 18, p99_ms=540, p99_low_ms=530)), True)
THRESHOLD = Threshold(0.01, 0.95, 451.2, 374.1, 511.0, 381.9, "bounded", ("windows-missing",), ())
P99 = P99Limit(470.0, 390.0, 540.0, 399.99)


def answer(p99=P99, **changes):
    threshold = Threshold(**{**THRESHOLD.__dict__, "p99": p99, **changes})
    return Answer(0.001, 1.0, Fit(0, 1, 1), (threshold,))


def slo(given=None, service="checkout", metric="http_seconds", selector=None, buckets=()):
    return objective(given or answer(), SEEN, Names(service, metric, selector, tuple(buckets)))


@pytest.mark.parametrize(
    ("kind", "schema"),
    [
        ("openslo", "openslo-v1-slo.schema.json"),
        ("sloth", "sloth-prometheus-v1.schema.json"),
    ],
)
def test_files_conform_to_their_specification(kind, schema):
    rules = json.loads((FIXTURES / schema).read_text())
    for made in (slo(), slo(service="a" * 63), slo(answer(None), buckets=[0.1, 1])):
        jsonschema.validate(FORMATS[kind](made), rules)


def test_the_schemas_refuse_fields_that_are_not_defined():
    for kind, schema, path in (
        ("openslo", "openslo-v1-slo.schema.json", ("spec", "indicator", "spec", "ratioMetric")),
        ("sloth", "sloth-prometheus-v1.schema.json", ("slos", 0, "sli", "events")),
    ):
        document = json.loads(json.dumps(FORMATS[kind](slo())))
        part = document
        for key in path:
            part = part[key]
        part["misspelt"] = 1
        with pytest.raises(jsonschema.ValidationError):
            jsonschema.validate(document, json.loads((FIXTURES / schema).read_text()))


def test_the_limit_is_the_safe_p99_rounded_down():
    assert (slo().limit_ms, slo().bucket_s, slo().p99_measured) == (399, 0.399, True)


def test_without_a_p99_the_injected_delay_stands_in_and_the_file_says_so():
    made = slo(answer(None))
    assert (made.limit_ms, made.p99_measured) == (381, False)
    assert "The P99 was not measured" in comments(made, SOURCE)
    assert "The P99 was not measured" not in comments(slo(), SOURCE)


def test_the_next_bucket_below_is_taken_and_the_file_says_so():
    made = slo(buckets=[0.1, 0.25, 0.5, 1])
    assert made.bucket_s == 0.25
    assert 'le="0.25", the next bucket of the histogram below the limit' in comments(made, SOURCE)
    assert slo(buckets=[0.25, 0.399]).bucket_s == 0.399
    assert "must have exactly this bucket" in comments(slo(), SOURCE)


def test_a_whole_second_is_found_in_both_spellings():
    made = slo(buckets=[2], given=answer(P99Limit(3000.0, 2500.0, 4000.0, 2600.0)))
    query = FORMATS["openslo"](made)["spec"]["indicator"]["spec"]["ratioMetric"]["good"]
    assert 'le=~"2([.]0)?"' in query["metricSource"]["spec"]["query"]


def two_loads(low, high):
    """Return an answer of two loads, and what was seen."""
    loads = (Load(20, 0.001, (low,)), Load(80, 0.002, (high,)))
    seen = Observations((Level(0, 500, 1, load_rps=20), Level(0, 700, 2, load_rps=80)), True)
    return Answer(0.002, 1.0, Fit(0, 1, 1), (high,), loads), seen


def test_of_several_loads_the_lowest_p99_is_the_slo():
    """The delay allows less at a higher load, but the service is slower there to begin with."""
    slow = answer(P99Limit(550.0, 480.0, 590.0, 491.0)).thresholds[0]
    low = answer(P99Limit(313.0, 292.0, 334.0, 295.0)).thresholds[0]
    made = objective(*two_loads(low, slow), Names("checkout", "m", None))
    assert (made.limit_ms, made.background) == (295, 0.001)
    assert "from 500 transactions at 20 requests/s" in comments(made, SOURCE)


def test_without_a_p99_at_every_load_the_lowest_of_what_there_is_is_the_slo():
    low, high = (
        answer(P99Limit(300.0, 200.0, 350.0, 210.0)).thresholds[0],
        answer(None).thresholds[0],
    )
    made = objective(*two_loads(low, high), Names("checkout", "m", None))
    assert (made.limit_ms, made.p99_measured, made.background) == (210, True, 0.001)
    low = answer(P99Limit(470.0, 390.0, 540.0, 399.9)).thresholds[0]
    made = objective(*two_loads(low, high), Names("checkout", "m", None))
    assert (made.limit_ms, made.p99_measured, made.background) == (381, False, 0.002)


def test_a_bound_is_written_as_in_the_query():
    made = slo(buckets=[0.1234567, 0.5])
    query = FORMATS["openslo"](made)["spec"]["indicator"]["spec"]["ratioMetric"]["good"]
    assert 'le="0.1234567"' in query["metricSource"]["spec"]["query"]
    assert 'le="0.1234567", the next bucket' in comments(made, SOURCE)


def test_several_loads_give_the_slo_of_the_highest():
    low, high = answer().thresholds[0], answer(P99Limit(300.0, 200.0, 350.0, 210.0)).thresholds[0]
    made = objective(*two_loads(low, high), Names("checkout", "m", None))
    assert (made.limit_ms, made.background) == (210, 0.002)
    assert "from 700 transactions at 80 requests/s" in comments(made, SOURCE)


def test_the_comments_carry_curve_interval_n_and_date():
    text = comments(slo(), SOURCE, [Timeout("shop", 440)])
    assert all(line.startswith("#") for line in text.splitlines())
    for part in (
        "P99 at or below 399 ms",
        "From risk.csv, calculated on 2026-11-26, by chaos_go 1.2.3",
        "below 1 % with 95 % confidence, keep P99 at or below 399 ms (best estimate 470, 390-540)",
        "background of 0.1 %",
        "flag windows-missing",
        "from 2000 transactions",
        "1.8 %  540 (530 to -)",
        "shop: 440 ms",
    ):
        assert part in text, part


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"service": "Checkout Service"}, "service="),
        ({"service": "a" * 64}, "service="),
        ({"metric": "http-seconds"}, "metric="),
        ({"metric": "http_seconds_bucket"}, "metric='http_seconds_bucket': give"),
        (
            {"buckets": [0.5, 1]},
            "buckets='0.5,1': none of these seconds is at or below the limit of 0.399 s",
        ),
    ],
)
def test_bad_names_are_refused(changes, says):
    with pytest.raises(BadInputError) as caught:
        slo(**changes)
    assert says in str(caught.value)


@pytest.mark.parametrize(
    ("selector", "says"),
    [
        ("job=risk", "no matcher at job=risk: put the value into double quotes"),
        ('job="risk', 'no matcher at job="risk: a double quote is not closed'),
        ('job="a" env="b"', 'no comma before env="b"; give label matchers without braces'),
        ('job="a",,env="b"', 'no matcher at ,env="b"'),
        ('job="x"} or up{', "no comma before } or up{"),
        ('{job="x"}', 'no matcher at {job="x"}: give label matchers without braces'),
        ('job=="x"', 'no matcher at job=="x"'),
        ('1st="x"', 'no matcher at 1st="x"'),
        (r'path=~"/a/\d+"', "in a value, write each backslash twice"),
        ('job=~"a{1001}"', "a{1001} is not a regular expression: RE2 repeats at most 1000 times"),
        ('path=~"/a/("', "/a/( is not a regular expression"),
        ('job="a\nb"', "no matcher"),
        ('le="0.5"', "le: the bucket is chosen by the limit and --buckets; leave it out"),
        ('__name__="x"', "__name__: give the name of the histogram as --metric"),
        ('job="{{x}}"', "{{ begins a template of Sloth"),
    ],
)
def test_a_selector_that_prometheus_would_refuse_is_refused(selector, says):
    with pytest.raises(BadInputError) as caught:
        slo(selector=selector)
    assert caught.value.field == "selector"
    assert says in caught.value.fix


@pytest.mark.parametrize(
    "selector",
    [
        "",
        'job="risk",env!="test",',
        'job = "risk" , path=~"/a/[0-9]{2}" , path!~".*/(b|c)"',
        r'path=~"/a/\\d+",name="\"x\" \u00e9 \x41"',
        "job='risk',path=~`/a/\\d+`",
        'path="/("',
    ],
)
def test_a_selector_that_prometheus_accepts_is_in_the_queries(selector):
    document = FORMATS["sloth"](slo(selector=selector))
    query = document["slos"][0]["sli"]["events"]["error_query"]
    assert f"http_seconds_bucket{{{selector.strip().rstrip(',')}" in query


@pytest.mark.parametrize(
    "changes",
    [{"verdict": "inconclusive"}, {"p99": None, "safe_ms": None}, {"p99": None, "safe_ms": 0.0}],
)
def test_without_a_safe_limit_there_is_no_slo(changes):
    with pytest.raises(NotEnoughDataError, match="no safe limit, so no SLO"):
        slo(answer(**changes))


def test_the_innermost_hop_waits_the_limit_and_the_others_longer():
    assert chain(399, ["edge", "shop", "risk"]) == [("edge", 480), ("shop", 440), ("risk", 400)]
    assert chain(50, ["shop", "risk"]) == [("shop", 60), ("risk", 50)]
    assert chain(400, ["shop", "risk"], margin_ms=100) == [("shop", 500), ("risk", 400)]
    assert chain(400, []) == []
