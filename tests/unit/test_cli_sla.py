"""`chaos go sla`, as people and scripts call it."""

import json
import subprocess
import sys
from pathlib import Path

import pytest
import yaml
from click.testing import CliRunner

from chaos_go.cli import go

CHAOS = Path(sys.executable).with_name("chaos")
# 0.1 % up to 300 ms, then 1.8 % at 500 ms and 5.6 % at 800 ms.
REFERENCE = "dose_ms,n,k\n0,1000,1\n100,1000,1\n300,1000,1\n500,1000,18\n800,1000,56\n"
WITH_P99 = (
    "dose_ms,n,k,p99_ms,p99_low_ms,p99_high_ms\n0,1000,1,60,55,70\n100,1000,1,160,150,175\n"
    "300,1000,1,362,350,380\n500,1000,18,566,550,590\n800,1000,56,870,850,905\n"
)
FLAT = "dose_ms,n,k\n0,1000,9\n100,1000,11\n300,1000,8\n500,1000,10\n800,1000,9\n"


def loads():
    rows = [
        f"{dose},4000,{4 + max(0, dose - knee) // 5},{load}"
        for load, knee in ((20, 500), (80, 300))
        for dose in (0, 100, 200, 400, 600, 800)
    ]
    return "dose_ms,n,k,load_rps\n" + "\n".join(rows)


@pytest.fixture
def file(tmp_path):
    def _file(content=REFERENCE, name="risk.csv"):
        path = tmp_path / name
        if isinstance(content, bytes):
            path.write_bytes(content)
        else:
            path.write_text(content if isinstance(content, str) else json.dumps(content))
        return path

    return _file


def call(*arguments, **options):
    return CliRunner().invoke(go, ["sla", *(str(argument) for argument in arguments)], **options)


def test_fit_prints_the_sentence_the_numbers_and_the_flags(file):
    done = call("fit", file(), "--budget", "1%")
    assert done.exit_code == 0, done.output
    assert "To keep extra rejections below 1 % with 95 % confidence" in done.stdout
    assert "keep the injected delay at or below 379 ms" in done.stdout
    assert "best estimate 45" in done.stdout
    assert "1.07 % to 2.83 %" in done.stdout
    assert "! windows-missing: " in done.stdout
    assert "add a column window" in done.stdout


def test_with_a_p99_the_sentence_is_about_the_p99(file):
    done = call("fit", file(WITH_P99), "--budget", "1%", "--impact", "failures")
    assert "To keep extra failures below 1 % with 95 % confidence, keep P99 at or" in done.stdout
    assert "delay ms" in done.stdout
    assert "P99 ms" in done.stdout


def test_json_is_as_documented_and_has_neither_nan_nor_infinity(file):
    done = call("fit", file(), "--budget", "1%", "--budget", "0.2", "--confidence", "90", "--json")
    told = json.loads(done.stdout, parse_constant=pytest.fail)
    assert set(told) == {"schema", "background", "phi", "fit", "thresholds", "loads"}
    assert [one["budget"] for one in told["thresholds"]] == [0.01, 0.2]
    first, far = told["thresholds"]
    assert set(first) == {
        "budget", "confidence", "estimate_ms", "low_ms", "high_ms", "safe_ms", "verdict", "flags",
        "families",
    }  # fmt: skip
    assert first["confidence"] == 0.9
    assert first["low_ms"] < first["safe_ms"] < first["estimate_ms"] < first["high_ms"]
    assert (far["estimate_ms"], far["verdict"]) == (None, "lower-bound-only")
    assert done.exit_code == 0


def test_without_a_trend_the_exit_code_says_inconclusive(file):
    done = call("fit", file(FLAT), "--budget", "1%")
    assert done.exit_code == (3 if "inconclusive" in done.stdout else 0)
    assert "! no-trend" in done.stdout


def test_if_one_load_has_no_limit_no_limit_holds_for_all(file):
    rows = "0,1000,0,10\n400,1000,50,10\n800,5000,2,10\n1200,5000,500,10\n"
    rows += "0,5000,0,20\n100,5000,3,20\n300,5000,100,20\n500,5000,700,20\n"
    done = call("fit", file("dose_ms,n,k,load_rps\n" + rows), "--budget", "1%", "--json")
    told = json.loads(done.stdout)
    verdicts = [load["thresholds"][0]["verdict"] for load in told["loads"]]
    assert verdicts[0] == told["thresholds"][0]["verdict"] == "inconclusive"
    assert done.exit_code == 3


