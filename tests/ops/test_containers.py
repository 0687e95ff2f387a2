"""What the image and the compositions promise, read from the files; `make drill` runs them."""

import re
import stat
import tomllib
from pathlib import Path
from typing import Any

import pytest
import yaml
from django.conf import settings
from django.core.management import get_commands

from spot.management.commands import compose
from spot.processes import compose_secrets
from spot.server import listening
from spot_project import redis_address
from spot_project.addresses import masked
from tests.live import ROOT

COMPOSE: dict[str, Any] = yaml.safe_load((ROOT / "compose.yaml").read_text())
SCALE: dict[str, Any] = yaml.safe_load((ROOT / "compose.scale.yaml").read_text())
DOCKERFILE = (ROOT / "Dockerfile").read_text()
SERVICES = COMPOSE["services"]
ONCE = {"secrets", "migrate", "rescue"}
EACH = [
    pytest.param(service, id=f"{file}-{name}")
    for file, composition in (("one", COMPOSE), ("scale", SCALE))
    for name, service in composition["services"].items()
]
LASTING = [
    pytest.param(service, id=f"{file}-{name}")
    for file, composition in (("one", COMPOSE), ("scale", SCALE))
    for name, service in composition["services"].items()
    if name not in ONCE
]


@pytest.mark.parametrize("service", EACH)
def test_every_service_is_hardened(service: dict[str, Any]) -> None:
    assert service["read_only"] is True
    assert service["cap_drop"] == ["ALL"]
    assert service["security_opt"] == ["no-new-privileges:true"]
    assert service["mem_limit"]
    assert "privileged" not in service


@pytest.mark.parametrize("service", LASTING)
def test_every_lasting_service_is_started_again_and_has_a_health_check(service: dict[str, Any]) -> None:
    assert service["restart"] == "unless-stopped"
    assert "healthcheck" in service or "HEALTHCHECK" in DOCKERFILE


@pytest.mark.parametrize(("composition", "public"), [(COMPOSE, "web"), (SCALE, "front")])
def test_only_the_site_is_published_and_only_on_this_machine(composition: dict[str, Any], public: str) -> None:
    published = {name: service["ports"] for name, service in composition["services"].items() if "ports" in service}
    assert published == {public: ["${SPOT_PUBLISH:-127.0.0.1}:${PORT:-8000}:8000"]}


def test_there_is_one_beat_and_no_way_to_have_two_by_scaling_another() -> None:
    assert [name for name, service in SERVICES.items() if "beat" in service.get("command", [])] == ["beat"]


def test_no_secret_stands_in_the_file() -> None:
    for service in (*SERVICES.values(), *SCALE["services"].values()):
        for name, value in environment(service).items():
            if re.search("KEY|PASSWORD|URL", name) and name != "SANDBOX_BASE_URL":
                assert value is None or name.endswith("_FILE"), name


def holders(pattern: str, composition: dict[str, Any]) -> set[str]:
    """The services that are handed a variable of that name."""
    services = composition["services"].items()
    return {name for name, service in services if any(re.search(pattern, key) for key in environment(service))}


def environment(service: dict[str, Any]) -> dict[str, Any]:
    return service.get("environment", {})


@pytest.mark.parametrize("composition", [COMPOSE, SCALE])
def test_secrets_are_handed_only_to_those_that_use_them(composition: dict[str, Any]) -> None:
    assert holders("SPOT_ADMIN_PASSWORD", composition) == {"migrate"}
    assert holders("_API_KEY$", composition) == {"web", "worker", "stream"}


@pytest.mark.parametrize("composition", [COMPOSE, SCALE])
def test_only_rescue_may_write_the_master_key_once_it_is_made(composition: dict[str, Any]) -> None:
    services = composition["services"].items()
    assert {name for name, service in services if "secrets:/secrets" in service.get("volumes", [])} == {
        "rescue",
        "secrets",
    }
    assert composition["services"]["rescue"]["profiles"] == ["rescue"]  # `docker compose up` does not start it


def test_commands_of_the_documents_name_services_and_commands_that_exist() -> None:
    documents = [*(ROOT / "docs").glob("*.md"), ROOT / "README.md", ROOT / "SECURITY.md"]
    text = "\n".join(path.read_text() for path in documents)
    run = re.findall(r"docker compose (?:-f \S+ )?(?:exec|run)((?: --?\S+)*) ([a-z]+) (\S+)(?: manage.py (\w+))?", text)
    assert len(run) > 10
    assert {service for _, service, _, _ in run} <= SERVICES.keys()
    assert {command for *_, command in run if command} <= get_commands().keys()


