"""Commands, buttons, forms, shortcuts and the app's home, with the real slack-bolt."""

from __future__ import annotations

from typing import Any

import pytest
from slack_sdk.errors import SlackApiError

from tests.servers.slack import NotPossible
from tests.servers.slack.stand_in import Birds
from tests.servers.slack.test_talk import FEEDBACK, ignore


def text(words: str) -> dict[str, Any]:
    """A text object."""
    return {"type": "plain_text", "text": words}


FORM: dict[str, Any] = {
    "type": "modal",
    "callback_id": "why",
    "notify_on_close": True,
    "title": text("Why?"),
    "submit": text("Send"),
    "blocks": [
        {
            "type": "input",
            "block_id": "comment",
            "label": text("Comment"),
            "element": {"type": "plain_text_input", "action_id": "said", "max_length": 20},
        },
        {
            "type": "input",
            "block_id": "reason",
            "optional": True,
            "label": text("Reason"),
            "element": {
                "type": "static_select",
                "action_id": "chosen",
                "options": [{"text": text("Too long"), "value": "long"}],
            },
        },
    ],
}


@pytest.fixture(params=["socket", "http"])
async def forms(request: pytest.FixtureRequest, birds: Birds) -> tuple[Birds, list[Any]]:
    """An app with a command, a form and a home, over both transports."""
    app, heard = birds.app(), list[Any]()

    async def command(ack: Any, respond: Any, body: Any, client: Any) -> None:
        if body["text"] == "form":
            await ack()
            await client.views_open(trigger_id=body["trigger_id"], view=FORM)
        else:
            await ack(f"you said {body['text']}")
            await respond("later")

    async def submitted(ack: Any, view: Any) -> None:
        values = view["state"]["values"]
        if values["comment"]["said"]["value"] == "bad":
            await ack(response_action="errors", errors={"comment": "be kind"})
            return
        await ack()
        heard.append((values["comment"]["said"]["value"], values["reason"]["chosen"]["selected_option"]))

    async def closed(ack: Any) -> None:
        await ack()
        heard.append("closed")

    async def teach(ack: Any, respond: Any, shortcut: Any) -> None:
        await ack()
        await respond(f"taught {shortcut['message']['text']}")

    async def home(event: Any, client: Any) -> None:
        blocks = [{"type": "header", "text": text("Hello")}, *[one | {"type": "actions"} for one in BUTTONS]]
        await client.views_publish(user_id=event["user"], view={"type": "home", "blocks": blocks})

    async def pressed(ack: Any, respond: Any, body: Any) -> None:
        await ack()
        heard.append(body["actions"][0]["action_id"])
        if "response_url" in body:
            await respond(text="thanks", replace_original=True)

    app.command("/understudy")(command)
    app.view("why")(submitted)
    app.view_closed("why")(closed)
    app.shortcut("teach")(teach)
    app.event("app_home_opened")(home)
    app.event("message")(ignore)
    app.action("go")(pressed)
    if request.param == "socket":
        await birds.connect(app)
    else:
        await birds.serve(app)
    return birds, heard


BUTTONS: list[dict[str, Any]] = [
    {"elements": [{"type": "button", "action_id": "go", "text": text("Go"), "value": "1"}]}
]

Forms = tuple[Birds, list[Any]]


async def test_a_command_is_answered_at_once_and_later(forms: Forms) -> None:
    birds, _ = forms
    asked = await birds.ada.slash("/understudy", "hi", birds.general)
    await birds.world.until(lambda: len(asked.replies) == 2)
    assert sorted(one.shown for one in asked.replies) == ["later", "you said hi"]
    assert "(APP, only Ada sees this): later" in birds.general.transcript()
    assert "later" not in birds.general.transcript(birds.team.owner)
    used = await birds.ada.slash("/other", "hi", birds.general)
    assert used.failure


async def test_a_form_says_what_is_wrong_and_is_sent(forms: Forms) -> None:
    birds, heard = forms
    asked = await birds.ada.slash("/understudy", "form", birds.general)
    await birds.world.until(lambda: asked.modal)
    form = asked.modal
    assert form is not None
    assert form.shown == "== Why? ==\nComment: […]\nReason (optional): [… ▾]\n[Send]"
    with pytest.raises(NotPossible, match="filled in"):
        await birds.ada.submits(form, {})
    with pytest.raises(NotPossible, match="characters"):
        await birds.ada.submits(form, {"Comment": "x" * 21})
    wrong = await birds.ada.submits(form, {"Comment": "bad"})
    assert wrong.errors == {"comment": "be kind"}
    assert "! comment: be kind" in form.shown
    sent = await birds.ada.submits(form, {"comment/said": "good", "Reason": "Too long"})
    assert not sent.failure
    assert form.closed
    assert heard[0][0] == "good"
    assert heard[0][1]["value"] == "long"
    again = await birds.ada.slash("/understudy", "form", birds.general)
    await birds.world.until(lambda: again.modal)
    assert again.modal is not None
    await birds.ada.closes(again.modal)
    await birds.world.until(lambda: "closed" in heard)


async def test_shortcuts_buttons_and_home(forms: Forms) -> None:
    birds, heard = forms
    birds.world.shortcuts = {"Teach": "teach"}
    said = await birds.ada.says(birds.general, "tweet")
    taught = await birds.ada.shortcut("Teach", said)
    await birds.world.until(lambda: taught.replies)
    assert taught.text == "taught tweet"
    await birds.ada.opens_home()
    await birds.world.until(lambda: birds.ada.home)
    assert birds.world.home_of(birds.ada) == "# Hello\n[Go]"
    assert birds.ada.home is not None
    await birds.ada.clicks(birds.ada.home, "Go")
    await birds.world.until(lambda: heard)
    blocks = [one | {"type": "actions"} for one in BUTTONS]
    await birds.client().chat_postMessage(channel=birds.general.id, text="press", blocks=blocks)
    [message] = [one for one in birds.general.of(birds.world.bot) if one.ephemeral_for is None]
    await birds.ada.clicks(message, "go")
    await birds.world.until(lambda: message.shown == "thanks")


@pytest.mark.parametrize(
    ("blocks", "reason"),
    [
        ([{"type": "section", "text": {"type": "mrkdwn", "text": "x" * 3001}}], "less than 3001"),
        ([{"type": "divider"}] * 51, "no more than 50"),
        ([{"type": "markdown", "text": "x" * 7000}] * 2, "all markdown blocks"),
        ([{"type": "actions", "elements": FEEDBACK[0]["elements"]}], "unsupported type"),
        ([{"type": "divider", "block_id": "x" * 256}], "less than 256"),
    ],
)
async def test_blocks_have_limits(birds: Birds, blocks: list[Any], reason: str) -> None:
    with pytest.raises(SlackApiError, match="invalid_blocks") as refused:
        await birds.client().chat_postMessage(channel=birds.general.id, text="x", blocks=blocks)
    assert reason in refused.value.response["errors"][0]


async def test_a_trigger_opens_one_form_only(birds: Birds) -> None:
    asked = await birds.ada.slash("/understudy", "x", birds.general)
    assert asked.failure == "dispatch_failed"  # nobody is connected
    client = birds.client()
    with pytest.raises(SlackApiError, match="invalid_arguments"):
        await client.views_open(trigger_id=asked.trigger_id, view=FORM | {"title": text("x" * 25)})
    await client.views_open(trigger_id=asked.trigger_id, view=FORM)
    with pytest.raises(SlackApiError, match="exchanged_trigger_id"):
        await client.views_open(trigger_id=asked.trigger_id, view=FORM)
