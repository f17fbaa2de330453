"""A real Postfix in a folder of its own: what /usr/sbin/sendmail is given ends in one mailbox, and nowhere else."""

import glob
import os
import pwd
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from email import message_from_bytes
from email.message import EmailMessage
from email.policy import default

MAIN = """\
compatibility_level = 3.6
queue_directory = {0}/spool
data_directory = {0}/data
myhostname = localhost
mydestination =
inet_interfaces = 127.0.0.1
maillog_file = {0}/mail.log
maillog_file_prefixes = {0}
# every address is the same mailbox: no mail goes out
virtual_mailbox_domains = static:all
virtual_mailbox_maps = static:all/
virtual_mailbox_base = {0}/mail
virtual_minimum_uid = 1
virtual_uid_maps = static:{1}
virtual_gid_maps = static:{2}
"""

MASTER = """\
pickup    unix  n - n 60 1 pickup
cleanup   unix  n - n - 0 cleanup
qmgr      unix  n - n 300 1 qmgr
rewrite   unix  - - n - - trivial-rewrite
bounce    unix  - - n - 0 bounce
defer     unix  - - n - 0 bounce
trace     unix  - - n - 0 bounce
proxymap  unix  - - n - - proxymap
virtual   unix  - n n - - virtual
error     unix  - - n - - error
retry     unix  - - n - - error
postlog   unix-dgram n - n - 1 postlogd
"""


def prepare(folder: str) -> None:
    """Make a folder that everybody can reach one that Postfix can run in, with etc/main.cf and etc/master.cf."""
    nobody, postfix = pwd.getpwnam("nobody"), pwd.getpwnam("postfix")
    for name in ("etc", "spool", "data", "mail"):
        os.makedirs(f"{folder}/{name}")
    os.chown(f"{folder}/data", postfix.pw_uid, -1)
    os.chown(f"{folder}/mail", nobody.pw_uid, nobody.pw_gid)
    for name, text in (("main.cf", MAIN.format(folder, nobody.pw_uid, nobody.pw_gid)), ("master.cf", MASTER)):
        with open(f"{folder}/etc/{name}", "w", encoding="ascii") as file:
            file.write(text)


@contextmanager
def running(folder: str) -> Iterator[dict[str, str]]:
    """Postfix in such a folder; gives the environment in which sendmail finds it. Needs root."""
    prepare(folder)
    with open(f"{folder}/stdout", "wb") as output:
        command = ("/usr/sbin/postfix", "-c", f"{folder}/etc", "start-fg")
        daemon = subprocess.Popen(command, stdout=output, stderr=output)
        try:
            yield {"MAIL_CONFIG": f"{folder}/etc"}
        finally:
            subprocess.run(("/usr/sbin/postfix", "-c", f"{folder}/etc", "stop"), check=False, capture_output=True)
            daemon.wait(30)


def delivered(folder: str, number: int) -> list[EmailMessage]:
    """The mails in the mailbox, as soon as there are so many."""
    deadline = time.monotonic() + 30
    while len(found := sorted(glob.glob(f"{folder}/mail/all/new/*"))) < number and time.monotonic() < deadline:
        time.sleep(0.1)
    mails = []
    for path in found:
        with open(path, "rb") as file:
            mail = message_from_bytes(file.read(), policy=default)
        assert isinstance(mail, EmailMessage)
        mails.append(mail)
    return mails
