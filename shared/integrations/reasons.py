"""The catalogue of reasons of steps, webhook deliveries and orphans, each with a sentence for people."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

_WAIT = "Wait: it runs again automatically."


@dataclass(frozen=True)
class Reason:
    """A reason with its message and remedy. `retryable`: the same call may succeed later without a change.

    `remedy`: what to correct. `repeats`: then the action must be repeated; `shared.workflows.remedies` says how.
    """

    message: str
    remedy: str = ""
    retryable: bool = False
    repeats: bool = False

    @property
    def remedy_while_open(self) -> str:
        """Return the remedy of something that runs again, if the reason is one for that."""
        if not self.retryable:
            return self.remedy
        return f"{self.remedy} It then runs again automatically." if self.remedy else _WAIT


#: all reasons of steps
REASONS: Mapping[str, Reason] = {
    # the step had nothing to do
    "not_configured": Reason(
        "This integration is not configured.",
        "Set its URL and credentials, and restart the workers.",
        repeats=True,
    ),
    "no_domains": Reason("The tenant has no domains, so there is no mail to set up.", "Add a domain to the tenant."),
    "domains_unverified": Reason(
        "None of the tenant's domains has been proven to be its own, so no mail was set up.",
        "Publish the proof listed under the tenant's domains; mail is set up automatically once DNS shows it.",
    ),
    "nothing_there": Reason("There is nothing of this tenant in the integration.", "Nothing needs to be done."),
    "owner_has_account": Reason(
        "Another account in Authentik signs in with the owner's address, so the owner got no access.",
        "Find out whose account it is; if it is the owner's, add it to the tenant's group by hand.",
    ),
    "no_price": Reason(
        "The tenant's plan has no price, so it is not billed.",
        "If it is to be billed, add its price to STRIPE_PRICES, and restart API and workers.",
        repeats=True,
    ),
    "subscription_ended": Reason(
        "The tenant's subscription has ended in Stripe, and no new one is created automatically.",
        "To create a new one, delete the ended subscription's record here.",
        repeats=True,
    ),
    "not_checked": Reason(
        "This dry run did not look at the integration, so what is known of it stays as it was.",
        "End the pause, or wait until the circuit breaker is closed.",
        repeats=True,
    ),
    # temporary: the integration may work later
    "unreachable": Reason(
        "The integration could not be reached.", "Check that it runs and that the workers can connect to it.", True
    ),
    "timeout": Reason(
        "The integration did not answer in time.", "Check its load and the network between it and the workers.", True
    ),
    "upstream_error": Reason(
        "The integration reported an internal error.",
        "Search its logs, where calls have the operation's request id.",
        True,
    ),
    "throttled": Reason("The integration asked us to slow down.", "", True),
    "unexpected_answer": Reason(
        "The integration sent a response that the platform cannot interpret.",
        "Check that the configured URL is the product's own address and that its version is supported.",
        True,
    ),
    "vanished": Reason("An object of the tenant vanished while the step ran.", "", True),
    "not_ready": Reason("The integration accepted the change but has not finished it yet.", "", True),
    "old_workers": Reason(
        "These workers are older than the operation and do not know the step; newer ones run it.",
        "Finish the deployment, so that there is a newer worker.",
        True,
    ),
    "storage_down": Reason(
        "The file service's storage does not answer, so its lists of spaces cannot be trusted.",
        "Check the storage provider of OCIS.",
        True,
    ),
    "tls": Reason(
        "The integration's certificate was not accepted.",
        "Correct the certificate or add its authority to EXTRA_CA_CERTS.",
        repeats=True,
    ),
    "paused": Reason(
        "An operator has paused this; the step is deferred, and the operation's deadline is suspended meanwhile.",
        "End the pause.",
        True,
    ),
    "observe_only": Reason(
        "The platform is in observe-only mode and changes nothing outside; the operation's deadline is suspended "
        "meanwhile.",
        "Compare the records with the integrations, then leave observe-only mode.",
        True,
    ),
    # permanent: somebody must change something
    "taken": Reason(
        "An object of this name exists and is not this tenant's.",
        "If it is nobody's or another tenant's, rename or remove it, or choose another name; if it is this tenant's "
        "after all, correct its ownership marker.",
        repeats=True,
    ),
    "ambiguous": Reason(
        "More than one object carries this tenant's ownership marker.",
        "Find out which one holds the data, and remove the others.",
        repeats=True,
    ),
    "second_subscription": Reason(
        "A subscription runs in Stripe whose record was canceled here, and the tenant has another live record.",
        "Delete the record that is not wanted, or end the subscription in Stripe.",
        repeats=True,
    ),
    "bad_credentials": Reason(
        "The integration refuses our credentials.",
        "Renew the credentials in the settings and restart the workers.",
        repeats=True,
    ),
    "missing_permission": Reason(
        "Our account lacks a permission that this step needs.",
        "Give the account the permissions listed in the documentation.",
        repeats=True,
    ),
    "locked_out": Reason(
        "Our account was removed from this tenant's space, so it cannot be managed.",
        "Make the provisioning account a manager of the space again.",
        repeats=True,
    ),
    "marker_removed": Reason(
        "The ownership marker was removed from the description of an object on this tenant's record, and this step "
        "may not write it back.",
        "Make sure that the object is the tenant's, then run `python -m worker.ownership_markers repair SLUG PRODUCT`, "
        "or put the marker that `show SLUG PRODUCT` prints into the description.",
        repeats=True,
    ),
    "marker_replaced": Reason(
        "The group on record in Authentik carries another tenant's ownership marker.",
        "Find out whose group it is. If it is this tenant's, delete the key `dezky` of its attributes: "
        "the marker is written back.",
        repeats=True,
    ),
    "marker_missing": Reason(
        "The group on record in Authentik carries no ownership marker any more, so it is not removed.",
        "Write the marker back with `python -m worker.ownership_markers repair SLUG authentik`, or delete the "
        "group by hand; the removal then continues automatically.",
    ),
    "in_use": Reason(
        "Another object in the integration still refers to the one to be removed.",
        "Remove or change that object; the removal then continues automatically.",
    ),
    "guards_alone": Reason(
        "Applications in Authentik could be opened to others by the removal of the tenant's group.",
        "Remove those applications or the group's bindings to them, or bind another group and let our account read"
        " the application; the removal then continues automatically.",
    ),
    "not_supported": Reason(
        "This version or configuration of the integration cannot do what the step needs.",
        "See the documentation for supported versions and settings.",
    ),
    "too_many_removals": Reason(
        "The step would remove or disable more than one run may, so it has removed nothing.",
        "Check whether that is intended.",
        repeats=True,
    ),
    "quota": Reason("A limit of the integration is reached.", "Raise the limit there or the plan here.", repeats=True),
    "invalid": Reason(
        "The integration refuses the values as invalid.",
        "Correct the tenant's name, domains or billing information, or the object that the message names.",
        repeats=True,
    ),
    # the operation's own limits
    "attempts_exhausted": Reason(
        "The step used all its attempts without success.",
        "Find out from the workers' logs why the attempts did not end.",
        repeats=True,
    ),
    "deadline": Reason(
        "The operation's deadline passed before this step succeeded.",
        "Remove the cause of the last fault.",
        repeats=True,
    ),
    "cancelled": Reason(
        "Somebody cancelled the operation before this step succeeded.",
        "Nothing is wrong with the step.",
        repeats=True,
    ),
    "blocked": Reason(
        "An earlier stage did not succeed, so this step never ran.",
        "Correct and repeat the failed steps of the earlier stage; this step then runs too.",
    ),
    "bug": Reason(
        "The step failed because of a bug; the details are in the worker's log.",
        "Report it with the operation's id.",
        repeats=True,
    ),
}

#: the meaning of a reason that only a newer version knows: workers are updated before the API
NEWER = Reason("The reason is one of a newer version.", "Update every process to the same version.")


def reason_of(name: str) -> Reason:
    """Return the meaning of a reason on record."""
    return REASONS.get(name, NEWER)


#: reasons why an event was not delivered or a webhook was disabled, for the receiver's operator
DELIVERY_REASONS: Mapping[str, str] = {
    "bad_url": "Events cannot be sent to this URL.",
    "forbidden_address": "The URL's host has an address that events must not be sent to.",
    "not_encrypted": "The URL must start with https://.",
    "unresolved": "The URL's host has no address in DNS.",
    "unreachable": "The receiver could not be reached.",
    "timeout": "The receiver did not answer in time.",
    "tls": "The receiver's certificate was not accepted.",
    "redirected": "The receiver answered with a redirect; configure the URL that it redirects to.",
    "gone": "The receiver accepts no more events (410).",
    "not_taken": "The receiver did not answer with a status of 200 to 299.",
    "failing": "All deliveries have failed for days; repair the receiver, then enable the webhook again.",
    "unsigned": "The webhook's secret cannot be read any more; rotate it, then enable the webhook again.",
    "interrupted": "The delivery was interrupted repeatedly.",
    "event_missing": "The event is not in the log any more.",
    "out_of_scope": "The event is about a tenant that no longer belongs to the webhook's owner.",
}

#: reasons why an object in an integration is an orphan
ORPHAN_CAUSES: Mapping[str, str] = {
    "tenant_unknown": "It carries the ownership marker of a tenant that is not on record.",
    "tenant_purged": "Its tenant was purged, but the object still exists.",
    "other_object": "It carries the ownership marker of a tenant whose record names another object, which also exists.",
}
