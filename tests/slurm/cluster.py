"""A throw-away SLURM on loopback, for tests: two nodes and one that may die, real GPU scheduling.

| node | partition | what |
|---|---|---|
| n1 | cpu (the default) | 8 made-up CPUs |
| n2 | frail | the same; a test kills it |
| g1 | gpu | the same, and two made-up GPUs |

It needs root and Debian's packages slurm-wlm and munge; slurmdbd and mariadb-server for accounting.
"""

from __future__ import annotations

import os
import shutil
import signal
import socket
import stat
import subprocess
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import psutil

COMMANDS = ("slurmctld", "slurmd", "sbatch", "srun", "squeue", "munged")
DATABASE_COMMANDS = ("slurmdbd", "mariadbd", "mariadb-install-db", "sacctmgr")
NODES = {"n1": "cpu", "n2": "frail", "g1": "gpu"}


def missing(accounting: bool = False) -> str | None:
    """Return why there can be no cluster on this machine, or None."""
    wanted = COMMANDS + (DATABASE_COMMANDS if accounting else ())
    absent = [name for name in wanted if shutil.which(name) is None]
    if absent:
        packages = "slurm-wlm munge" + (" slurmdbd mariadb-server" if accounting else "")
        return f"no {', '.join(absent)} (Debian: apt-get install {packages})"
    if os.geteuid() != 0:
        return "a cluster of one's own needs root"
    with tempfile.TemporaryDirectory() as folder:
        try:
            _make_device(Path(folder) / "null")
        except OSError as error:
            return f"no made-up GPUs: {error}"
    try:
        address = socket.gethostbyname(_host())
    except OSError:
        address = "no address"
    if not address.startswith("127."):
        return f"the host's name {_host()} must resolve to 127.0.0.1 (/etc/hosts), not {address}"
    return None


