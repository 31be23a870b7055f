"""Loss terms against numbers worked out by hand or by another library."""

import importlib
import itertools
from collections.abc import Callable

import numpy as np
import pytest
import torch

from synthir import metrics, objectives
from synthir.torchvision_cpu import mend_torchvision
from tests import tiny

mend_torchvision()  # torchmetrics imports it where it is installed
theirs = importlib.import_module("torchmetrics.functional.image")
their_ssim = theirs.structural_similarity_index_measure
their_ms_ssim = theirs.multiscale_structural_similarity_index_measure


def pictures(seed: int, *shape: int) -> torch.Tensor:
    return torch.from_numpy(tiny.frames(seed, *shape))


def test_align_undoes_a_gain_and_an_offset() -> None:
    real = pictures(0, 2, 1, 16, 16)
    torch.testing.assert_close(objectives.align(real / 1.6 - 0.3, real), real, atol=2e-3, rtol=0)


def test_align_forgives_no_swapped_polarity_and_no_boundless_gain() -> None:
    real = pictures(1, 1, 1, 16, 16)
    low, high = objectives.GAIN_LIMITS
    mean = real.mean()
    torch.testing.assert_close(objectives.align(-real, real), mean - low * (real - mean))
    torch.testing.assert_close(objectives.align(0.01 * real, real), mean + high * 0.01 * (real - mean))


def test_hot_weights_rise_from_one_to_one_plus_strength() -> None:
    real = torch.zeros(1, 1, 20, 20)
    real[..., 0, 0] = 1.0
    weights = objectives.hot_weights(real, 4.0)
    reach = objectives.HOT_REACH // 2
    assert weights[0, 0, : reach + 1, : reach + 1].flatten().tolist() == pytest.approx([5.0] * (reach + 1) ** 2)
    assert weights[0, 0, reach + 1 :].max().item() == weights[0, 0, :, reach + 1 :].max().item() == 1.0


def test_weighted_l1_is_a_weighted_mean() -> None:
    predicted, real = torch.tensor([[[[1.0, 0.0]]]]), torch.zeros(1, 1, 1, 2)
    assert objectives.weighted_l1(predicted, real, torch.tensor([[[[3.0, 1.0]]]])).item() == pytest.approx(0.75)


def test_gradient_sees_edges_and_no_offset() -> None:
    edge = torch.zeros(1, 1, 4, 4)
    edge[..., 2:] = 1.0
    assert objectives.gradient(edge, edge + 0.5).item() == pytest.approx(0.0)
    # one of 3 horizontal differences at full resolution, the only one at half, none vertically
    assert objectives.gradient(edge, torch.zeros_like(edge)).item() == pytest.approx((1 / 3 + 1.0) / 4)


def test_structure_is_one_minus_ssim() -> None:
    real = pictures(2, 1, 1, 256, 256)
    made = 0.7 * real + 0.3 * pictures(3, 1, 1, 256, 256)
    other = their_ssim(made, real, gaussian_kernel=False, kernel_size=7, data_range=2.0)
    assert isinstance(other, torch.Tensor)
    assert objectives.structure(made, real).item() == pytest.approx(1.0 - other.item(), abs=1e-3)
    assert objectives.structure(real, real).item() == pytest.approx(0.0, abs=1e-6)


def test_hinge_losses() -> None:
    real, fake = torch.tensor([2.0, 0.5]), torch.tensor([-3.0, 0.0])
    assert objectives.hinge_discriminator(real, fake).item() == pytest.approx(0.5 * (0.25 + 0.5))
    assert objectives.hinge_generator(fake).item() == pytest.approx(1.5)


def test_feature_matching_is_a_mean_of_l1s_that_trains_the_generator_alone() -> None:
    fake = [torch.zeros(2, requires_grad=True), torch.zeros(3, requires_grad=True)]
    real = [torch.ones(2, requires_grad=True), torch.full((3,), 2.0, requires_grad=True)]
    loss = objectives.feature_matching(fake, real)
    loss.backward()  # type: ignore[no-untyped-call]
    assert loss.item() == pytest.approx(1.5)
    assert fake[0].grad is not None and real[0].grad is None


def test_l1_and_charbonnier() -> None:
    predicted, real = torch.tensor([[[[3.0, 0.0]]]]), torch.tensor([[[[0.0, 0.0]]]])
    assert objectives.l1(predicted, real).item() == pytest.approx(1.5)
    assert objectives.charbonnier(predicted, real, eps=4.0).item() == pytest.approx((5.0 + 4.0) / 2)
    assert objectives.charbonnier(predicted, real).item() == pytest.approx(1.5, abs=1e-3)


def alike(seed: int, *shape: int) -> tuple[torch.Tensor, torch.Tensor]:
    """A smooth picture with some noise, and one that is like it."""
    noise = pictures(seed, *shape)
    real = 0.7 * torch.linspace(-3.0, 6.0, shape[-1]).sin() + 0.3 * noise
    return 0.6 * real + 0.2 * pictures(seed + 1, *shape) + 0.1, real


