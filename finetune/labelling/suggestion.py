"""Which frames to label: high-energy states of a material, far from each other and strong."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass

import numpy as np
from ase import Atoms

from umlip_bench.engine.prediction import predict
from umlip_bench.finetune.labelling.descriptors import Space, describe_states
from umlip_bench.finetune.labelling.proposal import Proposal
from umlip_bench.finetune.labelling.sampling import SampledState, Sampling, sample
from umlip_bench.finetune.labelling.selection import Pick, farthest_points
from umlip_bench.ground.errors import LabelError
from umlip_bench.potentials.corrections.committee import Committee, CommitteePrediction
from umlip_bench.potentials.protocol import Potential

STRAINED_SHARE = 0.4
"""At most this share of the frames is strained: two of five, as in the paper's sampling."""


@dataclass(frozen=True)
class Why:
    """What spoke for a frame when it was chosen.

    Parameters
    ----------
    max_force, rms_force
        Largest norm of a force, and the root mean square of the norms; the model's, eV/Å.
    energy
        The model's, above that of the same atoms as relaxed, eV/atom.
    distance
        To the nearest of the relaxed structure and the frames chosen before, in units of the median
        distance of all states from the relaxed structure.
    disagreement
        Root mean square over atoms of the standard deviation of the force between the models, eV/Å;
        ``None`` for one model.
    force_rank, distance_rank, disagreement_rank
        Share of the states that could have been chosen instead which it exceeds in `rms_force`,
        `distance` and `disagreement`.
    """

    max_force: float
    rms_force: float
    energy: float
    distance: float
    disagreement: float | None
    force_rank: float
    distance_rank: float
    disagreement_rank: float | None


@dataclass(frozen=True, eq=False)
class SuggestedFrame:
    """A frame worth labelling.

    Parameters
    ----------
    state
        The sampled state.
    why
        What spoke for it.
    """

    state: SampledState
    why: Why


@dataclass(frozen=True, eq=False)
class Suggestion(Proposal):
    """Frames worth labelling, in the order in which to label them.

    Parameters
    ----------
    system
        Name of the material.
    models
        That sampled, first, and that were asked besides.
    sampling
        How states were sampled.
    start
        Relaxed and repeated structure that they were sampled from.
    converged
        Whether its relaxation converged.
    n_states
        Number of states to choose from.
    space
        What distances were measured in.
    failures
        Why runs ended without states.
    frames
        The choice.
    """

    system: str
    models: tuple[str, ...]
    sampling: Sampling
    start: Atoms
    converged: bool
    n_states: int
    space: Space
    failures: tuple[str, ...]
    frames: tuple[SuggestedFrame, ...]

    def structures(self) -> list[Atoms]:
        """As of `Proposal`."""
        found = []
        for each in self.frames:
            state = each.state
            atoms = state.atoms.copy()
            atoms.info = {
                "system": self.system,
                "sampled_by": self.models[0],
                "run": state.run,
                "time_fs": round(state.time, 6),
                "temperature_K": round(state.temperature, 1),
                "strain": state.strain,
            }
            found.append(atoms)
        return found

    def record(self) -> dict[str, object]:
        """As of `Proposal`."""
        return {
            "system": self.system,
            "models": self.models,
            "sampling": asdict(self.sampling),
            "n_atoms": len(self.start),
            "relaxation_converged": self.converged,
            "n_states": self.n_states,
            "distances": self.space,
            "failures": self.failures,
            "frames": [
                {
                    "run": each.state.run,
                    "time_fs": each.state.time,
                    "temperature_K": each.state.temperature,
                    "strain": each.state.strain,
                    **asdict(each.why),
                }
                for each in self.frames
            ],
        }


