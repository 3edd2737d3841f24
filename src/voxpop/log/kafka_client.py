"""What every client of the Kafka backend needs: settings, a clean end when a start fails, and our errors for theirs."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from kafka import errors as kafka_errors
from kafka.net.compat import KafkaNetClient

from voxpop.errors import LogUnavailable, Refused, SettingError, StoreError
from voxpop.log.kafka_options import Options

LARGEST_BYTES = 8 << 20
"""Most bytes of one message; topics that are made here take as much."""

_DENIED = (
    kafka_errors.SaslAuthenticationFailedError,
    kafka_errors.UnsupportedSaslMechanismError,
    kafka_errors.AuthorizationError,
)
_GAPS = (
    kafka_errors.OffsetOutOfRangeError,
    kafka_errors.NoOffsetForPartitionError,
    kafka_errors.LogTruncationError,
    kafka_errors.CorruptRecordError,
)
_TOO_LARGE = (kafka_errors.MessageSizeTooLargeError, kafka_errors.RecordListTooLargeError)


def connect(kind: Callable[..., Any], options: Options, **more: Any) -> Any:
    """A client of class ``kind``, connected. A start that fails leaves no thread behind."""
    opened: list[Any] = []

    def network(**settings: Any) -> Any:
        client = KafkaNetClient(**settings)
        # The library asks brokers to make the topics that are missing, whatever its own settings say (3.0.12).
        client.cluster.config["allow_auto_create_topics"] = False
        opened.append(client)
        return client

    milliseconds = int(options.timeout * 1000)
    try:
        return kind(
            bootstrap_servers=list(options.hosts),
            client_id="voxpop",
            request_timeout_ms=max(1000, milliseconds // 2),
            bootstrap_timeout_ms=milliseconds,
            reconnect_backoff_max_ms=2000,
            metadata_max_age_ms=60_000,
            api_version=options.api_version,
            kafka_client=network,
            **options.security,
            **more,
        )
    except BaseException as error:
        for client in opened:
            client.close()
        if isinstance(error, kafka_errors.KafkaTimeoutError):
            hosts = ", ".join(options.hosts)
            # Brokers hang up on those that they do not know, so the library often cannot tell why.
            hint = " (or refuses the user, the password or the certificates)" if options.secured else ""
            raise kafka_errors.KafkaTimeoutError(f"nobody answers at {hosts}{hint}") from error
        raise


@contextmanager
def answered() -> Iterator[None]:
    """Raises our errors for the library's.

    Raises:
        LogUnavailable: the brokers do not answer, or not now.
        SettingError: they refuse the user, or what the user wants to do.
        StoreError: what is asked for is not in the log any more.
        Refused: they do not take a message of this size.
    """
    try:
        yield
    except _DENIED as error:
        raise SettingError(f"Kafka refuses this user: {error}") from error
    except kafka_errors.FencedInstanceIdError as error:
        raise SettingError("another member of the group runs under this instance name: give each its own") from error
    except _GAPS as error:
        raise StoreError(
            f"the log no longer holds the records to go on from ({error}): its retention was shorter than the pause,"
            " or it was damaged"
        ) from error
    except _TOO_LARGE as error:
        raise Refused(f"Kafka does not take a message of this size: {error}") from error
    except (kafka_errors.KafkaConfigurationError, kafka_errors.UnsupportedVersionError) as error:
        raise SettingError(f"Kafka cannot be used like this: {error}") from error
    except kafka_errors.KafkaError as error:
        raise LogUnavailable(f"Kafka does not answer: {error}") from error
