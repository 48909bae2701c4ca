"""Page of a tenant's domains: DNS records to publish, the latest answers of DNS, and checks on demand."""

from __future__ import annotations

from typing import Any

from flask import Blueprint, Response, abort, flash, redirect, render_template, url_for
from werkzeug.wrappers import Response as AnyResponse

from console.pages.tenants.zone_file import zone_file
from console.web.api import act, api, get, key, person
from console.web.forms import CONFIRMATION, Field, Form

pages = Blueprint("domains", __name__, url_prefix="/tenants/<slug>/domains")

CHECK_SECONDS = 5


@pages.route("", methods=["GET", "POST"])
def index(slug: str) -> AnyResponse | tuple[str, int]:
    found = api().get(f"/tenants/{slug}")
    tenant = found.data
    form = Form(Field("domains"))
    added = [*tenant["domains"], form.values["domains"].strip()]
    if form.submit(lambda: api().patch(f"/tenants/{slug}", {"domains": added}, found.etag)):
        flash("Added. Publish the records below.", "success")
        return redirect(url_for(".index", slug=slug), 303)
    may_change, runs = person().may_change(tenant), person().runs(tenant)
    domains = get(f"/tenants/{slug}/domains")
    page = render_template(
        "tenant/domains.html", tenant=tenant, domains=domains, form=form, may_change=may_change, runs=runs
    )
    return page, form.status


@pages.post("/<domain>/check")
def check(slug: str, domain: str) -> AnyResponse:
    path = f"/tenants/{slug}/domains/{domain}/verify"
    return act(
        lambda: api().post(path, params={"wait": CHECK_SECONDS}, key=key(), extra_seconds=CHECK_SECONDS),
        f"DNS was asked for {domain}.",
        url_for(".index", slug=slug, _anchor=domain),
    )


@pages.route("/<domain>/remove", methods=["GET", "POST"])
def remove(slug: str, domain: str) -> AnyResponse | tuple[str, int]:
    found = api().get(f"/tenants/{slug}")
    tenant = found.data
    if domain not in tenant["domains"] or not person().may_change(tenant):
        abort(404)
    form = Form(Field(CONFIRMATION))
    if form.confirm(domain):
        left = {"domains": [one for one in tenant["domains"] if one != domain]}
        back = url_for(".index", slug=slug)
        return act(lambda: api().patch(f"/tenants/{slug}", left, found.etag), f"{domain} is being removed.", back)
    return render_template("tenant/remove_domain.html", tenant=tenant, domain=domain, form=form), form.status


@pages.get("/<domain>/zone")
def zone(slug: str, domain: str) -> Response:
    """Download the records to publish as a zone file."""
    found: list[dict[str, Any]] = get(f"/tenants/{slug}/domains")
    records = next((one["records"] for one in found if one["domain"] == domain), None)
    if records is None:
        abort(404)
    headers = {"Content-Disposition": f'attachment; filename="{domain}.zone"'}
    return Response(zone_file(domain, records), content_type="text/plain; charset=utf-8", headers=headers)
