#!/bin/bash
# PID 1 of a laboratory. It makes a bridge, and on it the control plane and each node, as namespaces inside its own.
# Whoever works with the cluster is in this network namespace; see `cluster enter`.
# Commands come as lines of the named pipe $LAB_STATE/commands: "start NODE", "end".
set -u
readonly NET=10.88.0 # laboratory/places.py has the same addresses

echo lab >/proc/sys/kernel/hostname
echo 1 >/proc/sys/net/ipv4/ip_forward
ip link set lo up
ip link add br0 type bridge
ip addr add $NET.1/24 dev br0
ip link set br0 up
echo 0 >/proc/sys/net/ipv4/conf/br0/send_redirects # packets come back through the bridge on purpose

# Sends the addresses of Services through the first node that lives. It knows how to translate them.
route_services() {
  local i
  for i in $(seq "$LAB_NODES"); do
    [ -e "$LAB_STATE/shared/node$i.lives" ] || continue
    ip route replace 10.96.0.0/16 via $NET.$((10 + i))
    return
  done
}

# member NAME ADDRESS ROLE: runs ROLE.sh as PID 1 of new namespaces on the bridge, until it ends.
member() {
  local name=$1 address=$2 role=$3 outer inner= port=to-${1%-plane} # a name has up to 15 characters
  unshare --mount --propagation private --net --pid --uts --ipc --fork --kill-child=KILL --mount-proc \
    bash "$LAB_INSIDE/member.sh" "$name" "$address" "$role" </dev/null >>"$LAB_STATE/logs/$name.log" 2>&1 8<&- &
  outer=$!
  while [ -z "$inner" ]; do
    kill -0 $outer 2>/dev/null || return
    read -r inner _ 2>/dev/null <"/proc/$outer/task/$outer/children"
    sleep 0.01
  done
  # The kernel removes the interface of a node that died a moment later than the node.
  until ip link add "$port" type veth peer name eth0 netns "$inner" 2>/dev/null; do
    kill -0 $outer 2>/dev/null || return
    sleep 0.01
  done
  ip link set "$port" master br0 up
  rm -f "$LAB_STATE/shared/$name.ended"
  touch "$LAB_STATE/shared/$name.lives"
  route_services
  wait $outer
  mv "$LAB_STATE/shared/$name.lives" "$LAB_STATE/shared/$name.ended"
  route_services
}

start_node() {
  member "$1" $NET.$((10 + ${1#node})) node &
}

# The end of the tether: nobody has the other end of standard input open any more.
if [ -n "$LAB_TETHER" ]; then
  exec 8<&0 # bash gives background jobs /dev/null as standard input
  { cat >/dev/null; echo end >"$LAB_STATE/commands"; } <&8 &
fi

member control-plane $NET.10 control-plane &
for i in $(seq "$LAB_NODES"); do
  ip route add 10.244.$i.0/24 via $NET.$((10 + i))
  start_node "node$i"
done

exec 9<>"$LAB_STATE/commands" # open for writing too, so that it never ends
while read -r -u 9 command argument; do
  case $command in
    start) start_node "$argument" ;;
    end) exit ;; # the kernel ends everything else
  esac
done
