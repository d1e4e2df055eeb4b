"""What a user says of a model of their own: a small YAML file, beside its weights or of a calculator."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

from umlip_bench.ground.codec import parse, read_yaml
from umlip_bench.ground.elements import SYMBOLS
from umlip_bench.ground.errors import ContentError
from umlip_bench.ground.level_of_theory import LevelOfTheory
from umlip_bench.ground.model_card import ModelCard
from umlip_bench.ground.model_cards import parse_ranges

ENDING = ".card.yaml"
"""Of the file that says of a model's weights what they do not say themselves."""
_ENDINGS = (".model", ".pth.tar", ".py")
"""Of weights and scripts, in whose place it stands."""


@dataclass(frozen=True, kw_only=True)
class OwnCard:
    """What is known of a model that no catalogue lists; all of it may be left out.

    Parameters
    ----------
    name
        By which tables call it.
    functional, hubbard_u, pseudopotentials, energy_corrections
        Of its training labels, as of `LevelOfTheory`.
    elements
        That it knows: symbols (``Li O``), a list of them, or ranges of atomic numbers (``1-83, 89-94``).
    head
        Of a MACE file that has several: the one that is read, and that the rest is said of.
    architecture, training_set, licence, citation, note
        As of `ModelCard`.
    """

    name: str | None = None
    functional: str = "unknown"
    hubbard_u: str | None = None
    pseudopotentials: str | None = None
    energy_corrections: str | None = None
    elements: str | tuple[str, ...] = ()
    head: str | None = None
    architecture: str | None = None
    training_set: str | None = None
    licence: str | None = None
    citation: str | None = None
    note: str | None = None

    def put_on(self, card: ModelCard, where: str) -> ModelCard:
        """The card with what is said here in place of what is not known.

        Parameters
        ----------
        card
            Of the model, as far as it is known.
        where
            Names the file in messages.

        Raises
        ------
        ContentError
            If an element is none.
        """
        level = LevelOfTheory(
            self.functional, self.hubbard_u, self.pseudopotentials, self.energy_corrections
        )
        return replace(
            card,
            name=self.name or card.name,
            level_of_theory=card.level_of_theory if self.functional == "unknown" else level,
            elements=_elements(self.elements, where) or card.elements,
            head=self.head or card.head,
            architecture=self.architecture or card.architecture,
            training_set=self.training_set or card.training_set,
            licence=self.licence or card.licence,
            citation=self.citation or card.citation,
            note=self.note or card.note,
        )


def _elements(text: str | tuple[str, ...], where: str) -> tuple[str, ...]:
    """Symbols of what was written down."""
    if isinstance(text, str) and not any(letter.isalpha() for letter in text):
        return parse_ranges(text, where)
    listed = tuple(text.replace(",", " ").split()) if isinstance(text, str) else text
    if strange := [part for part in listed if part not in SYMBOLS]:
        raise ContentError(
            f"{where}: field 'elements': {strange[0]!r} is no chemical symbol; write e.g. 'Li Fe O'"
        )
    return listed


def sidecar_of(path: Path) -> Path:
    """Where the card of a file or folder is looked for.

    Examples
    --------
    >>> sidecar_of(Path("models/mine.model"))
    PosixPath('models/mine.card.yaml')
    """
    ending = next((each for each in _ENDINGS if path.name.endswith(each)), "")
    return path.with_name(path.name.removesuffix(ending) + ENDING)


def with_sidecar(card: ModelCard, path: Path) -> ModelCard:
    """A card completed by the file beside the weights at `path`; the card itself where there is none.

    Raises
    ------
    ContentError
        If the file is there and is no such card; names the field.
    """
    file = sidecar_of(path)
    if not file.is_file():
        return card
    content = read_yaml(file)
    if not isinstance(content, dict):
        raise ContentError(f"{file}: expected fields such as 'functional: PBE', found {content!r}")
    return parse(OwnCard, content, str(file)).put_on(card, str(file))
