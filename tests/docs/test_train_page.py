"""The page about training lists the recipe as it is, and so does the command's help."""

from __future__ import annotations

import importlib.util
import re
import shlex
from functools import reduce
from pathlib import Path
from types import ModuleType

import pytest
from typer.testing import CliRunner

from flows.cli import options
from flows.cli.main import app
from flows.cli.recipe_words import WORDS, groups
from flows.domains import load_domain
from sr_core.recipe import Recipe, setting_names

ROOT = Path(__file__).resolve().parents[2]
PAGE = ROOT / "docs" / "how-to" / "train.md"
ROW = re.compile(r"^\| `([a-z0-9_.]+)` \| (\S*) \| (.+) \|$", re.MULTILINE)


@pytest.fixture(scope="module")
def maker() -> ModuleType:
    spec = importlib.util.spec_from_file_location("recipe_page", ROOT / "bench" / "recipe.py")
    assert spec and spec.loader
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="module")
def help_text() -> str:
    return CliRunner().invoke(app, ["train", "--help"], env={"COLUMNS": "200"}).output


def test_the_tables_are_those_of_the_recipe(maker: ModuleType) -> None:
    page = PAGE.read_text()
    assert maker.rewritten(page) == page, "run: python bench/recipe.py"


def test_every_setting_has_words_and_every_word_a_setting() -> None:
    described = [name for words in WORDS.values() for name in words]
    assert sorted(described) == sorted(setting_names()), "describe new settings in flows/cli/recipe_words.py, then: python bench/recipe.py"
    assert [setting.name for group in groups() for setting in group.settings] == described


def test_the_page_has_every_setting_once_with_the_default_of_the_program() -> None:
    rows = {name: default for name, default, _ in ROW.findall(PAGE.read_text())}
    assert sorted(rows) == sorted(setting_names()) and len(ROW.findall(PAGE.read_text())) == len(rows)
    recipe = Recipe(domain="satellite")
    for name, default in rows.items():
        value = reduce(getattr, name.split("."), recipe)
        if name == "domain" or value in (None, ()):
            assert default == ("" if name == "domain" else "none"), name
        else:
            assert type(value)(default == "true" if isinstance(value, bool) else default) == value, name


def test_a_changed_default_would_be_noticed(maker: ModuleType) -> None:
    page = PAGE.read_text()
    assert page.count("| `training.steps` | 360 |") == 1
    assert maker.rewritten(page.replace("| `training.steps` | 360 |", "| `training.steps` | 361 |")) == page


def test_the_help_lists_every_setting_with_its_choices(help_text: str) -> None:
    assert [name for name in setting_names() if not re.search(rf"│ {re.escape(name)} ", help_text)] == []
    assert "[edsr, srcnn, fsrcnn, vdsr, srresnet, rrdb, linear]" in help_text and "[adam, muon]" in help_text


def test_the_examples_are_recipes(help_text: str) -> None:
    shown = [help_text, PAGE.read_text()]
    examples = [line for text in shown for line in re.findall(r"(sr train [a-z]+ [\w./]+ .*?--.*?)\s*(?:#.*)?$", text, re.MULTILINE)]
    assert len(examples) >= 6
    for example in examples:
        _, _, domain, _, *words = shlex.split(example)
        pairs = dict.fromkeys(("--steps", "--scale"))
        settings: list[str] = []
        for option, value in zip(words[::2], words[1::2], strict=True):
            if option == "--set":
                settings.append(value)
            elif option not in ("--from", "--general"):
                assert option in pairs, example
                pairs[option] = int(value)
        kind = load_domain(domain)
        made = kind.recipe().with_overrides(options.settings(settings, pairs["--scale"], pairs["--steps"]))
        assert made.operator in kind.operators(), example
