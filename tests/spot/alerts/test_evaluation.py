"""Rules against a real store and database: what fires, once, whoever evaluates, wherever a worker ends."""

import json
from typing import Any

import pytest
from django.db import OperationalError

from providers.datasets import LISTINGS
from spot import snapshots
from spot.alerts import evaluation, memory, tasks
from spot.alerts.models import Alert, Delivery, Rule, Standing
from spot.alerts.readings import Newest
from spot.snapshots import now_ms
from tests.spot.rows import USD, coin, fetched

pytestmark = pytest.mark.django_db


def evaluate() -> list[dict[str, Any]]:
    """Evaluate what is due; the bodies of the alerts that fired, oldest first."""
    known = set(Alert.objects.values_list("pk", flat=True))
    for due in evaluation.due():
        evaluation.evaluate(due, Newest())
    return [json.loads(alert.body) for alert in reversed(Alert.objects.exclude(pk__in=known))]


def test_a_crossing_fires_with_the_rows_before_and_after(store, make_rule) -> None:
    rule = make_rule(hysteresis=1)
    store(bitcoin=99.5, ethereum=3)
    assert evaluate() == []
    store(bitcoin=100.25, ethereum=3)
    (body,) = evaluate()
    assert body["row"]["before"] == {
        "Row": 1, "Logo": "https://x.test/bitcoin.png", "Symbol": "BITC", "Name": "Bitcoin", "Price": 99.5,
        "24h Change (%)": None, "Market Cap": 1e9, "24h Volume": None, "7d Change (%)": None,
    }  # fmt: skip
    assert body["row"]["after"]["Price"] == 100.25
    assert body["rule"] == {
        "id": rule.pk,
        "name": "high",
        "condition": {
            "kind": "above", "field": "price", "value": 100.0, "hysteresis": 1.0, "cooldown_seconds": 0,
            "simulated": False,
        },
    }  # fmt: skip
    assert (body["key"], body["event"], body["source"], body["simulated"]) == ("bitcoin", "above", "acme", False)
    assert body["view"]["feed"] == "market"
    assert body["view"]["params"]["vs_currency"] == "usd"
    assert 0 <= body["age_ms"] < 60_000
    assert evaluate() == []


def test_the_first_answer_of_a_new_rule_comes_without_new_data(store, make_rule) -> None:
    make_rule()
    store(bitcoin=99)
    evaluate()
    make_rule(name="low", value=50.0)
    evaluate()
    assert Standing.objects.get(rule__name="low").state["sides"] == {"bitcoin": "on"}


def test_a_changed_rule_begins_anew(store, make_rule) -> None:
    rule = make_rule()
    store(bitcoin=99)
    evaluate()
    Rule.objects.filter(pk=rule.pk).update(value=50)
    store(bitcoin=99)
    assert evaluate() == []
    assert Standing.objects.get().state["sides"] == {"bitcoin": "on"}


def test_a_paused_rule_is_not_evaluated_and_begins_anew(store, make_rule) -> None:
    rule = make_rule()
    store(bitcoin=99)
    evaluate()
    Rule.objects.filter(pk=rule.pk).update(enabled=False)
    evaluation.restart(rule)
    store(bitcoin=101)
    assert evaluate() == []
    Rule.objects.filter(pk=rule.pk).update(enabled=True)
    store(bitcoin=101)
    assert evaluate() == []


def test_each_enabled_target_gets_a_delivery(store, make_rule, make_target) -> None:
    off = make_target("https://off.example/", "off")
    off.enabled = False
    off.save()
    make_rule(make_target("https://a.example/", "a"), make_target("https://b.example/", "b"), off)
    store(bitcoin=99)
    evaluate()
    store(bitcoin=101)
    evaluate()
    assert sorted(delivery.target.name for delivery in Delivery.objects.all()) == ["a", "b"]


def test_a_worker_that_comes_second_writes_nothing(store, make_rule) -> None:
    make_rule()
    store(bitcoin=99)
    evaluate()
    store(bitcoin=101)
    (first,), (second,) = evaluation.due(), evaluation.due()  # both have read the state before
    assert [evaluation.evaluate(due, Newest()) for due in (first, second)] == [1, 0]
    assert Alert.objects.count() == 1