@pytest.mark.parametrize("shape", [(2, 1, 64, 80), (1, 3, 33, 21), (1, 1, 8, 8)], ids=str)
def test_ssim_is_that_of_torchmetrics(shape: tuple[int, ...]) -> None:
    made, real = alike(6, *shape)
    other = their_ssim(made + 1.0, real + 1.0, sigma=1.5, kernel_size=11, data_range=2.0)
    assert isinstance(other, torch.Tensor)
    assert objectives.ssim_loss(made, real).item() == pytest.approx(1.0 - other.item(), abs=1e-5)
    assert objectives.ssim_loss(real, real).item() == pytest.approx(0.0, abs=1e-6)


def test_ssim_is_what_evaluate_measures() -> None:
    made, real = alike(7, 1, 1, 40, 48)
    grey = [np.asarray((picture[0, 0].double() + 1.0) * 127.5) for picture in (made, real)]
    assert objectives.ssim_loss(made, real).item() == pytest.approx(1.0 - metrics.ssim(*grey), abs=1e-5)


@pytest.mark.parametrize(("side", "scales"), [(176, 5), (175, 4), (128, 4), (46, 3), (24, 2), (21, 1), (10, 1)])
def test_ms_ssim_is_that_of_torchmetrics_with_as_many_scales_as_fit(side: int, scales: int) -> None:
    made, real = alike(8, 2, 1, side, 180)
    weights = (0.0448, 0.2856, 0.3001, 0.2363, 0.1333)[:scales]
    shares = tuple(weight / sum(weights) for weight in weights)
    if scales == 1:
        other = their_ssim(made + 1.0, real + 1.0, sigma=1.5, data_range=2.0)
    else:
        other = their_ms_ssim(made + 1.0, real + 1.0, data_range=2.0, betas=shares)
    assert isinstance(other, torch.Tensor)
    assert objectives.ms_ssim_loss(made, real).item() == pytest.approx(1.0 - other.item(), abs=1e-5)


def test_ms_ssim_trains_from_swapped_polarity_too() -> None:
    made = (-pictures(9, 1, 1, 48, 48)).requires_grad_()
    loss = objectives.ms_ssim_loss(made, -made.detach())
    loss.backward()  # type: ignore[no-untyped-call]
    # all three factors are floored, so their product is the floor
    assert loss.item() == pytest.approx(1.0 - objectives.LEAST_SIMILARITY, abs=1e-6)
    assert made.grad is not None and made.grad.isfinite().all()


def test_sobel_of_an_edge() -> None:
    edge = torch.zeros(1, 1, 4, 4)
    edge[..., 2:] = 1.0
    # each of the two middle columns answers 4 across; nothing answers downwards
    assert objectives.sobel(edge, torch.zeros_like(edge)).item() == pytest.approx(4.0 * 2 / 4 / 2)
    assert objectives.sobel(edge, edge - 0.5).item() == pytest.approx(0.0, abs=1e-6)
    assert objectives.sobel(edge.mT, torch.zeros_like(edge)).item() == pytest.approx(1.0)


def test_sobel_weighs_a_point_as_the_published_kernel_does() -> None:
    point = torch.zeros(1, 2, 5, 5)
    point[0, 1, 2, 2] = 1.0
    # 1 2 1 1 2 1 for each direction, over 2 directions of 2 channels of 25 pixels
    assert objectives.sobel(point, torch.zeros_like(point)).item() == pytest.approx(16.0 / 100)


def test_intensity_is_of_windows_and_not_of_pixels() -> None:
    real = torch.zeros(1, 1, 16, 24)
    made = real.clone()
    made[..., :8, :16] = 1.0
    made[..., 8:, :16] = -1.0
    assert objectives.intensity(made, real).item() == pytest.approx(0.0, abs=1e-6)
    made[..., 16:] = 0.5  # the second window, cut to 8 pixels across
    assert objectives.intensity(made, real).item() == pytest.approx(0.25)
    assert objectives.intensity(made[..., :6, :6], real[..., :6, :6]).item() == pytest.approx(1.0)


def test_total_variation_is_the_mean_of_that_of_torchmetrics() -> None:
    picture = torch.tensor([[[[0.0, 1.0], [3.0, 3.0]]]])
    assert objectives.total_variation(picture).item() == pytest.approx((3.0 + 2.0) / 2 + (1.0 + 0.0) / 2)
    square = pictures(10, 1, 1, 9, 9)
    assert objectives.total_variation(square).item() == pytest.approx(
        theirs.total_variation(square).item() / 72, abs=1e-6
    )


def test_gain_invariant_l1_takes_any_gain_and_offset_out() -> None:
    real = pictures(11, 2, 1, 16, 16)
    for gain, offset in itertools.product((-3.0, 0.05, 10.0), (-1.0, 0.4)):
        assert objectives.gain_invariant_l1(gain * real + offset, real).item() == pytest.approx(0.0, abs=1e-3)


