package steer

import (
	"encoding/binary"
	"errors"
	"net"
	"net/netip"

	"github.com/vishvananda/netlink/nl"
	"golang.org/x/sys/unix"
)

// Offsets and sizes of struct inet_diag_req_v2 and inet_diag_msg (linux/inet_diag.h, sock_diag(7)).
const (
	diagRequestSize = 56
	diagStates      = 4
	diagSourcePort  = 8
	diagPeerPort    = 10
	diagSource      = 12
	diagPeer        = 28
	diagInterface   = 44
	diagCookie      = 48

	diagInode       = 68
	diagMessageSize = 72
)

// diagRequest names one TCP socket by its addresses.
type diagRequest [diagRequestSize]byte

// Len and Serialize make it part of a netlink request.
func (r *diagRequest) Len() int          { return len(r) }
func (r *diagRequest) Serialize() []byte { return r[:] }

// oneSocket names the socket of a connection. The interface is needed for link-local addresses, which
// may exist on several; 0 is none.
func oneSocket(c Connection, interfaceIndex int) *diagRequest {
	r := &diagRequest{unix.AF_INET, unix.IPPROTO_TCP}
	if c.Local.Addr().Is6() {
		r[0] = unix.AF_INET6
	}
	binary.NativeEndian.PutUint32(r[diagStates:], ^uint32(0)) // every state
	binary.BigEndian.PutUint16(r[diagSourcePort:], c.Local.Port())
	binary.BigEndian.PutUint16(r[diagPeerPort:], c.Remote.Port())
	copy(r[diagSource:], c.Local.Addr().AsSlice())
	copy(r[diagPeer:], c.Remote.Addr().AsSlice())
	binary.NativeEndian.PutUint32(r[diagInterface:], uint32(interfaceIndex))
	binary.NativeEndian.PutUint64(r[diagCookie:], ^uint64(0)) // INET_DIAG_NOCOOKIE
	return r
}

// inodeOf returns the inode of one TCP socket of this network namespace.
func inodeOf(local, remote netip.AddrPort) (uint32, error) {
	messages, err := diag(nl.SOCK_DIAG_BY_FAMILY, 0, Connection{Local: local, Remote: remote})
	if err != nil {
		return 0, err
	}
	if len(messages) != 1 || len(messages[0]) < diagMessageSize {
		return 0, errors.New("sock_diag: not the answer to one socket")
	}
	return binary.NativeEndian.Uint32(messages[0][diagInode:]), nil
}

// destroy resets one TCP connection of this network namespace from its local end: the other end gets
// a RST (SOCK_DESTROY, Linux 4.5).
func destroy(c Connection) error {
	_, err := diag(nl.SOCK_DESTROY, unix.NLM_F_ACK, c)
	return err
}

// diag sends one request about the socket of a connection. ENOENT means that there is none, or that
// the kernel lacks the module tcp_diag.
func diag(kind, flags int, c Connection) (messages [][]byte, err error) {
	interfaces, err := interfacesOf(c)
	if err != nil {
		return nil, err
	}
	for _, index := range interfaces {
		request := nl.NewNetlinkRequest(kind, flags)
		request.AddData(oneSocket(c, index))
		if messages, err = request.Execute(unix.NETLINK_INET_DIAG, 0); !errors.Is(err, unix.ENOENT) {
			break
		}
	}
	return messages, err
}

// interfacesOf returns the interfaces to which the socket of a connection may be bound. A socket with
// link-local addresses is bound to one, and /proc/net/tcp6 does not say to which.
func interfacesOf(c Connection) (indices []int, err error) {
	if !c.Local.Addr().IsLinkLocalUnicast() && !c.Remote.Addr().IsLinkLocalUnicast() {
		return []int{0}, nil
	}
	all, err := net.Interfaces()
	for _, i := range all {
		indices = append(indices, i.Index)
	}
	return indices, err
}
