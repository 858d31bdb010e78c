/* Socket files outlive who made them. */
#ifndef DATAPLANE_UNIX_SOCKET_H
#define DATAPLANE_UNIX_SOCKET_H

/* Make way for a SOCK_SEQPACKET listener at path: remove the file of one that died. 0, also when
 * there is none; -EADDRINUSE when somebody listens there, -ENOTSOCK when it is another file;
 * another -errno when it cannot be removed. */
int unix_socket_reclaim(const char *path);

#endif
