"""Feeds against files, sockets and real servers: libzmq, and a mosquitto broker that is killed and comes back."""

from __future__ import annotations

import gc
import http.server
import json
import os
import socket
import subprocess
import threading
import time

import pytest
import zmq
from jsonschema import Draft202012Validator

from rfseg.errors import BackendUnavailableError, FeedError
from rfseg.feeds.delivery import Backoff, Payload
from rfseg.feeds.destinations import Destination, parse_destination
from rfseg.feeds.feed import Feed
from rfseg.feeds.files import FileOptions, FileTransport
from rfseg.feeds.messages import load_schema, status_to_message
from rfseg.feeds.mqtt import PASSWORD_VARIABLE, USERNAME_VARIABLE, MqttTransport

QUICK = Backoff(first=0.01, largest=0.05)
TIMEOUT = 20.0  # s that a test waits for what must come
SCHEMA = Draft202012Validator(load_schema())


def message(number: int) -> dict:
    """A message that says which it is."""
    return status_to_message("test", "count", {"total": number})


def until(condition) -> None:
    """Wait until the condition holds."""
    deadline = time.monotonic() + TIMEOUT
    pause = threading.Event()
    while not condition():
        assert time.monotonic() < deadline, "it never came"
        pause.wait(2e-3)


def totals(contents) -> list[int]:
    """Numbers of valid messages; their sequence is the same."""
    found = [json.loads(content) for content in contents]
    for one in found:
        SCHEMA.validate(one)
        assert one["total"] == one["sequence"]
    return [one["total"] for one in found]


def send(feed: Feed, count: int):
    """Run the feed for ``count`` messages."""
    feed.start()
    for number in range(count):
        feed.publish(message(number))
    return feed.stop()


# -- files


def test_a_file_has_a_line_for_each_message_and_is_replaced_by_the_next_run(tmp_path):
    path = tmp_path / "status.jsonl"
    feed = Feed(f"file:{path}")
    for count in (30, 20):
        assert send(feed, count).sent == count
        assert totals(path.read_text().splitlines()) == list(range(count))


def test_a_device_is_written_to_as_a_file_is():
    assert send(Feed("file:/dev/null"), 3).sent == 3


def test_files_rotate_by_size_under_final_names(tmp_path):
    path = tmp_path / "status.jsonl"
    path.write_text('{"left": "by a run that crashed"}\n')
    send(Feed(f"file:{path}", options={"rotate_bytes": 500}), 20)
    closed = sorted(tmp_path.glob("status.*.jsonl"))
    assert [p.name for p in closed] == [f"status.{n:06d}.jsonl" for n in range(1, len(closed) + 1)]
    assert "crashed" in closed[0].read_text()
    assert all(p.stat().st_size <= 500 for p in closed) and len(closed) > 3
    lines = [line for p in [*closed[1:], path] for line in p.read_text().splitlines()]
    assert totals(lines) == list(range(20))


def test_files_rotate_by_time_and_only_the_newest_stay(tmp_path):
    now = [0.0]
    destination = parse_destination(f"file:{tmp_path / 'a.jsonl'}")
    transport = FileTransport(destination, FileOptions(rotate_seconds=10.0, keep=2), clock=lambda: now[0])
    transport.open()
    for second in range(45):
        now[0] = float(second)
        assert transport.send([Payload("status", str(second).encode())]) == 1
    transport.close()
    files = {p.name: p.read_text().split() for p in tmp_path.iterdir()}
    assert {name: (lines[0], lines[-1]) for name, lines in files.items()} == {
        "a.000003.jsonl": ("20", "29"),
        "a.000004.jsonl": ("30", "39"),
        "a.jsonl": ("40", "44"),
    }


