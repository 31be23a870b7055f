"""`synthir evaluate`: a generator beside plain baselines on real pairs: tables, per-picture figures, sheets.

Every method sees the same pictures in one run: the generator, grayscale, inverted grayscale, and one constant (the mean
level of the training infrared). Each figure is given raw and after a gain and offset per picture; what each of them is
stands in evaluate_report.DEFINITIONS and in docs/reference/figures.md.
"""

from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

import numpy as np

from . import config as configuration
from .audit import refuse_shared
from .config import at_least
from .detector import open_detector
from .engine import Engine, open_engine
from .errors import ConfigError
from .evaluate_report import Evaluation, slug, write_report
from .features import load_features
from .files import sha256_file
from .images import UInt8
from .layouts import find_pairs
from .levels import Levels
from .lpips import LEAST as LEAST_LPIPS
from .lpips import load_lpips, lpips_of
from .measurement import Instruments, Measured, measure
from .pairs import Pair, PairSource, read_boxes, read_pair
from .pipeline import paint
from .sheet import write_sheet
from .shipped import engine_payload
from .specs import Band
from .totals import Total, total
from .validation import Method, grayscale, in_grey


@dataclass(frozen=True)
class Protocol:
    """Pairs that are measured together."""

    name: str
    """What stands in the table, e.g. `T2 unseen scene`."""
    pairs: PairSource
    allow_shared_scenes: bool = False
    """Measure although these pictures show scenes that were trained on; the report says so."""
    sheet: int = 6
    """Rows of the sheet, evenly spread over the pairs."""

    def __post_init__(self) -> None:
        at_least(1, sheet=self.sheet)


@dataclass(frozen=True)
class EvaluateConfig:
    """A set of protocols and the pairs the constant baseline is computed from.

    Files of weights are relative to the working directory; an empty one is not measured.
    """

    protocols: tuple[Protocol, ...]
    training: tuple[PairSource, ...]
    """Pairs the generator was trained on: none may be measured. Without any the constant is `own mean`."""
    every: int = 1
    """Measure each n-th picture; 1 is all."""
    lpips: str = ""
    """LPIPS's linear layers, version 0.1, .pth or .safetensors."""
    lpips_backbone: str = ""
    """The AlexNet or VGG-16 of torchvision they are for."""
    inception: str = ""
    """Weights of the network whose features FID and KID compare."""
    features: str = "inception_v3"
    """Which network of torchvision that is."""
    force_fid: bool = False
    """Give FID under 1,000 pictures too."""
    detector: str = ""
    """An .onnx or OpenVINO .xml file with YOLO's output, for deletion and insertion."""
    detector_score: float = 0.25
    """Least score of a detection, 0 to 1."""
    detector_class: int = -1
    """The only class of the detector that counts, from 0; -1 is all."""

    def __post_init__(self) -> None:
        at_least(1, every=self.every)
        at_least(-1, detector_class=self.detector_class)
        at_least(0.001, detector_score=self.detector_score)
        if bool(self.lpips) != bool(self.lpips_backbone):
            raise ValueError("LPIPS needs both lpips and lpips_backbone, or neither")


def evaluate_from(name: str, protocol: Path, data: Path, out: Path) -> str:
    """Measure a shipped model, a model folder or an engine file; writes `out`, gives the table as Markdown.

    Raises ConfigError where a measured picture was trained on or a file of weights is absent, TrainingError where pairs
    are missing.
    """
    return report(name, configuration.load(protocol, EvaluateConfig), data, out)


def evaluate_pairs(name: str, pairs: Path, out: Path, levels: Levels | None = None) -> str:
    """The same on a folder with `visible/` and `infrared/`, and without a protocol.

    With a COCO file `boxes.json` there, by names in `visible/`, objects are measured. Nobody says here what was trained
    on, so nothing is refused, and the constant is the mean of the measured infrared itself: `own mean`.
    Raises TrainingError where pairs are missing.
    """
    boxes = ("boxes.json", "visible") if (pairs / "boxes.json").is_file() else ("", "")
    source = PairSource("folders", "visible", "infrared", boxes=boxes[0], boxes_images=boxes[1], levels=levels)
    config = EvaluateConfig(protocols=(Protocol(pairs.resolve().name, source),), training=())
    return report(name, config, pairs, out)


def report(name: str, config: EvaluateConfig, data: Path, out: Path) -> str:
    """Measure and write everything; gives the table."""
    with open_engine(engine_payload(name)) as engine:
        return write_report(out, evaluate(config, engine, data, out), name, config)


