"""Reading pickles of unknown origin: numbers, text and arrays come out, and nothing in the file is ever called.

The library's own unpickler is not enough, even when it finds no class but those allowed: it lets a file of a few bytes
ask for gigabytes, change the classes that it found, and end the process by nesting tuples too deep to be hashed.
Here the library only splits the file into instructions, and those that data needs are carried out on plain data.
"""

from __future__ import annotations

import math
import pickletools
import re
import reprlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from mmap import ACCESS_READ, mmap
from pathlib import Path
from typing import TYPE_CHECKING, Any

from stylegrow.common.errors import ModelError
from stylegrow.common.standins import stand_in
from stylegrow.common.text import one_line, printable

if TYPE_CHECKING:
    import numpy as np

# The names that a pickle of the official programs may ask for, and no other.
ALLOWED = {
    ("dnnlib.tflib.network", "Network"),
    ("tfutil", "Network"),
    ("network", "Network"),
    ("dnnlib.util", "EasyDict"),
    ("numpy.core.multiarray", "_reconstruct"),
    ("numpy._core.multiarray", "_reconstruct"),
    ("numpy.core.multiarray", "scalar"),
    ("numpy._core.multiarray", "scalar"),
    ("numpy.core.numeric", "_frombuffer"),
    ("numpy._core.numeric", "_frombuffer"),
    ("numpy", "ndarray"),
    ("numpy", "dtype"),
    ("_codecs", "encode"),
    ("collections", "OrderedDict"),
}
MOST_INSTRUCTIONS = 300_000  # the official files have some ten thousand
MOST_ITEMS = 64  # of a list among a network's arguments
MOST_BITS = 1024  # of a whole number: what is computed with longer ones can take any time
NUMBERS = re.compile(r"b1|[iu][1248]|f[248]")  # the kinds of array that hold numbers

LITERALS = {"INT", "BININT", "BININT1", "BININT2", "LONG", "LONG1", "LONG4", "FLOAT", "BINFLOAT"}
LITERALS |= {"STRING", "BINSTRING", "SHORT_BINSTRING", "UNICODE", "SHORT_BINUNICODE", "BINUNICODE", "BINUNICODE8"}
LITERALS |= {"SHORT_BINBYTES", "BINBYTES", "BINBYTES8", "BYTEARRAY8"}
CONSTANTS = {"NONE": None, "NEWTRUE": True, "NEWFALSE": False}


@dataclass(eq=False)
class Network:
    """A network of the official programs: the module of its class, and `state`, None until that was read."""

    module: str
    state: dict[Any, Any] | None = None


@dataclass(eq=False)
class Array:
    """A numpy array; `value` is None until its numbers were read."""

    value: np.ndarray | None = None


@dataclass(eq=False)
class Name:
    """A name that the file asked for. It stands for itself: nothing is imported."""

    module: str
    name: str


class NumberType:
    """A numpy dtype of numbers."""

    def __init__(self, code: Any) -> None:
        if not isinstance(code, str) or not NUMBERS.fullmatch(code):
            raise ModelError(f"holds an array of type {shown(code)}, which is not one of numbers")
        self.code, self.order = code, "="

    def numbers(self, data: Any, shape: Any, order: str) -> np.ndarray:
        """An array that looks at `data`, without a copy."""
        import numpy as np

        dtype = np.dtype(self.code).newbyteorder(self.order)  # type: ignore[arg-type]
        if not isinstance(data, bytes | bytearray) or not isinstance(shape, tuple) or len(shape) > 8:
            raise ValueError("an array without numbers or shape")
        if not all(type(size) is int and size >= 0 for size in shape):
            raise ValueError("an array's shape")
        if math.prod(shape) * dtype.itemsize != len(data):
            raise ModelError(f"holds an array of shape {shown(shape)} with {len(data)} bytes, which do not fit it")
        return np.frombuffer(data, dtype).reshape(shape, order="F" if order == "F" else "C")


def read_pickle(path: Path) -> Any:
    """What a pickle holds: plain data, `Network`s and `Array`s. Nothing in it is executed or imported.

    ModelError, in one line without the path, for what cannot be read, is no pickle, or asks for any other name.
    """
    try:
        if path.exists() and not path.is_file():
            raise ModelError(f"is {'a folder' if path.is_dir() else 'not a regular file'}; give the .pkl file")
        if path.stat().st_size == 0:
            raise ModelError("is empty")
        # A map is never read beyond its end, whatever lengths are written in it.
        with path.open("rb") as file, mmap(file.fileno(), 0, access=ACCESS_READ) as content:
            return _read(content)
    except OSError as error:
        raise ModelError(f"cannot be read ({error.strerror or error})") from error


