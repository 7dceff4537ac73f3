"""pasta (of passt): carries what a sandbox sends to the host's sockets, and the answers back, without any right.

It is started in the host's network namespace as root of the sandbox's user namespace, which is a nobody
everywhere else. There it makes a device in the sandbox's network namespace, and then gives its rights up: no
files, hardly a system call. Its own ways to the host's loopback and for connections from outside are all
switched off; that it may not reach the host's addresses is for the sandbox's filter to see to.

For datagrams it binds the port that the sandbox chose, ready to share it with whoever is there already: another
sandbox's pasta, or a service. A filter takes that readiness from it, so that a port belongs to who came first.
"""
import errno
import os
import resource
import shutil
import signal
import stat

from zygote import linux, seccomp

from . import tap

_PLACES = "/usr/local/bin:/usr/bin:/bin:/usr/local/sbin:/usr/sbin:/sbin"
_OPTIONS = (
    "--foreground", "--quiet", "--netns-only", "--netns", "/tmp/netns", "--no-netns-quit", "--ns-ifname", tap.NAME,
    "--tcp-ports", "none", "--udp-ports", "none", "--tcp-ns", "none", "--udp-ns", "none",
    "--no-map-gw", "--no-dhcp", "--no-dhcpv6", "--no-ndp", "--no-ra", "--no-icmp",
)
_VERSION_OPTIONS = {4: "--ipv4-only", 6: "--ipv6-only"}
_KEPT = (linux.CAP_SYS_ADMIN, linux.CAP_SETUID, linux.CAP_SETGID, linux.CAP_NET_ADMIN, linux.CAP_NET_BIND_SERVICE)
_SAID_BYTES_MAX = 4096
# One for each connection, and for each own port of datagrams.
_FILES_MAX = 2048


def lacking() -> "str | None":
    """What this machine lacks for it to be started, and what mends that."""
    if _program() is None:
        return "pasta is not installed: apt-get install -y passt"
    if not tap.has_device():
        return f"{tap.DEVICE} is not there, or not for this user: modprobe tun, or run workers as root"
    return None


def _program() -> "str | None":
    return shutil.which("pasta", path=_PLACES)


class Pasta:
    """`pidfd` is readable when it has ended; `said()` is what it complained of until then."""

    def __init__(self, user_namespace: int, network_namespace: int, versions: "tuple[int, ...]") -> None:
        lack = lacking()
        if lack is not None:
            raise OSError(errno.ENOENT, lack)
        arguments = [_program(), *_OPTIONS, *_addresses(versions)]
        self._said, theirs = os.pipe2(os.O_CLOEXEC | os.O_NONBLOCK)
        parent = os.getpid()
        self.pid = os.fork()
        if self.pid == 0:
            _become(arguments, theirs, user_namespace, network_namespace, parent)
        os.close(theirs)
        self.pidfd = os.pidfd_open(self.pid)

    def end(self) -> None:
        """Returns when it has gone."""
        signal.pidfd_send_signal(self.pidfd, signal.SIGKILL)
        os.waitpid(self.pid, 0)
        os.close(self.pidfd)
        os.close(self._said)

    def said(self) -> str:
        try:
            lines = os.read(self._said, _SAID_BYTES_MAX).decode(errors="replace").splitlines()
        except BlockingIOError:
            lines = []
        # An old one also says that it reaches no system log.
        told = [line for line in lines if line.strip() and "to syslog" not in line]
        return told[-1] if told else "it said nothing"


def _addresses(versions: "tuple[int, ...]") -> "list[str]":
    options = [_VERSION_OPTIONS[versions[0]]] if len(versions) == 1 else []
    for version in versions:
        own, gateway = tap.ADDRESSES[version]
        options += ["--address", own, "--gateway", gateway]
    return options + (["--netmask", "32"] if 4 in versions else [])


def _become(arguments: "list[str]", said: int, user_namespace: int, network_namespace: int, parent: int) -> None:
    """In the fork: never returns."""
    try:
        null = os.open("/dev/null", os.O_RDWR)
        for fd, target in ((null, 0), (null, 1), (said, 2)):
            os.dup2(fd, target)
        is_root = os.geteuid() == 0
        if is_root:
            _lay_out(network_namespace, own_device=os.stat(tap.DEVICE).st_mode & 0o006 != 0o006)
        linux.setns(user_namespace, linux.CLONE_NEWUSER)
        os.setresgid(0, 0, 0)
        os.setresuid(0, 0, 0)
        if not is_root:
            _lay_out(network_namespace, own_device=False)
        linux.drop_bounding_set(keep=_KEPT)
        _soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
        files = _FILES_MAX if hard == resource.RLIM_INFINITY else min(_FILES_MAX, hard)
        resource.setrlimit(resource.RLIMIT_NOFILE, (files, files))
        linux.install_filter(linux.Filter(seccomp.unshared_ports_program()))
        # It takes what it finds for a mistake.
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGPIPE):
            signal.signal(number, signal.SIG_DFL)
        linux.close_from(3)
        # After the last change of ids, which clears it.
        linux.prctl(linux.PR_SET_PDEATHSIG, signal.SIGKILL)
        if os.getppid() == parent:
            os.execve(arguments[0], arguments, {"PATH": _PLACES})
    except BaseException as error:
        os.write(2, f"{error}\n".encode())
    os._exit(1)


def _lay_out(network_namespace: int, own_device: bool) -> None:
    """In a mount namespace of its own: the sandbox's network namespace by a name, and a device that it may open.

    By a name, since it may not look at a stranger's entry in /proc, and closes what it inherits. A device of
    its own, since some machines keep theirs for root.
    """
    linux.unshare(linux.CLONE_NEWNS)
    linux.mount("none", "/", None, linux.MS_REC | linux.MS_PRIVATE)
    linux.mount("tmpfs", "/tmp", "tmpfs", linux.MS_NOSUID, "size=64k,mode=0755")
    os.close(os.open("/tmp/netns", os.O_CREAT | os.O_WRONLY, 0o644))
    linux.mount(f"/proc/self/fd/{network_namespace}", "/tmp/netns", None, linux.MS_BIND)
    if own_device:
        os.mknod("/tmp/tun", stat.S_IFCHR, os.stat(tap.DEVICE).st_rdev)
        os.chmod("/tmp/tun", 0o666)
        linux.mount("/tmp/tun", tap.DEVICE, None, linux.MS_BIND)
