"""The VGG19 distance, with weights that are made here: what it is can be computed by hand, what it refuses is said."""

from __future__ import annotations

import hashlib
import io
import urllib.request
from pathlib import Path
from typing import Any

import pytest
import safetensors.torch
import torch
from torch import Tensor

from sr_core.errors import InputError, ShapeError
from sr_core.losses import ContentLoss, Vgg19, read_weights


def drawn(layer: str) -> dict[str, Tensor]:
    draws = torch.Generator().manual_seed(1)
    names = Vgg19(layer).state_dict()
    return {name: torch.randn(tensor.shape, generator=draws) * (2 / max(tensor[0].numel(), 9)) ** 0.5 for name, tensor in names.items()}


def seeing() -> dict[str, Tensor]:
    """Give first weights that pass red, green and blue through, and nothing else."""
    weight = torch.zeros(64, 3, 3, 3)
    for band in range(3):
        weight[band, band, 1, 1] = 1.0
    return {"features.0.weight": weight, "features.0.bias": torch.zeros(64)}


def picture(bands: int, seed: int = 0) -> Tensor:
    return torch.rand(2, bands, 12, 14, generator=torch.Generator().manual_seed(seed))


def saved(folder: Path, tensors: dict[str, Tensor], plain: bool = False) -> tuple[Path, str]:
    path = folder / "weights.bin"
    if plain:
        torch.save(tensors, path)
    else:
        safetensors.torch.save_file(tensors, path)
    return path, hashlib.sha256(path.read_bytes()).hexdigest()


def test_the_network_is_vgg19() -> None:
    names = Vgg19().state_dict()
    # Table 1, column E, without its dense layers: 20,024,384 numbers; conv5_4 is the 35th of its layers.
    assert sum(tensor.numel() for tensor in names.values()) == 20_024_384 and "features.34.weight" in names
    assert len(names) == 32


def test_the_range_becomes_imagenets_normalisation() -> None:
    loss = ContentLoss(seeing(), data_range=(-1000.0, 3000.0), layer="conv1_1")
    made = loss.features(torch.full((1, 3, 4, 4), 1000.0))  # half of the range
    expected = torch.tensor([(0.5 - 0.485) / 0.229, (0.5 - 0.456) / 0.224, (0.5 - 0.406) / 0.225])
    assert torch.allclose(made[0, :3, 2, 2], expected, atol=1e-6)


def test_features_before_and_after_the_relu() -> None:
    x = torch.zeros(1, 3, 4, 4)  # black is negative after normalisation
    assert float(ContentLoss(seeing(), layer="conv1_1").features(x)[:, :3].max()) < 0
    assert float(ContentLoss(seeing(), layer="conv1_1", activated=True).features(x).abs().max()) == 0


def test_one_band_stands_for_three() -> None:
    loss = ContentLoss(drawn("conv2_2"), layer="conv2_2")
    grey = picture(1)
    assert torch.equal(loss.features(grey), loss.features(grey.expand(-1, 3, -1, -1).clone()))


def test_value_by_hand_and_gradients() -> None:
    loss = ContentLoss(seeing(), layer="conv1_1")
    a, b = torch.zeros(1, 1, 4, 4, requires_grad=True), torch.full((1, 1, 4, 4), 0.3, requires_grad=True)
    value = loss(a, b)
    # Three of 64 channels differ, each by 0.3 / std.
    assert value.item() == pytest.approx(sum((0.3 / std) ** 2 for std in (0.229, 0.224, 0.225)) / 64, rel=1e-5)
    value.backward()
    assert a.grad is not None and float(a.grad.abs().min()) > 0 and b.grad is None
    assert all(parameter.grad is None for parameter in loss.parameters())


def test_deep_features_feel_structure() -> None:
    loss = ContentLoss(drawn("conv5_4"))
    x = torch.rand(1, 3, 32, 32, generator=torch.Generator().manual_seed(3))
    assert loss(x, x.clone()).item() == 0 and loss(x.flip(-1), x).item() > 0


@pytest.mark.parametrize("plain", [False, True])
def test_weights_are_read_with_what_else_a_file_holds(tmp_path: Path, plain: bool) -> None:
    tensors = {**drawn("conv1_2"), "classifier.0.weight": torch.ones(2)}
    path, digest = saved(tmp_path, tensors, plain)
    found = read_weights(path, digest)
    assert found.keys() == tensors.keys() and all(torch.equal(found[name], tensor) for name, tensor in tensors.items())
    ContentLoss(found, layer="conv1_2")


def test_an_address_is_fetched_and_checked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path, digest = saved(tmp_path, seeing())
    asked: list[str] = []

    def answer(address: str, timeout: float) -> io.BytesIO:
        asked.append(address)
        return io.BytesIO(path.read_bytes())

    monkeypatch.setattr(urllib.request, "urlopen", answer)
    assert torch.equal(read_weights("https://example.org/vgg19", digest)["features.0.weight"], seeing()["features.0.weight"])
    assert asked == ["https://example.org/vgg19"]
    with pytest.raises(InputError, match="as was promised"):
        read_weights("https://example.org/vgg19", "0" * 64)


def test_an_address_that_does_not_answer_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    def nothing(address: str, timeout: float) -> None:
        raise OSError("no route to host")

    monkeypatch.setattr(urllib.request, "urlopen", nothing)
    with pytest.raises(InputError, match="no route to host"):
        read_weights("https://example.org/vgg19", "0" * 64)


class Trap:
    """What a pickle may do on loading."""

    def __reduce__(self) -> tuple[Any, ...]:
        return (Path.touch, (Path("trap-was-sprung"),))


def test_code_in_a_file_is_not_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    torch.save({"features.0.weight": Trap()}, "evil.pth")
    digest = hashlib.sha256(Path("evil.pth").read_bytes()).hexdigest()
    with pytest.raises(InputError, match="plain weights"):
        read_weights("evil.pth", digest)
    assert not Path("trap-was-sprung").exists()


def test_other_files_are_refused(tmp_path: Path) -> None:
    path, _ = saved(tmp_path, seeing())
    with pytest.raises(InputError, match="as was promised"):
        read_weights(path, "0" * 64)
    with pytest.raises(InputError, match="does not read"):
        read_weights(tmp_path / "none", "0" * 64)
    torch.save([torch.ones(2)], path)
    with pytest.raises(InputError, match="by name"):
        read_weights(path, hashlib.sha256(path.read_bytes()).hexdigest())
    with pytest.raises(InputError, match=r"features.2.weight missing"):
        ContentLoss(seeing(), layer="conv1_2")
    with pytest.raises(InputError, match="of shape"):
        ContentLoss({**seeing(), "features.0.bias": torch.zeros(63)}, layer="conv1_1")
    with pytest.raises(InputError, match="conv3_5"):
        Vgg19("conv3_5")
    with pytest.raises(InputError, match="data range"):
        ContentLoss(seeing(), (1.0, 1.0), "conv1_1")


def test_images_without_sense_for_it_are_refused() -> None:
    loss = ContentLoss(seeing(), layer="conv1_1")
    with pytest.raises(ShapeError, match="1 or 3"):
        loss.features(picture(4))
    with pytest.raises(ShapeError, match="16 x 16"):
        ContentLoss(drawn("conv5_1"), layer="conv5_1").features(picture(3))
