"""`synthir bench engine` and `compare`: what the figures mean, to the number."""

import json
import math
from dataclasses import replace
from pathlib import Path
from typing import Any

import cv2
import pytest
import torch

from synthir import roofline
from synthir.checkpoint import save_model
from synthir.cli import main
from synthir.compile import compile_engine
from synthir.engine import check_papers
from synthir.engine_bench import Comparison, Measured, bench_engines, chart, timing
from synthir.errors import UsageError
from synthir.roofline import Roofline, gigaflops, measure_roofline
from synthir.specs import Band, Precision
from synthir.stopwatch import peak_gpu_memory
from tests import tiny
from tests.fake_engine import fake_spec


@pytest.fixture(scope="module")
def engines(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    """Two engines of a narrow pix2pix."""
    folder = tmp_path_factory.mktemp("engines")
    save_model(tiny.narrow(), folder / "model", "pix2pix", tiny.NARROW, Band.LWIR)
    return [compile_engine(folder / "model", folder / f"{name}.safetensors", "torch") for name in ("one", "two")]


@pytest.fixture(scope="module")
def measured(engines: list[Path]) -> Comparison:
    return bench_engines(engines, size=(200, 300), batch=2, calls=3, price=3.6)


def test_every_engine_is_measured_on_the_same_padded_batch(measured: Comparison, engines: list[Path]) -> None:
    for one, path in zip(measured.timings, engines, strict=True):
        spec = check_papers(path)
        assert (one.name, one.backend, one.precision) == (path.name, "torch", "float32")
        assert (one.batch, one.height, one.width, one.calls) == (2, 256, 512, 3)
        assert one.moved_bytes == 256 * 512 * (3 + 4), "three bytes there, a float back"
        assert spec.agreement and one.psnr_db == spec.agreement.psnr_db
        low, high = one.quartiles_ms
        assert one.lowest_ms <= low <= one.median_ms <= high <= one.p99_ms
        assert one.pictures_per_s == pytest.approx(2e3 / one.median_ms)
        assert one.cost_per_million == pytest.approx(1000.0 / one.pictures_per_s)
    first, second = measured.timings
    assert first.ratio == 1.0 and second.ratio == pytest.approx(second.pictures_per_s / first.pictures_per_s)
    roof = measured.roofline
    assert roof and first.roofline_share == pytest.approx(
        roof.seconds(first.gflop, first.moved_bytes, Precision.FLOAT32) * first.pictures_per_s
    )


def test_the_work_of_a_network_is_counted_and_grows_with_the_picture(engines: list[Path]) -> None:
    spec = check_papers(engines[0])
    once = gigaflops(spec, 256, 256)
    assert gigaflops(spec, 512, 256) == pytest.approx(2.0 * once) and 0.0 < once < 1.0
    assert math.isnan(gigaflops(fake_spec(), 256, 256)), "of an unknown network nothing can be said"


def test_figures_by_hand() -> None:
    roof = Roofline("here", {"float32": 0.5}, 10.0)
    assert roof.seconds(1.0, 1000, Precision.FLOAT32) == pytest.approx(0.002)
    assert roof.seconds(0.001, 10**9, Precision.FLOAT32) == pytest.approx(0.1)
    one = Measured("x", fake_spec(), (4, 10, 20, 3), [0.5, 0.25, 1.0], [20.0, 10.0, 40.0])
    row = timing(one, None, math.nan, first=2.0)
    assert (row.pictures_per_s, row.ratio, row.median_ms, row.lowest_ms) == (8.0, 4.0, 500.0, 250.0)
    assert (
        row.quartiles_ms == (375.0, 750.0)
        and row.watts == 20.0
        and math.isnan(row.roofline_share)
        and math.isnan(row.cost_per_million)
    )


def test_memory_of_a_gpu_is_said_where_one_is_used_and_never_zero(
    measured: Comparison, monkeypatch: pytest.MonkeyPatch
) -> None:
    if not torch.cuda.is_available():
        assert math.isnan(peak_gpu_memory()) and json.loads(measured.json())["peak_gpu_memory_mb"] is None
        assert " MB.\n" in measured.markdown() and "GPUs" not in measured.markdown()
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 2)
    taken = {0: 3 << 20, 1: 5 << 20}
    monkeypatch.setattr(torch.cuda, "max_memory_allocated", taken.__getitem__)
    assert peak_gpu_memory() == 8.0
    used = replace(measured, peak_gpu_memory_mb=8.0)
    assert ", on GPUs 8 MB." in used.markdown() and json.loads(used.json())["peak_gpu_memory_mb"] == 8.0
    taken.update({0: 0, 1: 0})
    assert math.isnan(peak_gpu_memory()), "there is a GPU, and the engine is not on it"


