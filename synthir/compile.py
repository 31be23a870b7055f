"""`synthir compile`: a model folder in, an engine with its papers out.

    load the float32 network -> build the payload -> open it -> compare with the network -> write engine, then papers

An engine that cannot be opened here, for want of a GPU, is written with papers that say it was not compared; it is not
opened until `compare_engine`, on a machine that can, has finished them.
"""

from collections.abc import Iterator
from importlib.metadata import version
from pathlib import Path

import msgspec
import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from .attempts import infer
from .checkpoint import load_model
from .comparison import comparison_frames, comparison_pictures
from .engine import Engine, Infrared, Start, papers_of, read_payload
from .errors import (
    AgreementFailed,
    DeviceMissing,
    EngineIncompatible,
    EngineOutput,
    EngineUntrusted,
    UsageError,
)
from .files import sha256_bytes, write_atomic
from .folders import load
from .frames import UInt8, normalised
from .lowering import Layer, compared, graph_of
from .profiles import BuildProfile, profile_of, up
from .seen import ENDING, record_bytes
from .specs import Agreement, EngineSpec, GeneratorSpec, Precision, to_json


def compile_engine(
    checkpoint: Path,
    target: Path,
    backend: str = "openvino",
    precision: Precision | None = None,
    profile: BuildProfile | None = None,
) -> Path:
    """Build the engine `target` from a model folder, with its papers beside it; gives target.

    profile: None takes the backend's own. precision: None takes the first of the profile's that agrees. Raises
    UnknownName, UsageError (also where target exists or the precision cannot be had here), EngineUntrusted,
    BackendMissing, EngineIncompatible, AgreementFailed (nothing is written then). Where there is no device to open it
    on, the papers have no agreement.
    """
    chosen = profile or profile_of(backend)
    maker = load("synthir.backends", chosen.backend)
    if target.suffix != maker.ENDINGS[0]:
        fix = f"--out {target.with_suffix(maker.ENDINGS[0]).name}"
        raise UsageError(f"an engine of {chosen.backend} ends in {maker.ENDINGS[0]}", where=str(target), fix=fix)
    for path in (papers_of(target), *(target.with_suffix(ending) for ending in maker.ENDINGS)):
        if path.exists():
            raise UsageError("a file is there already", where=str(path), fix="choose another --out, or delete it")
    module, generator = load_model(checkpoint)
    record = record_of(checkpoint, generator, target)
    able = maker.precisions()
    tried = [precision] if precision else [one for one in chosen.precisions if one in able] or list(able)
    if not set(tried) <= set(able):
        what, fix = f"{chosen.backend} cannot build {precision} here", f"--precision {able[0]}"
        raise UsageError(what, why=f"on this machine it computes in {', '.join(able)}", fix=fix)
    for choice in tried:
        spec = papers(generator, checkpoint.name, chosen, choice)
        payload = maker.build(module, generator.stride, choice, chosen, spec.profile) | record
        spec = msgspec.structs.replace(spec, files={ending: sha256_bytes(data) for ending, data in payload.items()})
        try:
            spec = msgspec.structs.replace(spec, agreement=measure(module, spec, payload, maker.start))
        except DeviceMissing:
            return write_engine(target, payload, spec)
        except EngineOutput as error:
            why = f"{error.what}, {error.why}"
            continue
        if not (why := spec.shortfall()):
            return write_engine(target, payload, spec)
    raise disagreed(checkpoint, why, exact=Precision.FLOAT32 in tried)


def record_of(checkpoint: Path, generator: GeneratorSpec, target: Path) -> dict[str, bytes]:
    """What the model has seen, as one more file of its engine; nothing where it is not known.

    Raises UsageError where another such file is there, EngineUntrusted.
    """
    data, path = record_bytes(checkpoint, generator), target.with_suffix(ENDING)
    if path.exists() and path.read_bytes() != data:
        raise UsageError("a file is there already", where=str(path), fix="choose another --out, or delete it")
    return {ENDING: data} if data else {}


def disagreed(where: Path, why: str, *, exact: bool) -> AgreementFailed:
    """The error for an engine under its bar. exact: whether float32 was tried, which is then no way on."""
    fix = "another --backend; --explain shows where the model leaves the range" if exact else "--precision float32"
    return AgreementFailed("the engine differs too much from float32", where=str(where), why=why, fix=fix)


