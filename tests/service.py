"""``understudy run`` as a process of its own, for tests of what only a whole program shows."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from collections.abc import Mapping
from pathlib import Path

from tests.conftest import ROOT


class Service:
    """The program with its data in ``data_dir``; it can be started, stopped, killed, and started again."""

    def __init__(self, data_dir: Path, environment: Mapping[str, str]) -> None:
        self.data_dir = data_dir
        self.errors = data_dir / "stderr.txt"
        self._environment = {
            **{key: value for key, value in os.environ.items() if not key.startswith("UNDERSTUDY_")},
            "PYTHONPATH": str(ROOT),
            "UNDERSTUDY_DATA_DIR": str(data_dir),
            **environment,
        }
        self._process: asyncio.subprocess.Process | None = None

    @property
    def log(self) -> str:
        """What the program has logged."""
        path = self.data_dir / "understudy.log"
        return path.read_text() if path.exists() else ""

    async def start(self) -> None:
        """Begin to serve; returns at once."""
        self.data_dir.mkdir(parents=True, exist_ok=True)
        with self.errors.open("ab") as errors:
            self._process = await asyncio.create_subprocess_exec(
                sys.executable, "-m", "bot", "run",
                cwd=self.data_dir, stdin=asyncio.subprocess.DEVNULL, stdout=errors, stderr=errors,
                env=self._environment,
            )  # fmt: skip

    async def kill(self) -> None:
        """End it as a crash does, and wait until it is gone."""
        await self._end(signal.SIGKILL)

    async def stop(self) -> int:
        """Ask it to end, and wait until it has; its exit code."""
        return await self._end(signal.SIGTERM)

    async def ended(self) -> int:
        """Wait until it ends by itself; its exit code."""
        process, self._process = self._process, None
        assert process is not None, "it was started"
        return await asyncio.wait_for(process.wait(), 30)

    async def command(self, *words: str) -> tuple[int, str]:
        """Another command of the program with the same data and settings; its exit code and what it printed."""
        self.data_dir.mkdir(parents=True, exist_ok=True)
        process = await asyncio.create_subprocess_exec(
            sys.executable, "-m", "bot", *words,
            cwd=self.data_dir, stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.STDOUT, env=self._environment,
        )  # fmt: skip
        printed, _ = await asyncio.wait_for(process.communicate(), 60)
        return process.returncode or 0, printed.decode()

    async def _end(self, how: signal.Signals) -> int:
        process, self._process = self._process, None
        if process is None:
            return 0
        if process.returncode is None:
            process.send_signal(how)
        return await asyncio.wait_for(process.wait(), 30)
