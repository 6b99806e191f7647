from __future__ import annotations

import doctest
import random
import string
from dataclasses import field
from typing import TYPE_CHECKING, Annotated, Any

import pytest
from pydantic import Field
from pydantic.dataclasses import dataclass

from optimizer.errors import InputError
from optimizer.sources import config_yaml
from optimizer.sources.config_yaml import FORMAT, SECTIONS, STRICT, config_from_document, read_config

if TYPE_CHECKING:
    from pathlib import Path

SECRET = "hunter2-do-not-show"


@dataclass(frozen=True, kw_only=True, config=STRICT)
class _Server:
    url: Annotated[str, Field(max_length=12)] = ""
    token_file: str = ""


@dataclass(frozen=True, kw_only=True, config=STRICT)
class _Signals:
    window_s: Annotated[int, Field(ge=60)] = 600
    prometheus: _Server = field(default_factory=_Server)
    queries: dict[str, _Server] = field(default_factory=dict)


def write(tmp_path: Path, text: str) -> Path:
    path = tmp_path / "remora.yaml"
    path.write_text(text, encoding="utf-8")
    return path


def refused(text: str, tmp_path: Path) -> str:
    with pytest.raises(InputError) as caught:
        read_config(write(tmp_path, text)).section("signals", _Signals)
    return str(caught.value)


def test_the_example_of_the_module_runs() -> None:
    assert doctest.testmod(config_yaml).failed == 0


def test_a_section_is_read_with_its_defaults(tmp_path: Path) -> None:
    config = read_config(write(tmp_path, f"format: {FORMAT}\nsignals: {{window_s: 900, x_mine: 3}}\nx_also: mine\n"))
    assert config.section("signals", _Signals) == _Signals(window_s=900)
    assert config.has("signals") and not config.has("policy")


@pytest.mark.parametrize("text", ["", "signals:\n", "# only a comment\n", "{}\n", "signals: {}\n"])
def test_nothing_said_is_the_defaults(text: str, tmp_path: Path) -> None:
    assert read_config(write(tmp_path, text)).section("signals", _Signals) == _Signals()


def test_files_are_named_from_where_the_configuration_stands(tmp_path: Path) -> None:
    config = read_config(write(tmp_path, ""))
    assert config.beside("fleet.json") == tmp_path / "fleet.json"
    assert str(config.beside("/etc/token")) == "/etc/token"


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("signal: {}", "signal: 'a mapping': expected a section that is known (did you mean signals?)"),
        ("zebra: 1", "zebra: 'a number': expected a section that is known (there are inventory, signals"),
        ("format: remora-config/2", "format: 'remora-config/2': expected remora-config/1"),
        ("[a, b]", "'a list': expected a mapping with sections"),
        ("signals: [1]", "signals: 'a list': expected a mapping (name: value)"),
        ("signals: true", "signals: 'true or false': expected a mapping (name: value)"),
        (
            "signals: {window: 3}",
            "signals.window: 'window': expected a field that is known here (did you mean window_s?",
        ),
        ("signals: {window_s: 3}", "signals.window_s: 3: expected a number of at least 60"),
        ("signals: {window_s: many}", "signals.window_s: 'many': expected a whole number"),
        ("signals: {prometheus: {tokenfile: a}}", "(did you mean token_file?)"),
        ("signals: {queries: {a: {tokenfile: a}}}", "signals.queries.a.tokenfile"),
        ("signals: {window_s: 1, window_s: 2}", "stands here twice"),
        ("signals: &a [*a]", "an alias (*), which is not read"),
        ("signals: !!python/object:os.system {}", "YAML"),
        ("signals: {window_s: .inf}", "signals.window_s: inf: expected"),
        ("signals: {since: 2026-01-01}", "put it in quotes"),
        ("3: {}", "a key has to be text"),
        ("a: {b: ", "YAML"),
    ],
)  # fmt: skip
def test_what_is_wrong_is_said_with_its_place(text: str, said: str, tmp_path: Path) -> None:
    message = refused(text, tmp_path)
    assert said in message and "remora.yaml" in message and "\n" not in message


@pytest.mark.parametrize(
    "text",
    [
        f"signals: {{prometheus: {{url: 'https://user:{SECRET}@host'}}}}",
        f"signals: {{prometheus: {{token_file: [{SECRET}]}}}}",
        f"signals: {{prometheus: {{password: {SECRET}}}}}",
        f"signals: {{window_s: {{password: {SECRET}}}}}",
        f"notify_webhook: {SECRET}",
        f"signals: {SECRET}",
        f"signals: [{{password: {SECRET}}}]",
    ],
)
def test_no_message_shows_a_secret(text: str, tmp_path: Path) -> None:
    assert SECRET not in refused(text, tmp_path)


@pytest.mark.parametrize("seed", range(40))
def test_a_misspelt_section_is_recognised(seed: int) -> None:
    """One letter dropped, doubled or swapped in the name of a section: the right one is offered."""
    rng = random.Random(seed)
    name = rng.choice([section for section in SECTIONS if len(section) > 4])
    at = rng.randrange(1, len(name) - 1)
    kinds = [
        name[:at] + name[at + 1 :],
        name[:at] + name[at] + name[at:],
        name[:at] + name[at + 1] + name[at] + name[at + 2 :],
    ]
    wrong = rng.choice(kinds)
    if wrong in SECTIONS:
        return
    with pytest.raises(InputError) as caught:
        config_from_document({wrong: {}}, "remora.yaml")
    assert f"did you mean {name}?" in str(caught.value)


@pytest.mark.parametrize("seed", range(60))
def test_whatever_stands_there_is_one_line_or_a_configuration(seed: int) -> None:
    rng = random.Random(seed)

    def anything(depth: int) -> Any:
        kinds: list[Any] = [
            None,
            True,
            0,
            -1,
            1.5,
            float("nan"),
            2**70,
            "",
            "x" * 300,
            "".join(rng.choices(string.printable, k=9)),
        ]
        if depth and rng.random() < 0.6:
            names = ["window_s", "prometheus", "url", "queries", "x_y", "\u202e", "a.b"]
            return (
                {rng.choice(names): anything(depth - 1) for _ in range(3)}
                if rng.random() < 0.7
                else [anything(depth - 1)]
            )
        return rng.choice(kinds)

    for _ in range(20):
        try:
            part = config_from_document({"signals": anything(4)}, "remora.yaml").section("signals", _Signals)
            assert isinstance(part, _Signals)
        except InputError as error:
            assert "\n" not in str(error) and error.path.startswith("signals")


def test_what_cannot_be_read_is_said(tmp_path: Path) -> None:
    for path in (tmp_path, tmp_path / "none.yaml"):
        with pytest.raises(InputError, match="a configuration"):
            read_config(path)
    big = write(tmp_path, "#" * (1 << 20) + "\n")
    with pytest.raises(InputError, match="at most a mebibyte"):
        read_config(big)
