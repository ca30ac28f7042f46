"""What each validator says of a broken file: the line, the field and the sentence. docs/formats.md lists the rules."""

from __future__ import annotations

import io
import json
from typing import Any

import pytest

from training import tokens
from training.formats import (
    FORMATS,
    Checked,
    Limits,
    Unfit,
    file_name,
    parse,
    registry,
    render,
    validate,
    verdict,
)
from training.formats import google as google_module
from training.formats import openai as openai_module
from training.rows import Row, Split, Turn

USER = {"role": "user", "content": "hello"}
SYSTEM = {"role": "system", "content": "be kind"}
ASSISTANT = {"role": "assistant", "content": "hi"}
G_USER = {"role": "user", "parts": [{"text": "hello"}]}
G_MODEL = {"role": "model", "parts": [{"text": "hi"}]}
ROLES = "system, developer, user, assistant, tool, function"
TOOL = {"type": "function", "function": {"name": "f", "parameters": {}}}
CALL = {"id": "c", "type": "function", "function": {"name": "f", "arguments": "{}"}}


def messages(*said: Any, **more: Any) -> dict[str, Any]:
    return {"messages": list(said), **more}


def assistant(**more: Any) -> dict[str, Any]:
    return {**ASSISTANT, **more}


def openai_dpo(**more: Any) -> dict[str, Any]:
    """A good line, but for what is given; ``None`` leaves a key out."""
    line = {
        "input": {"messages": [USER]},
        "preferred_output": [ASSISTANT],
        "non_preferred_output": [{"role": "assistant", "content": "no"}],
        **more,
    }
    return {key: value for key, value in line.items() if value is not None}


def contents(*said: Any, **more: Any) -> dict[str, Any]:
    return {"contents": list(said), **more}


def scored(score: Any, text: Any = "hi", **more: Any) -> dict[str, Any]:
    return {"score": score, "completion": {"role": "model", "parts": [{"text": text}], **more}}


def google_preference(**more: Any) -> dict[str, Any]:
    line = {"contents": [G_USER], "completions": [scored(1), scored(0, "no")], **more}
    return {key: value for key, value in line.items() if value is not None}


def trl(**more: Any) -> dict[str, Any]:
    line = {"prompt": [USER], "completion": [ASSISTANT], **more}
    return {key: value for key, value in line.items() if value is not None}


def trl_dpo(**more: Any) -> dict[str, Any]:
    return trl(
        **{
            "completion": None,
            "chosen": [ASSISTANT],
            "rejected": [{"role": "assistant", "content": "no"}],
            **more,
        }
    )


def alpaca(**more: Any) -> dict[str, Any]:
    line = {"instruction": "ask", "input": "", "output": "answer", **more}
    return {key: value for key, value in line.items() if value is not None}


GOOD: dict[str, dict[str, Any]] = {
    "openai-sft": messages(SYSTEM, USER, ASSISTANT),
    "openai-dpo": openai_dpo(),
    "google-sft": contents(G_USER, G_MODEL),
    "google-preference": google_preference(),
    "trl-sft": trl(),
    "trl-dpo": trl_dpo(),
    "trl-kto": trl(label=True),
    "alpaca": alpaca(),
}

