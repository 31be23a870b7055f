"""A labelled dataset, and a sheet that shows visible and infrared side by side.

python examples/convert_dataset.py
"""

from pathlib import Path

import cv2
import numpy as np

from synthir import Options, SynthIR

SAMPLE, OUT, HEIGHT = Path(__file__).parent / "sample", Path("sample-ir"), 256


def row(place: str) -> np.ndarray:
    """Visible and infrared of one picture, HEIGHT pixels high, beside each other."""
    pair = (cv2.imread(str(folder / place)) for folder in (SAMPLE, OUT))
    small = [cv2.resize(np.asarray(one), (320, HEIGHT), interpolation=cv2.INTER_AREA) for one in pair]
    return np.hstack(small)


with SynthIR.from_pretrained("cascade-lwir-s") as model:
    manifest = model.convert(SAMPLE / "coco.json", out=OUT, options=Options(channels=1))
for refused in manifest.refused:
    print(refused.message)
print(f"{len(manifest.pictures)} pictures and {len(manifest.labels)} label files in {OUT}")
cv2.imwrite("sheet.jpg", np.vstack([row(picture.place) for picture in manifest.pictures]))
print("wrote sheet.jpg")
