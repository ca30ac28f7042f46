"""What ``benchmarks.discord_path`` and ``slack_path`` run: a bot with its two servers, each a process, and what they cost.

Ours is ``understudy run`` on a data directory in which an avatar already knows some thousand examples and everybody has
talked with it before, so that each request holds a prompt, examples, history and the question.
"""

from __future__ import annotations

import asyncio
import json
import os
import random
import subprocess
import sys
import time
import urllib.request
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar, Literal, Self

from storage import avatars, conversations, examples, exchanges, owed, people, workspaces
from storage.database import Database, Tx
from storage.examples import NewExample
from storage.exchanges import Completion, Pending
from storage.ids import new_id

SEED = 20261121
MODEL = "gpt-5-mini"
QUESTION = "How do I feed a robin in my garden when there is snow?"
PROMPT = "You are Wren, who keeps a small garden and knows every bird in it. Be brief, warm and exact."
EXAMPLES, SHOWN_EXAMPLES, HISTORY = 3000, 4, 6
MESSAGES = 2 * (SHOWN_EXAMPLES + HISTORY) + 1  # and the prompt, which only ours sends
WORDS = "well the so a of and you it is that in was for on are as with they at be this have from or had by hot but".split()
BIRDS = "robin wren finch swift tit owl jay rook crow dove heron snow garden feed seed nest winter bread water cat".split()

Kind = Literal["floor", "ours"]
KINDS: tuple[Kind, Kind] = ("floor", "ours")
PAGE = os.sysconf("SC_PAGE_SIZE")
TICKS = os.sysconf("SC_CLK_TCK")


def ask(url: str, body: Any = None, *, seconds: float = 120) -> Any:
    """A request to one of the servers."""
    data = None if body is None else json.dumps(body).encode()
    request = urllib.request.Request(url, data=data, headers={"Content-Type": "application/json"})
    with urllib.request.urlopen(request, timeout=seconds) as answer:
        return json.load(answer)


