from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import safetensors.torch
import torch
from small_nets import FAMILIES

from sr_core import bundle as bundle_module
from sr_core.bundle import Bundle, BundleCard, Curve, CurvePoint, probe_input, software, weights_hash
from sr_core.errors import BundleError
from sr_core.networks import Descriptor, SRNet, build
from sr_core.operators import make_operator
from sr_core.recipe import Recipe

CURVE = Curve(points=(CurvePoint(name="train/loss", step=1, value=0.5), CurvePoint(name="train/loss", step=2, value=0.25)))


def _net(**changes: Any) -> SRNet:
    body: dict[str, Any] = {"family": "edsr", "scale": 2, "width": 4, "blocks": 2, "linear_taps": 3, "spread": True}
    net = build(Descriptor.model_validate(body | {"operator": make_operator("bicubic", 2).to_json()} | changes), seed=4)
    generator = torch.Generator().manual_seed(4)
    with torch.no_grad():
        for parameter in net.parameters():
            parameter.add_(0.05 * torch.randn(parameter.shape, generator=generator))
    if net.filter is not None:
        net.set_filter(0.1 * torch.randn(4, 1, 3, 3, generator=generator))
    return net


def _card(net: SRNet, **changes: Any) -> BundleCard:
    body: dict[str, Any] = {
        "descriptor": net.descriptor, "operator": net.descriptor.operator, "mean": 10.0, "std": 2.0, "bands": ("red", "nir"),
        "unit": "reflectance", "valid_range": (0.0, 1.0), "step": 1e-4, "data_range": 0.5, "recipe": Recipe(domain="satellite"),
        "data": "d" * 64, "data_summary": "two scenes", "parents": ("e" * 64,), "software": software(), "licence": "CC BY 4.0",
        "credits": ("contains modified Copernicus data",), "notes": ("one test place",),
    }  # fmt: skip
    return BundleCard(**(body | changes))


def _saved(tmp_path: Path, net: SRNet | None = None) -> Path:
    net = net or _net()
    return Bundle.save(tmp_path / "model", _card(net), net, CURVE).folder


@pytest.mark.parametrize("family", FAMILIES)
def test_what_is_loaded_is_what_was_saved(tmp_path: Path, family: str) -> None:
    net = _net(family=family)
    saved = Bundle.save(tmp_path / "model", _card(net), net, CURVE)
    loaded = Bundle.load(tmp_path / "model")
    assert loaded.card == saved.card
    assert loaded.card.model_copy(update={"weights": "", "halo": 0}) == _card(net)
    assert loaded.card.halo == net.halo
    assert loaded.weights_hash == saved.weights_hash == loaded.card.weights
    assert loaded.curve() == CURVE
    assert loaded.calibration_text is None
    assert not loaded.net.training
    y = probe_input(1)
    for a, b in zip(loaded.net.forward_spread(y), net.eval().forward_spread(y), strict=True):
        assert torch.equal(a, b)


def test_folder_holds_no_pickle_and_no_leftovers(tmp_path: Path) -> None:
    folder = _saved(tmp_path)
    assert sorted(p.name for p in folder.iterdir()) == ["bundle.json", "probe.safetensors", "training.json", "weights.safetensors"]
    assert [p.name for p in tmp_path.iterdir()] == ["model"]
    assert json.loads((folder / "bundle.json").read_text())["schema"] == 1


def test_same_weights_same_hash_whatever_the_layout_and_order() -> None:
    tensors = {"a": torch.rand(3, 4, 3, 3), "b": torch.rand(2)}
    same = {"b": tensors["b"].clone(), "a": tensors["a"].to(memory_format=torch.channels_last)}
    assert weights_hash(tensors) == weights_hash(same)
    assert weights_hash(tensors) != weights_hash(tensors | {"b": tensors["b"] + 1e-6})
    assert weights_hash(tensors) != weights_hash(tensors | {"a": tensors["a"].reshape(4, 3, 3, 3)})
    assert weights_hash({"a": torch.zeros(2)}) != weights_hash({"b": torch.zeros(2)})


def test_hash_is_canonical() -> None:
    """By value: sha256 of the line "w float32 (2,)", a newline, and eight zero bytes, made with sha256sum."""
    assert weights_hash({"w": torch.zeros(2)}) == "7dd73c60dc2e7da48bdf44f7d8dd30f6015202210ff65f6d8c65f08c5b7b26d6"


def test_changed_weights_are_noticed(tmp_path: Path) -> None:
    folder = _saved(tmp_path)
    raw = bytearray((folder / "weights.safetensors").read_bytes())
    raw[-3] ^= 1
    (folder / "weights.safetensors").write_bytes(bytes(raw))
    with pytest.raises(BundleError, match=r"as bundle\.json says"):
        Bundle.load(folder)


@pytest.mark.parametrize("name", ["bundle.json", "weights.safetensors", "probe.safetensors"])
def test_missing_file_is_named_with_a_remedy(tmp_path: Path, name: str) -> None:
    folder = _saved(tmp_path)
    (folder / name).unlink()
    with pytest.raises(BundleError, match=rf"no file {name}.*train again"):
        Bundle.load(folder)


def test_missing_folder_is_named(tmp_path: Path) -> None:
    with pytest.raises(BundleError, match=r"no folder .*nowhere"):
        Bundle.load(tmp_path / "nowhere")


@pytest.mark.parametrize(
    ("name", "content"),
    [("bundle.json", b"{"), ("bundle.json", b"\xff\xfe"), ("weights.safetensors", b"PK\x03\x04"), ("weights.safetensors", b"")],
)
def test_damaged_file_is_refused(tmp_path: Path, name: str, content: bytes) -> None:
    folder = _saved(tmp_path)
    (folder / name).write_bytes(content)
    with pytest.raises(BundleError, match=name):
        Bundle.load(folder)


