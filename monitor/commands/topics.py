"""`xmon topics`."""

from typing import TYPE_CHECKING, Annotated

import typer

from monitor.commands import common

if TYPE_CHECKING:
    from streams.kafka.settings import KafkaSettings

app = typer.Typer(no_args_is_help=True, help="Create and list the topics that events are published to.")


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


def _names(kafka: "KafkaSettings") -> list[str]:
    return [*(f"{kafka.topic_prefix}{name}" for name in common.families()), kafka.dead_letter_topic]
