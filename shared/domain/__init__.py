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
backfill    reconciles that bring older tenants to an integration that was not configured before

claim       the atomic write that gives a step, a domain, a delivery or a look to one taker, with a token
lease       how long a claim holds before somebody else may take it (`leaseUntil`, by the database's clock)
switch      a row that stops steps: an integration's, one tenant's, `all`, or `observe-only`
pause       a switch that an operator has set
breaker     a switch that opens by itself when an integration fails again and again
hold        a step kept back by a switch, without an attempt (`heldBy`, `holds`); never said of a step that waits for
            the end of another's lease, nor of removals over the day's bound (the event `purges.held`)
look        one round of questions, of which nothing is changed outside; said with what is looked at: the sweep's (for
            what is due), a domain's (in DNS), for drift, for orphans, a billing look (in Stripe). `lookAt`, of a step:
            when the sweep looks whether it was taken
drift       what a plan finds that a reconcile would change in an active tenant
orphan      an object outside with our stamp that belongs to no living tenant
plan        two things, never in one sentence: what a tenant may use (`plan` of tenants, subscriptions and prices, the
            catalogue PLANS); and an operation that changes nothing and says what it would (`mode: plan`)
"""
