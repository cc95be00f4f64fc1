"""What `Annotated` says of a parameter: what the codec makes of an earlier payload by it is not a break."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import pydantic
import pytest
from pydantic import BeforeValidator, Field

from tests.codegen.reading import read
from upnext.errors import PayloadError
from upnext.payload.codec import Codec
from upnext_codegen.changes.compare import breaking
from upnext_codegen.merging.contracts import contracts

HANDLER = """\
from typing import Annotated
import pydantic
import upnext
from pydantic import BeforeValidator, Field
Text = Annotated[str, BeforeValidator(str)]
event = upnext.Worker("shop").event("order.placed")
@event.on
async def confirm({}): ...
"""
NAMES = {
    "Annotated": Annotated,
    "BeforeValidator": BeforeValidator,
    "Field": Field,
    "Text": Annotated[str, BeforeValidator(str)],
    "pydantic": pydantic,
}


def is_taken(annotation: str, body: bytes) -> bool:
    codec = Codec({"b": (eval(annotation, dict[str, Any](NAMES)), True)}, Any, "order.placed", "confirm")
    try:
        codec.decode(body)
    except PayloadError:
        return False
    return True


@pytest.mark.parametrize(
    ("before", "after", "body", "codes"),
    [
        ("a: int", "Annotated[int, Field(default=3)]", b"{}", []),
        ("a: int", "Annotated[int, pydantic.Field(3, gt=0)]", b"{}", []),
        ("a: int", "Annotated[list[int], Field(default_factory=list)]", b"{}", []),
        ("a: int", "Annotated[int, Field(gt=0)]", b"{}", ["UPN411"]),
        ("a: int", "Annotated[int, Field(...)]", b"{}", ["UPN411"]),
        ("b: int", "Annotated[str, BeforeValidator(str)]", b'{"b": 1}', []),
        ("b: int", "Text", b'{"b": 1}', []),
        ("b: list[int]", "list[Annotated[str, BeforeValidator(str)]]", b'{"b": [1]}', []),
        ("b: int", "Annotated[str, Field(max_length=3)]", b'{"b": 1}', ["UPN415"]),
        ("b: int = 0", "Annotated[int, Field(default=3)]", b"{}", []),
    ],
)
def test_what_the_codec_makes_of_a_payload_is_no_break(
    tmp_path: Path, before: str, after: str, body: bytes, codes: list[str]
) -> None:
    others = "" if before.startswith("b") else f", {before}"
    earlier, _ = contracts(read(tmp_path / "old", HANDLER.format(before))[0])
    scanned, _ = read(tmp_path / "new", HANDLER.format(f"b: {after}{others}"))
    assert is_taken(after, body) == (not codes)
    assert [each.code for each in breaking(earlier, scanned, complete=True)] == codes
