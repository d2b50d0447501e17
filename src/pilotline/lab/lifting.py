"""Lift a notebook: record, slice, write, prove; if the proof shows a difference, step down the ladder; else refuse."""

from __future__ import annotations

import math
import posixpath
import re
import shlex
import time
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Literal, cast

from pilotline.domain.errors import LiftError, PilotlineError
from pilotline.domain.recordings import Recording
from pilotline.lab.generating import generated, with_rows
from pilotline.lab.interpreting import interpreter_for
from pilotline.lab.placing import check_place, module_name, place, remember
from pilotline.lab.proposing import contract_for
from pilotline.lab.proving import Divergence, Proof, Prover
from pilotline.lab.receipt import Diagnostic, Receipt, ReceiptOutput
from pilotline.lab.sampling import sample_files
from pilotline.lab.testing import Sample, names_in_sample, tests_for
from pilotline.lift.lifting import Lifted, lift
from pilotline.lift.parts import Parts, parts_of
from pilotline.lift.reading import read
from pilotline.lift.scratch import scratch_for
from pilotline.lift.secrets import Hider, Secret, SecretInResult, SecretStays, named_secrets
from pilotline.lift.wanted import NothingToLift, Wanted, asked_for, by_default, candidates
from pilotline.lift.writing import formatted
from pilotline.run.projects import project_of

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Mapping, Sequence
    from pathlib import Path

    from pilotline.domain.notebooks import Cell, Notebook
    from pilotline.lift.interpreter import Interpreter
    from pilotline.lift.scratch import Scratch
    from pilotline.lift.slicing import Rung

_TRIES_AT_STEPS = 4
#: Rows of each file that the tests beside a module get, at most: few, or more where few do not do.
_SAMPLES = (200, 1000)


class NotebookFailed(LiftError):
    """The notebook does not run to its end."""

    code = "PL110"


class NotProven(LiftError):
    """Pipeline and notebook differ, whatever is kept."""

    code = "PL151"


class NotDeterministic(LiftError):
    """What was asked for differs between two runs of the notebook itself."""

    code = "PL152"


class NotComparable(LiftError):
    """What was asked for is of a kind that cannot be compared."""

    code = "PL153"


@dataclass(frozen=True, slots=True, kw_only=True)
class Options:
    """How to lift."""

    wants: tuple[str, ...] = ()
    python: str | None = None
    allow: tuple[str, ...] = ()
    proof: Literal["full", "once"] = "full"
    timeout: float = 600.0
    order: Literal["file", "executed"] | None = None
    name: str | None = None
    force: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Listed:
    """One thing that could be wanted."""

    ask: str
    kind: str
    cell: int
    type: str

    def as_json(self) -> dict[str, object]:
        """JSON-ready."""
        return {"want": self.ask, "kind": self.kind, "cell": self.cell, "type": self.type}


@dataclass(frozen=True, slots=True, kw_only=True)
class _Recorded:
    notebook: Notebook
    cells: tuple[Cell, ...]
    recording: Recording
    parts: Parts
    interpreter: Interpreter
    order: str
    diagnostics: tuple[Diagnostic, ...]


def list_wanted(path: Path, options: Options, progress: Callable[[str], None]) -> list[Listed]:
    """What a notebook offers to ``--want``.

    Raises:
        PilotlineError: it can't be read or run.
    """
    with _opened(path) as (notebook, secrets, _):
        interpreter = interpreter_for(notebook, options.python, progress)
        with (
            scratch_for(notebook) as scratch,
            _prover(notebook.code, interpreter, scratch, options, progress) as prover,
        ):
            prover.secrets = {one.name: one.value for one in secrets}
            recorded = _record(notebook, interpreter, prover, options)
    return [
        Listed(
            ask=f"cell:{one.cell}" if one.position is not None else one.path or one.name,
            kind=one.kind,
            cell=one.cell,
            type=one.info.type if one.info else "file",
        )
        for one in candidates(recorded.parts)
    ]


