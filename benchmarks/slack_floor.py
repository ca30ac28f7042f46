"""The floor that ``benchmarks.slack_path`` measures against: what a bare bot on slack-bolt and the openai SDK takes.

It answers a mention with a streamed reply, grown by the policy of ours with its budgets, and keeps nothing. Whatever it
could do without is left out, so that it is no easy mark: it subscribes to mentions alone, has one session for everything it
asks of Slack, and shows that it thinks only where the answer is not there at once, which nobody waits for.
"""

from __future__ import annotations

import asyncio
import json
import os
from collections import deque
from pathlib import Path
from typing import Any

import aiohttp
import openai
from slack_bolt.adapter.socket_mode.aiohttp import AsyncSocketModeHandler
from slack_bolt.async_app import AsyncApp
from slack_sdk.web.async_chat_stream import AsyncChatStream
from slack_sdk.web.async_client import AsyncWebClient

EDIT_SECONDS, EARLY_SECONDS, LATE_SECONDS, GOOD_DEAL = 1.0, 0.2, 0.5, 200
# In a minute so many streams are begun and so many continued; final texts wait for none of them.
STARTS, APPENDS, BUDGET_SECONDS = 18, 90, 60.0


def bot(sent: list[Any], model: str, slack: AsyncWebClient) -> AsyncApp:
    """An app that answers with ``sent``, the messages of every request, and the question below them."""
    app, vendor = AsyncApp(client=slack), openai.AsyncOpenAI()
    starts: deque[float] = deque(maxlen=STARTS)
    appends: deque[float] = deque(maxlen=APPENDS)
    thinking: set[asyncio.Task[Any]] = set()

    @app.event("app_mention")
    async def mentioned(event: dict[str, Any], client: AsyncWebClient) -> None:  # pyright: ignore[reportUnusedFunction]
        there: dict[str, Any] = {"thread_ts": event.get("thread_ts", event["ts"])}

        def think() -> None:
            task = asyncio.ensure_future(
                client.assistant_threads_setStatus(
                    channel_id=event["channel"], status="is thinking …", **there
                )
            )
            thinking.add(task)
            task.add_done_callback(thinking.discard)

        loop = asyncio.get_running_loop()
        waiting = loop.call_later(EARLY_SECONDS, think)
        messages: Any = [*sent, {"role": "user", "content": event["text"].partition(" ")[2]}]
        there["channel"] = event["channel"]
        stream = await vendor.chat.completions.create(model=model, messages=messages, stream=True)
        text, shown, due, early = "", 0, None, True
        grown: AsyncChatStream | None = None
        async for chunk in stream:
            text += (chunk.choices[0].delta.content or "") if chunk.choices else ""
            now, spent = loop.time(), starts if grown is None else appends
            if due is None:
                due = now + EARLY_SECONDS if text else None
            elif now < due or (len(spent) == spent.maxlen and now - spent[0] < BUDGET_SECONDS):
                continue
            elif early and len(text) < GOOD_DEAL:
                early, due = False, due + LATE_SECONDS - EARLY_SECONDS
            else:
                spent.append(now)
                waiting.cancel()
                to = {"recipient_team_id": event["team"], "recipient_user_id": event["user"]}
                grown = grown or await client.chat_stream(buffer_size=1, **there, **to)
                await grown.append(markdown_text=text[shown:])
                shown, due, early = len(text), now + EDIT_SECONDS, False
        waiting.cancel()
        if grown is None:
            await client.chat_postMessage(text=text, **there)
        else:
            await grown.stop(markdown_text=text[shown:])

    return app


async def serve(sent: list[Any], url: str) -> None:
    """Run it over a socket."""
    async with aiohttp.ClientSession() as session:
        slack = AsyncWebClient(os.environ["SLACK_BOT_TOKEN"], base_url=f"{url}/api/", session=session)
        await AsyncSocketModeHandler(bot(sent, os.environ["FLOOR_MODEL"], slack)).start_async()


def main() -> None:
    """Run it against the servers that ``benchmarks.slack_path`` names in the environment."""
    if "FLOOR_SLACK" not in os.environ:
        print("This bot is started by benchmarks.slack_path.")
        return
    sent = json.loads(Path(os.environ["FLOOR_MESSAGES"]).read_text())
    asyncio.run(serve(sent, os.environ["FLOOR_SLACK"]))


if __name__ == "__main__":
    main()
