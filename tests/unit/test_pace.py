"""How much is taken on at once follows from how fast attempts end."""

from __future__ import annotations

from daemon.pace import Pace


def at_work(attempts_a_second: float, *, until_s: float = 10.0, capacity: int = 2) -> Pace:
    pace = Pace(capacity)
    for turn in range(int(until_s * 4) + 1):
        pace.ended(round(attempts_a_second / 4), turn / 4)
    return pace


def test_a_file_that_comes_alone_waits_for_no_company() -> None:
    pace = Pace(2)
    pace.ended(0, 9.9)
    assert pace.company_s(ended=1, going_on=1, now_s=10.0) == 0.0
    assert at_work(100).company_s(ended=1, going_on=3, now_s=10.0) == 0.0  # a worker would idle


def test_slow_files_wait_for_no_company() -> None:
    pace = at_work(4)
    assert pace.company_s(ended=1, going_on=8, now_s=10.0) == 0.0
    assert pace.in_flight(10.0) == 8
    assert pace.ahead(16, 10.0) == 16


def test_a_turn_waits_until_enough_small_files_have_ended_or_a_moment_has_passed() -> None:
    pace = at_work(100)
    assert pace.company_s(ended=1, going_on=60, now_s=10.0) > 0.0
    assert pace.company_s(ended=100, going_on=60, now_s=10.0) == 0.0
    assert pace.company_s(ended=1, going_on=60, now_s=10.0 + 1.0) == 0.0


def test_workers_have_more_at_hand_than_ends_while_a_turn_waits() -> None:
    for rate in (16, 40, 100, 400):
        pace = at_work(rate)
        longest_s = pace.company_s(ended=0, going_on=10_000, now_s=10.0)
        assert pace.in_flight(10.0) >= rate * longest_s + 2
        assert pace.ahead(16, 10.0) >= pace.in_flight(10.0)


def test_what_was_fast_two_seconds_ago_is_forgotten() -> None:
    pace = at_work(400)
    assert pace.ahead(16, 10.0) > 16
    assert pace.ahead(16, 12.1) == 16
    assert pace.in_flight(12.1) == 8


def test_nothing_is_claimed_ahead_where_that_is_not_wanted() -> None:
    assert at_work(400).ahead(0, 10.0) == 0


def test_claims_wait_for_room_only_while_files_end_fast() -> None:
    assert Pace(2).claims_now(room=1, at_least=16, now_s=0.0)
    fast = at_work(100)
    assert not fast.claims_now(room=1, at_least=16, now_s=10.0)
    assert fast.claims_now(room=fast.ahead(16, 10.0), at_least=16, now_s=10.0)