ERRORS: dict[str, list[tuple[Any, str, str]]] = {
    "openai-sft": [
        ({}, "messages", "this key is missing"),
        (messages(), "messages", "an empty list where at least one is needed"),
        ({"messages": "hello"}, "messages", "text where a list of messages is needed"),
        (
            messages(USER, ASSISTANT, extra=1),
            "extra",
            "unknown key; allowed here: messages, tools, parallel_tool_calls, functions",
        ),
        (messages("hello", ASSISTANT), "messages[0]", "text where an object is needed"),
        (messages({"content": "hello"}, ASSISTANT), "messages[0].role", "this key is missing"),
        (
            messages({"role": "bot", "content": "hello"}, ASSISTANT),
            "messages[0].role",
            f"unknown role; allowed are {ROLES}",
        ),
        (
            messages({"role": 7, "content": "hello"}, ASSISTANT),
            "messages[0].role",
            f"unknown role; allowed are {ROLES}",
        ),
        (messages(USER), "messages[0].role", "the last message must be from the assistant"),
        (messages(ASSISTANT, USER), "messages[1].role", "the last message must be from the assistant"),
        (messages(SYSTEM), "messages[0].role", "the last message must be from the assistant"),
        (messages(USER, {"role": "assistant"}), "messages[1].content", "this key is missing"),
        (messages(USER, assistant(content=None)), "messages[1].content", "null where text is needed"),
        (messages(USER, assistant(content=" ")), "messages[1].content", "empty text"),
        (
            messages({"role": "user", "content": 5}, ASSISTANT),
            "messages[0].content",
            "a number where text is needed",
        ),
        (
            messages({**USER, "foo": 1}, ASSISTANT),
            "messages[0].foo",
            "unknown key; allowed here: role, content, name, weight",
        ),
        (messages({**USER, "name": 1}, ASSISTANT), "messages[0].name", "a number where text is needed"),
        (
            messages({**USER, "weight": 1}, ASSISTANT),
            "messages[0].weight",
            "only messages of the assistant have a weight",
        ),
        (messages(USER, assistant(weight=2)), "messages[1].weight", "a weight is 0 or 1"),
        (messages(USER, assistant(weight=True)), "messages[1].weight", "a weight is 0 or 1"),
        (messages(USER, assistant(weight="1")), "messages[1].weight", "a weight is 0 or 1"),
        (
            messages(USER, assistant(weight=0)),
            "messages",
            "every assistant message has weight 0, so there is nothing to learn",
        ),
        (
            messages({"role": "user", "content": []}, ASSISTANT),
            "messages[0].content",
            "an empty list where at least one is needed",
        ),
        (
            messages({"role": "user", "content": ["a"]}, ASSISTANT),
            "messages[0].content[0]",
            "text where an object is needed",
        ),
        (
            messages({"role": "user", "content": [{"text": "a"}]}, ASSISTANT),
            "messages[0].content[0].type",
            "this key is missing",
        ),
        (
            messages({"role": "user", "content": [{"type": "input_audio"}]}, ASSISTANT),
            "messages[0].content[0].type",
            "a part of this message is text or image_url",
        ),
        (
            messages(USER, assistant(content=[{"type": "image_url", "image_url": {}}])),
            "messages[1].content[0].type",
            "a part of this message is text or refusal",
        ),
        (
            messages({"role": "user", "content": [{"type": "text"}]}, ASSISTANT),
            "messages[0].content[0].text",
            "this key is missing",
        ),
        (
            messages({"role": "user", "content": [{"type": "text", "text": 1}]}, ASSISTANT),
            "messages[0].content[0].text",
            "a number where text is needed",
        ),
        (
            messages({"role": "user", "content": [{"type": "text", "text": " "}]}, ASSISTANT),
            "messages[0].content",
            "empty text",
        ),
        (
            messages({"role": "user", "content": [{"type": "image_url"}]}, ASSISTANT),
            "messages[0].content[0].image_url",
            "this key is missing",
        ),
        (
            messages(USER, {"role": "tool", "content": "1"}, ASSISTANT),
            "messages[1].tool_call_id",
            "a tool message names the call that it answers, as text",
        ),
        (
            messages(
                USER,
                {"role": "tool", "tool_call_id": "c", "content": [{"type": "text", "text": "1"}]},
                ASSISTANT,
            ),
            "messages[1].content",
            "a list where text is needed",
        ),
        (
            messages(USER, {"role": "function", "content": "1"}, ASSISTANT),
            "messages[1].name",
            "this key is missing",
        ),
        (
            messages(USER, {"role": "assistant", "tool_calls": "f"}),
            "messages[1].tool_calls",
            "text where a list is needed",
        ),
        (
            messages(USER, {"role": "assistant", "tool_calls": [{**CALL, "type": "x"}]}),
            "messages[1].tool_calls[0].type",
            'the type of a call is "function"',
        ),
        (
            messages(USER, {"role": "assistant", "tool_calls": [{"type": "function", "function": {}}]}),
            "messages[1].tool_calls[0].id",
            "this key is missing",
        ),
        (
            messages(
                USER,
                {"role": "assistant", "tool_calls": [{**CALL, "function": {"name": "f", "arguments": {}}}]},
            ),
            "messages[1].tool_calls[0].function.arguments",
            "an object where text is needed",
        ),
        (
            messages(USER, {"role": "assistant", "function_call": {"name": "f"}}),
            "messages[1].function_call.arguments",
            "this key is missing",
        ),
        (messages(USER, assistant(refusal=1)), "messages[1].refusal", "a number where text is needed"),
        (messages(USER, ASSISTANT, tools={}), "tools", "an object where a list is needed"),
        (messages(USER, ASSISTANT, tools=["f"]), "tools[0]", "text where an object is needed"),
        (messages(USER, ASSISTANT, tools=[{}]), "tools[0].function", "this key is missing"),
        (
            messages(USER, ASSISTANT, tools=[{**TOOL, "type": "x"}]),
            "tools[0].type",
            'the type of a tool is "function"',
        ),
        (
            messages(USER, ASSISTANT, tools=[{"type": "function", "function": {}}]),
            "tools[0].function.name",
            "this key is missing",
        ),
        (
            messages(USER, ASSISTANT, functions=[{"name": 1}]),
            "functions[0].name",
            "a number where text is needed",
        ),
        (messages(USER, ASSISTANT, functions=[]), "functions", "0 functions where 1 to 128 are allowed"),
        (
            messages(USER, ASSISTANT, functions=[{"name": "f"}] * 129),
            "functions",
            "129 functions where 1 to 128 are allowed",
        ),
        (
            messages(USER, ASSISTANT, parallel_tool_calls="no"),
            "parallel_tool_calls",
            "text where true or false is needed",
        ),
    ],
    "openai-dpo": [
        (openai_dpo(input=None), "input", "this key is missing"),
        (openai_dpo(input=[]), "input", "a list where an object is needed"),
        (openai_dpo(input={}), "input.messages", "this key is missing"),
        (openai_dpo(input={"messages": []}), "input.messages", "an empty list where at least one is needed"),
        (
            openai_dpo(input=messages(USER, more=1)),
            "input.more",
            "unknown key; allowed here: messages, tools, parallel_tool_calls",
        ),
        (openai_dpo(input=messages(USER, tools=1)), "input.tools", "a number where a list is needed"),
        (
            openai_dpo(input=messages({"role": "x", "content": "a"})),
            "input.messages[0].role",
            f"unknown role; allowed are {ROLES}",
        ),
        (
            openai_dpo(input=messages({"role": "user", "content": [{"type": "image_url", "image_url": {}}]})),
            "input.messages[0].content[0].type",
            "a part of this message is text",
        ),
        (openai_dpo(preferred_output=None), "preferred_output", "this key is missing"),
        (openai_dpo(non_preferred_output=None), "non_preferred_output", "this key is missing"),
        (
            openai_dpo(preferred_completion=[ASSISTANT]),
            "preferred_completion",
            "unknown key; allowed here: input, preferred_output, non_preferred_output",
        ),
        (openai_dpo(preferred_output=[]), "preferred_output", "an empty list where at least one is needed"),
        (
            openai_dpo(preferred_output=ASSISTANT),
            "preferred_output",
            "an object where a list of messages is needed",
        ),
        (
            openai_dpo(preferred_output=[ASSISTANT] * 2),
            "preferred_output",
            "2 messages where exactly one is allowed",
        ),
        (
            openai_dpo(non_preferred_output=[ASSISTANT] * 3),
            "non_preferred_output",
            "3 messages where exactly one is allowed",
        ),
        (
            openai_dpo(preferred_output=[USER]),
            "preferred_output[0].role",
            "an output must be from the assistant",
        ),
        (
            openai_dpo(non_preferred_output=[USER]),
            "non_preferred_output[0].role",
            "an output must be from the assistant",
        ),
        (openai_dpo(preferred_output=[assistant(content="")]), "preferred_output[0].content", "empty text"),
        (
            openai_dpo(preferred_output=[assistant(weight=1)]),
            "preferred_output[0].weight",
            "an output has no weight: remove it",
        ),
        (
            openai_dpo(non_preferred_output=[ASSISTANT]),
            "non_preferred_output",
            "the same text as preferred_output, so nothing is preferred",
        ),
    ],
    "google-sft": [
        ({}, "contents", "this key is missing"),
        (contents(), "contents", "an empty list where at least one is needed"),
        ({"contents": G_USER}, "contents", "an object where a list of contents is needed"),
        (
            contents(G_USER, G_MODEL, messages=[]),
            "messages",
            "unknown key; allowed here: contents, systemInstruction, system_instruction, tools, toolConfig, labels",
        ),
        (contents("a", G_MODEL), "contents[0]", "text where an object is needed"),
        (contents({"parts": [{"text": "a"}]}, G_MODEL), "contents[0].role", "this key is missing"),
        (
            contents({**G_USER, "role": "assistant"}, G_MODEL),
            "contents[0].role",
            'unknown role; allowed are "user" and "model"',
        ),
        (contents({**G_USER, "x": 1}, G_MODEL), "contents[0].x", "unknown key; allowed here: role, parts"),
        (contents({"role": "user"}, G_MODEL), "contents[0].parts", "this key is missing"),
        (
            contents({"role": "user", "parts": []}, G_MODEL),
            "contents[0].parts",
            "an empty list where at least one is needed",
        ),
        (
            contents({"role": "user", "parts": "a"}, G_MODEL),
            "contents[0].parts",
            "text where a list of parts is needed",
        ),
        (
            contents({"role": "user", "parts": ["a"]}, G_MODEL),
            "contents[0].parts[0]",
            "text where an object is needed",
        ),
        (
            contents({"role": "user", "parts": [{}]}, G_MODEL),
            "contents[0].parts[0].text",
            "this key is missing",
        ),
        (
            contents({"role": "user", "parts": [{"text": None}]}, G_MODEL),
            "contents[0].parts[0].text",
            "null where text is needed",
        ),
        (contents({"role": "user", "parts": [{"text": "\n"}]}, G_MODEL), "contents[0].parts", "empty text"),
        (contents(G_USER), "contents[0].role", "the last content must be from the model"),
        (contents(G_USER, G_MODEL, G_USER), "contents[2].role", "the last content must be from the model"),
        (
            contents(G_USER, G_MODEL, systemInstruction="a"),
            "systemInstruction",
            "text where an object is needed",
        ),
        (contents(G_USER, G_MODEL, systemInstruction={}), "systemInstruction.parts", "this key is missing"),
        (
            contents(G_USER, G_MODEL, systemInstruction={"role": 1, "parts": [{"text": "a"}]}),
            "systemInstruction.role",
            "a number where text is needed",
        ),
        (
            contents(G_USER, G_MODEL, systemInstruction=G_USER, system_instruction=G_USER),
            "system_instruction",
            "the system instruction is there twice, in two spellings",
        ),
    ],
    "google-preference": [
        (google_preference(contents=None), "contents", "this key is missing"),
        (google_preference(completions=None), "completions", "this key is missing"),
        (google_preference(completions="a"), "completions", "text where a list of completions is needed"),
        (google_preference(completions=[]), "completions", "an empty list where at least one is needed"),
        (
            google_preference(completions=[scored(1)]),
            "completions",
            "1 completion where exactly two are needed",
        ),
        (
            google_preference(completions=[scored(1), scored(0, "b"), scored(0, "c")]),
            "completions",
            "3 completions where exactly two are needed",
        ),
        (google_preference(completions=["a", scored(0)]), "completions[0]", "text where an object is needed"),
        (
            google_preference(completions=[{"score": 1}, scored(0)]),
            "completions[0].completion",
            "this key is missing",
        ),
        (
            google_preference(completions=[{"completion": G_MODEL}, scored(0)]),
            "completions[0].score",
            "this key is missing",
        ),
        (
            google_preference(completions=[scored(0.5), scored(0, "b")]),
            "completions[0].score",
            "a score is 1 for the preferred completion and 0 for the other",
        ),
        (
            google_preference(completions=[scored(True), scored(0, "b")]),
            "completions[0].score",
            "a score is 1 for the preferred completion and 0 for the other",
        ),
        (
            google_preference(completions=[scored(1), scored(1, "b")]),
            "completions[1].score",
            "both completions have the same score: one must be 1, the other 0",
        ),
        (
            google_preference(completions=[scored(1), scored(0)]),
            "completions",
            "both completions are the same text, so none is preferred",
        ),
        (
            google_preference(completions=[scored(1, role="user"), scored(0, "b")]),
            "completions[0].completion.role",
            "a completion must be from the model",
        ),
        (
            google_preference(completions=[scored(1, ""), scored(0, "b")]),
            "completions[0].completion.parts",
            "empty text",
        ),
        (
            google_preference(contents=[G_USER, G_MODEL]),
            "contents[1].role",
            "the last content must be from the user",
        ),
        (
            google_preference(contents=[{"role": "user", "parts": [{"fileData": {}}]}]),
            "",
            "preference tuning takes text only, and a part is none",
        ),
        (
            google_preference(tools=[]),
            "tools",
            "unknown key; allowed here: contents, completions, systemInstruction, system_instruction",
        ),
    ],
    "trl-sft": [
        ({}, "prompt", "this key is missing"),
        ({}, "completion", "this key is missing"),
        (trl(more=1), "more", "unknown key; allowed here: prompt, completion"),
        (trl(prompt="The sky is"), "prompt", "text where a list of messages is needed"),
        (trl(prompt=[]), "prompt", "an empty list where at least one is needed"),
        (trl(prompt=["a"]), "prompt[0]", "text where an object is needed"),
        (trl(prompt=[{"role": "user"}]), "prompt[0].content", "this key is missing"),
        (trl(prompt=[{"content": "a"}]), "prompt[0].role", "this key is missing"),
        (trl(prompt=[{**USER, "name": "a"}]), "prompt[0].name", "unknown key; allowed here: role, content"),
        (
            trl(prompt=[{"role": "tool", "content": "a"}]),
            "prompt[0].role",
            "unknown role; allowed are system, user, assistant",
        ),
        (
            trl(prompt=[{"role": [], "content": "a"}]),
            "prompt[0].role",
            "unknown role; allowed are system, user, assistant",
        ),
        (trl(prompt=[USER, SYSTEM]), "prompt[1].role", "a system message must be the first message"),
        (trl(prompt=[{"role": "user", "content": 1}]), "prompt[0].content", "a number where text is needed"),
        (trl(prompt=[{"role": "user", "content": ""}]), "prompt[0].content", "empty text"),
        (trl(completion=[USER]), "completion[0].role", "a reply must be from the assistant"),
        (trl(completion="hi"), "completion", "text where a list of messages is needed"),
        (messages(USER), "messages[0].role", "the last message must be from the assistant"),
        (messages(USER, ASSISTANT, tools=[]), "tools", "unknown key; allowed here: messages"),
    ],
    "trl-dpo": [
        (trl_dpo(prompt=None), "prompt", "this key is missing"),
        (trl_dpo(chosen=None), "chosen", "this key is missing"),
        (trl_dpo(rejected=None), "rejected", "this key is missing"),
        (trl_dpo(label=True), "label", "unknown key; allowed here: prompt, chosen, rejected"),
        (trl_dpo(chosen=[USER]), "chosen[0].role", "a reply must be from the assistant"),
        (trl_dpo(rejected=[SYSTEM]), "rejected[0].role", "a reply must be from the assistant"),
        (trl_dpo(rejected=[ASSISTANT]), "rejected", "the same text as chosen, so nothing is preferred"),
        (trl_dpo(rejected=[assistant(content="\t")]), "rejected[0].content", "empty text"),
    ],
    "trl-kto": [
        (trl(), "label", "this key is missing"),
        (trl(label=1), "label", "a number where true or false is needed"),
        (trl(label="true"), "label", "text where true or false is needed"),
        (trl(label=True, rejected=[]), "rejected", "unknown key; allowed here: prompt, completion, label"),
        (trl(label=True, completion=[USER]), "completion[0].role", "a reply must be from the assistant"),
        (trl(label=True, prompt=[]), "prompt", "an empty list where at least one is needed"),
    ],
    "alpaca": [
        (alpaca(instruction=None), "instruction", "this key is missing"),
        (alpaca(output=None), "output", "this key is missing"),
        (alpaca(instruction=" "), "instruction", "empty text"),
        (alpaca(output=""), "output", "empty text"),
        (alpaca(instruction=["a"]), "instruction", "a list where text is needed"),
        (alpaca(output=1), "output", "a number where text is needed"),
        (alpaca(input={}), "input", "an object where text is needed"),
        (alpaca(text="a"), "text", "unknown key; allowed here: instruction, output, input"),
    ],
}

