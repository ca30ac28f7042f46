"""kill -9 in the middle of concurrent exchanges, then see what is left: ``python -m tests.bot.crash --rounds 20``.

The child speaks many messages at once and prints the key of each whose reply has begun, which is proof that its pending
row was durable. The parent kills it at a random moment, opens the database again, and counts.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import random
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path

MESSAGES = 200
CONVERSATIONS = 40


async def _child(round_number: int) -> None:
    from adapters.platforms.base import End, Message, Place
    from bot.app import open_application
    from bot.settings import load

    app = await open_application(load(), interactive=True)

    class Told:
        def __init__(self, key: str) -> None:
            self.key = key

        async def accepted(self, exchange_id: str) -> None:
            pass

        async def grow(self, text: str) -> None:
            os.write(1, f"{self.key}\n".encode())

        async def finish(self, end: End) -> str:
            return f"posted-{end.exchange_id}"

        async def fail(self, sentence: str, reference: str) -> None:
            os.write(2, sentence.encode())

    who = app.terminal_who()
    # The workspace and its first avatar are set up before the race: the race is about exchanges.
    await app.welcome(app.terminal_place())
    os.write(1, b"ready\n")

    def message(number: int) -> Message:
        key = f"round-{round_number}-message-{number}"
        place = Place("terminal", "local", "terminal", f"lane-{round_number}-{number % CONVERSATIONS}")
        return Message(key, place, who, "How do I rate a reply?", at=number)

    await asyncio.gather(*(app.speak(each, Told(each.key)) for each in map(message, range(MESSAGES))))
    os.write(1, b"done\n")
    await app.close()


@dataclass(frozen=True, slots=True)
class Found:
    """What one round left behind."""

    accepted: int
    rows: int
    lost: int
    doubled: int
    pending: int
    interrupted: int


def _key(line: str) -> list[str]:
    """The key that a whole line tells; the last line may be cut."""
    return [line.strip()] if line.startswith("round-") and line.endswith("\n") else []


def one_round(number: int, data_dir: Path, moment: random.Random) -> Found:
    """Start the child, kill it after a random share of its replies has begun, and count what is left."""
    environment = {
        **os.environ,
        "UNDERSTUDY_DATA_DIR": str(data_dir),
        "UNDERSTUDY_LIMITS__WAITING_MESSAGES": "500",
    }
    command = [sys.executable, "-m", "tests.bot.crash", "--child", str(number)]
    accepted: set[str] = set()
    with subprocess.Popen(command, stdout=subprocess.PIPE, env=environment, text=True) as child:
        assert child.stdout is not None
        deadline = moment.randrange(1, MESSAGES * 4)
        lines = 0
        for line in child.stdout:
            lines += line.startswith("round-")
            accepted.update(_key(line))
            if line == "done\n" or lines >= deadline:
                break
        child.kill()
        for line in child.stdout:
            accepted.update(_key(line))
    return asyncio.run(_count(number, data_dir, accepted))


async def _count(number: int, data_dir: Path, accepted: set[str]) -> Found:
    from sqlalchemy import text

    from bot.recovery import Recovery
    from storage.database import Database, Statement

    database = await Database.open(f"sqlite+aiosqlite:///{data_dir / 'understudy.db'}")
    recovery = Recovery(database)
    await recovery.begin()
    query = Statement(
        text(f"SELECT message_key, status FROM exchange WHERE message_key LIKE 'round-{number}-%'")
    )
    rows = await database.read(lambda tx: tx.rows(query))
    await recovery.end()
    await database.close()
    keys = [row[0] for row in rows]
    return Found(
        accepted=len(accepted),
        rows=len(keys),
        lost=len(accepted - set(keys)),
        doubled=len(keys) - len(set(keys)),
        pending=sum(1 for row in rows if row[1] == "pending"),
        interrupted=sum(1 for row in rows if row[1] == "interrupted"),
    )


def main() -> None:
    """Run the rounds and print what each left."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--child", type=int)
    parser.add_argument("--rounds", type=int, default=20)
    parser.add_argument("--seed", type=int, default=1)
    arguments = parser.parse_args()
    if arguments.child is not None:
        asyncio.run(_child(arguments.child))
        return
    moment = random.Random(arguments.seed)
    with tempfile.TemporaryDirectory() as folder:
        for number in range(arguments.rounds):
            found = one_round(number, Path(folder), moment)
            print(number, found, flush=True)
            if found.lost or found.doubled or found.pending:
                sys.exit("an accepted message was lost, doubled or left pending")


if __name__ == "__main__":
    main()
