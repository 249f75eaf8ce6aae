"""Pictures of people in, and who is who by folder."""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Sequence
from pathlib import Path

from domains.common.pictures import discover_pictures
from sr_core.log import Log
from sr_core.records import Group, Refusal, Source

# A face is about 2.2 times as wide as its eyes are apart (140 mm to 63 mm), so no face in a picture with a side below this
# has the 12 px between its pupils under which people guess (50.7 % right at 10 px: arXiv 2503.20108).
PUPILS_TO_SIDE = 2.2
LEAST_PUPILS_PX = 12
MINIMUM_SIDE = 27  # 12 x 2.2, rounded up


def discover(paths: Sequence[Path], log: Log, group_key: str, copies: bool = False) -> tuple[list[Source], list[Refusal]]:
    """Find pictures and tell people apart by folder.

    Parameters
    ----------
    paths : files and folders. A picture in a folder below a given one belongs to the person of that folder. Pictures
        directly in a given folder: one person if several folders are given, otherwise each its own person.
    group_key : key of the people's pseudonyms.
    copies : take a picture that is there more than once each time.

    Raises
    ------
    InputError
        If a path does not exist.
    """
    roots = [path.resolve() for path in paths if path.is_dir()]

    def group(path: Path, digest: str) -> Group:
        return Group(kind="person", id=pseudonym(person_of(path.resolve(), roots) or digest, group_key))

    sources, refusals = discover_pictures(paths, group, log, MINIMUM_SIDE, copies=copies)
    wide = [s for s in sources if s.dtype != "uint8"]
    refusals += [
        Refusal(path=s.path, error="InputError", sentence="16 bits a sample; expected 8 bits, as the other pictures have. Convert it.")
        for s in wide
    ]
    return [s for s in sources if s.dtype == "uint8"], refusals


def person_of(path: Path, roots: Sequence[Path]) -> str | None:
    """Give the folder that stands for a person, or None where a picture stands for itself.

    The nearest given folder counts; names are relative to it, so that a moved collection has the same groups.
    """
    around = [root for root in roots if path.is_relative_to(root)]
    if not around:
        return None
    root = max(around, key=lambda r: len(r.parts))
    inside = path.parent.relative_to(root)
    if inside.parts:
        return inside.as_posix()
    return root.name if len(roots) > 1 else None


def pseudonym(person: str, key: str) -> str:
    """Give 16 hexadecimal digits that stand for a person; without the key they do not lead back to a folder's name.

    With the public default key, someone who can guess a name can confirm the guess; set a key of your own
    (`FaceDomain(group_key=...)`) before records are handed out.
    """
    return hmac.new(key.encode(), f"person\x1f{person}".encode(), hashlib.sha256).hexdigest()[:16]
