"""What a build leaves beside it, read and written: the only place that knows the form."""

from __future__ import annotations

import hashlib
import json
from dataclasses import asdict, dataclass

from umlip_bench.environments.environment import Environment
from umlip_bench.environments.environment_file import EnvironmentFile
from umlip_bench.environments.places import EnvironmentFolder
from umlip_bench.ground.codec import parse
from umlip_bench.ground.errors import ContentError
from umlip_bench.ground.files import write_atomically


@dataclass(frozen=True)
class Record:
    """A build that is whole.

    Parameters
    ----------
    name
        Of the environment.
    source
        Environment file that it was built from.
    needs
        Digest of what was asked for, `EnvironmentFile.needs`.
    python
        Version of the interpreter.
    made_by
        What installed it, with its version.
    n_bytes
        That it has on disk, without weights.
    """

    name: str
    source: str
    needs: str
    python: str
    made_by: str
    n_bytes: int


def read_record(place: EnvironmentFolder) -> Record | None:
    """Record of a build; ``None`` if there is none, or one that was not finished."""
    try:
        content = json.loads(place.record.read_text(encoding="utf-8"))
        return parse(Record, content, str(place.record)) if place.python.exists() else None
    except FileNotFoundError:
        return None
    except (ValueError, OSError, ContentError) as error:
        raise ContentError(
            f"{place.record} is damaged ({error}); `umlip-bench env remove` takes the environment away, "
            "and it can be built again"
        ) from error


def write_record(place: EnvironmentFolder, record: Record) -> None:
    """Say that a build is whole."""
    text = json.dumps(asdict(record), indent=1) + "\n"
    write_atomically(place.record, lambda file: file.write(text.encode()))


def environment_of(file: EnvironmentFile, place: EnvironmentFolder, record: Record) -> Environment:
    """A build, used with an environment file that asks for what was installed.

    The file is copied beside the build, since the user's may change while a worker runs.
    """
    copy = place.file(file.name, file.text)
    if not copy.exists():
        copy.parent.mkdir(parents=True, exist_ok=True)
        write_atomically(copy, lambda stream: stream.write(file.text.encode()))
    lock = place.lock.read_text(encoding="utf-8")
    return Environment(
        name=file.name,
        python=place.python,
        file=copy,
        lock=lock,
        digest=digest_of(lock, file.text, record.python),
        # A file of the user's may look for weights in the user's home.
        home=place.home if place.shipped else None,
        python_version=record.python,
    )


def digest_of(lock: str, text: str, python: str) -> str:
    """Digest of an environment: what is installed, how it is set up, and by which Python."""
    total = hashlib.sha256()
    for part in (lock, text, python):
        content = part.encode()
        total.update(len(content).to_bytes(8, "little") + content)
    return total.hexdigest()
