"""What the pages say about a provider in each state, and what their buttons do."""

import json
import re
from datetime import UTC, datetime

import pytest
from django.contrib.admin.models import LogEntry
from django.test import Client
from redis import Redis

from providers import access, fetching
from providers.admin.status import streaming_words
from providers.breaker import PATIENCE, Breaker
from providers.budget import Budget, wall_ms
from providers.datasets import Dataset
from providers.errors import ProviderError, RateLimited, Unauthorized, Unavailable
from providers.models import ApiKey, Asset, AssetAlias, Chain
from providers.streams import stream_state
from providers.streams.stream_state import StreamState
from tests.live import NOWHERE
from tests.providers.conftest import KEY, Clock, Reply, Upstream
from tests.providers.pages import ALIASES, KEYS, ORDERS, PROVIDERS, fact, page, post, row, text, told
from tests.providers.test_models import made

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("redis")]


@pytest.fixture
def stand_in(upstream: Upstream, settings) -> Upstream:
    settings.COINGECKO_BASE_URL = upstream.url
    upstream.replies["/ping"] = Reply({"gecko_says": "x"})
    upstream.replies["/simple/supported_vs_currencies"] = Reply(["usd"])
    return upstream


def own(client: Client, name: str = "coingecko") -> str:
    return page(client, PROVIDERS.format("change"), row(name).pk)


def entry() -> access.Access:
    return access.of(row().provider)


def trip(redis: Redis, error: ProviderError | None = None) -> None:
    for _ in range(PATIENCE):
        Breaker(redis).failed("coingecko", error or Unavailable("503: <i>closed</i>"))


# --- health -----------------------------------------------------------------------------------------------------------


def test_a_provider_that_is_well_is_ready(admin_client: Client) -> None:
    assert fact(own(admin_client), "Health") == "✓ ready"
    assert fact(own(admin_client), "Last fetch") == "? none yet"


def test_one_that_is_switched_off_says_so(admin_client: Client) -> None:
    post(admin_client, PROVIDERS.format("change"), row().pk, base_url="")
    assert fact(own(admin_client), "Health") == "○ switched off"


def test_one_that_needs_a_key_and_has_none_says_so(admin_client: Client) -> None:
    assert fact(own(admin_client, "coinapi"), "Health") == "! no key enter one under API keys to use this provider"
    html = post(admin_client, PROVIDERS.format("test"), row("coinapi").pk)
    assert told(html) == ["CoinAPI: there is no key to test it with."]


def test_one_that_asked_us_to_wait_says_until_when_and_why(admin_client: Client, redis: Redis) -> None:
    made().save()
    Budget(redis).failed(entry(), RateLimited("429: <b>slow down</b>", retry_after=50))
    html = own(admin_client)
    assert re.fullmatch(
        r"‖ waiting until \d\d:\d\d:\d\d UTC: 429: <b>slow down</b>", fact(html, "Health").replace("  ", " ")
    )
    assert "<b>slow" not in html


def test_one_that_refuses_its_key_says_so(admin_client: Client, redis: Redis) -> None:
    made().save()
    Budget(redis).failed(entry(), Unauthorized("401: no such key"))
    assert fact(own(admin_client), "Health").startswith("✕ rejected until ")
    states = re.findall(r"field-state[^>]*>(.*?)</td>", page(admin_client, KEYS.format("changelist")))
    assert text(states[0]).endswith("401: no such key")


def test_one_whose_month_is_gone_says_so(admin_client: Client, redis: Redis) -> None:
    made(plan="demo").save()
    Budget(redis).charge(entry(), 10_000_000)
    assert fact(own(admin_client), "Health") == "✕ used up until the month ends"
    assert "0 of 10,000 left" in own(admin_client)
    assert "used up until 1 " in text(own(admin_client))


def test_one_key_at_rest_leaves_the_provider_ready(admin_client: Client, redis: Redis) -> None:
    made("CG-old-0123456789abcd").save()
    made().save()
    Budget(redis).failed(entry(), RateLimited("429", retry_after=50))
    html = own(admin_client)
    assert fact(html, "Health") == "✓ ready 1 of 2 keys"
    table = text(html.split("<caption>Keys, in the order of use</caption>")[1].split("</table>")[0])
    assert table.index("1st ••••abcd demo ✓ ready") < table.index("2nd ••••3210 demo ‖ waiting")


@pytest.fixture
def clock(monkeypatch) -> Clock:
    """The admin's clock and the budget's, on the 11th of a month."""
    clock = Clock(int(datetime(2026, 11, 11, tzinfo=UTC).timestamp() * 1000))
    monkeypatch.setattr("providers.admin.status.wall_ms", clock)
    monkeypatch.setattr("providers.admin.status.Budget", lambda redis: Budget(redis, clock))
    return clock


def test_a_month_is_told_as_it_is_spent_not_by_the_pace_of_minutes(admin_client: Client, redis, clock: Clock) -> None:
    made().save()
    Budget(redis, clock).charge(entry(), 6_000)  # minutes after the key was entered, six calls at once
    html = text(own(admin_client))
    assert "9,994 of 10,000 left lasts the month, spread evenly" in html
    assert "at this pace" not in html
    assert "14, 333 more each day" in html


def test_what_spot_itself_withholds_is_told_as_held_back(admin_client: Client, redis, clock: Clock) -> None:
    made().save()
    Budget(redis, clock).charge(entry(), 11_000)
    html = own(admin_client)
    assert fact(html, "Health") == (
        "‖ throttled charts and single coins only, until 00:08:38 UTC, in 9 min, "
        "by Spot, because the month's calls are spread evenly"
    )
    assert "‖ throttled charts" in text(page(admin_client, PROVIDERS.format("changelist")))
    assert serving(admin_client) == "✓ CoinGecko"  # polls go on
    Budget(redis, clock).charge(entry(), 9_000)
    html = own(admin_client)
    assert fact(html, "Health") == (
        "‖ throttled until 00:04:19 UTC, in 4 min, by Spot, because the month's calls are spread evenly"
    )
    assert "0, next in 4 min, 333 more each day" in text(html)
    listed = text(page(admin_client, PROVIDERS.format("changelist")))
    assert "accrued: 0, next in 4 min, 333 more each day" in listed
    with pytest.raises(ProviderError, match="spread evenly"):
        Budget(redis, clock).spend(entry(), 1)
    clock.forward(260)
    assert Budget(redis, clock).spend(entry(), 1)


def test_a_minute_that_is_used_up_is_held_back_too(admin_client: Client, redis: Redis) -> None:
    Budget(redis).spend(entry(), 5)
    assert fact(own(admin_client), "Health") == "‖ throttled by Spot: the calls for this minute are used up"


def test_no_allowance_of_a_refused_key_is_shown_as_usable(admin_client: Client, redis: Redis) -> None:
    made("CG-old-0123456789abcd").save()
    made().save()
    Budget(redis).failed(entry(), Unauthorized("401: no such key"))
    html = text(own(admin_client))
    assert html.count("10,000 of 10,000 left") == 1
    assert html.count("none: the key is rejected") == 2  # minute and month
    assert "This month: 0 of 10,000 credits" in html
    months = text(page(admin_client, PROVIDERS.format("changelist")))
    assert "••••abcd: 10,000 of 10,000 left" in months
    assert "••••3210: none" in months


def test_a_refused_key_stays_unusable_until_it_is_accepted(admin_client: Client, redis: Redis) -> None:
    made().save()
    Budget(redis, lambda: wall_ms() - 700_000).failed(entry(), Unauthorized("401: no such key"))
    html = own(admin_client)
    assert fact(html, "Health") == "✕ rejected the next call tries it again: 401: no such key"
    assert "10,000 of 10,000 left" not in html
    Budget(redis).succeeded(entry())
    assert fact(own(admin_client), "Health") == "✓ ready"


# --- the breaker ------------------------------------------------------------------------------------------------------


def test_an_open_breaker_is_told_with_its_reason_and_can_be_reset(
    admin_client: Client, redis: Redis, stand_in: Upstream
) -> None:
    assert "Reset the breaker" not in own(admin_client)
    trip(redis)
    html = own(admin_client)
    assert fact(html, "Health").startswith("✕ breaker open until ")
    assert fact(html, "Health").endswith("503: <i>closed</i>")
    assert "<i>closed" not in html
    assert "Reset the breaker" in html
    html = post(admin_client, PROVIDERS.format("reset"), row().pk)
    assert told(html) == ["CoinGecko: the breaker is closed; the next fetch can use the provider again."]
    assert fact(html, "Health") == "✓ ready"
    fetching.fetch(Dataset("currencies"))
    assert len(stand_in.asked) == 1
    assert "Reset the breaker: the breaker is closed" in page(admin_client, PROVIDERS.format("history"), row().pk)