def lift_notebook(path: Path, options: Options, progress: Callable[[str], None]) -> Receipt:
    """Lift a notebook and write module, contract and tests beside it; nothing is written unless proven.

    Raises:
        UsageError: the notebook, a wanted name or the interpreter can't be used.
        WouldOverwrite: files are in the way.
    """
    began = time.perf_counter()
    try:
        with _opened(path) as (notebook, secrets, hider):
            receipt = _lifted(notebook, secrets, hider, options, progress)
    except SecretStays as error:
        receipt = _refused_by(error, path)
    return replace(receipt, seconds=time.perf_counter() - began)


def prove_module(
    path: Path, module: Path, options: Options, progress: Callable[[str], None], *, module_python: Path | None = None
) -> Receipt:
    """Prove a module that is there, lifted from a notebook before and perhaps edited since; nothing is written.

    Args:
        path: the notebook.
        module: what is proven, as it stands.
        options: how it was lifted; ``python`` says in which environment it is proven now.
        progress: told what is going on.
        module_python: the interpreter of the module, where that is not the notebook's.

    Raises:
        UsageError: the notebook, a wanted name or the interpreter can't be used.
    """
    began = time.perf_counter()
    try:
        with _opened(path) as (notebook, secrets, hider):
            interpreter = interpreter_for(notebook, options.python, progress)
            with (
                scratch_for(notebook) as scratch,
                _prover(notebook.code, interpreter, scratch, options, progress) as prover,
            ):
                prover.secrets = {one.name: one.value for one in secrets}
                prover.module_name = module.stem
                prover.module_python = module_python
                receipt = hider.value(_proven_again(notebook, interpreter, prover, module, options))
    except LiftError as error:
        if error.exit_status != 1:
            raise
        receipt = _refused_by(error, path)
    return replace(receipt, module=str(module), seconds=time.perf_counter() - began)


def _proven_again(
    notebook: Notebook, interpreter: Interpreter, prover: Prover, module: Path, options: Options
) -> Receipt:
    recorded = _record(notebook, interpreter, prover, options)
    wanted = asked_for(recorded.parts, options.wants) if options.wants else by_default(recorded.parts)
    receipt, lifted, _ = _down_the_ladder(recorded, wanted, prover, options)
    source = module.read_text(encoding="utf-8")
    if source == lifted.source or receipt.status != "proven":
        return receipt
    edited = replace(lifted, source=source)
    proof = prover.prove(edited, full=options.proof == "full", sources=_sources(recorded))
    found = _receipt(recorded, edited, proof, receipt.diagnostics)
    return found if proof.holds else _refusal(found, proof, None)


@contextmanager
def _opened(path: Path) -> Generator[tuple[Notebook, tuple[Secret, ...], Hider]]:
    """A notebook without its credentials, what they are, and who hides them; no error that comes out tells one."""
    hider = Hider()
    try:
        notebook, secrets = named_secrets(read(path))
        hider = Hider(secrets)
        yield notebook, secrets, hider
    except PilotlineError as error:
        hider.error(error)
        raise


def _lifted(
    notebook: Notebook,
    secrets: Sequence[Secret],
    hider: Hider,
    options: Options,
    progress: Callable[[str], None],
) -> Receipt:
    path = notebook.path
    interpreter = interpreter_for(notebook, options.python, progress)
    with scratch_for(notebook) as scratch, _prover(notebook.code, interpreter, scratch, options, progress) as prover:
        prover.secrets = {one.name: one.value for one in secrets}
        try:
            recorded = _record(notebook, interpreter, prover, options)
            wanted = asked_for(recorded.parts, options.wants) if options.wants else by_default(recorded.parts)
            name = options.name or module_name(path, _imported_roots(recorded))
            prover.module_name = name
            receipt, lifted, proof = _down_the_ladder(recorded, wanted, prover, options)
            if receipt.status == "proven":
                kept = [one for one in secrets if one.name in lifted.source]
                files = _files(lifted, proof, prover, path, name, kept)
                _no_secret_in(files, hider)
                receipt = _written(_with_secrets(receipt, kept), files, path, name, options, interpreter)
        except LiftError as error:
            if error.exit_status != 1:
                raise
            receipt = _refused_by(error, path, interpreter)
    return hider.value(receipt)


