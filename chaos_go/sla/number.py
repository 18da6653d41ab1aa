"""Reads numbers from text, and says how to write a text that is no number."""

import re

_COMMA = re.compile(r"[+-]?\d*,\d+\s*%?")
_THOUSANDS = re.compile(r"[+-]?[1-9]\d{0,2},\d{3}")
_SEPARATORS = re.compile(r"(?<=\d)[_',\s](?=\d)")


def read(text: str) -> float:
    """Read a number, which may be infinite or NaN.

    Raises:
        ValueError: The text is no number. Underscores between digits are refused, although Python
            accepts them: in a file or an option they are a typing error.
    """
    if "_" in text:
        raise ValueError(text)
    return float(text)


def fix(text: str) -> str | None:
    """Return how to write a number that has commas or separators; None for any other text."""
    bare = text.strip()
    if _COMMA.fullmatch(bare):
        dotted = bare.replace(",", ".")
        if _THOUSANDS.fullmatch(bare):
            return f"no commas: write {bare.replace(',', '')}, or {dotted} for a fraction"
        return f"no decimal comma: write {dotted}"
    plain = _SEPARATORS.sub("", bare)
    if plain != bare and plain.rstrip(" %").replace(".", "", 1).lstrip("+-").isdecimal():
        return f"no separators: write {plain}"
    return None
