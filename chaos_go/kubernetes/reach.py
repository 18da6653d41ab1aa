"""How an agent is started in a container of a pod."""

from dataclasses import dataclass

from chaos_go.agent.channel import Channel
from chaos_go.errors import AgentError, ClusterError
from chaos_go.kubernetes.client import Client
from chaos_go.kubernetes.kinds import PODS

AGENT = "/chaos-agent"
"""The path of the agent in its image."""


@dataclass(frozen=True)
class PodReach:
    """An agent in a container of a pod. The container has the image of the agent, and it runs.

    Attributes:
        client: The cluster.
        namespace: Namespace of the pod.
        pod: Name of the pod.
        uid: Identity of the pod: the replacement of a pod of a StatefulSet has its name.
        container: Name of the container.
    """

    client: Client
    namespace: str
    pod: str
    uid: str
    container: str

    def open(self, command: str) -> Channel:
        """Start an agent in the container.

        Args:
            command: Sub-command of the agent, for instance ``load``.

        Raises:
            BadInputError: The API server is behind a proxy.
            ClusterError: The API server refused, or did not answer in time.
            AgentError: The pod was replaced by another of its name.
        """
        from chaos_go.kubernetes.stream import run_in_pod  # its libraries take 30 ms to import

        channel = run_in_pod(
            self.client, self.namespace, self.pod, self.container, [AGENT, command]
        )
        try:  # afterwards: if the pod is the same now, it was the same when the stream was opened
            pod = self.client.get(PODS.path(self.namespace, self.pod))
        except ClusterError:
            channel.kill()
            raise
        if pod["metadata"]["uid"] != self.uid:
            channel.kill()
            raise AgentError(f"pod={self.namespace}/{self.pod}: another pod has this name now")
        return channel
