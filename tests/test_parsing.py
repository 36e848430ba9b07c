"""Options come from types; a method's own are found by its name; mistakes are our errors."""

import dataclasses
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st
from jsonargparse.typing import ClosedUnitInterval, PositiveFloat, PositiveInt

from runs import stillmotion
from stillmotion.cli import COMMANDS
from stillmotion.errors import ConfigurationError
from stillmotion.methods import METHODS
from stillmotion.parsing import Parser, add_method, early
from stillmotion.recipe import start_of


@pytest.mark.parametrize("name", METHODS)
def test_every_field_of_a_method_is_an_option(name):
    parser = Parser("x", "", "")
    add_method(parser, ["--method", name])
    options = {option for action in parser._actions for option in action.option_strings}
    assert {f"--{name}.{field.name}" for field in dataclasses.fields(METHODS[name])} <= options
    assert not any(option.startswith(f"--{other}.") for other in METHODS.keys() - {name}
                   for option in options)  # fmt: skip


PRESETS = [(name, preset) for name, cls in METHODS.items() for preset in (None, *cls.presets)]


@pytest.mark.parametrize(("name", "preset"), PRESETS)
def test_fields_begin_with_the_preset(name, preset):
    arguments = ["--method", name, *(["--preset", preset] if preset else [])]
    parser = Parser("x", "", "")
    assert add_method(parser, arguments) == name
    values = parser.parse(arguments)
    cls = METHODS[name]
    assert cls.with_fields(values[name]) == start_of(cls, preset or cls.starting_preset)


@pytest.mark.parametrize(
    ("arguments", "found"),
    [
        ([], {}),
        (["--method", "a"], {"method": "a"}),
        (["--method=a", "--preset=b=c"], {"method": "a", "preset": "b=c"}),
        (["--methods", "a"], {}),
        (["--preset"], {"preset": ""}),
        (["--method", "a", "--method", "b"], {"method": "b"}),
    ],
)
def test_the_method_is_known_before_the_rest(arguments, found):
    assert early(arguments) == found


def test_the_command_line_wins_over_the_configuration_file(tmp_path):
    path = tmp_path / "c.yaml"
    path.write_text("method: a\npreset: p\ndata: d\nseed: 3\n")
    found = early(["--config", str(path), "--method", "b"])
    assert found == {"config": str(path), "method": "b", "preset": "p", "data": "d"}


@pytest.mark.parametrize(
    ("arguments", "reason"),
    [
        (["--colour", "1"], "unrecognized arguments: --colour 1"),
        (["--numbr", "1"], r"--numbr 1 \(did you mean --number\?\); stillmotion x --help"),
        (["--numbr=1"], r"did you mean --number\?"),
        (["--number", "one"], "--number one: give a whole number; stillmotion x --help"),
        (["--number"], "--number"),
        (["--num", "1"], "--num 1"),
    ],
)
def test_mistakes_are_ours_in_one_line(arguments, reason):
    parser = Parser("x", "", "")
    parser.add_argument("--number", type=int, default=1)
    with pytest.raises(ConfigurationError, match=reason) as caught:
        parser.parse(arguments)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("given", "told"),
    [
        (("--share", "2"), "--share 2: give a number from 0 to 1"),
        (("--share", "much"), "--share much: give a number from 0 to 1"),
        (("--count", "0"), "--count 0: give a whole number above 0"),
        (("--count", "1.5"), "--count 1.5: give a whole number above 0"),
        (("--size", "-1"), "--size -1: give a number above 0"),
    ],
)
def test_numbers_out_of_range_are_refused_in_plain_words(given, told):
    parser = Parser("x", "", "")
    parser.add_argument("--share", type=ClosedUnitInterval | None, default=None)
    parser.add_argument("--count", type=PositiveInt, default=1)
    parser.add_argument("--size", type=PositiveFloat | None, default=None)
    with pytest.raises(ConfigurationError, match=f"^{re.escape(told)}; stillmotion x --help"):
        parser.parse(list(given))


def test_help_leaves_out_what_is_not_given(capsys):
    parser = Parser("x", "", "")
    parser.add_argument("--count", type=int | None, default=None, help="how many")
    parser.add_argument("--size", type=int, default=3, help="how large")
    with pytest.raises(SystemExit):
        parser.parse(["--help"])
    shown = capsys.readouterr().out
    assert "null" not in shown.replace("int | null", "")
    assert "default: 3" in shown


def parser_of(command, monkeypatch, *arguments):
    """What a command parses with."""
    found = []

    def keep(parser, _):
        found.append(parser)
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(Parser, "parse", keep)
        assert stillmotion(command, *arguments) == 130
    return found[0]


PARSING = [name for name in COMMANDS if name != "doctor"]  # it is there where nothing else imports


@pytest.mark.parametrize("command", [*PARSING, "import --peft"])
def test_dashes_do_for_underscores_in_every_option_of_every_command(command, monkeypatch):
    name, *arguments = command.split()
    parser = parser_of(name, monkeypatch, *arguments)
    options = {o for action in parser._actions for o in action.option_strings}
    assert "--help" in options
    for option in options:
        for written in (option, option.replace("_", "-"), option.replace("_", "-", 1)):
            assert parser.as_declared(written) == option
            assert parser.as_declared(f"{written}=a-b_c.d") == f"{option}=a-b_c.d"


@given(st.text("-_ab.=+ ", max_size=12))
def test_what_is_no_option_is_left_as_it_is(word):
    parser = Parser("x", "", "")
    parser.add_argument("--a_b", type=dict[str, int], default={})
    written = re.match(r"--a[-_]b(?=$|[.=+])", word)
    expected = f"--a_b{word[written.end() :]}" if written else word
    assert parser.as_declared(word) == expected


def test_values_keep_their_dashes():
    parser = Parser("x", "", "")
    parser.add_argument("--dry_run", default=None)
    parser.add_argument("--shares", type=dict[str, int], default={})
    parser.add_argument("names", nargs="*")
    given = ["--shares.turn-left=2", "--dry-run", "my-card", "a-b", "--", "--dry-run"]
    told = {"dry_run": "my-card", "shares": {"turn-left": 2}, "names": ["a-b", "--dry-run"]}
    assert parser.parse(given) == told


def test_dotted_options_take_dashes_in_a_real_command(tmp_path, capsys):
    with pytest.raises(SystemExit):
        stillmotion("train", tmp_path, "--training.batch-size", 3, "--amflow.adapter-blocks", "[1]",
                    "--out", tmp_path / "a-b", "--print-config")  # fmt: skip
    printed = capsys.readouterr().out
    assert "batch_size: 3" in printed
    assert "adapter_blocks:\n  - 1" in printed
    assert str(tmp_path / "a-b") in printed
