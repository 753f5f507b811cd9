"""Make a matrix orthogonal, nearly: the costly part of Muon.

A few odd polynomials, which need nothing but products, bring the singular values of the matrix to about 1. Each is the
best of its degree for what the one before leaves, as Amsel et al. 2025 derive them (Polar Express, arXiv 2505.16932).
Jordan et al. 2024 repeat one polynomial five times; three of these learn as well or better (docs/lab-log.md).
"""

import torch

POLYNOMIALS = (
    (7.989907, -22.752332, 16.682549),
    (3.643382, -2.726839, 0.537105),
    (2.671214, -1.985273, 0.453518),
)
"""a, b and c of a x + b x^3 + c x^5, one after the other: the best for singular values between 0.01 and 1.

Each looks only at values above 0.024 of the largest, so that smaller ones grow faster (the paper's cushion).
"""

MARGIN = 1.02
"""Values are divided by this before each polynomial: it is steep past its interval, where rounding may take them."""


def orthogonalized(matrices: torch.Tensor, *, bfloat16: bool) -> torch.Tensor:
    """K matrices (K, N, M) -> the nearest matrices whose singular values are about 1, in the same type.

    With `bfloat16` the products are computed in that type. A matrix is first divided by the fourth root of the sum of
    its singular values to the fourth. That is closer to the largest than the Frobenius norm, and costs no product,
    because the first polynomial needs X X^T anyway.
    """
    values = matrices.bfloat16() if bfloat16 else matrices
    tall = values.shape[-2] > values.shape[-1]
    wide = values.mT if tall else values
    wide = wide / (_norms(wide) + 1e-7)
    square = wide @ wide.mT
    size = _norms(square) + 1e-12
    wide, square = wide / size.sqrt(), square / size
    for number, (a, b, c) in enumerate(POLYNOMIALS):
        if number:
            square = wide @ wide.mT
        factor = torch.baddbmm(square, square, square, beta=b / MARGIN**3, alpha=c / MARGIN**5)
        wide = torch.baddbmm(wide, factor, wide, beta=a / MARGIN)
    return (wide.mT if tall else wide).to(matrices.dtype)


def _norms(matrices: torch.Tensor) -> torch.Tensor:
    """Frobenius norms (K, 1, 1) of matrices (K, N, M), in the same type."""
    norms: torch.Tensor = torch.linalg.matrix_norm(matrices.float())
    return norms[..., None, None].to(matrices.dtype)
