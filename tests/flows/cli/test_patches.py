"""`sr patches`: exit codes, words, files."""

from __future__ import annotations

import json
from pathlib import Path

import h5py
import numpy as np
import pytest
import torch
from typer.testing import CliRunner

from flows.cli.main import app
from sr_core.operators import make_operator
from sr_core.patches import PairImage, PatchStore, write_shard
from sr_core.raster import Encoding, Raster
from sr_core.recipe import PatchPlan


@pytest.fixture
def sr() -> CliRunner:
    return CliRunner()


@pytest.fixture
def store(tmp_path: Path) -> Path:
    return make_store(tmp_path / "store", PatchPlan())


def make_store(folder: Path, plan: PatchPlan) -> Path:
    folder.mkdir()
    encoding, operator = Encoding("uint16", 1e-4), make_operator("bicubic", 2)
    for number in range(2):
        hr = encoding.decode(np.random.default_rng(number).integers(1, 5000, (2, 120, 104)).astype(np.uint16))
        lr = encoding.decode(encoding.encode(operator.apply(torch.from_numpy(hr)).numpy()))
        rasters = (Raster(x, np.ones(x.shape[1:], bool), ("B1", "B2"), "reflectance", encoding.valid_range) for x in (lr, hr))
        pair = PairImage(f"p{number}", "train", *rasters)
        write_shard(folder / f"{number}.h5", [pair], plan, 2, encoding, operator.to_json(), f"{number:064x}")
    return folder


def test_it_teaches(sr: CliRunner) -> None:
    text = sr.invoke(app, ["patches", "--help"]).output
    assert all(word in text for word in ("verify", "show", "export", "count"))
    for command in ("verify", "show", "export", "count"):
        result = sr.invoke(app, ["patches", command, "--help"])
        assert result.exit_code == 0 and "Example" in result.output


def test_verify_a_whole_store(sr: CliRunner, store: Path) -> None:
    result = sr.invoke(app, ["patches", "verify", str(store)])
    assert result.exit_code == 0 and "2 shards" in result.stdout and "as it was written" in result.stdout
    body = json.loads(sr.invoke(app, ["patches", "verify", str(store), "--json"]).stdout)
    assert [s["content"] for s in body["shards"]] == [s.content for s in PatchStore(store).shards]


def test_verify_names_the_damaged_shard_and_the_remedy(sr: CliRunner, store: Path) -> None:
    with h5py.File(store / "1.h5", "a") as file:
        file["images/00000/lr"][0, 3, 4] += 1
    result = sr.invoke(app, ["patches", "verify", str(store)])
    assert result.exit_code == 2 and result.stdout == ""
    assert "1.h5: images/00000/lr differs from what was written" in result.stderr and "sr prepare" in result.stderr
    assert len(result.stderr.strip().splitlines()) == 1


@pytest.mark.parametrize("share", [0.0, 0.5, 0.97])
def test_verify_a_truncated_shard(sr: CliRunner, store: Path, share: float) -> None:
    whole = (store / "0.h5").read_bytes()
    (store / "0.h5").write_bytes(whole[: int(len(whole) * share)])
    result = sr.invoke(app, ["patches", "verify", str(store)])
    assert result.exit_code == 2 and "0.h5 cannot be read" in result.stderr and "sr prepare" in result.stderr


@pytest.mark.parametrize("byte", [0.3, 0.6, 0.9])
def test_verify_sees_a_flipped_byte_in_the_file(sr: CliRunner, store: Path, byte: float) -> None:
    """Bits that rot on disk, not through HDF5: of the pixels' bytes every one counts."""
    with h5py.File(store / "0.h5") as file:
        data = file["images/00000/hr"]
        chunk = data.id.get_chunk_info(int(byte * data.id.get_num_chunks()))
    raw = bytearray((store / "0.h5").read_bytes())
    raw[chunk.byte_offset + int(byte * chunk.size) // 2] ^= 0x10
    (store / "0.h5").write_bytes(raw)
    result = sr.invoke(app, ["patches", "verify", str(store)])
    assert result.exit_code == 2 and "0.h5: images/00000/hr differs" in result.stderr


def test_count_says_the_stride(sr: CliRunner, store: Path) -> None:
    result = sr.invoke(app, ["patches", "count", str(store)])
    assert result.exit_code == 0
    assert "18 training and 0 validation pairs" in result.stdout  # 60 x 52: rows 0, 14, 27; columns 0, 14, 19; two pictures
    assert "Stride 1 would give 1,000" in result.stdout  # 28 x 20 places a picture
    body = json.loads(sr.invoke(app, ["patches", "count", str(store), "--wanted", "100", "--json"]).stdout)
    assert (body["train_pairs"], body["val_pairs"], body["stride_wanted"], body["stride"]) == (
        18,
        0,
        3,
        14,
    )  # 8 x 6 places at 4, 10 x 8 at 3
    assert "Stride 14 gives at least 10" in sr.invoke(app, ["patches", "count", str(store), "--wanted", "10"]).stdout
    assert "Not even stride 1" in sr.invoke(app, ["patches", "count", str(store), "--wanted", "5000"]).stdout


@pytest.mark.parametrize("grid", ["lr", "hr"])
def test_export_is_the_classical_file(sr: CliRunner, tmp_path: Path, grid: str) -> None:
    folder = make_store(tmp_path / "store", PatchPlan(grid=grid, origins="classic"))
    out = tmp_path / "new" / "train.h5"
    result = sr.invoke(app, ["patches", "export", str(folder), str(out)])
    assert result.exit_code == 0, result.output
    count, side = PatchStore(folder).count("train"), 66 if grid == "lr" else 33
    assert f"{count} pairs" in result.stdout
    with h5py.File(out) as file:
        assert file["data"].shape == (count, 2, 33, 33) and file["label"].shape == (count, 2, side, side)
    again = sr.invoke(app, ["patches", "export", str(folder), str(out)])
    assert again.exit_code == 2 and "--overwrite" in again.stderr
    assert sr.invoke(app, ["patches", "export", str(folder), str(out), "--overwrite"]).exit_code == 0


def test_show_writes_the_sheet(sr: CliRunner, store: Path, tmp_path: Path) -> None:
    out = tmp_path / "sheet.html"
    result = sr.invoke(app, ["patches", "show", str(store), "--out", str(out), "--pairs", "2"])
    assert result.exit_code == 0 and result.stdout.strip() == str(out)
    assert out.read_text().startswith("<!doctype html>")


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["verify", "gone"], "no shard"),
        (["show", "{store}", "--split", "test"], "train or val"),
        (["show", "{store}", "--pairs", "99"], "1 to 60"),
        (["show", "{store}", "--split", "val"], "no val patch"),
        (["show", "{store}", "--out", "{store}"], "is a folder"),
        (["export", "{store}", "{store}/2.h5"], "lies in the store"),
        (["export", "{store}", "x.h5", "--split", "test"], "train or val"),
        (["count", "gone"], "no shard"),
    ],
)
def test_faults_are_one_sentence_and_exit_code_2(
    sr: CliRunner, store: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, arguments: list[str], words: str
) -> None:
    monkeypatch.chdir(tmp_path)
    result = sr.invoke(app, ["patches", *(a.format(store=store) for a in arguments)])
    assert result.exit_code == 2 and words in result.stderr and len(result.stderr.strip().splitlines()) == 1
    assert sorted(p.name for p in store.iterdir()) == ["0.h5", "1.h5"]
