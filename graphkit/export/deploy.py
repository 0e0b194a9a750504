"""What helps an app into a container and onto Kubernetes: files to read, and to change."""

from __future__ import annotations

import re
import sys
from collections.abc import Mapping, Sequence
from typing import Any

from graphkit.spec import text

PORT = 8080
# Requests that were accepted are answered before the container ends; Kubernetes must wait for as long.
GRACE_S = 40


def kubernetes_name(name: str) -> str:
    """Return a name that Kubernetes takes: small letters, digits and hyphens, 63 at most.

    >>> kubernetes_name("My App_2")
    'my-app-2'
    >>> kubernetes_name("2024")
    'app-2024'
    """
    made = re.sub(r"[^a-z0-9]+", "-", name.lower()).strip("-")[:50].strip("-")
    return made if made[:1].isalpha() else f"app-{made}".strip("-")


def containerfile(name: str) -> str:
    """Return how to build an image of the app; the app's folder is the build's context."""
    version = f"{sys.version_info.major}.{sys.version_info.minor}"
    return f"""\
# Build it from the app's folder:  podman build -f deploy/Containerfile -t {kubernetes_name(name)} .   (or docker build)
FROM docker.io/library/python:{version}-slim

ENV PYTHONDONTWRITEBYTECODE=1 PYTHONUNBUFFERED=1 PIP_NO_CACHE_DIR=1
WORKDIR /app

# What the app needs changes less often than the app, so that this layer is kept.
COPY requirements.txt .
RUN pip install -r requirements.txt

COPY . .
# Loads the app and tries its recorded cases: an image that answers differently is not built.
RUN graphkit test /app

USER 10001
EXPOSE {PORT}
CMD ["graphkit", "serve", "/app", "--host", "0.0.0.0", "--port", "{PORT}"]
"""


def ignorefile() -> str:
    """Return what an image does not need."""
    return "deploy/\n**/__pycache__/\n.git/\n"


def manifests(name: str) -> list[dict[str, Any]]:
    """Return the Kubernetes objects that run the app: a Deployment, a Service and a PodDisruptionBudget.

    Examples
    --------
    >>> [item["kind"] for item in manifests("iris")]
    ['Deployment', 'Service', 'PodDisruptionBudget']
    """
    own = kubernetes_name(name)

    def labels() -> dict[str, str]:  # of each its own, or YAML would refer from one to another
        return {"app.kubernetes.io/name": own}

    def head() -> dict[str, Any]:
        return {"name": own, "labels": labels()}

    return [
        {
            "apiVersion": "apps/v1",
            "kind": "Deployment",
            "metadata": head(),
            "spec": {
                "replicas": 2,
                "selector": {"matchLabels": labels()},
                # A new pod is ready before an old one goes.
                "strategy": {"type": "RollingUpdate", "rollingUpdate": {"maxUnavailable": 0, "maxSurge": 1}},
                "template": {"metadata": {"labels": labels()}, "spec": _pod(own)},
            },
        },
        {
            "apiVersion": "v1",
            "kind": "Service",
            "metadata": head(),
            "spec": {"selector": labels(), "ports": [{"name": "http", "port": 80, "targetPort": "http"}]},
        },
        {
            "apiVersion": "policy/v1",
            "kind": "PodDisruptionBudget",
            "metadata": head(),
            "spec": {"minAvailable": 1, "selector": {"matchLabels": labels()}},
        },
    ]


def _pod(own: str) -> dict[str, Any]:
    return {
        "terminationGracePeriodSeconds": GRACE_S,
        "automountServiceAccountToken": False,
        "securityContext": {"runAsNonRoot": True, "runAsUser": 10001, "seccompProfile": {"type": "RuntimeDefault"}},
        "containers": [
            {
                "name": own,
                "image": f"registry.example.com/{own}:1",
                "ports": [{"name": "http", "containerPort": PORT}],
                "startupProbe": {**_probe("/v2/health/live"), "periodSeconds": 2, "failureThreshold": 60},
                "livenessProbe": {**_probe("/v2/health/live"), "periodSeconds": 10, "timeoutSeconds": 5},
                "readinessProbe": {**_probe("/v2/health/ready"), "periodSeconds": 5, "timeoutSeconds": 5},
                # Load balancers learn late that a pod is going; until then it still answers.
                "lifecycle": {"preStop": {"exec": {"command": ["sleep", "5"]}}},
                "resources": {"requests": {"cpu": "250m", "memory": "512Mi"}, "limits": {"memory": "1Gi"}},
                "securityContext": {
                    "allowPrivilegeEscalation": False,
                    "readOnlyRootFilesystem": True,
                    "capabilities": {"drop": ["ALL"]},
                },
                "volumeMounts": [{"name": "tmp", "mountPath": "/tmp"}],  # noqa: S108  # in the container
            }
        ],
        "volumes": [{"name": "tmp", "emptyDir": {}}],
    }


