"""Processes that outlive whoever started them, and how they are told from others that were given the same number later."""

from __future__ import annotations

import fcntl
import os
import signal
import subprocess
import sys
from collections.abc import Generator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Final

# Nothing else of the environment is for a process that trains: least of all the tokens of the bot.
_PASSED: Final = frozenset(
    "PATH HOME USER LOGNAME LANG LANGUAGE TZ TMPDIR SHELL VIRTUAL_ENV PYTHONPATH PYTHONHOME LD_LIBRARY_PATH "
    "CC CXX NO_PROXY HTTP_PROXY HTTPS_PROXY no_proxy http_proxy https_proxy SSL_CERT_FILE REQUESTS_CA_BUNDLE".split()
)
_PASSED_PREFIXES: Final = (
    "LC_", "XDG_", "HF_", "HUGGINGFACE_", "TRANSFORMERS_", "CUDA", "NVIDIA_", "NCCL_", "ROCR_", "HIP_", "HSA_", "TORCH",
    "PYTORCH_", "TRITON_", "OMP_", "MKL_", "OPENBLAS_", "KMP_", "GLOO_", "ACCELERATE_", "TOKENIZERS_",
)  # fmt: skip


def environment(variables: Mapping[str, str]) -> dict[str, str]:
    """What of ``variables`` a process that trains is given."""
    passed = {
        name: value
        for name, value in variables.items()
        if name in _PASSED or name.startswith(_PASSED_PREFIXES)
    }
    return {**passed, "PYTHONUNBUFFERED": "1"}


def start(python: str, script: str, folder: Path) -> int:
    """Start ``script`` in ``folder``, in a session of its own, its output in ``output.log``. Gives its number.

    ``locked`` knows of it from now until it ends, whoever lives to note its number. Raises ``OSError``.
    """
    # Started by a shell that ends at once, it is nobody's child: it goes on without us, and leaves no zombie with us.
    # nice: the machine may have a bot to run beside it.
    shell = 'umask 077; nice "$@" </dev/null >>output.log 2>&1 & echo $!'
    # The script takes a lock of its own once it has come so far; until then it is told by this one, which it inherits.
    with (folder / "lock.started").open("a") as held:
        fcntl.flock(held, fcntl.LOCK_EX)
        done = subprocess.run(  # noqa: S603  (the shell's text is ours, and what it is given are words)
            ["/bin/sh", "-c", shell, "sh", python, script],
            cwd=folder,
            env=environment(os.environ),
            stdout=subprocess.PIPE,
            start_new_session=True,  # neither Ctrl-C nor a closed terminal is for it
            pass_fds=(held.fileno(),),
            check=True,
        )
    return int(done.stdout)


def started(pid: int) -> str:
    """When a process was started, as the system writes it; empty when it is gone or only waits to be reaped."""
    if sys.platform == "linux":
        try:
            stat = Path(f"/proc/{pid}/stat").read_text()
            boot = Path("/proc/sys/kernel/random/boot_id").read_text().strip()
        except OSError:
            return ""
        # The name, in brackets, may hold anything; then come the state and, nineteen fields on, the start in ticks.
        fields = stat.rpartition(")")[2].split()
        return "" if fields[0] in "ZX" else f"{boot} {fields[19]}"
    shown = subprocess.run(  # noqa: S603
        ["/bin/ps", "-o", "state=,lstart=", "-p", str(pid)], capture_output=True, text=True, check=False
    ).stdout.split()  # fmt: skip
    return "" if not shown or shown[0].startswith("Z") else " ".join(shown[1:])


def alive(pid: object, at: object) -> bool:
    """Whether the process that was started then is still there."""
    return isinstance(pid, int) and bool(at) and started(pid) == at


def locked(folder: Path) -> bool:
    """Whether a process that trains in ``folder`` is there: each holds a lock from its start, which ends with it."""
    return any(_held(path) for path in folder.glob("lock*"))


def _held(path: Path) -> bool:
    try:
        with path.open("a") as lock:
            fcntl.flock(lock, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    except FileNotFoundError:
        pass
    return False


def send(pid: object, at: object, number: signal.Signals) -> None:
    """Signal the process that was started then, and no other."""
    if isinstance(pid, int) and alive(pid, at):
        try:
            os.kill(pid, number)
        except ProcessLookupError:
            pass  # it ended by itself meanwhile


def end_group(pid: object, at: object) -> None:
    """End the process that was started then, with those that it started, at once."""
    if isinstance(pid, int) and alive(pid, at):
        try:
            os.killpg(os.getpgid(pid), signal.SIGKILL)
        except ProcessLookupError:
            pass


@contextmanager
def alone(path: Path) -> Generator[None]:
    """Nobody else is in here with the same ``path``, in whatever process."""
    with path.open("a") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield
