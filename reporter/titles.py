"""What an incident is called, in the past and while it goes on."""

from collections.abc import Mapping

from tcptide.model import Finding

#: kind -> what happened, with and without who or what it happened to.
TITLES: Mapping[str, tuple[str, str]] = {
    "accept_queue": ("The accept queue of {who} overflowed", "An accept queue overflowed"),
    "syn_flood": ("SYN flood at {who}", "SYN flood"),
    "ports": ("Ports to {who} ran short", "Ports to a destination ran short"),
    "bind": ("Ports for bind() to {who} ran short", "Ports for bind() ran short"),
    "time_wait": ("TIME_WAIT came to its limit", "TIME_WAIT came to its limit"),
    "conntrack": ("The conntrack table filled up", "The conntrack table filled up"),
    "memory": ("TCP ran short of memory or orphans", "TCP ran short of memory or orphans"),
    "leak": ("{who} leaked connections", "Connections leaked"),
    "growth": ("{who} had ever more connections", "Ever more connections"),
    "failed_opens": ("Connections could not be opened", "Connections could not be opened"),
    "retransmits": ("Segments were lost and sent again", "Segments were lost and sent again"),
    "flood": ("Far more connections than usual", "Far more connections than usual"),
    "outage": ("Far fewer connections than usual", "Far fewer connections than usual"),
    "level_shift": ("A new level of connections", "A new level of connections"),
    "alert": ("Alert of {who}", "An alert was given"),
    "gap": ("No samples were taken", "No samples were taken"),
}
FILLED = "The accept queue of {who} filled up"  # and did not overflow
LEAKED = "{who} leaked connections in {state}"
RAN_OUT = "Ports to {who} ran out"

#: What a title says of something that still goes on.
PRESENT = {
    "overflowed": "overflows",
    "filled up": "fills up",
    "ran short": "run short",
    "ran out": "run out",
    "came to": "comes to",
    "leaked": "leaks",
    "had ever": "has ever",
    "could not": "can not",
    "were": "are",
}


def title(kind: str, who: str, finding: Finding | None, evidence: str, goes_on: bool) -> str:
    """With who or what it happened to, if that is known."""
    named, unnamed = TITLES[kind]
    if not who:
        named = unnamed
    elif kind == "accept_queue" and "dropped" not in evidence:
        named = FILLED
    elif kind == "leak" and finding and finding.code in ("leak_close_wait", "leak_established"):
        named = LEAKED.replace("{state}", "CLOSE_WAIT" if finding.code == "leak_close_wait" else "ESTABLISHED")
    elif kind == "ports" and "at most 100%" in evidence:
        named = RAN_OUT
    for past, present in PRESENT.items() if goes_on else ():
        named = named.replace(past, present)
    return named.replace("{who}", who)
