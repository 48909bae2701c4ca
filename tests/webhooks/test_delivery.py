"""Every event reaches every webhook that wants it, whatever the receiver does and whichever process dies."""

from __future__ import annotations

import json
import time
from collections import Counter

import pymongo
from bson import ObjectId
from pydantic import SecretStr
from pymongo.monitoring import CommandListener, CommandStartedEvent

from shared.application.services import open_services
from shared.application.store import Repositories
from shared.config.settings import Settings
from shared.core.signatures import verify
from shared.operations.dispatcher import Dispatcher
from shared.webhooks.model import NewWebhook, Webhook
from tests.simulators import fault
from tests.waiting import until
from tests.webhooks.conftest import Post, Run
from tests.webhooks.receiver import Receiver
from worker.composition import open_outbox_relay


def ids(receiver: Receiver) -> list[str]:
    """Delivery ids as received, repeats included."""
    return [headers["webhook-id"] for headers, _ in receiver.seen]


def test_an_event_arrives_as_the_log_shows_it_signed_and_under_the_id_of_its_delivery(
    post: Post, delivery_loop: Run
) -> None:
    webhook, secret = post.subscribe("partner.*")
    post.happen("first")
    with delivery_loop():
        until(post.ended(webhook, 1))
    ((headers, body),) = post.receiver.seen
    verify([secret], headers, body, now=time.time())
    (delivery,) = post.deliveries(webhook)
    assert headers["webhook-id"] == delivery.id
    assert (delivery.attempts, delivery.response_status, delivery.reason) == (1, 204, None)
    event = json.loads(body)
    assert (event["id"], event["action"], event["after"]["slug"]) == (delivery.event_id, "partner.created", "first")
    assert event["actor"] == post.admin.user.id


def test_a_webhook_gets_only_later_events_of_its_actions(post: Post, delivery_loop: Run) -> None:
    post.happen("before")
    everything, _ = post.subscribe("*", path="/everything")
    some, _ = post.subscribe("user.created", "tenant.*", path="/some")
    none, _ = post.subscribe("tenants.*", "partner.change", path="/none")
    post.happen("after")
    partner = post.services.partners.page(post.admin, 1, None).items[0]
    post.services.partners.rename(partner.id, "New", post.admin, None)
    with delivery_loop():
        until(lambda: len(post.deliveries(everything, "delivered")) >= 4)
        until(lambda: not post.store.webhooks.behind(post.store.events.last_number(), 10))
    actions = Counter(one.action for one in post.deliveries(everything))
    assert actions == {"webhook.created": 3, "partner.created": 1, "partner.changed": 1}
    assert post.deliveries(some) == post.deliveries(none) == []


def test_an_event_whose_response_was_lost_is_sent_again_with_the_same_id(post: Post, delivery_loop: Run) -> None:
    webhook, _ = post.subscribe("partner.*")
    fault(post.receiver, kind="lost", count=1)
    post.happen("first")
    with delivery_loop():
        until(post.ended(webhook, 1))
    assert len(ids(post.receiver)) == 2
    assert len(set(ids(post.receiver))) == 1
    assert post.receiver.seen[0][1] == post.receiver.seen[1][1]
    assert post.deliveries(webhook)[0].attempts == 2
    assert post.now(webhook).failures == 0


def test_a_failing_receiver_is_retried_until_the_schedule_ends(post: Post, delivery_loop: Run) -> None:
    webhook, _ = post.subscribe("partner.*")
    post.receiver.status = 500
    post.happen("first")
    with delivery_loop():
        until(post.ended(webhook, 1, "failed"))
    (delivery,) = post.deliveries(webhook)
    assert (delivery.attempts, delivery.response_status, delivery.reason) == (4, 500, "not_taken")
    assert len(post.receiver.seen) == 4
    assert post.now(webhook).failures == 4
    assert post.now(webhook).enabled


def test_a_receiver_that_hangs_delays_no_other(post: Post, delivery_loop: Run) -> None:
    fault(post.receiver, kind="hang", path="/hangs")
    stuck, _ = post.subscribe("partner.*", path="/hangs")
    well, _ = post.subscribe("partner.*", path="/well")
    with delivery_loop(concurrency=3, call=2.0):
        post.happen(*(f"partner-{number}" for number in range(12)))
        until(post.ended(well, 12))
        assert post.deliveries(stuck, "delivered") == []
        until(lambda: post.now(stuck).failures > 0)
    waiting = [one for one in post.deliveries(stuck) if one.attempts == 0]
    assert waiting, "after it did not answer, its other events wait"
    assert {one.reason for one in post.deliveries(stuck)} <= {None, "timeout"}


