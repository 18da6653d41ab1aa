#!/bin/bash
# PID 1 of the control plane or of a node: member.sh NAME ADDRESS ROLE. It gives the daemons the folders that they
# expect, without touching those of the host, and then runs ROLE.sh.
set -eu
readonly name=$1 address=$2 role=$3
echo "$name" >/proc/sys/kernel/hostname

# /run is new, and all that is needed is bound below /run/lab before the host's /run and /var/lib are hidden:
# the cache or the checkout may be in there.
new_run=$LAB_STATE/$name/run
mount -t tmpfs -o mode=755 lab "$new_run"
bind() { mkdir -p "$new_run/lab/$2"; mount --bind "$1" "$new_run/lab/$2"; }
bind "$LAB_INSIDE" inside
bind "$LAB_KUBEBOX" kubebox
bind "$LAB_PACKAGES" packages
bind "$LAB_STATE/pki" pki
bind "$LAB_STATE/shared" shared
bind "$LAB_STATE/images" images
bind "$LAB_STATE/logs" logs
bind "$LAB_STATE/$name/lib" lib
bind "$LAB_STATE/$name/log" log
mkdir -p "$new_run"/lab/{conf,daemons,sysctl} "$new_run/lock"
mount --no-mtab --move "$new_run" /run # mount keeps its own table in /run
# containerd cannot lay an overlay on an overlay, which the folders of a container are.
if [ "$(stat --file-system --format=%T /run/lab/lib)" = overlayfs ]; then
  mount -t tmpfs -o mode=755 lab /var/lib
else
  mount --bind /run/lab/lib /var/lib
fi
mount --bind /run/lab/log /var/log
cd /
export PATH=/run/lab/kubebox:/run/lab/packages/bin:/run/lab/packages/usr/bin:/run/lab/packages/usr/sbin:/run/lab/packages/sbin:$PATH

# The kubelet wants these values, and would write them for the whole machine. It reads them here, and finds them right.
for setting in vm/overcommit_memory=1 vm/panic_on_oom=0 kernel/panic=10 kernel/panic_on_oops=1 \
    kernel/keys/root_maxkeys=1000000 kernel/keys/root_maxbytes=25000000; do
  file=/run/lab/sysctl/${setting%%=*}
  mkdir -p "${file%/*}"
  echo "${setting#*=}" >"$file"
  mount --bind "$file" "/proc/sys/${setting%%=*}"
done

ip link set lo up
until ip link show eth0 >/dev/null 2>&1; do sleep 0.01; done
ip addr add "$address/24" dev eth0
ip link set eth0 up
ip route add default via 10.88.0.1
echo 1 >/proc/sys/net/ipv4/ip_forward
for i in $(seq "$LAB_NODES"); do
  [ "$address" = "10.88.0.$((10 + i))" ] || ip route add "10.244.$i.0/24" via "10.88.0.$((10 + i))"
done

# daemon NAME COMMAND...: keeps it running. While the file NAME.stopped exists, it is not started again.
daemon() {
  local daemon=$1
  shift
  while :; do
    while [ -e "/run/lab/daemons/$daemon.stopped" ]; do sleep 0.05; done
    "$@" >>"/run/lab/logs/$name-$daemon.log" 2>&1 &
    echo $! >"/run/lab/daemons/$daemon.pid"
    wait $! || :
    echo "lab: $daemon has ended" >>"/run/lab/logs/$name-$daemon.log"
    sleep 0.5
  done &
}

# conf FILE: copies a file of conf/ with the names of this member filled in.
conf() {
  mkdir -p "/run/lab/conf/$(dirname "$1")"
  sed -e "s|@NAME@|$name|g" -e "s|@NUMBER@|${name#node}|g" -e "s|@CGROUP@|$LAB_CGROUP|g" \
    "/run/lab/inside/conf/$1" >"/run/lab/conf/$1"
}

readonly pki=/run/lab/pki
. "/run/lab/inside/$role.sh"
while :; do wait; sleep 1; done # bash waits for orphans too
