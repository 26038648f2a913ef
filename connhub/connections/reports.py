"""What a test did: its steps, how each of them went and how long it took."""

import time
from dataclasses import asdict, dataclass, field
from datetime import datetime
from typing import Any, Literal


class StepFailed(Exception):
    """A step of a test did not work: what happened, and what to do, each a plain sentence."""

    def __init__(self, said: str, hint: str = "") -> None:
        super().__init__(said)
        self.said, self.hint = said, hint


@dataclass
class Step:
    """One step as people read it, never with a secret or an answer's body.

    Of what a server sends, only its verified certificate and its status are told. What is warned
    of works for now.
    """

    name: str
    outcome: Literal["ok", "warned", "failed", "skipped"]
    took_ms: int
    said: str
    hint: str = ""


@dataclass
class Report:
    """The steps that were taken, in order; nothing comes after one that failed."""

    steps: list[Step] = field(default_factory=list)
    certificate_ends_at: datetime | None = None

    @property
    def ok(self) -> bool:
        return bool(self.steps) and self.failure is None

    @property
    def failure(self) -> Step | None:
        return next((step for step in self.steps if step.outcome == "failed"), None)

    @property
    def took_ms(self) -> int:
        return sum(step.took_ms for step in self.steps)

    def as_json(self) -> dict[str, Any]:
        steps = [asdict(step) for step in self.steps]
        return {"ok": self.ok, "took_ms": self.took_ms, "steps": steps}


class Trail:
    """Writes a report while a test runs: a step lasts until the next one begins."""

    def __init__(self) -> None:
        self.report = Report()
        self._since = time.monotonic()

    @property
    def at(self) -> str:
        """The name of the step that is under way."""
        return self.report.steps[-1].name

    def begin(self, name: str, said: str = "") -> None:
        """End the step before and begin one, which goes well unless it turns out to `fail`."""
        self.end()
        self.report.steps.append(Step(name, "ok", 0, said))

    def skip(self, name: str, said: str) -> None:
        self.end()
        self.report.steps.append(Step(name, "skipped", 0, said))

    def skip_this(self, said: str) -> None:
        """The step that began is not one to take here."""
        step = self.report.steps[-1]
        step.outcome, step.said = "skipped", said

    def say(self, said: str) -> None:
        self.report.steps[-1].said = said

    def fail(self, said: str, hint: str = "") -> None:
        step = self.report.steps[-1]
        step.outcome, step.said, step.hint = "failed", said, hint

    def warn(self, said: str, hint: str) -> None:
        step = self.report.steps[-1]
        step.outcome, step.said, step.hint = "warned", said, hint

    def add(self, name: str, took_ms: int, said: str) -> None:
        """A step that went well and was timed elsewhere; what follows lasts from now on."""
        self.report.steps.append(Step(name, "ok", took_ms, said))
        self._since = time.monotonic()

    def end(self) -> Report:
        """Note how long the last step took and return the report."""
        now = time.monotonic()
        if self.report.steps:
            self.report.steps[-1].took_ms += round((now - self._since) * 1000)
        self._since = now
        return self.report
