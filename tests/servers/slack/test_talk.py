"""Apps on the real slack-bolt talk in the local Slack."""

from __future__ import annotations

from typing import Any

import pytest
from slack_bolt.async_app import AsyncApp
from slack_sdk.errors import SlackApiError
from slack_sdk.web.async_client import AsyncWebClient

from tests.servers.slack import Message
from tests.servers.slack.stand_in import Birds

FEEDBACK: list[dict[str, Any]] = [
    {
        "type": "context_actions",
        "elements": [
            {
                "type": "feedback_buttons",
                "action_id": "rate",
                "positive_button": {"text": {"type": "plain_text", "text": "Good"}, "value": "up"},
                "negative_button": {"text": {"type": "plain_text", "text": "Bad"}, "value": "down"},
            },
            {
                "type": "icon_button",
                "action_id": "drop",
                "icon": "trash",
                "text": {"type": "plain_text", "text": "Delete"},
            },
        ],
    }
]


def echo(app: AsyncApp) -> None:
    """Answer mentions in their threads."""

    async def answer(event: dict[str, Any], client: AsyncWebClient) -> None:
        thread = event.get("thread_ts") or event["ts"]
        await client.chat_postMessage(channel=event["channel"], text="*tweet*", thread_ts=thread)

    app.event("app_mention")(answer)
    app.event("message")(ignore)  # without a listener bolt acknowledges nothing


async def ignore() -> None:
    """Hear and do nothing."""


async def test_a_mention_is_answered_in_a_thread(birds: Birds) -> None:
    app = birds.app()
    echo(app)
    await birds.connect(app)
    said = await birds.ada.says(birds.general, "a < b, see https://example.com", mention=birds.world.bot)
    await birds.world.until(lambda: birds.general.of(birds.world.bot))
    assert said.text == f"{birds.world.bot.mention} a &lt; b, see <https://example.com>"
    assert birds.general.transcript(birds.ada) == (
        "#general\nAda: @Understudy a < b, see https://example.com\n  Understudy (APP): *tweet*"
    )
    await birds.world.settled()
    assert not birds.world.deliveries.acks.bad
    assert not birds.world.unknown_methods


async def test_messages_edits_deletions_and_reactions_are_heard(birds: Birds) -> None:
    app, heard = birds.app(), list[tuple[str, str]]()

    async def message(event: dict[str, Any]) -> None:
        heard.append((str(event.get("subtype")), event["channel_type"]))

    async def reaction(event: dict[str, Any]) -> None:
        heard.append((event["type"], event["reaction"]))

    app.event("message")(message)
    app.event("reaction_added")(reaction)
    app.event("reaction_removed")(reaction)
    await birds.connect(app)
    ada, bob = birds.ada, birds.team.member("Bob")
    said = await ada.says(ada.direct, "hello", files=[("a.txt", "text/plain", b"hi")])
    await ada.edits(said, "hello there")
    await ada.reacts(said, "thumbsup")
    await ada.unreacts(said, "thumbsup")
    await ada.deletes(said)
    await ada.says(birds.team.group_direct(ada, bob), "we two")
    await birds.world.settled()
    await birds.world.until(lambda: len(heard) == 6)
    assert sorted(heard) == sorted(
        [
            ("file_share", "im"),
            ("message_changed", "im"),
            ("reaction_added", "+1"),
            ("reaction_removed", "+1"),
            ("message_deleted", "im"),
            ("None", "mpim"),
        ]
    )


async def test_a_stream_grows_and_ends_with_buttons(birds: Birds) -> None:
    app, made = birds.app(), list[dict[str, Any]]()

    async def answer(event: dict[str, Any], client: AsyncWebClient) -> None:
        stream = await client.chat_stream(
            channel=event["channel"],
            thread_ts=event["ts"],
            recipient_team_id=birds.team.id,
            recipient_user_id=event["user"],
            buffer_size=1,
        )
        await stream.append(markdown_text="**to")
        await stream.append(markdown_text="get")
        await stream.stop(markdown_text="her**", blocks=FEEDBACK)

    async def rate(ack: Any, action: dict[str, Any]) -> None:
        await ack()
        made.append(action)

    app.event("app_mention")(answer)
    app.action("rate")(rate)
    await birds.connect(app)
    await birds.ada.says(birds.general, "sing", mention=birds.world.bot)
    await birds.world.until(lambda: [one for one in birds.general.of(birds.world.bot) if not one.streaming])
    [message] = birds.general.of(birds.world.bot)
    assert message.shown == "**together**\n[👍 Good] [👎 Bad] [trash: Delete]"
    await birds.ada.clicks(message, "Bad")
    await birds.world.until(lambda: made)
    assert (made[0]["type"], made[0]["value"]) == ("feedback_buttons", "down")