def test_a_breaker_on_trial_says_that_the_next_call_decides(admin_client: Client, redis: Redis) -> None:
    past = Breaker(redis, lambda: wall_ms() - 3_600_000)
    for _ in range(PATIENCE):
        past.failed("coingecko", Unavailable("503"))
    assert fact(own(admin_client), "Health").startswith("‖ on trial the next call decides; failing since ")


def test_several_breakers_are_reset_from_the_list(admin_client: Client, redis: Redis) -> None:
    trip(redis)
    post(admin_client, PROVIDERS.format("changelist"), action="reset_breakers", _selected_action=[row().pk])
    assert Breaker(redis).state("coingecko").state == "closed"


def test_nothing_is_reset_while_redis_is_away(admin_client: Client, settings) -> None:
    settings.REDIS = NOWHERE
    html = post(admin_client, PROVIDERS.format("reset"), row().pk)
    assert told(html) == ["CoinGecko: not reset, because Redis does not answer."]
    assert not LogEntry.objects.exists()


# --- streams ----------------------------------------------------------------------------------------------------------

NOW = int(datetime(2026, 11, 20, 12, tzinfo=UTC).timestamp() * 1000)


@pytest.mark.parametrize(
    ("state", "said"),
    [
        (
            StreamState("live", NOW, since=NOW - 3_600_000, heard=NOW - 2000, followed=20),
            "connected since 11:00:00 UTC, 20 channels, last message 11:59:58 UTC",
        ),
        (
            StreamState("live", NOW, since=NOW, followed=1),
            "connected since 12:00:00 UTC, 1 channel, no message yet",
        ),
        (StreamState("idle", NOW), "idle no page or client asks for its data"),
        (StreamState("connecting", NOW), "connecting"),
        (StreamState("waiting", NOW, message="no answer", until=NOW + 5000), "waiting until 12:00:05 UTC: no answer"),
        (
            StreamState("paused", NOW, until=NOW + 86_400_000),
            "paused until 21 Nov 2026, 12:00:00 UTC: the credits accrued so far are used up",
        ),
        (StreamState("refused", NOW, message="4101: no such key"), "rejected 4101: no such key"),
    ],
)
def test_a_stream_says_how_it_is(state: StreamState, said: str) -> None:
    words = streaming_words(state, NOW)
    assert f"{words.word} {words.detail}".strip() == said


def test_a_providers_page_tells_its_stream_and_what_stood_apart(admin_client: Client, redis: Redis, settings) -> None:
    settings.COINAPI_API_KEY = KEY
    assert fact(own(admin_client, "coinapi"), "Stream") == (
        "○ not running no stream process runs: start “manage.py stream”"
    )
    state = {"state": "live", "at": wall_ms(), "followed": 3}
    redis.set("spot:stream:state:coinapi", json.dumps(state))
    stream_state.count(redis, "disputed", "coinapi", {"bitcoin": 4})
    html = own(admin_client, "coinapi")
    assert fact(html, "Stream") == "✓ connected 3 channels, no message yet"
    assert fact(html, "Streamed prices that disagreed with the market, last 7 days") == "bitcoin 4"
    assert "✓ connected" in text(page(admin_client, PROVIDERS.format("changelist")))
    assert "<dt>Stream</dt>" not in own(admin_client)


# --- tests ------------------------------------------------------------------------------------------------------------


def test_the_button_of_a_key_tries_that_key(admin_client: Client, stand_in: Upstream) -> None:
    made().save()
    made("CG-newer-0123456789").save()
    older = ApiKey.objects.order_by("pk").first()
    html = post(admin_client, KEYS.format("test"), older.pk)
    assert told(html) == ["CoinGecko demo key ••••3210: accepted."]
    assert stand_in.asked[0].headers["x-cg-demo-api-key"] == KEY
    assert "Tested the key: accepted." in page(admin_client, KEYS.format("history"), older.pk)


def test_a_test_counts_like_any_other_call(admin_client: Client, stand_in: Upstream, redis: Redis) -> None:
    made().save()
    post(admin_client, PROVIDERS.format("test"), row().pk)
    assert "29 of 30 left" in own(admin_client)
    assert Budget(redis).usage(entry()).month == 1


def test_an_orphan_has_nothing_to_test(admin_client: Client) -> None:
    from providers.models import ProviderSettings

    orphan = ProviderSettings.objects.create(name="gone")
    assert fact(page(admin_client, PROVIDERS.format("change"), orphan.pk), "Health").startswith("○ not installed")
    assert told(post(admin_client, PROVIDERS.format("test"), orphan.pk)) == [
        "Gone (no longer installed): there is nothing to test."
    ]


