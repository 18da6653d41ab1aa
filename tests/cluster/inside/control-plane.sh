# The daemons of the control plane; member.sh runs this file.
# They run as a user of this laboratory, since they need no root: the kernel limits how many inotify instances a user may
# have (128), and they have 13. So root has enough of them for the nodes of several laboratories.
as_user=(setpriv --reuid="$LAB_USER" --regid="$LAB_USER" --clear-groups)
chown -R "$LAB_USER" $pki
install -d -o "$LAB_USER" /run/etcd

# Nothing is stored on disk: a cluster always starts empty.
daemon etcd "${as_user[@]}" etcd --data-dir=/run/etcd --unsafe-no-fsync --log-level=warn \
  --listen-client-urls=http://127.0.0.1:2379 --advertise-client-urls=http://127.0.0.1:2379 \
  --listen-peer-urls=http://127.0.0.1:2380 --initial-advertise-peer-urls=http://127.0.0.1:2380 \
  --initial-cluster=default=http://127.0.0.1:2380

audit=()
if [ -e /run/lab/shared/audit-policy.yaml ]; then
  install -o "$LAB_USER" /dev/null /run/lab/logs/audit.jsonl
  audit=(--audit-policy-file=/run/lab/shared/audit-policy.yaml --audit-log-path=/run/lab/logs/audit.jsonl)
fi

# Pods leave a dead node after 2 s, instead of 300 s: tests wait for that.
daemon apiserver "${as_user[@]}" kube-apiserver --v=1 --etcd-servers=http://127.0.0.1:2379 \
  --secure-port=6443 --bind-address=0.0.0.0 --advertise-address="$address" \
  --tls-cert-file=$pki/apiserver.crt --tls-private-key-file=$pki/apiserver.key --client-ca-file=$pki/ca.crt \
  --kubelet-client-certificate=$pki/apiserver-kubelet-client.crt \
  --kubelet-client-key=$pki/apiserver-kubelet-client.key \
  --kubelet-certificate-authority=$pki/ca.crt --kubelet-preferred-address-types=InternalIP \
  --authorization-mode=Node,RBAC --enable-admission-plugins=NodeRestriction --allow-privileged=true \
  --default-not-ready-toleration-seconds=2 --default-unreachable-toleration-seconds=2 \
  --service-account-issuer=https://kubernetes.default.svc \
  --service-account-key-file=$pki/sa.pub --service-account-signing-key-file=$pki/sa.key \
  --requestheader-client-ca-file=$pki/front-proxy-ca.crt --requestheader-allowed-names=front-proxy-client \
  --requestheader-username-headers=X-Remote-User --requestheader-group-headers=X-Remote-Group \
  --requestheader-extra-headers-prefix=X-Remote-Extra- \
  --proxy-client-cert-file=$pki/front-proxy-client.crt --proxy-client-key-file=$pki/front-proxy-client.key \
  --service-cluster-ip-range=10.96.0.0/16 "${audit[@]}"

until [ -e /run/lab/shared/api-ready ]; do sleep 0.02; done

# With the default rate of requests, the first service account would appear 5 s later.
daemon controller-manager "${as_user[@]}" kube-controller-manager --v=1 --kubeconfig=$pki/controller-manager.kubeconfig \
  --authentication-kubeconfig=$pki/controller-manager.kubeconfig \
  --authorization-kubeconfig=$pki/controller-manager.kubeconfig --bind-address=127.0.0.1 --leader-elect=false \
  --service-account-private-key-file=$pki/sa.key --root-ca-file=$pki/ca.crt \
  --cluster-signing-cert-file=$pki/ca.crt --cluster-signing-key-file=$pki/ca.key \
  --use-service-account-credentials=true --kube-api-qps=500 --kube-api-burst=1000 --controller-start-interval=0s \
  --allocate-node-cidrs=false --service-cluster-ip-range=10.96.0.0/16 \
  --node-monitor-period=1s --node-monitor-grace-period=8s \
  --flex-volume-plugin-dir=/var/lib/kubelet/volumeplugins

daemon scheduler "${as_user[@]}" kube-scheduler --v=1 --kubeconfig=$pki/scheduler.kubeconfig \
  --authentication-kubeconfig=$pki/scheduler.kubeconfig --authorization-kubeconfig=$pki/scheduler.kubeconfig \
  --bind-address=127.0.0.1 --leader-elect=false
