"""Which TensorRT is here, what its releases differ in, and whether a plan was made by it and for this machine.

`Flavour` is all of the difference. What is refused here is refused before a byte is deserialised.
"""

import importlib
import platform
import sys
from dataclasses import dataclass
from types import ModuleType
from typing import Any

from ..errors import BackendMissing, EngineIncompatible
from ..specs import EngineSpec

FIX = 'pip install ".[tensorrt]", or pip install tensorrt_rtx'
AGAIN = "compile it here again: synthir compile --backend tensorrt"
TORCH = "synthir compile {0} --backend torch --out {0}.safetensors"
"""The way on for a GPU that TensorRT does not serve."""
OWN_CHOICE = "its own choice"
"""Targets in the papers of a portable plan where the profile names none."""
FOREIGN = {b"PK": "a zip, as torch.save writes it", b"\x80": "a pickle", b"\x08": "ONNX", b"<?xml": "XML"}
"""What files of other kinds begin with."""


@dataclass(frozen=True)
class Flavour:
    """What differs between the packages that have this API."""

    package: str
    portable: bool
    """Plans run on other GPUs than the one they were built on, and are built without one."""
    begins: bytes
    """The first bytes of a plan; nothing where that is not known."""
    times: bool
    """Building times kernels, which can be kept for the next build. RTX chooses them where the plan runs: its calls for
    a timing cache do nothing."""
    flags: tuple[str, ...]
    """Builder flags that are set. STRICT_NANS: without it 0 * NaN may be 0, and the mean that tells a bad result a good
    one. REQUIRE_USER_ALLOCATION: without it a plan may allocate while it runs, which no CUDA graph can hold."""
    just_in_time: bool
    """Kernels are made where the plan runs: a context is told to make those of its shape before the first call, and
    asked whether its work can be captured."""


FLAVOURS = (
    # 10.x asks for strong typing, 11.x knows nothing else
    Flavour("tensorrt", portable=False, begins=b"", times=True, flags=("STRICT_NANS",), just_in_time=False),
    Flavour(
        "tensorrt_rtx",
        portable=True,
        begins=b"vtrt",
        times=False,
        flags=("STRICT_NANS", "REQUIRE_USER_ALLOCATION"),
        just_in_time=True,
    ),
)
"""The first that is installed is taken."""


def flavour(package: str = "") -> tuple[Flavour, ModuleType]:
    """The package of that name, or the first there is, and its module. Raises BackendMissing."""
    for one in FLAVOURS:
        if package in ("", one.package):
            try:
                return one, importlib.import_module(one.package)
            except ImportError:
                continue
    what = f"{package or 'TensorRT'} is not installed"
    raise BackendMissing(what, why=f"looked for {package or ' and '.join(f.package for f in FLAVOURS)}", fix=FIX)


def machine() -> str:
    """Operating system and processor, which a plan is bound to."""
    return f"{sys.platform}-{platform.machine()}"


def built_by(spec: EngineSpec) -> tuple[Flavour, ModuleType]:
    """The package a plan was built with, and its module. Raises BackendMissing, EngineIncompatible."""
    named = next((one.package for one in FLAVOURS if one.package in spec.built_with), "")
    if not named:
        why = "they name neither tensorrt nor tensorrt_rtx"
        raise EngineIncompatible("papers of no TensorRT", where=spec.generator, why=why, fix=AGAIN)
    return flavour(named)


def refuse_foreign(plan: bytes, spec: EngineSpec, one: Flavour) -> None:
    """Raises EngineIncompatible for bytes that are no plan, whatever the file is called."""
    kind = next((kind for start, kind in FOREIGN.items() if plan.startswith(start)), "")
    if kind or not plan.startswith(one.begins):
        why = f"it looks like {kind}" if kind else f"a plan of {one.package} begins otherwise"
        raise EngineIncompatible("not a plan", where=spec.generator, why=why, fix=AGAIN)


def refuse_elsewhere(spec: EngineSpec, one: Flavour, release: str) -> None:
    """Raises EngineIncompatible for a plan of another release, operating system or processor."""
    here = {one.package: release, "machine": machine()}
    built = {name: spec.built_with.get(name) for name in here}
    differs = [f"{name} {built[name]}, here {found}" for name, found in here.items() if built[name] != found]
    if differs:
        why = f"built with {'; '.join(differs)}"
        raise EngineIncompatible("a plan of another TensorRT or machine", where=spec.generator, why=why, fix=AGAIN)


def refuse_gpu(spec: EngineSpec, one: Flavour, package: Any, here: str) -> None:
    """Raises EngineIncompatible for a plan that was built for other GPUs than the one here, e.g. `sm90`."""
    built = spec.built_with.get("targets" if one.portable else "gpu", "unknown")
    if here in built.split() or (one.portable and built == OWN_CHOICE):
        return
    fix = AGAIN
    if one.portable and here.upper() not in package.ComputeCapability.__members__:
        fix = f"{one.package} does not build for {here}: {TORCH.format(spec.generator)}"
    elif one.portable:
        fix = f'{AGAIN}, with a --profile that has targets = ["{here}"]'
    why = f"built for {built}, here is {here}"
    raise EngineIncompatible("a plan for another GPU", where=spec.generator, why=why, fix=fix)
