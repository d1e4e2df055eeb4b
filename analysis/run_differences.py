"""What is different between two run folders, in words: versions, settings, data, weights, cases."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from umlip_bench.analysis.run_files import VERSIONS
from umlip_bench.analysis.runs import Run
from umlip_bench.ground.content import as_mapping

NOTHING = "-"
"""What stands for something that a run does not have."""
SHOWN_NAMES = 4
"""Names that are spelt out; of more, the others are counted."""
HASH_LENGTH = 12
"""Digits of a sha256 that are shown: enough to tell two apart."""

PROVENANCE = (
    ("umlip_bench", "umlip_bench"),
    ("python", "Python"),
    ("platform", "platform"),
    ("device", "device"),
    ("torch_threads", "CPU threads of torch"),
)
"""Entries of run.yaml's provenance that are compared, and their names here. Not when a run was started."""


@dataclass(frozen=True)
class RunDifference:
    """Something that is not the same in two runs.

    Parameters
    ----------
    what
        What it is: ``"version of torch"``.
    first, second
        What it is in each run, in words; ``"-"`` if the run does not have it.
    """

    what: str
    first: str
    second: str


def changes(first: Run, second: Run) -> list[RunDifference]:
    """What is different between two runs; empty if nothing that can change results or their extent is.

    Versions, device and threads are those of the last command that added to a folder: run.yaml keeps no
    others.

    Parameters
    ----------
    first, second
        Run folders, which may be the same.
    """
    one, other = first.config, second.config
    return [
        *_named(_data(one.identity), _data(other.identity)),
        *_named(_settings(one.identity), _settings(other.identity)),
        *_named(_versions(one.provenance), _versions(other.provenance)),
        *_weights(one.models, other.models),
        *_environments(one.models, other.models),
        *_sets("models", first.models, second.models),
        *_sets("suites", first.suites, second.suites),
        *_cases(first, second),
        *_failures(first, second),
    ]


def _named(first: Mapping[str, str], second: Mapping[str, str]) -> Iterator[RunDifference]:
    """What is different between two mappings from what something is to what it is in a run."""
    for what in dict.fromkeys([*first, *second]):
        left, right = first.get(what, NOTHING), second.get(what, NOTHING)
        if left != right:
            yield RunDifference(what, left, right)


def _data(identity: Mapping[str, object]) -> Mapping[str, str]:
    data = as_mapping(identity["data"])
    return {"reference data": f"{data['id']} ({_hash(data)})"}


def _settings(identity: Mapping[str, object]) -> Mapping[str, str]:
    settings = as_mapping(identity["settings"])
    return {f"setting {name}": str(value) for name, value in settings.items()}


def _versions(provenance: Mapping[str, object]) -> Mapping[str, str]:
    own = {words: str(provenance[name]) for name, words in PROVENANCE if name in provenance}
    packages = as_mapping(provenance.get("packages", {}))
    return own | {f"version of {name}": str(version) for name, version in packages.items()}


def _weights(
    first: Mapping[str, Mapping[str, object]], second: Mapping[str, Mapping[str, object]]
) -> Iterator[RunDifference]:
    """Models of one name whose weights are not the same."""
    for name in first:
        if name in second:
            what = f"weights of {name}"
            yield from _named({what: _hash(first[name])}, {what: _hash(second[name])})


def _environments(
    first: Mapping[str, Mapping[str, object]], second: Mapping[str, Mapping[str, object]]
) -> Iterator[RunDifference]:
    """Versions in the environments of models that both have."""
    for name in first:
        if name in second:
            yield from _named(*(_installed(name, models[name]) for models in (first, second)))


def _installed(model: str, entry: Mapping[str, object]) -> Mapping[str, str]:
    return {
        f"version of {package} for {model}": str(version)
        for package, version in as_mapping(entry.get(VERSIONS, {})).items()
    }


def _hash(identity: Mapping[str, object]) -> str:
    return f"sha256 {str(identity['sha256'])[:HASH_LENGTH]}"


def _sets(what: str, first: Sequence[str], second: Sequence[str]) -> Iterator[RunDifference]:
    """What only one of two runs has."""
    only_first = [name for name in first if name not in second]
    only_second = [name for name in second if name not in first]
    if only_first or only_second:
        yield RunDifference(f"{what} that only one has", _listed(only_first), _listed(only_second))


def _cases(first: Run, second: Run) -> Iterator[RunDifference]:
    """Cases of common suites; those of another suite go without saying."""
    for suite in first.suites:
        if suite in second.suites:
            yield from _sets(f"cases of {suite}", _finished(first, suite), _finished(second, suite))


def _finished(run: Run, suite: str) -> list[str]:
    return list(dict.fromkeys(record.case for record in run.records if record.suite == suite))


def _failures(first: Run, second: Run) -> Iterator[RunDifference]:
    """Cases that both ran, of which one failed."""
    for model in first.models:
        for suite in first.suites:
            one, other = (_outcomes(run, suite, model) for run in (first, second))
            both = [case for case in one if case in other]
            left = [case for case in both if one[case] == "failed"]
            right = [case for case in both if other[case] == "failed"]
            if left != right:
                yield RunDifference(f"failed in {suite}, {model}", _listed(left), _listed(right))


def _outcomes(run: Run, suite: str, model: str) -> Mapping[str, str]:
    return {r.case: r.status for r in run.records if (r.suite, r.model) == (suite, model)}


def _listed(names: Sequence[str]) -> str:
    if not names:
        return NOTHING
    shown = ", ".join(names[:SHOWN_NAMES])
    more = len(names) - SHOWN_NAMES
    return f"{len(names)}: {shown} and {more} more" if more > 0 else f"{len(names)}: {shown}"
