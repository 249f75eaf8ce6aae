"""A Prefect plug-in: lets `prefect deployment run sr-satellite` find `sr-satellite/sr-satellite`.

Prefect asks for FLOW/DEPLOYMENT. Its plug-in hook runs before its command line reads `sys.argv`, so the short name can
be written out there; nothing of Prefect is patched. On any surprise the arguments are left alone and Prefect's own
message appears. Active only where plug-ins are switched on (`PREFECT_PLUGINS_ENABLED=true`, a profile, or the
`pyproject.toml` of the repository).
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from typing import Any

NAMES = ("sr-satellite", "sr-medical", "sr-face")
VERBS = ("run", "inspect")
# Options of `prefect deployment run|inspect` that are followed by a value: a name there is not the deployment.
VALUED = frozenset(
    [
        "-p",
        "--param",
        "--params",
        "--tag",
        "--flow-run-name",
        "--start-in",
        "--start-at",
        "--job-variable",
        "-jv",
        "--id",
        "--watch-timeout",
        "--watch-interval",
        "--profile",
        "--output",
        "-o",
    ]
)


def written_out(argv: Sequence[str]) -> tuple[list[str], str | None]:
    """Give the arguments with a short deployment name written out, and that name (None: nothing to do).

    >>> written_out(["prefect", "deployment", "run", "--watch", "sr-face"])
    (['prefect', 'deployment', 'run', '--watch', 'sr-face/sr-face'], 'sr-face')
    """
    arguments = list(argv)
    verb = _verb(arguments)
    if verb is None:
        return arguments, None
    position = verb + 1
    while position < len(arguments):
        token = arguments[position]
        if token == "--":
            return arguments, None
        if token in VALUED:
            position += 2
            continue
        if token == "--name":
            position += 1
            continue
        if not token.startswith("-"):
            if token not in NAMES:
                return arguments, None
            arguments[position] = f"{token}/{token}"
            return arguments, token
        position += 1
    return arguments, None


def _verb(arguments: Sequence[str]) -> int | None:
    for position in range(1, len(arguments) - 1):
        if arguments[position] in ("deployment", "deployments"):
            return position + 1 if arguments[position + 1] in VERBS else None
    return None


def _setup_environment(*, ctx: Any) -> None:
    """Write the short name out in `sys.argv`, and say so on stderr."""
    try:
        arguments, name = written_out(sys.argv)
        if name is not None:
            sys.argv[:] = arguments
            print(f"sr: read {name} as {name}/{name}", file=sys.stderr)
    except Exception as error:
        print(f"sr: the short deployment name was not looked at ({type(error).__name__})", file=sys.stderr)


try:
    from prefect.plugins import register_hook
except ImportError:  # Prefect moved its hook: the short form then ends in Prefect's own message
    pass
else:

    @register_hook
    def setup_environment(*, ctx: Any) -> None:
        """Take Prefect's start-up hook."""
        _setup_environment(ctx=ctx)
