"""What a generator has seen: recorded by its training, carried by its engines, pinned, and asked in bits."""

import math
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import cv2
import msgspec
import numpy as np
import pytest
from safetensors.numpy import load, save

from synthir.audit import Modality, distances, hash_file, hash_of
from synthir.checkpoint import load_model, read_model
from synthir.compile import compile_engine
from synthir.engine import check_papers, open_engine
from synthir.errors import EngineUntrusted, TrainingError, UnknownName, UnreadablePicture, UsageError
from synthir.files import sha256_file
from synthir.formats import read
from synthir.generators import cascade
from synthir.layouts import find_pairs
from synthir.manifest import read_manifest
from synthir.model import SynthIR
from synthir.pairs import PairSource
from synthir.sampling import Augmentation
from synthir.seen import (
    Match,
    Seen,
    from_bytes,
    hashes,
    of_sources,
    of_training,
    record,
    seen_of,
    seen_pictures,
    to_bytes,
    together,
)
from synthir.specs import Band, Precision, read_engine_spec, read_generator_spec
from synthir.train_config import TrainConfig
from synthir.training import train
from tests import tiny
from tests.datasets import converted, picture, write_picture
from tests.fake_engine import FakeEngine, fake_spec

KINDS: tuple[Modality, Modality] = ("visible", "infrared")
FOLDERS = (PairSource("folders", "visible", "infrared"),)
CONFIG = TrainConfig(
    generator="cascade_s",
    band=Band.LWIR,
    sources=FOLDERS,
    steps=1,
    batch=2,
    save_every=1,
    block=1,
    validate_share=4,
    augmentation=Augmentation(sizes=(32,), zoom=(0.8, 1.2)),
)


def noise(path: Path, number: int) -> Path:
    """A picture whose hash is unlike those of other numbers."""
    write_picture(path, picture(number, 64, 96))
    return path


def noisy_pairs(folder: Path, numbers: range) -> Path:
    """`visible/` and `infrared/`, every picture unlike every other."""
    for number in numbers:
        noise(folder / f"visible/{number:03d}.png", number)
        noise(folder / f"infrared/{number:03d}.png", 1000 + number)
    return folder


