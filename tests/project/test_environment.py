"""Settings mean what their writers meant, or stop the start with a sentence that names the variable."""

from pathlib import Path

import pytest
from django.core.exceptions import ImproperlyConfigured

from spot_project.environment import Environment


def env(**variables: str) -> Environment:
    return Environment(variables)


LISTS = ["a,b", "a, b", " a ,b, ", "a\nb\n", "a,\n  b", '"a,b"', "'a', 'b'", "a b", ",a,,b,"]


@pytest.mark.parametrize("text", LISTS)
def test_a_list_is_its_entries_however_it_is_written(text: str) -> None:
    assert env(X=text).listed("X") == ["a", "b"]


@pytest.mark.parametrize("text", ["", " ", ",", '""'])
def test_an_empty_list_is_the_default(text: str) -> None:
    assert env(X=text).listed("X", default=["usd"]) == ["usd"]


@pytest.mark.parametrize(
    ("text", "host"),
    [
        ("spot.example.org", "spot.example.org"),
        ("Spot.Example.ORG.", "spot.example.org"),
        ("https://spot.example.org/", "spot.example.org"),
        ("spot.example.org:8443", "spot.example.org"),
        ("bücher.example", "xn--bcher-kva.example"),
        ("*.example.org", ".example.org"),
        (".example.org", ".example.org"),
        ("2001:DB8:0::1", "[2001:db8::1]"),
        ("[2001:db8::1]:443", "[2001:db8::1]"),
        ("203.0.113.7:80", "203.0.113.7"),
    ],
)
def test_a_host_is_kept_as_django_compares_it(text: str, host: str) -> None:
    assert env(X=f"a.example, {text}").hosts("X") == ["a.example", host]


@pytest.mark.parametrize("text", ["*", "10.0.0.0/8", "10.0.0.300", "a b@c", "spot_web", "http://", "a..b", "a/path"])
def test_a_host_that_never_matches_stops_the_start(text: str) -> None:
    with pytest.raises(ImproperlyConfigured, match=r"^X must be host names or addresses"):
        env(X=text).hosts("X")


@pytest.mark.parametrize(
    ("text", "origin"),
    [
        ("https://Example.org/", "https://example.org"),
        ("https://example.org:443", "https://example.org"),
        ("http://example.org.:80", "http://example.org"),
        ("http://example.org:8080", "http://example.org:8080"),
        ("https://[2001:db8:0::1]:443", "https://[2001:db8::1]"),
        ("chrome-extension://abcdef", "chrome-extension://abcdef"),
        ("*", "*"),
    ],
)
def test_an_origin_is_kept_as_browsers_send_it(text: str, origin: str) -> None:
    assert env(X=text).origins("X") == [origin]


@pytest.mark.parametrize(
    "text", ["example.org", "https://example.org/path", "https://u:p@example.org", "null", "https://"]
)
def test_what_is_no_origin_stops_the_start(text: str) -> None:
    with pytest.raises(ImproperlyConfigured, match=r"^X must be origins"):
        env(X=text).origins("X")


@pytest.mark.parametrize(
    ("text", "networks"),
    [
        ("10.0.0.0/8, 127.0.0.1", ["10.0.0.0/8", "::ffff:a00:0/104", "127.0.0.1", "::ffff:7f00:1"]),
        ("10.1.2.3/8", ["10.0.0.0/8", "::ffff:a00:0/104"]),
        ("[::1]:80", ["::1"]),
        ("127.0.0.1:8080", ["127.0.0.1", "::ffff:7f00:1"]),
        ("localhost", ["127.0.0.1", "::ffff:7f00:1", "::1"]),
    ],
)
def test_a_network_is_kept_as_addresses_are_compared(text: str, networks: list[str]) -> None:
    assert env(X=text).networks("X") == networks