REMARKS: dict[str, list[tuple[Any, str, str]]] = {
    "openai-sft": [
        (messages(ASSISTANT), "messages", "no message is from the user: the model learns to speak unasked"),
        (
            messages({"role": "developer", "content": "a"}, USER, ASSISTANT),
            "messages[0].role",
            "OpenAI's schema of tuning files has system, not developer",
        ),
    ],
    "openai-dpo": [
        (
            openai_dpo(input=messages(USER, ASSISTANT)),
            "input.messages[1].role",
            "the prompt should end with the user: the outputs are the assistant's last message",
        ),
    ],
    "google-sft": [
        (contents(G_MODEL), "contents[0].role", "Google's documents show talks that begin with the user"),
        (
            contents(G_USER, G_USER, G_MODEL),
            "contents[1].role",
            "Google's documents show user and model taking turns",
        ),
    ],
    "trl-sft": [
        (
            trl(prompt=[USER, USER]),
            "prompt[1].role",
            "some chat templates refuse two messages of one role in a row",
        ),
    ],
}

BROKEN: list[tuple[bytes, str]] = [
    (b"\xff{}", "not UTF-8 at byte 1 of the line: save the file as UTF-8"),
    ('{"a": "é"}'.encode("latin-1"), "not UTF-8 at byte 8 of the line: save the file as UTF-8"),
    (b"\xef\xbb\xbf{}", "a byte order mark before the JSON: save the file as UTF-8 without one"),
    (b"", "a blank line: remove it"),
    (b" \t", "a blank line: remove it"),
    (b'{"messages": [}', "broken JSON at column 15: unexpected character, expected a JSON value"),
    (b'{"a": 1,}', "broken JSON at column 8: trailing comma is not allowed"),
    (b'{"a": "\\ud800"}', "broken JSON at column 8: no low surrogate in string"),
    (b"{", "broken JSON at column 2: unexpected end of data"),
    (b"[]", "a list where an object is needed"),
    (b"null", "null where an object is needed"),
    (b'"text"', "text where an object is needed"),
    (b"12", "a number where an object is needed"),
    (b"true", "a boolean where an object is needed"),
]


