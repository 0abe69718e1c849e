"""Settling, by the hazards of intake-research §2a: plain candidates in, verdicts out, own clock."""

from __future__ import annotations

import stat
from typing import Any

import pytest

from daemon.inbox.settle import Candidate, Lease, SettleTracker

QUIET_S, NO_LEASE_S, EMPTY_S = 2.0, 15.0, 300.0


def candidate(source: bytes = b"a.csv", **other: Any) -> Candidate:
    values: dict[str, Any] = {
        "device": 1,
        "inode": 10,
        "size_bytes": 1000,
        "mtime_ns": 5,
        "mode_bits": stat.S_IFREG | 0o644,
        "uid": 1000,
        "gid": 100,
        "links": 1,
        "blocks": 8,
    }
    return Candidate(source=source, **(values | other))


@pytest.fixture
def tracker() -> SettleTracker:
    return SettleTracker(
        quiet_period_s=QUIET_S, no_lease_quiet_period_s=NO_LEASE_S, empty_grace_s=EMPTY_S
    )


def ready_at(tracker: SettleTracker, now_s: float, lease: Lease = Lease.FREE) -> list[bytes]:
    return [c.source for c in tracker.due(now_s) if tracker.decide(c, lease, now_s).ready]


def test_a_file_is_ready_when_unchanged_for_the_quiet_period_and_nobody_writes(
    tracker: SettleTracker,
) -> None:
    tracker.observe([candidate()], 100.0)
    assert ready_at(tracker, 101.9) == []
    assert tracker.next_look_s(101.9) == 102.0
    assert ready_at(tracker, 102.0) == [b"a.csv"]


@pytest.mark.parametrize(
    "change", [{"size_bytes": 1001}, {"mtime_ns": 6}, {"inode": 11}, {"device": 2}]
)
def test_a_change_of_size_mtime_inode_or_device_starts_the_clock_anew(
    tracker: SettleTracker, change: dict[str, Any]
) -> None:
    tracker.observe([candidate()], 100.0)
    tracker.observe([candidate(**change)], 101.5)
    assert ready_at(tracker, 102.5) == []
    assert ready_at(tracker, 103.5) == [b"a.csv"]


def test_chmod_and_chown_do_not(tracker: SettleTracker) -> None:  # hazard 47
    tracker.observe([candidate()], 100.0)
    tracker.observe([candidate(mode_bits=stat.S_IFREG | 0o600, uid=7, gid=7)], 101.5)
    assert ready_at(tracker, 102.0) == [b"a.csv"]
    assert tracker.due(102.0)[0].uid == 7


@pytest.mark.parametrize("mtime_ns", [-1, 0, 10**18, 4 * 10**18])
def test_the_senders_clock_does_not_matter(tracker: SettleTracker, mtime_ns: int) -> None:
    tracker.observe([candidate(mtime_ns=mtime_ns)], 100.0)  # hazards 3, 14, 76, 77
    assert ready_at(tracker, 102.0) == [b"a.csv"]


def test_a_file_that_is_open_for_writing_is_never_ready_however_long_it_rests(
    tracker: SettleTracker,
) -> None:  # hazards 2, 12, 18, 23
    tracker.observe([candidate()], 0.0)
    for now_s in range(0, 7200, 7):
        assert ready_at(tracker, float(now_s), Lease.BUSY) == []
    assert "open for writing" in tracker.waiting(7200.0)[0].reason
    assert ready_at(tracker, 7210.0) == [b"a.csv"]


def test_a_busy_file_is_not_probed_in_a_tight_loop(tracker: SettleTracker) -> None:
    tracker.observe([candidate()], 0.0)
    probes = 0
    for tick in range(60_000):  # a minute, looked at every millisecond
        for due in tracker.due(tick / 1000):
            probes += 1
            tracker.decide(due, Lease.BUSY, tick / 1000)
    assert 5 <= probes <= 20


def test_without_a_lease_the_longer_quiet_period_counts(tracker: SettleTracker) -> None:
    tracker.observe([candidate()], 100.0)
    assert ready_at(tracker, 102.0, Lease.UNKNOWN) == []
    assert tracker.next_look_s(102.0) == 115.0
    assert "15 s" in tracker.waiting(102.0)[0].reason
    assert ready_at(tracker, 115.0, Lease.UNKNOWN) == [b"a.csv"]


def test_a_file_renamed_into_place_needs_no_wait_when_nobody_writes(
    tracker: SettleTracker,
) -> None:  # hazards 4, 6, 11, 16
    tracker.arrived_by_rename(b"a.csv")
    tracker.observe([candidate()], 100.0)
    assert ready_at(tracker, 100.0) == [b"a.csv"]


