"""Observations from CSV: valid tables, errors and their messages, and the memory."""

import tracemalloc

import pytest

from chaos_go.errors import BadInputError
from chaos_go.sla import table
from chaos_go.sla.observations import Baseline, Level

HEAD = "dose_ms,n,k\n"


def read(text):
    return table.read(text.splitlines(keepends=True))


def refusal(text):
    with pytest.raises(BadInputError) as caught:
        read(text)
    assert "\n" not in str(caught.value)
    return str(caught.value)


def test_windows_of_a_level_are_summed_up_with_what_the_dispersion_needs():
    seen = read("dose_ms,n,k,window\n0,100,1,1\n300,100,4,1\n300,50,3,2\n0,100,2,2\n")
    assert seen.windowed
    assert seen.levels == (
        Level(0, 200, 3, windows=2, squares=1 / 100 + 4 / 100),
        Level(300, 150, 7, windows=2, squares=16 / 100 + 9 / 50),
    )


def test_without_a_column_window_the_rows_are_not_windows():
    assert not read(HEAD + "0,100,1\n300,100,4\n").windowed


def test_columns_may_be_in_any_order_and_levels_too():
    seen = read("k,dose_ms,load_rps,n\n9,500,20,100\n1,0,10,100\n2,0,20,100\n5,250.5,10,100\n")
    assert [(one.load_rps, one.dose_ms, one.k) for one in seen.levels] == [
        (10, 0, 1),
        (10, 250.5, 5),
        (20, 0, 2),
        (20, 500, 9),
    ]


@pytest.mark.parametrize(
    "text",
    [
        "\ufeffdose_ms,n,k\n0,100,1\n300,100,4\n",
        "dose_ms;n;k\n0;100;1\n300;100;4\n",
        "dose_ms\tn\tk\n0\t100\t1\n300\t100\t4\n",
        "\n Dose_ms , N , K \n\n 0 , 100 , 1 \r\n300.0,1e2,4\n\n",
        'dose_ms,n,k\n"0","100","1"\n"300","100","4"',
        '"dose_ms", "n", "k"\n"0" , "100", 1\n300, 100, "4"\n',
        "dose_ms,n,k\n0,100,1\n,,\n300,100,4\n   \n, ,\n,\n",
    ],
    ids=["bom", "semicolons", "tabs", "blanks", "quotes", "blank and quote", "empty rows"],
)
def test_what_spreadsheets_write_is_read(text):
    assert [(one.dose_ms, one.n, one.k) for one in read(text).levels] == [
        (0, 100, 1),
        (300, 100, 4),
    ]


def test_the_same_level_in_different_words_is_one_level():
    seen = read(HEAD + "0,10,1\n0.0,10,1\n1e2,10,1\n100,10,1\n")
    assert [(one.dose_ms, one.n) for one in seen.levels] == [(0, 20), (100, 20)]


def test_baselines_are_the_zero_rows_before_the_first_and_after_the_last_dose():
    rows = "0,10,1\n0,10,2\n100,10,3\n0,10,4\n200,10,5\n0,10,6\n0,10,7\n"
    seen = read(HEAD + rows)
    assert seen.baselines == (Baseline(None, 20, 3, 20, 13),)
    assert seen.levels[0].k == 1 + 2 + 4 + 6 + 7


def test_every_load_has_its_own_baselines():
    rows = "0,10,1,5\n0,10,2,9\n100,10,3,5\n100,10,3,9\n0,10,4,5\n"
    seen = read("dose_ms,n,k,load_rps\n" + rows)
    assert seen.baselines == (Baseline(5, 10, 1, 10, 4), Baseline(9, 10, 2, 0, 0))


def test_the_p99_of_windows_is_their_mean_weighted_by_transactions():
    head = "dose_ms,n,k,window,p99_ms,p99_low_ms,p99_high_ms\n"
    seen = read(head + "0,100,1,1,50,40,60\n300,300,1,1,340,330,360\n300,100,1,2,360,350,370\n")
    level = seen.levels[1]
    assert (level.p99_ms, level.p99_low_ms, level.p99_high_ms) == (345, 335, 362.5)


