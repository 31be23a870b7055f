"""The text files that published datasets come with: identities between commas, and `path label` a line.

Whatever cannot be read is refused, all faults of a file at once.
"""

from collections.abc import Sequence
from pathlib import Path

from ..errors import BrokenLabels
from ..files import contained

LISTED = 3
"""As many places are named in an error; of the others the number."""


def read_ids(path: Path) -> list[str]:
    """Identities of a file of numbers between commas, as four digits. Raises BrokenLabels."""
    words = text_of(path).replace(",", " ").split()
    wrong = [word for word in words if not word.isdecimal()]
    if wrong:
        fix = "restore the file; it holds numbers between commas"
        raise BrokenLabels("not a list of identities", where=str(path), why=f"it holds {some(wrong)}", fix=fix)
    return [f"{int(word):04d}" for word in words]


def read_names(path: Path) -> list[str]:
    """Names, one a line; they may hold spaces. Raises BrokenLabels."""
    return [line.strip() for line in text_of(path).splitlines() if line.strip()]


def read_rows(root: Path, lists: Sequence[str]) -> list[list[tuple[str, str]]]:
    """Of each list its places, relative to the root, with their labels. Raises BrokenLabels, EscapingPath."""
    found, faults = [], []
    for name in lists:
        rows = []
        for number, line in enumerate(text_of(root / name).splitlines(), start=1):
            words = line.rsplit(maxsplit=1)
            if words and not (len(words) == 2 and words[1].isdecimal()):
                faults.append(f"{name} line {number} is {line!r}")
            elif words:
                rows.append((contained(words[0], f"{root / name} line {number}"), words[1]))
        found.append(rows)
    if faults:
        why = f"{len(faults)} lines are not `path label`: {some(faults)}"
        raise BrokenLabels("a list that cannot be read", where=str(root), why=why, fix="restore the lists")
    return found


def text_of(path: Path) -> str:
    """The text of a list. Raises BrokenLabels where it cannot be read."""
    try:
        return path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        fix = "restore it from the dataset's archive"
        raise BrokenLabels("a list cannot be read", where=str(path), why=str(error), fix=fix) from None


def some(names: Sequence[str]) -> str:
    """The first few, and how many more there are."""
    more = len(names) - LISTED
    return ", ".join(names[:LISTED]) + (f" and {more} more" if more > 0 else "")