@pytest.mark.parametrize(("said", "read"), [(351_000, 351.0), (0, math.nan), (None, math.nan)])
def test_power_of_a_gpu_is_said_where_it_says_so(
    said: int | None, read: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    pynvml = pytest.importorskip("pynvml", reason="nvidia-ml-py is not installed")

    def power_draw() -> int:
        if said is None:
            raise pynvml.NVMLError(pynvml.NVML_ERROR_NOT_SUPPORTED)
        return said

    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "power_draw", power_draw)
    monkeypatch.setattr(roofline, "RAPL", Path("nowhere"))
    with roofline.watts() as drawn:
        pass
    assert drawn(1.0) == pytest.approx(read, nan_ok=True)


def test_a_roofline_is_measured_for_the_precisions_that_are_asked_for() -> None:
    roof = measure_roofline({Precision.FLOAT32})
    assert roof and roof.tflops.keys() == {"float32"} and roof.device.endswith("cores")
    assert f"{roof.tflops['float32']:.2f} TFLOP/s in float32" in roof.sentence()


def test_json_and_chart_say_the_same(measured: Comparison, tmp_path: Path) -> None:
    read = json.loads(measured.json())
    assert [row["median_ms"] for row in read["timings"]] == [one.median_ms for one in measured.timings]
    assert all(row["watts"] is None or row["watts"] > 0 for row in read["timings"])
    chart(measured, tmp_path / "bench.png")
    drawn = cv2.imread(str(tmp_path / "bench.png"))
    assert drawn is not None
    bars = [int((drawn[70 + 44 * number] == (160, 110, 40)).all(axis=1).sum()) for number in range(2)]
    rates = [one.pictures_per_s for one in measured.timings]
    assert max(bars) == 301 and bars[1] / bars[0] == pytest.approx(rates[1] / rates[0], abs=0.01)


def test_more_than_the_device_can_do_is_said_in_words(measured: Comparison) -> None:
    first, second = measured.timings
    for shares, said in (((0.6, 2.46), True), ((1.0, 0.6), False), ((math.nan, math.nan), False)):
        pair = tuple(replace(one, roofline_share=share) for one, share in zip((first, second), shares, strict=True))
        assert ("more than the device can do" in replace(measured, timings=pair).markdown()) == said
    assert "| 246% |" in replace(measured, timings=(replace(first, roofline_share=2.46),)).markdown()


def test_the_table_shows_the_spread_and_the_cost(measured: Comparison) -> None:
    one = replace(measured.timings[0], quartiles_ms=(81.04, 92.55), cost_per_million=2.284)
    head, _, row = replace(measured, timings=(one,)).markdown().splitlines()[2:5]
    cells = dict(zip(*([cell.strip() for cell in line.split("|")] for line in (head, row)), strict=True))
    assert cells["half of them ms"] == "81.0 to 92.5" and cells["per million"] == "2.28"


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        ({"price": -3.0}, "a price of -3"),
        ({"price": math.inf}, "a price of inf"),
        ({"size": (200_000, 200_000)}, "too large to measure.*200000x200000"),
        ({"size": (9000, 9000), "batch": 0}, "too large to measure.*1 of 9000x9000"),
        ({"size": (1024, 1024), "batch": 1025}, "too large to measure.*1025 of 1024x1024"),
    ],
)
def test_what_cannot_be_measured_is_refused_before_anything_is_opened(wrong: dict[str, Any], said: str) -> None:
    with pytest.raises(UsageError, match=f"SIR100.*{said}"):
        bench_engines([Path("nowhere.xml")], **{"size": (64, 64), "batch": 1, "calls": 1, **wrong})


