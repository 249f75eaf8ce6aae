"""Opening DICOM files that may be damaged or hostile, with bounds on what is allocated.

Every failure is an `InputError`. Its text never holds a value of the file other than a size, because any text field of a
DICOM file may hold a person's name; for the same reason pydicom's own warnings and messages are dropped here.
"""

from __future__ import annotations

import contextlib
import logging
import stat
import warnings
import zlib
from collections.abc import Iterator
from io import BytesIO
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from sr_core.errors import InputError

if TYPE_CHECKING:
    from pydicom.dataset import Dataset

MIB = 1 << 20
MAX_FILE = 256 * MIB
MAX_INFLATED = 256 * MIB
MAX_SIDE = 8192
MAX_RATIO = 200  # decoded / encoded; honest lossless frames beyond it exist, but only small ones (blank slices)
RATIO_FROM = 64 * MIB
DEFLATED = "1.2.840.10008.1.2.1.99"
JPEG = {f"1.2.840.10008.1.2.4.{n}" for n in (50, 51, 57, 70, 80, 81)}
JPEG_2000 = {f"1.2.840.10008.1.2.4.{n}" for n in (90, 91, 201, 202, 203)}
NOT_FRAMES = (0xC4, 0xC8, 0xCC)  # markers C0..CF that do not begin a frame
REMEDY = "Export the file again from its source."


@contextlib.contextmanager
def quiet() -> Iterator[None]:
    """Read leniently and silently; pydicom's process-wide settings are put back afterwards."""
    from pydicom import config

    logger = logging.getLogger("pydicom")
    disabled = logger.disabled
    with warnings.catch_warnings(), config.disable_value_validation():
        warnings.simplefilter("ignore")
        logger.disabled = True
        try:
            yield
        finally:
            logger.disabled = disabled


@contextlib.contextmanager
def strict_writing() -> Iterator[None]:
    """Raise on every value that breaks its VR while a file is written; the settings are put back afterwards."""
    from pydicom import config

    before = config.settings.writing_validation_mode
    config.settings.writing_validation_mode = config.RAISE
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        config.settings.writing_validation_mode = before


def is_dicom(path: Path) -> bool:
    """Say whether a file begins as DICOM does: 128 bytes, then DICM; never raises."""
    try:
        with path.open("rb") as stream:
            return stream.read(132)[128:] == b"DICM"
    except OSError:
        return False


def load(path: Path) -> Dataset:
    """Read a whole DICOM file.

    Raises
    ------
    InputError
        If it is not a regular file, too large, not DICOM, or does not read (whatever went wrong inside).
    """
    data = _bytes(path)
    if len(data) < 132 or data[128:132] != b"DICM":
        raise InputError("the file does not begin as DICOM does", "a DICOM file (128 bytes, then DICM)", "Leave it out.")
    try:
        with quiet():
            dataset = _parse(path, data)
            dataset.decode()  # text now, so that a bad character set shows here and not in the writer
            if "TransferSyntaxUID" not in dataset.file_meta:
                raise InputError("the file does not say how it is encoded", "TransferSyntaxUID", REMEDY)
    except InputError:
        raise
    except (Exception, StopIteration) as error:  # RecursionError, MemoryError, anything a decoder or a codec throws
        raise InputError(f"the file does not read as DICOM ({type(error).__name__})", "a whole DICOM file", REMEDY) from None
    return dataset


def _bytes(path: Path) -> bytes:
    try:
        status = path.stat()
        if not stat.S_ISREG(status.st_mode):
            raise InputError("not a regular file", "a DICOM file", "Leave it out.")
        if status.st_size > MAX_FILE:
            raise InputError(f"{status.st_size // MIB} MiB", f"at most {MAX_FILE // MIB} MiB a file", "Export one slice a file.")
        return path.read_bytes()
    except OSError as error:
        raise InputError(f"the file cannot be read ({error.strerror})", "a readable file", "Check its permissions.") from None