def _no_secret_in(files: Mapping[str, str | bytes], hider: Hider) -> None:
    """Nothing that is written holds a credential, wherever it came from.

    Raises:
        SecretStays: something would.
    """
    for name, text in files.items():
        held = hider.holds(text.decode("latin-1") if isinstance(text, bytes) else text)
        if held is not None:
            raise SecretStays(
                f"{name} would hold what looks like a credential ({held}); nothing was written.",
                try_next="take it out of the notebook or of its data, or --want something else",
            )


def _with_secrets(receipt: Receipt, secrets: Sequence[Secret]) -> Receipt:
    """A word about each credential that the pipeline needs."""
    told = [
        Diagnostic(
            code="PL177",
            message=f"a credential ({one.what}) is not in the pipeline: it is read from the environment as {one.name}",
            cell=one.cell,
            line=one.line,
        )
        for one in secrets
    ]
    return replace(receipt, diagnostics=(*receipt.diagnostics, *told), secrets=tuple(one.name for one in secrets))


@contextmanager
def _prover(
    cells: Sequence[Cell], interpreter: Interpreter, scratch: Scratch, options: Options, progress: Callable[[str], None]
) -> Generator[Prover]:
    prover = Prover(
        cells=cells,
        python=interpreter.path,
        scratch=scratch,
        allow=options.allow,
        timeout=options.timeout,
        progress=progress,
    )
    try:
        yield prover
    finally:
        prover.close()


def _record(notebook: Notebook, interpreter: Interpreter, prover: Prover, options: Options) -> _Recorded:
    """Run the notebook once, in the order of the file or as it was executed."""
    executed = notebook.executed_order
    orders: list[tuple[str, tuple[Cell, ...]]] = [("", notebook.code)]
    if executed is not None:
        told = ("cells in the order of the file", notebook.code), ("cells as they were last executed", executed)
        orders = [told[1]] if options.order == "executed" else [told[0]] if options.order == "file" else list(told)
    best: tuple[int, _Recorded, dict[str, Any]] | None = None
    failure: PilotlineError | None = None
    for order, cells in orders:
        prover.cells = cells
        answer, scratch = prover.record(options.wants)
        if answer.get("error"):
            failure = failure or _failure(cast("dict[str, Any]", answer["error"]))
            continue
        recording = Recording.of(_from_folder(answer, scratch.folder.relative_to(scratch.root).as_posix()))
        if (missed := _read_after_skipped(recording)) is not None:
            failure = failure or missed
            continue
        recorded = _Recorded(
            notebook=notebook,
            cells=cells,
            recording=recording,
            parts=parts_of(cells, recording),
            interpreter=interpreter,
            order=order,
            diagnostics=tuple(_warnings(recording)),
        )
        score = _agreement(notebook, recorded) if len(orders) > 1 else 0
        if best is None or score > best[0]:
            best = (score, recorded, answer)
        if score == sum(1 for cell in notebook.code if cell.shown):
            # Everything that was saved came out again: no other order has to be tried.
            break
    if best is None:
        raise failure or NotebookFailed("The notebook does not run.")
    prover.cells = best[1].cells
    prover.was_recorded(options.wants, best[2])
    return best[1]


def _read_after_skipped(recording: Recording) -> PilotlineError | None:
    """What is wrong where files are read after a shell line that was not run: it could have changed them."""
    for position, one in enumerate(recording.statements):
        if not one.skipped:
            continue
        for later in recording.statements[position + 1 :]:
            if later.reads_files or later.lists_folders:
                what = (*later.reads_files, *later.lists_folders)[0]
                return _failure(
                    {
                        "code": "PL121", "cell": one.cell, "line": one.line, "type": "Stopped",
                        "message": f"it starts another program ({one.skipped[0][:200]}), which is not allowed here, "
                        f"and cell {later.cell} reads {what} afterwards",
                    }
                )  # fmt: skip
        break
    return None


def _agreement(notebook: Notebook, recorded: _Recorded) -> int:
    """How many of the saved results a run gave again."""
    texts = {part.cell: part.seen.shown.text for part in recorded.parts.all if part.seen.shown is not None}
    return sum(
        1 for cell in notebook.code if cell.shown and texts.get(cell.number, "").strip() == cell.shown[-1].strip()
    )


