"""What goes with a key that is left out of a data.yaml, and what stays, to the byte."""

import pytest

from synthir.errors import BrokenLabels
from synthir.formats import read

from .conftest import Make

OWN_LINES = {
    "comments and blank lines after": (
        ["train: images\n", "path: /x  # goes with it\n", "# stays\n\n  # too\n", "val: images\nnc: 1\n"],
        [0, 2, 3],
    ),
    "at the top": (["# top\n\n", "path: /x\n", "\n# next\ntrain: images\nval: images\nnc: 1\n"], [0, 2]),
    "at the end": (["train: images\nval: images\nnc: 1\n", "path: /x # a\n", "\n# last\n\n"], [0, 2]),
    "without end of line": (["train: images\nval: images\nnc: 1 # b\n", "download: x"], [0]),
    "empty": (["path: .\n", "train: images\nval: images\n", "download: # none\n", "# c\nnc: 1\n"], [1, 3]),
    "block scalar": (
        [
            "train: images\nval: images\n",
            "download: |  # how\n  # no comment\n  import os\n\n  os.x()\n",
            "\n# stays\n\nnc: 1\n",
        ],
        [0, 2],
    ),
    "folded, kept, last": (["train: images\nval: images\nnc: 1\n", "download: >+2\n   a\n  b\n", "\n\n"], [0, 2]),
    "flow list": (
        ["train: images\nval: images\n", "download: [a,  # one\n  'b', {c: d},\n]  # done\n", "# stays\nnc: 1\n"],
        [0, 2],
    ),
    "block list": (
        ["train: images\nval: images\n", "download:\n# inside\n- a\n- b: c\n  d:\n  - e # f\n", "# stays\n\nnc: 1\n"],
        [0, 2],
    ),
    "words over lines": (["train: images\nval: images\n", "download: a\n  b\n\n  c # d\n", "  # e\nnc: 1\n"], [0, 2]),
    "quotes over lines": (["train: images\nval: images\n", 'download: "a\n\n  # b"\n', "# e\nnc: 1\n"], [0, 2]),
    "value below": (["train: images\nval: images\n", "path: # here\n\n  /x\n", "# e\nnc: 1\n"], [0, 2]),
    "anchored, never used": (["nc: 1\n", "path: &p /x # p\n", "# e\ntrain: images\nval: images\n"], [0, 2]),
    "an alias": (["nc: 1\nx: &p /x\n", "path: *p # p\n", "# e\ntrain: images\nval: images\n"], [0, 2]),
    "indented": (["  nc: 1\n", "  path: /x\n", "  # e\n\n  train: images\n  val: images\n"], [0, 2]),
    "after a block scalar": (["x: |\n  a\n\n", "path: /x\n", "# e\n\ntrain: images\nval: images\nnc: 1\n"], [0, 2]),
    "windows lines": (["nc: 1\r\n", "path: /x # a\r\n", "# e\r\n\r\ntrain: images\r\nval: images\r\n"], [0, 2]),
    "a byte order mark": (["\ufeff", "path: /x\n", "# e\ntrain: images\nval: images\nnc: 1\n"], [0, 2]),
    "asked": (["? nc\n: 1\n", "? path\n: /x # a\n", "# e\n? train\n: images\n? val\n: images\n"], [0, 2]),
    "end of document": (["train: images\nval: images\nnc: 1\n", "path: /x\n", "# e\n...\n# f\n"], [0, 2]),
    "flow": (
        ["{", '"path": "x", ', '"train": "images", "val": "images", "nc": 1, ', '"download": "x"', "}"],
        [0, 2, 4],
    ),
    "flow over lines": (
        [
            "{\n",
            "  path: x,  # goes, too\n",
            "  # stays\n  train: images, val: images,\n  nc: 1,\n",
            "  download: [a, b] # goes\n",
            "  # stays\n}\n",
        ],
        [0, 2, 4],
    ),
    "flow with late commas": (["{nc: 1\n, ", "path: x # a, b\n, ", "train: images, val: images}"], [0, 2]),
}


@pytest.mark.parametrize("name", OWN_LINES)
def test_a_key_is_left_out_with_its_own_lines_alone(make: Make, name: str) -> None:
    pieces, kept = OWN_LINES[name]
    root = make({"images/a.jpg": (8, 8), "data.yaml": "".join(pieces)})
    files = read(root / "data.yaml").labels.files({})
    assert files["data.yaml"].decode() == "".join(pieces[number] for number in kept)


@pytest.mark.parametrize("text", ["x: |\n  a\npath: /x\n  # e\n", "x: |+\n  a\npath: /x\n\n\n"])
def test_a_comment_that_would_become_text_is_said(make: Make, text: str) -> None:
    text += "train: images\nval: images\nnc: 1\n"
    with pytest.raises(BrokenLabels, match="cannot be rewritten"):
        read(make({"images/a.jpg": (8, 8), "data.yaml": text}) / "data.yaml")


def test_a_key_that_comes_ten_thousand_times_is_left_out_in_time(make: Make) -> None:
    text = "path: x\n" * 10_000 + "train: images\nval: images\nnc: 1\n"
    files = read(make({"images/a.jpg": (8, 8), "data.yaml": text}) / "data.yaml").labels.files({})
    assert files["data.yaml"] == b"train: images\nval: images\nnc: 1\n"
