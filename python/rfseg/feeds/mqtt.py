"""MQTT: publishing to a broker.

With a quality of service of 1 or 2 a message is delivered when the broker says that it has it; what it has not
acknowledged before the connection broke is sent again, so that it may come twice, with the same ``sequence``.
"""

from __future__ import annotations

import logging
import os
import ssl
import threading
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Sequence

from ..errors import BackendUnavailableError, FeedError
from .delivery import Payload
from .destinations import Destination, check_file

__all__ = ["PASSWORD_VARIABLE", "USERNAME_VARIABLE", "MqttOptions", "MqttTransport"]

_log = logging.getLogger(__name__)

USERNAME_VARIABLE = "RFSEG_MQTT_USERNAME"
PASSWORD_VARIABLE = "RFSEG_MQTT_PASSWORD"
_DEFAULT_TOPIC = "rfseg"
_UNACKNOWLEDGED = 16  # messages; brokers and clients allow 20 unless told otherwise


@dataclass(frozen=True, kw_only=True)
class MqttOptions:
    """Options of ``mqtt://`` and ``mqtts://``.

    Parameters
    ----------
    qos : int
        Quality of service: 0 (written to the connection), 1 (the broker has it, perhaps twice) or 2 (once).
    client_id : str
        Empty for one that the broker makes up.
    credentials_file : str
        File of two lines, user name and password; without one the environment variables
        :data:`USERNAME_VARIABLE` and :data:`PASSWORD_VARIABLE` are used where they are set.
    ca_file, cert_file, key_file : str
        With ``mqtts://``: certificates of the authorities that are trusted (the system's where empty), and certificate
        and key of this client.
    keepalive : int
        Time after which a silent broker counts as lost, s.
    timeout : float
        Longest time to connect, and for an acknowledgement, s.
    """

    qos: int = 1
    client_id: str = ""
    credentials_file: str = ""
    ca_file: str = ""
    cert_file: str = ""
    key_file: str = ""
    keepalive: int = 15
    timeout: float = 10.0

    def __post_init__(self) -> None:
        if self.qos not in (0, 1, 2):
            raise FeedError(f"qos={self.qos!r} must be 0, 1 or 2")
        if not (self.keepalive >= 1 and self.timeout > 0):
            raise FeedError(f"keepalive={self.keepalive!r} and timeout={self.timeout!r} must be times above 0, in s")
        for name in ("credentials_file", "ca_file", "cert_file", "key_file"):
            if getattr(self, name):
                check_file(getattr(self, name), name)


class MqttTransport:
    """A client of a broker; the path of the destination begins every topic."""

    def __init__(self, destination: Destination, options: MqttOptions) -> None:
        try:
            import paho.mqtt.client as paho
        except ImportError as error:
            raise BackendUnavailableError(
                "an MQTT feed needs paho-mqtt: apt-get install python3-paho-mqtt, or pip install paho-mqtt"
            ) from error
        self._paho, self._destination, self._options = paho, destination, options
        self._topic = destination.path.strip("/") or _DEFAULT_TOPIC
        if any(sign in self._topic for sign in "+#"):
            raise FeedError(f"topic {self._topic!r} holds + or #, which only subscribers may use")
        self._uses_tls = destination.scheme == "mqtts"
        if not self._uses_tls and (options.ca_file or options.cert_file or options.key_file):
            raise FeedError(f"{destination.text!r} goes unencrypted, yet certificates are given; write mqtts://")
        self._credentials = _read_credentials(options.credentials_file)
        if self._credentials and not self._uses_tls and not destination.is_loopback:
            _log.warning("%s: the password goes over the network unencrypted; use mqtts://", destination.text)
        self._client: Any = None
        self._changed = threading.Condition()
        self._answer: Any = None  # to the request to connect; 0 for yes
        self._is_lost = False
        self._acknowledged: set[int] = set()

    def open(self) -> None:
        """Connect, and wait for the broker's answer."""
        client = self._client = self._make_client()
        with self._changed:
            self._answer, self._is_lost = None, False
            self._acknowledged.clear()
        client.connect(self._destination.host, self._destination.port, keepalive=self._options.keepalive)
        client.loop_start()
        with self._changed:
            self._changed.wait_for(lambda: self._answer is not None or self._is_lost, self._options.timeout)
            answer = self._answer
        if answer is None:
            raise OSError("the broker does not answer")
        if answer != 0:
            text = str(answer) if not isinstance(answer, int) else self._paho.connack_string(answer)
            raise OSError(f"the broker refuses: {text}")

    def send(self, batch: Sequence[Payload]) -> int:
        """Publish the batch; returns how many of the first of it the broker has."""
        numbers = []
        for payload in batch[:_UNACKNOWLEDGED]:
            if self._is_lost:
                break
            topic = f"{self._topic}/{payload.topic}"
            info = self._client.publish(topic, payload.content, qos=self._options.qos)
            if info.rc != self._paho.MQTT_ERR_SUCCESS:
                break
            numbers.append(info.mid)
        with self._changed:
            self._changed.wait_for(
                lambda: self._is_lost or self._acknowledged.issuperset(numbers), self._options.timeout
            )
            count = next((i for i, number in enumerate(numbers) if number not in self._acknowledged), len(numbers))
            self._acknowledged.clear()
        if count == 0:
            raise OSError("the connection to the broker is lost")
        return count

    def close(self) -> None:
        """Leave the broker."""
        if self._client is not None:
            client, self._client = self._client, None
            client.disconnect()
            client.loop_stop()

    def _make_client(self) -> Any:
        paho, options = self._paho, self._options
        versions = getattr(paho, "CallbackAPIVersion", None)  # from paho-mqtt 2.0 on
        client = paho.Client(*([versions.VERSION2] if versions else []), client_id=options.client_id)
        client.on_connect, client.on_disconnect, client.on_publish = self._on_connect, self._on_lost, self._on_publish
        client.connect_timeout = options.timeout
        if self._credentials:
            client.username_pw_set(*self._credentials)
        if self._uses_tls:
            context = ssl.create_default_context(cafile=options.ca_file or None)
            if options.cert_file:
                context.load_cert_chain(options.cert_file, options.key_file or None)
            client.tls_set_context(context)
        return client

    # -- what paho calls, from its thread

    def _on_connect(self, client: Any, data: Any, flags: Any, answer: Any, *_: Any) -> None:
        with self._changed:
            if client is self._client:
                self._answer = answer
                self._changed.notify_all()

    def _on_lost(self, client: Any, *_: Any) -> None:
        with self._changed:
            if client is self._client:
                self._is_lost = True
                self._changed.notify_all()

    def _on_publish(self, client: Any, data: Any, number: int, *_: Any) -> None:
        with self._changed:
            if client is self._client:
                self._acknowledged.add(number)
                self._changed.notify_all()


def _read_credentials(path: str) -> tuple[str, str | None] | None:
    """User name and password from a file or the environment; None where neither names a user."""
    if path:
        lines = Path(path).read_text("utf-8").splitlines()
        if not lines or not lines[0]:
            raise FeedError(f"credentials_file={path!r} is empty; expected the user name, and the password below it")
        return lines[0], lines[1] if len(lines) > 1 else None
    username = os.environ.get(USERNAME_VARIABLE)
    return (username, os.environ.get(PASSWORD_VARIABLE)) if username else None