def _from_folder(answer: dict[str, Any], folder: str) -> dict[str, Any]:
    """Paths as the notebook's own code says them: from its folder, not from the root of the copy."""
    if folder == ".":
        return answer
    for statement in answer.get("statements") or ():
        for key in ("reads_files", "writes_files", "removes_files", "makes_folders", "lists_folders"):
            statement[key] = [
                one if one.startswith("/") else posixpath.relpath(one, folder) for one in statement.get(key) or ()
            ]
    return answer


_FAILURES = {
    "PL111": "took too long", "PL112": "is not valid Python", "PL113": "needs a package that is not installed",
    "PL114": "needs a file that is not there", "PL115": "ran out of memory",
}  # fmt: skip


def _failure(facts: dict[str, Any]) -> PilotlineError:
    code = str(facts.get("code") or "PL110")
    lines = [str(line) for line in facts.get("traceback") or ()][:6]
    message = f"Cell {facts.get('cell')}, line {facts.get('line')}: {facts.get('type')}: {facts.get('message')}"
    if code in _FAILURES:
        message = f"The notebook {_FAILURES[code]}. {message}"
    if lines:
        message += "\n  " + "\n  ".join(lines)
    nexts = {
        "PL111": "pilotline lift NOTEBOOK --timeout SECONDS",
        "PL113": "install it in the notebook's environment, or name that with --python",
        "PL120": "pilotline lift NOTEBOOK --allow network",
        "PL121": "pilotline lift NOTEBOOK --allow subprocess",
        "PL122": "pilotline lift NOTEBOOK --allow write",
        "PL123": "pilotline lift NOTEBOOK --allow database",
    }
    kind = type("NotebookFailed", (NotebookFailed,), {"code": code})
    error: PilotlineError = kind(
        message, try_next=nexts.get(code, "mend that cell so that the notebook runs from top to bottom"),
        cell=facts.get("cell"), line=facts.get("line"),
    )  # fmt: skip
    return error


def _warnings(recording: Recording) -> list[Diagnostic]:
    found: list[Diagnostic] = []
    for one in recording.statements:
        if one.installs:
            message = f"installs {', '.join(one.installs)[:120]}: not run; it is a dependency of the pipeline"
            found.append(Diagnostic(code="PL160", message=message, cell=one.cell, line=one.line))
        if one.skipped:
            message = f"starts another program ({one.skipped[0][:120]}): not run; nothing that is wanted depends on it"
            found.append(Diagnostic(code="PL121", message=message, cell=one.cell, line=one.line))
    return found


def _requirements(recording: Recording) -> list[str]:
    """Packages that the notebook installs, as a list of dependencies says them; each once, the last word on it."""
    found: dict[str, str] = {}
    for one in recording.statements:
        for package in one.installs:
            match = re.fullmatch(r"([A-Za-z0-9][\w.-]*)(\[[\w,\s-]+\])?\s*([<>=!~][^\"\\;]*)?", package)
            if match and not match[1].endswith((".txt", ".yml", ".whl")):
                found[match[1].lower().replace("_", "-")] = package
    return [found[name] for name in sorted(found)]


def _imported_roots(recorded: _Recorded) -> frozenset[str]:
    targets = [target for one in recorded.recording.statements for target in one.imports.values()]
    return frozenset(target.partition(":")[0].partition(".")[0] for target in targets)


def _down_the_ladder(
    recorded: _Recorded, wanted: Sequence[Wanted], prover: Prover, options: Options
) -> tuple[Receipt, Lifted, Proof]:
    """Try single statements, then whole cells, then everything before; give up what cannot be compared if it was not asked for."""
    diagnostics = list(recorded.diagnostics)
    wanted = list(wanted)
    while True:
        lifted, proof, error = _best(recorded, wanted, prover, options)
        if lifted is None or proof is None:
            raise error or NotProven("No pipeline could be written.")
        lost = _lost(proof)
        kept = [one for one in wanted if one.asked or one.name not in {other.name for other in lost}]
        if proof.holds or len(kept) == len(wanted) or not kept:
            break
        for one in lost:
            code = "PL152" if one.verdict == "not_deterministic" else "PL153"
            if one.name not in {other.name for other in kept}:
                message = f"{one.name} is left out: {one.verdict.replace('_', ' ')}, {one.why}"
                diagnostics.append(Diagnostic(code=code, message=message, cell=one.cell))
        wanted = kept
    diagnostics += _not_as_saved(recorded, lifted)
    receipt = _receipt(recorded, lifted, proof, diagnostics)
    if proof.holds:
        return receipt, lifted, proof
    parting = prover.first_divergence(lifted) if _differs(proof) else None
    return _refusal(receipt, proof, error, parting), lifted, proof


