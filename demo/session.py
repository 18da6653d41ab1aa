"""What the runs on the shop have in common: the folder of the results, `chaos run`, the verdict."""

import contextlib
import fcntl
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from types import FrameType

import processes

SETUP_ERROR = 4
INTERRUPTED = 130
ROLLBACK_GRACE_S = 20.0


class SetupError(Exception):
    """The experiment could not begin. The message says how to fix it."""


@contextlib.contextmanager
def alone_in(out: Path) -> Iterator[None]:
    """Lock the folder against other runs; the kernel releases the lock when this process ends.

    Raises:
        SetupError: Another run writes to the folder.
    """
    out.mkdir(parents=True, exist_ok=True)
    folder = os.open(out, os.O_RDONLY | os.O_DIRECTORY)
    try:
        try:
            fcntl.flock(folder, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            fix = "let it end, or give --out DIR"
            raise SetupError(f"another run writes to {out}; {fix}") from None
        yield
    finally:
        os.close(folder)


def journal_in(out: Path) -> Path:
    """Return the path of the journal of a run; what an earlier run wrote there is removed."""
    journal = out / "journal.json"
    for old in (journal, _picture(journal)):
        old.unlink(missing_ok=True)
    return journal


def chaos_run(
    experiment: Path,
    journal: Path,
    options: Sequence[str] = (),
    *,
    prefix: Sequence[str] = (),
    environment: Mapping[str, str] | None = None,
) -> None:
    """Run `chaos run`. Its exit code is ignored: the verdict comes from the journal.

    Args:
        experiment: YAML file of the experiment.
        journal: The journal to write.
        options: Further options of `chaos run`.
        prefix: A command that runs another one, to which it gives way: `chaos run` follows it.
        environment: Environment of the process; that of this one by default.
    """
    command = [*prefix, *chaos(journal), "run", "--rollback-strategy", "always"]
    command += ["--journal-path", str(journal), *options, str(experiment)]
    process = processes.start(command, own_group=True, environment=environment)
    try:
        process.wait()
    except KeyboardInterrupt:
        # In its own process group it gets no Ctrl-C from the terminal, so it gets exactly one
        # SIGINT from here, and then runs its rollbacks.
        process.send_signal(signal.SIGINT)
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(ROLLBACK_GRACE_S)
        raise
    finally:
        if process.poll() is None:
            processes.stop(process, ROLLBACK_GRACE_S)


def judge(journal: Path) -> int:
    """Print the verdict and draw the picture; return the exit code of the verdict.

    Raises:
        SetupError: There is no journal.
    """
    if not journal.exists():
        raise SetupError(f"chaos wrote no journal; see {_log(journal)} for the reason")
    command, picture = chaos(journal), _picture(journal)
    verdict = subprocess.run([*command, "go", "verdict", str(journal)], check=False)
    drawn = subprocess.run([*command, "go", "plot", str(journal), "-o", str(picture)], check=False)
    say(f"journal: {journal}" + (f", picture: {picture}" if drawn.returncode == 0 else ""))
    return verdict.returncode


def chaos(journal: Path) -> list[str]:
    """Return the command of Chaos Toolkit that belongs to this Python, with its global options.

    Raises:
        SetupError: There is no such command.
    """
    beside = Path(sys.executable).with_name("chaos")
    found = str(beside) if beside.exists() else shutil.which("chaos")
    if not found:
        raise SetupError(f"no command `chaos` beside {sys.executable}; install with: pip install .")
    return [found, "--no-version-check", "--log-file", str(_log(journal))]


def found_in(out: Path) -> str:
    """Return where the journal of an interrupted run is, as the end of a sentence."""
    journal = out / "journal.json"
    return f"; what was measured is in {journal}" if journal.exists() else ""


def exit_on_sigterm() -> None:
    """End this process by an exception when it gets SIGTERM, so that everything is stopped."""
    signal.signal(signal.SIGTERM, _exit)


def say(text: str) -> None:
    """Print a line of progress."""
    print(f"demo: {text}", flush=True)


def _exit(number: int, _frame: FrameType | None) -> None:
    raise SystemExit(128 + number)


def _picture(journal: Path) -> Path:
    return journal.with_name("timeline.png")


def _log(journal: Path) -> Path:
    return journal.with_name("chaos.log")