class Cluster:
    """A SLURM with all its files in a folder; a `with` block starts and stops it."""

    def __init__(self, folder: Path, accounting: bool = False) -> None:
        self.folder = folder
        self.accounting = accounting
        self.daemons: dict[str, subprocess.Popen[bytes]] = {}
        self.ports = _free_ports(3 + len(NODES))
        self.environment = {
            **os.environ,
            "SLURM_CONF": str(folder / "slurm.conf"),
            "PATH": f"{folder / 'bin'}:{os.environ['PATH']}",
        }

    def __enter__(self) -> Cluster:
        try:
            self.start()
        except BaseException:
            self.stop()
            raise
        return self

    def __exit__(self, *error: object) -> None:
        self.stop()

    def start(self) -> None:
        """Bring everything up and wait until all nodes are idle."""
        for name in ("log", "state", "dev", "bin", "socket", *(f"spool_{n}" for n in NODES)):
            (self.folder / name).mkdir(parents=True)
        self._start_munge()
        self._write_config()
        if self.accounting:
            self._start_database()
        self._run("slurmctld", "slurmctld", "-D")
        self._wait("slurmctld", lambda: self.succeeds("scontrol", "ping"))
        for node in NODES:
            self.start_node(node)
        self._wait("the nodes", lambda: set(self.nodes().values()) == {"idle"})

    def stop(self) -> None:
        """Cancel all jobs and stop every daemon, last started first."""
        if "slurmctld" in self.daemons:
            self.succeeds("scancel", "--user", "root")
            self._wait("the jobs' end", lambda: not self.ask("squeue", "-h"), required=False)
        for daemon in reversed(self.daemons.values()):
            daemon.terminate()
            try:
                daemon.wait(10)
            except subprocess.TimeoutExpired:
                daemon.kill()
                daemon.wait()
        self.daemons.clear()

    def start_node(self, node: str) -> None:
        """Start a node's daemon."""
        self._run(node, "slurmd", "-D", "-N", node)

    def kill_node(self, node: str) -> None:
        """Kill a node as a power cut does: its daemon and everything that runs on it, at once."""
        victims = [psutil.Process(self.daemons.pop(node).pid)]
        for process in psutil.process_iter(["cmdline"]):
            if self._belongs(process.info["cmdline"] or [], node):
                victims += [process, *process.children(recursive=True)]
        for victim in victims:
            try:
                victim.send_signal(signal.SIGKILL)
            except psutil.NoSuchProcess:
                continue

    def _belongs(self, command: list[str], node: str) -> bool:
        """Whether a process is a step's daemon of a node: `slurmstepd: [12.batch]`."""
        if not command or not command[0].startswith("slurmstepd: ["):
            return False
        job = command[0].partition("[")[2].partition(".")[0]
        return self.ask("squeue", "-h", "-j", job, "-o", "%N") == node

    def nodes(self) -> dict[str, str]:
        """Return each node's state: idle, mixed, down ..."""
        lines = self.ask("sinfo", "-h", "-N", "-o", "%N %T").splitlines()
        return dict(line.split() for line in lines)

    def ask(self, *command: str) -> str:
        """Return what a SLURM command prints, "" where it fails."""
        done = subprocess.run(
            command, env=self.environment, capture_output=True, text=True, check=False, timeout=60
        )
        return done.stdout.strip()

    def succeeds(self, *command: str) -> bool:
        """Whether a command ends well."""
        done = subprocess.run(command, env=self.environment, capture_output=True, check=False)
        return done.returncode == 0

    def _start_munge(self) -> None:
        """Start the daemon that signs messages, with a key of its own."""
        self.folder.chmod(0o755)
        key, place = self.folder / "munge.key", self.folder / "socket" / "munge"
        key.write_bytes(os.urandom(128))
        key.chmod(0o600)
        logs = [f"--{n}-file={self.folder / 'log' / f'munge.{n}'}" for n in ("pid", "log", "seed")]
        files = [f"--key-file={key}", f"--socket={place}", *logs]
        self._run("munged", "munged", "-F", "--force", *files)
        self._wait("munged", lambda: self.succeeds("munge", "-n", "-S", str(place)))

    def _start_database(self) -> None:
        """Start MariaDB without a network and slurmdbd on it; the cluster's account is `test`."""
        data, place = self.folder / "database", self.folder / "socket" / "mysql"
        install = ["--no-defaults", "--user=root", f"--datadir={data}", "--skip-test-db"]
        if not self.succeeds(
            "mariadb-install-db", *install, "--auth-root-authentication-method=normal"
        ):
            raise RuntimeError("mariadb-install-db failed")
        self._run(
            "mariadbd",
            "mariadbd", "--no-defaults", "--user=root", f"--datadir={data}", f"--socket={place}",
            "--skip-networking", "--skip-grant-tables", "--innodb-buffer-pool-size=64M",
            "--innodb-lock-wait-timeout=900", "--innodb-flush-log-at-trx-commit=0",
        )  # fmt: skip
        self._wait("mariadbd", lambda: place.exists())
        # slurmdbd has no setting for the database's socket; the client library reads this variable.
        self.environment["MYSQL_UNIX_PORT"] = str(place)
        self._run("slurmdbd", "slurmdbd", "-D")
        self._wait("slurmdbd", lambda: self.succeeds("sacctmgr", "-i", "list", "cluster"))
        for entity in (["cluster", "t"], ["account", "test", "cluster=t"],
                       ["user", "root", "account=test"]):  # fmt: skip
            self.succeeds("sacctmgr", "-i", "add", *entity)

    def _write_config(self) -> None:
        """Write slurm.conf, gres.conf, slurmdbd.conf, made-up GPUs and the wrapper of srun."""
        host, ports, folder = _host(), self.ports, self.folder
        munge = f"socket={folder / 'socket' / 'munge'}"
        nodes = [
            f"NodeName={node} NodeHostname={host} NodeAddr=127.0.0.1 Port={port} CPUs=8 "
            f"RealMemory=64000{' Gres=gpu:a100:2' if node == 'g1' else ''}"
            for node, port in zip(NODES, ports[3:], strict=True)
        ]
        partitions = [
            f"PartitionName={partition} Nodes={node} DefMemPerCPU=100"
            f"{' Default=YES' if partition == 'cpu' else ''}"
            for node, partition in NODES.items()
        ]
        storage = "AccountingStorageType=accounting_storage/none"
        if self.accounting:
            storage = DATABASE_CLIENT.format(port=ports[2], socket=folder / "socket" / "munge")
            place = folder / "slurmdbd.conf"
            place.write_text(DATABASE.format(host=host, port=ports[2], munge=munge, folder=folder))
            place.chmod(0o600)  # slurmdbd refuses any other
        config = SETTINGS.format(
            host=host, controller=ports[0], node=ports[1], munge=munge, folder=folder
        )
        (folder / "slurm.conf").write_text("\n".join([config, storage, *nodes, *partitions, ""]))
        (folder / "gres.conf").write_text(
            f"AutoDetect=off\nNodeName=g1 Name=gpu Type=a100 File={folder}/dev/nvidia[0-1]\n"
        )
        for number in (0, 1):
            _make_device(folder / "dev" / f"nvidia{number}")
        # Snakemake's job step drops SLURM_CONF before it calls srun.
        wrapper = folder / "bin" / "srun"
        real = shutil.which("srun")
        wrapper.write_text(f'#!/bin/sh\nSLURM_CONF={folder}/slurm.conf exec {real} "$@"\n')
        wrapper.chmod(0o755)

    def _run(self, name: str, *command: str) -> None:
        """Start a daemon as a child of this process; what it says goes to a log."""
        with open(self.folder / "log" / f"{name}.out", "ab") as log:
            self.daemons[name] = subprocess.Popen(
                command, env=self.environment, stdout=log, stderr=log, stdin=subprocess.DEVNULL
            )

    def _wait(
        self, what: str, ready: Callable[[], bool], seconds: float = 60, required: bool = True
    ) -> None:
        """Wait until `ready()`; raises TimeoutError if that is required and does not happen."""
        deadline = time.monotonic() + seconds
        while not ready():
            if time.monotonic() > deadline:
                if required:
                    raise TimeoutError(f"{what} not ready after {seconds} s; see {self.folder}/log")
                return
            time.sleep(0.05)


