"""`synthir compile`: a model folder in, an engine with its papers out.

    load the float32 network -> build the payload -> open it -> compare with the network -> write engine, then papers

An engine that was not compared is not written.
"""

from importlib.metadata import version
from pathlib import Path

import msgspec
import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from .checkpoint import load_model
from .engine import Engine, Float32, Start, papers_of
from .errors import AgreementFailed, UsageError
from .files import sha256_bytes, write_atomic
from .folders import load
from .frames import padded
from .specs import Agreement, EngineSpec, GeneratorSpec, Precision, to_json

BAR_DB = {Precision.FLOAT32: 80.0, Precision.BFLOAT16: 50.0, Precision.FLOAT16: 50.0}
"""The least PSNR against the float32 network, in dB with peak 2, with which an engine is written."""


def compile_engine(
    checkpoint: Path, target: Path, backend: str = "openvino", precision: Precision | None = None
) -> Path:
    """Build the engine `target` from a model folder, with its papers beside it; gives target.

    precision: None takes the fastest one that agrees of those this machine can compare. Raises UnknownName, UsageError
    (also where target exists or the precision cannot be had here), EngineUntrusted,
    BackendMissing, AgreementFailed (nothing is written then).
    """
    maker = load("synthir.backends", backend)
    if target.suffix != maker.ENDING:
        fix = f"--out {target.with_suffix(maker.ENDING).name}"
        raise UsageError(f"an engine of {backend} ends in {maker.ENDING}", where=str(target), fix=fix)
    if target.exists() or papers_of(target).exists():
        raise UsageError("an engine is there already", where=str(target), fix="choose another --out, or delete it")
    module, generator = load_model(checkpoint)
    tried = [precision] if precision else list(maker.precisions())
    if not set(tried) <= set(maker.precisions()):
        able = ", ".join(maker.precisions())
        what, fix = f"{backend} cannot build {precision} here", f"--precision {maker.precisions()[0]}"
        raise UsageError(what, why=f"on this machine it computes in {able}", fix=fix)
    for choice in tried:
        payload = maker.build(module, choice)
        spec = papers(generator, checkpoint.name, backend, choice, payload)
        agreement = measure(module, spec, payload, maker.start)
        if agreement.psnr_db >= BAR_DB[choice]:
            return write_engine(target, payload, spec, agreement)
    why = f"{agreement.psnr_db:.1f} dB in {choice}, the bar is {BAR_DB[choice]:.0f} dB"
    what, fix = "the engine differs too much from float32", "--precision float32"
    raise AgreementFailed(what, where=str(checkpoint), why=why, fix=fix)


def papers(
    generator: GeneratorSpec, name: str, backend: str, precision: Precision, payload: dict[str, bytes]
) -> EngineSpec:
    """The papers of a payload, agreement still open."""
    return EngineSpec(
        backend=backend,
        precision=precision,
        band=generator.band,
        polarity=generator.polarity,
        stride=generator.stride,
        batch=0,
        height=0,
        width=0,
        generator=name,
        weights_sha256=generator.weights_sha256,
        built_with={"torch": version("torch"), **load("synthir.backends", backend).versions()},
        agreement=None,
        files={ending: sha256_bytes(data) for ending, data in payload.items()},
        network=generator.network,
        settings=generator.settings,
    )


def write_engine(target: Path, payload: dict[str, bytes], spec: EngineSpec, agreement: Agreement) -> Path:
    """Payload first, papers last: an engine without papers is not opened."""
    for ending, data in payload.items():
        write_atomic(target.with_suffix(ending), data)
    write_atomic(papers_of(target), to_json(msgspec.structs.replace(spec, agreement=agreement)))
    return target


def measure(module: nn.Module, spec: EngineSpec, payload: dict[str, bytes], start: Start) -> Agreement:
    """Compare an engine with the float32 network on `comparison_frames`."""
    with start(payload, spec) as engine:
        return compare(module, engine)


def compare(module: nn.Module, engine: Engine) -> Agreement:
    """Largest and mean absolute difference in units of [-1, 1], and the mean PSNR over frames, peak 2."""
    largest, means, ratios = 0.0, [], []
    for frame in comparison_frames(engine.spec.stride):
        with torch.inference_mode():
            expected = module(torch.from_numpy(frame)).numpy()
        difference = np.abs(engine.run(frame).astype(np.float64) - expected)
        largest = max(largest, float(difference.max()))
        means.append(float(difference.mean()))
        ratios.append(10.0 * np.log10(4.0 / max(float(np.square(difference).mean()), 1e-12)))
    return Agreement(len(means), round(largest, 6), round(float(np.mean(means)), 8), round(float(np.mean(ratios)), 2))


def comparison_frames(stride: int) -> list[Float32]:
    """Fixed frames (1, 3, H, W): textures with the spectrum of photographs, dark, bright, flat and noise, two sizes."""
    rng = np.random.default_rng(20260101)
    frames = []
    for height, width in (padded(256, 320, stride), padded(192, 288, stride)):
        texture = natural_texture(rng, height, width)
        noise = rng.uniform(-1.0, 1.0, texture.shape)
        flat = np.broadcast_to(rng.uniform(-1.0, 1.0, (1, 3, 1, 1)), texture.shape)
        kinds = (texture, 0.2 * texture - 0.8, 0.3 * texture + 0.7, flat, 0.3 * noise)
        frames += [np.ascontiguousarray(np.clip(kind, -1.0, 1.0), dtype=np.float32) for kind in kinds]
    return frames


def natural_texture(rng: np.random.Generator, height: int, width: int) -> NDArray[np.float64]:
    """(1, 3, H, W) within about [-1, 1]: noise whose amplitude falls with frequency, as in photographs (Field 1987)."""
    fy, fx = np.fft.fftfreq(height)[:, None], np.fft.rfftfreq(width)[None]
    amplitude = 1.0 / np.maximum(np.hypot(fy, fx), 1.0 / max(height, width))
    phases = np.exp(2j * np.pi * rng.random((1, 3, height, width // 2 + 1)))
    texture = np.fft.irfft2(amplitude * phases, s=(height, width))
    return np.asarray(0.4 * (texture - texture.mean()) / texture.std(), dtype=np.float64)
