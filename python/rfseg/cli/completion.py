"""``rfseg completion``: completion scripts of shells, made of the parser itself."""

from __future__ import annotations

import argparse
import ast
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Iterator

__all__ = ["add_parser", "run"]

_INSTALL = """Bash, from now on:   rfseg completion bash > ~/.local/share/bash-completion/completions/rfseg
Zsh, from now on:    rfseg completion zsh > FOLDER/_rfseg, a FOLDER of $fpath
This shell alone:    source <(rfseg completion bash)"""
_FOLDERS = ("FOLDER", "SET")  # metavars of options whose value is a folder
_RECIPES = {"synth": "synth", "train": "training"}  # packages whose recipes a command takes


def add_parser(commands: Any) -> None:
    """Add the command to the subparsers of the command line."""
    parser = commands.add_parser(
        "completion",
        description="Print the script by which a shell completes rfseg's commands, options, models, recipes and files.",
        epilog=_INSTALL,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("shell", choices=(*_SCRIPTS, "models"), help="models prints the names of the models instead")
    parser.set_defaults(run=run)


def run(options: argparse.Namespace) -> None:
    """Print a script, or the names of the models, which the scripts ask for."""
    if options.shell == "models":
        from ..inference import list_models

        print("\n".join(list_models()))
        return
    from . import COMMANDS, make_parser

    helps = {name: text for group in COMMANDS.values() for name, text in group.items()}
    print(_SCRIPTS[options.shell](list(_commands(make_parser(), helps))), end="")


@dataclass(frozen=True, kw_only=True)
class _Value:
    """What completes a value: words, or ``kind``: files, folders, models, or nothing."""

    kind: str
    words: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True)
class _Option:
    flags: tuple[str, ...]
    help: str
    value: _Value | None  # None: it takes none


@dataclass(frozen=True, kw_only=True)
class _Command:
    """One command, or one of ``rfseg dataset``; ``path`` are the words after ``rfseg``."""

    path: tuple[str, ...]
    help: str
    options: tuple[_Option, ...]
    argument: _Value
    subcommands: tuple[tuple[str, str], ...]


def _commands(parser: argparse.ArgumentParser, helps: dict[str, str], path: tuple[str, ...] = ()) -> Iterator[_Command]:
    options, argument, nested = [], _Value(kind="nothing"), None
    for action in parser._actions:
        if isinstance(action, argparse._SubParsersAction):
            nested = action
        elif action.option_strings:
            takes = action.nargs != 0
            options.append(
                _Option(
                    flags=tuple(action.option_strings),
                    help=_one_line(action.help or ""),
                    value=_value(action, path) if takes else None,
                )
            )
        else:
            argument = _value(action, path)
    inner = {} if nested is None else nested.choices
    own = {a.dest: a.help or "" for a in nested._choices_actions} if nested is not None else {}
    yield _Command(
        path=path,
        help=helps.get(" ".join(path), ""),
        options=tuple(options),
        argument=argument,
        subcommands=tuple((name, _one_line(helps.get(name, "") if not path else own[name])) for name in inner),
    )
    for name, subparser in inner.items():
        yield from _commands(subparser, helps if not path else {f"{path[0]} {n}": h for n, h in own.items()}, (*path, name))


def _value(action: argparse.Action, path: tuple[str, ...]) -> _Value:
    words = action.choices if action.choices is not None else getattr(action, "words", None)
    if words is not None:
        return _Value(kind="words", words=tuple(map(str, words)))
    if action.dest == "network":
        return _Value(kind="words", words=_networks())
    if action.dest == "model":
        return _Value(kind="models")
    if action.dest == "recipe":
        return _Value(kind="words or files", words=_recipes(path[0]))
    if action.metavar in _FOLDERS or action.dest in ("folder", "set"):
        return _Value(kind="folders")
    if action.type is Path or (action.metavar or "").startswith(("FILE", "CONFIG")):
        return _Value(kind="files")
    return _Value(kind="nothing")


def _recipes(command: str) -> tuple[str, ...]:
    """Names of a package's recipes, without the package, which needs PyTorch."""
    folder = Path(__file__).resolve().parents[1] / _RECIPES[command] / "recipes"
    return tuple(sorted(path.stem for path in folder.glob("*.toml")))


def _networks() -> tuple[str, ...]:
    """Names of the networks, read from the table's source, for the package needs PyTorch."""
    source = (Path(__file__).resolve().parents[1] / "models" / "registry.py").read_text(encoding="utf-8")
    (table,) = (
        node.value for node in ast.parse(source).body
        if isinstance(node, ast.AnnAssign) and getattr(node.target, "id", None) == "ARCHITECTURES"
    )  # fmt: skip
    return tuple(ast.literal_eval(key) for key in table.keys)


def _one_line(text: str) -> str:
    return " ".join(text.split()).replace("%%", "%").split(" (default")[0]