def test_a_worker_that_ends_before_the_outbox_is_written_loses_nothing(store, make_rule, monkeypatch) -> None:
    make_rule()
    store(bitcoin=99)
    evaluate()
    store(bitcoin=101)
    with monkeypatch.context() as patch:
        patch.setattr(Delivery.objects, "bulk_create", lambda *_: 1 / 0)
        with pytest.raises(ZeroDivisionError):
            evaluate()
    assert not Alert.objects.exists()
    assert len(evaluate()) == 1


def test_a_worker_that_ends_after_the_outbox_is_written_repeats_nothing(store, make_rule, monkeypatch) -> None:
    make_rule()
    store(bitcoin=99)
    evaluate()
    store(bitcoin=101)
    with monkeypatch.context() as patch:
        patch.setattr(memory, "note", lambda *_: 1 / 0)
        with pytest.raises(ZeroDivisionError):
            evaluate()
    assert evaluate() == []
    assert Alert.objects.count() == 1


def test_an_emptied_redis_repeats_nothing(store, make_rule, redis) -> None:
    make_rule()
    for price in (99, 101):
        store(bitcoin=price)
        evaluate()
    redis.flushall()
    store(bitcoin=102)
    assert evaluate() == []


def test_one_rule_that_fails_stops_no_other(store, make_rule, monkeypatch) -> None:
    make_rule(name="broken", parameters={"per_page": "20"})
    make_rule(name="sound")
    settle = evaluation._settle
    monkeypatch.setattr(evaluation, "_settle", lambda rule, *rest: 1 / (rule.name != "broken") and settle(rule, *rest))
    for price in (99, 101):
        store(bitcoin=price)
        tasks.watch.run()
        snapshots.connection().delete("spot:alerts")
    assert [alert.rule_name for alert in Alert.objects.all()] == ["sound"]


def test_simulated_data_fire_only_where_the_rule_says_so_and_say_so(store, make_rule, settings) -> None:
    settings.SPOT_DEMO = "on"
    make_rule()
    make_rule(name="demo too", simulated=True)
    store({"simulated": True}, bitcoin=99)
    evaluate()
    store({"simulated": True}, bitcoin=101)
    (body,) = evaluate()
    assert (body["rule"]["name"], body["simulated"]) == ("demo too", True)
    assert Alert.objects.get().simulated


def test_a_failover_does_not_fire_by_itself(store, make_rule) -> None:
    make_rule()
    store(bitcoin=99)
    evaluate()
    store({"source": "other", "label": "Other"}, bitcoin=101)
    assert evaluate() == []


def test_a_coin_enters_a_filter(store, make_rule) -> None:
    make_rule(kind="enters", field="", value=None, parameters={"filters": '{"price": {"gte": 100}}'})
    store(bitcoin=150, ethereum=50)
    evaluate()
    store(bitcoin=150, ethereum=101)
    (body,) = evaluate()
    assert (body["key"], body["event"], body["row"]["before"]) == ("ethereum", "entered", None)
    assert body["row"]["after"]["Price"] == 101


def test_a_coin_leaves_a_filter_but_not_for_lack_of_data(store, make_rule) -> None:
    make_rule(kind="leaves", field="", value=None, parameters={"filters": '{"price": {"gte": 100}}'})
    store(bitcoin=150, ethereum=150, solana=150)
    evaluate()
    store(bitcoin=None, ethereum=50)
    (body,) = evaluate()
    assert (body["key"], body["row"]["after"], body["row"]["before"]["Price"]) == ("ethereum", None, 150)


def test_a_change_is_told_with_what_it_is_measured_from(store, make_rule) -> None:
    make_rule(kind="change", value=5.0, window_seconds=600)
    store(bitcoin=100)
    evaluate()
    store(bitcoin=106)
    (body,) = evaluate()
    assert body["event"] == "up"
    assert body["change"] == {"base": 100.0, "percent": pytest.approx(6.0)}


def test_a_place_can_be_watched(store, make_rule) -> None:
    make_rule(kind="below", field="Row", value=1.0)
    store(bitcoin=1, ethereum=2)
    evaluate()
    store(ethereum=2, bitcoin=1)
    assert [body["key"] for body in evaluate()] == ["ethereum"]


