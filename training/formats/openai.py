"""OpenAI's lines for supervised tuning and for DPO; docs/formats.md lists each rule with where it is from.

Sources:

- the schemas ``FineTuneChatRequestInput``, ``FineTunePreferenceRequestInput`` and the messages they name in
  ``openapi.yaml`` of https://github.com/openai/openai-openapi, branch manual_spec (2025-04-29; later ones leave them out):
  roles, keys, ``weight`` 0 or 1, one message per output; ``POST /files`` there: .jsonl, 512 MB;
- https://developers.openai.com/api/docs/guides/supervised-fine-tuning: at least 10 examples;
- https://developers.openai.com/api/docs/guides/direct-preference-optimization: the names of the outputs (the schema has
  older ones), text only, the outputs are the last message of the assistant;
- https://github.com/openai/openai-cookbook/blob/main/examples/Chat_finetuning_data_prep.ipynb: content in every message,
  an assistant message in every example;
- https://community.openai.com/t/884424, which quotes the guide's table: 65,536 tokens an example;
- https://community.openai.com/t/965584, an error of the file check: what a tool answers is text, not parts.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final, cast

from training.formats.base import Found, Limits, as_list, as_object, as_text, join, keys, kind, make_row
from training.rows import Row

LIMITS: Final = Limits(min_examples=10, tokens_per_example=65_536, file_bytes=512 * 1024 * 1024)

_ROLES: Final = ("system", "developer", "user", "assistant", "tool", "function")
_PLAIN: Final = ("system", "user", "assistant")
_KEYS: Final = {
    "assistant": ("content", "name", "weight", "tool_calls", "function_call", "refusal"),
    "tool": ("content", "tool_call_id"),
    "function": ("content", "name"),
}
_CALLS: Final = ("tool_calls", "function_call", "refusal")
_MOST_FUNCTIONS: Final = 128


def write_sft(row: Row) -> object:
    """The line's object. Earlier replies get weight 0: the row says nothing of whether they are worth imitating.

    The last one has its weight too, though 1 is what it would be without: libraries that take the columns of a file
    from its first lines then find the same in each.
    """
    messages: list[dict[str, object]] = []
    for turn in row.prompt:
        message: dict[str, object] = {"role": turn.role, "content": turn.text}
        if turn.role == "assistant":
            message["weight"] = 0
        messages.append(message)
    messages.append({"role": "assistant", "content": row.reply, "weight": 1})
    return {"messages": messages}


def write_dpo(row: Row) -> object:
    """The line's object."""
    return {
        "input": {"messages": [{"role": turn.role, "content": turn.text} for turn in row.prompt]},
        "preferred_output": [{"role": "assistant", "content": row.reply}],
        "non_preferred_output": [{"role": "assistant", "content": row.rejected}],
    }


def read_sft(line: Mapping[str, object], found: Found) -> None:
    """Find what is in a line for supervised tuning."""
    keys(line, "", found, ("messages",), ("tools", "parallel_tool_calls", "functions"))
    _tools(line, "", found)
    messages = as_list(line["messages"], "messages", found, "messages") if "messages" in line else None
    if messages is None:
        return
    turns = [_message(each, f"messages[{at}]", found, pictures=True) for at, each in enumerate(messages)]
    roles = [role for role, _ in turns]
    if roles[-1] not in ("assistant", ""):
        found.error(f"messages[{len(turns) - 1}].role", "the last message must be from the assistant")
    if "user" not in roles and "" not in roles:
        found.warn("messages", "no message is from the user: the model learns to speak unasked")
    weights = [
        cast(dict[str, object], each).get("weight", 1)
        for each, role in zip(messages, roles, strict=True)
        if role == "assistant"
    ]
    if weights and not any(weights):
        found.error("messages", "every assistant message has weight 0, so there is nothing to learn")
    elif weights and weights[-1] == 0:
        found.foreign = found.foreign or "the last reply has weight 0"
    found.texts = [text for _, text in turns[:-1]]
    found.replies = [turns[-1][1]]
    make_row(turns[:-1], turns[-1][1], found)


