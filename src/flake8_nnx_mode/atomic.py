"""Files that are written as a whole or not at all."""

import contextlib
import os
import shutil
from pathlib import Path


def replace(file: Path, data: bytes) -> None:
    """Let ``file`` hold ``data``: who reads meanwhile sees what was there, or that.

    Permissions stay as they were, and a symbolic link stays one.

    Raises:
        OSError: it cannot be written; what was there is still there.
    """
    file = file.resolve()
    scratch = file.with_name(f".{file.name}.{os.getpid()}")
    try:
        with scratch.open("xb") as out:
            out.write(data)
            out.flush()
            os.fsync(out.fileno())
        if file.exists():
            shutil.copymode(file, scratch)
            with contextlib.suppress(OSError, AttributeError):  # only root may, not on Windows
                os.chown(scratch, file.stat().st_uid, file.stat().st_gid)
        scratch.replace(file)
    finally:
        with contextlib.suppress(OSError):
            scratch.unlink()
