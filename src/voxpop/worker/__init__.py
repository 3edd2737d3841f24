"""The only stream loop: poll, claim, compute, write, tell; overlapped, and exactly once.

Three threads, joined by bounded queues: the member's own polls, claims and feeds; one computes; one publishes and
stores. In one transaction the writer stores what came of some records, their dead letters and the next offset of
their partitions. Killed before that transaction commits, the work is done again from the same offsets; killed after,
it is not. What a stage published to the log before is published a second time, and folds away downstream because its
keys are natural.

``step`` says what a stage is to the worker, ``queues`` bounds what is on its way, ``holdings`` knows what this member
may write and from where, ``handler`` runs and stores, ``isolation`` finds what is at fault, ``patience`` waits for a
service that is away, and ``member`` is the worker itself.
"""

from voxpop.worker.isolation import isolated, reason_of
from voxpop.worker.member import MOST_TRIES, Worker, drain
from voxpop.worker.patience import Backoff
from voxpop.worker.step import Result, Step

__all__ = ["MOST_TRIES", "Backoff", "Result", "Step", "Worker", "drain", "isolated", "reason_of"]
