"""What the tests of the operator's pages share: addresses, posting, and what a page says."""

from __future__ import annotations

import re
from html import unescape

from django.test import Client
from django.urls import reverse

from providers.models import ProviderSettings

KEYS, PROVIDERS = "admin:providers_apikey_{}", "admin:providers_providersettings_{}"
ORDERS, ALIASES = "admin:providers_chain_{}", "admin:providers_assetalias_{}"


def row(name: str = "coingecko") -> ProviderSettings:
    return ProviderSettings.objects.get(name=name)


def page(client: Client, name: str, *args: object) -> str:
    """The HTML of a page that must open."""
    response = client.get(reverse(name, args=args))
    assert response.status_code == 200
    return response.content.decode()


def post(client: Client, name: str, /, *args: object, **data: object) -> str:
    """The HTML of the page that a POST leads to."""
    return client.post(reverse(name, args=args), data, follow=True).content.decode()


def told(html: str) -> list[str]:
    """The messages at the top of the page, and the errors beside the fields, as plain text."""
    found = re.findall(
        r'<li class="(?:success|warning|error|info)">(.*?)</li>|class="errorlist[^"]*"[^>]*><li>(.*?)</li>',
        html,
        re.DOTALL,
    )
    return [text("".join(pair)) for pair in found]


def text(html: str) -> str:
    """What a piece of a page says, spaces put right."""
    return " ".join(unescape(re.sub("<[^>]+>", " ", html)).split())


def fact(html: str, name: str) -> str:
    """What a page says under that name in its panel of facts."""
    found = re.search(rf"<dt>{name}</dt><dd>(.*?)</dd>", html, re.DOTALL)
    assert found is not None, name
    return text(found[1])