def _read(content: mmap) -> Any:
    if found := stand_in(content[:1000]):
        raise ModelError(f"is not a pickle, but {found}")
    is_pickle = content[:1] == b"\x80" and content[1:2] in (b"\2", b"\3", b"\4", b"\5")
    try:
        return Machine(len(content)).run(content)
    except (ValueError, TypeError, LookupError, ArithmeticError) as error:
        # The oldest pickles have no mark at their beginning; what they ask for is still named.
        if isinstance(error, ModelError) and (is_pickle or isinstance(error, Forbidden)):
            raise
        if not is_pickle:
            raise ModelError("is not a pickle") from error
        if content.tell() == len(content):
            raise ModelError("is truncated: it ends before its data does") from error
        raise ModelError(f"is damaged ({one_line(error)[:120]})") from error


class Forbidden(ModelError):
    """A pickle that asks for a name which is not allowed."""


class Machine:
    """Carries out a pickle's instructions on a stack, as the library does, but only those that data needs."""

    def __init__(self, size: int) -> None:
        self.size = size  # of the file
        self.encoded = 0  # bytes made of text
        self.stack: list[Any] = []
        self.below: list[list[Any]] = []  # the stacks under each mark
        self.memo: dict[int, Any] = {}

    def run(self, file: Any) -> Any:
        """The object that the pickle is of. ValueError, TypeError or LookupError where it makes no sense."""
        for count, (opcode, argument, _) in enumerate(pickletools.genops(file)):
            if count == MOST_INSTRUCTIONS:
                raise ModelError(f"has more than {MOST_INSTRUCTIONS} instructions, so it is no official pickle")
            if opcode.name not in ("PROTO", "FRAME", "STOP"):
                self.step(opcode.name, argument)
        return self.stack.pop()

    def step(self, name: str, argument: Any) -> None:
        """One instruction."""
        if name in LITERALS:
            if isinstance(argument, int) and argument.bit_length() > MOST_BITS:
                raise ModelError(f"holds a whole number of {argument.bit_length():,} bits, so it is no official pickle")
            self.stack.append(argument)
        elif name in CONSTANTS:
            self.stack.append(CONSTANTS[name])
        elif name in COLLECTIONS:
            items = self.items(name)
            self.stack.append(COLLECTIONS[name](items))
        elif name in ("APPEND", "APPENDS"):
            items = self.items(name)
            same_type(self.stack[-1], list).extend(items)
        elif name in ("SETITEM", "SETITEMS"):
            items = self.items(name)
            same_type(self.stack[-1], dict).update(pairs(items))
        elif name == "MARK":
            self.below.append(self.stack)
            self.stack = []
        elif name in ("POP", "POP_MARK"):
            self.items(name)
        elif name == "DUP":
            self.stack.append(self.stack[-1])
        elif name in ("PUT", "BINPUT", "LONG_BINPUT", "MEMOIZE"):
            self.memo[len(self.memo) if argument is None else argument] = self.stack[-1]
        elif name in ("GET", "BINGET", "LONG_BINGET"):
            self.stack.append(self.memo[argument])
        elif name in ("GLOBAL", "INST", "STACK_GLOBAL"):
            self.find(name, argument)
        elif name in ("REDUCE", "NEWOBJ"):
            what, arguments = self.items(name)
            self.stack.append(self.made(what, arguments))
        elif name == "BUILD":
            state = self.stack.pop()
            self.fill(self.stack[-1], state)
        else:
            raise ModelError(f"has the pickle instruction {name}, which no official file has")

    def items(self, name: str) -> list[Any]:
        """What an instruction takes from the stack: as many items as it needs, or all above the last mark."""
        if name not in COUNTS:
            items, self.stack = self.stack, self.below.pop()
            return items
        if len(self.stack) < COUNTS[name]:
            raise ValueError(f"{name} without its items")
        start = len(self.stack) - COUNTS[name]
        items, self.stack[start:] = self.stack[start:], []
        return items

    def find(self, instruction: str, argument: Any) -> None:
        """A name, if it is one of those allowed."""
        if instruction == "STACK_GLOBAL":
            name, module = self.stack.pop(), self.stack.pop()
        else:
            module, _, name = argument.partition(" ")
        same_type(module, str), same_type(name, str)
        if module == "torch_utils.persistence":
            raise Forbidden(
                "is a file of StyleGAN2-ADA or StyleGAN3, whose networks are not supported: give one of ProGAN's or "
                "StyleGAN's official TensorFlow files; nothing of it was run"
            )
        if (module, name) not in ALLOWED:
            asked = printable(f"{module}.{name}"[:120])
            error = Forbidden if all(part.isidentifier() for part in asked.split(".")) else ModelError
            raise error(f"is refused: it asks for {asked}, which no official file does; nothing of it was run")
        if instruction == "INST":
            raise ModelError("has the pickle instruction INST, which no official file has")
        self.stack.append(Name(module, name))

    def made(self, what: Any, arguments: Any) -> Any:
        """What calling one of the allowed names gives."""
        if not isinstance(what, Name) or not isinstance(arguments, tuple):
            raise ValueError("a call of what is no name")
        if what.name == "Network":
            return Network(what.module)
        if what.name in ("EasyDict", "OrderedDict") and not arguments:
            return {}
        if what.name == "_reconstruct":
            return Array()
        if what.name == "dtype":
            return NumberType(arguments[0])
        if what.name == "scalar":
            return same_type(arguments[0], NumberType).numbers(self.bytes_of(arguments[1]), (), "C")[()]
        if what.name == "_frombuffer":
            data, dtype, shape, order = arguments
            return Array(same_type(dtype, NumberType).numbers(self.bytes_of(data), shape, order))
        if what.name == "encode" and arguments[1:] == ("latin1",):
            return self.bytes_of(same_type(arguments[0], str))
        raise ValueError(f"a call of {what.module}.{what.name} that official files do not have")

    def bytes_of(self, data: Any) -> Any:
        """Data as bytes, where it was written as text: by Python 2, or for it."""
        if not isinstance(data, str):
            return data
        # One text can be encoded again and again, but not in a file that an honest writer made.
        self.encoded += len(data)
        if self.encoded > self.size:
            raise ModelError("holds more data than the file is long, so it is no official pickle")
        return data.encode("latin1")

    def fill(self, target: Any, state: Any) -> None:
        """Give an object that was made before its contents."""
        if isinstance(target, Network):
            if not isinstance(state, dict):
                raise ModelError(f"holds a network whose state is a {type(state).__name__}, not a dict")
            target.state = state
        elif isinstance(target, NumberType):
            _, order, *others = same_type(state, tuple)
            if order not in ("<", ">", "=", "|") or any(other is not None for other in others[:3]):
                raise ModelError("holds an array of a type that is not one of numbers")
            target.order = order
        elif isinstance(target, Array):
            shape, dtype, fortran, data = same_type(state, tuple)[-4:]
            target.value = same_type(dtype, NumberType).numbers(self.bytes_of(data), shape, "F" if fortran else "C")
        elif state not in ({}, None):
            raise ValueError(f"a state for {type(target).__name__}")