def test_a_receiver_that_answers_410_gets_no_more_and_its_webhook_has_the_reason(
    post: Post, delivery_loop: Run
) -> None:
    webhook, _ = post.subscribe("partner.*")
    watcher, _ = post.subscribe("webhook.disabled", path="/watch")
    fault(post.receiver, kind="status", status=410, path="/take")
    post.happen("first", "second")
    with delivery_loop():
        until(post.ended(watcher, 1))
    event = json.loads(next(body for headers, body in post.receiver.seen))
    assert event["after"] == {"_id": webhook.id, "host": "127.0.0.1", "enabled": False, "reason": "gone"}
    assert "actor" not in event
    now = post.now(webhook)
    assert (now.enabled, now.disabled_reason) == (False, "gone")
    assert now.disabled_at is not None


def test_a_redirect_is_not_followed_and_not_tried_again(post: Post, delivery_loop: Run) -> None:
    webhook, _ = post.subscribe("partner.*")
    post.receiver.status, post.receiver.headers = 307, {"Location": "/elsewhere"}
    post.happen("first")
    with delivery_loop():
        until(post.ended(webhook, 1, "failed"))
    assert [entry["path"] for entry in post.receiver.journal] == ["/take"]
    assert post.deliveries(webhook)[0].reason == "redirected"


def test_a_delivery_claimed_by_a_dead_process_is_sent_when_its_lease_runs_out(post: Post, delivery_loop: Run) -> None:
    webhook, _ = post.subscribe("partner.*")
    post.happen("first")
    open_outbox_relay(post.store, 14).relay()
    claim = post.store.deliveries.claim(1.5, ())
    assert claim is not None
    with delivery_loop():
        time.sleep(0.4)
        assert post.receiver.seen == []
        until(post.ended(webhook, 1))
    assert post.deliveries(webhook)[0].attempts == 2


def test_an_outcome_after_the_lease_is_discarded(post: Post, delivery_loop: Run) -> None:
    webhook, _ = post.subscribe("partner.*")
    post.happen("first")
    open_outbox_relay(post.store, 14).relay()
    late = post.store.deliveries.claim(0.05, ())
    time.sleep(0.1)
    assert late is not None
    assert post.store.deliveries.claim(10, ()) is not None
    assert not post.store.deliveries.give_back(late, 0)
    assert post.deliveries(webhook)[0].attempts == 2


def test_an_event_that_always_kills_its_process_is_abandoned(post: Post, delivery_loop: Run) -> None:
    webhook, _ = post.subscribe("partner.*")
    post.happen("first")
    open_outbox_relay(post.store, 14).relay()
    for _ in range(4):
        assert post.store.deliveries.claim(0, ()) is not None
    with delivery_loop():
        until(post.ended(webhook, 1, "failed"))
    assert post.deliveries(webhook)[0].reason == "interrupted"
    assert post.receiver.seen == []


def test_several_delivery_loops_at_once_make_and_send_each_delivery_once(post: Post, delivery_loop: Run) -> None:
    webhooks = [post.subscribe("partner.*", path=f"/{number}")[0] for number in range(3)]
    with delivery_loop(), delivery_loop(), delivery_loop():
        post.happen(*(f"partner-{number}" for number in range(20)))
        for webhook in webhooks:
            until(post.ended(webhook, 20))
    assert len(ids(post.receiver)) == len(set(ids(post.receiver))) == 60
    for number in range(3):
        paths = Counter(entry["path"] for entry in post.receiver.journal)
        assert paths[f"/{number}"] == 20


def test_events_are_relayed_in_batches_without_a_gap(post: Post, delivery_loop: Run) -> None:
    webhook, _ = post.subscribe("partner.*")
    post.happen(*(f"partner-{number}" for number in range(7)))
    relay = open_outbox_relay(post.store, 14, batch=3)
    assert [relay.relay() for _ in range(4)] == [3, 3, 1, 0]
    assert len({one.event_id for one in post.deliveries(webhook)}) == 7


def test_events_older_than_deliveries_are_kept_are_not_sent_any_more(post: Post) -> None:
    webhook, _ = post.subscribe("partner.*")
    post.happen("first")
    time.sleep(0.01)
    assert open_outbox_relay(post.store, 0).relay() == 0
    assert post.deliveries(webhook) == []


