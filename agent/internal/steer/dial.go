package steer

import (
	"errors"
	"fmt"
	"net"
	"net/netip"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// DialService connects to the destination of an intercepted client, and our own rules let it pass. The
// clients of many hosts become one address here, and all of its ports may be in TIME_WAIT. Then it
// dials from loopback, whose ports the kernel uses again after a second (tcp_tw_reuse).
func DialService(to *net.TCPAddr) (*net.TCPConn, error) {
	d := net.Dialer{Timeout: 10 * time.Second, Control: markOwn}
	c, err := dialPatiently(d, to.String())
	if errors.Is(err, unix.EADDRNOTAVAIL) {
		d.LocalAddr, d.Control = &net.TCPAddr{IP: loopbackLike(to.IP)}, markOwnLate
		c, err = dialPatiently(d, to.String())
	}
	if err != nil {
		return nil, fmt.Errorf("the service at %s: %w", to, err)
	}
	return c.(*net.TCPConn), nil
}

// loopbackLike returns the loopback address of the same family.
func loopbackLike(ip net.IP) net.IP {
	if ip.To4() == nil {
		return net.IPv6loopback
	}
	return net.IPv4(127, 0, 0, 1)
}

// DialDependency connects to the destination of an intercepted call, and the rules for calls let it
// pass.
func DialDependency(to netip.AddrPort) (*net.TCPConn, error) {
	d := net.Dialer{Timeout: 10 * time.Second, Control: markCall}
	c, err := dialPatiently(d, to.String())
	if err != nil {
		return nil, fmt.Errorf("the dependency at %s: %w", to, err)
	}
	return c.(*net.TCPConn), nil
}

// DialUpstream connects an explicit proxy to its upstream.
func DialUpstream(address string) (*net.TCPConn, error) {
	d := net.Dialer{Timeout: 10 * time.Second}
	c, err := dialPatiently(d, address)
	if err != nil {
		return nil, fmt.Errorf("the upstream %s: %w", address, err)
	}
	return c.(*net.TCPConn), nil
}

// Reset closes a connection with a RST, as when no service listens.
func Reset(c *net.TCPConn) {
	c.SetLinger(0) //nolint:errcheck // the connection is given up either way
	c.Close()      //nolint:errcheck // same
}

func transparent(network, _ string, raw syscall.RawConn) error {
	level, option := unix.SOL_IP, unix.IP_TRANSPARENT
	if network == "tcp6" {
		level, option = unix.SOL_IPV6, unix.IPV6_TRANSPARENT
	}
	return setOption(raw, level, option, 1)
}

func markOwn(_, _ string, raw syscall.RawConn) error {
	return setOption(raw, unix.SOL_SOCKET, unix.SO_MARK, mark)
}

// markOwnLate also lets the kernel choose the port when it knows the destination, so that ports can be
// shared (IP_BIND_ADDRESS_NO_PORT in ip(7)).
func markOwnLate(network, address string, raw syscall.RawConn) error {
	return errors.Join(markOwn(network, address, raw), setOption(raw, unix.SOL_IP, unix.IP_BIND_ADDRESS_NO_PORT, 1))
}

func markCall(_, _ string, raw syscall.RawConn) error {
	return setOption(raw, unix.SOL_SOCKET, unix.SO_MARK, markOutbound)
}

func setOption(raw syscall.RawConn, level, option, value int) error {
	var err error
	refused := raw.Control(func(fd uintptr) { err = unix.SetsockoptInt(int(fd), level, option, value) })
	return errors.Join(refused, err)
}
