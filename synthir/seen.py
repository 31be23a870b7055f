"""What a generator has seen: a hash of every picture it was trained on, which travels with its weights and engines.

A training writes the record `model.seen` beside `model.safetensors` and pins it in `model.json`; `synthir compile`
copies it to `<engine>.seen`, pinned in the papers. It is asked before anything is measured on pictures the generator
may know. No record means that it is not known what was seen, never that nothing was.
`docs/decisions/0018-what-a-model-has-seen.md` says what a hash can tell and what not.
"""

import math
from collections.abc import Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

import msgspec
import numpy as np
from numpy.typing import NDArray
from safetensors import SafetensorError
from safetensors.numpy import load, save

from .audit import SIDE, THRESHOLDS, Bits, Modality, hash_file, hash_of, nearest
from .engine import papers_of, pinned_bytes
from .errors import EngineUntrusted, TrainingError
from .files import sha256_bytes, write_atomic
from .layouts import find_pairs
from .manifest import MANIFEST, read_manifest
from .pairs import Pair, PairSource, read_infrared
from .shipped import engine_payload, model_place, models
from .specs import GeneratorSpec, read_engine_spec, read_generator_spec, to_json
from .train_config import TrainConfig

SPEC, RECORD, ENDING = "model.json", "model.seen", ".seen"
BITS = SIDE * SIDE
WORKERS = 4
"""Threads that hash pictures; decoding leaves the interpreter free."""


@dataclass(frozen=True, eq=False)
class Seen:
    """The hashes of the pictures that a generator was given, each once and in order."""

    visible: Bits
    """(N, 256)"""
    infrared: Bits
    """(M, 256)"""
    level: float = math.nan
    """Mean grey level of its last training's infrared, 0 to 255; NaN in records of before it was kept."""


@dataclass(frozen=True)
class Match:
    """A picture that looks like one that was seen."""

    picture: Path
    distance: int
    """Bits of 256 that differ from the nearest seen one; 0 for the picture itself."""


def seen_of(place: str | Path, among: Sequence[str | Path] = ()) -> Seen | None:
    """What the generator at a place has seen; None where that is not known.

    place: a shipped model by name, a model folder, an engine file with its papers, or a converted dataset. Of a
    dataset, the model is looked for by its weights in `among`, models or engines, and then among the shipped ones.
    Raises UnknownName, EngineUntrusted (also for a record that is not the pinned one), VerificationFailed.
    """
    path = Path(place)
    if str(place) not in models() and (path.name == MANIFEST or (path / MANIFEST).is_file()):
        weights = read_manifest(path.parent if path.name == MANIFEST else path).engine.weights_sha256
        records = (record for digest, record in map(held, (*among, *models())) if weights and digest == weights)
        data = next(filter(None, records), b"")
    else:
        data = held(place)[1]
    return from_bytes(data, str(place)) if data else None


def held(place: str | Path) -> tuple[str, bytes]:
    """The sha256 of the weights of a model or engine, and its record, empty where there is none."""
    if str(place) in models() or (Path(place) / SPEC).is_file():
        folder = model_place(str(place))
        spec = read_generator_spec(folder / SPEC)
        return spec.weights_sha256, record_bytes(folder, spec)
    payload = engine_payload(str(place))
    papers = read_engine_spec(papers_of(payload))
    pin = papers.files.get(ENDING)
    return papers.weights_sha256, pinned_bytes(payload.with_suffix(ENDING), pin) if pin else b""


def record_bytes(folder: Path, spec: GeneratorSpec) -> bytes:
    """The record of a model folder, empty where the spec names none. Raises EngineUntrusted if it is not that one."""
    return pinned_bytes(folder / RECORD, spec.seen_sha256) if spec.seen_sha256 else b""


def seen_pictures(
    seen: Seen, pictures: Sequence[Path], modality: Modality, threshold: int | None = None
) -> list[Match]:
    """The pictures that show a scene the generator has seen, nearest first; the same picture is 0 bits away.

    threshold: bits of 256, by default that of the modality in synthir.audit. Raises PictureError.
    """
    known = seen.visible if modality == "visible" else seen.infrared
    if not len(known) or not pictures:
        return []
    asked = hashes(pictures, modality)
    limit = THRESHOLDS[modality] if threshold is None else threshold
    found = [Match(pictures[row], apart) for row, _, apart in nearest(asked, known, limit)]
    return sorted(found, key=lambda match: (match.distance, match.picture))


def hashes(pictures: Sequence[Path], modality: Modality) -> Bits:
    """The hashes (N, 256) of pictures of one modality. Raises PictureError."""
    with ThreadPoolExecutor(WORKERS) as pool:
        return stacked(pool.map(partial(hash_file, modality=modality), pictures))


