"""Damaged files of every format: refused, or what was damaged is read by nothing and nothing changes."""

import random
import zipfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from ase.build import bulk

import umlip_bench
from tests.conftest import LoadModel
from umlip_bench.engine.prediction import predict
from umlip_bench.finetune.training.checkpoint import Checkpoint
from umlip_bench.ground.archives import DamagedArchive, check_archive
from umlip_bench.ground.errors import CorrectionError, WeightsError
from umlip_bench.potentials.graph import Prediction
from umlip_bench.potentials.loading import locate
from umlip_bench.potentials.weights import WeightsStore
from umlip_bench.testing.structures import rattled

pytestmark = pytest.mark.model

N = 40
ATOMS = [rattled(bulk("MgO", "rocksalt", a=4.2), seed=1)]


def damaged(content: bytes, seed: int) -> bytes:
    """One bit, one block of zeros, or the end is lost; every fourth bit is among headers and padding."""
    rng = random.Random(seed)
    result = bytearray(content)
    kind = ("bit", "zeros", "cut", "header bit")[seed % 4]
    if kind == "bit":
        result[rng.randrange(len(result))] ^= 1 << rng.randrange(8)
    elif kind == "zeros":
        start = rng.randrange(len(result))
        length = rng.choice([16, 512, 4096])
        result[start : start + length] = bytes(len(result[start : start + length]))
    elif kind == "cut":
        del result[rng.randrange(len(result)) :]
    else:
        # The table of contents is at the end, and an entry's header begins with PK.
        places = [*range(max(0, len(result) - 2000), len(result)), *range(64)]
        result[rng.choice(places)] ^= 1 << rng.randrange(8)
    if result == content:
        return damaged(content, seed + 4000)
    return bytes(result)


def identical(one: list[Prediction], other: list[Prediction]) -> None:
    for a, b in zip(one, other, strict=True):
        assert a.energy == b.energy
        np.testing.assert_array_equal(a.forces, b.forces)


