"""The rules that cases name: those that need a project where they hold, and those that need a conflict as well."""

from __future__ import annotations

MERGE = {
    "1-keyword": "parameters that can be passed by keyword are fields",
    "1-context": "a parameter annotated as Context is none",
    "1-provided": "a parameter that upnext.Provide provides is none",
    "1-unfillable": "positional-only parameters and *args cannot be fed",
    "2-required": "a field is required if any handler has no default",
    "3-closed": "a handler without **kwargs rejects what it does not name",
    "3-shut-out": "an optional field that a closed handler rejects is left out",
    "3-kwargs-type": "**kwargs: T holds every field that it absorbs to T",
    "3-unpack": "**f: Unpack[TD] is closed, but for extra_items of TD, and TD's keys are fields",
    "4-equal": "equal types stay, in every spelling",
    "4-any": "Any, object and no annotation give way",
    "4-union": "unions distribute",
    "4-number": "bool < int < float",
    "4-literal": "a Literal < its plain type, Literals meet by common values",
    "4-newtype": "a NewType < its base",
    "4-class": "a class < its bases in the project",
    "4-standard": "classes of the standard library < their bases",
    "4-container": "a concrete container < the abstract one",
    "4-tuple": "tuples",
    "4-typed-dict": "a TypedDict < the one it inherits from and < Mapping[str, object]",
    "4-unrelated": "everything else is UPN101",
    "4-as-written": "x: str = None is str",
    "5-extras": "a field that no handler names",
    "5-forbid": "extra = forbid and allow",
    "5-extras-conflict": "**a: int beside **b: str",
    "6-no-handler": "an event without a handler",
    "6-near": "a near name is an error",
    "7-keyword-only": "sends are keyword-only",
    "8-workers": "an event is one on all workers",
    "8-identity": "two of one identity",
    "8-names": "a handler is known by event, worker and name",
    "9-still-written": "with findings the catalog is still written",
    "arms": "the arms of a condition are one handler",
    "arms-two-events": "arms that bind one name to two events make it unknown",
}
"""Section 5, by its numbers."""

SEES = {
    "sees-import-as": "import upnext as u",
    "sees-from-import": "from upnext import Worker",
    "sees-imported": "events imported",
    "sees-aliased": "events aliased",
    "sees-reexported": "events re-exported",
    "sees-all": "re-exported by __all__",
    "sees-star": "re-exported by *",
    "sees-attribute": "reached as attributes of modules",
    "sees-class-attribute": "class attributes",
    "sees-self-attribute": "self.bus.on is unknown",
    "sees-constant": "names in constants",
    "sees-fstring": "names in f-strings of constants",
    "sees-enum": "names in enums",
    "sees-other-package": "handlers in other packages",
    "sees-on-call": "event.on(fn) as a call",
    "sees-two-events": "two events on one function",
    "sees-conditional-import": "conditional imports",
    "sees-type-checking": "TYPE_CHECKING imports",
    "sees-future": "from __future__ import annotations",
    "sees-string": "string annotations",
    "sees-604": "PEP 604",
    "sees-695": "PEP 695",
    "sees-696": "PEP 696",
    "sees-newer": "syntax newer than the running interpreter",
    "sees-annotated": "Annotated",
    "sees-newtype": "NewType",
    "sees-typed-dict": "TypedDict",
    "sees-unpack": "Unpack in **kwargs",
    "sees-stacked": "stacked decorators",
    "sees-src": "src layout",
    "sees-flat": "flat layout",
    "sees-namespace": "namespace packages",
    "sees-roots": "several import roots",
    "sees-schedule": "tasks on a schedule",
    "leaves-other-on": "on of something else",
    "leaves-own-class": "a class of the project with on",
    "leaves-unresolved": "an unknown receiver that is not used like ours",
}
"""Section 6, what the scanner must see through and leave alone."""

COMMAND = {
    "ignore-line": "a comment silences a finding at any of its places",
    "ignore-all": "a comment without codes silences all of its line",
    "ignore-project": "[tool.upnext] ignore",
    "exclude": "[tool.upnext] exclude",
    "src": "[tool.upnext] src",
    "out": "[tool.upnext] out and --out",
    "against": "an earlier lock",
    "deployed": "what workers publish",
    "pulled": "contracts of other projects",
    "upcast": "@event.upcast",
    "unknown-setting": "unknown keys are refused by name",
    "path": "PATH narrows what is reported",
    "left-out": "tests, hidden folders and others are left out",
    "gitignore": "whatever .gitignore names is left out",
    "crlf": "line ends of Windows",
    "bom": "a byte order mark",
    "encoding": "other encodings",
    "hostile": "names and texts that would like to be code",
    "symlink": "symbolic links",
    "json": "types that cannot travel as JSON",
    "unwritable": "annotations that the stub cannot repeat",
    "findable": "handlers that the runtime can find again",
    "options": "options of handlers in their range",
    "refused": "declarations that the runtime refuses",
    "names": "names of events and workers",
    "check": "--check",
    "in-the-way": "a file in the way of a generated one",
    "unreadable": "a file that cannot be read",
}
"""Section 6, the command around it."""

GRAPH = {
    "graph-closed": "[tool.upnext] closed: events that only one side knows",
    "graph-run": "[tool.upnext] run: handlers that no entry file imports",
    "graph-cycle": "events that go round without end",
    "graph-unused": "fields that no handler uses",
    "graph-retried": "sends that are repeated with their handler",
    "graph-awaited": "sends that nobody awaits",
}
"""What the graph of events is checked for."""

NEED_A_CONFLICT = frozenset(
    {name for name in MERGE if name.startswith("4-")} - {"4-as-written", "4-any", "4-unrelated"}
    | {"3-closed", "3-kwargs-type", "3-unpack", "5-extras-conflict", "8-identity", "arms"}
    | {"json", "unwritable", "findable", "options", "refused", "names", *GRAPH}
)
"""Rules that need a case that is clean and one that is reported."""

KNOWN = {**MERGE, **SEES, **COMMAND, **GRAPH}