def file_of(*lines: Any) -> io.BytesIO:
    return io.BytesIO(b"".join(json.dumps(line).encode() + b"\n" for line in lines))


def told(name: str, file: io.BytesIO, **more: Any) -> list[tuple[int, str, str, bool]]:
    """What a validator says of a file, without that it has few examples."""
    verdict = validate(name, file, split=more.pop("split", "validation"), **more)
    return [(each.line, each.field, each.message, each.error) for each in verdict.problems]


@pytest.mark.parametrize("name", FORMATS)
def test_a_good_line_has_nothing_said_of_it(name: str) -> None:
    found = told(name, file_of(GOOD[name]))
    assert found == (
        [(0, "label", "every label is true: KTO learns from both kinds", False)] if name == "trl-kto" else []
    )


@pytest.mark.parametrize(
    ("name", "line", "field", "message"),
    [(name, *case) for name, cases in ERRORS.items() for case in cases],
)
def test_what_a_vendor_refuses(name: str, line: Any, field: str, message: str) -> None:
    found = told(name, file_of(GOOD[name], line))
    assert (2, field, message, True) in found
    assert {number for number, _, _, error in found if error} == {2}
    with pytest.raises(Unfit):
        parse(name, json.dumps(line).encode())


@pytest.mark.parametrize(
    ("name", "line", "field", "message"),
    [(name, *case) for name, cases in REMARKS.items() for case in cases],
)
def test_what_is_worth_a_remark(name: str, line: Any, field: str, message: str) -> None:
    assert (1, field, message, False) in told(name, file_of(line))
    assert validate(name, file_of(line), split="validation").ok


