"""The model registry: versions with their evidence, and the aliases challenger, champion and previous.

`champion` moves only here, and only for a version whose gate passed (or waits for nothing but a person's approval).
"""

from __future__ import annotations

import json
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from sr_core.errors import RegistryError
from sr_core.records import Record

if TYPE_CHECKING:
    from mlflow.entities.model_registry import ModelVersion

    from flows.tracking import Tracking

Gate = Literal["passed", "waits for approval", "refused"]
CHAMPION, CHALLENGER, PREVIOUS = "champion", "challenger", "previous"
ALIASES = (CHAMPION, CHALLENGER, PREVIOUS)
# What a loaded model says of itself (`loaded.metadata.metadata`); the tags of the version hold more.
STATED = ("claim_level", "claim", "claim_groups", "group_kind", "operator", "verdict", "verdict_sentence", "worst_check", "perceptual")
# What the pyfunc imports; the registry's requirements are informative, the environment is the user's own.
REQUIREMENTS = ("sr-trust", "torch==2.13.0", "numpy>=2.4,<3", "scipy>=1.17", "safetensors>=0.8", "pydantic>=2.14,<3")


class Version(Record):
    """A registered version: its aliases, and tags (scale, operator, claim level, hashes, gate, ...)."""

    name: str
    number: int
    aliases: tuple[str, ...]
    tags: dict[str, str]

    def says(self) -> str:
        """Give name, number and aliases in one phrase."""
        return f"{self.name} version {self.number}" + (f" ({', '.join(self.aliases)})" if self.aliases else "")


def open_registry(workspace: Path) -> Registry:
    """Open the registry of a workspace, or the one that `MLFLOW_TRACKING_URI` names.

    Raises
    ------
    RegistryError
        If the workspace has none (nothing is made by looking).
    """
    from flows import environment

    environment.silence()
    uri = environment.set_tracking(os.environ, workspace)
    if uri.startswith("sqlite:///") and not Path(uri.removeprefix("sqlite:///")).is_file():
        raise RegistryError(
            f"no registry in {workspace}", "a workspace in which a flow has run", "Run one first (sr demo), or give --workspace."
        )
    from flows.tracking import Tracking

    return Registry(Tracking(uri, workspace / "mlflow"))


