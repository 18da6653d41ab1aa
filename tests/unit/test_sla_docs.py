"""The guide says what the program says."""

from pathlib import Path

from click.testing import CliRunner

from chaos_go.cli import go
from chaos_go.sla import answer, words
from chaos_go.sla.export import FORMATS

GUIDE = Path(__file__).parents[2] / "docs" / "guide"


def test_every_flag_is_explained_in_the_output_and_in_the_guide():
    assert tuple(words.FLAGS) == answer.FLAGS
    text = (GUIDE / "sla.md").read_text()
    for flag, (means, fix) in words.FLAGS.items():
        assert f"| `{flag}` | {means} | {fix} |" in text


def test_every_format_and_verdict_is_in_the_guide():
    text = (GUIDE / "sla.md").read_text()
    for word in (*FORMATS, *answer.VERDICTS):
        assert f"`{word}`" in text


def test_the_output_in_the_guide_is_what_the_command_prints():
    done = CliRunner().invoke(go, ["sla", "fit", str(GUIDE / "risk.csv"), "--budget", "1%"])
    assert done.output in (GUIDE / "sla.md").read_text()


def test_the_table_in_the_guide_is_the_file():
    assert (GUIDE / "risk.csv").read_text() in (GUIDE / "sla.md").read_text()
