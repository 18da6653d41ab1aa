"""Runs the command line of the laboratory: `tests/cluster/cluster` calls this file."""

import sys
from pathlib import Path

sys.path.append(str(Path(__file__).resolve().parents[2] / "scripts"))  # for container_image

from laboratory.command import main

main()
