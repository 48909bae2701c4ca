"""The baseline of a bare API: insert and enqueue, find one, find fifty. It is as durable as the platform.

It enqueues one task by `send_task`, as Celery's documentation does. At `/pushed` it pushes the bare id instead,
which no worker of Celery's would take.
"""

from __future__ import annotations

import os
from datetime import UTC, datetime
from functools import cache
from typing import Any

import pymongo
import redis
from bson import ObjectId
from bson.json_util import dumps
from celery import Celery
from flask import Flask, Response, request
from pymongo.write_concern import WriteConcern

app = Flask("bare")
celery = Celery("bare", broker=os.environ["REDIS_URL"])


@cache
def _database(name: str) -> Any:
    client = pymongo.MongoClient[dict[str, Any]](os.environ["MONGODB_URI"], tz_aware=True)
    return client.get_database(name, write_concern=WriteConcern(w="majority", j=True))


@cache
def _broker() -> redis.Redis:
    return redis.Redis.from_url(os.environ["REDIS_URL"])


@app.post("/tenants")
def create() -> Response:
    row = _insert()
    celery.send_task("bare.provision", [str(row["_id"])])
    return _respond(row, 201)


@app.post("/pushed")
def create_and_push() -> Response:
    row = _insert()
    _broker().lpush("bare", str(row["_id"]))
    return _respond(row, 201)


@app.get("/tenants/<slug>")
def get(slug: str) -> Response:
    return _respond(_database("bench")["tenants"].find_one({"slug": slug}), 200)


@app.get("/tenants")
def page() -> Response:
    return _respond(list(_database("bench")["tenants"].find().sort("_id", -1).limit(50)), 200)


@app.get("/health/ready")
def ready() -> str:
    return "ok"


def _insert() -> dict[str, Any]:
    row = {**request.get_json(), "_id": ObjectId(), "status": "pending", "createdAt": datetime.now(UTC)}
    _database("bare")["tenants"].insert_one(row)
    return row


def _respond(body: Any, status: int) -> Response:
    return Response(dumps(body), status, content_type="application/json")