def test_one_window_without_an_upper_limit_leaves_the_level_without_one():
    head = "dose_ms,n,k,window,p99_ms,p99_low_ms,p99_high_ms\n"
    seen = read(head + "0,100,1,1,,,\n300,100,1,1,340,330,360\n300,100,1,2,2000,350,\n")
    assert seen.levels[0].p99_ms is None
    assert (seen.levels[1].p99_ms, seen.levels[1].p99_high_ms) == (1170, None)


@pytest.mark.parametrize(
    ("rows", "says"),
    [
        ("0,100,1\n300,100,101\n", "row 3, column k='101': more than n=100"),
        ("0,100,1\n300,0,0\n", "row 3, column n='0': nothing was observed"),
        ("0,100,1\n300,,4\n", "row 3, column n='': not given"),
        ("0,100,1\n300,1.8%,4\n", "row 3, column n='1.8%': a percentage"),
        ("0,100,1.8%\n", "row 2, column k='1.8%': a percentage"),
        ("0,100,1.5\n", "row 2, column k='1.5': give a whole number"),
        ("0,100,-1\n", "row 2, column k='-1': give a number of at least 0"),
        ("0,-100,1\n", "row 2, column n='-100': give a number of at least 0"),
        ("0,100,1\n-5,100,4\n", "row 3, column dose_ms='-5': give a number of at least 0"),
        ("0,100,1\nslow,100,4\n", "row 3, column dose_ms='slow': give a number"),
        ("0,100,1\n300ms,100,4\n", "without a unit"),
        ("0,100,1\n,100,4\n", "row 3, column dose_ms='': not given"),
        ("0,100,1\nnan,100,4\n", "row 3, column dose_ms='nan': give a finite number"),
        ("0,100,1\n300,inf,4\n", "row 3, column n='inf': give a finite number"),
        ("0,100,1\n1e999,100,4\n", "row 3, column dose_ms='1e999': give a finite number"),
        ("0,100,1\n300," + "9" * 5000 + ",4\n", "row 3, column n='999"),
        ("0,100,1\n300,100\n", "row 3='300,100': 2 values for 3 columns"),
        ("0,100,1\n300,5,100,4\n", "row 3='300,5,100,4': 4 values for 3 columns"),
        ("0,100,1\n300,1_000,4\n", "row 3, column n='1_000': no separators: write 1000"),
        ("0,100,1\n300,1 000,4\n", "row 3, column n='1 000': no separators: write 1000"),
        ('0,100,1\n300,"1,000",4\n', "column n='1,000': no commas: write 1000, or 1.000 for a"),
        ("0,100,1\n,100,4\n", "dose_ms='': not given. dose_ms is the injected delay in millisec"),
        ("0,100,1\n, ,4\n", "row 3, column dose_ms='': not given. dose_ms is"),
        (
            '0,100,1\n300,"100,4\n500,100,4\n600,100,4\n',
            "row 3='300,100,4': this row opens a quote",
        ),
        ('0,100,1\n300,"100,4\n500,"100",4\n', "row 3='300,100,4': this row opens a quote"),
        ("0,9,1\n" + '300,9,"4\n' + "500,9,4\n" * 30_000, "row 3='': no CSV (field larger"),
        ('0,100,1\n300,"100,4\n', "row 3='300,100,4': this row opens a quote and"),
        ('0,100,1\n300,"100,4', "row 3='300,100,4': this row opens a quote and"),
        ("0,100,1\n1e10,100,4\n", "row 3, column dose_ms='1e10': give milliseconds, at most 1e+09"),
        (f"0,100,1\n300,{10**15 + 1},4\n", "column n='1000000000000001': give at most 1e+15"),
        (
            f"0,100,1\n300,{10**15},4\n300,9,4\n",
            "n=1000000000000009: in all rows of dose_ms=300; give at most 1e+15",
        ),
        ("0,100,1\n300\n", "row 3='300': 1 values for 3 columns"),
        ("100,100,1\n300,100,4\n", "dose_ms=[100.0, 300.0]: no row with dose 0"),
        ("", "no row"),
    ],
)
def test_bad_rows_are_reported_with_row_column_and_value(rows, says):
    assert says in refusal(HEAD + rows)


