"""How pairs lie on disk: one function a layout, found by its name; `find_pairs` picks it and checks what it found.

A layout lists what is there, also where a partner is missing; the checks, the order and what a source says of all its
pairs are the same for every layout. `docs/guides/bring-your-pairs.md` draws each tree.
"""

import re
from collections.abc import Callable
from dataclasses import replace
from fnmatch import fnmatchcase
from itertools import pairwise
from pathlib import Path, PurePosixPath

from .dataset import pictures_below
from .errors import TrainingError, UnknownName
from .pairs import Pair, PairSource, put_together, read_names

VISIBLE_FLIR, INFRARED_FLIR = "_RGB.jpg", "_PreviewData.jpeg"


def find_pairs(data: Path, source: PairSource) -> list[Pair]:
    """The pairs of a source, sorted by name.

    Raises TrainingError where a partner or a listed name is missing or nothing is found, UnknownName for a layout.
    """
    layout = LAYOUTS.get(source.layout)
    if layout is None:
        known = ", ".join(LAYOUTS)
        raise UnknownName(f"no layout is named {source.layout!r}", why=f"known are {known}", fix="choose one of them")
    pairs = sorted(layout(data, source), key=lambda pair: pair.name)
    linked = pairs[:1] + [after_of(before, pair) for before, pair in pairwise(pairs)]
    named = listed(linked, data / source.names) if source.names else linked
    chosen = [pair for pair in named if fnmatchcase(pair.name, source.pattern)]
    if not chosen:
        folder = empty_side(data, source)
        why = f"no pictures found; {layout.__doc__}" if folder.is_dir() else "no such folder"
        fix = "check --data, and visible, infrared, layout and part in the TOML"
        raise TrainingError("pairs incomplete", where=str(folder), why=why, fix=fix)
    refuse_missing(chosen)
    return [
        replace(pair, stretch=source.stretch, levels=source.levels, scene=scene_below(source, pair)) for pair in chosen
    ]


def empty_side(data: Path, source: PairSource) -> Path:
    """The folder to name where nothing was found: that of the infrared where the visible one holds pictures."""
    visible, infrared = data / source.visible, data / source.infrared
    seen = source.layout == "unpaired" and any(pictures_below(visible))
    return infrared if seen and not any(pictures_below(infrared)) else visible


def scene_below(source: PairSource, pair: Pair) -> str:
    """The scene as a place below the data folder, so that scenes of two sources differ; empty where there is none."""
    return (PurePosixPath(source.visible) / pair.scene).as_posix() if pair.scene else ""


def after_of(before: Pair, pair: Pair) -> Pair:
    """The pair, linked to the frame before it where both are of one scene."""
    return replace(pair, previous=before.visible) if pair.scene and pair.scene == before.scene else pair


def listed(pairs: list[Pair], names: Path) -> list[Pair]:
    """The pairs whose names a file lists, in order of name. Raises TrainingError where one is not there."""
    by_name = {pair.name: pair for pair in pairs}
    wanted = sorted(read_names(names))
    unknown = [name for name in wanted if name not in by_name]
    if unknown:
        why = f"{len(unknown)} of {len(wanted)} listed names are not there, first {unknown[0]}"
        raise TrainingError("pairs incomplete", where=str(names), why=why, fix="check --data and the list")
    return [by_name[name] for name in wanted]


def refuse_missing(pairs: list[Pair]) -> None:
    """Raises TrainingError that counts the pictures without a partner and names the first of either kind."""
    alone = [pair for pair in pairs if not pair.infrared.is_file()]
    strange = [pair for pair in pairs if not pair.visible.is_file()]
    whys = [
        f"{len(found)} {kind} without {other} partner, first {found[0].name}"
        for found, kind, other in ((alone, "visible", "infrared"), (strange, "infrared", "visible"))
        if found
    ]
    if whys:
        missing = alone[0].infrared if alone else strange[0].visible
        fix = "add them, take the others out, or list the complete pairs in a file that `names` names"
        raise TrainingError("pairs incomplete", where=str(missing), why="; ".join(whys), fix=fix)


def joined(visible: Path, infrared: Path, prefix: str = "", scene: str = "") -> list[Pair]:
    """The pictures below two folders, by name or else by name without ending; a lone one has a partner that is missing.

    Raises TrainingError where two visible pictures have one partner.
    """
    left, right = (sorted(pictures_below(folder)) for folder in (visible, infrared))
    names, by_stem = set(right), {stem(name): name for name in right}
    partner = {name: name if name in names else by_stem.get(stem(name), name) for name in left}
    taken = {other: name for name, other in partner.items()}
    if len(taken) < len(partner):
        one = next(name for name, other in partner.items() if taken[other] != name)
        why = f"{one} and {taken[partner[one]]} both belong to {partner[one]}"
        raise TrainingError("pairs are not clear", where=str(visible), why=why, fix="rename or remove one of them")
    both = partner | {name: name for name in right if name not in taken}
    return [Pair(prefix + name, visible / name, infrared / other, scene=scene) for name, other in both.items()]


def stem(name: str) -> str:
    """A relative name without its ending."""
    return PurePosixPath(name).with_suffix("").as_posix()


def within(source: PairSource, *labels: str) -> bool:
    """True where each word of the source's `part` is one of these."""
    return set(filter(None, source.part.split("/"))) <= set(labels)


