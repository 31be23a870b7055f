"""data.yaml: which pictures it names, and how it is rewritten so that it works after the folder has moved.

The file is only ever composed, never constructed: no tag is obeyed, no alias is expanded, no value is interpreted.
"""

import bisect
import json
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

import yaml

from ..errors import BrokenLabels

SPLITS = ("train", "val", "validation", "test", "minival")
LEFT_OUT = ("path", "download")
"""Keys a rewritten file does not have: one leads back to the visible pictures, the other is executed by trainers."""
LIMIT = 1_000_000
"""Bytes of the longest data.yaml that is read; those with a thousand classes have fifty thousand."""
DEPTH = 50
"""Levels of lists in lists; the parser's work grows with their square."""
NOTHING = ("", "~", "null", "Null", "NULL")
TAIL = re.compile(r"(?P<comment>[ \t]*(?:#[^\r\n\x85\u2028\u2029]*)?)(?P<line>\r\n|[\r\n\x85\u2028\u2029]|\Z)?")
"""What may follow a value on its line: blanks, a comment, the end of the line."""
PLAIN_TAGS = frozenset(
    f"tag:yaml.org,2002:{kind}" for kind in ("str", "seq", "map", "int", "float", "bool", "null", "timestamp", "merge")
)


@dataclass(frozen=True)
class DataYaml:
    """What matters of a data.yaml."""

    text: str
    path: str
    """The value of `path:`, empty where there is none."""
    splits: tuple[tuple[str, tuple[str, ...]], ...]
    """Split -> its folders and lists, as written."""
    keys: frozenset[str]
    values: tuple[tuple[int, int, str], ...]
    """Start, end and text of every split entry, as offsets in characters."""
    cuts: tuple[tuple[int, int], ...]
    """Start and end of the lines of every key that is left out when the file is rewritten."""


def parsed(data: bytes, where: str) -> DataYaml:
    """Read a data.yaml. Raises BrokenLabels where it is no YAML, carries tags of its own, or names no split."""
    root, text = _composed(data, where)
    pairs = root.value if isinstance(root, yaml.MappingNode) else []
    found = {key.value: value for key, value in pairs if isinstance(key.value, str)}
    if "<<" in found:
        why = "readers differ in what it means, and it could bring a path: along"
        raise BrokenLabels("a merge key", where=where, why=why, fix="write the merged keys out and take << away")
    entries = {split: _entries(found[split], split, where) for split in SPLITS if split in found}
    splits = tuple((split, tuple(node.value for node in nodes)) for split, nodes in entries.items() if nodes)
    if not splits:
        why = f"none of {', '.join(SPLITS)} names a folder or a list"
        raise BrokenLabels("no pictures named", where=where, why=why, fix="add train: and val: with their folders")
    base = found.get("path")
    path = base.value if isinstance(base, yaml.ScalarNode) and base.value not in NOTHING else ""
    values = [(n.start_mark.index, n.end_mark.index, n.value) for nodes in entries.values() for n in nodes]
    cuts = _cuts(root, text) if found.keys() & set(LEFT_OUT) else ()
    return DataYaml(text, path, splits, frozenset(found), tuple(values), cuts)


def class_names(doc: DataYaml, where: str) -> dict[int, str]:
    """Number -> name of each class; empty where there is no `names:`. Raises BrokenLabels where it names none."""
    root, _ = _composed(doc.text.encode(), where)
    pairs = root.value if isinstance(root, yaml.MappingNode) else []
    node = next((value for key, value in pairs if key.value == "names"), None)
    if node is None or (isinstance(node, yaml.ScalarNode) and node.value in NOTHING):
        return {}
    if isinstance(node, yaml.SequenceNode):
        said = [(str(number), inner) for number, inner in enumerate(node.value)]
    else:
        said = [(key.value, inner) for key, inner in node.value] if isinstance(node, yaml.MappingNode) else []
    plain = all(
        isinstance(inner, yaml.ScalarNode) and re.fullmatch(r"[0-9]{1,9}", str(number)) for number, inner in said
    )
    names = {int(number): inner.value for number, inner in said} if plain else {}
    if len(names) < max(1, len(said)):
        where, fix = (
            f"{where} line {node.start_mark.line + 1}",
            "write names: as a list, or each number once with its name",
        )
        raise BrokenLabels("`names:` does not name the classes", where=where, fix=fix)
    return names


def _cuts(root: Any, text: str) -> tuple[tuple[int, int], ...]:
    """Start and end of the lines of every key that is left out, comments and blank lines after it not among them."""
    keys = [key for key, _ in root.value]
    ends = [key.start_mark.index for key in keys[1:]] + [root.end_mark.index - bool(root.flow_style)]
    tokens = [token for token in yaml.scan(text, Loader=yaml.BaseLoader) if not isinstance(token, yaml.KeyToken)]
    spans = [(mark.start_mark.index, mark.end_mark.index) for mark in tokens]
    spans = [(start, end) for start, end in spans if start < end]  # those of no length may lie past comments
    cuts = []
    for key, end in zip(keys, ends, strict=True):
        if key.value in LEFT_OUT:
            last = spans[bisect.bisect_left(spans, (end, 0)) - 1]
            cuts.append(_lines(text, key.start_mark, last[1]))
    return tuple(cuts)