def test_a_new_setting_gets_its_line_beside_those_of_its_kind() -> None:
    names = {*settings.SPOT_READ, "SPOT_NEW", "ACME_API_KEY", "ACME_PLAN"}
    environment = yaml.safe_load(compose.written((ROOT / "compose.yaml").read_text(), names))["x-environment"]
    assert environment["keys"] == COMPOSE["x-environment"]["keys"] | {"ACME_API_KEY": None}
    assert environment["settings"] == COMPOSE["x-environment"]["settings"] | {"SPOT_NEW": None, "ACME_PLAN": None}
    assert environment["administrator"] == COMPOSE["x-environment"]["administrator"]


def test_services_meet_only_where_they_must() -> None:
    networks = {name: set(service.get("networks", [])) for name, service in SERVICES.items()}
    assert networks["redis"] == networks["beat"] == {"store"}
    assert networks["database"] == networks["migrate"] == {"tables"}
    assert networks["web"] == networks["worker"] == networks["stream"] == {"outside", "store", "tables"}
    assert SERVICES["secrets"]["network_mode"] == "none"
    assert all(COMPOSE["networks"][name] == {"internal": True} for name in ("store", "tables"))


@pytest.mark.parametrize("service", EACH)
def test_no_service_can_fill_the_machine(service: dict[str, Any]) -> None:
    assert 0 < service["pids_limit"] <= 256
    assert all(re.search(r":size=\d+m", mount) for mount in service["tmpfs"])


def test_images_can_be_pinned_by_digest() -> None:
    assert SERVICES["redis"]["image"] == "${VALKEY_IMAGE:-valkey/valkey:8}"
    assert SERVICES["database"]["image"] == "${POSTGRES_IMAGE:-postgres:17}"


def test_every_part_runs_more_than_once_at_scale() -> None:
    services = SCALE["services"]
    counts = {name: services[name]["deploy"]["replicas"] for name in ("web", "worker", "stream", "beat")}
    assert counts == {"web": 3, "worker": 2, "stream": 2, "beat": 2}
    assert services["beat"]["environment"]["SPOT_BEATS"] == counts["beat"]
    assert (compose_secrets.SERVERS | compose_secrets.SENTINELS).keys() <= services.keys()


def test_nothing_but_the_front_is_between_visitors_and_web_processes() -> None:
    """They trust private addresses to say whom they ask for, so that no network from outside may lead to them."""
    networks = {name: set(service.get("networks", [])) for name, service in SCALE["services"].items()}
    assert networks["front"] == {"entrance", "inside"}
    assert networks["web"] & networks["front"] == {"inside"}
    assert {name for name, joined in networks.items() if "inside" in joined} == {"front", "web"}
    assert all(SCALE["networks"][name]["internal"] for name in ("inside", "store", "tables"))
    front = (ROOT / "deploy" / "haproxy.cfg").read_text()
    assert "http-request set-header X-Forwarded-For %[src]" in front
    # Its health check has a port of its own, which takes no PROXY header and which only the container reaches.
    assert "/dev/tcp/127.0.0.1/8001 " in str(SCALE["services"]["front"]["healthcheck"]["test"])
    assert "bind 127.0.0.1:8001 #" in front


def test_the_front_outlasts_the_silence_of_a_healthy_connection() -> None:
    front = (ROOT / "deploy" / "haproxy.cfg").read_text()
    silent = max(listening.PING_SECONDS, settings.SPOT_HEARTBEAT_SECONDS)
    for name in ("tunnel", "client", "server"):
        (seconds,) = re.findall(rf"timeout {name} (\d+)s", front)
        assert int(seconds) > 2 * silent


def test_containers_see_only_the_secrets_that_they_need() -> None:
    mounts = {name: {mount.split(":")[0] for mount in service["volumes"]} for name, service in SERVICES.items()}
    site = ("web", "worker", "beat", "stream", "migrate")
    assert all(mounts[name] == {"secrets"} for name in site)
    assert mounts["redis"] == {"redis"}
    assert mounts["database"] == {"database", "database-secret"}
    assert all(mount.endswith(":ro") for mount in SERVICES["web"]["volumes"])


def test_demo_data_are_off_unless_asked_for() -> None:
    assert SERVICES["worker"]["environment"]["SPOT_DEMO"] == "${SPOT_DEMO:-off}"
    assert "SPOT_DEMO=off" in DOCKERFILE


