"""The catalogue of reasons, each with its sentence for people: of steps, of deliveries to webhooks, of orphans."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True)
class Reason:
    """`message` says what is wrong, `remedy` what to do; `retryable`: the same call may work later without a change."""

    message: str
    remedy: str = ""
    retryable: bool = False


#: every reason a step can carry, and what to do about it
REASONS: Mapping[str, Reason] = {
    # a step had nothing to do
    "not_configured": Reason(
        "This integration is not configured.",
        "Set its URL and credentials, restart the workers, then reconcile the tenant.",
    ),
    "no_domains": Reason("The tenant has no domains, so there is no mail to set up.", "Add a domain to the tenant."),
    "domains_unverified": Reason(
        "None of the tenant's domains has been proven to be its own, so no mail was set up.",
        "Publish the proof listed under the tenant's domains; mail is set up by itself once DNS shows it.",
    ),
    "nothing_there": Reason("There is nothing of this tenant in the integration.", "Nothing needs to be done."),
    "owner_has_account": Reason(
        "Another account in Authentik signs in with the owner's address, so the owner was given nothing.",
        "Make sure whose account it is, then add it to the tenant's group by hand.",
    ),
    "no_price": Reason(
        "The tenant's plan has no price, so nothing was changed in billing.",
        "Name its price in STRIPE_PRICES, restart API and workers, then reconcile the tenant.",
    ),
    "subscription_ended": Reason(
        "The tenant's subscription has ended in Stripe, and a new one is not begun by itself.",
        "To begin a new one, remove the ended subscription's record here, then reconcile the tenant.",
    ),
    # the integration may work later
    "unreachable": Reason(
        "The integration could not be reached.", "Check that it runs and that the workers can connect to it.", True
    ),
    "timeout": Reason(
        "The integration did not answer in time.", "Check its load and the network between it and the workers.", True
    ),
    "upstream_error": Reason(
        "The integration answered with a fault of its own.",
        "Look in its logs for the request id of this operation.",
        True,
    ),
    "throttled": Reason("The integration asked us to slow down.", "Wait; the step runs again by itself.", True),
    "unexpected_answer": Reason(
        "The integration gave an answer that makes no sense here.",
        "Check that the configured URL is the product's own address and that its version is supported.",
        True,
    ),
    "vanished": Reason(
        "An object of the tenant vanished while the step ran.", "Wait; the step runs again and looks anew.", True
    ),
    "not_ready": Reason(
        "The integration accepted the change but has not finished it yet.", "Wait; the step runs again by itself.", True
    ),
    "old_workers": Reason(
        "These workers are older than the operation and do not know the step; newer ones run it.",
        "Finish the deployment; the step runs by itself as soon as there is a newer worker.",
        True,
    ),
    "storage_down": Reason(
        "The file service's storage does not answer, so nothing it says about spaces can be believed.",
        "Check the storage provider of OCIS.",
        True,
    ),
    "tls": Reason(
        "The integration's certificate was not accepted.",
        "Correct the certificate or add its authority to EXTRA_CA_CERTS, then reconcile the tenant.",
    ),
    "paused": Reason(
        "An operator has paused this; the step waits, and the operation's time stands still meanwhile.",
        "Resume what is paused; the step goes on by itself.",
        True,
    ),
    "observe_only": Reason(
        "The platform only observes and changes nothing outside; the operation's time stands still meanwhile.",
        "Bring the record in line with the world, then end it; the step goes on by itself.",
        True,
    ),
    # the integration will not, as things stand
    "taken": Reason(
        "An object of this name exists and is not this tenant's.",
        "Rename or remove the foreign object, or choose another name, then reconcile the tenant.",
    ),
    "ambiguous": Reason(
        "More than one object carries this tenant's ownership marker.",
        "Find out which one holds the data, remove the others, then reconcile the tenant.",
    ),
    "bad_credentials": Reason(
        "The integration refuses our credentials.",
        "Renew the credentials in the settings and restart the workers, then reconcile the tenants whose step failed.",
    ),
    "missing_permission": Reason(
        "Our account lacks a permission that this step needs.",
        "Give the account the permissions listed in the documentation, then reconcile the tenant.",
    ),
    "locked_out": Reason(
        "Our account was removed from this tenant's space, so it cannot be looked after.",
        "Make the provisioning account a manager of the space again, then reconcile the tenant.",
    ),
    "marker_removed": Reason(
        "The ownership marker was removed from the description of this tenant's space, and our account is not a "
        "manager of the space, so it may not write the marker back.",
        "Make the provisioning account a manager of the space again, or put the marker that "
        "`python -m worker.ownership_markers show` prints into the description; then reconcile the tenant.",
    ),
    "in_use": Reason(
        "Something in the integration still refers to what is to be removed.",
        "Remove or change what refers to it; the removal goes on by itself.",
    ),
    "guards_alone": Reason(
        "Applications in Authentik could be opened to others by the removal of the tenant's group.",
        "Remove those applications or the group's bindings to them, or bind another group and let our account read"
        " the application; the removal goes on by itself.",
    ),
    "not_supported": Reason(
        "This version or configuration of the integration cannot do what the step needs.",
        "See the documentation for supported versions and settings.",
    ),
    "too_many_removals": Reason(
        "The step would remove or disable more than one run may, so it has removed nothing.",
        "See whether that is meant; if it is, reconcile the tenant with allow_removals=true.",
    ),
    "quota": Reason(
        "A limit of the integration is reached.", "Raise the limit there or the plan here, then reconcile."
    ),
    "invalid": Reason(
        "The integration refuses the values as invalid.",
        "Correct the tenant's name or domains, then reconcile the tenant.",
    ),
    # the operation's own limits
    "attempts_exhausted": Reason(
        "The step was tried as often as allowed and never came through.",
        "Clear the cause named before, then reconcile the tenant.",
    ),
    "deadline": Reason(
        "The operation's time ran out before this step came through.",
        "Clear the cause named before, then reconcile the tenant.",
    ),
    "cancelled": Reason(
        "Somebody cancelled the operation before this step came through.",
        "Nothing is wrong with the step; reconcile the tenant when it should go on.",
    ),
    "blocked": Reason(
        "An earlier phase failed, so this step never ran.", "Clear the failed steps, then reconcile the tenant."
    ),
    "bug": Reason(
        "The step failed in a way nobody foresaw; the details are in the worker's log.",
        "Report it with the operation's id, then reconcile the tenant.",
    ),
}

#: why an event was not delivered, or a webhook switched off, in a sentence for whoever looks after the receiver
DELIVERY_REASONS: Mapping[str, str] = {
    "bad_url": "The URL is not one that events can be sent to.",
    "forbidden_address": "The URL leads to an address that events are not sent to.",
    "not_encrypted": "The URL must start with https://.",
    "unresolved": "The URL's host has no address in DNS.",
    "unreachable": "The receiver could not be reached.",
    "timeout": "The receiver did not answer in time.",
    "tls": "The receiver's certificate was not accepted.",
    "redirected": "The receiver answered with a redirect; give the URL that it points at.",
    "gone": "The receiver says it takes no more events (410).",
    "not_taken": "The receiver did not answer with a status of 200 to 299.",
    "failing": "Nothing has been delivered for days; mend the receiver, then enable the webhook again.",
    "unsigned": "The webhook's secret cannot be read any more; rotate it, then enable the webhook again.",
    "interrupted": "The delivery was interrupted again and again.",
    "event_missing": "The event is not in the log any more.",
    "out_of_scope": "The event is about a tenant that no longer belongs to the webhook's owner.",
}

#: why an object outside is an orphan
ORPHAN_CAUSES: Mapping[str, str] = {
    "tenant_unknown": "It carries the mark of a tenant that is not on record here.",
    "tenant_purged": "Its tenant was removed for good, and it is still there.",
    "other_object": "It carries the mark of a tenant whose record names another object, which is there as well.",
}
