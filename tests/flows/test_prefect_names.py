from __future__ import annotations

import sys

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from flows import prefect_names
from flows.prefect_names import written_out


@pytest.mark.parametrize(
    ("given_words", "expected"),
    [
        ("prefect deployment run sr-satellite", "prefect deployment run sr-satellite/sr-satellite"),
        ("prefect deployments run sr-medical --watch", "prefect deployments run sr-medical/sr-medical --watch"),
        ("prefect deployment run --watch sr-face -p scale=3", "prefect deployment run --watch sr-face/sr-face -p scale=3"),
        ("prefect deployment inspect sr-face", "prefect deployment inspect sr-face/sr-face"),
        ("prefect deployment run --tag sr-face sr-satellite", "prefect deployment run --tag sr-face sr-satellite/sr-satellite"),
        ("prefect --profile x deployment run sr-face", "prefect --profile x deployment run sr-face/sr-face"),
        ("prefect deployment run --name sr-face", "prefect deployment run --name sr-face/sr-face"),
        ("prefect deployment run -p a=1 -p b=2 sr-face", "prefect deployment run -p a=1 -p b=2 sr-face/sr-face"),
    ],
)
def test_short_name_is_written_out(given_words: str, expected: str) -> None:
    assert written_out(given_words.split())[0] == expected.split()


@pytest.mark.parametrize(
    "words",
    [
        "prefect deployment run sr-satellite/sr-satellite",
        "prefect deployment run sr-satellites",
        "prefect deployment run other sr-satellite",
        "prefect deployment run --tag sr-satellite",
        "prefect deployment run --id sr-face",
        "prefect deployment run -- sr-face",
        "prefect deployment ls sr-satellite",
        "prefect deployment delete sr-satellite",
        "prefect flow-run inspect sr-satellite",
        "python train.py sr-satellite",
        "prefect deployment",
        "prefect",
        "",
    ],
)
def test_everything_else_is_left_alone(words: str) -> None:
    assert written_out(words.split()) == (words.split(), None)


@given(
    st.lists(st.sampled_from(["prefect", "deployment", "run", "inspect", "sr-face", "--watch", "-p", "--tag", "x", "--", ""]), max_size=8)
)
@settings(derandomize=True, max_examples=300)
def test_at_most_one_word_changes_and_only_to_its_full_form(words: list[str]) -> None:
    after, name = written_out(words)
    changed = [(a, b) for a, b in zip(words, after, strict=True) if a != b]
    assert changed == ([] if name is None else [(name, f"{name}/{name}")])


def test_hook_changes_argv_and_says_so(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setattr(sys, "argv", ["prefect", "deployment", "run", "sr-satellite"])
    prefect_names._setup_environment(ctx=None)
    assert sys.argv[-1] == "sr-satellite/sr-satellite"
    assert capsys.readouterr().err == "sr: read sr-satellite as sr-satellite/sr-satellite\n"


def test_hook_fails_soft(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    def broken(argv: object) -> None:
        raise RuntimeError("planted")

    monkeypatch.setattr(prefect_names, "written_out", broken)
    monkeypatch.setattr(sys, "argv", ["prefect", "deployment", "run", "sr-satellite"])
    prefect_names._setup_environment(ctx=None)
    assert sys.argv[-1] == "sr-satellite"
    assert "RuntimeError" in capsys.readouterr().err