@pytest.mark.parametrize("name", FORMATS)
@pytest.mark.parametrize(("line", "message"), BROKEN)
def test_what_is_no_line_of_json(name: str, line: bytes, message: str) -> None:
    good = json.dumps(GOOD[name]).encode()
    found = told(name, io.BytesIO(good + b"\n" + line + b"\n"))
    assert (2, "", message, True) in found
    with pytest.raises(Unfit) as raised:
        parse(name, line)
    assert str(raised.value) == message


@pytest.mark.parametrize(
    ("name", "line", "reason"),
    [
        ("openai-sft", messages(USER, assistant(tool_calls=[CALL])), "a call of a tool"),
        ("openai-sft", messages(USER, {"role": "assistant", "tool_calls": [CALL]}), "a call of a tool"),
        (
            "openai-sft",
            messages(USER, {"role": "tool", "content": "", "tool_call_id": "c"}, ASSISTANT),
            "a call of a tool",
        ),
        ("openai-sft", messages(USER, {"role": "assistant", "refusal": "no", "content": None}), "a refusal"),
        ("openai-sft", messages(USER, ASSISTANT, tools=[TOOL]), "tools"),
        ("openai-sft", messages({**USER, "name": "Ann"}, ASSISTANT), "a message with a name"),
        (
            "openai-sft",
            messages({"role": "developer", "content": "a"}, USER, ASSISTANT),
            "a developer message",
        ),
        ("openai-sft", messages(USER, ASSISTANT, USER, assistant(weight=0)), "the last reply has weight 0"),
        ("openai-sft", messages(ASSISTANT), "the prompt does not end with the user"),
        ("openai-sft", messages(USER, SYSTEM, ASSISTANT), "the prompt does not end with the user"),
        ("openai-sft", messages(USER, SYSTEM, USER, ASSISTANT), "a system message after the first message"),
        (
            "openai-sft",
            messages(
                {"role": "user", "content": [{"type": "image_url", "image_url": {"url": "x"}}]}, ASSISTANT
            ),
            "a part that is not text",
        ),
        ("openai-dpo", openai_dpo(input=messages(USER, tools=[TOOL])), "tools"),
        (
            "google-sft",
            contents({"role": "user", "parts": [{"fileData": {}}]}, G_MODEL),
            "a part that is not text",
        ),
        ("google-sft", contents(G_USER, G_MODEL, tools=[{}]), "tools"),
        ("trl-sft", trl(completion=[ASSISTANT, USER]), "a reply of several messages"),
    ],
)
def test_what_a_vendor_takes_and_no_row_holds(name: str, line: Any, reason: str) -> None:
    """An import leaves it out with this reason; the file is good nevertheless."""
    weights_are_given = reason == "the last reply has weight 0"
    assert validate(name, file_of(line), split="validation").ok or weights_are_given
    with pytest.raises(Unfit) as raised:
        parse(name, json.dumps(line).encode())
    assert str(raised.value) == reason


