"""Power of the kernel check: share of images, and of batches of ten, that it flags when another kernel made them. CPU, one thread.

The check is fitted on some groups as a calibration does, and asked about the other groups under kernels that it was not fitted with,
and under the right one with noise and JPEG. Whole groups change sides over the draws. Needs SR_DATA.
"""

from __future__ import annotations

import argparse
import io
import json
import sys
from collections.abc import Iterator
from dataclasses import replace

import numpy as np
import torch
from held_back import DATA, there
from PIL import Image

from domains.face.domain import DOMAIN as FACE
from domains.medical.domain import MedicalDomain
from domains.photo.domain import DOMAIN as PHOTO
from domains.satellite.domain import DOMAIN as SATELLITE
from sr_core.domain import Domain
from sr_core.log import Silent
from sr_core.operators import Operator, make_operator
from sr_core.raster import Encoding, Raster, Window
from sr_core.stages.kernel import shown
from sr_core.stages.regions import Pair, degrade, multiple
from sr_core.trust.kernel_check import Array, KernelFit, Shown, fit_kernel, kernel_bank, kernel_features, kernel_sums

CASES = {  # domain, folders, assumed degradation, scale, groups that fit (None: all but one), draws
    "photo": ("photo", "bicubic", 2, 60, 6),
    "photo-few": ("photo", "bicubic", 2, 20, 6),
    "photo-mtf": ("photo", "mtf", 2, 60, 6),
    "face": ("face", "bicubic", 2, 30, 6),
    "face-x4": ("face", "bicubic", 4, 30, 6),
    "satellite": ("satellite", "bicubic", 2, None, 1),
    "satellite-mtf": ("satellite", "mtf", 2, None, 1),
}
FOLDERS = {
    "photo": ("sr_train", "sr_test"),
    "face": ("face/congress",),
    "satellite": ("satellite",),
    "ct": ("medical/ct_CMB-CRC-MSB-01068",),
}
BATCH = 10
SMALLEST = 128  # HR px a side: smaller pictures have too few edges at x2


def operators(scale: int) -> dict[str, Operator]:
    """Give the kernels that are asked about, sharpest first; widths in HR px at x2 and in proportion elsewhere."""
    named = {name: make_operator(name, scale) for name in ("nearest", "box", "bicubic", "bilinear")}
    blurs = {f"gaussian-{sigma:g}": make_operator("gaussian", scale, sigma=sigma * scale / 2) for sigma in (1.0, 1.6)}
    sensors = {f"mtf-{value:g}": make_operator("mtf", scale, value=value) for value in (0.35, 0.25, 0.15)}
    return named | blurs | sensors


def images(name: str) -> Iterator[tuple[str, Raster, Encoding]]:
    """Read every image of a domain whole, with its group."""
    domains: dict[str, Domain] = {"photo": PHOTO, "face": FACE, "satellite": SATELLITE, "ct": MedicalDomain(training=False)}
    paths = [DATA / folder for folder in FOLDERS[name]]
    if name == "satellite":
        paths = sorted(path for path in paths[0].glob("*.tif") if "20m" not in path.name)
    for source in domains[name].discover(paths, Silent())[0]:
        if min(source.shape[1:]) < SMALLEST:
            continue
        with domains[name].open(source) as scene:
            yield source.group.id, scene.read(multiple(Window(0, 0, *scene.shape[1:]), (4, 4))), scene.encoding


def spoilt(pair: Pair, how: str, seed: int) -> Raster:
    """Add noise (standard deviation in 1/255 of the image's own range of 98 % of the values), or store an 8-bit picture as JPEG."""
    lr, amount = pair.lr, float(how[1:])
    if how[0] == "n":
        low, high = np.quantile(lr.pixels[:, lr.mask], (0.01, 0.99))
        noise = np.random.default_rng(seed).normal(0, amount / 255 * (high - low), lr.pixels.shape)
        pixels = pair.encoding.decode(pair.encoding.encode((lr.pixels + noise).astype(np.float32)))
    else:
        stored = np.moveaxis(pair.encoding.encode(lr.pixels), 0, -1)
        file = io.BytesIO()
        Image.fromarray(stored.squeeze()).save(file, "JPEG", quality=int(amount))
        read = np.asarray(Image.open(file))
        pixels = pair.encoding.decode(np.moveaxis(read.reshape(stored.shape), -1, 0))
    return replace(lr, pixels=pixels)


def features_of(lr: Raster, encoding: Encoding) -> Array | None:
    """Give what the check reads from a measurement."""
    return kernel_features(kernel_sums(lr.pixels, lr.mask, encoding.step))


