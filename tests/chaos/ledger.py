"""The reckoning, by a ledger that lies outside the system under test."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from itertools import pairwise
from typing import TypeAlias

HANDLERS = ("closed", "divided", "flaky", "limited", "steady", "threaded")
_THAWING = 0.25  # seconds in which a process that runs again gets to its next line; four thousandths, measured at rest
LIMIT = 3  # jobs of "limited" at once, and of "divided" of one value

Job: TypeAlias = tuple[str, str]
"""The number of an event and the name of a handler."""


@dataclass(frozen=True, slots=True)
class Step:
    """What a handler wrote down: "start", "fail" (on purpose) or "end", at a moment that all processes agree on."""

    word: str
    attempt: int
    pid: int
    at: float


@dataclass(frozen=True, slots=True)
class Freeze:
    """That a process did not run from one moment to another."""

    pid: int
    since: float
    until: float


@dataclass(frozen=True, slots=True)
class Save:
    """What a sender wrote down of a send to the unique handler: which job is to do it, and when it was sent."""

    doc: str
    job: str
    existing: bool
    since: float
    told: float


@dataclass
class Ledger:
    """What senders and handlers wrote down.

    Attributes:
        intended: Numbers of all events that anyone began to send.
        accepted: Number -> event id of sends that the server took.
        refused: Numbers of sends of which their callers were told that nothing was stored.
        unknown: Numbers of sends of which their callers were told that nobody knows.
        steps: What handlers did.
        senders: Process ids of senders that have begun to listen.
        saves: Sends to the unique handler.
        begun: When its jobs began, by the attempt.
        dead: Jobs that became dead letters.
        ticked: Events of the schedule that ran.
        freezes: Which processes were frozen, and when.
    """

    intended: set[str] = field(default_factory=set)
    accepted: dict[str, str] = field(default_factory=dict)
    refused: set[str] = field(default_factory=set)
    unknown: set[str] = field(default_factory=set)
    steps: dict[Job, list[Step]] = field(default_factory=lambda: defaultdict(list))
    senders: set[int] = field(default_factory=set)
    saves: list[Save] = field(default_factory=list)
    begun: dict[str, dict[int, float]] = field(default_factory=lambda: defaultdict(dict))
    dead: set[str] = field(default_factory=set)
    ticked: set[str] = field(default_factory=set)
    freezes: list[Freeze] = field(default_factory=list)

    def read(self, lines: Iterable[str]) -> None:
        """Take more lines."""
        for line in lines:
            match line.split():
                case ["sender", pid]:
                    self.senders.add(int(pid))
                case ["saved", doc, job, existing, since, told]:
                    self.saves.append(Save(doc, job, existing == "1", float(since), float(told)))
                case ["begun", _, job, attempt, at]:
                    self.begun[job][int(attempt)] = float(at)
                case ["intent", n]:
                    self.intended.add(n)
                case ["accepted", n, event_id]:
                    self.accepted[n] = event_id
                case ["unknown" | "refused" | "ticked" as word, name]:
                    {"unknown": self.unknown, "refused": self.refused, "ticked": self.ticked}[word].add(name)
                case [word, handler, n, attempt, pid, at]:
                    self.steps[n, handler].append(Step(word, int(attempt), int(pid), float(at)))
                case words:
                    raise AssertionError(f"no entry of the ledger: {words}")

    @property
    def ended(self) -> set[Job]:
        """The jobs that came to their end at least once."""
        return {job for job, steps in self.steps.items() if any(step.word == "end" for step in steps)}

    def left_by(self, pid: int, at: float) -> list[Job]:
        """Return the jobs that a process had started and not brought to their end at that moment."""
        found = []
        for job, steps in self.steps.items():
            own = [step for step in steps if step.pid == pid and step.at <= at]
            if own and own[-1].word == "start":
                found.append(job)
        return found

    def next_start(self, job: Job, at: float) -> float | None:
        """Return when a job was next started after that moment, or None."""
        return min((step.at for step in self.steps[job] if step.word == "start" and step.at > at), default=None)


@dataclass
class Reckoning:
    """What a run came to.

    Attributes:
        accepted: Sends that the server took.
        refused: Sends that ended with an error which says that nothing was stored.
        unknown: Sends of which nobody knows: their callers were told so, or died.
        dead: Dead letters by handler and reason.
        repeated: Starts beyond a job's first, without those after a failure of its own.
        overlaps: Attempts that began before an earlier one of the same job had ended, in another process.
        lost: Jobs of accepted sends that are neither done nor dead. With renames each payload has what its handlers ask
            for, so that jobs whose payload was refused are lost as well.
        ghosts: Jobs that ran and were refused, or never sent.
        torn: Sends of which nobody knows that were carried out for some handlers only.
        disordered: Jobs whose attempts do not strictly rise, each with what its handler wrote down.
        caught: How many did not because their process was frozen between its last look at its lease and the handler's
            first line, which no library can prevent. One at a time: the next line of code is another look.
        most: The greatest number of jobs of each limited handler that ran at once; empty where no limit holds.
        crowded: Jobs of the limited handlers that began while as many as their limit ran already.
        unheard: Jobs of the unique handler that did not begin after a send which they stand for.
        doubled: Jobs of the unique handler that waited while another one of their value did.
        ticks: Ticks of the schedule.
        missed: Seconds between two of its ticks that have none.
        again: Events of the schedule beyond one for each tick.
    """

    accepted: int = 0
    refused: int = 0
    unknown: int = 0
    dead: Counter[tuple[str, str]] = field(default_factory=Counter)
    repeated: int = 0
    overlaps: int = 0
    caught: int = 0
    lost: list[Job] = field(default_factory=list)
    ghosts: list[Job] = field(default_factory=list)
    torn: list[str] = field(default_factory=list)
    disordered: list[str] = field(default_factory=list)
    most: dict[str, int] = field(default_factory=dict)
    crowded: list[Job] = field(default_factory=list)
    unheard: list[str] = field(default_factory=list)
    doubled: list[str] = field(default_factory=list)
    ticks: int = 0
    missed: list[str] = field(default_factory=list)
    again: list[str] = field(default_factory=list)

    @property
    def faults(self) -> dict[str, list[Job] | list[str]]:
        """What must not be, by its name; empty if all is well."""
        found = {"lost": self.lost, "ghosts": self.ghosts, "torn": self.torn, "disordered": self.disordered}
        found |= {"crowded": self.crowded, "unheard": self.unheard, "doubled": self.doubled}
        found |= {"missed": self.missed, "again": self.again}
        return {name: jobs for name, jobs in found.items() if jobs}


def reckon(ledger: Ledger, dead: Mapping[Job, str]) -> Reckoning:
    """Compare what was told to senders with what handlers did, when nothing is pending any more.

    Args:
        ledger: What was written down.
        dead: The reasons of dead letters.
    """
    ended = ledger.ended
    settled = ended | set(dead)
    doubtful = ledger.intended - set(ledger.accepted) - ledger.refused
    reckoning = Reckoning(len(ledger.accepted), len(ledger.refused), len(doubtful))
    reckoning.dead = Counter((handler, reason) for (_, handler), reason in dead.items())
    reckoning.lost = [(n, h) for n in ledger.accepted for h in HANDLERS if (n, h) not in settled]
    known = set(ledger.accepted) | doubtful
    reckoning.ghosts = [job for job in ledger.steps if job[0] not in known]
    reckoning.torn = [n for n in doubtful if len({(n, h) for h in HANDLERS} & settled) not in (0, len(HANDLERS))]
    used = set[Freeze | None]()
    for job, steps in ledger.steps.items():
        starts = [step for step in steps if step.word == "start"]
        failures = sum(step.word == "fail" for step in steps)
        reckoning.repeated += len(starts) - failures - (dead.get(job) != "failed")
        reckoning.overlaps += _overlaps(steps)
        late = [(earlier, later) for earlier, later in pairwise(starts) if later.attempt <= earlier.attempt]
        freezes = {_caught_by(ledger.freezes, *each) for each in late}
        if None in freezes or not freezes.isdisjoint(used):
            told = ", ".join(f"{step.word} {step.attempt} in {step.pid} at {step.at:.3f}" for step in steps)
            reckoning.disordered.append(f"{' '.join(job)}: {told}")
        used |= freezes
        reckoning.caught += bool(late)
    return reckoning


def _caught_by(freezes: list[Freeze], earlier: Step, later: Step) -> Freeze | None:
    """Return the freeze that held back a step which the process had begun before an attempt that overtook it."""
    for freeze in freezes:
        if freeze.pid == later.pid and freeze.since < earlier.at < freeze.until and later.at < freeze.until + _THAWING:
            return freeze
    return None


def unheard(ledger: Ledger) -> list[str]:
    """Return the jobs of the unique handler that did not begin after a send which they stand for, and are not dead."""
    return [
        save.job
        for save in ledger.saves
        if save.job not in ledger.dead and max(ledger.begun[save.job].values(), default=0.0) < save.since
    ]


def doubled(ledger: Ledger, slack: float) -> list[str]:
    """Return the jobs of the unique handler that were made while another one of their value still waited.

    Args:
        ledger: What was written down.
        slack: Seconds that may lie between the start that the server was told of and the first line of the handler.
            What did not begin with its first attempt may have been told to it long before.
    """
    made = sorted((save for save in ledger.saves if not save.existing), key=lambda save: save.told)
    waited = [(save, ledger.begun[save.job][1]) for save in made if 1 in ledger.begun[save.job]]
    return [
        later.job
        for earlier, began in waited
        for later in made
        if later.doc == earlier.doc and earlier.told < later.since and later.told + slack < began
    ]


def at_once(ledger: Ledger) -> dict[str, list[tuple[int, Job]]]:
    """Return, for each limited handler, how many of its jobs ran from the moment on that one began, and which did.

    An attempt of "limited" holds its slot until it ends; that of a process which was ended, or lost its lease, until
    the job begins again: it waits at the head of its queue until then, so that the slot goes to it. With a limit by
    value others of its value may be before it, so that of those only jobs count that ran once, and held their slot all
    the while.
    """
    moments: list[tuple[float, int, Job]] = []
    for job, steps in ledger.steps.items():
        for start in (step for step in steps if step.word == "start" and job[1] == "limited"):
            over = [s.at for s in steps if s.word != "start" and (s.pid, s.attempt) == (start.pid, start.attempt)]
            over += [step.at for step in steps if step.word == "start" and step.attempt > start.attempt]
            if over:
                moments += [(start.at, 1, job), (min(over), -1, job)]
    once = [(job, sorted(steps, key=lambda step: step.at)) for job, steps in ledger.steps.items() if len(steps) == 2]
    by_value = [(job, *steps) for job, steps in once if job[1] == "divided" and steps[1].word == "end"]
    held = [each for job, start, end in by_value for each in ((start.at, 1, job), (end.at, -1, job))]
    return {"limited": _counted(moments), "divided": _counted(held)}


def crowded(ledger: Ledger) -> list[Job]:
    """Return the jobs of the limited handlers that began beyond their limit."""
    return [job for counted in at_once(ledger).values() for running, job in counted if running > LIMIT]


def most_at_once(ledger: Ledger) -> dict[str, int]:
    """Return the greatest number of jobs of each limited handler that ran at once."""
    return {
        handler: max((running for running, _ in counted), default=0) for handler, counted in at_once(ledger).items()
    }


def _counted(moments: list[tuple[float, int, Job]]) -> list[tuple[int, Job]]:
    found, running = list[tuple[int, Job]](), 0
    for _, change, job in sorted(moments):  # at the same moment ends come first
        running += change
        if change > 0:
            found.append((running, job))
    return found


def missed(ticks: Mapping[int, str]) -> list[str]:
    """Return the seconds that have no tick of the schedule, which has one each second."""
    return [str(second) for second in range(min(ticks), max(ticks)) if second not in ticks]


def _overlaps(steps: list[Step]) -> int:
    count = 0
    for earlier in (step for step in steps if step.word == "start"):
        ends = [s.at for s in steps if s.word != "start" and (s.pid, s.attempt) == (earlier.pid, earlier.attempt)]
        later = [s for s in steps if s.word == "start" and s.attempt > earlier.attempt]
        count += sum(1 for s in later for end in ends if earlier.at <= s.at < end)
    return count
