"""The form of a case: a text file with a small project, and what `upnext gen` has to say of it.

The first line says in one sentence what the case shows. Lines of `key: value` follow: `rules` (names from rules.py),
`run` (the arguments after `gen`), `xfail` (why it fails for now). Then sections, each headed by `--- name`:

- `--- findings`: the lines of the text report, `--- catalog`: the contracts in short, one line an event;
- `--- stub FOLDER`: the sends of the stub in that folder, where they are not those of the catalog;
- `--- stderr`: what is said where the command cannot run (exit code 2);
- `--- path`: a file. `--- path (crlf)` has such line ends, `(bom)` a byte order mark, `(latin-1)` that encoding, and
  `(escaped)` is written with Python's escapes. `--- path -> target` is a symbolic link.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from pathlib import Path

CASES = Path(__file__).parent / "cases"
_HEAD = "--- "
_EXPECTED = ("findings", "catalog", "stub", "stderr")


@dataclass(frozen=True)
class Case:
    """A small project, and what has to come of it."""

    sentence: str
    rules: tuple[str, ...] = ()
    run: tuple[str, ...] = ()
    xfail: str = ""
    files: dict[str, str] = field(default_factory=dict)
    expected: dict[str, str] = field(default_factory=dict)

    @property
    def codes(self) -> set[str]:
        """The codes that are expected to be reported."""
        lines = self.expected.get("findings", "").splitlines()
        return {line.partition("[UPN")[2].partition("]")[0] for line in lines if not line.startswith(" ")}


def names() -> list[str]:
    """Return the names of all cases, `topic/name`."""
    return sorted(path.relative_to(CASES).with_suffix("").as_posix() for path in CASES.rglob("*.case"))


def read(name: str) -> Case:
    """Read a case."""
    return parse((CASES / f"{name}.case").read_text(encoding="utf-8"))


def parse(text: str) -> Case:
    """Read the text of a case."""
    head, *sections = f"\n{text}".split(f"\n{_HEAD}")
    sentence, *options = head.strip().splitlines()
    case = Case(sentence)
    for option in options:
        key, _, value = option.partition(": ")
        match key:
            case "rules":
                case = replace(case, rules=tuple(value.split(", ")))
            case "run":
                case = replace(case, run=tuple(value.split()))
            case "xfail":
                case = replace(case, xfail=value)
            case _:
                raise ValueError(f"{key!r} is nothing that a case can say")
    for section in sections:
        title, _, body = section.partition("\n")
        into = case.expected if title.split(" ", maxsplit=1)[0] in _EXPECTED else case.files
        into[title] = body.rstrip("\n") + "\n" if body.strip("\n") else ""
    return case


def written(case: Case) -> str:
    """Return the text of a case."""
    options = [("rules", ", ".join(case.rules)), ("run", " ".join(case.run)), ("xfail", case.xfail)]
    head = [case.sentence, *(f"{key}: {value}" for key, value in options if value)]
    sections = [f"{_HEAD}{title}\n{body}" for title, body in (*case.files.items(), *case.expected.items())]
    return "\n".join(["\n".join(head) + "\n", *sections])


def build(case: Case, root: Path) -> None:
    """Write the project of a case into a folder."""
    if "pyproject.toml" not in case.files:
        (root / "pyproject.toml").touch()
    for title, body in case.files.items():
        name, _, target = title.partition(" -> ")
        name, _, form = name.partition(" (")
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        if target:
            path.symlink_to(target)
        else:
            path.write_bytes(_bytes(body, form.rstrip(")")))


def _bytes(text: str, form: str) -> bytes:
    match form:
        case "":
            return text.encode()
        case "crlf":
            return text.replace("\n", "\r\n").encode()
        case "cr":
            return text.replace("\n", "\r").encode()
        case "bom":
            return text.encode("utf-8-sig")
        case "escaped":
            return text.encode("latin-1").decode("unicode_escape").encode("latin-1")
        case _:
            return text.encode(form)
