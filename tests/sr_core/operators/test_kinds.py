"""Making operators by name, and writing them down."""

from __future__ import annotations

import json

import pytest

from sr_core.errors import OperatorError
from sr_core.operators import make_operator, operator_from

MADE = [
    make_operator("bicubic", 2), make_operator("gaussian", 3, sigma=1.6, taps=7), make_operator("mtf", (4, 1), value=0.25),
    make_operator("mtf", 2, value=[[0.3], [0.25]]), make_operator("taps", 2, taps=[0.1, 0.4, 0.4, 0.1]),
]  # fmt: skip

# Bundles and stores carry these texts; a digest that changes makes them strangers.
PINNED = [
    ("bicubic", 2, {}, "{}", "[2, 2]", "b7895d357cf60cd9c201ce5cfb6026a2c5752bc4168ba1b1ec756e221bd12f9a"),
    ("mtf", 2, {"value": 0.2}, '{"value": 0.2}', "[2, 2]", "18c716c39d081e5e17482428a3efcde11d837f3db70caa40aa8dc9d012af1d48"),
    ("gaussian", 3, {"sigma": 1.6, "taps": 7}, '{"sigma": 1.6, "taps": 7.0}', "[3, 3]",
     "c5eca3d49142c1dfe6754a97512c89bf3aab229284187b035d953ec63d9dc47a"),
    ("gaussian", 2, {"sigma": 2}, '{"sigma": 2.0}', "[2, 2]", "d15fe0f9ffd444d3302e4dde640b3a319c5971be0a1e812815a55967eab33bde"),
    ("mtf", (4, 1), {"value": 0.25}, '{"value": 0.25}', "[4, 1]", "b5a9309821734ce6c62003f4e59332078b9c93d7d2c7b186bfc59cc1b2183338"),
    ("kspace", 2, {"centred": 0}, '{"centred": 0.0}', "[2, 2]", "06fcde003cbc7a7afb3ad7e2bde90628bf2ec908c6abca4b9feff0b9c35e4b93"),
]  # fmt: skip


@pytest.mark.parametrize("operator", MADE, ids=lambda o: o.kind)
def test_json_round_trip(operator: object) -> None:
    again = operator_from(operator.to_json())  # type: ignore[attr-defined]
    assert again == operator
    assert again.digest() == operator.digest()  # type: ignore[attr-defined]
    assert again.apply.__self__.rows.taps == operator.rows.taps  # type: ignore[attr-defined]


def test_digests_tell_operators_apart() -> None:
    others = [make_operator("bicubic", 3), make_operator("mtf", (4, 1), value=0.26), make_operator("mtf", 2, value=[[0.25], [0.3]])]
    assert len({operator.digest() for operator in [*MADE, *others]}) == len(MADE) + 3


@pytest.mark.parametrize(("kind", "scale", "parameters", "body", "pair", "digest"), PINNED)
def test_texts_and_digests_are_pinned(kind: str, scale: int, parameters: dict[str, float], body: str, pair: str, digest: str) -> None:
    operator = make_operator(kind, scale, **parameters)
    assert operator.to_json() == f'{{"kind": "{kind}", "parameters": {body}, "scale": {pair}, "schema": 1, "version": 1}}'
    assert operator.digest() == digest


def test_descriptions() -> None:
    assert make_operator("bicubic", 2).describe() == (
        "Bicubic reduction as MATLAB's imresize does it (Keys kernel, a = -0.5, antialiased), by 2 along both axes; "
        "undoing it multiplies white noise by 1.3 (condition number 4.48)."
    )
    assert "by 4 vertically;" in make_operator("box", (4, 1)).describe()
    assert "noise will be visible" in make_operator("mtf", 2, value=0.15).describe()
    assert "MTF of 0.15" in make_operator("mtf", 2, value=0.15).describe()


def test_support() -> None:
    assert [make_operator("bicubic", s).support for s in (2, 3, 4, 8)] == [3, 4, 6, 12]
    assert make_operator("box", 4).support == make_operator("nearest", 4).support == 0
    assert make_operator("bicubic", (1, 4)).support == 6


def test_operators_are_immutable_and_hashable() -> None:
    operator = make_operator("bicubic", 2)
    with pytest.raises(AttributeError):
        operator.kind = "box"  # type: ignore[misc]
    assert hash(operator) == hash(make_operator("bicubic", (2, 2)))


@pytest.mark.parametrize(
    ("kind", "scale", "parameters", "words"),
    [
        ("bicubc", 2, {}, "Did you mean bicubic"), ("wavelet", 2, {}, "one of bicubic"), ("bicubic", 1, {}, "at least 2"),
        ("bicubic", (1, 1), {}, "at least 2"), ("bicubic", (2, 0), {}, "at least 2"), ("bicubic", 2.5, {}, "scale 2.5"),
        ("bicubic", True, {}, "at least 2"), ("bicubic", 2, {"sigma": 1}, "'sigma'"), ("gaussian", 2, {}, "no sigma"),
        ("gaussian", 2, {"sigma": 0}, "above 0"), ("gaussian", 2, {"sigma": float("nan")}, "above 0"),
        ("gaussian", 2, {"sigma": 1, "taps": 2.5}, "whole number"), ("gaussian", 2, {"sigma": 1, "taps": float("inf")}, "whole number"),
        ("mtf", 2, {"value": 10**400}, "expected one number"), ("mtf", 2, {"value": 1}, "between 0 and 1"),
        ("gaussian", 2, {"sigma": [1, 2]}, "expected one number"), ("gaussian", 2, {"sigma": "wide"}, "'wide'; expected one number"),
        ("kspace", 2, {"centred": [1, 0]}, "expected one number"),
    ],
)  # fmt: skip
def test_refusals(kind: str, scale: object, parameters: dict[str, float], words: str) -> None:
    with pytest.raises(OperatorError, match=words):
        make_operator(kind, scale, **parameters)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"schema": 2}, "newer version"), ({"version": 9}, "version 9"), ({"kind": "x"}, "one of bicubic"),
        ({"scale": 2}, "does not read"), ({"scale": [2]}, "does not read"), ({"parameters": [2]}, "does not read"),
        ({"kind": "mtf", "parameters": {"value": {}}}, "value = {}; expected"),
        ({"kind": "mtf", "parameters": {"value": []}}, "one a band"),
    ],
)  # fmt: skip
def test_reading_refuses(change: dict[str, object], words: str) -> None:
    body = json.loads(make_operator("bicubic", 2).to_json()) | change
    with pytest.raises(OperatorError, match=words):
        operator_from(json.dumps(body))


@pytest.mark.parametrize("text", ["", "[]", "null", "{}", '{"kind": 3}'])
def test_reading_refuses_what_is_no_operator(text: str) -> None:
    with pytest.raises(OperatorError, match="does not read as an operator"):
        operator_from(text)
