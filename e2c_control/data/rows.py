"""Rows of a ``.npy`` file, read as they are asked for.

A memory map keeps every page resident that was ever touched, in the end the whole file. What is read into an array of
its own is gone with that array.
"""

import os
import weakref
from typing import Generic, NoReturn, Self, TypeVar

import numpy as np
from numpy.typing import NDArray

Number = TypeVar("Number", bound=np.generic)


class FileRows(Generic[Number]):
    """The rows of an array that is mapped from a file; the file stays open, so that it may be removed meanwhile.

    Args:
        mapped: the array (F, ...), as `numpy.lib.format.open_memmap` gives it.
    """

    def __init__(self, mapped: NDArray[Number]) -> None:
        if not isinstance(mapped, np.memmap):
            raise TypeError("The array is in memory, not in a file: take its rows as they are.")
        self.row_shape: tuple[int, ...] = mapped.shape[1:]
        self._dtype, self._offset, self._count = mapped.dtype, int(mapped.offset), len(mapped)
        self._row_bytes = int(np.prod(self.row_shape)) * mapped.dtype.itemsize
        self._file = os.open(str(mapped.filename), os.O_RDONLY | os.O_CLOEXEC)
        weakref.finalize(self, os.close, self._file)

    def __deepcopy__(self, memo: dict[int, object]) -> Self:
        return self  # nothing of it changes, and a second one would not keep the file open

    def __reduce__(self) -> NoReturn:
        raise TypeError("Rows of an open file cannot be pickled: open the dataset where it is needed.")

    def __len__(self) -> int:
        return self._count

    def take(self, rows: NDArray[np.int64], out: NDArray[Number] | None = None) -> NDArray[Number]:
        """Read the rows (any shape) into ``out``, (*rows.shape, *row_shape); neighbours are read at once.

        Raises:
            IndexError: there is no such row.
            OSError: the file became shorter.
        """
        flat = np.ascontiguousarray(rows).reshape(-1)
        if flat.size and (flat.min() < 0 or flat.max() >= self._count):
            raise IndexError(f"rows from {flat.min()} to {flat.max()} of {self._count}")
        if out is None:
            out = np.empty((*rows.shape, *self.row_shape), self._dtype)
        if out.size == 0:
            return out
        target = out.data.cast("B")
        borders = np.flatnonzero(np.diff(flat) != 1) + 1
        for begin, end in zip((0, *borders.tolist()), (*borders.tolist(), len(flat)), strict=True):
            self._read(int(flat[begin]), target[begin * self._row_bytes : end * self._row_bytes])
        return out

    def all(self) -> NDArray[Number]:
        """Return the whole array, in memory once: a copy of a map is there twice."""
        out = np.empty((self._count, *self.row_shape), self._dtype)
        if out.size:
            self._read(0, out.data.cast("B"))
        return out

    def _read(self, row: int, target: memoryview) -> None:
        """Fill the bytes of ``target`` from the given row on."""
        place = self._offset + row * self._row_bytes
        while len(target):
            count = os.preadv(self._file, [target], place)
            if count == 0:
                raise OSError(f"The file ends before row {row}: it was changed while it was read.")
            place, target = place + count, target[count:]
