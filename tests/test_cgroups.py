"""Cgroup paths as hosts have them, and cgroups of this kernel."""

import os
from collections.abc import Iterator

import pytest

from tcptide.kernel import cgroups
from tcptide.kernel.cgroups import names, unit_name
from tcptide.kernel.procfs import ProcFs
from tests.worlds import as_user

ID = "3f4e5d6c7b8a" + "0123456789abcdef" * 3 + "0123"
UID = "0f8fad5b-d9cb-469f-a165-70867728950e"
UID_ = UID.replace("-", "_")
HASH = "9d107b9e6f4f4c9f8fb1d1f2a8b0c3d4"  # a static pod's uid
SESSION = "/user.slice/user-1000.slice/user@1000.service"


@pytest.mark.parametrize(
    ("path", "name"),
    [
        ("/", None),
        ("", None),
        # systemd, the system's units
        ("/init.scope", "init.scope"),
        ("/system.slice/nginx.service", "nginx.service"),
        ("/system.slice/systemd-journald-dev-log.socket", "systemd-journald-dev-log.socket"),
        ("/system.slice/system-postgresql.slice/postgresql@15-main.service", "postgresql@15-main.service"),
        ("/system.slice/system-openvpn\\x2dclient.slice/openvpn-client@de.service", "openvpn-client@de.service"),
        ("/system.slice/ssh.service/sub/sub", "ssh.service"),
        # systemd, one for each connection (Accept=yes)
        ("/system.slice/system-ssh.slice/ssh@3-10.0.0.1:22-192.0.2.7:51234.service", "ssh@.service"),
        ("/system.slice/ssh@0-2001:db8::1:22-2001:db8::7:51234.service", "ssh@.service"),
        ("/system.slice/ssh@0-5123-10.0.0.1:22-192.0.2.7:51234.service", "ssh@.service"),
        ("/system.slice/varlink@7-1234-0.service", "varlink@7-1234-0.service"),
        ("/system.slice/vpn@2-de-3.service", "vpn@2-de-3.service"),
        ("/system.slice/foo.service/bar.service", "foo.service"),
        ("/system.slice/dev-hugepages.mount", "dev-hugepages.mount"),
        ("/system.slice/run-r8a6f1d3b5c7e4f0a9b2c4d6e8f0a1b2c.scope", "run-r8a6f1d3b5c7e4f0a9b2c4d6e8f0a1b2c.scope"),
        ("/app.slice/app-web.slice/app-web-blue.slice/blue.service", "blue.service"),
        ("/system.slice", "system.slice"),
        ("/user.slice/user-1000.slice", "user-1000.slice"),
        # systemd, a user's units
        ("/user.slice/user-1000.slice/session-3.scope", "session-3.scope"),
        ("/user.slice/user-0.slice/session-c1.scope", "session-c1.scope"),
        (SESSION, "user@1000.service"),
        (f"{SESSION}/init.scope", "user@1000.service"),
        (f"{SESSION}/app.slice", "user@1000.service"),
        (f"{SESSION}/app.slice/app-foo.scope", "app-foo.scope"),
        (f"{SESSION}/app.slice/syncthing.service", "syncthing.service"),
        (f"{SESSION}/session.slice/org.gnome.Shell@wayland.service", "org.gnome.Shell@wayland.service"),
        (f"{SESSION}/app.slice/snap.firefox.firefox-{UID}.scope", f"snap.firefox.firefox-{UID}.scope"),
        (f"{SESSION}/app.slice/app-org.gnome.Terminal.slice/vte-spawn-{UID}.scope", f"vte-spawn-{UID}.scope"),
        # Docker, Podman, containerd
        (f"/system.slice/docker-{ID}.scope", "docker-3f4e5d6c7b8a"),
        (f"/docker/{ID}", "docker-3f4e5d6c7b8a"),
        (f"/docker/{ID}/system.slice/nginx.service", "docker-3f4e5d6c7b8a"),
        (f"/system.slice/docker-{ID}.scope/init.scope", "docker-3f4e5d6c7b8a"),
        (f"/system.slice/docker.service/docker/{ID}", "docker-3f4e5d6c7b8a"),
        (f"{SESSION}/user.slice/docker-{ID}.scope", "docker-3f4e5d6c7b8a"),
        (f"/ecstasks.slice/ecstasks-{HASH}.slice/docker-{ID}.scope", "docker-3f4e5d6c7b8a"),
        (f"/machine.slice/libpod-{ID}.scope", "libpod-3f4e5d6c7b8a"),
        (f"/machine.slice/libpod-{ID}.scope/container/system.slice/httpd.service", "libpod-3f4e5d6c7b8a"),
        (f"/machine.slice/libpod-conmon-{ID}.scope", "libpod-conmon-3f4e5d6c7b8a"),
        (f"/machine.slice/machine-libpod_pod_{ID}.slice/libpod-{ID}.scope", "libpod-3f4e5d6c7b8a"),
        (f"/libpod_parent/libpod-{ID}/ctr", "libpod-3f4e5d6c7b8a"),
        (f"{SESSION}/user.slice/libpod-{ID}.scope/container", "libpod-3f4e5d6c7b8a"),
        (f"/system.slice/web.service/libpod-payload-{ID}", "web.service"),
        (f"/system.slice/nerdctl-{ID}.scope", "nerdctl-3f4e5d6c7b8a"),
        (f"/system.slice:cri-containerd:{ID}", "cri-containerd-3f4e5d6c7b8a"),
        (f"/default/{ID}", "default-3f4e5d6c7b8a"),
        (f"/{ID}", "3f4e5d6c7b8a"),
        # Kubernetes: systemd and cgroupfs drivers
        (
            f"/kubepods.slice/kubepods-burstable.slice/kubepods-burstable-pod{UID_}.slice/cri-containerd-{ID}.scope",
            f"pod{UID}",
        ),
        (f"/kubepods.slice/kubepods-pod{UID_}.slice/crio-{ID}.scope", f"pod{UID}"),
        (f"/kubepods.slice/kubepods-pod{UID_}.slice/crio-conmon-{ID}.scope", f"pod{UID}"),
        (f"/kubepods.slice/kubepods-besteffort.slice/kubepods-besteffort-pod{HASH}.slice/x", f"pod{HASH}"),
        (f"/kubepods/burstable/pod{UID}/{ID}", f"pod{UID}"),
        (f"/kubepods/pod{UID}/crio-{ID}", f"pod{UID}"),
        (f"/system.slice/containerd.service/kubepods-pod{UID_}.slice:cri-containerd:{ID}", f"pod{UID}"),
        (f"/docker/{ID}/kubelet.slice/kubelet-kubepods.slice/kubelet-kubepods-pod{UID_}.slice", "docker-3f4e5d6c7b8a"),
        ("/kubepods.slice/kubepods-burstable.slice", "kubepods-burstable.slice"),
        (f"/crio-{ID}.scope", "crio-3f4e5d6c7b8a"),
        # LXC, LXD, systemd-nspawn, libvirt
        ("/lxc/101/ns/system.slice/nginx.service", "lxc-101"),
        ("/lxc.payload/web", "lxc-web"),
        ("/lxc.payload.web-1/system.slice/nginx.service", "lxc-web-1"),
        ("/lxc.monitor.web-1", "lxc.monitor.web-1"),
        ("/machine.slice/machine-foo.scope/payload/system.slice/nginx.service", "machine-foo.scope"),
        ("/machine.slice/systemd-nspawn@foo.service/payload/init.scope", "systemd-nspawn@foo.service"),
        ("/machine.slice/machine-qemu\\x2d1\\x2dvm.scope/libvirt/emulator", "machine-qemu\\x2d1\\x2dvm.scope"),
        # no systemd
        ("/openrc.nginx", "openrc.nginx"),
        ("/openrc/nginx", "openrc/nginx"),
        ("/jobs/batch/7/", "jobs/batch/7"),
        # nearly
        (f"/docker/{ID[1:]}", f"docker/{ID[1:]}"),
        (f"/docker/{ID.upper()}", f"docker/{ID.upper()}"),
        (f"/system.slice/x{ID}.scope", f"x{ID}.scope"),
        (f"/tripod{UID}.slice/web.service", "web.service"),
        ("/bad\udcff/name", r"bad\udcff/name"),
    ],
)
def test_unit_name(path: str, name: str | None) -> None:
    assert unit_name(path) == name


