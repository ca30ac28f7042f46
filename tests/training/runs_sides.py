"""The far sides of launches that are killed: how each vendor's tuner is made, and what is to be found there afterwards.

Vendors elsewhere are local servers, at the addresses that are given. Those on this machine train in processes of their own,
in a folder for each launch; the steps in that folder are boundaries too.
"""

from __future__ import annotations

import fcntl
from collections.abc import Callable, Mapping, Sequence
from importlib import import_module
from pathlib import Path
from typing import Any, Final, Protocol

import aiohttp
from google.oauth2.credentials import Credentials

from adapters.vendors.embedded.tuner import EmbeddedTuner, Processes
from adapters.vendors.google import Endpoint as GoogleEndpoint
from adapters.vendors.google.tuner import GoogleTuner
from adapters.vendors.local import Options
from adapters.vendors.local.tuner import LocalTuner
from adapters.vendors.openai import Endpoint as OpenAIEndpoint
from adapters.vendors.openai.tuner import OpenAITuner
from adapters.vendors.tuning import Tuner
from tests.servers.gcs import BUCKET
from tests.servers.gemini import LOCATION, PROJECT

KEY: Final = "sk-proj-Zq8yTq1rXs0aVbN3"
TOKEN: Final = "signed-in"

# It keeps to what adapters/vendors/local/train.py says of its files, and makes no secret of having been started.
STAND_IN: Final = """
import fcntl, json, os, sys, time
from pathlib import Path

with open("../trainers", "a") as file:
    file.write(f"{os.getpid()}\\n")
with open("lock", "a") as lock:
    fcntl.flock(lock, fcntl.LOCK_EX)
    now = time.time_ns() // 1000000
    with open("metrics.jsonl", "a") as file:
        for step in (1, 2):
            file.write(json.dumps({"step": step, "split": "train", "loss": 2 / step}) + "\\n")
    with open("events.jsonl", "a") as file:
        file.write(json.dumps({"at": now, "level": "info", "message": "Trained"}) + "\\n")
    os.makedirs("adapter", exist_ok=True)
    Path("adapter/adapter_config.json").write_text("{}")
    Path("status.json.new").write_text(json.dumps({"state": "succeeded", "step": 2, "steps": 2, "tokens": 9}))
    Path("status.json.new").replace("status.json")
"""


class Side(Protocol):
    """One vendor. ``where`` has its addresses; ``folder`` is this launch's own, for vendors on this machine.

    ``here`` says that it is such a one: ``settle`` returns once the processes that train there have ended. ``jobs`` are the
    ids of the jobs of a key, ``trainers`` how many processes were started for them, None where they are the vendor's own,
    and ``left`` what lies about that should be gone.
    """

    base_model: str
    here: bool

    def tuner(self, where: Sequence[str], folder: Path) -> Tuner: ...
    def settle(self, folder: Path) -> None: ...
    async def jobs(self, where: Sequence[str], folder: Path, key: str) -> list[str]: ...
    async def left(self, where: Sequence[str], folder: Path, key: str) -> list[str]: ...
    def trainers(self, folder: Path) -> int | None: ...


async def _at_once(seconds: float) -> None:
    """The vendor is on this machine."""


async def _rows(url: str, secret: str, name: str, **query: str) -> list[Mapping[str, Any]]:
    """The list called ``name`` in what a server answers."""
    headers = {"Authorization": f"Bearer {secret}"}
    async with aiohttp.ClientSession(headers=headers) as session, session.get(url, params=query) as answer:
        assert answer.status == 200, await answer.text()
        return (await answer.json()).get(name, [])


class Elsewhere:
    """What vendors with servers of their own have in common."""

    here = False

    def settle(self, folder: Path) -> None:
        """Whoever asks moves the jobs on."""

    def trainers(self, folder: Path) -> int | None:
        return None