def of_training(config: TrainConfig, data: Path) -> Seen | None:
    """What a model has seen after that training: all pictures of its sources, and all that its `start` has seen.

    None where it is not known what `start` has seen. Raises TrainingError, PictureError, EngineUntrusted.
    """
    before = seen_of(model_place(config.start)) if config.start else None
    if config.start and before is None:
        return None
    own = of_sources(config.sources, data)
    return replace(together([own, before]), level=own.level) if before else own


def of_sources(sources: Sequence[PairSource], data: Path) -> Seen:
    """All pictures of some sources, those that validate also. Raises TrainingError, PictureError."""
    pairs = [pair for source in sources for pair in find_pairs(data, source)]
    # of unpaired folders the smaller one goes round: each picture once
    visible = pair_hashes({pair.visible: pair for pair in pairs}.values(), "visible")
    infrared = pair_hashes({pair.infrared: pair for pair in pairs}.values(), "infrared")
    return Seen(distinct(visible), distinct(infrared), mean_level(pairs))


def mean_level(pairs: Sequence[Pair]) -> float:
    """Mean grey level of the infrared of about a hundred of the pairs, evenly spread."""
    return float(np.mean([read_infrared(pair).mean() for pair in pairs[:: max(1, len(pairs) // 100)]]))


def pair_hashes(pairs: Iterable[Pair], modality: Modality) -> Bits:
    """The hashes (N, 256) of one picture of each pair."""
    with ThreadPoolExecutor(WORKERS) as pool:
        return stacked(pool.map(partial(hash_of, modality=modality), pairs))


def together(records: Sequence[Seen]) -> Seen:
    """All that is in some records."""
    return Seen(
        distinct(np.concatenate([one.visible for one in records])),
        distinct(np.concatenate([one.infrared for one in records])),
    )


def stacked(rows: Iterable[Bits]) -> Bits:
    """Hashes as one array (N, 256)."""
    return np.array(list(rows), dtype=np.bool_).reshape(-1, BITS)


def distinct(bits: Bits) -> Bits:
    """Each row once, in the order of their bits."""
    return unpacked(np.unique(np.packbits(bits, axis=1), axis=0))


def unpacked(packed: NDArray[np.uint8]) -> Bits:
    """(N, 32) bytes as (N, 256) bits."""
    return np.unpackbits(packed, axis=1).astype(np.bool_)


def to_bytes(seen: Seen) -> bytes:
    """A record as safetensors: uint8 `visible` (N, 32), `infrared` (M, 32), float64 `level` (1,) where it is known.

    Equal records give equal bytes.
    """
    hashed = {"visible": seen.visible, "infrared": seen.infrared}
    arrays = {name: np.packbits(distinct(bits), axis=1) for name, bits in hashed.items()}
    return save(arrays if math.isnan(seen.level) else {**arrays, "level": np.array([seen.level])})


def from_bytes(data: bytes, where: str) -> Seen:
    """A record as it was written. Raises EngineUntrusted where it is none."""
    try:
        arrays = load(data)
        level = float(arrays.pop("level", np.array([math.nan]))[0])
        shapes = {name: (array.dtype, array.shape[1:]) for name, array in arrays.items()}
    except (SafetensorError, IndexError, KeyError, TypeError, ValueError) as error:
        raise EngineUntrusted("no record of what was seen", where=where, why=str(error)) from error
    if shapes != dict.fromkeys(("visible", "infrared"), (np.dtype(np.uint8), (BITS // 8,))):
        why = f"expected visible and infrared, each uint8 (N, {BITS // 8}), found {shapes}"
        raise EngineUntrusted("no record of what was seen", where=where, why=why)
    return Seen(unpacked(arrays["visible"]), unpacked(arrays["infrared"]), level)


def record(folder: Path, config: TrainConfig, data: Path) -> Seen:
    """Write the record of a model that was made before there were any, from the sources of its configuration.

    Weights and engines stay as they are; `model.json` and the papers of its engines in the folder pin the record. A
    `start` that is the folder itself is its predecessor: whoever calls this answers for its having had the same
    sources. Raises TrainingError (also where it is not known what another `start` has seen), EngineUntrusted.
    """
    spec = read_generator_spec(folder / SPEC)
    seen: Seen | None = of_sources(config.sources, data)
    if config.start and model_place(config.start).resolve() != folder.resolve():
        seen = of_training(config, data)
    if seen is None:
        why, fix = f"{config.start} has no record", "write that of its start first"
        raise TrainingError("not known what it has seen", where=str(folder), why=why, fix=fix)
    written, pin = to_bytes(seen), sha256_bytes(to_bytes(seen))
    write_atomic(folder / RECORD, written)
    write_atomic(folder / SPEC, to_json(msgspec.structs.replace(spec, seen_sha256=pin)))
    for path in sorted(folder.glob("*.*.json")):
        papers, payload = read_engine_spec(path), path.with_suffix("")
        if papers.weights_sha256 == spec.weights_sha256:
            write_atomic(payload.with_suffix(ENDING), written)
            files = papers.files | {ENDING: pin}
            write_atomic(path, to_json(msgspec.structs.replace(papers, files=files)))
    return seen
