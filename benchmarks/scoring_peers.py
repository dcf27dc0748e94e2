"""The peers of the scoring benchmark: the same model behind Ray Serve as it comes, and behind one FastAPI process.

Neither looks anything up: the request carries the whole feature vector. Run as a program: `ray|fastapi PORT MODEL`.
"""

# ruff: noqa: I002 - Ray hands the class to a process where FastAPI could not find what postponed annotations name

import asyncio
import os
import sys
from typing import Any

import numpy as np
from fastapi import FastAPI
from pydantic import BaseModel


class Request(BaseModel):
    """A finished feature vector."""

    values: list[float | None]


def load_booster(path: str) -> Any:
    """Open the model the way both peers use it: one thread."""
    import xgboost

    booster = xgboost.Booster(model_file=path)
    booster.set_param({"nthread": 1})
    return booster


def build_fastapi(path: str) -> FastAPI:
    """Build the single process: one row, one prediction."""
    app = FastAPI()
    booster = load_booster(path)

    @app.post("/")
    async def score(request: Request) -> dict[str, float]:
        return {"score": float(booster.inplace_predict(np.array([request.values], dtype=np.float32))[0])}

    return app


def run_ray(port: int, path: str) -> None:
    """Serve with Ray Serve's defaults, a FastAPI ingress and `@serve.batch`, until the process is ended."""
    import ray
    from ray import serve

    app = FastAPI()

    @serve.deployment(max_ongoing_requests=128, num_replicas=1)
    @serve.ingress(app)
    class Plain:
        def __init__(self) -> None:
            self.booster = load_booster(path)

        @serve.batch(max_batch_size=64, batch_wait_timeout_s=0.002)
        async def predict(self, vectors: list[list[float | None]]) -> list[float]:
            return [float(score) for score in self.booster.inplace_predict(np.array(vectors, dtype=np.float32))]

        @app.post("/")
        async def score(self, request: Request) -> dict[str, float]:
            return {"score": await self.predict(request.values)}

    ray.init(address="local", num_cpus=2, include_dashboard=False, object_store_memory=80_000_000)
    serve.start(http_options={"host": "127.0.0.1", "port": port})
    serve.run(Plain.bind())  # type: ignore[attr-defined]
    print("ready", flush=True)
    asyncio.run(asyncio.sleep(float("inf")))


if __name__ == "__main__":
    kind, port, model = sys.argv[1:]
    os.environ["OMP_NUM_THREADS"] = "1"
    if kind == "ray":
        run_ray(int(port), model)
    else:
        import uvicorn

        print("ready", flush=True)
        uvicorn.run(build_fastapi(model), host="127.0.0.1", port=int(port), log_level="warning", access_log=False)
