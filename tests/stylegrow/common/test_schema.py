"""JSON of any origin: what is read of it, and that the rest is refused in one line."""

from collections.abc import Mapping
from dataclasses import dataclass

import pytest

from stylegrow.common.schema import DEEPEST, Text, check, check_fields, load_json, read_json


@dataclass(frozen=True)
class Sizes:
    """Fields as configurations have them."""

    width: int
    scale: float = 1.0
    names: list[str] | None = None

    def __post_init__(self) -> None:
        if self.width < 1:
            raise ValueError(f"width {self.width}")


def test_what_json_holds(tmp_path):
    file = tmp_path / "a.json"
    file.write_text('["a", "\\udcff"]')  # a name of a file that no encoding can write
    assert read_json(file, list[Text]) == ["a", "\udcff"]
    with pytest.raises(ValueError, match=r"larger than 0 KiB"):
        read_json(file, list[Text], largest=5)
    with pytest.raises(ValueError, match="no file"):
        read_json(tmp_path, list[Text])
    with pytest.raises(FileNotFoundError):
        read_json(tmp_path / "b.json", list[Text])


@pytest.mark.parametrize(
    "content",
    [
        *(b"", b"{", b"\xff", b"[" * 10**6, b'{"a":' * 10**5, b"[" * (DEEPEST + 1) + b"]" * (DEEPEST + 1), b"9" * 5000),
        *(b" " * (17 << 20), b"[0" + b",0" * (1 << 24) + b"]"),
    ],
    ids=lambda content: f"{content[:4]!r}-{len(content)}",
)
def test_what_is_too_much_or_no_json_is_one_line(content):
    with pytest.raises(ValueError, match=r".+") as caught:
        load_json(content, 1 << 26 if len(content) > 1 << 25 else 1 << 24)
    assert len(str(caught.value)) < 200
    assert "\n" not in str(caught.value)


def test_as_deep_as_it_may_be():
    deepest = b"[" * DEEPEST + b"]" * DEEPEST
    assert load_json(deepest)


@pytest.mark.parametrize("value", [[1], [None], {"a": "b"}, 5, "ab", None, [["a"]]])
def test_other_types_are_refused(value):
    with pytest.raises(ValueError, match=r".+"):
        check(value, list[Text])


def test_a_mapping_names_the_place():
    with pytest.raises(ValueError, match=r"^a\.b 'x'"):
        check({"a": {"b": "x"}}, Mapping[str, Mapping[str, int]])


def test_fields_of_a_dataclass():
    assert check_fields({"width": 2, "names": ["a"]}, Sizes) == Sizes(2, names=["a"])
    assert check_fields({"width": 2, "scale": 3}, Sizes).scale == 3.0


@pytest.mark.parametrize(
    "values",
    [{}, {"width": "2"}, {"width": 2.5}, {"width": 0}, {"width": 2, "more": 1}, {"width": 2, "names": [1]}, []],
)
def test_fields_that_make_no_dataclass(values):
    with pytest.raises(ValueError, match=r".+"):
        check_fields(values, Sizes)