def test_a_full_disk_leaves_whole_lines_and_the_feed_goes_on_when_there_is_room(tmp_path, monkeypatch):
    room = [100]
    write = os.write

    def write_what_fits(descriptor: int, content: bytes) -> int:
        count = write(descriptor, content[: room[0]])
        room[0] -= count
        return count

    destination = parse_destination(f"file:{tmp_path / 'a.jsonl'}")
    transport = FileTransport(destination, FileOptions())
    transport.open()
    monkeypatch.setattr("rfseg.feeds.files.os.write", write_what_fits)
    batch = [Payload("status", b"x" * 39)] * 4
    assert transport.send(batch) == 2  # 80 of 100 bytes
    with pytest.raises(OSError, match="no space is left for a whole line"):
        transport.send(batch)
    transport.close()
    assert (tmp_path / "a.jsonl").read_text() == ("x" * 39 + "\n") * 2
    room[0] = 1000
    transport.open()
    assert transport.send(batch) == 4
    transport.close()
    assert (tmp_path / "a.jsonl").read_text() == ("x" * 39 + "\n") * 6


# -- UDP


def test_udp_sends_a_datagram_for_each_message_and_refuses_one_that_is_too_long():
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as receiver:
        receiver.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1 << 20)
        receiver.bind(("127.0.0.1", 0))
        receiver.settimeout(TIMEOUT)
        events = []
        feed = Feed(f"udp://:{receiver.getsockname()[1]}", on_event=lambda *event: events.append(event))
        feed.start()
        feed.publish(message(0))
        feed.publish(status_to_message("test", "count", {"reason": "x" * 70_000}))
        for number in range(2, 50):
            feed.publish(message(number))
        counts = feed.stop()
        assert totals(receiver.recv(65536) for _ in range(49)) == [0, *range(2, 50)]
    assert (counts.sent, counts.refused) == (49, 1)
    assert "does not fit into a datagram; use another transport" in events[1][1]["reason"]


# -- ZeroMQ


def test_zeromq_publishes_topic_and_message_on_loopback():
    feed = Feed("zeromq://:0")
    feed.start()
    until(lambda: not feed.transport.endpoint.endswith("*"))
    assert feed.transport.endpoint.startswith("tcp://127.0.0.1:")
    subscriber = zmq.Context.instance().socket(zmq.SUB)
    subscriber.setsockopt(zmq.RCVTIMEO, int(TIMEOUT * 1000))
    subscriber.subscribe("rfseg/status")
    subscriber.connect(feed.transport.endpoint)
    received = [_first_of(feed, subscriber)]
    begin = received[0]["total"] + 1
    until(lambda: feed.counts().waiting == 0)
    feed.publish({**message(0), "type": "track", "event": "end"})  # under another topic
    last = feed._sequence + 500
    for number in range(feed._sequence, last):
        feed.publish(message(number))
    while received[-1]["total"] < last - 1:
        topic, content = subscriber.recv_multipart()
        assert topic == b"rfseg/status"
        received.append(json.loads(content))
        SCHEMA.validate(received[-1])
    feed.stop()
    subscriber.close(linger=0)
    missing = sorted(set(range(begin, last)) - {one["total"] for one in received})
    assert len(missing) == 1 and [one["sequence"] for one in received] == [one["total"] for one in received]


def _first_of(feed: Feed, subscriber: zmq.Socket) -> dict:
    """The first message that a new subscriber gets: libzmq drops those before it has joined."""
    deadline = time.monotonic() + TIMEOUT
    while not subscriber.poll(5):
        assert time.monotonic() < deadline, "the subscriber never joined"
        feed.publish(message(feed._sequence))
    return json.loads(subscriber.recv_multipart()[1])


def test_zeromq_tries_again_until_an_address_is_free():
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        events = []
        feed = Feed(
            f"zeromq://:{other.getsockname()[1]}", backoff=QUICK, on_event=lambda *event: events.append(event)
        )
        feed.start()
        until(lambda: events)
        assert events[0][0] == "disconnected" and "Address already in use" in events[0][1]["reason"]
    until(lambda: len(events) > 1)
    assert events[1] == ("connected", {})
    feed.stop()


# -- MQTT