def test_a_key_of_a_provider_that_only_streams_is_tried_by_connecting(admin_client: Client, settings) -> None:
    import standins

    good = "dsk_" + "5f" * 32
    with standins.get("cryptolisting")(key=good) as standin:
        settings.CRYPTOLISTING_STREAM_URL = standin.stream_url
        for typed in (good, "dsk_" + "6e" * 32):
            plan = "cryptolisting tokyo"
            post(admin_client, KEYS.format("add"), plan=plan, secret=typed, label="", enabled="on")
        right, wrong = ApiKey.objects.order_by("pk")
        assert told(post(admin_client, KEYS.format("test"), right.pk)) == [
            "Cryptolisting.ws tokyo key ••••5f5f: accepted."
        ]
        assert "wrong" in told(post(admin_client, KEYS.format("test"), wrong.pk))[0]


# --- the order of providers -------------------------------------------------------------------------------------------


def order() -> Chain:
    return Chain.objects.get(kind="markets")


def serving(client: Client, kind: str = "markets") -> str:
    html = page(client, ORDERS.format("changelist"))
    line = next(one for one in html.split("<tr")[1:] if f">{kind}<" in one)
    return text(re.search(r"field-serving[^>]*>(.*?)</td>", line)[1])


def test_an_order_is_chosen_place_by_place_and_empty_places_close_up(admin_client: Client) -> None:
    change = ORDERS.format("change")
    post(admin_client, change, order().pk, place_1="", place_2="coinmarketcap")
    assert order().names == ["coinmarketcap"]
    post(admin_client, change, order().pk, place_1="coinmarketcap", place_2="coingecko")
    assert order().names == ["coinmarketcap", "coingecko"]
    html = page(admin_client, change, order().pk)
    assert re.search(r'name="place_1".*?<option value="coinmarketcap" selected>', html, re.DOTALL)
    assert "Order: coinmarketcap → coinmarketcap, coingecko." in page(
        admin_client, ORDERS.format("history"), order().pk
    )


def test_a_provider_stands_in_an_order_once_and_only_where_it_serves(admin_client: Client) -> None:
    change = ORDERS.format("change")
    html = post(admin_client, change, order().pk, place_1="coingecko", place_2="coingecko")
    assert "Choose each provider only once." in told(html)
    html = post(admin_client, change, order().pk, place_1="cryptolisting")
    assert "Select a valid choice. cryptolisting is not one of the available choices." in told(html)
    assert order().names == []


def test_the_list_says_who_serves_now(admin_client: Client, redis: Redis) -> None:
    assert serving(admin_client) == "✓ CoinGecko"
    trip(redis)
    assert serving(admin_client) == "✓ CoinMarketCap"
    post(admin_client, ORDERS.format("change"), order().pk, place_1="coingecko")
    assert serving(admin_client) == "✕ (none) the last values stay"


def test_whose_plan_lacks_a_kind_does_not_serve_it(admin_client: Client, redis: Redis, settings) -> None:
    trip(redis)
    assert serving(admin_client, "candles") == "✕ (none) the last values stay"
    candles = page(admin_client, ORDERS.format("change"), Chain.objects.get(kind="candles").pk)
    assert "! not in its plan keyless has no candles" in text(candles)
    assert "price charts (not with this plan)" in fact(own(admin_client, "coinmarketcap"), "Data")
    settings.COINMARKETCAP_API_KEY, settings.COINMARKETCAP_PLAN = KEY, "startup"
    assert serving(admin_client, "candles") == "✓ CoinMarketCap"
    assert "not with this plan" not in own(admin_client, "coinmarketcap")


def test_every_kind_that_several_may_serve_has_an_order(admin_client: Client) -> None:
    html = page(admin_client, ORDERS.format("changelist"))
    for kind in ("markets", "quotes", "candles", "currencies", "coins"):
        assert f">{kind}</a>" in html
    assert ">assets</a>" not in html


# --- coins ------------------------------------------------------------------------------------------------------------


@pytest.fixture
def alias() -> AssetAlias:
    Asset.objects.create(id="uniswap", symbol="UNI", name="Uniswap")
    Asset.objects.create(id="unicorn", symbol="UNI", name="<b>Unicorn</b>")
    return AssetAlias.objects.create(provider="elsewhere", foreign_id="7", symbol="UNI", name="Uniswap V3")


