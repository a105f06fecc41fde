"""What scenarios need: a site, events that keep coming, topics read back, and the comparison at the end."""

from tests.faults.comparison import differences
from tests.faults.faults import stopped
from tests.faults.log import Log
from tests.faults.publishing import Publishing, story
from tests.faults.site import Site

__all__ = ["Log", "Publishing", "Site", "differences", "stopped", "story"]
