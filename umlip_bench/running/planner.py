"""What is measured next: every group of items gets its share of model seconds, in chunks of a given length.

A virtual counter holds the model seconds of each group, those of what is under way as predicted. The next
chunk is of the group that was served least and still has something left, as in deficit round robin
(M. Shreedhar and G. Varghese, IEEE/ACM Trans. Netw. 4, 375, 1996). Seconds are predicted from the sizes
of items and from what the group's earlier ones took; while little is known of a group, its chunks are small.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Hashable, Iterable, Sequence
from dataclasses import dataclass, field
from typing import Generic, Protocol, TypeVar

CHUNK_SECONDS = 10.0
"""Of a chunk, where there is no reason for another length."""
SECONDS_FOR_EACH = 0.1
"""A chunk is at least as many times this as there are workers: who plans gives out ten a second at most."""
GROWTH = 4.0
"""A chunk is at most so many times what of its group has been measured: from little one guesses badly."""
SMALLEST = 1e-6
"""Seconds and sizes below this count as this."""


class Item(Protocol):
    """One thing to measure."""

    @property
    def group(self) -> Hashable:
        """What it has its share with: a suite, or a suite and a model."""
        ...

    @property
    def size(self) -> float:
        """What its time is taken to be proportional to, within its group."""
        ...


T = TypeVar("T", bound=Item)


@dataclass(frozen=True, eq=False)
class Share(Generic[T]):
    """A chunk of one group.

    Parameters
    ----------
    group
        Its name.
    items
        At least one.
    seconds
        That are expected of it; ``None`` if nothing is known of the group.
    """

    group: Hashable
    items: Sequence[T]
    seconds: float | None


@dataclass(eq=False)
class _Group(Generic[T]):
    """The state of one group."""

    queue: deque[T]
    left: float
    """Size of what is in the queue."""
    served: float = 0.0
    """Model seconds, with those that are expected of what is under way."""
    seconds: float = 0.0
    """That were measured."""
    size: float = 0.0
    """Of what was measured."""
    n: int = 0
    """Items that were measured."""
    expected: dict[int, float] = field(default_factory=dict)
    """Of what is under way, by the identity of the item."""

    @property
    def rate(self) -> float | None:
        return self.seconds / self.size if self.size else None


class Planner(Generic[T]):
    """Hands out items.

    Parameters
    ----------
    items
        Those of a group in the order in which they are to be measured.
    rates
        Seconds per size of groups of which something is known from before.
    chunk_seconds
        Length of a chunk for up to a hundred workers; one item may be longer.
    """

    def __init__(
        self,
        items: Iterable[T],
        *,
        rates: dict[Hashable, float] | None = None,
        chunk_seconds: float = CHUNK_SECONDS,
    ) -> None:
        self.chunk_seconds = chunk_seconds
        self._rates = dict(rates or {})
        self._groups: dict[Hashable, _Group[T]] = {}
        self.n_left = 0
        for item in items:
            self._add(item)

    def _add(self, item: T, *, first: bool = False) -> None:
        group = self._groups.setdefault(item.group, _Group(deque(), 0.0))
        (group.queue.appendleft if first else group.queue.append)(item)
        group.left += _size(item)
        self.n_left += 1

    # ---- what is known

    def rate(self, group: Hashable) -> float | None:
        """Seconds per size; ``None`` if nothing is known of the group."""
        found = self._groups.get(group)
        measured = None if found is None else found.rate
        return self._rates.get(group) if measured is None else measured

    def seconds_of(self, item: T) -> float | None:
        """That are expected of an item; ``None`` if nothing is known of its group."""
        rate = self.rate(item.group)
        return None if rate is None else rate * _size(item)

    @property
    def seconds_each(self) -> dict[Hashable, float]:
        """That an item took in the mean, of groups of which some were measured."""
        return {name: each.seconds / each.n for name, each in self._groups.items() if each.n}

    @property
    def served(self) -> dict[Hashable, float]:
        """Model seconds of each group, with those that are expected of what is under way."""
        return {name: group.served for name, group in self._groups.items()}

    @property
    def unserved(self) -> frozenset[Hashable]:
        """Groups with items that have not been handed out."""
        return frozenset(name for name, group in self._groups.items() if group.queue)

    @property
    def seconds_left(self) -> float:
        """That are expected of all that has not been handed out; groups that are not known count as 0."""
        return sum((self.rate(name) or 0.0) * each.left for name, each in self._groups.items())

    # ---- handing out

    def take(
        self,
        n_workers: int = 1,
        *,
        most_seconds: float | None = None,
        among: Callable[[Hashable], bool] | None = None,
    ) -> Share[T] | None:
        """The next chunk.

        Parameters
        ----------
        n_workers
            That share what is left: chunks get shorter towards the end, so that all end together.
        most_seconds
            That a chunk may take now, if less; it has one item all the same.
        among
            Which groups it may be of.

        Returns
        -------
        Share or None
            ``None`` if there is nothing left.
        """
        able = [
            (group.served, len(group.expected), place, name)
            for place, (name, group) in enumerate(self._groups.items())
            if group.queue and (among is None or among(name))
        ]
        if not able:
            return None
        *_, name = min(able, key=lambda each: each[:3])
        group, rate = self._groups[name], self.rate(name)
        most = max(self.chunk_seconds, SECONDS_FOR_EACH * n_workers)
        most = most if most_seconds is None else min(most, most_seconds)
        most = min(most, max(self.seconds_left / (2 * n_workers), SMALLEST))
        room = self._room(group, rate, most)
        items: list[T] = []
        taken = 0.0
        while group.queue and (not items or taken + _size(group.queue[0]) <= room):
            item = group.queue.popleft()
            items.append(item)
            taken += _size(item)
        group.left = group.left - taken if group.queue else 0.0
        self.n_left -= len(items)
        expected = 0.0 if rate is None else rate * taken
        for item in items:
            group.expected[id(item)] = 0.0 if rate is None else rate * _size(item)
        group.served += expected
        return Share(name, items, None if rate is None else expected)

    def _room(self, group: _Group[T], rate: float | None, seconds: float) -> float:
        """Size that a chunk of so many seconds may have."""
        if rate is None:
            return 0.0  # a single item
        room = seconds / max(rate, SMALLEST)
        return room if not group.size else min(room, GROWTH * group.size)

    def ended(self, items: Sequence[T], seconds: float) -> None:
        """Items that were handed out have been measured, together in so many seconds."""
        if not items:
            return
        group = self._groups[items[0].group]
        group.served += seconds - sum(group.expected.pop(id(item), 0.0) for item in items)
        group.seconds += max(seconds, SMALLEST)
        group.size += sum(map(_size, items))
        group.n += len(items)

    def put_back(self, items: Sequence[T]) -> None:
        """Items that were handed out are to be measured by another, before all others of their group."""
        for item in reversed(items):
            group = self._groups[item.group]
            group.served -= group.expected.pop(id(item), 0.0)
            self._add(item, first=True)


def _size(item: Item) -> float:
    return max(item.size, SMALLEST)
