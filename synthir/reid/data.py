"""Pictures of persons in their published layouts: SYSU-MM01, RegDB, LLCM, and plain `identity/camera/*.jpg`.

    sysu    cam1 ... cam6 / 0001 / *.jpg                exp/train_id.txt, exp/val_id.txt, exp/test_id.txt
    regdb   idx/train_visible_K.txt, idx/train_thermal_K.txt, idx/test_visible_K.txt, ...    K = 1 ... 10
    llcm    idx/train_vis.txt, idx/train_nir.txt, idx/test_id.txt    test_vis/cam1/0001/*.jpg, test_nir/...
    plain   identity / camera / *.jpg                   test_ids.txt, a name a line, if there is one

Names that begin with a dot are no pictures. Nothing is decoded here. What is missing or cannot be trained on is
refused, all of it at once.
"""

import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

from ..config import at_least
from ..errors import BrokenLabels, DatasetError, MissingPicture, UnrecognisedDataset
from .lists import read_ids, read_names, read_rows, some

Layout = Literal["sysu", "regdb", "llcm", "plain"]
ENDINGS = (".jpg", ".jpeg", ".png", ".bmp")
MARKS: dict[Layout, str] = {"sysu": "exp/test_id.txt", "regdb": "idx/train_visible_1.txt", "llcm": "idx/train_vis.txt"}
"""A file that tells a layout."""
SYSU_INFRARED = ("cam3", "cam6")
LLCM_CAMERAS = {"vis": tuple(range(1, 10)), "nir": (1, 2, 4, 5, 6, 7, 8, 9)}
"""Those that the authors test with, by modality; there is no near-infrared camera 3."""
INFRARED_NAME = re.compile(r"infrared|thermal|(?<![a-z])(?:n|f|sw|mw|lw)?ir(?![a-z])", re.IGNORECASE)
"""Camera names that say infrared: `ir1`, `cam3_nir`, `thermal`, but not `stairs`."""


@dataclass(frozen=True)
class Picture:
    """One picture of one person."""

    path: Path
    identity: str
    """Of a person within its layout, e.g. `0007`."""
    camera: str
    infrared: bool


@dataclass(frozen=True)
class Split:
    """What is trained on and what is searched in; no picture is in both."""

    train: tuple[Picture, ...]
    test: tuple[Picture, ...]


@dataclass(frozen=True)
class Source:
    """Where the pictures are."""

    layout: Layout = "plain"
    """As they are published, or `plain`: identity/camera/*.jpg."""
    root: Path = Path()
    """Folder of the dataset, relative to the data folder."""
    infrared: tuple[str, ...] = ()
    """Plain: cameras that are infrared though their name does not say so."""
    test_every: int = 2
    """Plain, without test_ids.txt: each so-manieth identity, by name, is tested on; the others are trained on."""

    def __post_init__(self) -> None:
        at_least(2, test_every=self.test_every)


def read_split(source: Source, root: Path, number: int = 1) -> Split:
    """The pictures of a dataset; number: which of RegDB's ten splits, 1 to 10; other layouts have one.

    Raises UnrecognisedDataset (no such folder, or of another layout), BrokenLabels (a list that cannot be read),
    MissingPicture (listed, not there), DatasetError (no identities, or some that cannot be trained on or searched for).
    """
    if not root.is_dir():
        fix = "correct dataset.root, or --data; docs/guides/reid.md says where the datasets come from"
        raise UnrecognisedDataset("no dataset there", where=str(root), why="no such folder", fix=fix)
    mark = MARKS.get(source.layout)
    if mark and not (root / mark).is_file():
        fits = [layout for layout, other in MARKS.items() if (root / other).is_file()]
        why = f"{source.layout} has {mark}, this folder has not"
        fix = f'set layout = "{fits[0]}"' if fits else "give the folder that holds it as dataset.root"
        raise UnrecognisedDataset("a dataset of another layout", where=str(root), why=why, fix=fix)
    split = READERS[source.layout](source, root, number)
    check(split, root, searched=source.layout == "plain")
    return split


