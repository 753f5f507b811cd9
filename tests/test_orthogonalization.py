"""Orthogonalization compared with the singular value decomposition, and its polynomials with their definition."""

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from charloom.training.orthogonalization import POLYNOMIALS, orthogonalized

LEAST, CUSHION = 0.01, 0.024
"""What the polynomials were derived for."""


@given(st.integers(1, 24), st.integers(1, 24), st.integers(0, 1000), st.sampled_from([1e-6, 1.0, 1e6]))
def test_directions_stay_and_their_sizes_become_one(rows: int, columns: int, seed: int, size: float) -> None:
    matrix = torch.randn(rows, columns, generator=torch.Generator().manual_seed(seed)) * size
    left, values, right = torch.linalg.svd(matrix, full_matrices=False)
    (result,) = orthogonalized(matrix[None], bfloat16=False)
    inside = left.T @ result @ right.T  # in the matrix's own directions: diagonal, and near one
    assert torch.allclose(inside, torch.diag(inside.diagonal()), atol=1e-3)
    clear = values > 2 * LEAST * values.norm()  # a tiny direction is raised less
    assert ((inside.diagonal()[clear] > 0.7) & (inside.diagonal()[clear] < 1.28)).all()


@pytest.mark.parametrize("bfloat16", [False, True])
@pytest.mark.parametrize("smallest", [1.0, 0.1, 0.005])
def test_no_size_leaves_the_bounds(smallest: float, bfloat16: bool) -> None:
    """Also where many are the largest, and rounding pushes some of them past the end of an interval."""
    draw = torch.Generator().manual_seed(0)
    left, right = torch.linalg.qr(torch.randn(2, 256, 256, generator=draw))[0]
    sizes = torch.logspace(0, torch.tensor(smallest).log10().item(), 256)
    sizes[:2] = 1
    (result,) = orthogonalized((left * sizes @ right)[None], bfloat16=bfloat16)
    after = torch.linalg.svdvals(result)
    large = sizes > 2 * LEAST * sizes.square().square().sum().sqrt().sqrt()
    assert after.max() < 1.28
    assert after[: int(large.sum())].min() > 0.7


def test_bfloat16_gives_nearly_the_same() -> None:
    draw = torch.Generator().manual_seed(0)
    for shape in ((4, 32, 16), (4, 256, 256)):
        matrices = torch.randn(*shape, generator=draw)
        exact, rounded = (orthogonalized(matrices, bfloat16=kind) for kind in (False, True))
        assert 0 < (exact - rounded).norm() < 0.04 * exact.norm()


def test_each_size_becomes_what_the_polynomials_make_of_it() -> None:
    """In diagonal matrices, whose sizes are their entries; each matrix is divided by a size of its own."""
    sizes = torch.tensor([1.0, 0.8, 0.3, 0.05, 0.011, 0.002, 0.0])
    expected = sizes.double() / sizes.double().pow(4).sum().pow(0.25)
    for a, b, c in POLYNOMIALS:
        expected = expected / 1.02
        expected = a * expected + b * expected**3 + c * expected**5
    for result in orthogonalized(
        torch.stack([scale * torch.diag(sizes) for scale in (1e-6, 1.0, 1e6)]), bfloat16=False
    ):
        torch.testing.assert_close(result.double(), torch.diag(expected), rtol=1e-3, atol=1e-5)


def test_a_gradient_of_zero_moves_nothing() -> None:
    assert not orthogonalized(torch.zeros(3, 8, 8), bfloat16=False).any()


def test_each_polynomial_is_the_best_for_what_the_one_before_leaves() -> None:
    """The odd polynomial of degree 5 nearest to a constant misses it by as much, in turns, at four places."""
    low, high = LEAST, 1.0
    for a, b, c in POLYNOMIALS:
        within = (9 * b * b - 20 * a * c) ** 0.5
        turns = [((-3 * b + sign * within) / (10 * c)) ** 0.5 for sign in (-1, 1)]
        values = [a * x + b * x**3 + c * x**5 for x in (max(low, CUSHION * high), *turns, high)]
        middle = (max(values) + min(values)) / 2
        miss = max(values) - middle
        assert values == pytest.approx([middle - miss, middle + miss, middle - miss, middle + miss], abs=2e-3)
        low, high = (a * x + b * x**3 + c * x**5 for x in (low, high))
        assert low + high == pytest.approx(2, abs=1e-3)
    assert low == pytest.approx(0.726, abs=1e-3)
