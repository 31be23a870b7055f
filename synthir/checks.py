"""What is installed, what works here, and how to get what is missing: `synthir checks`. Never imports torch."""

import importlib.metadata
import os
import platform
import sys
from collections.abc import Iterator
from dataclasses import dataclass

from . import shipped
from .engine import check_papers
from .errors import SynthIRError

PACKAGES = {
    "click": "",
    "msgspec": "",
    "numpy": "",
    "opencv-python": "",
    "openvino": "",
    "pillow": "",
    "pyyaml": "",
    "safetensors": "",
    "tqdm": "",
    "torch": "train",
    "torchmetrics": "train",
    "tensorrt": "tensorrt",
    "torch-tensorrt": "tensorrt",
    "faster-coco-eval": "recipes",
    "pycocotools": "recipes",
    "ultralytics": "recipes",
}
"""Package -> the extra that brings it, empty for the core."""
BACKENDS = {"openvino": ("openvino",), "torch": ("torch",), "tensorrt": ("tensorrt", "tensorrt_rtx")}
"""Backend -> the packages of which one must be there."""


@dataclass(frozen=True)
class Check:
    """One thing that was looked at."""

    kind: str
    """`machine`, `package`, `backend` or `model`."""
    name: str
    good: bool
    detail: str
    fix: str = ""
    """What to do where it is not good."""
    needed: bool = True
    """Whether converting needs it."""


def checks() -> tuple[Check, ...]:
    """Look at this machine, the packages, the backends and the shipped models."""
    return (*_machine(), *_packages(), *_backends(), *_models())


def version_of(package: str) -> str:
    """The installed version, or nothing."""
    try:
        return importlib.metadata.version(package)
    except importlib.metadata.PackageNotFoundError:
        return ""


def _machine() -> Iterator[Check]:
    yield Check("machine", "python", True, f"{platform.python_version()} on {platform.system()} {platform.machine()}")
    yield Check("machine", "cores", True, str(os.cpu_count() or "unknown"))


def _packages() -> Iterator[Check]:
    for package, extra in PACKAGES.items():
        version = version_of(package)
        fix = f'pip install "synthir[{extra}]"' if extra else "pip install synthir"
        what = f"not installed, in the extra {extra}" if extra else "not installed, SynthIR needs it"
        yield Check("package", package, bool(version), version or what, "" if version else fix, not extra)


def _backends() -> Iterator[Check]:
    for backend, packages in BACKENDS.items():
        found = [f"{package} {version_of(package)}" for package in packages if version_of(package)]
        extra = PACKAGES[packages[0]]
        fix = "" if found else f'pip install "synthir{f"[{extra}]" if extra else ""}"'
        detail = openvino_devices() if found and backend == "openvino" else ", ".join(found) or "not installed"
        yield Check("backend", backend, bool(found), detail, fix, not extra)


def openvino_devices() -> str:
    """The devices that OpenVINO sees, and what their arithmetic is good at."""
    vars(sys)["modules"].setdefault("openvino_telemetry", None)  # it would look up a host
    import openvino

    core = openvino.Core()
    return "; ".join(
        f"{device} {core.get_property(device, 'FULL_DEVICE_NAME')}:"
        f" {' '.join(core.get_property(device, 'OPTIMIZATION_CAPABILITIES'))}"
        for device in core.available_devices
    )


def _models() -> Iterator[Check]:
    for name in shipped.models():
        try:
            spec = check_papers(shipped.model_folder(name) / "engine.xml")
            yield Check("model", name, True, f"{spec.backend} {spec.precision}, papers agree")
        except SynthIRError as error:
            yield Check("model", name, False, str(error), error.fix)