def test_limits_that_rise_with_the_load_are_reported(file):
    rows = [
        f"{dose},5000,{k},{load}"
        for load, ks in ((10, (0, 1, 59, 420)), (80, (0, 0, 1, 300)))
        for dose, k in zip((0, 300, 600, 1200), ks, strict=True)
    ]
    done = call("fit", file("dose_ms,n,k,load_rps\n" + "\n".join(rows)), "--budget", "1%")
    assert "! The limits rise with the load" in done.stdout
    assert (
        "> Every load was fitted by itself: only the lowest limit holds for all of them, and"
        in done.stdout
    )


def test_standard_input_json_and_a_journal_give_the_same(file):
    rows = [
        dict(zip(("dose_ms", "n", "k"), map(int, line.split(",")), strict=True))
        for line in REFERENCE.split()[1:]
    ]
    journal = {
        "start": "2026-11-20T10:00:00",
        "run": [{"output": {"kind": "ladder", "observations": rows}}],
    }
    budget = ("--budget", "1%", "--json")
    expected = json.loads(call("fit", file(), *budget).stdout)
    assert json.loads(call("fit", "-", *budget, input=REFERENCE).stdout) == expected
    assert json.loads(call("fit", "-", *budget, input=json.dumps(rows)).stdout) == expected
    assert json.loads(call("fit", file(journal, "journal.json"), *budget).stdout) == expected
    for other in (b"\xef\xbb\xbf" + REFERENCE.encode(), REFERENCE.replace("\n", "\r")):
        assert json.loads(call("fit", file(other), *budget).stdout) == expected


@pytest.mark.parametrize(
    ("content", "says"),
    [
        ("", "empty"),
        (b"\x89PNG\r\n\x1a\n\x00\x00", "not UTF-8"),
        (b"\x7fELF\x02\x01\x01\x00\n", "neither CSV nor JSON"),
        (REFERENCE.encode("utf-16"), "neither CSV nor JSON"),
        (REFERENCE.encode() + b"9\xff0,1000,56\n", "line 7=b'9\\xff0,1000,56\\n': not UTF-8"),
        (b"\n\n" + REFERENCE.encode() + b"\xff", "line 9=b'\\xff': not UTF-8"),
        ("\n \n" + REFERENCE + "900,9,10\n", "row 9, column k='10': more than n=9"),
        ("\r\r" + REFERENCE.replace("\n", "\r") + "900,9,10\r", "row 9, column k='10'"),
        (REFERENCE + "900,9,1\r950,9,1\n", "row 7='': no CSV (new-line"),
        ('[{"dose_ms": 0, "n": 9, "n": 8, "k": 1}]', "observations[0].n=[9, 8]: given twice; keep"),
        ("{", "not JSON"),
        ("[" * 100_000, "not JSON"),
        ("{}", 'give a list of rows like [{"dose_ms": 0'),
        ('{"dose_ms": 0}\n{"dose_ms": 1}\n', "one object per line? Put them into a list"),
        (f'[{{"n": {"1" * 5000}}}]', "a number of more than 4300 digits; correct it"),
        ("dose_ms,n,k,,\n0,9,1,,\n", "row 1='': a column without a name; remove it"),
        ('[{"dose_ms": 0, "n": 9, "k": NaN}]', "observations[0].k=nan: give a finite number"),
        ({"run": []}, "no observations in this journal"),
        ("dose_ms,n,k\n0,100,1\n300,100,101\n", "row 3, column k='101': more than n=100"),
        ("dose_ms,n,k\n0,100,9\n300,100,12\n", "budget='1%': without any fault 9 of 100"),
        ("dose_ms,n,k\n0,100,0\n", "dose_ms=0 in every row: no dose above 0; measure at least one"),
    ],
)
def test_bad_input_is_one_line_exit_code_2_and_nothing_written(file, tmp_path, content, says):
    given = file(content)
    picture, slo = tmp_path / "curve.svg", tmp_path / "slo.yaml"
    rest = ("--budget", "1%")
    for done in (
        call("fit", given, *rest),
        call("fit", given, *rest, "--json"),
        call("plot", given, *rest, "-o", picture),
        call("export", given, *rest, "--format", "sloth", "--service", "x", "-o", slo),
    ):
        assert (done.exit_code, done.stdout) == (2, ""), done.output
        assert done.stderr.startswith("error: ")
        assert done.stderr.count("\n") == 1
        assert says in done.stderr
    assert not picture.exists()
    assert not slo.exists()


