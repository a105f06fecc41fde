"""Which figures there are, by the published model: what the monitor's own catalogue leaves out is missing."""

from collections.abc import Mapping

from tests.faults.figures import DIMENSIONS

OF_FAMILY = {
    "page-load": (
        *("page_views", "page_load_failures", "page_load_failure_ratio", "page_overloads", "page_overload_ratio"),
        *("page_load_seconds", "page_load_apdex", "visitors"),
        *("lcp_seconds", "inp_seconds", "cls", "fcp_seconds", "ttfb_seconds", "web_vital_share"),
    ),
    "app-session": (
        *("app_sessions", "active_users", "new_installs", "app_start_seconds"),
        *("frame_reports", "frames", "slow_frames", "frozen_frames", "slow_frame_ratio", "frozen_frame_ratio"),
    ),
    "app-crash": ("app_crashes", "crashed_sessions", "anr_sessions", "crashed_users"),
    "link-error": ("link_errors",),
    "contact": (
        *("contacts_queued", "contacts_answered", "contacts_abandoned", "contacts_resolved"),
        *("contact_wait_seconds", "contact_abandon_seconds", "average_speed_of_answer_seconds", "service_level"),
        *("abandonment_ratio", "handle_seconds", "resolution_seconds", "first_reply_seconds", "first_reply_within_hour_ratio"),
        *("bot_contacts", "bot_contained_contacts", "bot_containment_ratio", "contacts_waiting", "longest_wait_seconds"),
    ),
}
OVER_TWO = {  # families, whose common dimensions these have
    "crash_free_session_ratio": ("app-session", "app-crash"),
    "crash_free_user_ratio": ("app-session", "app-crash"),
    "anr_ratio": ("app-session", "app-crash"),
    "link_errors_per_view": ("page-load", "link-error"),
}
NOW = ("contacts_waiting", "longest_wait_seconds")  # figures of now, not of a stretch
PEOPLE = ("visitors", "active_users", "crashed_users")
LABELS = {
    "app_crashes": ("kind",),
    "link_errors": ("kind", "reason"),
    "web_vital_share": ("vital", "rating"),
    "service_level": ("variant",),
    "abandonment_ratio": ("variant",),
}


def _figures() -> Mapping[str, tuple[str, ...]]:
    found = {name: DIMENSIONS[family] for family, names in OF_FAMILY.items() for name in names}
    for name, (one, other) in OVER_TWO.items():
        found[name] = tuple(dimension for dimension in DIMENSIONS[one] if dimension in DIMENSIONS[other])
    return found


FIGURES = _figures()
"""Figure → its dimensions."""
