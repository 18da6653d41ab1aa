# The daemons of a node; member.sh runs this file. SIGKILL of PID 1 is the death of the node, with all its pods.
for file in containerd.toml cni/10-lab.conflist kubelet.yaml proxy.yaml resolv.conf; do conf "$file"; done

daemon containerd containerd --config /run/lab/conf/containerd.toml --log-level warn
until [ -S /run/containerd/containerd.sock ] && ctr version >/dev/null 2>&1; do sleep 0.05; done
for image in /run/lab/images/*.tar; do
  ctr --namespace k8s.io images import "$image" >>"/run/lab/logs/$name-images.log" 2>&1
done

until [ -e /run/lab/shared/api-ready ]; do sleep 0.02; done
daemon kubelet kubelet --v=1 --config=/run/lab/conf/kubelet.yaml --kubeconfig="$pki/kubelet-$name.kubeconfig" \
  --hostname-override="$name" --node-ip="$address" --root-dir=/var/lib/kubelet
daemon proxy kube-proxy --v=1 --config=/run/lab/conf/proxy.yaml --hostname-override="$name"
