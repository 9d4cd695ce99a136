"""Pickles made to do harm, or by something else: each is refused in one line, at once, and runs nothing."""

import pickle
import struct
from functools import cache
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from stylegrow.common.errors import ModelError
from stylegrow.models.official import pickles
from stylegrow.models.official.importing import import_official
from stylegrow.models.official.pickles import ALLOWED, Array, Network, read_pickle
from tests import oracle
from tests.stylegrow.models import official_files

PICKLES = Path(oracle.__file__).parent / "pickles"


def text(value: str) -> bytes:
    return b"\x8c" + bytes([len(value)]) + value.encode()


def name(module: str, which: str) -> bytes:
    """The instructions that push a name, of protocol 4."""
    return text(module) + text(which) + b"\x93"


def saved(folder: Path, *parts: bytes, protocol: int = 4) -> Path:
    path = folder / "made.pkl"
    path.write_bytes(b"\x80" + bytes([protocol]) + b"".join(parts) + b".")
    return path


def refusal(path: Path) -> str:
    with pytest.raises(ModelError) as caught:
        import_official(path, path.parent / "out")
    message = str(caught.value)
    assert message.startswith(f"{path}: ")
    assert "\n" not in message
    assert len(message) < len(str(path)) + 250
    assert not (path.parent / "out").exists()
    return message


MALICIOUS = {
    "posix_system": "posix.system",
    "numpy_runstring": "numpy.testing._private.utils.runstring",
    "numpy_dotted_os_system": "numpy.lib._npyio_impl.os.system",
    "os_system_in_static_kwargs": "posix.system",
}


