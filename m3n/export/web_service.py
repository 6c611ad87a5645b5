"""A classifier as a web service, for clients that are not Python: samples in, labels with confidence out.

    POST /predict   {"rate_hz": 50, "samples": {"right_wrist_ax": [...], ..., "right_wrist_gz": [...]}}
                    -> {"start_s": [...], "stop_s": [...], "label": [...], "confidence": [...]}
    GET /           what the model expects: columns, units, window, classes

A request is a recording or a window of it. What is wrong with one is status 400 and one line, {"error": "..."}. Predictions take
turns on one thread: networks this small gain nothing from more, and clients wait for each other in the order in which they came.
"""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

from m3n.errors import InputError, one_line
from m3n.export.samples import SamplesClassifier, sample_columns

LARGEST = 64 * 2**20  # bytes of a request: some hours of one wrist


def application(folder: Path) -> Any:
    """The ASGI application that serves the classifier in a folder made by `m3n finetune`; InputError if there is none."""
    import asyncio
    import json

    from starlette.applications import Starlette
    from starlette.requests import Request
    from starlette.responses import JSONResponse
    from starlette.routing import Route

    model = SamplesClassifier(folder)
    shape, placements = model.shape, model.checkpoint.placements
    columns = {placement: sample_columns(placement) for placement in placements}
    about = {
        "columns": columns, "units": "m/s² and rad/s", "rate_hz": shape.rate_hz, "window_s": shape.window_s,
        "classes": model.checkpoint.classes,
    }  # fmt: skip
    turns = ThreadPoolExecutor(1)

    def answer(body: bytes) -> dict[str, list[Any]]:
        import pandas as pd

        try:
            asked = json.loads(body)
            params = {name: float(asked[name]) for name in ("rate_hz", "hop_s") if asked.get(name) is not None}
            frame = pd.DataFrame(asked["samples"], dtype=float)
        except (ValueError, TypeError, KeyError, AttributeError) as error:
            raise InputError(
                'expected JSON as {"rate_hz": 50, "samples": {"<column>": [numbers], ...}}, with columns of one length '
                f"({type(error).__name__}: {one_line(str(error), 100)})"
            ) from None
        return dict(model.predict(frame, params).to_dict("list"))

    async def predict(request: Request) -> JSONResponse:
        if int(request.headers.get("content-length") or 0) > LARGEST:
            return JSONResponse({"error": f"more than {LARGEST >> 20} MB: send a shorter recording"}, 413)
        try:
            found = await asyncio.get_running_loop().run_in_executor(turns, answer, await request.body())
        except InputError as error:
            return JSONResponse({"error": str(error)}, 400)
        return JSONResponse(found)

    async def describe(request: Request) -> JSONResponse:
        return JSONResponse(about)

    return Starlette(routes=[Route("/predict", predict, methods=["POST"]), Route("/", describe)])


def serve(folder: Path, host: str, port: int) -> None:
    """Serve a classifier until Ctrl-C."""
    import uvicorn

    uvicorn.run(application(folder), host=host, port=port, log_level="warning")