def test_gain_invariant_l1_is_what_evaluate_calls_aligned() -> None:
    made, real = alike(12, 1, 1, 16, 16)
    grey = [np.asarray(picture[0, 0].double()) for picture in (made, real)]
    expected = float(np.abs(metrics.align(*grey) - grey[1]).mean())
    assert objectives.gain_invariant_l1(made, real).item() == pytest.approx(expected, abs=1e-4)


def test_gain_invariant_l1_asks_for_no_gain_and_no_offset() -> None:
    made, real = alike(13, 2, 1, 16, 16)
    made.requires_grad_()
    objectives.gain_invariant_l1(made, real).backward()  # type: ignore[no-untyped-call]
    slope = made.grad
    assert slope is not None
    for index in range(2):
        size = slope[index].abs().sum().item()
        assert abs(slope[index].sum().item()) < 1e-4 * size
        assert abs((slope[index] * (made[index] - made[index].mean())).sum().item()) < 1e-4 * size


def test_gain_invariant_l1_of_a_flat_picture_is_finite() -> None:
    flat = torch.zeros(1, 1, 8, 8, requires_grad=True)
    loss = objectives.gain_invariant_l1(flat, pictures(14, 1, 1, 8, 8))
    loss.backward()  # type: ignore[no-untyped-call]
    assert loss.isfinite() and flat.grad is not None and flat.grad.isfinite().all()


def moved(right: float, down: float, height: int, width: int) -> torch.Tensor:
    """One flow for all pixels."""
    return torch.tensor([right, down]).view(1, 2, 1, 1).expand(1, 2, height, width)


def test_warp_by_whole_pixels_is_a_shift() -> None:
    picture = pictures(15, 1, 2, 6, 7)
    seen, valid = objectives.warp(picture, moved(2.0, -1.0, 6, 7))
    torch.testing.assert_close(seen[..., 1:, :-2], picture[..., :-1, 2:], atol=1e-5, rtol=0)
    expected = torch.zeros(1, 1, 6, 7)
    expected[..., 1:, :-2] = 1.0
    assert torch.equal(valid, expected)
    seen, valid = objectives.warp(picture, moved(-2.0, 1.0, 6, 7))
    torch.testing.assert_close(seen[..., :-1, 2:], picture[..., 1:, :-2], atol=1e-5, rtol=0)
    assert torch.equal(valid, expected.flip(2, 3))


def test_warp_between_pixels_is_bilinear_and_a_still_one_is_whole() -> None:
    picture = pictures(16, 1, 1, 5, 5)
    seen, _ = objectives.warp(picture, moved(0.25, 0.0, 5, 5))
    between = 0.75 * picture[..., :-1] + 0.25 * picture[..., 1:]
    torch.testing.assert_close(seen[..., :-1], between, atol=1e-5, rtol=0)
    seen, valid = objectives.warp(picture, torch.zeros(1, 2, 5, 5))
    torch.testing.assert_close(seen, picture, atol=1e-5, rtol=0)
    assert valid.min().item() == 1.0


def test_temporal_counts_what_was_in_sight() -> None:
    previous = pictures(17, 1, 1, 6, 8)
    warped, valid = objectives.warp(previous, moved(1.0, 0.0, 6, 8))
    current = torch.full_like(previous, 9.0)  # where it is new, anything goes
    current[..., :-1] = previous[..., 1:] + 0.5
    assert objectives.temporal(current, warped, valid).item() == pytest.approx(0.5, abs=1e-5)
    assert objectives.temporal(current, warped, torch.zeros_like(valid)).item() == 0.0


def test_temporal_is_a_mean_over_channels_too() -> None:
    current = torch.tensor([1.0, 2.0, 3.0]).view(1, 3, 1, 1).expand(1, 3, 2, 2)
    valid = torch.tensor([[[[1.0, 0.0], [1.0, 1.0]]]])
    assert objectives.temporal(current, torch.zeros(1, 3, 2, 2), valid).item() == pytest.approx(2.0)


@pytest.mark.parametrize(
    "term",
    [
        objectives.l1,
        objectives.charbonnier,
        objectives.ssim_loss,
        objectives.ms_ssim_loss,
        objectives.structure,
        objectives.gradient,
        objectives.sobel,
        objectives.intensity,
        objectives.gain_invariant_l1,
    ],
)
def test_a_term_is_a_number_that_trains_and_is_least_where_both_agree(
    term: Callable[[torch.Tensor, torch.Tensor], torch.Tensor],
) -> None:
    made, real = alike(18, 2, 1, 48, 40)
    made.requires_grad_()
    loss = term(made, real)
    loss.backward()  # type: ignore[no-untyped-call]
    assert loss.shape == () and made.grad is not None and made.grad.isfinite().all()
    assert made.grad.flatten(1).norm(dim=1).min().item() > 0.0
    assert term(real, real).item() < 0.02 * loss.item()