SLOTH = ("export", "FILE", "--budget", "1%", "--format", "sloth", "--service")


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (("fit", "FILE", "--budget", "1"), "write 1%"),
        (("fit", "FILE", "--budget", "100%"), "less than 100 %"),
        (("fit", "FILE", "--budget", "0%"), "more than 0"),
        (("fit", "FILE"), "--budget"),
        (("fit", "FILE", "--budget", "1%", "--confidence", "100"), "confidence='100'"),
        (
            ("fit", "missing.csv", "--budget", "1%"),
            "file='missing.csv': No such file or directory;",
        ),
        (("fit", ".", "--budget", "1%"), "file='.': Is a directory; give a CSV table"),
        (("plot", "FILE", "--budget", "1%", "-o", "curve.pdf"), "output='curve.pdf'"),
        (("plot", "FILE", "--budget", "1%", "-o", "no/such/place.svg"), "no/such/place.svg"),
        (("export", "FILE", "--budget", "1%", "--format", "x", "--service", "a"), "openslo, sloth"),
        ((*SLOTH, "A"), "service='A'"),
        ((*SLOTH, "a", "--hop", "b\nc: 1"), "hop='b\\nc: 1': give a name in one line"),
        ((*SLOTH, "a", "--hop", " "), "hop=' ': give a name"),
        ((*SLOTH, "a", "--hop-margin", "50"), "hop-margin='50': there is no hop; give --hop"),
        ((*SLOTH, "a", "--selector", "job=risk"), "put the value into double quotes"),
        (
            (*SLOTH, "a", "-o", "no/such/place.yaml"),
            "output='no/such/place.yaml': there is no such directory; make it first",
        ),
        ((*SLOTH, "a", "-o", "."), "output='.': give the name of a file"),
        ((*SLOTH, "a", "-o", "new/"), "output='new/': give the name of a file"),
        ((*SLOTH, "a", "-o", "/proc/x"), "output='/proc/x': No such file or directory; give an"),
        ((*SLOTH, "a", "--budget", "2%"), "budget='1% 2%': an SLO has one limit; give one"),
        ((*SLOTH, "a", "--buckets", "99.999999"), "buckets='99.999999': none of these"),
        (("plot", "FILE", "--budget", "1%", "-o", "a.svg/"), "output='a.svg/': give the name"),
        (("fit", "", "--budget", "1%"), "file='': give the name of a file, or - for standard"),
        (("fit", "FILE", "--budget", "1%", "--p99", "99.999999"), "p99='99.999999': "),
        ((*SLOTH, "a", "-o", ""), "output='': give the name of a file"),
        (("fit", "FILE", "--budget", "1_0%"), "budget='1_0%': no separators: write 10%"),
        (("fit", "FILE", "--budget", "1%", "--impact", "a\nb"), "impact='a\\nb': give a name"),
        (("plot", "FILE", "--budget", "1%", "--impact", "", "-o", "x.svg"), "impact='': give a"),
        (
            ("fit", "FILE", "--budget", "1%", "--p99", "300"),
            "p99='300': the observations do not say at which load they were measured; give load_r",
        ),
        (
            ("fit", "FILE", "--budget", "1%", "--p99", "300", "--json"),
            "p99='300': --json does not print it; leave one of them out",
        ),
    ],
)
def test_bad_arguments_are_reported_with_exit_code_2(file, arguments, says):
    done = call(*(file() if argument == "FILE" else argument for argument in arguments))
    assert done.exit_code == 2, done.output
    assert says in done.stderr


NO_NUMBERS = ["nan", "-1", "", "abc", "1_0", "-inf"]


@pytest.mark.parametrize("text", NO_NUMBERS)
@pytest.mark.parametrize(
    ("option", "rest", "fix"),
    [
        ("p99", ("fit", "FILE", "--budget", "1%"), "give milliseconds, more than 0"),
        (
            "confidence",
            ("fit", "FILE", "--budget", "1%"),
            "give more than 50 and less than",
        ),
        ("hop-margin", (*SLOTH, "a", "--hop", "b"), "give milliseconds, 0 to 1000000"),
        ("buckets", (*SLOTH, "a"), "give upper bounds in seconds, more than 0"),
    ],
)
def test_options_that_are_not_numbers_are_reported_with_their_fix(file, option, rest, fix, text):
    done = call(*(file() if one == "FILE" else one for one in rest), f"--{option}", text)
    assert (done.exit_code, done.stdout) == (2, ""), done.output
    fix = "no separators: write 10" if text == "1_0" else fix
    assert done.stderr.startswith(f"error: {option}={text!r}: {fix}")


