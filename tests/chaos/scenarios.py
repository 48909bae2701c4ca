"""Scenarios of failure, and the tests that cause each on real servers, as `file::name`."""

from __future__ import annotations

from collections.abc import Mapping

SCENARIOS: Mapping[str, tuple[str, ...]] = {
    "a worker is killed after the product's write and before our record": (
        "tests/end_to_end/test_whole_path.py::test_a_worker_killed_after_the_products_write_leaves_one_object",
        "tests/end_to_end/test_lifecycle.py::test_a_worker_killed_during_a_suspension_forgets_no_member",
    ),
    "every worker is dead, then one is started": (
        "tests/end_to_end/test_whole_path.py::test_a_step_that_is_published_repeatedly_without_workers_runs_once",
    ),
    "the broker is restarted empty, flushed, gone or hung with operations in every state": (
        "tests/end_to_end/test_whole_path.py::test_an_emptied_broker_delays_steps_by_one_scheduler_interval",
        "tests/end_to_end/test_whole_path.py::test_workers_outlive_a_broker_that_dies_under_load",
        "tests/chaos/test_broker.py::test_an_emptied_hung_or_killed_broker_loses_no_operation_in_any_state",
    ),
    "the broker is down or hung while a tenant is created": (
        "tests/api/test_tenants.py::test_with_the_broker_down_a_tenant_is_recorded_and_answered_within_seconds",
        "tests/api/test_tenants.py::test_with_the_broker_hung_a_tenant_is_recorded_and_answered_within_seconds",
    ),
    "the API is killed between record and dispatch, or half-way through sending": (
        "tests/chaos/test_api.py::test_the_scheduler_publishes_operations_that_a_killed_api_recorded",
    ),
    "the API is killed, or the database lost, between a commit and its acknowledgement": (
        "tests/chaos/test_api.py::test_what_an_api_committed_before_it_was_killed_is_not_done_again_for_a_repeated_request",
        "tests/api/test_lost_responses.py::test_a_change_whose_response_was_lost_is_made_once_and_the_repeated_request_learns_where_it_is",
        "tests/api/test_lost_responses.py::test_the_database_is_lost_with_its_reply_to_a_commit",
        "tests/store/test_idempotency_keys.py::test_a_request_whose_key_was_taken_over_changes_nothing_any_more",
    ),
    "clients stall bodies, idle, trickle, speak HTTP/2 or wait by the hundred": (
        "tests/chaos/test_attacks.py::test_others_are_answered_in_time_during_each_attack_and_during_all_at_once",
        "tests/chaos/test_attacks.py::test_two_of_a_hundred_waiting_requests_of_one_caller_wait",
    ),
    "the database is killed and restarted, or steps down, in the middle of operations": (
        "tests/chaos/test_database.py::test_a_database_that_is_killed_and_steps_down_in_the_middle_loses_and_doubles_nothing",
        "tests/worker/test_scheduler.py::test_a_document_locked_by_a_dead_process_delays_no_other_tenant",
    ),
    "a message comes twice, late, or from an older dispatch": (
        "tests/chaos/test_messages.py::test_messages_that_come_three_times_and_an_operation_too_late_have_no_effect",
        "tests/chaos/test_messages.py::test_a_message_from_before_a_lost_lease_has_no_effect_on_a_newer_attempt",
        "tests/store/test_operations.py::test_a_message_from_before_a_lost_lease_is_stale",
    ),
    "a product fails in any way its simulator knows": (
        "tests/end_to_end/test_whole_path.py::test_under_every_kind_of_fault_each_tenant_becomes_active_with_one_object_of_each_kind",
        "tests/chaos/test_chaos_run.py::test_after_a_short_run_with_each_class_of_fault_all_invariants_hold",
        "tests/worker/test_every_fault.py::test_each_known_fault_of_a_product_ends_with_its_reason",
        "tests/worker/test_every_fault.py::test_each_http_status_ends_with_its_reason",
    ),
    "a product: connection refused": (
        "tests/worker/test_json_api.py::test_a_server_that_does_not_listen_is_unreachable",
    ),
    "a product: 500": (
        "tests/worker/test_json_api.py::test_a_server_error_that_a_repeat_cannot_fix_is_tried_once",
        "tests/worker/test_identity.py::test_a_group_that_was_not_created_is_retried",
    ),
    "a product: 503 with Retry-After, 429": (
        "tests/worker/test_json_api.py::test_a_long_retry_after_is_passed_on_from_seconds_or_a_date",
        "tests/worker/test_json_api.py::test_a_retry_after_date_is_read_by_the_servers_clock",
        "tests/worker/test_breakers.py::test_enough_tenants_with_a_long_retry_after_open_the_breaker_for_that_long",
    ),
    "a product: a 405 that hides another fault": (
        "tests/worker/test_identity.py::test_a_group_whose_response_was_lost_is_found_again_and_not_created_twice",
        "tests/ocis/test_credentials.py::test_a_failing_token_endpoint_is_not_reported_as_wrong_credentials",
    ),
    "a product: hangs": (
        "tests/worker/test_json_api.py::test_a_server_that_hangs_is_cut_at_the_attempts_deadline_when_that_is_nearer",
        "tests/worker/test_identity.py::test_a_group_that_was_not_created_is_retried",
    ),
    "a product: drips": (
        "tests/worker/test_json_api.py::test_a_server_that_drips_is_cut_at_the_calls_deadline",
        "tests/ocis/test_ensuring.py::test_a_space_whose_response_was_lost_is_found_and_not_created_twice",
    ),
    "a product: broken JSON, or none": (
        "tests/worker/test_json_api.py::test_a_response_that_is_not_json_is_reported_without_quoting_it",
        "tests/worker/test_identity.py::test_a_group_whose_response_was_lost_is_found_again_and_not_created_twice",
        "tests/worker/test_mail.py::test_an_object_whose_response_was_lost_is_found_and_not_created_twice",
    ),
    "a product: the connection is cut before the effect, or after it": (
        "tests/worker/test_json_api.py::test_a_cut_connection_is_unreachable_and_a_post_is_never_sent_twice",
        "tests/worker/test_identity.py::test_a_group_whose_response_was_lost_is_found_again_and_not_created_twice",
        "tests/worker/test_mail.py::test_an_object_whose_response_was_lost_is_found_and_not_created_twice",
        "tests/ocis/test_ensuring.py::test_a_space_whose_response_was_lost_is_found_and_not_created_twice",
        "tests/ocis/test_ensuring.py::test_a_first_attempt_whose_response_was_lost_searches_before_it_continues",
    ),
    "a product: 200 and an error inside, or nothing done": (
        "tests/worker/test_mail.py::test_an_unavailable_store_behind_a_200_is_retried_later",
        "tests/worker/test_false_responses.py::test_the_next_run_makes_a_change_that_was_falsely_reported_done_once",
    ),
    "a product: reads that lag behind writes": (
        "tests/worker/test_false_responses.py::test_stale_reads_create_nothing_twice",
    ),
    "one product hangs for every tenant": (
        "tests/end_to_end/test_worker_faults.py::test_a_product_that_hangs_for_every_tenant_delays_no_other_step",
    ),
    "two reconciles, or a reconcile and a delete, at the same moment": (
        "tests/chaos/test_concurrent_requests.py::test_one_of_a_concurrent_reconcile_and_delete_wins_and_the_older_never_writes_last",
        "tests/chaos/test_concurrent_requests.py::test_a_write_under_way_when_its_operation_was_cancelled_lands_before_the_next_ones",
        "tests/chaos/test_concurrent_requests.py::test_two_reconciles_at_the_same_moment_are_one",
    ),
    "a worker's clock is hours off": (
        "tests/chaos/test_clocks.py::test_with_workers_whose_clocks_are_hours_off_no_step_runs_twice_at_once",
        "tests/chaos/test_clocks.py::test_every_wall_clock_of_a_shifted_process_is_wrong",
        "tests/architecture/test_clocks.py::test_every_use_of_a_wall_clock_is_listed_with_its_reason",
    ),
    "a step kills its worker each time": (
        "tests/chaos/test_deadly_step.py::test_a_step_that_always_kills_its_worker_ends_as_an_error_and_affects_no_other",
    ),
    "malformed messages, unknown tasks, huge arguments": (
        "tests/end_to_end/test_whole_path.py::test_malformed_messages_do_not_stop_a_worker",
        "tests/chaos/test_messages.py::test_malformed_messages_restart_a_supervised_worker_and_lose_no_operation",
    ),
    "a deployment: old and new workers together, stopped in the middle of a step": (
        "tests/end_to_end/test_worker_faults.py::test_a_worker_that_stops_in_the_middle_of_a_step_loses_no_attempt",
        "tests/end_to_end/test_worker_faults.py::test_a_step_that_an_old_worker_does_not_know_waits_for_a_new_one",
        "tests/worker/test_newer_build.py::test_unknown_steps_are_neither_claimed_nor_deferred",
    ),
    "a worker is killed with prefetched messages": (
        "tests/chaos/test_broker.py::test_a_worker_killed_with_prefetched_messages_loses_none",
    ),
}