def test_newer_schema_is_refused_in_words(tmp_path: Path) -> None:
    folder = _saved(tmp_path)
    card = json.loads((folder / "bundle.json").read_text())
    (folder / "bundle.json").write_text(json.dumps(card | {"schema": 2}))
    with pytest.raises(BundleError, match=r"schema 2; expected BundleCard schema 1 or older\. Install a newer version"):
        Bundle.load(folder)


def test_weights_of_another_network_are_refused(tmp_path: Path) -> None:
    folder = _saved(tmp_path)
    card = json.loads((folder / "bundle.json").read_text())
    card["descriptor"]["width"] = 5
    (folder / "bundle.json").write_text(json.dumps(card))
    with pytest.raises(BundleError, match="do not fit"):
        Bundle.load(folder)


def test_network_that_computes_something_else_here_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = _saved(tmp_path)
    forward = SRNet.forward
    monkeypatch.setattr(SRNet, "forward", lambda net, y: forward(net, y) + 0.01)
    with pytest.raises(BundleError, match=r"probe comes out 0\.01 away.*Install the versions"):
        Bundle.load(folder)


def test_card_of_another_network_is_refused_before_anything_is_written(tmp_path: Path) -> None:
    net = _net()
    with pytest.raises(BundleError, match=r"net\.descriptor"):
        Bundle.save(tmp_path / "model", _card(net, descriptor=_net(width=5).descriptor), net, CURVE)
    assert not list(tmp_path.iterdir())


def test_head_that_was_added_after_the_card_is_recorded(tmp_path: Path) -> None:
    net = _net(spread=False)
    card = _card(net)
    net.add_spread_head()
    assert Bundle.save(tmp_path / "model", card, net, CURVE).card.descriptor.spread


def test_existing_folder_is_kept(tmp_path: Path) -> None:
    folder = _saved(tmp_path)
    before = (folder / "bundle.json").read_bytes()
    with pytest.raises(BundleError, match="exists"):
        _saved(tmp_path, _net(width=5))
    assert (folder / "bundle.json").read_bytes() == before


def test_interrupted_save_leaves_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(path: Path, data: bytes) -> None:
        if path.name == "bundle.json":
            raise OSError("disk full")
        path.write_bytes(data)

    monkeypatch.setattr(bundle_module, "write_atomic", fail)
    with pytest.raises(OSError, match="disk full"):
        _saved(tmp_path)
    assert not list(tmp_path.iterdir())


def test_calibration_is_handed_on_as_text(tmp_path: Path) -> None:
    folder = _saved(tmp_path)
    (folder / "calibration.json").write_text('{"schema": 1}')
    assert Bundle.load(folder).calibration_text == '{"schema": 1}'


def test_network_trained_channels_last_saves_the_same(tmp_path: Path) -> None:
    net = _net()
    first = Bundle.save(tmp_path / "a", _card(net), net, CURVE).weights_hash
    assert Bundle.save(tmp_path / "b", _card(net), net.to(memory_format=torch.channels_last), CURVE).weights_hash == first


def _half(net: SRNet) -> BundleCard:
    return _card(net, recipe=Recipe(domain="satellite", storage="float16"))


def test_float16_is_rounded_before_anything_is_measured(tmp_path: Path) -> None:
    net = _net(width=16)
    full = Bundle.save(tmp_path / "full", _card(net), net, CURVE)
    saved = Bundle.save(tmp_path / "half", _half(net), net, CURVE)
    loaded = Bundle.load(tmp_path / "half")
    rounded = _net(width=16)
    rounded.load_state_dict({k: v if k.startswith("filter.") else v.half().float() for k, v in net.state_dict().items()})
    y = probe_input(1)
    for other in (saved.net, loaded.net):
        assert {tensor.dtype for tensor in other.state_dict().values()} == {torch.float32}
        for a, b in zip(other.forward_spread(y), rounded.eval().forward_spread(y), strict=True):
            assert torch.equal(a, b)
    assert not torch.equal(full.net(y), loaded.net(y))  # a rounding that changes nothing would not be tested here
    assert torch.equal(loaded.net.state_dict()["filter.blocks.0.weight"], net.state_dict()["filter.blocks.0.weight"])
    sizes = [(tmp_path / name / "weights.safetensors").stat().st_size for name in ("full", "half")]
    assert sizes[1] < 0.6 * sizes[0]


def test_the_hash_covers_the_stored_type(tmp_path: Path) -> None:
    net = _net()
    net.load_state_dict({k: v if k.startswith("filter.") else v.half().float() for k, v in net.state_dict().items()})  # equal values
    half = Bundle.save(tmp_path / "half", _half(net), net, CURVE)
    assert half.weights_hash != Bundle.save(tmp_path / "full", _card(net), net, CURVE).weights_hash
    path = tmp_path / "half" / "weights.safetensors"
    path.write_bytes(safetensors.torch.save({k: v.float() for k, v in safetensors.torch.load(path.read_bytes()).items()}))
    with pytest.raises(BundleError, match="has hash"):
        Bundle.load(tmp_path / "half")


@pytest.mark.parametrize("value", [7e4, float("nan")])
def test_a_weight_that_float16_cannot_hold_is_refused(value: float, tmp_path: Path) -> None:
    net = _net()
    with torch.no_grad():
        next(net.parameters()).view(-1)[0] = value
    with pytest.raises(BundleError, match="storage=float32"):
        Bundle.save(tmp_path / "model", _half(net), net, CURVE)
    assert not list(tmp_path.iterdir())


def test_software_is_named() -> None:
    assert "sr-trust" in software() and f"torch {torch.__version__}" in software()
