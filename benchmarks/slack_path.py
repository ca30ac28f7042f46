"""What a reply on Slack costs and how long it takes, beside a bare bot on slack-bolt and the openai SDK.

    python -m benchmarks.slack_path [--rounds 3] [--exchanges 1] [--no-pin]
    python -m benchmarks.slack_path --memory 1000
    python -m benchmarks.slack_path --profile 64

The floor is ``benchmarks.slack_floor``; ``benchmarks.path`` says how both are measured. Everybody talks on in a thread of
their own, over a socket. Besides it is measured how long Slack waits for what it delivers to be acknowledged, over a socket
and over HTTP: with 256 people, who all speak at the same moment.
"""

from __future__ import annotations

import socket
import tempfile
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any, ClassVar

from benchmarks import path
from benchmarks.stack import Stack, ask

ACK_PROMISED = 500.0
GROUPS = (
    ("ours for Slack", ("adapters/platforms/slack",)),
    ("bolt", ("/slack_bolt/",)),
    ("socket: slack_sdk", ("/slack_sdk/socket_mode", "client_ws", "websocket")),
    ("Web API: slack_sdk", ("/slack_sdk/",)),
)


class SlackStack(Stack):
    """A bot with a local Slack, over a socket."""

    platform = "slack"
    title = "Slack"
    transport: ClassVar[str] = "socket"

    def people(self) -> Mapping[str, Any]:
        """Everybody in a closed channel of their own, in one thread."""
        return {"users": self.users, "threads": True}

    def secrets(self) -> Mapping[str, str]:
        """The tokens that the local Slack knows."""
        return {
            "SLACK_BOT_TOKEN": "xoxb-understudy",
            "SLACK_APP_TOKEN": "xapp-understudy",
            "SLACK_SIGNING_SECRET": "signing-secret",
        }

    def floor(self) -> Mapping[str, str]:
        """Where Slack is."""
        ask(f"{self.url}/_bench/events", ["app_mention"])
        return {"FLOOR_SLACK": self.url}

    def settings(self) -> Mapping[str, str]:
        """Where Slack is."""
        return {"UNDERSTUDY_SLACK__API_URL": self.url}

    def walk(self, start: int, exchanges: int) -> int:
        """Each question begins a thread, and so a talk."""
        found = self.load(max(1, exchanges // self.users), self.users, threads=False)
        return found["unanswered"]


class HttpStack(SlackStack):
    """Ours with a local Slack that calls it."""

    def settings(self) -> Mapping[str, str]:
        """Where Slack is, and where Slack finds us."""
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            self._port = free.getsockname()[1]
        return {
            **super().settings(),
            "UNDERSTUDY_SLACK__TRANSPORT": "http",
            "UNDERSTUDY_SLACK__HTTP_PORT": str(self._port),
        }

    def wait(self) -> None:
        """Tell Slack the address as soon as it is served."""
        ends = time.monotonic() + 30
        while True:
            try:
                ask(f"{self.url}/_control/endpoint", {"url": f"http://127.0.0.1:{self._port}/slack/events"})
            except OSError:
                if time.monotonic() > ends:
                    raise
                time.sleep(0.2)
            else:
                return


# A reply of 2.4 seconds. A bot begins twenty streams in a minute: each row finds the whole of its budget.
SLACK = path.Platform(
    stack=SlackStack, paces={0.04: (16, 1)}, groups=GROUPS, rest=60.0, ack_promised=ACK_PROMISED
)


def over_http(folder: Path, rounds: int, *, pin: bool) -> list[path.Verdict]:
    """How long it takes to acknowledge what comes over HTTP."""
    most = max(path.LEVELS)
    with HttpStack("ours", folder, users=most, rooms=most, pin=pin) as ours:
        ours.fill()
        ours.start_bot()
        ours.load(path.WARM, 64)
        rows = [path.measure(ours, most, path.LEVELS[most]) for _ in range(rounds)]
    return [path.acknowledged("ours, over HTTP", rows, ACK_PROMISED)]


def main() -> int:
    """Measure and print."""
    parser = path.arguments()
    parser.description = (__doc__ or "").partition("\n")[0]
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as first, tempfile.TemporaryDirectory() as second:
        verdicts = path.run(SLACK, given, Path(first))
        if not given.profile and not given.memory:
            verdicts += over_http(Path(second), given.rounds, pin=not given.no_pin)
        kept = path.told(verdicts)
    return 0 if kept else 1


if __name__ == "__main__":
    raise SystemExit(main())
