"""The error classes. Every message says what was given, what was expected, and what to do.

`exit_code` is what the command line returns: 2 where the input is at fault, 1 where we are.
"""

from __future__ import annotations


class SRError(Exception):
    """Root of all errors that this package raises on purpose.

    Parameters
    ----------
    given : str
        What was found, with its value.
    expected : str
        What would have been right.
    remedy : str
        What to do now: a sentence, or a command to type.
    """

    exit_code = 2
    resumable = False  # whether what was done before is kept, for the same command to go on from

    def __init__(self, given: str, expected: str, remedy: str) -> None:
        self.given = given
        self.expected = expected
        self.remedy = remedy
        super().__init__(given, expected, remedy)

    def __str__(self) -> str:
        return f"{self.given}; expected {self.expected}. {self.remedy}"


class InputError(SRError, ValueError):
    """A file or an argument from outside is not usable."""


class OutputError(SRError, OSError):
    """A result cannot be written where it was asked for."""


class DeliveryError(OutputError):
    """A result is fine, but the disk or the place does not take it (full, gone, not allowed)."""

    resumable = True


class BandError(SRError, RuntimeError):
    """Rows of an image could not be computed, for a reason that does not lie in the image."""

    exit_code = 1
    resumable = True


class ShapeError(SRError, ValueError):
    """An array has the wrong shape or is too small."""


class UnitError(SRError, ValueError):
    """Two values are in different physical units, or a unit is missing."""


class RecipeError(SRError, ValueError):
    """A recipe is contradictory or names something unknown."""


class StoreError(SRError, OSError):
    """A patch store is damaged, of another schema, or does not fit the recipe."""


class SplitError(SRError, ValueError):
    """The data cannot be split without cutting a group."""


class OperatorError(SRError, ValueError):
    """A degradation operator is unknown or too ill-conditioned for what is asked."""


class BundleError(SRError, OSError):
    """A model folder is damaged, of another schema, or does not fit."""


class TrustError(SRError, ValueError):
    """A claim, a calibration or a verdict is asked for that the evidence does not carry."""


class WorkspaceError(SRError, OSError):
    """The workspace cannot be used."""

    exit_code = 1


class ProcessError(SRError, RuntimeError):
    """Of several processes that work as one, one is gone."""

    exit_code = 1
    resumable = True


class RegistryError(SRError, LookupError):
    """A model, a version or an alias is not in the registry."""


class Interrupted(KeyboardInterrupt):
    """A signal ended the work where it can be taken up again.

    Parameters
    ----------
    number : the signal's.
    sentence : what was stopped, and how to go on.

    Attributes
    ----------
    exit_code : as shells count: 128 and the signal's number, so 143 for SIGTERM and 130 for SIGINT.
    """

    resumable = True

    def __init__(self, number: int, sentence: str) -> None:
        super().__init__(sentence)
        self.exit_code = 128 + number


def can_go_on(error: BaseException | None) -> bool:
    """Say whether work that an error (or a kill, or an interruption) stopped may be taken up again; None: nothing stopped it."""
    return error is not None and bool(getattr(error, "resumable", True))