@pytest.mark.parametrize(
    ("name", "line", "row"),
    [
        (
            "openai-sft",
            messages(
                {"role": "user", "content": [{"type": "text", "text": "a"}, {"type": "text", "text": " b"}]},
                ASSISTANT,
            ),
            Row((Turn("user", "a b"),), "hi"),
        ),
        ("openai-dpo", openai_dpo(input=messages(USER, assistant(weight=0), USER)), None),
        (
            "google-sft",
            contents(G_USER, G_MODEL, system_instruction={"parts": [{"text": "s"}]}),
            Row((Turn("system", "s"), Turn("user", "hello")), "hi"),
        ),
        (
            "google-preference",
            google_preference(completions=[scored(0, "no"), scored(1.0)]),
            Row((Turn("user", "hello"),), "hi", "no"),
        ),
        (
            "trl-sft",
            messages(SYSTEM, USER, ASSISTANT),
            Row((Turn("system", "be kind"), Turn("user", "hello")), "hi"),
        ),
        ("alpaca", alpaca(input="some text"), Row((Turn("user", "ask\n\nsome text"),), "answer")),
        ("alpaca", alpaca(input=None), Row((Turn("user", "ask"),), "answer")),
    ],
)
def test_other_ways_to_say_the_same_are_read(name: str, line: Any, row: Row | None) -> None:
    found = parse(name, json.dumps(line).encode())
    assert row is None or found == row


