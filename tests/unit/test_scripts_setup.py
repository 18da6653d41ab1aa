"""What `scripts/setup` refuses before it changes anything. `make setup` tests the rest."""

import shutil
import subprocess
from pathlib import Path

ROOT = Path(__file__).parents[2]


def test_a_link_to_the_venv_of_another_checkout_is_refused(tmp_path):
    here, there = tmp_path / "here", tmp_path / "there"
    (here / "scripts").mkdir(parents=True)
    there.mkdir()
    script = shutil.copy(ROOT / "scripts" / "setup", here / "scripts")
    (here / ".venv").symlink_to(there)
    # PATH has no program that could set anything up if the check failed.
    (tmp_path / "bin").mkdir()
    for name in ("dirname", "readlink"):
        (tmp_path / "bin" / name).symlink_to(str(shutil.which(name)))
    done = subprocess.run(
        [str(shutil.which("bash")), script],
        env={"PATH": str(tmp_path / "bin"), "HOME": str(tmp_path)},
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert done.returncode == 1
    assert done.stderr == (
        f"setup: .venv is a link to {there}, which would be changed there; "
        "remove the link: rm .venv\n"
    )
    assert list(there.iterdir()) == []
