"""Whether an archive of arrays is as it was written: torch's files and numpy's npz are zip files.

A zip file holds the CRC-32 of each entry. Neither torch nor, for all entries, numpy compares it: a file
with a flipped bit or a zeroed block loads as other weights. What lies between the entries has no CRC, and
nothing reads it.
"""

from __future__ import annotations

import struct
import zipfile
import zlib
from pathlib import Path

_CHUNK = 1 << 20
_END = struct.Struct("<4s4H2LH")
"""Last record of an archive: signature, disks, entries here and in all, its table, length of a comment."""
_ELSEWHERE = (0xFFFF, 0xFFFFFFFF)
"""Stands for a number that did not fit and is in a longer record."""


class DamagedArchive(Exception):
    """Says in one line why an archive is not as it was written."""


def check_archive(path: Path) -> list[str]:
    """Compare every entry of a zip archive with its CRC; to be called before anything reads the file.

    torch's format from before 1.6 has no checksum and is refused: nothing in it would show damage.

    Returns
    -------
    list
        Names of the entries.

    Raises
    ------
    DamagedArchive
        If an entry is not as it was written, the file is cut or has something after its end, or it is
        no zip archive.
    OSError
        If it cannot be read.
    """
    with path.open("rb") as stream:
        if stream.read(4) != b"PK\x03\x04":
            raise DamagedArchive(_no_archive(path))
        try:
            with zipfile.ZipFile(stream) as archive:
                _check_entries(archive, stream.seek(0, 2))
                return archive.namelist()
        # What zipfile raises on headers that make no sense.
        except (
            zipfile.BadZipFile,
            zlib.error,
            struct.error,
            EOFError,
            NotImplementedError,
            OverflowError,
            RuntimeError,
            ValueError,
        ) as error:
            raise DamagedArchive(f"it is not whole ({error})") from error


def _no_archive(path: Path) -> str:
    if path.stat().st_size == 0:
        return "it is empty"
    return (
        "it is no zip archive; if it is a file of torch's before 1.6, which nothing can check, write it "
        f"anew: torch.save(torch.load('{path.name}', weights_only=False), 'new')"
    )


def _check_entries(archive: zipfile.ZipFile, size: int) -> None:
    entries, stream = archive.infolist(), archive.fp
    assert stream is not None
    stream.seek(size - _END.size)
    signature, _, _, _, n_entries, _, table, comment = _END.unpack(stream.read())
    # zipfile looks for the end among what was appended, and for the start behind what was put before.
    if signature != b"PK\x05\x06" or comment:
        raise DamagedArchive("it does not end where the archive ends")
    if n_entries not in (len(entries), _ELSEWHERE[0]) or not entries:
        raise DamagedArchive(f"it has {len(entries)} entries, and says {n_entries}")
    if table not in (archive.start_dir, _ELSEWHERE[1]) or min(e.header_offset for e in entries):
        raise DamagedArchive("its entries are not where it says")
    if len({entry.filename for entry in entries}) != len(entries):
        raise DamagedArchive("it has two entries of one name")
    for entry in entries:
        with archive.open(entry) as content:  # compares the CRC once it has been read to its end
            while content.read(_CHUNK):
                pass
