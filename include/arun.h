/* SPDX-License-Identifier: MIT */
/*
 * arun.h - straight-line C for the event loop.
 *
 * Read from top to bottom: it is the tutorial. plugins/ has programs to imitate.
 *
 * In this file:
 * - A call whose comment ends in "Suspends." may let other tasks run, and fails with ECANCELED
 *   in a cancelled task and with ETIMEDOUT past an ARUN_TIMEOUT. No other call does either.
 * - Failure is -1 or NULL with errno set; arun_why() tells the rest. errno belongs to the task:
 *   a suspension keeps it, and so does a close that succeeds. 0 from a read is the end of the stream,
 *   which is no failure: errno and arun_why() stay as they were.
 * - Times are seconds, as double. Objects are opaque; whatever ends one takes NULL as well.
 * - One thread runs all tasks of a run; calls are made from that thread, but arun_post() and
 *   arun_log() from any.
 * - Many calls are macros over a function of the same name plus "_at" that takes the place of the
 *   call, so that the reports can name the line. The plain function exists too, for pointers. A
 *   pointer to data of yours may be to a compound literal: arun_chan_send(chan, &(struct pair){1, 2}).
 *   It lives to the end of the block that it stands in.
 * - Suspending outside a task, waking one from another thread, and using a handle that is gone,
 *   print one line and abort.
 */
#ifndef ARUN_H
#define ARUN_H

#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <sys/socket.h>
#include <sys/types.h>
#include <sys/uio.h>

#ifdef __cplusplus
extern "C" {
#endif

#define ARUN_API __attribute__((visibility("default")))
#define ARUN_FORMAT(string, first) __attribute__((format(printf, string, first)))
#define ARUN_PASTE_(a, b) a##b
#define ARUN_PASTE(a, b) ARUN_PASTE_(a, b)

/* A place in the source: where an object was made, or where a task waits. */
struct arun_site {
	const char *file;
	const char *function;
	int line;
};

/* The place of this line, as a pointer to a constant that lives as long as the plugin. */
#define ARUN_SITE                                                                        \
	(__extension__({                                                                 \
		static const struct arun_site arun_site_ = {                             \
			__FILE__, __func__, __LINE__};                                   \
		&arun_site_;                                                             \
	}))

typedef struct arun_task arun_task;
typedef struct arun_group arun_group;
typedef struct arun_conn arun_conn;
typedef struct arun_server arun_server;
typedef struct arun_gen arun_gen;
typedef struct arun_chan arun_chan;
typedef struct arun_timer arun_timer;
typedef struct arun_udp arun_udp;
typedef struct arun_process arun_process;
typedef struct arun_signals arun_signals;
typedef struct arun_tls arun_tls;
struct addrinfo;
struct ev_loop;
struct ucred;

/* Entries: what a plugin offers */

#define ARUN_ABI 1 /* of plugins; the loader refuses another */

enum arun_entry_kind { ARUN_ENTRY_MAIN = 1, ARUN_ENTRY_SERVER = 2 };

/* Made by ARUN_MAIN and ARUN_SERVER; read by the launcher before anything runs. */
struct arun_entry {
	uint32_t abi;
	uint32_t size;
	int kind;
	int (*function)(int argc, char **argv);
	const char *identifier; /* the function's name */
	const char *file;
	int line;
	/* What follows may be set by name in the macros, in this order. */
	const char *name;  /* picked by PLUGIN:NAME; default: the function's name */
	const char *about; /* one line for --check */
	size_t stack_size; /* bytes, from 32 KiB, the guard's 16 among them; 0: 256 KiB */
	int (*reload)(void); /* on SIGHUP, in a task of its own; negative: logged */
};

/* A declaration a line. */
/* clang-format off */
#ifdef __cplusplus
#define ARUN_ENTRY_DECLARE_(fn) \
	_Pragma("GCC diagnostic ignored \"-Wmissing-field-initializers\"") extern "C" ARUN_API const struct \
		arun_entry arun_entry_##fn
#else
#define ARUN_ENTRY_DECLARE_(fn) extern ARUN_API const struct arun_entry arun_entry_##fn
#endif
#define ARUN_ENTRY_(what, fn, ...)                                                       \
	ARUN_ENTRY_DECLARE_(fn);                                                         \
	__attribute__((used))                                                            \
	const struct arun_entry arun_entry_##fn = {.abi = ARUN_ABI,                      \
		.size = sizeof(struct arun_entry),                                       \
		.kind = what,                                                            \
		.function = fn,                                                          \
		.identifier = #fn,                                                       \
		.file = __FILE__,                                                        \
		.line = __LINE__,                                                        \
		__VA_ARGS__};
/* clang-format on */

/*
 * Declares a main coroutine: int fn(int argc, char **argv). It may suspend anywhere; its result is
 * the exit status (above 255: 255), a negative one is 1 with the reason on stderr. argv[0] is
 * PLUGIN as it was typed. At file scope, without a semicolon.
 * Members of struct arun_entry may follow: ARUN_MAIN(fn, .name = "copy", .about = "copies").
 */
#define ARUN_MAIN(...) ARUN_ENTRY_(ARUN_ENTRY_MAIN, __VA_ARGS__, )

/*
 * Declares a server generator: the same type of function; it sets up, calls arun_yield() exactly
 * once, and cleans up. Asked to stop by SIGTERM, it ends with exit status 0.
 */
#define ARUN_SERVER(...) ARUN_ENTRY_(ARUN_ENTRY_SERVER, __VA_ARGS__, )

/*
 * In a server: set-up is over, the loop serves until the run is asked to stop.
 *
 * Returns the signal that asked (SIGINT, SIGTERM), 0 for arun_stop(). Asked before it was called,
 * it returns at once and ends the cancellation, so that the clean-up runs like any other. -1 with
 * EALREADY: called before (the run's exit status becomes 1); EPERM: not the server entry's own task
 * (likewise); ECANCELED, ETIMEDOUT: by arun_cancel() or an ARUN_TIMEOUT around it. Suspends.
 */
ARUN_API int arun_yield(void);
ARUN_API int arun_yield_at(const struct arun_site *site);
#define arun_yield() arun_yield_at(ARUN_SITE)

/*
 * Asks for an orderly stop, as SIGTERM does. status is the exit status where it would have been 0,
 * and that of a main that this cancels. The first call counts; the caller goes on.
 * Does not suspend.
 */
ARUN_API void arun_stop(int status);
ARUN_API void arun_stop_at(const struct arun_site *site, int status);
#define arun_stop(status) arun_stop_at(ARUN_SITE, status)

/* Whether the run was asked to stop, by a signal or by arun_stop(). Does not suspend. */
ARUN_API bool arun_stopping(void);

/* Tasks */

/*
 * Starts fn(arg) as a task with a stack of its own (64 KiB). It is queued last and first runs when
 * the caller suspends. arg stays the caller's and must outlive the task.
 *
 * Returns the task, to be given to arun_join() or arun_detach() once. NULL with ENOMEM: no memory, or
 * no mapping left (vm.max_map_count), for its stack; ESHUTDOWN: there is no run in this thread.
 * Does not suspend.
 */
ARUN_API arun_task *arun_spawn(int (*fn)(void *), void *arg);
ARUN_API arun_task *arun_spawn_at(
	const struct arun_site *site, const char *name, int (*fn)(void *), void *arg);
#define arun_spawn(fn, ...) arun_spawn_at(ARUN_SITE, #fn, fn, __VA_ARGS__)

typedef struct arun_spawn_options {
	const char *name;  /* copied, at most 31 bytes; NULL: the function's name */
	size_t stack_size; /* bytes, from 32 KiB, the guard's 16 among them; 0: 64 KiB */
} arun_spawn_options;

/* The same with options; also EINVAL: a stack_size above 1 GiB. Does not suspend. */
ARUN_API arun_task *arun_spawn_with(
	int (*fn)(void *), void *arg, const arun_spawn_options *options);
