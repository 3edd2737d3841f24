"""A real Apache Kafka for the tests: one process, broker and controller, on free ports of the loopback.

``pom.xml`` names the version; Maven fetches it once into the user's cache folder. The broker would make topics by
itself if a client asked for it, as brokers do by default, so that tests show that ours does not ask.
"""

from __future__ import annotations

import atexit
import functools
import hashlib
import os
import shutil
import signal
import socket
import subprocess
import tempfile
import time
import uuid
from base64 import urlsafe_b64encode
from collections.abc import Iterable
from pathlib import Path

import pytest

from tests.kafka import certificates

POM = Path(__file__).parent / "pom.xml"
USER, PASSWORD = "voxpop", "a p@ss/w:rd"
_JAVA = ["java", "-Xmx512m", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1"]


def jars() -> Path:
    """The folder of Kafka's jars; fetched at the first call on a machine.

    A machine without Java or Maven skips the test, and fails it where ``CI`` is set.
    """
    absent = [program for program in ("java", "mvn", "openssl") if shutil.which(program) is None]
    if absent:
        message = f"a real Kafka needs {' and '.join(absent)}"
        if os.environ.get("CI"):
            pytest.fail(message)
        pytest.skip(message)
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "voxpop-tests"
    folder = cache / f"kafka-{hashlib.sha256(POM.read_bytes()).hexdigest()[:12]}"
    if not folder.exists():
        cache.mkdir(parents=True, exist_ok=True)
        half = Path(tempfile.mkdtemp(dir=cache))
        subprocess.run(
            ["mvn", "-q", "-B", "-f", str(POM), "dependency:copy-dependencies", f"-DoutputDirectory={half}"],
            check=True,
            stdout=subprocess.DEVNULL,
        )
        try:
            half.rename(folder)
        except OSError:  # another run was faster
            shutil.rmtree(half)
    return folder


def free_ports(count: int) -> list[int]:
    sockets = [socket.socket() for _ in range(count)]
    for one in sockets:
        one.bind(("127.0.0.1", 0))
    ports = [one.getsockname()[1] for one in sockets]
    for one in sockets:
        one.close()
    return ports


class Broker:
    """A broker in ``folder``. ``kill`` and ``start`` may follow each other; what it stored stays."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._libraries = jars()
        self.certificates = certificates.make(folder)
        self.plain, self.scram, self.tls, self.sasl_tls, self._controller = free_ports(5)
        self._process: subprocess.Popen[bytes] | None = None
        (folder / "server.properties").write_text(self._properties())
        (folder / "log4j2.properties").write_text("rootLogger.level=error\nrootLogger.appenderRefs=\n")
        (folder / "secret").write_text(PASSWORD + "\n")
        self._run(
            "kafka.tools.StorageTool", "format", "-c", "server.properties",
            # In one argument: one id in 64 begins with a hyphen.
            "--cluster-id=" + urlsafe_b64encode(uuid.uuid4().bytes).decode().rstrip("="),
            "--add-scram", f"SCRAM-SHA-512=[name={USER},password={PASSWORD}]",
        )  # fmt: skip

    @property
    def url(self) -> str:
        """Without encryption, impatient enough for tests."""
        return f"kafka://127.0.0.1:{self.plain}?timeout=10&session=6"

    @property
    def data(self) -> Path:
        """Where it keeps its records: a folder for each partition."""
        return self._folder / "data"

    @property
    def password_file(self) -> Path:
        return self._folder / "secret"

    def start(self, seconds: float = 90.0) -> None:
        """Starts the process and waits until it answers."""
        with (self._folder / "output").open("ab") as output:
            self._process = subprocess.Popen(
                [*self._java(), "kafka.Kafka", "server.properties"],
                cwd=self._folder,
                stdout=output,
                stderr=subprocess.STDOUT,
            )
        deadline = time.monotonic() + seconds
        while not self._answers():
            assert self._process.poll() is None and time.monotonic() < deadline, self.output()
            time.sleep(0.1)

    def kill(self) -> None:
        """kill -9."""
        if self._process is not None:
            self._process.send_signal(signal.SIGKILL)
            self._process.wait()
            self._process = None

    def freeze(self) -> None:
        """SIGSTOP: connections stay open, and nobody answers."""
        assert self._process is not None
        self._process.send_signal(signal.SIGSTOP)

    def thaw(self) -> None:
        assert self._process is not None
        self._process.send_signal(signal.SIGCONT)

    def forget(self, topics: Iterable[str], seconds: float = 60.0) -> None:
        """Deletes the topics and waits until they are gone."""
        from kafka import KafkaAdminClient

        admin = KafkaAdminClient(bootstrap_servers=f"127.0.0.1:{self.plain}")
        admin.delete_topics(sorted(topics))
        deadline = time.monotonic() + seconds
        while set(admin.list_topics()) & set(topics):
            assert time.monotonic() < deadline
        admin.close()

    def output(self) -> str:
        return (self._folder / "output").read_text(errors="replace")[-4000:]

    def _answers(self) -> bool:
        from kafka import KafkaAdminClient
        from kafka.errors import KafkaError

        from voxpop.log.kafka_client import connect
        from voxpop.log.kafka_options import parse

        try:
            socket.create_connection(("127.0.0.1", self.plain), 1.0).close()
            admin = connect(KafkaAdminClient, parse(self.url))  # which closes what it opened when it fails
        except (OSError, KafkaError):
            return False
        try:
            brokers = admin.describe_cluster()["brokers"]
        except KafkaError:
            return False
        finally:
            admin.close()
        return any(not broker.get("is_fenced") for broker in brokers)

    def _java(self) -> list[str]:
        return [*_JAVA, "-Dlog4j2.configurationFile=log4j2.properties", "-cp", f"{self._libraries}/*"]

    def _run(self, *arguments: str) -> None:
        done = subprocess.run([*self._java(), *arguments], cwd=self._folder, capture_output=True)
        assert done.returncode == 0, (done.stdout + done.stderr).decode()

    def _properties(self) -> str:
        login = "org.apache.kafka.common.security"
        at = "127.0.0.1"
        return f"""
process.roles=broker,controller
node.id=1
controller.quorum.voters=1@{at}:{self._controller}
controller.listener.names=CONTROLLER
inter.broker.listener.name=PLAINTEXT
listeners=PLAINTEXT://{at}:{self.plain},SCRAM://{at}:{self.scram},TLS://{at}:{self.tls},SASLTLS://{at}:{self.sasl_tls},\
CONTROLLER://{at}:{self._controller}
listener.security.protocol.map=PLAINTEXT:PLAINTEXT,SCRAM:SASL_PLAINTEXT,TLS:SSL,SASLTLS:SASL_SSL,CONTROLLER:PLAINTEXT
listener.name.scram.sasl.enabled.mechanisms=SCRAM-SHA-512
listener.name.scram.scram-sha-512.sasl.jaas.config={login}.scram.ScramLoginModule required;
listener.name.sasltls.sasl.enabled.mechanisms=PLAIN
listener.name.sasltls.plain.sasl.jaas.config={login}.plain.PlainLoginModule required user_{USER}="{PASSWORD}";
listener.name.tls.ssl.client.auth=required
ssl.keystore.type=PEM
ssl.keystore.location={self.certificates.server}
ssl.truststore.type=PEM
ssl.truststore.location={self.certificates.ca}
log.dirs={self._folder}/data
auto.create.topics.enable=true
num.partitions=1
default.replication.factor=1
offsets.topic.replication.factor=1
offsets.topic.num.partitions=4
transaction.state.log.replication.factor=1
transaction.state.log.min.isr=1
share.coordinator.state.topic.replication.factor=1
share.coordinator.state.topic.min.isr=1
group.initial.rebalance.delay.ms=0
group.min.session.timeout.ms=1000
broker.session.timeout.ms=3000
broker.heartbeat.interval.ms=500
log.retention.check.interval.ms=1000
file.delete.delay.ms=100
"""


@functools.cache
def shared() -> Broker:
    """The broker of this test run, started when it is first asked for."""
    folder = Path(tempfile.mkdtemp(prefix="voxpop-kafka-"))
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    broker = Broker(folder)
    atexit.register(broker.kill)
    broker.start()
    return broker
