"""The log's folder: reads with limits, durable writes, tiles by name."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from pathlib import Path

from medsnap import disk
from medsnap.audit import tiles
from medsnap.audit.merkle import HASH, root_of
from medsnap.errors import IoFailed, KeyRefused, Malformed, Tampered
from medsnap.platform import NOT_PLAIN, NotPlain, length_of, open_plain, write_durably


@contextlib.contextmanager
def _io_errors(name: str) -> Iterator[None]:
    try:
        yield
    except OSError as failure:
        raise IoFailed(
            f"the log cannot be written: {failure.strerror}",
            where=f"log/{name}",
            hint="check free space and rights; the log is as it was before",
        ) from failure


class Folder:
    """Files below the log's root. What is missing or broken raises Tampered with the file."""

    def __init__(self, root: Path) -> None:
        self.root = root

    def read(self, name: str, limit: int) -> bytes | None:
        """Return a file's bytes, None when there is no such file."""
        try:
            with open_plain(self.root / name) as handle:
                # a file with holes costs its maker nothing: neither time nor memory is spent on it
                data = handle.read(limit + 1) if length_of(handle) <= limit else None
        except (FileNotFoundError, NotADirectoryError):
            return None
        except NotPlain as other:
            raise Tampered(NOT_PLAIN, where=f"log/{name}") from other
        except PermissionError as denied:
            raise KeyRefused(
                "a file of the log cannot be read: permission denied", where=f"log/{name}"
            ) from denied
        except OSError as failure:
            raise IoFailed(
                f"a file of the log cannot be read: {failure.strerror}", where=f"log/{name}"
            ) from failure
        if data is None or len(data) > limit:
            raise Tampered("a file of the log is too large", where=f"log/{name}")
        return data

    def write(self, name: str, data: bytes) -> None:
        """Write a file durably, its folders too."""
        with _io_errors(name):
            self._make((self.root / name).parent)
            write_durably(self.root / name, data)

    def prepare(self) -> None:
        """Make the root folder durably, unless it exists."""
        with _io_errors(""):
            self._make(self.root)

    def _make(self, folder: Path) -> None:
        if folder.is_dir():
            return
        self._make(folder.parent)
        with contextlib.suppress(FileExistsError):
            disk.make_folder(folder)
        disk.sync_folder(folder.parent)

    def drop_partials(self, name: str) -> None:
        """Remove the partial tiles of a tile that is now full (they say nothing more)."""
        partials = self.root / f"{name}.p"
        with contextlib.suppress(OSError):
            for path in partials.iterdir():
                disk.unlink(path)
            disk.remove_folder(partials)

    def bundle(self, index: int, width: int) -> list[bytes]:
        """Return the first `width` entries of a bundle."""
        name, data, full = self._partial_or_full(tiles.bundle_name, index, width, tiles.MAX_BUNDLE)
        try:
            return tiles.decode_bundle(data, tiles.WIDTH if full else width, f"log/{name}")[:width]
        except Malformed as problem:
            raise Tampered(problem.message, where=problem.where) from None

    def tile(self, level: int, index: int, width: int) -> list[bytes]:
        """Return the first `width` hashes of a tile."""

        def named(i: int, w: int) -> str:
            return tiles.tile_name(level, i, w)

        name, data, full = self._partial_or_full(named, index, width, tiles.WIDTH * HASH)
        try:
            return tiles.decode_tile(data, tiles.WIDTH if full else width, f"log/{name}")[:width]
        except Malformed as problem:
            raise Tampered(problem.message, where=problem.where) from None

    def _partial_or_full(
        self, named: Callable[[int, int], str], index: int, width: int, limit: int
    ) -> tuple[str, bytes, bool]:
        """Read the tile of this width, else the full one that has replaced it."""
        for candidate in dict.fromkeys((width, tiles.WIDTH)):
            name = named(index, candidate)
            data = self.read(name, limit)
            if data is not None:
                return name, data, candidate == tiles.WIDTH
        raise Tampered("a file of the log is missing", where=f"log/{named(index, width)}")

    def node(self, size: int, level: int, index: int) -> bytes:
        """Return the hash of a complete subtree of 2**level leaves in a tree of `size` leaves."""
        tile_level, height = divmod(level, 8)
        start = index << height
        tile, first = divmod(start, tiles.WIDTH)
        full, rest = tiles.widths(size, tile_level)
        hashes = self.tile(tile_level, tile, tiles.WIDTH if tile < full else rest)
        return root_of(hashes[first : first + (1 << height)])
