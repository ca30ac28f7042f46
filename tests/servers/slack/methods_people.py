"""auth, users, user groups, teams, bots: who is who, and the app's connection."""

from __future__ import annotations

from tests.servers.slack.api import Call, method
from tests.servers.slack.errors import Refused
from tests.servers.slack.ids import Json


@method("api.test")
def api_test(call: Call) -> Json:
    """Whether anybody is there."""
    return {"args": call.arguments}


@method("auth.test")
def auth_test(call: Call) -> Json:
    """Whose token it is."""
    team = call.team
    return {
        "url": f"https://{team.domain}.slack.com/",
        "team": team.name,
        "user": team.bot.name.lower(),
        "team_id": team.id,
        "user_id": team.bot.id,
        "bot_id": team.bot.bot_id,
        "is_enterprise_install": False,
    }


@method("apps.connections.open")
def connections_open(call: Call) -> Json:
    """Where to connect to."""
    return {"url": call.world.sockets.url()}


@method("oauth.v2.access")
def access(call: Call) -> Json:
    """A token for the code that an installation brought."""
    world = call.world
    if call.text("client_id") not in ("", world.client_id):
        raise Refused("invalid_client_id")
    team = world.teams.get(world.codes.pop(call.text("code"), ""))
    if team is None:
        raise Refused("invalid_code")
    return {
        "access_token": team.token,
        "token_type": "bot",
        "scope": ",".join(sorted(world.scopes)),
        "bot_user_id": team.bot.id,
        "app_id": world.app_id,
        "team": {"name": team.name, "id": team.id},
        "enterprise": None,
        "is_enterprise_install": False,
        "authed_user": {"id": team.owner.id},
    }


@method("users.info")
def user(call: Call) -> Json:
    """Who somebody is."""
    return {"user": call.user().json()}


@method("users.list")
def users(call: Call) -> Json:
    """Everybody."""
    page, after = call.page(list(call.team.users.values()))
    return {"members": [one.json() for one in page], "cache_ts": 1700000000, "response_metadata": after}


@method("users.getPresence")
def presence(call: Call) -> Json:
    """Whether somebody is there."""
    return {"presence": call.user().presence}


@method("bots.info")
def bot(call: Call) -> Json:
    """Which app a bot belongs to."""
    for one in call.team.users.values():
        if one.is_bot and one.bot_id == call.text("bot"):
            known = one.bot_profile()
            return {"bot": {key: value for key, value in known.items() if key != "team_id"}}
    raise Refused("bot_not_found")


@method("usergroups.list")
def groups(call: Call) -> Json:
    """The user groups."""
    include = call.flag("include_users")
    return {"usergroups": [one.json(include_users=include) for one in call.team.groups.values()]}


@method("usergroups.users.list")
def group_users(call: Call) -> Json:
    """Who is in a user group."""
    group = call.team.groups.get(call.text("usergroup"))
    if group is None:
        raise Refused("no_such_subteam")
    return {"users": [one.id for one in group.users]}


@method("team.info")
def team(call: Call) -> Json:
    """What the workspace is called."""
    icon = {"image_default": True}
    made: Json = {"id": call.team.id, "name": call.team.name, "domain": call.team.domain, "icon": icon}
    return {"team": made | {"email_domain": ""}}