@pytest.mark.parametrize("text", ["*", "10.0.0.0/33", "0.0.0.0/0", "::/0", "proxy", "10.0.0", "https://10.0.0.1"])
def test_a_network_that_cannot_be_stops_the_start(text: str) -> None:
    with pytest.raises(ImproperlyConfigured, match=r"^X must be IP addresses or networks"):
        env(X=text).networks("X")


@pytest.mark.parametrize(("text", "value"), [("on", True), ("YES", True), ('"1"', True), ("False", False), ("", True)])
def test_a_switch_is_a_word_for_on_or_off(text: str, value: bool) -> None:
    assert env(X=text).switch("X", default=True) is value


def test_a_word_that_is_no_switch_stops_the_start() -> None:
    with pytest.raises(ImproperlyConfigured, match=r"^X must be on or off, not 'maybe'\.$"):
        env(X="maybe").switch("X", default=False)


@pytest.mark.parametrize(("text", "value"), [("AUTO", "auto"), ("true", "on"), ("no", "off"), ("", "auto")])
def test_one_of_a_few_words_may_be_written_as_yaml_writes_it(text: str, value: str) -> None:
    assert env(X=text).word("X", default="auto", allowed=("on", "off", "auto")) == value


@pytest.mark.parametrize("text", ["nan", "inf", "-inf", "-1", "0", "ten", "1e999"])
def test_a_number_that_cannot_be_stops_the_start(text: str) -> None:
    with pytest.raises(ImproperlyConfigured, match=r"^X must be a number above 0, not "):
        env(X=text).number("X", default=1.0, above=0)


@pytest.mark.parametrize("text", ["0", "65536", "-1", "80.5", "eighty"])
def test_a_whole_number_has_bounds(text: str) -> None:
    with pytest.raises(ImproperlyConfigured, match=r"^X must be a whole number from 1 to 65535, not "):
        env(X=text).whole("X", default=8000, least=1, most=65_535)


@pytest.mark.parametrize("text", ["127.0.0.1", "::1", "[::1]", "localhost", "0.0.0.0"])
def test_an_address_to_listen_on_has_no_brackets(text: str) -> None:
    assert env(X=text).bind("X", default="") == text.strip("[]")


@pytest.mark.parametrize("text", ["127.0.0.1:8000", "http://localhost", "[::1]:80"])
def test_an_address_to_listen_on_has_no_port(text: str) -> None:
    with pytest.raises(ImproperlyConfigured, match=r"^X must be an address of this machine without a port"):
        env(X=text).bind("X", default="")


@pytest.mark.parametrize("key", ["x", "a" * 40, "short but mixed"])
def test_a_weak_secret_stops_the_start_and_is_not_shown(key: str) -> None:
    with pytest.raises(ImproperlyConfigured, match=r"^X is too easy to guess") as caught:
        env(X=key).signing_key("X")
    assert key not in str(caught.value) or len(key) == 1
    with pytest.raises(ImproperlyConfigured, match=r"^XS is too easy to guess"):
        env(XS=f"{key},{'0123456789abcdef' * 3}").encryption_keys("XS")


def test_an_old_key_may_be_weak_because_it_only_decrypts() -> None:
    new = "0123456789abcdef" * 3
    assert env(XS=f"{new}, old key\n").encryption_keys("XS") == [new, "old key"]


@pytest.mark.parametrize("value", ["$ecret-word", '"quoted"', "a,b c"])
def test_a_password_is_taken_as_it_is(value: str) -> None:
    environment = env(X=value)
    assert environment.secret("X") == value
    assert value in environment.secrets


def test_a_value_may_come_from_a_file(tmp_path: Path) -> None:
    (tmp_path / "value").write_text("on\n")
    assert env(X_FILE=str(tmp_path / "value")).switch("X", default=False) is True
    with pytest.raises(ImproperlyConfigured, match=r"^X_FILE names .*, which cannot be read: No such file"):
        env(X_FILE=str(tmp_path / "nothing")).text("X", default="")