@pytest.fixture
def mount() -> str:
    found = ProcFs().cgroup2_mount()
    assert found is not None, "no cgroup v2 file system is mounted"
    return found


@pytest.fixture
def made(mount: str) -> Iterator[dict[str, int]]:
    """Real cgroups below a slice of this process's own: path below the slice -> cgroup id."""
    top = f"{mount}/tcptide-test-{os.getpid()}.slice"
    paths = ("a.service", "a.service/deep", "b.slice", "b.slice/b-1.scope", f"docker-{ID}.scope")
    os.mkdir(top)
    ids = {}
    try:
        for path in paths:
            os.mkdir(f"{top}/{path}")
            ids[path] = os.stat(f"{top}/{path}").st_ino
        yield ids
    finally:
        for path in reversed(ids):
            os.rmdir(f"{top}/{path}")
        os.rmdir(top)


@pytest.mark.root
@pytest.mark.parametrize("user", ["root", "nobody"])
def test_real_cgroups_are_named(user: str, mount: str, made: dict[str, int]) -> None:
    with as_user(user):
        assert names(made.values(), mount) == {
            made["a.service"]: "a.service",
            made["a.service/deep"]: "a.service",
            made["b.slice"]: "b.slice",
            made["b.slice/b-1.scope"]: "b-1.scope",
            made[f"docker-{ID}.scope"]: "docker-3f4e5d6c7b8a",
        }


@pytest.mark.root
def test_only_what_was_asked_for_is_named(mount: str, made: dict[str, int]) -> None:
    gone = 2**40
    assert names([made["a.service"], gone], mount) == {made["a.service"]: "a.service"}


@pytest.mark.root
def test_a_walk_ends_at_its_bound(mount: str, made: dict[str, int], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cgroups, "MAX_DIRECTORIES", 1)
    assert names(made.values(), mount) == {}


def test_the_root_cgroup_has_no_name(tmp_path: os.PathLike[str]) -> None:
    assert names([os.stat(tmp_path).st_ino], str(tmp_path)) == {}


def test_without_a_mount_nothing_is_named(tmp_path: os.PathLike[str]) -> None:
    assert names([1, 2], None) == {}
    assert names([1, 2], f"{tmp_path}/gone") == {}


def test_a_walk_does_not_leave_through_symbolic_links(tmp_path: os.PathLike[str]) -> None:
    os.makedirs(f"{tmp_path}/outside/x.service")
    os.makedirs(f"{tmp_path}/cgroup/a.slice")
    os.symlink(f"{tmp_path}/outside", f"{tmp_path}/cgroup/link")
    inode = os.stat(f"{tmp_path}/outside/x.service").st_ino
    assert names([inode], f"{tmp_path}/cgroup") == {}
