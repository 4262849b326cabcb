"""Small disks of a test's own: full, read-only, or cut off as by a power cut. Root alone can."""

from __future__ import annotations

import contextlib
import fcntl
import os
import struct
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

EXT4_IOC_SHUTDOWN = 0x8004587D
NO_LOG_FLUSH = 2
"""EXT4_GOING_FLAGS_NOLOGFLUSH: what is not on the disk never gets there."""


class CannotMount(Exception):
    """Nothing can be mounted here; the text says why."""


PATIENCE = 30.0


def _run(*command: str) -> str:
    try:
        done = subprocess.run(
            ["timeout", "60", *command], capture_output=True, text=True, check=False
        )
    except FileNotFoundError as error:
        raise CannotMount(f"there is no {error.filename}") from error
    if done.returncode:
        raise CannotMount(f"{' '.join(command[:4])}: {done.stderr.strip() or done.returncode}")
    return done.stdout


class Disk:
    """A disk of a number of bytes. folder: where it is mounted.

    Raises CannotMount.
    """

    def __init__(self, folder: Path, size: int, *, ext4: bool = False) -> None:
        self.folder = folder
        self._image = folder.with_suffix(".image") if ext4 else None
        if os.getuid() != 0:
            raise CannotMount("only root mounts disks")
        folder.mkdir(exist_ok=True)
        if self._image is not None:
            with self._image.open("wb") as file:
                file.truncate(size)
            _run("mkfs.ext4", "-q", str(self._image))
            self._options = ["-o", "loop", str(self._image)]
        else:
            self._options = ["-t", "tmpfs", "-o", f"size={size}", "tmpfs"]
        self.mount()

    def mount(self) -> None:
        """Mount it; once more, after `unmount()`."""
        _run("mount", *self._options, str(self.folder))

    def detach(self) -> None:
        """Unmount it from its folder now, and wholly once nobody has anything open there."""
        _run("umount", "--lazy", str(self.folder))

    def unmount(self) -> None:
        """Unmount it. What is in memory alone is gone, of a tmpfs all.

        Another mount namespace, as `ip netns exec` makes them, may have it for a moment more; to
        mount it then would be to have the same disk, without power.
        """
        _run("umount", str(self.folder))
        if self._image is not None:
            until = time.monotonic() + PATIENCE
            while _run("losetup", "-j", str(self._image)):
                if time.monotonic() > until:
                    raise CannotMount("another mount namespace does not let go of it")
                time.sleep(0.05)

    def make(self, how: str) -> None:
        """Make it `ro`, read-only, or `rw` again."""
        _run("mount", "-o", f"remount,{how}", str(self.folder))

    def cut(self) -> None:
        """Cut its power: nothing reaches it any more, and what was not synced is lost."""
        fd = os.open(self.folder, os.O_RDONLY)
        try:
            fcntl.ioctl(fd, EXT4_IOC_SHUTDOWN, struct.pack("I", NO_LOG_FLUSH))
        finally:
            os.close(fd)


@contextlib.contextmanager
def disk(
    folder: Path, size: int, *, ext4: bool = False, stays_open: bool = False
) -> Iterator[Disk]:
    """Give a disk for a test, which is skipped, with the reason, where there can be none.

    stays_open: whether something there is open at the end, as a board of this process has it.
    """
    try:
        mounted = Disk(folder, size, ext4=ext4)
    except CannotMount as error:
        pytest.skip(f"no disk of its own: {error}")
    try:
        yield mounted
    finally:
        if stays_open:
            mounted.detach()
        else:
            mounted.unmount()
