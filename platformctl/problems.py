"""What the API's error answers (RFC 9457) mean for a command: its exit code, and sentences for a person."""

from __future__ import annotations

from typing import Any

import requests

from platformctl.failures import CommandFailure, NotSignedIn, Refused, Unreachable


def failure_of(answer: requests.Response) -> CommandFailure:
    """The exception for any answer that is not a success."""
    problem = problem_of(answer)
    if not problem:
        return _unexplained(answer)
    sentence = str(problem.get("detail") or problem.get("title") or answer.reason)
    message = f"{sentence} ({problem.get('code', 'no code')}, HTTP {answer.status_code})"
    return _kind(answer.status_code)(message, *_notes(problem, answer))


def problem_of(answer: requests.Response) -> dict[str, Any]:
    """The problem document; empty when the answer holds none."""
    if answer.headers.get("Content-Type", "").partition(";")[0].strip() != "application/problem+json":
        return {}
    try:
        body = answer.json()
    except requests.JSONDecodeError:
        return {}
    return body if isinstance(body, dict) else {}


def _kind(status: int) -> type[CommandFailure]:
    if status == 401:
        return NotSignedIn
    return Unreachable if status >= 500 else Refused


def _notes(problem: dict[str, Any], answer: requests.Response) -> list[str]:
    flaws = problem.get("errors")
    notes = [f"{one.get('pointer')}: {one.get('detail')}" for one in flaws or () if isinstance(one, dict)]
    if problem.get("operation"):
        notes.append(f"the open operation: {problem['operation']}")
    if answer.status_code == 401:
        notes.append("sign in with: platformctl login")
    return [*notes, f"request id: {problem.get('requestId') or answer.headers.get('X-Request-Id', 'none')}"]


def _unexplained(answer: requests.Response) -> CommandFailure:
    """Somebody between us and the API answered, or the URL is not the API's."""
    place = answer.url.partition("?")[0]
    if answer.is_redirect:
        return Refused(f"{place} points to {answer.headers['Location']}; is --api-url right?")
    return _kind(answer.status_code)(f"{place} answered HTTP {answer.status_code} without an explanation.")
