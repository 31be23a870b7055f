"""`synthir evaluate`: a generator beside plain baselines on real pairs: tables, per-picture figures, sheets.

Every method sees the same pictures in one run: the generator, grayscale, inverted grayscale, and one constant (the mean
level of the training infrared). Each figure is given raw and after a gain and offset per picture; what each of them is
stands in evaluate_report.DEFINITIONS and in docs/reference/figures.md. What the model has seen is measured only where
that is allowed aloud.
"""

import math
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

from . import config as configuration
from .attempts import paint
from .audit import refuse_shared
from .backends.torch import TorchEngine
from .checkpoint import load_model
from .compile import papers
from .config import at_least
from .convert import Progress, silent
from .detector import open_detector
from .engine import Engine, open_engine, papers_of
from .errors import ConfigError
from .evaluate_report import Evaluation, remarks, slug, write_report
from .features import load_features
from .files import sha256_file
from .layouts import find_pairs
from .levels import Levels
from .lpips import load_lpips, lpips_of
from .measurement import Instruments, Measured, baselines, known_pictures, measure
from .pairs import Pair, PairSource, read_boxes
from .profiles import BuildProfile
from .seen import SPEC, Seen, mean_level, seen_of
from .sheet import write_sheet
from .shipped import engine_payload
from .specs import Band, Precision
from .totals import totals
from .validation import Method, in_grey


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

    protocols: tuple[Protocol, ...] = ()
    """What is measured; with `--pairs` none, since the pairs are it."""
    training: tuple[PairSource, ...] = ()
    """Pairs the generator was trained on: none may be measured. Without any the model's record says what it has seen,
    and the mean level of it."""
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


def evaluate_from(name: str, protocol: Path, data: Path, out: Path, progress: Progress = silent) -> str:
    """Measure a shipped model, a model folder or an engine file; writes `out`, gives the table as Markdown.

    Raises ConfigError where a picture was trained on or a file is absent, TrainingError where pairs are missing.
    """
    config = configuration.load(protocol, EvaluateConfig)
    if not config.protocols:
        fix = "add [[protocols]], or give the file as --config beside --pairs"
        raise ConfigError("nothing to measure", where=str(protocol), why="it has no protocols", fix=fix)
    return report(name, config, data, out, progress)


def evaluate_pairs(
    name: str,
    pairs: Path,
    out: Path,
    *,
    levels: Levels | None = None,
    config: Path | None = None,
    allow_shared_scenes: bool = False,
    progress: Progress = silent,
) -> str:
    """The same on a folder with `visible/` and `infrared/`, and without a protocol.

    With a COCO file `boxes.json` there, by names in `visible/`, objects are measured. config: a TOML file with the keys
    of EvaluateConfig but `protocols`. Raises ConfigError where the model has seen these scenes and that is not allowed,
    TrainingError where pairs are missing.
    """
    whole = configuration.load(config, EvaluateConfig) if config else EvaluateConfig()
    if whole.protocols:
        fix = "leave [[protocols]] out, or give the file as --protocol with --data"
        raise ConfigError("protocols beside --pairs", where=str(config), why="--pairs is what is measured", fix=fix)
    boxes = ("boxes.json", "visible") if (pairs / "boxes.json").is_file() else ("", "")
    source = PairSource("folders", "visible", "infrared", boxes=boxes[0], boxes_images=boxes[1], levels=levels)
    protocol = Protocol(pairs.resolve().name, source, allow_shared_scenes)
    return report(name, replace(whole, protocols=(protocol,)), pairs, out, progress)


def report(name: str, config: EvaluateConfig, data: Path, out: Path, progress: Progress) -> str:
    """Measure and write everything; gives the table."""
    with open_model(name) as engine:
        evaluation = evaluate(config, engine, data, out, seen=seen_of(name), progress=progress)
    if model_alone(name):
        evaluation.notes.append("Measured is the network itself, float32 on the CPU: the model has no engine yet.")
    return write_report(out, evaluation, name, config)


