"""The command line that all benchmarks have."""

import argparse
from collections.abc import Iterable
from pathlib import Path


def read(description: str, quick: str, subjects: Iterable[str], page: Path) -> argparse.Namespace:
    """Read the command line.

    Args:
        description: What the benchmark measures.
        quick: What the option ``--quick`` does.
        subjects: What can be measured alone.
        page: The page that a whole run writes by default.

    Returns:
        ``quick``, ``only`` (a subject or None) and ``page`` (None when no page is written).
    """
    parser = argparse.ArgumentParser(description=description)
    parser.add_argument("--quick", action="store_true", help=f"{quick}, no page")
    parser.add_argument("--only", choices=tuple(subjects), help="one subject, no page")
    parser.add_argument("--page", type=Path, help="file for the page; default: docs/reference")
    options = parser.parse_args()
    if options.page is None and not options.quick and not options.only:
        options.page = page
    return options
