"""The splits of a data.yaml: where they lie on disk, and what the data.yaml must call them after a move."""

import os
import posixpath
import re
from collections.abc import Mapping
from pathlib import Path

from ..errors import MissingPicture
from ..files import there
from ._data_yaml import DataYaml, rewritten
from ._yolo_rows import label_place


def _bases(doc: DataYaml, source: Path) -> list[Path]:
    """What splits may be relative to: `path:` seen from the yaml, from here, from above the yaml; else its folder."""
    home, path = source.parent, doc.path.replace("\\", "/")
    tries = [home / path, Path.cwd() / path, home.parent / path, home]
    return [Path(os.path.normpath(folder)) for folder in tries]


def searched(doc: DataYaml, source: Path, base: Path, root: Path) -> tuple[Path, ...]:
    """Where splits lie or would be looked for, and where their labels would: a target there would be read as source."""
    texts = [text for _, texts in doc.splits for text in texts]
    bases = _bases(doc, source)
    bases = bases[: bases.index(base) + 1]
    splits = dict.fromkeys(path for folder in bases for text in texts for path in _tries(folder, text))
    labels = (Path(label_place(f"{path}/x.jpg")).parent for path in splits)
    return tuple(path for path in (*splits, *labels) if path not in root.parents)


def base_of(doc: DataYaml, source: Path) -> tuple[Path, list[str]]:
    """The first of the folders that splits may be relative to in which one of them is."""
    bases = _bases(doc, source)
    texts = [text for _, texts in doc.splits for text in texts]
    base = next((base for base in bases if any(on_disk(base, text) for text in texts)), None)
    if base is None:
        why = f"looked for {', '.join(texts[:3])} in {', '.join(map(str, dict.fromkeys(bases)))}"
        fix = "put the folders there, or correct path: and the splits"
        raise MissingPicture("none of the splits is there", where=str(source), why=why, fix=fix)
    note = (
        [] if base == bases[0] else [f"path: {doc.path} is not beside {source.name}; the splits were found in {base}."]
    )
    return base, note


def _tries(base: Path, text: str) -> list[Path]:
    """Where a split is looked for. As trainers do, `../train` also as `train`: some exports write it so."""
    text = text.replace("\\", "/")
    return [Path(os.path.normpath(base / entry)) for entry in (text, text.removeprefix("../"))]


def on_disk(base: Path, text: str) -> Path | None:
    """A split's folder or list."""
    return next((path for path in _tries(base, text) if there(path)), None)


def root_of(base: Path, home: Path, paths: list[Path]) -> Path:
    """The folder that is mirrored: that of the dataset, or one around it that also holds the labels and every split."""
    above = [base.parent] if base.name == "images" else []
    for root in (*above, base, home, home.parent, base.parent):
        if root.parent != root and all(root == path or root in path.parents for path in paths):
            return root
    return base


def moved_yaml(
    doc: DataYaml, source: Path, entries: Mapping[str, Path | None], root: Path
) -> tuple[str, bytes, tuple[str, ...]]:
    """Place and bytes of data.yaml below the target, and a note on what was changed."""
    inside = root in source.parents
    place = source.relative_to(root).as_posix() if inside else source.name
    new = {text: _moved_entry(text, path, root, posixpath.dirname(place)) for text, path in entries.items()}
    same = all(os.path.normpath(text) == os.path.normpath(new[text]) for text in new)
    if same and not doc.path and "download" not in doc.keys:
        return place, doc.text.encode(), ()
    changed = [f"`{old}` is `{made}`" for old, made in new.items() if os.path.normpath(old) != os.path.normpath(made)]
    reasons = {"path": "`path:` is left out: it would lead back", "download": "`download:` is left out: it is executed"}
    said = "; ".join([why for key, why in reasons.items() if key in doc.keys] + changed)
    return (
        place,
        rewritten(doc, new, str(source)),
        (f"{source.name} is rewritten so that it works where it is: {said}.",),
    )


def _moved_entry(text: str, path: Path | None, root: Path, folder: str) -> str:
    """A split as the moved data.yaml must say it: relative to itself. What leads nowhere keeps leading nowhere."""
    if path is None:
        outward = re.match(r"[/\\]|\w:|\.\.", text)
        return "/".join(re.split(r"[/\\]", text)[-2:]).lstrip("./") or "missing" if outward else text
    inside = path == root or root in path.parents
    return posixpath.relpath(path.relative_to(root).as_posix() if inside else path.name, folder or ".")
