"""Prove that a lifted module gives what its notebook gives: both run in fresh processes, every value is compared.

The notebook runs twice, so that what differs between two runs of the notebook itself is not held against the pipeline;
the module runs as it stands and with every step in a process of its own; then notebook and module run once more on
changed inputs and another seed. All with the same seeds on both sides.
"""

from __future__ import annotations

import os
import posixpath
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

from pilotline.lab.changed_inputs import change_inputs
from pilotline.lab.receipt import ReceiptOutput, Verdict
from pilotline.lift.guestcall import Guest, environment_for
from pilotline.lift.warming import CAN_FORK, Warm, imports_of

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from pathlib import Path

    from pilotline.domain.errors import PilotlineError
    from pilotline.domain.notebooks import Cell
    from pilotline.lift.lifting import Lifted
    from pilotline.lift.scratch import Scratch
    from pilotline.lift.wanted import Wanted

_RTOL = 1e-9
_BUDGET = 5.0
#: Seconds from which on one would like to know how long it takes.
_LONG = 10.0
#: A proof that takes no longer than this is never cut short.
_FREE_SECONDS = 60.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Values:
    """Plain forms of the wanted values as one run gave them: name -> file; and why others are missing."""

    paths: Mapping[str, str]
    why: Mapping[str, str] = field(default_factory=dict[str, str])
    error: Mapping[str, Any] | None = None
    steps: tuple[Mapping[str, Any], ...] = ()
    described: Mapping[str, Any] = field(default_factory=dict[str, Any])


@dataclass(frozen=True, slots=True, kw_only=True)
class Proof:
    """Evidence that pipeline and notebook gave equal outputs, or where they did not."""

    outputs: tuple[ReceiptOutput, ...]
    done: tuple[str, ...] = ()
    not_proven: tuple[str, ...] = ()
    #: A step that stands in the way: it raised, changed an argument, or its value cannot travel.
    step: str | None = None
    problem: str = ""
    #: The problem shows only when steps are isolated.
    isolated_only: bool = False
    steps: tuple[Mapping[str, Any], ...] = ()

    @property
    def holds(self) -> bool:
        """Every wanted output is equal."""
        return not self.problem and all(one.verdict == "equal" for one in self.outputs)


@dataclass(frozen=True, slots=True, kw_only=True)
class Divergence:
    """The first value of a pipeline that is not the notebook's."""

    step: str
    variable: str
    what: str

    def __str__(self) -> str:
        """In words."""
        return f"they part in step {self.step}: {self.variable} {self.what}"