def test_a_coin_that_nobody_recognised_is_listed_with_its_candidates(admin_client: Client, alias: AssetAlias) -> None:
    html = admin_client.get("/admin/providers/assetalias/?coin=none").content.decode()
    assert "Uniswap (uniswap)?" in html
    assert "<b>Unicorn" not in html
    assert "Uniswap V3" not in admin_client.get("/admin/providers/assetalias/?coin=found").content.decode()
    html = page(admin_client, ALIASES.format("change"), alias.pk)
    assert "Choose uniswap" in html
    assert "Choose unicorn" in html


def test_a_candidate_is_chosen_with_a_button_and_noted(admin_client: Client, alias: AssetAlias) -> None:
    html = post(admin_client, ALIASES.format("choose"), alias.pk, coin="uniswap")
    assert told(html) == ["Elsewhere 7: Uniswap (UNI, uniswap)."]
    alias.refresh_from_db()
    assert (alias.asset_id, alias.matched) == ("uniswap", "hand")
    assert "Chosen: Uniswap" in page(admin_client, ALIASES.format("history"), alias.pk)
    assert told(post(admin_client, ALIASES.format("choose"), alias.pk, coin="nonsense")) == [
        "Elsewhere 7: this coin does not exist."
    ]
    alias.refresh_from_db()
    assert alias.asset_id == "uniswap"


def test_any_coin_can_be_chosen_by_search(admin_client: Client, alias: AssetAlias) -> None:
    Asset.objects.create(id="other", symbol="OTH", name="Other")
    found = admin_client.get(
        "/admin/autocomplete/",
        {"app_label": "providers", "model_name": "assetalias", "field_name": "asset", "term": "oth"},
    ).json()["results"]
    assert [one["id"] for one in found] == ["other"]
    post(admin_client, ALIASES.format("change"), alias.pk, asset="other")
    alias.refresh_from_db()
    assert (alias.asset_id, alias.matched) == ("other", "hand")
    assert "Chosen: other." in page(admin_client, ALIASES.format("history"), alias.pk)


def test_none_of_ours_is_an_answer_and_can_be_taken_back(admin_client: Client, alias: AssetAlias, redis: Redis) -> None:
    chosen = {"_selected_action": [alias.pk]}
    post(admin_client, ALIASES.format("changelist"), action="choose_none", **chosen)
    alias.refresh_from_db()
    assert (alias.asset_id, alias.matched) == (None, "hand")
    assert "Uniswap V3" not in admin_client.get("/admin/providers/assetalias/?coin=none").content.decode()
    redis.set("spot:identity:mapped:elsewhere", 1)
    html = post(admin_client, ALIASES.format("changelist"), action="forget", **chosen)
    alias.refresh_from_db()
    assert alias.matched == ""
    assert told(html) == ["Elsewhere 7: matched automatically again: Spot fetches the provider's list now."]
    assert not redis.exists("spot:identity:mapped:elsewhere")


# --- what an operator changes holds from the next fetch on ------------------------------------------------------------


def test_the_next_fetch_uses_what_was_just_saved(admin_client: Client, stand_in: Upstream, settings) -> None:
    settings.COINGECKO_BASE_URL = "http://127.0.0.1:1/api/v3"
    change, listing = PROVIDERS.format("change"), Dataset("currencies")
    post(admin_client, change, row().pk, enabled="on", base_url=stand_in.url)
    assert fetching.fetch(listing).rows == [{"id": "usd"}]
    post(admin_client, change, row().pk, enabled="on", base_url=stand_in.url, per_minute=2)
    fetching.fetch(listing)
    with pytest.raises(ProviderError, match="calls for this minute are used up"):
        fetching.fetch(listing)
    post(admin_client, change, row().pk, base_url=stand_in.url)
    with pytest.raises(ProviderError, match="switched off"):
        fetching.fetch(listing)
    post(admin_client, change, row().pk, enabled="on", base_url=stand_in.url)
    post(admin_client, KEYS.format("add"), plan="coingecko demo", secret=KEY, label="", enabled="on")
    fetching.fetch(listing)
    assert [asked.headers.get("x-cg-demo-api-key") for asked in stand_in.asked] == [None, None, KEY]


def test_the_next_fetch_asks_in_the_order_just_saved(admin_client: Client, stand_in: Upstream, settings) -> None:
    settings.COINMARKETCAP_BASE_URL = "http://127.0.0.1:1"
    markets = Dataset("markets", "usd")
    with pytest.raises(ProviderError):
        fetching.fetch(markets, tries=1)
    assert stand_in.paths == ["/coins/markets"]
    post(admin_client, ORDERS.format("change"), order().pk, place_1="coinmarketcap")
    with pytest.raises(ProviderError):
        fetching.fetch(markets, tries=1)
    assert stand_in.paths == ["/coins/markets"]
