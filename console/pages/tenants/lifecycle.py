"""Suspend, resume, delete, restore, purge or pause a tenant, after a confirmation that shows the effects."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from flask import Blueprint, abort, flash, redirect, render_template, url_for
from werkzeug.wrappers import Response

from console.auth.rights import Person
from console.web.api import api, get, key, person
from console.web.forms import CONFIRMATION, Field, Form

pages = Blueprint("lifecycle", __name__, url_prefix="/tenants/<slug>/do")


@dataclass(frozen=True)
class Action:
    """A lifecycle action. `from_states`: states in which it is offered; `effects`: sentences for its confirmation."""

    name: str
    word: str
    from_states: frozenset[str]
    effects: tuple[str, ...]
    wants_reason: bool = False
    operators_only: bool = False
    is_grave: bool = False

    def offered_to(self, someone: Person, tenant: dict[str, Any]) -> bool:
        """Return whether the person may start it and the tenant's state allows it."""
        may = someone.is_operator if self.operators_only else someone.runs(tenant)
        paused = "pause" in tenant
        fits = {"pause": not paused, "unpause": paused}.get(self.name, True)
        return may and fits and tenant["status"] in self.from_states and "purgedAt" not in tenant


LIVING_STATES = frozenset({"pending", "active", "suspended"})
ACTIONS = {
    action.name: action
    for action in (
        Action(
            "suspend",
            "Suspend",
            frozenset({"active"}),
            (
                "Its people can no longer sign in to mail and files. New mail is refused, unless configured otherwise.",
                "All data is kept. Resuming gives everything back.",
                "The reason is kept, and shown to its people.",
            ),
            wants_reason=True,
        ),
        Action(
            "resume",
            "Resume",
            frozenset({"suspended"}),
            ("Its people can sign in again, and mail is received again.",),
        ),
        Action(
            "delete",
            "Delete",
            LIVING_STATES,
            (
                "All access is cut at once.",
                "All data is kept until the grace ends, and can be restored until then.",
                "After the grace everything is removed for good, by itself. The slug is never given again.",
            ),
            is_grave=True,
        ),
        Action(
            "restore",
            "Restore",
            frozenset({"deleted"}),
            ("It gets everything back that it had when it was deleted.",),
        ),
        Action(
            "purge",
            "Purge",
            frozenset({"deleted"}),
            (
                "Everything it has in the outside systems is removed now: groups, mail, files.",
                "This cannot be undone. A receipt stays.",
            ),
            operators_only=True,
            is_grave=True,
        ),
        Action(
            "pause",
            "Pause",
            frozenset({"pending", "active", "suspended", "deleted"}),
            ("No step of its operations begins. Running steps end; waiting steps keep their time.",),
            wants_reason=True,
            operators_only=True,
        ),
        Action(
            "unpause",
            "Unpause",
            frozenset({"pending", "active", "suspended", "deleted"}),
            ("Its steps go on.",),
            operators_only=True,
        ),
    )
}


@pages.app_context_processor
def offers() -> dict[str, Any]:
    """Give templates the actions to offer for a tenant."""
    return {"actions_for": lambda tenant: [one for one in ACTIONS.values() if one.offered_to(person(), tenant)]}


@pages.route("/<action_name>", methods=["GET", "POST"])
def confirm(slug: str, action_name: str) -> Response | tuple[str, int]:
    action, tenant = ACTIONS.get(action_name), get(f"/tenants/{slug}")
    if action is None:
        abort(404)
    if not action.offered_to(person(), tenant):
        flash(f"{action.word} is not possible: {tenant['name']} is {tenant['status']}.", "warning")
        return redirect(url_for("tenant.show", slug=slug), 303)
    form = Form(Field("reason"), Field(CONFIRMATION))
    if form.confirm(slug) and form.submit(lambda: _send(slug, action, form)):
        flash(f"{action.word}: begun.", "success")
        return redirect(url_for("tenant.show", slug=slug), 303)
    return render_template("tenant/confirm.html", tenant=tenant, action=action, form=form), form.status


def _send(slug: str, action: Action, form: Form) -> Any:
    if action.name == "delete":
        return api().delete(f"/tenants/{slug}")
    body = {"reason": form.body().get("reason", "")} if action.wants_reason else None
    return api().post(f"/tenants/{slug}/{action.name}", body, key=key())
