"""A real nginx of a test's own."""

import shutil
from pathlib import Path

#: Where it is; None: it is not installed.
NGINX = shutil.which("nginx")


def configuration(folder: Path, site: str) -> str:
    """Its configuration around the lines of a site; everything that it writes goes to the folder."""
    return f"""
daemon off; pid {folder}/pid; error_log {folder}/error.log; worker_processes 1;
events {{}}
http {{
    access_log off;
    client_body_temp_path {folder}/body; proxy_temp_path {folder}/proxy; fastcgi_temp_path {folder}/fastcgi;
    uwsgi_temp_path {folder}/uwsgi; scgi_temp_path {folder}/scgi;
    {site}
}}
"""