_ADDRESS = re.compile(r"0x[0-9a-f]+")
#: How NumPy 2 shows its numbers.
_NUMBER = re.compile(r"^np\.\w+\((.*)\)$")
_MOST_SAID = 3


def _not_as_saved(recorded: _Recorded, lifted: Lifted) -> list[Diagnostic]:
    """Cells that showed something else when the notebook was saved than they show now, run from the top.

    A cell was edited, run twice or run in another order, or the data or a library changed: what is proven is what the
    notebook gives now.
    """
    left = {one.cell for one in lifted.left_behind if one.whole}
    now = {one.cell: one.shown.text for one in recorded.recording.statements if one.shown is not None}
    found: list[Diagnostic] = []
    for cell in recorded.cells:
        if not cell.shown or cell.number not in now or cell.number in left - {one.cell for one in lifted.wanted}:
            continue
        saved, shows = (
            _NUMBER.sub(r"\1", _ADDRESS.sub("", text.strip())) for text in (cell.shown[-1], now[cell.number])
        )
        if saved and shows and not shows.startswith("<") and saved != shows and _is_short(saved, shows):
            message = f"it showed {_said(saved)} when the notebook was saved, and shows {_said(shows)} now"
            found.append(Diagnostic(code="PL154", message=message, cell=cell.number))
    if len(found) > _MOST_SAID:
        others = ", ".join(str(one.cell) for one in found[_MOST_SAID:])
        more = Diagnostic(code="PL154", message=f"so do others: cells {others}")
        return [*found[:_MOST_SAID], more]
    return found


def _is_short(saved: str, shows: str) -> bool:
    """Neither is cut or laid out, which versions of libraries do differently, and they are not one number."""
    with suppress(ValueError):
        return not math.isclose(float(saved), float(shows), rel_tol=1e-9)
    return not any(len(text) > 60 or "\n" in text for text in (saved, shows))


def _said(text: str) -> str:
    return text if len(text) <= 60 else text[:57] + "..."


def _best(
    recorded: _Recorded, wanted: Sequence[Wanted], prover: Prover, options: Options
) -> tuple[Lifted | None, Proof | None, LiftError | None]:
    """The first rung whose proof holds, else the last that was tried."""
    lifted: Lifted | None = None
    proof: Proof | None = None
    trouble: LiftError | None = None
    rungs: tuple[Rung, ...] = ("steps", "cells", "prefix")
    requires = _requirements(recorded.recording)
    packages = cast("dict[str, str]", recorded.recording.python.get("packages") or {})
    for rung in rungs:
        merged: frozenset[int] = frozenset()
        for _ in range(_TRIES_AT_STEPS if rung != "prefix" else 1):
            try:
                tried = lift(
                    recorded.notebook,
                    recorded.parts,
                    wanted,
                    rung=rung,
                    merged=merged,
                    requires=requires,
                    packages=packages,
                )
            except LiftError as error:
                trouble = trouble or error
                break
            sources = _sources(recorded)
            found = prover.prove(tried, full=options.proof == "full", sources=sources)
            if "holds the secret" in found.problem and "cannot travel" not in found.problem:
                raise SecretInResult(
                    f"What is wanted must not be published: {found.problem.partition(': ')[2]}.",
                    try_next="--want something else",
                )
            if lifted is None or found.holds or proof is None or not proof.holds:
                lifted, proof = tried, found
            if found.holds or _not_the_pipelines_fault(found):
                return lifted, proof, None
            again = _with_merge(tried, found, merged)
            if again == merged:
                break
            merged = again
    return lifted, proof, trouble


def _lost(proof: Proof) -> list[ReceiptOutput]:
    """Outputs that cannot be proven whatever the pipeline is: two runs of the notebook itself say so."""
    return [
        one
        for one in proof.outputs
        if one.verdict in {"not_deterministic", "not_compared"} and (not proof.problem or one.why != proof.problem)
    ]


