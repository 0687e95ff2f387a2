"""Somebody who operates a live site, at the admin's pages."""

import re
from collections import Counter
from html import unescape
from urllib.parse import urljoin, urlsplit

import requests

from tests.live import ADMINISTRATOR, LiveSite


class Operator:
    """Somebody at the admin's pages."""

    def __init__(self, site: LiveSite) -> None:
        self.site, self.pages = site, dict[str, str]()
        self._session = requests.Session()
        self._session.trust_env = False
        name, password = ADMINISTRATOR
        self.send("/admin/login/", username=name, password=password, next="/admin/")

    def open(self, path: str) -> str:
        answer = self._session.get(self.site.url + path, timeout=30)
        self.pages[path] = html = answer.text
        assert answer.status_code == 200, (path, answer.status_code)
        return html

    def send(self, path: str, **fields: str) -> str:
        token = re.search(r'name="csrfmiddlewaretoken" value="([^"]+)"', self.open(path))
        assert token, path
        fields["csrfmiddlewaretoken"] = token[1]
        answer = self._session.post(self.site.url + path, fields, headers={"Referer": self.site.url}, timeout=30)
        assert answer.status_code == 200, (path, answer.status_code)
        self.pages[f"POST {path}"] = answer.text
        return answer.text

    def new_key(self, name: str, plan: str = "", **limits: str) -> tuple[str, str]:
        """A new client key and the address of its page, on a plan that is there, or on a new one of the key's name;
        `limits` as the fields of a plan's page."""
        if not plan:
            plan = name
            self.send("/admin/clients/clientplan/add/", name=plan, enabled="on", **limits)
        add = "/admin/clients/clientkey/add/"
        number = re.search(rf'<option value="(\d+)">{plan}', self.open(add))
        assert number, plan
        shown = self.send(add, name=name, plan=number[1])
        key, page = (re.search(pattern, shown) for pattern in (r"<code>(\w+)</code>", r"/admin/[a-z/]+\d+/change/"))
        assert key
        assert page
        return key[1], page[0]

    def press(self, page: str, what: str) -> str:
        """A button of a page: a form of its own that leads to a page named so."""
        token, form = (
            re.search(pattern, self.open(page))
            for pattern in (r'name="csrfmiddlewaretoken" value="([^"]+)"', rf'action="([^"]+/{what}/)"')
        )
        assert token
        assert form, page
        fields = {"csrfmiddlewaretoken": token[1]}
        answer = self._session.post(self.site.url + form[1], fields, headers={"Referer": self.site.url}, timeout=30)
        self.pages[f"POST {form[1]}"] = answer.text
        return answer.text

    def read_everything(self) -> None:
        """Every page of the admin that a link leads to; of pages of one kind only some."""
        left, kinds = ["/admin/"], Counter[str]()
        while left:
            path = left.pop(0)
            if path in self.pages and path != "/admin/":
                continue
            html = self.open(path)
            for link in re.findall(r'href="([^"#]+)"', html):
                found = urlsplit(urljoin(self.site.url + path, unescape(link)))
                where = found.path + (f"?{found.query}" if found.query else "")
                kind = re.sub(r"/[^/]+/(change|history|delete|usage)/", r"/N/\1/", where)
                kind = re.sub(r"=[^&]*", "=", kind)
                ours = found.netloc == urlsplit(self.site.url).netloc and found.path.startswith("/admin/")
                if ours and where not in left and kinds[kind] < 6 and not re.search(r"logout|jsi18n", where):
                    kinds[kind] += 1
                    left.append(where)