# -- whole files


def talks(many: int, name: str = "openai-sft") -> list[dict[str, Any]]:
    """So many different good lines."""
    row = {"sft": (None, None), "dpo": ("no", None), "kto": (None, True)}[FORMATS[name].method]
    return [json.loads(render(name, Row((Turn("user", f"q{at}"),), "a", *row))) for at in range(many)]


@pytest.mark.parametrize("name", FORMATS)
@pytest.mark.parametrize("split", ["train", "validation"])
def test_an_empty_file_is_refused(name: str, split: str) -> None:
    assert told(name, io.BytesIO(b""), split=split) == [(0, "", "the file is empty", True)]


@pytest.mark.parametrize("name", ["openai-sft", "openai-dpo"])
def test_too_few_examples_to_train_on(name: str) -> None:
    few = (0, "", "9 examples where at least 10 are needed to train", True)
    assert told(name, file_of(*talks(9, name)), split="train") == [few]
    assert told(name, file_of(*talks(9, name)), split="validation") == []
    assert told(name, file_of(*talks(10, name)), split="train") == []
    one = told(name, file_of(*talks(1, name)), split="train")
    assert one[0][2] == "1 example where at least 10 are needed to train"


def test_a_file_beside_another_is_one_to_check_with() -> None:
    train = validate("openai-sft", file_of(*talks(10)))
    assert train.ok
    mixed = file_of(
        {"messages": [dict(reversed(said.items())) for said in talks(1)[0]["messages"]]}, *talks(12)[10:]
    )
    again = validate("openai-sft", mixed, other=train.fingerprints)
    message = "the same example is in the other file: training and validation share none"
    assert [(each.line, each.message) for each in again.problems] == [(1, message)]
    assert not again.ok


def test_the_same_example_twice_is_remarked() -> None:
    found = told("trl-sft", file_of(*talks(2, "trl-sft"), *talks(1, "trl-sft")))
    assert found == [(3, "", "the same example as in an earlier line", False)]


@pytest.mark.parametrize("name", ["google-sft", "google-preference"])
def test_too_many_examples(name: str) -> None:
    limits = FORMATS[name].limits
    most, most_beside = limits.max_examples, limits.max_validation
    assert most is not None
    assert most_beside is not None

    def problems(lines: int, split: Split) -> list[str]:
        found = verdict(name, [Checked(lines=lines)], size=1, split=split)
        return [each.message for each in found.problems if each.error]

    assert problems(most, "train") == problems(most_beside, "validation") == []
    said = f"{most + 1:,} examples where at most {most:,} are allowed to train"
    assert problems(most + 1, "train") == [said]
    many = told(name, file_of(*talks(most_beside + 1, name)), split="validation")
    assert many == [(0, "", "5,001 examples where at most 5,000 are allowed to check with", True)]


def test_the_limits_are_those_that_the_vendors_publish() -> None:
    mega = 1024 * 1024
    assert Limits(10, None, None, 65_536, 512 * mega) == openai_module.LIMITS
    assert Limits(None, 1_000_000, 5_000, 131_072, 1024 * mega) == google_module.LIMITS_SFT
    assert Limits(None, 10_000_000, 5_000, 131_072, 1024 * mega) == google_module.LIMITS_PREFERENCE
    assert FORMATS["trl-kto"].limits == FORMATS["alpaca"].limits == Limits()


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("openai-sft", "536,870,913 bytes where a file may have at most 536,870,912"),
        ("google-preference", "1,073,741,825 bytes where a file may have at most 1,073,741,824"),
    ],
)
def test_a_file_that_is_too_large(name: str, message: str) -> None:
    most = FORMATS[name].limits.file_bytes
    assert most is not None
    assert told(name, file_of(GOOD[name]), size=most + 1) == [(0, "", message, True)]
    assert told(name, file_of(GOOD[name]), size=most) == []


