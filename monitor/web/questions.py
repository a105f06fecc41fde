"""The questions people ask of the monitor, in the order in which the page answers them."""

QUESTIONS = {
    "W1": "Is the website down or overloaded often?",
    "W4": "Do pages load at their best speed?",
    "W3": "Which JavaScript errors need fixing?",
    "W2": "Do all links work?",
    "W5": "Is it easy to find the way?",
    "M1": "Do customers use the app?",
    "M2": "Does the app crash often?",
    "M3": "Do the app's links work, and is it easy?",
    "S2": "How long until someone answers?",
    "S1": "Was the problem solved at the first attempt?",
    "S3": "How many give up or leave after contacting us?",
    "F3": "How fast do we reply?",
    "F4": "Do bots, follow-ups and reminders work?",
    "F2": "What do people say when asked?",
    "F1": "What do people say about us unasked?",
    "J2": "Success, effort, emotion?",
    "J1": "Where in the journey do we lose people, and why?",
    "B1": "Which services and third parties hurt?",
    "I1": "What is unresponsive, and how do people reach us?",
    "I2": "Is personal data safe?",
    "D1": "What matters most?",
    "D2": "What is it worth?",
    "U1": "One view over every device, place and channel",
}
OTHERS = "What else is measured?"


_ORDER = list(QUESTIONS)


def rank(ids: tuple[str, ...]) -> int:
    """Returns the place on the page of the first known question of a figure; what answers none comes last."""
    return next((_ORDER.index(name) for name in ids if name in QUESTIONS), len(_ORDER))


def at_rank(place: int) -> str:
    """Returns the question at a place."""
    return QUESTIONS[_ORDER[place]] if place < len(_ORDER) else OTHERS