def test_the_image_runs_as_nobody_special_and_without_build_tools() -> None:
    last = DOCKERFILE.rpartition("\nFROM ")[2]
    assert re.findall(r"^USER (.*)$", last, re.MULTILINE) == ["10001:10001"]
    assert not re.search(r"\b(npm|pip|apt-get)\b", last)


def test_nothing_private_gets_into_the_image() -> None:
    ignored = (ROOT / ".dockerignore").read_text().split("\n")
    assert "*" in ignored  # everything, but what is named
    assert not {"!tests", "!.git", "!.spot", "!."} & set(ignored)


@pytest.fixture
def folders(tmp_path: Path) -> list[Path]:
    made = [tmp_path / name for name in ("secrets", "redis", "database")]
    for folder in made:
        folder.mkdir()
    return made


def test_secrets_are_made_once_and_only_their_owner_may_read_them(folders: list[Path]) -> None:
    compose_secrets.write(*folders)
    first = {file: file.read_text() for folder in folders for file in folder.iterdir()}
    compose_secrets.write(*folders)
    assert {file: file.read_text() for folder in folders for file in folder.iterdir()} == first
    assert {stat.S_IMODE(file.stat().st_mode) for file in first} == {0o600}


def test_both_ends_of_a_password_agree(folders: list[Path]) -> None:
    compose_secrets.write(*folders)
    site, redis, database = folders
    assert f":{(database / 'password').read_text()}@database:5432/" in (site / "database_url").read_text()
    assert f"requirepass {(site / 'redis_password').read_text()}\n" in (redis / "redis.conf").read_text()
    assert masked((site / "redis_url").read_text()) == "redis://:***@redis:6379/0"


def test_two_sites_never_share_a_secret(folders: list[Path], tmp_path: Path) -> None:
    others = [tmp_path / f"other-{folder.name}" for folder in folders]
    for folder in others:
        folder.mkdir()
    compose_secrets.write(*folders)
    compose_secrets.write(*others)
    mine, theirs = ({file.name: file.read_text() for file in where[0].iterdir()} for where in (folders, others))
    assert all(mine[name] != theirs[name] for name in mine)


def test_servers_and_sentinels_share_the_password_of_the_site(folders: list[Path]) -> None:
    site, stores, _ = folders
    compose_secrets.write_replicated("10.0.0", *folders)
    first = {file: file.read_text() for file in stores.rglob("*") if file.is_file()}
    compose_secrets.write_replicated("10.0.0", *folders)
    assert {file: file.read_text() for file in stores.rglob("*") if file.is_file()} == first
    assert {stat.S_IMODE(file.stat().st_mode) for file in first} == {0o600}
    password = (site / "redis_password").read_text()
    address = redis_address.parse((site / "redis_url").read_text())
    assert address.nodes == (("10.0.0.21", 26379), ("10.0.0.22", 26379), ("10.0.0.23", 26379))
    assert (address.service, address.password) == (compose_secrets.PRIMARY, password)
    assert dict(address.sentinel)["password"] == password
    assert first[stores / "password"] == password
    confs = {name: first[stores / name / "valkey.conf"] for name in compose_secrets.SERVERS | compose_secrets.SENTINELS}
    assert all(f"requirepass {password}\n" in conf for conf in confs.values())
    assert [name for name, conf in confs.items() if "replicaof 10.0.0.11 6379" in conf] == ["valkey-2"]
    assert all("sentinel monitor spot 10.0.0.11 6379 2\n" in confs[name] for name in compose_secrets.SENTINELS)


def test_servers_and_sentinels_have_the_addresses_by_which_they_are_known() -> None:
    for name, number in (compose_secrets.SERVERS | compose_secrets.SENTINELS).items():
        address = SCALE["services"][name]["networks"]["store"]["ipv4_address"]
        assert address == f"${{SPOT_STORE_PREFIX:-10.213.77}}.{number}"


# --- the Helm chart, what test_helm.py does not need Helm for ---------------------------------------------------------


def test_the_schema_of_the_chart_takes_every_setting() -> None:
    text = (ROOT / compose.SCHEMA).read_text()
    assert compose.schema_written(text, settings.SPOT_READ) == text, "run manage.py compose"


def test_the_chart_has_the_version_of_the_project() -> None:
    chart = yaml.safe_load((ROOT / "deploy" / "helm" / "spot" / "Chart.yaml").read_text())
    assert chart["appVersion"] == tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["version"]
