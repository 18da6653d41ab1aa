"""Runs the command line of the laboratory: `tests/cluster/cluster` calls this file."""

from laboratory.command import main

main()
