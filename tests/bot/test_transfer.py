"""The commands import and export."""

from pathlib import Path

import pytest

from adapters.platforms.base import Access, Answer, Call, Command, Place, UserError, Who
from bot.commands.transfer import transfer_commands
from storage import audit, avatars, people, workspaces
from storage.database import Database, Tx
from storage.people import Person
from storage.workspaces import Workspace
from tests.training.helpers import Told, chat, dumped


class Commands:
    """The two commands over a database, given by the owner at the terminal."""

    def __init__(self, database: Database) -> None:
        self.database = database
        self.all: dict[str, Command] = {
            each.name: each for each in transfer_commands(lambda: database, lambda call: self.resolve())
        }

    async def resolve(self) -> tuple[Workspace, Person]:
        def ensure(tx: Tx) -> tuple[Workspace, Person]:
            workspace = workspaces.ensure(tx, "terminal", "here", "here", "opt-in")
            return workspace, people.ensure(tx, workspace.id, "me", "me")

        return await self.database.write(ensure)

    async def __call__(self, name: str, *, local: bool = True, **values: str | bool) -> Answer:
        place = Place("terminal", "here", "chat", "chat")
        who = Who("me", "me", Access.OWNER)
        return await self.all[name].run(Call(name, place, who, values, Told(), 1_000, local))


async def test_without_a_word_on_consent_nothing_is_read(database: Database, tmp_path: Path) -> None:
    run = Commands(database)
    path = tmp_path / "talk.jsonl"
    path.write_bytes(dumped(chat("one", ("hi", "hello", 5, None))))
    answer = await run("import", path=str(path), avatar="Ada")
    assert not answer.ok
    assert "--consented" in answer.text
    (button,) = answer.buttons
    assert (button.command, button.args["consented"]) == ("import", "true")
    assert (await run("import", path=str(path), avatar="Ada", consented=True)).ok


async def test_the_answer_counts_and_names_bad_lines(database: Database, tmp_path: Path) -> None:
    run = Commands(database)
    path = tmp_path / "talk.jsonl"
    path.write_bytes(dumped(chat("one", ("hi", "hello", 5, None))) + b"{}\n" * 30)
    answer = await run("import", path=str(path), avatar="Ada", consented=True)
    assert answer.ok
    assert "it was made" in answer.text
    assert {each.name: each.value for each in answer.fields} == {
        "new conversations": "1", "new exchanges": "1", "ratings": "1", "examples approved": "1", "lines skipped": "30",
    }  # fmt: skip
    assert answer.table is not None
    assert len(answer.table.rows) == 20
    assert answer.table.rows[0][0] == "2"
    assert isinstance(answer.data, dict)
    assert len(answer.data["problems"]) == 30
    again = await run("import", path=str(path), avatar="ada", consented=True)
    assert "nothing changed" in again.text


async def test_nothing_imported_is_not_ok(database: Database, tmp_path: Path) -> None:
    run = Commands(database)
    path = tmp_path / "bad.jsonl"
    path.write_bytes(b"{}\n")
    assert not (await run("import", path=str(path), avatar="Ada", consented=True)).ok
    path.write_bytes(b"")
    answer = await run("import", path=str(path), avatar="Ada", consented=True)
    assert (answer.ok, "is empty" in answer.text) == (False, True)


async def test_paths_mean_something_only_on_this_machine(database: Database) -> None:
    with pytest.raises(UserError, match="give this command there"):
        await Commands(database)("import", path="x", avatar="Ada", consented=True, local=False)


async def test_a_server_is_filled_and_emptied_from_the_shell(database: Database, tmp_path: Path) -> None:
    run = Commands(database)
    path = tmp_path / "talk.jsonl"
    path.write_bytes(dumped(chat("one", ("hi", "hello", 5, None))))

    def two(tx: Tx) -> Workspace:
        workspaces.ensure(tx, "slack", "T1", "House", "opt-in")
        return workspaces.ensure(tx, "discord", "123", "House", "opt-in")

    guild = await database.write(two)
    with pytest.raises(UserError, match=r"Several workspaces are called house.*House \(discord:123\)"):
        await run("import", path=str(path), avatar="Ada", consented=True, workspace="house")
    with pytest.raises(UserError, match=r"no workspace called 9.*House \(slack:T1\)"):
        await run("import", path=str(path), avatar="Ada", consented=True, workspace="9")
    with pytest.raises(UserError, match="only in the shell"):
        await run("export", workspace="discord:123", local=False)
    asked = await run("import", path=str(path), avatar="Ada", workspace="123")
    assert asked.buttons[0].args["workspace"] == "123"
    assert (await run("import", path=str(path), avatar="Ada", consented=True, workspace="123")).ok
    (avatar,) = await database.read(lambda tx: avatars.listed(tx, guild.id))
    assert avatar.name == "Ada"
    entries = await database.read(lambda tx: audit.listed(tx, guild.id, 20))
    assert "import" in {entry.action for entry in entries}
    out = tmp_path / "out.jsonl"
    assert (await run("export", out=str(out), workspace="discord:123")).ok
    assert b"hello" in out.read_bytes()


async def test_export_to_a_file_and_to_a_chat(
    database: Database, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = Commands(database)
    path = tmp_path / "talk.jsonl"
    path.write_bytes(dumped(chat("one", ("hi", "hello", 5, None))))
    await run("import", path=str(path), avatar="Ada", consented=True)
    out = tmp_path / "out.jsonl"
    answer = await run("export", avatar="Ada", out=str(out))
    assert "1 conversations" in answer.text
    posted = await run("export", local=False)
    (file,) = posted.files
    assert file.data == out.read_bytes()
    workspace, _ = await run.resolve()
    entries = await database.read(lambda tx: audit.listed(tx, workspace.id, 20))
    assert [entry.action for entry in entries].count("export") == 2
    monkeypatch.setattr("bot.commands.transfer._POSTED", 10)
    with pytest.raises(UserError, match="more than can be posted"):
        await run("export", local=False)
    with pytest.raises(UserError, match="no avatar named Eve"):
        await run("export", avatar="Eve")


async def test_export_to_the_standard_output(
    database: Database, tmp_path: Path, capfdbinary: pytest.CaptureFixture[bytes]
) -> None:
    run = Commands(database)
    path = tmp_path / "talk.jsonl"
    path.write_bytes(dumped(chat("one", ("hi", "hello", 5, None))))
    await run("import", path=str(path), avatar="Ada", consented=True)
    answer = await run("export", out="-")
    assert answer.text == ""
    assert capfdbinary.readouterr().out.startswith(b'{"conversation_id":"one"')