def test_an_open_quote_hides_no_row_of_a_known_level():
    rows = '0,100,1,a\n0,100,1,"b\n300,100,4,c"\n'
    assert "row 3='0,100,1,b': this row opens a quote and" in refusal("dose_ms,n,k,window\n" + rows)


@pytest.mark.parametrize("blank", ["\n\n", "\ufeff\n \n", "\r\n\t\r\n"])
def test_rows_are_counted_as_an_editor_does_after_blank_lines_too(blank):
    assert "row 5, column k='101'" in refusal(f"{blank}{HEAD}0,100,1\n300,100,101\n")
    assert "row 3='dose,n,k'" in refusal(f"{blank}dose,n,k\n0,100,1\n")
    assert "row 3='dose_ms,n,k" in refusal(f'{blank}dose_ms,n,"k\n0,100,1\n')


@pytest.mark.parametrize("row", ["0,100,101", "0,0,0", "0,100,-1", "0,99.5,1", "0,,1", "0,100"])
def test_bad_rows_are_found_at_a_level_that_was_there_before_too(row):
    assert "row 4" in refusal(HEAD + f"0,100,1\n0,100,2\n{row}\n")


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("", "empty"),
        ("\n\n", "empty"),
        ("dose_ms,n,k,n\n0,1,1,1\n", "row 1='n': given twice"),
        ("dose_ms,n,k,windw\n0,1,1,1\n", "row 1='windw': unknown column"),
        ("dose_ms,n,k,\n0,1,1,\n", "row 1='': a column without a name; remove it"),
        ("dose_ms,k\n0,1\n", "no column n: n is the number of transactions"),
        ("dose_ms,percent\n0,1.8\n", "a percentage alone has no interval"),
        (
            "dose_ms;n;k\n0;100;1\n300,5;100;4\n",
            "column dose_ms='300,5': no decimal comma: write 300.5",
        ),
        (
            "dose_ms,n,k,load_rps\n0,100,1,20\n0,100,1,\n",
            "row 3, column load_rps='': give the load",
        ),
        (
            "dose_ms,n,k,load_rps\n0,100,1,20\n50,100,1,20\n50,100,1,40\n",
            "no row with dose 0 at load_rps=40",
        ),
        ("dose_ms,n,k,p99_ms,p99_low_ms\n0,9,1,50,60\n", "column p99_low_ms='60': above p99_ms=50"),
        (
            "dose_ms,n,k,p99_ms,p99_high_ms\n0,9,1,50,40\n",
            "column p99_high_ms='40': below p99_ms=50",
        ),
        (
            "dose_ms,n,k,p99_low_ms\n0,9,1,60\n",
            "column p99_low_ms='60': a limit without a P99; give p99_ms",
        ),
        ('dose_ms,n,k\n0,"' + "1" * 200_000 + '",1\n', "no CSV"),
        ("dose_ms,n,k\r0,100,1\r", "row 1='': no CSV"),
        ("0,100,1\n", "no column dose_ms: dose_ms is the injected delay"),
    ],
)
def test_bad_tables_are_refused(text, says):
    with pytest.raises(BadInputError) as caught:
        table.read(text.split("\n") if "\r" not in text else [text])
    assert says in str(caught.value)


def test_memory_depends_on_the_levels_and_not_on_the_rows():
    def rows(count):
        yield "dose_ms,n,k,window\n"
        for at in range(count):
            yield f"{at * 8 // count * 100},1000,{at % 9},{at}\n"

    peaks = []
    for count in (2_000, 50_000):
        tracemalloc.start()
        seen = table.read(rows(count))
        peaks.append(tracemalloc.get_traced_memory()[1])
        tracemalloc.stop()
        assert sum(level.windows for level in seen.levels) == count
    assert peaks[1] < peaks[0] + 20_000, peaks
