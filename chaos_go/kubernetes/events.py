"""What the cluster says about an object in its events, for messages."""

from chaos_go.errors import ClusterError, shorten
from chaos_go.kubernetes.client import Client
from chaos_go.kubernetes.kinds import EVENTS

_MOST_CHARACTERS = 300


def last_warning(client: Client, namespace: str, uid: str) -> str:
    """Return the message of the newest warning about an object; "" if there is none.

    It makes a message better, so nothing is said when this user may not read events.

    Args:
        client: The cluster.
        namespace: Namespace of the object.
        uid: Identity of the object.
    """
    asked = f"involvedObject.uid={uid},type=Warning"
    try:
        events, _ = client.items(EVENTS.path(namespace), fieldSelector=asked)
    except ClusterError:
        return ""
    newest = max(events, key=lambda x: int(x["metadata"].get("resourceVersion") or 0), default={})
    return shorten(str(newest.get("message", "")), _MOST_CHARACTERS)