def evaluate(config: EvaluateConfig, engine: Engine, data: Path, out: Path) -> Evaluation:
    """Every protocol, method and picture; sheets are written to `out` on the way."""
    instruments = open_instruments(config)
    trained = [pair for source in config.training for pair in find_pairs(data, source)]
    known = baselines(trained, "constant") if trained else None
    evaluation = Evaluation([], [], notes(config))
    for protocol in config.protocols:
        pairs = find_pairs(data, protocol.pairs)[:: config.every]
        refuse_trained(protocol, pairs, trained)
        if trained:
            refuse_shared(trained, pairs, protocol.allow_shared_scenes)
        if engine.spec.band == Band.VISIBLE:
            pairs = [replace(pair, turned=True) for pair in pairs]
        methods: dict[str, Method] = {"generator": in_grey(partial(paint, engine))}
        methods |= known or baselines(pairs, "own mean")
        boxes = read_boxes(data, protocol.pairs)
        measured = [
            one
            for pair in pairs
            for one in measure(protocol.name, pair, methods, boxes.get(pair.name, []), instruments)
        ]
        evaluation.rows.extend(one.row for one in measured)
        evaluation.totals.extend(totals(measured, list(methods), force_fid=config.force_fid))
        write_sheet(out / f"sheet-{slug(protocol.name)}.png", pairs, protocol.sheet, methods["generator"])
    evaluation.notes.extend(remarks(evaluation.totals))
    return evaluation


def totals(measured: list[Measured], methods: list[str], *, force_fid: bool) -> list[Total]:
    """Of each method of one protocol."""
    return [total([one for one in measured if one.row.method == name], force_fid=force_fid) for name in methods]


def open_instruments(config: EvaluateConfig) -> Instruments:
    """What the files in the configuration make possible. Raises ConfigError, BackendMissing."""
    lpips = lpips_of(load_lpips(Path(config.lpips), Path(config.lpips_backbone))) if config.lpips else None
    features = load_features(Path(config.inception), config.features) if config.inception else None
    look = (
        open_detector(Path(config.detector), config.detector_score, config.detector_class) if config.detector else None
    )
    return Instruments(lpips, features, look)


def notes(config: EvaluateConfig) -> list[str]:
    """What was measured with which files, and what was not measured for want of one."""
    said, lacking = [], []
    for figures, paths, how in (
        ("LPIPS", (config.lpips_backbone, config.lpips), ""),
        ("FID, KID", (config.inception,), f", features of {config.features}"),
        ("deletion, insertion", (config.detector,), f", score {config.detector_score:g}, {classes(config)}"),
    ):
        if all(paths):
            files = (f"{Path(path).name} (sha256 {sha256_file(Path(path))[:12]})" for path in paths)
            said.append(f"{figures}: {', '.join(files)}{how}.")
        else:
            lacking.append(figures)
    said += [f"{p.name}: scenes that were trained on are allowed." for p in config.protocols if p.allow_shared_scenes]
    return said + ([f"Not measured, no file given: {', '.join(lacking)}."] if lacking else [])


def classes(config: EvaluateConfig) -> str:
    """Which classes of the detector count."""
    return "all classes" if config.detector_class < 0 else f"class {config.detector_class}"


def remarks(totals: list[Total]) -> list[str]:
    """What the tables cannot say: which pictures have no figure, why no FID, which baseline knows more."""
    said = []
    if any(total.raw["ms_ssim"].count < total.pictures for total in totals):
        said.append("MS-SSIM: pictures under 176 pixels on the short side have none.")
    if any(0 < total.raw["lpips"].count < total.pictures for total in totals):
        said.append(f"LPIPS: pictures under {LEAST_LPIPS} pixels on the short side have none.")
    refused = {total.protocol: total.distances.refused for total in totals if total.distances}
    said += [f"{protocol}: no FID, {why}." for protocol, why in refused.items() if why]
    if any(total.method == "own mean" for total in totals):
        said.append(
            "own mean: the mean level of the very infrared that is measured; it knows more than a constant may."
        )
    return said


def refuse_trained(protocol: Protocol, pairs: list[Pair], trained: list[Pair]) -> None:
    """Raises ConfigError if a picture to be measured is among those trained on."""
    seen = {pair.visible.resolve() for pair in trained} & {pair.visible.resolve() for pair in pairs}
    if seen:
        why = f"{len(seen)} pictures were trained on, e.g. {min(seen).name}"
        raise ConfigError("a test on training pictures", where=protocol.name, why=why, fix="measure held-out pictures")


def baselines(pairs: list[Pair], name: str) -> dict[str, Method]:
    """Grayscale, inverted grayscale, and under `name` the mean level of the infrared of about 100 of these pairs."""
    level = mean_level(pairs[:: max(1, len(pairs) // 100)])
    return {"grayscale": grayscale, "inverted": inverted, name: constant(level)}


def inverted(rgb: UInt8) -> UInt8:
    """255 - luma."""
    return np.asarray(255 - grayscale(rgb), dtype=np.uint8)


def constant(level: float) -> Method:
    """One grey level everywhere."""
    return lambda rgb: np.full(rgb.shape[:2], round(level), np.uint8)


def mean_level(pairs: list[Pair]) -> float:
    """Mean grey level of the infrared pictures."""
    return float(np.mean([read_pair(pair)[1].mean() for pair in pairs]))