@pytest.mark.parametrize(
    ("missing", "error"),
    [
        ("recipient_team_id", "missing_recipient_team_id"),
        ("recipient_user_id", "missing_recipient_user_id"),
    ],
)
async def test_a_stream_in_a_channel_has_a_recipient(birds: Birds, missing: str, error: str) -> None:
    said = await birds.ada.says(birds.general, "sing")
    given: dict[str, Any] = {"recipient_team_id": birds.team.id, "recipient_user_id": birds.ada.id}
    del given[missing]
    with pytest.raises(SlackApiError, match=error):
        await birds.client().chat_startStream(channel=birds.general.id, thread_ts=said.ts, **given)


async def test_a_stream_that_ended_takes_no_more(birds: Birds) -> None:
    said = await birds.ada.says(birds.ada.direct, "sing")
    client = birds.client()
    began = await client.chat_startStream(channel=birds.ada.direct.id, thread_ts=said.ts)
    ts = str(began["ts"])
    with pytest.raises(SlackApiError, match="msg_too_long"):
        await client.chat_appendStream(channel=birds.ada.direct.id, ts=ts, markdown_text="x" * 12_001)
    birds.world.expire_streams()
    for append in (client.chat_appendStream, client.chat_stopStream):
        with pytest.raises(SlackApiError, match="message_not_in_streaming_state"):
            await append(channel=birds.ada.direct.id, ts=ts, markdown_text="x")
    await client.chat_update(channel=birds.ada.direct.id, ts=ts, text="whole")
    assert birds.ada.direct.of(birds.world.bot)[0].shown == "whole"


async def test_whom_a_message_notifies(birds: Birds) -> None:
    trainers = birds.team.user_group("trainers", birds.ada)
    client = birds.client()
    text = f"&lt;@{birds.ada.id}&gt; <!here> <!subteam^{trainers.id}> @channel"
    await client.chat_postMessage(channel=birds.general.id, text=text)
    await client.chat_postMessage(
        channel=birds.general.id, blocks=[{"type": "markdown", "text": birds.ada.mention}], text="safe"
    )
    first, second = birds.general.of(birds.world.bot)
    assert (first.pings.users, first.pings.groups, first.pings.broadcasts) == ((), (trainers,), ("here",))
    assert second.pings.users == (birds.ada,)


async def test_metadata_is_found_in_history(birds: Birds) -> None:
    client = birds.client()
    about = {"event_type": "exchange", "event_payload": {"id": "x1"}}
    await client.chat_postMessage(channel=birds.general.id, text="hello", metadata=about)
    plain = await client.conversations_history(channel=birds.general.id)
    whole = await client.conversations_history(channel=birds.general.id, include_all_metadata=True)
    assert "metadata" not in (plain["messages"] or [{"metadata": 1}])[0]
    assert (whole["messages"] or [{}])[0]["metadata"] == about


async def test_the_agents_talk_shows_status_title_and_suggestions(birds: Birds) -> None:
    client, ada = birds.client(), birds.ada
    root: Message = await ada.opens_assistant(birds.general)
    place: dict[str, Any] = {"channel_id": ada.direct.id, "thread_ts": root.ts}
    prompts = [{"title": "Sing", "message": "Sing a song"}]
    await client.assistant_threads_setStatus(**place, status="is thinking …")
    await client.assistant_threads_setTitle(**place, title="Songs")
    await client.assistant_threads_setSuggestedPrompts(**place, prompts=prompts, title="Try")
    shown = ada.direct.transcript(ada)
    assert "(title: Songs)" in shown
    assert "[Sing])" in shown
    assert "(Understudy is thinking …)" in shown
    said = await ada.picks(root, "Sing")
    assert (said.text, said.thread_ts) == ("Sing a song", root.ts)
    await client.chat_postMessage(channel=ada.direct.id, thread_ts=root.ts, text="la")
    assert "thinking" not in ada.direct.transcript(ada)


async def test_two_workspaces_share_nothing(birds: Birds) -> None:
    fish = birds.world.team("Fish", token="xoxb-fish")
    reef = fish.channel("reef")
    with pytest.raises(SlackApiError, match="channel_not_found"):
        await birds.client().chat_postMessage(channel=reef.id, text="hello")
    await birds.client(fish.token).chat_postMessage(channel=reef.id, text="hello")
    assert reef.of(fish.bot)[0].text == "hello"
    assert (await birds.client(fish.token).auth_test())["team_id"] == fish.id
