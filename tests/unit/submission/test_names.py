"""A submission's name tells what is not usual about its source."""

import pytest

from facetwise.core.records.submission import MadeFrom


@pytest.mark.parametrize(("tta", "name"), [("none", "03-flat"), ("flip", "03-flat-tta-flip")])
def test_the_name_tells_test_time_views(tta: str, name: str) -> None:
    made_from = MadeFrom(
        kind="run", id="03-flat", tta=tta, parts=[], test_sha256="t", manifest="m", label_space=None,
        template_sha256=None,
    )  # fmt: skip
    assert made_from.name == name
