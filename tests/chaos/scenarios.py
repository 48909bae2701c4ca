"""Scenarios of failure, and the tests that cause each on real servers, as `file::name`."""

from __future__ import annotations

from collections.abc import Mapping

SCENARIOS: Mapping[str, tuple[str, ...]] = {
    "a worker is killed after the product's write and before our record": (
        "tests/path/test_whole_path.py::test_a_worker_killed_after_the_upstreams_write_leaves_one_object_and_an_active_tenant",
        "tests/path/test_lifecycle.py::test_a_worker_killed_half_way_through_a_suspension_forgets_nobody",
    ),
    "every worker is dead, then one is started": (
        "tests/path/test_whole_path.py::test_with_every_worker_dead_what_is_sent_over_and_over_is_done_once_when_one_starts",
    ),
    "the broker is restarted empty, flushed, gone or hung with operations in every state": (
        "tests/path/test_whole_path.py::test_a_broker_that_lost_everything_costs_one_scheduler_interval_and_nothing_else",
        "tests/path/test_whole_path.py::test_workers_outlive_a_broker_that_dies_under_load",
        "tests/chaos/test_broker.py::test_with_operations_in_every_state_a_broker_that_forgets_hangs_and_dies_loses_none_of_them",
    ),
    "the broker is down or hung while a tenant is created": (
        "tests/api/test_tenants.py::test_with_the_broker_down_a_tenant_is_recorded_and_answered_within_seconds",
        "tests/api/test_tenants.py::test_with_the_broker_hung_a_tenant_is_recorded_and_answered_within_seconds",
    ),
    "the API is killed between record and dispatch, or half-way through sending": (
        "tests/chaos/test_api.py::test_the_scheduler_publishes_what_a_killed_api_recorded_and_did_not_publish",
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
        "tests/chaos/test_messages.py::test_a_message_from_before_a_lost_lease_has_no_effect_before_or_while_a_newer_ones_step_runs",
        "tests/store/test_operations.py::test_a_message_from_before_a_lost_lease_is_stale",
    ),
    "a product fails in any way its simulator knows": (
        "tests/path/test_whole_path.py::test_with_faults_of_every_kind_each_tenant_ends_active_with_one_object_of_each_kind",
        "tests/chaos/test_chaos_run.py::test_after_a_short_run_with_each_class_of_fault_all_invariants_hold",
        "tests/worker/test_every_fault.py::test_each_fault_that_a_product_is_known_for",
        "tests/worker/test_every_fault.py::test_each_status_that_a_product_or_a_proxy_may_answer",
    ),
    "a product: connection refused": ("tests/worker/test_json_api.py::test_a_server_that_is_not_there_is_unreachable",),
    "a product: 500": (
        "tests/worker/test_json_api.py::test_a_server_error_that_a_repeat_cannot_fix_is_tried_once",
        "tests/worker/test_identity.py::test_a_group_that_was_not_created_is_retried",
    ),
    "a product: 503 with Retry-After, 429": (
        "tests/worker/test_json_api.py::test_a_long_wait_asked_for_is_handed_on_in_seconds_or_from_a_date",
        "tests/worker/test_json_api.py::test_a_retry_after_date_is_read_by_the_servers_clock",
        "tests/worker/test_breakers.py::test_as_many_tenants_as_open_a_breaker_asked_to_wait_for_longer_than_a_minute_have_all_wait_so_long",
    ),
    "a product: a 405 that hides another fault": (
        "tests/worker/test_identity.py::test_a_group_whose_response_was_lost_is_found_again_and_not_created_twice",
        "tests/ocis/test_credentials.py::test_a_token_endpoint_that_fails_is_not_taken_for_wrong_credentials",
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
        "tests/worker/test_json_api.py::test_an_answer_that_is_not_json_is_said_so_without_repeating_it",
        "tests/worker/test_identity.py::test_a_group_whose_response_was_lost_is_found_again_and_not_created_twice",
        "tests/worker/test_mail.py::test_an_object_whose_answer_was_lost_is_found_again_and_not_made_twice",
    ),
    "a product: the connection is cut before the effect, or after it": (
        "tests/worker/test_json_api.py::test_a_cut_connection_is_unreachable_and_a_post_is_never_sent_twice",
        "tests/worker/test_identity.py::test_a_group_whose_response_was_lost_is_found_again_and_not_created_twice",
        "tests/worker/test_mail.py::test_an_object_whose_answer_was_lost_is_found_again_and_not_made_twice",
        "tests/ocis/test_ensuring.py::test_a_space_whose_response_was_lost_is_found_and_not_created_twice",
        "tests/ocis/test_ensuring.py::test_a_first_attempt_whose_response_was_lost_searches_before_it_continues",
    ),
    "a product: 200 and an error inside, or nothing done": (
        "tests/worker/test_mail.py::test_a_store_that_does_not_answer_is_tried_later_though_the_status_is_200",
        "tests/worker/test_false_responses.py::test_a_change_that_was_falsely_reported_done_is_made_by_the_next_run_and_never_twice",
    ),
    "a product: reads that lag behind writes": (
        "tests/worker/test_false_responses.py::test_reads_that_lag_behind_writes_make_nothing_twice",
    ),
    "one product hangs for every tenant": (
        "tests/path/test_machine.py::test_one_upstream_that_hangs_for_every_tenant_slows_no_other_step_of_any",
    ),
    "two reconciles, or a reconcile and a delete, at the same moment": (
        "tests/chaos/test_concurrent_requests.py::test_of_a_reconcile_and_a_delete_at_the_same_moment_one_wins_and_the_older_never_lands_last",
        "tests/chaos/test_concurrent_requests.py::test_a_write_under_way_when_its_operation_was_cancelled_lands_before_the_next_ones",
        "tests/chaos/test_concurrent_requests.py::test_two_reconciles_at_the_same_moment_are_one",
    ),
    "a worker's clock is hours off": (
        "tests/chaos/test_clocks.py::test_with_workers_whose_clocks_are_hours_off_no_step_runs_twice_at_once",
        "tests/chaos/test_clocks.py::test_every_wall_clock_of_such_a_process_is_wrong",
        "tests/architecture/test_clocks.py::test_wall_clocks_are_read_only_where_it_is_said_why",
    ),
    "a step kills its worker each time": (
        "tests/chaos/test_deadly_step.py::test_a_step_that_kills_its_worker_each_time_ends_as_an_error_and_harms_nobody_else",
    ),
    "malformed messages, unknown tasks, huge arguments": (
        "tests/path/test_whole_path.py::test_junk_on_a_queue_harms_no_worker_for_long",
        "tests/chaos/test_messages.py::test_malformed_messages_cost_a_supervised_worker_restarts_and_no_operation",
    ),
    "a deploy: old and new workers together, told to stop in the middle of a step": (
        "tests/path/test_machine.py::test_told_to_stop_in_the_middle_of_a_step_no_attempt_is_forgotten",
        "tests/path/test_machine.py::test_a_step_that_an_old_worker_does_not_know_is_left_for_a_new_one",
        "tests/worker/test_newer_build.py::test_unknown_steps_are_neither_claimed_nor_deferred",
    ),
    "a worker is killed with a handful of messages taken": (
        "tests/chaos/test_broker.py::test_a_worker_killed_with_a_handful_of_messages_taken_loses_none",
    ),
}