@pytest.mark.parametrize("file", MALICIOUS)
def test_what_a_malicious_file_asks_for_is_named_and_not_run(file, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(ModelError, match=MALICIOUS[file].replace(".", r"\.")) as caught:
        import_official(PICKLES / "malicious" / f"{file}.pkl", "out")
    assert "\n" not in str(caught.value)
    assert list(tmp_path.iterdir()) == []


def test_source_text_in_a_file_never_runs(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    import_official(PICKLES / "malicious" / "build_module_src_exec.pkl", "out")
    assert [path.name for path in tmp_path.iterdir()] == ["out"]


def test_oldest_pickles_are_told_what_they_ask_for(tmp_path):
    path = tmp_path / "old.pkl"
    path.write_bytes(b"cposix\nsystem\n(S'touch PWNED'\ntR.")
    assert "posix.system" in refusal(path)
    path.write_bytes(b"(S'touch PWNED'\niposix\nsystem\n.")
    assert "posix.system" in refusal(path)


@pytest.mark.parametrize(
    ("module", "which"),
    [
        ("builtins", "eval"),
        ("builtins", "getattr"),
        ("numpy", "dtype.type"),
        ("numpy", "load"),
        ("numpy.core.multiarray", "fromfile"),
        ("numpy._core.multiarray", "_reconstruct.__globals__"),
        ("tfutil", "Network.__init__"),
        ("_codecs", "lookup"),
        ("codecs", "encode"),
        ("collections", "defaultdict"),
        ("dnnlib.tflib.network", "exec"),
        ("dnnlib.tflib", "Network"),
        ("", ""),
        ("numpy\nos", "system"),
    ],
)
def test_names_are_allowed_as_exact_pairs_only(module, which, tmp_path):
    assert (module, which) not in ALLOWED
    refusal(saved(tmp_path, name(module, which), b")R"))


def bomb_of_memo() -> bytes:
    return b"Nr" + struct.pack("<I", 2**31 - 1) + b"0N"


def nested_tuples(levels: int) -> bytes:
    return b"}" + b")" + b"\x85" * levels + b"Ns"


NDARRAY = name("numpy.core.multiarray", "_reconstruct") + name("numpy", "ndarray") + b"K\0\x85C\1b\x87R"
FLOAT = name("numpy", "dtype") + text("f4") + b"\x85R"
OBJECT = name("numpy", "dtype") + text("O8") + b"\x85R"


def array_state(shape: bytes, dtype: bytes, data: bytes) -> bytes:
    return b"(K\1" + shape + dtype + b"\x89" + data + b"tb"


MADE = {
    "memo place of billions": bomb_of_memo(),
    "tuples too deep to hash": nested_tuples(60_000),
    "lists in lists": b"(" * 60_000,
    "lists in a list": b"]" + b"]" * 60_000 + b"a" * 60_000,
    "a length of exabytes": b"\x8e" + struct.pack("<Q", 2**62) + b"x",
    "a text of exabytes": b"\x8d" + struct.pack("<Q", 2**62) + b"x",
    "a frame of exabytes": b"\x95" + struct.pack("<Q", 2**62) + b"N",
    "an integer of a billion bytes": b"\x8b" + struct.pack("<i", 2**30) + b"x",
    "shape without numbers": NDARRAY + array_state(b"J\xff\xff\xff\x7f\x85", FLOAT, b"C\4abcd"),
    "negative shape": NDARRAY + array_state(b"J\xff\xff\xff\xff\x85", FLOAT, b"C\4abcd"),
    "shape of text": NDARRAY + array_state(text("ab"), FLOAT, b"C\4abcd"),
    "array of objects": NDARRAY + array_state(b"K\1\x85", OBJECT, b"]N" + b"a"),
    "scalar of objects": name("numpy.core.multiarray", "scalar") + OBJECT + b"N\x86R",
    "a dtype's state with fields": FLOAT + b"(K\3" + text("<") + b"N(" + text("a") + b"tNJ\xff\xff\xff\xffK\0K\0tb",
    "ndarray as a function": name("numpy", "ndarray") + b"J\xff\xff\xff\x7f\x85\x85R",
    "a class changed": name("collections", "OrderedDict") + b"N}" + text("x") + b"Ns\x86b",
    "a function changed": name("_codecs", "encode") + b"N}" + text("__name__") + b"Ns\x86b",
    "the network class changed": name("tfutil", "Network") + b"N}" + text("state") + b"Ns\x86b",
    "another encoding": name("_codecs", "encode") + text("a") + text("zip") + b"\x86R",
    "an encoding of no text": name("_codecs", "encode") + b"K\1" + text("latin1") + b"\x86R",
    "arguments for a dict": name("collections", "OrderedDict") + b"](K\1K\2\x86e\x85R",
    "an extension": b"\x82\1",
    "a persistent object": b"Papple\n",
    "an out-of-band buffer": b"\x97",
    "a set": b"\x8f",
    "nothing": b"",
    "marks only": b"(((",
    "a tuple of nothing": b"\x87",
    "a memo place never filled": b"h\7",
    "a number": b"K\1",
    "a list of numbers": b"](K\1K\2K\3e",
    "a network's state that is a list": name("tfutil", "Network") + b")\x81]b",
    "networks without contents": (name("tfutil", "Network") + b")\x81") * 3 + b"\x87",
    "networks with empty contents": (name("tfutil", "Network") + b")\x81}b") * 3 + b"\x87",
}


@pytest.mark.parametrize("what", MADE)
def test_instructions_that_make_no_sense_or_mean_harm_are_refused(what, tmp_path):
    refusal(saved(tmp_path, MADE[what]))


def long_number(size: int) -> bytes:
    """A whole number of so many bytes."""
    return b"\x8b" + struct.pack("<i", size) + b"\xff" * (size - 1) + b"\x01"


def shared_lists(levels: int) -> bytes:
    """A list that holds the next one twice, and so on: as a tree of 2 ** levels parts."""
    return b"](K\1K\1e\x94" + b"".join(b"0](h%ch%ce\x94" % (level, level) for level in range(levels))


def with_argument(value: bytes) -> bytes:
    """Three networks with this value among their arguments."""
    state = b"}(" + text("version") + b"K\2" + text("static_kwargs") + b"}" + text("resolution") + value + b"s"
    state += text("variables") + b"]" + text("build_func_name")
    made = [name("tfutil", "Network") + b")\x81" + state + text(kind) + b"ub" for kind in ("G_paper", "D_paper")]
    return made[0] + made[1] + made[0] + b"\x87"


# Each of these would take minutes, or for ever, where a number or a list of any size is computed with.
ARGUMENTS = {
    "a number of 14.7 MB": (long_number(14_700_000), "bits"),
    "a number of 130 bytes": (long_number(130), "bits"),
    "lists that share their parts": (shared_lists(100), "too much"),
    "nested lists": (b"]" * 20_000 + b"a" * 19_999, "too much"),
    "nested tuples": (b")" + b"\x85" * 20_000, "too much"),
    "a long list": (b"](" + b"K\1" * 20_000 + b"e", "too much"),
    "a dict": (b"}", "too much"),
    "the largest number there can be": (b"\x8a\x08" + b"\xff" * 7 + b"\x7f", "resolution=9223372036854775807"),
}


@pytest.mark.parametrize("what", ARGUMENTS)
def test_arguments_are_bounded_before_they_are_used(what, tmp_path):
    value, why = ARGUMENTS[what]
    assert why in refusal(saved(tmp_path, with_argument(value)))


def test_one_text_is_not_encoded_over_and_over(tmp_path):
    encode = name("_codecs", "encode") + b"\x94" + b"X" + struct.pack("<I", 10_000) + b"x" * 10_000 + b"\x94"
    again = b"h\0h\1" + text("latin1") + b"\x86R0"
    assert "more data than the file" in refusal(saved(tmp_path, encode, again * 1000))


def test_endless_instructions_are_refused(tmp_path, monkeypatch):
    monkeypatch.setattr(pickles, "MOST_INSTRUCTIONS", 1000)
    assert "instructions" in refusal(saved(tmp_path, b"N0" * 600))


def test_allowed_classes_are_unchanged_by_a_file(tmp_path):
    before = vars(Network).copy()
    refusal(saved(tmp_path, MADE["the network class changed"]))
    assert vars(Network) == before


INVALID = {
    "not_a_pickle": "is not a pickle",
    "truncated": "is truncated",
    "unsupported_stylegan2_v4": r"StyleGAN2 pickle of version 4",
}


@pytest.mark.parametrize("file", INVALID)
def test_invalid_files_are_explained(file, tmp_path):
    with pytest.raises(ModelError, match=INVALID[file]) as caught:
        import_official(PICKLES / "invalid" / f"{file}.pkl", tmp_path / "out")
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("content", "why"),
    [
        (b"", "is empty"),
        (b"<!DOCTYPE html><html>Quota exceeded</html>", "not a pickle, but a web page"),
        (b"PK\x03\x04" + bytes(100), "is not a pickle"),
        (b"content-type: text\nof a mail\n", "is not a pickle"),
        (bytes(1000), "is not a pickle"),
        (b"version https://git-lfs.github.com/spec/v1\n", "is not a pickle, but a Git LFS pointer"),
        (b"\x80\x04", "is truncated"),
        (b"\x80\x04\xff.", "is damaged"),
    ],
)
def test_other_files_are_explained(content, why, tmp_path):
    path = tmp_path / "file.pkl"
    path.write_bytes(content)
    assert why in refusal(path)


def test_files_of_later_programs_are_named(tmp_path):
    call = name("torch_utils.persistence", "_reconstruct_persistent_obj") + b"}\x85R"
    said = refusal(saved(tmp_path, b"}(" + text("G_ema") + call + b"u"))
    assert "StyleGAN2-ADA or StyleGAN3" in said
    assert "not supported" in said


def test_paths_that_hold_no_file_are_explained(tmp_path):
    assert "No such file" in refusal(tmp_path / "missing.pkl")
    (tmp_path / "folder.pkl").mkdir()
    assert "is a folder" in refusal(tmp_path / "folder.pkl")


def test_every_cut_of_a_file_is_refused(tmp_path):
    whole = official_files.write(tmp_path / "whole.pkl", official_files.progan({"resolution": 4}, {"resolution": 4}))
    content = whole.read_bytes()
    for length in range(2, len(content), len(content) // 40):
        whole.write_bytes(content[:length])
        assert "is truncated" in refusal(whole)


@cache
def small(protocol: int) -> bytes:
    with official_files.importable():
        return pickle.dumps(official_files.progan({"resolution": 4}, {"resolution": 4}), protocol)


@settings(
    derandomize=True, deadline=None, max_examples=200, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(
    protocol=st.sampled_from([2, 4, 5]),
    changes=st.lists(st.tuples(st.integers(0, 3000), st.integers(0, 255)), min_size=1, max_size=4),
)
def test_changed_bytes_end_in_data_or_in_one_line(protocol, changes, tmp_path):
    content = bytearray(small(protocol))
    for place, value in changes:
        content[place % len(content)] = value
    path = tmp_path / "file.pkl"
    path.write_bytes(content)
    try:
        read_pickle(path)
    except ModelError as error:
        lines = str(error).splitlines()
    else:
        lines = ["it was read"]
    assert len(lines) == 1


@pytest.mark.parametrize("protocol", [2, 3, 4, 5])
def test_arrays_come_out_as_they_went_in(protocol, tmp_path):
    arrays = [
        np.arange(6, dtype=np.float32).reshape(2, 3),
        np.asfortranarray(np.arange(6, dtype=np.float32).reshape(2, 3)),
        np.arange(6, dtype=">f4"),
        np.arange(12, dtype=np.float64)[::2],
        np.zeros((2, 0), np.float32) if protocol > 2 else np.zeros(1, np.int64),
        np.array(7, np.uint8),
    ]
    path = tmp_path / "arrays.pkl"
    path.write_bytes(pickle.dumps([*arrays, np.float32(1.5)], protocol))
    *found, scalar = read_pickle(path)
    assert scalar == 1.5
    assert scalar.dtype == np.float32
    for wanted, array in zip(arrays, found, strict=True):
        assert isinstance(array, Array)
        assert array.value.dtype == wanted.dtype
        np.testing.assert_array_equal(array.value, wanted)