def test_an_event_is_sent_again_on_demand_under_its_own_id(post: Post, delivery_loop: Run) -> None:
    webhook, _ = post.subscribe("partner.*")
    post.happen("first")
    with delivery_loop():
        until(post.ended(webhook, 1))
        (delivery,) = post.deliveries(webhook)
        again = post.services.webhooks.replay(webhook.id, delivery.id, post.admin)
        assert (again.id, again.status, again.attempts) == (delivery.id, "pending", 0)
        until(post.ended(webhook, 1))
    assert ids(post.receiver) == [delivery.id, delivery.id]


def test_while_a_secret_is_replaced_both_prove_an_event_and_later_only_the_new_one(
    post: Post, delivery_loop: Run
) -> None:
    webhook, old = post.subscribe("partner.*")
    _, new = post.services.webhooks.rotate(webhook.id, 60, post.admin)
    post.happen("first")
    with delivery_loop():
        until(post.ended(webhook, 1))
        _, newest = post.services.webhooks.rotate(webhook.id, 0, post.admin)
        post.happen("second")
        until(post.ended(webhook, 2))
    (first, first_body), (second, second_body) = post.receiver.seen
    for secret in (old, new):
        verify([secret], first, first_body, now=time.time())
    verify([newest], second, second_body, now=time.time())
    assert second["Dezky-Signature"].count("v1=") == 1


def test_an_old_secret_stops_signing_when_its_time_is_up(post: Post) -> None:
    webhook, _ = post.subscribe()
    post.services.webhooks.rotate(webhook.id, 1, post.admin)
    assert len(post.store.webhooks.encrypted_secrets(webhook.id)) == 2
    until(lambda: len(post.store.webhooks.encrypted_secrets(webhook.id)) == 1)


def test_a_webhook_that_fails_for_long_is_disabled_and_resumes_where_it_stopped(post: Post, delivery_loop: Run) -> None:
    webhook, _ = post.subscribe("partner.*")
    post.receiver.status = 503
    post.happen("one-a", "two-b", "three-c")
    with delivery_loop(disable=0.01, waits=(0.01,) * 9):
        until(lambda: not post.now(webhook).enabled)
        assert post.now(webhook).disabled_reason == "failing"
        post.happen("four-d")
        time.sleep(0.3)
        before = len(post.receiver.seen)
        post.receiver.status = 200
        changed = post.services.webhooks.change(webhook.id, {"enabled": True}, post.admin, None)
        assert (changed.disabled_reason, changed.failures) == (None, 0)
        until(lambda: {"four-d"} <= {json.loads(body)["after"]["slug"] for _, body in post.receiver.seen[before:]})
        until(lambda: post.deliveries(webhook, "pending") == [])


def test_a_ping_is_sent_once_and_its_outcome_is_shown(post: Post, delivery_loop: Run) -> None:
    webhook, secret = post.subscribe("tenant.*")
    with delivery_loop():
        record = post.services.webhooks.test(webhook.id, post.admin, 10)
        assert (record.status, record.action, record.event_id) == ("delivered", "webhook.ping", None)
        headers, body = post.receiver.seen[0]
        verify([secret], headers, body, now=time.time())
        assert json.loads(body)["id"] == record.id
        post.receiver.status = 500
        failed = post.services.webhooks.test(webhook.id, post.admin, 10)
    assert (failed.status, failed.attempts, failed.response_status) == ("failed", 1, 500)
    assert post.now(webhook).failures == 0


def test_a_deleted_webhook_gets_no_more_events(post: Post, delivery_loop: Run) -> None:
    webhook, _ = post.subscribe("partner.*")
    kept, _ = post.subscribe("partner.*", path="/kept")
    post.happen("first")
    open_outbox_relay(post.store, 14).relay()
    post.services.webhooks.delete(webhook.id, post.admin, None)
    post.store.deliveries.insert_ping(webhook.id, "request-2")
    with delivery_loop():
        until(post.ended(kept, 1))
        until(lambda: not post.store.deliveries.find(webhook.id, "0" * 24))
    assert {entry["path"] for entry in post.receiver.journal} == {"/kept"}


def test_a_webhook_whose_secret_cannot_be_decrypted_is_disabled(post: Post, delivery_loop: Run) -> None:
    webhook, _ = post.subscribe("partner.*")
    with post.store.connection.client.start_session() as session:
        post.store.webhooks.rotate(post.now(webhook), "sealed with a key that is no more", 0, session)
    post.happen("first")
    with delivery_loop():
        until(lambda: not post.now(webhook).enabled)
    assert post.now(webhook).disabled_reason == "unsigned"
    assert post.receiver.seen == []