class Registry:
    """Versions of models under one tracking address."""

    def __init__(self, tracking: Tracking) -> None:
        self.tracking = tracking
        self.client = tracking.client

    # -- reading ------------------------------------------------------------------------------------------------

    def names(self) -> tuple[str, ...]:
        """Give the names of all registered models of ours."""
        return tuple(sorted(m.name for m in self.client.search_registered_models(max_results=1000) if m.name.startswith("sr-")))

    def versions(self, name: str) -> tuple[Version, ...]:
        """Give all versions of a model, newest first (none: an unknown model)."""
        found = self.client.search_model_versions(f"name='{name}'", max_results=10_000)
        return tuple(sorted((self._version(name, int(v.version)) for v in found), key=lambda v: -v.number))

    def find(self, name: str, which: str | int) -> Version:
        """Give a version by its number or alias.

        Raises
        ------
        RegistryError
            If there is no such model, version or alias.
        """
        version = self.look(name, which)
        if version is not None:
            return version
        known = self.versions(name)
        if not known:
            names = ", ".join(self.names()) or "none yet"
            raise RegistryError(f"model {name!r}", f"a registered model ({names})", "Run a flow first, for instance: sr demo.")
        there = ", ".join(v.says() for v in known[:5])
        raise RegistryError(f"{name} {which!r}", f"a version or alias that exists ({there})", f"See: sr models show {name}")

    def named(self, model: str) -> Version:
        """Give a version by `NAME@ALIAS`, `NAME/NUMBER` or `NAME` (its champion)."""
        name, _, which = model.partition("@") if "@" in model else model.partition("/")
        return self.find(name, which or CHAMPION)

    def look(self, name: str, which: str | int) -> Version | None:
        """Give a version by its number or alias, or None."""
        from mlflow.exceptions import MlflowException

        try:
            if str(which).isdigit():
                return self._version(name, int(which))
            found = self.client.get_model_version_by_alias(name, str(which))
            return self._version(name, int(found.version))
        except MlflowException:
            return None

    def holding(self, weights: str) -> tuple[Version, ...]:
        """Give the versions whose weights have this hash, or one that begins so: newest first within a name."""
        return tuple(v for name in self.names() for v in self.versions(name) if v.tags.get("weights", "").startswith(weights))

    def folder(self, version: Version, into: Path) -> Path:
        """Give the bundle folder of a version; where the store is remote it is copied below `into` once.

        Raises
        ------
        RegistryError
            If the files are gone.
        """
        from mlflow.artifacts import download_artifacts
        from mlflow.exceptions import MlflowException

        source = self._source(version)
        local = into / version.name / str(version.number)
        if not source.startswith("file:") and (copied := _bundle_in(local)):
            return copied
        try:
            if source.startswith("file:"):
                folder = Path(download_artifacts(artifact_uri=source))
            else:
                local.mkdir(parents=True, exist_ok=True)
                folder = Path(download_artifacts(artifact_uri=f"models:/{version.name}/{version.number}", dst_path=str(local)))
        except (MlflowException, OSError) as error:
            raise self._gone(version, source) from error
        bundle = _bundle_in(folder)
        if bundle is None:
            raise self._gone(version, source)
        return bundle

    # -- writing ------------------------------------------------------------------------------------------------

    def register(self, name: str, bundle: Path, tags: Mapping[str, str], run_id: str, channels: int | None) -> Version:
        """Register a bundle folder, or give the version that holds it already (same `bundle` hash tag).

        Parameters
        ----------
        tags : must hold `bundle` (the folder's hash) and `gate`.
        run_id : the run that the model belongs to.
        channels : number of bands that the model takes; None: any (band-wise).
        """
        for version in self.versions(name):
            if version.tags.get("bundle") == tags["bundle"]:
                self._tag(version, tags)
                return self._version(name, version.number)
        from mlflow.exceptions import MlflowException

        uri = self._log_model(bundle, run_id, channels, tags)
        try:
            self.client.create_registered_model(name)
        except MlflowException as error:
            if error.error_code != "RESOURCE_ALREADY_EXISTS":
                raise
        made = self.client.create_model_version(name, source=uri, run_id=run_id, tags=dict(tags), model_id=uri.rpartition("/")[2])
        number = int(made.version)
        self.client.set_registered_model_alias(name, CHALLENGER, str(number))
        return self._version(name, number)

    def promote(self, version: Version, by: str | None = None) -> Version:
        """Make a version the champion; the present one becomes `previous`. Does nothing for the champion itself.

        Parameters
        ----------
        by : who approves, where the gate waits for a person.

        Raises
        ------
        RegistryError
            If the gate refused the version, waits for an approval that is not given, or judged it beside another champion.
        """
        present = self.look(version.name, CHAMPION)
        if present is not None and present.number == version.number:
            return present
        self._allowed(version, present, by)
        if by:
            self._tag(version, {"approved_by": by})
        if present is not None:
            self.client.set_registered_model_alias(version.name, PREVIOUS, str(present.number))
        self.client.set_registered_model_alias(version.name, CHAMPION, str(version.number))
        if CHALLENGER in version.aliases:
            self.client.delete_registered_model_alias(version.name, CHALLENGER)
        return self._version(version.name, version.number)

    def rollback(self, name: str) -> Version:
        """Put `previous` back as champion; what was champion becomes `previous` and is not promoted again by a schedule.

        Raises
        ------
        RegistryError
            If there is no previous champion.
        """
        previous, present = self.look(name, PREVIOUS), self.look(name, CHAMPION)
        if previous is None or present is None:
            raise RegistryError(f"{name} has no previous champion", "a model whose champion has moved", f"See: sr models show {name}")
        self._tag(present, {"rolled_back": "yes"})
        if "rolled_back" in previous.tags:
            self.client.delete_model_version_tag(name, str(previous.number), "rolled_back")
        self.client.set_registered_model_alias(name, PREVIOUS, str(present.number))
        self.client.set_registered_model_alias(name, CHAMPION, str(previous.number))
        return self._version(name, previous.number)

    def rolled_back(self, name: str, weights: str) -> Version | None:
        """Give the version with these weights that a person rolled back, if there is one."""
        return next((v for v in self.versions(name) if v.tags.get("weights") == weights and "rolled_back" in v.tags), None)

    # -- inside ---------------------------------------------------------------------------------------------------

    def _allowed(self, version: Version, present: Version | None, by: str | None) -> None:
        says, gate = version.says(), version.tags.get("gate", "refused")
        beside = version.tags.get("champion_then", "none")
        now = str(present.number) if present is not None else "none"
        if gate == "refused":
            raise RegistryError(
                f"{says}: {'; '.join(reasons(version)) or 'the gate refused it'}", "a version that passed the gate", "Train a better model."
            )
        if "rolled_back" in version.tags and not by:
            raise RegistryError(f"{says} was rolled back", "a person who takes it back", "Name them with --approved-by.")
        if gate == "waits for approval" and not by:
            raise RegistryError(
                f"{says} waits for approval: {'; '.join(reasons(version))}", "the name of who approves", "Give it with --approved-by."
            )
        if beside != now and "rolled_back" not in version.tags:
            raise RegistryError(
                f"{says} was judged beside champion {beside}, and the champion is now {now}",
                "a judgement beside the present champion",
                "Run its flow again.",
            )

    def _version(self, name: str, number: int) -> Version:
        found: ModelVersion = self.client.get_model_version(name, str(number))
        aliases: Sequence[str] = found.aliases or ()
        return Version(name=name, number=number, aliases=tuple(sorted(aliases)), tags=dict(found.tags))

    def _tag(self, version: Version, tags: Mapping[str, str]) -> None:
        for key, value in tags.items():
            if version.tags.get(key) != value:
                self.client.set_model_version_tag(version.name, str(version.number), key, value)

    def _source(self, version: Version) -> str:
        found: ModelVersion = self.client.get_model_version(version.name, str(version.number))
        source = str(found.source)
        if source.startswith("models:/m-"):  # a LoggedModel: it says where its files are
            return str(self.client.get_logged_model(source.removeprefix("models:/")).artifact_location)
        return source

    @staticmethod
    def _gone(version: Version, source: str) -> RegistryError:
        return RegistryError(f"{version.says()}: its files are not at {source}", "the bundle folder", "Restore it, or run the flow again.")

    def _log_model(self, bundle: Path, run_id: str, channels: int | None, tags: Mapping[str, str]) -> str:
        import warnings

        import mlflow

        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # "add type hints", "no input example": neither applies to arrays of any size
            with mlflow.start_run(run_id=run_id):
                info = mlflow.pyfunc.log_model(
                    name="model",
                    python_model=str(Path(__file__).with_name("model.py")),
                    artifacts={"bundle": str(bundle)},
                    signature=_signature(channels),
                    pip_requirements=list(REQUIREMENTS),
                    tags=dict(tags),
                    metadata={name: tags[name] for name in STATED if name in tags},
                )
        return str(info.model_uri)


def _bundle_in(folder: Path) -> Path | None:
    """Find the bundle in a stored model: `artifacts/<name of the folder that was logged>/`."""
    return next((path.parent for path in sorted(folder.glob("artifacts/*/bundle.json"))), None)


def reasons(version: Version) -> tuple[str, ...]:
    """Give the gate's reasons from a version's tags."""
    return tuple(json.loads(version.tags.get("gate_reasons", "[]")))


def _signature(channels: int | None):  # type: ignore[no-untyped-def]  # an MLflow class, imported inside
    import numpy as np
    from mlflow.models.signature import ModelSignature
    from mlflow.types import Schema, TensorSpec

    float32 = np.dtype("float32")
    bands = -1 if channels is None else channels
    outputs = [TensorSpec(float32, (-1, bands, -1, -1), name) for name in ("sr", "half_width")]
    return ModelSignature(inputs=Schema([TensorSpec(float32, (-1, bands, -1, -1))]), outputs=Schema([*outputs]))