def test_the_hint_may_come_after_the_scan(tracker: SettleTracker) -> None:
    tracker.observe([candidate()], 100.0)
    tracker.arrived_by_rename(b"a.csv")
    tracker.observe([candidate()], 100.1)
    assert ready_at(tracker, 100.1) == [b"a.csv"]


@pytest.mark.parametrize("lease", [Lease.BUSY, Lease.UNKNOWN, Lease.UNREADABLE, Lease.CHANGED])
def test_a_rename_alone_is_not_enough(tracker: SettleTracker, lease: Lease) -> None:
    tracker.arrived_by_rename(b"a.csv")
    tracker.observe([candidate()], 100.0)
    assert ready_at(tracker, 100.0, lease) == []


def test_a_renamed_file_that_is_written_to_afterwards_settles_like_any_other(
    tracker: SettleTracker,
) -> None:
    tracker.arrived_by_rename(b"a.csv")
    tracker.observe([candidate()], 100.0)
    tracker.observe([candidate(size_bytes=2000)], 100.5)
    assert ready_at(tracker, 100.6) == []
    assert ready_at(tracker, 102.5) == [b"a.csv"]


def test_a_stale_hint_does_not_hurry_a_later_file_of_that_name(tracker: SettleTracker) -> None:
    tracker.arrived_by_rename(b"a.csv")
    for look in range(3):
        tracker.observe([], 100.0 + look)
    tracker.observe([candidate()], 110.0)
    assert ready_at(tracker, 110.0) == []


def test_a_file_renamed_while_it_settles_keeps_its_clock(tracker: SettleTracker) -> None:
    tracker.observe([candidate(b"a.csv")], 100.0)  # hazard 37
    tracker.observe([candidate(b"b.csv")], 101.5)
    assert ready_at(tracker, 102.0) == [b"b.csv"]
    assert [w.since_s for w in tracker.waiting(102.0)] == [100.0]


def test_who_waits_for_others_is_asked_again_when_something_new_is_seen(
    tracker: SettleTracker,
) -> None:
    tracker.observe([candidate()], 100.0)
    assert ready_at(tracker, 102.0) == [b"a.csv"]
    tracker.hold(b"a.csv", "its marker has not come")
    tracker.observe([candidate()], 110.0, is_news=False)
    assert tracker.due(110.0) == []
    tracker.observe([candidate(), candidate(b"a.csv.ok", inode=11)], 120.0)
    assert [one.source for one in tracker.due(120.0)] == [b"a.csv"]
    assert tracker.all_rest_at_s(120.0) == 122.0
    assert tracker.all_rest_at_s(122.0) == float("inf")


def test_a_file_replaced_while_it_settles_starts_anew(tracker: SettleTracker) -> None:
    tracker.observe([candidate(inode=10)], 100.0)  # hazard 29
    tracker.observe([candidate(inode=11)], 101.9)
    assert ready_at(tracker, 103.0) == []
    assert ready_at(tracker, 103.9) == [b"a.csv"]


def test_a_file_that_vanishes_is_dropped_and_later_is_a_new_arrival(
    tracker: SettleTracker,
) -> None:  # hazards 13, 36, 38
    tracker.observe([candidate()], 100.0)
    tracker.observe([], 101.0)
    assert tracker.waiting(101.0) == []
    assert tracker.due(200.0) == []
    assert tracker.next_look_s(200.0) == float("inf")
    tracker.observe([candidate()], 200.0)
    assert ready_at(tracker, 201.0) == []


def test_what_the_probe_saw_change_settles_again(tracker: SettleTracker) -> None:
    tracker.observe([candidate()], 100.0)  # hazard 28
    assert ready_at(tracker, 105.0, Lease.CHANGED) == []
    assert ready_at(tracker, 106.0) == []
    assert ready_at(tracker, 107.0) == [b"a.csv"]


def test_an_empty_file_may_be_filled_for_the_grace_period(tracker: SettleTracker) -> None:
    tracker.observe([candidate(size_bytes=0, blocks=0)], 100.0)  # hazard 20
    assert ready_at(tracker, 110.0) == []
    assert "empty" in tracker.waiting(110.0)[0].reason
    assert ready_at(tracker, 399.9) == []
    assert ready_at(tracker, 400.0) == [b"a.csv"]


def test_an_empty_file_that_was_moved_in_waits_as_well(tracker: SettleTracker) -> None:
    tracker.arrived_by_rename(b"a.csv")
    tracker.observe([candidate(size_bytes=0, blocks=0)], 100.0)
    assert ready_at(tracker, 110.0) == []


