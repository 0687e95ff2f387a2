"""The operator's pages. What is saved here holds from the next fetch on, in every process, for each reads it anew.

A key goes in and never comes out: forms take it, pages show its last four characters, the log says that it changed.
"""

from __future__ import annotations

from django.contrib import admin

from providers.admin import chains, coins, keys, provider, records
from providers.admin.sign_in import SignInForm

__all__ = ["chains", "coins", "keys", "provider", "records"]

admin.site.site_header = admin.site.site_title = "Spot"
admin.site.index_title = "Administration"
admin.site.login_form = SignInForm
