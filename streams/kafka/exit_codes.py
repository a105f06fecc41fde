"""Every way a worker ends other than well: the exit code and the error that carries it."""

from enum import IntEnum


class ExitCode(IntEnum):
    """What the process answers to whoever started it. From 82 on all but `STATE_REFUSED` are worth a restart."""

    OK = 0
    KAFKA = 3  # no broker answered while starting, or it refused: credentials, certificates or rights
    PIPELINE_FAILED = 82  # a mistake in our own code, logged with its stack
    CONSUMER_FAILED = 83  # Faust or aiokafka gave up
    STOP_TIMEOUT = 84  # a stop took longer than it may
    LOOP_BLOCKED = 85  # the event loop stood still
    NO_ASSIGNMENT = 86  # the group gave no answer although a broker does
    FLOW_STOPPED = 87  # a rebalance never came to its end
    NO_PROGRESS = 88  # records wait, nothing is applied, and the store is well
    STATE_REFUSED = 89  # the stored state was written by another program or with other settings


class WorkerError(Exception):
    """Why a worker ended; the text is for a person, in one line.

    ├── KafkaUnreachable   no broker answers
    ├── KafkaRefused       a broker answers and says no
    ├── PipelineFailed     our own mistake; the cause is chained
    ├── ConsumerFailed     Faust or aiokafka gave up; the cause is chained
    └── StateRefused       the stored state cannot be gone on with
    """

    exit_code: ExitCode


class KafkaUnreachable(WorkerError):  # noqa: N818 - says what happened
    exit_code = ExitCode.KAFKA


class KafkaRefused(WorkerError):  # noqa: N818 - says what happened
    exit_code = ExitCode.KAFKA


class PipelineFailed(WorkerError):  # noqa: N818 - says what happened
    exit_code = ExitCode.PIPELINE_FAILED


class ConsumerFailed(WorkerError):  # noqa: N818 - says what happened
    exit_code = ExitCode.CONSUMER_FAILED


class StateRefused(WorkerError):  # noqa: N818 - says what happened
    exit_code = ExitCode.STATE_REFUSED
