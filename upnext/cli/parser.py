"""The argument parser: no abbreviated flags, help that ends with examples, and suggestions for typos."""

from __future__ import annotations

import argparse
import re
import sys
from collections.abc import Iterable, Sequence
from typing import Any, NoReturn

_EXAMPLES = "examples:\n"


def examples(*lines: str) -> str:
    """Return the end of a command's help: commands that work as written, one per line."""
    return _EXAMPLES + "\n".join(f"  {line}" for line in lines)


class CommandLineError(Exception):
    """An invalid command line.

    Args:
        parser: The parser of the command that it was meant for.
        message: What is wrong with it.
    """

    def __init__(self, parser: Parser, message: str) -> None:
        super().__init__(message)
        self.parser = parser


class Parser(argparse.ArgumentParser):
    """Parses one command; its subcommands use the same class."""

    def __init__(self, **options: Any) -> None:
        # An abbreviated flag in a script would break as soon as another flag begins like it.
        defaults: dict[str, Any] = {"allow_abbrev": False, "formatter_class": _HelpFormatter}
        super().__init__(**(defaults | options))
        self.set_defaults(parser=self)  # so that the parsed arguments name their command

    def error(self, message: str) -> NoReturn:
        """Raise the error.

        Raises:
            CommandLineError: Always.
        """
        raise CommandLineError(self, message)

    def _print_message(self, message: str, file: Any = None) -> None:
        if file is sys.stdout:
            file.write(message)  # argparse would be silent about help that cannot be written
        else:
            super()._print_message(message, file)

    def flags(self) -> list[str]:
        """Return the long flags of this command."""
        return [flag for flag in self._option_string_actions if flag.startswith("--")]


class _HelpFormatter(argparse.HelpFormatter):
    """Keeps the line breaks of examples."""

    def _fill_text(self, text: str, width: int, indent: str) -> str:
        if text.startswith(_EXAMPLES):
            return "".join(f"{indent}{line}" for line in text.splitlines(keepends=True))
        return super()._fill_text(text, width, indent)


def parse(parser: Parser, words: Sequence[str]) -> argparse.Namespace:
    """Parse a command line; positional arguments of a command that takes many may also follow its options.

    Args:
        parser: What to read it with.
        words: The command line.

    Returns:
        What was read.

    Raises:
        SystemExit: If it cannot be read, which is said on standard error, with the whole help if no command is named;
            or only help or the version was asked for.
    """
    try:
        arguments, left = parser.parse_known_args(words)
        many = getattr(arguments, "words", None)
        if many is not None:
            setattr(arguments, many, [*getattr(arguments, many), *(word for word in left if not word.startswith("-"))])
            left = [word for word in left if word.startswith("-")]
        if left:
            arguments.parser.error(f"unrecognized arguments: {' '.join(left)}")
    except CommandLineError as error:
        error.parser.print_usage(sys.stderr)
        near = _meant(str(error), error.parser, words)
        hint = f"; did you mean {', '.join(map(repr, near))}?" if near else ""
        error.parser.exit(2, f"{error.parser.prog}: error: {error}{hint}\n")
    if not hasattr(arguments, "command"):
        # Like a wrong command line: a script with an empty variable must not continue as if something had been done.
        arguments.parser.print_help(sys.stderr)
        arguments.parser.exit(2)
    return arguments


def _meant(message: str, parser: Parser, words: Sequence[str]) -> list[str]:
    """Return suggestions: the known words closest to the unknown ones."""
    choice = re.search(r"invalid choice: '(.*?)' \(choose from (.*)\)", message, re.DOTALL)
    if choice:
        return _nearest(choice[1], re.findall(r"[\w-]+", choice[2]))
    flags = parser.flags()
    end = words.index("--") if "--" in words else len(words)
    given = dict.fromkeys(word.partition("=")[0] for word in words[:end] if word.startswith("--"))
    return [near for flag in given if flag not in flags for near in _nearest(flag, flags)]


def _nearest(word: str, known: Iterable[str]) -> list[str]:
    """Return the only short or long form of the word, else the most similar one."""
    import difflib  # noqa: PLC0415 - nothing else needs it

    forms = [each for each in known if len(word) > 2 and (each.startswith(word) or word.startswith(each))]
    return forms if len(forms) == 1 else difflib.get_close_matches(word, known, n=1)
