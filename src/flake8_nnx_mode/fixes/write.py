"""Writes a mended text back to its file: whole or not at all, and like it was in all else."""

import contextlib
import os
import shutil
import tempfile
import tokenize
from io import BytesIO
from pathlib import Path


class NotWrittenError(Exception):
    """A file was left as it is; the message says why."""


def encoded(text: str, data: bytes) -> bytes:
    """``text`` in the encoding of ``data``, with a BOM if that has one.

    Raises:
        NotWrittenError: that encoding does not have all its characters.
    """
    encoding, _ = tokenize.detect_encoding(BytesIO(data).readline)
    if data.decode(encoding).encode(encoding) != data:  # UTF-7 spells some in two ways
        raise NotWrittenError(f"what would stay is not written alike in its encoding {encoding}")
    try:
        return text.encode(encoding)
    except UnicodeEncodeError as error:
        character = text[error.start]
        raise NotWrittenError(f"its encoding {encoding} has no {character!r}") from None


def replace(file: Path, before: bytes, after: bytes) -> None:
    """Let ``file`` hold ``after``, if it still holds ``before``.

    A reader sees the one or the other; permissions stay; a symbolic link stays one.

    Raises:
        NotWrittenError: it holds something else by now, or cannot be written.
    """
    file = file.resolve()
    try:
        if file.read_bytes() != before:
            raise NotWrittenError("it was changed meanwhile; run the command again")
        # Renaming into a folder would get round that.
        if not os.access(file, os.W_OK):
            raise NotWrittenError("it is not writable")
        handle, name = tempfile.mkstemp(prefix=f".{file.name}.", dir=file.parent)
        temporary = Path(name)
        try:
            with os.fdopen(handle, "wb") as out:
                out.write(after)
                out.flush()
                os.fsync(out.fileno())
            shutil.copymode(file, temporary)
            with contextlib.suppress(OSError, AttributeError):  # only root may, and not on Windows
                os.chown(temporary, file.stat().st_uid, file.stat().st_gid)
            temporary.replace(file)
        finally:
            temporary.unlink(missing_ok=True)
    except OSError as error:
        raise NotWrittenError(f"it cannot be written: {error.strerror or error}") from None