def _not_the_pipelines_fault(proof: Proof) -> bool:
    """Only the notebook's own runs stand in the way."""
    return not proof.problem and not any(one.verdict == "different" for one in proof.outputs)


def _with_merge(lifted: Lifted, proof: Proof, merged: frozenset[int]) -> frozenset[int]:
    """Take away the cut before the step that stands in the way, where isolation is what it can't bear."""
    if not proof.isolated_only or len(lifted.steps) < 2:
        return merged
    names = [step.name for step in lifted.steps]
    if proof.step in names:
        position = names.index(proof.step)
        cut = position if position > 0 else 1
        if "cannot travel" in proof.problem and position + 1 < len(names):
            cut = position + 1
        return merged | {lifted.step_starts[cut]}
    return merged | {lifted.step_starts[-1]}


def _sources(recorded: _Recorded) -> list[str]:
    """Files that the notebook reads and did not write itself."""
    written: set[str] = set()
    found: dict[str, None] = {}
    for one in recorded.recording.statements:
        for path in one.reads_files:
            if path not in written and not path.startswith("/"):
                found[path] = None
        written |= set(one.writes_files)
    return list(found)


def _receipt(recorded: _Recorded, lifted: Lifted, proof: Proof, diagnostics: Sequence[Diagnostic]) -> Receipt:
    return Receipt(
        notebook=recorded.notebook.path.name,
        status="proven" if proof.holds else "refused",
        rung=lifted.rung,
        module=lifted.source,
        outputs=proof.outputs,
        lines_total=lifted.lines_total,
        lines_kept=lifted.lines_kept,
        cells_total=lifted.cells_total,
        cells_kept=lifted.cells_kept,
        steps=lifted.steps,
        left_behind=lifted.left_behind,
        diagnostics=tuple(diagnostics),
        proofs=proof.done,
        not_proven=proof.not_proven,
        interpreter=str(recorded.interpreter),
        order=recorded.order,
    )


def _differs(proof: Proof) -> bool:
    return any(one.verdict == "different" for one in proof.outputs)


def _refusal(receipt: Receipt, proof: Proof, error: LiftError | None, parting: Divergence | None = None) -> Receipt:
    different = [one for one in proof.outputs if one.verdict == "different"]
    unsure = _lost(proof)
    found: list[Diagnostic] = list(receipt.diagnostics)
    if different or (proof.problem and not unsure):
        message = proof.problem or f"{different[0].name} differs: {different[0].why}"
        if parting is not None:
            message += f"; {parting}"
        found.append(Diagnostic(code="PL151", message=message))
    else:
        for one in unsure:
            code = "PL152" if one.verdict == "not_deterministic" else "PL153"
            found.append(Diagnostic(code=code, message=f"{one.name}: {one.why}", cell=one.cell))
    if error is not None:
        found.append(Diagnostic(code=error.code, message=error.message))
    code = found[-1].code
    return replace(
        receipt, rung=None, module=None, diagnostics=tuple(found),
        try_next=(f"pilotline explain {code}", f"pilotline lift {receipt.notebook} --list"),
    )  # fmt: skip


def _refused_by(error: LiftError, path: Path, interpreter: Interpreter | None = None) -> Receipt:
    cell, line = error.facts.get("cell"), error.facts.get("line")
    one = Diagnostic(
        code=error.code,
        message=error.message,
        cell=cell if isinstance(cell, int) else None,
        line=line if isinstance(line, int) else None,
    )
    nexts = tuple(text for text in (error.try_next, f"pilotline explain {error.code}") if text)
    return Receipt(
        notebook=path.name,
        status="refused",
        rung=None,
        module=None,
        diagnostics=(one,),
        interpreter=str(interpreter or ""),
        try_next=nexts,
    )


def _files(
    lifted: Lifted, proof: Proof, prover: Prover, path: Path, name: str, secrets: Sequence[Secret]
) -> dict[str, str | bytes]:
    """What is to be written, by name."""
    namespace = project_of(path.resolve().parent).namespace
    sample, data = _sample(lifted, proof, prover, [one.name for one in secrets])
    return {
        f"{name}.py": lifted.source,
        f"{name}.toml": contract_for(lifted, proof.steps, namespace, secrets),
        f"test_{name}.py": formatted(tests_for(lifted, name, path.name, sample)),
        **{f"test_{name}_data/{sample.files[source]}": content for source, content in data.items()},
    }


