"""XML from strangers: bounded, without document types, and so without entities."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from xml.etree import ElementTree

from domains.satellite.guard import check_regular
from sr_core.errors import InputError

MAX_BYTES = 4 << 20  # a Sentinel-2 product's metadata has 60 kB, a VRT of 1000 files 300 kB
CHUNK = 1 << 16


class _Plain(ElementTree.TreeBuilder):
    """Builds a tree, and refuses a document type where it begins: no entity of it is ever declared."""

    def __init__(self, name: str) -> None:
        super().__init__()
        self._name = name

    def doctype(self, *_: object) -> None:
        """Refuse."""
        raise InputError(f"{self._name} declares a document type", "plain XML without entities", "Leave it out: no product has one.")


def parse_xml(path: Path) -> ElementTree.Element:
    """Read an XML file; give its root.

    The standard parser with every document type refused, which is where entities are declared: no further package is needed for that.

    Raises
    ------
    InputError
        If it is too large, no XML, or has a document type.
    """
    check_regular(path)
    parser = ElementTree.XMLParser(target=_Plain(path.name))
    try:
        if (size := path.stat().st_size) > MAX_BYTES:
            raise InputError(f"{path.name} has {size} bytes", f"XML of at most {MAX_BYTES}", "Leave it out.")
        with path.open("rb") as stream:
            while chunk := stream.read(CHUNK):
                parser.feed(chunk)
        root: ElementTree.Element = parser.close()
    except (ElementTree.ParseError, ValueError, LookupError) as error:
        raise InputError(f"{path.name} is no XML ({error})", "a whole, undamaged file", "Get the file again.") from error
    except OSError as error:
        raise InputError(f"{path} ({error.strerror})", "a file that can be read", "Check the path and its permissions.") from error
    return root


def local(element: ElementTree.Element) -> str:
    """Give an element's name without its namespace."""
    return element.tag.rpartition("}")[2]


def named(root: ElementTree.Element, name: str) -> Iterator[ElementTree.Element]:
    """Give the elements below `root` of a name, whatever their namespace."""
    return (element for element in root.iter() if local(element) == name)


def text_of(root: ElementTree.Element, name: str) -> str | None:
    """Give the text of the first element of a name; None where there is none, or it is empty."""
    return next((text for element in named(root, name) if (text := (element.text or "").strip())), None)
