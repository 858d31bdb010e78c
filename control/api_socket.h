/* Makes the control socket. */
#ifndef CONTROL_API_SOCKET_H
#define CONTROL_API_SOCKET_H

/* A nonblocking listener on path, mode 0660, of this group ("": ours); makes the last directory of
 * path if there is none, replaces a socket that nobody listens on. The descriptor or -errno, said
 * in the log. */
int api_socket_listen(const char *path, const char *group);

#endif