def model_alone(name: str) -> Path | None:
    """The folder of a model that is not compiled yet; None for all else."""
    payload = engine_payload(name)
    made = payload == Path(name) or payload.exists() or papers_of(payload).exists()
    return payload.parent if not made and (payload.parent / SPEC).is_file() else None


def open_model(name: str) -> Engine:
    """The engine of a model, or, before it has one, its network in float32 on the CPU.

    Raises UnknownName, EngineUntrusted, EngineIncompatible, BackendMissing.
    """
    folder = model_alone(name)
    if folder is None:
        return open_engine(engine_payload(name))
    module, generator = load_model(folder)
    return TorchEngine(papers(generator, folder.name, BuildProfile("torch"), Precision.FLOAT32), module, "cpu")


def evaluate(
    config: EvaluateConfig,
    engine: Engine,
    data: Path,
    out: Path,
    *,
    seen: Seen | None = None,
    progress: Progress = silent,
) -> Evaluation:
    """Every protocol, method and picture, when all are found and allowed; sheets are written to `out` on the way."""
    instruments = open_instruments(config)
    trained = [pair for source in config.training for pair in find_pairs(data, source)]
    chosen = [(protocol, find_pairs(data, protocol.pairs)[:: config.every]) for protocol in config.protocols]
    evaluation = Evaluation([], [], notes(config))
    for protocol, pairs in chosen:
        evaluation.notes.extend(vet(protocol, pairs, trained, seen))
    if seen is None:
        evaluation.notes.append("It is not known what the model has seen: it has no record of its training.")
    level = mean_level(trained) if trained else seen.level if seen else math.nan
    done, count = 0, sum(len(pairs) for _, pairs in chosen)
    for protocol, found in chosen:
        pairs = [replace(pair, turned=True) for pair in found] if engine.spec.band == Band.VISIBLE else found
        methods: dict[str, Method] = {"generator": in_grey(partial(paint, engine))}
        methods |= baselines(level, pairs)
        boxes, measured = read_boxes(data, protocol.pairs), list[Measured]()
        for pair in pairs:
            measured.extend(measure(protocol.name, pair, methods, boxes.get(pair.name, []), instruments))
            done += 1
            progress(done, 0, count)
        evaluation.rows.extend(one.row for one in measured)
        evaluation.totals.extend(totals(measured, force_fid=config.force_fid))
        write_sheet(out / f"sheet-{slug(protocol.name)}.png", pairs, protocol.sheet, methods["generator"])
    evaluation.notes.extend(remarks(evaluation.totals))
    return evaluation


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


def vet(protocol: Protocol, pairs: list[Pair], trained: list[Pair], seen: Seen | None) -> list[str]:
    """What is to be said of pictures that the model may know.

    Raises ConfigError where one was trained on, or shows a scene the model has seen and the protocol forbids that.
    """
    refuse_trained(protocol, pairs, trained)
    if trained:
        refuse_shared(trained, pairs, protocol.allow_shared_scenes)
    why = known_pictures(pairs, seen) if seen else ""
    if why and not protocol.allow_shared_scenes:
        fix = "measure others, or call it a test on seen scenes: --allow-shared-scenes, or allow_shared_scenes = true"
        raise ConfigError("the model has seen what is to be measured", where=protocol.name, why=why, fix=fix)
    return [f"{protocol.name}: {why}."] if why else []


def refuse_trained(protocol: Protocol, pairs: list[Pair], trained: list[Pair]) -> None:
    """Raises ConfigError if a picture to be measured is among those trained on."""
    seen = {pair.visible.resolve() for pair in trained} & {pair.visible.resolve() for pair in pairs}
    if seen:
        why = f"{len(seen)} pictures were trained on, e.g. {min(seen).name}"
        raise ConfigError("a test on training pictures", where=protocol.name, why=why, fix="measure held-out pictures")