class Process:
    """A process that ends with the block it is used in."""

    def __init__(
        self,
        command: Sequence[str],
        *,
        core: int | None,
        log: Path,
        environment: Mapping[str, str] | None = None,
        nice: int = 0,
    ) -> None:
        pinned = [] if core is None else ["taskset", "-c", str(core)]
        polite = ["nice", "-n", str(nice)] if nice else []
        self._log = log.open("ab")
        self._process = subprocess.Popen(
            [*polite, *pinned, *command],
            env={**os.environ, **(environment or {})},
            stdout=subprocess.PIPE,
            stderr=self._log,
            text=True,
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._process.terminate()
        try:
            self._process.wait(30)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        self._log.close()

    def first_line(self) -> str:
        """What it prints first."""
        assert self._process.stdout is not None
        line = self._process.stdout.readline().strip()
        if not line:
            raise RuntimeError(f"a process ended before it began; see {self._log.name}")
        return line

    @property
    def cpu_ms(self) -> float:
        """Processor time of all its threads until now."""
        return sum(self._stat()[11:13]) * 1000 / TICKS

    @property
    def rss_mb(self) -> float:
        """Memory that it holds."""
        return self._stat()[21] * PAGE / 1e6

    def signal(self, number: int) -> None:
        """Send it a signal."""
        self._process.send_signal(number)

    def _stat(self) -> list[int]:
        text = Path(f"/proc/{self._process.pid}/stat").read_text()
        return [
            int(field) if field.lstrip("-").isdecimal() else 0 for field in text.rpartition(")")[2].split()
        ]


@dataclass(frozen=True, slots=True)
class Spent:
    """Processor time until now, in milliseconds, and when that was."""

    bot: float
    chat: float
    model: float
    at: float


class Stack(ABC):
    """A bot of one kind, with a chat server and a model of its own, and so many people in so many rooms."""

    platform: ClassVar[str]
    title: ClassVar[str]

    def __init__(self, kind: Kind, folder: Path, *, users: int, rooms: int, pin: bool, nice: int = 0) -> None:
        self.kind: Kind = kind
        self.folder = folder
        self.users = users
        self.rooms = rooms
        self._log = folder / f"{kind}.log"
        self._cores = (0, 1) if pin and (os.cpu_count() or 1) > 1 else (None, None)
        self._nice = nice
        self._processes: list[Process] = []

    @abstractmethod
    def people(self) -> Mapping[str, Any]:
        """Who talks in a load."""

    @abstractmethod
    def secrets(self) -> Mapping[str, str]:
        """The environment in which either bot finds its way."""

    @abstractmethod
    def floor(self) -> Mapping[str, str]:
        """What the floor is told besides."""

    @abstractmethod
    def settings(self) -> Mapping[str, str]:
        """What ours is told besides."""

    @abstractmethod
    def walk(self, start: int, exchanges: int) -> int:
        """Let everybody talk in ever other places; how many questions found no answer."""

    def __exit__(self, *_: object) -> None:
        for process in reversed(self._processes):
            process.__exit__()

    def __enter__(self) -> Self:
        try:
            self._start_servers()
        except BaseException:
            self.__exit__()
            raise
        return self

    def _start(self, command: Sequence[str], core: int | None, **environment: str) -> Process:
        process = Process(command, core=core, log=self._log, environment=environment, nice=self._nice)
        self._processes.append(process)
        return process

    def _start_servers(self) -> None:
        python = [sys.executable, "-m"]
        self.model = self._start([*python, "benchmarks.servers", "--model"], self._cores[1])
        self.model_url = self.model.first_line()
        self.text: str = ask(f"{self.model_url}/_bench/asked")["text"]
        servers = f"benchmarks.{self.platform}_servers"
        self.chat = self._start([*python, servers, "--text", self.text], self._cores[1])
        self.url = self.chat.first_line()
        # Makes the people and the channels; nobody speaks yet.
        self.load(0)
        self.guests: dict[str, Any] = ask(f"{self.url}/_bench/guests")

    def start_bot(self, sent: Sequence[Any] = (), *, profile: bool = False) -> None:
        """Start the bot and wait until it is connected; ``sent`` are the messages that the floor sends."""
        shared = {
            **self.secrets(),
            "OPENAI_API_KEY": "sk-bench",
            "OPENAI_BASE_URL": f"{self.model_url}/v1",
        }
        if self.kind == "floor":
            path = self.folder / "messages.json"
            path.write_text(json.dumps(list(sent)))
            command = [sys.executable, "-m", f"benchmarks.{self.platform}_floor"]
            own = {**self.floor(), "FLOOR_MESSAGES": str(path), "FLOOR_MODEL": MODEL}
        else:
            command = [sys.executable, "-m", "benchmarks.profiling" if profile else "bot", "run"]
            own = {
                **self.settings(),
                "PROFILE_FOLDER": str(self.folder),
                "UNDERSTUDY_DATA_DIR": str(self.data),
                "UNDERSTUDY_MODELS__DEFAULT": f"openai:{MODEL}",
                "UNDERSTUDY_CONTEXT__EXAMPLES": str(SHOWN_EXAMPLES),
                "UNDERSTUDY_CONTEXT__HISTORY_EXCHANGES": str(HISTORY),
            }
        self.bot = self._start(command, self._cores[0], **shared, **own)
        try:
            self.wait()
        except OSError as error:
            raise RuntimeError(f"the bot did not connect:\n{self._log.read_text()[-2000:]}") from error
        time.sleep(1)  # what a bot does right after it has connected

    def wait(self) -> None:
        """Wait until the bot is connected. Raises ``OSError`` where it does not."""
        ask(f"{self.url}/_control/ready?timeout=30")

    @property
    def data(self) -> Path:
        """The data directory of ours."""
        return self.folder / "data"

    def fill(self, *, talks: bool = True) -> None:
        """Make the data directory of ours."""
        self.data.mkdir()
        asyncio.run(_seed(self.data, self.platform, self.guests, talks=talks))

    def spent(self) -> Spent:
        """What the processes have used."""
        return Spent(self.bot.cpu_ms, self.chat.cpu_ms, self.model.cpu_ms, time.monotonic())

    def load(self, exchanges: int, users: int = 0, **more: Any) -> dict[str, Any]:
        """Let ``users`` people have so many exchanges each, all at once."""
        asked = {**self.people(), "exchanges": exchanges, "text": QUESTION, "end": self.text, "timeout_s": 60}
        if users:
            asked["users"] = users
        return ask(f"{self.url}/_control/load", {**asked, **more}, seconds=3600)

    def pace(self, seconds: float) -> None:
        """How long the model waits before each token."""
        ask(f"{self.model_url}/_bench/pace", {"seconds": seconds})

    def asked(self) -> dict[str, Any]:
        """What the model was asked."""
        return ask(f"{self.model_url}/_bench/asked")

    def lag_ms(self) -> float:
        """From the last token of the last reply to its whole text being shown."""
        shown = ask(f"{self.url}/_bench/shown")["shown_at"]
        return (shown - self.asked()["spoken_at"]) * 1000


async def _seed(folder: Path, platform: str, guests: Mapping[str, Any], *, talks: bool) -> None:
    """The database of ours: an avatar with examples and, with ``talks``, what everybody said before."""
    draw = random.Random(SEED)

    def words(least: int, most: int) -> str:
        pool = WORDS if draw.random() < 0.5 else WORDS + BIRDS
        return " ".join(draw.choices(pool, k=draw.randint(least, most)))

    def write(tx: Tx) -> None:
        workspace = workspaces.ensure(tx, platform, guests["workspace"], "Load", "opt-out")
        avatar = avatars.create(tx, workspace.id, "Wren", prompt=PROMPT)
        workspaces.set_default_avatar(tx, workspace.id, avatar.id)
        examples.put_many(
            tx,
            [
                NewExample(
                    workspace_id=workspace.id,
                    avatar_id=avatar.id,
                    user_text=words(4, 14) if number % 50 else f"{QUESTION[:30]} {words(2, 5)}",
                    assistant_text=words(10, 40),
                    authors=(),
                    status="approved",
                    reviewed=True,
                )
                for number in range(EXAMPLES)
            ],
        )
        for at, guest in enumerate(guests["people"] if talks else ()):
            person = people.ensure(tx, workspace.id, guest["key"], f"Guest {at}")
            talk = conversations.start(
                tx, workspace.id, guest["conversation"], avatar.id, guest["room"], guest["private"]
            )
            for number in range(HISTORY):
                pending = Pending(
                    id=new_id(),
                    workspace_id=workspace.id,
                    conversation_id=talk.id,
                    avatar_id=avatar.id,
                    person_id=person.id,
                    message_key=f"seed-{at}-{number}",
                    user_text=words(5, 20),
                    holder="",
                    reference="seed",
                    created_at=1_760_000_000_000 + number,
                )
                exchanges.begin(tx, pending)
                exchanges.complete(tx, _ended(pending, words(20, 60)))
                owed.shown(tx, workspace.id, pending.id, [f"seed-{at}-{number}-reply"])

    database = await Database.open(f"sqlite+aiosqlite:///{folder / 'understudy.db'}")
    try:
        await database.write(write)
    finally:
        await database.close()


def _ended(pending: Pending, reply: str) -> Completion:
    return Completion(
        id=pending.id,
        status="complete",
        reply_text=reply,
        vendor="openai",
        model=f"openai:{MODEL}",
        prompt_version_id=None,
        release_id=None,
        example_ids=(),
        answered_from=(),
        tokens_in=500,
        tokens_out=60,
        cost=None,
        first_token_ms=100,
        latency_ms=900,
        error="",
        known=True,
        completed_at=pending.created_at + 900,
    )