def _host() -> str:
    return socket.gethostname().partition(".")[0]


def _make_device(path: Path) -> None:
    """Make a made-up GPU; SLURM hands out character devices only, so it is another /dev/null."""
    os.mknod(path, 0o666 | stat.S_IFCHR, os.makedev(1, 3))


def _free_ports(count: int) -> list[int]:
    """Return TCP ports of loopback that nobody uses."""
    sockets = [socket.socket() for _ in range(count)]
    for one in sockets:
        one.bind(("127.0.0.1", 0))
    ports = [one.getsockname()[1] for one in sockets]
    for one in sockets:
        one.close()
    return ports


# Short waits, so that tests are: a node is down after 10 s of silence, a requeued job waits 10 s.
SETTINGS = """
ClusterName=t
SlurmctldHost={host}(127.0.0.1)
SlurmctldPort={controller}
SlurmdPort={node}
SlurmUser=root
SlurmdUser=root
AuthType=auth/munge
AuthInfo={munge},cred_expire=10
CommunicationParameters=NoCtldInAddrAny,NoInAddrAny
StateSaveLocation={folder}/state
SlurmdSpoolDir={folder}/spool_%n
SlurmctldPidFile={folder}/slurmctld.pid
SlurmdPidFile={folder}/slurmd_%n.pid
SlurmctldLogFile={folder}/log/slurmctld.log
SlurmdLogFile={folder}/log/slurmd_%n.log
SlurmdParameters=config_overrides
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
SwitchType=switch/none
MpiDefault=none
MailProg=/bin/true
SelectType=select/cons_tres
SelectTypeParameters=CR_Core_Memory
SchedulerType=sched/backfill
SchedulerParameters=sched_interval=1,bf_interval=1,batch_sched_delay=0,sched_min_interval=0
GresTypes=gpu
PrologFlags=Alloc
ReturnToService=2
JobRequeue=1
MinJobAge=600
KillWait=2
OverTimeLimit=0
InactiveLimit=0
CompleteWait=0
SlurmdTimeout=10
UnkillableStepTimeout=120
MessageTimeout=10
JobAcctGatherType=jobacct_gather/linux
JobAcctGatherFrequency=task=1
JobAcctGatherParams=OverMemoryKill
"""
DATABASE_CLIENT = """
AccountingStorageType=accounting_storage/slurmdbd
AccountingStorageHost=127.0.0.1
AccountingStoragePort={port}
AccountingStoragePass={socket}
AccountingStorageTRES=gres/gpu
AccountingStoreFlags=job_comment
"""
DATABASE = """
AuthType=auth/munge
AuthInfo={munge}
DbdHost={host}
DbdAddr=127.0.0.1
DbdPort={port}
SlurmUser=root
LogFile={folder}/log/slurmdbd.log
PidFile={folder}/slurmdbd.pid
StorageType=accounting_storage/mysql
StorageHost=localhost
StorageUser=root
StorageLoc=slurm
CommitDelay=0
"""