def _sample(lifted: Lifted, proof: Proof, prover: Prover, secrets: Sequence[str]) -> tuple[Sample, Mapping[str, bytes]]:
    """What the tests run on: a sample of the sources if the pipeline runs on one, else the sources themselves."""
    made = _made_up(lifted, proof)
    asked = {name for step in lifted.steps if step.name not in made for name in step.inputs}
    sources = [one.path for one in lifted.parameters if one.path and not one.written and one.name in asked]
    of: Literal["whole", "nothing"] = "whole" if sources or lifted.unnamed else "nothing"
    whole = Sample(of=of, why="none of its files can be cut down", steps=proof.steps, secrets=secrets)
    if lifted.unnamed:
        folder = prover.scratch.folder
        copied = [path for path in dict.fromkeys([*sources, *lifted.unnamed]) if (folder / path).exists()]
        why = f"its steps find {lifted.unnamed[0]} by a path of their own"
        return replace(whole, why=why, copied=copied or [f"{prover.module_name}.py"]), {}
    if lifted.lists_its_folder:
        return replace(whole, why="the notebook looks through its folder, where a sample would be found too"), {}
    tried = replace(lifted, source=with_rows(lifted.source, made))
    for rows in _SAMPLES if sources or made else ():
        data = sample_files(prover.scratch.folder, sources, rows=rows)
        if not data and not made:
            break
        prover.progress(f"trying the steps on {rows} rows of their files, for the tests")
        done = prover.on_sample(tried, data)
        if done.error is None and _is_telling(done.steps, proof.steps):
            names = names_in_sample(list(data))
            kind: Literal["sample", "nothing"] = "sample" if data else "nothing"
            return Sample(of=kind, files=names, rows=made, steps=done.steps, secrets=secrets), data
        whole = replace(whole, why="its steps need more rows than a sample has")
    return whole, {}


def _made_up(lifted: Lifted, proof: Proof) -> dict[str, str]:
    """For steps that read a database or an address: rows that stand for what they gave."""
    made: dict[str, str] = {}
    for step, seen in zip(lifted.steps, proof.steps, strict=False):
        described = list((seen.get("describe") or {}).values())
        rows = generated(described[0]) if step.reaches and len(described) == 1 else None
        if rows is not None:
            made[step.name] = rows
    return made


def _is_telling(few: Sequence[Mapping[str, Any]], all_: Sequence[Mapping[str, Any]]) -> bool:
    """On the sample as on everything, each step gives something."""
    for one, other in zip(few, all_, strict=True):
        for name, seen in (other.get("describe") or {}).items():
            found = (one.get("describe") or {}).get(name) or {}
            if found.get("kind") != seen.get("kind"):
                return False
            for size in ("rows", "value", "length"):
                if seen.get(size) and not found.get(size):
                    return False
    return True


def _written(
    receipt: Receipt,
    files: Mapping[str, str | bytes],
    path: Path,
    name: str,
    options: Options,
    interpreter: Interpreter,
) -> Receipt:
    folder = path.resolve().parent
    changed = check_place(folder, files, force=options.force)
    place(folder, files)
    remember(
        folder,
        name,
        {
            "notebook": path.name,
            "wants": list(options.wants),
            "allow": list(options.allow),
            "order": options.order,
            "proof": options.proof,
            "python": str(interpreter.path) if interpreter.built else options.python,
        },
    )
    there = f" --python {shlex.quote(str(interpreter.path))}" if interpreter.built else ""
    set_first = tuple(f"export {secret}=..." for secret in receipt.secrets)
    return replace(
        receipt,
        module=str(folder / f"{name}.py"),
        files=tuple(str(folder / one) for one in files),
        changed=changed,
        try_next=(*set_first, f"pilotline run {name}{there}", f"pytest test_{name}.py"),
    )


__all__ = ["Listed", "NothingToLift", "Options", "ReceiptOutput", "lift_notebook", "list_wanted", "prove_module"]
