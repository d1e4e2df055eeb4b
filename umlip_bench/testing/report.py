"""What was measured on a potential, against what is tolerated."""

from __future__ import annotations

from dataclasses import dataclass

from umlip_bench.ground.errors import UmlipBenchError


class ContractError(UmlipBenchError):
    """A potential that does not hold what every potential must."""


@dataclass(frozen=True)
class Measurement:
    """The largest deviation that was found, and what is tolerated.

    Parameters
    ----------
    what
        Of which quantity, where.
    deviation, tolerance
        In `unit`.
    unit
        E.g. ``eV/Å``.
    """

    what: str
    deviation: float
    tolerance: float
    unit: str

    @property
    def passed(self) -> bool:
        """Whether the deviation is tolerated; not-a-number never is."""
        return self.deviation <= self.tolerance

    def __str__(self) -> str:
        sign = "<=" if self.passed else ">"
        return f"{self.what}: {self.deviation:.2e} {sign} {self.tolerance:.2e} {self.unit}"


@dataclass(frozen=True)
class Fault:
    """Something that must not be so and is no number."""

    what: str

    def __str__(self) -> str:
        return self.what


@dataclass(frozen=True)
class Refusal:
    """A structure that was refused, as it must be, and the message."""

    what: str
    message: str

    def __str__(self) -> str:
        return f"{self.what}: refused"


@dataclass(frozen=True)
class Check:
    """One part of the contract.

    Parameters
    ----------
    name
        A key of `umlip_bench.testing.CHECKS`.
    measurements
        Deviations, with their tolerances.
    refusals
        Structures that were refused, with the messages.
    faults
        What is wrong and no number.
    not_run
        Why nothing was checked, where the potential has nothing to check.
    """

    name: str
    measurements: tuple[Measurement, ...] = ()
    refusals: tuple[Refusal, ...] = ()
    faults: tuple[Fault, ...] = ()
    not_run: str | None = None

    @property
    def passed(self) -> bool:
        """Whether nothing was found wrong; true of a check that was not run."""
        return not self.faults and all(m.passed for m in self.measurements)

    def __str__(self) -> str:
        if self.not_run is not None:
            return f"not run  {self.name}: {self.not_run}"
        head = f"{'passed ' if self.passed else 'FAILED '}  {self.name}"
        return "\n".join(
            [head, *(f"         {e}" for e in (*self.faults, *self.measurements, *self.refusals))]
        )


@dataclass(frozen=True)
class ContractReport:
    """All that was checked on one potential.

    Parameters
    ----------
    potential
        The name on its card.
    checks
        In the order of `umlip_bench.testing.CHECKS`.
    """

    potential: str
    checks: tuple[Check, ...]

    @property
    def failures(self) -> tuple[Check, ...]:
        """Checks that found something wrong."""
        return tuple(check for check in self.checks if not check.passed)

    @property
    def passed(self) -> bool:
        """Whether nothing was found wrong; see `Check.not_run` for what was not checked."""
        return not self.failures

    def require(self) -> None:
        """Go on only if nothing was found wrong.

        Raises
        ------
        ContractError
            With every check that failed, and its numbers.
        """
        if self.failures:
            names = ", ".join(check.name for check in self.failures)
            raise ContractError(
                f"{self.potential} does not hold the contract of potentials: {names}\n"
                + "\n".join(map(str, self.failures))
            )

    def __str__(self) -> str:
        n_not_run = sum(check.not_run is not None for check in self.checks)
        n_passed = len(self.checks) - len(self.failures) - n_not_run
        return "\n".join(
            [
                *map(str, self.checks),
                f"{self.potential}: {n_passed} passed, {len(self.failures)} failed, {n_not_run} not run",
            ]
        )
