"""Plain ``.npy`` files: written by appending, opened with their kind and length checked."""

import os
from contextlib import suppress
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
from numpy.lib import format as npy_format
from numpy.typing import DTypeLike, NDArray

from e2c_control.data.rows import Number
from e2c_control.errors import InputError
from e2c_control.runs.atomic import unreadable, writing

REMEDY = "collect the dataset again, or copy it again from its source"


class NpyAppender:
    """A ``.npy`` file that grows by rows.

    It is written, not memory-mapped: on a full disk a write fails with an error, where a store into a mapping kills
    the process.
    """

    def __init__(self, path: Path, row_shape: tuple[int, ...], dtype: DTypeLike, rows: int = 0) -> None:
        """Begin the file, or with ``rows`` go on after so many, which must be there; whatever follows them goes."""
        self.path = path
        self.rows = rows
        self._row_shape = row_shape
        self._dtype = np.dtype(dtype)
        with writing(path):
            self._file: BinaryIO = path.open("r+b" if rows else "wb")
            self._write_header()
            end = self._file.tell() + rows * int(np.prod(row_shape)) * self._dtype.itemsize
            if path.stat().st_size < end and rows:
                self.abandon()
                raise InputError(f"{path} is truncated: {REMEDY}.")
            self._file.truncate(end)
            self._file.seek(end)

    def append(self, rows: NDArray[np.generic]) -> None:
        """Add ``rows (n, *row_shape)``."""
        if rows.shape[1:] != self._row_shape or rows.dtype != self._dtype:
            raise ValueError(f"{self.path.name} holds {self._dtype}{self._row_shape}, not {rows.dtype}{rows.shape[1:]}")
        with writing(self.path):
            self._file.write(np.ascontiguousarray(rows).data)
        self.rows += len(rows)

    def sync(self) -> None:
        """Wait until the rows are on the disk."""
        with writing(self.path):
            self._file.flush()
            os.fsync(self._file.fileno())

    def close(self) -> None:
        """Write the number of rows into the header, and the file is complete."""
        with writing(self.path):
            self._file.seek(0)
            self._write_header()
            self._file.close()

    def abandon(self) -> None:
        """Close the file as it is."""
        with suppress(OSError):
            self._file.close()

    def _write_header(self) -> None:
        # NumPy pads a header so that its length does not depend on the number of rows.
        shape = (self.rows, *self._row_shape)
        descr = npy_format.dtype_to_descr(self._dtype)
        npy_format.write_array_header_1_0(self._file, {"shape": shape, "fortran_order": False, "descr": descr})


def open_npy(path: Path, dtype: type[Number], ndim: int) -> NDArray[Number]:
    """Map a ``.npy`` file for reading.

    Raises:
        InputError: the file is missing, truncated, no ``.npy`` file, or of another dtype or number of axes.
    """
    if not path.is_file():
        raise InputError(f"{path} is missing: {REMEDY}.")
    array = map_npy(path, REMEDY)
    if array.dtype != np.dtype(dtype) or array.ndim != ndim or not array.flags.c_contiguous:
        raise InputError(
            f"{path} holds {array.dtype} with {array.ndim} axes instead of {np.dtype(dtype)} with {ndim}: {REMEDY}."
        )
    return array


def map_npy(path: Path, remedy: str) -> NDArray[Any]:
    """Map a ``.npy`` file of any numbers for reading: nothing is taken into memory, whatever its header says.

    Raises:
        InputError: it is truncated, or no ``.npy`` file; ``remedy`` says what to do.
    """
    try:
        return npy_format.open_memmap(path, mode="r")
    except PermissionError as error:
        raise unreadable(path, error) from error
    except (ValueError, EOFError, OSError, ArithmeticError, MemoryError, RecursionError) as error:
        raise InputError(f"{path} is truncated or not a .npy file: {remedy}.") from error