def suggest(
    potential: Potential,
    atoms: Atoms,
    n: int = 5,
    *,
    others: Sequence[Potential] = (),
    sampling: Sampling | None = None,
    system: str | None = None,
    progress: Callable[[int, int], None] | None = None,
) -> Suggestion:
    """Sample high-energy states of a material and choose those worth a DFT label.

    Frames are chosen one after the other. The next is the state with the largest product of three
    numbers, each relative to the median over all states: the distance, among mean features of the atoms
    of each element, to the nearest of the relaxed structure and the frames chosen before; the root mean
    square force; and, with further models, the disagreement of their forces. At most two of five frames
    are strained, equally many under each strain.

    Parameters
    ----------
    potential
        The model to correct: it relaxes and samples.
    atoms
        The material, fully periodic.
    n
        How many frames.
    others
        Further models whose disagreement with it counts: other families, or a committee's members.
    sampling
        How states are sampled; `Sampling` has the defaults.
    system
        Name of the material; by default the ``system`` of `atoms`, else the reduced formula.
    progress
        Told how many steps of dynamics of how many are done.

    Returns
    -------
    Suggestion
        The same for the same input on the same machine.

    Raises
    ------
    LabelError
        If there are fewer states than frames asked for, or every run failed.
    StructureError
        If a model cannot evaluate the structure.

    Examples
    --------
    >>> from ase.build import bulk
    >>> import umlip_bench
    >>> model = umlip_bench.potential("chgnet-0.3.0")
    >>> brief = Sampling(equilibration=20.0, interval=20.0, runs=1, states_per_run=5)
    >>> found = suggest(model, bulk("NaCl", "rocksalt", a=5.64), n=2, sampling=brief)
    >>> [frame.state.atoms.get_chemical_formula() for frame in found.frames]
    ['Cl18Na18', 'Cl18Na18']
    """
    sampling = sampling or Sampling()
    _check_enough(n, sampling)
    committee = Committee([potential, *others]) if others else None
    if committee is not None:
        committee.prepare(atoms)  # to fail before the dynamics, not after
    samples = sample(potential, atoms, sampling, progress=progress)
    states = samples.states
    if n > len(states):
        raise LabelError(
            f"{n} frames cannot be chosen of {len(states)} states: {len(samples.failures)} of "
            f"{sampling.runs} runs failed, the first with {samples.failures[0]}"
        )
    geometries = [state.atoms for state in states]
    described = describe_states(potential, [samples.start, *geometries])
    start, features = described.values[:1], described.values[1:]
    rms = np.array([_rms(state.forces) for state in states])
    weights = rms / np.median(rms)
    disagreements = None
    if committee is not None:
        found = predict(committee, geometries, stress=False)
        disagreements = np.array(
            [each.disagreement for each in found if isinstance(each, CommitteePrediction)]
        )
        weights = weights * disagreements / np.median(disagreements)
    groups = [_group(state.strain) for state in states]
    picks = farthest_points(
        features, n, known=start, weights=weights, groups=groups, most=_most(n, sampling, groups)
    )
    if len(picks) < n:
        raise LabelError(
            f"only {len(picks)} of {n} frames could be chosen: {len(states)} states hold too few that are "
            "not strained; sample more states, or without strain"
        )
    equilibrium = predict(potential, [samples.start], stress=False)[0].energy
    return Suggestion(
        system=system or _name(atoms),
        models=tuple(model.card.name for model in (potential, *others)),
        sampling=sampling,
        start=samples.start,
        converged=samples.converged,
        n_states=len(states),
        space=described.space,
        failures=samples.failures,
        frames=_with_reasons(picks, states, described.values, rms, disagreements, equilibrium),
    )


def _check_enough(n: int, sampling: Sampling) -> None:
    """Refuse a number of frames that the sampling cannot give."""
    if n < 1:
        raise LabelError(f"{n} frames make no sense; ask for at least 1")
    n_states = sampling.runs * sampling.states_per_run
    if n > n_states:
        raise LabelError(
            f"{n} frames cannot be chosen of {n_states} states; sample more runs or more states of each"
        )


def _with_reasons(
    picks: Sequence[Pick],
    states: Sequence[SampledState],
    features: np.ndarray,
    rms: np.ndarray,
    disagreements: np.ndarray | None,
    equilibrium: float,
) -> tuple[SuggestedFrame, ...]:
    """The chosen states and what spoke for each; of `features` the first row is the relaxed structure's."""
    start, features = features[:1], features[1:]
    chosen = [pick.index for pick in picks]
    spread = np.median(np.linalg.norm(features - start, axis=1))
    frames = []
    for k, pick in enumerate(picks):
        left = list(pick.among)
        known = np.vstack([start, features[chosen[:k]]])
        distances = np.linalg.norm(features[left][:, None] - known, axis=2).min(axis=1)
        state = states[pick.index]
        why = Why(
            max_force=float(np.linalg.norm(state.forces, axis=1).max()),
            rms_force=float(rms[pick.index]),
            energy=(state.energy - equilibrium) / len(state.atoms),
            distance=float(pick.distance / spread),
            disagreement=None if disagreements is None else float(disagreements[pick.index]),
            force_rank=_rank(rms[pick.index], rms[left]),
            distance_rank=_rank(pick.distance, distances),
            disagreement_rank=None
            if disagreements is None
            else _rank(disagreements[pick.index], disagreements[left]),
        )
        frames.append(SuggestedFrame(state, why))
    return tuple(frames)


def _rms(forces: np.ndarray) -> float:
    return float(np.sqrt((forces**2).sum(axis=1).mean()))


def _rank(value: float, among: np.ndarray) -> float:
    """Share of the others that a value exceeds; 1 if it is alone."""
    if len(among) < 2:
        return 1.0
    return float((among < value).sum() / (len(among) - 1))


def _group(strain: float) -> str:
    return f"{strain:+g}"


def _most(n: int, sampling: Sampling, groups: Sequence[str]) -> dict[str, int]:
    """How many frames each strain may have; without unstrained states there is no limit."""
    strains = [_group(strain) for strain in sampling.strains if strain != 0]
    if not strains or _group(0.0) not in groups:
        return {}
    each, left_over = divmod(int(STRAINED_SHARE * n), len(strains))
    return {strain: each + (k < left_over) for k, strain in enumerate(strains)}


def _name(atoms: Atoms) -> str:
    return str(atoms.info.get("system") or atoms.symbols.formula.reduce()[0].format("metal"))
