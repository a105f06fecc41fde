"""The two apps of the demo and the people who use them: tables with weights, nothing that happens."""

from dataclasses import dataclass
from random import Random

Weighted = dict[str, float]

BAD_RELEASE = "5.3.0"
COUNTRIES: Weighted = {"DE": 26, "US": 22, "FR": 14, "GB": 13, "BR": 10, "IN": 8, "JP": 7}
SLOWNESS: Weighted = {"BR": 1.35, "IN": 1.5, "JP": 1.15, "mobile": 1.25, "tablet": 1.1}
DEVICES: Weighted = {"mobile": 52, "desktop": 33, "tablet": 15}
SYSTEMS: dict[str, Weighted] = {
    "mobile": {"Android": 58, "iOS": 42},
    "tablet": {"Android": 45, "iOS": 55},
    "desktop": {"Windows": 64, "macOS": 28, "Linux": 8},
}
BROWSERS: dict[str, Weighted] = {
    "iOS": {"Safari": 90, "Chrome": 10},
    "macOS": {"Safari": 45, "Chrome": 50, "Firefox": 5},
    "Android": {"Chrome": 85, "Samsung Internet": 15},
    "Windows": {"Chrome": 60, "Edge": 30, "Firefox": 10},
    "Linux": {"Firefox": 55, "Chrome": 45},
}
SEGMENTS: Weighted = {"new": 30, "regular": 55, "premium": 15}


@dataclass(frozen=True, slots=True)
class App:
    """A product: how many visits and contacts begin each second, and what its pages and queues are."""

    name: str
    site: str
    visits_per_second: float
    contacts_per_second: float
    in_app_share: float  # visits by the installed app; the rest come by browser
    releases: Weighted
    pages: dict[str, tuple[float, float]]  # route: (weight, median milliseconds to load)
    queues: Weighted
    topics: Weighted


SHOP = App(
    name="shop",
    site="https://shop.example",
    visits_per_second=15,
    contacts_per_second=1.4,
    in_app_share=0.45,
    releases={"5.2.1": 75, "5.1.0": 25},
    pages={
        "/": (30, 900),
        "/search": (22, 1150),
        "/products/{}": (28, 1050),
        "/cart": (10, 800),
        "/checkout": (6, 1400),
        "/orders/{}": (4, 950),
    },
    queues={"orders": 60, "returns": 40},
    topics={"delivery": 40, "payment": 25, "return": 25, "account": 10},
)
BANK = App(
    name="bank",
    site="https://bank.example",
    visits_per_second=9,
    contacts_per_second=0.7,
    in_app_share=0.8,
    releases={"12.4": 85, "12.3": 15},
    pages={
        "/": (34, 700),
        "/accounts/{}": (30, 850),
        "/transfer": (18, 1000),
        "/cards": (12, 800),
        "/loans": (6, 1200),
    },
    queues={"cards": 55, "loans": 45},
    topics={"card lost": 30, "transfer": 40, "login": 30},
)
APPS = (SHOP, BANK)


def pick(rng: Random, table: Weighted) -> str:
    """One name, by weight."""
    return rng.choices(list(table), list(table.values()))[0]


def person(rng: Random, app: App) -> dict[str, str]:
    """Who is there, and with what: the dimensions that all events of a visit share."""
    device = pick(rng, DEVICES)
    system = pick(rng, SYSTEMS[device])
    user = f"u{rng.randrange(40_000)}"
    who = {
        "app": app.name,
        "country": pick(rng, COUNTRIES),
        "device": device,
        "os": system,
        "segment": pick(rng, SEGMENTS),
    }
    return who | {"release": pick(rng, app.releases), "user": user, "session": f"s{rng.getrandbits(64):016x}"}