def compare_engine(checkpoint: Path, target: Path, profile: BuildProfile | None = None) -> Path:
    """Open an engine here, compare it with the model it was built of, and write that into its papers; gives target.

    profile: one that asks for more than the one it was built with, whose bar is in the papers. Raises EngineUntrusted
    (also for an engine of other weights), EngineError, AgreementFailed.
    """
    spec, payload = read_payload(target, finished=False)
    module, generator = load_model(checkpoint)
    if generator.weights_sha256 != spec.weights_sha256:
        why, fix = f"{checkpoint} has other weights", "name the model that the engine was built of"
        raise EngineUntrusted("an engine of another model", where=str(target), why=why, fix=fix)
    unfinished = msgspec.structs.replace(spec, agreement=None)  # so that it may be opened on another device than before
    with load("synthir.backends", spec.backend).start(payload, unfinished) as engine:
        if engine.spec.precision != spec.precision:
            why = f"it runs in {engine.spec.precision} on this machine"
            raise EngineIncompatible(f"no {spec.precision} to compare here", where=str(target), why=why)
        spec = msgspec.structs.replace(engine.spec, agreement=compare(module, engine))
    if profile:
        spec = msgspec.structs.replace(spec, bar=spec.bar.stricter(profile.bar(spec.precision)))
    if why := spec.shortfall():
        raise disagreed(target, why, exact=spec.precision == Precision.FLOAT32)
    write_atomic(papers_of(target), to_json(spec))
    return target


def explain(checkpoint: Path) -> list[Layer]:
    """Each operation of a model in float16 beside float32, in the order they are computed, and the type it gets."""
    module, generator = load_model(checkpoint)
    return compared(graph_of(module, generator.stride), comparison_frames(generator.stride))


def papers(generator: GeneratorSpec, name: str, profile: BuildProfile, precision: Precision) -> EngineSpec:
    """The papers of an engine that is yet to be built: the sizes it is built for, agreement and files still open."""
    maker = load("synthir.backends", profile.backend)
    stride = up(max(profile.bucket, generator.stride), generator.stride)
    return EngineSpec(
        backend=profile.backend,
        precision=precision,
        band=generator.band,
        polarity=generator.polarity,
        stride=stride,
        batch=0,
        height=0,
        width=0,
        generator=name,
        weights_sha256=generator.weights_sha256,
        built_with={"torch": version("torch"), **maker.versions(profile)},
        agreement=None,
        files={},
        network=generator.network,
        settings=generator.settings,
        pixels=maker.PIXELS,
        profile=profile.ranges(stride),
        bar=profile.bar(precision),
    )


def write_engine(target: Path, payload: dict[str, bytes], spec: EngineSpec) -> Path:
    """Payload first, papers last: an engine without papers is not opened."""
    for ending, data in payload.items():
        write_atomic(target.with_suffix(ending), data)
    write_atomic(papers_of(target), to_json(spec))
    return target


def measure(module: nn.Module, spec: EngineSpec, payload: dict[str, bytes], start: Start) -> Agreement:
    """Compare an engine with the float32 network on `comparison_pictures`."""
    with start(payload, spec) as engine:
        return compare(module, engine)


def compare(module: nn.Module, engine: Engine) -> Agreement:
    """Differences in units of [-1, 1] over all pixels; PSNR with peak 2, the mean over pictures and the worst of them.

    Of an engine that gives grey levels, the network's result is rounded to them, too.
    """
    largest, means, ratios, off = 0.0, [], [], []
    for picture, made in results(engine):
        difference = differences(made, reference(module, picture))
        largest = float(np.maximum(largest, difference.max()))
        means.append(float(difference.mean()))
        ratios.append(10.0 * np.log10(4.0 / np.maximum(np.square(difference).mean(), 1e-12)))
        off.append(float((difference > 1.0 / 127.5 + 1e-6).mean()))
    return Agreement(
        pictures=len(means),
        max_abs=round(largest, 6),
        mean_abs=round(float(np.mean(means)), 8),
        psnr_db=round(float(np.mean(ratios)), 2),
        worst_psnr_db=round(float(np.min(ratios)), 2),
        off_share=round(float(np.mean(off)), 6),
    )


def results(engine: Engine) -> Iterator[tuple[UInt8, Infrared]]:
    """Each comparison picture and what an engine makes of it; the first two once more in one batch, if it takes two."""
    pictures = comparison_pictures(engine.spec.stride, engine.spec.profile)
    for picture in pictures:
        yield picture, infer(engine.run, engine.spec, [picture[0]])
    if engine.spec.batch in (0, 2) and not engine.spec.outside(2, *pictures[0].shape[1:3]):
        together = infer(engine.run, engine.spec, [pictures[0][0], pictures[1][0]])
        yield from ((picture, made[None]) for picture, made in zip(pictures[:2], together, strict=True))


def reference(module: nn.Module, picture: UInt8) -> NDArray[np.float64]:
    """What the float32 network makes of a picture (1, H, W, 3)."""
    with torch.inference_mode():
        made: NDArray[np.float64] = module(torch.from_numpy(normalised(picture))).numpy().astype(np.float64)
    return made


def differences(made: Infrared, expected: NDArray[np.float64]) -> NDArray[np.float64]:
    """Absolute, in units of [-1, 1]; where grey levels were made, to the nearest ones of what was expected."""
    if made.dtype == np.uint8:
        return np.asarray(np.abs(made - np.rint((expected + 1.0) * 127.5)) / 127.5, dtype=np.float64)
    return np.asarray(np.abs(made - expected), dtype=np.float64)