ARUN_API arun_task *arun_spawn_with_at(const struct arun_site *site, const char *name,
	int (*fn)(void *), void *arg, const arun_spawn_options *options);
#define arun_spawn_with(fn, ...) arun_spawn_with_at(ARUN_SITE, #fn, fn, __VA_ARGS__)

/*
 * Waits until task has ended, stores what its function returned in *result (where result is not
 * NULL; -errno in place of -1, -EIO where that set none), and frees it. Several tasks may join one:
 * all get the result, and of a failure arun_why(), too. A join of a task that was cancelled always
 * does its work, but where that one waits for the end of the caller.
 *
 * Returns 0; or -1, and the handle stays valid: ECANCELED, ETIMEDOUT; EDEADLK: task is the caller;
 * EINVAL: NULL, a detached task, or a task that a group owns. Suspends.
 */
ARUN_API int arun_join(arun_task *task, int *result);
ARUN_API int arun_join_at(const struct arun_site *site, arun_task *task, int *result);
#define arun_join(task, result) arun_join_at(ARUN_SITE, task, result)

/*
 * Asks task to stop: from now on its every call that suspends fails with ECANCELED, the one it
 * waits in included, until it ends. It frees nothing. NULL and ended tasks are ignored. A task
 * that has not run yet still runs. Does not suspend.
 */
ARUN_API void arun_cancel(arun_task *task);
ARUN_API void arun_cancel_at(const struct arun_site *site, arun_task *task);
#define arun_cancel(task) arun_cancel_at(ARUN_SITE, task)

/*
 * Gives the task away: it frees itself, is cancelled when the run stops, and is never a leak. A
 * failure of it is reported at once. The handle is gone. Does not suspend.
 */
ARUN_API void arun_detach(arun_task *task);

/* The running task; NULL outside a task. Does not suspend. */
ARUN_API arun_task *arun_self(void);

/* Names task (NULL: the caller) for the reports; at most 31 bytes are kept. Does not suspend. */
ARUN_API void arun_set_name(arun_task *task, const char *format, ...) ARUN_FORMAT(2, 3);

/* Groups */

struct arun_group {
	void *private_[24];
};

/*
 * Declares arun_group *group, to the end of the enclosing block, however that is left (break,
 * return, goto): then what still runs in it is cancelled and joined, and errno is kept.
 * Suspends at the end of the block.
 */
#define ARUN_GROUP(group)                                                                \
	struct arun_group ARUN_PASTE(group, _space_);                                    \
	arun_group *group __attribute__((cleanup(arun_group_end), unused)) =             \
		arun_group_begin(&ARUN_PASTE(group, _space_), ARUN_SITE)
ARUN_API arun_group *arun_group_begin(
	struct arun_group *space, const struct arun_site *site);
ARUN_API void arun_group_end(arun_group **group);

/*
 * Starts fn(arg) as a task of group; it inherits the deadline in force where the group was
 * declared. Any task may call this while the block lasts, those of the group too. Returns 0; -1 with
 * ENOMEM; ECANCELED: the group has been waited for with a failure or has its winner. Does not suspend.
 */
ARUN_API int arun_group_spawn(arun_group *group, int (*fn)(void *), void *arg);
ARUN_API int arun_group_spawn_at(const struct arun_site *site, arun_group *group,
	const char *name, int (*fn)(void *), void *arg);
