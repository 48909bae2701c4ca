"""What must survive what, and the tests that do it for real: each row's tests as `file::name`."""

from __future__ import annotations

from collections.abc import Mapping

ROWS: Mapping[str, tuple[str, ...]] = {
    "a worker is killed after the product's write and before our record": (
        "tests/path/test_whole_path.py::test_a_worker_killed_after_the_upstreams_write_leaves_one_object_and_an_active_tenant",
        "tests/path/test_life.py::test_a_worker_killed_half_way_through_a_suspension_forgets_nobody",
    ),
    "every worker is dead, then one is started": (
        "tests/path/test_whole_path.py::test_with_every_worker_dead_tenants_wait_and_go_on_when_one_starts",
    ),
    "the broker is restarted empty, flushed, gone or hung with operations in every state": (
        "tests/path/test_whole_path.py::test_a_broker_that_lost_everything_costs_a_sweep_and_nothing_else",
        "tests/path/test_whole_path.py::test_workers_outlive_a_broker_that_dies_under_load",
        "tests/chaos/test_broker.py::test_with_operations_in_every_state_a_broker_that_forgets_hangs_and_dies_loses_none_of_them",
    ),
    "the broker is down or hung while a tenant is created": (
        "tests/api/test_tenants.py::test_with_the_broker_down_a_tenant_is_recorded_and_answered_within_seconds",
        "tests/api/test_tenants.py::test_with_the_broker_hung_a_tenant_is_recorded_and_answered_within_seconds",
    ),
    "the API is killed between record and dispatch, or half-way through sending": (
        "tests/chaos/test_api.py::test_what_an_api_recorded_and_did_not_send_before_it_was_killed_is_swept",
    ),
    "the database is killed and restarted, or steps down, in the middle of operations": (
        "tests/chaos/test_database.py::test_a_database_that_is_killed_and_steps_down_in_the_middle_loses_and_doubles_nothing",
        "tests/worker/test_sweep.py::test_what_a_process_left_locked_when_it_died_holds_up_no_other_tenant",
    ),
    "a message comes twice, late, or from an older dispatch": (
        "tests/chaos/test_messages.py::test_messages_that_come_three_times_and_an_operation_too_late_have_no_effect",
        "tests/store/test_operations.py::test_a_message_from_before_a_lost_lease_is_stale",
    ),
    "a product fails in any way its stand-in knows": (
        "tests/path/test_whole_path.py::test_with_faults_of_every_kind_each_tenant_ends_active_with_one_object_of_each_kind",
        "tests/chaos/test_storm.py::test_after_a_short_storm_in_which_everything_breaks_once_all_laws_hold",
    ),
    "one product hangs for every tenant": (
        "tests/path/test_machine.py::test_one_upstream_that_hangs_for_every_tenant_slows_no_other_step_of_any",
    ),
    "two reconciles, or a reconcile and a delete, at the same moment": (
        "tests/chaos/test_rivals.py::test_of_a_reconcile_and_a_delete_at_the_same_moment_one_wins_and_the_older_never_lands_last",
        "tests/chaos/test_rivals.py::test_two_reconciles_at_the_same_moment_are_one",
    ),
    "a worker's clock is hours off": (
        "tests/chaos/test_clocks.py::test_with_workers_whose_clocks_are_hours_off_no_step_runs_twice_at_once",
    ),
    "a step kills its worker each time": (
        "tests/chaos/test_poison.py::test_a_step_that_kills_its_worker_each_time_ends_as_an_error_and_harms_nobody_else",
    ),
    "malformed messages, unknown tasks, huge arguments": (
        "tests/path/test_whole_path.py::test_junk_on_a_queue_harms_no_worker_for_long",
        "tests/chaos/test_messages.py::test_a_worker_outlives_whatever_is_put_into_its_queues",
    ),
    "a deploy: old and new workers together, told to stop in the middle of a step": (
        "tests/path/test_machine.py::test_told_to_stop_in_the_middle_of_a_step_no_attempt_is_forgotten",
        "tests/path/test_machine.py::test_a_step_that_an_old_worker_does_not_know_is_left_for_a_new_one",
    ),
    "a worker is killed with a handful of messages taken": (
        "tests/chaos/test_broker.py::test_a_worker_killed_with_a_handful_of_messages_taken_loses_none",
    ),
}