def test_mqtt_survives_the_death_of_its_broker_and_counts_every_loss(broker, subscribe, monkeypatch):
    connect, may_connect = MqttTransport.open, threading.Event()

    def connect_when_allowed(transport: MqttTransport) -> None:
        if not may_connect.is_set():  # until the subscriber is there, which would miss what comes before it
            raise ConnectionRefusedError("not yet")
        connect(transport)

    monkeypatch.setattr(MqttTransport, "open", connect_when_allowed)
    events = []
    destination = f"mqtt://127.0.0.1:{broker.port}/site/north"
    feed = Feed(destination, queue_depth=50, backoff=QUICK, on_event=lambda name, fields: events.append(name))
    broker.start()
    before = subscribe(broker.port, "site/north/#")
    may_connect.set()
    feed.start()
    for number in range(100):
        feed.publish(message(number))
        until(lambda: feed.counts().waiting < 40)
    until(lambda: len(before.contents) == 100)
    may_connect.clear()
    broker.kill()

    begin = time.monotonic()
    for number in range(100, 1000):
        feed.publish(message(number))
    assert time.monotonic() - begin < 2.0  # as long as JSON takes, whatever the network does
    down = feed.counts()
    assert down.submitted == 1000 == down.sent + down.dropped + down.waiting

    broker.start()
    after = subscribe(broker.port, "site/north/#")
    may_connect.set()
    until(lambda: feed.counts().waiting == 0)
    for number in range(1000, 1020):
        feed.publish(message(number))
    counts = feed.stop()
    until(lambda: len({*before.contents, *after.contents}) == 1020 - counts.dropped)

    assert events == ["connected", "disconnected", "connected"]
    first, second = set(totals(before.contents)), set(totals(after.contents))
    assert first == set(range(100)) and before.topics == after.topics == {"site/north/status"}
    assert set(range(950, 1020)) <= second  # and perhaps some of the first again, whose receipt was lost
    assert (counts.submitted, counts.sent, counts.dropped) == (1020, len(first | second), down.dropped)
    assert counts.submitted - counts.sent == counts.dropped >= 900 - 50 - 64  # beyond the buffer and what was under way


@pytest.mark.parametrize("qos", [0, 2])
def test_mqtt_with_other_qualities_of_service(broker, subscribe, qos):
    broker.start()
    subscriber = subscribe(broker.port, "rfseg/status")
    counts = send(Feed(f"mqtt://:{broker.port}", options={"qos": qos}), 150)
    until(lambda: len(subscriber.contents) == 150)
    assert (counts.sent, counts.dropped) == (150, 0)
    assert totals(subscriber.contents) == list(range(150))


