"""The call that brings a message to a receiver."""

from __future__ import annotations

from datetime import datetime

from voxpop.notify.base import Message, Receiver


def deliver(receiver: Receiver, message: Message, now: datetime) -> str:
    """Brings the message to the receiver; returns its answer in a few words.

    Raises:
        ReceiverUnavailable: it was not taken; the message holds no secret.
    """
    if receiver.secret:
        from voxpop.notify import webhook

        return webhook.post(receiver, message, now)
    from voxpop.notify import people

    return people.tell(receiver, message)
