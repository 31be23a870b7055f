"""The pictures of a detector comparison: read, classes matched by name, leakage looked for, sets made of them.

Everything that cannot be is refused in `read`, before anything is converted or trained.
"""

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from . import formats
from .arms import BASE_KINDS, Mix
from .convert import Options, plan, run
from .engine import check_papers, open_engine
from .errors import ConfigError
from .images import UInt8
from .labelled import LabelledPicture, LabelSource, read_labelled
from .leakage import Leakage, leaks
from .measurement import inverted
from .picture_sets import Maker, base_kinds, from_files, from_labels, from_sources, stylised
from .shipped import engine_payload
from .validation import grayscale

ROLES = ("train", "test", "validation")
"""What every comparison reads; no generator and no dataset may have such a name."""


@dataclass(frozen=True)
class Sources:
    """Which pictures, relative to the data folder given on the command line."""

    train: LabelSource
    """Labelled RGB: what synthetic sets are made of."""
    test: LabelSource
    """Real infrared: what every detector is judged on."""
    validation: LabelSource
    """Real infrared for learning curves and the choice among candidates; never the test pictures."""
    real: LabelSource | None = None
    """Real infrared of the target domain with labels: the upper bound and the few-shot arms."""
    elsewhere: LabelSource | None = None
    """Real infrared of another domain with labels."""
    datasets: dict[str, LabelSource] = field(default_factory=dict)
    """Sets converted before, by the name that arms use."""
    generators: dict[str, str] = field(default_factory=dict)
    """Name that arms use -> shipped model, model folder or engine file, relative to the working directory."""
    classes: dict[str, str] = field(default_factory=dict)
    """Class in some labels -> class in the test labels; an empty one leaves its objects out. Others match by name."""
    scene: str = ""
    """Regular expression, its first group the scene in a name, e.g. `^(\\d\\d)`; empty knows no scenes."""
    allow_leakage: bool = False
    """Go on although test pictures may have been seen; the verdict says so first."""

    def __post_init__(self) -> None:
        names = [*self.generators, *self.datasets]
        taken = sorted({name for name in names if name in (*BASE_KINDS, *ROLES) or names.count(name) > 1})
        odd = sorted({name for name in names if not re.fullmatch(r"[\w.-]+", name)})
        faults = [f"{name} is the name of another kind" for name in taken]
        faults += [f"{name!r} is no name, expected letters, digits, `.`, `-` and `_`" for name in odd]
        try:
            groups = re.compile(self.scene).groups
        except re.error as error:
            groups, faults = 1, [*faults, f"scene is no regular expression: {error}"]
        if self.scene and groups < 1:
            faults.append("scene has no group, expected e.g. '^(\\d\\d)'")
        if faults:
            raise ValueError("; ".join(faults))


@dataclass(frozen=True)
class Pictures:
    """Everything that was read."""

    by_role: Mapping[str, Sequence[LabelledPicture]]
    """`train`, `test`, `validation`, where given `real` and `elsewhere`, and datasets by name."""
    classes: Mapping[str, int]
    """Class names of the test labels -> number."""
    leakage: Leakage
    """What may have been seen of the test pictures; something only where the user allows it."""


def read(data: Path, sources: Sources, mixes: Sequence[Mix]) -> Pictures:
    """Read all sources and check them against the arms.

    Raises ConfigError that names every unknown kind, every class without a counterpart, and every leak that is not
    allowed; EngineUntrusted; MissingPicture, BrokenLabels as reading a source does.
    """
    refuse_unknown(sources, mixes)
    for place in sources.generators.values():
        check_papers(engine_payload(place))
    listed = {role: getattr(sources, role) for role in ROLES}
    listed |= {role: source for role in ("real", "elsewhere") if (source := getattr(sources, role))}
    listed |= sources.datasets
    by_role = {role: renamed(read_labelled(data, source), sources.classes) for role, source in listed.items()}
    classes = sorted({one.name for picture in by_role["test"] for one in picture.objects})
    refuse_classes(by_role, classes)
    converted = {name: data / source.source for name, source in sources.datasets.items()}
    leakage = leaks(by_role, sources.generators, converted, sources.scene)
    if leakage.found and not sources.allow_leakage:
        fix = "split by scene, take another generator, or set allow_leakage = true and have the verdict say so"
        raise ConfigError("test pictures may have been seen", why="; ".join(leakage.found), fix=fix)
    return Pictures(by_role, {name: number for number, name in enumerate(classes)}, leakage)


def kinds_of(mixes: Sequence[Mix]) -> list[str]:
    """All kinds that arms take pictures of, sorted."""
    return sorted({kind for mix in mixes for part in mix.parts for kind in part.kinds})


