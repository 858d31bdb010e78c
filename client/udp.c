#include "udp.h"

#include <errno.h>
#include <linux/filter.h>
#include <netinet/in.h>
#include <netinet/udp.h>
#include <sys/socket.h>
#include <unistd.h>

#include "errors.h"
#include "sockaddr.h"

static bool set(int fd, int level, int option, int value)
{
    return setsockopt(fd, level, option, &value, sizeof(value)) == 0;
}

/* As large as the kernel lets us, which it does not call an error. */
static void set_buffers(int fd)
{
    if (!set(fd, SOL_SOCKET, SO_RCVBUFFORCE, UDP_BUFFER_BYTES))
        set(fd, SOL_SOCKET, SO_RCVBUF, UDP_BUFFER_BYTES);
    if (!set(fd, SOL_SOCKET, SO_SNDBUFFORCE, UDP_BUFFER_BYTES))
        set(fd, SOL_SOCKET, SO_SNDBUF, UDP_BUFFER_BYTES);
}

/* What makes a socket better and may be missing. IPv6 sockets that carry IPv4 want both families'
 * options. PROBE: never fragment, and let nothing the network claims about the path's MTU stop a
 * probe: that is found out by authenticated packets (RFC 8899). */
static void set_options(struct udp *udp)
{
    int fd = udp->fd;

    set_buffers(fd);
    if (udp->local.family == JP_IPV6) {
        set(fd, IPPROTO_IPV6, IPV6_MTU_DISCOVER, IPV6_PMTUDISC_PROBE);
        set(fd, IPPROTO_IPV6, IPV6_RECVTCLASS, 1);
        set(fd, IPPROTO_IPV6, IPV6_RECVPKTINFO, 1);
    }
    set(fd, IPPROTO_IP, IP_MTU_DISCOVER, IP_PMTUDISC_PROBE);
    set(fd, IPPROTO_IP, IP_RECVTOS, 1);
    set(fd, IPPROTO_IP, IP_PKTINFO, 1);
    set(fd, IPPROTO_UDP, UDP_GRO, 1);
    udp->gso = set(fd, IPPROTO_UDP, UDP_SEGMENT, 0);
}

/* What must be set before binding, and the binding; returns 0 or errno. */
static int bind_socket(struct udp *udp, const jp_address *address, unsigned flags)
{
    union sockaddr_any s;
    socklen_t length = sockaddr_store(&s, address);
    bool dual = flags & UDP_DUAL_STACK;

    if ((flags & UDP_REUSEPORT && !set(udp->fd, SOL_SOCKET, SO_REUSEPORT, 1)) ||
        (address->family == JP_IPV6 && !set(udp->fd, IPPROTO_IPV6, IPV6_V6ONLY, !dual)) ||
        bind(udp->fd, &s.any, length) < 0)
        return errno;
    length = sizeof(s);
    if (getsockname(udp->fd, &s.any, &length) < 0)
        return errno;
    udp->local = sockaddr_load(&s);
    return 0;
}

/* The detail names the address. */
static int bind_error(const jp_address *address, int e)
{
    char text[JP_ADDRESS_TEXT];

    jp_address_format(address, text, sizeof(text));
    return failure_errno(OP_BIND, e, text);
}

int udp_open(struct udp *udp, const jp_address *address, unsigned flags)
{
    int family = address->family == JP_IPV6 ? AF_INET6 : AF_INET, error;

    *udp = (struct udp){.fd = -1};
    if (address->family == JP_NO_FAMILY)
        return failure(JP_INVALID, NULL, "no address");
    udp->fd = socket(family, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (udp->fd < 0)
        return bind_error(address, errno);
    error = bind_socket(udp, address, flags);
    if (error) {
        udp_close(udp);
        return bind_error(address, error);
    }
    set_options(udp);
    return 0;
}

void udp_close(struct udp *udp)
{
    if (udp->fd >= 0)
        close(udp->fd);
    udp->fd = -1;
}

/* Classic BPF, which needs no privilege: it sees the UDP payload and returns the socket's place in
 * the order of binding. Packets too short to load from go to the first. */
static bool attach_steering(int fd, unsigned n)
{
    struct sock_filter code[] = {
        BPF_STMT(BPF_LD | BPF_W | BPF_ABS, 0), /* SPI */
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, 0, 0, 1),
        BPF_STMT(BPF_LD | BPF_W | BPF_ABS, 8), /* a handshake: the client's SPI */
        BPF_STMT(BPF_ALU | BPF_MOD | BPF_K, n),
        BPF_STMT(BPF_RET | BPF_A, 0),
    };
    struct sock_fprog program = {.len = sizeof(code) / sizeof(*code), .filter = code};

    return setsockopt(fd, SOL_SOCKET, SO_ATTACH_REUSEPORT_CBPF, &program, sizeof(program)) == 0;
}

int udp_open_group(struct udp *sockets, unsigned n, const jp_address *address, unsigned flags)
{
    jp_address bound = *address;
    int error = 0;
    unsigned i;

    for (i = 0; i < n && !error; i++) {
        error = udp_open(&sockets[i], &bound, flags | UDP_REUSEPORT);
        bound = sockets[i].local;
        if (!error && i == 0 && !attach_steering(sockets[0].fd, n))
            error = failure(JP_LISTEN_STEERING, NULL, "SO_ATTACH_REUSEPORT_CBPF refused");
    }
    if (error)
        while (i-- > 0)
            udp_close(&sockets[i]);
    return error;
}
