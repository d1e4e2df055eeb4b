"""Holding a potential to all that the engine and the suites rely on."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping
from types import MappingProxyType

import torch

from umlip_bench.ground.errors import UmlipBenchError
from umlip_bench.potentials.loading import potential as load_potential
from umlip_bench.potentials.protocol import Potential
from umlip_bench.testing import handling, symmetries
from umlip_bench.testing.report import Check, ContractReport, Fault, Measurement, Refusal
from umlip_bench.testing.subject import Finding, Subject

NO_DOUBLE = "it needs the potential in float64: pass a name, or `double`"

RAISED = (ArithmeticError, AttributeError, LookupError, RuntimeError, TypeError, ValueError)
"""What code that was not written for such a structure raises, besides the package's own errors."""


def _in_double(
    check: Callable[[Subject, Potential], Iterator[Finding]],
) -> Callable[[Subject], Iterator[Finding]]:
    def checked(subject: Subject) -> Iterator[Finding]:
        if subject.double is None:
            raise handling.NothingToCheck(NO_DOUBLE)
        yield from check(subject, subject.double)

    checked.__doc__ = check.__doc__
    return checked


CHECKS: Mapping[str, Callable[[Subject], Iterator[Finding]]] = MappingProxyType(
    {
        "reference calculator": handling.reference_calculator,
        "derivatives": _in_double(symmetries.derivatives),
        "symmetries": _in_double(symmetries.motions),
        "batches": handling.batches,
        "supercells": symmetries.supercells,
        "sums": symmetries.sums,
        "one-atom cells": symmetries.one_atom_cells,
        "isolated atoms": symmetries.isolated_atoms,
        "results": handling.results,
        "graphs": handling.graphs,
        "inputs": handling.inputs,
        "refusals": handling.refusals,
        "unknown elements": handling.unknown_elements,
    }
)
"""Parts of the contract by name."""


def check_potential(
    potential: Potential | str,
    *,
    double: Potential | None = None,
    only: Collection[str] | None = None,
    device: str = "cpu",
) -> ContractReport:
    """Hold a potential to the contract of all potentials, and say what was measured.

    Structures are of elements that the card names, 1 to 100 atoms; all takes seconds to minutes.

    Parameters
    ----------
    potential
        A loaded potential, or a name as of `umlip_bench.potential`, which is loaded in float32 and
        float64.
    double
        The same potential in float64, for finite differences and symmetries; not needed with a name,
        or where `potential` is in float64. Without it these checks are not run, and say so. One of a name
        that computes in float32 only is checked as far as that allows.
    only
        Names out of `CHECKS`; all by default.
    device
        Where a potential that is given by name is loaded.

    Returns
    -------
    ContractReport
        Call `ContractReport.require` to raise an error if something is wrong.

    Raises
    ------
    UmlipBenchError
        If there is no such check, the potential cannot be loaded, or `double` is not in float64.

    Examples
    --------
    >>> from umlip_bench.testing import check_potential
    >>> report = check_potential("ase:ase.calculators.lj:LennardJones", only=["refusals"])
    >>> print(report)
    passed   refusals
             position that is not a number: refused
             slab: refused
             molecule: refused
             no cell: refused
             coincident atoms: refused
    ase:ase.calculators.lj:LennardJones: 1 passed, 0 failed, 0 not run
    """
    unknown = sorted(set(only or ()) - set(CHECKS))
    if unknown:
        raise UmlipBenchError(f"no check is named {unknown[0]!r}; there are {', '.join(CHECKS)}")
    if isinstance(potential, str):
        name = potential
        potential = load_potential(name, device=device, dtype="float32")
        # Where others' code has single precision only, this is it once more.
        double = double or load_potential(name, device=device, dtype="float64")
    elif double is None and potential.dtype == torch.float64:
        double = potential
    elif double is not None and double.dtype != torch.float64:
        raise UmlipBenchError(f"`double` is in {double.dtype}; it must be in torch.float64")
    subject = Subject(potential, double)
    names = [name for name in CHECKS if only is None or name in only]
    return ContractReport(potential.card.name, tuple(_run(name, subject) for name in names))


def _run(name: str, subject: Subject) -> Check:
    findings: list[Finding] = []
    not_run = None
    try:
        findings.extend(CHECKS[name](subject))
    except handling.NothingToCheck as reason:
        not_run = str(reason)
    except (UmlipBenchError, *RAISED) as error:
        findings.append(Fault(f"raised {type(error).__name__}: {error}"))
    return Check(
        name,
        tuple(each for each in findings if isinstance(each, Measurement)),
        tuple(each for each in findings if isinstance(each, Refusal)),
        tuple(each for each in findings if isinstance(each, Fault)),
        not_run,
    )