@pytest.mark.parametrize("name", ["openai-sft", "openai-dpo", "google-sft", "google-preference"])
def test_an_example_of_too_many_tokens(name: str, estimated: None) -> None:
    limit = FORMATS[name].limits.tokens_per_example
    rejected = "no" if FORMATS[name].method == "dpo" else None
    long = Row((Turn("user", "word " * limit if limit else ""),), "a", rejected)
    with pytest.raises(Unfit) as raised:
        render(name, long)
    assert str(raised.value) == f"over {limit:,} tokens"
    written = FORMATS[name].write(long)
    ((line, field, message, error),) = told(name, file_of(written))
    assert (line, field, error) == (1, "", True)
    assert message.startswith("about ")
    assert message.endswith(f" tokens where an example may have at most {limit:,}")
    just = Row((Turn("user", "7" * (limit or 0)),), "a", rejected)  # as many bytes, far fewer tokens
    assert told(name, io.BytesIO(render(name, just) + b"\n")) == []


def test_a_rejected_reply_counts_only_where_it_is_the_longer(estimated: None) -> None:
    limit = FORMATS["openai-dpo"].limits.tokens_per_example
    assert limit is not None
    row = Row((Turn("user", "hello"),), "word " * (limit // 2), "wort " * (limit // 2))
    render("openai-dpo", row)
    with pytest.raises(Unfit):
        render("openai-dpo", Row(row.prompt, "word " * limit, "no"))
    with pytest.raises(Unfit):
        render("openai-dpo", Row(row.prompt, "no", "word " * limit))


@pytest.mark.parametrize("name", FORMATS)
def test_windows_line_ends_and_a_missing_last_one_are_fine(name: str) -> None:
    lines = [json.dumps(line).encode() for line in talks(3, name)]
    remarks = (
        [] if name != "trl-kto" else [(0, "label", "every label is true: KTO learns from both kinds", False)]
    )
    assert told(name, io.BytesIO(b"\r\n".join(lines))) == remarks
    assert told(name, io.BytesIO(b"\n".join(lines))) == remarks


def test_a_line_of_ten_megabytes_is_read() -> None:
    long = [{"role": "user", "content": "x" * 10_000_000}]
    assert told("trl-sft", file_of(trl(prompt=long))) == []
    ((line, _, message, _),) = told("openai-sft", file_of(messages(*long, ASSISTANT), *talks(1)))
    assert line == 1
    assert "tokens where an example may have at most 65,536" in message


def test_a_line_without_end_stays_out_of_memory() -> None:
    endless = b'{"a": "' + b"x" * (2 * registry.LONGEST_LINE) + b'"}\n'
    found = told("alpaca", io.BytesIO(endless + json.dumps(alpaca()).encode()))
    assert found == [(1, "", "over 16,777,216 bytes, the most a line may have here", True)]
    with pytest.raises(Unfit) as raised:
        render("alpaca", Row((Turn("user", "x" * registry.LONGEST_LINE),), "a"))
    assert str(raised.value) == "over 16,777,216 bytes"


def test_only_the_first_problems_are_kept_and_all_are_counted() -> None:
    verdict = validate("alpaca", file_of(*[{}] * 7), most_problems=3)
    assert (verdict.errors, verdict.warnings, len(verdict.problems)) == (14, 6, 3)


def test_progress_is_told_in_bytes() -> None:
    seen: list[int] = []
    line = json.dumps(alpaca()).encode() + b"\n"
    validate("alpaca", io.BytesIO(line * 2_500), progress=seen.append)
    assert seen == [1_000 * len(line), 2_000 * len(line)]


def test_thumbs_of_both_kinds_are_wanted() -> None:
    assert told("trl-kto", file_of(trl(label=True), trl(label=False))) == []
    found = told("trl-kto", file_of(trl(label=False)))
    assert found == [(0, "label", "every label is false: KTO learns from both kinds", False)]


def test_a_file_is_named_after_its_split_and_format_alone() -> None:
    assert file_name("openai-sft", "train") == "train.openai-sft.jsonl"


@pytest.fixture
def estimated(monkeypatch: pytest.MonkeyPatch) -> None:
    """Tokens are estimated, whatever is installed."""
    estimate = tokens.counter("nobody")
    monkeypatch.setattr(tokens, "counter", lambda vendor, model="": estimate)  # pyright: ignore[reportUnknownLambdaType]
