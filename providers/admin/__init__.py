"""The operator's pages. Changes apply from the next fetch, in every process, since each fetch reads the settings.

A key is write-only: forms accept it, pages show its last four characters, the log records that it changed.
"""

from __future__ import annotations

from django.contrib import admin

from providers.admin import chains, changes, coins, keys, provider, records
from providers.admin.sign_in import SignInForm

__all__ = ["chains", "changes", "coins", "keys", "provider", "records"]

admin.site.site_header = admin.site.site_title = "Spot"
admin.site.index_title = "Administration"
admin.site.login_form = SignInForm
