"""The baseline: a Flask view and a plain Celery chord with Redis results, which make the same calls to the products."""

from __future__ import annotations

import os
from datetime import UTC, datetime
from functools import cache
from typing import Any

import pymongo
from bson import ObjectId
from celery import Celery, chord
from flask import Flask, Response, jsonify, request

from shared.config.integrations import DEFAULT_PLANS
from shared.config.settings import read_settings
from shared.integrations.ownership_marker import MarkerSigner
from tools.bench.systems.calls import STEPS, tenant_of
from worker.integrations.registry import connect_integrations
from worker.integrations.step_context import StepContext

celery = Celery("plain", broker=os.environ["REDIS_URL"], backend=os.environ["REDIS_URL"])
app = Flask("plain")


@cache
def tenants() -> Any:
    return pymongo.MongoClient[dict[str, Any]](os.environ["MONGODB_URI"])["plain"]["tenants"]


@cache
def clients() -> Any:
    return connect_integrations(read_settings())


@celery.task(name="plain.step")
def step(tenant_id: str, name: str) -> str:
    row = tenants().find_one({"_id": ObjectId(tenant_id)})

    def save(**fields: Any) -> bool:
        tenants().update_one({"_id": row["_id"]}, {"$set": fields})
        return True

    work = StepContext(
        tenant_of(row),
        DEFAULT_PLANS["starter"],
        MarkerSigner(name, read_settings().stamp_key_texts),
        save,
        is_first=True,
    )
    outcome = STEPS[name](work, clients()[name])
    tenants().update_one({"_id": row["_id"]}, {"$set": {f"provisioningStatus.{name}": str(outcome.result)}})
    return str(outcome.result)


@celery.task(name="plain.finish")
def finish(results: list[str], tenant_id: str) -> None:
    tenants().update_one({"_id": ObjectId(tenant_id)}, {"$set": {"status": "active", "finishedAt": datetime.now(UTC)}})


@app.post("/tenants")
def create() -> tuple[Response, int]:
    row = {**request.get_json(), "_id": ObjectId(), "status": "pending", "createdAt": datetime.now(UTC)}
    tenants().insert_one(row)
    tenant_id = str(row["_id"])
    chord([step.s(tenant_id, name) for name in STEPS])(finish.s(tenant_id))
    return jsonify(id=tenant_id), 201


@app.get("/health/ready")
def ready() -> str:
    return "ok"