def asked(hr: Raster, encoding: Encoding, own: str, scale: int, seed: int) -> dict[str, Array] | None:
    """Make an image's measurements by every kernel, and by the right one with faults; None where one shows too little."""
    made = {}
    for name, operator in operators(scale).items():
        pair = degrade(hr, encoding, operator)
        made[name] = features_of(pair.lr, encoding)
        if name == own:
            for how in ("n1", "n2", *(("j95", "j80") if encoding.dtype == "uint8" and len(hr.pixels) in (1, 3) else ())):
                made[f"right-{how}"] = features_of(spoilt(pair, how, seed), encoding)
    return {name: found for name, found in made.items() if found is not None} if made[own] is not None else None


def main() -> int:
    """Print one JSON line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--cases", nargs="+", choices=[*CASES, "content"], default=[*CASES, "content"])
    if not there():
        return 2
    torch.set_num_threads(1)
    values: dict[str, float] = {}
    kept: dict[tuple[str, str, int], tuple[list[Shown], list[dict[str, Array]]]] = {}
    for case in parser.parse_args().cases:
        if case == "content":
            continue
        domain, kind, scale, count, draws = CASES[case]
        own = "mtf-0.25" if kind == "mtf" else kind
        if (domain, kind, scale) not in kept:
            kept[domain, kind, scale] = learnt(domain, own, scale)
        values |= {f"{case}_{name}": value for name, value in power(*kept[domain, kind, scale], own, count, draws).items()}
        print(case, {name: round(value, 2) for name, value in values.items() if name.startswith(f"{case}_")}, file=sys.stderr, flush=True)
    if "content" in parser.parse_args().cases:
        values |= other_content(kept.get(("photo", "bicubic", 2)) or learnt("photo", "bicubic", 2))
    print(json.dumps(values))
    return 0


def other_content(photographs: tuple[list[Shown], list[dict[str, Array]]]) -> dict[str, float]:
    """Give the share of other domains' images that a fit to photographs flags, though the right kernel made them."""
    fit, right = fit_kernel(photographs[0]), make_operator("bicubic", 2)
    assert isinstance(fit, KernelFit) and fit.threshold is not None
    values = {}
    for name in ("face", "satellite", "ct"):
        pairs = (degrade(hr, encoding, right) for _, hr, encoding in images(name))
        found = [fit.extra_blur(row) for pair in pairs if (row := features_of(pair.lr, pair.encoding)) is not None]
        values[f"content_{name}"] = float(np.mean(np.abs(found) > fit.threshold))
        values[f"content_{name}_extra"] = float(np.mean(found))
    return values


def learnt(domain: str, own: str, scale: int) -> tuple[list[Shown], list[dict[str, Array]]]:
    """Look at all images of a domain under the bank, and under what is asked."""
    bank = kernel_bank(operators(scale)[own])
    taught, questions = [], []
    for seed, (group, hr, encoding) in enumerate(images(domain)):
        image = shown(group, Pair(hr, hr, encoding), bank)
        question = asked(hr, encoding, own, scale, seed)
        if image is not None and question is not None:
            taught.append(image)
            questions.append(question)
    return taught, questions


def power(taught: list[Shown], questions: list[dict[str, Array]], own: str, count: int | None, draws: int) -> dict[str, float]:
    """Give the share flagged, by what made the images: one by one, "batch" ten at a time; and the figures' mean, HR px."""
    groups, rng = sorted({image.group for image in taught}), np.random.default_rng(1)
    splits = [[g for g in groups if g != out] for out in groups] if count is None else [
        list(rng.permutation(groups)[:count]) for _ in range(draws)
    ]  # fmt: skip
    single: dict[str, list[bool]] = {}
    batch: dict[str, list[bool]] = {}
    extra: dict[str, list[float]] = {}
    for fitting in splits:
        known = set(fitting)
        fit = fit_kernel([image for image in taught if image.group in known])
        assert isinstance(fit, KernelFit) and fit.threshold is not None
        asked_now = [question for image, question in zip(taught, questions, strict=True) if image.group not in known]
        of_ten = fit.limit_of_mean(BATCH)
        for name in sorted({name for question in asked_now for name in question}):
            found = np.array([fit.extra_blur(question[name]) for question in asked_now if name in question])
            extra.setdefault(name, []).extend(found.tolist())
            single.setdefault(name, []).extend((np.abs(found) > fit.threshold).tolist())
            if len(found) >= 2 * BATCH and of_ten is not None:
                means = [rng.choice(found, BATCH, replace=False).mean() for _ in range(100)]
                batch.setdefault(name, []).extend((np.abs(means) > of_ten).tolist())
    values = {("clean" if name == own else name): float(np.mean(flags)) for name, flags in single.items()}
    values |= {f"batch_{'clean' if name == own else name}": float(np.mean(flags)) for name, flags in batch.items()}
    values |= {f"extra_{'clean' if name == own else name}": float(np.mean(blur)) for name, blur in extra.items()}
    return values | {"images": len(taught), "groups": len(groups), "clean_sd": float(np.std(extra[own]))}


if __name__ == "__main__":
    sys.exit(main())
