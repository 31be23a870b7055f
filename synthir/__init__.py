"""SynthIR turns a labelled RGB dataset into a synthetic infrared one, with the labels carried byte for byte.

    from synthir import SynthIR

    infrared = SynthIR.from_pretrained("cascade-lwir-s")(rgb)   # uint8 (H, W, 3) -> uint8 (H, W)

Names are loaded on first use, so importing this package costs nothing and never imports torch.
"""

import importlib
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from .dataset import Dataset, ImageRef, LabelCarry
    from .engine import Engine, open_engine
    from .errors import SynthIRError
    from .model import SynthIR
    from .options import Options
    from .specs import Band, EngineSpec, Polarity, Precision

__all__ = [
    "Band",
    "Dataset",
    "Engine",
    "EngineSpec",
    "ImageRef",
    "LabelCarry",
    "Options",
    "Polarity",
    "Precision",
    "SynthIR",
    "SynthIRError",
    "open_engine",
]
__version__ = "0.1.0"

_HOMES = {
    "dataset": ("Dataset", "ImageRef", "LabelCarry"),
    "engine": ("Engine", "open_engine"),
    "errors": ("SynthIRError",),
    "model": ("SynthIR",),
    "options": ("Options",),
    "specs": ("Band", "EngineSpec", "Polarity", "Precision"),
}
_HOME = {name: home for home, names in _HOMES.items() for name in names}


def __getattr__(name: str) -> object:
    """Import the module that a public name lives in, on first use."""
    if name not in _HOME:
        raise AttributeError(f"module 'synthir' has no attribute {name!r}")
    return getattr(importlib.import_module(f".{_HOME[name]}", __name__), name)


def __dir__() -> list[str]:
    """The public names, also those not loaded yet."""
    return sorted({*globals(), *__all__})
