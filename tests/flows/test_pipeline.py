from __future__ import annotations

import inspect
from pathlib import Path

import pytest
import yaml
from prefect import Flow
from prefect.utilities.importtools import import_object

from flows import pipeline
from flows.beside import Beside
from flows.deploy import DOMAINS, deployments
from flows.domains import load_domain
from flows.evidence import CONTRACT, model_name, run_tags
from flows.prefect_names import NAMES
from flows.result import Request
from sr_core.errors import RecipeError
from sr_core.recipe import Recipe, setting_names
from sr_core.records import ManifestRef

REPOSITORY = Path(__file__).resolve().parents[2]


def plan() -> list[dict[str, object]]:
    return list(yaml.safe_load((REPOSITORY / "infra" / "prefect.yaml").read_text())["deployments"])


def test_every_flow_has_its_own_name_and_function() -> None:
    for domain, flow in pipeline.FLOWS.items():
        assert flow.name == f"sr-{domain}"
        assert flow.fn.__name__ == f"sr_{domain}"
        assert getattr(pipeline, f"sr_{domain}") is flow


def test_a_domain_of_another_package_has_a_flow() -> None:
    assert pipeline.flow_of("photo") is pipeline.sr_photo
    made = pipeline.flow_of("heights")
    assert made.name == "sr-heights" and made.fn.__name__ == "sr_heights"


def test_the_command_hands_on_every_wish(monkeypatch: pytest.MonkeyPatch) -> None:
    from flows.cli import demo
    from flows.result import Request

    taken: dict[str, object] = {}
    monkeypatch.setattr(pipeline, "flow_of", lambda domain: lambda **given: taken.update(given))
    request = Request(
        paths=("a",), workspace="w", scale=3, steps=4, approved_by="A", overrides={"seed": 5}, upscale=False, parent="p", general=("g",)
    )
    demo._flow("photo", request)
    assert taken == {
        "paths": ["a"], "workspace": "w", "scale": 3, "steps": 4, "approved_by": "A", "overrides": {"seed": 5}, "upscale": False,
        "parent": "p", "general": ["g"],
    }  # fmt: skip


def test_the_form_shows_typed_parameters_with_their_meaning() -> None:
    schema = pipeline.sr_satellite.parameters.model_dump()["properties"]
    assert list(schema) == ["paths", "workspace", "scale", "steps", "approved_by", "overrides", "upscale", "parent", "general"]
    assert all(entry["description"] for entry in schema.values())
    assert schema["upscale"]["type"] == "boolean"


def test_prefect_yaml_names_the_three_flows_and_its_schedules_are_off() -> None:
    for entry in plan():
        loaded = import_object(str(entry["entrypoint"]))
        assert isinstance(loaded, Flow)
        assert loaded.name == entry["name"]
        assert [s["active"] for s in entry["schedules"]] == [False]  # type: ignore[attr-defined]
        assert all(s["timezone"] for s in entry["schedules"])  # type: ignore[attr-defined]
        assert entry["concurrency_limit"] == 1
        known = set(inspect.signature(loaded.fn).parameters)
        assert set(entry["parameters"]) <= known  # type: ignore[call-overload]
    assert tuple(entry["name"] for entry in plan()) == NAMES


def test_served_deployments_are_the_same_ones(tmp_path: Path) -> None:
    made = deployments(tmp_path)
    assert [d.name for d in made] == [f"sr-{domain}" for domain in DOMAINS] == list(NAMES)
    for deployment in made:
        assert deployment.flow_name == deployment.name
        assert isinstance(import_object(str(deployment.entrypoint)), Flow)
        assert import_object(str(deployment.entrypoint)).name == deployment.name
        assert [s.active for s in deployment.schedules or []] == [False]


def test_work_is_named_by_files_recipe_and_stage_versions(monkeypatch: pytest.MonkeyPatch) -> None:
    manifest = ManifestRef(path=Path(), hash="a" * 64)
    recipe = Recipe(domain="satellite")
    key = pipeline.work_key(manifest, recipe, Beside())
    assert key == pipeline.work_key(manifest.model_copy(update={"path": Path("elsewhere")}), recipe, Beside())
    assert key != pipeline.work_key(manifest.model_copy(update={"hash": "b" * 64}), recipe, Beside())
    assert key != pipeline.work_key(manifest, recipe.with_overrides({"seed": 2}), Beside())
    warm = [Beside(weights="c" * 64), Beside(weights="d" * 64), Beside(weights="c" * 64, general=manifest)]
    assert len({key, *(pipeline.work_key(manifest, recipe, others) for others in warm)}) == 4
    monkeypatch.setattr(pipeline, "CONTRACT", (*CONTRACT, "more 1"))
    assert key != pipeline.work_key(manifest, recipe, Beside())


def test_each_scale_has_its_own_champion() -> None:
    domain = load_domain("satellite")
    assert model_name(domain, domain.recipe()) == "sr-satellite"
    assert model_name(domain, domain.recipe().with_overrides({"scale": 4})) == "sr-satellite-x4"
    perceptual = domain.recipe().with_overrides({"purpose": "perceptual"})
    assert model_name(domain, perceptual) == "sr-satellite-perceptual"
    assert model_name(domain, perceptual.with_overrides({"scale": 4})) == "sr-satellite-perceptual-x4"


def test_every_setting_is_a_parameter_of_the_run() -> None:
    values = run_tags(Recipe(domain="satellite"), ManifestRef(path=Path(), hash="a" * 64))
    assert set(setting_names()) <= set(values)
    assert values["training.steps"] == 360
    assert values["data_range"] == "None"


def test_short_parameters_are_recipe_settings() -> None:
    assert Request(scale=3, steps=7, overrides={"seed": 2}).settings() == {"seed": 2, "scale": 3, "training.steps": 7}
    with pytest.raises(RecipeError):
        Recipe(domain="satellite").with_overrides(Request(scale=99).settings())
