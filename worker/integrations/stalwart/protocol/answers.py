"""Check the shape of JMAP answers, and translate errors of methods and objects into faults."""

from __future__ import annotations

from typing import Any

from shared.integrations.outcomes import Fault, NotFound, PermanentError, TemporaryError
from worker.integrations.stalwart.protocol.batching import Object

#: characters of the server's own text that a message repeats at most
MAX_TEXT_LENGTH = 200
_MAPS = ("created", "updated", "notCreated", "notUpdated", "notDestroyed")
#: errors of an unavailable store, of a lost race for a unique key, and of an object that was removed while a list was
#: read in pages: read again, then decide
_TEMPORARY = frozenset({"serverUnavailable", "serverPartialFail", "serverFail", "anchorNotFound"})
_UNKNOWN = frozenset({"unknownMethod", "unsupportedFilter", "unsupportedSort"})
_REASONS = {"forbidden": "missing_permission", "overQuota": "quota"}


class ReferenceRefused(TemporaryError):
    """The object `kind` `id` that it refers to was deleted between two calls, or belongs to another mail tenant.

    Start again with a read; if it lasts, somebody must correct the reference.
    """

    def __init__(self, kind: str = "", id_: str = "") -> None:
        named = f"{kind} {id_}".strip() or "an object"
        super().__init__("vanished", f"It refers to {named}, which does not exist or is outside its mail tenant.")
        self.kind = kind
        self.id = id_


class KeyTaken(PermanentError):
    """A unique key is held by another object: `kind` and `id` name the holder."""

    def __init__(self, kind: str, id_: str) -> None:
        super().__init__("taken")
        self.kind = kind
        self.id = id_


def text_of(one: Object, name: str) -> str:
    """Return a text of an object. Raises TemporaryError("unexpected_answer")."""
    found = one.get(name)
    if not isinstance(found, str):
        raise _odd(f"An object has no {name}.")
    return found


def map_of(one: Object, name: str) -> Object:
    """Return an object inside an object, empty for null. Raises TemporaryError("unexpected_answer")."""
    found = one.get(name)
    if not isinstance(found, dict | None):
        raise _odd(f"The {name} of an object has another shape.")
    return found or {}


def checked_responses(body: Object, count: int) -> list[Any]:
    """Return the method responses of a request with so many calls. Raises TemporaryError("unexpected_answer")."""
    responses = body.get("methodResponses")
    if not isinstance(responses, list) or len(responses) != count:
        raise _odd("A method has no response.")
    if not all(isinstance(one, list) and len(one) > 1 and isinstance(one[1], dict) for one in responses):
        raise _odd("A method's answer has another shape.")
    return responses


def checked_answer(name: str, response: list[Any]) -> Object:
    """Return the arguments of one method's answer.

    Raises the fault of its error, or TemporaryError for another shape.
    """
    if response[0] != name:
        raise _method_fault(name, str(response[1].get("type", "")))
    answer: Object = response[1]
    check = {"get": _is_get, "query": _is_query}.get(name.rpartition("/")[2], _is_set)
    if not check(answer):
        raise _odd(f"The answer of {name} has another shape.")
    return answer


def object_fault(error: Object | None) -> Fault:
    """Translate the error of one object of a /set; None: the object is in no list of the answer."""
    if error is None:
        return _odd("An object that was sent is in no list of the answer.")
    type_ = str(error.get("type", ""))
    if type_ == "primaryKeyViolation":
        return KeyTaken(*_named_object(error))
    if type_ == "notFound":
        return NotFound()
    if type_ == "invalidForeignKey":
        return ReferenceRefused(*_named_object(error))
    if type_ == "rateLimit":
        return TemporaryError("throttled", "Too many objects of this kind were made lately.")
    other = " ".join(_named_object(error)).strip()
    because = f" because of {other}" if other else ""
    detail = f"Stalwart refused the object as {type_}{because}{_words(error)}."
    return PermanentError(_REASONS.get(type_, "invalid"), detail)


def _named_object(error: Object) -> tuple[str, str]:
    """Return kind and id of the other object that an error names, or empty texts."""
    named = map_of(error, "objectId") if isinstance(error.get("objectId"), dict) else {}
    return str(named.get("object", "")), str(named.get("id", ""))


def _method_fault(name: str, type_: str) -> Fault:
    if type_ in _TEMPORARY:
        return TemporaryError("upstream_error", f"{name} was not carried out.")
    if type_ == "forbidden":
        return PermanentError("missing_permission", f"The account may not call {name}.")
    if type_ in _UNKNOWN:
        return PermanentError("not_supported", f"This version does not know {name} as it is used here.")
    return PermanentError("invalid", f"{name} was refused as {type_}.")


def _words(error: Object) -> str:
    """Return the server's description and properties in one line.

    Errors of one object name values and properties of that object only; those of a whole request, which repeat its
    body, never come here.
    """
    found = [str(error["description"])] if error.get("description") else []
    found += [f"{one.get('property')}: {one.get('type')}" for one in _dicts(error.get("validationErrors"))]
    properties = error.get("properties")
    named = ", ".join(str(one) for one in properties if one) if isinstance(properties, list) else ""
    text = "; ".join(found) + (f" ({named})" if named else "")
    clean = " ".join("".join(one if one.isprintable() else " " for one in text).split()).rstrip(".")
    return f": {clean[:MAX_TEXT_LENGTH]}" if clean else ""


def _dicts(found: Any) -> list[Object]:
    return [one for one in found if isinstance(one, dict)] if isinstance(found, list) else []


def _is_get(answer: Object) -> bool:
    found = answer.get("list")
    return isinstance(found, list) and all(isinstance(one, dict) and isinstance(one.get("id"), str) for one in found)


def _is_query(answer: Object) -> bool:
    found = answer.get("ids")
    return isinstance(found, list) and all(isinstance(one, str) for one in found)


def _is_set(answer: Object) -> bool:
    maps = [answer.get(name, {}) for name in _MAPS]
    if not all(isinstance(one, dict) for one in maps) or not isinstance(answer.get("destroyed", []), list):
        return False
    created, updated, *errors = maps
    inside = [*created.values(), *(error for one in errors for error in one.values())]
    return isinstance(updated, dict) and all(isinstance(one, dict) for one in inside) and _have_ids(created)


def _have_ids(created: Object) -> bool:
    return all(isinstance(one.get("id"), str) for one in created.values())


def _odd(detail: str) -> TemporaryError:
    return TemporaryError("unexpected_answer", detail)
