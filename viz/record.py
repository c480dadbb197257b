"""What happened over a training: looks at the net now and then, and when each finding began."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import asdict, replace
from operator import index
from time import perf_counter
from typing import TYPE_CHECKING, Any

import numpy as np

from engine import tensor
from nn.callbacks import Callback
from viz.diagnose import examine
from viz.findings import DEFAULT, Finding, Layer, Report, Thresholds, gravest_first
from viz.judge import dead_units
from viz.looks import Event, Look, distribution, judge_update, looked_at, shares
from viz.probe import Array
from viz.units import stem

if TYPE_CHECKING:
    from nn.training import Run

PROBE = 256  # examples: as many as it takes to call a unit dead
SHARE = 0.04  # of the training's time that looking may take, if it is to find out itself


class Recorder(Callback):
    """Looks at a net during its training; a callback of `nn.fit`, or for a loop of one's own.

    Arguments:
        x: the probe, what the net is applied to at each look. By default, with `nn.fit`,
            256 examples of its data.
        loss: makes a scalar of the net's output for the probe. By default that of `nn.fit`.
        every: look after so many steps. By default as often as takes under 10 % of the time:
            a look costs as much as some steps, so it waits until enough of them were done.
        dead_patience: a unit is DEAD if it was off for all of x at so many looks.
        thresholds: where findings begin.

    In a loop of one's own, call `step` once before it and after each step of the optimizer:

        recorder = viz.Recorder(x, lambda output: F.cross_entropy(output, y))
        recorder.step(model)
        for ...:
            ...
            optimizer.step()
            recorder.step(model)

    >>> import engine, nn
    >>> engine.manual_seed(0)
    >>> data = nn.data.DataLoader(nn.data.TensorDataset(*nn.data.xor()), batch_size=4)
    >>> model = nn.Sequential(nn.Linear(2, 8), nn.Tanh(), nn.Linear(8, 2))
    >>> recorder = Recorder(every=20)
    >>> history = nn.fit(model, data, nn.functional.cross_entropy,
    ...     nn.optim.SGD(model.parameters(), lr=0.1), epochs=50, callbacks=[recorder])
    >>> recorder.steps
    [0, 20, 40]
    """

    def __init__(
        self,
        x: Any = None,
        loss: Callable[[Any], Any] | None = None,
        *,
        every: int | None = None,
        dead_patience: int = 3,
        thresholds: Thresholds = DEFAULT,
    ) -> None:
        if (x is None) != (loss is None):
            raise TypeError("Recorder(x, loss): give both, or neither to take them from nn.fit")
        if every is not None and index(every) < 1:
            raise ValueError(f"Recorder(every={every}): look after 1 step or more")
        if index(dead_patience) < 1:
            raise ValueError(f"Recorder(dead_patience={dead_patience}): 1 look or more")
        self.x = x
        self.loss = loss
        self.every = every
        self.dead_patience = dead_patience
        self.thresholds = thresholds
        self.looks: list[Look] = []
        self.events: list[Event] = []
        self.done = -1  # steps; the first call of `step` comes before the first
        self._off: list[Array] = []  # of each layer, at how many last looks a unit was off
        self._before: dict[str, Array] = {}  # the parameters before the step to come
        self._training = self._looking = 0.0  # seconds
        self._left: float | None = None  # when `step` was last left

    @property
    def steps(self) -> list[int]:
        """After which steps it looked."""
        return [look.step for look in self.looks]

    def step(self, model: Any) -> None:
        """Count a step of the optimizer, and look if it is time."""
        entered = perf_counter()
        if self._left is not None:
            self._training += entered - self._left
        self.done += 1
        if self._is_time(self.done):
            self.look(model)
        self._go_on(model, entered)

    def _go_on(self, model: Any, entered: float) -> None:
        """Leave for a step, which may be one to look at."""
        self._before = {}
        if self._is_time(self.done + 1):
            self._before = _parameters(model)
        self._left = perf_counter()
        self._looking += self._left - entered

    def _is_time(self, step: int) -> bool:
        if self.every is not None:
            return step % self.every == 0
        return not self.looks or self._looking < SHARE * self._training

    def look(self, model: Any) -> Look:
        """Look now."""
        if self.x is None or self.loss is None:
            raise TypeError("Recorder: outside nn.fit give it x and loss, the probe to look with")
        modes = [(module, module.training) for module in getattr(model, "modules", list)()]
        for module, _ in modes:
            module.training = False  # no dropout, and no running statistics that change
        try:
            report, probes, loss = examine(
                model, self.x, self.loss, self.thresholds, dead="INACTIVE"
            )
        finally:
            for module, mode in modes:
                module.training = mode
        updates = dict(self._updates(model))
        dead = [shares(probe, probe.slopes == 0) * probe.hard for probe in probes]
        look = Look(
            self.done,
            float(np.mean(loss.data)),
            replace(report, findings=gravest_first(self._findings(report, dead, updates))),
            tuple(dead),
            tuple(shares(p, p.saturated(self.thresholds.sat_slope)) for p in probes),
            tuple(distribution(probe.outputs) for probe in probes),
            updates,
        )
        self.looks.append(look)
        self._note(look)
        return look

    def _updates(self, model: Any) -> Iterator[tuple[str, float]]:
        """How far each parameter went in the last step, relative to its own size."""
        for name, now in (_parameters(model) if self._before else {}).items():
            if size := float(np.linalg.norm(before := self._before[name])):
                yield name, float(np.linalg.norm(now - before)) / size

    def _findings(
        self, report: Report, dead: list[Array], updates: Mapping[str, float]
    ) -> Iterator[Finding]:
        """Those of the report, with DEAD for what was INACTIVE often enough; and UPDATE."""
        for found in report.findings:
            if found.code != "INACTIVE":
                yield replace(found, nodes=())  # else its graph would live on
        off = [share == 1 for share in dead]
        if [len(units) for units in self._off] != [len(units) for units in off]:
            self._off = [np.zeros(len(units), int) for units in off]
        self._off = [np.where(now, n + 1, 0) for now, n in zip(off, self._off, strict=True)]
        for row, times in zip(report.layers, self._off, strict=True):
            if row.examples == 1:
                continue  # OFF, which the report has said
            count = int((times >= self.dead_patience).sum())
            code = "DEAD"
            if self.done == 0:
                count, code = int((times > 0).sum()), "BORN_DEAD"
            for found in dead_units(row.name, count, row.units, code, self.thresholds):
                yield replace(found, detail=f"{count}/{row.units}")
        for name, size in updates.items():
            yield from judge_update(name, size, self.thresholds)

    def _note(self, look: Look) -> None:
        """Begin an event for what is found now and was not before, or is graver; end the others.
        A unit died when it was first off, which is `dead_patience` looks ago."""
        now = {(f.code, f.where): f for f in look.report.findings}
        died: dict[str, int] = {}
        for place, event in enumerate(self.events):
            if event.until is not None or event.finding.code == "BORN_DEAD":
                continue  # over; or a fact that stays one
            key = event.finding.code, event.finding.where
            found = now.get(key)
            if found is not None and not _is_news(found, event.finding):
                del now[key]
                continue
            self.events[place] = replace(event, until=look.step)
            if event.finding.code == "DEAD":
                died[event.finding.where] = int(event.finding.detail.rpartition("/")[0].split()[-1])
        for found in now.values():
            since = look.step
            if found.code == "DEAD":
                since = self.looks[-min(self.dead_patience, len(self.looks))].step
                more = int(found.detail.partition("/")[0]) - died.get(found.where, 0)
                units = f"{abs(more)} unit{'' if abs(more) == 1 else 's'}"
                news = f"{units} died" if more > 0 else f"{units} came back"
                found = replace(found, detail=f"{news}: {found.detail}")
            self.events.append(Event(since, found))

    def layer(self, name: str) -> list[Layer]:
        """The rows of one layer, look by look."""
        return [row for look in self.looks for row in look.report.layers if row.name == name]

    def to_dict(self) -> dict[str, Any]:
        """All of it as dictionaries and lists, for JSON; without histograms and single units."""
        looks = [
            {"step": look.step, "loss": look.loss, "updates": dict(look.updates)}
            | look.report.to_dict()
            for look in self.looks
        ]
        events = [
            {"step": e.step, "until": e.until}
            | {k: v for k, v in asdict(e.finding).items() if k != "nodes"}
            for e in self.events
        ]
        return {"steps": self.steps, "looks": looks, "events": events}

    def __str__(self) -> str:
        """Each finding where it first began; of those that came again, how often."""
        first: dict[Any, Event] = {}
        times: dict[Any, int] = {}
        for event in sorted(self.events, key=lambda event: event.step):
            found = event.finding
            key = found.code, found.where, found.detail if found.code == "DEAD" else ""
            first.setdefault(key, event)
            times[key] = times.get(key, 0) + 1
        lines = [
            str(event) + (f", {times[key]} times in all" if times[key] > 1 else "")
            for key, event in first.items()
        ]
        return "\n".join([*(lines or ["no findings"]), looked_at(self.steps)])

    # --- as a callback of nn.fit ---------------------------------------------------------------

    def on_start(self, run: Run) -> None:
        if self.x is None:
            x, y = _examples(run.data)
            self.x, loss = x, run.loss
            self.loss = lambda output: loss(output, y)
        if self.done < 0:
            self.step(run.model)
        else:  # a second training counts on
            self._go_on(run.model, perf_counter())

    def on_batch(self, run: Run) -> None:
        self.step(run.model)

    def state_dict(self) -> dict[str, Any]:
        return {"done": self.done}

    def load_state_dict(self, state_dict: Mapping[str, Any]) -> None:
        self.done = state_dict["done"]


def _is_news(found: Finding, before: Finding) -> bool:
    """Another severity is; of dead units, more or fewer."""
    if found.code == "DEAD":
        return not before.detail.endswith(f" {found.detail}")
    return found.severity != before.severity


def _parameters(model: Any) -> dict[str, Array]:
    """A copy of each parameter that learns, by name; of a net of single numbers, which tell little one by one,
    of all the weights of a layer, and of all its biases."""
    if hasattr(model, "named_parameters"):
        return {name: np.array(p.data) for name, p in model.named_parameters() if p.requires_grad}
    numbers: dict[str, list[float]] = {}
    for p in model.parameters():
        module, _, name = p.label.rpartition(".")
        name = ".".join(filter(None, (module.partition(".")[0], stem(name))))
        numbers.setdefault(name or "parameters", []).append(p.data)
    return {name: np.array(those) for name, those in numbers.items()}


def _examples(data: Any) -> tuple[Any, Any]:
    """Some of the examples that training is on, without disturbing it: an iterator is not touched,
    nor the order that a loader draws."""
    if hasattr(data, "dataset"):
        count = len(data.dataset)
        chosen = np.unique(np.linspace(0, count - 1, min(count, PROBE)).astype(int))
        x, y = data.dataset.batch(chosen)
        return x, y
    if isinstance(data, (list, tuple)):
        few = data[:PROBE]  # batches of one example at least
        x, y = (np.concatenate([np.asarray(batch[i]) for batch in few])[:PROBE] for i in (0, 1))
        return tensor(x), tensor(y)
    raise TypeError(
        f"Recorder: a {type(data).__name__} is not read ahead of the training; give the probe, "
        "Recorder(x, loss)"
    )
