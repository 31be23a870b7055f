"""The labels of a visible dataset fit its infrared pictures: check the conversion, then draw the boxes there.

python examples/draw_boxes.py
"""

from pathlib import Path

import cv2
import numpy as np

from synthir import SynthIR, formats
from synthir.convert import verify

SAMPLE, OUT = Path(__file__).parent / "sample", Path("boxes-ir")

with SynthIR.from_pretrained("cascade-lwir-s") as model:
    model.convert(SAMPLE / "data.yaml", out=OUT)
for problem in verify(OUT, SAMPLE).problems:
    print(problem)

dataset = formats.read(OUT / "data.yaml")
for place, boxes in dataset.labels.boxes().items():
    picture = np.asarray(cv2.imread(str(OUT / place)))
    for x, y, width, height in boxes:  # pixels, from the top left corner
        corners = (round(x), round(y)), (round(x + width), round(y + height))
        cv2.rectangle(picture, *corners, color=(0, 200, 255))
    name = f"{Path(place).stem}-boxes.png"
    cv2.imwrite(name, picture)
    print(f"{len(boxes)} boxes on {name}")