def test_a_database_by_address(tmp_path: Path) -> None:
    facts = env(X="postgres://spot:s%23cret@db:5433/spot?sslmode=require&conn_max_age=60").database("X", tmp_path)
    assert facts["PASSWORD"] == "s#cret"
    assert (facts["HOST"], facts["PORT"], facts["NAME"], facts["USER"]) == ("db", "5433", "spot", "spot")
    assert (facts["OPTIONS"], facts["CONN_MAX_AGE"]) == ({"sslmode": "require"}, 60)
    two = env(X="postgres://u:p@a:1,b:2/spot").database("X", tmp_path)
    assert (two["HOST"], two["PORT"]) == ("a,b", "1,2")
    assert env(X="postgres://u@%2Frun%2Fpostgresql/spot").database("X", tmp_path)["HOST"] == "/run/postgresql"


@pytest.mark.parametrize("name", ["spot #1", "spot?x", "spot%20x", "spot;x", "a+b", "ü ñ"])
def test_a_database_file_may_stand_in_any_folder(tmp_path: Path, name: str) -> None:
    assert env().database("X", tmp_path / name)["NAME"] == str(tmp_path / name)


SPOILT = ["s3cret#word", "s3cret/word", "s3cret?word", "s3cret@word", "s3cret%word", "s3cret word", "s3cret?a=b"]


@pytest.mark.parametrize("password", SPOILT)
@pytest.mark.parametrize("scheme", ["redis", "rediss", "postgres", "https"])
def test_nothing_of_an_address_that_cannot_be_read_is_told(scheme: str, password: str) -> None:
    environment = env(X=f"{scheme}://:{password}@127.0.0.1:6379/0")
    read = {"postgres": lambda: environment.database("X", Path()), "https": lambda: environment.url("X", default="")}
    with pytest.raises(ImproperlyConfigured) as caught:
        read.get(scheme, lambda: environment.redis("X"))()
    assert "s3cret" not in str(caught.value)
    assert str(caught.value).startswith("X is not a readable address.")
    assert all(code in str(caught.value) for code in ("%23", "%2F", "%3F", "%40", "%25"))
    assert caught.value.__cause__ is None
    assert caught.value.__suppress_context__


@pytest.mark.parametrize(
    ("url", "meaning"),
    [
        ("", ("", 25, "", "", False, False)),
        ("smtp://me:p%40ss@mail.example.org", ("mail.example.org", 587, "me", "p@ss", True, False)),
        ("smtp://mail.example.org:2525", ("mail.example.org", 2525, "", "", True, False)),
        ("smtps://me:secret@mail.example.org", ("mail.example.org", 465, "me", "secret", False, True)),
        ("smtp://127.0.0.1?tls=off", ("127.0.0.1", 25, "", "", False, False)),
    ],
)
def test_a_mail_server(url: str, meaning: tuple[object, ...]) -> None:
    env = Environment({"SPOT_SMTP_URL": url})
    assert env.smtp("SPOT_SMTP_URL") == meaning
    assert not meaning[3] or {meaning[3], url} <= env.secrets


@pytest.mark.parametrize(
    "url", ["http://mail.example.org", "smtp://", "smtps://host?tls=off", "smtp://host?starttls=no"]
)
def test_what_is_no_mail_server(url: str) -> None:
    with pytest.raises(ImproperlyConfigured, match="SPOT_SMTP_URL must be smtp://user:password@host:587"):
        Environment({"SPOT_SMTP_URL": url}).smtp("SPOT_SMTP_URL")


def test_addresses_of_mail() -> None:
    env = Environment({"SPOT_OPERATORS": "a@example.org, b+spot@example.org", "SPOT_MAIL_FROM": "Spot"})
    assert env.mailboxes("SPOT_OPERATORS") == ["a@example.org", "b+spot@example.org"]
    with pytest.raises(ImproperlyConfigured, match="SPOT_MAIL_FROM must be addresses of e-mail"):
        env.mailbox("SPOT_MAIL_FROM", default="spot@localhost")
