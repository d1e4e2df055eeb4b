"""TensorNet's irreducible components."""

import pytest
import torch

from umlip_bench.potentials.adapters.tensornet import PART_OF_COMPONENT, irreducible_basis

# Importing matgl takes them.
pytestmark = pytest.mark.seconds


def test_basis_is_orthonormal_and_splits_matrices_into_their_parts() -> None:
    basis = irreducible_basis()
    flat = basis.flatten(1)
    torch.testing.assert_close(flat @ flat.T, torch.eye(9, dtype=torch.float64))
    matrix = torch.randn(3, 3, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    components = flat @ matrix.flatten()
    parts = [
        sum(
            c * b for c, b, p in zip(components, basis, PART_OF_COMPONENT, strict=True) if p == part
        )
        for part in range(3)
    ]
    scalar = matrix.trace() / 3 * torch.eye(3, dtype=torch.float64)
    torch.testing.assert_close(parts[0], scalar)
    torch.testing.assert_close(parts[1], (matrix - matrix.T) / 2)
    torch.testing.assert_close(parts[2], (matrix + matrix.T) / 2 - scalar)


def test_vector_components_are_the_cross_product() -> None:
    basis = irreducible_basis()
    u, v = torch.eye(3, dtype=torch.float64)[:2] + 0.3
    skew = sum(2**0.5 * u[k] * basis[1 + k] for k in range(3))
    torch.testing.assert_close(skew @ v, torch.linalg.cross(u, v))
