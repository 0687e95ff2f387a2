"""Every metric, as data: a row each. `docs/metrics.md` has the same table, and a test holds the two together. Pure.

Labels have few values, which `LABELS` describes: none is of a client's making.
"""

from __future__ import annotations

from providers.metrics import LONG, SHORT, UPSTREAM, Metric, counts

#: Count an event of a counter, or a duration of a histogram.
increment, observe = counts.add, counts.observe

# --- clients ----------------------------------------------------------------------------------------------------------
CONNECTIONS = Metric("spot_connections", "gauge", "open sockets and event streams", ("dialect", "plan"))
OPENED = Metric("spot_connections_opened_total", "counter", "sockets and event streams admitted", ("door",))
CLOSES = Metric("spot_closes_total", "counter", "sockets that Spot closed, by close code", ("code",))
SLOW = Metric("spot_slow_readers_total", "counter", "connections cut because the client did not read", ("door",))
GROUPS = Metric("spot_groups", "gauge", "distinct live queries", ("feed",))
SUBSCRIPTIONS = Metric("spot_subscriptions", "gauge", "subscriptions to them", ("feed",))
FRAMES = Metric("spot_frames_total", "counter", "messages sent to connections", ("lane",))
FRAME_BYTES = Metric("spot_frame_bytes_total", "counter", "bytes of these messages", ("lane",))
FAN_OUT = Metric(
    "spot_fanout_seconds",
    "histogram",
    "time in which a web process evaluates a new snapshot and writes it to all its connections",
    ("kind",),
    buckets=SHORT,
)
DELIVERY = Metric(
    "spot_delivery_seconds",
    "histogram",
    "the same from the moment when the snapshot was stored, by the clocks of both machines",
    ("kind",),
    buckets=SHORT,
)
ANSWERS = Metric("spot_http_answers_total", "counter", "HTTP answers, without pages of Django", ("status",))
REFUSALS = Metric("spot_refusals_total", "counter", "requests refused, by error code", ("door", "code"))
PROTOCOL_CALLS = Metric(
    "spot_protocol_calls_total",
    "counter",
    "uses of other vendors' protocols: `calls`; those that `waited` for a provider; calls to providers (`fetched`)",
    ("protocol", "what"),
)

# --- data -------------------------------------------------------------------------------------------------------------
AGE = Metric("spot_data_age_seconds", "gauge", "age of the oldest dataset in use", ("kind", "source"))
AGE_LIMIT = Metric("spot_data_stale_after_seconds", "gauge", "age from which the same are stale", ("kind", "source"))
DATASETS = Metric("spot_datasets", "gauge", "datasets by state, those without a viewer as `idle`", ("kind", "state"))
SIMULATED = Metric("spot_demo", "gauge", "1 while simulated data are shown")

# --- upstream ---------------------------------------------------------------------------------------------------------
FETCHES = Metric(
    "spot_fetches_total", "counter", "fetches of a dataset, with failover: `ok` or an error", ("kind", "outcome")
)
BREAKER = Metric("spot_breaker", "gauge", "1 for the state of the provider's breaker", ("provider", "state"))
KEYS = Metric(
    "spot_upstream_keys", "gauge", "its keys by state; a plan without a key counts as one", ("provider", "state")
)
MINUTE_LIMIT = Metric(
    "spot_budget_minute_limit", "gauge", "calls a minute allowed; none without a limit", ("provider",)
)
MINUTE_USED = Metric("spot_budget_minute_used", "gauge", "calls in the last minute", ("provider",))
MONTH_LIMIT = Metric("spot_budget_month_limit", "gauge", "credits a month; none without a limit", ("provider",))
MONTH_USED = Metric("spot_budget_month_used", "gauge", "credits used this month (UTC)", ("provider",))
MONTH_LEFT = Metric(
    "spot_budget_month_left", "gauge", "credits left to this month; none without a limit", ("provider",)
)
MONTH_FORECAST = Metric(
    "spot_budget_month_forecast",
    "gauge",
    "credits used by the end of the month at the rate since its start, or since the first call",
    ("provider",),
)
STREAM = Metric("spot_stream", "gauge", "1 for the state of the provider's stream", ("provider", "state"))
STREAM_SILENCE = Metric("spot_stream_silence_seconds", "gauge", "time since its last message", ("provider",))
STREAM_CHANNELS = Metric("spot_stream_channels", "gauge", "channels subscribed to", ("provider",))
STREAM_TICKS = Metric("spot_stream_ticks_total", "counter", "data received since the process leads it", ("provider",))
STREAM_DROPPED = Metric("spot_stream_dropped_total", "counter", "data of it dropped as unreadable", ("provider",))
STREAM_RECONNECTS = Metric("spot_stream_reconnects_total", "counter", "reconnects since the same", ("provider",))

