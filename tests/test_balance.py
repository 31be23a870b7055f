"""Balanced loss weights on numbers worked out by hand."""

import json

import pytest
import torch

from synthir.balance import LEAST, balanced


def numbers(**values: float) -> dict[str, torch.Tensor]:
    return {name: torch.tensor(value, requires_grad=True) for name, value in values.items()}


def test_at_first_each_term_counts_as_its_weight() -> None:
    terms = numbers(l1=0.2, adversarial=-30.0)
    total, running = balanced(terms, {"l1": 5.0, "adversarial": 1.0}, {})
    assert total.item() == pytest.approx(5.0 - 1.0)
    assert running == pytest.approx({"l1": 0.2, "adversarial": 30.0})


def test_later_a_term_is_measured_by_its_running_mean() -> None:
    total, running = balanced(numbers(l1=0.4), {"l1": 3.0}, {"l1": 0.2}, decay=0.75)
    assert running["l1"] == pytest.approx(0.75 * 0.2 + 0.25 * 0.4)
    assert total.item() == pytest.approx(3.0 * 0.4 / 0.25)


def test_slopes_are_weight_over_magnitude_and_none_goes_through_it() -> None:
    terms = numbers(a=0.5, b=2.0)
    total, _ = balanced(terms, {"a": 1.0, "b": 3.0}, {})
    total.backward()  # type: ignore[no-untyped-call]
    assert terms["a"].grad is not None and terms["a"].grad.item() == pytest.approx(1.0 / 0.5)
    assert terms["b"].grad is not None and terms["b"].grad.item() == pytest.approx(3.0 / 2.0)


def test_the_state_is_plain_numbers_and_what_was_given_is_left_alone() -> None:
    before = {"gone": 7.0}
    _, running = balanced(numbers(l1=1.0), {"l1": 1.0}, before)
    assert before == {"gone": 7.0}
    assert json.loads(json.dumps(running)) == running == {"gone": 7.0, "l1": 1.0}


def test_a_term_that_vanishes_does_not_blow_up() -> None:
    total, running = balanced(numbers(l1=0.0), {"l1": 2.0}, {})
    assert total.item() == 0.0 and running == {"l1": 0.0}
    total, _ = balanced(numbers(l1=LEAST / 10), {"l1": 2.0}, {})
    assert total.item() == pytest.approx(0.2)


def test_a_broken_term_is_not_hidden() -> None:
    total, _ = balanced(numbers(l1=float("nan"), ssim=1.0), {"l1": 1.0, "ssim": 1.0}, {})
    assert not total.isfinite()
