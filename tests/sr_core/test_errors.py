"""The sentence of an error, its exit code, and the builtin that a caller would expect."""

from __future__ import annotations

import pickle

import pytest

from sr_core import errors

CLASSES = [c for c in vars(errors).values() if isinstance(c, type) and issubclass(c, errors.SRError)]


@pytest.mark.parametrize("kind", CLASSES)
def test_an_error_is_one_sentence_of_three_parts(kind: type[errors.SRError]) -> None:
    error = kind("a side of 3 px", "at least 33 px", "Give larger images.")
    assert str(error) == "a side of 3 px; expected at least 33 px. Give larger images."
    assert (error.given, error.expected, error.remedy) == ("a side of 3 px", "at least 33 px", "Give larger images.")


@pytest.mark.parametrize("kind", CLASSES)
def test_an_error_survives_another_process(kind: type[errors.SRError]) -> None:
    error = pickle.loads(pickle.dumps(kind("a", "b", "c.")))
    assert type(error) is kind and str(error) == "a; expected b. c." and error.remedy == "c."


@pytest.mark.parametrize(
    ("kind", "builtin", "code"),
    [
        (errors.InputError, ValueError, 2), (errors.OutputError, OSError, 2), (errors.ShapeError, ValueError, 2),
        (errors.StoreError, OSError, 2), (errors.BundleError, OSError, 2), (errors.RegistryError, LookupError, 2),
        (errors.WorkspaceError, OSError, 1),
    ],
)  # fmt: skip
def test_builtin_and_exit_code(kind: type[errors.SRError], builtin: type[Exception], code: int) -> None:
    assert issubclass(kind, builtin) and kind.exit_code == code
