"""What confines the process and how the state is labelled, as a line of `tcptide doctor`."""

import os

import pytest

from tcptide import doctor_confinement
from tcptide.doctor_confinement import judged, label, type_of
from tcptide.kernel.procfs import ProcFs

from .doctoring import lines, patient

NRPE = "system_u:system_r:nrpe_t:s0"
SHELL = "unconfined_u:unconfined_r:unconfined_t:s0-s0:c0.c1023"
STATE = "system_u:object_r:tcptide_var_lib_t:s0"
FIX = " -> docs/selinux.md says what a confined check needs"


@pytest.mark.parametrize(
    "context, enforce, state, said",
    [
        pytest.param(None, None, None, "ok      confinement SELinux: off, AppArmor: off", id="ok-neither"),
        pytest.param(
            "unconfined",
            None,
            None,
            "ok      confinement SELinux: off, AppArmor: unconfined",
            id="ok-apparmor-unconfined",
        ),
        pytest.param(
            "docker-default (enforce)",
            None,
            None,
            "note    confinement SELinux: off, AppArmor: docker-default (enforce)",
            id="note-apparmor-profile",
        ),
        pytest.param(
            ":lxd-web:://unconfined (enforce)",
            None,
            None,
            "note    confinement SELinux: off, AppArmor: :lxd-web:://unconfined (enforce)",
            id="note-apparmor-namespace",
        ),
        pytest.param(
            SHELL,
            "1",
            STATE,
            f"ok      confinement SELinux: enforcing, runs in unconfined_t ({SHELL}), "
            f"the state is tcptide_var_lib_t ({STATE})",
            id="ok-unconfined-shell",
        ),
        pytest.param(
            NRPE,
            "1",
            "system_u:object_r:var_lib_t:s0",
            f"note    confinement SELinux: enforcing, runs in nrpe_t ({NRPE}), "
            f"the state is var_lib_t (system_u:object_r:var_lib_t:s0){FIX}",
            id="note-enforcing",
        ),
        pytest.param(
            NRPE,
            "0",
            None,
            f"note    confinement SELinux: permissive, runs in nrpe_t ({NRPE}), the state has no label{FIX}",
            id="note-permissive-without-label",
        ),
        pytest.param(
            "user_u:role_r:type_t",
            None,
            "strange",
            "note    confinement SELinux: on, runs in type_t (user_u:role_r:type_t), "
            f"the state is strange (strange){FIX}",
            id="note-without-level",
        ),
    ],
)
def test_confinement(context: str | None, enforce: str | None, state: str | None, said: str) -> None:
    assert str(judged(context, enforce, state)) == said


@pytest.mark.parametrize(
    "text, found",
    [
        (NRPE, "nrpe_t"),
        (SHELL, "unconfined_t"),
        ("unconfined", None),
        ("docker-default (enforce)", None),
        ("/usr/sbin/nrpe (complain)", None),
        ("a:b", None),
        ("", None),
    ],
)
def test_type_of_a_label(text: str, found: str | None) -> None:
    assert type_of(text) == found


@pytest.mark.parametrize("written, said", [(NRPE, "nrpe_t"), (f"{NRPE}\0", "nrpe_t"), ("unconfined\n", "AppArmor")])
def test_context_is_that_of_the_process(written: str, said: str, tmp_path: str) -> None:
    os.makedirs(f"{tmp_path}/self/attr")
    with open(f"{tmp_path}/self/attr/current", "w", encoding="ascii") as file:
        file.write(written)
    (line,) = lines(doctor_confinement.examine(patient(str(tmp_path), proc=ProcFs(str(tmp_path)))))
    assert said in line


@pytest.mark.root
def test_label_is_that_of_the_directory(state_dir: str) -> None:
    assert label(state_dir) is None or type_of(label(state_dir) or "")
    os.setxattr(state_dir, "security.selinux", f"{STATE}\0".encode())
    assert label(state_dir) == STATE
    assert label(f"{state_dir}/none") is None