def _bash(commands: list[_Command]) -> str:
    cases = []
    for command in commands:
        name = " ".join(command.path)
        by_value: dict[str, list[str]] = {}
        for option in command.options:
            if option.value is not None:
                by_value.setdefault(_bash_value(option.value), []).extend(option.flags)
        values = "\n".join(f"        {'|'.join(flags)}) {code}; return ;;" for code, flags in by_value.items())
        words = " ".join(name for name, _ in command.subcommands)
        flags = " ".join(flag for option in command.options for flag in option.flags)
        previous = f'        case "$previous" in\n{values}\n        esac\n' if values else ""
        argument = f'_rfseg_words "{words}"' if command.subcommands else _bash_value(command.argument)
        cases.append(
            f'    "{name}")\n{previous}'
            f'        if [[ $word == -* ]]; then _rfseg_words "{flags}"; else {argument}; fi ;;\n'
        )
    nested = " ".join(command.path[0] for command in commands if len(command.path) == 1 and command.subcommands)
    return _BASH.replace("@NESTED@", nested).replace("@CASES@", "".join(cases))


def _bash_value(value: _Value) -> str:
    words = " ".join(value.words)
    return {
        "words": f'_rfseg_words "{words}"',
        "words or files": f'_rfseg_words "{words}"; _rfseg_files -f',
        "models": '_rfseg_words "$(rfseg completion models 2>/dev/null)"; _rfseg_files -f',
        "files": "_rfseg_files -f",
        "folders": "_rfseg_files -d",
        "nothing": ":",
    }[value.kind]


_BASH = r"""# bash completion of rfseg; made by: rfseg completion bash
_rfseg_words() { mapfile -t -O "${#COMPREPLY[@]}" COMPREPLY < <(compgen -W "$1" -- "$word"); }
_rfseg_files() {
    compopt -o filenames 2>/dev/null
    mapfile -t -O "${#COMPREPLY[@]}" COMPREPLY < <(compgen "$1" -- "$word")
}
_rfseg() {
    local word=${COMP_WORDS[COMP_CWORD]} previous=${COMP_WORDS[COMP_CWORD - 1]} command="" i
    COMPREPLY=()
    for ((i = 1; i < COMP_CWORD; i++)); do
        [[ ${COMP_WORDS[i]} == -* ]] && continue
        command=${COMP_WORDS[i]}
        [[ " @NESTED@ " == *" $command "* ]] && ((i + 1 < COMP_CWORD)) && command+=" ${COMP_WORDS[i + 1]}"
        break
    done
    case "$command" in
@CASES@    esac
}
complete -F _rfseg rfseg
"""


def _zsh(commands: list[_Command]) -> str:
    functions = []
    for command in commands:
        lines = [f"_rfseg{''.join('_' + part.replace('-', '_') for part in command.path)}() {{"]
        specs = [_zsh_option(option) for option in command.options]
        if command.subcommands:
            prefix = "".join("_" + part.replace("-", "_") for part in command.path)
            described = " ".join(_quote(f"{name}:{_escape(text)}") for name, text in command.subcommands)
            lines += [
                f"  local -a commands; commands=({described})",
                "  local state line; local curcontext=$curcontext",
                *_zsh_call("_arguments -C", [*specs, "'1:command:->command'", "'*::argument:->argument'"]),
                "  case $state in",
                "    command) _describe command commands ;;",
                f'    argument) (( $+functions[_rfseg{prefix}_${{words[1]//-/_}}] )) && _rfseg{prefix}_${{words[1]//-/_}} ;;',
                "  esac",
            ]
        else:
            argument = _zsh_value(command.argument)
            lines += _zsh_call("_arguments", [*specs, *([_quote(f"*:argument:{argument}")] if argument else [])])
        functions.append("\n".join([*lines, "}"]))
    models = '_rfseg_models() { local -a m; m=(${(f)"$(rfseg completion models 2>/dev/null)"}); compadd -a m; _files; }'
    return "#compdef rfseg\n" + "\n".join(["# made by: rfseg completion zsh", models, *functions]) + '\n_rfseg "$@"\n'


def _zsh_call(function: str, specs: list[str]) -> list[str]:
    return [f"  {function} \\", *(f"    {spec} \\" for spec in specs[:-1]), f"    {specs[-1]}"]


def _zsh_option(option: _Option) -> str:
    tail = "" if option.value is None else f":value:{_zsh_value(option.value) or ' '}"
    long = [flag for flag in option.flags if flag.startswith("--")] or option.flags
    equals = "=" if option.value is not None else ""
    return _quote(f"*{long[-1]}{equals}[{_escape(option.help)}]{tail}")


def _zsh_value(value: _Value) -> str:
    words = " ".join(value.words)
    return {
        "words": f"({words})",
        "words or files": f"{{compadd {words}; _files}}",
        "models": "_rfseg_models",
        "files": "_files",
        "folders": "_files -/",
        "nothing": "",
    }[value.kind]


def _escape(text: str) -> str:
    return text.replace("\\", "\\\\").replace("[", "(").replace("]", ")").replace(":", "\\:")


def _quote(text: str) -> str:
    return "'" + text.replace("'", "'\\''") + "'"


_SCRIPTS = {"bash": _bash, "zsh": _zsh}