def try_weights(name: str, path: Path, files: list[Path]) -> dict[str, int]:
    """Damage each file in turn; return how many were refused and how many changed nothing."""
    original = predict(umlip_bench.potential(name, device="cpu"), ATOMS)
    counts = {"refused": 0, "same": 0}
    for seed in range(N):
        file = files[(seed // 4) % len(files)]
        content = file.read_bytes()
        file.write_bytes(damaged(content, seed))
        try:
            found = predict(umlip_bench.potential(name, device="cpu"), ATOMS)
        except WeightsError:
            counts["refused"] += 1
        else:
            identical(found, original)
            counts["same"] += 1
        file.write_bytes(content)
    assert sum(counts.values()) == N
    print(path, counts)
    return counts


def copy_of(path: Path, target: Path) -> Path:
    target.write_bytes(path.read_bytes())
    return target


def test_chgnet(tmp_path: Path) -> None:
    published = locate("chgnet-0.3.0", WeightsStore()).paths[0]
    path = copy_of(published, tmp_path / "mine.pth.tar")
    assert try_weights(str(path), path, [path])["refused"] >= 30


def test_mace(small_mace: Path, tmp_path: Path) -> None:
    path = copy_of(small_mace, tmp_path / "mine.model")
    assert try_weights(str(path), path, [path])["refused"] >= 30


@pytest.fixture
def own_matgl(load_model: LoadModel, tmp_path: Path) -> Path:
    """A folder that is the listed model's but for a space, so that it is no longer looked up."""
    listed = load_model("m3gnet-mp-2021.2.8").weights
    folder = tmp_path / "own"
    folder.mkdir()
    for path in listed.paths:
        copy_of(path, folder / path.name)
    with (folder / "model.json").open("a") as file:
        file.write("\n")
    return folder


def test_matgl(own_matgl: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    # What crystals say is another test's; here it would only take time.
    monkeypatch.setattr(
        "umlip_bench.potentials.adapters.matgl._check_convention", lambda *_, old: None
    )
    files = [own_matgl / name for name in ("state.pt", "model.pt", "model.json")]
    assert try_weights(f"matgl2:{own_matgl}", own_matgl, files)["refused"] >= 30


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ('"cutoff": 5.0', '"cutoff": 5.5'),
        ('"max_n": 3', '"max_n": 4'),
        ('"Li"', '"Lj"'),
        ('"Potential"', '"Potentiam"'),
    ],
)
def test_arguments_that_are_not_those_of_the_weights(own_matgl: Path, old: str, new: str) -> None:
    file = own_matgl / "model.json"
    text = file.read_text()
    assert old in text
    file.write_text(text.replace(old, new, 1))
    with pytest.raises(WeightsError, match=r"model\.json"):
        umlip_bench.potential(f"matgl2:{own_matgl}", device="cpu")


def test_training_checkpoints(tmp_path: Path) -> None:
    path = tmp_path / "checkpoint.pt"
    weights = torch.randn(200, 50)
    state = {"weights": weights, "epoch": 3, "losses": [0.1, 0.2]}
    torch.save({"key": "a", "state": state}, path)
    content, counts = path.read_bytes(), {"refused": 0, "same": 0}
    for seed in range(N):
        path.write_bytes(damaged(content, seed))
        try:
            found = Checkpoint(path, "a").load()
        except CorrectionError:
            counts["refused"] += 1
        else:
            assert found is not None
            assert isinstance(found["weights"], torch.Tensor)
            assert torch.equal(found["weights"], weights)
            assert (found["epoch"], found["losses"]) == (3, [0.1, 0.2])
            counts["same"] += 1
    assert counts["refused"] >= 30
    assert sum(counts.values()) == N


@pytest.mark.parametrize("save", [np.savez, np.savez_compressed])
def test_npz(save: Callable[..., None], tmp_path: Path) -> None:
    path = tmp_path / "arrays.npz"
    rng = np.random.default_rng(0)
    arrays = {"forces": rng.normal(size=(40, 3)), "energies": rng.normal(size=40)}
    save(path, **arrays)
    content, counts = path.read_bytes(), {"refused": 0, "same": 0}
    for seed in range(N):
        path.write_bytes(damaged(content, seed))
        try:
            check_archive(path)
            with np.load(path, allow_pickle=False) as stored:
                found = {name: stored[name] for name in arrays}
        except (DamagedArchive, OSError, ValueError, KeyError, zipfile.BadZipFile):
            counts["refused"] += 1
        else:
            assert all((found[name] == arrays[name]).all() for name in arrays)
            counts["same"] += 1
    assert counts["refused"] >= 30
    assert sum(counts.values()) == N


# ---- what an archive is


def test_a_whole_archive_passes(tmp_path: Path) -> None:
    torch.save({"a": torch.randn(3)}, tmp_path / "a.pt")
    np.savez(tmp_path / "a.npz", a=np.ones(3))
    check_archive(tmp_path / "a.pt")
    check_archive(tmp_path / "a.npz")


@pytest.mark.parametrize(
    ("spoil", "message"),
    [
        (lambda b: b + b"more", "does not end"),
        (lambda b: b"more" + b, "no zip archive"),
        (lambda b: b + b, "not where it says"),
        (lambda b: b"PK\x03\x04" + b, "not where it says"),
        (lambda b: b[:-1], "not whole"),
        (lambda b: b"", "empty"),
    ],
)
def test_more_or_less_than_an_archive(
    tmp_path: Path, spoil: Callable[[bytes], bytes], message: str
) -> None:
    torch.save({"a": torch.randn(3)}, tmp_path / "a.pt")
    path = tmp_path / "b.pt"
    path.write_bytes(spoil((tmp_path / "a.pt").read_bytes()))
    with pytest.raises(DamagedArchive, match=message):
        check_archive(path)


def test_torch_s_older_format_has_no_checksum_and_is_refused(
    small_mace: Path, tmp_path: Path
) -> None:
    path = tmp_path / "old.model"
    module = torch.load(small_mace, map_location="cpu", weights_only=False)
    torch.save(module, path, _use_new_zipfile_serialization=False)
    with pytest.raises(WeightsError, match=r"which nothing can check, write it anew: torch\.save"):
        umlip_bench.potential(str(path), device="cpu")


def test_two_entries_of_one_name(tmp_path: Path) -> None:
    path = tmp_path / "a.zip"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("a", b"1")
        archive.writestr("b", b"2")
    path.write_bytes(path.read_bytes().replace(b"b", b"a"))
    with pytest.raises(DamagedArchive, match="two entries of one name"):
        check_archive(path)
