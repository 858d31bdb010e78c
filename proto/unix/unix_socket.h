/* Listening at a path, whose socket file outlives who made it. Types are those of socket(2). */
#ifndef UNIX_SOCKET_H
#define UNIX_SOCKET_H

/* A nonblocking listener, mode 0660. Makes the path's last directory if only that is missing, and
 * replaces the socket of one that died; one process at a time does. The descriptor; -EADDRINUSE
 * when somebody listens there, -ENOTSOCK when it is another file, -ENAMETOOLONG, another -errno. */
int unix_socket_listen(const char *path, int type, int backlog);
/* Make way for a listener that somebody else makes: remove the file of one that died. 0, also when
 * there is none, or as above. */
int unix_socket_reclaim(const char *path, int type);

#endif