@dataclass(slots=True)
class Prover:
    """Runs one notebook and what is lifted from it.

    Args:
        cells: in the order of execution.
        python: the user's interpreter.
        scratch: a pristine copy of the notebook's folder.
        allow: ways in which the notebook may reach outside.
        timeout: seconds that one run of the notebook may take.
        progress: told what is going on.
        secrets: environment variables that stand for the notebook's credentials.
    """

    cells: Sequence[Cell]
    python: Path
    scratch: Scratch
    allow: Sequence[str]
    timeout: float
    progress: Callable[[str], None]
    secrets: Mapping[str, str] = field(default_factory=dict[str, str], repr=False)
    #: Seconds that the notebook itself takes.
    notebook_seconds: float = 0.0
    _count: int = 0
    _notebook: dict[tuple[str, ...], tuple[Values, Values]] = field(
        default_factory=dict[tuple[str, ...], tuple[Values, Values]]
    )
    _recorded: dict[str, Mapping[str, Any]] = field(default_factory=dict[str, "Mapping[str, Any]"])
    #: What the first run gave, by the names of the outputs.
    _firsts: dict[tuple[str, ...], Values] = field(default_factory=dict[tuple[str, ...], Values])
    spent: float = 0.0
    #: The interpreter that the module runs in, where that is not the notebook's.
    module_python: Path | None = None
    #: Warmed processes by interpreter and what they have imported.
    _warmed: dict[tuple[str, ...], Warm] = field(default_factory=dict[tuple[str, ...], Warm])

    def close(self) -> None:
        """End what was kept warm."""
        for warm in self._warmed.values():
            warm.close()
        self._warmed.clear()

    def _warm(self, sources: Sequence[str], python: Path | None = None) -> Warm | None:
        """A process that has imported what these sources import, as far as it may be; None where there is nothing."""
        python = python or self.python
        imports = imports_of(sources, self.scratch.root) if CAN_FORK else ()
        key = (str(python), *imports)
        if imports and key not in self._warmed:
            own = self.scratch.own / f"warm-{len(self._warmed)}"
            self._warmed[key] = Warm(python, imports, own, environment_for(python, self.secrets))
        return self._warmed.get(key)

    def _warm_book(self) -> Warm | None:
        return self._warm([one.python for one in self.cells])

    def record(self, asked: Sequence[str] = ()) -> tuple[dict[str, Any], Scratch]:
        """Run the notebook once, watched; the recorder's answer.

        Args:
            asked: what is wanted, as far as it is known: those values are kept, and count as a run of the notebook.
        """
        scratch = self._fresh("record")
        folder = scratch.folder.relative_to(scratch.root).as_posix()
        capture = [_capture_of(one, folder) for one in asked]
        request = self._request("record", scratch, seed=0, capture=capture)
        guest = self._started(scratch, request, self._warm_book())
        answer = guest.wait(lambda where: self.progress(f"recording{where}"))
        return answer, scratch

    def was_recorded(self, asked: Sequence[str], answer: Mapping[str, Any]) -> None:
        """Take a recording as the first run of the notebook."""
        captured: list[Mapping[str, Any]] = list(answer.get("captured") or ())
        self._recorded = dict(zip(asked, captured, strict=False))
        warm = self._warm_book()
        imports = warm.seconds if warm is not None else 0.0
        watching = float(answer.get("own_cpu") or 0.0)
        self.notebook_seconds = max(0.1, float(answer.get("seconds") or 0.0) + imports - watching)

    def _about(self, runs: int) -> str:
        """How long so many runs of the notebook will take, where that is long enough to be of interest."""
        seconds = self.notebook_seconds * runs / min(runs, os.cpu_count() or 1)
        return f", about {seconds:.0f} s" if seconds >= _LONG else ""

    def _fresh(self, name: str) -> Scratch:
        self._count += 1
        return self.scratch.copy(f"{name}-{self._count}")

    def _request(
        self, kind: str, scratch: Scratch, *, seed: int, capture: Sequence[Mapping[str, Any]]
    ) -> dict[str, Any]:
        return {
            "kind": kind,
            "cells": [{"number": one.number, "source": one.python, "quiet": one.quiet} for one in self.cells],
            "folder": str(scratch.root),
            "writable": [str(one) for one in scratch.writable],
            "original": str(scratch.original),
            "seed": seed,
            # On changed inputs nothing gets outside.
            "allow": list(self.allow) if seed == 0 else [],
            "capture": list(capture),
            "values": str(scratch.own / "values"),
            "timeout": self.timeout,
        }

    # ---- runs

    def _replay(
        self, scratch: Scratch, wanted: Sequence[Wanted], *, seed: int, until: tuple[int, int] | None = None,
        warm: Warm | None = None,
    ) -> Values:  # fmt: skip
        """Run the notebook; where it stops before its end, names are taken as they were after the statement ``until``."""
        folder = scratch.folder.relative_to(scratch.root).as_posix()
        capture = [_capture_of(one.ask, folder) if one.path is None else _file(one.path, folder) for one in wanted]
        names = [one.name for one in wanted]
        before = [(name, one) for name, one in zip(names, capture, strict=True) if "name" in one and until is not None]
        capture += [{**one, "after": list(until or ())} for _, one in before]
        request = self._request("replay", scratch, seed=seed, capture=capture)
        found = self._captured(scratch, request, [*names, *(f"{name} before" for name, _ in before)], warm)
        earlier = {name: found.paths[f"{name} before"] for name, _ in before if f"{name} before" in found.paths}
        # Where it stopped, names and files may be half done; what a cell had shown stands.
        kept = {one.name for one in wanted if found.error is None or one.position is not None}
        return replace(found, paths={**earlier, **{name: path for name, path in found.paths.items() if name in kept}})

    def _started(self, scratch: Scratch, request: Mapping[str, Any], warm: Warm | None) -> Guest:
        """A run of the notebook in its scratch folder."""
        return Guest(
            self.python, request, cwd=scratch.folder, own=scratch.own, seconds=self.timeout, warm=warm,
            secrets=self.secrets,
        )  # fmt: skip

    def _captured(
        self, scratch: Scratch, request: Mapping[str, Any], names: Sequence[str], warm: Warm | None
    ) -> Values:
        answer = self._started(scratch, request, warm).wait()
        scratch.empty()
        paths: dict[str, str] = {}
        why: dict[str, str] = {}
        for name, found in zip(names, answer["captured"], strict=True):
            if found.get("path"):
                paths[name] = found["path"]
            else:
                why[name] = str(found.get("why") or "it was not there")
        return Values(paths=paths, why=why, error=answer.get("error"))

    def _as_recorded(self, wanted: Sequence[Wanted]) -> Values:
        """The recording was a run of the notebook too."""
        found = {one.name: self._recorded[one.ask] for one in wanted}
        return Values(
            paths={name: str(one["path"]) for name, one in found.items() if one.get("path")},
            why={name: str(one.get("why")) for name, one in found.items() if not one.get("path")},
        )

    def _pipeline(
        self, scratch: Scratch, lifted: Lifted, mode: str, *, seed: int, describe: bool = False, each_step: bool = False
    ) -> Values:
        module = scratch.own / f"{self.module_name}.py"
        module.write_text(lifted.source, encoding="utf-8")
        request = {
            **self._request("pipeline", scratch, seed=seed, capture=[]),
            "module": str(module),
            "mode": mode,
            "hint": "\n".join(cell.python for cell in self.cells),
            "describe": describe,
            "steps": each_step,
            "secrets": list(self.secrets),
        }
        del request["cells"]
        own = scratch.own / mode
        request["values"] = str(own / "values")
        python = self.module_python or self.python
        warm = self._warm([lifted.source], python)
        answer = Guest(
            python, request, cwd=scratch.folder, own=own, seconds=self.timeout * 2, warm=warm, secrets=self.secrets
        ).wait()
        scratch.empty()
        return Values(
            paths={one["name"]: one["path"] for one in answer["outputs"]},
            error=answer.get("error"),
            steps=tuple(answer.get("steps") or ()),
        )

    module_name: str = "lifted"

    def _compare(self, first: Values, second: Values, names: Sequence[str]) -> dict[str, Mapping[str, Any]]:
        pairs = [
            {"name": name, "a": first.paths[name], "b": second.paths[name]}
            for name in names
            if name in first.paths and name in second.paths
        ]
        if not pairs:
            return {}
        self._count += 1
        own = self.scratch.own / f"compare-{self._count}"
        request = {"kind": "compare", "pairs": pairs, "rtol": _RTOL}
        answer = Guest(self.python, request, cwd=self.scratch.own, own=own, seconds=600, warm=self._warm_book()).wait()
        return {one["name"]: one for one in answer["results"]}

    # ---- the proof

    def prove(self, lifted: Lifted, *, full: bool, sources: Sequence[str]) -> Proof:
        """Compare a lifted module with its notebook.

        Args:
            lifted: the module.
            full: also on changed inputs.
            sources: files that may be changed for that, from the notebook's folder.
        """
        began = time.perf_counter()
        wanted = lifted.wanted
        names = [one.name for one in wanted]
        key = tuple(f"{one.name} {one.ask}" for one in wanted)
        book = self._warm_book()
        # Started now, it imports while the notebook runs.
        self._warm([lifted.source], self.module_python)
        jobs: dict[str, Callable[[], Values]] = {}
        if key not in self._notebook:
            if not all(one.ask in self._recorded for one in wanted):
                jobs["first"] = lambda: self._replay(self._fresh("first"), wanted, seed=0, warm=book)
            # In an interpreter started for it: what depends on where things lie in memory differs from the first.
            jobs["again"] = lambda: self._replay(self._fresh("again"), wanted, seed=0)
        jobs["plain"] = lambda: self._pipeline(self._fresh("plain"), lifted, "plain", seed=0)
        jobs["isolated"] = lambda: self._pipeline(self._fresh("isolated"), lifted, "isolated", seed=0, describe=True)
        more = 2 if full else 0
        self.progress(f"proving: notebook and pipeline side by side{self._about(len(jobs) + more)}")
        done = _side_by_side(jobs)
        if key not in self._notebook:
            self._notebook[key] = (done.get("first") or self._as_recorded(wanted), done["again"])
        first, again = self._notebook[key]
        self._firsts[tuple(names)] = first
        plain, isolated = done["plain"], done["isolated"]
        same = self._compare(first, again, names)
        own: list[ReceiptOutput] = [
            self._notebooks_word(one, first, again, same.get(one.name), lifted) for one in wanted
        ]
        for values, mode in ((plain, False), (isolated, True)):
            if values.error is not None:
                return self._failed(own, values.error, isolated=mode)
        changed = [
            f"{step['name']} changes its argument {name}"
            for step in isolated.steps
            for name in step["changed_arguments"]
        ]
        if changed:
            step = next(str(step["name"]) for step in isolated.steps if step["changed_arguments"])
            return Proof(
                outputs=tuple(_unsure(one, changed[0]) for one in own),
                step=step,
                problem=changed[0],
                isolated_only=True,
            )
        outputs = self._judge(own, first, plain, isolated, names)
        proof = Proof(
            outputs=tuple(outputs),
            done=("notebook and pipeline, plain and with isolated steps: compared value by value",),
            steps=isolated.steps,
            isolated_only=not any(one.verdict == "different" and "isolated" not in one.why for one in outputs),
        )
        self.spent += time.perf_counter() - began
        if not proof.holds or not full:
            return proof
        return self._on_changed_inputs(proof, lifted, sources)

    def _failed(self, own: Sequence[ReceiptOutput], error: Mapping[str, Any], *, isolated: bool) -> Proof:
        where = f" in step {error['step']}" if error.get("step") else ""
        problem = f"the pipeline raised {error.get('type')}{where}: {error.get('message')}"
        if error.get("text"):
            problem += f" ({error['text']})"
        return Proof(
            outputs=tuple(_unsure(one, problem) for one in own),
            step=error.get("step"),
            problem=problem,
            isolated_only=isolated,
        )

    def _notebooks_word(
        self, one: Wanted, first: Values, again: Values, same: Mapping[str, Any] | None, lifted: Lifted
    ) -> ReceiptOutput:
        """What two runs of the notebook itself say of an output: equal, not deterministic, or nothing."""
        verdict: Verdict = "equal"
        why = ""
        if first.error is not None or same is None:
            verdict = "not_compared"
            why = first.why.get(one.name) or again.why.get(one.name) or _message(first.error) or "it was not there"
        elif same["opaque"]:
            verdict, why = "not_compared", f"it holds what can't be looked into: {', '.join(same['opaque'][:3])}"
        elif not same["equal"] and (lifted.clock or not same["close"]):
            cause = "it reads the clock" if lifted.clock else "two runs of the notebook differ"
            verdict = "not_deterministic"
            why = f"{cause}: {_first(same)}"
        elif lifted.draws:
            why = "equal under the proof's seeds"
        return ReceiptOutput(name=one.name, of=one.of, cell=one.cell, verdict=verdict, why=why)

    def _judge(
        self, own: Sequence[ReceiptOutput], first: Values, plain: Values, isolated: Values, names: Sequence[str]
    ) -> list[ReceiptOutput]:
        as_plain = self._compare(first, plain, names)
        as_isolated = self._compare(first, isolated, names)
        judged: list[ReceiptOutput] = []
        for one in own:
            verdict, why = one.verdict, one.why
            if verdict == "equal":
                for result, how in ((as_plain.get(one.name), ""), (as_isolated.get(one.name), "with isolated steps: ")):
                    if result is None:
                        verdict, why = "not_compared", "the pipeline did not return it"
                    elif result["opaque"]:
                        verdict, why = "not_compared", f"it holds {', '.join(result['opaque'][:3])}"
                    elif not result["equal"] and not result["close"]:
                        verdict, why = "different", how + _first(result)
                    else:
                        why = _with_notes(why, result)
                    if verdict != "equal":
                        break
            judged.append(ReceiptOutput(name=one.name, of=one.of, cell=one.cell, verdict=verdict, why=why))
        return judged

    def _on_changed_inputs(self, proof: Proof, lifted: Lifted, sources: Sequence[str]) -> Proof:
        """Both once more on a copy of the sources with rows left out, and with another seed; nothing gets outside."""
        if self.spent + self.notebook_seconds > max(_FREE_SECONDS, _BUDGET * self.notebook_seconds):
            why = "on changed inputs: it would have taken more than five times the notebook's own time"
            return replace(proof, not_proven=(why,))
        if not sources and not lifted.draws:
            return replace(proof, not_proven=("on changed inputs: the notebook reads no file that could be changed",))
        reason = ""
        partly: Proof | None = None
        for share in (0.2, 0.0):
            book, line = self._fresh("changed"), self._fresh("changed")
            changed = change_inputs(book.folder, sources, share=share)
            change_inputs(line.folder, sources, share=share)
            if not changed and not lifted.draws:
                return replace(proof, not_proven=("on changed inputs: none of the files can be changed sensibly",))
            self.progress(f"proving: once more on changed inputs{self._about(2)}")
            done = _side_by_side(
                {
                    "book": lambda book=book: self._replay(
                        book, lifted.wanted, seed=1, until=self._end_of(lifted), warm=self._warm_book()
                    ),
                    "line": lambda line=line: self._pipeline(line, lifted, "plain", seed=1),
                }
            )
            if done["book"].error is None:
                return self._changed_word(proof, done["book"], done["line"], changed)
            reason = _message(done["book"].error)
            if partly is None and done["book"].paths and done["line"].error is None:
                # It stopped later than where these values were made.
                partly = self._changed_word(proof, done["book"], done["line"], changed)
            if self.notebook_seconds > _FREE_SECONDS:
                break
        why = f"on changed inputs: the notebook does not run on them ({reason})"
        return partly or replace(proof, not_proven=(why,))

    def _end_of(self, lifted: Lifted) -> tuple[int, int]:
        """Where in the notebook all that the pipeline needs has been executed: cell and index of a statement."""
        order = {cell.number: place for place, cell in enumerate(self.cells)}
        return max(lifted.step_ends, key=lambda end: (order.get(end[0], -1), end[1]))

    def _changed_word(self, proof: Proof, book: Values, line: Values, changed: Sequence[str]) -> Proof:
        if line.error is not None:
            problem = f"on changed inputs the pipeline raised {line.error.get('type')}: {line.error.get('message')}"
            return replace(proof, outputs=tuple(_unsure(one, problem) for one in proof.outputs), problem=problem)
        names = [one.name for one in proof.outputs]
        results = self._compare(book, line, names)
        # What comes out the same on other inputs says nothing of a pipeline that remembers.
        told = self._compare(self._firsts[tuple(names)], book, names) if tuple(names) in self._firsts else {}
        outputs: list[ReceiptOutput] = []
        missing: list[str] = []
        for one in proof.outputs:
            result = results.get(one.name)
            if result is None:
                missing.append(f"{one.name} on changed inputs: {book.why.get(one.name, 'it was not there')}")
                outputs.append(one)
            elif result["equal"] or result["close"]:
                outputs.append(one)
                if told.get(one.name, {}).get("equal"):
                    missing.append(f"{one.name} on changed inputs: it comes out the same on them")
            else:
                why = f"on changed inputs: {_first(result)}"
                outputs.append(replace(one, verdict="different", why=why))
        what = f"{', '.join(changed[:3])} with rows left out" if changed else "another seed"
        compared = len(missing) < len(outputs) or any(one.verdict == "different" for one in outputs)
        done = (*proof.done, f"again on changed inputs ({what})") if compared else proof.done
        return replace(proof, outputs=tuple(outputs), done=done, not_proven=tuple(missing), isolated_only=False)

    def on_sample(self, lifted: Lifted, files: Mapping[str, bytes]) -> Values:
        """Run a lifted module, its steps isolated, with other contents of some source files; what each step gives.

        Args:
            lifted: the module.
            files: contents, by path from the notebook's folder.
        """
        scratch = self._fresh("sample")
        for path, data in files.items():
            (scratch.folder / path).write_bytes(data)
        return self._pipeline(scratch, lifted, "isolated", seed=0, describe=True)

    # ---- where they part

    def first_divergence(self, lifted: Lifted) -> Divergence | None:
        """Where a pipeline first has another value than its notebook, step by step; None where that can't be told.

        Both run once more: for a refusal that says where to look.
        """
        asked = [
            (number, step.name, variable, lifted.step_ends[number])
            for number, step in enumerate(lifted.steps)
            for variable in step.outputs
            if variable.isidentifier()
        ]
        book, line = self._fresh("diverging"), self._fresh("diverging")
        capture = [{"name": variable, "after": list(end)} for _, _, variable, end in asked]
        request = self._request("replay", book, seed=0, capture=capture)
        done = _side_by_side(
            {
                "book": lambda: self._captured(
                    book, request, [f"{number} {name}" for number, _, name, _ in asked], self._warm_book()
                ),
                "line": lambda: self._pipeline(line, lifted, "isolated", seed=0, each_step=True),
            }
        )
        made = {
            f"{number} {name}": str(path)
            for number, step in enumerate(done["line"].steps)
            for name, path in step.get("portables", {}).items()
        }
        names = [f"{number} {name}" for number, _, name, _ in asked]
        results = self._compare(done["book"], Values(paths=made), names)
        for number, step, variable, _ in asked:
            result = results.get(f"{number} {variable}")
            if result is not None and not result["equal"] and not result["close"]:
                return Divergence(step=step, variable=variable, what=_first(result).partition(" ")[2])
        return None


