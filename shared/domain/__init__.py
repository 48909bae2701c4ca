"""The rules of the control plane, as frozen values and pure functions. No I/O, no framework.

Words, one for each thing:

tenant      a customer organisation, known in every outside system by its slug
operation   one action on one tenant, on record from request to end
step        one integration's part of an operation, idempotent
attempt     one run of a step
phase       steps that run in parallel, as one chord
recipe      an action's row of phases
integration an outside system we speak to: authentik, stalwart, ocis, and billing (Stripe) when it is configured
dispatch    sending an operation's open steps to the workers as one chord
task        Celery's word for a message, nothing else
actor       the user record behind a request
surface     which front door (portal, partner, operator) a token was made for
sweep       the periodic look for operations that need a push
stamp       the mark on an outside object that proves whose it is
proof       the DNS record that shows a domain to be its tenant's
look        one round of questions to DNS about one domain
backfill    reconciles that bring older tenants to an integration that was not configured before
"""