def test_a_view_goes_stale_by_time_and_recovers(store, make_rule, monkeypatch) -> None:
    make_rule(kind="stale", field="", value=None, recovery=True)
    store(bitcoin=1)
    evaluate()
    later = now_ms() + 600_000
    monkeypatch.setattr(evaluation, "now_ms", lambda: later)
    (body,) = evaluate()
    assert (body["event"], body["key"], body["stale"]) == ("stale", None, True)
    assert body["age_ms"] > 500_000
    monkeypatch.undo()
    store(bitcoin=1)
    assert [body["event"] for body in evaluate()] == ["recovered"]


def test_more_rows_than_an_answer_may_fire_are_counted(store, make_rule) -> None:
    make_rule()
    for price in (99, 101):
        snapshots.save(fetched(USD, [coin(f"coin-{n}", price=price) for n in range(60)]), 60)
        bodies = evaluate()
    assert sorted(body["more"] for body in bodies) == [0] * 49 + [10]


def test_the_datasets_of_rules_are_wanted_and_coins_below_the_market(store, make_rule) -> None:
    store(bitcoin=1)
    make_rule(feed="ticker-tape", parameters={"coin_ids": "bitcoin,rare"})
    evaluate()
    assert {dataset.name for dataset in snapshots.wanted()} == {"markets:usd", "quotes:usd"}
    assert snapshots.wanted_coins("usd", 10) == ["rare"]


def test_a_coin_below_the_market_is_watched(store, make_rule) -> None:
    make_rule(feed="ticker-tape", parameters={"coin_ids": "rare"}, value=1.0)
    store(bitcoin=1)
    for price in (0.5, 1.5):
        snapshots.save(fetched(snapshots.Dataset("quotes", "usd"), [coin("rare", price=price)]), 60)
        bodies = evaluate()
    assert [(body["key"], body["row"]["after"]["price"]) for body in bodies] == [("rare", 1.5)]


def test_a_rule_that_has_become_invalid_says_why(store, make_rule) -> None:
    rule = make_rule(parameters={"per_page": "9999"})
    store(bitcoin=1)
    assert evaluate() == []
    assert "per_page" in Standing.objects.get(rule=rule).problem
    Rule.objects.filter(pk=rule.pk).update(parameters={})
    evaluate()
    assert Standing.objects.get(rule=rule).problem == ""


def test_old_alerts_are_pruned_unless_one_waits(store, make_rule, make_target) -> None:
    target, old = make_target("https://a.example/"), now_ms() - tasks.KEPT_MS - 1
    for state in (Delivery.DELIVERED, Delivery.GIVEN_UP, Delivery.WAITING):
        alert = Alert.objects.create(rule_name=state, event="above", fired_at=old, body="{}")
        Delivery.objects.create(alert=alert, target=target, state=state)
    tasks.prune()
    assert [alert.rule_name for alert in Alert.objects.all()] == [Delivery.WAITING]


def test_an_announcement_enters_a_feed_of_events(store, make_rule) -> None:
    make_rule(feed="listings", kind="enters", field="", value=None, parameters={"cex": "binance"})
    usual = {"type": "spot_listing", "tickers": ["ABC"], "published_at": None, "detected_at": None, "source": "acme"}
    rows = [{"id": "1", "exchange": "binance", "title": "One", "received_at": now_ms(), **usual}]
    for news in ([], [{**rows[0], "id": "2", "title": "Two"}, {**rows[0], "id": "3", "exchange": "upbit"}]):
        snapshots.save(fetched(LISTINGS, [*news, *rows]), 60)
        bodies = evaluate()
    assert [(body["key"], body["row"]["after"]["title"]) for body in bodies] == [("2", "Two")]


def test_a_database_out_of_reach_is_logged_and_tried_again(monkeypatch, caplog, redis) -> None:
    def unreachable() -> None:
        raise OperationalError("connection refused")

    monkeypatch.setattr(evaluation, "due", unreachable)
    tasks.watch()
    assert "rules not read, it is tried again" in caplog.text
    assert "Traceback" not in caplog.text
