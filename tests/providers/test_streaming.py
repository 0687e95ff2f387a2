"""A worker and its stream over real sockets: connecting, following, ending, beginning again, and one leader of many."""

import asyncio
import json
import logging
from dataclasses import replace

import pytest
import structlog

import providers
from providers.budget import Budget, connection
from providers.stream import Channel
from providers.streams import stream_state, worker
from providers.streams.worker import StreamSettings, backoff, stream_settings
from tests.providers.streams import (
    BITCOIN,
    ETHER,
    KEY,
    QUICK,
    Collector,
    access_to,
    provider,
    staged,
    until,
)

pytestmark = pytest.mark.usefixtures("redis")


def state(stage):
    found = stream_state.read(connection(), stage.provider.name)
    return found.state if found else None


# --- connecting -------------------------------------------------------------------------------------------------------


def test_a_price_goes_from_the_provider_to_the_sink() -> None:
    async def story(stage):
        stage.worker()
        await until(lambda: {"follow": ["btc"]} in stage.server.said)
        stage.server.tick(65_000.5, at=1_700_000_000_000)
        await until(lambda: stage.sink.heard)
        assert stage.sink.prices == [65_000.5]
        assert stage.sink.heard[0].at == 1_700_000_000_000
        await until(lambda: state(stage) == "live")

    staged(story)


def test_the_key_goes_with_the_handshake_and_first_comes_what_the_protocol_says_first() -> None:
    async def story(stage):
        stage.worker()
        await until(lambda: len(stage.server.said) == 2)
        assert stage.server.keys == [KEY]
        assert stage.server.said == [{"hello": KEY}, {"follow": ["btc"]}]

    staged(story)


def test_what_the_protocol_owes_is_sent_after_what_was_received() -> None:
    async def story(stage):
        stage.worker()
        await until(lambda: stage.server.open)
        stage.server.send({"type": "ask", "id": 7})
        await until(lambda: {"answer": 7} in stage.server.said)
        assert len(stage.sink.signs) == 1

    staged(story)


def test_another_wish_is_followed_without_a_new_connection() -> None:
    async def story(stage):
        stage.worker()
        await until(lambda: {"follow": ["btc"]} in stage.server.said)
        stage.sink.following = (BITCOIN, ETHER)
        await until(lambda: {"follow": ["btc", "eth"]} in stage.server.said)
        assert stage.server.connections == 1
        assert stage.server.said.count({"follow": ["btc"]}) == 1

    staged(story)


def test_there_is_no_connection_while_nobody_looks() -> None:
    async def story(stage):
        stage.sink.following = ()
        stage.worker()
        await until(lambda: state(stage) == "idle" and len(stage.sink.asked) > 3)
        assert stage.server.connections == 0
        stage.sink.following = (BITCOIN,)
        await until(lambda: stage.server.open)
        stage.sink.following = ()
        await until(lambda: not stage.server.open)

    staged(story)


def test_announcements_are_followed_although_nobody_looks() -> None:
    async def story(stage):
        stage.sink.following = ()
        stage.worker()
        await until(lambda: stage.server.open)
        stage.server.send({"type": "news", "id": "a"})
        await until(lambda: stage.sink.news == [{"id": "a", "title": "…"}])

    staged(story, provider(brings=frozenset({"listings"}), stale_seconds=None))


def test_nothing_is_asked_without_a_key_and_a_key_takes_effect() -> None:
    async def story(stage):
        entries = stage.settings
        stage.settings = StreamSettings([])
        stage.worker()
        await asyncio.sleep(0.1)
        assert stage.server.keys == []
        assert state(stage) is None
        stage.settings = entries
        await until(lambda: stage.server.open)
        stage.settings = StreamSettings([])
        await until(lambda: not stage.server.open and state(stage) is None)

    staged(story)