def test_a_file_with_holes_waits_longer(tracker: SettleTracker) -> None:
    tracker.observe([candidate(size_bytes=100_000, blocks=8)], 100.0)  # hazard 22
    assert ready_at(tracker, 102.0) == []
    assert "never written" in tracker.waiting(102.0)[0].reason
    assert ready_at(tracker, 115.0) == [b"a.csv"]


def test_a_small_file_kept_in_its_inode_has_no_holes(tracker: SettleTracker) -> None:
    tracker.observe([candidate(size_bytes=100, blocks=0)], 100.0)
    assert ready_at(tracker, 102.0) == [b"a.csv"]


def test_an_unreadable_file_is_held_with_its_owner_and_mode_until_it_is_readable(
    tracker: SettleTracker,
) -> None:  # hazard 69
    tracker.observe([candidate(mode_bits=stat.S_IFREG | 0o600, uid=1234)], 100.0)
    assert ready_at(tracker, 110.0, Lease.UNREADABLE) == []
    reason = tracker.waiting(110.0)[0].reason
    assert "1234" in reason
    assert "0600" in reason
    assert ready_at(tracker, 125.0) == [b"a.csv"]


@pytest.mark.parametrize("kind", [stat.S_IFLNK, stat.S_IFIFO, stat.S_IFSOCK, stat.S_IFCHR])
def test_links_and_special_files_become_ready_to_be_refused(
    tracker: SettleTracker, kind: int
) -> None:
    tracker.observe([candidate(mode_bits=kind | 0o644, size_bytes=0)], 100.0)
    assert ready_at(tracker, 101.0, Lease.UNKNOWN) == []
    assert ready_at(tracker, 102.0, Lease.UNKNOWN) == [b"a.csv"]


def test_a_ready_file_stays_due_until_it_is_taken_and_lets_the_caller_sleep(
    tracker: SettleTracker,
) -> None:
    tracker.observe([candidate()], 100.0)
    assert ready_at(tracker, 102.0) == [b"a.csv"]
    assert ready_at(tracker, 103.0) == [b"a.csv"]
    assert tracker.next_look_s(103.0) == float("inf")
    assert "worker" in tracker.waiting(103.0)[0].reason
    tracker.forget(b"a.csv")
    assert tracker.due(104.0) == []
    assert tracker.waiting(104.0) == []


def test_a_caller_that_is_paused_and_only_looks_can_sleep_too(tracker: SettleTracker) -> None:
    tracker.observe([candidate()], 100.0)
    tracker.observe([candidate()], 102.0)
    assert tracker.next_look_s(102.0) == float("inf")
    assert ready_at(tracker, 102.0) == [b"a.csv"]


def test_files_are_due_in_the_order_they_were_first_seen(tracker: SettleTracker) -> None:
    first, second = candidate(b"z.csv", inode=1), candidate(b"a.csv", inode=2, mtime_ns=1)
    tracker.observe([first], 100.0)
    tracker.observe([second, first], 101.0)
    assert ready_at(tracker, 110.0) == [b"z.csv", b"a.csv"]


def test_files_first_seen_together_are_due_oldest_first(tracker: SettleTracker) -> None:
    files = [candidate(b"%d.csv" % n, inode=n + 1, mtime_ns=100 - n) for n in range(5)]
    tracker.observe(files, 100.0)
    assert ready_at(tracker, 110.0) == [b"4.csv", b"3.csv", b"2.csv", b"1.csv", b"0.csv"]


def test_a_file_that_grows_for_ever_is_never_taken_and_says_so(tracker: SettleTracker) -> None:
    for second in range(3600):  # hazard 27
        tracker.observe([candidate(size_bytes=1000 + second, blocks=100)], float(second))
        assert ready_at(tracker, float(second)) == []
    [waiting] = tracker.waiting(3600.0)
    assert "keeps changing" in waiting.reason
    assert waiting.since_s == 0.0
    assert waiting.size_bytes == 4599


def test_every_waiting_file_has_a_reason_from_the_first_moment(tracker: SettleTracker) -> None:
    tracker.observe([candidate()], 100.0)
    assert tracker.waiting(100.0)[0].reason
    assert tracker.why(b"a.csv", 100.0) == tracker.waiting(100.0)[0]
    assert tracker.why(b"other.csv", 100.0) is None
    assert len(tracker) == 1


def test_a_backlog_of_fifty_thousand_is_handled_in_one_piece(tracker: SettleTracker) -> None:
    files = [candidate(b"%06d.csv" % n, inode=n, mtime_ns=n) for n in range(50_000)]
    tracker.observe(files, 100.0)  # hazard 93
    tracker.observe(list(files), 101.0)
    due = tracker.due(102.0)
    assert [c.source for c in due] == [c.source for c in files]
    for taken in due[:100]:
        tracker.forget(taken.source)
    assert len(tracker.due(102.0)) == 49_900