def _with_notes(why: str, result: Mapping[str, Any]) -> str:
    """What is to be said of a value that counts as equal."""
    notes = [] if result["equal"] else [f"floats within {_RTOL:g}"]
    notes += [str(note) for note in result.get("notes", ())[:2]]
    notes += [f"{what} left out" for what in result.get("left_out", ())]
    return "; ".join([part for part in (why, *notes) if part and (part == why or part not in why)])


def _capture_of(asked: str, folder: str) -> dict[str, object]:
    """How the guest is asked for what ``--want`` says."""
    if asked.startswith("cell:") and asked[5:].isdigit():
        return {"cell": int(asked[5:])}
    return {"name": asked} if asked.isidentifier() else _file(asked, folder)


def _file(path: str, folder: str) -> dict[str, object]:
    return {"file": posixpath.normpath(f"{folder}/{path}")}


def _side_by_side(jobs: Mapping[str, Callable[[], Values]]) -> dict[str, Values]:
    with ThreadPoolExecutor(max_workers=max(1, os.cpu_count() or 1)) as pool:
        futures = {name: pool.submit(job) for name, job in jobs.items()}
        return {name: future.result() for name, future in futures.items()}


def _message(error: Mapping[str, Any] | None) -> str:
    return f"{error.get('type')} in cell {error.get('cell')}: {error.get('message')}"[:300] if error else ""


def _first(result: Mapping[str, Any]) -> str:
    differences = result["differences"]
    if not differences:
        return "they differ"
    others = max(int(result.get("count", 0)), len(differences)) - 1
    more = f" (and {others} more places)" if others and "(and " not in differences[0]["what"] else ""
    return f"{differences[0]['where']}: {differences[0]['what']}{more}"


def _unsure(one: ReceiptOutput, why: str) -> ReceiptOutput:
    verdict: Verdict = "not_compared" if one.verdict == "equal" else one.verdict
    return ReceiptOutput(
        name=one.name, of=one.of, cell=one.cell, verdict=verdict, why=why if one.verdict == "equal" else one.why
    )


def error_of(facts: Mapping[str, Any], error: type[PilotlineError]) -> PilotlineError:
    """An error from a guest's facts."""
    return error(str(facts.get("message")), cell=facts.get("cell"), line=facts.get("line"))
