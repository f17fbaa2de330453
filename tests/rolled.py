"""What tests roll out by contrib/ansible: everything that the role can do, and what it refuses."""

from typing import Any

from .rollout import NEWEST, SOURCES

PLUGINS = "/usr/lib/nagios/plugins"
PLACES = ("/opt", "/etc", "/usr/local", PLUGINS, "/var/lib/tcptide")
USER = "watcher"
STATE = "/srv/state/tcptide"
UNITS = "/etc/systemd/system"

CONFIG: dict[str, Any] = {
    "state_dir": STATE,
    "interval_seconds": 30,
    "privacy": {"processes": False},
    "mail": {
        "to": ["Zoë <ops@example.org>", '"O\'Neil \\\\ Sons" <b@example.org>'],
        "envelope_sender": "tcptide@example.org",
        "cc": None,
        "via": "smtp",
        "smtp_host": "mail.example.org",
        "smtp_user": "tcptide",
        "smtp_password_file": "/etc/tcptide/password",
    },
    "checks": {"tcp_errors": {"warning": {"failed_open_percent": "7", "retransmit_percent": ""}}},
}
EVERYTHING: dict[str, Any] = {
    "tcptide_source": SOURCES,
    "tcptide_build_python": f"{NEWEST}/python",
    "tcptide_user": USER,
    "tcptide_user_create": True,
    "tcptide_config": CONFIG,
    "tcptide_smtp_password": "not to be shown",
    "tcptide_scheduler": "systemd",
    "tcptide_process_names": True,
    "tcptide_icinga": True,
    "tcptide_packages": [],
    "tcptide_selinux": True,
}

UNCHANGED = "changed=0 unreachable=0 failed=0 rescued=0"

#: Stand for SELinux's programs, which do nothing where it is off; the first lists as the real one what it was told.
SEMANAGE = """\
#!/bin/sh
case $* in
"fcontext --list --locallist --noheading") cat /run/contexts 2>/dev/null || true ;;
"fcontext --add --type "*) printf '%-50s all files          system_u:object_r:%s:s0\\n' "$5" "$4" >>/run/contexts ;;
*) exit 2 ;;
esac
"""
RESTORECON = """\
#!/bin/sh
echo "$*" >>/run/restored
"""


WRONG: dict[str, tuple[dict[str, Any], str]] = {
    "no-user": (
        {"tcptide_user": USER},
        f"There is no user {USER}: install the monitoring agent first, name the user who runs its checks"
        " in tcptide_user, or set tcptide_user_create",
    ),
    "no-wheel": (
        {"tcptide_user": "nobody", "tcptide_source": "/none/tcptide.whl"},
        "tcptide_source: /none/tcptide.whl is no file of the controller",
    ),
    "no-folder": (
        {"tcptide_user": "nobody", "tcptide_source": "none/tcptide"},
        "tcptide_source: /srv/none/tcptide/setup.cfg is no file of the controller",
    ),
    "no-tcptide": (
        {"tcptide_user": "nobody", "tcptide_source": "another==1.0"},
        "tcptide_source: another==1.0 is no path of a wheel or folder, nor does it begin with tcptide",
    ),
    "prefix-of-others": (
        {"tcptide_user": "nobody", "tcptide_prefix": "/usr/local"},
        "tcptide_prefix: /usr/local is there and is no virtual environment",
    ),
    "purge-of-others": (
        {"tcptide_state": "absent", "tcptide_purge": True, "tcptide_config": {"state_dir": "/var/lib"}},
        "tcptide_purge: the state directory /var/lib is not named tcptide: remove it by hand",
    ),
}
