"""The next step after what is over: there is nothing left to look at, but the next time can be prepared for."""

from collections.abc import Mapping

LASTING = "lasting cure: "  # what follows it in a next step helps when all is over, too

#: The next step after something that is over, where it is another one than while it goes on and nothing lasts longer.
AFTERWARDS: Mapping[str, str] = {
    "accept_queue": (
        "the program's own log of that time says what it waited for; if it was only busy raise its listen backlog and "
        "net.core.somaxconn, both (side effect: the listener must be reopened, and clients wait longer instead of "
        "failing)"
    ),
    "syn_flood": (
        "sysctl net.ipv4.tcp_syncookies (reads only) should say 1, so that clients are served through the next one; "
        "the logs of what is before this host say where it came from"
    ),
    "ports": "a connection pool or keep-alive in what connects there, so that it needs fewer ports",
    "memory": "journalctl -k (reads only) has the kernel's own words of that time; see who held the most then",
    "leak": "have the program close what is idle and set SO_KEEPALIVE, so that dead peers are noticed",
    "growth": "the tables of who held what say which program had more than it has now: look at its log of that time",
    "failed_opens": "the logs of what connects say which service it did not reach at that time",
    "retransmits": (
        "ip -s link (reads only) counts errors and drops of this host's link since it booted: if there are none it was "
        "the path or the peer"
    ),
    "flood": "the access log of the service says who came at that time; the tables of who held what name port and peer",
    "outage": "journalctl -p warning (reads only) with --since and --until of that time says what stopped or restarted",
    "level_shift": "after a deployment or with a new client there is nothing to do",
    "gap": (
        "journalctl --list-boots (reads only) says whether the host was down; tcptide doctor (reads only) whether "
        "sampling works now"
    ),
}