def _lines(text: str, mark: Any, end: int) -> tuple[int, int]:
    """A key from its mark to the end of its value, made to whole lines; the comment behind it goes, too.

    Of a line that holds other keys, too, only the part between is cut.
    """
    while text[end - 1] in " \t\r\n":  # blank lines that end a block scalar
        end -= 1
    start, tail = mark.index - mark.column, next(TAIL.finditer(text, end))
    alone = text[start : mark.index].strip() in ("", "?") and tail["line"] is not None
    return (start, tail.end()) if alone else (mark.index, tail.end("comment"))


def _composed(data: bytes, where: str) -> tuple[yaml.Node | None, str]:
    """The nodes of a YAML file and its text. Raises BrokenLabels."""
    fix = "write it as a plain YAML file in UTF-8 with train:, val: and names:"
    if len(data) > LIMIT:
        raise BrokenLabels("too long for a data.yaml", where=where, why=f"more than {LIMIT} bytes", fix=fix)
    try:
        text = data.decode()
        _check_events(text, where)
        return yaml.compose(text, Loader=yaml.BaseLoader), text
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        why = " ".join(str(error).split())
        raise BrokenLabels("not a YAML file", where=where, why=why, fix=fix) from error


def _check_events(text: str, where: str) -> None:
    """Raises BrokenLabels at the first tag that is not plain YAML, and where lists are nested deeper than DEPTH."""
    depth = 0
    for event in yaml.parse(text, Loader=yaml.BaseLoader):
        mark: Any = event.start_mark
        tag = getattr(event, "tag", None)
        if tag is not None and tag not in (*PLAIN_TAGS, "!"):
            why = f"line {mark.line + 1} has the tag {tag}, which other readers would execute"
            raise BrokenLabels("a tag that is not plain YAML", where=where, why=why, fix="take the tag out")
        depth += isinstance(event, yaml.CollectionStartEvent) - isinstance(event, yaml.CollectionEndEvent)
        if depth > DEPTH:
            why = f"line {mark.line + 1} is more than {DEPTH} levels deep"
            raise BrokenLabels("nested too deep", where=where, why=why, fix="write lists and names plainly")


def _entries(node: Any, split: str, where: str) -> list[yaml.ScalarNode]:
    """The folders and lists that a split names. Raises BrokenLabels where it is neither text nor a list of texts."""
    nodes: list[Any] = node.value if isinstance(node, yaml.SequenceNode) else [node]
    if not all(isinstance(inner, yaml.ScalarNode) for inner in nodes):
        fix = "name a folder, a .txt list, or a list of those"
        raise BrokenLabels(f"`{split}:` is no path", where=f"{where} line {node.start_mark.line + 1}", fix=fix)
    return [inner for inner in nodes if inner.value not in NOTHING]


def rewritten(yaml_file: DataYaml, new: Mapping[str, str], where: str) -> bytes:
    """The file without `path:` and `download:`, every split entry replaced by `new[entry]`, and all else as it was.

    Raises BrokenLabels where the file is written in a way that cannot be cut, e.g. with an anchor at `path:`.
    """
    swaps = [(start, end, new[text]) for start, end, text in set(yaml_file.values) if new[text] != text]
    edits = [(start, end, _scalar(text)) for start, end, text in swaps]
    edits += [(start, end, "") for start, end in yaml_file.cuts]
    pieces, done = [], 0
    for start, end, piece in sorted(edits):
        pieces += [yaml_file.text[done:start], piece]
        done = end
    data = "".join([*pieces, yaml_file.text[done:]]).encode()
    wanted = tuple((split, tuple(new[entry] for entry in entries)) for split, entries in yaml_file.splits)
    said = _said(yaml_file.text, yaml_file.cuts, {start: text for start, _, text in swaps})
    if not _says(data, wanted, yaml_file.keys.difference(LEFT_OUT), where) or _said(data.decode()) != said:
        fix = "write train, val and test as plain text, without anchors, and take path: and download: out"
        raise BrokenLabels("cannot be rewritten", where=where, why="an anchor or odd layout is in the way", fix=fix)
    return data


def _says(data: bytes, splits: tuple[tuple[str, tuple[str, ...]], ...], keys: Iterable[str], where: str) -> bool:
    """True where the bytes are a data.yaml with just these splits and keys."""
    try:
        found = parsed(data, where)
    except BrokenLabels:
        return False
    return (found.splits, found.path, found.keys) == (splits, "", frozenset(keys))


def _said(text: str, cuts: Sequence[tuple[int, int]] = (), new: Mapping[int, str] = MappingProxyType({})) -> list[str]:
    """All scalars and aliases, in order, but for those in cuts, and with new text where it is given by the start."""
    said: list[str] = []
    later = sorted(cuts, reverse=True)
    for event in yaml.parse(text, Loader=yaml.BaseLoader):
        mark: Any = event.start_mark
        at = mark.index
        while later and later[-1][1] <= at:
            later.pop()
        if isinstance(event, yaml.ScalarEvent | yaml.AliasEvent) and not (later and later[-1][0] <= at):
            said.append(new.get(at, event.value) if isinstance(event, yaml.ScalarEvent) else f"*{event.anchor}")
    return said


def _scalar(text: str) -> str:
    """Text as YAML, quoted where a plain word could mean something else."""
    plain = re.fullmatch(r"[A-Za-z0-9_.][\w./ -]*", text, re.ASCII) and text == text.strip()
    return text if plain and text not in NOTHING and not re.fullmatch(r"[\d.eE_+-]+", text) else json.dumps(text)
