"""The frozen records that pass between stages. On disk they are JSON with a `schema` number."""

from __future__ import annotations

import hashlib
import itertools
import json
from pathlib import Path
from typing import ClassVar, Literal, Self

from pydantic import BaseModel, ConfigDict, ValidationError

from sr_core.errors import SplitError, StoreError
from sr_core.raster import Window

Digest = str  # lower-case hexadecimal sha256
SplitName = Literal["train", "val", "calibration", "test"]
SPLITS: tuple[SplitName, ...] = ("train", "val", "calibration", "test")


class Record(BaseModel):
    """Base of all records: frozen, no unknown keys, a schema number on disk."""

    model_config = ConfigDict(frozen=True, extra="forbid", ser_json_inf_nan="constants")
    schema_number: ClassVar[int] = 1

    def to_json(self) -> str:
        """Give the record as canonical JSON text (sorted keys), with its schema number."""
        body = {"schema": self.schema_number, **json.loads(self.model_dump_json())}
        return json.dumps(body, sort_keys=True, indent=1, ensure_ascii=False) + "\n"

    @classmethod
    def from_json(cls, text: str, where: str) -> Self:
        """Read a record back; `where` names the file in errors.

        Raises
        ------
        StoreError
            If the text is not such a record, or was written by a newer version.
        """
        try:
            body = json.loads(text)
            number = body.pop("schema", None) if isinstance(body, dict) else None
        except json.JSONDecodeError as error:
            raise StoreError(f"{where} is not JSON ({error})", f"a {cls.__name__} record", "Delete it and run again.") from error
        if not isinstance(number, int):
            raise StoreError(f"{where} has no schema number", f"a {cls.__name__} record", "Delete it and run again.")
        if number > cls.schema_number:
            raise StoreError(
                f"{where} has schema {number}",
                f"{cls.__name__} schema {cls.schema_number} or older",
                "Install a newer version of this package.",
            )
        try:
            return cls.model_validate_json(json.dumps(body))
        except ValidationError as error:
            raise StoreError(
                f"{where} does not read as {cls.__name__} ({error.error_count()} faults)",
                "a record written by this package",
                "Delete it and run again.",
            ) from error

    def digest(self) -> Digest:
        """Give the sha256 of the canonical JSON."""
        return hashlib.sha256(self.to_json().encode()).hexdigest()


class Group(Record):
    """The independent piece of the world that a split may never cut: a place, a patient, a person, a picture.

    `id` is a pseudonym; it never holds a person's name.
    """

    kind: str
    id: str


class Source(Record):
    """One image that can be read.

    `path` is a file, or the folder of a series whose files are `members`; `sha256` covers all of them.
    `shape` is (C, H, W); a series of slices has one band a slice. `part` names the image where a file or folder holds several.
    """

    path: Path
    sha256: Digest
    size: int
    group: Group
    shape: tuple[int, int, int]
    bands: tuple[str, ...]
    dtype: str
    unit: str
    members: tuple[Path, ...] = ()
    acquired: str | None = None
    geometry: str = ""
    part: str = ""


class Fact(Record):
    """One thing that a file declares of itself: sensor, kernel, compression, pixel size, ...

    A text, or a number in a unit. Several facts of one name (bands) are a set. `sampled`: a number that grows with the pixel, so that
    an image degraded by a scale s has s times as much.
    """

    name: str
    value: str | float
    unit: str = ""
    sampled: bool = False


class Refusal(Record):
    """A file that is not used, and why, in one sentence."""

    path: Path
    error: str
    sentence: str

    def says(self) -> str:
        """Give the sentence, led by the file's name where it does not name it itself."""
        return self.sentence if self.path.name in self.sentence else f"{self.path.name}: {self.sentence}"


class Region(Record):
    """A source (by its hash) and a window of it: what a split holds.

    `one_group` marks blocks of one source that stand on different sides of a split.
    """

    source: Digest
    window: Window
    group: Group
    one_group: bool = False

    @property
    def name(self) -> str:
        """Short name for file names and tables."""
        w = self.window
        return f"{self.source[:8]}-r{w.row}-c{w.col}-{w.height}x{w.width}"


