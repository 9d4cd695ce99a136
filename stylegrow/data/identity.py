"""What tells two sources apart: the names of their files, and a digest of each one's bytes.

Digests are kept in the cache. A file is read again when its size, the times of its content and its state, or its inode
have changed, so that a start reads nothing anew, and a copy, a link or a touched file is known as what it is.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

from stylegrow.common.files import write_whole
from stylegrow.common.schema import LARGEST_LIST, read_json
from stylegrow.common.system import available_cpus

if TYPE_CHECKING:
    from stylegrow.data.sources.base import Source

UNREADABLE = ""  # in place of a digest
SECONDS_UNSEEN = 2.0  # of reading before its progress is shown


def digest(content: bytes) -> bytes:
    """The 16 bytes that stand for some content."""
    return hashlib.blake2b(content, digest_size=16).digest()


def stamp_of(content: object) -> str:
    """A hash of lists, texts and numbers, as a part of a file name."""
    return hashlib.sha256(json.dumps(content).encode("ascii")).hexdigest()[:16]


def stamp_of_source(source: Source, cache: Path) -> str:
    """A hash of what decides on a source's images and labels: the same wherever its files lie."""
    digests = _digests(source, cache / f"{source.name}-{stamp_of(source.path)}.files.json")
    return stamp_of([type(source).__name__, list(source.readers), sorted(digests.items())])


def _digests(source: Source, kept: Path) -> dict[str, str]:
    """The digest of each file of a source, by its name; read from the file `kept`, which is renewed where it can be."""
    before, paths = _read(kept), dict(source.files())
    facts = {name: _facts(path) for name, path in paths.items()}
    known = {name: entry[-1] for name, entry in before.items() if entry[:-1] == facts.get(name)}
    changed = [name for name in paths if name not in known and facts[name]]
    known |= dict(zip(changed, _read_all([paths[name] for name in changed], source.name), strict=True))
    content = {name: [*facts[name], found] for name, found in known.items() if found != UNREADABLE}
    if content != before:
        with suppress(OSError):  # in a cache that may only be read all is digested each time
            kept.parent.mkdir(parents=True, exist_ok=True)
            write_whole(kept, json.dumps(content).encode("ascii"))
    return {name: known.get(name, UNREADABLE) for name in paths}


def _read(kept: Path) -> dict[str, list[Any]]:
    try:
        content = read_json(kept, dict[str, list[Any]], LARGEST_LIST)
    except (OSError, ValueError):
        return {}
    return {name: entry for name, entry in content.items() if entry}


def _facts(path: Path) -> list[int]:
    """What changes when a file does; nothing where there is none."""
    try:
        info = path.stat()
    except OSError:
        return []
    return [info.st_size, info.st_mtime_ns, info.st_ctime_ns, info.st_ino]


def _read_all(paths: list[Path], name: str) -> Iterator[str]:
    """The digests of these files, read by several threads."""
    from tqdm import tqdm

    with ThreadPoolExecutor(min(8, available_cpus())) as threads:
        yield from tqdm(
            threads.map(_digest_of_file, paths),
            desc=f"reading {name}",
            total=len(paths),
            unit="file",
            dynamic_ncols=True,
            disable=None,
            delay=SECONDS_UNSEEN,
        )


def _digest_of_file(path: Path) -> str:
    try:
        if not path.is_file():
            return UNREADABLE  # reading a pipe would never end
        with path.open("rb") as file:
            return hashlib.file_digest(file, lambda: hashlib.blake2b(digest_size=16)).hexdigest()
    except OSError:
        return UNREADABLE
