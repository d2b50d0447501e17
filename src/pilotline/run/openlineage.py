"""Runs as OpenLineage events: what other catalogs, such as Marquez or DataHub, understand.

Made from the rows that a run left, so that they can be made again at any time, and are the same then.
"""

from __future__ import annotations

import json
import uuid
from typing import TYPE_CHECKING, Any, Final

from pilotline import __version__
from pilotline.domain.tables import NoSuchTable, TableName
from pilotline.lake.errors import LakeError
from pilotline.run.columns.edges import DIRECT, Edge, gaps
from pilotline.run.columns.keeping import Columns

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from pilotline.lake.catalog import CatalogReader
    from pilotline.run.columns.edges import Lineage, Source
    from pilotline.run.columns.reading import TableColumns
    from pilotline.run.records import Records, Run

__all__ = ["as_lines", "events_of"]

_PRODUCER: Final = f"https://github.com/pilotline/pilotline/tree/{__version__}"
_SPEC: Final = "https://openlineage.io/spec/2-0-2/OpenLineage.json"
_FACETS: Final = "https://openlineage.io/spec/facets"
_ENDS: Final = {"published": "COMPLETE", "unchanged": "COMPLETE", "failed": "FAIL", "cancelled": "ABORT"}
#: Runs of one database have the same ids wherever the events are made.
_IDS: Final = uuid.UUID("0d7d6f0c-3b0e-5b7e-9a52-6c1c7f1d9b11")


def events_of(run: Run, records: Records, lake: CatalogReader, namespace: str) -> tuple[Mapping[str, Any], ...]:
    """The events of one run: that it began, and what became of it once it has ended.

    Args:
        run: which.
        records: the rows of runs.
        lake: for the columns of its tables.
        namespace: of the run's project, where the run is too old to say.
    """
    namespace = run.project or namespace
    identity = str(uuid.uuid5(_IDS, f"{namespace}/{run.name}/{run.began.isoformat()}"))
    job = {"namespace": namespace, "name": run.pipeline, "facets": _job_facets(run)}
    start = {
        "eventType": "START",
        "eventTime": run.began.isoformat(),
        "run": {"runId": identity, "facets": _engine()},
        "job": job,
        "inputs": [],
        "outputs": [],
        **_head(),
    }
    if run.ended is None or run.state not in _ENDS:
        return (start,)
    rows = records.rows_of("lineage", run.number)
    columns = {each.table: each for each in Columns(records.database).of_run(run.number)}
    end = {
        "eventType": _ENDS[run.state],
        "eventTime": run.ended.isoformat(),
        "run": {"runId": identity, "facets": {**_engine(), **_error(run)}},
        "job": job,
        "inputs": [_dataset(row, run, lake, namespace) for row in rows if row[0] == "in"],
        "outputs": [
            _with_columns(_dataset(row, run, lake, namespace), columns.get(row[2]), namespace)
            for row in rows
            if row[0] == "out"
        ],
        **_head(),
    }
    return start, end


def _head() -> dict[str, str]:
    return {"producer": _PRODUCER, "schemaURL": f"{_SPEC}#/$defs/RunEvent"}


def _facet(name: str, version: str, /, **facts: object) -> dict[str, object]:
    return {"_producer": _PRODUCER, "_schemaURL": f"{_FACETS}/{version}/{name}.json#/$defs/{name}", **facts}


def _job_facets(run: Run) -> dict[str, object]:
    kind = _facet("JobTypeJobFacet", "2-0-4", processingType="BATCH", integration="PILOTLINE", jobType="PIPELINE")
    owner = _facet("OwnershipJobFacet", "1-0-1", owners=[{"name": run.author}])
    return {"jobType": kind, "ownership": owner}


def _engine() -> dict[str, object]:
    engine = _facet("ProcessingEngineRunFacet", "1-1-1", name="pilotline", version=__version__)
    return {"processing_engine": engine}


def _error(run: Run) -> dict[str, object]:
    if run.state != "failed":
        return {}
    return {
        "errorMessage": _facet(
            "ErrorMessageRunFacet", "1-0-1", message=run.because.partition("\n")[0], programmingLanguage="python"
        )
    }


def _dataset(row: tuple[Any, ...], run: Run, lake: CatalogReader, namespace: str) -> dict[str, object]:
    direction, kind, name, state, _, count = row
    facets: dict[str, object] = {"version": _facet("DatasetVersionDatasetFacet", "1-0-1", datasetVersion=str(state))}
    if kind == "table":
        columns = _columns(lake, name, run.commit if direction == "out" and run.commit else run.base)
        if columns:
            facets["schema"] = _facet("SchemaDatasetFacet", "1-2-0", fields=columns)
    made: dict[str, object] = {"namespace": f"{namespace}:{kind}", "name": name, "facets": facets}
    if direction == "out" and count is not None:
        made["outputFacets"] = {
            "outputStatistics": _facet("OutputStatisticsOutputDatasetFacet", "1-0-2", rowCount=int(count))
        }
    return made


def _with_columns(dataset: dict[str, Any], columns: TableColumns | None, namespace: str) -> dict[str, object]:
    """Say what each column was made of. One of which something is not shown is left out there, and named with the reason."""
    if columns is None:
        return dataset
    facets: dict[str, object] = {**dataset["facets"]}
    hidden = {name: [gap.why for gap in gaps(columns.of(name))] for name in columns.columns if gaps(columns.of(name))}
    shown = {name: each for name, each in columns.columns.items() if name not in hidden}
    if shown:
        facets["columnLineage"] = _facet(
            "ColumnLineageDatasetFacet",
            "1-2-0",
            fields={name: {"inputFields": _fields(each, namespace)} for name, each in shown.items()},
            dataset=_fields(columns.rows, namespace),
        )
    if hidden:
        facets["pilotline_columnsNotShown"] = {
            "_producer": _PRODUCER,
            "_schemaURL": f"{_SPEC}#/$defs/DatasetFacet",
            "columns": hidden,
        }
    return {**dataset, "facets": facets}


def _fields(lineage: Lineage, namespace: str) -> list[dict[str, object]]:
    found: dict[tuple[Source, str], list[dict[str, object]]] = {}
    for edge in sorted(each for each in lineage if isinstance(each, Edge)):
        sort = "DIRECT" if edge.kind in DIRECT else "INDIRECT"
        one: dict[str, object] = {"type": sort, "subtype": edge.kind, "description": "", "masking": edge.masked}
        found.setdefault((edge.source, edge.column), []).append(one)
    return [
        {"namespace": f"{namespace}:{source.kind}", "name": source.name, "field": column, "transformations": kinds}
        for (source, column), kinds in found.items()
    ]


def _columns(lake: CatalogReader, name: str, commit: str) -> list[dict[str, str]]:
    try:
        info = lake.table(TableName.parse(name), commit)
    except (NoSuchTable, LakeError):
        return []
    return [{"name": column.name, "type": column.type} for column in info.columns]


def as_lines(events: Iterable[Mapping[str, Any]]) -> str:
    """A line of JSON an event."""
    return "".join(json.dumps(event) + "\n" for event in events)