def pairs(items: Sequence[Any]) -> dict[Any, Any]:
    """A dict from keys and values by turns. Only text is a key: of other things, some can be made costly to hash."""
    if not all(isinstance(key, str) for key in items[::2]):
        raise ValueError("a dict's key")
    return dict(zip(items[::2], items[1::2], strict=True))


COUNTS = {"EMPTY_TUPLE": 0, "EMPTY_LIST": 0, "EMPTY_DICT": 0, "TUPLE1": 1, "TUPLE2": 2, "TUPLE3": 3}
COUNTS |= {"POP": 1, "APPEND": 1, "SETITEM": 2, "REDUCE": 2, "NEWOBJ": 2}
COLLECTIONS: dict[str, Callable[[list[Any]], Any]] = {"LIST": list, "EMPTY_LIST": list, "DICT": pairs}
COLLECTIONS |= {"EMPTY_DICT": pairs} | dict.fromkeys(["TUPLE", "EMPTY_TUPLE", "TUPLE1", "TUPLE2", "TUPLE3"], tuple)


def is_argument(value: Any, depth: int = 3) -> bool:
    """Whether a network's argument can be one that is worth a look: lists of lists share their parts at no cost."""
    if isinstance(value, tuple | list):
        return depth > 0 and len(value) <= MOST_ITEMS and all(is_argument(item, depth - 1) for item in value)
    return not isinstance(value, dict)


def same_type(value: Any, wanted: type) -> Any:
    """`value`; TypeError unless it is of the type wanted."""
    if not isinstance(value, wanted):
        raise TypeError(f"{type(value).__name__} in place of {wanted.__name__}")
    return value


class _Short(reprlib.Repr):
    """Writes a value from a pickle in one short line, however large or deep it is."""

    def __init__(self) -> None:
        super().__init__()
        self.maxlevel, self.maxstring = 2, 60

    def repr_int(self, value: int, level: int) -> str:
        return repr(value) if value.bit_length() < 100 else "<int>"

    def repr_instance(self, value: Any, level: int) -> str:
        if isinstance(value, Array) and value.value is not None:
            return f"<array of shape {list(value.value.shape)}>"
        value = value.item() if hasattr(value, "dtype") else value
        return repr(value) if value is None or isinstance(value, bool | float) else f"<{type(value).__name__}>"


shown = _Short().repr