def refuse_unknown(sources: Sources, mixes: Sequence[Mix]) -> None:
    """Raises ConfigError that names every kind in an arm that nothing makes."""
    absent = {kind for kind in ("real", "elsewhere") if getattr(sources, kind) is None}
    known = [kind for kind in (*BASE_KINDS, *sources.generators, *sources.datasets) if kind not in absent]
    parts = [(mix, part) for mix in mixes for part in mix.parts]
    wrong = [f"{mix.name}: {kind}" for mix, part in parts for kind in base_kinds(part.of) if kind not in known]
    apart = {"real", "elsewhere", *sources.datasets}
    layered = [f"{mix.name}: {part.of}" for mix, part in parts if "+" in part.of and apart & set(base_kinds(part.of))]
    if wrong:
        why = f"{', '.join(wrong)}; known are {', '.join(known)}"
        raise ConfigError("arms of unknown kinds", why=why, fix="name a generator, a dataset, or give [pictures.real]")
    if layered:
        why = f"{', '.join(layered)}: only kinds made of the training pictures show the same views"
        raise ConfigError("kinds that cannot be layered", why=why, fix="list them as two parts")


def renamed(pictures: Sequence[LabelledPicture], classes: Mapping[str, str]) -> list[LabelledPicture]:
    """The pictures with classes named as in the test labels; objects of classes mapped to nothing are left out."""
    return [
        replace(
            picture,
            objects=tuple(
                one._replace(name=classes.get(one.name, one.name))
                for one in picture.objects
                if classes.get(one.name, one.name)
            ),
        )
        for picture in pictures
    ]


def refuse_classes(by_role: Mapping[str, Sequence[LabelledPicture]], classes: Sequence[str]) -> None:
    """Raises ConfigError that names, for each source, classes that the test labels lack, and those `train` lacks."""
    faults = []
    for role, pictures in by_role.items():
        found = {one.name for picture in pictures for one in picture.objects}
        faults += [f"{role} has {name!r}, the test labels have not" for name in sorted(found - set(classes))]
        if not found:
            faults.append(f"{role} has no box of these classes")
        if role == "train":
            faults += [f"the test labels have {name!r}, train has not" for name in sorted(set(classes) - found)]
    if not classes:
        faults.append("no class of the test labels is left")
    if faults:
        why = f"{'; '.join(faults)}. The test labels have: {', '.join(classes) or 'none'}"
        fix = 'map each in [pictures.classes]: pedestrian = "person", or leave it out: kite = ""'
        raise ConfigError("classes that do not match by name", why=why, fix=fix)


def makers(
    data: Path, sources: Sources, pictures: Pictures, kinds: Sequence[str], out: Path, say: Callable[[str], None]
) -> dict[str, Maker]:
    """How each of the base kinds is made; generators convert now, in `out/converted`, and go on where they stopped.

    Raises what a conversion raises; a picture that cannot be converted stops it.
    """
    train = pictures.by_role["train"]
    made = {
        "rgb": from_sources(train, unchanged, "rgb"),
        "grayscale": from_sources(train, grayscale, "grayscale"),
        "inverted": from_sources(train, inverted, "inverted"),
        "analytic": from_sources(train, stylised(0), "analytic 0"),
        "warmed": from_labels(train),
    }
    for role in ("real", "elsewhere", *sources.datasets):
        if role in pictures.by_role:
            made[role] = from_sources(pictures.by_role[role], grayscale, role)
    for name in sources.generators:
        if name in kinds:
            say(f"converting {len(train)} pictures with {name}")
            made[name] = converted(data, sources.train, train, sources.generators[name], out / "converted" / name)
    return made


def converted(data: Path, source: LabelSource, pictures: Sequence[LabelledPicture], place: str, target: Path) -> Maker:
    """The training pictures through an engine, as `synthir convert` does it: a dataset in `target`."""
    dataset = formats.read(data / source.source, data / source.images if source.images else None, source.format or None)
    wanted = {picture.name for picture in pictures}
    chosen = replace(dataset, images=tuple(ref for ref in dataset.images if ref.place in wanted), refused=())
    with open_engine(engine_payload(place)) as engine:
        planned = plan(chosen, target, engine.spec, Options(strict=True))
        run(planned, engine)
        key = f"{engine.spec.weights_sha256} {engine.spec.backend} {engine.spec.precision}"
    files = {ref.place: target / made for ref, made in zip(planned.images, planned.places, strict=True)}
    return from_files(pictures, [files[picture.name] for picture in pictures], key)


def unchanged(rgb: UInt8) -> UInt8:
    """The picture as it is."""
    return rgb