def check(split: Split, root: Path, *, searched: bool) -> None:
    """Raises DatasetError for a part without identities, pictures or persons in both, and identities of one modality.

    searched: whether identities of one modality are refused in the test part too. The published protocols leave
    queries without a right answer out; nothing else may have any.
    """
    faults = [f"no identity to {word}" for word, part in (("train on", split.train), ("test", split.test)) if not part]
    both = {picture.path for picture in split.train} & {picture.path for picture in split.test}
    if both:
        faults.append(f"{len(both)} pictures are trained on and tested, {min(both).name} for one")
    people = {picture.identity for picture in split.train} & {picture.identity for picture in split.test}
    if people:
        faults.append(f"{len(people)} identities are trained on and tested: {some(sorted(people))}")
    for word, part in (("train on", split.train), ("test", split.test if searched else ())):
        lone = one_modality(part)
        if lone:
            faults.append(f"{len(lone)} identities to {word} have one modality only: {some(lone)}")
    if faults:
        fix = "each identity needs visible and infrared pictures; name infrared cameras in dataset.infrared"
        raise DatasetError("cannot train or search", where=str(root), why="; ".join(faults), fix=fix)


def one_modality(pictures: Iterable[Picture]) -> list[str]:
    """Identities that are not seen in both visible and infrared pictures, sorted."""
    pictures = list(pictures)
    visible = {picture.identity for picture in pictures if not picture.infrared}
    return sorted(visible ^ {picture.identity for picture in pictures if picture.infrared})


def read_sysu(source: Source, root: Path, number: int) -> Split:
    """SYSU-MM01: trained on the identities of train_id.txt and val_id.txt, as is usual; cameras 3 and 6 are infrared.

    Raises BrokenLabels, MissingPicture.
    """
    cameras = sorted(path for path in root.glob("cam*") if path.is_dir())
    train = [*read_ids(root / "exp/train_id.txt"), *read_ids(root / "exp/val_id.txt")]

    def part(identities: Sequence[str]) -> tuple[Picture, ...]:
        found = [
            Picture(path, identity, camera.name, camera.name in SYSU_INFRARED)
            for identity in sorted(set(identities))
            for camera in cameras
            for path in pictures_in(camera / identity)
        ]
        return seen(found, identities, root)

    return Split(part(train), part(read_ids(root / "exp/test_id.txt")))


def read_regdb(source: Source, root: Path, number: int) -> Split:
    """RegDB: one of its ten lists of visible and thermal pictures. Raises BrokenLabels, MissingPicture.

    A label counts within its list; a person is named by the folder, which is the same in all ten splits.
    """
    cameras = ("visible", "thermal")
    lists = {part: [f"idx/{part}_{camera}_{number}.txt" for camera in cameras] for part in ("train", "test")}
    return Split(*(by_folder(listed(root, lists[part], cameras), root) for part in ("train", "test")))


def by_folder(pictures: Sequence[Picture], root: Path) -> tuple[Picture, ...]:
    """The same pictures with their folder as identity. Raises BrokenLabels where labels and folders do not agree."""
    pairs = {(picture.identity, picture.path.parent.name) for picture in pictures}
    labels, folders = ({pair[place] for pair in pairs} for place in (0, 1))
    if not len(pairs) == len(labels) == len(folders):
        why = f"{len(labels)} labels and {len(folders)} folders make {len(pairs)} pairs"
        raise BrokenLabels("folders are not persons", where=str(root), why=why, fix="restore the lists in idx")
    return tuple(replace(picture, identity=picture.path.parent.name) for picture in pictures)


