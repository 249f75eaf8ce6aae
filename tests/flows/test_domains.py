from __future__ import annotations

import pytest

from flows.domains import domain_names, load_domain
from sr_core.errors import InputError


def test_the_four_domains_are_installed() -> None:
    assert set(domain_names()) >= {"satellite", "medical", "face", "photo"}


def test_an_unknown_domain_is_refused_with_the_known_names() -> None:
    with pytest.raises(InputError, match=r"'satelite'; expected one of .*satellite"):
        load_domain("satelite")
