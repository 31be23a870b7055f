"""What is installed, what works here, and how to get what is missing: `synthir checks`. Never imports torch."""

import importlib.metadata
import os
import platform
from collections.abc import Iterator
from dataclasses import dataclass

from . import shipped
from .engine import check_papers
from .errors import SynthIRError
from .folders import load, names

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
    "tensorboard": "train",
    "onnx": "onnx",
    "onnxruntime": "onnx",
    "onnxscript": "onnx",
    "tensorrt_rtx": "rtx",
    "tensorrt": "tensorrt",
    "torch-tensorrt": "tensorrt",
    "nvidia-nvimgcodec-cu13": "gpu-codec",
    "faster-coco-eval": "recipes",
    "pycocotools": "recipes",
    "ultralytics": "recipes",
}
"""Package -> the extra that brings it, empty for the core."""


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
        what = f"not installed, in the extra {extra}" if extra else "not installed, SynthIR needs it"
        yield Check("package", package, bool(version), version or what, "" if version else install(extra), not extra)


def _backends() -> Iterator[Check]:
    for name in names("synthir.backends"):
        extra = PACKAGES.get(name, name)
        try:
            found = " ".join(" ".join(pair) for pair in load("synthir.backends", name).versions().items())
            yield Check("backend", name, True, f"{found}; {openvino_devices()}" if name == "openvino" else found)
        except importlib.metadata.PackageNotFoundError:
            yield Check("backend", name, False, "not installed", install(extra), not extra)
        except (SynthIRError, ImportError, RuntimeError) as error:  # installed and broken
            why = " ".join(str(error).split())[:200]
            yield Check(
                "backend", name, False, f"does not work: {why}", f"install it again, {install(extra)}", not extra
            )


def install(extra: str) -> str:
    """The command that brings an extra, or the core."""
    return f'in the checkout: pip install ".[{extra}]"' if extra else "in the checkout: pip install ."


def openvino_devices() -> str:
    """The devices that OpenVINO sees, and the arithmetic they are good at."""
    core = load("synthir.backends", "openvino").runtime().Core()
    return "; ".join(
        f"{device} {core.get_property(device, 'FULL_DEVICE_NAME')}:"
        f" {' '.join(core.get_property(device, 'OPTIMIZATION_CAPABILITIES'))}"
        for device in core.available_devices
    )


def _models() -> Iterator[Check]:
    for name in shipped.models():
        try:
            spec = check_papers(shipped.engine_payload(name))
            yield Check("model", name, True, f"{spec.backend} {spec.precision}, papers agree")
        except SynthIRError as error:
            yield Check("model", name, False, str(error), error.fix)