def _probe(path: str) -> dict[str, Any]:
    return {"httpGet": {"path": path, "port": "http"}}


def kubernetes_yaml(name: str) -> str:
    """Return the manifests as one file."""
    head = (
        "# Runs the app on Kubernetes:  kubectl apply -f deploy/kubernetes.yaml\n"
        "# Change the image to where yours was pushed, and the resources to what the models need.\n"
        "# API keys and other secrets belong into a Secret, and from there into the environment.\n"
    )
    return head + "---\n" + "---\n".join(map(text.to_yaml, manifests(name)))


def _environment(names: Sequence[str]) -> list[str]:
    told = ", ".join(f"`{name}`" for name in names)
    return [f"Secrets are read from the environment, where they must be set: {told}.", ""] if names else []


def readme(name: str, facts: Mapping[str, Any]) -> str:
    """Return the app's own README.

    Parameters
    ----------
    name
        The app's name.
    facts
        ``modules``, ``artifacts`` and ``environment`` (lists), ``cases`` (how many), ``outline`` of the graph, ``own``:
        the requirement of graphkit itself.
    """
    lines = [
        f"# {name}",
        "",
        "A graph, written by graphkit's export. The folder runs as it stands, on any machine with Python "
        f"{sys.version_info.major}.{sys.version_info.minor}:",
        "",
        "```console",
        "pip install -r requirements.txt",
        "graphkit test .       # the recorded cases answer as they did when the app was exported",
        f"graphkit serve . --port {PORT}",
        "```",
        "",
        f"Where no package index has `{facts['own']}` yet: put its wheel beside `requirements.txt` and add "
        "`--find-links .` to the first line, or run `pip install '<checkout of graphkit>[serve]'` before it.",
        "",
        "```text",
        str(facts["outline"]).rstrip(),
        "```",
        "",
        "| file | what it is |",
        "| --- | --- |",
        "| `graph.yaml` | the graph: its steps, and the names of what they call |",
        *(f"| `{module}` | {what} |" for module, what in facts["modules"]),
        "| `settings.yaml` | what the graph may name and read; settings of the server |",
        "| `requirements.txt` | the packages that it was exported with, and their versions |",
        *(
            [f"| `cases.yaml` | requests that were recorded ({facts['cases']}), and the answers to them |"]
            if facts["cases"]
            else []
        ),
        *(f"| `{place}` | read by steps |" for place in facts["artifacts"]),
        "| `deploy/` | to build a container, and to run it on Kubernetes |",
        "",
        "## What the app may do",
        "",
        "Whoever changes `graph.yaml` must not thereby choose what code runs, what is read or written elsewhere, or",
        "where data goes. When the app is loaded, everything is refused but what the app's own modules define,",
        "graphkit's steps, files below this folder, streams in memory or in such files, and what `settings.yaml` lists",
        "under `app`:",
        "",
        "| in `settings.yaml` | the graph may |",
        "| --- | --- |",
        "| `allow` | name this code, with all that is below it |",
        "| `allow_pickle` | load these model files that could run code (pickles), by their SHA-256 |",
        "| `outside` | read these files and folders outside of the app |",
        "| `allow_streams` | write to and read from these streams, given as URLs |",
        "| `allow_env` | read these variables of the environment as secrets |",
        "| `allow_urls` | name these addresses of services, each with all that is below it; `https://` is any |",
        "",
        "The modules themselves are trusted: they are the app.",
        "",
        *_environment(facts["environment"]),
        "## In a container, and on Kubernetes",
        "",
        "```console",
        f"podman build -f deploy/Containerfile -t registry.example.com/{kubernetes_name(name)}:1 .",
        f"podman run --rm -p {PORT}:{PORT} registry.example.com/{kubernetes_name(name)}:1",
        f"podman push registry.example.com/{kubernetes_name(name)}:1",
        "kubectl apply -f deploy/kubernetes.yaml",
        "```",
        "",
        "The container runs as a user without rights, on a file system that it cannot write to but for `/tmp`. Pods",
        f"are ready when all models are loaded, and have {GRACE_S} seconds to answer what they accepted.",
        "",
    ]
    return "\n".join(lines)