@pytest.fixture
def pairs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Five pairs, the fourth of which validates; `cascade_s` is the tiny size here."""
    monkeypatch.setattr(cascade, "cascade_s", lambda: tiny.SIZE)
    return noisy_pairs(tmp_path / "pairs", range(5))


@pytest.fixture
def model(tmp_path: Path) -> Path:
    """The tiny model with a record of three pairs, written after it was made."""
    folder = tiny.model_folder(tmp_path / "tiny-lwir")
    record(folder, CONFIG, noisy_pairs(tmp_path / "three", range(3)))
    return folder


def below(folder: Path) -> list[Path]:
    return sorted(folder.iterdir())


def apart(seen: Seen, folder: Path) -> list[list[int]]:
    """Bits between each picture and what was seen: the visible ones, the infrared ones."""
    asked = [hashes(below(folder / kind), kind) for kind in KINDS]
    known = (seen.visible, seen.infrared)
    return [distances(a, k).min(axis=1).astype(int).tolist() for a, k in zip(asked, known, strict=True)]


def test_a_record_is_sorted_has_no_doubles_and_comes_back() -> None:
    rng = np.random.default_rng(0)
    bits = rng.random((7, 256)) < 0.5
    one = Seen(bits, bits[:0])
    other = Seen(bits[[3, 3, 6, 5, 4, 0, 2, 1]], bits[:0])
    assert to_bytes(one) == to_bytes(other)
    arrays = load(to_bytes(one))
    assert arrays["visible"].dtype == np.uint8 and arrays["visible"].shape == (7, 32)
    assert arrays["infrared"].shape == (0, 32)
    assert arrays["visible"].tolist() == sorted(np.packbits(bits, axis=1).tolist())
    back = from_bytes(to_bytes(one), "here")
    assert to_bytes(back) == to_bytes(one) and len(back.infrared) == 0
    both = together([Seen(bits[:4], bits[:1]), Seen(bits[2:], bits[:2])])
    assert to_bytes(both) == to_bytes(Seen(bits, bits[:2]))


def test_the_mean_level_travels_and_older_records_have_none() -> None:
    bits = np.random.default_rng(0).random((3, 256)) < 0.5
    assert from_bytes(to_bytes(Seen(bits, bits, 87.25)), "here").level == 87.25
    older = save({name: np.packbits(bits, axis=1) for name in ("visible", "infrared")})
    assert math.isnan(from_bytes(older, "here").level) and b"level" not in to_bytes(from_bytes(older, "here"))
    with pytest.raises(EngineUntrusted, match="no record"):
        from_bytes(save({**load(older), "level": np.array([])}), "here")


def test_the_mean_level_is_that_of_the_last_training(tmp_path: Path) -> None:
    for name, level in (("before", 200), ("own", 50)):
        for side in ("visible", "infrared"):
            (tmp_path / name / side).mkdir(parents=True)
            for number in range(2):
                picture = np.full((40, 40), level + 10 * number, np.uint8)
                cv2.imwrite(str(tmp_path / name / side / f"{number}.png"), picture)
    sources = (PairSource("folders", "visible", "infrared"),)
    assert of_sources(sources, tmp_path / "before").level == 205.0
    start = tiny.model_folder(tmp_path / "start")
    record(start, replace(CONFIG, sources=sources), tmp_path / "before")
    after = of_training(replace(CONFIG, sources=sources, generator="", start=str(start)), tmp_path / "own")
    assert after is not None and after.level == 55.0


@pytest.mark.parametrize("data", [b"", b"no record", b"\x02" + bytes(7) + b"{}"])
def test_what_is_no_record_is_refused(data: bytes) -> None:
    with pytest.raises(EngineUntrusted, match=r"here: no record"):
        from_bytes(data, "here")


def test_a_training_records_all_it_was_given_and_nothing_else(pairs: Path, tmp_path: Path) -> None:
    made = train(CONFIG, pairs, tmp_path / "run", seed=0)
    seen = seen_of(made)
    assert seen and seen.visible.shape == seen.infrared.shape == (5, 256)
    assert apart(seen, pairs) == [[0] * 5, [0] * 5]  # the fourth only validated
    spec, _ = read_model(made)
    assert spec.seen_sha256 == sha256_file(made / "model.seen")
    strange = noisy_pairs(tmp_path / "strange", range(20, 24))
    assert min(min(row) for row in apart(seen, strange)) > 72
    for kind in KINDS:
        assert seen_pictures(seen, below(strange / kind), kind) == []
        known = below(pairs / kind)
        found = seen_pictures(seen, [*below(strange / kind), known[2]], kind)
        assert found == [Match(known[2], 0)]


def test_what_the_start_has_seen_is_seen(pairs: Path, model: Path, tmp_path: Path) -> None:
    mine = noisy_pairs(tmp_path / "mine", range(10, 14))
    config = replace(CONFIG, generator="", start=str(model))
    further = seen_of(train(config, mine, tmp_path / "run", seed=0))
    assert further and further.visible.shape == (7, 256)
    assert apart(further, mine) == [[0] * 4, [0] * 4]
    assert apart(further, tmp_path / "three") == [[0] * 3, [0] * 3]


def test_where_the_start_is_not_known_nothing_is_claimed(pairs: Path, tmp_path: Path) -> None:
    start = tiny.model_folder(tmp_path / "start")
    made = train(replace(CONFIG, generator="", start=str(start)), pairs, tmp_path / "run", seed=0)
    assert seen_of(start) is None and seen_of(made) is None
    assert not (made / "model.seen").exists() and read_generator_spec(made / "model.json").seen_sha256 == ""
    with pytest.raises(TrainingError, match="not known what it has seen"):
        record(made, replace(CONFIG, generator="", start=str(start)), pairs)


def test_a_picture_that_cannot_be_read_ends_a_training_before_it_begins(pairs: Path, tmp_path: Path) -> None:
    (pairs / "infrared/003.png").write_bytes(b"no picture")
    steps: list[int] = []
    with pytest.raises(UnreadablePicture, match=r"003\.png"):
        train(CONFIG, pairs, tmp_path / "run", seed=0, report=lambda step, *_: steps.append(step))
    assert steps == []


def tamper(path: Path) -> None:
    """Change one bit."""
    data = bytearray(path.read_bytes())
    data[-1] ^= 1
    path.write_bytes(data)


@pytest.mark.parametrize("harm", [tamper, Path.unlink])
def test_a_record_that_is_not_the_pinned_one_is_refused(
    model: Path, tmp_path: Path, harm: Callable[[Path], None]
) -> None:
    engine = compile_engine(model, tmp_path / "made.safetensors", "torch")
    harm(model / "model.seen")
    for opened in (read_model, load_model, seen_of):
        with pytest.raises(EngineUntrusted, match=r"model\.seen"):
            opened(model)
    with pytest.raises(EngineUntrusted, match=r"model\.seen"):
        compile_engine(model, tmp_path / "other.safetensors", "torch")
    assert seen_of(engine) is not None  # it has its own
    harm(engine.with_suffix(".seen"))
    for starts in (open_engine, seen_of):
        with pytest.raises(EngineUntrusted, match=r"made\.seen"):
            starts(engine)


def test_an_engine_carries_the_record_of_its_model(model: Path, tmp_path: Path) -> None:
    bare, name = tiny.model_folder(tmp_path / "bare"), "made.safetensors"
    with_record = compile_engine(model, tmp_path / name, "torch")
    without = compile_engine(bare, tmp_path / "bare" / name, "torch")
    assert with_record.with_suffix(".seen").read_bytes() == (model / "model.seen").read_bytes()
    papers, plain = check_papers(with_record), check_papers(without)
    assert papers.files == plain.files | {".seen": sha256_file(model / "model.seen")}
    assert replaced(papers) == replaced(plain)
    seen = seen_of(with_record)
    assert seen and to_bytes(seen) == (model / "model.seen").read_bytes()
    assert seen_of(without) is None and not without.with_suffix(".seen").exists()
    frame = tiny.pictures(1, 1, 64, 64, 3)
    with open_engine(with_record) as one, open_engine(without) as other:
        np.testing.assert_array_equal(one.run(frame), other.run(frame))


def replaced(papers: msgspec.Struct) -> msgspec.Struct:
    """Papers without what must differ."""
    return msgspec.structs.replace(papers, files={}, generator="", papers_sha256="")


def test_an_engine_in_the_folder_of_its_model_is_copied_with_it(model: Path, tmp_path: Path) -> None:
    compile_engine(model, model / "model.xml", "openvino", Precision.FLOAT32)  # whose record is the model's own file
    assert check_papers(model / "model.xml").files[".seen"] == sha256_file(model / "model.seen")
    for ending in (".xml", ".bin", ".xml.json"):
        (model / f"model{ending}").replace(model / f"engine{ending}")
    (model / "engine.seen").write_bytes((model / "model.seen").read_bytes())
    with SynthIR.from_pretrained(model) as opened:
        copy = opened.save_pretrained(tmp_path / "copy")
    for name in ("model.seen", "engine.seen"):
        assert (copy / name).read_bytes() == (model / "model.seen").read_bytes()
    (model / "made.seen").write_bytes(b"of another")
    with pytest.raises(UsageError, match=r"made\.seen: a file is there already"):
        compile_engine(model, model / "made.onnx", "onnxruntime")
    assert (model / "made.seen").read_bytes() == b"of another"


def test_a_record_written_later_changes_no_weights_and_no_engine(tmp_path: Path) -> None:
    folder, other = tiny.model_folder(tmp_path / "old"), tiny.model_folder(tmp_path / "other", seed=1)
    compile_engine(folder, folder / "engine.xml", "openvino", Precision.FLOAT32)
    compile_engine(other, folder / "foreign.safetensors", "torch")
    before = {path.name: path.read_bytes() for path in below(folder)}
    pairs = noisy_pairs(tmp_path / "pairs", range(3))
    seen = record(folder, replace(CONFIG, start=str(folder)), pairs)  # its predecessor had its place
    after = {path.name: path.read_bytes() for path in below(folder)}
    changed = {name for name in after if after[name] != before.get(name)}
    assert changed == {"model.seen", "model.json", "engine.seen", "engine.xml.json"}
    assert after["model.seen"] == after["engine.seen"] == to_bytes(seen)
    assert read_engine_spec(folder / "engine.xml.json").files[".seen"] == sha256_file(folder / "engine.seen")
    assert check_papers(folder / "engine.xml").agreement and load_model(folder)
    assert apart(seen, pairs) == [[0] * 3, [0] * 3]
    assert seen_of(folder / "foreign.safetensors") is None


def test_a_converted_dataset_leads_to_the_record(model: Path, tmp_path: Path) -> None:
    write_picture(tmp_path / "source/a.png", picture(1, 24, 32))
    weights = read_generator_spec(model / "model.json").weights_sha256
    spec = msgspec.structs.replace(fake_spec(), weights_sha256=weights)
    converted(read(tmp_path / "source"), tmp_path / "out", engine=FakeEngine(spec=spec))
    bare, other = tiny.model_folder(tmp_path / "bare"), tiny.model_folder(tmp_path / "other", seed=1)
    found = seen_of(tmp_path / "out", among=[other, bare, model])  # bare: the same weights, but no record
    assert found and to_bytes(found) == (model / "model.seen").read_bytes()
    assert seen_of(tmp_path / "out/synthir.json", among=[model]) is not None
    assert read_manifest(tmp_path / "out").engine.weights_sha256 == weights
    assert seen_of(tmp_path / "out") is None
    assert seen_of(tmp_path / "out", among=[other]) is None


def test_a_place_that_is_none() -> None:
    with pytest.raises(UnknownName, match="no model"):
        seen_of("cascade-lwir-x")


def test_unpaired_pictures_count_once_and_halves_apart(tmp_path: Path) -> None:
    for number in range(3):
        noise(tmp_path / f"day/{number}.png", number)
    noise(tmp_path / "heat/0.png", 50)
    loose = of_sources((PairSource("unpaired", "day", "heat"),), tmp_path)
    assert (loose.visible.shape, loose.infrared.shape) == ((3, 256), (1, 256))
    both = np.hstack([picture(7, 64, 96), picture(8, 64, 96)])
    write_picture(tmp_path / "both/0.png", both)
    halves = of_sources((PairSource("side-by-side", "both"),), tmp_path)
    left, right = noise(tmp_path / "left.png", 7), noise(tmp_path / "right.png", 8)
    assert seen_pictures(halves, [left, right], "visible") == [Match(left, 0)]
    assert seen_pictures(halves, [left, right], "infrared") == [Match(right, 0)]
    assert seen_pictures(loose, [], "visible") == []
    assert seen_pictures(Seen(loose.visible, loose.infrared[:0]), [right], "infrared") == []


def test_each_modality_has_its_threshold_and_another_may_be_given(tmp_path: Path) -> None:
    asked = noise(tmp_path / "a.png", 3)
    bits = hash_file(asked, "visible")
    for count, kinds in ((68, ["visible", "infrared"]), (69, ["infrared"]), (72, ["infrared"]), (73, [])):
        near = bits.copy()
        near[:count] ^= True
        seen = Seen(near[None], near[None])
        assert [kind for kind in KINDS if seen_pictures(seen, [asked], kind)] == kinds
        assert seen_pictures(seen, [asked], "visible", threshold=count) == [Match(asked, count)]


def test_infrared_of_16_bits_is_hashed_as_it_lies(tmp_path: Path) -> None:
    scene = cv2.resize(np.random.default_rng(0).random((12, 12)), (96, 64), interpolation=cv2.INTER_CUBIC).clip(0, 1)
    cv2.imwrite(str(tmp_path / "8.png"), np.rint(scene * 255).astype(np.uint8))
    cv2.imwrite(str(tmp_path / "16.png"), np.rint(7200 + scene * 100).astype(np.uint16))  # one step of the high byte
    eight, deep = (hash_file(tmp_path / name, "infrared") for name in ("8.png", "16.png"))
    assert int((eight != deep).sum()) < 8
    assert int((eight != hash_file(tmp_path / "16.png", "visible")).sum()) > 72  # its high byte alone


SHIPPED = [("cascade-lwir-s", 1166, "train_cascade_lwir_s.toml"), ("cascade-nir-s", 172, "train_cascade_nir_s.toml")]


@pytest.mark.parametrize(("name", "count", "_"), SHIPPED)
def test_a_shipped_model_has_a_record(name: str, count: int, _: str) -> None:
    seen = seen_of(name)
    assert seen and seen.visible.shape == seen.infrared.shape == (count, 256)


def test_the_shipped_record_is_that_of_its_sources(data: Path, default_model: Path) -> None:
    from synthir import config as configuration
    from synthir.shipped import recipes_folder

    for name, _, recipe in SHIPPED:
        config = configuration.load(recipes_folder() / recipe, TrainConfig)
        assert to_bytes(of_sources(config.sources, data)) == (default_model.parent / name / "model.seen").read_bytes()


def test_the_shipped_model_knows_its_streets_and_not_the_unseen_one(data: Path, default_model: Path) -> None:
    seen = seen_of("cascade-lwir-s")
    assert seen
    for half in KINDS:
        known = sorted((data / "llvip256_labelled" / half / "train").glob("*.jpg"))
        strange = sorted((data / "llvip256_labelled" / half / "test").glob("*.jpg"))
        assert (len(known), len(strange)) == (210, 110)
        found = seen_pictures(seen, known, half)
        assert len(found) == 210 and found[0].distance <= 2
        assert seen_pictures(seen, strange, half) == []
    roads = find_pairs(data, PairSource("folders", "roadscene/visible", "roadscene/infrared"))
    held_out = set((data / "splits/roadscene_heldout.txt").read_text().split())
    infrared = [pair.infrared for pair in roads if pair.name in held_out]
    assert [match.picture.name for match in seen_pictures(seen, infrared, "infrared")] == HELD_OUT_BUT_SEEN
    assert int((hash_of(roads[0], "infrared") != hash_file(roads[0].infrared, "infrared")).sum()) == 0


HELD_OUT_BUT_SEEN = ["FLIR_09465.jpg", "FLIR_09512.jpg"]
"""The crossing of which a third frame was trained on; in the second, people walk close by the camera."""