def test_another_key_means_another_connection() -> None:
    async def story(stage):
        stage.worker()
        await until(lambda: stage.server.open)
        stage.settings = StreamSettings([access_to(stage.provider, stage.server.url, "another-key-0123")])
        await until(lambda: stage.server.keys == [KEY, "another-key-0123"] and len(stage.server.open) == 1)

    staged(story)


def test_the_sink_is_told_how_many_coins_the_operator_and_the_plan_allow() -> None:
    async def story(stage):
        stage.settings = replace(stage.settings, coins=7)
        stage.worker()
        await until(lambda: stage.sink.asked)
        assert set(stage.sink.asked) == {(7, 15)}

    staged(story, provider(channels=15))


@pytest.mark.django_db
def test_a_wish_is_what_settings_and_rows_say(settings) -> None:
    from providers.models import ProviderSettings

    one = providers.get("tokenmetrics")
    assert stream_settings(one) == StreamSettings([], 20)
    settings.TOKENMETRICS_API_KEY = KEY
    (entry,) = stream_settings(one).entries
    assert (entry.stream_url, entry.key.reveal()) == (one.plans[0].stream_url, KEY)
    ProviderSettings.objects.filter(name=one.name).update(stream_coins=3, stream_url="ws://127.0.0.1:9/x")
    assert (stream_settings(one).coins, stream_settings(one).entries[0].stream_url) == (3, "ws://127.0.0.1:9/x")
    ProviderSettings.objects.filter(name=one.name).update(enabled=False)
    assert stream_settings(one).entries == []


@pytest.mark.django_db
def test_a_plan_without_a_stream_has_none_at_any_address(settings) -> None:
    one = providers.get("coinmarketcap")
    settings.COINMARKETCAP_STREAM_URL = "ws://127.0.0.1:9/x"
    assert stream_settings(one).entries == []
    settings.COINMARKETCAP_API_KEY, settings.COINMARKETCAP_PLAN = KEY, "startup"
    assert len(stream_settings(one).entries) == 1


# --- ends, and beginning again ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("end", ["cut", "close", "leave", "too long", "bug"])
def test_after_any_end_it_connects_and_follows_again(end, caplog) -> None:
    async def story(stage):
        stage.worker()
        await until(lambda: {"follow": ["btc"]} in stage.server.said)
        if end == "cut":
            stage.server.cut()
        elif end == "close":
            await stage.server.close(1011, "sorry")
        elif end == "too long":
            stage.server.send({"type": "x" * 2_000_000})
        else:
            stage.server.send({"type": end, "within": 0})
        await until(lambda: stage.server.connections == 2 and stage.server.said.count({"follow": ["btc"]}) == 2)
        stage.server.tick(1.5)
        await until(lambda: stage.sink.prices == [1.5])

    staged(story)


def test_pauses_are_anything_up_to_a_bound_that_doubles() -> None:
    stream = replace(provider().stream, first_pause=1.0, longest_pause=300.0)
    assert [backoff(n, stream, 1.0) for n in (1, 2, 3, 4, 10, 1000)] == [1, 2, 4, 8, 300, 300]
    assert [backoff(n, stream, 0.0) for n in (1, 5, 1000)] == [0, 0, 0]
    assert backoff(4, stream, 0.25) == 2


def test_failures_in_a_row_are_counted_until_data_have_come_for_a_while(monkeypatch) -> None:
    async def story(stage):
        rows = []
        monkeypatch.setattr(worker, "backoff", lambda failures, *_: rows.append(failures) or 0.01)
        stage.server.refuse = (503, "", {})
        stage.worker()
        await until(lambda: len(rows) > 3)
        stage.server.refuse = None
        await until(lambda: stage.server.open)
        stage.server.tick(0.5)
        await until(lambda: stage.sink.heard)
        stage.server.cut()  # data came, but for no while
        await until(lambda: stage.server.connections == 2 and stage.server.open)
        assert rows == list(range(1, len(rows) + 1))
        for price in range(30):
            stage.server.tick(price + 1.0)
            await asyncio.sleep(0.01)
        stage.server.cut()
        await until(lambda: stage.server.connections == 3)
        assert rows[-1] == 1

    staged(story)