# --- processes --------------------------------------------------------------------------------------------------------
PROCESSES = Metric("spot_processes", "gauge", "processes that live", ("role",))
CPU = Metric("spot_process_cpu_seconds_total", "counter", "CPU time of a process", ("role", "process"))
MEMORY = Metric("spot_process_resident_bytes", "gauge", "its resident memory", ("role", "process"))
FILES = Metric("spot_process_open_files", "gauge", "its open files and sockets", ("role", "process"))
LOOP_TASKS = Metric("spot_process_tasks", "gauge", "asyncio tasks of a web process", ("role", "process"))
LAG = Metric(
    "spot_loop_lag_seconds",
    "histogram",
    "how late web processes' event loops call what is due, sampled ten times a second",
    buckets=SHORT,
)
LAG_WORST = Metric("spot_loop_lag_worst_seconds", "gauge", "the worst lag between two reports", ("process",))
TASKS = Metric("spot_tasks_total", "counter", "tasks of workers, by their end", ("task", "state"))
TASK_SECONDS = Metric("spot_task_seconds", "histogram", "their duration", ("task",), buckets=LONG)
QUEUE_DELAY = Metric("spot_queue_delay_seconds", "histogram", "time a task waited past its due time", buckets=LONG)
QUEUE = Metric("spot_queue_length", "gauge", "tasks that wait in the queue")
WORKER_SILENCE = Metric("spot_worker_silence_seconds", "gauge", "time since a worker ran the tick of each second")
SILENT = Metric("spot_silent_processes", "gauge", "workers and beats that hang: no sign of life for 30 s", ("part",))
STORE = Metric("spot_store_up", "gauge", "1 while Redis answers; without it only this row and the process's own exist")
STORE_USED = Metric("spot_store_used_bytes", "gauge", "memory that Redis uses")
STORE_LIMIT = Metric("spot_store_limit_bytes", "gauge", "memory that it may use; none without a limit")
BUILD = Metric("spot_build_info", "gauge", "always 1", ("version",))

METRICS = (
    CONNECTIONS, OPENED, CLOSES, SLOW, GROUPS, SUBSCRIPTIONS, FRAMES, FRAME_BYTES, FAN_OUT, DELIVERY, ANSWERS, REFUSALS,
    PROTOCOL_CALLS, AGE, AGE_LIMIT, DATASETS, SIMULATED, FETCHES, *UPSTREAM, BREAKER, KEYS, MINUTE_LIMIT, MINUTE_USED,
    MONTH_LIMIT, MONTH_USED, MONTH_LEFT, MONTH_FORECAST, STREAM, STREAM_SILENCE, STREAM_CHANNELS, STREAM_TICKS,
    STREAM_DROPPED, STREAM_RECONNECTS, PROCESSES, CPU, MEMORY, FILES, LOOP_TASKS, LAG, LAG_WORST, TASKS, TASK_SECONDS,
    QUEUE_DELAY, QUEUE, WORKER_SILENCE, SILENT, STORE, STORE_USED, STORE_LIMIT, BUILD,
)  # fmt: skip

#: The values of each label.
LABELS = {
    "code": "an error code of [endpoints.md](endpoints.md#errors); of closes the number that the client is sent",
    "dialect": "the protocol of the connection: `plain`, `envelope`, `stream`, `sse`, or another vendor's",
    "door": "`socket`, `sse` or `http`; of other vendors' HTTP protocols `compat`",
    "feed": "a feed, `price` for single coins, or what another vendor's protocol shows",
    "kind": "a kind of dataset, as on the status page",
    "lane": "`broadcast`: one frame to many sockets; `outbox`: to each on its own",
    "outcome": "`ok`, or the error of the provider: `rate_limited`, `unauthorized`, `unreachable`, `unavailable`, "
    "`bad_payload`, `not_found`, `out_of_budget`",
    "part": "`worker` or `beat`",
    "plan": "a client plan by its name; `anonymous` without a key",
    "process": "a number, the lowest free one of the role when the process started",
    "protocol": "another vendor's protocol, by the vendor",
    "provider": "a provider by its name",
    "role": "`web`, `worker` or `stream`",
    "source": "a provider by its name; `bundled` for lists that come with Spot",
    "state": "as on the status page and in the admin; of keys `ready`, `resting` or `refused`; of tasks Celery's state",
    "status": "an HTTP status",
    "task": "a Celery task by its function",
    "version": "the version of Spot",
    "what": "`calls`, `waited` or `fetched`",
}