def folders(data: Path, source: PairSource) -> list[Pair]:
    """`visible` and `infrared`: two folders, equal names, the ending may differ; folders inside are scenes"""
    pairs = joined(data / source.visible, data / source.infrared)
    scenes = [replace(pair, scene=pair.name.rpartition("/")[0]) for pair in pairs]
    return [pair for pair in scenes if within(source, *pair.scene.split("/"))]


def side_by_side(data: Path, source: PairSource) -> list[Pair]:
    """`visible`: a folder of pictures, visible on the left half, infrared on the right; folders inside are scenes"""
    folder = data / source.visible
    pairs = [Pair(name, folder / name, folder / name, scene=name.rpartition("/")[0]) for name in pictures_below(folder)]
    return [pair for pair in pairs if within(source, *pair.scene.split("/"))]


def unpaired(data: Path, source: PairSource) -> list[Pair]:
    """`visible` and `infrared`: two folders of unrelated pictures; the smaller one goes round"""
    left, right = (
        [folder / name for name in sorted(pictures_below(folder)) if within(source, *name.split("/")[:-1])]
        for folder in (data / source.visible, data / source.infrared)
    )
    return put_together(left, right)


def llvip(data: Path, source: PairSource) -> list[Pair]:
    """visible/{train,test}/*.jpg and infrared/{train,test}/*.jpg; the first two of six digits are the scene"""
    root = data / source.visible
    parts = [part for part in ("train", "test") if within(source, part)]
    pairs = [pair for part in parts for pair in joined(root / "visible" / part, root / "infrared" / part)]
    return [replace(pair, scene=pair.name[:2] if re.match(r"\d{6}\.", pair.name) else "") for pair in pairs]


def kaist(data: Path, source: PairSource) -> list[Pair]:
    """[images/]setXX/VYYY/{visible,lwir}/I*.jpg; setXX/VYYY is the scene"""
    root = data / source.visible
    root = root / "images" if (root / "images").is_dir() else root
    places = [sequence.relative_to(root).as_posix() for sequence in sorted(root.glob("set*/V*"))]
    return [
        pair
        for place in places
        if within(source, *place.split("/"))
        for pair in joined(root / place / "visible", root / place / "lwir", f"{place}/", place)
    ]


def flir(data: Path, source: PairSource) -> list[Pair]:
    """JPEGImages/FLIR_*_RGB.jpg and FLIR_*_PreviewData.jpeg; `part` train or validation takes align_*.txt"""
    root = data / source.visible
    if source.part:
        name = f"align_{source.part}.txt"
        inner = root / "ImageSets" / "Main" / name
        lines = read_names(inner if inner.is_file() else root / name)
        numbers = {line.removesuffix(".xml").removesuffix("_PreviewData").removesuffix("_RGB") for line in lines}
    else:
        ends = (VISIBLE_FLIR, INFRARED_FLIR)
        files = pictures_below(root / "JPEGImages")
        numbers = {name.removesuffix(end) for name in files for end in ends if name.endswith(end)}
    folder = root / "JPEGImages"
    return [Pair(n + VISIBLE_FLIR, folder / (n + VISIBLE_FLIR), folder / (n + INFRARED_FLIR)) for n in numbers]


def m3fd(data: Path, source: PairSource) -> list[Pair]:
    """Vis/*.png and Ir/*.png, or vi/ and ir/"""
    root = data / source.visible
    left, right = ("vi", "ir") if (root / "vi").is_dir() else ("Vis", "Ir")
    return joined(root / left, root / right) if within(source) else []


def msrs(data: Path, source: PairSource) -> list[Pair]:
    """{train,test}/{vi,ir}/*.png, names end in D for day or N for night; `part` train, test, day, night or train/day"""
    root = data / source.visible
    found = [(part, pair) for part in ("train", "test") for pair in joined(root / part / "vi", root / part / "ir")]
    light = {"D": "day", "N": "night"}
    return [pair for part, pair in found if within(source, part, light.get(stem(pair.name)[-1], ""))]


def aau_vap(data: Path, source: PairSource) -> list[Pair]:
    """Scene N/SyncRGB/* and Scene N/SyncT/*; Scene N is the scene"""
    scenes = [folder for folder in sorted((data / source.visible).glob("Scene *")) if within(source, folder.name)]
    return [
        pair for scene in scenes for pair in joined(scene / "SyncRGB", scene / "SyncT", f"{scene.name}/", scene.name)
    ]


def osu(data: Path, source: PairSource) -> list[Pair]:
    """Nb/img_*.bmp in colour and Na/img_*.bmp thermal, for each sequence N; N is the scene"""
    root = data / source.visible
    sequences = sorted({folder.name[:-1] for folder in root.glob("*[ab]") if folder.name[:-1].isdecimal()})
    chosen = [n for n in sequences if within(source, n)]
    return [pair for n in chosen for pair in joined(root / f"{n}b", root / f"{n}a", f"{n}/", n)]


LAYOUTS: dict[str, Callable[[Path, PairSource], list[Pair]]] = {
    function.__name__.replace("_", "-"): function
    for function in (folders, side_by_side, unpaired, llvip, kaist, flir, m3fd, msrs, aau_vap, osu)
}
"""Name in the TOML -> its function."""