class DeleteWhenSecretsAreRead(CommandListener):
    """Deletes a webhook as soon as another client, opened meanwhile, is about to read its secrets."""

    def __init__(self, post: Post, webhook: Webhook) -> None:
        self._delete = lambda: post.services.webhooks.delete(webhook.id, post.admin, None)
        self.is_done = False

    def started(self, event: CommandStartedEvent) -> None:
        if "secrets" in event.command.get("projection", {}) and event.command["projection"]["secrets"] != 0:
            self._delete()
            self.is_done = True

    def succeeded(self, event: object) -> None: ...

    def failed(self, event: object) -> None: ...


def test_a_webhook_that_is_deleted_while_an_event_is_signed_gets_no_unsigned_one(
    post: Post, delivery_loop: Run
) -> None:
    webhook, _ = post.subscribe("partner.*")
    post.happen("first")
    deleting = DeleteWhenSecretsAreRead(post, webhook)
    pymongo.monitoring.register(deleting)
    try:
        with delivery_loop():
            until(lambda: deleting.is_done)
            until(lambda: not list(post.store.connection.database["deliveries"].find({"webhookId": webhook.id})))
    finally:
        pymongo.monitoring._LISTENERS.command_listeners.remove(deleting)
    assert post.receiver.seen == []


def test_a_former_secret_whose_key_was_removed_does_not_disable_the_webhook(
    post: Post, delivery_loop: Run, settings: Settings, store: Repositories, dispatcher: Dispatcher
) -> None:
    webhook, _ = post.subscribe("partner.*")
    newer = settings.model_copy(update={"stamp_keys": (SecretStr("a-newer-key-of-thirty-two-characters"),)})
    both = settings.model_copy(update={"stamp_keys": (*newer.stamp_keys, *settings.stamp_keys)})
    _, secret = open_services(store, dispatcher, both).webhooks.rotate(webhook.id, 86400, post.admin)
    post.happen("first")
    with delivery_loop(settings=newer):
        until(post.ended(webhook, 1))
    ((headers, body),) = post.receiver.seen
    verify([secret], headers, body, now=time.time())
    assert post.now(webhook).enabled


def test_another_selection_of_events_does_not_repeat_what_waits_for_its_next_attempt(
    post: Post, delivery_loop: Run
) -> None:
    webhook, _ = post.subscribe("partner.*")
    post.receiver.status = 500
    post.happen("first")
    with delivery_loop(waits=(3600.0,)):
        until(lambda: [one.attempts for one in post.deliveries(webhook)] == [1])
        post.services.webhooks.change(webhook.id, {"actions": ("partner.*", "tenant.*")}, post.admin, None)
        time.sleep(0.3)
        assert [one.status for one in post.deliveries(webhook)] == ["pending"]
        post.receiver.status = 200
        post.services.webhooks.change(webhook.id, {"url": f"{post.receiver.url}/repaired"}, post.admin, None)
        until(post.ended(webhook, 1))
    assert [entry["path"] for entry in post.receiver.journal] == ["/take", "/repaired"]


def test_a_test_delivery_does_not_wait_behind_a_receiver_that_did_not_answer(post: Post, delivery_loop: Run) -> None:
    webhook, _ = post.subscribe("partner.*")
    # so many that the next one makes events wait for minutes
    post.store.connection.database["webhooks"].update_one({"_id": ObjectId(webhook.id)}, {"$set": {"failures": 8}})
    fault(post.receiver, kind="hang", count=2)
    post.happen("first", "second")
    with delivery_loop(call=1.0, waits=(3600.0,)):
        until(lambda: len(post.receiver.journal) == 2)
        # both threads of this webhook are busy
        record = post.services.webhooks.test(webhook.id, post.admin, 20)
        assert record.status == "delivered"


def test_a_webhook_created_disabled_gets_events_once_it_is_enabled(post: Post, delivery_loop: Run) -> None:
    new = NewWebhook(f"{post.receiver.url}/take", ("partner.*",), enabled=False)
    webhook, _ = post.services.webhooks.create(new, None, None, post.admin)
    with delivery_loop():
        post.happen("first")
        time.sleep(0.3)
        assert post.deliveries(webhook) == []
        post.services.webhooks.change(webhook.id, {"enabled": True}, post.admin, None)
        until(post.ended(webhook, 1))