def test_a_connection_that_says_nothing_is_dead() -> None:
    async def story(stage):
        stage.worker()
        await until(lambda: stage.server.connections == 2)

    staged(story, provider(silence_seconds=0.15, stale_seconds=None))


def test_a_connection_that_lives_without_data_is_frozen(caplog) -> None:
    async def story(stage):
        with structlog.testing.capture_logs() as said:
            stage.worker()
            async with asyncio.timeout(10):
                while stage.server.connections < 2:
                    stage.server.send({"type": "ask", "id": 1})
                    await asyncio.sleep(0.02)
        assert any("no data for 0.2 s" in one.get("error", "") for one in said)

    staged(story, provider(silence_seconds=60.0, stale_seconds=0.2))


def test_the_same_old_tick_again_and_again_is_no_data() -> None:
    async def story(stage):
        stage.worker()
        async with asyncio.timeout(10):
            while stage.server.connections < 2:
                stage.server.tick(5.0, at=1_700_000_000_000)
                await asyncio.sleep(0.02)
        assert stage.sink.prices[:1] == [5.0]
        assert len(stage.sink.heard) <= 2

    staged(story, provider(silence_seconds=60.0, stale_seconds=0.2))


def test_channels_on_which_little_happens_are_not_frozen() -> None:
    async def story(stage):
        stage.sink.following = (Channel(onchain="kline.1.0x12345678"),)
        stage.worker()
        await until(lambda: stage.server.open)
        for _ in range(20):
            stage.server.send({"type": "ask", "id": 1})
            await asyncio.sleep(0.02)
        assert stage.server.connections == 1
        stage.server.send({"type": "event", "id": "e"})
        await until(lambda: stage.sink.news)
        assert stage.sink.news == [("kline.1.0x12345678", {"id": "e", "at": 1, "data": {}})]

    staged(story, provider(silence_seconds=60.0, stale_seconds=0.15, brings=frozenset({"ticks", "onchain"})))


def test_data_keep_a_connection() -> None:
    async def story(stage):
        stage.worker()
        await until(lambda: stage.server.open)
        for price in range(30):
            stage.server.tick(float(price + 1))
            await asyncio.sleep(0.02)
        assert stage.server.connections == 1

    staged(story, provider(silence_seconds=0.3, stale_seconds=0.3))


# --- refusals ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("how", ["handshake", "message", "close"])
def test_a_wrong_key_is_told_once_and_not_tried_again_until_it_is_another(how) -> None:
    async def story(stage):
        stage.settings = StreamSettings([access_to(stage.provider, stage.server.url)])
        if how == "handshake":
            stage.server.refuse = (401, f"your key is {KEY}", {})
        with structlog.testing.capture_logs() as said:
            stage.worker()
            if how != "handshake":
                await until(lambda: stage.server.open)
            if how == "message":
                stage.server.send({"type": "refuse", "fatal": True, "echo": KEY})
            elif how == "close":
                await stage.server.close(4001, f"bye {KEY}")
            await until(lambda: state(stage) == "refused")
            await asyncio.sleep(0.3)
        assert len(stage.server.keys) == 1
        assert len([one for one in said if one["event"] == "stream rejected"]) == 1
        found = stream_state.read(connection(), stage.provider.name)
        assert found.code == "unauthorized"
        assert "***" in found.message
        last = Budget(connection()).usage(stage.settings.entries[0]).last
        assert (last["outcome"], last["dataset"]) == ("unauthorized", "stream")
        assert KEY not in json.dumps([found.message, last, said], default=str)
        stage.server.refuse = None
        stage.settings = StreamSettings([access_to(stage.provider, stage.server.url, "the-right-key-77")])
        await until(lambda: stage.server.open and state(stage) == "live")
        assert stage.server.keys == [KEY, "the-right-key-77"]

    staged(story)