#define arun_group_spawn(group, fn, ...)                                                 \
	arun_group_spawn_at(ARUN_SITE, group, #fn, fn, __VA_ARGS__)

/*
 * Waits until all tasks of group have ended; the first that fails cancels the rest.
 * Returns 0; -1 with the errno of the first failure (EIO where that set none); ECANCELED, ETIMEDOUT:
 * the caller was interrupted, the tasks were cancelled. Always after all have ended. Suspends.
 */
ARUN_API int arun_group_wait(arun_group *group);
ARUN_API int arun_group_wait_at(const struct arun_site *site, arun_group *group);
#define arun_group_wait(group) arun_group_wait_at(ARUN_SITE, group)

/*
 * Waits until one task of group has succeeded; the rest are cancelled and joined.
 * Returns what that one returned; -1 with the errno of the last failure where none succeeded, with
 * EINVAL where the group is empty; ECANCELED, ETIMEDOUT as above. Suspends.
 */
ARUN_API int arun_group_first(arun_group *group);
ARUN_API int arun_group_first_at(const struct arun_site *site, arun_group *group);
#define arun_group_first(group) arun_group_first_at(ARUN_SITE, group)

/* Time and cancellation */

/*
 * Waits; 0 (or less) lets every other runnable task run once. Returns 0; -1 with ECANCELED,
 * ETIMEDOUT; EINVAL: not a number. Suspends.
 */
ARUN_API int arun_sleep(double seconds);
ARUN_API int arun_sleep_at(const struct arun_site *site, double seconds);
#define arun_sleep(seconds) arun_sleep_at(ARUN_SITE, seconds)

/*
 * The loop's monotonic clock, in seconds, as of the loop's last turn, or of a later call that
 * suspends; without a run in this thread, as of now. Does not suspend.
 */
ARUN_API double arun_now(void);

struct arun_scope {
	void *private_[10];
};

/*
 * A declaration, to the end of the enclosing block: from that many seconds on, the waits in it fail
 * with ETIMEDOUT. An inner one can only shorten. errno is kept at the end of the block.
 */
#define ARUN_TIMEOUT(seconds) ARUN_SCOPE_(arun_timeout_begin, seconds)

/*
 * A declaration, to the end of the enclosing block: holds off cancels of this task, and the timeouts
 * declared outside it, for at most that many seconds, counted from the later of this line and the
 * first thing held off; never beyond the end of a stop's grace time.
 */
#define ARUN_SHIELD(seconds) ARUN_SCOPE_(arun_shield_begin, seconds)

/* Each has a name of its own: any number may stand on a line, as in a macro of yours. */
#define ARUN_SCOPE_(begin, seconds)                                                      \
	ARUN_SCOPE_NAMED_(begin, ARUN_PASTE(arun_scope_, __COUNTER__), seconds)
#define ARUN_SCOPE_NAMED_(begin, name, seconds)                                          \
	struct arun_scope ARUN_PASTE(name, _space_);                                     \
	struct arun_scope *name __attribute__((cleanup(arun_scope_end), unused)) =       \
		begin(&ARUN_PASTE(name, _space_), ARUN_SITE, seconds)
ARUN_API struct arun_scope *arun_timeout_begin(
	struct arun_scope *space, const struct arun_site *site, double seconds);
ARUN_API struct arun_scope *arun_shield_begin(
	struct arun_scope *space, const struct arun_site *site, double seconds);
ARUN_API void arun_scope_end(struct arun_scope **scope);

/*
 * The last failure of this task in words: what, on what, why; which argument is bad; cancelled by whom
 * and where (in groups of any depth whoever cancelled the outermost); which task of a group, or joined.
 * Valid until the task's next failure. "" where nothing failed. Does not suspend.
 */
ARUN_API const char *arun_why(void);

/* Streams */

/*
 * Endpoints are strings: "tcp:HOST:PORT", "HOST:PORT" (tcp), "tcp:[::1]:80", "unix:/path",
 * "unix:@abstract", "fd:N" (a descriptor this process was given), "tls:HOST:PORT" (TCP with TLS).
 *
 * One task may read and one may write a connection at a time; another one gets EBUSY. A cancelled or
 * timed-out call damages nothing: what has arrived stays buffered, the connection stays usable. From
 * then on each read fails, also where bytes are there, or came while it waited.
 * A connection that is closed while another task waits on it fails that wait with EBADF.
 */

/*
 * Connects; where a host has several addresses, to the one that answers first (RFC 8305: the families
 * in turns, the next one after 250 ms; arun_why() names each).
 *
 * Returns the connection, to be closed with arun_close() or arun_abort(). NULL with EINVAL: no
 * endpoint; ENOENT: the host has no address; EAGAIN: no name server answers; ENOMEM, EMFILE, ENFILE;
 * what connect(2) says; ECANCELED, ETIMEDOUT. Suspends.
 */
ARUN_API arun_conn *arun_connect(const char *endpoint);

typedef struct arun_connect_options {
	arun_tls *tls; /* a client's; NULL: of "tls:" the system's, else no TLS */
	const char *server_name; /* that the certificate is to be of; NULL: HOST */
	const char *local; /* an endpoint to connect from: "127.0.0.1:0"; NULL: any */
} arun_connect_options;

/*
 * The same with options. With TLS also: EKEYREJECTED: the certificate is not to be trusted, or not
 * that of HOST; EPROTO, ECONNRESET: the handshake failed; ETIMEDOUT: it took 10 s; EINVAL: no name;
 * EOPNOTSUPP: built without TLS, or no libssl is there. With local: what bind(2) says. Suspends.
 */
ARUN_API arun_conn *arun_connect_with(
	const char *endpoint, const arun_connect_options *options);
ARUN_API arun_conn *arun_connect_at(const struct arun_site *site, const char *endpoint,
	const arun_connect_options *options);
#define arun_connect(endpoint) arun_connect_at(ARUN_SITE, endpoint, NULL)
#define arun_connect_with(...) arun_connect_at(ARUN_SITE, __VA_ARGS__)

/*
 * Reads what is there, at least one byte, at most size. Returns how many; 0 at the end of the stream
 * (and for size 0); -1 with ECANCELED, ETIMEDOUT, EBUSY, EBADF, or what recv(2) says. A connection
 * that was cut, by ECONNRESET for one, says so to each later read, also where a write has met it: 0
 * is the end that the other end has made. Suspends.
 */
ARUN_API ssize_t arun_read(arun_conn *conn, void *buf, size_t size);
ARUN_API ssize_t arun_read_at(
	const struct arun_site *site, arun_conn *conn, void *buf, size_t size);
#define arun_read(conn, buf, size) arun_read_at(ARUN_SITE, conn, buf, size)

/*
 * Reads exactly size bytes. Returns size; 0 where the stream ended before the first; -1 with ENODATA
 * where it ended before the last (what came is returned by the next arun_read()), ENOMEM, and as
 * arun_read(): then nothing was taken. Suspends.
 */
ARUN_API ssize_t arun_read_exactly(arun_conn *conn, void *buf, size_t size);
ARUN_API ssize_t arun_read_exactly_at(
	const struct arun_site *site, arun_conn *conn, void *buf, size_t size);
#define arun_read_exactly(conn, buf, size)                                               \
	arun_read_exactly_at(ARUN_SITE, conn, buf, size)

/*
 * Reads up to and including delimiter. Returns how many bytes; 0 at the end of the stream; -1 with
 * ENOBUFS: no delimiter within size bytes (nothing was taken); ENODATA: the stream ended without
 * one (all that came is returned by the next arun_read()); and as arun_read_exactly(). Suspends.
 */
ARUN_API ssize_t arun_read_until(arun_conn *conn, char delimiter, char *buf, size_t size);
ARUN_API ssize_t arun_read_until_at(const struct arun_site *site, arun_conn *conn,
	char delimiter, char *buf, size_t size);
#define arun_read_until(conn, delimiter, buf, size)                                      \
	arun_read_until_at(ARUN_SITE, conn, delimiter, buf, size)

/*
 * Writes all of it. Returns 0; -1 with EPIPE, ECONNRESET, ECANCELED, ETIMEDOUT, EBUSY, EBADF, or what
 * send(2) says: then arun_written() bytes have gone out, and no more will. Suspends.
 */
ARUN_API int arun_write(arun_conn *conn, const void *buf, size_t size);
ARUN_API int arun_write_at(
	const struct arun_site *site, arun_conn *conn, const void *buf, size_t size);
#define arun_write(...) arun_write_at(ARUN_SITE, __VA_ARGS__)

/* The same from count pieces; also EINVAL: count < 0 or above IOV_MAX. Suspends. */
ARUN_API int arun_writev(arun_conn *conn, const struct iovec *iov, int count);
ARUN_API int arun_writev_at(const struct arun_site *site, arun_conn *conn,
	const struct iovec *iov, int count);
#define arun_writev(...) arun_writev_at(ARUN_SITE, __VA_ARGS__)

/*
 * Writes size bytes of the file fd, from offset on (its own position stays). Returns 0; -1 as
 * arun_write(), and with ENODATA: the file ends before that; EINVAL: offset < 0; ENOMEM; what
 * sendfile(2) and pread(2) say of fd (EBADF, EISDIR, ESPIPE...). Suspends.
 */
ARUN_API int arun_sendfile(arun_conn *conn, int fd, off_t offset, size_t size);
ARUN_API int arun_sendfile_at(
	const struct arun_site *site, arun_conn *conn, int fd, off_t offset, size_t size);
#define arun_sendfile(conn, fd, offset, size)                                            \
	arun_sendfile_at(ARUN_SITE, conn, fd, offset, size)

/*
 * How many bytes of the last write, writev or sendfile were taken; after EBUSY, of the other task's,
 * so far: of the caller's there is none. Does not suspend.
 */
ARUN_API size_t arun_written(const arun_conn *conn);

/*
 * Ends the sending side; the other end reads to the end of the stream, a write of another task that
 * waits fails with EPIPE. Returns 0; -1 with ENOTCONN, EBADF, or ENOTSOCK where conn is no socket. Does
 * not suspend.
 */
ARUN_API int arun_shutdown(arun_conn *conn);

/*
 * Closes in good order: ends the sending side, reads away what the other end still sends for at most
 * 1 s (or a quarter of what is left of the first 7/8 of a stop's grace time), closes, frees. It always
 * does its work, in a cancelled task too. NULL is ignored. Returns 0; -1 with the error the connection
 * ended with (ECONNRESET...). Suspends.
 */
ARUN_API int arun_close(arun_conn *conn);
ARUN_API int arun_close_at(const struct arun_site *site, arun_conn *conn);
#define arun_close(conn) arun_close_at(ARUN_SITE, conn)

/* Closes at once, by RST where it is TCP, and frees. NULL is ignored. Does not suspend. */
ARUN_API void arun_abort(arun_conn *conn);

/*
 * The two addresses as text ("127.0.0.1:53122", "[::1]:80", "unix:/path"), "" where there is none;
 * the descriptor, which stays the connection's. Valid until it is closed. Do not suspend.
 */
ARUN_API const char *arun_peer(const arun_conn *conn);
ARUN_API const char *arun_local(const arun_conn *conn);
ARUN_API int arun_fd(const arun_conn *conn);

/*
 * Who is at the other end of a Unix socket. Returns 0; -1 with what getsockopt(2) says of SO_PEERCRED
 * (ENOPROTOOPT, ENOTSOCK...), EINVAL: not a Unix socket. Does not suspend.
 */
ARUN_API int arun_peer_credentials(const arun_conn *conn, struct ucred *out);

/*
 * Makes a connection of a descriptor: socket, pipe, terminal, regular file. It is taken: arun_close()
 * closes it; on failure it stays yours. 0 to 2 and terminals are opened anew where that is possible,
 * so that other processes do not see O_NONBLOCK; where it is not, O_NONBLOCK is put back at the end.
 * NULL with EBADF; EINVAL: a listening or datagram socket, a directory; EEXIST: a connection has this
 * descriptor; ENOMEM. Does not suspend.
 */
ARUN_API arun_conn *arun_open_fd(int fd);
ARUN_API arun_conn *arun_open_fd_at(const struct arun_site *site, int fd);
#define arun_open_fd(fd) arun_open_fd_at(ARUN_SITE, fd)

/* Servers */

/* What runs for each connection, in a task of its own. The server closes conn when it returns. */
typedef int arun_handler(arun_conn *conn, void *arg);

typedef struct arun_listen_options {
	const char *name;    /* for the reports; copied; NULL: the handler's name */
	int backlog;         /* 0: SOMAXCONN */
	int max_connections; /* no more are accepted; 0: no limit */
	double idle_timeout; /* seconds a read or write may wait; 0: no limit */
	size_t stack_size;   /* of the handlers' tasks, bytes; 0: 64 KiB */
	bool reuse_port;     /* SO_REUSEPORT */
	arun_tls *tls;       /* a server's; NULL: no TLS, and no "tls:" */
} arun_listen_options;

/*
 * Listens at endpoint, and runs handler(conn, arg) for each connection; where handler is NULL they are
 * taken with arun_accept(). A handler that fails is logged (100 lines in 10 s at most, and how many
 * were left out) and counted, nothing more. Port 0 picks one: see arun_server_address(). The socket
 * file of a dead server is replaced, and removed at the end where it is still ours.
 *
 * A socket that was passed to the process (LISTEN_FDS), or opened for --listen, is taken where it is
 * bound to that address; "systemd:NAME" is the one of that name (NULL with ENOENT: none was passed;
 * EBUSY: it is in use). Of a unit with Accept=yes that is one connection, and the run stops when it
 * is closed. Its file is never removed.
 *
 * Returns the server, to be closed with arun_server_close(). NULL with EINVAL: no endpoint to listen
 * at, or "tls:" without an arun_tls_server(); EBUSY: "fd:N" is in use; EADDRINUSE, EACCES,
 * EADDRNOTAVAIL and what else socket(2), bind(2) and listen(2) say; ENOMEM; of a host name what
 * arun_resolve() says, too. Does not suspend for a literal address; looking up a host name Suspends.
 */
ARUN_API arun_server *arun_listen(const char *endpoint, arun_handler *handler, void *arg);
ARUN_API arun_server *arun_listen_with(const char *endpoint, arun_handler *handler,
	void *arg, const arun_listen_options *options);
ARUN_API arun_server *arun_listen_at(const struct arun_site *site, const char *name,
	const char *endpoint, arun_handler *handler, void *arg,
	const arun_listen_options *options);
#define arun_listen(endpoint, handler, ...)                                              \
	arun_listen_at(ARUN_SITE, #handler, endpoint, handler, __VA_ARGS__, NULL)
#define arun_listen_with(endpoint, handler, ...)                                         \
	arun_listen_at(ARUN_SITE, #handler, endpoint, handler, __VA_ARGS__)

/*
 * Waits for the next connection, which is the caller's. NULL with ESHUTDOWN: the run stops or the
 * server closes; EINVAL: it has a handler; EBUSY: another task accepts; ECANCELED, ETIMEDOUT. Running
 * out of descriptors or memory is waited out. Suspends.
 */
ARUN_API arun_conn *arun_accept(arun_server *server);
ARUN_API arun_conn *arun_accept_at(const struct arun_site *site, arun_server *server);
#define arun_accept(server) arun_accept_at(ARUN_SITE, server)

/* Where it listens, as text: "127.0.0.1:43211", "unix:/path". Does not suspend. */
ARUN_API const char *arun_server_address(const arun_server *server);

/*
 * Says that conn is between two requests, until the next byte of it is read. Once its server closes,
 * a read that would wait there returns 0, as at the end of the stream: a client that is only
 * connected is not waited for. What has come by then is read first; and a client that has connected
 * less than 1 s ago, and sent nothing yet, has the rest of that second. To be called before each read
 * that may begin a request, by the task that reads or by another. NULL is ignored; for a connection
 * that no server accepted it does nothing. Does not suspend.
 */
ARUN_API void arun_idle(arun_conn *conn);

/*
 * Stops accepting, lets the handlers finish, cancels them when three quarters of the grace time are
 * gone (counted from the stop; from this call where none is under way), closes, frees. Reads of
 * connections that are idle end at once: see arun_idle(). It always does its work, in a cancelled
 * task too. NULL is ignored. Returns 0; -1 with ETIMEDOUT: handlers ignored that, they run on
 * without the server. Suspends.
 */
ARUN_API int arun_server_close(arun_server *server);
ARUN_API int arun_server_close_at(const struct arun_site *site, arun_server *server);
#define arun_server_close(server) arun_server_close_at(ARUN_SITE, server)

/* TLS */

/*
 * A stream with TLS is a stream: all calls on it do what they do without. Its end is close_notify;
 * where it is cut short a read fails with ECONNRESET. What a write that failed had begun, up to a
 * record of 16 KiB, counts as taken (arun_written()), and goes out with the next call. TLS 1.2 and
 * 1.3, by OpenSSL; the kernel does the encryption where it can.
 *
 * A server's handshake is done before its handler runs, which does not run where it fails: that is
 * logged and counted. A connection from arun_accept() does it in its first read or write, which
 * fails as arun_starttls() does. It has 10 s, or idle_timeout where that is shorter. Before its handler
 * runs a connection is idle: once the server closes a handshake has 1 s from then, and who has not
 * begun with it 1 s from when it connected. To end so is no failure.
 */

/*
 * What a server proves itself with: its certificate and those between it and the authority's, and
 * its key (NULL: in the same file), as PEM, without a passphrase. To be freed with arun_tls_free().
 * NULL with what open(2) says of a file; EINVAL: there is no certificate or no key in it, or they
 * do not fit; ENOMEM; EOPNOTSUPP: built without TLS, or no libssl is there; ESHUTDOWN: there is no
 * run in this thread. Does not suspend.
 */
ARUN_API arun_tls *arun_tls_server(const char *cert_file, const char *key_file);
ARUN_API arun_tls *arun_tls_server_at(
	const struct arun_site *site, const char *cert_file, const char *key_file);
#define arun_tls_server(cert_file, key_file)                                             \
	arun_tls_server_at(ARUN_SITE, cert_file, key_file)

/*
 * Gives a server's tls another certificate: for clients that ask for one of its names (SNI); to the
 * others it shows the first. A cert_file that tls has is read again instead, for the connections from
 * now on. Returns 0; -1 as arun_tls_server(), with nothing changed, and EINVAL: tls is a client's.
 * Does not suspend.
 */
ARUN_API int arun_tls_certificate(
	arun_tls *tls, const char *cert_file, const char *key_file);

/*
 * Whom a client trusts: the authorities whose certificates are in ca_file, as PEM; NULL: the
 * system's. It remembers sessions, which a later connection to the same server resumes. To be freed
 * with arun_tls_free(). NULL as above. Does not suspend.
 */
ARUN_API arun_tls *arun_tls_client(const char *ca_file);
ARUN_API arun_tls *arun_tls_client_at(const struct arun_site *site, const char *ca_file);
#define arun_tls_client(ca_file) arun_tls_client_at(ARUN_SITE, ca_file)

/*
 * Offers, or of a server accepts, protocols above TLS (ALPN): "h2,http/1.1", the best first. A client
 * that offers none of a server's is refused. Before the first connection. Returns 0; -1 with EINVAL:
 * none, or one that is empty, longer than 255 bytes, or has a blank; ENOMEM. Does not suspend.
 */
ARUN_API int arun_tls_alpn(arun_tls *tls, const char *protocols);

/* Frees it; connections and servers keep what they need. NULL is ignored. Does not suspend. */
ARUN_API void arun_tls_free(arun_tls *tls);

/*
 * Begins TLS on conn, as a client or as a server, whichever tls is (NULL: a client with the system's
 * certificates). host: whose certificate a client wants, a name or an address; ignored for a server.
 * What was read from conn and not handed out yet is taken for the other end's handshake.
 *
 * Returns 0; -1 with EKEYREJECTED: the certificate is not to be trusted, or not host's; EPROTO: the
 * handshake failed; ECONNRESET: the other end closed; ETIMEDOUT: it took 10 s, too; ECANCELED; EBUSY;
 * EBADF; EINVAL: no host; EALREADY: it has TLS; ENOTSOCK; EPIPE: arun_shutdown() was called; ENOMEM;
 * EOPNOTSUPP; what recv(2) and send(2) say; and what open(2) does of a client's certificates. arun_why()
 * has the reason. Once the handshake has begun and failed the connection can only be closed. Suspends.
 */
ARUN_API int arun_starttls(arun_conn *conn, arun_tls *tls, const char *host);
ARUN_API int arun_starttls_at(
	const struct arun_site *site, arun_conn *conn, arun_tls *tls, const char *host);
#define arun_starttls(conn, tls, host) arun_starttls_at(ARUN_SITE, conn, tls, host)

/* The protocol that both sides agreed on; "" where there is none. Does not suspend. */
ARUN_API const char *arun_conn_alpn(const arun_conn *conn);

/* Generators */

/*
 * Makes a generator of fn(arg), which hands out items with arun_gen_yield() from a task of its own.
 * It first runs at the first arun_gen_next(). To be closed with arun_gen_close().
 * NULL with ENOMEM, ESHUTDOWN. Does not suspend.
 */
ARUN_API arun_gen *arun_gen_new(int (*fn)(void *), void *arg);
ARUN_API arun_gen *arun_gen_new_at(
	const struct arun_site *site, const char *name, int (*fn)(void *), void *arg);
#define arun_gen_new(fn, ...) arun_gen_new_at(ARUN_SITE, #fn, fn, __VA_ARGS__)

/*
 * The next item, valid until the next call. NULL with errno 0: the body has returned; the body's
 * errno: it has failed (EIO where it set none); ECANCELED, ETIMEDOUT: the wait was cut short, the next
 * call gets that item; EBUSY: another task waits; EDEADLK: called by the body; EBADF: closed
 * meanwhile; EINVAL: it is NULL; ENOMEM: the body's stack. Suspends.
 */
ARUN_API void *arun_gen_next(arun_gen *gen);
ARUN_API void *arun_gen_next_at(const struct arun_site *site, arun_gen *gen);
#define arun_gen_next(gen) arun_gen_next_at(ARUN_SITE, gen)

/*
 * In a generator's body: hands out item (which the body keeps as it is until it is resumed), and waits
 * until the next one is wanted. Returns 0; -1 with ECANCELED: the generator is closed, clean up and
 * return; ETIMEDOUT: by an ARUN_TIMEOUT of the body; EPERM: not in a generator's body; EINVAL: item is
 * NULL. Suspends.
 */
ARUN_API int arun_gen_yield(void *item);
ARUN_API int arun_gen_yield_at(const struct arun_site *site, void *item);
#define arun_gen_yield(...) arun_gen_yield_at(ARUN_SITE, __VA_ARGS__)

/*
 * Resumes the body with ECANCELED in arun_gen_yield(), waits for its clean-up, frees. It always does
 * its work; at a stop, a clean-up that still waits after 7/8 of the grace time is cancelled. Returns
 * what the body returned (-1 with its errno; 0 where it never ran, or was closed with ECANCELED); -1
 * with EDEADLK: called by the body; EBUSY: another task closes it. NULL is ignored. Suspends.
 */
ARUN_API int arun_gen_close(arun_gen *gen);
ARUN_API int arun_gen_close_at(const struct arun_site *site, arun_gen *gen);
#define arun_gen_close(gen) arun_gen_close_at(ARUN_SITE, gen)

/* Locks and events */

/*
 * Between the tasks of a run. What does not suspend in between needs no lock: tasks only switch in
 * calls that suspend. The first that waits is served first; a task that is cancelled while it waits
 * neither loses nor takes what another is given. All zero is the initial state of each.
 */
typedef struct arun_mutex {
	void *private_[6];
} arun_mutex;
typedef struct arun_cond {
	void *private_[2];
} arun_cond;
typedef struct arun_event {
	void *private_[3];
} arun_event;
typedef struct arun_sem {
	unsigned count;
	void *private_[2];
} arun_sem;
/* An initializer a line. */
/* clang-format off */
#define ARUN_MUTEX_INIT                                                                  \
	{                                                                                \
		{ 0 }                                                                    \
	}
#define ARUN_COND_INIT                                                                   \
	{                                                                                \
		{ 0 }                                                                    \
	}
#define ARUN_EVENT_INIT                                                                  \
	{                                                                                \
		{ 0 }                                                                    \
	}
#define ARUN_SEM_INIT(count)                                                             \
	{                                                                                \
		count, {                                                                 \
			0                                                                \
		}                                                                        \
	}
/* clang-format on */

/*
 * Locks mutex. Returns 0; -1 with EDEADLK: the caller holds it; ENOMEM; ECANCELED, ETIMEDOUT: it
 * does not hold it. Suspends.
 */
ARUN_API int arun_mutex_lock(arun_mutex *mutex);
ARUN_API int arun_mutex_lock_at(const struct arun_site *site, arun_mutex *mutex);
#define arun_mutex_lock(mutex) arun_mutex_lock_at(ARUN_SITE, mutex)

/* Unlocks it: the first that waits holds it then. By another task: misuse. Does not suspend. */
ARUN_API void arun_mutex_unlock(arun_mutex *mutex);

/*
 * Unlocks mutex, waits for a signal, locks it again, whatever happens. Returns 0; -1 with EPERM: the
 * caller does not hold mutex; ENOMEM: it did not wait; ECANCELED, ETIMEDOUT: no signal was taken.
 * Suspends.
 */
ARUN_API int arun_cond_wait(arun_cond *cond, arun_mutex *mutex);
ARUN_API int arun_cond_wait_at(
	const struct arun_site *site, arun_cond *cond, arun_mutex *mutex);
#define arun_cond_wait(cond, mutex) arun_cond_wait_at(ARUN_SITE, cond, mutex)

/* Wakes the first that waits; all that wait. Do not suspend. */
ARUN_API void arun_cond_signal(arun_cond *cond);
ARUN_API void arun_cond_broadcast(arun_cond *cond);

/* Waits until event is set. Returns 0; -1 with ECANCELED, ETIMEDOUT. Suspends. */
ARUN_API int arun_event_wait(arun_event *event);
ARUN_API int arun_event_wait_at(const struct arun_site *site, arun_event *event);
#define arun_event_wait(event) arun_event_wait_at(ARUN_SITE, event)

/* Sets it, and wakes all that wait; clears it. Do not suspend. */
ARUN_API void arun_event_set(arun_event *event);
ARUN_API void arun_event_clear(arun_event *event);

/* Takes one of count, or waits for one. Returns 0; -1 with ECANCELED, ETIMEDOUT. Suspends. */
ARUN_API int arun_sem_acquire(arun_sem *sem);
ARUN_API int arun_sem_acquire_at(const struct arun_site *site, arun_sem *sem);
#define arun_sem_acquire(sem) arun_sem_acquire_at(ARUN_SITE, sem)

/* Gives one back, or to the first that waits. Does not suspend. */
ARUN_API void arun_sem_release(arun_sem *sem);

/* Channels */

/*
 * Makes a channel of at most capacity items of item_size bytes each; with capacity 0 each item goes
 * from hand to hand. To be freed with arun_chan_free(). NULL with ENOMEM; EINVAL: item_size is 0, or
 * their product is too large; ESHUTDOWN: there is no run in this thread. Does not suspend.
 */
ARUN_API arun_chan *arun_chan_new(size_t capacity, size_t item_size);
ARUN_API arun_chan *arun_chan_new_at(
	const struct arun_site *site, size_t capacity, size_t item_size);
#define arun_chan_new(capacity, item_size)                                               \
	arun_chan_new_at(ARUN_SITE, capacity, item_size)

/*
 * Sends a copy of the item_size bytes at item; waits while the channel is full. Returns 0; -1 with
 * EPIPE: the channel is closed; EBADF: it was freed meanwhile; EINVAL: it is NULL; ECANCELED,
 * ETIMEDOUT: nothing was sent. Suspends.
 */
ARUN_API int arun_chan_send(arun_chan *chan, const void *item);
ARUN_API int arun_chan_send_at(
	const struct arun_site *site, arun_chan *chan, const void *item);
#define arun_chan_send(...) arun_chan_send_at(ARUN_SITE, __VA_ARGS__)

/*
 * Receives an item into item; waits while the channel is empty. Returns 1; 0: it is closed, and all
 * has been received; -1 with EBADF: it was freed meanwhile; EINVAL: it is NULL; ECANCELED, ETIMEDOUT:
 * nothing was received. Suspends.
 */
ARUN_API int arun_chan_recv(arun_chan *chan, void *item);
ARUN_API int arun_chan_recv_at(const struct arun_site *site, arun_chan *chan, void *item);
#define arun_chan_recv(chan, item) arun_chan_recv_at(ARUN_SITE, chan, item)

/*
 * The same, but where they would wait it is -1 with EAGAIN, which arun_why() does not tell of. They may
 * be called in the callback of a timer, and in a cancelled task, too. ESHUTDOWN: there is no run in
 * this thread. Do not suspend.
 */
ARUN_API int arun_chan_try_send(arun_chan *chan, const void *item);
ARUN_API int arun_chan_try_recv(arun_chan *chan, void *item);

/* One way for arun_chan_select() to go: an item to send, or to receive. */
typedef struct arun_chan_case {
	arun_chan *chan;  /* NULL: this way is shut */
	const void *send; /* the item to send; NULL: it receives */
	void *recv;       /* where to receive an item; NULL: it sends */
	int result; /* out: 1: its item was sent, or received; 0: it was not, or what it would
		       receive from is at its end; -1: why the call failed */
	void *private_[6];
} arun_chan_case;

/*
 * Waits for the first of count cases that can go, and has that one go, no other. Where several can at
 * once, each has the same chance: none starves in a loop. Channels may be in several cases; where all
 * are shut, or there are none, only a cancel or a timeout ends the wait. For a wait that is none, try
 * one by one. The cases are in use until it returns.
 *
 * Returns the index of the one that went, whose result is 1; or 0: its channel is closed, and all has
 * been received (set chan to NULL to go on without). -1 with EPIPE: the channel of the case whose
 * result is -1 is closed, and it was to send; EBADF: that one was freed meanwhile; EINVAL: a case that
 * does both, or neither; ECANCELED, ETIMEDOUT: nothing was sent, nor received. Suspends.
 */
ARUN_API int arun_chan_select(arun_chan_case *cases, size_t count);
ARUN_API int arun_chan_select_at(
	const struct arun_site *site, arun_chan_case *cases, size_t count);
#define arun_chan_select(...) arun_chan_select_at(ARUN_SITE, __VA_ARGS__)

/* No more is sent; what is in it can be received. NULL is ignored. Does not suspend. */
ARUN_API void arun_chan_close(arun_chan *chan);

/* Closes and frees it; what is in it is lost, who waits gets EBADF: a line on stderr says so. NULL is
 * ignored. Does not suspend. */
ARUN_API void arun_chan_free(arun_chan *chan);

/* Inspection */

/*
 * Lets an object live to the end of the run: it is no leak, nor is what belongs to it (a server's
 * connections, a task's groups, jobs and locks). handle is that of a task, server, connection,
 * generator, timer or channel. Does not suspend.
 */
ARUN_API void arun_daemon(void *handle);

/*
 * Writes all there is now to out (NULL: stderr), as SIGUSR1 has it on stderr. From a task or a
 * callback in the loop; outside a run it does nothing. Does not suspend.
 */
ARUN_API void arun_dump(FILE *out);

/*
 * For tests: a mark, and how many objects that were made after it are still open. These are listed on
 * out, as the report lists them (out NULL: only counted). -1 with ESHUTDOWN: there is no run in this
 * thread. Raw descriptors are not looked at. Do not suspend.
 */
ARUN_API unsigned long arun_mark(void);
ARUN_API int arun_leaks_since(unsigned long mark, FILE *out);

/* Timers, descriptors, locals */

/*
 * Calls fn(arg) in the loop after some seconds (0 or less: at its next turn), and then, where every
 * is not 0, each so many seconds from there, without drift; times that were missed are skipped. fn
 * must not suspend; it may stop the timer. The handle is valid until arun_timer_stop(), also of one
 * that has fired for the last time; that one is no leak.
 *
 * Returns the timer. NULL with EINVAL: fn is NULL, a time is not a number or infinite, every is
 * negative; ENOMEM; ESHUTDOWN: there is no run in this thread. Does not suspend.
 */
ARUN_API arun_timer *arun_timer_start(
	double after, double every, void (*fn)(void *), void *arg);
ARUN_API arun_timer *arun_timer_start_at(const struct arun_site *site, const char *name,
	double after, double every, void (*fn)(void *), void *arg);
#define arun_timer_start(after, every, fn, ...)                                          \
	arun_timer_start_at(ARUN_SITE, #fn, after, every, fn, __VA_ARGS__)

/* Stops it: fn is not called again. The handle is gone. NULL is ignored. Does not suspend. */
ARUN_API void arun_timer_stop(arun_timer *timer);

enum arun_events { ARUN_READABLE = 1, ARUN_WRITABLE = 2 };

/*
 * Waits until fd, a descriptor of yours, is ready for some of events; several tasks may wait for one.
 * Regular files are always ready; at the end of a stream, and after an error, all of events are.
 *
 * Returns what is ready now; -1 with EBADF: fd is not open, or was closed meanwhile (within 1 s);
 * EINVAL: events; ECANCELED, ETIMEDOUT. Suspends.
 */
ARUN_API int arun_wait_fd(int fd, int events);
ARUN_API int arun_wait_fd_at(const struct arun_site *site, int fd, int events);
#define arun_wait_fd(fd, events) arun_wait_fd_at(ARUN_SITE, fd, events)

/*
 * What this task, or the one that spawned it before that, has set for key (any address of yours);
 * NULL where nothing was. Does not suspend.
 */
ARUN_API void *arun_local_get(const void *key);

/*
 * Sets it for this task, and for those it will spawn. value stays yours. Returns 0; -1 with ENOMEM;
 * EPERM: outside a task. Does not suspend.
 */
ARUN_API int arun_local_set(const void *key, void *value);

/* Threads and names */

/*
 * Calls fn(arg) on a thread of a pool (at most 4; more calls queue), where it may block, and waits for
 * it. fn must not call into arun, but arun_post() and arun_log(). A wait that is cut short leaves a
 * call that has begun to itself: arg must live on until that returns. So a variable of a function's own
 * needs an ARUN_SHIELD(INFINITY) around the call; a line on stderr says where that was missing. What
 * still blocks at the end of a stop's grace time is abandoned, and named.
 *
 * Returns what fn returned, with its errno; -1 with ECANCELED, ETIMEDOUT: see above; ENOMEM; EAGAIN:
 * no thread can be started. Suspends.
 */
ARUN_API int arun_blocking(int (*fn)(void *), void *arg);
ARUN_API int arun_blocking_at(
	const struct arun_site *site, const char *name, int (*fn)(void *), void *arg);
#define arun_blocking(fn, ...) arun_blocking_at(ARUN_SITE, #fn, fn, __VA_ARGS__)

/*
 * Has fn(arg) called in the loop, where it must not suspend. Any thread may call this; what one posts
 * is called in its order. From a thread without a run it goes to the run that handles the signals.
 * Returns 0; -1 with ESHUTDOWN: there is no run, or it has ended; ENOMEM. Does not suspend.
 */
ARUN_API int arun_post(void (*fn)(void *), void *arg);
ARUN_API int arun_post_at(
	const struct arun_site *site, const char *name, void (*fn)(void *), void *arg);
#define arun_post(fn, ...) arun_post_at(ARUN_SITE, #fn, fn, __VA_ARGS__)

/*
 * Looks up the addresses of streams to host (NULL: this machine) and service (NULL: port 0), as
 * getaddrinfo(3) does, on a thread of its own. *list is the caller's, for freeaddrinfo(3).
 *
 * Returns 0; -1 with ENOENT: the host has no address; EINVAL: no such service, or a name that is too
 * long; EAGAIN: no name server answers, or no thread can be started; ENOMEM, EMFILE, ENFILE; EIO;
 * ECANCELED, ETIMEDOUT. A literal address with a port in digits is not waited for. Suspends.
 */
ARUN_API int arun_resolve(const char *host, const char *service, struct addrinfo **list);
ARUN_API int arun_resolve_at(const struct arun_site *site, const char *host,
	const char *service, struct addrinfo **list);
#define arun_resolve(host, service, list) arun_resolve_at(ARUN_SITE, host, service, list)

/* Datagrams */

typedef struct arun_address {
	struct sockaddr_storage storage;
	socklen_t length; /* of what is used; 0: no address */
} arun_address;

/*
 * Opens a socket for datagrams: "udp:HOST:PORT" is bound there (port 0 picks one; see
 * arun_udp_local()), "udp:connect:HOST:PORT" is connected to it; so are "unix:/path",
 * "unix:connect:/path" and those of "unix:@abstract"; "fd:N" is one that this process was given,
 * which is taken. The file of a dead Unix socket is replaced, and removed at the end where it is
 * still ours.
 *
 * Returns it, to be closed with arun_udp_close(). NULL with EINVAL: no such endpoint; ENAMETOOLONG;
 * EBADF: no such descriptor; EBUSY: it is in use; EADDRINUSE, EACCES, EADDRNOTAVAIL and what else
 * socket(2), bind(2) and connect(2) say; ENOMEM; of a host name what arun_resolve() says, too. Does
 * not suspend for a literal address; looking up a host name Suspends.
 */
ARUN_API arun_udp *arun_udp_open(const char *endpoint);
ARUN_API arun_udp *arun_udp_open_at(const struct arun_site *site, const char *endpoint);
#define arun_udp_open(endpoint) arun_udp_open_at(ARUN_SITE, endpoint)

/* Closes it at once; who waits on it gets EBADF. NULL is ignored. Does not suspend. */
ARUN_API void arun_udp_close(arun_udp *udp);

/* Its own address as text: "127.0.0.1:43211", "unix:/path"; "" where it has none. Does not suspend. */
ARUN_API const char *arun_udp_local(const arun_udp *udp);

/*
 * Waits for the next datagram; from, where it is not NULL, gets its sender. Returns its size, which
 * may be 0; -1 with EMSGSIZE: it is longer than size, buf has its beginning and the rest is lost;
 * ECONNREFUSED: an earlier one found nobody at the connected peer, the socket goes on; ECANCELED,
 * ETIMEDOUT: nothing was taken; EBUSY: another task receives; EBADF: closed; and what recv(2) says.
 * Suspends.
 */
ARUN_API ssize_t arun_udp_recv(arun_udp *udp, void *buf, size_t size, arun_address *from);
ARUN_API ssize_t arun_udp_recv_at(const struct arun_site *site, arun_udp *udp, void *buf,
	size_t size, arun_address *from);
#define arun_udp_recv(udp, buf, size, from)                                              \
	arun_udp_recv_at(ARUN_SITE, udp, buf, size, from)

/*
 * Sends one datagram to an address, or (NULL) to the connected peer, as soon as there is room.
 * Returns size; -1 with EDESTADDRREQ: NULL, and not connected; EINVAL: no address; EMSGSIZE: too
 * long for one datagram; ECONNREFUSED: as above; ECANCELED, ETIMEDOUT: it was not sent; EBUSY: another
 * task sends; EBADF: closed; and what send(2) says. Suspends.
 */
ARUN_API ssize_t arun_udp_send(
	arun_udp *udp, const void *buf, size_t size, const arun_address *to);
ARUN_API ssize_t arun_udp_send_at(const struct arun_site *site, arun_udp *udp,
	const void *buf, size_t size, const arun_address *to);
#define arun_udp_send(...) arun_udp_send_at(ARUN_SITE, __VA_ARGS__)

/* Processes */

enum arun_exec_stream {
	ARUN_INHERIT, /* this process' own */
	ARUN_STREAM,  /* a connection: arun_process_stdin() and so on */
	ARUN_NULL     /* /dev/null */
};

typedef struct arun_exec_options {
	char *const *environment; /* NULL: this process' */
	const char *directory;    /* to start in; NULL: this one */
	int in, out, err;         /* of enum arun_exec_stream */
	bool process_group; /* it leads a group of its own, with all that it starts */
} arun_exec_options;

/*
 * Starts the program argv[0], which is looked for in $PATH where it has no slash; the last of argv
 * is NULL. options NULL: it inherits everything. It has the default actions of all signals (but INT,
 * QUIT and HUP that are ignored stay so, for nohup(1)), blocks none, and of the descriptors has 0 to 2.
 *
 * Returns the process, to be freed with arun_process_close(). It is a leak as long as nobody has
 * waited for it. NULL with ENOENT, EACCES, ENOEXEC, E2BIG, ENOTDIR and what else execve(2) says of the
 * program, chdir(2) of the directory; EINVAL: no argv[0], or no such stream; EAGAIN, ENOMEM, EMFILE,
 * ENFILE; ESHUTDOWN: there is no run in this thread. Does not suspend.
 */
ARUN_API arun_process *arun_exec(char *const argv[], const arun_exec_options *options);
ARUN_API arun_process *arun_exec_at(const struct arun_site *site, char *const argv[],
	const arun_exec_options *options);
#define arun_exec(...) arun_exec_at(ARUN_SITE, __VA_ARGS__)

/*
 * Waits for its end; any number of tasks may. *status, where it is not NULL, is as waitpid(2) has it,
 * each time. Returns 0; -1 with ECANCELED, ETIMEDOUT: it runs on; ECHILD: somebody else (a handler
 * of SIGCHLD) has taken its status; EBADF: closed. Suspends.
 */
ARUN_API int arun_process_wait(arun_process *process, int *status);
ARUN_API int arun_process_wait_at(
	const struct arun_site *site, arun_process *process, int *status);
#define arun_process_wait(process, status)                                               \
	arun_process_wait_at(ARUN_SITE, process, status)

/*
 * Sends it a signal, or all of its group where it leads one, also when it has ended itself, but not
 * when it was waited for; never to another process that has got its number. Returns 0; -1 with ESRCH:
 * it has ended; EPERM: it has become another user's; EINVAL: no such signal; EBADF: NULL. Does not
 * suspend.
 */
ARUN_API int arun_process_kill(arun_process *process, int signum);

/*
 * The other ends of its ARUN_STREAMs: connections that belong to it. They may be closed before it is,
 * so that it reads to the end of its input. NULL where there is none, or it is closed.
 * Do not suspend.
 */
ARUN_API arun_conn *arun_process_stdin(const arun_process *process);
ARUN_API arun_conn *arun_process_stdout(const arun_process *process);
ARUN_API arun_conn *arun_process_stderr(const arun_process *process);

/* Its number; -1: NULL. Does not suspend. */
ARUN_API pid_t arun_process_pid(const arun_process *process);

/*
 * Closes its streams, and frees it. Where it still runs it gets SIGTERM, and SIGKILL when three
 * quarters of the grace time are gone (counted from the stop; from this call where none is under
 * way); its end is waited for, so that no zombie is left. So does its group where it leads one, and what
 * is left of that when it has ended gets SIGKILL; unless it was waited for before, as the group's number
 * may be another's from then on: what it leaves behind then runs on. It always does its work. NULL is
 * ignored. Suspends.
 */
ARUN_API void arun_process_close(arun_process *process);
ARUN_API void arun_process_close_at(const struct arun_site *site, arun_process *process);
#define arun_process_close(process) arun_process_close_at(ARUN_SITE, process)

/* Signals */

/*
 * Asks for count signals of this process: until arun_signals_close() they are handed out by
 * arun_signals_next(), and do nothing else. Every object that asks for a signal gets it.
 *
 * Returns the object. NULL with EINVAL: no signal, one that cannot be handled, or one that arun(1)
 * acts on (INT, TERM, HUP, USR1, QUIT, SEGV, BUS, FPE, ILL, ABRT, PIPE, and RTMAX); EBUSY: a run in
 * another thread has signals; ENOMEM; ESHUTDOWN: there is no run in this thread. Does not suspend.
 */
ARUN_API arun_signals *arun_signals_open(const int *signums, int count);
ARUN_API arun_signals *arun_signals_open_at(
	const struct arun_site *site, const int *signums, int count);
#define arun_signals_open(...) arun_signals_open_at(ARUN_SITE, __VA_ARGS__)

/*
 * Waits for the next signal, and returns its number. Several of one number that came meanwhile are one,
 * but of realtime signals, of which none is lost; the lowest number is first. -1 with ECANCELED,
 * ETIMEDOUT: the next call gets it; EBUSY: another task waits; EBADF: closed. Suspends.
 */
ARUN_API int arun_signals_next(arun_signals *signals);
ARUN_API int arun_signals_next_at(const struct arun_site *site, arun_signals *signals);
#define arun_signals_next(signals) arun_signals_next_at(ARUN_SITE, signals)

/* Has them do again what they did before; who waits gets EBADF. NULL is ignored. Does not suspend. */
ARUN_API void arun_signals_close(arun_signals *signals);

/* Messages */

/* syslog(3)'s levels. */
enum arun_level { ARUN_ERROR = 3, ARUN_WARNING, ARUN_NOTICE, ARUN_INFO, ARUN_DEBUG };

/*
 * Writes a line to stderr where --log-level lets level through, in the form of --log-format: text with
 * time and level, JSON with the task and the place too, or the journal's. format is printf(3)'s;
 * control characters are escaped. It is one write(2); any thread may call it. errno is kept. Does not
 * suspend.
 */
ARUN_API void arun_log(int level, const char *format, ...) ARUN_FORMAT(2, 3);
ARUN_API void arun_log_at(const struct arun_site *site, int level, const char *format,
	...) ARUN_FORMAT(3, 4);
#define arun_log(level, ...) arun_log_at(ARUN_SITE, level, __VA_ARGS__)

/* The service manager (systemd) */

/*
 * Has systemctl status show a text for this service, within a second; format is printf(3)'s. "" or
 * NULL: has it show again how many connections and tasks there are, as it does without this call.
 * Where there is no manager nothing happens. Does not suspend.
 */
ARUN_API void arun_status(const char *format, ...) ARUN_FORMAT(1, 2);

/*
 * The same at once, for a start, a reload or a stop that takes long: from each call on the manager
 * waits for another 30 s, so it is to be called more often than that. Does not suspend.
 */
ARUN_API void arun_progress(const char *format, ...) ARUN_FORMAT(1, 2);

/*
 * Stores a duplicate of fd with the manager, under a name of printable ASCII without a colon: it
 * survives a restart of the service, and comes back as "systemd:NAME", for arun_listen(),
 * arun_udp_open() or, of any other kind, arun_connect(). fd -1: drops what is stored under name.
 * Returns 0; -1 with EINVAL: the name; EBADF; ENOTCONN: there is no manager; EAGAIN and what else
 * sendmsg(2) says. Does not suspend.
 */
ARUN_API int arun_fdstore(const char *name, int fd);

/* Embedding: programs linked with -larun */

enum arun_leaks { ARUN_LEAKS_WARN, ARUN_LEAKS_OFF, ARUN_LEAKS_ERROR };

/* AUTO: JOURNAL where stderr is the journal's ($JOURNAL_STREAM), otherwise TEXT. */
enum arun_log_format { ARUN_LOG_AUTO, ARUN_LOG_TEXT, ARUN_LOG_JSON, ARUN_LOG_JOURNAL };

typedef struct arun_options {
	size_t struct_size;  /* sizeof(arun_options) */
	const char *name;    /* of the entry, for the reports; NULL: "main" */
	size_t stack_size;   /* of the entry, bytes; 0: 256 KiB */
	int (*reload)(void); /* on SIGHUP */
	double grace;        /* seconds from a stop to its end; 0: 8 s */
	enum arun_leaks leaks;
	int report_fd;        /* JSON reports, one a line (arun-report(5)); 0: none */
	const char *suppress; /* a file of suppressions; NULL: none */
	bool debug;
	bool signals; /* arun handles those in arun(1), and is the service that systemd
			 started; false: the host does, and is */
	struct ev_loop *loop; /* the host's; NULL: its own */
	int signal;           /* out: the signal to die of, 0: none */
	void *plugin; /* dlopen(3)'s handle of what holds the entry, for C++; NULL: none */
	const char *plugin_path; /* for the reports; NULL: the program */
	int log_level;           /* ARUN_ERROR to ARUN_DEBUG; 0: ARUN_INFO */
	enum arun_log_format log_format;
	double hog; /* with debug, seconds that a task may run without suspending; 0: 0.1 */
	/* "[NAME=]ENDPOINT"s that are opened before the entry starts, for arun_listen() to
	 * find; NULL at their end; NULL: none */
	const char *const *listen;
	/* where they come from ("--suppress", "my.conf:7"), which the line about a bad one
	 * begins with; NULL: with nothing */
	const char *suppress_source, *listen_source;
	/* out, where it returns -1: what could not be had ("loop"); NULL: nothing that has a
	 * name */
	const char *lacks;
	/* out: seconds of its grace time that a stop leaves for what comes after the run, 1 at
	 * least; 0: it was not asked to stop */
	double left;
} arun_options;

/*
 * Runs fn(argc, argv) as a main coroutine: makes a loop, runs it until fn has returned, finalizes in
 * bounded time, reports what was left open on stderr. The handlers of signals are as before
 * afterwards. options NULL: a zeroed one with signals.
 *
 * Returns the exit status: what fn returned (1 where negative), 1, 23 or 124 as arun(1) has it; -1
 * with EBUSY: inside a run; EINVAL: struct_size, or, said on stderr, no such suppress file, or an
 * endpoint of listen that cannot be had; ENOMEM, EMFILE, ENOSPC (fs.epoll.max_user_watches), EAGAIN (a
 * limit of threads or timers): what options->lacks names could not be had. Does not return where tasks
 * were abandoned: they hold their stacks, so the process ends.
 */
ARUN_API int arun_run(
	int (*fn)(int, char **), int argc, char **argv, arun_options *options);

/* The same for a server generator. */
ARUN_API int arun_run_forever(
	int (*fn)(int, char **), int argc, char **argv, arun_options *options);

/* The loop of this run, for libraries that have a libev adapter; NULL outside. Does not suspend. */
ARUN_API struct ev_loop *arun_loop(void);

/* "0.1.0". Does not suspend. */
ARUN_API const char *arun_version(void);

#ifdef __cplusplus
}
#endif
#endif
