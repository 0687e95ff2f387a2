"""Faults on purpose: `make chaos` (docs/faults.md) breaks a site in each way of its table, while clients look on.

`rows` is the table: a fault, what is done, what must hold. `bench` is the site with its relays and its clients;
`history` judges what the clients saw against what was published. `soak` lets a site run for hours.
"""
