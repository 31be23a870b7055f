"""One picture, in Python.

python examples/convert_picture.py
"""

from pathlib import Path

import cv2
import numpy as np

from synthir import SynthIR

SAMPLE = Path(__file__).parent / "sample"

bgr = np.asarray(cv2.imread(str(SAMPLE / "images/night-1.jpg")))
rgb = np.asarray(cv2.cvtColor(bgr, cv2.COLOR_BGR2RGB), np.uint8)
with SynthIR.from_pretrained("cascade-lwir-s") as model:
    infrared = model(rgb)  # uint8 (H, W), white is hot
cv2.imwrite("night-1-ir.png", infrared)
print("wrote night-1-ir.png")