class OpenAISide(Elsewhere):
    base_model = "gpt-4o-mini-2024-07-18"

    def tuner(self, where: Sequence[str], folder: Path) -> Tuner:
        endpoint = OpenAIEndpoint(api_key=KEY, base_url=f"{where[0]}/v1", dialect="openai")
        return OpenAITuner(endpoint, pause=_at_once)

    async def jobs(self, where: Sequence[str], folder: Path, key: str) -> list[str]:
        wanted = {"metadata[understudy_key]": key, "limit": "100"}
        found = await _rows(f"{where[0]}/v1/fine_tuning/jobs", KEY, "data", **wanted)
        return [job["id"] for job in found]

    async def left(self, where: Sequence[str], folder: Path, key: str) -> list[str]:
        found = await _rows(f"{where[0]}/v1/files", KEY, "data", purpose="fine-tune")
        return [file["filename"] for file in found if key in file["filename"]]


class GoogleSide(Elsewhere):
    base_model = "gemini-3.5-flash-lite"

    def __init__(self) -> None:
        # The tuner imports them when it is first asked: once for all processes that are forked is enough.
        for name in ("google.genai", "google.cloud.storage"):
            import_module(name)

    def tuner(self, where: Sequence[str], folder: Path) -> Tuner:
        endpoint = GoogleEndpoint(
            project=PROJECT,
            tuning_location=LOCATION,
            bucket=BUCKET,
            base_url=where[0],
            storage_url=where[1],
            credentials=Credentials(token=TOKEN),
        )
        return GoogleTuner(endpoint, pause=_at_once)

    async def jobs(self, where: Sequence[str], folder: Path, key: str) -> list[str]:
        jobs = f"{where[0]}/v1beta1/projects/{PROJECT}/locations/{LOCATION}/tuningJobs"
        wanted = f'labels.understudy_key="{key}"'
        return [job["name"] for job in await _rows(jobs, TOKEN, "tuningJobs", filter=wanted)]

    async def left(self, where: Sequence[str], folder: Path, key: str) -> list[str]:
        objects = f"{where[1]}/storage/v1/b/{BUCKET}/o"
        return [one["name"] for one in await _rows(objects, TOKEN, "items", prefix=f"understudy/{key}/")]


class LocalSide:
    base_model = "tiny"
    here = True

    def tuner(self, where: Sequence[str], folder: Path) -> Tuner:
        script = folder.with_suffix(".py")
        script.write_text(STAND_IN)
        return LocalTuner(Options(folder, {"tiny": "tiny/random"}), script=script, libraries=())

    def settle(self, folder: Path) -> None:
        _settled(folder.glob("*/lock*"))

    async def jobs(self, where: Sequence[str], folder: Path, key: str) -> list[str]:
        return [path.parent.name for path in folder.glob("*/job.json")]

    async def left(self, where: Sequence[str], folder: Path, key: str) -> list[str]:
        meant = {"metrics.jsonl", "events.jsonl"}
        rows = [path.name for path in folder.rglob("*.jsonl") if path.name not in meant]
        return rows + [path.name for path in folder.rglob("*.new")]

    def trainers(self, folder: Path) -> int | None:
        return sum(len(path.read_text().splitlines()) for path in folder.glob("trainers"))


class EmbeddedSide:
    base_model = "base"
    here = True

    def tuner(self, where: Sequence[str], folder: Path) -> Tuner:
        return EmbeddedTuner(folder, Processes())

    def settle(self, folder: Path) -> None:
        _settled(folder.glob("models-jobs/jobs/job-*/lock"))

    async def jobs(self, where: Sequence[str], folder: Path, key: str) -> list[str]:
        return [path.parent.name for path in folder.glob("models-jobs/jobs/*/job.json")]

    async def left(self, where: Sequence[str], folder: Path, key: str) -> list[str]:
        files = [path.name for path in (folder / "models-jobs" / "files").iterdir()]
        hidden = [path.name for path in folder.rglob(".*")]
        return files + hidden + [path.name for path in folder.rglob("state.npz")]

    def trainers(self, folder: Path) -> int | None:
        # What a worker says first; whatever it says next is something else.
        told = (path.read_text() for path in folder.glob("models-jobs/jobs/*/events.jsonl"))
        return sum(text.count("Reading is done") for text in told)


def _settled(locks: Any) -> None:
    for lock in list(locks):
        with lock.open("a") as file:
            fcntl.flock(file, fcntl.LOCK_EX)


SIDES: Final[Mapping[str, Callable[[], Side]]] = {
    "openai": OpenAISide,
    "google": GoogleSide,
    "local": LocalSide,
    "embedded": EmbeddedSide,
}