def read_dpo(line: Mapping[str, object], found: Found) -> None:
    """Find what is in a line for DPO. Weights in the prompt change nothing there and are not kept."""
    keys(line, "", found, ("input", "preferred_output", "non_preferred_output"))
    turns: list[tuple[str, str]] = []
    given = as_object(line["input"], "input", found) if "input" in line else None
    if given is not None:
        keys(given, "input", found, ("messages",), ("tools", "parallel_tool_calls"))
        _tools(given, "input", found)
        if "messages" in given:
            messages = as_list(given["messages"], "input.messages", found, "messages") or []
            turns = [
                _message(each, f"input.messages[{at}]", found, pictures=False)
                for at, each in enumerate(messages)
            ]
    if turns and turns[-1][0] in ("assistant", "system", "developer"):
        at = f"input.messages[{len(turns) - 1}].role"
        found.warn(at, "the prompt should end with the user: the outputs are the assistant's last message")
    chosen = _output(line, "preferred_output", found)
    rejected = _output(line, "non_preferred_output", found)
    if chosen and chosen == rejected and not found.foreign:
        found.error("non_preferred_output", "the same text as preferred_output, so nothing is preferred")
    found.texts = [text for _, text in turns]
    found.replies = [text for text in (chosen, rejected) if text is not None]
    make_row(turns, chosen or "", found, rejected=rejected)


def _output(line: Mapping[str, object], name: str, found: Found) -> str | None:
    if name not in line:
        return None
    messages = as_list(line[name], name, found, "messages")
    if messages is None:
        return None
    if len(messages) != 1:
        found.error(name, f"{len(messages)} messages where exactly one is allowed")
    role, text = _message(messages[0], f"{name}[0]", found, pictures=False)
    if role and role != "assistant":
        found.error(f"{name}[0].role", "an output must be from the assistant")
    if isinstance(messages[0], dict) and "weight" in messages[0]:
        found.error(f"{name}[0].weight", "an output has no weight: remove it")
    return text


def _tools(line: Mapping[str, object], at: str, found: Found) -> None:
    for name in ("tools", "functions"):
        if name not in line:
            continue
        tools = line[name]
        if not isinstance(tools, list):
            found.error(join(at, name), f"{kind(tools)} where a list is needed")
            continue
        for number, each in enumerate(cast(list[object], tools)):
            _tool(each, f"{join(at, name)}[{number}]", found, bare=name == "functions")
        if name == "functions" and not 1 <= len(tools) <= _MOST_FUNCTIONS:
            found.error(join(at, name), f"{len(tools)} functions where 1 to {_MOST_FUNCTIONS} are allowed")
        if tools:
            found.foreign = "tools"
    if "parallel_tool_calls" in line and not isinstance(line["parallel_tool_calls"], bool):
        said = f"{kind(line['parallel_tool_calls'])} where true or false is needed"
        found.error(join(at, "parallel_tool_calls"), said)


def _tool(value: object, at: str, found: Found, *, bare: bool) -> None:
    """A function that can be called; in ``functions`` it stands bare."""
    tool = as_object(value, at, found)
    if tool is None or (not bare and not keys(tool, at, found, ("type", "function"))):
        return
    if not bare and tool["type"] != "function":
        found.error(join(at, "type"), 'the type of a tool is "function"')
    here = at if bare else join(at, "function")
    function = tool if bare else as_object(tool["function"], here, found)
    if function is not None and keys(
        function, here, found, ("name",), ("description", "parameters", "strict")
    ):
        as_text(function["name"], join(here, "name"), found)


