"""What the tests of formats share: a source tree made from a dict, and reading it without leaving a trace."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

Tree = dict[str, Any]
Make = Callable[[Tree], Path]


@pytest.fixture
def make(tmp_path: Path) -> Make:
    """Writes a tree below tmp_path/source: (width, height) is a picture, a str or bytes a file, a dict JSON."""

    def written(tree: Tree) -> Path:
        for place, content in tree.items():
            path = tmp_path / "source" / place
            path.parent.mkdir(parents=True, exist_ok=True)
            if isinstance(content, tuple):
                Image.new("RGB", content, (9, 99, 199)).save(path)
            else:
                path.write_bytes(as_bytes(content))
        return tmp_path / "source"

    return written


def as_bytes(content: str | bytes | dict[str, Any]) -> bytes:
    text = json.dumps(content) if isinstance(content, dict) else content
    return text.encode() if isinstance(text, str) else text