class Split(Record):
    """Which regions serve what, and how far that lets a claim go (`notes` say it in words)."""

    train: tuple[Region, ...]
    val: tuple[Region, ...]
    calibration: tuple[Region, ...]
    test: tuple[Region, ...]
    notes: tuple[str, ...] = ()

    def part(self, name: SplitName) -> tuple[Region, ...]:
        """Give the regions of one part."""
        parts: dict[SplitName, tuple[Region, ...]] = {
            "train": self.train, "val": self.val, "calibration": self.calibration, "test": self.test,
        }  # fmt: skip
        return parts[name]

    def check(self, gap: int) -> None:
        """Refuse a split that cuts a group without saying so, or whose blocks come nearer than `gap` HR pixels.

        Raises
        ------
        SplitError
            With the two regions at fault.
        """
        groups: dict[tuple[str, str], list[tuple[SplitName, Region]]] = {}
        for name in SPLITS:
            for region in self.part(name):
                groups.setdefault((region.group.kind, region.group.id), []).append((name, region))
        for labelled in groups.values():
            for (name_a, a), (name_b, b) in itertools.combinations(labelled, 2):
                if name_a == name_b:
                    continue
                if not (a.one_group and b.one_group):
                    raise SplitError(f"group {a.group.id} is in {name_a} and in {name_b}", "a group on one side only", "Split again.")
                if a.source == b.source and _distance(a.window, b.window) < gap:
                    raise SplitError(
                        f"{name_a} block {a.window} and {name_b} block {b.window} are {_distance(a.window, b.window)} px apart",
                        f"a gap of at least {gap} px",
                        "Split again with smaller blocks.",
                    )


def _distance(a: Window, b: Window) -> int:
    rows = max(a.row, b.row) - min(a.row + a.height, b.row + b.height)
    cols = max(a.col, b.col) - min(a.col + a.width, b.col + b.width)
    return max(rows, cols)


class Manifest(Record):
    """What was found, what was refused, and how it is split. Its hash leaves paths out: the same files elsewhere are the same."""

    domain: str
    scale: int
    gap: int
    seed: int
    sources: tuple[Source, ...]
    refusals: tuple[Refusal, ...]
    split: Split

    def source(self, sha256: Digest) -> Source:
        """Give the source of a region by its hash.

        Raises
        ------
        StoreError
            If the manifest has no such source.
        """
        for source in self.sources:
            if source.sha256 == sha256:
                return source
        raise StoreError(f"source {sha256[:8]}", f"one of the manifest's {len(self.sources)} sources", "Ingest again: sr ingest.")

    def content_hash(self) -> Digest:
        """Give the hash of what was found and how it is split, whatever the paths."""
        body = {
            "domain": self.domain, "scale": self.scale, "gap": self.gap, "seed": self.seed,
            "sources": [s.sha256 for s in self.sources], "split": self.split.digest(),
        }  # fmt: skip
        return hashlib.sha256(json.dumps(body, sort_keys=True).encode()).hexdigest()


class StageRef(Record):
    """A published stage result: its folder, its content hash, and the hashes it was made from (the provenance chain)."""

    path: Path
    hash: Digest
    made_from: tuple[Digest, ...] = ()


class ManifestRef(StageRef):
    """An ingested set of files: `manifest.json`."""


class StoreRef(StageRef):
    """A prepared patch store: one HDF5 shard a source; `train_pairs` and `val_pairs` count patches."""

    train_pairs: int
    val_pairs: int


class BundleRef(StageRef):
    """A model folder; `family` is the network's ("edsr", "srcnn", "linear"), `weights` the hash of its weights."""

    family: str
    weights: Digest


class CalibrationRef(StageRef):
    """A calibrated copy of a bundle (the bundle's files and `calibration.json`); `level` of the claim it carries."""

    level: str
    weights: Digest


class EvaluationRef(StageRef):
    """An evaluation: `evaluation.json` and one picture archive a test region."""


class UpscaleRef(StageRef):
    """An upscaled image: its files, the verdict's status, and how far its statistics lie from those of validation (None: unknown)."""

    files: tuple[Path, ...]
    status: str
    deviations: tuple[float, ...] | None = None