def test_of_several_keys_the_next_is_used_when_one_is_refused() -> None:
    async def story(stage):
        url = stage.server.url
        stage.settings = StreamSettings(
            [access_to(stage.provider, url, "bad-key-00000000"), access_to(stage.provider, url)]
        )
        stage.server.refuse = (401, "", {})
        stage.worker()
        await until(lambda: len(stage.server.keys) == 2)
        await until(lambda: state(stage) == "refused")
        assert stage.server.keys == ["bad-key-00000000", KEY]

    staged(story)


def test_a_refused_request_leaves_the_connection_and_is_told_once() -> None:
    async def story(stage):
        with structlog.testing.capture_logs() as said:
            stage.worker()
            await until(lambda: stage.server.open)
            for _ in range(5):
                stage.server.send({"type": "refuse", "fatal": False})
            stage.server.tick(2.5)
            await until(lambda: stage.sink.heard)
        assert stage.server.connections == 1
        assert len([one for one in said if one["event"] == "stream request rejected"]) == 1

    staged(story)


@pytest.mark.parametrize(("headers", "least"), [({"Retry-After": "90"}, 90), ({}, 60)])
def test_who_is_asked_to_wait_waits(headers, least) -> None:
    async def story(stage):
        stage.server.refuse = (429, "", headers)
        stage.worker()
        await until(lambda: state(stage) == "waiting")
        found = stream_state.read(connection(), stage.provider.name)
        assert least * 1000 * 0.9 < found.until - found.at <= least * 1100
        await asyncio.sleep(0.2)
        assert len(stage.server.keys) == 1

    staged(story)


def test_a_redirect_is_not_followed_and_takes_no_key_along() -> None:
    async def story(stage):
        asked = []

        async def elsewhere(reader, writer):
            asked.append(await reader.readline())
            writer.close()

        async with await asyncio.start_server(elsewhere, "127.0.0.1", 0) as other:
            port = other.sockets[0].getsockname()[1]
            stage.server.refuse = (302, "", {"Location": f"ws://127.0.0.1:{port}/"})
            stage.worker()
            await until(lambda: len(stage.server.keys) > 1)
        assert asked == []

    staged(story)


@pytest.mark.parametrize("url", ["ws://127.0.0.1:1/feed", "http://127.0.0.1/feed", "ws://127.0.0.1:1/a b"])
def test_an_address_that_is_none_is_told_in_words(url) -> None:
    async def story(stage):
        stage.settings = StreamSettings([access_to(stage.provider, url)])
        stage.worker()
        await until(lambda: (found := stream_state.read(connection(), stage.provider.name)) and found.message)
        assert stream_state.read(connection(), stage.provider.name).code == "unreachable"

    staged(story)


def test_no_library_logs_what_goes_over_the_wire(caplog) -> None:
    async def story(stage):
        stage.worker()
        await until(lambda: len(stage.server.said) == 2)
        stage.server.tick(1.0)
        await until(lambda: stage.sink.heard)

    caplog.set_level(logging.DEBUG)
    logging.getLogger("websockets.server").setLevel(logging.WARNING)
    staged(story)
    assert KEY not in caplog.text


# --- order, repetition, clocks ----------------------------------------------------------------------------------------


def test_what_comes_late_again_or_from_the_future_is_put_right() -> None:
    async def story(stage):
        now = 1_790_000_000_000
        stage.worker(now_ms=lambda: now)
        await until(lambda: stage.server.open)
        ticks = [(10.0, -3000), (11.0, -2000), (12.0, -2500), (11.0, -2000), (13.0, 9_000_000)]
        sent = [{"coin": "btc", "price": price, "at": now + at} for price, at in ticks]
        stage.server.send({"type": "ticks", "ticks": sent})
        await until(lambda: len(stage.sink.heard) == 3)
        assert stage.sink.prices == [10.0, 11.0, 13.0]
        assert stage.sink.heard[-1].at == now

    staged(story)


