"""Token buckets by arithmetic, and what a key that asks too often is answered."""

from __future__ import annotations

import time
from datetime import UTC, datetime
from pathlib import Path

import httpx
import pytest

from cluster.access.api_keys import ApiKey, Rates, Role, Secret, key_hash
from cluster.access.keys_file import change_keys
from serve_apps.http.door_options import DoorOptions, admin_keys
from serve_apps.http.rate_limits import Bucket, KeyLimits
from tests.cluster.online.store_suite import logged
from tests.serve_apps.conftest import Serve, Server

EVENT = {"user_id": "u1", "item_id": "i1", "event_type": "click"}
DOCUMENT = "/openapi.json"
"""What every key may ask, and no model answers. Rates are low enough for the slowest machine."""


def test_a_bucket_by_hand() -> None:
    bucket = Bucket(rate=2, burst=3)  # full at 3, two more a second
    assert [bucket.take(1, 100.0) for _ in range(4)] == [0, 0, 0, 0.5]
    assert bucket.take(1, 100.5) == 0  # 1 - 1 = 0
    assert bucket.take(2, 101.0) == 0.5  # 1 there, 1 missing
    assert bucket.take(2, 101.5) == 0
    assert bucket.take(3, 900.0) == 0  # full again, and never more than full
    assert bucket.take(3, 900.0) == 1.5


def test_more_than_a_bucket_holds_is_let_in_when_it_is_full_and_owed() -> None:
    bucket = Bucket(rate=10, burst=20)
    assert bucket.take(50, 0.0) == 0  # 20 - 50 = -30
    assert bucket.take(1, 0.0) == pytest.approx(3.1)
    assert bucket.take(50, 4.9) == pytest.approx(0.1)  # -30 + 49 = 19 of the 20
    assert bucket.take(50, 5.0) == 0


def test_over_a_long_time_the_rate_holds() -> None:
    bucket, taken = Bucket(rate=7, burst=5), 0
    for tick in range(60_000):  # each millisecond of a minute
        taken += bucket.take(1, tick / 1_000) == 0
    assert taken == pytest.approx(7 * 60 + 5, abs=1)


def test_a_burst_is_two_seconds_worth_and_no_rate_no_limit() -> None:
    limits = KeyLimits(Rates(requests_per_s=3, events_per_s=0))
    assert [limits.take_request(0.0) > 0 for _ in range(7)] == [False] * 6 + [True]
    assert limits.take_events(10**9, 0.0) == 0
    slow = KeyLimits(Rates(requests_per_s=0.1))
    assert (slow.take_request(0.0), slow.take_request(0.0)) == (0, pytest.approx(10))


def _server(serve: Serve, **rates: float) -> Server:
    return serve(door=DoorOptions(fixed_keys=admin_keys("key", "other"), rates=Rates.model_validate(rates)))


def _get(server: Server, key: str = "key") -> httpx.Response:
    return server.http.get(DOCUMENT, headers={"X-API-Key": key})


def _post(server: Server, count: int, **query: str) -> httpx.Response:
    events = [{**EVENT, "interaction_id": f"{time.monotonic_ns()}-{n}"} for n in range(count)]
    return server.http.post("/api/interactions", json=events, headers={"X-API-Key": "key"}, params=query)


def _refused(answer: httpx.Response) -> str:
    assert answer.status_code == 429
    error = answer.json()["error"]
    assert error["code"] == "too_many"
    assert f"Wait {answer.headers['retry-after']} s" in error["message"]
    return str(error["message"])


def test_a_key_that_asks_too_often_waits_and_the_others_do_not(serve: Serve) -> None:
    server = _server(serve, requests_per_s=0.01, requests_burst=3)
    assert [_get(server).status_code for _ in range(3)] == [200, 200, 200]
    answer = _get(server)
    assert "key 'SHOAL_API_KEYS-1' has no request left" in _refused(answer)
    assert 60 < int(answer.headers["retry-after"]) <= 100
    assert _get(server, "other").status_code == 200
    assert server.http.get("/api/health/live").status_code == 200


@pytest.mark.slow
def test_after_the_wait_it_is_answered_again(serve: Serve) -> None:
    server = _server(serve, requests_per_s=1, requests_burst=1)
    assert [_get(server, key).status_code for key in ("other", "key")] == [200, 200]
    answer = _get(server)
    _refused(answer)
    time.sleep(float(answer.headers["retry-after"]))
    assert _get(server).status_code == 200


def test_events_are_counted_by_the_event_and_a_refused_batch_is_not_written(serve: Serve) -> None:
    server = _server(serve, events_per_s=0.1, events_burst=100)
    assert _post(server, 60).json()["accepted"] == 60
    answer = _post(server, 60)
    assert "may not send 60 events now, and none was taken" in _refused(answer)
    assert 100 < int(answer.headers["retry-after"]) <= 200  # 20 are missing, one comes every 10 s
    assert len(logged(server.store)) == 60
    assert _post(server, 40, validate_only="true").json()["valid"] == 40
    _refused(_post(server, 30, validate_only="true"))
    assert _get(server).status_code == 200


def test_a_key_may_have_its_own_limits_and_keeps_its_bucket_when_others_change(
    serve: Serve, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("serve_apps.http.keys._LOOK_EVERY_S", 0.0)
    path = tmp_path / "keys.json"

    def put(name: str, rates: Rates) -> None:
        secret = Secret(sha256=key_hash(name), created=datetime.now(UTC))
        key = ApiKey(name=name, roles=frozenset({Role.READ}), rates=rates, secrets=(secret,))
        change_keys(path, lambda keys: keys.replaced(key) if name in {k.name for k in keys.keys} else keys.added(key))

    put("small", Rates(requests_per_s=0.01, requests_burst=1))
    put("free", Rates(requests_per_s=0))
    server = serve(
        door=DoorOptions(keys_file=path, keys_file_needed=True, rates=Rates(requests_per_s=0.01, requests_burst=2))
    )
    assert [_get(server, "free").status_code for _ in range(20)] == [200] * 20
    assert [_get(server, "small").status_code for _ in range(2)] == [200, 429]
    put("third", Rates())
    assert [_get(server, "third").status_code for _ in range(3)] == [200, 200, 429]
    assert _get(server, "small").status_code == 429
    put("small", Rates(requests_per_s=0.01, requests_burst=2))
    assert [_get(server, "small").status_code for _ in range(3)] == [200, 200, 429]
