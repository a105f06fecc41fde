"""`xmon topics`."""

from typing import TYPE_CHECKING, Annotated

import typer

from monitor.commands import common

if TYPE_CHECKING:
    from collections.abc import Sequence

    from monitor.settings import Settings
    from streams.kafka.settings import KafkaSettings
    from streams.reset import Move

app = typer.Typer(no_args_is_help=True, help="Create, list and reset the topics that events are published to.")
Name = Annotated[str, typer.Argument(help="Its whole name, or the family's.", metavar="TOPIC")]
Number = Annotated[int | None, typer.Option("--partition", min=0, help="Only this one.", show_default=False)]
Yes = Annotated[bool, typer.Option("--yes", help="Do not ask.")]
CONSEQUENCES = (
    "What has been counted stays. What the old log still held and nobody had counted is lost. Events that were copied from the "
    "old log into the new one count again, unless they are late or their id is still known. Go on?"
)
CUT_SHORT = (
    "Where a partition stands still all the same, Kafka had lost the end of its log and has written anew since: restart its "
    "worker. It goes on where it stood; what was written below that is not counted."
)


@app.command(epilog="Example: xmon topics create --partitions 12 --replication 3")
def create(
    partitions: Annotated[int, typer.Option(min=1, help="Of each topic: as many workers can share the work.")],
    replication: Annotated[int, typer.Option(min=1, help="Copies of each record; 3 where there are 3 brokers.")] = 1,
    as_json: common.AsJson = False,
) -> None:
    """Create the topics that are missing; what exists is left as it is."""
    from streams.kafka import topics

    kafka = common.kafka_in_force()
    created = common.run(topics.create(kafka, _names(kafka), partitions, replication))
    if as_json:
        common.say_json([{"topic": t.name, "created": t.created, "partitions": t.partitions} for t in created])
        return
    for topic in created:
        state = "created" if topic.created else "exists"
        note = f" (not {topic.wanted}: adding partitions moves keys, docs/producers.md)" if topic.differs else ""
        common.say(f"{topic.name}: {state}, {topic.partitions} partitions{note}")


@app.command("list", epilog="Example: xmon topics list --json")
def list_topics(as_json: common.AsJson = False) -> None:
    """Show the topics with this prefix, as the cluster has them."""
    from streams.kafka import topics

    kafka = common.kafka_in_force()
    found = common.run(topics.describe(kafka))
    missing = sorted(set(_names(kafka)) - {topic.name for topic in found})
    if as_json:
        rows = [{"topic": t.name, "partitions": t.partitions, "replication": t.replication} for t in found]
        common.say_json({"topics": rows, "missing": missing})
        return
    common.say_table(
        ("TOPIC", "PARTITIONS", "REPLICATION", "TIMESTAMPS", "KEPT"),
        [(t.name, t.partitions, t.replication, t.timestamps, f"{t.retention_ms / 3_600_000:.0f} h") for t in found],
    )
    for name in missing:
        common.warn(f"{name} is missing. Hint: xmon topics create --partitions 6")
    for topic in found:
        if topic.timestamps != "LogAppendTime" and topic.name != kafka.dead_letter_topic:
            common.warn(f"{topic.name} keeps the producers' clocks. Hint: set message.timestamp.type=LogAppendTime")


@app.command(epilog="Example: xmon topics reset page-load --partition 3")
def reset(topic: Name, partition: Number = None, yes: Yes = False, as_json: common.AsJson = False) -> None:
    """Go on counting after a topic was deleted and created anew; what has been counted stays."""
    settings = common.settings_in_force(brief=True)
    name = f"{settings.topic_prefix}{topic}" if topic in common.families() else topic
    moves = common.run(_moves(settings, name, partition))
    if not as_json:
        for move in moves:
            common.say(str(move))
    if moves and not yes:
        typer.confirm(CONSEQUENCES, abort=True, err=True)
    common.run(_go_on(settings, moves))
    if as_json:
        common.say_json([{"partition": str(m.stored.partition), "from": m.stored.offset, "to": m.offset} for m in moves])
    else:
        common.say("done" if moves else f"{name}: Kafka has the log that has been counted, there is nothing to do. {CUT_SHORT}")


async def _moves(settings: "Settings", topic: str, number: int | None) -> "list[Move]":
    """Partitions that have to go on elsewhere. Raises `UsageError` where there is none to choose from, or a worker is well."""
    from monitor.connections import kafka_settings, redis_client
    from monitor.failures import UsageError
    from streams import reset
    from streams.kafka import topics
    from streams.state.redis_store import RedisStore

    found = await topics.find(kafka_settings(settings), topic)
    async with redis_client(settings) as client:
        stored = await reset.look(RedisStore(client, settings.redis_prefix), topic)
    chosen = [one for one in stored if number in (None, one.partition.number)]
    if not found.bounds:
        raise UsageError(f"Kafka has no topic {topic}. Hint: xmon topics list, xmon topics create")
    if not chosen:
        raise UsageError(f"nothing of that is stored for {topic}. Hint: look at XMON_REDIS_URL and XMON_REDIS_PREFIX.")
    for one in chosen:
        if one.partition.number not in found.bounds:
            common.warn(f"{one.partition}: Kafka no longer has it, so figures stay incomplete. Hint: add partitions.")
    moves = [move for one in chosen if one.partition.number in found.bounds and (move := reset.move(one, found))]
    for move in moves:
        if move.stored.worker:
            raise UsageError(
                f"{move.stored.partition} is counted by {move.stored.worker}, which does not stand still. Hint: is "
                "XMON_KAFKA_BOOTSTRAP_SERVERS the cluster it reads? It notices a topic created anew with the next record."
            )
    return moves


async def _go_on(settings: "Settings", moves: "Sequence[Move]") -> None:
    from monitor.connections import redis_client
    from monitor.failures import UsageError
    from streams import reset
    from streams.state.redis_store import RedisStore

    async with redis_client(settings) as client:
        store = RedisStore(client, settings.redis_prefix)
        for move in moves:
            if not await reset.go_on(store, move):
                raise UsageError(f"{move.stored.partition} was written to meanwhile and is as it was. Hint: look again.")


def _names(kafka: "KafkaSettings") -> list[str]:
    return [*(f"{kafka.topic_prefix}{name}" for name in common.families()), kafka.dead_letter_topic]
