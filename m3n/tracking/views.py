"""The pages of a sweep's trials, a chart and a table, which open from links in the sweep's description.

MLflow keeps a shared view as JSON in a tag of the experiment and names the tag in the address. This view shows the trials of one
sweep, the best first, and every drawn setting beside the score in parallel coordinates.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

TAG = "mlflow.sharedViewState."
SECTION = "m3n-sweep"


def share(client: Any, run: Any, params: Sequence[str], metric: str, note: str, axes: Sequence[str] | None = None) -> None:
    """Tag the experiment with the view, and put its links at the top of the sweep's description, above `note`.

    MLflow's table has attributes first, then metrics by name, then params. The view shows one metric alone, which therefore stands
    before everything that was drawn.
    """
    experiment, key = run.info.experiment_id, f"m3n-{run.info.run_id[:12]}"
    state = view(run.info.run_id, params, metric, axes)
    client.set_experiment_tag(experiment, f"{TAG}{key}", json.dumps(state))
    page = f"#/experiments/{experiment}/runs?viewStateShareKey={key}&workflowType=machine_learning&compareRunsMode="
    links = (
        f"**[Which settings matter: all trials in parallel coordinates]({page}CHART)** | "
        f"**[The trials as a table, the best first]({page}TABLE)**"
    )
    text = f"{links}\n\n{note}"
    client.set_tag(run.info.run_id, "mlflow.note.content", text)


def view(sweep: str, params: Sequence[str], metric: str, axes: Sequence[str] | None = None) -> dict[str, Any]:
    """The state of MLflow's page of runs: filter, order, columns, and charts, whose axes are `axes` (by default `params`)."""
    common = {"metricSectionId": SECTION, "isGenerated": False, "deleted": False}
    parallel = {
        "type": "PARALLEL", "uuid": "m3n-parallel", "selectedParams": list(axes or params), "selectedMetrics": [metric],
        "showAllRuns": True, **common,
    }  # fmt: skip
    scores = {"type": "BAR", "uuid": "m3n-scores", "metricKey": metric, "runsCountToCompare": 20, **common}
    return {
        "searchFilter": f"tags.`mlflow.parentRunId` = '{sweep}'",
        "orderByKey": f"metrics.`{metric}`",
        "orderByAsc": False,
        "selectedColumns": [f"metrics.`{metric}`", *(f"params.`{name}`" for name in params)],
        "runsHiddenMode": "SHOW_ALL",
        "runListHidden": True,  # the axes need the whole width
        "compareRunCharts": [parallel, scores],
        "compareRunSections": [
            {"uuid": SECTION, "name": "Trials of the sweep", "display": True, "isReordered": True, "deleted": False,
             "isGenerated": False, "columns": 1, "cardHeight": 420}
        ],
        "isAccordionReordered": True,  # keep this section above those that MLflow adds
    }  # fmt: skip