def _message(value: object, at: str, found: Found, *, pictures: bool) -> tuple[str, str]:
    """The role and the text of a message; an empty role where it has no good one."""
    message = as_object(value, at, found)
    if message is None:
        return "", ""
    if (plain := _plain(message)) is not None:
        return plain
    role = message.get("role")
    if not isinstance(role, str) or role not in _ROLES:
        said = (
            "this key is missing"
            if "role" not in message
            else f"unknown role; allowed are {', '.join(_ROLES)}"
        )
        found.error(join(at, "role"), said)
        return "", ""
    calls = [name for name in _CALLS if message.get(name)] if role == "assistant" else []
    needed: tuple[str, ...] = ("role",) if calls else ("role", "content")
    if role == "function":
        needed = (*needed, "name")
    keys(message, at, found, needed, (*_KEYS.get(role, ("name",)), "weight"))
    if role in ("tool", "function") or calls:
        found.foreign = "a call of a tool" if calls != ["refusal"] else "a refusal"
    elif role == "developer" or "name" in message:
        found.foreign = "a developer message" if role == "developer" else "a message with a name"
    if role == "developer":
        found.warn(join(at, "role"), "OpenAI's schema of tuning files has system, not developer")
    _details(message, role, at, found)
    if "content" not in message or (message["content"] is None and (calls or role == "function")):
        return role, ""
    empty = bool(calls) or role in ("tool", "function")
    if role in ("tool", "function"):
        return role, as_text(message["content"], join(at, "content"), found, empty=True) or ""
    return role, _content(
        message["content"], join(at, "content"), role, found, pictures=pictures, empty=empty
    )


def _plain(message: Mapping[str, object]) -> tuple[str, str] | None:
    """The role and the text of a message that has just these, as nearly all have: there is nothing to find in it."""
    role, content = message.get("role"), message.get("content")
    if role not in _PLAIN or not isinstance(content, str) or not content.strip():
        return None
    weighed = role == "assistant" and type(message.get("weight")) is int and message["weight"] in (0, 1)
    return (cast(str, role), content) if len(message) == 2 + weighed else None


def _details(message: Mapping[str, object], role: str, at: str, found: Found) -> None:
    """What a message has beside its content."""
    if "weight" in message:
        weight = message["weight"]
        if role != "assistant":
            found.error(join(at, "weight"), "only messages of the assistant have a weight")
        elif isinstance(weight, bool) or weight not in (0, 1):
            found.error(join(at, "weight"), "a weight is 0 or 1")
    if "name" in message:
        as_text(message["name"], join(at, "name"), found)
    if role == "tool" and not isinstance(message.get("tool_call_id"), str):
        found.error(join(at, "tool_call_id"), "a tool message names the call that it answers, as text")
    if role == "assistant":
        if message.get("refusal") is not None:
            as_text(message["refusal"], join(at, "refusal"), found)
        if message.get("function_call") is not None:
            _function(message["function_call"], join(at, "function_call"), found)
        if message.get("tool_calls") is not None:
            for number, each in enumerate(
                as_list(message["tool_calls"], join(at, "tool_calls"), found) or []
            ):
                here = f"{join(at, 'tool_calls')}[{number}]"
                call = as_object(each, here, found)
                if call is not None and keys(call, here, found, ("id", "type", "function")):
                    as_text(call["id"], join(here, "id"), found)
                    if call["type"] != "function":
                        found.error(join(here, "type"), 'the type of a call is "function"')
                    _function(call["function"], join(here, "function"), found)


def _function(value: object, at: str, found: Found) -> None:
    function = as_object(value, at, found)
    if function is not None and keys(function, at, found, ("name", "arguments")):
        as_text(function["name"], join(at, "name"), found)
        as_text(function["arguments"], join(at, "arguments"), found, empty=True)


def _content(value: object, at: str, role: str, found: Found, *, pictures: bool, empty: bool) -> str:
    if not isinstance(value, list):
        return as_text(value, at, found, empty=empty) or ""
    texts: list[str] = []
    only_text = True
    allowed = ["text"]
    if role == "user" and pictures:
        allowed.append("image_url")
    if role == "assistant":
        allowed.append("refusal")
    for number, each in enumerate(as_list(cast(list[object], value), at, found) or []):
        here = f"{at}[{number}]"
        part = as_object(each, here, found)
        if part is None or not keys(part, here, found, ("type",), ("text", "image_url", "refusal")):
            only_text = False
        elif part["type"] not in allowed:
            only_text = False
            found.error(join(here, "type"), f"a part of this message is {' or '.join(allowed)}")
        elif part["type"] == "text":
            if keys(part, here, found, ("type", "text")):
                texts.append(as_text(part["text"], join(here, "text"), found, empty=True) or "")
        else:
            only_text = False
            keys(part, here, found, ("type", str(part["type"])))
            found.foreign = "a part that is not text"
    text = "".join(texts)
    if value and only_text and not empty and not text.strip():
        found.error(at, "empty text")
    return text
