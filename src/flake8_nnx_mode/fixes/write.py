"""Writes a mended text back: in the file's own encoding, and only over what was mended."""

import os
import tokenize
from io import BytesIO
from pathlib import Path

from flake8_nnx_mode import atomic
from flake8_nnx_mode.syntax.text import decoded


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


def replace(file: Path, before: str, after: str) -> None:
    """Let ``file`` hold ``after``, if it still holds ``before``; all else about it stays.

    Raises:
        NotWrittenError: it holds something else by now, or cannot be written.
    """
    try:
        data = file.read_bytes()
        if _text(data) != before:
            raise NotWrittenError("it was changed meanwhile; run the command again")
        if not os.access(file, os.W_OK):  # replacing it would get round that
            raise NotWrittenError("it is not writable")
        atomic.replace(file, encoded(after, data))
    except OSError as error:
        raise NotWrittenError(f"it cannot be written: {error.strerror or error}") from None


def _text(data: bytes) -> str | None:
    try:
        return decoded(data)
    except (SyntaxError, UnicodeError):
        return None