# paho-mqtt 1.6 leaves the socket of a handshake that failed to the garbage collector.
@pytest.mark.filterwarnings("ignore::ResourceWarning", "ignore::pytest.PytestUnraisableExceptionWarning")
def test_mqtt_with_tls_and_a_password_from_a_file_or_the_environment(tmp_path, broker, monkeypatch):
    run = {"check": True, "stdin": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
    certificate, key, passwords = tmp_path / "cert.pem", tmp_path / "key.pem", tmp_path / "passwords"
    command = "openssl req -x509 -newkey rsa:2048 -nodes -days 2 -subj /CN=test -addext subjectAltName=IP:127.0.0.1"
    subprocess.run([*command.split(), "-keyout", key, "-out", certificate], **run)
    subprocess.run(["mosquitto_passwd", "-b", "-c", passwords, "radio", "secret"], **run)
    broker.configure(
        f"certfile {certificate}", f"keyfile {key}", "allow_anonymous false", f"password_file {passwords}", "user root"
    )
    broker.start()
    credentials = tmp_path / "credentials"
    credentials.write_text("radio\nsecret\n")
    destination, options = f"mqtts://127.0.0.1:{broker.port}", {"ca_file": str(certificate)}
    assert send(Feed(destination, options={**options, "credentials_file": str(credentials)}), 5).sent == 5
    monkeypatch.setenv(USERNAME_VARIABLE, "radio")
    monkeypatch.setenv(PASSWORD_VARIABLE, "secret")
    assert send(Feed(destination, options=options), 5).sent == 5

    def failure(feed: Feed) -> str:
        events = []
        feed._delivery_options["on_event"] = lambda *event: events.append(event)
        feed.start()
        feed.publish(message(0))
        until(lambda: events)
        assert feed.stop(timeout=0.0).sent == 0
        return events[0][1]["reason"]

    assert "certificate verify failed" in failure(Feed(destination))  # of an authority that is not trusted
    monkeypatch.setenv(PASSWORD_VARIABLE, "wrong")
    assert "the broker refuses: " in failure(Feed(destination, options=options))
    gc.collect()


# -- HTTP


class Influx(http.server.ThreadingHTTPServer):
    """Takes lines as InfluxDB does; ``answers`` are given first."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.answers: list[int] = []
        self.requests: list[tuple[str, str | None, list[str]]] = []


class _Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_POST(self) -> None:
        """Take lines; those with ``bad`` in them are refused."""
        lines = self.rfile.read(int(self.headers["Content-Length"])).decode().split("\n")
        status = self.server.answers.pop(0) if self.server.answers else 400 if any("bad" in l for l in lines) else 204
        if status == 204:
            self.server.requests.append((self.path, self.headers["Authorization"], lines))
        self.send_response(status)
        self.send_header("Content-Length", "0" if status == 204 else "5")
        self.end_headers()
        self.wfile.write(b"" if status == 204 else b"sorry")

    def log_message(self, *_) -> None:
        """Keep quiet."""


@pytest.fixture
def influx():
    """A server of the test's own."""
    server = Influx()
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    yield server
    server.shutdown()
    thread.join()
    server.server_close()


def test_http_posts_lines_retries_what_failed_and_refuses_what_is_wrong(influx, tmp_path):
    (tmp_path / "token").write_text("opensesame\n")
    influx.answers = [503, 429]
    events = []
    feed = Feed(
        f"http://127.0.0.1:{influx.server_address[1]}/write?db=rf",
        encoding="influx",
        options={"token_file": str(tmp_path / "token"), "tags": {"site": "n"}},
        backoff=QUICK,
        on_event=lambda *event: events.append(event),
    )
    feed.start()
    for number in range(100):
        feed.publish(status_to_message("test", "bad" if number == 40 else "count", {"total": number}))
    counts = feed.stop()
    assert (counts.sent, counts.refused, counts.dropped) == (99, 1, 0)
    lines = [line for _, _, batch in influx.requests for line in batch]
    assert [int(line.split("total=")[1].split("i")[0]) for line in lines] == [n for n in range(100) if n != 40]
    assert len({line.split()[-1] for line in lines}) == 99  # moments differ
    assert {(path, token) for path, token, _ in influx.requests} == {("/write?db=rf", "Token opensesame")}
    reasons = [fields["reason"] for event, fields in events if event == "disconnected"]
    assert reasons[0] == "the server answers 503: sorry" and "429" in reasons[1]
    assert ("refused", {"reason": "the server refuses a message with 400: sorry"}) in events


# -- what is refused when a feed is made


@pytest.mark.parametrize(
    "destination, options, text",
    [
        ("bands.jsonl", {}, "begins with no transport; expected one of file:, udp://, zeromq://"),
        ("ftp://host/x", {}, "begins with no transport"),
        ("file:", {}, "names no file; write file:NAME"),
        ("file:/no/such/folder/a", {}, "folder '/no/such/folder' of .* does not exist; create it first"),
        ("file:/proc", {}, "'file:/proc' is a folder; name a file in it"),
        ("udp://host", {}, "names no port; write udp://HOST:PORT"),
        ("udp://host:high", {}, "is no address"),
        ("mqtt://me:secret@host/x", {}, "mqtt://...@host/x|mqtt://...@host holds credentials"),
        ("mqtt://host/a/+", {}, "holds \\+ or #, which only subscribers may use"),
        ("mqtt://host", {"ca_file": __file__}, "goes unencrypted, yet certificates are given; write mqtts://"),
        ("mqtt://host", {"qos": 3}, "qos=3 must be 0, 1 or 2"),
        ("mqtt://host", {"keepalive": 0}, "keepalive=0 and timeout=10.0 must be times above 0"),
        ("mqtt://host", {"credentials_file": "/no/such"}, "credentials_file='/no/such' cannot be read: No such file"),
        ("mqtt://host", {"credentials_file": "/dev/null"}, "is empty; expected the user name, and the password"),
        ("http://host", {"timeout": 0}, "timeout=0 must be a time above 0"),
        ("http://host", {"token_file": "/no/such"}, "token_file='/no/such' cannot be read"),
        ("zeromq://:0", {"subscriber_buffer": 0}, "subscriber_buffer=0 must be at least 1 message"),
        ("zeromq://:0", {"qos": 1}, "option 'qos' is unknown to 'zeromq://:0'; known: connect, subscriber"),
        ("udp://:1", {"x": 1}, "option 'x' is unknown to 'udp://:1'; known: none"),
        ("file:a", {"rotate_bytes": -1}, "rotate_bytes=-1 must be 0 or more"),
        ("file:a", {"keep": 3}, "keep=3 needs rotate_bytes or rotate_seconds"),
    ],
)
def test_feeds_that_make_no_sense_are_refused(destination, options, text):
    with pytest.raises(FeedError, match=text) as caught:
        Feed(destination, options=options)
    assert "secret" not in str(caught.value)


def test_a_file_that_may_not_be_written_is_refused_before_the_stream_begins(tmp_path, monkeypatch):
    asked = []
    # Root, whom the tests may run as, may write everywhere.
    monkeypatch.setattr(os, "access", lambda path, mode: asked.append((str(path), mode)))
    with pytest.raises(FeedError, match="a.jsonl' may not be written by this user; name another file, or change who may"):
        Feed(f"file:{tmp_path}/a.jsonl")
    (tmp_path / "b.jsonl").touch()
    for options in ({}, {"rotate_bytes": 1000}):  # a file that is moved away needs the folder
        with pytest.raises(FeedError, match="b.jsonl' may not be written by this user"):
            Feed(f"file:{tmp_path}/b.jsonl", options=options)
    assert asked == [(str(path), os.W_OK) for path in (tmp_path, tmp_path / "b.jsonl", tmp_path)]


def test_encodings_are_refused_by_name_and_for_missing_options():
    with pytest.raises(FeedError, match="encoding='xml' is unknown, expected one of json, bands, csv, influx, oran"):
        Feed("udp://:1", encoding="xml")
    with pytest.raises(FeedError, match="do not fit: .*center_freq"):
        Feed("udp://:1", encoding="oran")


@pytest.mark.parametrize(
    "destination, module, text",
    [
        ("zeromq://:0", "zmq", "needs pyzmq: apt-get install python3-zmq"),
        ("mqtt://:1", "paho.mqtt.client", "needs paho-mqtt: apt-get install python3-paho-mqtt"),
    ],
)
def test_a_missing_package_is_named(monkeypatch, destination, module, text):
    monkeypatch.setitem(__import__("sys").modules, module, None)
    with pytest.raises(BackendUnavailableError, match=text):
        Feed(destination)


def test_no_host_is_loopback():
    assert parse_destination("mqtt://:1883/x") == Destination(
        text="mqtt://:1883/x", scheme="mqtt", host="127.0.0.1", port=1883, path="/x"
    )
    assert parse_destination("mqtts://broker").port == 8883 and not parse_destination("mqtts://broker").is_loopback
    assert parse_destination("zeromq://*:5556").host == "*"
    assert parse_destination("udp://[::1]:9").is_loopback