def _parse(path: Path, data: bytes) -> Dataset:
    from pydicom import dcmread
    from pydicom.filereader import read_dataset, read_file_meta_info
    from pydicom.uid import ExplicitVRLittleEndian

    if DEFLATED.encode() not in data or read_file_meta_info(path).get("TransferSyntaxUID") != DEFLATED:
        return dcmread(BytesIO(data))
    # pydicom inflates the whole set before anyone can stop it, so a deflated file is inflated here, up to a bound.
    end = 144 + int.from_bytes(data[140:144], "little")
    if data[132:140] != b"\x02\x00\x00\x00UL\x04\x00" or end > len(data):
        raise InputError("a deflated file without the length of its header", "FileMetaInformationGroupLength", REMEDY)
    inflater = zlib.decompressobj(-zlib.MAX_WBITS)
    plain = inflater.decompress(data[end:], MAX_INFLATED)
    if inflater.unconsumed_tail or not inflater.eof:
        given = "a deflated file that is cut short" if not inflater.unconsumed_tail else "a deflated file that grows beyond bounds"
        raise InputError(given, f"at most {MAX_INFLATED // MIB} MiB, whole", REMEDY)
    dataset = read_dataset(BytesIO(plain), is_implicit_VR=False, is_little_endian=True)
    dataset.file_meta = read_file_meta_info(path)
    dataset.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian  # what the inflated bytes are
    return dataset


def stored_pixels(dataset: Dataset, shape: tuple[int, int], dtype: str) -> npt.NDArray[np.integer]:
    """Decode the stored values of a single-frame greyscale file.

    Parameters
    ----------
    dataset : what `load` gave.
    shape, dtype : (rows, columns) and the stored type, as checked beforehand.

    Returns
    -------
    array (H, W) of `dtype`, native byte order; not rescaled, padding values as they are.

    Raises
    ------
    InputError
        If the pixels are missing, cut short, do not decode, or claim to be far larger than what holds them.
    """
    try:
        with quiet():
            _check_encoded(dataset, shape, np.dtype(dtype).itemsize)
            pixels = np.asarray(dataset.pixel_array)
    except InputError:
        raise
    except (Exception, StopIteration) as error:
        raise InputError(f"the pixels do not decode ({type(error).__name__})", "whole pixel data", REMEDY) from None
    if pixels.shape != shape or pixels.dtype.kind not in "iu":
        raise InputError(f"decoded pixels of shape {pixels.shape}", f"{shape[0]} x {shape[1]} whole numbers", REMEDY)
    info = np.iinfo(dtype)
    if pixels.min() < info.min or pixels.max() > info.max:
        raise InputError("decoded values beyond the stored type", f"values that fit {dtype}", REMEDY)
    return pixels.astype(dtype)


def _check_encoded(dataset: Dataset, shape: tuple[int, int], itemsize: int) -> None:
    """Hold a compressed frame's own size against the header before a decoder allocates for it."""
    from pydicom.encaps import get_frame

    syntax = dataset.file_meta.TransferSyntaxUID
    data = dataset.PixelData
    if not data:
        raise InputError("no pixel data", "an image", "Leave the file out.")
    if not syntax.is_encapsulated:
        return
    frame = get_frame(data, 0, number_of_frames=1)
    decoded = shape[0] * shape[1] * itemsize
    if decoded > RATIO_FROM and decoded > MAX_RATIO * len(frame):
        raise InputError(f"{decoded // MIB} MiB of pixels in {len(frame)} bytes", f"at most {MAX_RATIO} to one", REMEDY)
    found = _jpeg_2000_size(frame) if syntax in JPEG_2000 else _jpeg_size(frame) if syntax in JPEG else shape
    if found != shape:
        raise InputError("the compressed frame has another size than the header", f"{shape[0]} x {shape[1]} px", REMEDY)


def _jpeg_2000_size(frame: bytes) -> tuple[int, int] | None:
    """Read (rows, columns) from the SIZ segment (ISO/IEC 15444-1, A.5.1)."""
    at = frame.find(b"\xff\x4f\xff\x51")
    if at < 0 or len(frame) < at + 24:
        return None
    cols, rows, left, top = (int.from_bytes(frame[at + i : at + i + 4], "big") for i in (8, 12, 16, 20))
    return rows - top, cols - left


def _jpeg_size(frame: bytes) -> tuple[int, int] | None:
    """Read (rows, columns) from the frame header of JPEG (SOFn) or JPEG-LS (SOF55)."""
    at = 2
    while at + 9 <= len(frame):
        if frame[at] != 0xFF:
            return None
        marker = frame[at + 1]
        if marker == 0xFF:  # fill byte
            at += 1
            continue
        if (0xC0 <= marker <= 0xCF and marker not in NOT_FRAMES) or marker == 0xF7:
            return int.from_bytes(frame[at + 5 : at + 7], "big"), int.from_bytes(frame[at + 7 : at + 9], "big")
        at += 2 + int.from_bytes(frame[at + 2 : at + 4], "big")
    return None