def read_llcm(source: Source, root: Path, number: int) -> Split:
    """LLCM: training pictures as listed; tested is every picture of the identities of test_id.txt by LLCM_CAMERAS.

    Raises BrokenLabels, MissingPicture.
    """
    train = listed(root, ("idx/train_vis.txt", "idx/train_nir.txt"), ("vis", "nir"))
    identities = read_ids(root / "idx/test_id.txt")
    found = [
        Picture(path, identity, camera.name, modality == "nir")
        for identity in sorted(set(identities))
        for modality, numbers in LLCM_CAMERAS.items()
        for camera in (root / f"test_{modality}" / f"cam{number}" for number in numbers)
        for path in pictures_in(camera / identity)
    ]
    return Split(train, seen(found, identities, root))


def read_plain(source: Source, root: Path, number: int) -> Split:
    """identity/camera/*.jpg; identities of test_ids.txt are tested on, else each `test_every`-th by name.

    Raises BrokenLabels, MissingPicture for identities that are listed and have no pictures.
    """
    found = [
        Picture(path, person.name, camera.name, is_infrared(camera.name, source.infrared))
        for person in folders_in(root)
        for camera in folders_in(person)
        for path in pictures_in(camera)
    ]
    names = sorted({picture.identity for picture in found})
    chosen = root / "test_ids.txt"
    tested = names[source.test_every - 1 :: source.test_every]
    if chosen.is_file():
        tested = read_names(chosen)
        seen([picture for picture in found if picture.identity in set(tested)], tested, root)
    return Split(*(tuple(p for p in found if (p.identity in set(tested)) is test) for test in (False, True)))


READERS: dict[Layout, Callable[[Source, Path, int], Split]]
READERS = {"sysu": read_sysu, "regdb": read_regdb, "llcm": read_llcm, "plain": read_plain}


def is_infrared(camera: str, named: Sequence[str]) -> bool:
    """Whether a camera of a plain layout is infrared: it is named in the configuration, or says so itself."""
    return camera in named or INFRARED_NAME.search(camera) is not None


def pictures_in(folder: Path) -> list[Path]:
    """The pictures directly in a folder, sorted; none where it is not there."""
    return sorted(p for p in folder.glob("*") if p.suffix.lower() in ENDINGS and not p.name.startswith("."))


def folders_in(folder: Path) -> list[Path]:
    """The folders directly in a folder, sorted."""
    return sorted(path for path in folder.iterdir() if path.is_dir() and not path.name.startswith("."))


def listed(root: Path, lists: Sequence[str], cameras: Sequence[str]) -> tuple[Picture, ...]:
    """The pictures of a visible and an infrared list, `path label` a line.

    Raises BrokenLabels, MissingPicture, EscapingPath.
    """
    found = [
        Picture(root / place, label, numbered_camera(Path(place).name, camera), heat)
        for rows, camera, heat in zip(read_rows(root, lists), cameras, (False, True), strict=True)
        for place, label in rows
    ]
    absent = [str(picture.path.relative_to(root)) for picture in found if not picture.path.is_file()]
    if absent:
        why = f"{len(absent)} of {len(found)} listed pictures are not there: {some(absent)}"
        fix = "unpack the whole dataset, or give its folder as dataset.root"
        raise MissingPicture("listed pictures are missing", where=str(root), why=why, fix=fix)
    return tuple(found)


def numbered_camera(name: str, otherwise: str) -> str:
    """The camera that a file name tells as LLCM's do, `0001_c03_s171429_f12990_vis.jpg` -> `cam3`."""
    told = re.search(r"_c(\d+)_", name)
    return f"cam{int(told[1])}" if told else otherwise


def seen(found: Sequence[Picture], identities: Sequence[str], root: Path) -> tuple[Picture, ...]:
    """The pictures, if each identity has some. Raises MissingPicture."""
    absent = sorted(set(identities) - {picture.identity for picture in found})
    if absent:
        why = f"{len(absent)} of {len(set(identities))} listed identities have no picture: {some(absent)}"
        fix = "unpack the whole dataset, or correct the list"
        raise MissingPicture("listed identities are missing", where=str(root), why=why, fix=fix)
    return tuple(found)