def test_sequences_begin_anew_with_a_connection() -> None:
    async def story(stage):
        stage.worker()
        await until(lambda: stage.server.open)
        for sequence, price in ((5, 1.0), (5, 2.0), (4, 3.0), (6, 4.0)):
            stage.server.tick(price, seq=sequence)
        await until(lambda: stage.sink.prices == [1.0, 4.0])
        stage.server.cut()
        await until(lambda: stage.server.connections == 2 and stage.server.open)
        stage.server.tick(5.0, seq=1)
        await until(lambda: stage.sink.prices == [1.0, 4.0, 5.0])

    staged(story)


# --- the month --------------------------------------------------------------------------------------------------------


def test_messages_with_data_are_charged_and_others_are_not() -> None:
    async def story(stage):
        stage.worker()
        await until(lambda: stage.server.open)
        for price in range(4):
            stage.server.tick(float(price + 1))
        stage.server.send({"type": "ask", "id": 1})
        await until(lambda: len(stage.sink.heard) == 4 and stage.sink.signs)
        entry = stage.settings.entries[0]
        await until(lambda: Budget(connection()).usage(entry).month == 10)
        await stage.leave()
        assert Budget(connection()).usage(entry).month == 10

    staged(story, provider(millicredits=2500))


def test_a_stream_that_has_used_up_its_share_of_the_month_rests_and_says_until_when() -> None:
    async def story(stage):
        stage.settings = StreamSettings([access_to(stage.provider, stage.server.url, per_month=1000)])
        stage.worker()
        await until(lambda: stage.server.open)
        stage.server.send({"type": "ticks", "ticks": [{"coin": "btc", "price": 1.0}]})
        await until(lambda: state(stage) == "paused" and not stage.server.open)
        found = stream_state.read(connection(), stage.provider.name)
        assert found.until - found.at >= 1_800_000 - 5000
        await asyncio.sleep(0.1)
        assert stage.server.connections == 1

    staged(story, provider(millicredits=200_000))


# --- one leader -------------------------------------------------------------------------------------------------------


def test_of_two_workers_one_connects_and_the_other_takes_over() -> None:
    async def story(stage):
        first = stage.worker()
        await until(lambda: stage.server.open)
        stage.worker()
        await asyncio.sleep(0.3)
        assert stage.server.connections == 1
        await stage.leave(first)
        await until(lambda: stage.server.connections == 2 and stage.server.open)
        stage.server.tick(3.5)
        await until(lambda: stage.sink.prices == [3.5])

    staged(story)


def test_a_leader_that_is_gone_without_a_word_is_succeeded() -> None:
    async def story(stage):
        await stage.client.set("spot:stream:lead:scripted", "somebody who died", px=300)
        stage.worker()
        await asyncio.sleep(0.1)
        assert stage.server.connections == 0
        await until(lambda: stage.server.open, 5)

    staged(story)


def test_who_has_lost_the_lead_closes_the_connection() -> None:
    async def story(stage):
        stage.worker()
        await until(lambda: stage.server.open)
        await stage.client.set("spot:stream:lead:scripted", "another", px=60_000)
        await until(lambda: not stage.server.open)
        await asyncio.sleep(0.1)
        assert stage.server.connections == 1

    staged(story)


def test_who_ends_leaves_neither_lead_nor_state_nor_connection() -> None:
    async def story(stage):
        stage.worker()
        await until(lambda: stage.server.open and state(stage) == "live")
        await stage.leave()
        await until(lambda: not stage.server.open)
        assert [key async for key in stage.client.scan_iter("spot:stream:*")] == []

    staged(story)


def test_an_outage_of_the_sink_is_no_storm() -> None:
    class Broken(Collector):
        async def announced(self, provider, row):
            raise ConnectionResetError

    async def story(stage):
        stage.worker(timing=replace(QUICK, settings=60.0))
        await until(lambda: stage.server.open)
        stage.server.send({"type": "news", "id": "a"})
        await until(lambda: state(stage) == "waiting")
        assert "could not be stored" in stream_state.read(connection(), stage.provider.name).message

    staged(story, provider(first_pause=60.0), Broken())
