"""What a person wants to know of a dataset before converting it: `synthir inspect`."""

from collections import Counter
from dataclasses import dataclass

from .dataset import Dataset
from .errors import SynthIRError


@dataclass(frozen=True)
class Summary:
    """A dataset in numbers."""

    format: str
    root: str
    pictures: int
    sizes: tuple[tuple[str, int], ...]
    """Declared `width x height` in pixels, or `not declared` -> pictures; the most frequent first."""
    label_files: tuple[tuple[str, int], ...]
    """Place -> bytes."""
    boxes: int
    """Objects with a box, in all pictures."""
    refused: tuple[tuple[str, SynthIRError], ...]
    notes: tuple[str, ...]


def summarise(dataset: Dataset) -> Summary:
    """Count what a dataset holds. Reads the label files, no picture. Raises DatasetError where they are broken."""
    files = dataset.labels.files({})
    sizes = Counter(f"{i.width}x{i.height}" if i.width and i.height else "not declared" for i in dataset.images)
    return Summary(
        format=dataset.format,
        root=str(dataset.root),
        pictures=len(dataset.images),
        sizes=tuple(sorted(sizes.items(), key=lambda item: (-item[1], item[0]))),
        label_files=tuple((place, len(files[place])) for place in sorted(files)),
        boxes=dataset.labels.count(),
        refused=dataset.refused,
        notes=(*dataset.notes, *dataset.labels.oddities()),
    )
