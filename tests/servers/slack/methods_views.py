"""views.*: forms and the app's home."""

from __future__ import annotations

import time

from tests.servers.slack.api import Call, method
from tests.servers.slack.blocks import checked_view
from tests.servers.slack.errors import Refused
from tests.servers.slack.ids import Json
from tests.servers.slack.interactions import Interaction
from tests.servers.slack.people import Member
from tests.servers.slack.views import View

DEEPEST = 3


@method("views.open")
def opened(call: Call) -> Json:
    """Open a form for whoever just did something."""
    asked = _triggered(call)
    body = checked_view(call.json("view"), call.world.ids, ("modal",))
    return _show(call, asked, body, None)


@method("views.push")
def pushed(call: Call) -> Json:
    """Open a form above the one that is open."""
    asked = _triggered(call)
    open_now = [one for one in call.world.views.values() if one.person is asked.person and not one.closed]
    if not open_now:
        raise Refused("not_found")
    if len(open_now) >= DEEPEST:
        raise Refused("push_limit_reached")
    body = checked_view(call.json("view"), call.world.ids, ("modal",))
    return _show(call, asked, body, open_now[-1])


@method("views.update")
def updated(call: Call) -> Json:
    """Change a form that is open."""
    key, name = call.text("view_id"), call.text("external_id")
    known = (
        one
        for one in call.world.views.values()
        if one.id == key or (name and name == one.body.get("external_id"))
    )
    view = next(known, None)
    if view is None or view.closed or view.team is not call.team:
        raise Refused("not_found")
    if call.text("hash") not in ("", view.hash):
        raise Refused("hash_conflict")
    change(view, checked_view(call.json("view"), call.world.ids, ("modal",)))
    return {"view": view.json()}


@method("views.publish")
def published(call: Call) -> Json:
    """Show somebody the app's home."""
    person = call.user("user_id", "not_found")
    assert isinstance(person, Member)
    body = checked_view(call.json("view"), call.world.ids, ("home",))
    view = call.world.homes.get(person.id)
    if view is None:
        view = View(call.world.ids("V"), call.team, person, body, call.world.times())
        call.world.homes[person.id] = view
    elif call.text("hash") not in ("", view.hash):
        raise Refused("hash_conflict")
    change(view, body)
    return {"view": view.json()}


def change(view: View, body: Json) -> None:
    """Show something else in a view."""
    view.body = body
    view.errors = {}
    view.revisions += 1
    view.hash = view.team.world.times()


def _triggered(call: Call) -> Interaction:
    key = call.text("trigger_id")
    asked = call.world.triggers.get(key)
    if asked is None or asked.person.team is not call.team:
        raise Refused("invalid_trigger_id")
    if asked.trigger_used:
        raise Refused("exchanged_trigger_id")
    if time.monotonic() - asked.began > call.world.trigger_lives_s:
        raise Refused("expired_trigger_id")
    return asked


def _show(call: Call, asked: Interaction, body: Json, previous: View | None) -> Json:
    asked.trigger_used = True
    world = call.world
    view = View(world.ids("V"), call.team, asked.person, body, world.times(), previous)
    world.views[view.id] = view
    asked.views.append(view)
    return {"view": view.json()}
