"""SynthIR: one trained generator and its engine, in Python.

model = SynthIR.from_pretrained("cascade-lwir-s")
infrared = model(rgb)                              uint8 (H, W, 3) -> uint8 (H, W)
model.convert("coco.json", out="coco-ir")          a dataset, its labels carried
"""

from pathlib import Path
from types import TracebackType
from typing import Self

import numpy as np
from numpy.typing import NDArray

from . import formats
from .attempts import paint
from .convert import Options, Progress, plan, run, silent
from .engine import Engine, open_engine
from .errors import UnsupportedPicture, UsageError
from .extras import missing
from .files import write_atomic
from .manifest import Manifest
from .shipped import engine_payload, model_place
from .specs import EngineSpec, Precision

UInt8 = NDArray[np.uint8]
Place = str | Path


class SynthIR:
    """A generator that is ready to run. Close it, or use it with `with`, to give the engine's memory back."""

    def __init__(self, payload: Path, folder: Path | None) -> None:
        """payload: the engine's file, its papers beside it. folder: the model it came from, None for a lone engine."""
        self._payload = payload
        self._folder = folder
        self._engine = open_engine(payload)

    @classmethod
    def from_pretrained(cls, place: Place) -> Self:
        """A shipped model by name, or the folder of one. Raises UnknownName, EngineUntrusted, EngineIncompatible."""
        folder = model_place(str(place))
        return cls(engine_payload(str(place)), folder)

    @classmethod
    def from_engine(cls, payload: Place) -> Self:
        """An engine file with its papers beside it, e.g. `cascade.xml`. Raises EngineUntrusted, EngineIncompatible."""
        return cls(Path(payload), None)

    @property
    def spec(self) -> EngineSpec:
        """The papers of the engine."""
        return self._engine.spec

    def __call__(self, rgb: UInt8) -> UInt8:
        """Infrared (H, W) uint8, white-hot, of a visible picture (H, W, 3) uint8 RGB of any height and width.

        Raises UnsupportedPicture for another shape or dtype, EngineOutput where the engine fails on it.
        """
        shape, kind = np.shape(rgb), getattr(rgb, "dtype", type(rgb).__name__)
        if len(shape) != 3 or shape[2] != 3 or kind != np.uint8 or 0 in shape:
            why = f"expected (H, W, 3) uint8 RGB, got {shape} {kind}"
            raise UnsupportedPicture("not a visible picture", why=why, fix="np.asarray(Image.open(...).convert('RGB'))")
        return paint(self._engine, rgb)

    def convert(
        self,
        source: Place,
        *,
        out: Place,
        images: Place | None = None,
        form: str | None = None,
        options: Options | None = None,
        progress: Progress = silent,
    ) -> Manifest:
        """Convert a dataset as `synthir convert` does; started again it goes on where it stopped.

        source: a COCO file, a data.yaml, a VOC folder, a folder of pictures or one picture; images: the folder its
        pictures are in, form: its format, both found if not given. Raises DatasetError, TargetError, TooManyFailures.
        """
        dataset = formats.read(Path(source), Path(images) if images else None, form)
        planned = plan(dataset, Path(out), self.spec, options or Options())
        return run(planned, self._engine, progress)

    def compile(self, target: Place, *, backend: str = "openvino", precision: Precision | None = None) -> Path:
        """Build another engine of this model; needs torch. Raises BackendMissing, UsageError for a lone engine."""
        try:
            from .compile import compile_engine
        except ModuleNotFoundError as error:
            raise missing(error) from error
        return compile_engine(self._model_folder(), Path(target), backend, precision)

    def save_pretrained(self, folder: Place) -> Path:
        """Copy the model, its engine and its card to a folder that from_pretrained reads. Existing files stay.

        Raises UsageError where one of the files is there already.
        """
        target = Path(folder)
        sources = sorted(path for path in self._model_folder().iterdir() if path.is_file())
        there = [path.name for path in sources if (target / path.name).exists()]
        if there:
            raise UsageError(f"{there[0]} is there already", where=str(target), fix="choose an empty folder")
        for path in sources:
            write_atomic(target / path.name, path.read_bytes())
        return target

    @property
    def engine(self) -> Engine:
        """The engine itself: batches of frames, see synthir.engine."""
        return self._engine

    def close(self) -> None:
        """Give the engine's memory back."""
        self._engine.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _model_folder(self) -> Path:
        if self._folder is None:
            fix = "open the model with SynthIR.from_pretrained"
            raise UsageError("a lone engine has no weights", where=str(self._payload), fix=fix)
        return self._folder
