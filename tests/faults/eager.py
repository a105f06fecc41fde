"""`xmon` that looks every two seconds for partitions that were added and topics created anew, in place of every ten."""

from monitor import cli
from streams.kafka import app

METADATA_MS = 2_000

if __name__ == "__main__":
    app.METADATA_MS = METADATA_MS
    cli.main()