def test_nothing_to_measure_is_said(engines: list[Path]) -> None:
    for size, calls, chosen in (((0, 5), 3, engines), ((64, 64), 0, engines), ((64, 64), 3, [])):
        with pytest.raises(UsageError, match="nothing to measure"):
            bench_engines(chosen, size=size, batch=1, calls=calls)


def status(*words: str | Path) -> int:
    """The exit status of a command line."""
    with pytest.raises(SystemExit) as left:
        main([str(word) for word in words])
    return int(left.value.code or 0)


def test_the_commands(engines: list[Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    words = ("--size", "256x256", "--calls", "2", "--batch", "1")
    assert status("bench", "compare", *engines, *words, "--out", tmp_path / "bench") == 0
    table = capsys.readouterr().out
    assert "| one.safetensors | torch | float32 | 1 |" in table and "| 1.00 |" in table
    assert json.loads((tmp_path / "bench/bench.json").read_bytes())["timings"][1]["name"] == "two.safetensors"
    assert (tmp_path / "bench/bench.png").is_file()
    assert status("bench", "engine", engines[0], *words, "--json") == 0
    assert len(json.loads(capsys.readouterr().out)["timings"]) == 1
    assert status("bench", "engine", engines[0], "--size", "640") == 2
    assert "WIDTHxHEIGHT" in capsys.readouterr().err
    assert status("bench", "engine", engines[0], "--size", "200000x200000") == 2
    assert "SIR100 too large to measure" in capsys.readouterr().err
    assert status("bench", "engine", engines[0], "--price", "-3") == 2
    assert "SIR100 a price of -3 an hour" in capsys.readouterr().err


def test_explain_lists_every_operation_once(engines: list[Path], capsys: pytest.CaptureFixture[str]) -> None:
    assert status("compile", engines[0].parent / "model", "--explain", "--json") == 0
    rows = json.loads(capsys.readouterr().out)
    assert len({row["node"] for row in rows}) == len(rows) > 20 and not any(row["kept"] for row in rows)
    assert status("compile", engines[0].parent / "model", "--explain") == 0
    assert f"{len(rows)} operations, 0 of them kept in float32" in capsys.readouterr().out


def test_compare_measures_again_and_only_what_was_built_of_it(
    engines: list[Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    before = check_papers(engines[0])
    assert status("compile", engines[0].parent / "model", "--compare", "--out", engines[0]) == 0
    assert check_papers(engines[0]) == before and "on the mean of 12 pictures" in capsys.readouterr().out
    save_model(tiny.narrow(seed=1), tmp_path / "other", "pix2pix", tiny.NARROW, Band.LWIR)
    assert status("compile", tmp_path / "other", "--compare", "--out", engines[0]) == 5
    assert "an engine of another model" in capsys.readouterr().err


def test_profiles_are_chosen_by_name_or_file(
    engines: list[Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "mine.toml").write_text('backend = "torch"\nbucket = 300\nleast_psnr_db = 500.0\n')
    words = ("compile", engines[0].parent / "model", "--out", tmp_path / "made.safetensors", "--profile")
    assert status(*words, tmp_path / "mine.toml") == 5
    assert "the bar is 500 dB" in capsys.readouterr().err and not (tmp_path / "made.safetensors").exists()
    assert status(*words, "torhc") == 2
    assert "nearest is torch" in capsys.readouterr().err
    (tmp_path / "mine.toml").write_text('backend = "torch"\nbucket = 300\n')
    assert status(*words, tmp_path / "mine.toml") == 0
    assert check_papers(tmp_path / "made.safetensors").stride == 512, "the bucket, up to a multiple of the stride"