@pytest.mark.simulation
def test_a_picture_labels_its_lines_and_axes(file, tmp_path):
    drawing = tmp_path / "curve.svg"
    assert call("plot", file(WITH_P99), "--budget", "1%", "-o", drawing).exit_code == 0
    text = drawing.read_text()
    for part in (
        "observed, 95 %", "average of the models", "95 % band", "each model", "background",
        "budget +1 %", "safe 379 ms", "P99 of the service (ms)", "injected delay (ms)",
    ):  # fmt: skip
        assert part in text, part


@pytest.mark.simulation
@pytest.mark.timeout(180)  # it calculates for seconds, longer on a busy machine
def test_with_several_loads_the_decay_is_drawn_too(file, tmp_path):
    picture = tmp_path / "curve.svg"
    assert call("plot", file(loads()), "--budget", "1%", "-o", picture).exit_code == 0
    text = picture.read_text()
    for part in ("20 requests/s", "80 requests/s", "load (requests/s)", "safe for +1 %"):
        assert part in text, part


@pytest.mark.simulation
def test_the_highest_load_at_which_a_p99_keeps_the_budget_is_printed(file):
    rows = [line.split(",") for line in loads().split()[1:]]
    p99s = "\n".join(",".join([*row, str(int(row[0]) + 50)]) for row in rows)
    given = file("dose_ms,n,k,load_rps,p99_ms\n" + p99s)
    done = call("fit", given, "--budget", "1%", "--p99", "600")
    assert "at 80 requests/s" in done.stdout
    assert "A P99 of 600 ms stays within 1 % up to 20 requests/s." in done.stdout
    done = call("fit", given, "--budget", "1%", "--p99", "5000")
    assert "A P99 of 5000 ms stays within 1 % at no measured load." in done.stdout
    done = call("fit", file(loads()), "--budget", "1%", "--p99", "600")
    assert (done.exit_code, done.stdout) == (2, "")
    assert "p99='600': no P99 was measured at 20 requests/s; give p99_ms for two" in done.stderr


@pytest.mark.simulation
@pytest.mark.timeout(180)  # it calculates for seconds, longer on a busy machine
def test_a_picture_is_drawn_also_where_there_is_no_limit(file, tmp_path):
    for content in (FLAT, "dose_ms,n,k\n0,50,0\n300,50,0\n", "dose_ms,n,k\n0,50,49\n300,50,49\n"):
        picture = tmp_path / "curve.svg"
        done = call("plot", file(content), "--budget", "+1%", "-o", picture)
        assert done.exit_code in (0, 3), done.output
        assert "budget +1 %" in picture.read_text()
        picture.unlink()


def test_an_slo_goes_to_the_file_and_carries_its_date(file, tmp_path):
    rows = [
        dict(zip(("dose_ms", "n", "k"), map(int, line.split(",")), strict=True))
        for line in REFERENCE.split()[1:]
    ]
    journal = {
        "start": "2026-11-20T10:00:00",
        "run": [{"output": {"kind": "ladder", "observations": rows}}],
    }
    slo = tmp_path / "slo.yaml"
    rest = ("--format", "openslo", "--service", "checkout", "--hop", "shop", "-o", slo)
    done = call("export", file(journal, "journal.json"), "--budget", "1%", *rest)
    assert (done.exit_code, done.output) == (0, "")
    assert "measured on 2026-11-20, calculated on " in slo.read_text()
    assert "#   shop: 380 ms" in slo.read_text()
    assert yaml.safe_load(slo.read_text())["kind"] == "SLO"


def test_a_line_break_in_the_name_of_the_file_stays_in_the_comment(file):
    given = file(name="risk\nexpr: 1\x1b.csv")
    done = call("export", given, *SLOTH[2:], "a")
    assert done.exit_code == 0, done.output
    assert r"risk\nexpr: 1\x1b.csv, calculated on" in done.stdout
    assert yaml.safe_load(done.stdout)["service"] == "a"


def test_without_a_safe_limit_nothing_is_exported_and_the_exit_code_is_3(file, tmp_path):
    slo = tmp_path / "slo.yaml"
    rest = ("--format", "openslo", "--service", "checkout", "-o", slo)
    done = call("export", file("dose_ms,n,k\n0,50,49\n300,50,49\n"), "--budget", "+1%", *rest)
    assert (done.exit_code, done.stdout) == (3, "")
    assert done.stderr.startswith("inconclusive: ")
    assert not slo.exists()


def test_chaos_has_the_command(file):
    command = [CHAOS, "--no-version-check", "--no-log-file", "go", "sla", "fit", file()]
    done = subprocess.run(
        [*command, "--budget", "1%"], capture_output=True, text=True, timeout=60, check=False
    )
    assert done.returncode == 0, done.stderr
    assert "To keep extra rejections" in done.stdout
